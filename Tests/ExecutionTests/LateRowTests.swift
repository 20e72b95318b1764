import Pipelines
import Testing
import Wire

@testable import Execution

private typealias Expectation = Pipelines.Expectation

private let header = "id,customer,amount,day\n"
private let day: UInt64 = 86_400_000

/// Orders whose event time is their day, with a lateness of two days.
private func orders(
  _ late: LateRule, onDuplicate: DuplicateRule = .rejectIfDifferent, version: String? = nil,
  expectations: [Expectation] = []
) -> Source {
  var source = Source.orders(
    onDuplicate: onDuplicate, version: version,
    eventTime: EventTime(column: "day", lateness: 2 * day, futureMax: 30 * day, late: late),
    expectations: expectations)
  source.columns[3].required = true
  return source
}

/// A subnet that has accepted `a` of 1 January and `z` of 10 January.
private func prepared(_ source: Source, _ more: [Source] = []) throws -> Subnet {
  let subnet = try Subnet()
  let receipt = try subnet.run(subnet.deploy(.shop(sources: [source] + more)))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  try subnet.run(
    subnet.ingest("orders", header + "a,anna,1.00,2026-01-01\nz,zoe,1.00,2026-01-10\n"))
  return subnet
}

private func release(_ subnet: Subnet) throws -> Receipt {
  try subnet.run(
    subnet.call(
      "shop", .release(source: "orders"), body: ReleaseSelection().canonicalBytes))
}

@Suite struct `A row that deletes another` {
  private func prepared(_ late: LateRule) throws -> Subnet {
    let source = Source(
      name: "orders",
      columns: [
        SourceColumn(name: "id", type: .text, required: true),
        SourceColumn(name: "day", type: .date, required: true),
        SourceColumn(name: "op", type: .text, required: true),
      ], primaryKey: ["id"],
      eventTime: EventTime(column: "day", lateness: 2 * day, futureMax: 30 * day, late: late),
      operation: ChangeOperation(column: "op"))
    let subnet = try Subnet()
    let receipt = try subnet.run(subnet.deploy(.shop(sources: [source])))
    if case .refused(let refusal) = receipt.status { throw refusal }
    try subnet.fund()
    try send(subnet, "a,2026-01-01,insert", "z,2026-01-10,insert")
    return subnet
  }

  @discardableResult
  private func send(_ subnet: Subnet, _ rows: String...) throws -> Receipt {
    try subnet.run(subnet.ingest("orders", "id,day,op\n" + rows.map { $0 + "\n" }.joined()))
  }

  @Test func `waits where it lies too far ahead, and makes no other row late`() throws {
    let subnet = try prepared(.quarantine)
    let ahead = try send(subnet, "a,2126-01-09,delete")
    #expect(ahead.tally.accepted == 0)
    #expect(ahead.tally.quarantined == 1)
    #expect(ahead.notes.map(\.name) == ["max_future"])
    let honest = try send(subnet, "b,2026-01-09,insert")
    #expect(honest.tally.accepted == 1)
    #expect(honest.tally.late == 0)
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["a", "b", "z"])
  }

  @Test(arguments: [
    (LateRule.accept, 1, 0, ["z"]), (.quarantine, 0, 1, ["a", "z"]),
  ])
  func `is late as others are`(
    late: LateRule, accepted: Int, quarantined: Int, left: [String]
  ) throws {
    let subnet = try prepared(late)
    let receipt = try send(subnet, "a,2026-01-02,delete", "b,2026-01-02,delete")
    #expect(Int(receipt.tally.accepted) == accepted)
    #expect(Int(receipt.tally.quarantined) == quarantined)
    #expect(receipt.tally.late == 1)
    #expect(receipt.tally.duplicates == 1, "there is no b: its delete changes nothing")
    #expect(try subnet.rows("bronze_orders", columns: "id") == left)
  }

  @Test func `is refused with its batch where late rows are`() throws {
    let subnet = try prepared(.reject)
    #expect(try send(subnet, "b,2026-01-02,delete").status == .applied)
    #expect(try send(subnet, "a,2026-01-02,delete").refusalCode == "LATE")
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["a", "z"])
  }
}

@Suite struct `A row below the watermark` {
  @Test func `is let in and counted as late when the owner releases it`() throws {
    let positive = Expectation(name: "positive", check: sql("amount > 0"), onViolation: .quarantine)
    let subnet = try prepared(orders(.quarantine, expectations: [positive]))
    let held = try subnet.run(
      subnet.ingest("orders", header + "b,ben,2.00,2026-01-02\nc,carl,-1.00,2026-01-02\n"))
    #expect(held.tally.quarantined == 2)
    #expect(held.tally.late == 2)
    let receipt = try release(subnet)
    #expect(receipt.tally.accepted == 1)
    #expect(receipt.tally.late == 1)
    // Its other rule is judged all the same.
    #expect(receipt.tally.quarantined == 1)
    #expect(
      try subnet.rows("bronze_orders", columns: "id, _late") == ["a|0", "b|1", "z|0"])
  }

  @Test(arguments: [LateRule.quarantine, .reject, .accept])
  func `is a duplicate and not late when it is there already`(late: LateRule) throws {
    let subnet = try prepared(orders(late))
    let receipt = try subnet.run(
      subnet.ingest("orders", header + "a,anna,1.00,2026-01-01\n", key: "another"))
    #expect(receipt.status == .applied)
    #expect(receipt.tally.duplicates == 1)
    #expect(receipt.tally.late == 0)
    #expect(receipt.tally.quarantined == 0)
  }

  @Test func `is a duplicate when a newer version of it is there`() throws {
    var source = orders(.quarantine, onDuplicate: .upsertIfNewer, version: "seen")
    source.columns.append(SourceColumn(name: "seen", type: .int, required: true))
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(sources: [source])))
    try subnet.fund()
    let header = "id,customer,amount,day,seen\n"
    try subnet.run(
      subnet.ingest("orders", header + "a,anna,1.00,2026-01-01,5\nz,zoe,1,2026-01-10,1\n"))
    let older = try subnet.run(subnet.ingest("orders", header + "a,anna,9.00,2026-01-02,4\n"))
    #expect(older.tally.duplicates == 1)
    #expect(older.tally.late == 0)
    let newer = try subnet.run(subnet.ingest("orders", header + "a,anna,9.00,2026-01-02,6\n"))
    #expect(newer.tally.late == 1)
    #expect(newer.tally.quarantined == 1)
  }

  @Test(arguments: [LateRule.quarantine, .reject])
  func `stays held back when another source changes`(late: LateRule) throws {
    let people = Source(
      name: "people", columns: [SourceColumn(name: "customer", type: .text, required: true)],
      primaryKey: ["customer"])
    let known = Expectation(
      name: "known", check: sql("exists_in(people, customer)"), onViolation: .quarantine)
    var source = orders(late, expectations: [known])
    source.recheck = ["people"]
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(sources: [source, people])))
    try subnet.fund()
    try subnet.run(subnet.ingest("people", "customer\nzoe\n"))
    try subnet.run(
      subnet.ingest("orders", header + "b,ben,1.00,2026-01-01\nz,zoe,1.00,2026-01-10\n"))
    let receipt = try subnet.run(subnet.ingest("people", "customer\nben\n"))
    #expect(receipt.status == .applied)
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["z"])
    #expect(try release(subnet).tally.late == 1)
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["b", "z"])
  }
}
