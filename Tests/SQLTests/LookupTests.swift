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
