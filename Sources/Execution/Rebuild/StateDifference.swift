import Certification
import Storage
import Wire

/// The first row of one table in which a replica's files differ from what its log comes to.
///
/// - Safety: values of personal columns are not in it, nor any bytes of the bookkeeping, whose keys
///   hold those of rows. What it holds besides is for who may read the files; `place` is for all.
package struct StateDifference: Hashable, Sendable, CustomStringConvertible {
  package struct Cell: Hashable, Sendable {
    package let column: String
    /// As the files have it.
    package let held: String
    /// As the log gives it.
    package let rebuilt: String
  }

  package enum Kind: Hashable, Sendable {
    case changed([Cell])
    /// The files lack the row.
    case missing
    /// The log gives no such row.
    case added
    /// The files could not be read or do not hold the same height.
    case unread(String)
  }

  /// The pipeline's name, or `system`.
  package let file: String
  /// Of the pipeline, or `bookkeeping`.
  package let table: String
  /// Columns and values of its key.
  package let key: String
  package let kind: Kind
  /// The height and the batch that wrote the row, where its own columns tell.
  package let writer: String?

  /// The file and the table.
  package var place: String { "\(file).\(table)" }

  package var description: String {
    let row = key.isEmpty ? "" : " [\(key)]"
    let what =
      switch kind {
      case .changed(let cells):
        cells.map { "\($0.column) was \($0.held) in the files, is \($0.rebuilt) by the log" }
          .joined(separator: "; ")
      case .missing: "the files lacked the row"
      case .added: "the files held a row that the log does not give"
      case .unread(let why): why
      }
    return "\(place)\(row): \(what)" + (writer.map { " (\($0))" } ?? "")
  }
}

/// Compares the files that a replica was quarantined with and those that its log came to, table by
/// table in the order in which the tables were made: what is read comes before what is computed
/// from it.
///
/// - Safety: opens all files for reading only.
/// - Bound: two rows in memory; `tablesMax` differences.
struct StateComparison {
  static let tablesMax = 8
  private static let shownMax = 80
  private static let hidden = "(not shown)"
  private static let system = "system"
  private static let bookkeeping = "bookkeeping"

  let held: String
  let rebuilt: String
  let vfs: String?

  /// The last height of the old system file; nil when it cannot be read.
  var heldHeight: Height? {
    guard let file = try? Connection(path: "\(held)/system.sqlite", access: .readOnly, vfs: vfs)
    else { return nil }
    return withExtendedLifetime(file) { try? Self.height(of: file) }
  }

  var unreadable: StateDifference {
    unread(Self.system, "the old files cannot be read, so no row of them was compared")
  }

  func differences(pipelines: [String]) -> [StateDifference] {
    var all: [StateDifference] = []
    for name in pipelines + [Self.system] {
      let path = name == Self.system ? "system.sqlite" : "pipelines/\(name).sqlite"
      do throws(StorageFault) {
        all += try compare(name, path)
      } catch {
        all.append(unread(name, "the old file cannot be read: \(error)"))
      }
    }
    return Array(all.prefix(Self.tablesMax))
  }

  private func unread(_ file: String, _ why: String) -> StateDifference {
    StateDifference(
      file: file, table: Self.bookkeeping, key: "", kind: .unread(why), writer: nil)
  }

  private static func height(of file: Connection) throws(StorageFault) -> Height {
    let highest = try file.integer("SELECT max(height) FROM ledger_heights")
    return Height(UInt64(clamping: highest ?? 0))
  }

  private func compare(_ name: String, _ path: String) throws(StorageFault) -> [StateDifference] {
    let old = try Connection(path: "\(held)/\(path)", access: .readOnly, vfs: vfs)
    let new = try Connection(path: "\(rebuilt)/\(path)", access: .readOnly, vfs: vfs)
    return try withExtendedLifetime((old, new)) { () throws(StorageFault) in
      let heights = (try Self.height(of: old), try Self.height(of: new))
      guard heights.0 == heights.1 else {
        return [
          unread(name, "the old file ends at height \(heights.0), the new at \(heights.1)")
        ]
      }
      var all: [StateDifference] = []
      let records = try new.ledgerEntries(.table)
        .compactMap { try? TableRecord(canonicalBytes: $0.value) }
        .sorted { $0.schema.id < $1.schema.id }
      for record in records {
        if let found = try difference(name, record, old, new) { all.append(found) }
      }
      if let found = try bookkeeping(name, old, new) { all.append(found) }
      return all
    }
  }

  // MARK: Tables

