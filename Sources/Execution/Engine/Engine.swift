import CSQLite
import Storage
import Wire

/// Who runs a statement, and so what SQLite itself lets it do: the second lock behind the parser.
enum EngineProfile: Sendable {
  /// In an update: reads, and the functions that replicas agree on.
  case update
  /// In a query: reads; floating point too.
  case query
}

/// A connection opened as "Opening a writer" of the design says, with its functions, limits,
/// authorizer and the brake on steps.
///
/// - Safety: user statements are prepared behind an authorizer that knows reads alone; what it
///   does not know is denied.
final class Engine {
  let connection: Connection
  let functions: FunctionContext
  let profile: EngineProfile
  let guardian: Guardian
  let meter: StepMeter

  init(
    path: String, access: Connection.Access, vfs: String?, profile: EngineProfile
  ) throws(StorageFault) {
    try Self.refuseOld(sqlite3_libversion_number())
    connection = try Connection(path: path, access: access, vfs: vfs)
    meter = StepMeter()
    functions = FunctionContext(meter)
    self.profile = profile
    guardian = Guardian(functions: Functions.allowed(for: profile))
    try Self.configure(connection, profile: profile, isWriter: access.isWriter)
    try Functions.install(on: connection, profile: profile, context: functions)
    // Their first use reads and writes the schema, which no user's statement may.
    for name in ["json_each", "json_tree"] {
      _ = try connection.prepare("SELECT 1 FROM \(name)('[]')")
    }
    sqlite3_set_authorizer(
      connection.handle, Guardian.judge, Unmanaged.passUnretained(guardian).toOpaque())
    sqlite3_progress_handler(
      connection.handle, ExecutionLimits.stepsBetweenLooks, StepMeter.look, meter.context)
    sqlite3_wal_hook(
      connection.handle, Connection.noteLog, Unmanaged.passUnretained(connection).toOpaque())
  }

  deinit {
    // The hooks hold unretained references; the connection may outlive this object by a statement.
    sqlite3_set_authorizer(connection.handle, nil, nil)
    sqlite3_progress_handler(connection.handle, 0, nil, nil)
    sqlite3_wal_hook(connection.handle, nil, nil)
  }

  /// 3.40.0, the oldest SQLite whose plans, functions and faults the rules were measured on.
  static let versionLeast: Int32 = 3_040_000

  /// Plans, and so bills, change with the version of SQLite (QD28).
  static func refuseOld(_ version: Int32) throws(StorageFault) {
    guard version < versionLeast else { return }
    let parts = [version / 1_000_000, version / 1_000 % 1_000, version % 1_000]
    throw StorageFault(
      code: SQLITE_MISUSE, extendedCode: SQLITE_MISUSE,
      message:
        "QD28: SQLite \(parts.map(String.init).joined(separator: ".")) is older than 3.40.0, "
        + "and its plans differ from those of other replicas: install libsqlite3 3.40 or later",
      doing: "starting the engine")
  }

