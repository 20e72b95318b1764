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

private let big = Model(
  name: "big", layer: .gold, kind: .full, primaryKey: ["customer"],
  sql: sql("select customer, total from {{ ref('totals') }} where total >= 300"))

/// 60 orders of 20 customers: amounts of 1.00 to 60.00.
private func filled(_ package: Package) throws -> Subnet {
  let subnet = try Subnet()
  let receipt = try subnet.run(subnet.deploy(package))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  let rows = (1...60).map { "o\($0),c\($0 % 20),\($0).00,2026-01-0\(1 + $0 % 9)\n" }.joined()
  #expect(try subnet.run(subnet.ingest("orders", header + rows)).tally.accepted == 60)
  return subnet
}

/// A line of a plan.
private struct Line: CustomStringConvertible {
  let part: String
  let name: String
  let change: String
  let isBreaking: Bool
  let rows: Int64
  let cycles: Int64
  let detail: String
  var description: String { "\(part) \(name) \(change)\(isBreaking ? " breaking" : ""): \(detail)" }
}

private func plan(
  _ package: Package, on subnet: Subnet, by person: KeyPair = Subnet.owner
) throws -> [Line] {
  try subnet.certify()
  let answer = try subnet.executor.reader.query(
    QueryRequest(
      subnet: subnet.genesis.subnet, pipeline: package.name,
      question: .plan(package.canonicalBytes), caller: person.publicKey, expiry: 1))
  return answer.result.rows.map { row in
    func text(_ place: Int) -> String {
      if case .text(let text) = row[place] { text } else { "" }
    }
    func number(_ place: Int) -> Int64 {
      if case .int(let number) = row[place] { number } else { 0 }
    }
    return Line(
      part: text(0), name: text(1), change: text(2), isBreaking: number(3) == 1,
      rows: number(4), cycles: number(6), detail: text(7))
  }
}

/// A change of a package, what a plan says of it, and whether a deploy takes it.
private struct Change: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let package: Package
  let says: [String]
  var refusal: String?
}

private func changed(_ model: Model, _ change: (inout Model) -> Void) -> Model {
  var model = model
  change(&model)
  return model
}

private func source(_ change: (inout Source) -> Void) -> Source {
  var source = Source.orders()
  change(&source)
  return source
}

private let original = Package.shop(models: [totals, big])

private let narrow = changed(totals) {
  $0.sql = sql(
    "select customer, sum(amount) as total from {{ source('orders') }} group by customer")
}

private let narrowed = [
  "column totals.orders dropped breaking: its values go; they can be computed again",
  "model totals changed: its SELECT", "model big recomputed: reads totals",
]

