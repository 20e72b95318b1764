import SQL
import Testing
import Wire

@testable import Pipelines

private let source = """
  source: orders
  columns:
    - { name: id, type: text, required: true }
    - { name: customer, type: text, required: true }
    - { name: amount, type: "decimal(18,2)", required: true }
  primary_key: [id]
  """

private func package(
  _ manifest: String = "", models: String, more: [(String, String)] = []
) throws(PackageFaults) -> CheckedPackage {
  let all =
    [
      ("pipeline.yaml", "quorate: 1\nname: p\nversion: 1.0.0\n" + manifest),
      ("sources/orders.yaml", source), ("models/silver/_silver.yaml", models),
    ] + more
  return try PackageReader.readWithTests(
    PackageFiles(all.map { PackageFiles.File(path: $0.0, bytes: Array($0.1.utf8)) })
  ).checked
}

private func faults(_ manifest: String = "", models: String) -> [String] {
  do {
    _ = try package(manifest, models: models)
    return []
  } catch { return error.list.map { $0.description } }
}

private let totals = """
  models:
    - name: totals
      kind: full
      primary_key: [customer]
      sql: >
        select customer, sum(amount) as total, count(*) as n
        from {{ source('orders') }} group by customer

  """

@Suite struct `Lineage` {
  @Test func `names each column that a column comes from`() throws {
    let checked = try package(
      models: totals + """
          - name: shares
            kind: view
            sql: >
              select t.customer, o.id, o.amount * 100 / t.total as share, 1 as one
              from {{ source('orders') }} o join {{ ref('totals') }} t using (customer)
        """)
    let edges = checked.lineage.filter { $0.from != nil }.map { edge in
      "\(edge.table).\(edge.column) < \(edge.from.map { "\($0.table).\($0.column)" } ?? "")"
    }
    #expect(edges.contains("totals.total < bronze_orders.amount"))
    #expect(edges.contains("shares.share < bronze_orders.amount"))
    #expect(edges.contains("shares.share < totals.total"))
    #expect(edges.contains("shares.id < bronze_orders.id"))
    #expect(!edges.contains { $0.hasPrefix("shares.one") })
    #expect(!edges.contains { $0.hasPrefix("shares.id < totals") })
    let drawing = LineageDrawing(checked.lineage)
    #expect(drawing.text.contains("total     decimal(18,2)  ← bronze_orders.amount"))
    let edgeCount = drawing.svg.split(separator: "class=\"edge\"").count - 1
    #expect(edgeCount == edges.count)
    #expect(drawing.svg.contains("<title>totals.total → shares.share</title>"))
  }

