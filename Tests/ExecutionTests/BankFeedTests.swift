import Foundation
import Pipelines
import Testing
import Wire

@testable import Execution

private let home = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
private let name = "bank_reconciliation"
private let gold = [
  "slv_matches", "slv_match_exceptions", "fct_transaction_audit", "mtr_rolling_30d_balance",
  "mtr_late_streaks",
]

/// Batches for the bank reconciliation, on a subnet of their own.
private final class BankRun {
  let subnet: Subnet
  private(set) var tally = RowTally()
  private(set) var refused = 0
  /// By batch: its rows and the steps it took.
  private(set) var costs: [(rows: Int, steps: UInt64)] = []

  init() throws {
    subnet = try Subnet()
    let package = try PackageReader.read(
      directory: "\(home)/deploy/pipelines/bank-reconciliation")
    let receipt = try subnet.run(subnet.deploy(package))
    if case .refused(let refusal) = receipt.status { throw refusal }
    try subnet.fund(name, 90_000_000_000_000)
  }

  func send(_ table: FeedTable, _ rows: ArraySlice<[String?]>) throws {
    let receipt = try subnet.run(
      subnet.ingest(table.source, table.text(of: rows), pipeline: name, steps: 50_000_000))
    if case .refused(let refusal) = receipt.status {
      if refusal.code == "STEP_LIMIT", rows.count > 1 {
        // What the refusal says to do: smaller batches.
        let middle = rows.startIndex + rows.count / 2
        try send(table, rows[..<middle])
        return try send(table, rows[middle...])
      }
      // A batch of which more than half is bad is refused whole.
      #expect(refusal.code == "EXPECTATION_FAILED", "\(refusal)")
      refused += 1
    }
    costs.append((rows.count, receipt.usage.steps))
    tally.accepted += receipt.tally.accepted
    tally.quarantined += receipt.tally.quarantined
    tally.duplicates += receipt.tally.duplicates
    tally.late += receipt.tally.late
  }

  func rows(_ table: String, _ columns: String) throws -> [String] {
    try subnet.rows(table, pipeline: name, columns: columns)
  }

  /// A table's declared columns: the salts of personal values differ from run to run.
  func table(_ table: String) throws -> [String] {
    let schema = try #require(subnet.executor.pipelines[name]?.data.tables[table]?.schema)
    return try rows(table, schema.columns.map(\.name).joined(separator: ", "))
  }

  /// Nothing differs when each stored model is computed whole.
  func expectIncrementalEqualsFull() throws {
    let file = try #require(subnet.executor.pipelines[name])
    let deployed = try #require(file.deployed)
    let refresher = Refresher(
      models: deployed.models, package: deployed.checked, engine: file.engine, data: file.data)
    for model in deployed.models where model.table != nil && model.kind != .seed {
      var budget = StepBudget(limit: .max)
      let found = try refresher.compare(model, &budget)
      #expect(found.isEqual, "\(model.name) differs at \(found.keys)")
    }
  }
}

@Suite struct `A shuffled bank feed` {
  /// Set QUORATE_FEED_ROWS=100000 for the large run.
  private let rowCount =
    ProcessInfo.processInfo.environment["QUORATE_FEED_ROWS"].flatMap(Int.init)
    ?? 600
  private var dice = Dice(11)

  /// The rows with a twentieth of them twice, in no order.
  private mutating func shuffled(_ rows: [[String?]]) -> [[String?]] {
    var all = rows
    for row in rows where dice.chance(5) { all.append(row) }
    all.shuffle(using: &dice)
    return all
  }

  /// Sends all tables but the banks in random batches, which of them next at random too.
  private mutating func sendAtRandom(_ feed: FeedGenerator, to run: BankRun) throws {
    var rest = [feed.transactions, feed.lifecycle, feed.audit].map { table in
      (table: table, rows: shuffled(table.rows)[...])
    }
    var batches = 0
    while !rest.isEmpty {
      let next = dice.roll(rest.count)
      let count = min(rest[next].rows.count, 1 + dice.roll(min(250, max(20, rowCount / 10))))
      try run.send(rest[next].table, rest[next].rows.prefix(count))
      rest[next].rows = rest[next].rows.dropFirst(count)
      if rest[next].rows.isEmpty { rest.remove(at: next) }
      batches += 1
      // After every batch of a small feed; a large one is computed whole now and then.
      if rowCount <= 2_000 || batches % 200 == 0 { try run.expectIncrementalEqualsFull() }
    }
    try run.expectIncrementalEqualsFull()
  }

