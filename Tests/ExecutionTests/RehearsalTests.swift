import Foundation
import Pipelines
import Testing
import Wire

@testable import Execution

private let manifest =
  "quorate: 1\nname: shop\nversion: 1.0.0\nbudget: { public_budget: 1T }\n"

private let contract = """
  source: orders
  columns:
    - { name: id, type: text, required: true }
    - { name: customer, from: "Kunde", type: text, required: true }
    - { name: amount, type: "decimal(18,2)", required: true }
    - { name: day, type: date }
  primary_key: [id]
  allow: [role:clerk]
  expectations:
    - { name: positive, check: "amount > 0", on_violation: quarantine }
  """

private let models = """
  models:
    - name: totals
      kind: incremental
      primary_key: [customer]
      refresh: { by: [customer] }
      columns:
        - { name: customer, type: text }
        - { name: total, type: "decimal(18,2)" }
        - { name: orders, type: int }
  """

private let select = """
  select customer, sum(amount) as total, count(*) as orders
  from {{ source('orders') }} group by customer
  """

private let procedures = """
  procedures:
    - name: add_order
      args: { id: text, amount: "decimal(18,2)" }
      allow: [public]
      emit: orders
      sql: "select :id as id, 'anna' as customer, :amount as amount"
  """

/// A package with these tests, in memory.
private func package(
  _ tests: String, _ more: [(String, String)] = []
) throws -> (checked: CheckedPackage, tests: [UnitTest]) {
  let all =
    [
      ("pipeline.yaml", manifest), ("sources/orders.yaml", contract),
      ("models/silver/_silver.yaml", models), ("models/silver/totals.sql", select),
      ("procedures/procedures.yaml", procedures), ("tests/t.yaml", tests),
    ] + more
  return try PackageReader.readWithTests(
    PackageFiles(all.map { PackageFiles.File(path: $0.0, bytes: Array($0.1.utf8)) }))
}

