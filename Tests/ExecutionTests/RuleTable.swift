import Pipelines
import Testing
import Wire

@testable import Execution

/// What a gate said when it refused.
struct Told: Error {
  /// `QD05`
  let rule: String
  /// Everything that the user reads.
  let words: String
  /// Where in the text it is, and how to mend it; only where there is a text.
  var hasPlaceAndFix = false
}

/// One rule of deterministic-sql.md at the gate that meets it first, and a neighbour of what is
/// refused that goes through.
struct Rule: Sendable, CustomTestStringConvertible {
  enum Gate: String, Sendable { case parser, lint, engine, ingest, source }

  let number: Int
  let gate: Gate
  let what: String
  /// Throws `Told` when it is refused.
  let refused: @Sendable () throws -> Void
  let accepted: @Sendable () throws -> Void

  var id: String { "QD" + (number < 10 ? "0" : "") + String(number) }
  var testDescription: String { "\(id) at the \(gate.rawValue): \(what)" }

  /// A model's SELECT; `FROM` stands for the source, which has id, customer, amount and day.
  static func text(_ number: Int, _ refused: String, _ accepted: String) -> Rule {
    Rule(
      number: number, gate: .parser, what: refused, refused: { try check(refused) },
      accepted: { try check(accepted) })
  }

  /// A text beside a package in which the same wish is granted by its YAML.
  static func text(
    _ number: Int, _ refused: String, _ package: @autoclosure @escaping @Sendable () -> Package
  ) -> Rule {
    Rule(
      number: number, gate: .parser, what: refused, refused: { try check(refused) },
      accepted: { try check(package()) })
  }

  static func model(_ text: String, named name: String = "m") -> Model {
    Model(
      name: name, layer: .silver, kind: .full, primaryKey: ["id"],
      sql: SQLScript(text.replacing("FROM", with: "from {{ source('orders') }}"), file: "m.sql"))
  }

  static func check(_ text: String) throws {
    var model = model(text)
    // What a table stores may not change with time alone.
    if text.contains("consensus_") { model.kind = .view }
    try check(.shop(models: [model]))
  }

  static func check(_ package: Package) throws {
    do { _ = try CheckedPackage(package) } catch {
      guard let fault = error.list.first(where: { !$0.rule.isEmpty }) ?? error.list.first else {
        return
      }
      let isWhole = fault.line > 0 && fault.column > 0 && fault.excerpt != nil && fault.fix != nil
      throw Told(rule: fault.rule, words: "\(error)", hasPlaceAndFix: isWhole)
    }
  }

  /// Deploys a model and takes a batch in, which is where some rules are met.
  static func run(
    _ select: String, rows: String = "a,anna,1.00,\nb,anna,2.00,\n", source: Source = .orders()
  ) throws -> Receipt {
    let header = source.columns.map(\.name).joined(separator: ",") + "\n"
    let subnet = try Subnet()
    let deploy = try subnet.run(
      subnet.deploy(.shop(sources: [source], models: [model(select)])))
    if case .refused(let refusal) = deploy.status { throw refusal }
    try subnet.fund()
    return try subnet.run(subnet.ingest("orders", header + rows))
  }

  static func told(_ receipt: Receipt) throws {
    guard case .refused(let refusal) = receipt.status else { return }
    throw Told(refusal)
  }
}

extension Told {
  /// The rule is the one that the words name.
  init(_ words: String) {
    let rule = words.firstMatch(of: #/QD[0-9]{2}/#).map { String($0.output) }
    self.init(rule: rule ?? "", words: words)
  }

  /// The rule is the code; a code that says what happened has the rule in its words.
  init(_ refusal: Refusal) {
    self.init(refusal.message)
    if refusal.code.hasPrefix("QD") { self = Told(rule: refusal.code, words: words) }
  }
}

extension Rule {
  static let all: [Rule] =
    calls + orders + writes + values + statements + batches + machine + source

