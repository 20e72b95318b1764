import CSQLite

/// One prepared statement. Parameters count from 1, columns from 0, as in SQLite.
package final class PreparedStatement {
  package let sql: String
  /// For calls that this layer does not offer; valid while the statement lives.
  package let handle: OpaquePointer
  private unowned let connection: Connection

  init(_ sql: String, on connection: Connection) throws(StorageFault) {
    var prepared: OpaquePointer?
    var text = sql
    // `withUTF8` cannot rethrow a typed error, so the outcome travels out of it as values.
    let (result, rest): (Int32, Int) = text.withUTF8 { buffer in
      buffer.withMemoryRebound(to: CChar.self) { characters in
        var tail: UnsafePointer<CChar>?
        let result = sqlite3_prepare_v3(
          connection.handle, characters.baseAddress, Int32(characters.count),
          UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, &tail)
        guard let tail, let start = characters.baseAddress else { return (result, 0) }
        let left = characters[(tail - start)...]
        let meaningful = left.filter { $0 != 0x20 && $0 != 0x0a && $0 != 0x0d && $0 != 0x09 }
        return (result, meaningful.count)
      }
    }
    guard result == SQLITE_OK else {
      throw connection.fault(result, "preparing \(sql.prefix(200))")
    }
    guard let prepared, rest == 0 else {
      sqlite3_finalize(prepared)
      throw StorageFault(
        code: SQLITE_ERROR, extendedCode: SQLITE_ERROR,
        message: prepared == nil ? "there is no statement" : "more than one statement",
        doing: "preparing \(sql.prefix(200))")
    }
    handle = prepared
    self.sql = sql
    self.connection = connection
  }

  deinit { sqlite3_finalize(handle) }

  // MARK: Running

  /// - Returns: true when there is a row, false when the statement is done.
  package func step() throws(StorageFault) -> Bool {
    let result = sqlite3_step(handle)
    switch result {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default: throw connection.fault(result, "running \(sql.prefix(200))")
    }
  }

  /// Runs to the end, dropping rows, and resets.
  package func run() throws(StorageFault) {
    defer { sqlite3_reset(handle) }
    while try step() {}
  }

  /// Makes it ready to run again and clears its values.
  package func reset() {
    sqlite3_reset(handle)
    sqlite3_clear_bindings(handle)
  }

  /// Makes it ready to run again with the same values.
  package func rewind() { sqlite3_reset(handle) }

  /// Virtual machine steps since they were last taken.
  package func takeSteps() -> UInt64 {
    UInt64(UInt32(bitPattern: sqlite3_stmt_status(handle, SQLITE_STMTSTATUS_VM_STEP, 1)))
  }

  /// Virtual machine steps since they were last taken; they go on counting.
  package var stepsSoFar: UInt64 {
    UInt64(UInt32(bitPattern: sqlite3_stmt_status(handle, SQLITE_STMTSTATUS_VM_STEP, 0)))
  }

  package var isReadOnly: Bool { sqlite3_stmt_readonly(handle) != 0 }
  package var isExplain: Bool { sqlite3_stmt_isexplain(handle) != 0 }

  // MARK: Parameters

  package var parameterCount: Int { Int(sqlite3_bind_parameter_count(handle)) }

  /// - Parameter name: with its prefix, as in `:bank_id`.
  package func parameter(_ name: String) -> Int? {
    let index = sqlite3_bind_parameter_index(handle, name)
    return index == 0 ? nil : Int(index)
  }

  private func bound(_ result: Int32) throws(StorageFault) {
    guard result == SQLITE_OK else {
      throw connection.fault(result, "binding a value of \(sql.prefix(200))")
    }
  }

  package func bind(_ index: Int, _ value: Int64) throws(StorageFault) {
    try bound(sqlite3_bind_int64(handle, Int32(index), value))
  }

  package func bind(_ index: Int, real value: Double) throws(StorageFault) {
    try bound(sqlite3_bind_double(handle, Int32(index), value))
  }

  package func bindNull(_ index: Int) throws(StorageFault) {
    try bound(sqlite3_bind_null(handle, Int32(index)))
  }

  package func bind(_ index: Int, _ value: String) throws(StorageFault) {
    var value = value
    let result = value.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        // An empty string has no address; NULL would bind NULL.
        quorate_sqlite3_bind_text(
          handle, Int32(index), $0.baseAddress ?? emptyText, Int32($0.count))
      }
    }
    try bound(result)
  }

  package func bind(_ index: Int, blob value: [UInt8]) throws(StorageFault) {
    let result = value.withUnsafeBytes {
      $0.isEmpty
        ? sqlite3_bind_zeroblob(handle, Int32(index), 0)
        : quorate_sqlite3_bind_blob(handle, Int32(index), $0.baseAddress, Int32($0.count))
    }
    try bound(result)
  }

  /// Binds UTF-8 text.
  package func bind(_ index: Int, utf8 value: [UInt8]) throws(StorageFault) {
    let result = value.withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        quorate_sqlite3_bind_text(
          handle, Int32(index), $0.baseAddress ?? emptyText, Int32($0.count))
      }
    }
    try bound(result)
  }

  /// Binds UTF-8 text without a copy.
  ///
  /// - Precondition: `value` stays where it is until the statement is reset or bound anew.
  package func bind(
    _ index: Int, borrowed value: UnsafeBufferPointer<UInt8>
  ) throws(StorageFault) {
    let result = value.withMemoryRebound(to: CChar.self) {
      sqlite3_bind_text(handle, Int32(index), $0.baseAddress ?? emptyText, Int32($0.count), nil)
    }
    try bound(result)
  }

  /// Binds a blob without a copy, under the same precondition.
  package func bind(
    _ index: Int, borrowedBlob value: UnsafeRawBufferPointer
  ) throws(StorageFault) {
    try bound(
      value.isEmpty
        ? sqlite3_bind_zeroblob(handle, Int32(index), 0)
        : sqlite3_bind_blob(handle, Int32(index), value.baseAddress, Int32(value.count), nil))
  }

  // MARK: Columns

  package enum ColumnType: Sendable { case null, integer, real, text, blob }

  package var columnCount: Int { Int(sqlite3_column_count(handle)) }

  package func columnName(_ index: Int) -> String {
    sqlite3_column_name(handle, Int32(index)).map { String(cString: $0) } ?? ""
  }

  package func type(_ index: Int) -> ColumnType {
    switch sqlite3_column_type(handle, Int32(index)) {
    case SQLITE_INTEGER: .integer
    case SQLITE_FLOAT: .real
    case SQLITE_TEXT: .text
    case SQLITE_BLOB: .blob
    default: .null
    }
  }

  package func isNull(_ index: Int) -> Bool {
    sqlite3_column_type(handle, Int32(index)) == SQLITE_NULL
  }

  package func integer(_ index: Int) -> Int64 { sqlite3_column_int64(handle, Int32(index)) }
  package func real(_ index: Int) -> Double { sqlite3_column_double(handle, Int32(index)) }

  package func text(_ index: Int) -> String {
    withBytes(index) { String(decoding: $0, as: UTF8.self) }
  }

  /// The bytes of a blob, or of a text in UTF-8.
  package func bytes(_ index: Int) -> [UInt8] { withBytes(index) { Array($0) } }

  /// The bytes of a blob or text where SQLite keeps them; valid inside of `body` only.
  package func withBytes<R>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    let start: UnsafeRawPointer?
    if sqlite3_column_type(handle, Int32(index)) == SQLITE_BLOB {
      start = sqlite3_column_blob(handle, Int32(index))
    } else {
      start = UnsafeRawPointer(sqlite3_column_text(handle, Int32(index)))
    }
    let count = Int(sqlite3_column_bytes(handle, Int32(index)))
    return body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
  }
}

/// A byte that outlives every statement: where an empty text starts.
private nonisolated(unsafe) let emptyText: UnsafePointer<CChar> = {
  let place = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
  place.initialize(to: 0)
  return UnsafePointer(place)
}()
