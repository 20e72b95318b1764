import Certification
import Pipelines
import Signing
import Storage
import Testing
import Wire

@testable import Execution

private typealias Expectation = Pipelines.Expectation

private let header = "id,customer,amount,day\n"
private let day: UInt64 = 86_400_000

/// Named after the customer that breaks it.
private func expectation(_ customer: String, _ action: Violation) -> Expectation {
  Expectation(
    name: "no_\(customer)", check: sql("customer <> '\(customer)'"), onViolation: action)
}

private let all = [
  expectation("w", .warn), expectation("d", .drop), expectation("q", .quarantine),
  expectation("f", .fail),
]

/// Orders by their day, late rows among them.
private func orders(_ expectations: [Expectation] = all) -> Source {
  var source = Source.orders(
    eventTime: EventTime(column: "day", lateness: 2 * day, futureMax: nil, late: .accept),
    expectations: expectations)
  source.columns[3].required = true
  return source
}

private let shops = Source(
  name: "shops", columns: [SourceColumn(name: "shop", type: .text, required: true)],
  primaryKey: ["shop"])

private func prepared(_ package: Package) throws -> Subnet {
  let subnet = try Subnet()
  try upgrade(subnet, package)
  try subnet.fund()
  return subnet
}

private func upgrade(_ subnet: Subnet, _ package: Package) throws {
  let receipt = try subnet.run(subnet.deploy(package))
  if case .refused(let refusal) = receipt.status { throw refusal }
}

/// What everyone is told of a source.
private func counts(_ subnet: Subnet, of source: String = "orders") throws -> SourceCounts {
  try subnet.certify()
  let report = try subnet.executor.reader.report(of: "shop")
  let shown = subnet.executor.reader.metrics().counts
  #expect(shown.map(\.source) == report.counts)
  #expect(shown.allSatisfy { $0.pipeline == "shop" })
  return try #require(report.counts.first { $0.source == source })
}

/// A row breaks what its customer is called after.
private func send(
  _ subnet: Subnet, _ rows: [String], key: String, by person: KeyPair? = Subnet.owner
) throws -> Receipt {
  let text = rows.map { $0 + "\n" }.joined()
  return try subnet.run(subnet.ingest("orders", header + text, key: key, by: person))
}

/// Two batches that are taken, and one that is refused.
private func played(_ subnet: Subnet) throws -> [Receipt] {
  try [
    send(
      subnet,
      ["a,x,1,2026-01-10", "b,w,1,2026-01-10", "c,d,1,2026-01-10", "d,q,1,2026-01-10"], key: "1"),
    // A duplicate, a late row, one that cannot be read.
    send(subnet, ["a,x,1,2026-01-10", "e,w,1,2026-01-01", "f,x,much,2026-01-10"], key: "2"),
    send(subnet, ["g,x,1,2026-01-10", "h,f,1,2026-01-10"], key: "3"),
  ]
}

@Suite struct `The counts of a source` {
  @Test func `are what the receipts sum up to, by outcome and by expectation`() throws {
    let subnet = try prepared(.shop(sources: [orders()]))
    #expect(try counts(subnet).outcomes.allSatisfy { $0.rows == 0 })
    let receipts = try played(subnet)
    #expect(receipts.map(\.refusalCode) == [nil, nil, "EXPECTATION_FAILED"])
    let found = try counts(subnet)
    func sum(_ path: KeyPath<RowTally, UInt32>) -> UInt64 {
      receipts.reduce(0) { $0 + UInt64($1.tally[keyPath: path]) }
    }
    #expect(found.accepted == 3 && sum(\.accepted) == 3)
    #expect(found.duplicates == 1 && sum(\.duplicates) == 1)
    #expect(found.dropped == 1 && sum(\.dropped) == 1)
    #expect(found.quarantined == 2 && sum(\.quarantined) == 2)
    #expect(found.late == 1 && sum(\.late) == 1)
    #expect(found.released == 0)
    // The batch that was refused: its rows, and the one row that did it.
    #expect(found.rejected == 2)
    #expect(found.expectations.map(\.name) == ["no_w", "no_d", "no_q", "no_f"])
    #expect(found.expectations.map(\.action) == ["warn", "drop", "quarantine", "fail"])
    #expect(found.expectations.map(\.checked) == [6, 6, 6, 7])
    #expect(found.expectations.map(\.violated) == [2, 1, 1, 1])
    for count in found.expectations.dropLast() {
      let noted = receipts.flatMap(\.notes).filter { $0.name == count.name }.map(\.count)
      #expect(UInt64(noted.reduce(0, +)) == count.violated, "\(count.name)")
    }
  }

  @Test func `stay as they are when a call comes again, or may not run`() throws {
    let subnet = try prepared(.shop(sources: [orders()]))
    _ = try played(subnet)
    let before = try counts(subnet)
    let again = try send(
      subnet,
      ["a,x,1,2026-01-10", "b,w,1,2026-01-10", "c,d,1,2026-01-10", "d,q,1,2026-01-10"], key: "1")
    #expect(again.replayOf != nil)
    let other = try send(subnet, ["z,f,1,2026-01-10"], key: "1")
    #expect(other.status != .applied)
    let stranger = try send(subnet, ["z,w,1,2026-01-10"], key: "4", by: Subnet.stranger)
    #expect(stranger.refusalCode == "NOT_ALLOWED")
    #expect(try counts(subnet) == before)
  }

