import SQL
import Testing

@Suite struct `The lookups of a statement` {
  private static let audit = "{{ ref('slv_audit') }}"
  private static let transactions = "{{ ref('slv_transactions') }}"

  @Test(arguments: [
    // A join over shared names, and a filter by parameters.
    (
      "select a.audit_id from \(audit) a join \(transactions) t using (transaction_id) "
        + "where t.bank_id = :bank and :ref = t.match_ref",
      [
        "slv_audit(transaction_id)", "slv_transactions(transaction_id)",
        "slv_transactions(bank_id, match_ref)",
      ]
    ),
    // A join by ON: both sides, and nothing for an inequality.
    (
      "select a.audit_id from \(audit) a join \(transactions) t "
        + "on a.transaction_id = t.transaction_id and a.actor <> t.customer_id",
      ["slv_audit(transaction_id)", "slv_transactions(transaction_id)"]
    ),
    // What an expression hides, or OR leaves open, is found by a scan.
    (
      "select t.transaction_id from \(transactions) t "
        + "where upper(t.bank_id) = :bank or t.match_ref = :ref",
      []
    ),
  ])
  func `are the columns that equalities fix`(text: String, expected: [String]) throws {
    let query = try Example.check(
      text, parameters: [(name: "bank", type: .text), (name: "ref", type: .text)])
    #expect(
      query.lookups.map { "\($0.table)(\($0.columns.joined(separator: ", ")))" } == expected)
  }
}

@Suite struct `The texts that a statement compares columns with` {
  @Test func `are found wherever they stand`() throws {
    let transactions = "{{ ref('slv_transactions') }}"
    let query = try Example.check(
      """
      with b as (select transaction_id from \(transactions) where side in ('BANK', 'LEDGER'))
      select t.transaction_id, case t.payment_status when 'Late' then 1 else 0 end as late
      from \(transactions) t join b on b.transaction_id = t.transaction_id
      where t.currency <> 'CZK' and exists (
        select 1 from {{ ref('slv_matches') }} m
        where 'EXACT' = m.match_rule and m.bank_id = t.bank_id and m.match_ref = upper('x'))
      """)
    #expect(
      query.comparedTexts.map { "\($0.column) \($0.text)" }
        == ["side BANK", "side LEDGER", "payment_status Late", "currency CZK", "match_rule EXACT"])
  }
}

@Suite struct `The paths at which a statement looks into JSON` {
  private let events = TableShape(
    name: "bronze_events",
    columns: [ColumnShape(name: "id", type: .text), ColumnShape(name: "facts", type: .json)],
    keys: [["id"]])

  @Test(arguments: [
    ("json_extract(facts, '$.c', '$.d[0]')", ["facts $.c", "facts $.d[0]"]),
    ("facts ->> 'b'", ["facts $.\"b\""]),
    // The member that an arrow gives is looked into by the next.
    ("facts -> 'a' ->> '$.b'", ["facts $.\"a\"", "facts $.\"a\".b"]),
    ("json_type(facts -> '$.e', '$.f')", ["facts $.e", "facts $.e.f"]),
    // Which path is only known when it runs, or what is looked into is no column.
    ("json_extract(facts, '$.' || id)", []), ("json_extract('{\"a\":1}', '$.a')", []),
  ])
  func `are found by column`(expression: String, paths: [String]) throws {
    let query = try check(
      try parse(
        SQLText(
          file: "m.sql", text: "select id, \(expression) as x from {{ source('events') }}")),
      catalog: Catalog([.init(kind: .source, name: "events", shape: events)]), profile: .model)
    #expect(Set(query.extractedPaths.map { "\($0.column) \($0.path)" }) == Set(paths))
  }
}
