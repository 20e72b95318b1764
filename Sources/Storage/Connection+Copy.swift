import CSQLite

extension Connection {
  /// Takes over all pages of another connection's database, as its open transaction sees them
  /// (https://sqlite.org/c3ref/backup_finish.html). What this connection held is gone.
  package func copy(from source: Connection) throws(StorageFault) {
    forgetStatements()
    guard let backup = sqlite3_backup_init(handle, "main", source.handle, "main") else {
      throw fault(sqlite3_errcode(handle), "copying \(source.path)")
    }
    let result = sqlite3_backup_step(backup, -1)
    let finished = sqlite3_backup_finish(backup)
    guard result == SQLITE_DONE, finished == SQLITE_OK else {
      throw fault(result == SQLITE_DONE ? finished : result, "copying \(source.path)")
    }
  }
}
