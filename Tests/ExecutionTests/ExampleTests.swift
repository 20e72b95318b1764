import Certification
import Foundation
import Pipelines
import Testing
import Wire

@testable import Execution

/// The folder of this package.
private let home = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

private func deployed(_ folder: String) throws -> (Subnet, String) {
  let package = try PackageReader.read(directory: "\(home)/deploy/pipelines/\(folder)")
  let subnet = try Subnet()
  let receipt = try subnet.run(subnet.deploy(package))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund(package.name, 50_000_000_000_000)
  return (subnet, package.name)
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
    let file = try #require(subnet.executor.pipelines[name])
    let deployment = try #require(file.deployed)
    #expect(try subnet.rows("slv_matches", pipeline: name).count > 50)
    for model in deployment.models where model.kind == .incremental {
      let before = try subnet.rows(model.name, pipeline: name)
      file.data.begin(rowsLimit: .max)
      var budget = StepBudget(limit: 1_000_000_000)
      let refresher = Refresher(
        models: deployment.models, package: deployment.checked, engine: file.engine,
        data: file.data)
      try refresher.refreshWhole(model, &budget)
      #expect(file.data.rowsWritten == 0, "\(model.name) differs when it is computed whole")
      #expect(try subnet.rows(model.name, pipeline: name) == before)
      file.data.discard()
    }
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
    let path = "\(home)/../shared/data/berka/trans.asc"
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
