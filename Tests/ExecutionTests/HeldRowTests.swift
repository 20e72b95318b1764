import Certification
import Pipelines
import Testing
import Wire

@testable import Execution

private let shops = Source(
  name: "shops", columns: [SourceColumn(name: "shop", type: .text, required: true)],
  primaryKey: ["shop"])

private func known(_ check: String = "exists_in(shops, customer)") -> Pipelines.Expectation {
  Pipelines.Expectation(name: "known", check: sql(check), onViolation: .quarantine)
}

/// Orders that wait until their customer is a shop.
private func orders(_ expectations: [Pipelines.Expectation] = [known()]) -> Source {
  var source = Source.orders(expectations: expectations)
  source.recheck = ["shops"]
  return source
}

private let header = "id,customer,amount,day\n"

private func release(_ subnet: Subnet, _ source: String = "orders") throws -> Receipt {
  try subnet.run(
    subnet.call(
      "shop", .release(source: source), body: ReleaseSelection().canonicalBytes))
}

@Suite struct `Held rows` {
  /// 80 rows of 60,000 bytes each; 4 MiB hold 69 of them.
  @Test func `are read up to so many bytes, and each byte is metered`() throws {
    let subnet = try Subnet(running: .shop(sources: [orders(), shops]))
    let long = String(repeating: "a", count: 60_000)
    for batch in 0..<5 {
      let rows = (0..<16).map { "\(10 + 16 * batch + $0),\(long),1.00,\n" }.joined()
      #expect(try subnet.run(subnet.ingest("orders", header + rows)).tally.quarantined == 16)
    }
    let recheck = try subnet.run(subnet.ingest("shops", "shop\nnew\n", steps: 20_000_000))
    #expect(recheck.status == .applied)
    let unseen = try #require(recheck.notes.first { $0.name == "unseen orders" })
    #expect(unseen.message.hasPrefix("or more, held beyond the 69 oldest"))
    let read = 69 * UInt64(60_000 - ExecutionLimits.functionBytesFree)
    #expect(recheck.usage.functionBytes >= read * ExecutionLimits.functionBytesPerHeldByte)

    let all = try release(subnet)
    #expect(all.tally.quarantined == 69)
    #expect(all.notes.first { $0.name == "unseen orders" }?.count == 11)
    #expect(all.usage.functionBytes >= read * ExecutionLimits.functionBytesPerHeldByte)
    let usual = Limits.stepLimitUsual(bodyBytes: 8)
    let small = try subnet.run(subnet.ingest("shops", "shop\nfew\n", steps: usual))
    #expect(small.refusalText == nil, "who sends a row elsewhere is not refused for them")
    #expect(small.notes.map(\.name) == ["unseen orders"], "\(small.notes)")
    let few = try subnet.run(
      subnet.call(
        "shop", .release(source: "orders"), body: ReleaseSelection().canonicalBytes,
        steps: 100_000))
    #expect(few.refusalCode == "STEP_LIMIT", "bytes use up the steps of a call")
  }

  /// No value that the contract takes is longer than what is kept.
  @Test func `are kept up to so many bytes a field, and then never released`() throws {
    let subnet = try Subnet(running: .shop(sources: [.orders()]))
    func row(_ id: String, _ bytes: Int) -> String {
      "\(id),\(String(repeating: "a", count: bytes)),1.00,\n"
    }
    let sent = try subnet.run(
      subnet.ingest("orders", header + row("a", 200_000) + row("b", 131_074)))
    #expect(sent.tally.quarantined == 2)
    #expect(
      try subnet.rows("quarantine_orders", columns: "id, length(customer)")
        == ["a|131074", "b|131074"])
    let errors = try subnet.rows("quarantine_orders", columns: "_errors")
    #expect(errors[0].hasPrefix("[cut] customer had 200000 bytes; customer: "))
    #expect(errors[1].hasPrefix("customer: "))

