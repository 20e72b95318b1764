import Certification
import Signing
import Storage
import Wire

/// The bookkeeping of one file: receipts, idempotency entries, accounts, roles, the package. Keys
/// and values are canonical bytes; all of it lies under a trie of its own.
///
/// - Safety: what is undone in the file is undone in the trie: both move by update.
final class Ledger {
  /// No SQL of a user may name a table that begins so.
  static let tablePrefix = "ledger_"
  /// All that lies under the trie, and how it is made.
  static let rowsTable = "ledger_rows"
  static let rowsMade = """
    CREATE TABLE IF NOT EXISTS ledger_rows(
      part INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
      PRIMARY KEY(part, key)) STRICT, WITHOUT ROWID;
    """

  /// The kinds of entries; their numbers are the table ids of the trie's keys.
  enum Part: UInt32, CaseIterable {
    case value = 1
    case role = 2
    case receipt = 3
    case idempotency = 4
    case account = 5
    case pipeline = 6
    case watermark = 7
    case table = 8
    /// Cycles that a top-up brought, by call.
    case credit = 9
    /// The version with which a row was deleted, by table and key; the deploy that took a
    /// source, by its name.
    case tombstone = 10
    /// Cycles that a caller burned, by day and key.
    case spending = 11
  }

  let connection: Connection
  let trie: StateTrie
  private var changes = ChangeList()
  /// Receipts up to this height are not seen when calls come again: only where that rule is broken.
  var blindThrough: Height = 0

  init(on connection: Connection, retaining: UInt64) throws(StorageFault) {
    self.connection = connection
    trie = StateTrie(retaining: retaining)
    try connection.execute(
      """
      \(Self.rowsMade)
      CREATE TABLE IF NOT EXISTS ledger_forget(
        at INTEGER NOT NULL, part INTEGER NOT NULL, key BLOB NOT NULL,
        PRIMARY KEY(at, part, key)) STRICT, WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS ledger_heights(
        height INTEGER PRIMARY KEY, outcome BLOB NOT NULL) STRICT;
      """)
  }

  /// Builds the trie from one ordered scan.
  func rebuild() throws(StorageFault) {
    let scan = try connection.cached("SELECT part, key, value FROM ledger_rows ORDER BY part, key")
    var all = ChangeList()
    while try scan.step() {
      let part = UInt32(truncatingIfNeeded: scan.integer(0))
      all.put(Self.trieKey(part, scan.bytes(1)), scan.withBytes(2) { sha256($0) })
    }
    scan.reset()
    trie.apply(all.sorted())
  }

  static func newTrie(retaining: UInt64) -> StateTrie { StateTrie(retaining: retaining) }

  static func trieKey(_ part: UInt32, _ key: [UInt8]) -> [UInt8] {
    var encoder = KeyEncoder(table: part)
    encoder.blob(key)
    return encoder.bytes
  }

  // MARK: Entries

  func get(_ part: Part, _ key: [UInt8]) throws(StorageFault) -> [UInt8]? {
    try connection.ledgerEntry(part, key)
  }

  func contains(_ part: Part, _ key: [UInt8]) throws(StorageFault) -> Bool {
    let select = try connection.cached("SELECT 1 FROM ledger_rows WHERE part=? AND key=?")
    try select.bind(1, Int64(part.rawValue))
    try select.bind(2, blob: key)
    defer { select.reset() }
    return try select.step()
  }

  /// - Parameter forgetAt: block time from which the entry may be forgotten; nil: never.
  func put(
    _ part: Part, _ key: [UInt8], _ value: [UInt8], forgetAt: Moment? = nil
  ) throws(StorageFault) {
    let insert = try connection.cached("INSERT OR REPLACE INTO ledger_rows VALUES(?,?,?)")
    try insert.bind(1, Int64(part.rawValue))
    try insert.bind(2, blob: key)
    try insert.bind(3, blob: value)
    try insert.run()
    changes.put(Self.trieKey(part.rawValue, key), sha256(value))
    guard let forgetAt else { return }
    let later = try connection.cached("INSERT OR IGNORE INTO ledger_forget VALUES(?,?,?)")
    try later.bind(1, Int64(clamping: forgetAt.number))
    try later.bind(2, Int64(part.rawValue))
    try later.bind(3, blob: key)
    try later.run()
  }

  /// Takes back that an entry is forgotten at a time.
  func keep(_ part: UInt32, _ key: [UInt8], beyond at: Moment) throws(StorageFault) {
    let done = try connection.cached(
      "DELETE FROM ledger_forget WHERE at=? AND part=? AND key=?")
    try done.bind(1, Int64(clamping: at.number))
    try done.bind(2, Int64(part))
    try done.bind(3, blob: key)
    try done.run()
  }

  func remove(_ part: Part, _ key: [UInt8]) throws(StorageFault) {
    let delete = try connection.cached("DELETE FROM ledger_rows WHERE part=? AND key=?")
    try delete.bind(1, Int64(part.rawValue))
    try delete.bind(2, blob: key)
    try delete.run()
    changes.remove(Self.trieKey(part.rawValue, key))
  }

  /// How many entries a part has.
  func count(_ part: Part) throws(StorageFault) -> Int {
    let select = try connection.cached("SELECT count(*) FROM ledger_rows WHERE part=?")
    try select.bind(1, Int64(part.rawValue))
    defer { select.reset() }
    return try select.step() ? Int(select.integer(0)) : 0
  }

