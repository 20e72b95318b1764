import Certification
import Pipelines
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

private func prepared(_ source: Source, _ more: [Source] = []) throws -> Subnet {
  let subnet = try Subnet()
  let receipt = try subnet.run(subnet.deploy(.shop(sources: [source] + more)))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  return subnet
}

@Suite struct `A batch` {
  @Test func `quarantines rows that break the contract, with their reasons`() throws {
    let subnet = try prepared(.orders())
    let receipt = try subnet.run(
      subnet.ingest("orders", header + "a,anna,1.00,\nb,ben,many,\nc,,1.00,\n"))
    #expect(receipt.tally.accepted == 1)
    #expect(receipt.tally.quarantined == 2)
    #expect(receipt.notes.count == 2)
    #expect(
      try subnet.rows("quarantine_orders", columns: "id, amount, _row") == [
        "b|many|2", "c|1.00|3",
      ])
  }

  @Test(arguments: [
    (DuplicateRule.ignore, 1, 1, 0, "a|anna|100"),
    (.rejectIfDifferent, 1, 0, 1, "a|anna|100"),
  ])
  func `meets a known key as its source says`(
    rule: DuplicateRule, accepted: Int, duplicates: Int, quarantined: Int, row: String
  ) throws {
    let subnet = try prepared(.orders(onDuplicate: rule))
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
    let receipt = try subnet.run(subnet.ingest("orders", header + "a,ben,2.00,\nb,ben,1.00,\n"))
    #expect(Int(receipt.tally.accepted) == accepted)
    #expect(Int(receipt.tally.duplicates) == duplicates)
    #expect(Int(receipt.tally.quarantined) == quarantined)
    #expect(try subnet.rows("bronze_orders", columns: "id, customer, amount").first == row)
  }

  @Test func `takes the newer version of a row`() throws {
    var source = Source.orders(onDuplicate: .upsertIfNewer, version: "seen")
    source.columns.append(SourceColumn(name: "seen", type: .int, required: true))
    let subnet = try prepared(source)
    let header = "id,customer,amount,day,seen\n"
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,,5\n"))
    let older = try subnet.run(subnet.ingest("orders", header + "a,ben,2.00,,4\n"))
    #expect(older.tally.duplicates == 1)
    let newer = try subnet.run(subnet.ingest("orders", header + "a,carl,3.00,,6\n"))
    #expect(newer.tally.accepted == 1)
    #expect(
      try subnet.rows("bronze_orders", columns: "id, customer, amount") == ["a|carl|300"])
  }

  @Test func `quarantines a version far ahead of block time, which nothing would replace`() throws {
    var source = Source.orders(onDuplicate: .upsertIfNewer, version: "day")
    source.columns[3].required = true
    let subnet = try prepared(source)
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,2026-01-05\n"))
    let ahead = try subnet.run(subnet.ingest("orders", header + "a,ben,2.00,2126-01-06\n"))
    #expect(ahead.tally.accepted == 0)
    #expect(ahead.tally.quarantined == 1)
    #expect(ahead.notes.map(\.name) == ["version"])
    let next = try subnet.run(
      subnet.ingest("orders", header + "a,carl,3.00,2026-01-06\nb,ben,1.00,2026-12-31\n"))
    #expect(next.tally.accepted == 2)
    #expect(try subnet.rows("bronze_orders", columns: "customer") == ["carl", "ben"])
  }

  @Test(arguments: [
    ("id,customer,amount,day\n\"a,anna,1.00,\n"),
    ("id,customer,amount,day\na,anna\n"),
    ("id,customer,amount,day\na,an\u{0}na,1.00,\n"),
    ("id,who,amount,day\na,anna,1.00,\n"),
  ])
  func `that is malformed is refused, and changes nothing`(body: String) throws {
    let subnet = try prepared(.orders())
    let root = subnet.root()
    let receipt = try subnet.run(subnet.ingest("orders", body))
    #expect(receipt.refusalCode != nil)
    #expect(receipt.charged > 0)
    #expect(subnet.root() == root)
  }

  @Test func `of an unknown source or pipeline is refused at no cost`() throws {
    let subnet = try prepared(.orders())
    let unknown = try subnet.run(subnet.ingest("invoices", header))
    #expect(unknown.refusalCode == "UNKNOWN_SOURCE")
    #expect(unknown.charged == 0)
    let nowhere = try subnet.run(subnet.ingest("orders", header, pipeline: "nowhere"))
    #expect(nowhere.refusalCode == "UNKNOWN_PIPELINE")
    #expect(nowhere.charged == 0)
  }

  @Test func `is held to the event times of its source`() throws {
    let day: UInt64 = 86_400_000
    func source(_ late: LateRule) -> Source {
      var source = Source.orders(
        eventTime: EventTime(column: "day", lateness: 2 * day, futureMax: 7 * day, late: late))
      source.columns[3].required = true
      return source
    }
    for (late, accepted, quarantined) in [(LateRule.accept, 1, 0), (.quarantine, 0, 1)] {
      let subnet = try prepared(source(late))
      let first = try subnet.run(
        subnet.ingest("orders", header + "a,anna,1.00,2026-01-05\nb,ben,1.00,2027-01-01\n"))
      #expect(first.tally.accepted == 1)
      #expect(first.tally.quarantined == 1)
      let second = try subnet.run(subnet.ingest("orders", header + "c,carl,1.00,2026-01-02\n"))
      #expect(second.tally.late == 1)
      #expect(Int(second.tally.accepted) == accepted)
      #expect(Int(second.tally.quarantined) == quarantined)
    }
    let subnet = try prepared(source(.reject))
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,2026-01-05\n"))
    let receipt = try subnet.run(subnet.ingest("orders", header + "c,carl,1.00,2026-01-02\n"))
    #expect(receipt.refusalCode == "LATE")
  }
}

