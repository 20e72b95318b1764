import Certification
import Pipelines
import Signing
import Synchronization
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

private let ledger = Model(
  name: "ledger", layer: .silver, kind: .full, primaryKey: ["id"],
  sql: sql("select id, customer, amount, day from {{ source('orders') }}"), certified: true)

private let large = Query(
  name: "large", args: [.init(name: "least", type: .decimal(precision: 18, scale: 2))],
  allow: [.anyone],
  sql: sql(
    "select id, amount, day from {{ ref('ledger') }} where amount >= :least order by amount, id"))

private func prepared(pii: Sensitivity? = nil) throws -> Subnet {
  let subnet = try Subnet()
  let receipt = try subnet.run(
    subnet.deploy(.shop(sources: [.orders(pii: pii)], models: [ledger], queries: [large])))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  try subnet.run(
    subnet.ingest(
      "orders", header + "a,anna,1.50,2026-01-01\nb,ben,2.00,\nc,carl,3.25,2026-02-03\n"))
  try subnet.certify()
  return subnet
}

extension Subnet {
  fileprivate func ask(
    _ question: QueryRequest.Question, _ arguments: [Certification.Argument] = [],
    height: Height? = nil, trust: Trust = .replica, caller: PublicKey? = Subnet.owner.publicKey
  ) throws(Refusal) -> AnswerContent {
    try executor.reader.query(
      QueryRequest(
        subnet: genesis.subnet, pipeline: "shop", question: question, arguments: arguments,
        height: height, trust: trust, caller: caller))
  }
}

@Suite struct `A reader` {
  @Test func `answers a named query with its types`() throws {
    let subnet = try prepared()
    let answer = try subnet.ask(
      .named("large"), [.init(name: "least", value: .text("2.00"))], caller: nil)
    #expect(answer.result.texts == [["b", "2.00", nil], ["c", "3.25", "2026-02-03"]])
    #expect(answer.height == subnet.executor.height)
    #expect(answer.stateRoot == (try subnet.executor.outcome(at: answer.height)?.stateRoot))
  }

