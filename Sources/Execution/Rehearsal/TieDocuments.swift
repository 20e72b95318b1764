import Certification

/// Makes up JSON that has a value at each path where statements look.
///
/// - Bound: three texts; lists of `itemsMax`.
struct TieDocuments {
  /// What stands at the paths.
  enum Leaves {
    case numbers
    /// Texts, some of them digits, some beside a number.
    case texts
  }

  private indirect enum Node {
    case leaf
    case members([String: Node])
    case items([Node])
  }

  private enum Step {
    case member(String)
    case item(Int)
  }

  private static let itemsMax = 8
  private var root = Node.leaf

  /// Paths of a shape that is not known here are left out.
  init(_ paths: [String]) {
    for path in paths {
      guard let steps = Self.steps(path), !steps.isEmpty else { continue }
      root = Self.grown(root, steps[...])
    }
  }

  /// Empty where no path is known.
  func values(_ leaves: Leaves) -> [Value] {
    if case .leaf = root { return [] }
    let fills =
      switch leaves {
      case .numbers: [["1"], ["2"], ["100"]]
      case .texts: [["\"x\""], ["\"12\""], ["\"x\"", "3"]]
      }
    return fills.map { fill in
      var place = 0
      return .text(Self.text(root, fill, &place))
    }
  }

  // MARK: Paths

  /// `$.a."b c"[0]`; nil for what is written otherwise.
  private static func steps(_ path: String) -> [Step]? {
    guard path.hasPrefix("$") else { return nil }
    var rest = path.dropFirst()
    var steps: [Step] = []
    while let first = rest.popFirst() {
      switch first {
      case "." where rest.first == "\"":
        rest.removeFirst()
        guard let end = rest.firstIndex(of: "\"") else { return nil }
        steps.append(.member(String(rest[..<end])))
        rest = rest[end...].dropFirst()
      case ".":
        let name = rest.prefix { $0 != "." && $0 != "[" }
        guard !name.isEmpty else { return nil }
        steps.append(.member(String(name)))
        rest = rest[name.endIndex...]
      case "[":
        guard let end = rest.firstIndex(of: "]"), let number = Int(rest[..<end]),
          (0..<itemsMax).contains(number)
        else { return nil }
        steps.append(.item(number))
        rest = rest[end...].dropFirst()
      default: return nil
      }
    }
    let isPlain = steps.allSatisfy { step in
      guard case .member(let name) = step else { return true }
      return name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0 != "\"" && $0 != "\\" }
    }
    return isPlain ? steps : nil
  }

  private static func grown(_ node: Node, _ steps: ArraySlice<Step>) -> Node {
    switch steps.first {
    case nil: return node
    case .member(let name):
      var members: [String: Node] = [:]
      if case .members(let known) = node { members = known }
      members[name] = grown(members[name] ?? .leaf, steps.dropFirst())
      return .members(members)
    case .item(let place):
      var items: [Node] = []
      if case .items(let known) = node { items = known }
      while items.count <= place { items.append(.leaf) }
      items[place] = grown(items[place], steps.dropFirst())
      return .items(items)
    }
  }

  // MARK: Texts

  /// Canonical: members in the order of their bytes, no spaces. The leaves take turns.
  private static func text(_ node: Node, _ fill: [String], _ place: inout Int) -> String {
    switch node {
    case .leaf:
      place += 1
      return fill[(place - 1) % fill.count]
    case .members(let members):
      var parts: [String] = []
      for name in members.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
        parts.append("\"\(name)\":" + text(members[name] ?? .leaf, fill, &place))
      }
      return "{\(parts.joined(separator: ","))}"
    case .items(let items):
      var parts: [String] = []
      for item in items { parts.append(text(item, fill, &place)) }
      return "[\(parts.joined(separator: ","))]"
    }
  }
}
