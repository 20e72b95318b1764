/// SQLite as a thin, typed layer: connections, prepared statements, transactions, faults.
///
/// - Safety: every result code is looked at; a fault carries its code and what was being done.
/// - Bound: a connection keeps at most `StorageLimits.statementsCached` prepared statements.
import CSQLite

package enum StorageLimits {
  /// Prepared statements that one connection keeps for reuse.
  package static let statementsCached = 512
  /// How long a connection waits for another's lock, in milliseconds.
  package static let busyMilliseconds: Int32 = 5_000
}

/// One connection to one file. Belongs to one thread at a time.
package final class Connection {
  package let path: String
  /// For calls that this layer does not offer; valid while the connection lives.
  package let handle: OpaquePointer
  private var cache: [StatementText: PreparedStatement] = [:]
  /// By the address of the literal, which is quicker to look up than its text.
  private var literals: [UInt: PreparedStatement] = [:]
  /// How far the write-ahead log has grown, where `noteLog` is its hook.
  package internal(set) var log = LogGrowth()

  package enum Access: Sendable {
    case readOnly
    case readWrite
    /// Creates the file if it is not there.
    case create

    var flags: Int32 {
      switch self {
      case .readOnly: SQLITE_OPEN_READONLY
      case .readWrite: SQLITE_OPEN_READWRITE
      case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
      }
    }
  }

  /// Opens a file. No mutex is taken inside of SQLite: callers keep to one thread at a time.
  ///
  /// - Parameter vfs: the name of a registered VFS; nil for the system's.
  package init(
    path: String, access: Access = .create, vfs: String? = nil
  ) throws(StorageFault) {
    self.path = path
    var opened: OpaquePointer?
    let flags = access.flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    let result = sqlite3_open_v2(path, &opened, flags, vfs)
    guard result == SQLITE_OK, let opened else {
      let message = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
      sqlite3_close_v2(opened)
      throw StorageFault(
        code: result & 0xff, extendedCode: result, message: message, doing: "opening \(path)")
    }
    handle = opened
    sqlite3_busy_timeout(handle, StorageLimits.busyMilliseconds)
  }

  deinit {
    forgetStatements()
    sqlite3_close_v2(handle)
  }

  /// Deletes a file that no connection has open, and what SQLite keeps beside it. What cannot be
  /// deleted stays.
  package static func remove(path: String, vfs: String?) {
    guard let system = sqlite3_vfs_find(vfs) else { return }
    for ending in ["", "-wal", "-shm"] {
      _ = system.pointee.xDelete(system, path + ending, 0)
    }
  }

  /// Drops all cached statements, so that the schema may change or the file be replaced.
  package func forgetStatements() {
    cache.removeAll()
    literals.removeAll()
  }

  package func fault(_ result: Int32, _ doing: String) -> StorageFault {
    StorageFault(
      code: result & 0xff, extendedCode: result,
      message: String(cString: sqlite3_errmsg(handle)), doing: doing)
  }

  package func check(
    _ result: Int32, _ doing: @autoclosure () -> String
  ) throws(StorageFault) {
    guard result == SQLITE_OK else { throw fault(result, doing()) }
  }

  /// Runs statements of our own that give no rows.
  package func execute(_ sql: String) throws(StorageFault) {
    try check(sqlite3_exec(handle, sql, nil, nil, nil), "running \(sql.prefix(120))")
  }

  /// Prepares one statement; nothing may follow it.
  package func prepare(_ sql: String) throws(StorageFault) -> PreparedStatement {
    try PreparedStatement(sql, on: self)
  }

  /// The statement of this text, prepared once and kept. It comes reset, its values cleared.
  ///
  /// - Bound: the cache is emptied when it is full, so it never holds more than its limit.
  package func cached(_ sql: String) throws(StorageFault) -> PreparedStatement {
    let text = StatementText(sql)
    if let known = cache[text] {
      known.reset()
      return known
    }
    if cache.count >= StorageLimits.statementsCached { cache.removeAll(keepingCapacity: true) }
    let fresh = try prepare(sql)
    cache[text] = fresh
    return fresh
  }

  /// The statement of this literal, as `cached`, for what runs in every block.
  ///
  /// - Bound: one statement for each place in the program that asks.
  package func kept(_ sql: StaticString) throws(StorageFault) -> PreparedStatement {
    let key = UInt(bitPattern: sql.utf8Start)
    if let known = literals[key] {
      known.reset()
      return known
    }
    let fresh = try prepare("\(sql)")
    literals[key] = fresh
    return fresh
  }

  /// The first column of the first row as an integer; nil when there is no row or it is NULL.
  package func integer(_ sql: String) throws(StorageFault) -> Int64? {
    let statement = try prepare(sql)
    guard try statement.step(), !statement.isNull(0) else { return nil }
    return statement.integer(0)
  }

  /// The first column of the first row as text; nil when there is no row or it is NULL.
  package func text(_ sql: String) throws(StorageFault) -> String? {
    let statement = try prepare(sql)
    guard try statement.step(), !statement.isNull(0) else { return nil }
    return statement.text(0)
  }

  /// True inside of a transaction. SQLite may end one by itself after some environment faults.
  package var inTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

  /// Rows that the last INSERT, UPDATE or DELETE changed.
  package var rowsChanged: Int { Int(sqlite3_changes64(handle)) }
}