  /// All entries of a part, ascending by key.
  func all(_ part: Part) throws(StorageFault) -> [(key: [UInt8], value: [UInt8])] {
    try connection.ledgerEntries(part)
  }

  /// Forgets entries whose time has come, the oldest first.
  ///
  /// - Bound: `ExecutionLimits.entriesForgottenPerBlock` entries more than the block's calls may
  ///   leave, so no sequence of full blocks adds to what is overdue.
  /// - Parameter calls: how many of the block this file sees.
  /// - Returns: how many logical bytes of storage that frees.
  @discardableResult
  func forget(before time: Moment, calls: Int) throws(StorageFault) -> UInt64 {
    let most =
      calls * ExecutionLimits.entriesPerCallMax + ExecutionLimits.entriesForgottenPerBlock
    let due = try connection.cached(
      "SELECT at, part, key FROM ledger_forget WHERE at<? ORDER BY at, part, key LIMIT ?")
    try due.bind(1, Int64(clamping: time.number))
    try due.bind(2, Int64(most))
    var found: [(at: Int64, part: Int64, key: [UInt8])] = []
    while try due.step() { found.append((due.integer(0), due.integer(1), due.bytes(2))) }
    due.reset()
    var freed: UInt64 = 0
    for entry in found {
      let number = UInt32(truncatingIfNeeded: entry.part)
      try keep(number, entry.key, beyond: Moment(UInt64(clamping: entry.at)))
      guard let part = Part(rawValue: number) else { continue }
      if part == .receipt, let bytes = try get(part, entry.key),
        let receipt = try? Receipt(canonicalBytes: bytes)
      {
        freed += Self.storedBytes(of: receipt)
      }
      try remove(part, entry.key)
    }
    return freed
  }

  // MARK: Undoing

  /// Brings the trie to what the file holds now.
  /// - Returns: how many hashes it took.
  @discardableResult
  func settle() -> UInt64 {
    guard !changes.isEmpty else { return 0 }
    defer { changes.removeAll() }
    return trie.apply(changes.sorted())
  }

  /// Forgets changes that the file has undone.
  func discard() { changes.removeAll() }

  var mark: ChangeList.Mark { changes.mark }
  /// Forgets changes that a savepoint in an update has undone in the file.
  func undo(to mark: ChangeList.Mark) { changes.undo(to: mark) }

  // MARK: Receipts

  func receipt(of call: Digest) throws(StorageFault) -> Receipt? {
    guard let bytes = try get(.receipt, call.bytes) else { return nil }
    return try? Receipt(canonicalBytes: bytes)
  }

  /// Whether the call was executed before: it may not be again.
  func hasExecuted(_ call: Digest) throws(StorageFault) -> Bool {
    guard blindThrough > 0 else { return try contains(.receipt, call.bytes) }
    return try receipt(of: call).map { $0.height > blindThrough } ?? false
  }

  /// What a receipt adds to a pipeline's storage until it expires. One that cost its pipeline
  /// nothing adds nothing, so that refused strangers fill no storage.
  static func storedBytes(of receipt: Receipt) -> UInt64 {
    guard receipt.charged > 0 else { return 0 }
    return UInt64(receipt.canonicalBytes.count + receipt.call.bytes.count)
      + UInt64(DataStore.rowOverhead)
  }

  func put(_ receipt: Receipt, forgetAt: Moment) throws(StorageFault) {
    try put(.receipt, receipt.call.bytes, receipt.canonicalBytes, forgetAt: forgetAt)
  }

  // MARK: Heights

  func recordHeight(_ height: Height, _ outcome: [UInt8]) throws(StorageFault) {
    let insert = try connection.cached("INSERT OR REPLACE INTO ledger_heights VALUES(?,?)")
    try insert.bind(1, Int64(clamping: height.number))
    try insert.bind(2, blob: outcome)
    try insert.run()
  }

  /// The newest height recorded at or below `height`, with what was recorded.
  func recorded(atOrBelow height: Height) throws(StorageFault) -> (Height, [UInt8])? {
    let select = try connection.cached(
      "SELECT height, outcome FROM ledger_heights WHERE height<=? ORDER BY height DESC LIMIT 1")
    try select.bind(1, Int64(clamping: height.number))
    defer { select.reset() }
    guard try select.step() else { return nil }
    return (Height(UInt64(clamping: select.integer(0))), select.bytes(1))
  }
}

// The ledger as its owner and readers see it.
extension Connection {
  func ledgerEntry(_ part: Ledger.Part, _ key: [UInt8]) throws(StorageFault) -> [UInt8]? {
    let select = try cached("SELECT value FROM ledger_rows WHERE part=? AND key=?")
    try select.bind(1, Int64(part.rawValue))
    try select.bind(2, blob: key)
    defer { select.reset() }
    return try select.step() ? select.bytes(0) : nil
  }

  func ledgerEntries(
    _ part: Ledger.Part
  ) throws(StorageFault) -> [(key: [UInt8], value: [UInt8])] {
    let scan = try cached(
      "SELECT key, value FROM ledger_rows WHERE part=? ORDER BY key")
    try scan.bind(1, Int64(part.rawValue))
    defer { scan.reset() }
    var result: [(key: [UInt8], value: [UInt8])] = []
    while try scan.step() { result.append((scan.bytes(0), scan.bytes(1))) }
    return result
  }
}
