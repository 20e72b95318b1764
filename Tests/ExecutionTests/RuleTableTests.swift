import CSQLite
import Pipelines
import Storage
import Testing
import Wire

@testable import Execution

@Suite struct `Every rule of deterministic SQL` {
  @Test func `from QD01 to QD48 is in the table`() {
    #expect(Set(Rule.all.map(\.number)).sorted() == Array(1...48))
  }

  @Test(arguments: Rule.all)
  func `refuses with its number, place and fix, and takes what is near`(rule: Rule) throws {
    try rule.accepted()
    let told = #expect(throws: Told.self) { try rule.refused() }
    #expect(told?.rule == rule.id, "\(told?.words ?? "")")
    let hasText = rule.gate == .parser || rule.gate == .lint
    if hasText { #expect(told?.hasPlaceAndFix == true, "\(told?.words ?? "")") }
  }
}

/// What the engine refuses when the parser is passed by.
struct Bypass: Sendable, CustomTestStringConvertible {
  let number: Int
  let text: String
  var testDescription: String { "QD\(number): \(text)" }

  private static func texts(_ number: Int, _ all: String...) -> [Bypass] {
    all.map { Bypass(number: number, text: $0) }
  }

  /// The authorizer denies it, or it is not there at all.
  static let refused: [Bypass] = [[Bypass]]([
    texts(1, "SELECT random()", "SELECT randomblob(1)"),
    texts(
      2, "SELECT date('now')", "SELECT strftime('%Y')", "SELECT julianday('now')",
      "SELECT time()", "SELECT CURRENT_TIMESTAMP", "SELECT CURRENT_DATE", "SELECT CURRENT_TIME"),
    texts(4, "SELECT datetime('now', 'localtime')"),
    texts(
      7, "SELECT group_concat(id) FROM bronze_orders",
      "SELECT json_group_array(id) FROM bronze_orders",
      "SELECT json_group_object(id, id) FROM bronze_orders"),
    texts(
      9, "INSERT INTO bronze_orders SELECT * FROM bronze_orders",
      "REPLACE INTO bronze_orders(id) VALUES('a')"),
    texts(10, "UPDATE bronze_orders SET day = b.day FROM bronze_orders b"),
    texts(11, "DELETE FROM bronze_orders", "UPDATE bronze_orders SET day = 1"),
    texts(12, "DELETE FROM bronze_orders LIMIT 1"),
    texts(13, "INSERT INTO bronze_orders(id) VALUES('a') RETURNING id"),
    texts(14, "CREATE TRIGGER t AFTER INSERT ON bronze_orders BEGIN SELECT 1; END"),
    texts(15, "PRAGMA foreign_keys = 1", "CREATE TABLE t(a REFERENCES bronze_orders)"),
    texts(16, "SELECT rowid FROM bronze_orders", "SELECT _rowid_ FROM bronze_orders"),
    texts(17, "SELECT seq FROM sqlite_sequence"),
    texts(
      18, "SELECT last_insert_rowid()", "SELECT changes()", "SELECT total_changes()"),
    texts(
      19, "SELECT sqlite_version()", "SELECT sqlite_source_id()",
      "SELECT sqlite_compileoption_get(1)", "SELECT sqlite_offset(id) FROM bronze_orders"),
    texts(
      20, "SELECT avg(amount) FROM bronze_orders", "SELECT total(amount) FROM bronze_orders",
      "SELECT round(1.5)"),
    texts(21, "SELECT sqrt(2)", "SELECT sin(1)", "SELECT exp(1)", "SELECT pow(2, 3)"),
    texts(24, "PRAGMA encoding = 'UTF-16'"),
    texts(25, "SELECT id FROM bronze_orders ORDER BY id COLLATE de_AT"),
    texts(26, "SELECT json_patch('{}', '{}')", "SELECT json('{}')"),
    texts(27, "ANALYZE", "PRAGMA optimize", "SELECT * FROM sqlite_stat1"),
    texts(
      29, "PRAGMA user_version", "SELECT * FROM pragma_table_info('bronze_orders')",
      "SELECT * FROM pragma_function_list"),
    texts(
      30, "ATTACH ':memory:' AS x", "DETACH main", "VACUUM", "REINDEX", "BEGIN", "COMMIT",
      "SAVEPOINT a", "ROLLBACK"),
    texts(31, "EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN SELECT 1"),
    texts(32, "SELECT load_extension('x')"),
    texts(
      33, "SELECT * FROM dbstat", "SELECT * FROM sqlite_dbpage", "SELECT * FROM sqlite_schema",
      "CREATE VIRTUAL TABLE v USING fts5(a)", "SELECT * FROM ledger_rows"),
    texts(34, "CREATE TEMP TABLE t(a)", "CREATE TEMP VIEW t AS SELECT 1"),
    texts(
      35, "ALTER TABLE bronze_orders ADD b", "CREATE TABLE t AS SELECT 1",
      "CREATE VIEW v AS SELECT 1", "DROP TABLE bronze_orders"),
    texts(37, "PRAGMA max_page_count = 1", "PRAGMA hard_heap_limit = 1"),
    texts(38, "PRAGMA busy_timeout = 1"),
    texts(39, "PRAGMA threads = 4", "PRAGMA cache_size = 1"),
    texts(41, "SELECT printf('%1000000s', 'x')", "SELECT zeroblob(1000000000)"),
    texts(42, "SELECT \"nope\"", "SELECT \"nope\" FROM bronze_orders"),
    texts(
      46, "CREATE INDEX i ON bronze_orders(day)", "SELECT id FROM bronze_orders INDEXED BY i"),
  ]).flatMap { $0 }