  /// The accepted lines in the order of their days, a thousand a batch.
  private func sendInOrder(_ feed: FeedGenerator, accepted: Set<String>, to run: BankRun) throws {
    var seen: Set<String> = []
    let lines = feed.transactions.rows
      .filter { accepted.contains($0[0] ?? "") && seen.insert($0[0] ?? "").inserted }
      .sorted { ($0[6] ?? "", $0[0] ?? "") < ($1[6] ?? "", $1[0] ?? "") }
    for (table, rows) in [
      (feed.transactions, lines), (feed.lifecycle, feed.lifecycle.rows),
      (feed.audit, feed.audit.rows),
    ] {
      for start in stride(from: 0, to: rows.count, by: 1_000) {
        try run.send(table, rows[start..<min(start + 1_000, rows.count)])
      }
    }
  }

  @Test mutating func `comes to the gold of the same rows in order, and of plain Python`() throws {
    let feed = FeedGenerator(seed: 5, rows: rowCount)
    let mixed = try BankRun()
    try mixed.send(feed.institutions, feed.institutions.rows[...])
    try sendAtRandom(feed, to: mixed)
    let lines = try mixed.rows("bronze_financial_transactions", "transaction_id")
    #expect(lines.count > rowCount / 2)
    #expect(mixed.tally.late > 0 && mixed.tally.duplicates > 0 && mixed.tally.quarantined > 0)
    let ordered = try BankRun()
    try ordered.send(feed.institutions, feed.institutions.rows[...])
    try sendInOrder(feed, accepted: Set(lines), to: ordered)
    #expect(ordered.tally.late == 0 && ordered.tally.duplicates == 0)
    for table in gold {
      #expect(try mixed.table(table) == ordered.table(table), "\(table)")
    }
    report(mixed)
    try compareWithPython(mixed)
  }

  private func report(_ run: BankRun) {
    let sent = run.costs.reduce(0) { $0 + $1.rows }
    let steps = run.costs.reduce(0) { $0 + $1.steps }
    print(
      "Bank feed: \(sent) rows in \(run.costs.count) batches, \(run.tally.accepted) accepted, "
        + "\(run.tally.late) late, \(run.tally.duplicates) duplicates, "
        + "\(run.tally.quarantined) quarantined, \(run.refused) batches refused; "
        + "\(steps / UInt64(max(1, sent))) steps a row, \(run.costs.last?.steps ?? 0) for the last "
        + "batch of \(run.costs.last?.rows ?? 0)")
  }

  // MARK: Python

  private func compareWithPython(_ run: BankRun) throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("bank-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for (file, table, columns) in [
      (
        "transactions", "bronze_financial_transactions",
        "transaction_id, bank_id, side, customer_id, amount, currency, value_date, due_date, "
          + "reference"
      ),
      ("lifecycle", "bronze_lifecycle_associations", "transaction_id, seq, stage"),
      ("audit", "bronze_audit_logs", "audit_id, transaction_id, at"),
    ] {
      let text = try run.rows(table, columns).map { $0 + "\n" }.joined()
      try Data(text.utf8).write(to: folder.appendingPathComponent("\(file).txt"))
    }
    let python = Process()
    python.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    python.arguments = ["python3", "\(home)/Tests/Independent/bank_reconciliation.py", folder.path]
    try python.run()
    python.waitUntilExit()
    guard python.terminationStatus != 127 else {
      print("There is no python3 here; gold is not compared with plain Python.")
      return
    }
    #expect(python.terminationStatus == 0)
    for table in gold {
      let text = try String(
        contentsOf: folder.appendingPathComponent("\(table).txt"), encoding: .utf8)
      let lines = text.split(separator: "\n").map(String.init)
      #expect(try run.table(table) == lines, "\(table)")
    }
  }
}
