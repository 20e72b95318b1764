import Certification
import Signing
import Storage
import Wire

/// The tables of a pipeline with the trie over their rows.
///
/// - Safety: every row is written through here, so the trie knows it without reading it again. A
///   value that its column would not keep as it is, is refused before it is hashed.
final class DataStore {
  let connection: Connection
  let ledger: Ledger
  let trie: StateTrie
  private let order: KeyOrder
  private(set) var tables: [String: StoredTable] = [:]
  private var changes = ChangeList()
  private var nextTable: UInt32 = 1

  /// What the update at hand wrote.
  private(set) var rowsWritten: UInt64 = 0
  private(set) var bytesWritten: UInt64 = 0
  private(set) var indexEntries: UInt64 = 0
  private(set) var rowHashes: UInt64 = 0
  /// What it put into the file: rows, index entries, and what SQLite keeps beside each of them.
  private(set) var bytesTaken: UInt64 = 0
  /// By how much stored bytes grew, 100 a row beside its values.
  private(set) var growth: Int64 = 0
  /// Rows that the update at hand may write.
  var rowsLimit: UInt64 = .max
  /// What any update may put into the file.
  var bytesTakenMax = ExecutionLimits.bytesTakenPerUpdate
  private var paid: PaidBytes?
  /// Whether the machine lets execution write on; nil where nobody looks.
  var hasRoom: (() -> Bool)?
  private var looked: UInt64 = 0
  /// Old and new rows of tables that models read, while an update runs.
  private(set) var tracked: [String: [RowChange]] = [:]
  var tracking: Set<String> = []
  /// Tables that the update at hand made.
  private(set) var fresh: Set<String> = []

  struct RowChange {
    let old: StoredRow?
    let new: StoredRow?
  }

  /// The bytes of rows that an update's cycles pay, and what one gets that writes more.
  struct PaidBytes {
    let limit: UInt64
    let refusal: () -> Refusal
  }

  init(on connection: Connection, ledger: Ledger, retaining: UInt64, order: KeyOrder) {
    self.order = order
    self.connection = connection
    self.ledger = ledger
    trie = StateTrie(retaining: retaining)
  }

  private static let nextKey = Array("next-table".utf8)
  /// Logical bytes that a row, and each of its index entries, takes beside the row's values.
  static let rowOverhead: Int64 = 100
  /// Bytes that SQLite keeps beside the values of a row or an index entry, rounded up.
  static let entryOverhead = 32

  /// What a row adds to the stored bytes.
  private func stored(_ size: Int, in table: StoredTable) -> Int64 {
    Int64(size) + Self.rowOverhead * (1 + Int64(table.indexed))
  }

  // MARK: Catalog

  /// Reads the catalog.
  /// - Safety: a record that cannot be read is a fault, so that no table is gone without a word.
  func load() throws(StorageFault) {
    tables = [:]
    nextTable = 1
    if let bytes = try ledger.get(.value, Self.nextKey) {
      var decoder = Decoder(bytes)
      guard let next: UInt32 = try? decoder.integer() else {
        throw .unreadable("the number of the next table")
      }
      nextTable = next
    }
    for record in try records() {
      tables[record.schema.name] = StoredTable(
        record.schema, indexes: record.indexes, on: connection, order: order)
    }
  }

  private func records() throws(StorageFault) -> [TableRecord] {
    var records: [TableRecord] = []
    for (key, value) in try ledger.all(.table) {
      guard let record = try? TableRecord(canonicalBytes: value) else {
        throw .unreadable("the record of the table \(String(decoding: key, as: UTF8.self))")
      }
      records.append(record)
    }
    return records
  }

  func rebuild() throws(StorageFault) { trie.apply(try leaves().sorted()) }

  /// The root of what the tables hold, read anew: what a replica that starts again comes to.
  func storedRoot() throws(StorageFault) -> Digest {
    let fresh = StateTrie(retaining: 1)
    fresh.apply(try leaves().sorted())
    return fresh.root
  }

  private func leaves() throws(StorageFault) -> ChangeList {
    var all = ChangeList()
    for record in try records() {
      guard let table = tables[record.schema.name] else { continue }
      all.put(TableSchema.catalogKey(of: table.name), table.schema.digest)
      let key = table.schema.key.map { quoted(table.schema.columns[$0].name) }
      let scan = try connection.prepare(
        "SELECT * FROM \(quoted(table.name)) ORDER BY \(key.joined(separator: ", "))")
      while try scan.step() {
        let leaf = table.leaf(table.row(of: scan))
        all.put(leaf.key, leaf.hash)
      }
    }
    return all
  }

