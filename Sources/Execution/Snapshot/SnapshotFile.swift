import CSQLite
import Certification
import Signing
import Storage
import Wire

/// A snapshot that was checked.
package struct CheckedSnapshot: Sendable {
  package let seal: SnapshotSeal
  /// Ascending by name.
  package let tables: [(name: String, rows: Int)]
  /// Entries of the bookkeeping: receipts, roles, the package.
  package let entries: Int

  package var rows: Int { tables.reduce(0) { $0 + $1.rows } }
}

/// A pipeline's snapshot: a plain SQLite file of its tables and its bookkeeping as they were at one
/// certified height, with the seal that proves them.
///
/// - Safety: what passes the check is, cell by cell, what the seal's certificate speaks of; no
///   table, index, view or trigger is in the file beside it.
/// - Bound: time in proportion to the file; memory for the schemas and one row.
package enum SnapshotFile {
  /// Holds the seal, in one row.
  static let sealTable = "ledger_snapshot"
  /// How every SQLite file begins (https://sqlite.org/fileformat.html#the_database_header).
  package static let firstBytes = Array("SQLite format 3\0".utf8)
  /// So often progress is told, in rows.
  static let rowsBetweenWords = 4_096

  /// Reads the whole file and checks it against the subnet's committee.
  /// - Parameter progress: is given how many rows and entries were read.
  package static func check(
    _ path: String, by check: ClientCheck, progress: (Int) -> Void = { _ in }
  ) throws(SnapshotFault) -> CheckedSnapshot {
    do {
      let connection = try Connection(path: path, access: .readOnly)
      try connection.configure(SQLITE_DBCONFIG_DEFENSIVE, true)
      try connection.configure(SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)
      try connection.pragma("cell_size_check", "1")
      try connection.pragma("mmap_size", "0")
      // All of it as it is at one moment, whoever writes to it meanwhile.
      try connection.execute("BEGIN")
      return try withoutActuallyEscaping(progress) { progress in
        var reading = SnapshotReading(connection, progress)
        return try reading.checked(by: check)
      }
    } catch let fault as StorageFault {
      throw SnapshotFault(fault)
    } catch let fault as CheckFault {
      throw SnapshotFault.wrong(fault)
    } catch { preconditionFailure("an error of no known kind: \(error)") }
  }

  /// Makes the tables of a snapshot; without records those that each one has.
  static func makeTables(
    of records: [TableRecord], on connection: Connection
  ) throws(StorageFault) {
    if records.isEmpty {
      try connection.execute(
        Ledger.rowsMade + "CREATE TABLE IF NOT EXISTS \(sealTable)(seal BLOB NOT NULL) STRICT;")
    }
    for record in records {
      try StoredTable(record.schema, indexes: record.indexes, on: connection).create()
    }
  }
}

/// One pass over the file of a snapshot, which may hold anything.
private struct SnapshotReading {
  private let connection: Connection
  private let progress: (Int) -> Void
  private var records: [TableRecord] = []
  private var entries = 0
  private var rows: [(name: String, rows: Int)] = []
  private var read = 0

  init(_ connection: Connection, _ progress: @escaping (Int) -> Void) {
    self.connection = connection
    self.progress = progress
  }

  mutating func checked(by check: ClientCheck) throws -> CheckedSnapshot {
    let twin = try Connection(path: ":memory:")
    try SnapshotFile.makeTables(of: [], on: twin)
    let known = try Self.objects(of: connection)
    guard try Self.objects(of: twin).allSatisfy({ known.contains($0) }) else {
      throw CheckFault(
        .file, "it has no seal: give a file that `quorate pipeline snapshot` wrote")
    }
    let seal = try seal()
    try check.check(seal)
    guard try ledgerRoot() == seal.roots.ledger else {
      throw CheckFault(.proof, "its bookkeeping is not what was certified: the file was changed")
    }
    if !records.isEmpty { try SnapshotFile.makeTables(of: records, on: twin) }
    guard try Self.objects(of: twin) == known else {
      throw CheckFault(
        .proof,
        "its tables, indexes and views are not those that were certified: the file was changed")
    }
    guard try dataRoot() == seal.roots.data else {
      throw CheckFault(.proof, "its rows are not those that were certified: the file was changed")
    }
    // What the roots do not reach: indexes, and pages that belong to nothing.
    guard let word = try connection.text("PRAGMA integrity_check(1)"), word == "ok" else {
      throw CheckFault(.file, "it is damaged: its indexes do not fit its rows")
    }
    return CheckedSnapshot(
      seal: seal, tables: rows.sorted { $0.name < $1.name }, entries: entries)
  }

