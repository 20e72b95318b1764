import Pipelines
import Testing

@testable import Execution

private func model(_ name: String, _ kind: Model.Kind, key: [String] = [], _ text: String) -> Model
{
  Model(name: name, layer: .silver, kind: kind, primaryKey: key, sql: sql(text))
}

private func rules(_ models: [Model]) -> [String] {
  do {
    _ = try CheckedPackage(.shop(models: models))
    return []
  } catch {
    return error.list.map(\.rule)
  }
}

private func messages(_ models: [Model]) -> [String] {
  do {
    _ = try CheckedPackage(.shop(models: models))
    return []
  } catch {
    return error.list.map(\.message)
  }
}

/// A key is believed only where something holds the rows to it.
@Suite struct `A key` {
  private static let reads = [
    "select 'k' as id, id as x from {{ ref('upstream') }} order by customer limit 1",
    "select customer as id, id as x from {{ ref('upstream') }} group by customer",
    "select 'k' as id, (select id from {{ ref('upstream') }} where customer = 'a') as x",
  ]

  @Test(arguments: reads, [Model.Kind.view, .full])
  func `that a view declares counts for nothing, a table's does`(
    read: String, kind: Model.Kind
  ) throws {
    let upstream = model(
      "upstream", kind, key: ["customer"], "select id, customer from {{ source('orders') }}")
    let found = rules([upstream, model("m", .full, key: ["id"], read)])
    #expect(found.isEmpty == (kind == .full), "\(found)")
    guard kind == .view else { return }
    let notes = try CheckedPackage(.shop(models: [upstream])).notes
    #expect(notes.contains { $0.contains("nothing holds the view upstream to its primary_key") })
  }

  @Test func `of a view that its SELECT proves counts`() {
    let upstream = model("upstream", .view, "select id, customer from {{ source('orders') }}")
    let read = "select id, customer from {{ ref('upstream') }} order by id limit 1"
    #expect(rules([upstream, model("m", .full, key: ["id"], read)]).isEmpty)
  }

  @Test(arguments: [
    "select (select customer from {{ ref('history') }} where id = 'a') as id, 1 as x",
    "select id, customer as x from {{ ref('history') }} group by id",
    "select id, 1 as x from {{ ref('history') }} order by id limit 1",
  ])
  func `of what a snapshot selects is no key of its versions`(read: String) {
    let history = model(
      "history", .snapshot, key: ["id"], "select id, customer from {{ source('orders') }}")
    #expect(!rules([history, model("m", .view, read)]).isEmpty)
    let whole = read.replacing("order by id", with: "order by id, valid_from")
    #expect(whole == read || rules([history, model("m", .view, whole)]).isEmpty)
  }