private let changes: [Change] = [
  Change(
    testDescription: "a new column of a source",
    package: .shop(
      version: "2",
      sources: [source { $0.columns.append(SourceColumn(name: "note", type: .text)) }],
      models: [totals, big]),
    says: [
      "package shop changed: version: 1 → 2", "column orders.note added: text",
      "model totals recomputed: reads orders", "model big recomputed: reads totals",
    ]),
  Change(
    testDescription: "a changed model",
    package: .shop(
      models: [
        changed(totals) {
          $0.sql = sql(
            "select customer, sum(amount) as total, count(*) as orders "
              + "from {{ source('orders') }} where amount <> 100 group by customer")
        }, big,
      ]),
    says: [
      "model totals changed: its SELECT", "model big recomputed: reads totals",
    ]),
  Change(
    testDescription: "a model dropped silently",
    package: .shop(models: [totals]),
    says: ["model big dropped breaking: its rows go; they can be computed again"],
    refusal: "DROP_REFUSED"),
  Change(
    testDescription: "a dropped model",
    package: {
      var package = Package.shop(models: [totals])
      package.drops = ["big"]
      return package
    }(),
    says: ["model big dropped breaking: its rows go; they can be computed again"]),
  Change(
    testDescription: "a tightened expectation",
    package: .shop(
      sources: [
        .orders(expectations: [
          Expectation(name: "small", check: sql("amount <= 5000"), onViolation: .quarantine)
        ])
      ], models: [totals, big]),
    says: [
      "expectation orders.small tightened breaking: new: amount <= 5000, quarantine",
      "work orders.small violated: rows that are there and do not meet it; they stay",
    ]),
  Change(
    testDescription: "a new column with a default",
    package: .shop(
      sources: [
        source {
          $0.columns.append(
            SourceColumn(name: "note", type: .text, required: true, defaultText: "none"))
        }
      ], models: [totals, big]),
    says: [
      "column orders.note added: text, default none: also in rows that are there",
      "model totals recomputed: reads orders", "model big recomputed: reads totals",
    ]),
  Change(
    testDescription: "another refresh key",
    package: .shop(models: [changed(totals) { $0.refresh?.fullRatio = 999_999 }, big]),
    says: ["model totals changed: refresh_full_ratio: \(totals.refresh?.fullRatio ?? 0) → 999999"]),
  Change(
    testDescription: "a changed key of a model",
    package: .shop(
      models: [
        changed(totals) {
          $0.primaryKey = ["customer", "total"]
        }, big,
      ]),
    says: [
      "model totals changed breaking: primary_key: [customer] → [customer, total]",
      "model big recomputed: reads totals",
    ]),
  Change(
    testDescription: "a changed key of a source",
    package: .shop(
      sources: [source { $0.primaryKey = ["id", "customer"] }], models: [totals, big]),
    says: [
      "source orders changed breaking: primary_key: [id] → [id, customer]",
      "model totals recomputed: reads orders", "model big recomputed: reads totals",
    ], refusal: "KEY_CHANGED"),
  Change(
    testDescription: "a column of a model dropped silently",
    package: .shop(models: [narrow, big]), says: narrowed, refusal: "DROP_REFUSED"),
  Change(
    testDescription: "a dropped column of a model",
    package: {
      var package = Package.shop(models: [narrow, big])
      package.drops = ["totals.orders"]
      return package
    }(), says: narrowed),
]

/// Columns of orders in a model of some kind, beside `totals`.
private func copies(_ kind: Model.Kind, _ columns: [String]) -> Package {
  let list = columns.joined(separator: ",")
  let model = Model(
    name: "copies", layer: .silver, kind: kind, primaryKey: ["id"],
    refresh: kind == .incremental ? Refresh(by: ["id"]) : nil,
    sql: kind == .seed ? nil : sql("select \(list) from {{ source('orders') }}"))
  let rows = [list, columns.map { _ in "1" }.joined(separator: ",")].map { $0 + "\n" }.joined()
  let seed = Seed(model: "copies", file: "seeds/copies.csv", csv: Array(rows.utf8))
  return .shop(models: [model, totals], seeds: kind == .seed ? [seed] : [])
}

@Suite struct `A plan` {
  @Test(arguments: changes)
  fileprivate func `says what the deploy then does, and its price within a tenth`(
    change: Change
  ) throws {
    let subnet = try filled(original)
    let root = subnet.root()
    let lines = try plan(change.package, on: subnet)
    #expect(subnet.root() == root)
    let told = lines.filter { $0.part != "total" && $0.change != "computed" }.map(\.description)
    #expect(told == change.says)
    let total = try #require(lines.last)
    let receipt = try subnet.run(subnet.deploy(change.package))
    #expect(receipt.refusalCode == change.refusal)
    #expect(total.change == (change.refusal == nil ? "upgrade" : "refused"))
    if let refusal = change.refusal { #expect(total.detail.hasPrefix(refusal)) }
    let charged = Double(receipt.charged.number)
    #expect(abs(Double(total.cycles) - charged) <= charged / 10, "\(total.cycles), \(charged)")
    // But for the length of the receipt's numbers they are equal.
    #expect(abs(Double(total.cycles) - charged) <= charged / 1_000)
    let isOfRows = told.contains {
      $0.hasPrefix("column") || $0.hasPrefix("model") && !$0.contains("changed: refresh")
    }
    #expect((subnet.root() != root) == (change.refusal == nil && isOfRows))
  }

  /// Whether a condition is tighter than another is not decided.
  @Test func `says of another condition that it changed, and counts who does not meet it`() throws {
    func package(_ check: String) -> Package {
      .shop(
        sources: [
          .orders(expectations: [
            Expectation(name: "some", check: sql(check), onViolation: .quarantine)
          ])
        ], models: [totals, big])
    }
    let subnet = try filled(package("amount > 0"))
    let lines = try plan(package("amount >= 1000"), on: subnet)
    #expect(
      lines.first?.description
        == "expectation orders.some changed breaking: amount > 0 → amount >= 1000")
    #expect(lines.first { $0.change == "violated" }?.rows == 9)
  }

