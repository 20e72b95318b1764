import CSQLite
import Foundation
import Pipelines
import Storage
import Testing
import Wire

@testable import Execution

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

private struct Batch {
  let source: String
  let text: String
  /// Budgets that do not suffice, tried before one that does.
  var limits: [UInt64] = []
}

/// An example, an older version of it, and what is sent to them.
private struct Story {
  let package: Package
  let older: Package
  /// Milliseconds in which nothing happens before the first batch: no row may lie ahead of time.
  let pause: UInt64
  var batches: [Batch]
  /// So many batches come before the upgrade.
  let turn: Int

  static func read(_ folder: String) throws -> Story {
    let package = try PackageReader.read(directory: Folders.pipeline(folder))
    guard folder != "bank-reconciliation" else { return bank(package) }
    var batches: [Batch] = []
    for (source, bytes) in try feeds(of: folder) {
      var splitter = BatchSplitter(
        format: .csv, csv: try #require(package.source(source)).csv, rowsMax: 40,
        bytesMax: 1 << 20)
      for part in try splitter.push(bytes) + splitter.finish() {
        batches.append(Batch(source: source, text: String(decoding: part.bytes, as: UTF8.self)))
      }
    }
    return Story(
      package: package, older: try older(package, folder), pause: 200 * 86_400_000,
      batches: batches, turn: batches.count / 2)
  }

  // MARK: The bank reconciliation

  private static func bank(_ package: Package) -> Story {
    let feed = FeedGenerator(seed: 9, rows: 240)
    func batch(_ table: FeedTable, from first: Int = 0, to last: Int = .max) -> Batch {
      let rows = table.rows
      let part = rows[min(first, rows.count)..<min(last, rows.count)]
      return Batch(source: table.source, text: table.text(of: part))
    }
    var batches = [
      batch(feed.institutions), batch(feed.transactions, to: 100), batch(feed.lifecycle),
    ]
    for first in stride(from: 100, to: 240, by: 35) {
      var part = batch(feed.transactions, from: first, to: first + 35)
      part.limits = [3_000, 12_000]
      batches.append(part)
    }
    batches.append(batch(feed.audit))
    // Without one model, and with another made of other SQL.
    var older = package
    older.version = "0.9"
    older.models.removeAll { $0.name == "mtr_late_streaks" }
    older.respell("slv_match_exceptions")
    return Story(package: package, older: older, pause: 0, batches: batches, turn: 3)
  }

  // MARK: The others

