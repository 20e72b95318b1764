import Certification
import Certification
import Foundation
import Pipelines
import Testing
import Wire

@testable import Execution

private func deployed(_ folder: String) throws -> (Subnet, String) {
  let package = try PackageReader.read(directory: Folders.pipeline(folder))
  let subnet = try Subnet()
  let receipt = try subnet.run(subnet.deploy(package))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund(package.name, 50_000_000_000_000)
  return (subnet, package.name)
}

/// Nothing differs when each stored model is computed whole.
private func expectIncrementalEqualsFull(_ subnet: Subnet, _ name: String) throws {
  let file = try #require(subnet.executor.pipelines[name])
  let deployment = try #require(file.deployed)
  let refresher = Refresher(
    models: deployment.models, package: deployment.checked, engine: file.engine, data: file.data)
  for model in deployment.models where model.table != nil && model.kind != .seed {
    var budget = StepBudget(limit: 1_000_000_000)
    let found = try refresher.compare(model, &budget)
    #expect(found.isEqual, "\(model.name) differs when it is computed whole: \(found.keys)")
  }
}

/// Sends a CSV file to a source in batches of so many rows, in order.
private func send(
  _ path: String, to source: String, of name: String, _ subnet: Subnet, rows: Int
) throws -> RowTally {
  let bytes = try #require(FileManager.default.contents(atPath: path), "\(path) is not there")
  let contract = try #require(
    subnet.executor.pipelines[name]?.deployed?.package.source(source))
  var splitter = BatchSplitter(
    format: .csv, csv: contract.csv, rowsMax: rows, bytesMax: 1 << 20)
  var sum = RowTally()
  for batch in try splitter.push(Array(bytes)) + splitter.finish() {
    let receipt = try subnet.run(
      subnet.ingest(
        source, String(decoding: batch.bytes, as: UTF8.self), pipeline: name, steps: 50_000_000))
    #expect(receipt.status == .applied, "\(source): \(receipt.status)")
    sum.accepted += receipt.tally.accepted
    sum.quarantined += receipt.tally.quarantined
    sum.dropped += receipt.tally.dropped
    sum.duplicates += receipt.tally.duplicates
    sum.late += receipt.tally.late
  }
  return sum
}

/// An example with the feeds beside it, in the order in which its README sends them.
struct FedExample: Sendable, CustomTestStringConvertible {
  let folder: String
  let feeds: [(source: String, file: String)]
  /// A table that has rows in the end.
  let table: String
  var testDescription: String { folder }

  static let all = [
    FedExample(
      folder: "master-data",
      feeds: [
        ("links", "links"), ("crm_customers", "crm_1"), ("billing_accounts", "billing_1"),
        ("shop_users", "shop_1"), ("crm_customers", "crm_2"), ("billing_accounts", "billing_2"),
      ], table: "dim_customer"),
    FedExample(
      folder: "delivery-tracking",
      feeds: [
        ("deliveries", "deliveries"), ("positions", "positions"), ("costs", "costs"),
        ("deliveries", "deliveries_2"),
      ], table: "fct_delivery_status"),
    FedExample(
      folder: "feature-store",
      feeds: [
        ("profiles", "profiles_1"), ("payments", "payments"), ("profiles", "profiles_2"),
        ("labels", "labels_before"), ("events", "events_before"),
      ], table: "ftr_event_features"),
  ]
}

@Suite struct `An example with feeds` {
  @Test(arguments: FedExample.all)
  func `takes them, and incremental equals full after each`(example: FedExample) throws {
    let (subnet, name) = try deployed(example.folder)
    // The rows lie in spring 2026, and none may lie ahead of block time.
    try subnet.execute([], after: 200 * 86_400_000)
    for feed in example.feeds {
      let path = "\(Folders.pipeline(example.folder))/feeds/\(feed.file).csv"
      let tally = try send(path, to: feed.source, of: name, subnet, rows: 20)
      #expect(tally.accepted + tally.quarantined > 0, "\(feed.file)")
      try expectIncrementalEqualsFull(subnet, name)
    }
    #expect(!(try subnet.rows(example.table, pipeline: name)).isEmpty)
  }