  @Test func `counts the rows that do not meet a new expectation`() throws {
    let subnet = try filled(original)
    let lines = try plan(changes[4].package, on: subnet)
    #expect(lines.first { $0.change == "violated" }?.rows == 10)
  }

  @Test func `of what is not there yet is the price of the first deploy`() throws {
    let subnet = try Subnet()
    try subnet.execute([])
    let lines = try plan(original, on: subnet)
    let receipt = try subnet.run(subnet.deploy(original))
    let total = try #require(lines.last)
    #expect(total.change == "deploy")
    #expect(abs(total.cycles - Int64(receipt.charged.number)) <= total.cycles / 1_000)
    #expect(
      lines.map(\.description).prefix(2) == [
        "source orders added: ", "model totals added: incremental",
      ])
  }

  @Test func `of no change is told so`() throws {
    let subnet = try filled(original)
    let lines = try plan(original, on: subnet)
    #expect(lines.map(\.part) == ["total"])
    #expect(lines.map(\.change) == ["unchanged"])
    #expect(lines.map(\.cycles) == [0])
    // Another version is an upgrade, though no rows change.
    let next = try plan(.shop(version: "2", models: [totals, big]), on: subnet)
    #expect(next.last?.change == "upgrade")
    #expect((next.last?.cycles ?? 0) > 0)
  }

  @Test func `is for the owner`() throws {
    let subnet = try filled(original)
    #expect(throws: Refusal.self) { try plan(original, on: subnet, by: Subnet.stranger) }
  }
}

@Suite struct `An upgrade of models` {
  @Test func `leaves the old version running when a test fails, and its rows`() throws {
    let subnet = try filled(original)
    let root = subnet.root()
    var tested = totals
    tested.tests = [.acceptedValues(column: "customer", values: ["c1"])]
    let receipt = try subnet.run(subnet.deploy(.shop(version: "2", models: [tested, big])))
    #expect(receipt.refusalCode == "TEST_FAILED")
    #expect(subnet.root() == root)
    #expect(subnet.executor.pipelines["shop"]?.deployed?.package.version == "1")
    let next = try subnet.run(subnet.ingest("orders", header + "n,c1,1.00,\n"))
    #expect(next.status == .applied)
    try subnet.reopen()
    #expect(subnet.executor.pipelines["shop"]?.deployed?.package.version == "1")
  }

  @Test func `takes up a default for rows that lack a required column`() throws {
    let subnet = try filled(original)
    let unit = SourceColumn(name: "unit", type: .text, required: true)
    var with = unit
    with.defaultText = "EUR"
    let refused = try subnet.run(
      subnet.deploy(.shop(sources: [source { $0.columns.append(unit) }], models: [totals, big])))
    #expect(refused.refusalCode == "NULLS_REFUSED")
    let taken = try subnet.run(
      subnet.deploy(.shop(sources: [source { $0.columns.append(with) }], models: [totals, big])))
    #expect(taken.status == .applied)
    #expect(try Set(subnet.rows("bronze_orders", columns: "unit")) == ["EUR"])
  }

