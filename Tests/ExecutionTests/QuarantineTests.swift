import Certification
import Pipelines
import Testing
import Wire

@testable import Execution

private let shops = Source(
  name: "shops", columns: [SourceColumn(name: "shop", type: .text, required: true)],
  primaryKey: ["shop"])

private func orders(recheck: [String] = [], check: String) -> Source {
  var source = Source.orders(expectations: [
    Expectation(name: "known", check: sql(check), onViolation: .quarantine)
  ])
  source.recheck = recheck
  return source
}

private let exists = "exists_in(shops, customer)"
private let header = "id,customer,amount,day\n"

private func release(
  _ subnet: Subnet, _ selection: ReleaseSelection = ReleaseSelection(), key: String? = nil
) throws -> Receipt {
  try subnet.run(
    subnet.call("shop", .release(source: "orders"), body: selection.canonicalBytes, key: key))
}

@Suite struct `A quarantined row` {
  @Test func `is taken once it passes, and stays on record`() throws {
    let subnet = try Subnet(running: .shop(sources: [orders(check: exists), shops]))
    let first = try subnet.run(
      subnet.ingest("orders", header + "a,anna,1.00,\nb,ben,2.00,\n", key: "batch"))
    #expect(first.tally.quarantined == 2)
    let early = try release(subnet)
    #expect(early.tally.accepted == 0)
    #expect(early.tally.quarantined == 2)
    try subnet.run(subnet.ingest("shops", "shop\nanna\n"))
    #expect(try subnet.rows("bronze_orders").isEmpty)
    let receipt = try release(subnet, key: "let-in")
    #expect(receipt.tally.accepted == 1)
    #expect(receipt.tally.quarantined == 1)
    #expect(try subnet.rows("bronze_orders", columns: "id, amount, _batch") == ["a|100|let-in"])
    #expect(
      try subnet.rows("quarantine_orders", columns: "id, _released_by") == ["a|let-in", "b|"])
    let again = try release(subnet)
    #expect(again.tally.accepted == 0)
    #expect(again.tally.quarantined == 1)
  }

  @Test func `is looked at again when the source that it waits for changes`() throws {
    let subnet = try Subnet(
      running:
        .shop(sources: [orders(recheck: ["shops"], check: exists), shops]))
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\nb,ben,2.00,\n"))
    let receipt = try subnet.run(subnet.ingest("shops", "shop\nben\n", key: "news"))
    #expect(receipt.tally.accepted == 1)
    #expect(receipt.notes.map(\.name) == ["recheck orders"])
    #expect(receipt.notes.first?.count == 1)
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["b"])
    #expect(
      try subnet.rows("quarantine_orders", columns: "id, _released_by") == ["a|", "b|news"])
  }

  /// A row that is let in meets what is there as it would have when it came.
  @Test(arguments: [DuplicateRule.upsertIfNewer, .ignore], [true, false])
  func `meets what is there by the source's own rule`(rule: DuplicateRule, isLate: Bool) throws {
    var source = orders(recheck: ["shops"], check: exists)
    source.onDuplicate = rule
    source.columns[3].required = true
    source.version = rule == .upsertIfNewer ? "day" : nil
    let subnet = try Subnet(running: .shop(sources: [source, shops]))
    try subnet.run(subnet.ingest("shops", "shop\nanna\n"))
    if !isLate { try subnet.run(subnet.ingest("shops", "shop\nben\n")) }
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,2026-01-01\n"))
    try subnet.run(subnet.ingest("orders", header + "a,ben,2.00,2026-01-02\n"))
    if isLate { try subnet.run(subnet.ingest("shops", "shop\nben\n")) }
    #expect(
      try subnet.rows("bronze_orders", columns: "customer, amount")
        == [rule == .ignore ? "anna|100" : "ben|200"])
    #expect(try subnet.rows("quarantine_orders WHERE _released_by IS NULL").isEmpty)
  }

  @Test func `is looked at again after what it waits for left its own quarantine`() throws {
    var towns = shops
    towns.name = "towns"
    var waiting = shops
    waiting.recheck = ["towns"]
    waiting.expectations = [
      Expectation(
        name: "known", check: sql("exists_in(towns, shop)"), onViolation: .quarantine)
    ]
    let subnet = try Subnet(
      running:
        .shop(sources: [orders(recheck: ["shops"], check: exists), waiting, towns]))
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
    try subnet.run(subnet.ingest("shops", "shop\nanna\n"))
    let receipt = try subnet.run(subnet.ingest("towns", "shop\nanna\n"))
    #expect(receipt.notes.map(\.name) == ["recheck orders", "recheck shops"])
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["a"])
  }

  @Test func `that would fail a batch today fails no other source's batch`() throws {
    var source = orders(recheck: ["shops"], check: exists)
    source.expectations.append(
      Expectation(name: "small", check: sql("amount < 200"), onViolation: .fail))
    var before = source
    before.expectations.removeLast()
    let subnet = try Subnet(running: .shop(sources: [before, shops]))
    try subnet.run(subnet.ingest("orders", header + "a,anna,5.00,\nb,anna,1.00,\n"))
    try subnet.run(subnet.deploy(.shop(version: "2", sources: [source, shops])))
    let receipt = try subnet.run(subnet.ingest("shops", "shop\nanna\n"))
    #expect(receipt.status == .applied)
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["b"])
    #expect(try release(subnet).tally.quarantined == 1)
  }

  /// What sends an unknown field means something by it: a row that is to be deleted, say.
  @Test func `keeps the fields that no column reads, which a release weighs again`() throws {
    let known = orders(check: "amount > 20")
    let subnet = try Subnet(running: .shop(sources: [known]))
    let rows = #"{"id":"a","customer":"anna","amount":"1.00","op":"delete","n":1.50}"# + "\n"
    try subnet.run(subnet.ingest("orders", rows, format: .ndjson))
    let captured = #"{"op":"delete","n":1.50}"#
    #expect(try subnet.rows("quarantine_orders", columns: "_captured") == [captured])
    #expect(try release(subnet).tally.accepted == 0)

    var other = known
    other.columns.append(SourceColumn(name: "op", type: .text))
    try subnet.run(subnet.deploy(.shop(version: "2", sources: [other])))
    #expect(try release(subnet).tally.accepted == 0)
    #expect(try subnet.rows("bronze_orders").isEmpty)
    other.columns.append(SourceColumn(name: "n", type: .decimal(precision: 4, scale: 2)))
    try subnet.run(subnet.deploy(.shop(version: "3", sources: [other])))
    #expect(try release(subnet).tally.accepted == 1)
    #expect(try subnet.rows("bronze_orders", columns: "id, op, n") == ["a|delete|150"])
  }

  @Test(arguments: [RowFormat.csv, .ndjson])
  func `has the fields that its source captures once it is taken`(format: RowFormat) throws {
    func source(_ check: String) -> Source {
      var source = orders(check: check)
      source.unknownFields = .capture
      return source
    }
    let subnet = try Subnet(running: .shop(sources: [source("amount > 200")]))
    let rows =
      format == .csv
      ? "id,customer,amount,op\na,anna,1.00,delete\nb,ben,much,update\n"
      : #"{"id":"a","customer":"anna","amount":"1.00","op":"delete"}"# + "\n"
        + #"{"id":"b","customer":"ben","amount":"much","op":"update"}"# + "\n"
    try subnet.run(subnet.ingest("orders", rows, format: format))
    let captured = [#"{"op":"delete"}"#, #"{"op":"update"}"#]
    #expect(try subnet.rows("quarantine_orders", columns: "_captured") == captured)
    try subnet.run(subnet.deploy(.shop(version: "2", sources: [source("amount > 20")])))
    #expect(try release(subnet).tally.accepted == 1)
    #expect(
      try subnet.rows("bronze_orders", columns: "id, _captured") == ["a|" + captured[0]])
  }

  @Test func `comes to the same tables whichever source is first`() throws {
    let package = Package.shop(sources: [orders(recheck: ["shops"], check: exists), shops])
    var tables: [[String]] = []
    for isFirst in [true, false] {
      let subnet = try Subnet(running: package)
      if isFirst { try subnet.run(subnet.ingest("shops", "shop\nanna\nben\n")) }
      try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\nb,ben,2.00,\n"))
      if !isFirst {
        let receipt = try subnet.run(subnet.ingest("shops", "shop\nanna\nben\n"))
        #expect(receipt.notes.first?.count == 2)
      }
      tables.append(try subnet.rows("bronze_orders", columns: "id, customer, amount"))
    }
    #expect(tables[0] == tables[1])
    #expect(tables[0].count == 2)
  }

  @Test(arguments: [
    (ReleaseSelection(batch: "one"), ["a", "b"]), (ReleaseSelection(batch: "two"), ["c"]),
    (ReleaseSelection(batch: "one", row: 2), ["b"]), (ReleaseSelection(height: 99), []),
    (ReleaseSelection(row: 1), ["a", "c"]),
  ])
  func `is chosen by its batch, height and place`(
    selection: ReleaseSelection, taken: [String]
  ) throws {
    let subnet = try Subnet(running: .shop(sources: [orders(check: exists), shops]))
    try subnet.run(subnet.ingest("orders", header + "a,x,1.00,\nb,x,2.00,\n", key: "one"))
    try subnet.run(subnet.ingest("orders", header + "c,x,1.00,\n", key: "two"))
    try subnet.run(subnet.ingest("shops", "shop\nx\n"))
    _ = try release(subnet, selection)
    #expect(try subnet.rows("bronze_orders", columns: "id") == taken)
  }

  /// An update looks at 10,000 of them, the oldest.
  @Test func `is not passed over in silence where there are too many`() throws {
    let subnet = try Subnet(
      running: .shop(sources: [orders(recheck: ["shops"], check: exists), shops]))
    let many = (0..<ExecutionLimits.rowsReleasedMax).map { "\($0),old,1.00,\n" }.joined()
    try subnet.run(subnet.ingest("orders", header + many))
    try subnet.run(subnet.ingest("orders", header + "x,new,1.00,\ny,new,1.00,\n", key: "new"))

    func unseen(_ receipt: Receipt) -> Note? {
      receipt.notes.first { $0.name == "unseen orders" }
    }
    let recheck = try subnet.run(subnet.ingest("shops", "shop\nnew\n"))
    #expect(recheck.notes.map(\.name) == ["unseen orders"])
    #expect(unseen(recheck)?.count == 1, "whoever sends shops does not pay for the count")
    #expect(unseen(recheck)?.message.hasPrefix("or more, held beyond the 10000 oldest") == true)
    let again = try release(subnet)
    #expect(again.tally.accepted == 0)
    #expect(unseen(again)?.count == 2)
    let message = try #require(unseen(again)).message
    #expect(message.hasSuffix("release again; else choose by --batch or --height"))
    let chosen = try release(subnet, ReleaseSelection(batch: "new"))
    #expect(chosen.tally.accepted == 2)
    #expect(unseen(chosen) == nil)
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["x", "y"])
  }

  @Test func `is let in by the owner alone, under the contract of the day`() throws {
    let subnet = try Subnet(running: .shop(sources: [orders(check: "amount > 200")]))
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\nb,ben,much,\n"))
    let stranger = try subnet.run(
      subnet.call(
        "shop", .release(source: "orders"), body: ReleaseSelection().canonicalBytes,
        by: Subnet.stranger))
    #expect(stranger.refusalCode == "NOT_ALLOWED")
    #expect("\(stranger.status)".contains("may not release rows of the source orders of shop: "))
    let malformed = try subnet.run(
      subnet.call("shop", .release(source: "orders"), body: [7, 7]))
    #expect(malformed.refusalCode == "MALFORMED")
    try subnet.run(subnet.deploy(.shop(version: "2", sources: [orders(check: "amount > 20")])))
    let receipt = try release(subnet)
    #expect(receipt.tally.accepted == 1)
    #expect(receipt.tally.quarantined == 1)
    #expect(receipt.notes.count == 1)
    #expect(receipt.notes.first?.name.hasPrefix("amount ") == true, "\(receipt.notes)")
  }
}