  @Test func `of a view is tested where a unique test says so`() throws {
    var upstream = model(
      "upstream", .view, key: ["customer"], "select id, customer from {{ source('orders') }}")
    upstream.tests = [.unique(["customer"])]
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(models: [upstream])))
    try subnet.fund()
    let receipt = try subnet.run(
      subnet.ingest("orders", "id,customer,amount\na,x,1.00\nb,x,1.00\n"))
    #expect(receipt.refusalCode == "TEST_FAILED")
  }

  @Test(arguments: [Model.Kind.full, .view])
  func `of time is no part of what is stored`(kind: Model.Kind) {
    let clocked = model(
      "m", kind, key: ["id"], "select id, consensus_date() as today from {{ source('orders') }}")
    #expect(rules([clocked]).isEmpty == (kind == .view))
    let view = model(
      "v", .view, key: ["id"], "select id, consensus_date() as today from {{ source('orders') }}")
    let between = model("w", .view, key: ["id"], "select id, today from {{ ref('v') }}")
    let reader = model("m", kind, key: ["id"], "select id, today from {{ ref('w') }}")
    #expect(rules([view, between, reader]).isEmpty == (kind == .view))
  }

  @Test(arguments: [Model.Kind.full, .view])
  func `of time is no part of what is stored, through whatever views`(kind: Model.Kind) {
    let clock = model(
      "clock", .view, "select id, day from {{ source('orders') }} where day <= consensus_date()")
    let between = model("between", .view, "select id from {{ ref('clock') }}")
    let reader = model("m", kind, key: ["id"], "select id from {{ ref('between') }}")
    let found = messages([clock, between, reader])
    #expect(found.isEmpty == (kind == .view), "\(found)")
    guard kind == .full else { return }
    #expect(found.allSatisfy { $0.contains("consensus_date() in the view clock changes") })
  }

  @Test(arguments: ["", "and day <= consensus_date()"])
  func `of time finds no keys and takes no rows`(more: String) {
    let rows = UpstreamQuery(
      upstream: "orders",
      sql: sql(
        "select id, customer, amount, day from {{ source('orders') }} where id = :id \(more)"))
    let keys = UpstreamQuery(
      upstream: "orders", sql: sql("select id from {{ changed }} where id <> '' \(more)"))
    let refreshed = Model(
      name: "m", layer: .silver, kind: .incremental, primaryKey: ["id"],
      refresh: Refresh(by: ["id"], map: [keys], scope: [rows]),
      sql: sql("select id, amount from {{ source('orders') }}"))
    let found = messages([refreshed])
    #expect(found.isEmpty == more.isEmpty, "\(found)")
    #expect(found.contains { $0.contains("map: consensus_date() changes") } != more.isEmpty)
    #expect(found.contains { $0.contains("scope: consensus_date() changes") } != more.isEmpty)
  }

  @Test(arguments: ["amount", "amount * amount as amount"])
  func `of an upstream's rows gives columns that count what theirs do`(amount: String) {
    let rows = UpstreamQuery(
      upstream: "orders",
      sql: sql("select id, customer, \(amount), day from {{ source('orders') }} where id = :id"))
    let refreshed = Model(
      name: "m", layer: .silver, kind: .incremental, primaryKey: ["id"],
      refresh: Refresh(by: ["id"], scope: [rows]),
      sql: sql("select id, amount from {{ source('orders') }}"))
    let wrong = "scope: amount is decimal(18,4) for orders, whose own is decimal(18,2)"
    let found = messages([refreshed])
    #expect(found.isEmpty != amount.contains("*"), "\(found)")
    #expect(found.contains { $0.contains(wrong) } == amount.contains("*"), "\(found)")
  }

  @Test(arguments: [
    ("customer", "where id = :id", true), ("upper(customer) as customer", "where id = :id", false),
    ("customer", "where id = :id and customer <> ''", false),
    ("customer", "where customer = :id", false),
  ])
  func `is told by a row of an upstream whose scope is its columns by that key alone`(
    customer: String, rest: String, isOwn: Bool
  ) {
    let rows = UpstreamQuery(
      upstream: "orders",
      sql: sql("select id, \(customer), amount, day from {{ source('orders') }} \(rest)"))
    let refreshed = Model(
      name: "m", layer: .silver, kind: .incremental, primaryKey: ["id"],
      refresh: Refresh(by: ["id"], scope: [rows]),
      sql: sql("select id, amount from {{ source('orders') }}"))
    let found = messages([refreshed])
    #expect(found.isEmpty == isOwn, "\(found)")
    let words = "scope: is not just the columns of orders where id = :id, so a changed row"
    #expect(found.contains { $0.contains(words) } != isOwn, "\(found)")
  }
}

@Suite struct `JSON` {
  private static var orders: Source {
    var source = Source.orders()
    source.columns.append(SourceColumn(name: "doc", type: .json))
    return source
  }

  /// Of a model with a column `x` of this type.
  private func faults(
    _ expression: String, as type: ColumnType, _ kind: Model.Kind = .full
  ) -> [PackageFault] {
    let parts = Model(
      name: "parts", layer: .silver, kind: kind, primaryKey: ["id"],
      columns: [
        ModelColumn(name: "id", type: .text), ModelColumn(name: "x", type: type, nullable: true),
      ], sql: sql("select id, \(expression) as x from {{ source('orders') }}"))
    do { _ = try CheckedPackage(.shop(sources: [Self.orders], models: [parts])) } catch {
      return error.list
    }
    return []
  }

  /// SQLite would store '5' as 5, and hash what it does not hold.
  @Test(arguments: [ColumnType.int, .text, .date, .json], [Model.Kind.view, .full])
  func `has values of any type, so that a column of one takes them through a cast`(
    type: ColumnType, kind: Model.Kind
  ) throws {
    let refused = faults("doc ->> '$.x'", as: type, kind)
    #expect(refused.map(\.message).contains { $0.contains("a value out of JSON") })
    let fix = try #require(refused.first?.fix)
    let expression = fix.replacing(" as x", with: "").replacing("…", with: "doc ->> '$.x'")
      .replacing("column", with: "doc")
    #expect(faults(expression, as: type, kind) == [], "\(expression)")
  }

  /// A text in it may be `{"b":1.10}` or `{b:1}`.
  @Test func `in a text of it is read by nobody, whatever it is declared as`() {
    let nested = faults("cast((doc ->> '$.s') ->> '$.b' as text)", as: .text)
    #expect(nested.map(\.rule) == ["QD26"])
    #expect(faults("cast(doc -> '$.s' ->> '$.b' as text)", as: .text) == [])
    let declared = faults("cast(doc ->> '$.s' as text)", as: .json)
    #expect(declared.map(\.fix) == ["type: text"])
    #expect(faults("cast(doc ->> '$.s' as text)", as: .text) == [])
  }

