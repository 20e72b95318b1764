import Certification
import Pipelines
import Signing
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

private let totals = Model(
  name: "totals", layer: .silver, kind: .incremental, primaryKey: ["customer"],
  refresh: Refresh(by: ["customer"]),
  sql: sql(
    """
    select customer, sum(amount) as total, count(*) as orders
    from {{ source('orders') }} group by customer
    """))

private func full(_ model: Model, named name: String) -> Model {
  var copy = model
  copy.name = name
  copy.kind = .full
  copy.refresh = nil
  return copy
}

@Suite struct `A model` {
  @Test func `is refreshed by key, writing only differences`() throws {
    let subnet = try Subnet(running: .shop(models: [totals]))
    let first = try subnet.run(
      subnet.ingest("orders", header + "a,anna,1.00,\nb,ben,2.00,\nc,anna,3.00,\n"))
    #expect(first.status == .applied)
    #expect(try subnet.rows("totals") == ["anna|400|2", "ben|200|1"])
    let second = try subnet.run(subnet.ingest("orders", header + "d,ben,5.00,\n"))
    #expect(try subnet.rows("totals") == ["anna|400|2", "ben|700|2"])
    #expect(second.usage.rowsWritten == 2)
    #expect(second.usage.steps < first.usage.steps)
  }

  @Test func `that is full or a view shows the same rows`() throws {
    var view = full(totals, named: "totals_view")
    view.kind = .view
    view.primaryKey = []
    let subnet = try Subnet(
      running: .shop(models: [totals, full(totals, named: "totals_full"), view]))
    for batch in ["a,anna,1.00,\n", "b,ben,2.00,\nc,anna,9.00,\n", "d,carl,4.00,2026-01-03\n"] {
      try subnet.run(subnet.ingest("orders", header + batch))
      let rows = try subnet.rows("totals")
      #expect(try subnet.rows("totals_full") == rows)
      #expect(try subnet.rows("totals_view").sorted() == rows)
    }
  }

