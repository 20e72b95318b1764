import Certification
import Pipelines
import SQL
import Signing
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"
private let secret = "zora-of-the-records"

/// Orders whose customer is personal, and everything through which a reader may look at them.
private func prepared() throws -> Subnet {
  let subnet = try Subnet()
  let models = [
    Model(
      name: "ledger", layer: .silver, kind: .full, primaryKey: ["id"],
      sql: sql("select id, customer, amount from {{ source('orders') }}"), certified: true),
    Model(
      name: "people", layer: .silver, kind: .view,
      sql: sql("select id, upper(customer) || '!' as who from {{ source('orders') }}")),
    Model(
      name: "chain", layer: .silver, kind: .view,
      sql: sql(
        """
        with recursive n(id, a, b, i) as (
          select id, customer, 'x', 0 from {{ source('orders') }}
          union all select id, b, a, i + 1 from n where i < 3)
        select id, a, b, i from n
        """)),
  ]
  let queries = [
    query("plain", "select id, customer from {{ ref('ledger') }} order by id"),
    query("renamed", "select id as customer, customer as id from {{ ref('ledger') }}"),
    query("through_view", "select who from {{ ref('people') }}"),
    query("through_recursion", "select a, b from {{ ref('chain') }}"),
    query(
      "through_common",
      "with l as (select customer as c from {{ source('orders') }}) select c from l"),
    query("listed", "select list_sorted(customer, id) as all_of_them from {{ ref('ledger') }}"),
    query("highest", "select max(customer) as m from {{ ref('ledger') }}"),
    query(
      "guarded",
      "select case when id = 'a' then customer else 'x' end as c from {{ ref('ledger') }}"),
    query("inner", "select (select max(customer) from {{ ref('ledger') }}) as c"),
    query(
      "windowed", "select first_value(customer) over (order by id) as f from {{ ref('ledger') }}"),
    query(
      "lagged",
      "select lag(customer) over w as f from {{ ref('ledger') }} window w as (order by id)"),
    query(
      "joined",
      "select a.id, b.customer from {{ ref('ledger') }} a "
        + "join {{ source('orders') }} b using (id)"),
    query(
      "united",
      "select id from {{ ref('ledger') }} union select customer from {{ ref('ledger') }}"),
  ]
  let receipt = try subnet.run(
    subnet.deploy(
      .shop(sources: [.orders(pii: .direct)], models: models, queries: queries)))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  try subnet.run(subnet.call("shop", .grant(role: "clerk", to: Subnet.stranger.publicKey)))
  try subnet.run(subnet.ingest("orders", header + "a,\(secret),1.50,\nb,ben,2.00,\n"))
  try subnet.certify()
  return subnet
}

private func query(_ name: String, _ text: String) -> Pipelines.Query {
  Pipelines.Query(name: name, allow: [.role("clerk")], sql: sql(text))
}

extension Subnet {
  fileprivate func answer(
    _ question: QueryRequest.Question, to caller: PublicKey, trust: Trust = .replica
  ) throws(Refusal) -> String {
    let content = try executor.reader.query(
      QueryRequest(
        subnet: genesis.subnet, pipeline: "shop", question: question, arguments: [], height: nil,
        trust: trust, caller: caller))
    return "\(content.result.texts)"
  }
}

private let names = [
  "plain", "renamed", "through_view", "through_recursion", "through_common", "listed", "highest",
  "guarded", "inner", "windowed", "lagged", "joined", "united",
]

@Suite struct `A reader with a role` {
  @Test(arguments: names)
  func `gets no personal value from a named query, the owner does`(name: String) throws {
    let subnet = try prepared()
    let owner = try subnet.answer(.named(name), to: Subnet.owner.publicKey)
    #expect(owner.lowercased().contains(secret), "\(owner)")
    for trust in [Trust.replica, .quorum] {
      let clerk = try subnet.answer(.named(name), to: Subnet.stranger.publicKey, trust: trust)
      #expect(!clerk.lowercased().contains(secret), "\(clerk)")
      #expect(!clerk.contains("ben"))
    }
  }

