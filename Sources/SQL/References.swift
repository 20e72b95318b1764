extension Query {
  /// The models and sources that the text names in `{{ ref }}` and `{{ source }}`, ascending, each
  /// once; inner queries are looked into.
  package var references: [TableName] {
    var found: Set<TableName> = []
    collect(&found)
    func rank(_ name: TableName) -> String {
      switch name {
      case .ref(let name): "1\(name)"
      case .source(let name): "2\(name)"
      case .changed: "3"
      case .plain(let name): "4\(name)"
      }
    }
    return found.sorted { rank($0) < rank($1) }
  }

  fileprivate func collect(_ found: inout Set<TableName>) {
    for table in commonTables { table.query.collect(&found) }
    for select in [first] + rest.map(\.select) { select.collect(&found) }
    for term in order { term.expression.collect(&found) }
    limit?.count.collect(&found)
    limit?.offset?.collect(&found)
  }
}

extension Select {
  fileprivate func collect(_ found: inout Set<TableName>) {
    for item in from {
      switch item.relation {
      case .table(.plain): break
      case .table(let name): found.insert(name)
      case .subquery(let inner): inner.collect(&found)
      case .function(_, let arguments): for argument in arguments { argument.collect(&found) }
      case .resolved, .common: break
      }
      item.on?.collect(&found)
    }
    for case .expression(let expression, _) in items { expression.collect(&found) }
    for expression in [filter, having].compactMap(\.self) + group { expression.collect(&found) }
    for (_, window) in windows {
      for expression in window.partition + window.order.map(\.expression) {
        expression.collect(&found)
      }
    }
  }
}

extension Expression {
  fileprivate func collect(_ found: inout Set<TableName>) {
    switch kind {
    case .exists(let inner), .scalar(let inner), .inQuery(_, let inner, _): inner.collect(&found)
    default: break
    }
    for part in parts { part.collect(&found) }
  }
}