  @Test func `in a list is read through the path of its element`() throws {
    let parts = model(
      "parts", .full, key: ["id", "place"],
      """
      select o.id, e.fullkey as place, cast(o.doc -> e.fullkey ->> '$.a' as text) as a
      from {{ source('orders') }} o cross join json_each(o.doc) e
      """)
    let subnet = try Subnet()
    let receipt = try subnet.run(subnet.deploy(.shop(sources: [Self.orders], models: [parts])))
    #expect(receipt.status == .applied)
    try subnet.fund()
    let rows =
      #"{"id":"k","customer":"c","amount":"1.00","doc":[{"a":"x"},"{\"a\":1.10}"]}"# + "\n"
    try subnet.run(subnet.ingest("orders", rows, format: .ndjson))
    #expect(try subnet.rows("parts ORDER BY place") == ["k|$[0]|x", "k|$[1]|"])
  }

  @Test(arguments: [Model.Kind.view, .full])
  func `is read by the functions that lint offers, in views and tables`(kind: Model.Kind) throws {
    let parts = model(
      "parts", kind, key: ["id", "place"],
      """
      select o.id, cast(j.key as text) as place, cast(j.value as integer) as value,
        json_array_length(o.doc) as n, cast(json_extract(o.doc, '$[0]') as integer) as first,
        cast(o.doc ->> '$[1]' as text) as second, json_valid(o.doc) as is_sound
      from {{ source('orders') }} o cross join json_each(o.doc) j
      """)
    let subnet = try Subnet()
    let receipt = try subnet.run(subnet.deploy(.shop(sources: [Self.orders], models: [parts])))
    #expect(receipt.status == .applied)
    try subnet.fund()
    let rows = #"{"id":"a","customer":"c","amount":"1.00","doc":[7,8]}"# + "\n"
    try subnet.run(subnet.ingest("orders", rows, format: .ndjson))
    #expect(
      try subnet.rows("parts ORDER BY place") == ["a|0|7|2|7|8|1", "a|1|8|2|7|8|1"])
  }
}

@Suite struct `A personal mark` {
  private var source: Source { .orders(pii: .direct) }

  @Test(arguments: [nil, Sensitivity.direct])
  func `goes on into what a procedure emits, or its source is refused`(
    target: Sensitivity?
  ) throws {
    let notes = Source(
      name: "notes",
      columns: [
        SourceColumn(name: "id", type: .text, required: true),
        SourceColumn(name: "note", type: .text, pii: target),
      ], primaryKey: ["id"])
    let copy = Procedure(
      name: "copy", args: [], emit: "notes",
      sql: sql("select id, customer as note from {{ source('orders') }}"))
    let package = Package.shop(sources: [source, notes], procedures: [copy])
    if target == nil {
      let faults = #expect(throws: PackageFaults.self) { try CheckedPackage(package) }
      #expect(faults?.list.first?.fix?.hasPrefix("pii: direct at note") == true)
    } else {
      _ = try CheckedPackage(package)
    }
  }

  @Test func `lies on the times of a snapshot that come from such a column`() throws {
    var source = source
    source.columns[3] = SourceColumn(name: "day", type: .date, required: true, pii: .direct)
    let history = Model(
      name: "history", layer: .silver, kind: .snapshot, primaryKey: ["id"],
      sql: sql("select id, day from {{ source('orders') }}"), updatedAt: "day")
    let checked = try CheckedPackage(.shop(sources: [source], models: [history]))
    #expect(
      checked.model("history")?.columns.filter { $0.pii != nil }.map(\.name)
        == ["day", "valid_from", "valid_to"])
  }

  @Test(arguments: [
    ("select id from {{ source('orders') }} where customer = :p order by id", true),
    ("select id from {{ source('orders') }} order by customer, id", false),
    ("select id, customer from {{ source('orders') }} where id = :p order by id", false),
  ])
  func `is told of where it decides about rows that others may ask for`(
    text: String, isTold: Bool
  ) throws {
    let asked = Query(
      name: "q", args: text.contains(":p") ? [.init(name: "p", type: .text)] : [],
      allow: [.role("clerk")], sql: sql(text))
    let notes = try CheckedPackage(.shop(sources: [source], queries: [asked])).notes
    #expect(notes.contains { $0.contains("by what is personal (customer)") } == isTold, "\(notes)")
  }
}