  /// An undeclared field may be a personal one by another name.
  @Test(arguments: [Sensitivity.direct, nil])
  func `gets fields that no column reads only where no column is personal`(
    pii: Sensitivity?
  ) throws {
    var source = Source.orders(pii: pii)
    source.unknownFields = .capture
    let captured = query("captured", "select id, _captured as c from {{ source('orders') }}")
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(sources: [source], queries: [captured])))
    try subnet.fund()
    try subnet.run(subnet.call("shop", .grant(role: "clerk", to: Subnet.stranger.publicKey)))
    let row = #"{"id":"a","customer":"c","amount":"1.00","custmer":"\#(secret)"}"# + "\n"
    try subnet.run(subnet.ingest("orders", row, format: .ndjson))
    try subnet.certify()
    let owner = try subnet.answer(.named("captured"), to: Subnet.owner.publicKey)
    #expect(owner.contains(secret))
    let clerk = try subnet.answer(.named("captured"), to: Subnet.stranger.publicKey)
    #expect(clerk.contains(secret) == (pii == nil), "\(clerk)")
    var own = ""
    do throws(Refusal) {
      own = try subnet.answer(
        .sql("select _captured as c from orders"), to: Subnet.stranger.publicKey)
    } catch { own = error.message }
    #expect(own.contains(secret) == (pii == nil), "\(own)")
  }

  @Test func `is told by what a column is made, as well as of what`() throws {
    let subnet = try prepared()
    let lineage = try subnet.answer(.lineage, to: Subnet.stranger.publicKey)
    for row in [
      ["windowed", "f", "text", "ledger", "customer", "query", nil, "direct"],
      ["windowed", "f", "text", "ledger", "id", "query", nil, "indirect"],
    ] as [[String?]] {
      #expect(lineage.contains("\(row)"))
    }
  }

  @Test func `sees what stands beside it`() throws {
    let subnet = try prepared()
    let clerk = try subnet.answer(.named("plain"), to: Subnet.stranger.publicKey)
    #expect(clerk == "\([["a", nil], ["b", nil]] as [[String?]])")
  }

  private static let lists = [
    "select value as v from json_each(json_array((select customer from orders where id = 'a')))",
    "select j.value as v from orders o, json_each(json_array(o.customer)) j",
    "select j.atom as v from orders o, json_tree(json_array(o.customer)) j",
    "select json_extract(json_array(customer), '$[0]') as x from orders",
    "select json_object('k', customer) as x from orders",
  ]

  @Test(arguments: lists)
  func `gets no personal value out of a list of them`(text: String) throws {
    let subnet = try prepared()
    let owner = try subnet.answer(.sql(text), to: Subnet.owner.publicKey)
    #expect(owner.lowercased().contains(secret), "\(owner)")
    do throws(Refusal) {
      let clerk = try subnet.answer(.sql(text), to: Subnet.stranger.publicKey)
      #expect(!clerk.lowercased().contains(secret), "\(clerk)")
    } catch {
      #expect(!error.message.lowercased().contains(secret), "\(error)")
    }
  }

  /// Each is refused, or answered without a personal value; no refusal quotes one.
  @Test(arguments: [
    "select customer from orders", "select o.customer as x from orders o",
    "select * from orders", "select o.* from orders o", "select * from ledger",
    "with ledger as (select 'x' as customer) select customer from ledger",
    "with orders as (select * from bronze_orders) select * from orders",
    "with c as (select customer from orders) select * from c",
    "select * from orders a join ledger b using (customer)",
    "select * from orders a join ledger b using (id)",
    "select * from orders a left join ledger b using (id, customer)",
    "select who from people", "select * from people", "select * from chain",
    "select max(customer) as m from orders", "select list_sorted(customer, id) as l from orders",
    "select id from orders order by customer", "select id from orders where customer = 'x'",
    "select cast(customer as integer) + 1 as x from orders",
    "select id from orders where customer like 'anna%'",
    "select (select customer from orders where id = 'a') as x",
    "select bronze_orders.customer as x from bronze_orders",
    "select main.bronze_orders.customer as x from bronze_orders",
    "select * from quarantine_orders", "select _errors as e from quarantine_orders",
    "select _nonce as n from bronze_orders", "select \"customer\" as x from orders",
    "select costumer from orders", "select add_exact(customer, 1) as x from orders",
    "select id from orders union select customer from orders",
    "select count(*) over (partition by customer) as n from orders",
    "select value from json_each((select customer from orders where id = 'a'))",
    "with recursive n(a) as (select customer from orders union select a from n) select a from n",
    "select (select customer from orders where id = 'a') as x from (select 'z' as customer) t",
    "select (select o.customer from orders o where id = 'a') as x from (select 'z' as customer) o",
    "select o.id from orders o cross join (select 'z' as customer) t join "
      + "(select 'zora-of-' || 'the-records' as customer) u using (customer)",
  ])
  func `gets no personal value from its own SQL`(text: String) throws {
    let subnet = try prepared()
    // A row that breaks the contract in its personal column lies in quarantine.
    let long = String(repeating: "z", count: 70_000)
    try subnet.run(subnet.ingest("orders", header + "c,\(secret)\(long),1.00,\n"))
    try subnet.certify()
    do throws(Refusal) {
      let answer = try subnet.answer(.sql(text), to: Subnet.stranger.publicKey)
      #expect(!answer.lowercased().contains(secret), "\(answer.prefix(300))")
    } catch {
      #expect(!error.message.contains(secret), "\(error)")
    }
  }

  @Test(arguments: [
    ("zora@secret.example,ben,1.00,\n", RowFormat.csv),
    ("id,id,customer,amount\n", .csv),
    (#"{"id":"x","customer":"c","amount":"1.00","phone":447700.900123}"# + "\n", .ndjson),
  ])
  func `is shown no value by what is said of a batch`(rows: String, format: RowFormat) throws {
    var source = Source.orders(pii: .direct)
    source.unknownFields = format == .ndjson ? .capture : .reject
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(sources: [source])))
    try subnet.fund()
    let receipt = try subnet.run(subnet.ingest("orders", rows, format: format))
    let errors = try subnet.rows("quarantine_orders", columns: "_errors")
    let told = "\(receipt.status) \(receipt.notes) \(errors)"
    #expect(receipt.refusalCode != nil || receipt.tally.quarantined == 1)
    #expect(!told.contains("zora") && !told.contains("447700"), "\(told)")
  }

  @Test func `may call what is theirs by a name that is withheld`() throws {
    let subnet = try prepared()
    for text in [
      "select customer as x from orders o cross join (select 'z' as customer) t where id = 'a'",
      "select (select customer from orders where id = 'a') as x from (select 'z' as customer) t",
      "select (select _nonce from orders where id = 'a') as x from (select 'z' as _nonce) t",
      "select (select rowid from (select id from orders where id = 'a') s) as x "
        + "from (select 'z' as rowid) t",
    ] {
      let answer = try subnet.answer(.sql(text), to: Subnet.stranger.publicKey)
      #expect(answer == "\([["z"]] as [[String?]])", "\(text)")
    }
    for text in [
      "select (select o.customer from orders o where id = 'a') as x "
        + "from (select 'z' as customer) o",
      "select o.id from orders o cross join (select 'z' as customer) t join "
        + "(select 'z' as customer) u using (customer)",
    ] {
      #expect(throws: Refusal.self) {
        try subnet.answer(.sql(text), to: Subnet.stranger.publicKey)
      }
    }
  }

  @Test(arguments: [
    "select customer from orders", "select o.customer from orders o",
    "select id from ledger where customer = 'x'", "select upper(customer) as x from ledger",
    "select customer from quarantine_orders",
  ])
  func `is told which column is withheld, not that there is none`(text: String) throws {
    let subnet = try prepared()
    let refused = #expect(throws: Refusal.self) {
      try subnet.answer(.sql(text), to: Subnet.stranger.publicKey)
    }
    #expect(refused?.message.contains("`customer` is withheld from you") == true)
    let unknown = #expect(throws: Refusal.self) {
      try subnet.answer(
        .sql("select costumer from orders"), to: Subnet.stranger.publicKey)
    }
    #expect(unknown?.message.contains("there is no column `costumer`") == true)
    _ = try subnet.answer(.sql(text), to: Subnet.owner.publicKey)
  }

  @Test func `gets none from proofs, and a key in one may not be personal`() throws {
    let subnet = try prepared()
    let rows = try subnet.executor.reader.rows(
      RowsRequest(
        subnet: subnet.genesis.subnet, pipeline: "shop", table: "ledger", selection: .prefix([]),
        caller: Subnet.stranger.publicKey))
    #expect(rows.rows.count == 2)
    let bytes = String(decoding: rows.canonicalBytes, as: UTF8.self)
    #expect(!bytes.contains(secret))
    let keyed = Model(
      name: "keyed", layer: .silver, kind: .full, primaryKey: ["customer"],
      sql: sql("select customer, count(*) as n from {{ source('orders') }} group by customer"),
      certified: true)
    let refused = #expect(throws: PackageFaults.self) {
      try CheckedPackage(.shop(sources: [.orders(pii: .direct)], models: [keyed]))
    }
    #expect(refused?.description.contains("customer, which is personal") == true)
    _ = try CheckedPackage(.shop(models: [keyed]))
  }
}