  private static func configure(
    _ connection: Connection, profile: EngineProfile, isWriter: Bool
  ) throws(StorageFault) {
    try connection.configure(SQLITE_DBCONFIG_DEFENSIVE, true)
    // The schema is what this engine wrote, and what is denied is so in views too. Without trust a
    // view calls no JSON function of SQLite 3.40 (sqlite.org/pragma.html#pragma_trusted_schema).
    try connection.configure(SQLITE_DBCONFIG_TRUSTED_SCHEMA, true)
    try connection.configure(SQLITE_DBCONFIG_DQS_DML, false)
    try connection.configure(SQLITE_DBCONFIG_DQS_DDL, false)
    try connection.configure(SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
    try connection.configure(SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, false)
    try connection.configure(SQLITE_DBCONFIG_ENABLE_QPSG, true)
    if isWriter {
      try connection.pragma("encoding", "'UTF-8'")
      try connection.pragma("page_size", "4096")
      try connection.pragma("journal_mode", "WAL")
      try connection.pragma("synchronous", "NORMAL")
      // Checkpoints happen when the executor says so, between blocks.
      try connection.pragma("wal_autocheckpoint", "0")
      // One large block leaves no larger log behind.
      try connection.pragma(
        "journal_size_limit", "\(ExecutionLimits.logPagesBetweenBarriers * 4_096)")
      try connection.pragma("cache_size", "-\(ExecutionLimits.writerCacheKibibytes)")
    } else {
      try connection.pragma("query_only", "1")
    }
    try connection.pragma("foreign_keys", "0")
    try connection.pragma("cell_size_check", "1")
    try connection.pragma("mmap_size", "0")
    try connection.pragma("temp_store", "MEMORY")
    connection.limit(SQLITE_LIMIT_LENGTH, Int32(ExecutionLimits.valueBytesMax * 2))
    connection.limit(SQLITE_LIMIT_SQL_LENGTH, Int32(ExecutionLimits.statementBytesMax))
    connection.limit(SQLITE_LIMIT_ATTACHED, 0)
    connection.limit(SQLITE_LIMIT_WORKER_THREADS, 0)
    connection.limit(SQLITE_LIMIT_TRIGGER_DEPTH, 1)
    connection.limit(SQLITE_LIMIT_LIKE_PATTERN_LENGTH, Int32(ExecutionLimits.patternBytesMax))
    connection.limit(SQLITE_LIMIT_VARIABLE_NUMBER, ExecutionLimits.parametersMax)
  }

  /// What the body wrote is undone when it throws.
  func inSavepoint<R>(
    _ name: StaticString, _ body: () throws(Stop) -> R
  ) throws(Stop) -> R {
    let savepoint: Savepoint
    do { savepoint = try Savepoint(connection, name: name) } catch { throw Stop(machine: error) }
    let result = try body()
    do { try savepoint.release() } catch { throw Stop(machine: error) }
    return result
  }

  private var userStatements: [StatementText: PreparedStatement] = [:]

  /// A SELECT that the parser has printed, prepared once a connection.
  ///
  /// - Bound: forgets all when it holds `StorageLimits.statementsCached`.
  func cachedUser(_ sql: String, _ what: String) throws(Stop) -> PreparedStatement {
    let text = StatementText(sql)
    if let known = userStatements[text] { return known }
    if userStatements.count >= StorageLimits.statementsCached { userStatements.removeAll() }
    do {
      let made = try prepareUser(sql)
      userStatements[text] = made
      return made
    } catch { throw Stop(sql: error, in: what) }
  }

  /// Drops every statement that is kept. Due when the schema changed: SQLite would prepare them
  /// anew by itself, and count the steps of the try that failed.
  func forgetStatements() {
    connection.forgetStatements()
    userStatements.removeAll()
  }

  /// Prepares a SELECT that the parser has printed. Nothing else comes through here.
  func prepareUser(_ sql: String) throws(StorageFault) -> PreparedStatement {
    guardian.isOpen = false
    defer { guardian.isOpen = true }
    let statement = try connection.prepare(sql)
    guard statement.isReadOnly, !statement.isExplain else {
      throw StorageFault(
        code: SQLITE_AUTH, extendedCode: SQLITE_AUTH, message: "only a SELECT may run here",
        doing: "preparing \(sql.prefix(200))")
    }
    return statement
  }
}

extension Connection.Access {
  var isWriter: Bool {
    switch self {
    case .readOnly: false
    case .readWrite, .create: true
    }
  }
}

/// The authorizer's verdicts (https://sqlite.org/c3ref/set_authorizer.html).
final class Guardian {
  /// True while statements of our own are prepared; they may do everything.
  var isOpen = true
  private let functions: Set<String>

  init(functions: Set<String>) { self.functions = functions }

  static let judge:
    @convention(c) (
      UnsafeMutableRawPointer?, Int32, UnsafePointer<CChar>?, UnsafePointer<CChar>?,
      UnsafePointer<CChar>?, UnsafePointer<CChar>?
    ) -> Int32 = { context, action, first, second, schema, _ in
      guard let context else { return SQLITE_DENY }
      let guardian = Unmanaged<Guardian>.fromOpaque(context).takeUnretainedValue()
      if guardian.isOpen { return SQLITE_OK }
      return guardian.allows(action, first, second, schema) ? SQLITE_OK : SQLITE_DENY
    }

