import Wire

/// Why values make no key.
package enum KeyFault: Error, Hashable, Sendable, CustomStringConvertible {
  case null(column: String)
  case wrongType(column: String)
  case tooMany(values: Int, columns: Int)
  case tooFew(values: Int, columns: Int)
  case tooLong(bytes: Int)

  package var description: String {
    switch self {
    case .null(let column): "the key column \(column) is null: a key has a value in each column"
    case .wrongType(let column): "the value for the key column \(column) has another type"
    case .tooMany(let values, let columns): "\(values) values for a key of \(columns) columns"
    case .tooFew(let values, let columns): "\(values) values for a key of \(columns) columns"
    case .tooLong(let bytes):
      "the key has \(bytes) bytes, at most \(AnswerLimits.keyBytesMax) are allowed"
    }
  }
}

/// Writes memcomparable keys: bytes that sort as the values do. Table id, then the columns:
/// integers big-endian with their sign flipped; texts and bytes with `00` as `00 FF`, closed by
/// `00 00`.
///
/// - Safety: within a table no key is the beginning of another, which the state trie relies on.
package struct KeyEncoder: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init(table: UInt32) {
    bytes.reserveCapacity(32)
    for shift: UInt32 in [24, 16, 8, 0] {
      bytes.append(UInt8(truncatingIfNeeded: table >> shift))
    }
  }

  package mutating func int(_ value: Int64) {
    let flipped = UInt64(bitPattern: value) ^ (1 << 63)
    for shift: UInt64 in [56, 48, 40, 32, 24, 16, 8, 0] {
      bytes.append(UInt8(truncatingIfNeeded: flipped >> shift))
    }
  }

  package mutating func text(_ value: String) { escaped(value.utf8) }

  package mutating func blob(_ value: [UInt8]) { escaped(value) }

  private mutating func escaped(_ value: some Sequence<UInt8>) {
    for byte in value {
      bytes.append(byte)
      if byte == 0 { bytes.append(0xff) }
    }
    bytes.append(0)
    bytes.append(0)
  }

  /// - Returns: false for null, of which nothing is written.
  package mutating func value(_ value: Value) -> Bool {
    switch value {
    case .null: return false
    case .int(let number): int(number)
    case .text(let string): text(string)
    case .bytes(let blob): self.blob(blob)
    }
    return true
  }
}

/// Keys from `lower`, included, to `upper`, not included; nil is open.
package struct KeyRange: Hashable, Sendable {
  package let lower: [UInt8]
  package let upper: [UInt8]?

  package init(lower: [UInt8], upper: [UInt8]?) {
    self.lower = lower
    self.upper = upper
  }

  /// This key alone.
  package init(key: [UInt8]) { self.init(lower: key, upper: key + [0]) }

  /// Every key that begins so.
  package init(prefix: [UInt8]) {
    var upper = prefix
    while upper.last == 0xff { upper.removeLast() }
    if let last = upper.last { upper[upper.count - 1] = last + 1 }
    self.init(lower: prefix, upper: upper.isEmpty ? nil : upper)
  }

  package func contains(_ key: [UInt8]) -> Bool { !isBelow(key) && !isAbove(key) }

  /// Whether only `lower` itself can lie in the range.
  var isPoint: Bool {
    guard let upper else { return false }
    return upper.count == lower.count + 1 && upper.last == 0 && upper.starts(with: lower)
  }

  /// Whether `key` lies before the range.
  func isBelow(_ key: [UInt8]) -> Bool { key.lexicographicallyPrecedes(lower) }

  /// Whether `key` lies behind the range.
  func isAbove(_ key: [UInt8]) -> Bool {
    guard let upper else { return false }
    return !key.lexicographicallyPrecedes(upper)
  }
}

extension TableSchema {
  /// The key of a whole row in the state trie.
  /// - Precondition: one value a column.
  package func key(of row: [Value]) throws(KeyFault) -> [UInt8] {
    precondition(row.count == columns.count, "\(row.count) values, \(columns.count) columns")
    return try keyBytes(key.map { row[$0] })
  }

  /// The key that begins with these values of the key's columns.
  package func keyBytes(_ values: [Value]) throws(KeyFault) -> [UInt8] {
    guard values.count <= key.count else {
      throw .tooMany(values: values.count, columns: key.count)
    }
    var encoder = KeyEncoder(table: id)
    for (index, value) in zip(key, values) {
      let column = columns[index]
      guard value != .null else { throw .null(column: column.name) }
      guard column.type.admitsInKey(value) else { throw .wrongType(column: column.name) }
      _ = encoder.value(value)
    }
    guard encoder.bytes.count <= AnswerLimits.keyBytesMax else {
      throw .tooLong(bytes: encoder.bytes.count)
    }
    return encoder.bytes
  }

  /// The keys that a selection speaks of.
  package func range(of selection: RowsRequest.Selection) throws(KeyFault) -> KeyRange {
    switch selection {
    case .key(let values):
      guard values.count >= key.count else {
        throw .tooFew(values: values.count, columns: key.count)
      }
      return KeyRange(key: try keyBytes(values))
    case .prefix(let values): return KeyRange(prefix: try keyBytes(values))
    case .range(let from, let to):
      let table = KeyRange(prefix: try keyBytes([]))
      var (lower, upper) = (table.lower, table.upper)
      if let from { lower = try keyBytes(from) }
      if let to { upper = try keyBytes(to) }
      return KeyRange(lower: lower, upper: upper)
    }
  }

  /// Where this schema itself lies in its pipeline's trie: table 0, by name.
  package static func catalogKey(of table: String) -> [UInt8] {
    var encoder = KeyEncoder(table: 0)
    encoder.text(table)
    return encoder.bytes
  }
}

extension ColumnType {
  /// Whether a key column of this type holds such a value, by the way it is stored.
  fileprivate func admitsInKey(_ value: Value) -> Bool {
    switch (self, value) {
    case (.undeclared, _): true
    case (.text, .text), (.uuid, .text), (.json, .text), (.bytes, .bytes): true
    case (.int, .int), (.decimal, .int), (.date, .int), (.timestamp, .int), (.bool, .int): true
    default: false
    }
  }
}
