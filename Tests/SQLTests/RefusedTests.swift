import SQL
import Testing

/// A statement with a hazard, and one near it without.
struct Hazard: Sendable, CustomTestStringConvertible {
  let rule: String
  let refused: String
  let accepted: String
  var profile = Profile.model
  var testDescription: String { "\(rule): \(refused)" }

  private static let rows = "from {{ ref('slv_transactions') }}"

  static let all: [Hazard] = [
    Hazard(
      rule: "QD01", refused: "select random() as x \(rows)",
      accepted: "select consensus_random('a') as x \(rows)"),
    Hazard(
      rule: "QD02", refused: "select date('now') as x \(rows)",
      accepted: "select consensus_date() as x \(rows)"),
    Hazard(
      rule: "QD02", refused: "select current_timestamp as x \(rows)",
      accepted: "select consensus_time_ms() as x \(rows)"),
    Hazard(
      rule: "QD04", refused: "select datetime(value_date, 'localtime') as x \(rows)",
      accepted: "select add_months(value_date, 1) as x \(rows)"),
    Hazard(
      rule: "QD03", refused: "create table t(a text default (random()))",
      accepted: "select 1 as a"),
    Hazard(
      rule: "QD05", refused: "select transaction_id \(rows) order by amount desc limit 10",
      accepted: "select transaction_id \(rows) order by amount desc, transaction_id limit 10"),
    Hazard(
      rule: "QD05", refused: "select transaction_id \(rows) limit 10",
      accepted: "select count(*) as n \(rows) limit 10"),
    Hazard(
      rule: "QD05",
      refused: "select (select amount \(rows) where bank_id = 'a') as x",
      accepted: "select (select amount \(rows) where transaction_id = 'a') as x"),
    Hazard(
      rule: "QD06",
      refused: "select row_number() over (partition by bank_id order by amount) as k \(rows)",
      accepted: "select rank() over (partition by bank_id order by amount) as k \(rows)"),
    Hazard(
      rule: "QD06",
      refused: "select sum(amount) over (order by value_date rows 2 preceding) as s \(rows)",
      accepted: "select sum(amount) over (order by value_date range 2 preceding) as s \(rows)"),
    Hazard(
      rule: "QD06",
      refused: "select lag(amount) over (order by value_date) as s \(rows)",
      accepted: "select lag(amount) over (order by value_date, transaction_id) as s \(rows)"),
    Hazard(
      rule: "QD07", refused: "select group_concat(side) as x \(rows)",
      accepted: "select list_sorted(side, transaction_id) as x \(rows)"),
    Hazard(
      rule: "QD07", refused: "select list_sorted(side, transaction_id, bank_id) as x \(rows)",
      accepted: "select list_sorted(side, transaction_id, ', ') as x \(rows)"),
    Hazard(
      rule: "SQL09",
      refused: "select list_sorted(side, transaction_id) over () as x \(rows)",
      accepted: "select list_sorted(side, transaction_id) as x \(rows)"),
    Hazard(
      rule: "SQL09", refused: "select list_sorted(distinct side, transaction_id) as x \(rows)",
      accepted: "select count(distinct side) as x \(rows)"),
    // '1' and '01' would both equal 1, so SQLite may leave out an ORDER BY that tells them apart.
    Hazard(
      rule: "QD23",
      refused: "select t.side \(rows) t cross join (select json_extract('[1]', '$[0]') as v) j "
        + "where j.v = t.bank_id",
      accepted: "select t.side \(rows) t cross join (select json_extract('[1]', '$[0]') as v) j "
        + "where cast(j.v as text) = t.bank_id"),
    Hazard(
      rule: "QD23", refused: "select side \(rows) where substr(amount, 2) = amount",
      accepted: "select side \(rows) where cast(substr(amount, 2) as integer) = amount"),
    // What is stored as 1 counts different things.
    Hazard(
      rule: "QD23",
      refused: "select t.side \(rows) t join {{ ref('slv_audit') }} a on a.at = t.value_date",
      accepted: "select t.side \(rows) t join {{ ref('slv_audit') }} a "
        + "on date_of(a.at) = t.value_date"),
    Hazard(
      rule: "QD23", refused: "select side \(rows) where amount in (select value_date \(rows))",
      accepted: "select side \(rows) where amount in (select -amount \(rows))"),
    Hazard(
      rule: "QD23",
      refused: "select side \(rows) a join (select amount * amount as amount \(rows)) b "
        + "using (amount)",
      accepted: "select side \(rows) a join (select amount * 2 as amount \(rows)) b "
        + "using (amount)"),
    Hazard(
      rule: "QD23", refused: "select exact(amount, mul_exact(amount, amount), '+') as x \(rows)",
      accepted: "select exact(amount, amount, mul_exact(amount, amount), '*+') as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select amount / (amount * amount) as x \(rows)",
      accepted: "select amount * amount / amount as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select max(amount, value_date) as x \(rows)",
      accepted: "select max(amount, 0) as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select case value_date when amount then 1 end as x \(rows)",
      accepted: "select case value_date when due_date then 1 end as x \(rows)"),
    Hazard(
      rule: "QD23",
      refused: "select lag(amount, 1, 'none') over (order by transaction_id) as x "
        + rows,
      accepted: "select lag(amount, 1, null) over (order by transaction_id) as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select side as x \(rows) union select amount \(rows)",
      accepted: "select side as x \(rows) union select cast(amount as text) \(rows)"),
    Hazard(
      rule: "QD23", refused: "select date_trunc('month', at) as x from {{ ref('slv_audit') }}",
      accepted: "select date_trunc('month', at / 86400000) as x from {{ ref('slv_audit') }}"),
    Hazard(
      rule: "QD23", refused: "select date_of(value_date) as x \(rows)",
      accepted: "select date_of(consensus_time_ms()) as x \(rows)"),
    Hazard(
      rule: "QD23",
      refused: "with recursive n(i) as (select amount \(rows) union select i * i from n) "
        + "select i from n",
      accepted: "with recursive n(i) as (select amount \(rows) union select i * 2 from n) "
        + "select i from n"),
    // What a step adds to 0 says what it counts.
    Hazard(
      rule: "QD23",
      refused: "with recursive n(i, d) as (select 1, 0 union select n.i + 1, t.amount "
        + "\(rows) t join n on n.i < 3) select i from n where d > (select max(amount * amount) "
        + "\(rows))",
      accepted: "with recursive n(i, d) as (select 1, 0 union select n.i + 1, t.amount "
        + "\(rows) t join n on n.i < 3) select i from n where d > (select max(amount) \(rows))"),
    Hazard(
      rule: "QD23",
      refused: "with recursive n(i, d) as (select 1, 0 union select n.i, t.amount \(rows) t "
        + "join n on n.i < 3 union select n.i, t.amount * t.amount \(rows) t "
        + "join n on n.i < 3) select i from n",
      accepted: "with recursive n(i, d) as (select 1, 0 union select n.i, t.amount \(rows) t "
        + "join n on n.i < 3 union select n.i, t.amount * 3 \(rows) t "
        + "join n on n.i < 3) select i from n"),
    Hazard(
      rule: "QD23",
      refused: "with recursive n(i, d) as (select 1, 1 union select n.i + 1, n.d * t.amount "
        + "\(rows) t join n on n.i < 3) select i from n",
      accepted: "with recursive n(i, d) as (select 1, 1 union select n.i + 1, "
        + "mul_div(n.d, t.amount, 100) \(rows) t join n on n.i < 3) select i from n"),
    Hazard(
      rule: "QD23", refused: "select side \(rows) where amount % 500 = amount * amount",
      accepted: "select side \(rows) where amount % 500 = amount"),
    Hazard(
      rule: "QD23", refused: "select amount + mul_div(3, amount * amount, 1) as x \(rows)",
      accepted: "select amount + mul_div(3, amount, 1) as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select mul_div(amount, 1000000, amount * amount) as x \(rows)",
      accepted: "select mul_div(amount, 1000000, amount) as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select mul_div(value_date, amount, 1) as x \(rows)",
      accepted: "select mul_div(value_date - due_date, amount, 1) as x \(rows)"),
    // A power of ten may move the point, or make a share of a million.
    Hazard(
      rule: "QD23", refused: "select 1000000 * amount / (amount * amount) as x \(rows)",
      accepted: "select 1000000 * (cast(amount as integer) * 100) / (amount * amount) as x "
        + rows),
    Hazard(
      rule: "QD23", refused: "select 1000000 * (amount * amount) / amount as x \(rows)",
      accepted: "select 1000000 * amount / amount as x \(rows)"),
    Hazard(
      rule: "QD23",
      refused: "with t as (select 1000000 * amount as x, amount * amount as y \(rows)) "
        + "select x / y as z from t",
      accepted: "with t as (select 1000000 * amount as x, amount as y \(rows)) "
        + "select x / y as z from t"),
    Hazard(
      rule: "QD23",
      refused: "select sum(-1000000 * amount) / sum(amount * amount) as x \(rows)",
      accepted: "select sum(-1000000 * amount) / sum(amount) as x \(rows)"),
    Hazard(
      rule: "QD23",
      refused: "select case when side = 'a' then 1000 * amount else 0 end / (amount * amount) "
        + "as x \(rows)",
      accepted: "select case when side = 'a' then 1000 * amount else 0 end / amount as x "
        + rows),
    Hazard(
      rule: "QD23", refused: "select value_date + due_date as x \(rows)",
      accepted: "select value_date - due_date as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select value_date + '2026-11-01' as x \(rows)",
      accepted: "select value_date - '2026-11-01' as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select value_date * amount as x \(rows)",
      accepted: "select value_date * 86400000 as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select add_months(value_date, amount) as x \(rows)",
      accepted: "select add_months(value_date, length(side)) as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select substr(side, value_date) as x \(rows)",
      accepted: "select substr(side, year(value_date)) as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select 7 % amount as x \(rows)",
      accepted: "select 7.00 % amount as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select side \(rows) where like('1%', amount)",
      accepted: "select side \(rows) where like('1%', cast(amount as text))"),
    Hazard(
      rule: "QD23", refused: "select side \(rows) where glob('2*', value_date)",
      accepted: "select side \(rows) where glob('2*', side)"),
    Hazard(
      rule: "QD23", refused: "select add_exact(amount, amount * amount) as x \(rows)",
      accepted: "select add_exact(amount, 1.00) as x \(rows)"),
    Hazard(
      rule: "QD23", refused: "select fmt_decimal(amount * amount, 2) as x \(rows)",
      accepted: "select fmt_decimal(amount, 2) as x \(rows)", profile: .query),
    Hazard(
      rule: "QD26", refused: "select min(reference ->> '$') as x \(rows)",
      accepted: "select min(json_array(1) ->> '$[0]') as x \(rows)"),
    Hazard(
      rule: "QD26",
      refused: "select cast(json_array(side) ->> '$[0]' ->> '$.b' as text) as x \(rows)",
      accepted: "select cast(json_array(side) -> '$[0]' ->> '$.b' as text) as x \(rows)"),
    Hazard(
      rule: "QD26", refused: "select json_type(value, '$.a') as x from json_each('[1]')",
      accepted: "select json_type('[1]', fullkey) as x from json_each('[1]')"),
    Hazard(
      rule: "QD26", refused: "select '{b:1}' ->> '$.b' as x",
      accepted: "select '{\"b\":-1}' ->> '$.b' as x"),
    Hazard(
      rule: "QD26", refused: "select '[99999999999999999999]' ->> '$[0]' as x",
      accepted: "select '[true,\"1.5\",{},[null]]' ->> '$[0]' as x"),
    Hazard(
      rule: "QD24", refused: "select char(0) as x \(rows)",
      accepted: "select char(233) as x \(rows)"),
    Hazard(
      rule: "QD24", refused: "select char(55296) as x \(rows)",
      accepted: "select char(128169) as x \(rows)"),
    Hazard(
      rule: "QD24", refused: "select cast(x'ff' as text) as x \(rows)",
      accepted: "select hex(x'ff') as x \(rows)"),
    Hazard(
      rule: "QD24", refused: "select 'a' || x'ff' as x \(rows)",
      accepted: "select 'a' || hex(x'ff') as x \(rows)"),
    Hazard(
      rule: "QD24", refused: "select lower(x'ff') as x \(rows)",
      accepted: "select lower('FF') as x \(rows)"),
    Hazard(
      rule: "QD41", refused: "select trim(side, reference) as x \(rows)",
      accepted: "select trim(side, ' .') as x \(rows)"),
    // SQLite lets a common table read one that comes after it.
    Hazard(
      rule: "SQL06",
      refused: "with y as (select max(side) as s \(rows)) select s, (with x as (select s from y), "
        + "y as (select min(side) as s \(rows)) select s from x) as x from y",
      accepted: "with y as (select max(side) as s \(rows)) select s, (with x as (select s from y), "
        + "z as (select min(side) as s \(rows)) select s from x) as x from y"),
    Hazard(
      rule: "SQL06",
      refused: "with t as (select 1 as a), b as (with t as (select 2 as a) select a from t) "
        + "select b.a from b cross join t",
      accepted: "with a as (with t as (select 1 as a) select a from t), b as (with t as "
        + "(select 2 as a) select a from t) select b.a from b cross join a"),
    Hazard(
      rule: "SQL06",
      refused: "with y as (select 0 as i) select n.i from (with y as (select 1 as i union "
        + "select i + 1 as i from y) select i from y) n cross join y",
      accepted: "with y as (select 0 as i) select n.i from (with z as (select 1 as i union "
        + "select i + 1 as i from y) select i from z) n cross join y"),
    // Its alias in an inner SELECT would be found first.
    Hazard(
      rule: "SQL06",
      refused: "select (select max(side) as b \(rows) where bank_id = b) as x "
        + "from (select 'a' as b)",
      accepted: "select (select max(side) as b \(rows) where bank_id = o.b) as x "
        + "from (select 'a' as b) o"),
    Hazard(
      rule: "QD08", refused: "select bank_id, amount \(rows) group by bank_id",
      accepted: "select bank_id, max(amount) as amount \(rows) group by bank_id"),
    Hazard(
      rule: "QD08", refused: "select max(amount) as a, transaction_id \(rows)",
      accepted: "select max(amount) as a, min(transaction_id) as t \(rows)"),
    Hazard(
      rule: "QD08",
      refused: "select bank_id, (select count(*) \(rows) o where o.amount > t.amount) as n "
        + "\(rows) t group by bank_id",
      accepted: "select bank_id, (select count(*) \(rows) o where o.bank_id > t.bank_id) as n "
        + "\(rows) t group by bank_id"),
    Hazard(
      rule: "QD09", refused: "insert into t select 1", accepted: "select 1 as a"),
    Hazard(
      rule: "QD10", refused: "update t set a = 1 from u", accepted: "select 1 as a"),
    Hazard(rule: "QD11", refused: "delete from t", accepted: "select 1 as a"),
    Hazard(rule: "QD12", refused: "delete from t limit 1", accepted: "select 1 as a"),
    Hazard(
      rule: "QD13", refused: "insert into t values (1) returning a", accepted: "select 1 as a"),
    Hazard(
      rule: "QD14", refused: "create trigger t after insert on u begin select 1; end",
      accepted: "select 1 as a"),
    Hazard(
      rule: "QD16", refused: "select rowid \(rows)", accepted: "select transaction_id \(rows)"),
    Hazard(
      rule: "QD17", refused: "create table t(a integer primary key autoincrement)",
      accepted: "select 1 as a"),
    Hazard(
      rule: "QD18", refused: "select last_insert_rowid() as x", accepted: "select 1 as x"),
    Hazard(
      rule: "QD19", refused: "select sqlite_version() as x", accepted: "select 1 as x"),
    Hazard(
      rule: "QD20", refused: "select 1.5 as x", accepted: "select 15 as x"),
    Hazard(
      rule: "QD20", refused: "select avg(amount) as x \(rows)",
      accepted: "select sum(amount) / count(*) as x \(rows)"),
    Hazard(
      rule: "QD20", refused: "select cast(amount as real) as x \(rows)",
      accepted: "select cast(amount as integer) as x \(rows)"),
    Hazard(rule: "QD21", refused: "select sqrt(4) as x", accepted: "select abs(-4) as x"),
    Hazard(
      rule: "QD25", refused: "select side \(rows) order by side collate nocase",
      accepted: "select side \(rows) order by side collate binary"),
    Hazard(
      rule: "QD26", refused: "select json_group_array(side) as x \(rows)",
      accepted: "select json_list_sorted(side, transaction_id) as x \(rows)"),
    Hazard(rule: "QD27", refused: "analyze", accepted: "select 1 as a"),
    Hazard(rule: "QD29", refused: "pragma user_version", accepted: "select 1 as a"),
    Hazard(
      rule: "QD29", refused: "select name from pragma_table_info('t')",
      accepted: "select value from json_each('[1]')"),
    Hazard(rule: "QD30", refused: "attach 'x' as y", accepted: "select 1 as a"),
    Hazard(rule: "QD31", refused: "explain select 1", accepted: "select 1 as a"),
    Hazard(
      rule: "QD32", refused: "select load_extension('x') as a", accepted: "select 1 as a"),
    Hazard(
      rule: "QD33", refused: "select name from sqlite_schema", accepted: "select 1 as a",
      profile: .adhoc),
    Hazard(rule: "QD34", refused: "create temp table t as select 1", accepted: "select 1 as a"),
    Hazard(rule: "QD35", refused: "alter table t add a", accepted: "select 1 as a"),
    Hazard(
      rule: "QD36",
      refused: "with recursive n(i) as (select 1 union all select i + 1 from n limit 9) "
        + "select i from n",
      accepted: "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) "
        + "select i from n"),
    Hazard(
      rule: "QD42", refused: "select \"nope\" as x \(rows)",
      accepted: "select \"side\" as x \(rows)"),
    Hazard(
      rule: "QD43", refused: "select :nope as x", accepted: "select 1 as x"),
    Hazard(
      rule: "QD48", refused: "select '1.5' + 1 as x",
      accepted: "select cast('1' as integer) + 1 as x"),
    Hazard(
      rule: "SQL07", refused: "select audit_id from {{ ref('hidden') }}",
      accepted: "select audit_id from {{ ref('slv_audit') }}"),
    Hazard(
      rule: "SQL05", refused: "select amont \(rows)", accepted: "select amount \(rows)"),
    Hazard(
      rule: "SQL05", refused: "select uper(side) as x \(rows)",
      accepted: "select upper(side) as x \(rows)"),
    Hazard(
      rule: "SQL06", refused: "select amount \(rows) a cross join {{ ref('slv_transactions') }} b",
      accepted: "select a.amount \(rows) a cross join {{ ref('slv_transactions') }} b"),
  ]
}

