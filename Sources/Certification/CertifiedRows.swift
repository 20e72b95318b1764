import Wire

/// Rows of one table with all that proves them: their values, or hashes of what is withheld, the
/// table's schema, the paths to the subnet's state root, and the certificate of that root.
///
/// - Bound: `AnswerLimits.certifiedRowsMax` rows; `resultBytesMax` bytes of them and one row more.
package struct CertifiedRows: Hashable, Canonical {
  package let pipeline: String
  package let schema: TableSchema
  /// Ascending by key.
  package let rows: [Row]
  /// False when the limit or the rows' bytes cut the answer: complete up to the last row then.
  package let complete: Bool
  /// The root of the pipeline's trie.
  package let pipelineRoot: Digest
  /// The rows, in the pipeline's trie.
  package let rowsProof: TrieProof
  /// The schema, in the pipeline's trie.
  package let schemaProof: TrieProof
  /// The pipeline's root, in the subnet's.
  package let componentProof: TrieProof
  package let certificate: StateCertificate

  /// One cell a column of the schema.
  package struct Row: Hashable, Canonical {
    package let cells: [Cell]
    package init(cells: [Cell]) { self.cells = cells }
    package func encode(into encoder: inout Encoder) { encoder.list(cells) }
    package init(from decoder: inout Decoder) throws(Malformed) {
      cells = try decoder.list(limit: AnswerLimits.columnsMax)
    }
  }

  package enum Cell: Hashable, Canonical {
    case shown(Value)
    /// Of a `pii:` column: the value with the salt of this row and column.
    case salted(Value, salt: Digest)
    /// The cell's hash alone.
    case withheld(Digest)

    package func encode(into encoder: inout Encoder) {
      switch self {
      case .shown(let value):
        encoder.variant(0)
        encoder.value(value)
      case .salted(let value, let salt):
        encoder.variant(1)
        encoder.value(value)
        encoder.value(salt)
      case .withheld(let digest):
        encoder.variant(2)
        encoder.value(digest)
      }
    }
    package init(from decoder: inout Decoder) throws(Malformed) {
      switch try decoder.variant(count: 3) {
      case 0: self = .shown(try decoder.value())
      case 1: self = .salted(try decoder.value(), salt: try decoder.value())
      default: self = .withheld(try decoder.value())
      }
    }

    /// nil when it is withheld.
    package var value: Value? {
      switch self {
      case .shown(let value), .salted(let value, _): value
      case .withheld: nil
      }
    }
  }

  package init(
    pipeline: String, schema: TableSchema, rows: [Row], complete: Bool, pipelineRoot: Digest,
    rowsProof: TrieProof, schemaProof: TrieProof, componentProof: TrieProof,
    certificate: StateCertificate
  ) {
    self.pipeline = pipeline
    self.schema = schema
    self.rows = rows
    self.complete = complete
    self.pipelineRoot = pipelineRoot
    self.rowsProof = rowsProof
    self.schemaProof = schemaProof
    self.componentProof = componentProof
    self.certificate = certificate
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(pipeline)
    encoder.value(schema)
    encoder.list(rows)
    encoder.flag(complete)
    encoder.value(pipelineRoot)
    encoder.value(rowsProof)
    encoder.value(schemaProof)
    encoder.value(componentProof)
    encoder.value(certificate)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    pipeline = try decoder.text(limit: Limits.nameBytesMax)
    schema = try decoder.value()
    rows = try decoder.list(limit: AnswerLimits.certifiedRowsMax)
    complete = try decoder.flag()
    pipelineRoot = try decoder.value()
    rowsProof = try decoder.value()
    schemaProof = try decoder.value()
    componentProof = try decoder.value()
    certificate = try decoder.value()
  }

  /// The rows as a table; what is withheld reads as null.
  package var table: ResultTable {
    ResultTable(
      columns: schema.columns.map { .init(name: $0.name, type: $0.type) },
      rows: rows.filter { $0.cells.count == schema.columns.count }
        .map { row in row.cells.map { $0.value ?? .null } })
  }
}

extension CertifiedRows {
  /// Adds up the encoded bytes of rows: where an answer ends that has too many, to whoever gives it
  /// and to whoever checks it.
  package struct Measure: Sendable {
    private var encoder = Encoder()
    private var bytes = 0

    package init() {}

    /// Takes in the next row.
    /// - Returns: whether the rows pass `AnswerLimits.resultBytesMax` with it: then it is the last.
    package mutating func passes(with row: Row) -> Bool {
      encoder.restart()
      encoder.value(row)
      bytes += encoder.bytes.count
      return bytes > AnswerLimits.resultBytesMax
    }
  }

  /// Whether the rows have so many bytes that the answer may end with them.
  var isFullOfBytes: Bool {
    var measure = Measure()
    return rows.contains { measure.passes(with: $0) }
  }
}