/// What running the only test of a file came to.
private func run(_ tests: String, _ more: [(String, String)] = []) throws -> RehearsalResult {
  let (checked, tests) = try package(tests, more)
  return try run(try #require(tests.first), checked)
}

private func run(_ test: UnitTest, _ checked: CheckedPackage) throws -> RehearsalResult {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("rehearsal-\(UUID().uuidString)").path
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try Rehearsal.run(test, of: checked, directory: folder, vfs: nil)
}

private let twoOrders = """
  unit_tests:
    - name: t
      given:
        - ingest: orders
          rows:
            - { id: a, customer: anna, amount: "1.00", day: 2026-01-02 }
            - { id: 001, Kunde: ben, amount: 2, day: null }

  """

@Suite struct `A test of a package` {
  @Test func `holds when each expected row is there and no other`() throws {
    let result = try run(
      twoOrders + """
            expect:
              totals:
                - { customer: ben, total: "2.00", orders: 1 }
                - { customer: anna, total: "1.00" }
              orders:
                - { id: "001", day: null, _row: 2, _late: false }
                - { id: a, day: 2026-01-02 }
              quarantine_orders: []
        """)
    #expect(result.failures.map(\.message) == [])
    #expect(result.steps.map(\.label) == ["ingest orders"])
    #expect(result.steps[0].receipt.charged > 0)
  }

  @Test(arguments: [
    (
      "totals: [ { customer: anna, total: \"9.00\" }, { customer: ben } ]",
      "totals: - customer: anna, total: 9.00\n  + customer: anna, total: 1.00\n"
        + "    total: expected 9.00, found 1.00"
    ),
    (
      "totals: [ { customer: anna } ]",
      "totals: + customer: ben\n    a row that is not expected"
    ),
    (
      "totals: [ { customer: anna }, { customer: ben }, { customer: carl } ]",
      "totals: - customer: carl\n    no such row"
    ),
    (
      "quarantine_orders: [ { id: a } ]", "quarantine_orders: - id: a\n    no such row"
    ),
    (
      "receipts: [ { step: 1, accepted: 3 } ]",
      "step 1, ingest orders: expected 3 accepted, found 2"
    ),
    (
      "receipts: [ { step: 1, status: refused } ]",
      "step 1, ingest orders: expected a refusal, was applied"
    ),
    (
      "receipts: [ { step: 1, replayed: true } ]",
      "step 1, ingest orders: expected replayed: true, found false"
    ),
    (
      "root_unchanged_by: [1]",
      "step 1 changed the root of the tables; it should not have"
    ),
  ])
  func `says what is not as expected`(claim: String, message: String) throws {
    let result = try run(twoOrders + "    expect:\n      " + claim + "\n")
    #expect(result.failures.map(\.message) == [message])
    #expect(result.failures.allSatisfy { $0.place.file == "tests/t.yaml" && $0.place.line > 1 })
  }

  @Test func `gives each expected row a row of its own`() throws {
    // The first could take either row; only if it takes ben's does the second find one.
    let result = try run(
      twoOrders + "    expect:\n      totals: [ { orders: 1 }, { customer: anna } ]\n")
    #expect(result.failures.map(\.message) == [])
    let twice = try run(
      twoOrders + "    expect:\n      totals: [ { customer: anna }, { customer: anna } ]\n")
    #expect(twice.failures.count == 2)
  }

  @Test func `sees quarantined rows with their reasons, and replays`() throws {
    let result = try run(
      """
      unit_tests:
        - name: t
          given:
            - ingest: orders
              rows:
                - { id: a, customer: anna, amount: "-1.00" }
                - { id: b, customer: anna, amount: much }
            - replay: 1
          expect:
            orders: []
            quarantine_orders:
              - { id: a, _errors: positive }
              - { id: b, _errors: "\\"much\\" is no" }
            receipts:
              - { step: 1, quarantined: 2, accepted: 0, notes: { positive: 1 } }
              - { step: 2, replayed: true }
            root_unchanged_by: [2]
      """)
    #expect(result.failures.map(\.message) == [])
  }

  @Test func `calls procedures and plays roles`() throws {
    let result = try run(
      """
      unit_tests:
        - name: t
          at: 2026-05-01
          given:
            - call: add_order
              args: { id: p, amount: "3.50" }
              as: public
            - ingest: orders
              as: role:clerk
              rows: [ { id: c, customer: carl, amount: 1 } ]
            - ingest: orders
              as: role:other
              rows: [ { id: d, customer: carl, amount: 1 } ]
            - ingest: orders
              as: public
              at: 2026-06-01T12:00:00Z
              rows: [ { id: e, customer: carl, amount: 1 } ]
          expect:
            orders: [ { id: p, amount: "3.50" }, { id: c } ]
            receipts: [ { step: 3, code: NOT_ALLOWED }, { step: 4, status: refused } ]
      """)
    #expect(result.failures.map(\.message) == [])
    #expect(result.steps[3].receipt.time == 1_780_315_200_000)
  }

  @Test func `fails on a refusal that it does not expect`() throws {
    let result = try run(
      """
      unit_tests:
        - name: t
          given:
            - ingest: orders
              as: role:other
              rows: [ { id: a, customer: anna, amount: 1 } ]
          expect: { orders: [] }
      """)
    #expect(result.failures.count == 1)
    #expect(result.failures[0].message.hasPrefix("step 1, ingest orders, was refused: NOT_ALLOWED"))
  }

  @Test(arguments: [
    ("tests/rows.csv", "id,Kunde,amount,day\na,anna,1.00,\n"),
    ("tests/rows.ndjson", "{\"id\":\"a\",\"Kunde\":\"anna\",\"amount\":\"1.00\"}\n"),
  ])
  func `takes rows from a file of the package`(path: String, text: String) throws {
    let result = try run(
      """
      unit_tests:
        - name: t
          given: [ { ingest: orders, file: \(path) } ]
          expect: { totals: [ { customer: anna, total: "1.00" } ] }
      """, [(path, text)])
    #expect(result.failures.map(\.message) == [])
  }

  @Test func `sends the same rows as CSV where a source takes nothing else`() throws {
    let only = contract.replacing("primary_key", with: "format: [csv]\nprimary_key")
    let (checked, tests) = try PackageReader.readWithTests(
      PackageFiles(
        [
          ("pipeline.yaml", manifest), ("sources/orders.yaml", only),
          (
            "tests/t.yaml",
            """
            unit_tests:
              - name: t
                given:
                  - ingest: orders
                    rows:
                      - { id: 'a"b', customer: "x, y", amount: 1.5 }
                      - { id: c, customer: "", amount: 1, day: 2026-01-01 }
                expect:
                  orders:
                    - { id: 'a"b', customer: "x, y", amount: "1.50", day: null }
                    - { id: c, customer: "", day: 2026-01-01 }
            """
          ),
        ].map { PackageFiles.File(path: $0.0, bytes: Array($0.1.utf8)) }))
    let result = try run(try #require(tests.first), checked)
    #expect(result.failures.map(\.message) == [])
  }

  @Test func `fails at a view that cannot be read`() throws {
    let squares = """
      models:
        - name: squares
          kind: view
          columns: [ { name: id, type: text }, { name: square, type: "decimal(18,4)" } ]
          sql: "select id, amount * amount as square from {{ source('orders') }}"
      """
    let result = try run(
      """
      unit_tests:
        - name: t
          given:
            - { ingest: orders, rows: [ { id: a, customer: x, amount: "90000000000000.00" } ] }
          expect: { squares: [] }
      """, [("models/silver/squares.yaml", squares)])
    #expect(
      result.failures.map(\.message) == [
        "squares cannot be read: QD22: squares overflows 64 bits: keep smaller units, or multiply "
          + "and divide in one step with mul_div"
      ])
  }

  @Test(
    arguments: [
      "bank-reconciliation", "berka", "delivery-tracking", "feature-store", "master-data",
    ])
  func `holds for the example`(folder: String) throws {
    let (checked, tests) = try PackageReader.readWithTests(
      PackageFiles(directory: Folders.pipeline(folder)))
    #expect(!tests.isEmpty)
    for test in tests {
      let result = try run(test, checked)
      #expect(result.failures.map(\.message) == [], "\(test.name)")
    }
  }

  @Test(
    arguments: [
      "bank-reconciliation", "berka", "delivery-tracking", "feature-store", "master-data",
    ])
  func `gives the same in whatever order on made-up rows, as the example does`(
    folder: String
  ) throws {
    let (checked, _) = try PackageReader.readWithTests(
      PackageFiles(directory: Folders.pipeline(folder)))
    let place = FileManager.default.temporaryDirectory
      .appendingPathComponent("rehearsal-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: place) }
    let result = try Rehearsal.runTies(of: checked, directory: place, vfs: nil)
    #expect(result.failures.map(\.message) == [])
    let tally = try #require(result.ties)
    print("\(folder): \(tally)")
    #expect(
      tally.selects == checked.models.count { $0.query != nil } + checked.procedures.count
        + checked.queries.count + checked.metrics.count)
    #expect(tally.tooLong == [])
    #expect(tally.failing == [])
    #expect(tally.withRows * 2 > tally.selects)
  }
}

@Suite struct `A file of tests` {
  private func faults(_ tests: String, _ more: [(String, String)] = []) -> [String] {
    do {
      _ = try package(tests, more)
      return []
    } catch let error as PackageFaults {
      return error.list.map { $0.description.split(separator: "\n").map(String.init)[0] }
    } catch {
      return ["\(error)"]
    }
  }

  @Test(arguments: [
    (
      "unit_test: []",
      "tests/t.yaml:1:1: error: unknown key unit_test in a file of tests; did you mean unit_tests?"
    ),
    (
      "unit_tests:\n  - name: t\n    given: []\n    expect: { totls: [] }",
      "tests/t.yaml:4:22: error: expect: there is no table totls; did you mean totals?"
    ),
    (
      "unit_tests:\n  - name: t\n    given: []\n    expect: { totals: [ { custmer: a } ] }",
      "tests/t.yaml:4:27: error: unknown key custmer in a row of totals; did you mean customer?"
    ),
    (
      "unit_tests:\n  - name: t\n    given: []\n    expect: { orders: [ { day: soon } ] }",
      "tests/t.yaml:4:32: error: day: \"soon\" is no date"
    ),
    (
      "unit_tests:\n  - name: t\n    given: [ { ingest: order, rows: [] } ]\n    expect: {}",
      "tests/t.yaml:3:24: error: there is no source order; did you mean orders?"
    ),
    (
      "unit_tests:\n  - name: t\n    given: [ { ingest: orders } ]\n    expect: {}",
      "tests/t.yaml:3:14: error: a step has rows: or file:, and not both"
    ),
    (
      "unit_tests:\n  - name: t\n    given: [ { replay: 1, rows: [] } ]\n    expect: {}",
      "tests/t.yaml:3:33: error: rows: says nothing beside replay:; remove it"
    ),
    (
      "unit_tests:\n  - name: t\n    given: [ { call: add_oder } ]\n    expect: {}",
      "tests/t.yaml:3:22: error: there is no procedure add_oder; did you mean add_order?"
    ),
    (
      "unit_tests:\n  - name: t\n    given: []\n    expect: { root_unchanged_by: [2] }",
      "tests/t.yaml:4:35: error: root_unchanged_by: there are the steps 1 to 0, not 2"
    ),
    (
      "unit_tests:\n  - name: t\n    at: tomorrow\n    given: []\n    expect: {}",
      "tests/t.yaml:3:9: error: at: is a time such as 2026-01-31 or 2026-01-31T10:00:00Z, not "
        + "tomorrow"
    ),
    (
      "unit_tests:\n  - name: t\n    given: [ { ingest: orders, rows: [], as: bob } ]\n"
        + "    expect: {}",
      "tests/t.yaml:3:46: error: as: is owner, public or role:NAME, not bob"
    ),
    (
      "unit_tests:\n  - name: t\n    given: [ { ingest: orders, file: tests/x.csv } ]\n"
        + "    expect: {}",
      "tests/t.yaml:3:38: error: there is no file tests/x.csv in the package"
    ),
  ])
  func `is held against the package, with places`(text: String, message: String) {
    let found = faults(text)
    #expect(found.contains { $0.hasPrefix(message) }, "\(found)")
  }

  @Test func `may leave no file beside it unread`() {
    let found = faults(
      "unit_tests:\n  - { name: t, given: [], expect: {} }", [("tests/rows.csv", "id\n")])
    #expect(found == ["tests/rows.csv: error: no step of a test reads this file"])
  }
}
