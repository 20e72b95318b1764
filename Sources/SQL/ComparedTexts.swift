extension CheckedQuery {
  /// The texts that the statement compares columns with, by the column's name: what rows must hold
  /// to be found.
  package var comparedTexts: [(column: String, text: String)] {
    var found: [(column: String, text: String)] = []
    query.visit(
      table: { _ in },
      expression: { expression in
        for (one, others) in expression.comparisons {
          guard case .column(_, let name, _) = one.kind else { continue }
          found += others.compactMap(text).map { (name, $0) }
        }
      })
    return found
  }

  /// The text that an expression is; nil where it is none, or computed.
  func text(_ expression: Expression) -> String? {
    switch expression.kind {
    case .literal(.text(let text)): return text
    case .variable(let name):
      guard case .text(let text)? = variables.first(where: { $0.name == name })?.value else {
        return nil
      }
      return text
    default: return nil
    }
  }
}

extension Expression {
  /// What it holds against what, one level deep.
  fileprivate var comparisons: [(one: Expression, others: [Expression])] {
    switch kind {
    case .binary(.equal, let left, let right), .binary(.notEqual, let left, let right),
      .binary(.is, let left, let right), .binary(.isNot, let left, let right):
      [(left, [right]), (right, [left])]
    case .inList(let value, let items, _): [(value, items)]
    case .choice(let choice):
      choice.operand.map { [($0, choice.branches.map(\.when))] } ?? []
    default: []
    }
  }
}
