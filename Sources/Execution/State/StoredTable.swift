import Certification
import Signing
import Storage
import Wire

/// Which way the keys of tables run in SQLite. On replicas they ascend; a second run with keys that
/// descend shows what depends on the order in which rows are read.
enum KeyOrder: Sendable {
  case ascending
  case descending
  /// The last column of each key descends, and no other. Where all do, an order that is read off a
  /// key or an index is read backwards, and its ties come as they do where all ascend.
  case lastDescending

  /// The columns of a primary key, as CREATE TABLE takes them.
  func key(_ columns: [String]) -> String {
    columns.enumerated().map { place, column in
      let isTurned = self == .lastDescending && place == columns.count - 1
      return quoted(column) + (isTurned ? " DESC" : suffix)
    }.joined(separator: ", ")
  }

  /// The columns of an index, behind which SQLite puts those of the key.
  func index(_ columns: [String]) -> String {
    columns.map { quoted($0) + suffix }.joined(separator: ", ")
  }

  private var suffix: String { self == .descending ? " DESC" : "" }
}

/// One table of a pipeline's file with its statements: STRICT, WITHOUT ROWID, keyed as its schema
/// says. Tables with personal columns carry a nonce a row.
final class StoredTable {
  let schema: TableSchema
  let hasNonce: Bool
  /// Column lists of the indexes, in the order of their creation.
  private(set) var indexes: [[String]]
  private let connection: Connection
  private let order: KeyOrder
  var hasher: CellHasher
  private var insertStatement: PreparedStatement?
  private var selectStatement: PreparedStatement?
  private var deleteStatement: PreparedStatement?
  private var updateStatement: PreparedStatement?

  static let nonceColumn = "_nonce"

  init(
    _ schema: TableSchema, indexes: [[String]], on connection: Connection,
    order: KeyOrder = .ascending
  ) {
    self.order = order
    self.schema = schema
    self.indexes = indexes
    self.connection = connection
    hasNonce = schema.hasNonce
    hasher = CellHasher(schema: schema)
  }

  var name: String { schema.name }
  var columnCount: Int { schema.columns.count }
  lazy var indexed = UInt64(indexes.count)
  /// By index: the columns that its entries hold.
  private(set) lazy var entryPlaces = entryPlaces(of: indexes)

  /// Rows that the connection's last statement wrote.
  var connectionRowsChanged: Int { connection.rowsChanged }

  func forgetStatements() {
    insertStatement = nil
    selectStatement = nil
    deleteStatement = nil
    updateStatement = nil
  }

  // MARK: Schema

  func create() throws(StorageFault) {
    var parts = schema.columns.map { column in
      "\(quoted(column.name)) \(column.type.storage)\(column.nullable ? "" : " NOT NULL")"
    }
    if hasNonce { parts.append("\(Self.nonceColumn) BLOB NOT NULL") }
    parts.append("PRIMARY KEY(\(order.key(schema.key.map { schema.columns[$0].name })))")
    try connection.execute(
      "CREATE TABLE \(quoted(name))(\(parts.joined(separator: ", "))) STRICT, WITHOUT ROWID")
    try createIndexes()
  }

  func createIndexes() throws(StorageFault) {
    for (number, columns) in indexes.enumerated() {
      try connection.execute(
        "CREATE INDEX \(quoted("\(name)_i\(number + 1)")) ON "
          + "\(quoted(name))(\(order.index(columns)))")
    }
  }

  /// Drops all indexes and makes these, in this order: an upgraded schema equals a fresh one.
  func reindex(_ wanted: [[String]]) throws(StorageFault) {
    for number in indexes.indices {
      try connection.execute("DROP INDEX \(quoted("\(name)_i\(number + 1)"))")
    }
    indexes = wanted
    indexed = UInt64(wanted.count)
    entryPlaces = entryPlaces(of: wanted)
    forgetStatements()
    try createIndexes()
  }

  /// Where a table's rows wait while another table of its name is made of them.
  static let asideName = Ledger.tablePrefix + "aside"

  /// Moves the rows out of the way of another table of this name, without their indexes.
  func setAside() throws(StorageFault) {
    forgetStatements()
    for number in indexes.indices {
      try connection.execute("DROP INDEX \(quoted("\(name)_i\(number + 1)"))")
    }
    try connection.execute("ALTER TABLE \(quoted(name)) RENAME TO \(Self.asideName)")
  }

  func drop() throws(StorageFault) {
    forgetStatements()
    try connection.execute("DROP TABLE \(quoted(name))")
  }

  /// An index's own columns, and those of the key behind them
  /// (https://sqlite.org/withoutrowid.html).
  func entryPlaces(of indexes: [[String]]) -> [[Int]] {
    indexes.map { names in
      let own = names.compactMap { name in schema.columns.firstIndex { $0.name == name } }
      return own + schema.key.filter { !own.contains($0) }
    }
  }

  /// Bytes of a row's entries in such indexes.
  func entryBytes(of row: StoredRow, _ places: [[Int]]) -> Int {
    places.reduce(0) { sum, columns in
      columns.reduce(sum + DataStore.entryOverhead) { $0 + row.values[$1].size }
    }
  }

  // MARK: Statements

  private var keyFilter: String {
    schema.key.map { "\(quoted(schema.columns[$0].name)) = ?" }.joined(separator: " AND ")
  }

