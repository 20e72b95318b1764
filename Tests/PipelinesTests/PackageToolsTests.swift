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
  _ manifest: String = "", models: String, sql: [(String, String)] = []
) throws(PackageFaults) -> CheckedPackage {
  let all =
    [
      ("pipeline.yaml", "quorate: 1\nname: p\nversion: 1.0.0\n" + manifest),
      ("sources/orders.yaml", source), ("models/silver/_silver.yaml", models),
    ] + sql
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
    ("drops: [a, a]", "drops: a stands twice"),
    ("drops: [\"A b\"]", "drops: holds NAME or SOURCE.COLUMN, not A b"),
    ("drops: [a.b.c]", "drops: holds NAME or SOURCE.COLUMN, not a.b.c"),
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
}