  @Test func `in order tells late scans and costs by the file alone`() throws {
    let (subnet, name) = try deployed("delivery-tracking")
    try subnet.execute([], after: 200 * 86_400_000)
    let feeds = "\(Folders.pipeline("delivery-tracking"))/feeds"
    _ = try send("\(feeds)/deliveries.csv", to: "deliveries", of: name, subnet, rows: 1_000)
    let scans = try send("\(feeds)/positions.csv", to: "positions", of: name, subnet, rows: 40)
    // As its README says.
    #expect(
      [scans.accepted, scans.duplicates, scans.quarantined, scans.dropped] == [313, 39, 4, 1])
    let costs = try send("\(feeds)/costs.csv", to: "costs", of: name, subnet, rows: 20)
    #expect([costs.accepted, costs.quarantined, costs.late] == [40, 1, 1])
    let again = try send("\(feeds)/costs.csv", to: "costs", of: name, subnet, rows: 41)
    #expect([again.accepted, again.duplicates, again.quarantined] == [0, 40, 1])
  }
}

/// An example with rows in it, certified.
private func filled(_ folder: String) throws -> (Subnet, String) {
  let (subnet, name) = try deployed(folder)
  try subnet.execute([], after: 200 * 86_400_000)
  let home = Folders.pipeline(folder)
  for feed in FedExample.all.first(where: { $0.folder == folder })?.feeds ?? [] {
    _ = try send("\(home)/feeds/\(feed.file).csv", to: feed.source, of: name, subnet, rows: 1_000)
  }
  if folder == "berka" {
    _ = try send("\(home)/tests/movements.csv", to: "transactions", of: name, subnet, rows: 10)
  }
  if folder == "bank-reconciliation" {
    let feed = FeedGenerator(seed: 3, rows: 60)
    for table in [feed.institutions, feed.transactions, feed.lifecycle, feed.audit] {
      let text = table.text(of: table.rows[...])
      try subnet.run(subnet.ingest(table.source, text, pipeline: name, steps: 50_000_000))
    }
  }
  try subnet.certify()
  return (subnet, name)
}

@Suite struct `The named queries of an example` {
  /// Of a name that a table has as a column the first value; else what lets everything in.
  private func value(
    of argument: Pipelines.Argument, _ subnet: Subnet, _ name: String
  ) throws -> Value {
    let file = try #require(subnet.executor.pipelines[name])
    for table in file.data.tables.keys.sorted() {
      guard
        file.data.tables[table]?.schema.columns.contains(where: { $0.name == argument.name })
          == true
      else { continue }
      let select = try file.engine.connection.prepare(
        "SELECT min(\"\(argument.name)\") FROM \"\(table)\"")
      if try select.step(), !select.isNull(0) { return select.value(0) }
    }
    let isEnd = argument.name != "from"
    switch argument.type {
    case .date: return .int(isEnd ? 30_000 : 0)
    case .timestamp: return .int(isEnd ? 2_000_000_000_000 : 0)
    case .int: return .int(isEnd ? 1_000_000_000 : 0)
    default: return .text("none")
    }
  }