  /// Makes a table. Its id was never another table's.
  func create(
    _ name: String, columns: [TableSchema.Column], key: [Int], indexes: [[String]]
  ) throws(Stop) -> StoredTable {
    let schema = TableSchema(name: name, id: nextTable, columns: columns, key: key)
    nextTable += 1
    var encoder = Encoder()
    encoder.integer(nextTable)
    let next = encoder.bytes
    try machine { () throws(StorageFault) in try ledger.put(.value, Self.nextKey, next) }
    let table = StoredTable(schema, indexes: indexes, on: connection, order: order)
    try altering(name) { () throws(StorageFault) in try table.create() }
    tables[name] = table
    fresh.insert(name)
    try machine { () throws(StorageFault) in try record(table) }
    changes.put(TableSchema.catalogKey(of: name), schema.digest)
    rowHashes += 1
    return table
  }

  func record(_ table: StoredTable) throws(StorageFault) {
    let record = TableRecord(schema: table.schema, indexes: table.indexes)
    try ledger.put(.table, Array(table.name.utf8), record.canonicalBytes)
  }

  /// Makes these the table's indexes, and counts what their entries add or free.
  func reindex(_ table: StoredTable, _ indexes: [[String]]) throws(Stop) {
    let places = table.entryPlaces(of: indexes)
    let rows = try machine { () throws(StorageFault) in
      try connection.prepare("SELECT * FROM \(quoted(table.name))")
    }
    // Before they are made: what is too much is refused, not written.
    var count: Int64 = 0
    while try machine({ () throws(StorageFault) in try rows.step() }) {
      count += 1
      try take(table.entryBytes(of: table.row(of: rows), places))
    }
    rows.reset()
    growth += Self.rowOverhead * count * (Int64(indexes.count) - Int64(table.indexed))
    try altering(table.name) { () throws(StorageFault) in try table.reindex(indexes) }
    try machine { () throws(StorageFault) in try record(table) }
  }

  func drop(_ table: StoredTable) throws(StorageFault) {
    let scan = try connection.prepare("SELECT * FROM \(quoted(table.name))")
    while try scan.step() {
      let row = table.row(of: scan)
      changes.remove(table.leaf(row).key)
      growth -= stored(row.size, in: table)
    }
    scan.reset()
    try table.drop()
    tables[table.name] = nil
    try ledger.remove(.table, Array(table.name.utf8))
    changes.remove(TableSchema.catalogKey(of: table.name))
  }

  /// Moves a table's rows out of the way of another table of its name, which is made next. Each is
  /// then given to `forget`.
  func setAside(_ table: StoredTable) throws(StorageFault) {
    try table.setAside()
    tables[table.name] = nil
  }

  /// Takes out a row of a table that is set aside.
  func forget(_ row: StoredRow, of table: StoredTable) {
    changes.remove(table.leaf(row).key)
    growth -= stored(row.size, in: table)
  }

  func dropAside() throws(StorageFault) {
    try connection.execute("DROP TABLE \(StoredTable.asideName)")
  }

  // MARK: Rows

  /// - Parameter taken: what the row puts into the file beside its values.
  private func count(
    _ table: StoredTable, bytes: Int, taken: Int, growth: Int64
  ) throws(Stop) {
    indexEntries += table.indexed
    rowHashes += table.hasher.hashesPerRow
    try count(bytes: bytes, taken: taken, growth: growth)
  }

  private func count(bytes: Int, taken: Int, growth: Int64) throws(Stop) {
    rowsWritten += 1
    bytesWritten += UInt64(bytes)
    self.growth += growth
    guard rowsWritten <= rowsLimit else {
      throw .refused(
        Refusal(
          "ROW_LIMIT",
          "the update writes more than \(rowsLimit) rows: raise rows_written_per_update in the "
            + "package's budget, or send smaller batches"))
    }
    if let paid, bytesWritten > paid.limit { throw .refused(paid.refusal()) }
    try take(taken)
  }

  /// Counts what goes into the file, before much more does: no update may fill a disk, and what is
  /// refused at its end was written all the same.
  private func take(_ bytes: Int) throws(Stop) {
    bytesTaken += UInt64(bytes)
    guard bytesTaken <= bytesTakenMax else {
      throw .refused(
        Refusal(
          "BYTE_LIMIT",
          "the call writes more than \(bytesTakenMax) bytes of rows and index entries, which none "
            + "may: send smaller batches, keep less in a row, or let several deploys add the models"
        ))
    }
    guard let hasRoom, bytesTaken - looked >= ExecutionLimits.bytesBetweenLooks else { return }
    looked = bytesTaken
    guard hasRoom() else { throw .failed(.noRoom) }
  }

