import SQL
import Testing

private let transactions = "{{ ref('slv_transactions') }}"
private let audit = "{{ ref('slv_audit') }}"
private let matches = "{{ ref('slv_matches') }}"

/// One column called x: where it should come from, whether it should be personal. Of a column of
/// slv_transactions the table is left out.
struct Traced: Sendable, CustomTestStringConvertible {
  let text: String
  var from: [String] = []
  var by: [String] = []
  var pii = false

  var testDescription: String { text }

  init(_ text: String, from: [String] = [], by: [String] = [], pii: Bool = false) {
    self.text = text
    self.from = from
    self.by = by
    self.pii = pii
  }
}

@Suite struct `The lineage of a result` {
  private static let ofWindows = [
    Traced(
      "select sum(amount) over (partition by customer_id order by value_date "
        + "range between 29 preceding and current row) as x from \(transactions)",
      from: ["amount"], by: ["customer_id", "value_date"]),
    Traced(
      "select sum(amount) over w as x from \(transactions) "
        + "window w as (partition by customer_id order by value_date)",
      from: ["amount"], by: ["customer_id", "value_date"]),
    Traced(
      "select sum(amount) over (w order by value_date) as x from \(transactions) "
        + "window w as (partition by customer_id)",
      from: ["amount"], by: ["customer_id", "value_date"]),
    Traced(
      "select row_number() over (order by transaction_id) as x from \(transactions)",
      by: ["transaction_id"]),
    Traced(
      "select rank() over (order by sum(amount)) as x from \(transactions) group by customer_id",
      by: ["amount"]),
    Traced(
      "with n as (select row_number() over (order by transaction_id) as k from \(transactions)) "
        + "select k + 1 as x from n",
      by: ["transaction_id"]),
    Traced(
      "select k as x from (select amount as k from \(transactions) union all "
        + "select sum(amount) over (order by value_date) as k from \(transactions)) as s",
      from: ["amount"], by: ["value_date"]),
  ]

  private static let ofAggregates = [
    Traced(
      "select sum(amount) filter (where customer_id = 'c') as x from \(transactions)",
      from: ["amount"], by: ["customer_id"]),
    Traced(
      "select list_sorted(customer_id, transaction_id) as x from \(transactions)",
      from: ["customer_id", "transaction_id"], pii: true),
    // What decides which rows there are is no column's own.
    Traced(
      "select max(t.amount) as x from \(transactions) t "
        + "join \(audit) a on a.transaction_id = t.transaction_id where t.side = 'BANK' "
        + "group by t.bank_id having count(*) > 1",
      from: ["amount"]),
  ]

  private static let ofInnerSelects = [
    Traced(
      "select exists (select 1 from \(audit) a where a.transaction_id = t.transaction_id) as x "
        + "from \(transactions) t",
      by: ["slv_audit.transaction_id", "transaction_id"]),
    Traced(
      "select (select max(a.at) from \(audit) a where a.transaction_id = t.transaction_id) as x "
        + "from \(transactions) t",
      from: ["slv_audit.at"], by: ["slv_audit.transaction_id", "transaction_id"]),
    Traced(
      "select bank_id in (select actor from \(audit) where action = 'seen') as x "
        + "from \(transactions)",
      from: ["slv_audit.actor", "bank_id"], by: ["slv_audit.action"]),
    Traced(
      "select (select max(m.match_rule) from \(matches) m "
        + "join \(audit) a on a.transaction_id = m.bank_transaction_id) as x",
      from: ["slv_matches.match_rule"],
      by: ["slv_audit.transaction_id", "slv_matches.bank_transaction_id"]),
    Traced(
      "select (select max(a.at) from \(transactions) t join \(audit) a using (transaction_id)) "
        + "as x",
      from: ["slv_audit.at"], by: ["slv_audit.transaction_id", "transaction_id"]),
    Traced(
      "select (select actor from \(audit) order by at, audit_id limit 1) as x",
      from: ["slv_audit.actor"], by: ["slv_audit.at", "slv_audit.audit_id"]),
    Traced(
      "with late as (select amount from \(transactions) where payment_status = 'Late') "
        + "select (select max(amount) from late) as x",
      from: ["amount"], by: ["payment_status"]),
    Traced(
      "select (select count(*) from json_each(json_array(t.customer_id))) as x "
        + "from \(transactions) t",
      by: ["customer_id"]),
    Traced(
      "select exists (select 1 from (select bank_id from \(transactions) "
        + "except select actor from \(audit)) as s) as x",
      by: ["slv_audit.actor", "bank_id"]),
  ]