/// Orders whose columns a text alone does not tell of: other spellings of times, bytes, JSON.
private func spelled(_ day: ParseRule = .yymmdd, sides: [String] = ["IN", "OUT"]) -> Source {
  var source = orders(recheck: ["shops"], check: exists)
  source.columns = [
    SourceColumn(name: "id", type: .text, required: true),
    SourceColumn(name: "customer", type: .text, required: true),
    SourceColumn(name: "side", type: .text, acceptedValues: sides),
    SourceColumn(name: "day", type: .date, parse: day),
    SourceColumn(name: "at", type: .timestamp, parse: .epochSeconds),
    SourceColumn(name: "data", type: .bytes),
    SourceColumn(name: "j", type: .json),
  ]
  return source
}

@Suite struct `What quarantine keeps of a row` {
  private func held(
    _ rows: String, _ format: RowFormat = .ndjson, count: UInt32 = 1
  ) throws -> Subnet {
    let subnet = try Subnet(running: .shop(sources: [spelled(), shops]))
    let receipt = try subnet.run(subnet.ingest("orders", rows, format: format))
    #expect(receipt.tally.accepted == 0)
    #expect(receipt.tally.quarantined == count)
    return subnet
  }

  private func letIn(_ subnet: Subnet, _ customers: String...) throws {
    let rows = customers.map { $0 + "\n" }.joined()
    try subnet.run(subnet.ingest("shops", "shop\n" + rows))
  }