  private func difference(
    _ file: String, _ record: TableRecord, _ old: Connection, _ new: Connection
  ) throws(StorageFault) -> StateDifference? {
    let schema = record.schema
    let key = schema.key.map { quoted(schema.columns[$0].name) }.joined(separator: ", ")
    let sql = "SELECT * FROM \(quoted(schema.name)) ORDER BY \(key)"
    let tables = [old, new].map { StoredTable(schema, indexes: record.indexes, on: $0) }
    let scans = [try old.prepare(sql), try new.prepare(sql)]
    func next(_ side: Int) throws(StorageFault) -> (key: [UInt8], entry: StoredRow)? {
      guard try scans[side].step() else { return nil }
      let row = tables[side].row(of: scans[side])
      return (tables[side].leaf(row).key, row)
    }
    let found = try firstDifference(
      { () throws(StorageFault) in try next(0) }, { () throws(StorageFault) in try next(1) })
    guard let found, let row = found.rebuilt ?? found.held else { return nil }
    return StateDifference(
      file: file, table: schema.name,
      key: schema.key.map { "\(schema.columns[$0].name) = \(shown(row, $0, schema))" }
        .joined(separator: ", "),
      kind: kind(found.held, found.rebuilt, schema), writer: writer(row, schema))
  }

  private func kind(
    _ held: StoredRow?, _ rebuilt: StoredRow?, _ schema: TableSchema
  ) -> StateDifference.Kind {
    guard let held else { return .missing }
    guard let rebuilt else { return .added }
    var cells = schema.columns.indices.filter { held.values[$0] != rebuilt.values[$0] }.map {
      StateDifference.Cell(
        column: schema.columns[$0].name, held: shown(held, $0, schema),
        rebuilt: shown(rebuilt, $0, schema))
    }
    if held.nonce != rebuilt.nonce {
      cells.append(
        StateDifference.Cell(
          column: StoredTable.nonceColumn, held: held.nonce?.short ?? "none",
          rebuilt: rebuilt.nonce?.short ?? "none"))
    }
    return .changed(cells)
  }

  private func shown(_ row: StoredRow, _ column: Int, _ schema: TableSchema) -> String {
    guard !schema.columns[column].personal else { return "(personal)" }
    return switch row.values[column] {
    case .null: "null"
    case .int(let number): "\(number)"
    case .text(let text): "'\(text.prefix(Self.shownMax))'"
    case .bytes(let bytes): "x'\(Array(bytes.prefix(Self.shownMax / 2)).hex)'"
    }
  }

  private func writer(_ row: StoredRow, _ schema: TableSchema) -> String? {
    func value(_ name: String) -> String? {
      schema.columns.firstIndex { $0.name == name }.map { shown(row, $0, schema) }
    }
    guard let height = value("_height") else { return nil }
    return "written at height \(height)" + (value("_batch").map { " by batch \($0)" } ?? "")
  }

  // MARK: Bookkeeping

  private struct Entry: Equatable {
    let part: Int64
    let key: [UInt8]
    let value: [UInt8]
  }

  private func bookkeeping(
    _ file: String, _ old: Connection, _ new: Connection
  ) throws(StorageFault) -> StateDifference? {
    let sql = "SELECT part, key, value FROM ledger_rows ORDER BY part, key"
    let scans = [try old.prepare(sql), try new.prepare(sql)]
    func next(_ side: Int) throws(StorageFault) -> (key: [UInt8], entry: Entry)? {
      let scan = scans[side]
      guard try scan.step() else { return nil }
      let entry = Entry(part: scan.integer(0), key: scan.bytes(1), value: scan.bytes(2))
      return ([UInt8(clamping: entry.part)] + entry.key, entry)
    }
    let found = try firstDifference(
      { () throws(StorageFault) in try next(0) }, { () throws(StorageFault) in try next(1) })
    guard let found, let entry = found.rebuilt ?? found.held else { return nil }
    let part = Ledger.Part(rawValue: UInt32(clamping: entry.part)).map { "\($0)" }
    let kind: StateDifference.Kind
    if found.held != nil, found.rebuilt != nil {
      kind = .changed([.init(column: "value", held: Self.hidden, rebuilt: Self.hidden)])
    } else {
      kind = found.held == nil ? .missing : .added
    }
    return StateDifference(
      file: file, table: Self.bookkeeping,
      key: part ?? "part \(entry.part)", kind: kind, writer: nil)
  }

  // MARK: Two scans in the order of their keys

  private func firstDifference<Entry: Equatable>(
    _ held: () throws(StorageFault) -> (key: [UInt8], entry: Entry)?,
    _ rebuilt: () throws(StorageFault) -> (key: [UInt8], entry: Entry)?
  ) throws(StorageFault) -> (held: Entry?, rebuilt: Entry?)? {
    while true {
      let (one, other) = (try held(), try rebuilt())
      guard let one else { return other.map { (nil, $0.entry) } }
      guard let other else { return (one.entry, nil) }
      if one.key == other.key {
        if one.entry != other.entry { return (one.entry, other.entry) }
      } else {
        return one.key.lexicographicallyPrecedes(other.key)
          ? (one.entry, nil) : (nil, other.entry)
      }
    }
  }
}