    var wider = Package.shop(version: "2")
    wider.defaults.stringBytesMax = 1 << 20
    #expect(try subnet.run(subnet.deploy(wider)).refusalText == nil)
    let receipt = try release(subnet)
    #expect(receipt.tally.accepted == 1)
    #expect(receipt.tally.quarantined == 1)
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["b"])
  }

  @Test func `are kept without captured fields that are too long`() throws {
    let subnet = try Subnet(running: .shop(sources: [.orders()]))
    let extra = String(repeating: "a", count: 200_000)
    let row = #"{"id":"a","customer":"anna","amount":"1.00","extra":"\#(extra)"}"#
    let sent = try subnet.run(subnet.ingest("orders", row + "\n", format: .ndjson))
    #expect(sent.tally.quarantined == 1)
    #expect(try subnet.rows("quarantine_orders", columns: "_captured") == [""])
    let errors = try subnet.rows("quarantine_orders", columns: "_errors")
    #expect(errors.first?.hasPrefix("[cut] _captured had 200012 bytes; ") == true)
    #expect(try release(subnet).tally.quarantined == 1)
    #expect(try subnet.rows("bronze_orders").isEmpty)
  }
}

/// Lines that wait until their bank is a shop.
private func lines(_ expectations: Pipelines.Expectation...) -> Source {
  Source(
    name: "lines",
    columns: [
      SourceColumn(name: "id", type: .text, required: true),
      SourceColumn(name: "bank", type: .text, required: true),
      SourceColumn(name: "qty", type: .int, required: true),
      SourceColumn(name: "price", type: .int, required: true),
      SourceColumn(name: "note", type: .text),
    ], primaryKey: ["id"],
    expectations: [known("exists_in(shops, bank)")] + expectations, recheck: ["shops"])
}

private let lineHeader = "id,bank,qty,price,note\n"

/// What a file holds, read anew, is what its replica believes.
private func isSound(_ subnet: Subnet) throws -> Bool {
  let file = try #require(subnet.executor.pipelines["shop"])
  return try file.data.storedRoot() == subnet.root()
}

@Suite struct `A recheck` {
  private static let most = "9223372036854775807"

  @Test func `leaves a row held whose numbers overflow, and tells why`() throws {
    let worth = Pipelines.Expectation(
      name: "worth", check: sql("qty * price > 0"), onViolation: .quarantine)
    let subnet = try Subnet(running: .shop(sources: [lines(), shops]))
    try subnet.run(subnet.ingest("lines", lineHeader + "a,x,\(Self.most),2,\nb,x,3,2,\n"))
    let next = Package.shop(version: "2", sources: [lines(worth), shops])
    #expect(try subnet.run(subnet.deploy(next)).refusalText == nil)

    let first = try subnet.run(subnet.ingest("shops", "shop\nx\n"))
    #expect(first.refusalText == nil)
    #expect(first.notes.map(\.name) == ["recheck lines"])
    #expect(first.usage.rowsWritten == 4, "the shop, the line with its release, the reason")
    #expect(try subnet.rows("bronze_lines", columns: "id") == ["b"])
    let errors = "quarantine_lines WHERE _released_by IS NULL"
    #expect(try subnet.rows(errors, columns: "_errors").first?.hasPrefix("QD22: ") == true)
    let second = try subnet.run(subnet.ingest("shops", "shop\ny\n"))
    #expect(second.status == .applied)
    #expect(second.usage.rowsWritten == 1, "what is known is not written again")
    let released = try release(subnet, "lines")
    #expect(released.refusalText == nil)
    #expect(released.tally.quarantined == 1)
    #expect(try isSound(subnet))
  }

