import Wire

/// One mistake in a package: where it is, what is wrong, how to mend it. Or a note: what is sound,
/// and yet may not be meant.
package struct PackageFault: Sendable, Hashable, CustomStringConvertible {
  package enum Severity: String, Sendable {
    case error
    case note
  }

  package let severity: Severity
  /// Within the package's folder.
  package let file: String
  /// From 1; 0 when the fault belongs to no line.
  package let line: Int
  package let column: Int
  /// A rule of the SQL checker: `QD05`, `SQL04`; empty for all others.
  package let rule: String
  package let message: String
  /// The line it is about, with the reason beside a caret; nil when the message says it all.
  package let excerpt: Excerpt?
  package let fix: String?

  package struct Excerpt: Sendable, Hashable {
    package let sourceLine: String
    /// Of the caret, from 1.
    package let column: Int
    package let reason: String
  }

  package init(
    _ severity: Severity = .error, file: String, line: Int = 0, column: Int = 0,
    rule: String = "", message: String, excerpt: Excerpt? = nil, fix: String? = nil
  ) {
    self.severity = severity
    self.file = file
    self.line = line
    self.column = column
    self.rule = rule
    self.message = message
    self.excerpt = excerpt
    self.fix = fix
  }

  /// `sources/x.yaml:4:9: error: unknown key colums` and, below it, excerpt and fix.
  package var description: String {
    let place = line > 0 ? "\(file):\(line):\(column)" : file
    var text = "\(place): \(severity.rawValue)\(rule.isEmpty ? "" : " " + rule): \(message)"
    if let excerpt {
      let number = String(line)
      let margin = String(repeating: " ", count: number.utf8.count)
      let indent = String(repeating: " ", count: max(0, excerpt.column - 1))
      text += "\n  \(number) |   \(excerpt.sourceLine)"
      text += "\n  \(margin) |   \(indent)^ \(excerpt.reason)"
    }
    if let fix { text += "\n  fix: \(fix)" }
    return text
  }
}

/// Every mistake of a package, by file and line.
package struct PackageFaults: Error, Sendable, Hashable, CustomStringConvertible {
  package let list: [PackageFault]

  /// - Precondition: there is at least one.
  package init(_ faults: [PackageFault]) {
    precondition(!faults.isEmpty, "a refusal needs a reason")
    list = faults.sorted {
      ($0.file, $0.line, $0.column, $0.message) < ($1.file, $1.line, $1.column, $1.message)
    }
  }

  package var description: String { list.map(\.description).joined(separator: "\n") }
}

/// Names that were meant.
package enum Spelling {
  /// `; did you mean columns?`, or nothing when no candidate is near.
  package static func hint(_ name: String, among candidates: [String]) -> String {
    guard let near = nearest(name, among: candidates) else { return "" }
    return "; did you mean \(near)?"
  }

  package static func nearest(_ name: String, among candidates: [String]) -> String? {
    closest(to: name, among: candidates)
  }
}