  @Test func `equals the full one after random batches`() throws {
    let orders = Source.orders(onDuplicate: .upsertIfNewer, version: "day_seen")
    var source = orders
    source.columns.append(SourceColumn(name: "day_seen", type: .int, required: true))
    let subnet = try Subnet(
      running:
        .shop(sources: [source], models: [totals, full(totals, named: "totals_full")]))
    var state: UInt64 = 42
    func next(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    for round in 0..<30 {
      var body = "id,customer,amount,day,day_seen\n"
      for _ in 0..<(1 + next(12)) {
        body += "o\(next(40)),c\(next(6)),\(next(500)).25,,\(round)\n"
      }
      let receipt = try subnet.run(subnet.ingest("orders", body))
      #expect(receipt.status == .applied)
      #expect(try subnet.rows("totals") == subnet.rows("totals_full"))
    }
    #expect(try subnet.rows("totals").count == 6)
  }

  @Test func `follows another one`() throws {
    let top = Model(
      name: "big", layer: .gold, kind: .incremental, primaryKey: ["customer"],
      refresh: Refresh(by: ["customer"]),
      sql: sql("select customer, total from {{ ref('totals') }} where total >= 500"))
    let subnet = try Subnet(running: .shop(models: [totals, top]))
    try subnet.run(subnet.ingest("orders", header + "a,anna,4.99,\nb,ben,5.00,\n"))
    #expect(try subnet.rows("big") == ["ben|500"])
    try subnet.run(subnet.ingest("orders", header + "c,anna,0.01,\n"))
    #expect(try subnet.rows("big") == ["anna|500", "ben|500"])
  }

  @Test func `maps changes of an upstream without the key`() throws {
    let tags = Source(
      name: "tags",
      columns: [
        SourceColumn(name: "id", type: .text, required: true),
        SourceColumn(name: "tag", type: .text, required: true),
      ], primaryKey: ["id", "tag"])
    let view = Model(
      name: "slv_tags", layer: .silver, kind: .view,
      sql: sql("select id, tag from {{ source('tags') }}"))
    let tagged = Model(
      name: "tagged", layer: .silver, kind: .incremental, primaryKey: ["id", "tag"],
      refresh: Refresh(
        by: ["customer"],
        map: [
          UpstreamQuery(
            upstream: "slv_tags",
            sql: sql(
              "select o.customer from {{ changed }} c join {{ source('orders') }} o on o.id = c.id"
            ))
        ]),
      sql: sql(
        """
        select o.id, t.tag, o.customer, o.amount
        from {{ source('orders') }} o join {{ ref('slv_tags') }} t on t.id = o.id
        """))
    let subnet = try Subnet(
      running:
        .shop(
          sources: [.orders(), tags], models: [view, tagged, full(tagged, named: "tagged_full")]))
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\nb,ben,2.00,\n"))
    #expect(try subnet.rows("tagged") == [])
    let receipt = try subnet.run(subnet.ingest("tags", "id,tag\na,new\nb,old\nz,none\n"))
    #expect(receipt.status == .applied)
    #expect(try subnet.rows("tagged") == ["a|new|anna|100", "b|old|ben|200"])
    try subnet.run(subnet.ingest("orders", header + "z,zoe,3.00,\n"))
    #expect(try subnet.rows("tagged") == subnet.rows("tagged_full"))
    #expect(try subnet.rows("tagged").count == 3)
  }

  @Test(arguments: [false, true])
  func `is computed anew under another map`(isVariable: Bool) throws {
    let tags = Source(
      name: "tags",
      columns: [
        SourceColumn(name: "id", type: .text, required: true),
        SourceColumn(name: "tag", type: .text, required: true),
      ], primaryKey: ["id", "tag"])
    func package(_ version: String, skips word: String) -> Package {
      let condition = isVariable ? "{{ var('skipped') }}" : "'\(word)'"
      let tagged = Model(
        name: "tagged", layer: .silver, kind: .incremental, primaryKey: ["id", "tag"],
        refresh: Refresh(
          by: ["customer"],
          map: [
            UpstreamQuery(
              upstream: "tags",
              sql: sql(
                "select o.customer from {{ changed }} c join {{ source('orders') }} o "
                  + "on o.id = c.id where c.tag <> \(condition)"))
          ]),
        sql: sql(
          """
          select o.id, t.tag, o.customer
          from {{ source('orders') }} o join {{ source('tags') }} t on t.id = o.id
          """))
      return .shop(
        version: version, sources: [.orders(), tags], models: [tagged],
        vars: [Variable(name: "skipped", value: .text(word))])
    }
    let (wrong, right) = (package("1", skips: "new"), package("2", skips: ""))
    let subnet = try Subnet(running: wrong)
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
    try subnet.run(subnet.ingest("tags", "id,tag\na,new\n"))
    #expect(try subnet.rows("tagged") == [])
    let told = try CheckedPackage(right).changes(since: CheckedPackage(wrong))
    #expect(told.contains { $0.name == "tagged" && $0.detail == "refresh map" })
    #expect(try CheckedPackage(right).recomputed(since: CheckedPackage(wrong)) == ["tagged"])
    #expect(try subnet.run(subnet.deploy(right)).refusalText == nil)
    #expect(try subnet.rows("tagged") == ["a|new|anna"])
  }

  /// What SQLite makes of a constant hangs on the column beside it, so a changed row is to compare
  /// as the row itself does.
  @Test func `stages changed rows in columns that compare as their own do`() throws {
    let copies = Model(
      name: "copies", layer: .silver, kind: .view,
      sql: sql(
        "select id, customer, amount, day, length(id) as size from {{ source('orders') }}"))
    let mapped = Model(
      name: "mapped", layer: .silver, kind: .incremental, primaryKey: ["id"],
      refresh: Refresh(
        by: ["id"],
        map: [UpstreamQuery(upstream: "copies", sql: sql("select c.id from {{ changed }} c"))]),
      sql: sql("select id, amount from {{ ref('copies') }}"),
      tests: [.custom(name: "none", sql: sql("select id from {{ changed }} where amount < 0"))])
    let subnet = try Subnet(running: .shop(models: [copies, mapped]))
    try subnet.run(subnet.ingest("orders", header + "5,5,0.05,1970-01-06\n"))
    let connection = try #require(subnet.executor.pipelines["shop"]).engine.connection
    for (table, columns) in [
      ("bronze_orders", ["id", "customer", "amount", "day"]),
      ("copies", ["id", "customer", "amount", "day", "size"]), ("mapped", ["id", "amount"]),
    ] {
      let list = columns.joined(separator: ", ")
      try connection.execute(
        "INSERT INTO changed_\(table)(\(list)) SELECT \(list) FROM \(table)")
      let compared = columns.flatMap { column in
        ["5", "'5'", "x'35'", "'05'"].flatMap { ["\(column) = \($0)", "\(column) < \($0)"] }
      }.joined(separator: ", ")
      let own = try subnet.rows(table, columns: "\(list), \(compared)")
      #expect(own.count == 1)
      #expect(
        try subnet.rows("changed_\(table)", columns: "\(list), \(compared)") == own, "\(table)")
    }
  }

  @Test func `whose key stands twice refuses the update and changes nothing`() throws {
    let bad = Model(
      name: "bad", layer: .silver, kind: .full, primaryKey: ["customer"],
      sql: sql("select customer, id from {{ source('orders') }}"))
    let subnet = try Subnet(running: .shop(models: [bad]))
    let good = try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
    #expect(good.status == .applied)
    let root = subnet.root()
    let receipt = try subnet.run(subnet.ingest("orders", header + "b,anna,1.00,\n"))
    #expect(receipt.refusalCode == "QD09")
    #expect(receipt.charged > 0)
    #expect(subnet.root() == root)
    #expect(try subnet.rows("bronze_orders").count == 1)
  }

  @Test func `test that fails refuses the update and changes nothing`() throws {
    var tested = totals
    tested.tests = [.acceptedValues(column: "customer", values: ["anna", "ben"])]
    let subnet = try Subnet(running: .shop(models: [tested]))
    #expect(try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n")).status == .applied)
    let root = subnet.root()
    let receipt = try subnet.run(subnet.ingest("orders", header + "b,carl,1.00,\n"))
    #expect(receipt.refusalCode == "TEST_FAILED")
    #expect(subnet.root() == root)
  }

