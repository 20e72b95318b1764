/// A rule of deterministic SQL that the project's own Swift must keep, since no gate meets it.
package enum SourceRule: String, Sendable {
  case spelling = "QD24"
  case hashOrder = "QD45"
  case hooks = "QD47"

  /// A line that breaks it.
  package struct Fault: Sendable, CustomStringConvertible {
    package let rule: SourceRule
    /// From 1.
    package let line: Int
    package let text: String

    package var fix: String {
      switch rule {
      case .spelling: "compare and search bytes: isSpelled(as:), utf8, StatementText"
      case .hashOrder: "sort what a dictionary or a set holds"
      case .hooks: "install it where the engine opens the connection"
      }
    }

    /// `12: QD45: for name in tables.keys {: sort what a dictionary or a set holds`
    package var description: String { "\(line): \(rule.rawValue): \(text): \(fix)" }
  }

  package func faults(in lines: [String]) -> [Fault] {
    let found =
      switch self {
      case .spelling: spelledAlike(in: lines)
      case .hashOrder: hashOrdered(in: lines)
      case .hooks: strayHooks(in: lines)
      }
    return found.map { line in
      Fault(rule: self, line: line, text: String(lines[line - 1].drop { $0 == " " }))
    }
  }
}