  @Test func `names what procedures, queries and metrics come from, and go into`() throws {
    let best = """
      queries:
        - { name: best, sql: "select customer, total from {{ ref('totals') }} where n > 1" }

      """
    let copy = """
      procedures:
        - name: copy
          args: { id: text }
          emit: orders
          sql: "select :id as id, customer, amount from {{ source('orders') }} where id = :id"

      """
    let metrics = """
      metrics:
        - { name: size, sql: "select count(*) as n from {{ ref('totals') }}" }
        - { name: whole, sql: "select sum(total) as s from {{ ref('totals') }}" }

      """
    let checked = try package(
      models: totals + metrics,
      more: [("queries/q.yaml", best), ("procedures/p.yaml", copy)])
    let edges = checked.lineage.filter { !["source", "model"].contains($0.kind.rawValue) }
    #expect(
      edges.map { edge in
        "\(edge.kind) \(edge.table).\(edge.column) \(edge.type) < "
          + "\(edge.from.map { "\($0.table).\($0.column)" } ?? "-") > \(edge.into ?? "-")"
      } == [
        "procedure copy.id text < - > bronze_orders",
        "procedure copy.customer text < bronze_orders.customer > bronze_orders",
        "procedure copy.amount decimal(18,2) < bronze_orders.amount > bronze_orders",
        "query best.customer text < totals.customer > -",
        "query best.total decimal(18,2) < totals.total > -",
        "metric size.n int < totals.* > -",
        "metric whole.s decimal(18,2) < totals.total > -",
      ])
    let drawing = LineageDrawing(checked.lineage)
    #expect(drawing.text.contains("\n\nprocedure copy → bronze_orders\n  id        text\n"))
    #expect(
      drawing.text.hasSuffix(
        "metric size\n  n  int  ← totals.*\n\nmetric whole\n  s  decimal(18,2)  ← totals.total"))
    let svg = drawing.svg
    #expect(svg.contains("<title>procedure copy → bronze_orders</title>"))
    #expect(svg.split(separator: "class=\"into\"").count - 1 == 3)
    #expect(svg.contains("<title>copy.amount → bronze_orders.amount</title>"))
    #expect(svg.contains("<title>totals.* → size.n</title>"))
  }

  @Test func `tells by which columns values are made, apart from those that they come from`()
    throws
  {
    let checked = try package(
      models: """
        models:
          - name: running
            kind: view
            sql: >
              select id, sum(amount) over (partition by customer order by id) as so_far,
                     row_number() over (order by id) as place
              from {{ source('orders') }}

        """)
    let drawing = LineageDrawing(checked.lineage)
    #expect(
      drawing.text.hasSuffix(
        """
        running
          id      text           ← bronze_orders.id
          so_far  decimal(18,2)  ← bronze_orders.amount by bronze_orders.customer, bronze_orders.id
          place   int            ← by bronze_orders.id
        """))
    let svg = drawing.svg
    #expect(svg.split(separator: "class=\"by\"").count - 1 == 3)
    #expect(svg.contains("<title>bronze_orders.customer → running.so_far</title>"))
  }

  @Test func `is drawn no wider than a page, with whatever names results have`() throws {
    var edges: [ColumnLineage] = []
    func name(_ depth: Int) -> String { "a_table_of_some_length_\(depth + 10)" }
    for depth in 0..<12 {
      edges.append(
        ColumnLineage(
          kind: depth == 0 ? .source : .model, table: name(depth), column: "c", type: "int",
          from: depth == 0 ? nil : SQL.Lineage(table: name(depth - 1), column: "c")))
    }
    edges.append(
      ColumnLineage(kind: .metric, table: "m", column: "a<b & c", type: "bool", from: nil))
    let svg = LineageDrawing(edges).svg
    #expect(svg.contains(">a&lt;b &amp; c</text>"))
    let size = try #require(svg.firstMatch(of: #/width="(\d+)" height="\d+" viewBox="0 0 (\d+) /#))
    #expect(size.1 == "1380")
    // 12 tables of 25 + 3 letters of 7.3, and 16, with the least gap between them.
    #expect(Int(size.2) == 12 * (204 + 16) + 11 * 40 + 40)
  }

  @Test func `of a package without tables is empty`() {
    #expect(LineageDrawing([]).text == "")
    #expect(LineageDrawing([]).svg.hasPrefix("<svg"))
  }
}

@Suite struct `Tests of models` {
  @Test func `are read in every spelling`() throws {
    let checked = try package(
      models: totals + """
            tests:
              - { unique: customer }
              - { not_null: [customer, total], severity: warn }
              - { accepted_values: { column: n, values: [1, 2] } }
              - { relationships: { column: customer, model: totals } }
              - { references: { column: customer, model: totals } }
              - name: positive
                sql: "select n from {{ ref('totals') }} where n < 0"
                severity: warn
        """)
    let model = try #require(checked.model("totals"))
    #expect(
      model.model.tests.map(\.description) == [
        "unique(customer)", "not_null(customer, total)", "accepted_values(n)",
        "references(customer, totals)", "references(customer, totals)", "positive",
      ])
    #expect(
      model.model.tests.map(\.severity) == [.error, .warn, .error, .error, .error, .warn])
    #expect(model.testQueries["positive"] != nil)
    let bytes = checked.package.canonicalBytes
    #expect(try Package(canonicalBytes: bytes) == checked.package)
  }

  @Test(arguments: [
    ("{ uniqe: customer }", "unknown key uniqe in a test; did you mean unique?"),
    ("{ unique: custmer }", "unique: there is no column custmer; did you mean customer?"),
    ("{ unique: customer, severity: eror }", "severity: is one of error, warn, not eror"),
    ("{ unique: customer, not_null: n }", "a test has one of unique, not_null"),
    ("{ unique: customer, name: x }", "name: belongs to tests with sql:"),
    ("{ sql: \"select n from {{ ref('totals') }}\" }", "a test lacks name:"),
    (
      "{ name: t, sql: \"select id from {{ source('orders') }}\" }",
      "the test t does not read totals"
    ),
    ("{ name: t, sql: \"select m from {{ ref('totals') }}\" }", "m"),
    ("{ relationships: { column: customer, model: totls } }", "did you mean totals?"),
  ])
  func `that say nothing sound are refused`(test: String, message: String) {
    let found = faults(models: totals + "    tests: [ \(test) ]\n")
    #expect(found.contains { $0.contains(message) }, "\(found)")
  }
}

