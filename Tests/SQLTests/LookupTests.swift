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