  private func allows(
    _ action: Int32, _ first: UnsafePointer<CChar>?, _ second: UnsafePointer<CChar>?,
    _ schema: UnsafePointer<CChar>?
  ) -> Bool {
    switch action {
    case SQLITE_SELECT, SQLITE_RECURSIVE: return true
    case SQLITE_READ:
      let table = first.map { String(cString: $0) } ?? ""
      let lower = table.lowercased()
      if lower.hasPrefix("sqlite_") || lower.hasPrefix("pragma_") { return false }
      if lower.hasPrefix(Ledger.tablePrefix) { return false }
      guard let schema else { return true }
      // Virtual tables live in the schema "main" too.
      return String(cString: schema) == "main" && !Self.denied.contains(lower)
    case SQLITE_FUNCTION:
      guard let second else { return false }
      return functions.contains(String(cString: second).lowercased())
    default: return false
    }
  }

  /// Eponymous virtual tables that Debian's SQLite has compiled in.
  private static let denied: Set<String> = [
    "dbstat", "sqlite_dbpage", "sqlite_stmt", "bytecode", "tables_used", "fts3tokenize",
    "generate_series", "completion",
  ]
}

/// Stops a statement that runs over its budget.
///
/// SQLite looks at its progress handler where loops turn, and calls it once a step passed since
/// (https://sqlite.org/c3ref/progress_handler.html), so the handler stops at the same step on
/// every machine. The exact count of a whole statement comes from the statement itself.
final class StepMeter {
  /// SQLite looks at each step, so this is plain memory: no reference is counted and no access
  /// checked. The connection's one thread alone touches it.
  private struct Count {
    var limit: UInt64 = .max
    var passed: UInt64 = 0
    /// Of the call: bytes over the free ones that costly functions went through.
    var bytes: UInt64 = 0
    /// When the statement began.
    var bytesBefore: UInt64 = 0
    var sinceClock: UInt32 = 0
    var isOverTime: (() -> Bool)?

    var work: UInt64 { (bytes &- bytesBefore) / ExecutionLimits.functionBytesPerStep }
  }

  private let count: UnsafeMutablePointer<Count>

  init() {
    count = .allocate(capacity: 1)
    count.initialize(to: Count())
  }

  deinit {
    count.deinitialize(count: 1)
    count.deallocate()
  }

  /// What `look` is given; valid while the meter lives.
  var context: UnsafeMutableRawPointer { UnsafeMutableRawPointer(count) }

  /// Wall-clock brake of queries, plans and checks; nil in updates.
  var isOverTime: (() -> Bool)? {
    get { count.pointee.isOverTime }
    set { count.pointee.isOverTime = newValue }
  }

  /// A statement begins that may take so many steps.
  func allow(_ steps: UInt64) {
    count.pointee.limit = steps
    count.pointee.passed = 0
    count.pointee.bytesBefore = count.pointee.bytes
  }

  /// Steps that the bytes stand for which functions of the statement at hand went through.
  var work: UInt64 { count.pointee.work }

  var bytes: UInt64 {
    get { count.pointee.bytes }
    set { count.pointee.bytes = newValue }
  }

  /// The statement at hand has taken so many steps, exactly.
  func reached(_ steps: UInt64) { count.pointee.passed = steps }

  static let look: @convention(c) (UnsafeMutableRawPointer?) -> Int32 = { context in
    guard let count = context?.assumingMemoryBound(to: Count.self),
      count.pointee.limit != .max
    else { return 0 }
    count.pointee.passed += 1
    if count.pointee.isOverTime != nil, isTimeOver(count) { return 1 }
    return count.pointee.passed + count.pointee.work > count.pointee.limit ? 1 : 0
  }

  private static func isTimeOver(_ count: UnsafeMutablePointer<Count>) -> Bool {
    count.pointee.sinceClock += 1
    guard count.pointee.sinceClock >= ExecutionLimits.stepsBetweenClocks else { return false }
    count.pointee.sinceClock = 0
    return count.pointee.isOverTime?() ?? false
  }
}