  private static let calls: [Rule] = [
    text(1, "select id, random() as x FROM", "select id, consensus_random('a') as x FROM"),
    text(
      1, "select id, randomblob(8) as x FROM",
      "select id, uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', id) as x FROM"),
    text(
      2, "select id, date(day) as x FROM", "select id, date_trunc('month', day) as x FROM"),
    text(2, "select id, date('now') as x FROM", "select id, consensus_date() as x FROM"),
    text(2, "select id, strftime('%Y') as x FROM", "select id, year(day) as x FROM"),
    text(
      4, "select id, datetime(day, 'localtime') as x FROM",
      "select id, add_months(day, 1) as x FROM"),
    text(
      7, "select customer as id, group_concat(id) as x FROM group by customer",
      "select customer as id, list_sorted(id, id) as x FROM group by customer"),
    text(18, "select id, changes() as x FROM", "select id, count(*) over () as x FROM"),
    text(19, "select id, sqlite_version() as x FROM", "select id, typeof(amount) as x FROM"),
    text(
      20, "select id, amount * 1.5 as x FROM",
      "select id, mul_div(amount, 3, 2, 'half_even') as x FROM"),
    text(
      20, "select customer as id, avg(amount) as x FROM group by customer",
      "select customer as id, sum(amount) / count(*) as x FROM group by customer"),
    text(21, "select id, sqrt(amount) as x FROM", "select id, abs(amount) as x FROM"),
    text(
      26, "select customer as id, json_group_array(id) as x FROM group by customer",
      "select customer as id, json_list_sorted(id, id) as x FROM group by customer"),
    text(32, "select id, load_extension('x') as x FROM", "select id, hex(customer) as x FROM"),
    text(41, "select id, printf('%1000000s', id) as x FROM", "select id, id || id as x FROM"),
    text(41, "select id, zeroblob(1000000) as x FROM", "select id, x'0000' as x FROM"),
    text(
      41, "select id, 1 as x FROM where id like '" + String(repeating: "a", count: 51) + "'",
      "select id, 1 as x FROM where id like '" + String(repeating: "a", count: 50) + "'"),
    text(
      41, "select id, glob('" + String(repeating: "a", count: 51) + "', id) as x FROM",
      "select id, glob('" + String(repeating: "a", count: 50) + "', id) as x FROM"),
  ]

  private static let orders: [Rule] = [
    text(
      5, "select id, amount as x FROM order by amount limit 1",
      "select id, amount as x FROM order by amount, id limit 1"),
    text(
      6, "select id, row_number() over (order by amount) as x FROM",
      "select id, row_number() over (order by amount, id) as x FROM"),
    text(
      6, "select id, lead(amount) over (order by amount) as x FROM",
      "select id, lead(amount) over (order by amount, id) as x FROM"),
    text(
      6, "select id, lag(amount) over (order by amount) as x FROM",
      "select id, lag(amount) over (order by amount, id) as x FROM"),
    text(
      6, "select id, first_value(day) over (order by amount) as x FROM",
      "select id, first_value(day) over (order by amount, id) as x FROM"),
    text(
      6, "select id, last_value(day) over (order by amount) as x FROM",
      "select id, last_value(day) over (order by amount, id) as x FROM"),
    text(
      6, "select id, nth_value(day, 2) over (order by amount) as x FROM",
      "select id, nth_value(day, 2) over (order by amount, id) as x FROM"),
    text(
      6, "select id, ntile(4) over (order by amount) as x FROM",
      "select id, ntile(4) over (order by amount, id) as x FROM"),
    text(
      6, "select id, sum(amount) over (order by day groups 1 preceding) as x FROM",
      "select id, sum(amount) over (order by day, id groups 1 preceding) as x FROM"),
    text(
      6, "select id, sum(amount) over (order by day rows 1 preceding) as x FROM",
      "select id, sum(amount) over (order by day) as x FROM"),
    text(
      8, "select customer as id, amount as x FROM group by customer",
      "select customer as id, max(amount) as x FROM group by customer"),
    text(
      25, "select id, 1 as x FROM order by customer collate nocase",
      "select id, 1 as x FROM order by customer collate binary"),
    text(
      36,
      "with recursive n(i) as (select 1 union all select i + 1 from n limit 9) "
        + "select id, i as x FROM join n on n.i = amount",
      "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) "
        + "select id, i as x FROM join n on n.i = amount"),
    text(
      39, "pragma threads = 4", "select id, rank() over (order by amount) as threads FROM"),
    text(
      46, "select id, 1 as x FROM indexed by bronze_orders_i1",
      "select id, 1 as x FROM where id = 'bronze_orders_i1'"),
    text(
      46, "create index i on bronze_orders(day)",
      .shop(models: [
        Model(
          name: "m", layer: .silver, kind: .incremental, primaryKey: ["id"],
          refresh: Refresh(by: ["id"]), sql: sql("select id from {{ source('orders') }}"))
      ])),
  ]