  @Test func `lets captured fields go only where drops: names them`() throws {
    func shop(_ version: String, _ policy: UnknownFields) -> Package {
      .shop(version: version, sources: [source { $0.unknownFields = policy }])
    }
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(shop("1", .capture)))
    try subnet.fund()
    try subnet.run(
      subnet.ingest("orders", "id,customer,amount,day,extra\na,anna,1.00,,precious\n"))
    var next = shop("2", .ignore)
    let lines = try plan(next, on: subnet).map(\.description)
    #expect(lines.contains("column orders._captured dropped breaking: its values go"), "\(lines)")
    #expect(lines.contains("source orders changed breaking: unknown_fields: capture → ignore"))
    let refused = try subnet.run(subnet.deploy(next))
    #expect(refused.refusalCode == "DROP_REFUSED")
    #expect(refused.refusalText?.contains("drops: [orders._captured]") == true)
    #expect(
      try subnet.rows("bronze_orders", columns: "_captured") == [#"{"extra":"precious"}"#])
    next.drops = ["orders._captured"]
    #expect(try subnet.run(subnet.deploy(next)).status == .applied)
    #expect(try subnet.rows("bronze_orders").count == 1)
    var again = shop("3", .capture)
    #expect(try subnet.run(subnet.deploy(again)).status == .applied)
    again.drops = next.drops
    #expect(throws: PackageFaults.self) { try CheckedPackage(again) }
  }

