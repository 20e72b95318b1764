extension CheckedQuery {
  /// Where the statement looks into columns of JSON, by the column's name: `$.size`, `$.lines[0]`.
  package var extractedPaths: [(column: String, path: String)] {
    var found: [(column: String, path: String)] = []
    query.visit(
      table: { _ in },
      expression: { expression in
        guard let (value, paths) = expression.extraction, let start = root(of: value) else {
          return
        }
        found += paths.compactMap(text).map { (start.column, "$" + start.path + Self.tail($0)) }
      })
    return found
  }

  /// The column behind a chain of arrows, and the path that they walk.
  private func root(of expression: Expression) -> (column: String, path: String)? {
    switch expression.kind {
    case .column(_, let name, _): return (name, "")
    case .binary(.arrow, let value, let path):
      guard let start = root(of: value), let path = text(path) else { return nil }
      return (start.column, start.path + Self.tail(path))
    default: return nil
    }
  }

  /// Behind an arrow stands a path, or the name of a member alone.
  private static func tail(_ path: String) -> String {
    path.hasPrefix("$") ? String(path.dropFirst()) : ".\"\(path)\""
  }
}

extension Expression {
  /// What it looks into, and the paths.
  fileprivate var extraction: (value: Expression, paths: [Expression])? {
    switch kind {
    case .binary(.arrow, let value, let path), .binary(.arrowText, let value, let path):
      return (value, [path])
    case .call(let call):
      let readers = ["json_extract", "json_type", "json_array_length"]
      guard readers.contains(call.name), let value = call.arguments.first else {
        return nil
      }
      return (value, Array(call.arguments.dropFirst()))
    default: return nil
    }
  }
}