  @Test(
    arguments: [
      "bank-reconciliation", "berka", "delivery-tracking", "feature-store", "master-data",
    ])
  func `answer their owner, alike at each trust, and mostly with rows`(folder: String) throws {
    let (subnet, name) = try filled(folder)
    let package = try #require(subnet.executor.pipelines[name]?.deployed?.package)
    #expect(!package.queries.isEmpty)
    var withRows = 0
    for query in package.queries {
      let arguments = try query.args.map {
        let stored = try value(of: $0, subnet, name)
        return Certification.Argument(
          name: $0.name, value: $0.type.proven.text(of: stored).map { .text($0) } ?? .null)
      }.sorted { $0.name < $1.name }
      let answers = try [Trust.replica, .quorum].map { trust in
        try subnet.executor.reader.query(
          QueryRequest(
            subnet: subnet.genesis.subnet, pipeline: name, question: .named(query.name),
            arguments: arguments, height: nil, trust: trust, caller: Subnet.owner.publicKey)
        ).result.texts
      }
      #expect(answers[0] == answers[1], "\(query.name)")
      withRows += answers[0].isEmpty ? 0 : 1
    }
    #expect(withRows * 2 > package.queries.count, "\(withRows) of \(package.queries.count)")
  }
}

@Suite struct `The bank reconciliation` {
  private static let transactions =
    "transaction_id,bank_id,side,customer_id,amount,currency,value_date,due_date,reference,"
    + "description\n"

  private func prepared() throws -> (Subnet, String) {
    let (subnet, name) = try deployed("bank-reconciliation")
    // The rows below lie in January 2026, and none may lie ahead of block time.
    try subnet.execute([], after: 20 * 86_400_000)
    let banks = try subnet.run(
      subnet.ingest(
        "financial_institutions",
        "bank_id,name,country,address,as_of\nB1,First Quorum,GB,,2026-01-01\n", pipeline: name))
    #expect(banks.tally.accepted == 1)
    return (subnet, name)
  }

  private func ingest(_ subnet: Subnet, _ name: String, _ rows: String) throws -> Receipt {
    try subnet.run(
      subnet.ingest("financial_transactions", Self.transactions + rows, pipeline: name))
  }

  @Test func `finds the audit entries of a transaction by an index`() throws {
    let (subnet, name) = try prepared()
    let tables = try #require(subnet.executor.pipelines[name]?.data.tables)
    #expect(tables["bronze_audit_logs"]?.indexes == [["transaction_id"]])
    // The key serves what begins with it.
    #expect(tables["bronze_lifecycle_associations"]?.indexes == [])
  }