  private func entries(of row: StoredRow, _ size: Int, in table: StoredTable) -> Int {
    Self.entryOverhead + size + table.entryBytes(of: row, table.entryPlaces)
  }

  private func track(_ table: StoredTable, old: StoredRow?, new: StoredRow?) {
    if tracking.contains(table.name) {
      tracked[table.name, default: []].append(RowChange(old: old, new: new))
    }
  }

  /// - Returns: false when the key is there already; nothing is written then.
  func insert(_ row: StoredRow, into table: StoredTable) throws(Stop) -> Bool {
    try table.refuseMismatch(row)
    do {
      let insert = try table.insert()
      for (index, value) in row.values.enumerated() { try insert.bind(index + 1, value: value) }
      if let nonce = row.nonce { try insert.bind(table.columnCount + 1, blob: nonce.bytes) }
      defer { insert.reset() }
      _ = try insert.step()
    } catch { throw Stop(sql: error, in: "a row of \(table.name)") }
    guard connection.rowsChanged == 1 else { return false }
    let leaf = table.leaf(row)
    try admit(leaf.key, of: table)
    changes.put(leaf.key, leaf.hash)
    try count(
      table, bytes: leaf.size, taken: entries(of: row, leaf.size, in: table),
      growth: stored(leaf.size, in: table))
    track(table, old: nil, new: row)
    return true
  }

  /// Takes up a row that the caller has inserted with the table's own statement, and hashed.
  /// - Precondition: each value is of its column's kind.
  func inserted(
    key: [UInt8], hash: Digest, size: Int, into table: StoredTable, row: () -> StoredRow
  ) throws(Stop) {
    try admit(key, of: table)
    changes.put(key, hash)
    // No index holds more of a row than all of it.
    let taken = (Self.entryOverhead + size) * (1 + Int(table.indexed))
    try count(table, bytes: size, taken: taken, growth: stored(size, in: table))
    if tracking.contains(table.name) { track(table, old: nil, new: row()) }
  }

  private func admit(_ key: [UInt8], of table: StoredTable) throws(Stop) {
    guard key.count <= AnswerLimits.keyBytesMax else {
      throw .refused(
        Refusal(
          "KEY_TOO_LONG",
          "a key of \(table.name) has \(key.count) bytes, at most \(AnswerLimits.keyBytesMax) are "
            + "allowed: declare a lower max_bytes for its columns"))
    }
  }

  /// - Precondition: both rows have one key, and a row of this key is there.
  func update(_ old: StoredRow, to new: StoredRow, in table: StoredTable) throws(Stop) {
    try table.refuseMismatch(new)
    do {
      let update = try table.update()
      var place = 1
      for index in table.schema.columns.indices where !table.schema.key.contains(index) {
        try update.bind(place, value: new.values[index])
        place += 1
      }
      for value in table.key(of: new.values) {
        try update.bind(place, value: value)
        place += 1
      }
      defer { update.reset() }
      _ = try update.step()
    } catch { throw Stop(sql: error, in: "a row of \(table.name)") }
    let leaf = table.leaf(new)
    changes.put(leaf.key, leaf.hash)
    try count(
      table, bytes: leaf.size, taken: entries(of: new, leaf.size, in: table),
      growth: Int64(leaf.size) - Int64(old.size))
    track(table, old: old, new: new)
  }

  func delete(_ old: StoredRow, from table: StoredTable) throws(Stop) {
    do {
      let delete = try table.delete()
      for (index, value) in table.key(of: old.values).enumerated() {
        try delete.bind(index + 1, value: value)
      }
      defer { delete.reset() }
      _ = try delete.step()
    } catch { throw Stop(machine: error) }
    let leaf = table.leaf(old)
    changes.remove(leaf.key)
    try count(
      table, bytes: leaf.size, taken: Self.entryOverhead * (1 + Int(table.indexed)),
      growth: -stored(leaf.size, in: table))
    track(table, old: old, new: nil)
  }

  // MARK: Tombstones

  /// The version with which a row was deleted; nil where none is kept.
  func tombstone(_ key: [UInt8]) throws(Stop) -> Value? {
    try machine { () throws(StorageFault) in
      guard let bytes = try ledger.get(.tombstone, key) else { return nil }
      guard let version = try? Value(canonicalBytes: bytes) else {
        throw .unreadable("a deleted row's version")
      }
      return version
    }
  }

