import Wire

/// The rows of a batch that fit their contract, typed as they are stored, and those that do not.
///
/// Cells lie in one array, row after row, each row in the order of `Source.storedColumns`; texts
/// and blobs lie in one arena, so a row costs no allocation of its own.
package struct DecodedBatch: Sendable, Hashable {
  /// How many cells a row has.
  package let columnCount: Int
  package internal(set) var arena: [UInt8]
  package internal(set) var cells: [Cell]
  /// The place of each accepted row in the batch, from 1.
  package internal(set) var rowNumbers: [UInt32]
  /// Ascending by row.
  package internal(set) var rejected: [RejectedRow]

  package init(
    columnCount: Int, arena: [UInt8] = [], cells: [Cell] = [], rowNumbers: [UInt32] = [],
    rejected: [RejectedRow] = []
  ) {
    self.columnCount = columnCount
    self.arena = arena
    self.cells = cells
    self.rowNumbers = rowNumbers
    self.rejected = rejected
  }

  /// How many rows were accepted.
  package var rowCount: Int { rowNumbers.count }

  package func cell(row: Int, column: Int) -> Cell { cells[row * columnCount + column] }

  package func bytes(of cell: Cell) -> ArraySlice<UInt8> {
    switch cell {
    case .text(let start, let count), .blob(let start, let count):
      arena[Int(start)..<Int(start) + Int(count)]
    case .null, .integer: []
    }
  }

  package func value(row: Int, column: Int) -> StoredValue {
    let cell = cell(row: row, column: column)
    switch cell {
    case .null: return .null
    case .integer(let value): return .integer(value)
    case .text: return .text(String(decoding: bytes(of: cell), as: UTF8.self))
    case .blob: return .blob(Array(bytes(of: cell)))
    }
  }

  package func row(_ index: Int) -> [StoredValue] {
    (0..<columnCount).map { value(row: index, column: $0) }
  }
}

/// One value of a decoded row. Texts and blobs are ranges of the batch's arena.
package enum Cell: Sendable, Hashable {
  case null
  case integer(Int64)
  case text(start: UInt32, count: UInt32)
  case blob(start: UInt32, count: UInt32)
}

/// A value as SQLite stores it.
package enum StoredValue: Sendable {
  case null
  case integer(Int64)
  case text(String)
  case blob([UInt8])
}

extension StoredValue: Hashable {
  /// Texts are equal when their bytes are, as SQLite has it.
  package static func == (a: Self, b: Self) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.integer(let first), .integer(let second)): first == second
    case (.text(let first), .text(let second)): first.isSpelled(as: second)
    case (.blob(let first), .blob(let second)): first == second
    default: false
    }
  }

  package func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0)
    case .integer(let number): hasher.combine(number)
    case .text(let text): hasher.combine(Array(text.utf8))
    case .blob(let bytes): hasher.combine(bytes)
    }
  }
}

/// What a row held, as text: what quarantine keeps of it, and what a release reads again.
///
/// - Safety: it is read again as it was read when it came. A row of a batch is kept as it was
///   spelled; one that was typed, with dates and timestamps in their standard spelling, whatever
///   the `parse:` of their columns.
package struct KeptRow: Sendable, Hashable {
  /// The text of each contract column, in order; nil where the field is missing or null. A json
  /// column's is JSON, with the quotes of a string. Invalid text cannot be here: it refuses the
  /// batch.
  package var fields: [String?]
  /// One JSON object of the fields that no column reads, unless the policy is to ignore them, and
  /// of those whose text does not tell all, as they were spelled: a JSON number for a text, a
  /// standard date where the column has another spelling. nil where there are none.
  package var captured: String?

  package init(fields: [String?], captured: String? = nil) {
    self.fields = fields
    self.captured = captured
  }
}

/// A row that breaks its contract: what it held, as text, and every reason.
package struct RejectedRow: Sendable, Hashable {
  /// From 1, within the batch.
  package let row: UInt32
  package let kept: KeptRow
  /// One for each broken rule, in the order of the columns.
  package let reasons: [Reason]

  package struct Reason: Sendable, Hashable, CustomStringConvertible {
    /// The rule: `required`, `type`, `accepted_values`, `matches`, `max_bytes`, `nfc` or
    /// `unknown_field`.
    package let rule: String
    /// Empty for rules about the row as a whole.
    package let column: String
    package let message: String

    package init(rule: String, column: String, message: String) {
      self.rule = rule
      self.column = column
      self.message = message
    }
    /// `amount: "12.345" has 3 digits after the point; decimal(18,2) has 2 (QD23)`
    package var description: String { column.isEmpty ? message : "\(column): \(message)" }
  }

  package init(row: UInt32, kept: KeptRow, reasons: [Reason]) {
    self.row = row
    self.kept = kept
    self.reasons = reasons
  }

  /// All reasons in one text, as the quarantine table's `_errors` holds them.
  package var errors: String { reasons.map(\.description).joined(separator: "; ") }
}
