import Certification
import Signing
import Storage
import Wire

/// Makes the file of a snapshot from its parts. What it made is believed only once
/// `SnapshotFile.check` has read it back.
///
/// - Safety: every table, column and index in it is made here, from the schemas of a bookkeeping
///   that came to its certified root; a replica's rows are values in them and nothing else.
/// - Bound: twice the bytes that this bookkeeping says the pipeline stores. Nothing certified says
///   how long the bookkeeping itself is.
package final class SnapshotWriter {
  private let connection: Connection
  private let ledgerRoot: Digest
  private var ledger = TrieFold()
  private var account: PipelineAccount?
  /// nil until the bookkeeping came to its root.
  private var tables: [String: Table]?
  /// Bytes that more rows may take.
  private var bytesLeft: UInt64 = 0

  /// What a row of a table is.
  private struct Table {
    /// With the salt of personal columns.
    let columns: Int
    let values: Int
    /// Bytes that each row takes beside its values, as storage is metered.
    let overhead: UInt64

    init(_ record: TableRecord) {
      columns = record.schema.storedCount
      values = record.schema.columns.count
      overhead = UInt64(DataStore.rowOverhead) * UInt64(1 + record.indexes.count)
    }
  }

  /// - Parameters:
  ///   - path: an empty file, or none. One that is left half-written is worth nothing: its journal
  ///     is in memory.
  ///   - seal: was checked.
  package init(path: String, seal: SnapshotSeal) throws(SnapshotFault) {
    ledgerRoot = seal.roots.ledger
    do {
      connection = try Connection(path: path, access: .create)
      try connection.pragma("journal_mode", "MEMORY")
      try connection.pragma("synchronous", "OFF")
      try SnapshotFile.makeTables(of: [], on: connection)
      let insert = try connection.prepare("INSERT INTO \(SnapshotFile.sealTable) VALUES(?)")
      try insert.bind(1, blob: seal.canonicalBytes)
      try insert.run()
    } catch { throw SnapshotFault(error) }
  }

  /// Bytes that the pipeline stores, by its account; nil until the bookkeeping came to its root.
  package var storedBytes: UInt64? { tables == nil ? nil : account?.storedBytes ?? 0 }

  /// Takes what follows. A writer that threw takes no more.
  package func add(_ part: SnapshotPart) throws(SnapshotFault) {
    try faulted {
      let transaction = try WriteTransaction(connection)
      for table in part.tables {
        if table.name == Ledger.rowsTable {
          try addEntries(table.rows)
        } else {
          try add(table.rows, to: table.name)
        }
      }
      try transaction.commit()
    }
  }

  /// Makes the tables that have no row.
  package func finish() throws(SnapshotFault) {
    try faulted { _ = try provenTables() }
  }

  private func faulted(_ body: () throws -> Void) throws(SnapshotFault) {
    do { try body() } catch let fault as StorageFault {
      throw SnapshotFault(fault)
    } catch let fault as CheckFault {
      throw .wrong(fault)
    } catch { preconditionFailure("an error of no known kind: \(error)") }
  }

  /// Entries come by part and key, so that the last one tells whether they are all and right.
  private func addEntries(_ rows: [SnapshotPart.Row]) throws {
    guard tables == nil else {
      throw CheckFault(.proof, "more bookkeeping than was certified")
    }
    for row in rows {
      guard row.values.count == 3, case .int(let number) = row.values[0],
        let part = UInt32(exactly: number), case .bytes(let key) = row.values[1],
        case .bytes(let value) = row.values[2],
        ledger.add(Ledger.trieKey(part, key), sha256(value))
      else { throw CheckFault(.proof, "bookkeeping that is none, or out of order") }
      if part == Ledger.Part.value.rawValue, key == PipelineFile.Key.account {
        account = try? PipelineAccount(canonicalBytes: value)
      }
    }
    try insert(rows, into: Ledger.rowsTable, of: 3)
  }

  private func add(_ rows: [SnapshotPart.Row], to name: String) throws {
    guard let table = try provenTables()[name] else {
      throw CheckFault(.proof, "rows of \(name), which the bookkeeping does not name")
    }
    for row in rows {
      guard row.values.count == table.columns else {
        throw CheckFault(
          .proof, "a row of \(row.values.count) values, \(name) has \(table.columns)")
      }
      let bytes = row.values.prefix(table.values).reduce(table.overhead) { $0 + UInt64($1.size) }
      guard bytes <= bytesLeft else {
        throw CheckFault(.proof, "more rows than the bookkeeping says the pipeline stores")
      }
      bytesLeft -= bytes
    }
    try insert(rows, into: name, of: table.columns)
  }

  /// The tables, made once the bookkeeping is whole.
  private func provenTables() throws -> [String: Table] {
    if let tables { return tables }
    guard ledger.root == ledgerRoot else {
      throw CheckFault(.proof, "its bookkeeping is not what was certified")
    }
    let scan = try connection.prepare(
      "SELECT value FROM \(Ledger.rowsTable) WHERE part=? ORDER BY key")
    try scan.bind(1, Int64(Ledger.Part.table.rawValue))
    var records: [TableRecord] = []
    while try scan.step() {
      if let record = try? TableRecord(canonicalBytes: scan.bytes(0)) { records.append(record) }
    }
    scan.reset()
    if !records.isEmpty { try SnapshotFile.makeTables(of: records, on: connection) }
    var found: [String: Table] = [:]
    for record in records { found[record.schema.name] = Table(record) }
    tables = found
    // As much again: an account that were wrong must not keep its owner from the rows.
    bytesLeft = (account?.storedBytes ?? 0).multipliedCapped(2)
    return found
  }

  private func insert(
    _ rows: [SnapshotPart.Row], into table: String, of columns: Int
  ) throws(StorageFault) {
    let marks = Array(repeating: "?", count: columns).joined(separator: ",")
    let insert = try connection.cached("INSERT INTO \(quoted(table)) VALUES(\(marks))")
    for row in rows {
      for (index, value) in row.values.enumerated() { try insert.bind(index + 1, value: value) }
      try insert.run()
    }
  }
}