@Suite struct `A statement with a hazard` {
  @Test(arguments: Hazard.all)
  func `is refused by its rule, and the one near it is accepted`(hazard: Hazard) {
    #expect(Example.rules(hazard.refused, hazard.profile).contains(hazard.rule))
    #expect(Example.rules(hazard.accepted, hazard.profile) == [])
  }

  @Test func `is told with its place and a fix that can be pasted`() throws {
    let text = """
      select transaction_id, amount
      from {{ ref('slv_transactions') }}
      where side = 'LEDGER'
        order by amount desc limit 10
      """
    let thrown = #expect(throws: Diagnostics.self) { try Example.check(text) }
    #expect(
      thrown?.description == """
        model.sql:4:12: error QD05: LIMIT without a total order
          4 |     order by amount desc limit 10
            |              ^ two rows may tie on amount, and replicas could pick different ones
          fix: order by amount desc, transaction_id limit 10
        """)
  }

  @Test func `of decimals is mended where the argument is declared`() throws {
    let text = "select side from {{ ref('slv_transactions') }} where amount > :least"
    func list(_ scale: Int) throws -> [Diagnostic] {
      let least = (name: "least", type: SQLType.decimal(precision: 18, scale: scale))
      do { _ = try Example.check(text, .query, parameters: [least]) } catch let found as Diagnostics
      {
        return found.list
      }
      return []
    }
    #expect(try list(2).isEmpty)
    #expect(try list(4).map(\.rule) == ["QD23"])
    #expect(try list(4).map(\.fix) == ["declare the argument as decimal(18,2)"])
  }

  @Test(arguments: [
    ("amount > 100", "compares decimal(18,2) with 100", "100 is 1.00", "100.00, or 1.00 if"),
    ("amount in (0, -5)", "compares decimal(18,2) with -5", "-5 is -0.05", "-5.00, or -0.05 if"),
    ("amount + 1 > 0", "takes + of decimal(18,2) with 1", "1 is 0.01", "1.00, or 0.01 if"),
    ("coalesce(amount, 9) > 0", "mixes decimal(18,2) with 9", "9 is 0.09", "9.00, or 0.09 if"),
    (
      "amount > :least", "compares decimal(18,2) with an int", "100 is 1.00",
      "declare the argument as decimal(18,2)"
    ),
  ])
  func `of a decimal beside a whole number is told`(
    condition: String, message: String, reason: String, fix: String
  ) throws {
    func warnings(_ condition: String) throws -> [Diagnostic] {
      try Example.check(
        "select side from {{ ref('slv_transactions') }} where \(condition)", .query,
        parameters: [(name: "least", type: .integer)]
      ).warnings
    }
    let found = try #require(try warnings(condition).first)
    #expect(found.rule == "QD23" && found.message == message)
    #expect(found.reason.hasSuffix(reason), "\(found.reason)")
    #expect(found.fix?.hasPrefix(fix) == true, "\(found.fix ?? "")")
    let other = condition.replacing("amount", with: "cast(amount as integer)")
    #expect(try warnings(other).isEmpty)
  }

  private static let audit = "from {{ ref('slv_audit') }}"
  private static let shares = "from {{ ref('slv_transactions') }}"

  @Test(arguments: [
    (
      "select at - 30 as x \(audit)", "select at - 30 * 86400000 as x \(audit)",
      "30 * 86400000 for 30 days, or cast(30 as integer) if that is meant"
    ),
    (
      "select 86400 + at as x \(audit)", "select 86400000 + at as x \(audit)",
      "86400 * 86400000 for 86400 days, or cast(86400 as integer) if that is meant"
    ),
    (
      "select count(*) over (order by at range between 29 preceding and current row) as x "
        + audit,
      "select count(*) over (order by at range between 2505600000 preceding and current row) "
        + "as x \(audit)", "2505600000 for 29 days"
    ),
    (
      "select count(*) over (w range 7 preceding) as x \(audit) window w as (order by at)",
      "select count(*) over (w rows 7 preceding) as x \(audit) "
        + "window w as (order by at, audit_id)", "604800000 for 7 days"
    ),
    (
      "select count(*) over (order by amount range 5 preceding) as x \(shares)",
      "select count(*) over (order by amount range 5.00 preceding) as x \(shares)",
      "5.00, or 0.05 if that is meant"
    ),
    (
      "select 50 as x \(shares) union all select amount \(shares)",
      "select cast(5000 as integer) as x \(shares) union all select amount \(shares)",
      "cast(5000 as integer) for 50.00, cast(50 as integer) if 0.50 is meant"
    ),
    (
      "with t as (select 50 as least) select side \(shares) cross join t where amount > t.least",
      "with t as (select 0 as least) select side \(shares) cross join t where amount > t.least",
      "cast(5000 as integer) for 50.00, cast(50 as integer) if 0.50 is meant"
    ),
    (
      "select side \(shares) where amount > (select -5)",
      "select side \(shares) where amount > (select 0)",
      "cast(-500 as integer) for -5.00, cast(-5 as integer) if -0.05 is meant"
    ),
  ])
  func `of a bare number is noted, and refused where nobody reads notes`(
    noted: String, silent: String, fix: String
  ) throws {
    let found = try #require(try Example.check(noted).warnings.first)
    #expect(found.rule == "QD23" && found.fix == fix, "\(found)")
    #expect(try Example.check(silent).warnings.isEmpty)
    func typed(_ text: String) -> String {
      text.replacing("{{ ref('", with: "").replacing("') }}", with: "")
    }
    #expect(Example.rules(typed(noted), .adhoc, form: .adhoc) == ["QD23"])
    #expect(Example.rules(typed(silent), .adhoc, form: .adhoc) == [])
  }

  @Test func `of scales that a power of ten hides is told with its place and a fix`() throws {
    let text = "select 1000000 * amount / (amount * amount) as x from {{ ref('slv_transactions') }}"
    let thrown = #expect(throws: Diagnostics.self) { try Example.check(text) }
    let found = try #require(thrown?.list.first)
    #expect(found.place.column == 25 && found.message.hasPrefix("takes / of decimal(18,2)"))
    #expect(
      found.fix == "cast(… as integer) * 100 of the decimal(18,2), "
        + "cast(… as integer) of the decimal(18,4)")
  }

  @Test func `guesses the name that was meant`() {
    let thrown = #expect(throws: Diagnostics.self) {
      try Example.check("select amout from {{ ref('slv_transactions') }}")
    }
    #expect(thrown?.list.first?.fix == "amount")
  }

  @Test(arguments: [
    "select 1; drop table t", "select 1 -- and more", "select /* x */ 1",
    "select amount as \"a; drop table t\" from slv_transactions",
    "select \"side\" \" union select\" from slv_transactions", "select 1 union pragma x",
    "select 1;",
  ])
  func `cannot smuggle anything through an ad-hoc query`(text: String) {
    #expect(!Example.rules(text, .adhoc, form: .adhoc).isEmpty)
  }

  @Test func `nests only so deep, and never crashes`() {
    let deep = "select " + String(repeating: "(", count: 5_000) + "1"
    #expect(Example.rules(deep) == ["SQL03"])
    let chain = "select " + Array(repeating: "1", count: 5_000).joined(separator: "+") + " as x"
    #expect(Example.rules(chain) == ["SQL03"])
  }

  @Test(arguments: 0..<200)
  func `of random words is refused or accepted, never a crash`(seed: UInt64) {
    var state = seed &* 6_364_136_223_846_793_005 &+ 1
    func draw(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(count))
    }
    let words = [
      "select", "from", "where", "(", ")", ",", "*", "1", "'a'", "slv_transactions", "amount",
      "join", "on", "=", "group", "by", "order", "limit", "with", "as", "over", "partition",
      "case", "when", "then", "end", "union", "all", "not", "in", "is", "null", "between", "and",
      "{{ ref('slv_transactions') }}", ":p", "x'00'", "\"side\"", "count", "-", ".", "exists",
    ]
    let text = "select " + (0..<40).map { _ in words[draw(words.count)] }.joined(separator: " ")
    _ = Example.rules(text)
    _ = Example.rules(text, .adhoc, form: .adhoc)
  }
}
