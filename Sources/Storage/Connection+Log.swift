import CSQLite

/// How far a write-ahead log has grown, in pages.
package struct LogGrowth: Hashable, Sendable {
  /// In the log as of the last commit.
  package private(set) var pages = 0
  private var checked = 0

  /// Since it was last checkpointed, whatever that moved, or since it began anew.
  package var added: Int { pages - checked }

  mutating func committed(_ pages: Int) {
    if pages < self.pages { checked = 0 }
    self.pages = pages
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
      Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue().log.committed(Int(pages))
      return SQLITE_OK
    }

  /// Makes durable what commits left in the write-ahead log: a checkpoint that a reader hinders
  /// may sync nothing (https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html, JOURNAL_POINTER).
  package func syncLog() throws(StorageFault) {
    var file: UnsafeMutablePointer<sqlite3_file>?
    try check(
      sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file),
      "finding the log of \(path)")
    guard let file, let sync = file.pointee.pMethods?.pointee.xSync else { return }
    let result = sync(file, SQLITE_SYNC_NORMAL)
    guard result == SQLITE_OK else {
      throw StorageFault(
        code: result & 0xff, extendedCode: result, message: "fsync failed",
        doing: "syncing the log of \(path)")
    }
  }
}
