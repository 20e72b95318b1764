import Storage

/// The tables of `consensus.sqlite`. Every record carries a checksum over its table, key and body.
enum JournalSchema {
  /// "QRJ1": tells the file from other SQLite files.
  static let applicationID: Int64 = 0x5152_4a31
  static let version: Int64 = 1

  static let statements = [
    // One row, written by `Journal.init` at a first start, or with the end of a recovery: without
    // it this replica may have voted in a log that it no longer has.
    "CREATE TABLE marker(id INTEGER PRIMARY KEY CHECK(id=1)) STRICT",
    """
    CREATE TABLE votes(view INTEGER NOT NULL, kind INTEGER NOT NULL, body BLOB NOT NULL,
      sum INTEGER NOT NULL, PRIMARY KEY(view, kind)) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE certificates(view INTEGER NOT NULL, kind INTEGER NOT NULL, body BLOB NOT NULL,
      sum INTEGER NOT NULL, PRIMARY KEY(view, kind)) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE blocks(id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,
      height INTEGER NOT NULL, body BLOB NOT NULL, sum INTEGER NOT NULL) STRICT
    """,
    "CREATE INDEX blocks_by_height ON blocks(height)",
    """
    CREATE TABLE finalized(height INTEGER PRIMARY KEY, body BLOB NOT NULL, sum INTEGER NOT NULL)
      STRICT
    """,
    """
    CREATE TABLE state_shares(height INTEGER PRIMARY KEY, body BLOB NOT NULL,
      sum INTEGER NOT NULL) STRICT
    """,
    """
    CREATE TABLE state_certificates(height INTEGER PRIMARY KEY, body BLOB NOT NULL,
      sum INTEGER NOT NULL) STRICT
    """,
    "CREATE TABLE evidence(sum INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT",
    """
    CREATE TABLE singles(name TEXT PRIMARY KEY, body BLOB NOT NULL, sum INTEGER NOT NULL)
      STRICT, WITHOUT ROWID
    """,
  ]

  /// Tables that hold own votes and few rows: a row that is silently gone would be forgotten, so
  /// their trees are checked at every start.
  static let checkedAtStart = ["votes", "state_shares", "singles"]
}

/// Kinds of records, for checksums.
enum JournalKind: UInt8 {
  case vote = 1
  case certificate = 2
  case block = 3
  case finalized = 4
  case stateShare = 5
  case stateCertificate = 6
  case evidence = 7
  case abstain = 8
  case quarantine = 9
  case rebuild = 10
}

package enum JournalLimits {
  /// Evidence that is loaded at a start; more is kept on disk only.
  package static let evidenceRestoredMax = 256
  /// Own votes and shares below what they can matter for are dropped once in so many heights.
  package static let trimEvery: UInt64 = 64
  /// State shares kept below the highest state certificate.
  package static let sharesRetained: UInt64 = 256
  /// Headers of finalized blocks without a state certificate that are loaded at a start.
  package static let uncertifiedRestoredMax = 1_024
  /// Blocks loaded at a start that the highest finalization has passed by, above a gap, and how far
  /// below it they are looked for.
  package static let passedRestoredMax: UInt64 = 16
}