@Suite struct `A reader without a role` {
  @Test func `is told that it may not ask, whatever its SQL names`() throws {
    let subnet = try prepared()
    let outsider = Subnet.pair(3).publicKey
    var told: Set<String> = []
    for text in [
      "select id from orders", "select customer from orders", "select costumer from orders",
      "select id from nowhere", "select _nonce from bronze_orders", "select random() as x",
      "select 1 as a from people where who = 'x'", "delete from orders", "no statement",
    ] {
      for trust in [Trust.replica, .quorum] {
        let refused = #expect(throws: Refusal.self, "\(text)") {
          try subnet.answer(.sql(text), to: outsider, trust: trust)
        }
        told.insert(refused?.description ?? text)
      }
    }
    let words = try #require(told.count == 1 ? told.first : nil, "\(told)")
    #expect(words.hasPrefix("NOT_ALLOWED: "))
    #expect(words.contains("may not read the tables of shop: "))
    #expect(words.contains("who holds a role that allows it (clerk). "))
    #expect(words.hasSuffix("by: quorate pipeline grant shop clerk \(outsider.hex)"))
  }

  @Test func `is told by which role it may ask a named query`() throws {
    let subnet = try prepared()
    let refused = #expect(throws: Refusal.self) {
      try subnet.answer(.named("plain"), to: Subnet.pair(3).publicKey)
    }
    #expect(refused?.code == "NOT_ALLOWED")
    #expect(refused?.message.contains("may not ask the query plain of shop") == true)
    #expect(refused?.message.contains("grant shop clerk ") == true)
  }
}

