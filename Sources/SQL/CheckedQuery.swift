/// One column of a result.
package struct OutputColumn: Sendable, Hashable {
  package let name: String
  package let type: SQLType
  package let nullable: Bool
  /// The values come, at least in part, from a column marked `pii:`.
  package let pii: Bool
  /// Ascending; every column whose values take part.
  package let lineage: [Lineage]
  /// Ascending; columns that only decide of which rows, and in which order, the values are made:
  /// in OVER, in FILTER, in the conditions of inner SELECTs. A mark does not spread from them.
  package let indirect: [Lineage]
  /// Of its whole numbers, beside their type.
  var written = Written()
}

/// A SELECT that passed every rule of its profile, ready to be printed.
///
/// - Safety: only what `print` gives is ever prepared.
package struct CheckedQuery: Sendable {
  package let columns: [OutputColumn]
  /// Proven unique keys by column name, the shortest first; an empty one says at most one row.
  package let keys: [[String]]
  /// The ORDER BY orders every two rows.
  package let isTotallyOrdered: Bool
  /// Physical names, ascending.
  package let tables: [String]
  /// Ascending.
  package let functions: [String]
  /// Ascending.
  package let parameters: [String]
  /// Columns of the conditions and orders that personal columns take part in, ascending: who may
  /// choose an argument may find their values by trying.
  package let weighed: [Lineage]
  /// False where REAL may be involved: then replicas need not agree.
  package let deterministic: Bool
  package let warnings: [Diagnostic]
  let query: Query
  let variables: [(name: String, value: Literal)]
  /// Of its text.
  private(set) var printedBytes = 0
  /// True when each row of the result comes from one row of one table and from nothing else, so
  /// that the result over some rows of the table is some rows of the result. Fails closed.
  package private(set) var isRowwise = false

  /// Prints it once, for what is asked of the text again and again.
  mutating func reckonPrinted(_ work: CheckWork) {
    var printer = Printer(variables: variables, restrict: { _ in nil })
    printer.work = work
    printer.isExact = deterministic
    printer.query(query)
    printedBytes = printer.text.utf8.count
    work.charge(printedBytes)
    isRowwise = takesRowsAlone(printer.text)
  }

  /// The statement's text.
  /// - Parameter restrict: the columns by which a table's rows are restricted to the parameters
  ///   `:refresh_COLUMN`; nil leaves the table whole.
  package func print(restrict: @escaping (TableShape) -> [String]? = { _ in nil }) -> String {
    var printer = Printer(variables: variables, restrict: restrict)
    printer.isExact = deterministic
    printer.query(query)
    return printer.text
  }

  /// The statement ordered by some of its columns: for rows that the engine takes by key.
  package func print(
    orderedBy columns: [String], restrict: @escaping (TableShape) -> [String]? = { _ in nil }
  ) -> String {
    let order = columns.map(quoted).joined(separator: ", ")
    return "SELECT * FROM (\(print(restrict: restrict))) ORDER BY \(order)"
  }
}

/// A boolean expression over the columns of one source that passed the rules.
package struct CheckedExpression: Sendable {
  /// Columns it reads, ascending.
  package let columns: [String]
  /// Sources that `exists_in` looks into, with the column there; ascending.
  package let lookups: [(source: String, table: String, column: String)]
  package let usesQuarantinedPPM: Bool
  package let warnings: [Diagnostic]
  let expression: Expression
  let lookupTables: [(source: String, table: String, column: String)]
  let variables: [(name: String, value: Literal)]

  /// The expression's text, with its columns qualified. `quarantined_ppm()` is printed as the
  /// parameter `:quarantined_ppm`.
  package func print(qualifier: String? = nil) -> String {
    var printer = Printer(variables: variables, restrict: { _ in nil })
    printer.qualifier = qualifier
    printer.lookups = lookupTables
    printer.expression(expression)
    return printer.text
  }
}

/// A text as SQL writes it.
///
/// - Safety: each quote is doubled, whatever follows it: with a combining mark behind it, it is
///   another `Character`, and the end of the literal all the same.
package func literal(_ text: String) -> String {
  var bytes: [UInt8] = [UInt8(ascii: "'")]
  bytes.reserveCapacity(text.utf8.count + 2)
  for byte in text.utf8 {
    if byte == UInt8(ascii: "'") { bytes.append(byte) }
    bytes.append(byte)
  }
  bytes.append(UInt8(ascii: "'"))
  return String(decoding: bytes, as: UTF8.self)
}

/// An identifier, quoted.
package func quoted(_ name: String) -> String { "\"\(name)\"" }
