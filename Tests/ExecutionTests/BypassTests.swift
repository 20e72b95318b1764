import CSQLite
import Pipelines
import Storage
import Testing
import Wire

@testable import Execution

/// What the engine refuses when the parser is passed by.
struct Bypass: Sendable, CustomTestStringConvertible {
  let number: Int
  let text: String
  var testDescription: String { "QD\(number): \(text)" }

  private static func texts(_ number: Int, _ all: String...) -> [Bypass] {
    all.map { Bypass(number: number, text: $0) }
  }

  /// The authorizer denies it, or the engine since it is no SELECT.
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
    texts(17, "SELECT seq FROM sqlite_sequence"),
    texts(
      18, "SELECT last_insert_rowid()", "SELECT changes()", "SELECT total_changes()"),
    texts(
      19, "SELECT sqlite_version()", "SELECT sqlite_source_id()",
      "SELECT sqlite_compileoption_get(1)"),
    texts(
      20, "SELECT avg(amount) FROM bronze_orders", "SELECT total(amount) FROM bronze_orders",
      "SELECT round(1.5)"),
    texts(21, "SELECT sqrt(2)", "SELECT sin(1)", "SELECT exp(1)", "SELECT pow(2, 3)"),
    texts(24, "PRAGMA encoding = 'UTF-16'"),
    texts(26, "SELECT json_patch('{}', '{}')", "SELECT json('{}')"),
    texts(27, "ANALYZE", "PRAGMA optimize", "SELECT * FROM sqlite_stat1"),
    texts(29, "PRAGMA user_version", "PRAGMA table_info(bronze_orders)"),
    texts(
      30, "ATTACH ':memory:' AS x", "DETACH main", "VACUUM", "REINDEX", "BEGIN", "COMMIT",
      "SAVEPOINT a", "ROLLBACK"),
    texts(31, "EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN SELECT 1"),
    texts(32, "SELECT load_extension('x')"),
    texts(
      33, "SELECT * FROM sqlite_schema", "CREATE VIRTUAL TABLE v USING fts5(a)",
      "SELECT * FROM ledger_rows"),
    texts(34, "CREATE TEMP TABLE t(a)", "CREATE TEMP VIEW t AS SELECT 1"),
    texts(
      35, "ALTER TABLE bronze_orders ADD b", "CREATE TABLE t AS SELECT 1",
      "CREATE VIEW v AS SELECT 1", "DROP TABLE bronze_orders"),
    texts(37, "PRAGMA max_page_count = 1", "PRAGMA hard_heap_limit = 1"),
    texts(38, "PRAGMA busy_timeout = 1"),
    texts(39, "PRAGMA threads = 4", "PRAGMA cache_size = 1"),
    texts(41, "SELECT printf('%1000000s', 'x')", "SELECT zeroblob(1000000000)"),
    texts(46, "CREATE INDEX i ON bronze_orders(day)"),
  ]).flatMap { $0 }

  /// There is nothing of the kind for it to reach, as SQLite says in these words.
  static let notThere: [(words: String, bypasses: [Bypass])] = [
    (
      "no such column",
      texts(16, "SELECT rowid FROM bronze_orders", "SELECT _rowid_ FROM bronze_orders")
        + texts(42, "SELECT \"nope\"", "SELECT \"nope\" FROM bronze_orders")
    ),
    (
      "no such collation sequence",
      texts(25, "SELECT id FROM bronze_orders ORDER BY id COLLATE de_AT")
    ),
    ("no such index", texts(46, "SELECT id FROM bronze_orders INDEXED BY i")),
  ]

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
    texts(46, "SELECT id FROM bronze_orders INDEXED BY own"),
  ]).flatMap { $0 }

  /// Rules that no prepared SELECT could break, and what meets them instead.
  static let elsewhere = [
    3: "statements of our own, below", 28: "the start of the engine",
    40: "every refusal of a statement that ran, below", 44: "the contract of each batch",
    45: "the lint of our own source", 47: "the lint of our own source",
  ]

  static let all = refused + notThere.flatMap(\.bypasses) + stopped + onlyFirst
}

extension StorageFault {
  /// The authorizer denied it; of a function SQLite keeps the words and not the code.
  fileprivate var isDenied: Bool {
    code == SQLITE_AUTH || message.hasPrefix("not authorized to use function")
  }
}

