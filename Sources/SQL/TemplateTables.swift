extension SQLText {
  /// The tables that a text names by template tokens, each once, in the order of the text: what
  /// must be known before it can be checked.
  package func templateTables() throws(Diagnostic) -> [TableName] {
    var tables: [TableName] = []
    for token in try Lexer.tokens(of: self, form: .file) {
      guard case .template(let template) = token.kind else { continue }
      let table: TableName? =
        switch template {
        case .ref(let name): .ref(name)
        case .source(let name): .source(name)
        case .variable, .changed: nil
        }
      if let table, !tables.contains(table) { tables.append(table) }
    }
    return tables
  }
}