@Suite struct `A receipt, which everyone may read` {
  private func receipt(
    _ source: Source, _ model: Model?, _ rows: String
  ) throws -> (Receipt, [String]) {
    let subnet = try Subnet()
    let deploy = try subnet.run(
      subnet.deploy(.shop(sources: [source], models: [model].compactMap(\.self))))
    if case .refused(let refusal) = deploy.status { throw refusal }
    try subnet.fund()
    let receipt = try subnet.run(subnet.ingest("orders", header + rows))
    return (receipt, try subnet.rows("quarantine_orders", columns: "_errors"))
  }

  @Test(arguments: [Sensitivity.direct, nil])
  func `quotes a value that breaks the contract only if it is not personal`(
    pii: Sensitivity?
  ) throws {
    var source = Source.orders(pii: pii)
    source.columns[1].matches = "[A-Z]*"
    let (receipt, errors) = try receipt(source, nil, "a,\(secret),1.00,\n")
    #expect(receipt.tally.quarantined == 1)
    #expect("\(receipt.notes)".contains(secret) == (pii == nil))
    #expect("\(errors)".contains(secret) == (pii == nil))
    #expect("\(errors)".contains("customer: "))
  }

  @Test(arguments: [Sensitivity.direct, nil])
  func `quotes a value that fails a test, or stands twice, only if it is not personal`(
    pii: Sensitivity?
  ) throws {
    let source = Source.orders(pii: pii)
    let tested = Model(
      name: "m", layer: .silver, kind: .full, primaryKey: ["id"],
      sql: sql("select id, customer from {{ source('orders') }}"),
      tests: [.acceptedValues(column: "customer", values: ["x"])])
    let keyed = Model(
      name: "m", layer: .silver, kind: .full, primaryKey: ["customer"],
      sql: sql("select customer, amount from {{ source('orders') }}"))
    for (model, code) in [(tested, "TEST_FAILED"), (keyed, "QD09")] {
      let (receipt, _) = try receipt(source, model, "a,\(secret),1.00,\nb,\(secret),2.00,\n")
      #expect(receipt.refusalCode == code)
      #expect("\(receipt.status)".contains(secret) == (pii == nil), "\(receipt.status)")
    }
  }
}
