import CSQLite

/// The one write transaction of a connection.
///
/// - Safety: dropped without `commit`, it rolls back; an obligation cannot be forgotten.
package struct WriteTransaction: ~Copyable {
  private let connection: Connection

  package init(_ connection: Connection) throws(StorageFault) {
    precondition(!connection.inTransaction, "a transaction is open on \(connection.path)")
    try connection.kept("BEGIN IMMEDIATE").run()
    self.connection = connection
  }

  /// Makes all of it visible, and durable as `synchronous` says. When it fails, all is undone.
  package consuming func commit() throws(StorageFault) {
    try connection.kept("COMMIT").run()
  }

  package consuming func rollback() {}

  deinit {
    // After a commit, and after some faults, there is none any more. A rollback that fails leaves
    // the transaction open, and the next one then says so.
    if connection.inTransaction { try? connection.kept("ROLLBACK").run() }
  }
}

/// Part of a transaction that may be undone alone.
///
/// - Safety: dropped without `release`, it undoes what was written since it began.
package struct Savepoint: ~Copyable {
  private let connection: Connection
  private let name: String
  private var isReleased = false

  package init(_ connection: Connection, name: StaticString) throws(StorageFault) {
    precondition(connection.inTransaction, "a savepoint needs a transaction")
    self.connection = connection
    self.name = "\(name)"
    try connection.cached("SAVEPOINT \(name)").run()
  }

  package consuming func release() throws(StorageFault) {
    try connection.cached("RELEASE \(name)").run()
    isReleased = true
  }

  package consuming func undo() {}

  deinit {
    guard !isReleased, connection.inTransaction else { return }
    try? connection.cached("ROLLBACK TO \(name)").run()
    try? connection.cached("RELEASE \(name)").run()
  }
}