@Suite struct `What an upgrade may drop` {
  @Test(arguments: [
    ("drops: [totals]", "drops: totals is still in the package"),
    ("drops: [orders.amount]", "drops: orders.amount is still in the package"),
    ("drops: [totals.n]", "drops: totals.n is still in the package"),
    ("drops: [a, a]", "drops: a stands twice"),
    ("drops: [\"A b\"]", "drops: holds NAME or NAME.COLUMN, not A b"),
    ("drops: [a.b.c]", "drops: holds NAME or NAME.COLUMN, not a.b.c"),
    ("drops: [a._b]", "drops: holds NAME or NAME.COLUMN, not a._b"),
  ])
  func `is no longer in the package`(drops: String, message: String) {
    let found = faults(drops + "\n", models: totals)
    #expect(found.contains { $0.hasPrefix("pipeline.yaml:4:") && $0.contains(message) }, "\(found)")
  }

  @Test func `is part of the package`() throws {
    let checked = try package("drops: [old, orders.day]\n", models: totals)
    #expect(checked.package.drops == ["old", "orders.day"])
    #expect(try Package(canonicalBytes: checked.package.canonicalBytes) == checked.package)
  }

  @Test(arguments: [
    ("full", ["totals.n"], ["totals"]), ("snapshot", ["totals.n"], ["totals"]), ("view", [], []),
  ])
  func `is a stored model, or a column of one`(
    kind: String, column: [String], whole: [String]
  ) throws {
    func kept(_ models: String) throws(PackageFaults) -> CheckedPackage {
      try package(models: models.replacing("kind: full", with: "kind: \(kind)"))
    }
    let old = try kept(totals)
    #expect(try kept(totals).drops(from: old) == [])
    #expect(try kept(totals.replacing(", count(*) as n", with: "")).drops(from: old) == column)
    #expect(try kept(totals.replacing("totals", with: "sums")).drops(from: old) == whole)
  }
}

@Suite struct `What a plan says of metrics` {
  private func measured(_ metrics: [String]) throws(PackageFaults) -> CheckedPackage {
    let list = metrics.map { "  - { \($0) }\n" }.joined()
    return try package(models: totals + "metrics:\n" + list)
  }

  private func says(_ new: CheckedPackage, since old: CheckedPackage?) -> [String] {
    new.changes(since: old).filter { $0.part == .metric }.map {
      "\($0.name) \($0.kind)\($0.isBreaking ? " breaking" : ""): \($0.detail)"
    }
  }

  @Test func `is which are new, which go, and what became of the others`() throws {
    let sum = "sql: \"select sum(total) as s from {{ ref('totals') }}\""
    let count = "sql: \"select count(*) as n from {{ ref('totals') }}"
    let old = try measured([
      "name: gone, \(sum)", "name: size, \(count)\"",
      "name: whole, unit: eur, expose: prometheus, \(sum)",
    ])
    let new = try measured([
      "name: late, \(sum)", "name: size, \(count) where total > 1\"",
      "name: whole, unit: usd, \(sum)",
    ])
    #expect(
      says(new, since: old) == [
        "late added: ", "gone dropped breaking: ", "size changed: its SELECT",
        "whole changed breaking: unit: eur → usd",
        "whole changed breaking: expose: prometheus → none",
      ])
    #expect(says(new, since: nil) == ["late added: ", "size added: ", "whole added: "])
    #expect(says(new, since: new) == [])
  }
}

@Suite struct `What a plan says of a change of meaning` {
  private func versioned(_ time: String, _ snapshot: String) throws(PackageFaults) -> CheckedPackage
  {
    let moves = """
      source: moves
      columns:
        - { name: id, type: text, required: true }
        - { name: at, type: timestamp, required: true }
      primary_key: [id]
      event_time: { column: at, \(time) }
      """
    let models = """
      models:
        - name: history
          kind: snapshot
          primary_key: [id]
      \(snapshot)
          sql: "select id, at from {{ source('moves') }}"
      """
    return try package(models: models, more: [("sources/moves.yaml", moves)])
  }

  private func says(_ new: CheckedPackage, since old: CheckedPackage) -> [String] {
    new.changes(since: old).map {
      "\($0.name)\($0.isBreaking ? " breaking" : ""): \($0.detail)"
    }
  }

  @Test func `is where versions begin, and which of an event's times`() throws {
    let old = try versioned("lateness: 2d, max_future: 1h", "    updated_at: at")
    #expect(
      says(try versioned("lateness: 2d, max_future: 1h", ""), since: old) == [
        "history breaking: updated_at: at → none, so the block's time"
      ])
    #expect(
      says(try versioned("lateness: 36h, max_future: 60d", "    updated_at: at"), since: old) == [
        "moves breaking: lateness: 2d → 36h", "moves: max_future: 1h → 60d",
      ])
  }
}
