import Pipelines
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

private func model(_ kind: Model.Kind, tests: [ModelTest]) -> Model {
  Model(
    name: "copies", layer: .silver, kind: kind, primaryKey: kind == .view ? [] : ["id"],
    refresh: kind == .incremental ? Refresh(by: ["id"]) : nil,
    sql: sql("select id, customer, amount, day from {{ source('orders') }}"), tests: tests)
}

private func prepared(_ model: Model) throws -> Subnet {
  let subnet = try Subnet()
  let receipt = try subnet.run(subnet.deploy(.shop(models: [model])))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  return subnet
}

@Suite struct `A test of a model` {
  @Test(arguments: [Model.Kind.view, .full, .incremental])
  func `does not take one null for a duplicate of another`(kind: Model.Kind) throws {
    let subnet = try prepared(
      model(kind, tests: [.unique(["day"]), .unique(["customer", "day"])]))
    let nulls = try subnet.run(subnet.ingest("orders", header + "a,anna,1,\nb,anna,1,\n"))
    #expect(nulls.status == .applied)
    try subnet.run(subnet.ingest("orders", header + "c,anna,1,2026-01-01\n"))
    let twice = try subnet.run(subnet.ingest("orders", header + "d,ben,1,2026-01-01\n"))
    #expect(twice.refusalCode == "TEST_FAILED")
    // A deploy looks at everything, and finds the same.
    let again = try subnet.run(
      subnet.deploy(.shop(version: "2", models: [model(kind, tests: [.unique(["day"])])])))
    #expect(again.status == .applied)
  }

  @Test(arguments: [Model.Kind.view, .full, .incremental])
  func `may be limited to changed rows`(kind: Model.Kind) throws {
    let test = ModelTest.custom(
      name: "no_debts", sql: sql("select c.id from {{ changed }} c where c.amount < 0"))
    let whole = ModelTest.custom(
      name: "no_debts", sql: sql("select c.id from {{ ref('copies') }} c where c.amount < 0"))
    let rows = header + (0..<500).map { "o\($0),anna,1.00,\n" }.joined()
    var steps: [UInt64] = []
    for test in [test, whole] {
      let subnet = try prepared(model(kind, tests: [test]))
      try subnet.run(subnet.ingest("orders", rows))
      steps.append(try subnet.run(subnet.ingest("orders", header + "p,ben,1,\n")).usage.steps)
      let bad = try subnet.run(subnet.ingest("orders", header + "q,ben,-1,\n"))
      #expect(bad.refusalCode == "TEST_FAILED")
      #expect(try subnet.rows("bronze_orders").count == 501)
    }
    if kind != .full { #expect(steps[0] * 10 < steps[1], "\(steps)") }
  }

  /// A row that another took the place of is nobody's fault.
  @Test(arguments: [Model.Kind.view, .incremental])
  func `of changed rows looks at them as they are after the update`(kind: Model.Kind) throws {
    var source = Source.orders(onDuplicate: .upsertIfNewer, version: "seen")
    source.columns.append(SourceColumn(name: "seen", type: .int, required: true))
    let customers = Model(
      name: "customers", layer: .silver, kind: .incremental, primaryKey: ["customer"],
      refresh: Refresh(by: ["customer"]),
      sql: sql("select customer, count(*) as n from {{ source('orders') }} group by customer"))
    let tested = model(
      kind,
      tests: [
        .custom(
          name: "known",
          sql: sql(
            "select c.id from {{ changed }} c left join {{ ref('customers') }} m "
              + "on m.customer = c.customer where m.customer is null or c.amount < 0"))
      ])
    let subnet = try Subnet()
    let deployed = try subnet.run(
      subnet.deploy(.shop(sources: [source], models: [customers, tested])))
    #expect(deployed.refusalText == nil)
    try subnet.fund()
    let header = "id,customer,amount,day,seen\n"
    for rows in ["a,anna,1,,1\n", "a,ben,1,,2\n", "a,carl,-1,,3\na,carl,1,,4\n"] {
      #expect(try subnet.run(subnet.ingest("orders", header + rows)).refusalText == nil)
    }
    let bad = try subnet.run(subnet.ingest("orders", header + "a,carl,1,,5\na,carl,-1,,6\n"))
    #expect(bad.refusalCode == "TEST_FAILED")
    #expect(try subnet.rows("bronze_orders", columns: "seen") == ["4"])
  }

  /// Tests are run when rows change.
  @Test(arguments: [
    [
      ModelTest.custom(
        name: "t", sql: sql("select id from {{ ref('copies') }} where day < consensus_date()"))
    ],
    [.custom(name: "t", sql: sql("select id from {{ changed }} where day < consensus_date()"))],
    [
      .custom(
        name: "t",
        sql: sql("select c.id from {{ ref('copies') }} c join {{ ref('again') }} d on d.id = c.id"))
    ],
    [.references(column: "id", model: "again")],
  ])
  func `may not change with time alone`(tests: [ModelTest]) throws {
    func view(_ name: String, _ text: String, _ tests: [ModelTest] = []) -> Model {
      Model(
        name: name, layer: .silver, kind: .view, primaryKey: ["id"], sql: sql(text), tests: tests)
    }
    func faults(_ models: [Model]) -> [PackageFault] {
      do {
        _ = try CheckedPackage(.shop(models: models))
        return []
      } catch { return error.list }
    }
    let due = view("due", "select id from {{ source('orders') }} where day < consensus_date()")
    let again = view("again", "select id from {{ ref('due') }}")
    #expect(faults([due, again, model(.full, tests: [])]) == [])
    let found = faults([due, again, model(.full, tests: tests)])
    #expect(found.count == 1)
    #expect(found.first?.message.contains("consensus_date()") == true, "\(found)")
    #expect(found.first?.message.contains("tests are run when rows change") == true)
    #expect(found.first?.fix?.contains("a query or a metric") == true)
    let own = view("again", "select id from {{ ref('due') }}", [.unique(["id"])])
    #expect(faults([due, own]).first?.message.contains("in the view due changes") == true)
  }

  @Test func `of changed rows looks at all of them when it is deployed`() throws {
    let test = ModelTest.custom(
      name: "no_debts", sql: sql("select id from {{ changed }} where amount < 0"))
    let subnet = try prepared(model(.incremental, tests: []))
    try subnet.run(subnet.ingest("orders", header + "a,anna,-1,\n"))
    let receipt = try subnet.run(
      subnet.deploy(.shop(version: "2", models: [model(.incremental, tests: [test])])))
    #expect(receipt.refusalCode == "TEST_FAILED")
  }

  @Test func `that warns is noted by its name`() throws {
    var named = ModelTest.custom(
      name: "no_debts", sql: sql("select id from {{ ref('copies') }} where amount < 0"))
    named.severity = .warn
    var listed = ModelTest.acceptedValues(column: "customer", values: ["anna"])
    listed.severity = .warn
    let subnet = try prepared(model(.incremental, tests: [named, listed]))
    let receipt = try subnet.run(subnet.ingest("orders", header + "a,ben,-1,\n"))
    #expect(
      receipt.notes.map(\.name) == ["copies.accepted_values(customer)", "copies.no_debts"])
  }
}