  @Test func `reads arguments as a procedure does`() throws {
    let subnet = try prepared()
    for value in [Value.int(2), .text("2"), .text("2.00")] {
      let answer = try subnet.ask(.named("large"), [.init(name: "least", value: value)])
      #expect(answer.result.texts.map { $0[0] } == ["b", "c"], "\(value)")
    }
    for value in [Value.text("2.001"), .text("much"), .int(.max), .bytes([2])] {
      let refusal = #expect(throws: Refusal.self) {
        try subnet.ask(.named("large"), [.init(name: "least", value: value)])
      }
      #expect(refusal?.code == "ARGUMENTS", "\(value)")
    }
  }

  @Test func `answers SQL of the owner, and refuses strangers`() throws {
    let subnet = try prepared()
    let question = QueryRequest.Question.sql("select sum(amount) as total from ledger")
    #expect(try subnet.ask(question, trust: .quorum).result.texts == [["6.75"]])
    let refused = #expect(throws: Refusal.self) {
      try subnet.ask(question, caller: Subnet.stranger.publicKey)
    }
    #expect(refused?.code == "NOT_ALLOWED")
    #expect(refused?.message.contains("shop has no role that allows it") == true)
    #expect(refused?.message.contains("[role:NAME] into the `allow:` of a source") == true)
  }

  @Test(arguments: [
    "select sum(amount) as total from ledger; select 1",
    "pragma table_info(ledger)",
    "attach 'x' as y",
    "select 1 as a union select name from sqlite_schema",
    "select value as v from ledger_rows",
    "select load_extension('x') as a",
    "delete from ledger",
  ])
  func `refuses what is no SELECT of the pipeline's tables`(text: String) throws {
    let subnet = try prepared()
    #expect(throws: Refusal.self) { try subnet.ask(.sql(text)) }
  }

  /// Two of these are equal to Swift, and of two quotes the one has a mark behind it.
  @Test func `reads a text by its bytes, whatever was asked before`() throws {
    let subnet = try prepared()
    for text in ["e\u{301}", "\u{e9}", "'\u{301}, (select min(id) from ledger), '", "'"] {
      let inside = String(
        decoding: text.utf8.flatMap { $0 == 39 ? [39, 39] : [$0] }, as: UTF8.self)
      let question = QueryRequest.Question.sql("select distinct '\(inside)' as word from ledger")
      #expect(try subnet.ask(question).result.rows == [[.text(text)]])
    }
  }

  @Test func `refuses floating point at trust quorum alone`() throws {
    let subnet = try prepared()
    let question = QueryRequest.Question.sql("select avg(length(id)) as mean from ledger")
    #expect(try subnet.ask(question).result.rows == [[.text("1.0")]])
    #expect(throws: Refusal.self) { try subnet.ask(question, trust: .quorum) }
  }

  @Test(arguments: [
    ("amount > 2.5", "c"), ("amount > 1.50", "b c"), ("amount = '2.00'", "b"),
    ("amount between 1.5 and 2.0", "a b"), ("amount in (1.5, 3.25)", "a c"),
    ("case when amount > 2.5 then 'big' end = 'big'", "c"), ("day > '2026-01-31'", "c"),
    ("coalesce(day, '2026-01-31') >= '2026-01-31'", "b c"),
    ("day < '2026-02-03' or amount + 1.00 = 3.00", "a b"),
  ])
  func `reads the constants of SQL in the types of columns`(
    condition: String, ids: String
  ) throws {
    let text = "select id from ledger where \(condition) order by id"
    let rows = try prepared().ask(.sql(text), trust: .quorum).result.texts
    #expect(rows.map { $0[0] ?? "" }.joined(separator: " ") == ids)
  }

  @Test(arguments: [
    "amount > 50", "amount between 5 and 20.5", "amount > 1.505", "amount * 1.5 > 1",
    "day > 'soon'", "day > '2026-01-01T00:00:00Z'", "id = 5", "day like '2026%'",
  ])
  func `refuses constants that would count something else`(condition: String) throws {
    let refused = #expect(throws: Refusal.self) {
      try prepared().ask(.sql("select id from ledger where \(condition)"))
    }
    #expect(refused?.message.contains("query:1:") == true, "\(refused?.message ?? "")")
    #expect(refused?.message.contains("fix: ") == true)
  }

  @Test func `reads the arguments of SQL as what they are compared with`() throws {
    let subnet = try prepared()
    func ids(_ condition: String, _ value: Value) throws(Refusal) -> [String?] {
      try subnet.ask(
        .sql("select id from ledger where \(condition) order by id"),
        [.init(name: "x", value: value)]
      ).result.texts.map { $0[0] }
    }
    #expect(try ids("day >= :x", .text("2026-02-01")) == ["c"])
    #expect(try ids("amount >= :x", .text("2.00")) == ["b", "c"])
    #expect(try ids("id = :x", .text("b")) == ["b"])
    #expect(try ids("length(id) = :x", .int(1)) == ["a", "b", "c"])
    #expect(try ids("id = :x", .int(1)) == [])
    #expect(throws: Refusal.self) { try ids("amount >= :x", .int(2)) }
    #expect(throws: Refusal.self) { try ids("day >= :x", .text("soon")) }
  }

  @Test func `gives the mean of a decimal as a decimal, or none`() throws {
    let subnet = try prepared()
    let refused = #expect(throws: Refusal.self) {
      try subnet.ask(.sql("select sum(amount) as s, avg(amount) as mean from ledger"))
    }
    #expect(refused?.code == "QD20")
    #expect(
      refused?.message.contains("fix: mul_div(sum(amount), 1, count(amount), 'half_even')") == true)
    let mean = "select mul_div(sum(amount), 1, count(amount), 'half_even') as mean from ledger"
    #expect(try subnet.ask(.sql(mean)).result.texts == [["2.25"]])
  }

  @Test func `stops a query that runs too long`() throws {
    let subnet = try prepared()
    let endless = """
      with recursive n(x) as (select 1 union all select x + 1 from n where x < 1000000000)
      select count(*) as c from n
      """
    let refused = #expect(throws: Refusal.self) { try subnet.ask(.sql(endless)) }
    #expect(refused?.code == "STEP_LIMIT")
    #expect(refused?.message.contains("than a query may") == true)
  }

  @Test func `stops a query by the clock, too, where it is given one`() throws {
    let subnet = try prepared()
    let question = QueryRequest.Question.sql(
      """
      with recursive n(x) as (select 1 union all select x + 1 from n where x < 100000)
      select count(*) as c from n
      """)
    let clock = Mutex(UInt64(0))
    subnet.executor.reader.brake { clock.withLock { $0 } }
    #expect(try subnet.ask(question).result.rows == [[.int(100_000)]])
    subnet.executor.reader.brake {
      clock.withLock { now in
        now += 6_000
        return now
      }
    }
    let refused = #expect(throws: Refusal.self) { try subnet.ask(question) }
    #expect(refused?.code == "STEP_LIMIT")
  }

  @Test func `keeps older heights readable, and says which`() throws {
    let subnet = try prepared()
    let before = subnet.executor.height
    try subnet.run(subnet.ingest("orders", header + "d,dora,4.00,\n"))
    try subnet.certify()
    let question = QueryRequest.Question.sql("select count(*) as n from ledger")
    #expect(try subnet.ask(question, height: before).result.rows == [[.int(3)]])
    #expect(try subnet.ask(question).result.rows == [[.int(4)]])
    let refused = #expect(throws: Refusal.self) { try subnet.ask(question, height: 900) }
    #expect(refused?.code == "HEIGHT_GONE")
  }

  @Test func `serves nothing that is not certified`() throws {
    let subnet = try prepared()
    let certified = subnet.executor.height
    try subnet.run(subnet.ingest("orders", header + "d,dora,4.00,\n"))
    #expect(subnet.executor.reader.heights?.upperBound == certified)
    #expect(throws: Refusal.self) {
      try subnet.ask(.sql("select count(*) as n from ledger"), height: certified.next)
    }
  }

  @Test func `is readable again after a barrier`() throws {
    let subnet = try prepared()
    while subnet.executor.height.number % 100 != 1 { try subnet.execute([]) }
    try subnet.certify()
    let answer = try subnet.ask(.sql("select count(*) as n from ledger"))
    #expect(answer.result.rows == [[.int(3)]])
    #expect(subnet.executor.reader.heights == 100...101)
  }

  @Test func `proves rows of a certified table, and that there are no others`() throws {
    let subnet = try prepared()
    for (selection, ids) in [
      (RowsRequest.Selection.key([.text("b")]), ["b"]), (.key([.text("x")]), []),
      (.prefix([]), ["a", "b", "c"]), (.range(from: [.text("b")], to: nil), ["b", "c"]),
    ] {
      let request = RowsRequest(
        subnet: subnet.genesis.subnet, pipeline: "shop", table: "ledger", selection: selection,
        caller: Subnet.owner.publicKey)
      let rows = try subnet.executor.reader.rows(request)
      #expect(rows.table.rows.map { $0[0] } == ids.map { .text($0) })
      #expect(rows.complete)
      let hasher = RowHasher(schema: rows.schema)
      let proven = try rows.rows.map { row in
        ProofRow(
          key: try rows.schema.key(of: row.cells.map { $0.value ?? .null }),
          row: RowHash.row(schema: hasher.schema.digest, cells: row.cells.map(\.digest)))
      }
      try rows.rowsProof.check(
        proven, of: try rows.schema.range(of: selection), coverage: .whole,
        under: rows.pipelineRoot)
      try ComponentTrie.check(
        Component(name: "shop", root: rows.pipelineRoot), rows.componentProof,
        under: rows.certificate.statement.stateRoot)
    }
  }

  @Test func `ends certified rows with the one that passes the bytes of an answer`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    #expect(try subnet.run(subnet.deploy(copies(150, certified: true))).status == .applied)
    try subnet.certify()
    func rows(_ selection: RowsRequest.Selection) throws -> CertifiedRows {
      try subnet.executor.reader.rows(
        RowsRequest(
          subnet: subnet.genesis.subnet, pipeline: "shop", table: "copies", selection: selection))
    }
    let cut = try rows(.prefix([]))
    let sizes = cut.rows.map(\.canonicalBytes.count)
    #expect(!cut.complete && cut.rows.count == 140)
    #expect(sizes.dropLast().reduce(0, +) <= AnswerLimits.resultBytesMax)
    #expect(sizes.reduce(0, +) > AnswerLimits.resultBytesMax)
    let digest = cut.schema.digest
    let proven = try cut.rows.map { row in
      ProofRow(
        key: try cut.schema.key(of: row.cells.map { $0.value ?? .null }),
        row: RowHash.row(schema: digest, cells: row.cells.map(\.digest)))
    }
    try cut.rowsProof.check(
      proven, of: try cut.schema.range(of: .prefix([])), coverage: .throughLast,
      under: cut.pipelineRoot)
    let rest = try rows(.range(from: [.int(140)], to: nil))
    #expect(rest.complete && rest.rows.count == 10)
  }

  @Test func `stops a reading of certified rows by the clock`() throws {
    let subnet = try prepared()
    let request = RowsRequest(
      subnet: subnet.genesis.subnet, pipeline: "shop", table: "ledger", selection: .prefix([]))
    let clock = Mutex(UInt64(0))
    subnet.executor.reader.brake { clock.withLock { $0 } }
    #expect(try subnet.executor.reader.rows(request).rows.count == 3)
    subnet.executor.reader.brake {
      clock.withLock { now in
        now += 6_000
        return now
      }
    }
    let refused = #expect(throws: Refusal.self) { try subnet.executor.reader.rows(request) }
    #expect(refused?.code == "TIME_LIMIT")
  }

  @Test func `withholds personal columns from all but the owner`() throws {
    let subnet = try prepared(pii: .direct)
    func rows(_ caller: PublicKey?) throws -> CertifiedRows {
      try subnet.executor.reader.rows(
        RowsRequest(
          subnet: subnet.genesis.subnet, pipeline: "shop", table: "ledger",
          selection: .key([.text("a")]), caller: caller))
    }
    let shown = try rows(Subnet.owner.publicKey)
    #expect(shown.rows[0].cells[1].value == .text("anna"))
    let masked = try rows(nil)
    #expect(masked.rows[0].cells[1].value == nil)
    #expect(masked.rows[0].cells[1].digest == shown.rows[0].cells[1].digest)
  }

  @Test func `makes no salt of the ids of calls and the keys of rows`() throws {
    let subnet = try prepared(pii: .direct)
    let ids = subnet.blocks.flatMap(\.header.calls)
    let seeds = subnet.blocks.flatMap { block in
      let context = BlockContext(
        height: block.header.height, time: block.header.time, randomness: block.header.digest,
        schedule: subnet.executor.system.schedule)
      return block.calls.map { signed in
        OrderedCall(
          position: 0, digest: signed.call.digest, call: signed.call, body: signed.body
        ).seed(in: context)
      }
    }
    #expect(ids.count == 3 && Set(seeds + ids).count == 6)
    let tables = try #require(subnet.executor.pipelines["shop"]?.data.tables)
    let (bronze, model) = (try #require(tables["bronze_orders"]), try #require(tables["ledger"]))
    for (number, id) in ["a", "b", "c"].enumerated() {
      let place = (table: bronze.schema.id, row: UInt32(number + 1))
      let sent = try #require(try bronze.row(key: [.text(id)])?.nonce)
      #expect(seeds.map { Ingest.nonce($0, table: place.table, row: place.row) }.contains(sent))
      #expect(!ids.map { Ingest.nonce($0, table: place.table, row: place.row) }.contains(sent))
      let derived = try #require(try model.row(key: [.text(id)]))
      let (nonce, key) = (try #require(derived.nonce), try model.schema.key(of: derived.values))
      #expect(seeds.map { Refresher.nonce($0, key: key) }.contains(nonce))
      #expect(!ids.map { Refresher.nonce($0, key: key) }.contains(nonce))
    }
  }

  @Test func `tells balances and the catalog`() throws {
    let subnet = try prepared()
    let catalog = try subnet.executor.reader.catalog()
    #expect(catalog.pipelines.map(\.name) == ["shop"])
    #expect(catalog.pipelines[0].tables.map(\.name).contains("ledger"))
    #expect(
      try subnet.executor.reader.balance(of: Subnet.owner.publicKey).number
        == subnet.executor.system.balance(of: Subnet.owner.publicKey))
  }
}