  private static let writes: [Rule] = [
    text(
      9, "insert into bronze_orders select * from bronze_orders",
      .shop(procedures: [
        Procedure(
          name: "copy", args: [], emit: "orders",
          sql: sql(
            "select id || '2' as id, customer, amount, day from {{ source('orders') }}"))
      ])),
    text(
      10, "update bronze_orders set amount = 1 from u",
      "select a.id, b.amount as x FROM a join {{ source('orders') }} b on b.id = a.id"),
    text(11, "delete from bronze_orders", "select id, 1 as x FROM where amount > 0"),
    text(
      12, "delete from bronze_orders limit 1", "select id, 1 as x FROM order by id limit 1"),
    text(
      13, "insert into bronze_orders values (1) returning id",
      .shop(queries: [
        Pipelines.Query(name: "q", sql: sql("select id from {{ source('orders') }} order by id"))
      ])),
    text(
      14, "create trigger t after insert on u begin select 1; end",
      .shop(models: [
        model("select id FROM"),
        Model(
          name: "n", layer: .silver, kind: .full, primaryKey: ["id"],
          sql: sql("select id from {{ ref('m') }}")),
      ])),
    text(
      15, "create table t(a text references u on delete cascade)",
      .shop(models: [
        model("select id, id as x FROM"),
        Model(
          name: "n", layer: .silver, kind: .full, primaryKey: ["id"],
          sql: sql("select id from {{ source('orders') }}"),
          tests: [.references(column: "id", model: "m")]),
      ])),
    text(
      17, "create table t(a integer primary key autoincrement)",
      "select id, row_number() over (order by id) as x FROM"),
  ]

  private static let values: [Rule] = [
    text(16, "select rowid as id, 1 as x FROM", "select id, 1 as x FROM"),
    text(
      23, "select a.id, 1 as x FROM a join {{ source('orders') }} b on a.id = b.amount",
      "select a.id, 1 as x FROM a join {{ source('orders') }} b on a.id = cast(b.amount as text)"),
    text(
      23, "select id, 1 as x FROM where amount * amount > amount",
      "select id, 1 as x FROM where mul_div(amount, amount, 100) > amount"),
    text(
      23, "select id, amount * amount + amount as x FROM",
      "select id, amount * amount + cast(amount as integer) * 100 as x FROM"),
    text(
      23, "select id, 1 as x FROM where amount % 500 = amount * amount",
      "select id, 1 as x FROM where amount % 500 = amount * amount / 100"),
    text(
      23, "select id, 1 as x FROM where mul_div(3, amount * amount, 1) > amount",
      "select id, 1 as x FROM where mul_div(3, amount, 1) > amount"),
    text(
      23, "select id, 1 as x FROM where 1000000 * amount / (amount * amount) > 5",
      "select id, 1 as x FROM where 1000000 * amount / max(amount, 1) > 5"),
    text(
      23, "select id, 1 as x FROM where day + day > 5",
      "select id, 1 as x FROM where day - day > 5"),
    text(
      23, "select id, add_months(day, amount) as x FROM",
      "select id, add_months(day, 12) as x FROM"),
    text(
      23, "select id, coalesce(nullif(amount, 0), mul_exact(amount, amount)) as x FROM",
      "select id, coalesce(nullif(amount, 0), mul_exact(amount, 2)) as x FROM"),
    text(
      23, "select id, 1 as x FROM where day < consensus_time_ms()",
      "select id, 1 as x FROM where day < date_of(consensus_time_ms())"),
    text(
      23, "select id, year(consensus_time_ms()) as x FROM",
      "select id, year(date_of(consensus_time_ms())) as x FROM"),
    text(
      23, "select id, amount as x FROM union all select id || 'b', day FROM",
      "select id, amount as x FROM union all select id || 'b', 0 FROM"),
    text(
      23, "select id, case when amount > 3 then amount else 'few' end as x FROM",
      "select id, case when amount > 3 then cast(amount as text) else 'few' end as x FROM"),
    text(
      23, "select id, 1 as x FROM where day > '1.11.2026'",
      "select id, 1 as x FROM where day > '2026-11-01'"),
    text(
      23, "select id, 1 as x FROM where amount > 1.505",
      "select id, 1 as x FROM where amount > 1.50"),
    text(
      23, "select id, 1 as x FROM where customer = 7",
      "select id, 1 as x FROM where customer = '7'"),
    text(
      20, "select id, 1 as x FROM where amount * 1.5 > 1.50",
      "select id, 1 as x FROM where mul_div(amount, 3, 2) > 1.50"),
    Rule(
      number: 23, gate: .lint, what: "a decimal beside a whole number",
      refused: { try noted("select id, 1 as x FROM where amount > 100") },
      accepted: { try noted("select id, 1 as x FROM where amount > 0") }),
    text(24, "select id, 'a\u{0}b' as x FROM", "select id, 'ab' as x FROM"),
    text(42, "select id, \"costumer\" as x FROM", "select id, \"customer\" as x FROM"),
    text(
      43, "select id, :least as x FROM",
      .shop(queries: [
        Pipelines.Query(
          name: "q", args: [.init(name: "least", type: .int)],
          sql: sql("select id, :least as x from {{ source('orders') }} order by id"))
      ])),
    text(
      48, "select id, customer + 1 as x FROM",
      "select id, cast(customer as integer) + 1 as x FROM"),
    Rule(
      number: 22, gate: .lint, what: "a product of two columns",
      refused: { try warned("select id, amount * amount as x FROM") },
      accepted: { try warned("select id, mul_exact(amount, amount) as x FROM") }),
  ]

