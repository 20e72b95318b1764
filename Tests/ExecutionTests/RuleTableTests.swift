import CSQLite
import Pipelines
import Storage
import Testing
import Wire

@testable import Execution

@Suite struct `Every rule of deterministic SQL` {
  @Test func `from QD01 to QD48 is in the table`() {
    #expect(Set(Rule.all.map(\.number)).sorted() == Array(1...48))
  }

  @Test(arguments: Rule.all)
  func `refuses with its number, place and fix, and takes what is near`(rule: Rule) throws {
    try rule.accepted()
    let told = #expect(throws: Told.self) { try rule.refused() }
    #expect(told?.rule == rule.id, "\(told?.words ?? "")")
    let hasText = rule.gate == .parser || rule.gate == .lint
    if hasText { #expect(told?.hasPlaceAndFix == true, "\(told?.words ?? "")") }
  }

  @Test(arguments: [
    (
      "random()", "uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', id), which",
      "uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', id)"
    ),
    ("consensus_random('a')", "uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', id), which", "id"),
    ("date('now')", "a date that the rows carry, date_trunc('month', d)", "day"),
    ("current_date", "a date that the rows carry; or consensus_date() with kind: view", "day"),
    ("consensus_date()", "a date that the rows carry; or consensus_date() with kind: view", "day"),
    ("now()", "a timestamp that the rows carry; or consensus_time_ms() with kind: view", "day"),
  ])
  func `of time and chance advises a stored model to what it may store`(
    call: String, advice: String, stored: String
  ) throws {
    func model(_ column: String, _ kind: Model.Kind) -> Model {
      var model = Rule.model("select id, \(column) as x FROM")
      model.kind = kind
      return model
    }
    let told = #expect(throws: Told.self) {
      try Rule.check(.shop(models: [model(call, .full)]))
    }
    #expect(told?.words.contains("fix: \(advice)") == true, "\(told?.words ?? "")")
    try Rule.check(.shop(models: [model(stored, .full)]))
    guard !call.hasPrefix("consensus_") else { return }
    let viewed = #expect(throws: Told.self) {
      try Rule.check(.shop(models: [model(call, .view)]))
    }
    #expect(viewed?.words.contains("fix: consensus_") == true, "\(viewed?.words ?? "")")
  }

  /// QD16. Two kinds of tables have rowids. `ledger_heights` has its own integer key for one. Of
  /// `changed_…`, where an update stages rows that a refresh map reads, the rowids begin anew with
  /// each use, since it holds nothing outside of one; no text may name it, and no root holds it. A
  /// key of its own would be one more column to each statement that reads it, for nothing.
  @Test func `keeps no table whose rowids SQLite draws`() throws {
    let mapped = Model(
      name: "mapped", layer: .silver, kind: .incremental, primaryKey: ["id"],
      refresh: Refresh(
        by: ["id"],
        map: [UpstreamQuery(upstream: "orders", sql: sql("select c.id from {{ changed }} c"))]),
      sql: sql("select id, amount from {{ source('orders') }}"))
    let subnet = try Subnet()
    let receipt = try subnet.run(
      subnet.deploy(.shop(models: [Rule.model("select id, amount FROM"), mapped])))
    if case .refused(let refusal) = receipt.status { throw refusal }
    try subnet.fund()
    try subnet.run(subnet.ingest("orders", "id,customer,amount,day\na,anna,1.00,\n"))
    #expect(try subnet.rows("mapped") == ["a|100"])
    func withRowids(_ connection: Connection) throws -> [String] {
      let list = try connection.prepare(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND wr = 0 "
          + "AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name")
      var names: [String] = []
      while try list.step() { names.append(list.text(0)) }
      return names
    }
    let connection = try #require(subnet.executor.pipelines["shop"]).engine.connection
    #expect(try withRowids(connection) == ["changed_bronze_orders", "ledger_heights"])
    #expect(try connection.integer("SELECT count(*) FROM changed_bronze_orders") == 0)
    #expect(try withRowids(subnet.executor.system.engine.connection) == ["ledger_heights"])
    #expect(throws: Told.self) {
      try Rule.check("select rowid as id, 1 as x from changed_bronze_orders")
    }
  }
}
