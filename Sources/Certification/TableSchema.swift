import Signing
import Wire

/// A table as proofs know it: every row hash begins with this schema's digest, and the schema is
/// itself a leaf of the trie under the table's name, so names and types are proven with the rows.
package struct TableSchema: Hashable, Canonical {
  package let name: String
  /// Distinct for each table that a pipeline ever had; 0 is the catalog of schemas.
  package let id: UInt32
  package let columns: [Column]
  /// Indices of the primary key's columns, in the key's order. Never empty.
  package let key: [Int]

  package struct Column: Hashable, Canonical {
    package let name: String
    package let type: ColumnType
    package let nullable: Bool
    /// Hashed with a salt and withheld from callers whose role does not show it.
    package let personal: Bool

    package init(name: String, type: ColumnType, nullable: Bool, personal: Bool) {
      self.name = name
      self.type = type
      self.nullable = nullable
      self.personal = personal
    }
    package func encode(into encoder: inout Encoder) {
      encoder.text(name)
      encoder.value(type)
      encoder.flag(nullable)
      encoder.flag(personal)
    }
    package init(from decoder: inout Decoder) throws(Malformed) {
      name = try decoder.text(limit: Limits.nameBytesMax)
      type = try decoder.value()
      nullable = try decoder.flag()
      personal = try decoder.flag()
    }
  }

  /// - Precondition: the key names distinct columns of the table, at least one.
  package init(name: String, id: UInt32, columns: [Column], key: [Int]) {
    precondition(Self.isSound(key, columns.count), "key \(key) of \(columns.count) columns")
    self.name = name
    self.id = id
    self.columns = columns
    self.key = key
  }

  private static func isSound(_ key: [Int], _ columns: Int) -> Bool {
    !key.isEmpty && key.count <= AnswerLimits.keyColumnsMax && columns <= AnswerLimits.columnsMax
      && key.allSatisfy { $0 >= 0 && $0 < columns } && Set(key).count == key.count
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.integer(id)
    encoder.list(columns)
    encoder.length(key.count)
    for index in key { encoder.length(index) }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.text(limit: Limits.nameBytesMax)
    id = try decoder.integer()
    columns = try decoder.list(limit: AnswerLimits.columnsMax)
    var key: [Int] = []
    for _ in 0..<(try decoder.length(limit: AnswerLimits.keyColumnsMax)) {
      key.append(try decoder.length(limit: AnswerLimits.columnsMax))
    }
    guard Self.isSound(key, columns.count) else { throw decoder.fault("not a key of the table") }
    self.key = key
  }

  package var digest: Digest { sha256(canonicalBytes) }
}