  @Test func `completes a match by a late bank line`() throws {
    let (subnet, name) = try prepared()
    let first = try ingest(
      subnet, name, "L1,B1,LEDGER,C1,100.00,GBP,2026-01-10,,INV-001,\n")
    #expect(first.status == .applied)
    let columns = "transaction_id, is_auto_matched, lifecycle_stage"
    #expect(
      try subnet.rows("fct_transaction_audit", pipeline: name, columns: columns)
        == ["L1|0|pending"])
    #expect(
      try subnet.rows("slv_match_exceptions", pipeline: name, columns: "exception_type")
        == ["UNMATCHED"])
    let second = try ingest(
      subnet, name, "K1,B1,BANK,C1,100.00,GBP,2026-01-10,,inv 001,\n")
    #expect(second.status == .applied)
    #expect(
      try subnet.rows("fct_transaction_audit", pipeline: name, columns: columns)
        == ["K1|1|pending", "L1|1|pending"])
    #expect(try subnet.rows("slv_match_exceptions", pipeline: name) == [])
    let stage = try subnet.run(
      subnet.ingest(
        "lifecycle_associations",
        "transaction_id,seq,stage,at\nL1,1,processed,2026-01-11T00:00:00Z\n", pipeline: name))
    #expect(stage.status == .applied)
    #expect(
      try subnet.rows("fct_transaction_audit", pipeline: name, columns: columns)
        == ["K1|1|pending", "L1|1|processed"])
  }

  @Test func `keeps the root when a batch comes twice`() throws {
    let (subnet, name) = try prepared()
    let body = Self.transactions + "L1,B1,LEDGER,C1,1.00,GBP,2026-01-10,,A,\n"
    try subnet.run(subnet.ingest("financial_transactions", body, pipeline: name, key: "k1"))
    let root = subnet.root(name)
    let again = try subnet.run(
      subnet.ingest("financial_transactions", body, pipeline: name, key: "k1"))
    #expect(again.replayOf != nil)
    #expect(subnet.root(name) == root)
  }

  @Test func `sums a window of days, not of rows`() throws {
    let (subnet, name) = try prepared()
    let receipt = try ingest(
      subnet, name,
      """
      a,B1,LEDGER,C1,10.00,GBP,2025-12-01,,R1,
      b,B1,LEDGER,C1,5.00,GBP,2025-12-15,,R2,
      c,B1,LEDGER,C1,7.00,GBP,2025-12-31,,R3,

      """)
    #expect(receipt.tally.accepted == 3)
    #expect(
      try subnet.rows("mtr_rolling_30d_balance", pipeline: name, columns: "rolling_30d")
        == ["1000", "1500", "1200"])
  }

  @Test func `takes a generated feed, and incremental equals full`() throws {
    let (subnet, name) = try deployed("bank-reconciliation")
    let feed = FeedGenerator(seed: 7, rows: 300)
    for file in feed.files {
      let source = try #require(
        subnet.executor.pipelines[name]?.deployed?.package.source(file.source))
      var splitter = BatchSplitter(
        format: .csv, csv: source.csv, rowsMax: 50, bytesMax: 1 << 20)
      for batch in try splitter.push(file.text) + splitter.finish() {
        let receipt = try subnet.run(
          subnet.ingest(
            file.source, String(decoding: batch.bytes, as: UTF8.self), pipeline: name,
            steps: 50_000_000))
        #expect(receipt.status == .applied, "\(receipt.status)")
      }
    }
    #expect(try subnet.rows("slv_matches", pipeline: name).count > 50)
    try expectIncrementalEqualsFull(subnet, name)
    try subnet.certify()
    let answer = try subnet.executor.reader.query(
      QueryRequest(
        subnet: subnet.genesis.subnet, pipeline: name, question: .named("match_summary"),
        trust: .quorum))
    #expect(!answer.result.rows.isEmpty)
    #expect(subnet.executor.totals.isConserved)
  }
}

@Suite struct `The Berka files` {
  @Test func `add up to the sums of plain arithmetic`() throws {
    let path = "\(Folders.root)/../shared/data/berka/trans.asc"
    guard let bytes = FileManager.default.contents(atPath: path) else {
      print("The Berka files are not there (\(path)); their sums are not compared.")
      return
    }
    let (subnet, name) = try deployed("berka")
    let limit = 3_000
    var splitter = BatchSplitter(
      format: .csv,
      csv: subnet.executor.pipelines[name]?.deployed?.package
        .source("transactions")?.csv ?? CSVDialect(), rowsMax: 1_000, bytesMax: 1 << 20)
    var taken = 0
    for batch in try splitter.push(Array(bytes)) where taken < limit {
      taken += batch.rowCount
      let receipt = try subnet.run(
        subnet.ingest(
          "transactions", String(decoding: batch.bytes, as: UTF8.self), pipeline: name,
          steps: 50_000_000))
      #expect(receipt.status == .applied, "\(receipt.status)")
      #expect(Int(receipt.tally.accepted + receipt.tally.quarantined) == batch.rowCount)
    }
    var sums: [Int: Int] = [:]
    let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
    for line in lines.dropFirst().prefix(taken) {
      let fields = line.split(separator: ";", omittingEmptySubsequences: false)
      let amount = Int(fields[5].filter { $0 != "." }) ?? 0
      sums[Int(fields[1]) ?? 0, default: 0] += fields[3].contains("PRIJEM") ? amount : -amount
    }
    let rows = try subnet.rows(
      "slv_transactions GROUP BY account_id ORDER BY account_id", pipeline: name,
      columns: "account_id, sum(signed)")
    #expect(rows == sums.keys.sorted().map { "\($0)|\(sums[$0] ?? 0)" })
    #expect(taken >= limit)
  }
}