  /// It is prepared, and its run ends in a fault or in what state does not hold.
  static let stopped: [Bypass] = [[Bypass]]([
    texts(20, "SELECT amount * 1.5 FROM bronze_orders"),
    texts(22, "SELECT 9223372036854775807 + amount FROM bronze_orders"),
    texts(36, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"),
    texts(
      38,
      "SELECT count(*) FROM bronze_orders a, bronze_orders b, bronze_orders c, "
        + "bronze_orders d, bronze_orders e, bronze_orders f, bronze_orders g"),
    texts(
      41, "SELECT id LIKE '" + String(repeating: "%a", count: 26) + "' FROM bronze_orders",
      "SELECT replace(hex(id || 'aaaaaaaaaaaaaaaa'), '6', '"
        + String(repeating: "b", count: 70_000) + "') FROM bronze_orders"),
    texts(48, "SELECT '1.5' + amount FROM bronze_orders"),
  ]).flatMap { $0 }

  /// Rules that the parser alone holds: what the first lock is there for.
  static let onlyFirst: [Bypass] = [[Bypass]]([
    texts(5, "SELECT id FROM bronze_orders LIMIT 1"),
    texts(6, "SELECT row_number() OVER (ORDER BY day) FROM bronze_orders"),
    texts(8, "SELECT day, id FROM bronze_orders GROUP BY day"),
    texts(23, "SELECT 1 FROM bronze_orders WHERE id = amount"),
    texts(25, "SELECT id FROM bronze_orders ORDER BY id COLLATE NOCASE"),
    texts(43, "SELECT ?1"),
  ]).flatMap { $0 }
}

@Suite struct `The engine without its parser` {
  private func prepared() throws -> Subnet {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let rows = (0..<12).map { "a\($0),x,\($0).00,\n" }.joined()
    try subnet.run(subnet.ingest("orders", "id,customer,amount,day\n" + rows))
    return subnet
  }

  private func engine(_ subnet: Subnet) throws -> Engine {
    try #require(subnet.executor.pipelines["shop"]).engine
  }