  /// drops: names nothing that the package has, so the other part comes with the next deploy.
  @Test func `makes a model of a source, or a source of a model, in two steps`() throws {
    let rates = Source(
      name: "totals", columns: [SourceColumn(name: "id", type: .text, required: true)],
      primaryKey: ["id"])
    let asSource = Package.shop(version: "2", sources: [.orders(), rates])
    let asModel = Package.shop(version: "3", models: [totals])
    let subnet = try filled(.shop(models: [totals]))
    for next in [asSource, asModel] {
      let root = subnet.root()
      let refused = try subnet.run(subnet.deploy(next))
      #expect(refused.refusalCode == "DROP_REFUSED")
      #expect(
        refused.refusalText?.hasSuffix(
          "first deploy without it, with drops: [totals] in pipeline.yaml") == true)
      #expect(subnet.root() == root)
      var without = Package.shop(version: "1.5")
      without.drops = ["totals"]
      #expect(try subnet.run(subnet.deploy(without)).refusalText == nil)
      #expect(try subnet.run(subnet.deploy(next)).refusalText == nil)
      guard next == asSource else { continue }
      #expect(try subnet.run(subnet.ingest("totals", "id\na\n")).tally.accepted == 1)
    }
    #expect(try subnet.rows("totals").count == 20)
  }

  @Test func `drops a column that drops: names, and no other`() throws {
    let subnet = try filled(original)
    var package = Package.shop(
      sources: [source { $0.columns.removeLast() }], models: [totals, big])
    #expect(try subnet.run(subnet.deploy(package)).refusalCode == "DROP_REFUSED")
    package.drops = ["orders.day"]
    #expect(try subnet.run(subnet.deploy(package)).status == .applied)
    #expect(try subnet.rows("bronze_orders").count == 60)
  }

  @Test(arguments: [Model.Kind.full, .incremental, .seed])
  func `takes a column of a stored model only where drops: names it`(kind: Model.Kind) throws {
    let subnet = try filled(copies(kind, ["id", "customer", "amount"]))
    let (root, others) = (subnet.root(), try subnet.rows("totals"))
    var next = copies(kind, ["id", "amount"])
    let refused = try subnet.run(subnet.deploy(next))
    #expect(refused.refusalCode == "DROP_REFUSED")
    #expect(
      refused.refusalText
        == "the upgrade would drop copies.customer and what is in there: keep it, "
        + "or say drops: [copies.customer] in pipeline.yaml")
    let viewed = try subnet.run(subnet.deploy(copies(.view, ["id", "amount"])))
    #expect(viewed.refusalCode == "DROP_REFUSED")
    #expect(subnet.root() == root)
    next.drops = ["copies.customer"]
    let taken = try subnet.run(subnet.deploy(next))
    #expect(taken.status == .applied)
    // No row of another table is written.
    #expect(taken.usage.rowsWritten == (kind == .seed ? 1 : 60))
    #expect(try subnet.rows("totals") == others)
    let table = try #require(subnet.executor.pipelines["shop"]?.data.tables["copies"])
    #expect(table.schema.columns.map(\.name) == ["id", "amount"])
  }

  @Test(arguments: [Model.Kind.full, .incremental, .seed])
  func `begins a history with what its rows are now`(kind: Model.Kind) throws {
    let subnet = try filled(copies(kind, ["id", "amount"]))
    let receipt = try subnet.run(subnet.deploy(copies(.snapshot, ["id", "amount"])))
    #expect(receipt.refusalText == nil)
    let versions = try subnet.rows(
      "copies", columns: "valid_from IS NOT NULL, valid_to IS NULL, amount > 0")
    #expect(versions == Array(repeating: "1|1|1", count: 60))
    let back = try subnet.run(subnet.deploy(copies(kind, ["id", "amount"])))
    #expect(back.refusalCode == "SNAPSHOT_CHANGED")
    #expect(try subnet.rows("copies").count == 60)
  }

  /// The two tables differ in nothing but what their rows are.
  @Test func `takes no rows that were computed for versions`() throws {
    var source = Source.orders()
    source.columns.append(SourceColumn(name: "at", type: .timestamp, required: true))
    let old = Model(
      name: "history", layer: .silver, kind: .full, primaryKey: ["id", "valid_from"],
      columns: [
        ModelColumn(name: "id", type: .text), ModelColumn(name: "valid_from", type: .timestamp),
        ModelColumn(name: "valid_to", type: .timestamp, nullable: true),
      ],
      sql: sql("select id, at as valid_from, at as valid_to from {{ source('orders') }}"))
    let new = Model(
      name: "history", layer: .silver, kind: .snapshot, primaryKey: ["id"],
      columns: [ModelColumn(name: "id", type: .text)],
      sql: sql("select id from {{ source('orders') }}"))
    let subnet = try Subnet()
    let first = try subnet.run(subnet.deploy(.shop(sources: [source], models: [old])))
    #expect(first.refusalText == nil)
    try subnet.fund()
    try subnet.run(
      subnet.ingest("orders", "id,customer,amount,day,at\na,anna,1.00,,2025-12-01T00:00:00Z\n"))
    #expect(try subnet.rows("history").count == 1)
    let second = try subnet.run(
      subnet.deploy(.shop(version: "2", sources: [source], models: [new])))
    #expect(second.refusalText == nil)
    #expect(try subnet.rows("history", columns: "id, valid_to") == ["a|"])
  }

  @Test func `takes views and their columns unnamed, for they hold nothing`() throws {
    let subnet = try filled(copies(.view, ["id", "customer", "amount"]))
    let root = subnet.root()
    for package in [copies(.view, ["id", "amount"]), .shop(models: [totals])] {
      #expect(try subnet.run(subnet.deploy(package)).refusalText == nil)
    }
    #expect(subnet.root() == root)
  }

  @Test func `computes nothing anew for words and places alone`() throws {
    let subnet = try filled(original)
    var moved = totals
    moved.description = "Sums."
    moved.sql = moved.sql.map {
      SQLScript($0.text.replacing("sum(amount)", with: "sum( amount )"), file: "x.sql", line: 9)
    }
    let receipt = try subnet.run(subnet.deploy(.shop(version: "2", models: [moved, big])))
    #expect(receipt.status == .applied)
    #expect(receipt.usage.rowsWritten == 0)
    #expect(receipt.usage.steps == 0)
  }

  @Test func `costs as many steps afterwards, restarted or not`() throws {
    var tested = totals
    tested.tests = [
      .unique(["total"]),
      .custom(
        name: "positive", sql: sql("select customer from {{ ref('totals') }} where total < 0")),
    ]
    var usage: [Usage] = []
    for isRestarted in [false, true] {
      let subnet = try filled(.shop(models: [changed(tested) { $0.description = "old" }, big]))
      var next = Package.shop(version: "2", models: [tested])
      next.drops = ["big"]
      #expect(try subnet.run(subnet.deploy(next)).status == .applied)
      if isRestarted { try subnet.reopen() }
      usage.append(try subnet.run(subnet.ingest("orders", header + "n,c1,1.00,\n")).usage)
    }
    #expect(usage[0] == usage[1])
  }
}