  /// Everything that SQLite knows of, as it was made.
  private static func objects(of connection: Connection) throws(StorageFault) -> [String] {
    let scan = try connection.prepare(
      "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name")
    var objects: [String] = []
    while try scan.step() {
      objects.append((0..<4).map { scan.text($0) }.joined(separator: "\n"))
    }
    return objects
  }

  private func seal() throws -> SnapshotSeal {
    let scan = try connection.prepare("SELECT seal FROM \(SnapshotFile.sealTable)")
    guard try scan.step(), let seal = try? SnapshotSeal(canonicalBytes: scan.bytes(0)),
      try !scan.step()
    else { throw CheckFault(.file, "its seal cannot be read: it is damaged") }
    return seal
  }

  private mutating func count() {
    read += 1
    if read % SnapshotFile.rowsBetweenWords == 0 { progress(read) }
  }

  /// - Returns: nil where entries are out of order, or no such entries can be.
  private mutating func ledgerRoot() throws(StorageFault) -> Digest? {
    var fold = TrieFold()
    let scan = try connection.prepare(
      "SELECT part, key, value FROM \(Ledger.rowsTable) ORDER BY part, key")
    while try scan.step() {
      guard scan.type(0) == .integer, let part = UInt32(exactly: scan.integer(0)),
        scan.type(1) == .blob, scan.type(2) == .blob,
        fold.add(Ledger.trieKey(part, scan.bytes(1)), scan.withBytes(2) { sha256($0) })
      else { return nil }
      if part == Ledger.Part.table.rawValue {
        guard let record = try? TableRecord(canonicalBytes: scan.bytes(2)) else { return nil }
        records.append(record)
      }
      entries += 1
      count()
    }
    return fold.root
  }

  /// - Returns: nil where rows are out of order, or no such rows can be.
  private mutating func dataRoot() throws(StorageFault) -> Digest? {
    var fold = TrieFold()
    let schemas = records.map(\.schema).sorted { $0.id < $1.id }
    let catalog = schemas.map { (key: TableSchema.catalogKey(of: $0.name), row: $0.digest) }
      .sorted { $0.key.lexicographicallyPrecedes($1.key) }
    for leaf in catalog {
      guard fold.add(leaf.key, leaf.row) else { return nil }
    }
    for schema in schemas {
      guard try add(schema, to: &fold) else { return nil }
    }
    return fold.root
  }

  private mutating func add(
    _ schema: TableSchema, to fold: inout TrieFold
  ) throws(StorageFault) -> Bool {
    var hasher = CellHasher(schema: schema)
    let key = schema.key.map { quoted(schema.columns[$0].name) }.joined(separator: ", ")
    let scan = try connection.prepare(
      "SELECT * FROM \(quoted(schema.name)) ORDER BY \(key)")
    guard scan.columnCount == schema.storedCount else { return false }
    let hasNonce = schema.hasNonce
    var found = 0
    while try scan.step() {
      var nonce: Digest?
      if hasNonce {
        let place = schema.columns.count
        nonce = scan.type(place) == .blob ? Digest(scan.bytes(place)) : nil
        guard nonce != nil else { return false }
      }
      hasher.begin(nonce: nonce)
      for index in schema.columns.indices {
        switch scan.type(index) {
        case .null: hasher.null()
        case .integer: hasher.integer(scan.integer(index))
        case .text: scan.withBytes(index) { hasher.text($0) }
        case .blob: scan.withBytes(index) { hasher.blob($0) }
        // No table of a pipeline has such a column.
        case .real: return false
        }
      }
      let hash = hasher.finish()
      guard fold.add(hasher.key, hash) else { return false }
      found += 1
      count()
    }
    rows.append((schema.name, found))
    return true
  }
}