  @Test func `still refuses these`() throws {
    let subnet = try prepared()
    let engine = try engine(subnet)
    _ = try engine.prepareUser("SELECT id, count(*) FROM bronze_orders GROUP BY id")
    for bypass in Bypass.refused {
      #expect(throws: StorageFault.self, "\(bypass.testDescription)") {
        try engine.prepareUser(bypass.text)
      }
    }
    #expect(try subnet.rows("bronze_orders").count == 12)
    withExtendedLifetime(subnet) {}
  }

  @Test(arguments: Bypass.stopped)
  func `stops these while they run`(bypass: Bypass) throws {
    let subnet = try prepared()
    let engine = try engine(subnet)
    let statement = try engine.prepareUser(bypass.text)
    var budget = StepBudget(limit: 200_000)
    #expect(throws: (any Error).self) {
      try engine.run(statement, &budget, "the sample") { row throws(Stop) in
        for column in 0..<row.columnCount where row.type(column) == .real {
          throw .refused(Refusal("QD48", "REAL"))
        }
      }
    }
    withExtendedLifetime(subnet) {}
  }

  @Test func `leaves these to the parser`() throws {
    let subnet = try prepared()
    let engine = try engine(subnet)
    for bypass in Bypass.onlyFirst { _ = try engine.prepareUser(bypass.text) }
    withExtendedLifetime(subnet) {}
  }

  @Test(arguments: [
    "CREATE TABLE d(a, b DEFAULT (random())); INSERT INTO d(a) VALUES(1)",
    "CREATE TABLE d(a, b DEFAULT CURRENT_TIMESTAMP); INSERT INTO d(a) VALUES(1)",
    "CREATE TABLE d(a, b DEFAULT (date('now'))); INSERT INTO d(a) VALUES(1)",
    "CREATE TABLE d(a, b AS (random()) STORED); INSERT INTO d(a) VALUES(1)",
    "CREATE INDEX i ON bronze_orders(\"nope\")",
    "UPDATE sqlite_schema SET sql = 'x'",
    "INSERT INTO bronze_orders SELECT 'r', 'x', 1.5, null, '', 1, 1, 0",
    "INSERT INTO bronze_orders SELECT 'r', 'x', 9223372036854775807 + 1, null, '', 1, 1, 0",
    "INSERT INTO bronze_orders SELECT 'r', 'x', 'many', null, '', 1, 1, 0",
  ])
  func `refuses this even in a statement of our own`(text: String) throws {
    let subnet = try prepared()
    let connection = try engine(subnet).connection
    try connection.execute("INSERT INTO bronze_orders SELECT 'r', 'x', 1, null, '', 1, 1, 0")
    try connection.execute("DELETE FROM bronze_orders WHERE id = 'r'")
    #expect(throws: StorageFault.self) { try connection.execute(text) }
    withExtendedLifetime(subnet) {}
  }

  @Test func `fires no trigger, starts no thread and attaches nothing`() throws {
    let subnet = try prepared()
    let connection = try engine(subnet).connection
    try connection.execute(
      "CREATE TRIGGER t AFTER DELETE ON bronze_orders BEGIN DELETE FROM bronze_orders; END")
    try connection.execute("DELETE FROM bronze_orders WHERE id = 'a1'")
    #expect(try connection.integer("SELECT count(*) FROM bronze_orders") == 11)
    #expect(sqlite3_limit(connection.handle, SQLITE_LIMIT_WORKER_THREADS, -1) == 0)
    #expect(sqlite3_limit(connection.handle, SQLITE_LIMIT_ATTACHED, -1) == 0)
    #expect(throws: StorageFault.self) { try connection.execute("ATTACH ':memory:' AS x") }
    #expect(try connection.text("PRAGMA encoding") == "UTF-8")
    #expect(try connection.integer("PRAGMA foreign_keys") == 0)
    withExtendedLifetime(subnet) {}
  }
}
