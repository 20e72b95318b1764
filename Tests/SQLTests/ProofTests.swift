import SQL
import Testing

/// A statement that would let replicas differ by a way around the plain rules, and its neighbour.
struct Detour: Sendable, CustomTestStringConvertible {
  let name: String
  let rule: String
  let refused: String
  let accepted: String
  var profile = Profile.model
  var testDescription: String { name }

  private static let rows = "from {{ ref('slv_transactions') }}"
  private static let stages = "{{ ref('slv_lifecycle') }}"

  static let all: [Detour] = orders + groups + values

  static let orders: [Detour] = [
    Detour(
      name: "DISTINCT ordered by what is not shown", rule: "QD05",
      refused: "select distinct bank_id \(rows) order by transaction_id limit 3",
      accepted: "select distinct bank_id \(rows) order by bank_id limit 3"),
    Detour(
      name: "a join over values of different families", rule: "QD23",
      refused: "select t.transaction_id \(rows) t join \(stages) s on s.transaction_id = "
        + "t.amount and s.seq = 1 order by t.transaction_id limit 3",
      accepted: "select t.transaction_id \(rows) t join \(stages) s on s.transaction_id = "
        + "t.transaction_id and s.seq = 1 order by t.transaction_id limit 3"),
    Detour(
      name: "a join that leaves a part of the key open", rule: "QD05",
      refused: "select t.transaction_id \(rows) t join \(stages) s using (transaction_id) "
        + "order by t.transaction_id limit 3",
      accepted: "select t.transaction_id, s.seq \(rows) t join \(stages) s using (transaction_id) "
        + "order by t.transaction_id, s.seq limit 3"),
    Detour(
      name: "an OR that fixes nothing", rule: "QD05",
      refused: "select seq from \(stages) where transaction_id = 'a' or seq = 1 "
        + "order by seq limit 1",
      accepted: "select seq from \(stages) where transaction_id = 'a' and stage = 'b' "
        + "order by seq limit 1"),
    Detour(
      name: "a condition of a LEFT JOIN that fixes nothing of the left", rule: "QD05",
      refused: "select s.seq from \(stages) s left join \(stages) o on s.transaction_id = 'a' "
        + "and o.transaction_id = s.transaction_id and o.seq = 1 order by s.seq limit 1",
      accepted: "select s.seq from \(stages) s left join \(stages) o on "
        + "o.transaction_id = s.transaction_id and o.seq = 1 where s.transaction_id = 'a' "
        + "order by s.seq limit 1"),
    Detour(
      name: "a single row that a LEFT JOIN finds for some only", rule: "QD05",
      refused: "select o.m from \(stages) s left join (select max(seq) as m from \(stages)) o "
        + "on o.m = s.seq group by o.m limit 1",
      accepted: "select o.m from \(stages) s left join (select max(seq) as m from \(stages)) o "
        + "on o.m = s.seq group by o.m order by o.m limit 1"),
    Detour(
      name: "a numbering whose partition a named window hides", rule: "QD05",
      refused: "select k from (select row_number() over w as k \(rows) window p as (partition by "
        + "bank_id), w as (p order by transaction_id)) order by k limit 3",
      accepted: "select b, k from (select bank_id as b, row_number() over w as k \(rows) window p "
        + "as (partition by bank_id), w as (p order by transaction_id)) order by b, k limit 3"),
    Detour(
      name: "rows of a UNION ALL", rule: "QD05",
      refused: "select transaction_id \(rows) union all select transaction_id from \(stages) "
        + "order by transaction_id limit 3",
      accepted: "select transaction_id \(rows) union select transaction_id from \(stages) "
        + "order by transaction_id limit 3"),
    Detour(
      name: "an order inside of a recursion", rule: "QD36",
      refused: "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9 "
        + "order by 1) select i from n",
      accepted: "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) "
        + "select i from n order by 1"),
    Detour(
      name: "a LIMIT by a SELECT", rule: "SQL04",
      refused: "select transaction_id \(rows) order by 1 limit (select count(*) \(rows))",
      accepted: "select transaction_id \(rows) order by 1 limit {{ var('date_tolerance_days') }}"),
    Detour(
      name: "a frame by a function", rule: "SQL04",
      refused: "select sum(amount) over (order by value_date range random() preceding) as s "
        + "\(rows)",
      accepted: "select sum(amount) over (order by value_date range 3 preceding) as s \(rows)"),
    Detour(
      name: "a value out of LIMIT -1", rule: "QD05",
      refused: "select (select amount \(rows) order by amount limit -1) as x",
      accepted: "select (select amount \(rows) order by transaction_id limit 1) as x"),
  ]