@Suite struct `An expectation` {
  private func orders(_ violation: Violation, _ check: String = "amount <> 0") -> Source {
    .orders(expectations: [Expectation(name: "sound", check: sql(check), onViolation: violation)])
  }

  @Test func `warns`() throws {
    let subnet = try prepared(orders(.warn))
    let receipt = try subnet.run(subnet.ingest("orders", header + "a,anna,1,\nb,ben,0,\n"))
    #expect(receipt.tally.accepted == 2)
    #expect(receipt.notes.map(\.name) == ["sound"])
    #expect(receipt.notes.first?.firstRow == 2)
    #expect(receipt.notes.first?.message == "warn: amount <> 0")
  }

  @Test func `drops`() throws {
    let subnet = try prepared(orders(.drop))
    let receipt = try subnet.run(subnet.ingest("orders", header + "a,anna,1,\nb,ben,0,\n"))
    #expect(receipt.tally.accepted == 1)
    #expect(receipt.tally.dropped == 1)
    #expect(try subnet.rows("quarantine_orders") == [])
  }

  @Test func `quarantines`() throws {
    let subnet = try prepared(orders(.quarantine))
    let receipt = try subnet.run(subnet.ingest("orders", header + "a,anna,1,\nb,ben,0,\n"))
    #expect(receipt.tally.quarantined == 1)
    #expect(
      try subnet.rows("quarantine_orders", columns: "id, amount, _errors")
        == ["b|0.00|expectation sound"])
  }

  @Test func `fails the whole batch`() throws {
    let subnet = try prepared(orders(.fail))
    let root = subnet.root()
    let receipt = try subnet.run(subnet.ingest("orders", header + "a,anna,1,\nb,ben,0,\n"))
    #expect(receipt.refusalCode == "EXPECTATION_FAILED")
    #expect(subnet.root() == root)
  }

  @Test func `looks into another source`() throws {
    let people = Source(
      name: "people", columns: [SourceColumn(name: "customer", type: .text, required: true)],
      primaryKey: ["customer"])
    let subnet = try prepared(orders(.quarantine, "exists_in(people, customer)"), [people])
    try subnet.run(subnet.ingest("people", "customer\nanna\n"))
    let receipt = try subnet.run(subnet.ingest("orders", header + "a,anna,1,\nb,ben,1,\n"))
    #expect(receipt.tally.accepted == 1)
    #expect(receipt.tally.quarantined == 1)
  }

  @Test func `of the batch as a whole counts its quarantined rows`() throws {
    let source = Source.orders(expectations: [
      Expectation(name: "sound", check: sql("amount <> 0"), onViolation: .quarantine),
      Expectation(
        name: "not_half_bad", check: sql("quarantined_ppm() <= 500000"), onViolation: .fail),
    ])
    let subnet = try prepared(source)
    let half = try subnet.run(subnet.ingest("orders", header + "a,anna,1,\nb,ben,0,\n"))
    #expect(half.status == .applied)
    let root = subnet.root()
    let most = try subnet.run(
      subnet.ingest("orders", header + "c,anna,1,\nd,ben,0,\ne,ben,0,\n"))
    #expect(most.refusalCode == "EXPECTATION_FAILED")
    guard case .refused(let refusal) = most.status else { return }
    #expect(
      refusal.message
        == "the batch does not meet not_half_bad: quarantined_ppm() <= 500000: 2 of 3 rows were "
        + "quarantined, 666666 ppm (sound 2×). No row of the batch was taken")
    #expect(subnet.root() == root)
  }
}

@Suite struct `A procedure` {
  @Test func `emits rows into its source`() throws {
    let stages = Source(
      name: "stages",
      columns: [
        SourceColumn(name: "id", type: .text, required: true),
        SourceColumn(name: "seq", type: .int, required: true),
        SourceColumn(name: "at", type: .timestamp, required: true),
      ], primaryKey: ["id", "seq"])
    let advance = Procedure(
      name: "advance", args: [.init(name: "id", type: .text)], allow: [.anyone], emit: "stages",
      sql: sql(
        """
        select :id as id, coalesce(max(seq), 0) + 1 as seq, consensus_time_ms() as at
        from {{ source('stages') }} where id = :id
        """))
    let subnet = try Subnet()
    let deployed = try subnet.run(
      subnet.deploy(.shop(sources: [stages], procedures: [advance])))
    #expect(deployed.status == .applied)
    try subnet.fund()
    for _ in 0..<2 {
      let receipt = try subnet.run(
        subnet.call("shop", .procedure("advance"), body: Array("{\"id\":\"x\"}".utf8), by: nil))
      #expect(receipt.status == .applied)
      #expect(receipt.tally.accepted == 1)
    }
    #expect(try subnet.rows("bronze_stages", columns: "id, seq") == ["x|1", "x|2"])
    let wrong = try subnet.run(
      subnet.call("shop", .procedure("advance"), body: Array("{\"no\":1}".utf8), by: nil))
    #expect(wrong.refusalCode == "ARGUMENTS")
  }
}
