import Yams

/// A value of the YAML subset that packages are written in, with its place.
struct YAMLValue {
  enum Content {
    /// A plain scalar may be a number, a flag or a text; a quoted or block scalar is a text.
    case scalar(String, Style)
    case list([YAMLValue])
    case map([(key: YAMLValue, value: YAMLValue)])
  }

  enum Style { case plain, quoted, literal, folded }

  let content: Content
  let line: Int
  let column: Int

  /// What it is, for messages.
  var kind: String {
    switch content {
    case .scalar(let text, .plain) where Self.isNull(text): "nothing"
    case .scalar: "a single value"
    case .list: "a list"
    case .map: "a mapping"
    }
  }

  static func isNull(_ plain: String) -> Bool {
    plain.isEmpty || plain == "~" || plain == "null" || plain == "Null" || plain == "NULL"
  }
}

/// Parses the strict subset: one document, no anchors, aliases, tags or merge keys, no key twice.
///
/// - Bound: files of `yamlBytesMax`, nesting of `yamlDepthMax`.
enum StrictYAML {
  /// - Returns: nil when the file is not in the subset; the reasons are then in `faults`. Also nil,
  ///   without a fault, for a file that holds nothing.
  static func parse(_ text: String, file: String, faults: FaultList) -> YAMLValue? {
    guard text.utf8.count <= PackageLimits.yamlBytesMax else {
      faults.add(file, 0, 0, "the file is over \(PackageLimits.yamlBytesMax) bytes; split it")
      return nil
    }
    do {
      let parser = try Parser(yaml: text)
      guard let root = try parser.singleRoot() else { return nil }
      // Anchors live as long as the parser that met them.
      return withExtendedLifetime(parser) {
        convert(root, depth: 0, Origin(file, text, faults))
      }
    } catch let error as YamlError {
      report(error, file, faults)
    } catch {
      faults.add(file, 0, 0, "no YAML: \(error)")
    }
    return nil
  }

  /// The file that nodes come from.
  private struct Origin {
    let file: String
    let faults: FaultList
    private let lines: [[Unicode.Scalar]]

    init(_ file: String, _ text: String, _ faults: FaultList) {
      self.file = file
      self.faults = faults
      lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        .map(Array.init)
    }

    /// Line and column from 1; nil outside of the text.
    func character(_ line: Int, _ column: Int) -> Unicode.Scalar? {
      guard line >= 1, line <= lines.count, column >= 1, column <= lines[line - 1].count else {
        return nil
      }
      return lines[line - 1][column - 1]
    }
  }

  private static func convert(
    _ node: Node, depth: Int, _ origin: Origin
  ) -> YAMLValue? {
    let (file, faults) = (origin.file, origin.faults)
    let line = node.mark?.line ?? 0
    let column = node.mark?.column ?? 0
    if let refusal = refusal(of: node, depth: depth, origin) {
      faults.add(file, line, column, refusal)
      return nil
    }
    switch node {
    case .scalar(let scalar):
      let style: YAMLValue.Style =
        switch scalar.style {
        case .plain, .any: .plain
        case .singleQuoted, .doubleQuoted: .quoted
        case .literal: .literal
        case .folded: .folded
        }
      return YAMLValue(content: .scalar(scalar.string, style), line: line, column: column)
    case .sequence(let sequence):
      let items = sequence.compactMap { convert($0, depth: depth + 1, origin) }
      return YAMLValue(content: .list(items), line: line, column: column)
    case .mapping(let mapping):
      var entries: [(key: YAMLValue, value: YAMLValue)] = []
      for (key, value) in mapping {
        guard let key = convert(key, depth: depth + 1, origin),
          let value = convert(value, depth: depth + 1, origin)
        else { continue }
        if case .scalar("<<", .plain) = key.content {
          faults.add(file, key.line, key.column, "merge keys are not part of the subset")
        }
        entries.append((key, value))
      }
      return YAMLValue(content: .map(entries), line: line, column: column)
    case .alias:
      faults.add(file, line, column, "aliases are not part of the subset; write the value out")
      return nil
    }
  }

  private static func refusal(of node: Node, depth: Int, _ lines: Origin) -> String? {
    guard depth <= PackageLimits.yamlDepthMax else {
      return "nested deeper than \(PackageLimits.yamlDepthMax)"
    }
    guard node.anchor == nil else {
      return "anchors and aliases are not part of the subset; write the value out"
    }
    // Yams resolves the tags of keys, so what was written is looked up where the node begins.
    if let mark = node.mark, lines.character(mark.line, mark.column) == "!" {
      return "tags are not part of the subset; remove it"
    }
    return nil
  }

  private static func report(_ error: YamlError, _ file: String, _ faults: FaultList) {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      faults.add(
        file, mark.line, mark.column, "no YAML: \(problem)", fix: fix(of: problem))
    case .duplicatedKeysInMapping(let duplicates, let context):
      faults.add(
        file, context.mark.line, context.mark.column,
        "the key \(duplicates.joined(separator: ", ")) stands twice in one mapping; remove one")
    case .reader(let problem, _, _, _):
      faults.add(file, 0, 0, "no YAML: \(problem)")
    default:
      faults.add(file, 0, 0, "no YAML: \(error)")
    }
  }

  private static func fix(of problem: String) -> String {
    if problem.contains("mapping values") {
      return "quote a text that holds a colon and a space: description: \"note: this\""
    }
    if problem.contains("cannot start any token") {
      return "indent with spaces, not tabs; quote a value that begins with @, % or `"
    }
    return "look at the indentation, brackets and quotes of this line and the one before"
  }
}

/// Gathers mistakes while a package is read, so that all are told in one go.
final class FaultList {
  private(set) var faults: [PackageFault] = []

  func add(_ file: String, _ line: Int, _ column: Int, _ message: String, fix: String? = nil) {
    faults.append(
      PackageFault(file: file, line: line, column: column, message: message, fix: fix))
  }
}
