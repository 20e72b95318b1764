extension Query {
  /// Whether this column of the result may be anything but a column of that name from a table:
  /// a renamed column, an expression, an aggregate, here or in an inner query it comes through.
  ///
  /// Rows may only be restricted by a column that is passed on untouched all the way.
  package func computes(_ name: String) -> Bool { computes(name, as: []) }

  /// `columns` are the names that a WITH gives to the result.
  private func computes(_ name: String, as columns: [String]) -> Bool {
    if commonTables.contains(where: { $0.query.computes(name, as: $0.columns) }) { return true }
    return ([first] + rest.map(\.select)).contains { select in
      for item in select.from {
        if case .subquery(let inner) = item.relation, inner.computes(name, as: []) { return true }
      }
      for (place, item) in select.items.enumerated() {
        guard case .expression(let expression, let alias) = item else { continue }
        let given =
          place < columns.count ? columns[place] : alias ?? expression.plainName ?? ""
        guard given.names(name) else { continue }
        guard let plain = expression.plainName, plain.names(name) else { return true }
      }
      return false
    }
  }
}