@Suite struct `The engine without its parser` {
  private let subnet: Subnet
  private let engine: Engine

  init() throws {
    subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let rows = (0..<12).map { "a\($0),x,\($0).00,\n" }.joined()
    try subnet.run(subnet.ingest("orders", "id,customer,amount,day\n" + rows))
    engine = try #require(subnet.executor.pipelines["shop"]).engine
  }

  @Test func `meets every rule, or says what else does`() {
    let met = Bypass.all.map(\.number) + Bypass.elsewhere.map(\.key)
    #expect(Set(met).sorted() == Array(1...48))
  }

  @Test func `still refuses these`() throws {
    // What only some files have is made, so that it is the lock which is met.
    try engine.connection.execute("CREATE TABLE counted(n INTEGER PRIMARY KEY AUTOINCREMENT)")
    try engine.connection.execute("ANALYZE")
    for name in ["sqlite_sequence", "sqlite_stat1"] {
      _ = try engine.connection.prepare("SELECT 1 FROM \(name)")
    }
    _ = try engine.prepareUser("SELECT id, count(*) FROM bronze_orders GROUP BY id")
    for bypass in Bypass.refused {
      let fault = #expect(throws: StorageFault.self, "\(bypass.testDescription)") {
        try engine.prepareUser(bypass.text)
      }
      #expect(fault?.isDenied == true, "\(bypass.testDescription): \(fault?.message ?? "")")
    }
    #expect(try subnet.rows("bronze_orders").count == 12)
  }

  @Test func `has nothing that these could reach`() throws {
    for (words, bypasses) in Bypass.notThere {
      for bypass in bypasses {
        let fault = #expect(throws: StorageFault.self, "\(bypass.testDescription)") {
          try engine.prepareUser(bypass.text)
        }
        #expect(fault?.message.hasPrefix(words) == true, "\(fault?.message ?? "")")
      }
    }
  }

  /// QD29 and QD33. SQLite makes such a table at its first use, so it is used first.
  @Test(arguments: [
    "dbstat", "sqlite_dbpage", "sqlite_stmt", "bytecode", "tables_used", "fts3tokenize",
    "generate_series", "completion", "pragma_table_info", "pragma_function_list",
  ])
  func `locks each virtual table that SQLite brings along`(name: String) throws {
    let isThere = (try? engine.connection.prepare("SELECT 1 FROM \(name)")) != nil
    #expect(isThere || !name.hasPrefix("pragma_"))
    let fault = #expect(throws: StorageFault.self) {
      try engine.prepareUser("SELECT * FROM \(name)")
    }
    let words = fault?.message ?? ""
    #expect(isThere ? fault?.isDenied == true : words.hasPrefix("no such table"), "\(words)")
  }

  @Test func `locks a function that only some builds of SQLite have`() throws {
    let fault = #expect(throws: StorageFault.self) {
      try engine.prepareUser("SELECT sqlite_offset(id) FROM bronze_orders")
    }
    let words = fault?.message ?? ""
    #expect(fault?.isDenied == true || words.hasPrefix("no such function"), "\(words)")
  }

  @Test(arguments: Bypass.stopped)
  func `stops these while they run`(bypass: Bypass) throws {
    let statement = try engine.prepareUser(bypass.text)
    var budget = StepBudget(limit: 200_000)
    #expect(throws: (any Error).self) {
      try engine.run(statement, &budget, "the sample") { row throws(Stop) in
        for column in 0..<row.columnCount where row.type(column) == .real {
          throw .refused(Refusal("QD48", "REAL"))
        }
      }
    }
  }

  /// QD41. SQLite's own `count(*)` of a table takes 9 steps, however many rows there are.
  @Test func `stops a count that the steps do not pay for`() throws {
    let statement = try engine.prepareUser("SELECT count(*) FROM bronze_orders")
    var ample = StepBudget(limit: 1_000)
    try engine.run(statement, &ample, "the sample") { #expect($0.integer(0) == 12) }
    #expect(ample.used >= 24)
    var scarce = StepBudget(limit: 20)
    let end = #expect(throws: Stop.self) {
      try engine.run(statement, &scarce, "the sample") { _ in }
    }
    guard case .refused(let refusal)? = end else { return #expect(Bool(false), "no refusal") }
    #expect(refusal.code == "STEP_LIMIT")
  }

  @Test(arguments: [
    ("SELECT json_extract('{', '$.a')", "malformed JSON"),
    ("SELECT abs(-9223372036854775807 - 1)", "integer overflow"),
  ])
  func `keeps what SQLite says out of what it tells (QD40)`(text: String, theirs: String) throws {
    let statement = try engine.prepareUser(text)
    let fault = #expect(throws: StorageFault.self) { _ = try statement.step() }
    #expect(fault?.message == theirs)
    statement.rewind()
    var budget = StepBudget(limit: 1_000)
    let end = #expect(throws: Stop.self) {
      try engine.run(statement, &budget, "the sample") { _ in }
    }
    guard case .refused(let refusal)? = end else { return #expect(Bool(false), "no refusal") }
    #expect(refusal.code == "SQL_ERROR")
    #expect(refusal.message.contains("(QD40)"))
    #expect(!refusal.message.contains(theirs))
  }

  @Test func `leaves these to the parser`() throws {
    try engine.connection.execute("CREATE INDEX own ON bronze_orders(day)")
    for bypass in Bypass.onlyFirst { _ = try engine.prepareUser(bypass.text) }
  }

  @Test(arguments: [
    (
      "CREATE TABLE d(a, b DEFAULT (random())); INSERT INTO d(a) VALUES(1)",
      "unsafe use of random()"
    ),
    (
      "CREATE TABLE d(a, b DEFAULT CURRENT_TIMESTAMP); INSERT INTO d(a) VALUES(1)",
      "unsafe use of CURRENT_TIMESTAMP()"
    ),
    (
      "CREATE TABLE d(a, b DEFAULT (date('now'))); INSERT INTO d(a) VALUES(1)",
      "unsafe use of date()"
    ),
    (
      "CREATE TABLE d(a, b AS (random()) STORED); INSERT INTO d(a) VALUES(1)",
      "non-deterministic functions prohibited in generated columns"
    ),
    ("CREATE INDEX i ON bronze_orders(\"nope\")", "no such column: nope"),
    ("UPDATE sqlite_schema SET sql = 'x'", "table sqlite_master may not be modified"),
    (
      "INSERT INTO bronze_orders SELECT 'r', 'x', 1.5, null, '', 1, 1, 0",
      "cannot store REAL value in INTEGER column bronze_orders.amount"
    ),
    (
      "INSERT INTO bronze_orders SELECT 'r', 'x', 9223372036854775807 + 1, null, '', 1, 1, 0",
      "cannot store REAL value in INTEGER column bronze_orders.amount"
    ),
    (
      "INSERT INTO bronze_orders SELECT 'r', 'x', 'many', null, '', 1, 1, 0",
      "cannot store TEXT value in INTEGER column bronze_orders.amount"
    ),
  ])
  func `refuses this even in a statement of our own`(text: String, words: String) throws {
    let connection = engine.connection
    try connection.execute("INSERT INTO bronze_orders SELECT 'r', 'x', 1, null, '', 1, 1, 0")
    try connection.execute("DELETE FROM bronze_orders WHERE id = 'r'")
    let fault = #expect(throws: StorageFault.self) { try connection.execute(text) }
    #expect(fault?.message == words)
  }

  @Test func `fires no trigger, starts no thread and attaches nothing`() throws {
    let connection = engine.connection
    try connection.execute(
      "CREATE TRIGGER t AFTER DELETE ON bronze_orders BEGIN DELETE FROM bronze_orders; END")
    try connection.execute("DELETE FROM bronze_orders WHERE id = 'a1'")
    #expect(try connection.integer("SELECT count(*) FROM bronze_orders") == 11)
    #expect(sqlite3_limit(connection.handle, SQLITE_LIMIT_WORKER_THREADS, -1) == 0)
    #expect(sqlite3_limit(connection.handle, SQLITE_LIMIT_ATTACHED, -1) == 0)
    let fault = #expect(throws: StorageFault.self) {
      try connection.execute("ATTACH ':memory:' AS x")
    }
    #expect(fault?.message == "too many attached databases - max 0")
    #expect(try connection.text("PRAGMA encoding") == "UTF-8")
    #expect(try connection.integer("PRAGMA foreign_keys") == 0)
  }
}
