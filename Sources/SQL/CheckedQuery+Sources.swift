extension CheckedQuery {
  /// The statement over other sources.
  /// - Parameter substitute: what stands in the place of a table, as FROM takes it; nil leaves the
  ///   table. Its columns are the table's.
  package func print(substituting substitute: @escaping (TableShape) -> String?) -> String {
    var printer = Printer(variables: variables, restrict: { _ in nil })
    printer.substitute = substitute
    printer.query(query)
    return printer.text
  }

  /// What `isRowwise` says, of the statement's text.
  func takesRowsAlone(_ text: String) -> Bool {
    let isScalar = functions.allSatisfy { FunctionTable.offered($0)?.kind == .scalar }
    let select = query.first
    guard query.commonTables.isEmpty, query.rest.isEmpty, query.limit == nil, tables.count == 1,
      isScalar, !select.distinct, select.group.isEmpty, select.having == nil,
      select.windows.isEmpty, select.from.count == 1, case .resolved = select.from[0].relation
    else { return false }
    // A subquery would print a second one.
    let words = text.split { !($0.isLetter || $0 == "_") }
    return words.count { $0 == "SELECT" } == 1
  }
}

extension CheckedQuery {
  /// Whether the statement has an ORDER BY of its own.
  package var hasOrder: Bool { !query.order.isEmpty }
}
