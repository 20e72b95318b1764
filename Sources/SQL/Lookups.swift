/// Which rows of its tables a statement looks up by equality, for whoever decides on indexes.
extension CheckedQuery {
  /// The columns of a table that equalities fix.
  package struct Lookup: Sendable, Hashable {
    /// The physical name.
    package let table: String
    /// In the order in which the statement names them.
    package let columns: [String]
  }

  /// For each table of the outermost FROM the columns that joins compare with other sources, and
  /// those that the filter compares with parameters. Each once, in the order of the text.
  package var lookups: [Lookup] {
    var found: [Lookup] = []
    var seen: Set<Lookup> = []
    func add(_ table: TableShape, _ columns: [String]) {
      let lookup = Lookup(table: table.name, columns: columns)
      if !columns.isEmpty, seen.insert(lookup).inserted { found.append(lookup) }
    }
    for select in [query.first] + query.rest.map(\.select) {
      let sources = select.from.compactMap(LookupSource.init)
      for item in select.from where !item.using.isEmpty {
        let names = item.using.map(\.name)
        for source in sources where names.allSatisfy(source.has) { add(source.shape, names) }
      }
      let joined = select.from.flatMap { $0.on?.conjunction ?? [] }
      let filtered = select.filter?.conjunction ?? []
      for source in sources {
        add(source.shape, joined.flatMap { source.fixed(by: $0) })
        add(source.shape, filtered.flatMap { source.fixed(by: $0) })
      }
    }
    return found
  }
}

/// A table of a FROM, under the name by which the SELECT speaks of it.
private struct LookupSource {
  let shape: TableShape
  let name: String

  init?(_ item: FromItem) {
    guard case .resolved(let shape) = item.relation else { return nil }
    self.shape = shape
    name = item.alias ?? shape.name
  }

  func has(_ column: String) -> Bool { shape.columns.contains { $0.name == column } }

  /// The own columns that an equality compares with what other sources or parameters give.
  func fixed(by condition: Expression) -> [String] {
    guard case .binary(let sign, let left, let right) = condition.kind,
      sign == .equal || sign == .is
    else { return [] }
    let (own, other) = (column(left), column(right))
    guard (own == nil) != (other == nil) else { return [] }
    let isSimple = [left, right].allSatisfy { side in
      switch side.kind {
      case .column, .parameter: true
      default: false
      }
    }
    return isSimple ? [own ?? other].compactMap(\.self) : []
  }

  private func column(_ expression: Expression) -> String? {
    guard case .column(let qualifier, let name, _) = expression.kind, qualifier == self.name,
      has(name)
    else { return nil }
    return name
  }
}