  private static func feeds(of folder: String) throws -> [(source: String, bytes: [UInt8])] {
    guard folder != "berka" else { return [("transactions", berka)] }
    let example = try #require(FedExample.all.first { $0.folder == folder })
    return try example.feeds.map { feed in
      let path = "\(Folders.pipeline(folder))/feeds/\(feed.file).csv"
      return (feed.source, Array(try #require(FileManager.default.contents(atPath: path))))
    }
  }

  /// Movements of five accounts and three banks; the real files are not part of this package.
  private static var berka: [UInt8] {
    var text = "trans_id;account_id;date;type;operation;amount;balance;k_symbol;bank;account\n"
    for number in 1...120 {
      let date = 930_000 + 100 * (1 + number % 12) + 1 + number % 28
      let type = number % 3 == 0 ? "VYDAJ" : "PRIJEM"
      let bank = ["YZ", "AB", "CD"][number % 3]
      text += "\(number);\(1 + number % 5);\(date);\(type);VKLAD;\(10 + number).50;"
      text += "\(1_000 + number).00;;\(bank);\(number)\n"
    }
    return Array(text.utf8)
  }

  /// By folder: a model that was computed whole, and one that was made of other SQL.
  private static let changed = [
    "berka": ("account_months", "bank_months"),
    "delivery-tracking": ("agg_late_scans", "fct_delivery_gaps"),
    "feature-store": ("agg_plan_defaults", "fct_training_set"),
    "master-data": ("agg_email_sources", "fct_conflicts"),
  ]

  private static func older(_ package: Package, _ folder: String) throws -> Package {
    let (whole, respelled) = try #require(changed[folder])
    var older = package
    older.version = "0.9"
    let place = try #require(older.models.firstIndex { $0.name == whole })
    older.models[place].kind = .full
    older.models[place].refresh = nil
    older.respell(respelled)
    return older
  }
}

extension Package {
  /// Gives a model a SELECT of other words and the same rows.
  fileprivate mutating func respell(_ model: String) {
    for place in models.indices where models[place].name == model {
      models[place].sql = models[place].sql.map {
        SQLScript("/* as it was */ " + $0.text, file: $0.file)
      }
    }
  }
}

/// A story on one course.
private final class Life {
  let subnet: Subnet
  private let course: Course
  private let story: Story
  private var name: String { story.package.name }

  init(_ course: Course, _ story: Story) throws {
    self.course = course
    self.story = story
    subnet = try Subnet()
    try apply(subnet.deploy(course == .isUpgraded ? story.older : story.package))
    try subnet.fund(name, 90_000_000_000_000)
    if story.pause > 0 { try subnet.execute([], after: story.pause) }
  }

  /// By batch: the bills of its tries, the last with steps enough, and the root that it left.
  func run() throws -> [(bills: [Bill], root: Digest)] {
    var all: [(bills: [Bill], root: Digest)] = []
    for (number, batch) in story.batches.enumerated() {
      if number == story.turn { try turn() }
      let bills = try (batch.limits + [50_000_000]).map { try send(batch, steps: $0) }
      all.append((bills, try #require(subnet.root(name))))
    }
    #expect(subnet.executor.totals.isConserved)
    return all
  }

  private func apply(_ call: SignedCall) throws {
    if case .refused(let refusal) = try subnet.run(call).status { throw refusal }
  }

  /// Once, between the batches; takes the same time and calls on each course.
  private func turn() throws {
    let upgrade = subnet.deploy(story.package)
    let other = subnet.call("", .transfer(to: Subnet.stranger.publicKey, 1))
    try apply(course == .isUpgraded ? upgrade : other)
  }

  private func send(_ batch: Batch, steps: UInt64) throws -> Bill {
    switch course {
    case .runsOn, .isUpgraded: break
    case .restarts: try subnet.reopen()
    case .isRebuilt: try rebuild()
    }
    let receipt = try subnet.run(
      subnet.ingest(batch.source, batch.text, pipeline: name, steps: steps))
    return Bill(receipt, try #require(subnet.executor.pipelines[name]))
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

/// What a receipt says of a batch, whichever call brought it, and how far the update came.
private struct Bill: Equatable {
  let status: Receipt.Status
  let tally: RowTally
  let notes: [Note]
  let usage: Usage
  let charged: Cycles
  let code: String?
  let place: Place

  /// Where an update ended. Of one that is undone its receipt tells the steps alone.
  struct Place: Equatable {
    let rowsGiven: UInt64
    let rowsWritten: UInt64
    let bytesWritten: UInt64
    let indexEntries: UInt64
  }

  init(_ receipt: Receipt, _ file: PipelineFile) {
    status = receipt.status
    tally = receipt.tally
    notes = receipt.notes
    usage = receipt.usage
    charged = receipt.charged
    code = receipt.refusalCode
    place = Place(
      rowsGiven: file.reach.rowsGiven, rowsWritten: file.data.rowsWritten,
      bytesWritten: file.data.bytesWritten, indexEntries: file.data.indexEntries)
  }
}

/// Steps, cycles and rows at which budgets end are the same in debug and in release builds: SQLite
/// counts the steps, one library for both, and the rest is arithmetic on whole numbers. Both are
/// held against figures written down here, whichever build runs this. For the other build:
///
///     swift test --filter 'The bill of a batch'
@Suite struct `The bill of a batch` {
  /// What all batches of a story come to.
  private struct Sums: CustomStringConvertible {
    let steps: UInt64
    let cycles: UInt64
    /// Rows that statements gave, and that were written, until budgets ended.
    let rows: UInt64

    var description: String {
      "\(steps) steps, \(cycles) cycles, \(rows) rows until budgets ended"
    }
  }

  /// By SQLite's source, since plans change with it, and by example.
  private static let golden: [String: [String: Sums]] = [
    "2022-12-28 14:03:47 df5c253c0b3dd24916e4ec7cf77d3db5294cc9fd45ae7b9c5e82ad8197f3alt1": [
      "bank-reconciliation": Sums(steps: 325_538, cycles: 98_811_351, rows: 1_115),
      "berka": Sums(steps: 73_183, cycles: 29_190_705, rows: 1_186),
      "delivery-tracking": Sums(steps: 451_365, cycles: 100_240_268, rows: 3_304),
      "feature-store": Sums(steps: 13_745, cycles: 42_758_205, rows: 130),
      "master-data": Sums(steps: 270_273, cycles: 76_100_981, rows: 1_462),
    ]
  ]

  @Test(
    arguments: [
      "bank-reconciliation", "berka", "delivery-tracking", "feature-store", "master-data",
    ])
  func `is the same whatever the files went through before`(folder: String) throws {
    let story = try told(folder)
    let first = try Life(.runsOn, story).run()
    expectStops(first, story)
    for course in Course.allCases.dropFirst() {
      let others = try Life(course, story).run()
      #expect(others.count == first.count)
      // Until the upgrade there is less, or more, to refresh.
      let same = course == .isUpgraded ? story.turn : 0
      for (number, (one, other)) in zip(first, others).enumerated() where number >= same {
        #expect(one.bills == other.bills, "\(folder), batch \(number) where it \(course)")
        // Tables are numbered as they come, and the root names them by their numbers.
        if course != .isUpgraded { #expect(one.root == other.root, "\(folder), \(course)") }
      }
    }
    hold(first.flatMap { $0.bills }, folder)
  }

  /// A story whose later batches are tried with half of their steps, and with one too few.
  private func told(_ folder: String) throws -> Story {
    var story = try Story.read(folder)
    guard story.batches.allSatisfy(\.limits.isEmpty) else { return story }
    let plain = try Life(.runsOn, story).run()
    for (number, batch) in plain.enumerated() where number >= story.turn {
      let steps = batch.bills[0].usage.steps
      guard batch.bills[0].status == .applied, steps > 3 else { continue }
      story.batches[number].limits = [steps / 2, steps - 1]
    }
    return story
  }

  private func expectStops(_ all: [(bills: [Bill], root: Digest)], _ story: Story) {
    let applied = all.compactMap { $0.bills.last }.filter { $0.status == .applied }
    #expect(applied.contains { $0.tally.accepted > 20 })
    let stopped = all.flatMap { $0.bills.dropLast() }
    #expect(stopped.count >= 4)
    #expect(stopped.allSatisfy { $0.code == "STEP_LIMIT" })
    #expect(stopped.contains { $0.place.rowsGiven > 0 && $0.place.rowsWritten > 0 })
    for (batch, sent) in zip(story.batches, all) {
      // The last limit is one step below what it takes, or one that was written down.
      guard let limit = batch.limits.last, let last = sent.bills.last else { continue }
      #expect(last.status == .applied && last.usage.steps > limit)
    }
  }

  private func hold(_ bills: [Bill], _ folder: String) {
    let stopped = bills.filter { $0.code == "STEP_LIMIT" }
    let sums = Sums(
      steps: bills.reduce(0) { $0 + $1.usage.steps },
      cycles: bills.reduce(0) { $0 + $1.charged.number },
      rows: stopped.reduce(0) { $0 + $1.place.rowsGiven + $1.place.rowsWritten })
    let source = String(cString: sqlite3_sourceid())
    print("Bills of \(folder): \(sums)")
    guard let golden = Self.golden[source]?[folder] else {
      print(
        """
        Skipped: nobody has written down what batches of \(folder) cost on this SQLite \
        (\(source)). Run this suite in a debug and in a release build, compare their lines \
        "Bills of", and add them to `golden`.
        """)
      return
    }
    #expect(golden.steps == sums.steps)
    #expect(golden.cycles == sums.cycles)
    #expect(golden.rows == sums.rows)
  }
}