  @Test func `stay through a restart, and are equal on every replica`() throws {
    let subnet = try prepared(.shop(sources: [orders()]))
    _ = try played(subnet)
    let before = try counts(subnet)
    try subnet.reopen()
    try subnet.execute([])
    #expect(try counts(subnet) == before)
    _ = try send(subnet, ["i,w,1,2026-01-10"], key: "4")
    let after = try counts(subnet)
    #expect(after.accepted == before.accepted + 1)
    #expect(after.expectations[0].checked == before.expectations[0].checked + 1)
    #expect(after.expectations[0].violated == before.expectations[0].violated + 1)
    let other = try Subnet()
    for block in subnet.blocks {
      let outcome = try other.executor.execute(block, digest: block.header.digest)
      #expect(try outcome == subnet.executor.outcome(at: outcome.height))
    }
    let file = try #require(other.executor.pipelines["shop"])
    let stored = try file.ledger.get(.value, PipelineFile.countsKey("orders"))
    #expect(stored == after.canonicalBytes)
    #expect(
      file.committedRoots == subnet.executor.pipelines["shop"]?.committedRoots)
  }

  @Test func `are under the state root`() throws {
    let subnet = try prepared(.shop(sources: [orders()]))
    _ = try played(subnet)
    _ = try subnet.executor.checkpoint()
    try subnet.reopen()
    let file = try Connection(path: subnet.path + "/pipelines/shop.sqlite")
    let row = "WHERE part = 1 AND CAST(key AS TEXT) = 'counts/orders'"
    #expect(try file.integer("SELECT count(*) FROM ledger_rows \(row)") == 1)
    try file.execute("UPDATE ledger_rows SET value = zeroblob(length(value)) \(row)")
    #expect(throws: ExecutionFault.self) { try subnet.reopen() }
  }

  @Test func `stay through an upgrade, without those of what is gone or acts otherwise`() throws {
    let subnet = try prepared(.shop(sources: [orders(), shops]))
    _ = try played(subnet)
    let before = try counts(subnet)
    var renamed = expectation("d", .drop)
    renamed.name = "other"
    let next = [expectation("w", .warn), renamed, expectation("q", .warn)]
    try upgrade(subnet, .shop(version: "2", sources: [orders(next), shops]))
    let kept = try counts(subnet)
    #expect(kept.outcomes.map(\.rows) == before.outcomes.map(\.rows))
    #expect(kept.expectations.map(\.name) == ["no_w", "other", "no_q"])
    #expect(kept.expectations.map(\.checked) == [6, 0, 0])
    #expect(kept.expectations.map(\.violated) == [2, 0, 0])
    // What is gone does not come back with its name.
    try upgrade(subnet, .shop(version: "3", sources: [orders(), shops]))
    #expect(try counts(subnet).expectations.map(\.checked) == [6, 0, 0, 0])
    var bare = Package.shop(version: "4", sources: [shops])
    bare.drops = ["orders"]
    try upgrade(subnet, bare)
    #expect(try subnet.executor.reader.report(of: "shop").counts.count == 2, "not certified yet")
    try subnet.certify()
    #expect(try subnet.executor.reader.report(of: "shop").counts.map(\.source) == ["shops"])
    try upgrade(subnet, .shop(version: "5", sources: [orders(), shops]))
    #expect(try counts(subnet) == SourceCounts(of: orders(), stored: nil))
  }

  /// Rows that wait are counted as they came; by a release or a recheck they only move.
  @Test(arguments: [false, true])
  func `tell what left the quarantine`(isRechecked: Bool) throws {
    var source = Source.orders(expectations: [
      Expectation(name: "known", check: sql("exists_in(shops, customer)"), onViolation: .quarantine)
    ])
    if isRechecked { source.recheck = ["shops"] }
    let subnet = try prepared(.shop(sources: [source, shops]))
    try subnet.run(subnet.ingest("orders", header + "a,anna,1,\nb,ben,1,\nc,anna,1,\n"))
    try subnet.run(subnet.ingest("shops", "shop\nanna\n"))
    // What nothing changes is not counted again, however often it is looked at.
    for _ in 0..<2 {
      try subnet.run(
        subnet.call(
          "shop", .release(source: "orders"), body: ReleaseSelection().canonicalBytes))
    }
    let found = try counts(subnet)
    #expect(found.accepted == 2)
    #expect(found.quarantined == 3)
    #expect(found.released == 2)
    #expect(found.duplicates == 0 && found.rejected == 0)
    #expect(found.expectations.map(\.checked) == [3])
    #expect(found.expectations.map(\.violated) == [3])
    #expect(try counts(subnet, of: "shops").accepted == 1)
  }

  @Test func `tell the batches that an expectation of the whole looked at`() throws {
    let source = Source.orders(expectations: [
      Expectation(name: "sound", check: sql("amount <> 0"), onViolation: .quarantine),
      Expectation(
        name: "not_half_bad", check: sql("quarantined_ppm() <= 500000"), onViolation: .fail),
    ])
    let subnet = try prepared(.shop(sources: [source]))
    try subnet.run(subnet.ingest("orders", header + "a,anna,1,\nb,ben,0,\n"))
    try subnet.run(subnet.ingest("orders", header + "c,anna,1,\nd,ben,0,\ne,ben,0,\n"))
    let found = try counts(subnet)
    #expect(found.expectations.map(\.name) == ["sound", "not_half_bad"])
    #expect(found.expectations.map(\.checked) == [2, 2])
    #expect(found.expectations.map(\.violated) == [1, 1])
    #expect(found.quarantined == 1 && found.rejected == 3)
  }
}