  /// Inserts unless the key is there already.
  func insert() throws(StorageFault) -> PreparedStatement {
    if let insertStatement { return insertStatement }
    let marks = Array(repeating: "?", count: schema.storedCount).joined(separator: ",")
    let made = try connection.prepare(
      "INSERT INTO \(quoted(name)) VALUES(\(marks)) ON CONFLICT DO NOTHING")
    insertStatement = made
    return made
  }

  /// All columns, the nonce last, of the row with a key.
  func select() throws(StorageFault) -> PreparedStatement {
    if let selectStatement { return selectStatement }
    let made = try connection.prepare("SELECT * FROM \(quoted(name)) WHERE \(keyFilter)")
    selectStatement = made
    return made
  }

  func delete() throws(StorageFault) -> PreparedStatement {
    if let deleteStatement { return deleteStatement }
    let made = try connection.prepare("DELETE FROM \(quoted(name)) WHERE \(keyFilter)")
    deleteStatement = made
    return made
  }

  /// Sets every column outside of the key, then names the key. The nonce stays.
  func update() throws(StorageFault) -> PreparedStatement {
    if let updateStatement { return updateStatement }
    let sets = schema.columns.indices.filter { !schema.key.contains($0) }
      .map { "\(quoted(schema.columns[$0].name)) = ?" }.joined(separator: ", ")
    let made = try connection.prepare(
      "UPDATE \(quoted(name)) SET \(sets) WHERE \(keyFilter)")
    updateStatement = made
    return made
  }

  // MARK: Rows

  /// Refuses a value that the table would not keep as it is: the hash is of the value as it is
  /// given, and whoever starts again hashes what is there.
  func refuseMismatch(_ row: StoredRow) throws(Stop) {
    for (column, value) in zip(schema.columns, row.values) where !column.type.keeps(value) {
      throw mismatch(column.name, value.kind)
    }
  }

  func mismatch(_ column: String, _ kind: String) -> Stop {
    .refused(
      Refusal(
        "QD23",
        "\(name).\(column) was given \(kind), which its type does not keep: cast the value to the "
          + "column's type. No value is made to fit"))
  }

  /// The row that a statement over all columns stands at.
  func row(of statement: PreparedStatement) -> StoredRow {
    StoredRow(
      values: (0..<columnCount).map { statement.value($0) },
      nonce: hasNonce ? Digest(statement.bytes(columnCount)) : nil)
  }

  func row(key: [Value]) throws(StorageFault) -> StoredRow? {
    let select = try select()
    for (index, value) in key.enumerated() { try select.bind(index + 1, value: value) }
    defer { select.reset() }
    return try select.step() ? row(of: select) : nil
  }

  func key(of row: [Value]) -> [Value] { schema.key.map { row[$0] } }

  /// The trie's key and the hash of a row.
  func leaf(_ row: StoredRow) -> (key: [UInt8], hash: Digest, size: Int) {
    hasher.begin(nonce: row.nonce)
    for index in row.values.indices { hasher.value(row.values[index]) }
    let hash = hasher.finish()
    return (hasher.key, hash, hasher.size)
  }
}

extension TableSchema {
  /// Whether its rows carry a nonce, which salts their personal columns.
  var hasNonce: Bool { columns.contains { $0.personal } }
  /// Columns in SQLite: those of the schema, and the nonce.
  var storedCount: Int { columns.count + (hasNonce ? 1 : 0) }
}

/// A row with the salt of its personal columns.
struct StoredRow: Hashable {
  var values: [Value]
  var nonce: Digest?

  /// Bytes of its values, as storage is metered.
  var size: Int { values.reduce(0) { $0 + $1.size } }
}

extension Value {
  /// The type of the STRICT columns that take it; nil for null.
  var storage: String? {
    switch self {
    case .null: nil
    case .int: "INTEGER"
    case .text: "TEXT"
    case .bytes: "BLOB"
    }
  }

  /// What it is, for messages.
  var kind: String {
    switch self {
    case .null: "null"
    case .int: "a number"
    case .text: "a text"
    case .bytes: "bytes"
    }
  }
}

func quoted(_ name: String) -> String {
  "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
    + "\""
}

extension PreparedStatement {
  func value(_ index: Int) -> Value {
    switch type(index) {
    case .null: .null
    case .integer: .int(integer(index))
    case .text: .text(text(index))
    case .blob: .bytes(bytes(index))
    // Tables are STRICT and have no REAL column; a query's REAL is caught before it comes here.
    case .real: .int(integer(index))
    }
  }

  func bind(_ index: Int, value: Value) throws(StorageFault) {
    switch value {
    case .null: try bindNull(index)
    case .int(let number): try bind(index, number)
    case .text(let text): try bind(index, text)
    case .bytes(let bytes): try bind(index, blob: bytes)
    }
  }
}

extension Certification.ColumnType {
  /// The type of a STRICT column that keeps such values.
  var storage: String {
    switch self {
    case .int, .decimal, .date, .timestamp, .bool: "INTEGER"
    case .text, .uuid, .json: "TEXT"
    case .bytes: "BLOB"
    case .undeclared: "ANY"
    }
  }

  /// Whether a STRICT column of this type keeps the value as it is. Of some texts SQLite makes a
  /// number, and of every number a text, without a word (https://sqlite.org/stricttables.html).
  func keeps(_ value: Value) -> Bool {
    guard let given = value.storage, storage != "ANY" else { return true }
    return given == storage
  }
}