  @Test func `is taken back where a model overflows, and the batch goes on`() throws {
    let totals = Model(
      name: "totals", layer: .silver, kind: .incremental, primaryKey: ["bank"],
      refresh: Refresh(by: ["bank"]),
      sql: sql(
        "select bank, sum(qty * price) as worth from {{ source('lines') }} group by bank"))
    let subnet = try Subnet(running: .shop(sources: [lines(), shops], models: [totals]))
    try subnet.run(subnet.ingest("lines", lineHeader + "a,x,\(Self.most),2,\nb,y,3,2,\n"))
    let first = try subnet.run(subnet.ingest("shops", "shop\nx\n"))
    #expect(first.refusalText == nil)
    #expect(first.tally.accepted == 1)
    #expect(first.notes.map(\.name) == ["refused recheck lines"])
    #expect(first.notes.first?.message.hasPrefix("its rows stay held: QD22: ") == true)
    #expect(first.usage.rowsWritten == 1)
    #expect(try subnet.rows("bronze_shops", columns: "shop") == ["x"])
    #expect(try subnet.rows("bronze_lines").isEmpty)
    #expect(try subnet.rows("quarantine_lines", columns: "_released_by") == ["", ""])
    #expect(try isSound(subnet))
    #expect(try release(subnet, "lines").refusalCode == "QD22", "who asks for it is told")
    let root = subnet.root()
    try subnet.reopen()
    #expect(subnet.root() == root)
  }

  /// Each batch may write 10 rows, and one of a shop lets two orders in.
  @Test func `takes no more than half of the rows that an update may write`() throws {
    var budget = Budget.ample
    budget.rowsWrittenPerUpdate = 10
    let subnet = try Subnet(running: .shop(sources: [orders(), shops], budget: budget))
    for batch in 0..<3 {
      let rows = (0..<8).map { "\(batch)-\($0),x,1.00,\n" }.joined()
      #expect(try subnet.run(subnet.ingest("orders", header + rows)).tally.quarantined == 8)
    }
    for count in 1...3 {
      let name = count == 1 ? "x" : "y\(count)"
      let receipt = try subnet.run(subnet.ingest("shops", "shop\n\(name)\n"))
      #expect(receipt.refusalText == nil)
      #expect(receipt.notes.map(\.name) == ["recheck orders", "unseen orders"])
      #expect(receipt.notes.last?.message.hasPrefix("or more, held beyond the 2 oldest") == true)
      #expect(try subnet.rows("bronze_orders").count == 2 * count)
    }
    #expect(try isSound(subnet))
  }

  /// A line of 5,000 bytes uses up as much as 1,579 steps, and a recheck reads with a quarter of
  /// 40,000.
  @Test func `ends at a share of the steps, and goes on with the next batch`() throws {
    var budget = Budget.ample
    budget.stepsPerUpdate = 40_000
    let subnet = try Subnet(running: .shop(sources: [lines(), shops], budget: budget))
    let note = String(repeating: "a", count: 5_000)
    for batch in 0..<3 {
      let rows = (0..<8).map { "\(batch)-\($0),x,1,1,\(note)\n" }.joined()
      #expect(try subnet.run(subnet.ingest("lines", lineHeader + rows)).tally.quarantined == 8)
    }
    let few = try subnet.run(subnet.ingest("shops", "shop\nx\n", steps: 3_000))
    #expect(few.refusalCode == "STEP_LIMIT", "what a call itself may use is no share")
    var counts: [Int] = []
    for count in 1...8 {
      let name = count == 1 ? "x" : "y\(count)"
      let receipt = try subnet.run(subnet.ingest("shops", "shop\n\(name)\n"))
      #expect(receipt.refusalText == nil)
      counts.append(try subnet.rows("bronze_lines").count)
      #expect(
        receipt.notes.contains { $0.name == "unseen lines" } == (counts.last != 24),
        "\(receipt.notes)")
    }
    #expect((1..<24).contains(counts[0]), "\(counts)")
    #expect(counts.last == 24)
    #expect(try isSound(subnet))
  }
}

@Suite struct `An upgrade that spells times otherwise` {
  private func events(
    _ version: String, at: ParseRule, day: ParseRule, isNeeded: Bool = true
  ) -> Package {
    let source = Source(
      name: "events",
      columns: [
        SourceColumn(name: "id", type: .text, required: true),
        SourceColumn(name: "at", type: .timestamp, parse: at),
        SourceColumn(name: "day", type: .date, parse: day),
        SourceColumn(name: "n", type: .int, required: isNeeded),
      ], primaryKey: ["id"])
    return .shop(version: version, sources: [source])
  }

