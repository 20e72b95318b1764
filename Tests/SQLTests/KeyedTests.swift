import SQL
import Testing

private let transactions = "{{ ref('slv_transactions') }}"
private let lifecycle = "{{ ref('slv_lifecycle') }}"

private func refusals(
  _ text: String, by: [String], scope: String? = nil
) throws -> [Diagnostic] {
  let scopes = try scope.map { text in
    let query = try Example.check(text, parameters: by.map { ($0, SQLType.text) })
    return [(table: "slv_lifecycle", query: query)]
  }
  return try Example.check(text).refusals(
    keyedBy: KeyedTables(by: by, restricted: ["slv_transactions"], scopes: scopes ?? []))
}

@Suite struct `A keyed statement` {
  @Test func `names the place, the reason and a fix`() throws {
    let text = """
      select transaction_id, customer_id,
             row_number() over (partition by customer_id order by transaction_id) as nth
      from \(transactions)
      """
    let found = try refusals(text, by: ["transaction_id"])
    #expect(
      found.map(\.description) == [
        """
        model.sql:2:8: error SQL11: row_number() over rows of several keys
          2 |          row_number() over (partition by customer_id order by transaction_id) as nth
            |          ^ for one key (transaction_id) only the rows of that key are read
          fix: partition by transaction_id, …, or refresh: { by: [customer_id] }
        """
      ])
  }

  private static let stages =
    "with s as (select transaction_id, max(seq) as seq from \(lifecycle) group by transaction_id) "
    + "select t.transaction_id, t.bank_id, s.seq from \(transactions) t "
  private static let scope =
    "select l.transaction_id, l.seq, l.stage, l.at from \(lifecycle) l "
    + "join \(transactions) t using (transaction_id) where t.bank_id = :bank_id"

  @Test func `may join what a scope takes by the columns it takes it by`() throws {
    let text = Self.stages + "left join s on s.transaction_id = t.transaction_id"
    #expect(try refusals(text, by: ["bank_id"], scope: Self.scope).isEmpty)
  }

  @Test(arguments: [
    // Not tied by the scope's columns, grouped by others, or numbered over all.
    stages + "join s on s.seq = 1",
    "select t.transaction_id, t.bank_id, s.n from \(transactions) t join (select stage, "
      + "count(*) as n from \(lifecycle) group by stage) s on s.stage = t.side",
    "select t.transaction_id, t.bank_id, (select max(seq) from \(lifecycle)) as n "
      + "from \(transactions) t",
    "select transaction_id, seq, count(*) over () as n from \(lifecycle)",
  ])
  func `may not use it otherwise`(text: String) throws {
    #expect(try refusals(text, by: ["bank_id"], scope: Self.scope).map(\.rule) == ["SQL11"])
  }

  @Test func `tells a scope that takes its own key from others`() throws {
    func query(_ text: String) throws -> CheckedQuery {
      try Example.check(text, parameters: [("transaction_id", .text)])
    }
    let columns = "transaction_id, seq, stage, at"
    let own = try query(
      "select \(columns) from \(lifecycle) where transaction_id = :transaction_id")
    #expect(own.takesOwnKey(of: Example.stages, by: ["transaction_id"]))
    #expect(!own.mayRepeatRows(of: Example.stages))
    let fewer = try query(
      "select \(columns) from \(lifecycle) where transaction_id = :transaction_id and seq > 1")
    #expect(!fewer.takesOwnKey(of: Example.stages, by: ["transaction_id"]))
    let twice = try query(
      "select l.transaction_id, l.seq, l.stage, l.at from \(lifecycle) l "
        + "join {{ ref('slv_audit') }} a on a.transaction_id = l.transaction_id "
        + "where a.transaction_id = :transaction_id")
    #expect(twice.mayRepeatRows(of: Example.stages))
  }
}