  @Test(arguments: [
    (
      RowFormat.ndjson,
      #"{"id":"a","customer":"anna","day":"260110","at":1700000000,"data":"0xff00","j":"5"}"#
    ),
    (.csv, "id,customer,day,at,data,j\na,anna,260110,1700000000,0xff00,\"\"\"5\"\"\""),
  ])
  func `is read again as it was, in whatever spelling it came`(
    format: RowFormat, rows: String
  ) throws {
    let subnet = try held(rows + "\n", format)
    #expect(
      try subnet.rows("quarantine_orders", columns: "day, at, data, j")
        == [#"2026-01-10|2023-11-14T22:13:20.000Z|0xff00|"5""#])
    try letIn(subnet, "anna")
    #expect(
      try subnet.rows("bronze_orders", columns: "id, day, at, length(data), j")
        == [#"a|20463|1700000000000|2|"5""#])
  }

  /// What base64 says may look like the spelling in which typed bytes are kept.
  @Test(arguments: [
    (RowFormat.ndjson, #"{"id":"a","customer":"anna","data":"0xab"}"#),
    (.csv, "id,customer,data\na,anna,0xab"),
  ])
  func `is base64 where the column says so`(format: RowFormat, rows: String) throws {
    var source = spelled()
    source.columns[5].parse = .base64
    let subnet = try Subnet(running: .shop(sources: [source, shops]))
    let receipt = try subnet.run(subnet.ingest("orders", rows + "\n", format: format))
    #expect(receipt.tally.quarantined == 1)
    try letIn(subnet, "anna")
    #expect(try subnet.rows("bronze_orders", columns: "id, hex(data)") == ["a|D3169B"])
  }

  @Test func `is JSON whole, in a row that was held for another reason`() throws {
    let subnet = try held(
      """
      {"id":"a","customer":"x","side":"UP","j":"5"}
      {"id":"b","customer":"x","side":"UP","j":"abc"}
      {"id":"c","customer":"x","side":"UP","j":null}
      {"id":"d","customer":"x","side":"UP","j":{"b":[1], "a":2}}
      """, count: 4)
    let looser = Package.shop(version: "2", sources: [spelled(sides: []), shops])
    try subnet.run(subnet.deploy(looser))
    try letIn(subnet, "x")
    #expect(
      try subnet.rows("bronze_orders", columns: "id, j")
        == [#"a|"5""#, #"b|"abc""#, "c|null", #"d|{"a":2,"b":[1]}"#])
  }

  /// What was refused as it was spelled is refused again, until the contract is another.
  @Test func `passes no rule that the row broke`() throws {
    let subnet = try held(
      """
      {"id":"a","customer":5}
      {"id":"b","customer":"anna","day":260110}
      {"id":"c","customer":"anna","day":"2026-01-10"}
      """, count: 3)
    let csv = try subnet.run(subnet.ingest("orders", "id,customer,day\nd,anna,2026-01-10\n"))
    #expect(csv.tally.quarantined == 1)
    #expect(
      try subnet.rows("quarantine_orders", columns: "id, customer, day, _captured") == [
        #"a|5||{"customer":5}"#, #"b|anna|260110|{"day":260110}"#,
        #"c|anna|2026-01-10|{"day":"2026-01-10"}"#, #"d|anna|2026-01-10|{"day":"2026-01-10"}"#,
      ])
    try letIn(subnet, "anna", "5")
    #expect(try release(subnet).tally.quarantined == 4)
    #expect(try subnet.rows("bronze_orders").isEmpty)
    let mended = Package.shop(version: "2", sources: [spelled(.standard), shops])
    #expect(try subnet.run(subnet.deploy(mended)).status == .applied)
    #expect(try release(subnet).tally.accepted == 2)
    #expect(try subnet.rows("bronze_orders", columns: "id, day") == ["c|20463", "d|20463"])
  }

  /// What a column could not read is kept under its field's name, where another would not look.
  @Test func `is read from another field only where that reads nothing else`() throws {
    func shop(_ version: String, from field: String) -> Package {
      var source = Source.orders()
      source.columns[1].from = field
      return .shop(version: version, sources: [source])
    }
    func send(_ subnet: Subnet, _ id: String, _ customer: String) throws -> Receipt {
      let row = #"{"id":"\#(id)","PARTNER":\#(customer),"amount":"1.00"}"# + "\n"
      return try subnet.run(subnet.ingest("orders", row, format: .ndjson))
    }
    let subnet = try Subnet(running: shop("1", from: "CUSTOMER"))
    #expect(try send(subnet, "a", #""anna""#).tally.quarantined == 1)
    #expect(try subnet.run(subnet.deploy(shop("2", from: "PARTNER"))).refusalText == nil)
    #expect(try release(subnet).tally.accepted == 1)
    #expect(try subnet.rows("bronze_orders", columns: "id, customer") == ["a|anna"])

    #expect(try send(subnet, "b", "12345").tally.quarantined == 1)
    let root = subnet.root()
    let refused = try subnet.run(subnet.deploy(shop("3", from: "CLIENT")))
    #expect(refused.refusalCode == "FROM_CHANGED")
    #expect(refused.refusalText?.contains("orders.customer from CLIENT") == true)
    #expect(subnet.root() == root)
    #expect(try release(subnet).tally.quarantined == 1)
  }
}

private func changes(version: String? = nil) -> Source {
  Source(
    name: "orders",
    columns: [
      SourceColumn(name: "id", type: .text, required: true),
      SourceColumn(name: "amount", type: .int),
      SourceColumn(name: "seq", type: .int, required: true),
      SourceColumn(name: "op", type: .text, required: true),
    ], primaryKey: ["id"], version: version,
    operation: ChangeOperation(
      column: "op", inserts: ["c", "r"], updates: ["u"], deletes: ["d"]))
}

@Suite struct `A source of changes` {
  private let head = "id,amount,seq,op\n"

  @Test func `inserts, changes and deletes rows`() throws {
    let subnet = try Subnet(running: .shop(sources: [changes()]))
    let first = try subnet.run(
      subnet.ingest("orders", head + "a,1,1,c\nb,2,1,r\nc,3,1,c\na,10,2,u\nb,,2,d\n"))
    #expect(first.tally.accepted == 5)
    #expect(try subnet.rows("bronze_orders", columns: "id, amount") == ["a|10", "c|3"])
    let second = try subnet.run(
      subnet.ingest("orders", head + "b,,3,d\nd,4,1,u\na,10,2,u\nc,3,1,x\n"))
    #expect(second.tally.duplicates == 2)
    #expect(second.tally.quarantined == 1)
    #expect(try subnet.rows("bronze_orders", columns: "id, amount") == ["a|10", "c|3", "d|4"])
  }

  private static let deletes: [RowFormat: String] = [
    .csv: "id,amount,seq,op\na,,2,d\nb,,2,u\nc,,,d\nd,x,2,d\n",
    .ndjson: """
    {"id":"a","seq":2,"op":"d"}
    {"id":"b","seq":2,"op":"u"}
    {"id":"c","op":"d"}
    {"id":"d","amount":"x","seq":2,"op":"d"}
    """,
  ]

  @Test(arguments: [RowFormat.csv, .ndjson])
  func `needs no more of a delete than which row goes, as of when`(format: RowFormat) throws {
    let rows = try #require(Self.deletes[format])
    var source = changes(version: "seq")
    source.columns[1].required = true
    let subnet = try Subnet(running: .shop(sources: [source]))
    try subnet.run(subnet.ingest("orders", head + "a,1,1,c\nb,2,1,c\nc,3,1,c\nd,4,1,c\n"))
    let receipt = try subnet.run(subnet.ingest("orders", rows, format: format))
    #expect(receipt.tally.accepted == 1)
    #expect(
      try subnet.rows("quarantine_orders", columns: "id, _errors") == [
        "b|amount: a value is required", "c|seq: a value is required",
        "d|amount: \"x\" is no integer (QD23)",
      ])
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["b", "c", "d"])
  }

  @Test func `refreshes what its models made of deleted rows`() throws {
    let model = Model(
      name: "sums", layer: .silver, kind: .incremental, primaryKey: ["id"],
      refresh: Refresh(by: ["id"]),
      sql: sql("select id, sum(amount) as total from {{ source('orders') }} group by id"))
    let subnet = try Subnet(running: .shop(sources: [changes()], models: [model]))
    try subnet.run(subnet.ingest("orders", head + "a,1,1,c\nb,2,1,c\n"))
    try subnet.run(subnet.ingest("orders", head + "a,,2,d\n"))
    #expect(try subnet.rows("sums") == ["b|2"])
  }

  @Test func `forgets what it deleted once it takes no changes`() throws {
    let subnet = try Subnet(running: .shop(sources: [changes(version: "seq")]))
    try subnet.run(subnet.ingest("orders", head + "a,1,1,c\na,,7,d\nb,1,1,c\n"))
    let ledger = try #require(subnet.executor.pipelines["shop"]).ledger
    #expect(try ledger.count(.tombstone) == 1)
    var plain = changes(version: "seq")
    plain.operation = nil
    plain.onDuplicate = .upsertIfNewer
    let without = try subnet.run(subnet.deploy(.shop(version: "2", sources: [plain])))
    #expect(without.refusalText == nil)
    #expect(try ledger.count(.tombstone) == 0)
    let again = Package.shop(version: "3", sources: [changes(version: "seq")])
    #expect(try subnet.run(subnet.deploy(again)).refusalText == nil)
    #expect(try subnet.run(subnet.ingest("orders", head + "a,5,1,c\n")).tally.accepted == 1)
  }

  @Test func `forgets what it deleted by a version of another type`() throws {
    var timed = changes(version: "seq")
    timed.columns[2].type = .timestamp
    let subnet = try Subnet(running: .shop(sources: [timed]))
    let rows = "a,1,2025-12-01T00:00:00Z,c\na,,2025-12-02T00:00:00Z,d\n"
    #expect(try subnet.run(subnet.ingest("orders", head + rows)).tally.accepted == 2)
    let next = Package.shop(version: "2", sources: [changes(version: "seq")])
    #expect(try subnet.run(subnet.deploy(next)).refusalText == nil)
    let ledger = try #require(subnet.executor.pipelines["shop"]).ledger
    #expect(try ledger.count(.tombstone) == 0)
    #expect(try subnet.run(subnet.ingest("orders", head + "a,1,1,c\n")).tally.accepted == 1)
  }

  @Test func `stays one while its quarantine holds what may delete rows`() throws {
    let subnet = try Subnet(running: .shop(sources: [changes()]))
    let held = try subnet.run(subnet.ingest("orders", head + "a,1,1,c\na,x,2,d\n"))
    #expect(held.tally.quarantined == 1)
    let root = subnet.root()
    var plain = changes()
    plain.operation = nil
    let refused = try subnet.run(subnet.deploy(.shop(version: "2", sources: [plain])))
    #expect(refused.refusalCode == "OP_CHANGED")
    #expect(subnet.root() == root)
    var other = changes()
    other.operation?.updates.append("m")
    let taken = try subnet.run(subnet.deploy(.shop(version: "2", sources: [other])))
    #expect(taken.refusalText == nil, "what is held is of no harm while it is never released")
  }

  @Test func `comes to the same rows in every order, by the version`() throws {
    let lines = ["a,1,1,c", "a,2,2,u", "a,,3,d", "b,1,1,c", "b,,2,d", "b,5,3,u"]
    func permuted(_ rest: [String]) -> [[String]] {
      guard rest.count > 1 else { return [rest] }
      return rest.indices.flatMap { index -> [[String]] in
        var others = rest
        let first = others.remove(at: index)
        return permuted(others).map { [first] + $0 }
      }
    }
    // All orders of one row's changes, and of the other's: they do not meet.
    for (a, b) in zip(permuted(Array(lines[..<3])), permuted(Array(lines[3...]))) {
      let subnet = try Subnet(running: .shop(sources: [changes(version: "seq")]))
      for line in zip(a, b).flatMap({ [$0, $1] }) {
        try subnet.run(subnet.ingest("orders", head + line + "\n"))
      }
      #expect(
        try subnet.rows("bronze_orders", columns: "id, amount, seq") == ["b|5|3"], "\(a) \(b)")
    }
  }

  @Test(arguments: [
    ChangeOperation(column: "id"), ChangeOperation(column: "amount"),
    ChangeOperation(column: "nope"),
    ChangeOperation(column: "op", inserts: ["x"], updates: ["x"]),
  ])
  func `names a text column that is required, and each word once`(
    operation: ChangeOperation
  ) {
    var source = changes()
    source.operation = operation
    #expect(throws: PackageFaults.self) { try CheckedPackage(.shop(sources: [source])) }
  }
}
