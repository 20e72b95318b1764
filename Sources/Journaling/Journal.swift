/// Journaling: what a replica must not forget, in `consensus.sqlite`.
///
/// - Safety: `append` returns after the write-ahead log was synced, and a start syncs what it
///   finds there, so a vote that was sent is there after any crash; a second, different own vote of
///   one view and kind is never written; a record that was altered on disk is reported, never
///   believed.
/// - Bound: starting reads what lies above the highest finalization and a little below it, not the
///   history and not what lies above a gap in it, and writes the log once.
import Storage
import Wire

/// The journal, as its one writer has it. Belongs to one thread at a time.
package final class Journal {
  private let tables: JournalTables
  private let writer: JournalWriter
  private var connection: Connection { tables.connection }

  /// Opens the journal, or makes an empty one.
  ///
  /// - Parameters:
  ///   - vfs: the name of a registered VFS; nil for the system's.
  ///   - firstStart: true for the very first start of a new subnet's replica. Only then is an
  ///     empty journal marked as whole; `restore` reports any other empty one as not found.
  ///   - planted: rules to break, for simulations; then own votes are not enforced either.
  ///   - enforcesOwnVotes: false only for simulations of replicas that do not keep the rules.
  ///   - pageBytes: of a new journal's pages; smaller ones cost a simulation less copying.
  package init(
    path: String, vfs: String? = nil, firstStart: Bool = false,
    planted: Set<PlantedBug> = [], enforcesOwnVotes: Bool = true, pageBytes: Int = 4_096
  ) throws(JournalFault) {
    let connection = try journaling(path) { () throws(StorageFault) in
      let connection = try Connection(path: path, access: .create, vfs: vfs)
      try connection.pragma("trusted_schema", "OFF")
      try connection.pragma("cell_size_check", "ON")
      try connection.pragma("page_size", "\(pageBytes)")
      return connection
    }
    tables = JournalTables(connection: connection)
    writer = JournalWriter(
      connection: connection, enforcesOwnVotes: enforcesOwnVotes && planted.isEmpty)
    try Self.open(connection, syncs: planted.contains(.journalSyncedLate) ? "NORMAL" : "FULL")
    if !planted.contains(.restartUnsynced) {
      // What is restored is said again at once, and a power loss must not take it then.
      try journaling(path) { () throws(StorageFault) in try connection.rewriteLog() }
    }
    if firstStart {
      try journaling(path) { () throws(StorageFault) in
        try connection.execute("INSERT OR IGNORE INTO marker VALUES(1)")
      }
    }
  }

  /// Sets the journal's durability and checks, or makes, its tables.
  private static func open(
    _ connection: Connection, syncs mode: String
  ) throws(JournalFault) {
    let path = connection.path
    let (id, version, tables) = try journaling(path) { () throws(StorageFault) in
      let log = try connection.pragma("journal_mode", "WAL")
      guard log == "wal" else {
        throw StorageFault(
          code: 1, extendedCode: 1, message: "the journal mode is \(log ?? "unknown")",
          doing: "asking for write-ahead logging")
      }
      try connection.pragma("synchronous", mode)
      return (
        try connection.integer("PRAGMA application_id"),
        try connection.integer("PRAGMA user_version"),
        try connection.integer("SELECT count(*) FROM sqlite_schema")
      )
    }
    if id == 0, version == 0, tables == 0 {
      try journaling(path) { () throws(StorageFault) in
        let transaction = try WriteTransaction(connection)
        for statement in JournalSchema.statements { try connection.execute(statement) }
        try connection.pragma("application_id", "\(JournalSchema.applicationID)")
        try connection.pragma("user_version", "\(JournalSchema.version)")
        try transaction.commit()
      }
      return
    }
    guard id == JournalSchema.applicationID, version == JournalSchema.version else {
      throw .notAJournal(
        path: path, found: "application id \(id ?? 0), version \(version ?? 0)")
    }
  }

  /// Appends records in one transaction; they are durable when it returns.
  ///
  /// - Precondition: no own vote differs from one of the same view and kind written before, and
  ///   no own state share from one of the same height.
  package func append(_ records: [Record]) throws(JournalFault) {
    guard !records.isEmpty else { return }
    try writer.append(records)
  }

  /// What a replica starts from.
  package func restore() throws(JournalFault) -> Restored {
    try JournalRestorer(tables: tables).restore()
  }

  // MARK: Reading

  /// The finalized block of a height.
  package func block(at height: Height) throws(JournalFault) -> Block? {
    try tables.block(at: height)
  }

  /// A block by its digest, finalized or not.
  package func block(_ digest: Digest) throws(JournalFault) -> Block? {
    try tables.block(digest)
  }

  /// Finalized blocks in ascending height, and the finalizations held of them. At most `count`
  /// blocks, or as many more as it takes to reach one that has a finalization of its own.
  package func blocks(
    from height: Height, count: Int
  ) throws(JournalFault) -> ([Block], [Certificate]) {
    try tables.blocks(from: height, count: count)
  }

  package func stateCertificate(at height: Height) throws(JournalFault) -> StateCertificate? {
    try tables.stateCertificate(at: height)
  }

  /// Moves the write-ahead log into the file.
  package func checkpoint() throws(JournalFault) {
    try journaling(connection.path) { () throws(StorageFault) in
      _ = try connection.checkpoint(.passive)
    }
  }
}
