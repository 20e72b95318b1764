import Signing
import Wire

/// How cells and rows are hashed: a hash a column, so that a proof can withhold one.
package enum RowHash {
  /// H(04 ‖ value).
  package static func cell(_ value: Value) -> Digest {
    var encoder = Encoder(capacity: 64)
    return cell(value, &encoder)
  }

  /// H(05 ‖ salt ‖ value): a salted hash cannot be guessed once its salt is erased.
  package static func cell(_ value: Value, salt: Digest) -> Digest {
    var encoder = Encoder(capacity: 96)
    return cell(value, salt: salt, &encoder)
  }

  /// H(06 ‖ nonce ‖ column): showing one column's salt tells nothing of another's.
  package static func salt(nonce: Digest, column: Int) -> Digest {
    var encoder = Encoder(capacity: 40)
    encoder.byte(0x06)
    encoder.value(nonce)
    encoder.integer(UInt16(column))
    return sha256(encoder.bytes)
  }

  /// H(03 ‖ schema ‖ cells).
  package static func row(schema: Digest, cells: [Digest]) -> Digest {
    hashed(0x03, [schema] + cells)
  }

  static func cell(_ value: Value, _ encoder: inout Encoder) -> Digest {
    encoder.restart()
    encoder.byte(0x04)
    encoder.value(value)
    return sha256(encoder.bytes)
  }

  static func cell(_ value: Value, salt: Digest, _ encoder: inout Encoder) -> Digest {
    encoder.restart()
    encoder.byte(0x05)
    encoder.value(salt)
    encoder.value(value)
    return sha256(encoder.bytes)
  }
}

/// Hashes the rows of one table, with memory that it keeps from row to row.
package struct RowHasher: Sendable {
  package let schema: TableSchema
  private let schemaDigest: Digest
  private var cellEncoder = Encoder(capacity: 128)
  private var rowEncoder: Encoder
  /// How many times SHA-256 runs for a row, salts included: what is metered.
  package let hashesPerRow: UInt64

  package init(schema: TableSchema) {
    self.schema = schema
    schemaDigest = schema.digest
    rowEncoder = Encoder(capacity: 33 + 32 * schema.columns.count)
    let personal = schema.columns.count { $0.personal }
    hashesPerRow = UInt64(1 + schema.columns.count + personal)
  }

  /// - Parameter nonce: 32 bytes of chance that came with the row and are erased with it; the
  ///   cells of `pii:` columns are salted with it. nil only for tables without such columns.
  /// - Precondition: one value a column.
  package mutating func hash(_ values: [Value], nonce: Digest? = nil) -> Digest {
    precondition(values.count == schema.columns.count, "\(values.count) values")
    rowEncoder.restart()
    rowEncoder.byte(0x03)
    rowEncoder.value(schemaDigest)
    for index in values.indices {
      if let nonce, schema.columns[index].personal {
        let salt = RowHash.salt(nonce: nonce, column: index)
        rowEncoder.value(RowHash.cell(values[index], salt: salt, &cellEncoder))
      } else {
        rowEncoder.value(RowHash.cell(values[index], &cellEncoder))
      }
    }
    return sha256(rowEncoder.bytes)
  }

  /// The row as a proof shows it: with `masked`, what is personal is withheld.
  package func row(_ values: [Value], nonce: Digest? = nil, masked: Bool) -> CertifiedRows.Row {
    precondition(values.count == schema.columns.count, "\(values.count) values")
    let cells = values.indices.map { index -> CertifiedRows.Cell in
      let personal = schema.columns[index].personal
      let salt = personal ? nonce.map { RowHash.salt(nonce: $0, column: index) } : nil
      // A key is in the proof as it is: withholding its column would hide nothing.
      if masked, personal, !schema.key.contains(index) {
        return .withheld(
          salt.map { RowHash.cell(values[index], salt: $0) } ?? RowHash.cell(values[index]))
      }
      return salt.map { .salted(values[index], salt: $0) } ?? .shown(values[index])
    }
    return CertifiedRows.Row(cells: cells)
  }
}

extension CertifiedRows.Cell {
  /// What stands for this cell in its row's hash.
  package var digest: Digest {
    switch self {
    case .shown(let value): RowHash.cell(value)
    case .salted(let value, let salt): RowHash.cell(value, salt: salt)
    case .withheld(let digest): digest
    }
  }
}