  private static let personal = [
    "first_value(customer_id) over (order by transaction_id)",
    "last_value(customer_id) over (order by transaction_id)",
    "nth_value(customer_id, 2) over (order by transaction_id)",
    "lag(customer_id) over (order by transaction_id)",
    "lead(customer_id, 2, '') over (order by transaction_id)",
    "max(customer_id) over (order by transaction_id)",
  ].map {
    Traced(
      "select \($0) as x from \(transactions)", from: ["customer_id"], by: ["transaction_id"],
      pii: true)
  }

  private static let chosen = [
    "case when customer_id = 'c' then 1 else 0 end", "iif(customer_id = 'c', 1, 0)",
    "case customer_id when 'c' then 1 end", "customer_id in ('c', 'd')", "customer_id is null",
    "customer_id like 'c%'", "'cc' like customer_id", "'c%d' like 'c%%d' escape customer_id",
    "like('c%%d', 'c%d', customer_id)", "'c' between customer_id and 'd'",
    "coalesce(nullif(customer_id, 'c'), 'd')", "(select customer_id || '!')",
  ].map { Traced("select \($0) as x from \(transactions)", from: ["customer_id"], pii: true) }

  private static let moved = [
    Traced(
      "select j.value as x from \(transactions) t, json_each(json_array(t.customer_id)) j",
      from: ["customer_id"], pii: true),
    Traced(
      "with recursive n(a, b, i) as (select customer_id, 'c', 0 from \(transactions) "
        + "union all select b, a, i + 1 from n where i < 3) select b as x from n",
      from: ["customer_id"], pii: true),
    Traced(
      "select bank_id as x from \(transactions) union select customer_id from \(transactions)",
      from: ["bank_id", "customer_id"], pii: true),
  ]

  @Test(arguments: ofWindows + ofAggregates + ofInnerSelects + personal + chosen + moved)
  func `tells what values come from, and by what they are made`(traced: Traced) throws {
    let column = try #require(try Example.check(traced.text).columns.first)
    func named(_ lineage: [Lineage]) -> [String] {
      lineage.map { $0.table == "slv_transactions" ? $0.column : "\($0.table).\($0.column)" }
    }
    #expect(named(column.lineage) == traced.from)
    #expect(named(column.indirect.filter { !column.lineage.contains($0) }) == traced.by)
    #expect(column.pii == traced.pii)
  }

  /// Whoever may choose :p could find values by trying, wherever the choice comes to bear.
  @Test(arguments: [
    "with g as (select :p as customer_id) select t.transaction_id from \(transactions) t "
      + "join g using (customer_id)",
    "select transaction_id, customer_id = :p as hit from \(transactions) order by hit",
    "select transaction_id, customer_id = :p as hit from \(transactions) order by 2",
    "select count(*) as n from \(transactions) group by customer_id = :p",
    "select transaction_id, customer_id from \(transactions) intersect "
      + "select transaction_id, :p as customer_id from \(transactions)",
    "select t.transaction_id from \(transactions) t "
      + "cross join json_each(json_array(nullif(t.customer_id, :p)))",
    "select row_number() over (order by customer_id = :p, transaction_id) as n "
      + "from \(transactions)",
    "select count(*) filter (where customer_id = :p) as n from \(transactions)",
    "with recursive n(id, a, b, i) as (select transaction_id, customer_id, 'c', 0 "
      + "from \(transactions) union all select id, b, a, i + 1 from n where i < 3 and b = :p) "
      + "select id from n",
  ])
  func `weighs what is personal wherever rows depend on it`(text: String) throws {
    let checked = try Example.check(text, .query, parameters: [(name: "p", type: .text)])
    #expect(
      checked.weighed.contains(Lineage(table: "slv_transactions", column: "customer_id")))
  }
}