  @Test func `refers to a seed`() throws {
    let kinds = Model(
      name: "kinds", layer: .silver, kind: .seed, primaryKey: ["customer"], sql: nil)
    var tested = totals
    tested.tests = [.references(column: "customer", model: "kinds")]
    let subnet = try Subnet(
      running:
        .shop(
          models: [kinds, tested],
          seeds: [
            Seed(
              model: "kinds", file: "seeds/kinds.csv", csv: Array("customer,kind\nanna,1\n".utf8))
          ]))
    #expect(try subnet.rows("kinds") == ["anna|1"])
    #expect(try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n")).status == .applied)
    let receipt = try subnet.run(subnet.ingest("orders", header + "b,ben,1.00,\n"))
    #expect(receipt.refusalCode == "TEST_FAILED")
  }

  @Test func `stops at its step limit, at the same step every time`() throws {
    let body = header + (0..<200).map { "o\($0),c\($0 % 50),1.00,\n" }.joined()
    var used: [UInt64] = []
    for _ in 0..<2 {
      let subnet = try Subnet(running: .shop(models: [totals]))
      let root = subnet.root()
      let receipt = try subnet.run(subnet.ingest("orders", body, steps: 3_000))
      #expect(receipt.refusalCode == "STEP_LIMIT")
      #expect(subnet.root() == root)
      used.append(receipt.usage.steps)
    }
    #expect(used[0] == used[1])
    #expect(used[0] == 3_000)
  }
}

@Suite struct `An upgrade` {
  @Test func `keeps rows and computes what is new`() throws {
    let subnet = try Subnet(running: .shop())
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\nb,ben,2.00,\n"))
    let receipt = try subnet.run(subnet.deploy(.shop(version: "2", models: [totals])))
    #expect(receipt.status == .applied)
    #expect(try subnet.rows("totals") == ["anna|100|1", "ben|200|1"])
    try subnet.run(subnet.ingest("orders", header + "c,ben,2.00,\n"))
    #expect(try subnet.rows("totals") == ["anna|100|1", "ben|400|2"])
  }

  @Test func `that would drop rows is refused, and the old version runs on`() throws {
    let subnet = try Subnet(running: .shop())
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
    let root = subnet.root()
    var smaller = Source.orders()
    smaller.columns.removeLast()
    let receipt = try subnet.run(subnet.deploy(.shop(version: "2", sources: [smaller])))
    #expect(receipt.refusalCode == "DROP_REFUSED")
    #expect(subnet.root() == root)
    #expect(
      try subnet.run(subnet.ingest("orders", header + "b,anna,1.00,\n")).status == .applied)
  }

  @Test func `by a stranger is refused`() throws {
    let subnet = try Subnet(running: .shop())
    let receipt = try subnet.run(subnet.deploy(.shop(version: "2"), by: Subnet.stranger))
    #expect(receipt.refusalCode == "NOT_OWNER")
    #expect(subnet.executor.totals.isConserved)
  }

  @Test func `leads to the tables of a fresh deploy, and to equal steps`() throws {
    let upgraded = try Subnet(running: .shop())
    try upgraded.run(upgraded.deploy(.shop(version: "2", models: [totals])))
    let fresh = try Subnet(running: .shop(version: "2", models: [totals]))
    let body = header + "a,anna,1.00,\nb,ben,2.00,\n"
    let one = try upgraded.run(upgraded.ingest("orders", body))
    let two = try fresh.run(fresh.ingest("orders", body))
    #expect(one.usage.steps == two.usage.steps)
    #expect(one.usage.indexEntriesWritten == two.usage.indexEntriesWritten)
  }
}

@Suite struct `A rule of deterministic SQL` {
  @Test(arguments: [
    ("select random() as customer, 1 as total", "QD01"),
    ("select customer, date('now') as total from {{ source('orders') }}", "QD02"),
    ("select customer, amount as total from {{ source('orders') }} limit 1", "QD05"),
    (
      "select customer, row_number() over (order by amount) as total from {{ source('orders') }}",
      "QD06"
    ),
    (
      "select customer, group_concat(id) as total from {{ source('orders') }} group by customer",
      "QD07"
    ),
    ("select customer, amount as total, max(day) as d from {{ source('orders') }}", "QD08"),
    ("select customer, 1.5 as total from {{ source('orders') }}", "QD20"),
    ("select customer, sqrt(4) as total from {{ source('orders') }}", "QD21"),
  ])
  func `refuses the deploy and leaves the root`(text: String, rule: String) throws {
    let subnet = try Subnet(running: .shop())
    let root = subnet.root()
    let bad = Model(
      name: "bad", layer: .silver, kind: .full, primaryKey: ["customer"], sql: sql(text))
    let receipt = try subnet.run(subnet.deploy(.shop(version: "2", models: [bad])))
    #expect(receipt.refusalCode == rule)
    #expect(subnet.root() == root)
  }
}
