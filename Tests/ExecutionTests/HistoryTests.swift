import CSQLite
import Foundation
import Pipelines
import Storage
import Testing
import Wire

@testable import Execution

private let home = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
private let name = "bank_reconciliation"

/// What may have happened to a replica's files before a batch comes.
private enum Course: CaseIterable {
  case runsOn
  /// The process ends before each batch.
  case restarts
  /// Each file is written anew from its rows, on pages of another size, with its indexes.
  case isRebuilt
  /// An older version of the package was deployed first.
  case isUpgraded
}

/// The bank reconciliation on one course.
private final class Life {
  let subnet: Subnet
  let course: Course
  private let package: Package

  init(_ course: Course) throws {
    self.course = course
    package = try PackageReader.read(directory: "\(home)/deploy/pipelines/bank-reconciliation")
    subnet = try Subnet()
    try apply(subnet.deploy(course == .isUpgraded ? older() : package))
    try subnet.fund(name, 90_000_000_000_000)
  }

  /// Without one model, and with another made of other SQL.
  private func older() -> Package {
    var older = package
    older.version = "0.9"
    older.models.removeAll { $0.name == "mtr_late_streaks" }
    for place in older.models.indices where older.models[place].name == "slv_match_exceptions" {
      let script = older.models[place].sql
      older.models[place].sql = script.map {
        SQLScript("/* as it was */ " + $0.text, file: $0.file)
      }
    }
    return older
  }

  private func apply(_ call: SignedCall) throws {
    if case .refused(let refusal) = try subnet.run(call).status { throw refusal }
  }

  /// Once, between the batches; takes the same time and calls on each course.
  func turn() throws {
    let upgrade = subnet.deploy(package)
    let other = subnet.call("", .transfer(to: Subnet.stranger.publicKey, 1))
    try apply(course == .isUpgraded ? upgrade : other)
  }

  func send(_ table: FeedTable, _ rows: ArraySlice<[String?]>, steps: UInt64) throws -> Receipt {
    switch course {
    case .runsOn, .isUpgraded: break
    case .restarts: try subnet.reopen()
    case .isRebuilt: try rebuild()
    }
    return try subnet.run(
      subnet.ingest(table.source, table.text(of: rows), pipeline: name, steps: steps))
  }

  private func rebuild() throws {
    let size = [512, 65_536, 1_024][Int(subnet.executor.height.number % 3)]
    let other = "\(subnet.path)-\(size)"
    try FileManager.default.createDirectory(
      atPath: "\(other)/pipelines", withIntermediateDirectories: true)
    for file in ["system.sqlite", "pipelines/\(name).sqlite"] {
      let old = try Connection(path: "\(subnet.path)/\(file)")
      try old.execute("PRAGMA page_size=\(size); VACUUM INTO '\(other)/\(file)'")
      let made = try Connection(path: "\(other)/\(file)")
      try made.execute("REINDEX")
      let pages = try made.prepare("PRAGMA page_size")
      #expect(try pages.step() && pages.integer(0) == Int64(size))
    }
    try subnet.move(to: other)
  }
}

/// What a receipt says of a batch, whichever call brought it.
private struct Bill: Equatable {
  let status: Receipt.Status
  let tally: RowTally
  let notes: [Note]
  let usage: Usage
  let charged: Cycles
  let code: String?

  init(_ receipt: Receipt) {
    status = receipt.status
    tally = receipt.tally
    notes = receipt.notes
    usage = receipt.usage
    charged = receipt.charged
    code = receipt.refusalCode
  }
}

@Suite struct `The bill of a batch` {
  /// Steps and cycles of all batches below, by SQLite's version: the same in debug and in release
  /// builds, and on every machine.
  private static let golden: [String: (steps: UInt64, cycles: UInt64)] = [
    "3.40.1": (325_068, 98_791_263)
  ]

  private func bills(_ course: Course) throws -> (bills: [Bill], roots: [Digest]) {
    let feed = FeedGenerator(seed: 9, rows: 240)
    let life = try Life(course)
    var bills: [Bill] = []
    var roots: [Digest] = []
    func send(_ table: FeedTable, from first: Int, to last: Int, steps: UInt64) throws {
      let rows = table.rows
      let part = rows[min(first, rows.count)..<min(last, rows.count)]
      bills.append(Bill(try life.send(table, part, steps: steps)))
      roots.append(try #require(life.subnet.root(name)))
    }
    try send(feed.institutions, from: 0, to: .max, steps: 50_000_000)
    try send(feed.transactions, from: 0, to: 100, steps: 50_000_000)
    try send(feed.lifecycle, from: 0, to: .max, steps: 50_000_000)
    try life.turn()
    for first in stride(from: 100, to: 240, by: 35) {
      // What a budget stops it stops at the same row, with the same words.
      for steps: UInt64 in [3_000, 12_000] {
        try send(feed.transactions, from: first, to: first + 35, steps: steps)
      }
      try send(feed.transactions, from: first, to: first + 35, steps: 50_000_000)
    }
    try send(feed.audit, from: 0, to: .max, steps: 50_000_000)
    #expect(life.subnet.executor.totals.isConserved)
    return (bills, roots)
  }

  @Test func `is the same whatever the files went through before`() throws {
    let (first, roots) = try bills(.runsOn)
    #expect(first.contains { $0.status == .applied && $0.tally.accepted > 20 })
    #expect(first.filter { $0.code == "STEP_LIMIT" }.count >= 8)
    for course in Course.allCases.dropFirst() {
      let (others, otherRoots) = try bills(course)
      #expect(others.count == first.count)
      // Until the upgrade there is less to refresh.
      let same = course == .isUpgraded ? 3 : 0
      for (place, (bill, other)) in zip(first, others).enumerated() where place >= same {
        #expect(bill == other, "batch \(place) where it \(course)")
      }
      // Tables are numbered as they come, and the root names them by their numbers.
      if course != .isUpgraded { #expect(roots == otherRoots, "\(course)") }
    }
    let steps = first.reduce(0) { $0 + $1.usage.steps }
    let cycles = first.reduce(0) { $0 + $1.charged.number }
    let version = String(cString: sqlite3_libversion())
    guard let golden = Self.golden[version] else {
      print(
        "skipped: no golden figures for SQLite \(version); here \(steps) steps, \(cycles) cycles")
      return
    }
    #expect(golden.steps == steps)
    #expect(golden.cycles == cycles)
  }
}