@Suite struct `A custom test` {
  private static func tested(_ severity: ModelTest.Severity) -> Model {
    changed(totals) {
      $0.tests = [
        ModelTest(
          .custom(
            name: "none_over_ten",
            sql: sql("select customer from {{ ref('totals') }} where total > 1000")),
          severity: severity)
      ]
    }
  }

  @Test func `that finds rows refuses the update`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(models: [Self.tested(.error)])))
    try subnet.fund()
    #expect(try subnet.run(subnet.ingest("orders", header + "a,anna,9.00,\n")).status == .applied)
    let root = subnet.root()
    let receipt = try subnet.run(subnet.ingest("orders", header + "b,anna,9.00,\nc,ben,11.00,\n"))
    #expect(receipt.refusalCode == "TEST_FAILED")
    if case .refused(let refusal) = receipt.status {
      #expect(refusal.message.contains("none_over_ten of totals finds 2 rows"))
    }
    #expect(subnet.root() == root)
  }

  @Test func `of severity warn is noted, and the update applied`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(models: [Self.tested(.warn)])))
    try subnet.fund()
    let receipt = try subnet.run(subnet.ingest("orders", header + "c,ben,11.00,\n"))
    #expect(receipt.status == .applied)
    #expect(
      receipt.notes.map(\.message)
        == ["the test none_over_ten of totals finds 1 rows that should not be there"])
    let quiet = try subnet.run(
      subnet.call("shop", .grant(role: "r", to: Subnet.stranger.publicKey)))
    #expect(quiet.notes.isEmpty)
  }
}

@Suite struct `A check` {
  private func check(_ subnet: Subnet) throws -> [[Value]] {
    try subnet.certify()
    return try subnet.executor.reader.query(
      QueryRequest(
        subnet: subnet.genesis.subnet, pipeline: "shop", question: .check,
        caller: Subnet.owner.publicKey, expiry: 1)
    ).result.rows
  }

  @Test func `finds every model as it is when it is computed whole`() throws {
    let subnet = try filled(original)
    let rows = try check(subnet)
    #expect(rows.map { $0[0] } == [.text("totals"), .text("big")])
    #expect(rows.allSatisfy { $0[3...5] == [.int(0), .int(0), .int(0)] })
    #expect(rows[0][2] == .int(20))
  }

  @Test(arguments: [
    ("UPDATE totals SET total = 7 WHERE customer = 'c3'", 5, "customer = 'c3'"),
    ("DELETE FROM totals WHERE customer = 'c3'", 3, "customer = 'c3'"),
    ("INSERT INTO totals VALUES ('zoe', 1, 1)", 4, "customer = 'zoe'"),
  ])
  func `finds a row that is not`(damage: String, column: Int, example: String) throws {
    let subnet = try filled(original)
    let file = try #require(subnet.executor.pipelines["shop"])
    try file.engine.connection.execute(damage)
    // The height after the damage is the one that is read.
    try subnet.run(subnet.call("shop", .grant(role: "r", to: Subnet.stranger.publicKey)))
    let rows = try check(subnet)
    #expect(rows[0][column] == .int(1))
    #expect(rows[0][7] == .text(example))
  }
}