  /// 1700000000 is a moment of 2023 in seconds, and one of January 1970 in milliseconds.
  @Test func `is refused while quarantine holds rows that it would read as other times`() throws {
    let subnet = try Subnet(running: events("1", at: .epochSeconds, day: .ddmmyyyy))
    let row = #"{"id":"a","at":1700000000}"# + "\n"
    let held = try subnet.run(subnet.ingest("events", row, format: .ndjson))
    #expect(held.tally.quarantined == 1)
    let root = subnet.root()
    let other = events("2", at: .epochMilliseconds, day: .ddmmyyyy, isNeeded: false)
    let refused = try subnet.run(subnet.deploy(other))
    #expect(refused.refusalCode == "PARSE_CHANGED")
    #expect(refused.refusalText?.contains("events.at as epoch_ms") == true)
    #expect(subnet.root() == root)
    let same = events("2", at: .epochSeconds, day: .ddmmyyyy, isNeeded: false)
    #expect(try subnet.run(subnet.deploy(same)).refusalText == nil)
    #expect(try release(subnet, "events").tally.accepted == 1)
    #expect(try subnet.rows("bronze_events", columns: "at") == ["1700000000000"])
    let later = events("3", at: .epochMilliseconds, day: .ddmmyyyy, isNeeded: false)
    #expect(try subnet.run(subnet.deploy(later)).refusalText == nil, "nothing is held any more")
  }

  @Test func `is taken where it reads what could not be read`() throws {
    let subnet = try Subnet(running: events("1", at: .epochSeconds, day: .ddmmyyyy))
    let rows = "id,at,day,n\na,,20260131,1\nb,1700000000,,\n"
    #expect(try subnet.run(subnet.ingest("events", rows)).tally.quarantined == 2)
    let mended = events("2", at: .standard, day: .yyyymmdd)
    #expect(try subnet.run(subnet.deploy(mended)).refusalText == nil)
    #expect(try release(subnet, "events").tally.accepted == 1)
    #expect(try subnet.rows("bronze_events", columns: "id, day") == ["a|20484"])
  }
}

@Suite struct `An upgrade that writes rows again` {
  /// Of a source and of its quarantine.
  @Test func `pays for each row that it reads, and each byte`() throws {
    let subnet = try Subnet(running: .shop(sources: [lines(), shops]))
    try subnet.run(subnet.ingest("shops", "shop\nx\n"))
    let note = String(repeating: "a", count: 10_000)
    let sent = (0..<20).map { "\($0),\($0 < 10 ? "x" : "y"),1,1,\(note)\n" }.joined()
    let held = try subnet.run(subnet.ingest("lines", lineHeader + sent))
    #expect(held.tally.accepted == 10)
    #expect(held.tally.quarantined == 10)
    let before = try ["bronze_lines", "quarantine_lines"].map {
      try subnet.rows($0, columns: "id, bank, qty, price, note, _batch, _row, _height")
    }
    let root = subnet.root()

    var source = lines()
    source.columns.append(SourceColumn(name: "more", type: .text))
    let next = Package.shop(version: "2", sources: [source, shops])
    let few = try subnet.run(
      subnet.call("shop", .deploy, body: next.canonicalBytes, steps: 2_000))
    #expect(few.refusalCode == "STEP_LIMIT")
    #expect(subnet.root() == root)
    #expect(try isSound(subnet))
    let receipt = try subnet.run(subnet.deploy(next))
    #expect(receipt.refusalText == nil)
    #expect(receipt.usage.functionBytes >= 20 * 9_900)
    #expect(receipt.usage.steps >= 20 * 10)
    let after = try ["bronze_lines", "quarantine_lines"].map {
      try subnet.rows($0, columns: "id, bank, qty, price, note, _batch, _row, _height")
    }
    #expect(after == before)
    #expect(try isSound(subnet))
    let names = try subnet.rows("sqlite_schema", columns: "name")
    #expect(!names.contains(StoredTable.asideName))
    let more = try subnet.run(subnet.ingest("shops", "shop\ny\n"))
    #expect(more.notes.map(\.name) == ["recheck lines"])
    #expect(try subnet.rows("bronze_lines").count == 20)
  }
}