  /// Keeps the version with which a row was deleted, so that none before it comes back. It counts
  /// as a row of its key and version does.
  func putTombstone(_ key: [UInt8], _ version: Value) throws(Stop) {
    let bytes = version.canonicalBytes
    let before = try tombstoneStored(key)
    try machine { () throws(StorageFault) in try ledger.put(.tombstone, key, bytes) }
    let size = key.count + bytes.count
    try count(
      bytes: size, taken: size + Self.entryOverhead,
      growth: Int64(size) + Self.rowOverhead - before)
  }

  /// Forgets a tombstone, and gives back what it stored.
  func removeTombstone(_ key: [UInt8]) throws(Stop) {
    growth -= try tombstoneStored(key)
    try machine { () throws(StorageFault) in try ledger.remove(.tombstone, key) }
  }

  /// What a tombstone adds to the stored bytes; 0 where there is none.
  private func tombstoneStored(_ key: [UInt8]) throws(Stop) -> Int64 {
    let bytes = try machine { () throws(StorageFault) in try ledger.get(.tombstone, key) }
    return bytes.map { Int64(key.count + $0.count) + Self.rowOverhead } ?? 0
  }

  // MARK: Updates

  func begin(rowsLimit: UInt64, paid: PaidBytes? = nil) {
    self.rowsLimit = rowsLimit
    self.paid = paid
    (bytesTaken, looked) = (0, 0)
    rowsWritten = 0
    bytesWritten = 0
    indexEntries = 0
    rowHashes = 0
    growth = 0
    fresh = []
    tracking = []
    tracked.removeAll(keepingCapacity: true)
    precondition(changes.isEmpty, "changes of an earlier update were left behind")
  }

  /// What the update at hand has done so far.
  struct Mark {
    fileprivate let changes: ChangeList.Mark
    fileprivate let tracked: [String: Int]
    fileprivate let written: (rows: UInt64, bytes: UInt64, entries: UInt64, hashes: UInt64)
    fileprivate let taken: (bytes: UInt64, looked: UInt64)
    fileprivate let growth: Int64
  }

  var mark: Mark {
    Mark(
      changes: changes.mark, tracked: tracked.mapValues(\.count),
      written: (rowsWritten, bytesWritten, indexEntries, rowHashes), taken: (bytesTaken, looked),
      growth: growth)
  }

  /// Forgets what a savepoint in the update has undone in the file: rows alone, no tables.
  func undo(to mark: Mark) {
    changes.undo(to: mark.changes)
    for (name, count) in tracked.mapValues(\.count).sorted(by: { $0.key < $1.key }) {
      tracked[name]?.removeLast(count - (mark.tracked[name] ?? 0))
    }
    (rowsWritten, bytesWritten, indexEntries, rowHashes) = mark.written
    (bytesTaken, looked) = mark.taken
    growth = mark.growth
  }

  /// Brings the trie to what the file holds now.
  /// - Returns: how many hashes it took, those of the rows too.
  func settle() -> UInt64 {
    defer {
      changes.removeAll()
      rowHashes = 0
      tracked.removeAll(keepingCapacity: true)
    }
    guard !changes.isEmpty else { return rowHashes }
    return rowHashes + trie.apply(changes.sorted())
  }

  /// Forgets what the file has undone. After a change of the schema, `load` is due too.
  func discard() {
    changes.removeAll()
    tracked.removeAll(keepingCapacity: true)
    rowHashes = 0
  }
}

/// What the ledger holds of a table.
struct TableRecord: Canonical {
  let schema: TableSchema
  let indexes: [[String]]

  init(schema: TableSchema, indexes: [[String]]) {
    self.schema = schema
    self.indexes = indexes
  }

  func encode(into encoder: inout Encoder) {
    encoder.value(schema)
    encoder.length(indexes.count)
    for columns in indexes {
      encoder.length(columns.count)
      for column in columns { encoder.text(column) }
    }
  }

  init(from decoder: inout Decoder) throws(Malformed) {
    schema = try decoder.value()
    var indexes: [[String]] = []
    for _ in 0..<(try decoder.length(limit: AnswerLimits.columnsMax)) {
      var columns: [String] = []
      for _ in 0..<(try decoder.length(limit: AnswerLimits.columnsMax)) {
        columns.append(try decoder.text(limit: Limits.nameBytesMax))
      }
      indexes.append(columns)
    }
    self.indexes = indexes
  }
}
