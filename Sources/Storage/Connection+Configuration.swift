import CSQLite

extension Connection {
  /// Sets a pragma and gives what SQLite answers, if it answers.
  @discardableResult
  package func pragma(_ name: String, _ value: String) throws(StorageFault) -> String? {
    try text("PRAGMA \(name)=\(value)")
  }

  /// `sqlite3_db_config` of a switch.
  package func configure(_ option: Int32, _ value: Bool) throws(StorageFault) {
    try check(
      quorate_sqlite3_db_config_int(handle, option, value ? 1 : 0),
      "setting the connection option \(option)")
  }

  /// `sqlite3_limit`.
  package func limit(_ category: Int32, _ value: Int32) {
    sqlite3_limit(handle, category, value)
  }

  /// What a checkpoint moved from the write-ahead log into the file.
  package struct Checkpoint: Hashable, Sendable {
    /// Pages in the log, and how many of them are in the file now. Equal: all of it is.
    package let pagesInLog: Int
    package let pagesMoved: Int
    package var isComplete: Bool { pagesInLog == pagesMoved }
  }

  package enum CheckpointMode: Sendable {
    /// Moves what no reader hinders.
    case passive
    /// Waits for readers, moves all, and starts the log anew.
    case truncate
  }

  /// Moves the write-ahead log into the file, with fsync of both (unless `synchronous=OFF`).
  package func checkpoint(_ mode: CheckpointMode) throws(StorageFault) -> Checkpoint {
    var inLog: Int32 = 0
    var moved: Int32 = 0
    let flag: Int32
    switch mode {
    case .passive: flag = SQLITE_CHECKPOINT_PASSIVE
    case .truncate: flag = SQLITE_CHECKPOINT_TRUNCATE
    }
    // Also one that failed: the next is due no sooner.
    defer { log.checkpointed() }
    try check(
      sqlite3_wal_checkpoint_v2(handle, nil, flag, &inLog, &moved), "checkpointing \(path)")
    return Checkpoint(pagesInLog: Int(inLog), pagesMoved: Int(moved))
  }
}
