import Certification
import Signing
import Wire

/// Writes the key and the hash of a row cell by cell, straight from bytes: what `RowHasher` and
/// `KeyEncoder` compute from values, without a `String` on the way.
struct CellHasher {
  private let schemaDigest: Digest
  private let isPersonal: [Bool]
  /// The place of each column in the key; nil for those outside of it.
  private let isKeyColumn: [Bool]
  private let keyOrder: [Int]
  private let isKeyInOrder: Bool
  private let prefix: [UInt8]
  private var row: [UInt8] = []
  private var cell: [UInt8] = []
  private var salts: [Digest] = []
  private var keyParts: [[UInt8]]
  private(set) var key: [UInt8] = []
  private var column = 0
  /// Bytes of the row's values.
  private(set) var size = 0
  let hashesPerRow: UInt64

  init(schema: TableSchema) {
    schemaDigest = schema.digest
    isPersonal = schema.columns.map(\.personal)
    isKeyColumn = schema.columns.indices.map { schema.key.contains($0) }
    keyOrder = schema.key
    isKeyInOrder = zip(schema.key, schema.key.dropFirst()).allSatisfy { $0 < $1 }
    prefix = KeyEncoder(table: schema.id).bytes
    keyParts = Array(repeating: [], count: schema.columns.count)
    let personal = isPersonal.count { $0 }
    hashesPerRow = UInt64(1 + schema.columns.count + personal)
    row.reserveCapacity(33 + 32 * schema.columns.count)
    cell.reserveCapacity(256)
  }

  /// - Parameter nonce: salts the personal columns; nil for tables without them.
  mutating func begin(nonce: Digest?) {
    row.removeAll(keepingCapacity: true)
    row.append(0x03)
    append(schemaDigest)
    key.removeAll(keepingCapacity: true)
    key.append(contentsOf: prefix)
    column = 0
    size = 0
    salts.removeAll(keepingCapacity: true)
    guard let nonce else { return }
    for index in isPersonal.indices where isPersonal[index] {
      salts.append(RowHash.salt(nonce: nonce, column: index))
    }
    salts.reverse()
  }

  mutating func null() {
    beginCell(variant: 0)
    size += 1
    endCell()
  }

  mutating func integer(_ value: Int64) {
    beginCell(variant: 1)
    var rest = UInt64(bitPattern: value)
    for _ in 0..<8 {
      cell.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
    size += 8
    if isKeyColumn[column] {
      let flipped = UInt64(bitPattern: value) ^ (1 << 63)
      withKeyPart { part in
        for shift: UInt64 in [56, 48, 40, 32, 24, 16, 8, 0] {
          part.append(UInt8(truncatingIfNeeded: flipped >> shift))
        }
      }
    }
    endCell()
  }

  mutating func text(_ bytes: UnsafeRawBufferPointer) { sized(bytes, variant: 2) }
  mutating func blob(_ bytes: UnsafeRawBufferPointer) { sized(bytes, variant: 3) }

  mutating func value(_ value: Value) {
    switch value {
    case .null: null()
    case .int(let number): integer(number)
    case .text(var text):
      text.withUTF8 { self.text(UnsafeRawBufferPointer($0)) }
    case .bytes(let bytes): bytes.withUnsafeBytes { blob($0) }
    }
  }

  /// A cell whose hash is known, outside of the key and not personal.
  mutating func known(_ digest: Digest, size: Int) {
    precondition(!isKeyColumn[column] && !isPersonal[column], "column \(column) is no such cell")
    append(digest)
    self.size += size
    column += 1
  }

  /// The hash of the row; `key` is complete now.
  mutating func finish() -> Digest {
    precondition(column == isPersonal.count, "\(column) cells of \(isPersonal.count)")
    if !isKeyInOrder { for index in keyOrder { key.append(contentsOf: keyParts[index]) } }
    return row.withUnsafeBytes { sha256($0) }
  }

  private mutating func sized(_ bytes: UnsafeRawBufferPointer, variant: UInt8) {
    beginCell(variant: variant)
    var rest = UInt32(truncatingIfNeeded: bytes.count)
    while rest >= 0x80 {
      cell.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    cell.append(UInt8(rest))
    cell.append(contentsOf: bytes)
    size += bytes.count
    if isKeyColumn[column] {
      withKeyPart { part in
        for byte in bytes {
          part.append(byte)
          if byte == 0 { part.append(0xff) }
        }
        part.append(0)
        part.append(0)
      }
    }
    endCell()
  }

  private mutating func withKeyPart(_ write: (inout [UInt8]) -> Void) {
    if isKeyInOrder {
      write(&key)
    } else {
      keyParts[column].removeAll(keepingCapacity: true)
      write(&keyParts[column])
    }
  }

  private mutating func beginCell(variant: UInt8) {
    cell.removeAll(keepingCapacity: true)
    if isPersonal[column], let salt = salts.popLast() {
      cell.append(0x05)
      cell.append(digest: salt)
    } else {
      cell.append(0x04)
    }
    cell.append(variant)
  }

  private mutating func endCell() {
    append(cell.withUnsafeBytes { sha256($0) })
    column += 1
  }

  private mutating func append(_ digest: Digest) {
    row.append(digest: digest)
  }
}

extension [UInt8] {
  fileprivate mutating func append(digest: Digest) {
    withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { buffer in
      guard let start = buffer.baseAddress else { return }
      digest.store(to: start)
      append(contentsOf: UnsafeRawBufferPointer(buffer))
    }
  }
}
