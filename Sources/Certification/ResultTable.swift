import Signing
import Wire

/// A whole result: typed columns, rows in their order.
package struct ResultTable: Hashable, Canonical {
  package let columns: [Column]
  /// As many values a row as there are columns.
  package let rows: [[Value]]

  package struct Column: Hashable, Canonical {
    package let name: String
    package let type: ColumnType

    package init(name: String, type: ColumnType) {
      self.name = name
      self.type = type
    }
    package func encode(into encoder: inout Encoder) {
      encoder.text(name)
      encoder.value(type)
    }
    package init(from decoder: inout Decoder) throws(Malformed) {
      name = try decoder.text(limit: Limits.textBytesMax)
      type = try decoder.value()
    }
  }

  /// - Precondition: each row has one value a column.
  package init(columns: [Column], rows: [[Value]]) {
    precondition(rows.allSatisfy { $0.count == columns.count }, "a row of another width")
    self.columns = columns
    self.rows = rows
  }

  package func encode(into encoder: inout Encoder) {
    encoder.list(columns)
    encoder.length(rows.count)
    for row in rows {
      for value in row { encoder.value(value) }
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    columns = try decoder.list(limit: AnswerLimits.columnsMax)
    let count = try decoder.length(limit: AnswerLimits.rowsMax)
    // A row without columns takes no bytes, so nothing else would bound how many are claimed.
    guard !columns.isEmpty || count == 0 else { throw decoder.fault("rows without columns") }
    var rows: [[Value]] = []
    rows.reserveCapacity(min(count, 1_024))
    for _ in 0..<count {
      var row: [Value] = []
      row.reserveCapacity(columns.count)
      for _ in 0..<columns.count { row.append(try decoder.value()) }
      rows.append(row)
    }
    self.rows = rows
  }

  /// What a replica signs of a result.
  package var digest: Digest { sha256(canonicalBytes) }

  /// The rows as people read them; nil stands for null.
  package var texts: [[String?]] {
    rows.map { row in zip(columns, row).map { $0.type.text(of: $1) } }
  }
}
