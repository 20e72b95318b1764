import CSQLite

/// What SQLite answered instead of a result.
///
/// - Safety: only a statement's own fault may ever become an outcome that replicas agree on; an
///   environment fault (memory, disk, locks, damage) says something of this machine alone.
package struct StorageFault: Error, Equatable, CustomStringConvertible {
  /// The primary result code, for example `SQLITE_FULL`.
  package let code: Int32
  package let extendedCode: Int32
  /// SQLite's own text: for logs only, since it changes from version to version.
  package let message: String
  /// What was being done, as a phrase: `inserting into bronze_orders`.
  package let doing: String

  package init(code: Int32, extendedCode: Int32, message: String, doing: String) {
    self.code = code
    self.extendedCode = extendedCode
    self.message = message
    self.doing = doing
  }

  package enum Kind: Hashable, Sendable {
    /// The machine failed; retrying elsewhere or later may succeed. Never an outcome.
    case environment
    /// The statement or its values are at fault; the same on every machine.
    case statement
    /// The progress handler stopped the statement.
    case interrupted
    /// The authorizer refused it.
    case denied
  }

  /// Fails closed: a code that is not known to be the statement's own fault counts as the
  /// environment's.
  package var kind: Kind {
    switch code {
    case SQLITE_CONSTRAINT, SQLITE_ERROR, SQLITE_MISMATCH, SQLITE_TOOBIG, SQLITE_RANGE,
      SQLITE_FORMAT:
      .statement
    case SQLITE_INTERRUPT: .interrupted
    case SQLITE_AUTH: .denied
    default: .environment
    }
  }

  package var isEnvironment: Bool { kind == .environment }

  /// True when the disk has no room left, for a log's index either
  /// (https://sqlite.org/rescode.html#ioerr_shmsize).
  package var isFull: Bool {
    code == SQLITE_FULL || extendedCode == SQLITE_IOERR | (19 << 8)
  }

  /// True when the file is not what SQLite wrote, or what was stored in it is not.
  package var isDamage: Bool { [SQLITE_CORRUPT, SQLITE_NOTADB].contains(code) }

  package var description: String {
    "SQLite failed while \(doing): \(message) (code \(extendedCode))"
  }
}
