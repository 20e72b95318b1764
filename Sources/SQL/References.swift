extension Query {
  /// The models and sources that the text names in `{{ ref }}` and `{{ source }}`, ascending, each
  /// once; inner queries are looked into.
  package var references: [TableName] {
    var found: Set<TableName> = []
    visit(
      table: { name in
        if case .plain = name { return }
        found.insert(name)
      }, expression: { _ in })
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

  /// Goes through all names of tables and all expressions, those of inner queries too.
  func visit(table: (TableName) -> Void, expression: (Expression) -> Void) {
    for common in commonTables { common.query.visit(table: table, expression: expression) }
    for select in [first] + rest.map(\.select) {
      select.visit(table: table, expression: expression)
    }
    for term in order { term.expression.visit(table: table, expression: expression) }
    limit?.count.visit(table: table, expression: expression)
    limit?.offset?.visit(table: table, expression: expression)
  }
}

extension Select {
  fileprivate func visit(table: (TableName) -> Void, expression: (Expression) -> Void) {
    var parts: [Expression] = []
    for item in from {
      switch item.relation {
      case .table(let name): table(name)
      case .subquery(let inner): inner.visit(table: table, expression: expression)
      case .function(_, let arguments): parts += arguments
      case .resolved, .common: break
      }
      parts += [item.on].compactMap(\.self)
    }
    for case .expression(let value, _) in items { parts.append(value) }
    parts += [filter, having].compactMap(\.self) + group
    for (_, window) in windows { parts += window.partition + window.order.map(\.expression) }
    for part in parts { part.visit(table: table, expression: expression) }
  }
}

extension Expression {
  fileprivate func visit(table: (TableName) -> Void, expression: (Expression) -> Void) {
    expression(self)
    switch kind {
    case .exists(let inner), .scalar(let inner), .inQuery(_, let inner, _):
      inner.visit(table: table, expression: expression)
    default: break
    }
    for part in parts { part.visit(table: table, expression: expression) }
  }
}