  static let groups: [Detour] = [
    Detour(
      name: "a bare column in a named window", rule: "QD08",
      refused: "select bank_id, rank() over w as k \(rows) group by bank_id "
        + "window w as (order by amount)",
      accepted: "select bank_id, rank() over w as k \(rows) group by bank_id "
        + "window w as (order by bank_id)"),
    Detour(
      name: "a column that the groups do not determine", rule: "QD08",
      refused: "select bank_id, side \(rows) group by bank_id",
      accepted: "select transaction_id, side \(rows) group by transaction_id"),
    Detour(
      name: "an aggregate that SQLite would compute outside", rule: "SQL09",
      refused: "select t.side as side, (select max(t.amount) from \(stages) s) as m \(rows) t",
      accepted: "select t.side as side, (select max(s.seq) from \(stages) s) as m \(rows) t"),
    Detour(
      name: "HAVING of a SELECT that aggregates nothing", rule: "SQL09",
      refused: "select 2 as x \(rows) having count(*) > 1",
      accepted: "select count(*) as x \(rows) having count(*) > 1"),
    Detour(
      name: "GROUP BY a place that is none", rule: "SQL05",
      refused: "select side \(rows) group by 2",
      accepted: "select side \(rows) group by 1"),
    Detour(
      name: "a place that a variable hides", rule: "SQL05",
      refused: "select transaction_id, bank_id, side \(rows) "
        + "order by {{ var('date_tolerance_days') }}, transaction_id limit 5",
      accepted: "select transaction_id, bank_id, side \(rows) "
        + "order by length(side) + {{ var('date_tolerance_days') }}, transaction_id limit 5"),
    Detour(
      name: "a place that a sign hides", rule: "SQL05",
      refused: "select side, count(*) as n \(rows) group by side order by +2, -(+1)",
      accepted: "select side, count(*) as n \(rows) group by side order by 2, 1"),
    Detour(
      name: "a place that TRUE hides", rule: "SQL05",
      refused: "select transaction_id \(rows) union select side \(rows) order by true",
      accepted: "select transaction_id \(rows) union select side \(rows) order by 1"),
    Detour(
      name: "a place that an alias hides", rule: "SQL05",
      refused: "select {{ var('date_tolerance_days') }} as d, side \(rows) group by d, side",
      accepted: "select {{ var('date_tolerance_days') }} as d, side \(rows) group by side"),
    Detour(
      name: "an aggregate of outer columns that a SELECT hides", rule: "SQL09",
      refused: "select (select max((select t.bank_id as v)) from \(stages) s "
        + "where s.transaction_id = t.transaction_id) as x \(rows) t",
      accepted: "select (select max((select s.stage || t.bank_id as v)) from \(stages) s "
        + "where s.transaction_id = t.transaction_id) as x \(rows) t"),
    Detour(
      name: "an aggregate whose FILTER alone looks outside", rule: "SQL09",
      refused: "select (select count(*) filter (where exists (select 1 where t.bank_id = 'a')) "
        + "from \(stages) s) as x \(rows) t",
      accepted: "select (select count(*) filter (where exists (select 1 where s.stage = 'a')) "
        + "from \(stages) s) as x \(rows) t"),
    Detour(
      name: "an aggregate in ORDER BY alone", rule: "SQL09",
      refused: "select side \(rows) order by max(amount)",
      accepted: "select max(side) as side \(rows) order by max(amount)"),
  ]

