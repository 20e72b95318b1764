import Foundation
import Pipelines
import SQL
import Storage
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
    let subnet = try Subnet()
    let deploy = try subnet.run(
      subnet.deploy(.shop(sources: [source], models: [model(select)])))
    if case .refused(let refusal) = deploy.status { throw refusal }
    try subnet.fund()
    return try subnet.run(subnet.ingest("orders", "id,customer,amount,day\n" + rows))
  }

  static func told(_ receipt: Receipt) throws {
    guard case .refused(let refusal) = receipt.status else { return }
    throw Told(rule: refusal.code, words: refusal.message)
  }
}

extension Rule {
  static let all: [Rule] = calls + orders + writes + values + statements + machine

  private static let calls: [Rule] = [
    text(1, "select id, random() as x FROM", "select id, consensus_random('a') as x FROM"),
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
    text(
      41, "select id, 1 as x FROM where id like '" + String(repeating: "a", count: 51) + "'",
      "select id, 1 as x FROM where id like '" + String(repeating: "a", count: 50) + "'"),
  ]

  private static let orders: [Rule] = [
    text(
      5, "select id, amount as x FROM order by amount limit 1",
      "select id, amount as x FROM order by amount, id limit 1"),
    text(
      6, "select id, row_number() over (order by amount) as x FROM",
      "select id, row_number() over (order by amount, id) as x FROM"),
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
      39, "pragma threads = 4", "select id, rank() over (order by amount) as x FROM"),
    text(
      46, "select id, 1 as x FROM indexed by bronze_orders_i1", "select id, 1 as x FROM"),
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
    Rule(
      number: 9, gate: .engine, what: "two rows with one primary key",
      refused: { try told(try run("select customer as id, amount as x FROM")) },
      accepted: {
        try told(try run("select customer as id, sum(amount) as x FROM group by customer"))
      }),
  ]

  private static let values: [Rule] = [
    text(16, "select rowid as id, 1 as x FROM", "select id, 1 as x FROM"),
    text(
      23, "select a.id, 1 as x FROM a join {{ source('orders') }} b on a.id = b.amount",
      "select a.id, 1 as x FROM a join {{ source('orders') }} b on a.id = cast(b.amount as text)"),
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
    Rule(
      number: 24, gate: .ingest, what: "a text that is not in form NFC",
      refused: { try noted(try run("select id FROM", rows: "a,e\u{301},1.00,\n")) },
      accepted: { try noted(try run("select id FROM", rows: "a,\u{e9},1.00,\n")) }),
    Rule(
      number: 44, gate: .ingest, what: "an event in the far future",
      refused: {
        try noted(try run("select id FROM", rows: "a,x,1.00,2099-01-01\n", source: dated))
      },
      accepted: {
        try noted(try run("select id FROM", rows: "a,x,1.00,2026-01-01\n", source: dated))
      }),
    Rule(
      number: 22, gate: .engine, what: "a product that 64 bits do not hold",
      refused: {
        try told(try run("select id, amount * amount as x FROM", rows: "a,x,90000000000.00,\n"))
      },
      accepted: { try told(try run("select id, amount * amount as x FROM", rows: "a,x,9.00,\n")) }),
  ]

  private static var dated: Source {
    var source = Source.orders(
      eventTime: EventTime(column: "day", lateness: 0, futureMax: 7 * 86_400_000, late: .accept))
    source.columns[3].required = true
    return source
  }

  private static func warned(_ text: String) throws {
    let checked = try CheckedPackage(.shop(models: [model(text)]))
    guard let warning = checked.model("m")?.query?.warnings.first else { return }
    throw Told(
      rule: warning.rule, words: "\(warning)",
      hasPlaceAndFix: warning.place.line > 0 && warning.fix != nil)
  }

  /// What a row was quarantined for.
  private static func noted(_ receipt: Receipt) throws {
    guard receipt.tally.quarantined > 0 else { return }
    let words = receipt.notes.map(\.message).joined(separator: "; ")
    let rule = words.firstMatch(of: #/QD[0-9]{2}/#).map { String($0.output) }
    throw Told(rule: rule ?? "", words: words)
  }

  private static let statements: [Rule] = [
    text(
      3, "create table t(a text default (random()))",
      .shop(sources: [literalDefault])),
    text(27, "analyze", "select customer as id, count(*) as x FROM group by customer"),
    text(27, "pragma optimize", "select id, 1 as x FROM"),
    text(29, "pragma user_version", "select id, 1 as x FROM"),
    text(
      29, "select name as id, 1 as x from pragma_table_info('orders')",
      "select cast(key as text) as id, 1 as x from json_each('[1]')"),
    text(30, "attach 'x' as y", "select id, (select max(amount) FROM) as x FROM"),
    text(31, "explain select 1", "select id, 1 as x FROM"),
    text(
      33, "create virtual table v using fts5(a)",
      "select id, instr(customer, 'a') as x FROM"),
    text(33, "select name as id, 1 as x from dbstat", "select id, 1 as x FROM"),
    text(
      34, "create temp table t as select 1", "with t as (select id FROM) select id, 1 as x from t"),
    text(35, "alter table bronze_orders add b", .shop(sources: [wider])),
    text(37, "pragma max_page_count = 1", "select id, 1 as x FROM"),
    text(38, "pragma busy_timeout = 1", "select id, 1 as x FROM"),
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

  // MARK: What has no text

  private static let machine: [Rule] = [
    Rule(
      number: 28, gate: .engine, what: "an SQLite whose plans were never measured",
      refused: {
        do throws(StorageFault) { try Engine.refuseOld(3_039_004) } catch {
          throw Told(rule: String(error.message.prefix(4)), words: error.message)
        }
      },
      accepted: { try Engine.refuseOld(3_040_000) }),
    Rule(
      number: 37, gate: .engine, what: "a full disk as an outcome",
      refused: { try outcome(of: 13, rule: "QD37") },
      accepted: { try outcome(of: 19, rule: "QD37") }),
    Rule(
      number: 38, gate: .engine, what: "an end by the clock",
      refused: { try interrupted(after: 10) },
      accepted: { try interrupted(after: 100_000) }),
    Rule(
      number: 40, gate: .engine, what: "SQLite's own words in a receipt",
      refused: {
        let receipt = try run("select id, mul_div(amount, 1, 0) as x FROM")
        guard case .refused(let refusal) = receipt.status else { return }
        let theirs = ["SQLite", "sqlite", "SQL logic", "near \"", "mul_div:"]
        guard !theirs.contains(where: refusal.message.contains) else { return }
        throw Told(rule: "QD40", words: refusal.message)
      },
      accepted: { try told(try run("select id, mul_div(amount, 1, 1) as x FROM")) }),
    Rule(
      number: 45, gate: .source, what: "iterating a dictionary in the state machine",
      refused: {
        // The lint and its two samples are in TidyTests.
        let tidy = URL(filePath: #filePath).deletingLastPathComponent()
          .deletingLastPathComponent().appending(path: "TidyTests/TidyTests.swift")
        let text = try String(contentsOf: tidy, encoding: .utf8)
        guard text.contains("@Test func `QD45") else { return }
        throw Told(rule: "QD45", words: "iterates no dictionary in hash order")
      }, accepted: {}),
    Rule(
      number: 47, gate: .engine, what: "hooks on one connection only",
      refused: {
        let steps = try stepsOfConnections()
        guard steps.allSatisfy({ $0 == steps[0] && $0 > 0 }) else { return }
        throw Told(rule: "QD47", words: "every connection takes \(steps[0]) steps")
      }, accepted: {}),
  ]

  /// Only a fault of the statement's own may become an outcome.
  private static func outcome(of code: Int32, rule: String) throws {
    let fault = StorageFault(code: code, extendedCode: code, message: "", doing: "")
    if case .failed(let machine) = Stop(sql: fault, in: "the model m") {
      throw Told(rule: rule, words: machine.description)
    }
  }

  private static func interrupted(after steps: UInt64) throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(models: [model("select id, amount as x FROM")])))
    try subnet.fund()
    let rows = "id,customer,amount,day\n" + (0..<20).map { "o\($0),x,1.00,\n" }.joined()
    let receipt = try subnet.run(subnet.ingest("orders", rows, steps: steps))
    guard case .refused(let refusal) = receipt.status, refusal.code == "STEP_LIMIT" else { return }
    throw Told(rule: "QD38", words: refusal.message)
  }

  /// Steps of one statement on the writer, on another writer and on a reader of the same file.
  private static func stepsOfConnections() throws -> [UInt64] {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    try subnet.run(subnet.ingest("orders", "id,customer,amount,day\na,x,1.00,\nb,y,2.00,\n"))
    let path = subnet.path + "/pipelines/shop.sqlite"
    let engines = try [
      try #require(subnet.executor.pipelines["shop"]).engine,
      Engine(path: path, access: .readWrite, vfs: nil, profile: .update),
      Engine(path: path, access: .readOnly, vfs: nil, profile: .query),
    ]
    defer { withExtendedLifetime(subnet) {} }
    return try engines.map { engine in
      let statement = try engine.prepareUser(
        "SELECT customer, sum(amount) FROM bronze_orders GROUP BY customer")
      var budget = StepBudget(limit: 100_000)
      try engine.run(statement, &budget, "the sample") { _ in }
      return budget.used
    }
  }
}
