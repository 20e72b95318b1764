import CSQLite

/// How far a write-ahead log has grown, in pages.
package struct LogGrowth: Hashable, Sendable {
  /// In the log as of the last commit.
  package private(set) var pages = 0
  private var checked = 0
  private var salt: UInt64?

  /// Since it was last checkpointed, whatever that moved, or since it began anew.
  package var added: Int { pages - checked }

  /// - Parameter salt: of the log; nil when that cannot be read.
  mutating func committed(_ pages: Int, salt: UInt64?) {
    if pages < self.pages || salt != nil && salt != self.salt { checked = 0 }
    self.pages = pages
    self.salt = salt ?? self.salt
  }

  mutating func checkpointed() { checked = pages }
}

extension Connection {
  /// The hook that counts what commits leave in the write-ahead log; its context is the connection,
  /// unretained. With it SQLite begins no checkpoint by itself
  /// (https://sqlite.org/c3ref/wal_hook.html).
  package static let noteLog:
    @convention(c) (
      UnsafeMutableRawPointer?, OpaquePointer?, UnsafePointer<CChar>?, Int32
    ) -> Int32 = { context, _, _, pages in
      guard let context else { return SQLITE_OK }
      let connection = Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue()
      connection.log.committed(Int(pages), salt: connection.logSalt)
      return SQLITE_OK
    }

  /// Makes durable what commits left in the write-ahead log: a checkpoint that a reader hinders
  /// may sync nothing (https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html, JOURNAL_POINTER).
  package func syncLog() throws(StorageFault) {
    guard let file = try logFile(), let sync = file.pointee.pMethods?.pointee.xSync else { return }
    let result = sync(file, SQLITE_SYNC_NORMAL)
    guard result == SQLITE_OK else {
      throw StorageFault(
        code: result & 0xff, extendedCode: result, message: "fsync failed",
        doing: "syncing the log of \(path)")
    }
  }

  /// Writes the log anew, byte for byte, and syncs it: what a process that died left in it may be
  /// in the page cache alone, and after a sync that failed the next one says nothing of those bytes
  /// (https://lwn.net/Articles/752063/). Takes no room on the disk, and readers do not hinder it.
  ///
  /// - Precondition: no other connection writes to the file.
  package func rewriteLog() throws(StorageFault) {
    guard let file = try logFile(), let methods = file.pointee.pMethods?.pointee,
      let measure = methods.xFileSize, let read = methods.xRead, let write = methods.xWrite
    else { return }
    var size: Int64 = 0
    var result = measure(file, &size)
    var piece = [UInt8](repeating: 0, count: 4_096)
    var offset: Int64 = 0
    while result == SQLITE_OK, offset < size {
      let count = min(Int64(piece.count), size - offset)
      result = piece.withUnsafeMutableBytes { bytes in
        let found = read(file, bytes.baseAddress, Int32(count), offset)
        return found == SQLITE_OK ? write(file, bytes.baseAddress, Int32(count), offset) : found
      }
      offset += count
    }
    guard result == SQLITE_OK else {
      throw StorageFault(
        code: result & 0xff, extendedCode: result, message: "read or write failed",
        doing: "writing anew the log of \(path)")
    }
    try syncLog()
  }

  /// Cuts off what transactions that were undone left in the log behind its last commit: nobody
  /// reads that, and the next transaction begins there
  /// (https://sqlite.org/fileformat.html#walformat). Within a transaction nothing is cut.
  ///
  /// - Precondition: no other connection writes to the file.
  /// - Parameter pages: those that are committed.
  package func trimLog(to pages: Int) throws(StorageFault) {
    guard !inTransaction else { return }
    let end = pages == 0 ? 0 : 32 + Int64(pages) * (24 + 4_096)
    guard let file = try logFile(), let methods = file.pointee.pMethods?.pointee,
      let measure = methods.xFileSize, let cut = methods.xTruncate
    else { return }
    var size: Int64 = 0
    var result = measure(file, &size)
    if result == SQLITE_OK, size > end { result = cut(file, end) }
    guard result == SQLITE_OK else {
      throw StorageFault(
        code: result & 0xff, extendedCode: result, message: "ftruncate failed",
        doing: "cutting the log of \(path)")
    }
  }

  private func logFile() throws(StorageFault) -> UnsafeMutablePointer<sqlite3_file>? {
    var file: UnsafeMutablePointer<sqlite3_file>?
    try check(
      sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file),
      "finding the log of \(path)")
    return file
  }

  /// Both salts in the header of the log; another whenever it begins anew
  /// (https://sqlite.org/fileformat.html#walformat).
  private var logSalt: UInt64? {
    guard let file = try? logFile(), let read = file.pointee.pMethods?.pointee.xRead else {
      return nil
    }
    var salt: UInt64 = 0
    let result = withUnsafeMutableBytes(of: &salt) { read(file, $0.baseAddress, 8, 16) }
    return result == SQLITE_OK ? salt : nil
  }
}