  static let values: [Detour] = [
    Detour(
      name: "an equality of a text and an integer column", rule: "QD23",
      refused: "select (select max(transaction_id) \(rows) t where t.transaction_id = s.seq) as x "
        + "from \(stages) s",
      accepted: "select (select max(transaction_id) \(rows) t where t.transaction_id = "
        + "cast(s.seq as text)) as x from \(stages) s"),
    Detour(
      name: "a text column in a list of integers", rule: "QD23",
      refused: "select side \(rows) where side in (select seq from \(stages))",
      accepted: "select side \(rows) where side in (select stage from \(stages))"),
    Detour(
      name: "a number out of JSON", rule: "QD48",
      refused: "select json_extract('{\"a\":1}', '$.a') + 1 as x",
      accepted: "select cast(json_extract('{\"a\":1}', '$.a') as integer) + 1 as x"),
    Detour(
      name: "a number out of text that IIF hides", rule: "QD48",
      refused: "select iif(amount > 0, 1, '1.5') + 1 as x \(rows)",
      accepted: "select iif(amount > 0, 1, 15) + 1 as x \(rows)"),
    Detour(
      name: "a number out of text that LAG hides", rule: "QD48",
      refused: "select lag(amount, 1, '1.5') over (order by transaction_id) + 1 as x \(rows)",
      accepted: "select lag(amount, 1, 0) over (order by transaction_id) + 1 as x \(rows)"),
    Detour(
      name: "a sum of text", rule: "QD48", refused: "select sum(side) as x \(rows)",
      accepted: "select sum(amount) as x \(rows)"),
    Detour(
      name: "JSON out of text", rule: "QD26",
      refused: "select json_extract(side, '$.a') as x \(rows)",
      accepted: "select json_type('[1]') as x \(rows)"),
    Detour(
      name: "a recursion that changes its types", rule: "QD23",
      refused: "with recursive n(i) as (select 1 union all select 'a' from n where i < 9) "
        + "select i from n",
      accepted: "with recursive n(i) as (select 1 union all select 2 from n where i < 0) "
        + "select i from n"),
    Detour(
      name: "an element's place in SQLite's parse of JSON", rule: "SQL05",
      refused: "select id from json_each('[1]')", accepted: "select key from json_each('[1]')"),
    Detour(
      name: "a common table that reaches around itself", rule: "SQL05",
      refused: "select (with c as (select t.amount as a) select max(a) from c) as x \(rows) t",
      accepted: "select (select max(a) from (select t.amount as a) c) as x \(rows) t"),
    Detour(
      name: "sqlite_sequence", rule: "QD17", refused: "select seq from sqlite_sequence",
      accepted: "select seq from slv_lifecycle", profile: .adhoc),
    Detour(
      name: "sqlite_stat1", rule: "QD27", refused: "select tbl from sqlite_stat1",
      accepted: "select stage from slv_lifecycle", profile: .adhoc),
  ]
}

@Suite struct `A way around the rules` {
  @Test(arguments: Detour.all)
  func `is closed, and its neighbour is open`(detour: Detour) {
    #expect(Example.rules(detour.refused, detour.profile).contains(detour.rule))
    #expect(Example.rules(detour.accepted, detour.profile) == [])
  }

  @Test func `of too few columns on one side never crashes`() {
    let text = "select a, b from (select 1 as a, 2 as b) except select 1 order by 1 limit 1"
    #expect(Example.rules(text).contains("SQL06"))
  }
}

@Suite struct `A star` {
  @Test func `is printed as the columns that the catalog tells of`() throws {
    let checked = try Example.check("select s.* from {{ ref('slv_lifecycle') }} s")
    #expect(
      checked.print()
        == "SELECT \"s\".\"transaction_id\" AS \"transaction_id\", \"s\".\"seq\" AS \"seq\", "
        + "\"s\".\"stage\" AS \"stage\", \"s\".\"at\" AS \"at\" FROM \"slv_lifecycle\" AS \"s\"")
    #expect(checked.keys == [["transaction_id", "seq"]])
  }

  @Test func `names each column once in an ad-hoc join`() throws {
    let checked = try Example.check(
      "select * from slv_lifecycle a join slv_lifecycle b on b.seq = a.seq", .adhoc, form: .adhoc)
    #expect(Set(checked.columns.map(\.name)).count == 8)
  }
}

@Suite struct `A long chain` {
  @Test func `opens one parenthesis, for SQLite's parser is shallow`() throws {
    let chain = Array(repeating: "side <> 'x'", count: 90).joined(separator: " and ")
    let printed = try Example.check(
      "select side from {{ ref('slv_transactions') }} where \(chain)"
    ).print()
    #expect(!printed.contains("(((("))
    let again = try Example.check(printed, .adhoc, form: .adhoc).print()
    #expect(printed == again)
  }
}
