import Certification
import Storage
import Wire

/// Makes the file of a snapshot from its parts. What it made is believed only once
/// `SnapshotFile.check` has read it back.
///
/// - Safety: every table, column and index in it is made here, from schemas that the bookkeeping
///   names; a replica's rows are values in them and nothing else.
package final class SnapshotWriter {
  private let connection: Connection
  /// Columns by table; nil until the bookkeeping is there.
  private var columns: [String: Int]?

  /// - Parameter path: an empty file, or none. One that is left half-written is worth nothing:
  ///   its journal is in memory.
  package init(path: String, seal: SnapshotSeal) throws(SnapshotFault) {
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

  package func add(_ part: SnapshotPart) throws(SnapshotFault) {
    do {
      let transaction = try WriteTransaction(connection)
      for table in part.tables {
        try add(table.rows, to: table.name, of: try columns(of: table.name))
      }
      try transaction.commit()
    } catch let fault as StorageFault {
      throw SnapshotFault(fault)
    } catch let fault as SnapshotFault {
      throw fault
    } catch { preconditionFailure("an error of no known kind: \(error)") }
  }

  /// Makes the tables that have no row.
  package func finish() throws(SnapshotFault) {
    do { _ = try tables() } catch { throw SnapshotFault(error) }
  }

  private func columns(of table: String) throws -> Int {
    if table == Ledger.rowsTable { return 3 }
    guard let count = try tables()[table] else {
      throw SnapshotFault.wrong(
        CheckFault(.proof, "rows of \(table), which the bookkeeping does not name"))
    }
    return count
  }

  private func tables() throws(StorageFault) -> [String: Int] {
    if let columns { return columns }
    let scan = try connection.prepare(
      "SELECT value FROM \(Ledger.rowsTable) WHERE part=? ORDER BY key")
    try scan.bind(1, Int64(Ledger.Part.table.rawValue))
    var records: [TableRecord] = []
    while try scan.step() {
      if let record = try? TableRecord(canonicalBytes: scan.bytes(0)) { records.append(record) }
    }
    scan.reset()
    try SnapshotFile.makeTables(of: records, on: connection)
    var found: [String: Int] = [:]
    for record in records {
      found[record.schema.name] = record.schema.storedCount
    }
    columns = found
    return found
  }

  private func add(_ rows: [SnapshotPart.Row], to table: String, of columns: Int) throws {
    let marks = Array(repeating: "?", count: columns).joined(separator: ",")
    let insert = try connection.cached("INSERT INTO \(quoted(table)) VALUES(\(marks))")
    for row in rows {
      guard row.values.count == columns else {
        throw SnapshotFault.wrong(
          CheckFault(.proof, "a row of \(row.values.count) values, \(table) has \(columns)"))
      }
      for (index, value) in row.values.enumerated() { try insert.bind(index + 1, value: value) }
      try insert.run()
    }
  }
}