  private static func warned(_ text: String) throws {
    let checked = try CheckedPackage(.shop(models: [model(text)]))
    guard let warning = checked.model("m")?.query?.warnings.first else { return }
    throw Told(
      rule: warning.rule, words: "\(warning)",
      hasPlaceAndFix: warning.place.line > 0 && warning.fix != nil)
  }

  private static func noted(_ text: String) throws {
    let checked = try CheckedPackage(.shop(models: [model(text)]))
    guard let note = checked.findings.first(where: { !$0.rule.isEmpty }) else { return }
    throw Told(
      rule: note.rule, words: "\(note)",
      hasPlaceAndFix: note.line > 0 && note.excerpt != nil && note.fix != nil)
  }

  private static let statements: [Rule] = [
    text(
      3, "create table t(a text default (random()))",
      .shop(sources: [literalDefault])),
    text(27, "analyze", "select customer as id, count(*) as x FROM group by customer"),
    // What stands near is a text that says the same word, and means no statement by it.
    text(27, "pragma optimize", "select id, 'pragma optimize' as optimize FROM"),
    text(29, "pragma user_version", "select id, amount as user_version FROM"),
    text(
      29, "select name as id, 1 as x from pragma_table_info('orders')",
      "select cast(key as text) as id, 1 as x from json_each('[1]')"),
    text(30, "attach 'x' as y", "select id, (select max(amount) FROM) as x FROM"),
    text(31, "explain select id, 1 as x FROM", "select id, customer as explain FROM"),
    text(31, "explain query plan select id, 1 as x FROM", "select id, 'explain' as query FROM"),
    text(
      33, "create virtual table v using fts5(a)",
      "select id, instr(customer, 'a') as x FROM"),
    text(
      33, "select name as id, 1 as x from dbstat",
      "with dbstat as (select id as name FROM) select name as id, 1 as x from dbstat"),
    text(
      34, "create temp table t as select 1", "with t as (select id FROM) select id, 1 as x from t"),
    text(35, "alter table bronze_orders add b", .shop(sources: [wider])),
    text(
      37, "pragma max_page_count = 1",
      "select id, amount as max_page_count FROM order by id limit 1"),
    text(38, "pragma busy_timeout = 1", "select id, consensus_time_ms() as busy_timeout FROM"),
  ]

  private static var literalDefault: Source {
    var source = Source.orders()
    source.columns[3].defaultText = "2026-01-01"
    return source
  }

  private static var wider: Source {
    var source = Source.orders()
    source.columns.append(SourceColumn(name: "b", type: .text))
    return source
  }
}
