/// SQL that would let replicas differ, as people send it: in a package, and typed.
struct BadSQL: Sendable {
  /// The rule of deterministic-sql.md that refuses it.
  let rule: String
  /// As the SELECT of a model; nil where only typed SQL can break the rule.
  var model: String?
  /// As an ad-hoc query; nil where only a model can.
  var typed: String?
  /// Only what `f + 1` replicas are to agree on is refused.
  var onlyAtQuorum = false

  private static let source = "{{ source('orders') }}"

  /// The same text in both places, `FROM` standing for the table.
  private static func both(_ rule: String, _ text: String, onlyAtQuorum: Bool = false) -> BadSQL {
    BadSQL(
      rule: rule, model: text.replacing("FROM", with: "from \(source)"),
      typed: text.replacing("FROM", with: "from orders"), onlyAtQuorum: onlyAtQuorum)
  }

  /// Every rule of kind D that a text can break.
  static let all: [BadSQL] = selects + statements

  private static let selects: [BadSQL] = [
    both("QD01", "select id, random() as amount FROM"),
    both("QD02", "select id, date('now') as amount FROM"),
    both("QD02", "select id, current_timestamp as amount FROM"),
    both("QD04", "select id, datetime(day, 'localtime') as amount FROM"),
    both("QD05", "select id, amount FROM order by amount limit 1"),
    both("QD05", "select id, amount FROM limit 1 offset 1"),
    both("QD06", "select id, row_number() over (order by amount) as amount FROM"),
    both("QD06", "select id, sum(amount) over (order by day rows 2 preceding) as amount FROM"),
    both("QD07", "select group_concat(id) as id, 1 as amount FROM"),
    both("QD08", "select customer as id, amount FROM group by customer"),
    both("QD16", "select rowid as id, amount FROM"),
    both("QD17", "select seq as id, 1 as amount from sqlite_sequence"),
    both("QD18", "select id, changes() as amount FROM"),
    both("QD19", "select id, sqlite_version() as amount FROM"),
    both("QD20", "select id, length(id) * 1.5 as amount FROM", onlyAtQuorum: true),
    both("QD20", "select id, avg(length(id)) as amount FROM group by id", onlyAtQuorum: true),
    both("QD20", "select id, avg(amount) as amount FROM group by id"),
    both("QD21", "select id, sqrt(amount) as amount FROM"),
    both("QD25", "select id, amount FROM order by customer collate nocase"),
    both("QD26", "select json_group_array(id) as id, 1 as amount FROM"),
    both("QD27", "select tbl as id, 1 as amount from sqlite_stat1"),
    both("QD29", "select name as id, 1 as amount from pragma_table_info('orders')"),
    both("QD33", "select name as id, 1 as amount from sqlite_schema"),
    both("QD33", "select name as id, 1 as amount from dbstat"),
    both("QD46", "select id, amount FROM indexed by bronze_orders_i1"),
    BadSQL(rule: "QD48", model: "select id, customer + 1 as amount from \(source)"),
  ]

  private static let statements: [BadSQL] = [
    both("QD03", "create table t(a text default (random()))"),
    both("QD09", "insert into bronze_orders select * from bronze_orders"),
    both("QD09", "replace into bronze_orders values ('a', 'b', 1, 1)"),
    both("QD12", "delete from bronze_orders limit 1"),
    both("QD13", "insert into bronze_orders values ('a') returning id"),
    both("QD27", "analyze"),
    both("QD27", "pragma optimize"),
    both("QD29", "pragma user_version"),
    both("QD30", "attach 'x.sqlite' as y"),
    both("QD30", "vacuum"),
    both("QD30", "begin"),
    both("QD33", "create virtual table v using fts5(a)"),
    both("QD34", "create temp table t as select 1"),
    both("QD35", "alter table bronze_orders add b"),
    both("QD37", "pragma max_page_count = 1"),
    both("QD38", "pragma busy_timeout = 1"),
    both("QD39", "pragma threads = 4"),
    both("QD46", "create index i on bronze_orders(day)"),
  ]

  /// What a name, a quoted one above all, may try to carry past the parser.
  static let smuggled: [String] = [
    "select id as \"x union select name from sqlite_schema\" from orders",
    "select id as \"x; drop table bronze_orders\" from orders",
    "select id as \"x -- y\" from orders",
    "select id as \"x /* y */\" from orders",
    "select id as \"pragma user_version\" from orders",
    "select id as \"attach 'x' as y\" from orders",
    "select id from \"orders union select name from sqlite_schema\"",
    "select id from [orders; pragma user_version]",
    "select id from `orders -- `",
    "select id from main.orders",
    "select id from orders; pragma user_version",
    "select id from orders -- and more",
    "select id from orders /* and */ where 1",
    "select id from orders union select name from sqlite_schema",
    "select id from orders union pragma user_version",
    "select id from orders where id = 'a' union attach 'x' as y",
    "select id from orders\u{0}; pragma user_version",
  ]

  /// Names that no package may give to anything.
  static let names: [String] = [
    "x union select name from sqlite_schema", "x; drop table bronze_orders", "x -- y", "x /* y */",
    "pragma user_version", "attach 'x' as y", "x\"", "x'", "sqlite_x", "",
  ]
}