@Suite struct `An upgrade that writes many rows` {
  @Test func `is paid in full, or is refused where its step limit sets too little aside`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    for batch in 0..<3 {
      let rows = (0..<10_000).map { "o\(batch * 10_000 + $0),anna,1.00,\n" }.joined()
      let receipt = try subnet.run(subnet.ingest("orders", header + rows))
      #expect(receipt.tally.accepted == 10_000)
    }
    var wider = Source.orders()
    wider.columns.append(SourceColumn(name: "note", type: .text))
    let body = Package.shop(version: "2", sources: [wider]).canonicalBytes
    let root = subnet.root()
    let short = try subnet.run(subnet.call("shop", .deploy, body: body, steps: 100_000))
    #expect(short.refusalCode == "STEP_LIMIT")
    #expect(subnet.root() == root)
    let long = try subnet.run(subnet.call("shop", .deploy, body: body, steps: 50_000_000))
    #expect(long.status == .applied)
    let price = SystemFile.price(of: long, .standard(replicas: 4), isNew: false).cycles
    let (told, charged) = (Double(price.number), Double(long.charged.number))
    #expect(abs(told - charged) <= charged / 1_000)
  }
}

@Suite struct `A new column with a default` {
  @Test func `has it in the rows that are there, whether a value is required or not`() throws {
    let copy = Model(
      name: "copy", layer: .silver, kind: .incremental, primaryKey: ["id"],
      columns: [ModelColumn(name: "id", type: .text), ModelColumn(name: "country", type: .text)],
      refresh: Refresh(by: ["id"]), sql: sql("select id, country from {{ source('orders') }}"))
    for required in [false, true] {
      let subnet = try filled(.shop())
      var orders = Source.orders()
      orders.columns.append(
        SourceColumn(name: "country", type: .text, required: required, defaultText: "XX"))
      let receipt = try subnet.run(
        subnet.deploy(.shop(version: "2", sources: [orders], models: [copy])))
      #expect(receipt.status == .applied)
      try subnet.run(subnet.ingest("orders", header + "new,anna,1.00,\n"))
      #expect(Set(try subnet.rows("copy", columns: "country")) == ["XX"])
      #expect(try subnet.rows("copy").count == 61)
    }
  }

  @Test(arguments: [(ParseRule.yyyymmdd, "20260131"), (.standard, "2026-01-31")])
  func `has it as the column spells it`(parse: ParseRule, spelled: String) throws {
    let subnet = try filled(.shop())
    var orders = Source.orders()
    orders.columns.append(
      SourceColumn(name: "since", type: .date, parse: parse, defaultText: spelled))
    let receipt = try subnet.run(subnet.deploy(.shop(version: "2", sources: [orders])))
    #expect(receipt.refusalText == nil)
    try subnet.run(subnet.ingest("orders", header + "new,anna,1.00,\n"))
    #expect(Set(try subnet.rows("bronze_orders", columns: "since")) == ["20484"])
    #expect(try subnet.rows("bronze_orders").count == 61)
  }

  @Test func `that is null in a model's column is refused with what to do`() throws {
    let copy = Model(
      name: "copy", layer: .silver, kind: .incremental, primaryKey: ["id"],
      columns: [ModelColumn(name: "id", type: .text), ModelColumn(name: "country", type: .text)],
      refresh: Refresh(by: ["id"]), sql: sql("select id, country from {{ source('orders') }}"))
    let subnet = try filled(.shop())
    var orders = Source.orders()
    orders.columns.append(SourceColumn(name: "country", type: .text))
    let receipt = try subnet.run(
      subnet.deploy(.shop(version: "2", sources: [orders], models: [copy])))
    guard case .refused(let refusal) = receipt.status else {
      Issue.record("it was taken")
      return
    }
    #expect(refusal.code == "SQL_CONSTRAINT")
    #expect(refusal.message.contains("nullable: true"))
  }
}
