import Wire
import Yams

/// A mistake in a scenario file, with its place and, if there is one, the word that was meant.
package struct ScenarioFault: Sendable, Hashable, CustomStringConvertible {
  package let line: Int
  package let column: Int
  package let message: String
  package let suggestion: String?

  package var description: String {
    let fix = suggestion.map { "; did you mean '\($0)'?" } ?? ""
    return "\(line):\(column): \(message)\(fix)"
  }
}

/// Every mistake found in one file.
package struct ScenarioFaults: Error, Sendable, Hashable, CustomStringConvertible {
  package let path: String
  package let faults: [ScenarioFault]

  package var description: String {
    faults.map { "\(path):\($0)" }.joined(separator: "\n")
  }
}

/// Reads one YAML mapping strictly: every key is known, every value has its shape; mistakes are
/// gathered, not thrown, so that a person sees them all at once.
struct ScenarioNode {
  let node: Node
  let what: String

  init(_ node: Node, _ what: String) {
    self.node = node
    self.what = what
  }

  private var pairs: [(key: Node, value: Node)] {
    guard case .mapping(let mapping) = node else { return [] }
    return mapping.map { ($0.key, $0.value) }
  }

  /// Refuses what is not a mapping, and every key that is not among `known`.
  func check(_ known: [String], _ faults: inout [ScenarioFault]) {
    guard case .mapping = node else {
      faults.append(node, "\(what) is a mapping with keys: \(known.joined(separator: ", "))")
      return
    }
    for pair in pairs {
      let key = pair.key.scalar?.string ?? ""
      if !known.contains(key) {
        faults.append(
          pair.key, "\(what) has no key '\(key)'; there are: \(known.joined(separator: ", "))",
          nearest(key, known))
      }
    }
  }

  subscript(key: String) -> Node? {
    pairs.first { $0.key.scalar?.string == key }?.value
  }

  var keys: [String] { pairs.compactMap { $0.key.scalar?.string } }

  /// The value of `key` as `read` understands its text; nil when it is absent or wrong.
  func value<Value>(
    _ key: String, _ faults: inout [ScenarioFault], _ read: (String) throws(TextFault) -> Value
  ) -> Value? {
    guard let node = self[key] else { return nil }
    return node.value(key, &faults, read)
  }

  func required<Value>(
    _ key: String, _ faults: inout [ScenarioFault], _ read: (String) throws(TextFault) -> Value
  ) -> Value? {
    if self[key] == nil { faults.append(node, "\(what) lacks '\(key)'") }
    return value(key, &faults, read)
  }
}

extension Node {
  func value<Value>(
    _ key: String, _ faults: inout [ScenarioFault], _ read: (String) throws(TextFault) -> Value
  ) -> Value? {
    guard let text = scalar?.string else {
      faults.append(self, "'\(key)' takes one word, not a list or a mapping")
      return nil
    }
    do {
      return try read(text)
    } catch {
      faults.append(self, error.message, error.suggestion)
      return nil
    }
  }

  /// The items of a list; one word stands for a list of itself.
  var items: [Node] {
    if case .sequence(let sequence) = self { return Array(sequence) }
    return [self]
  }

  /// Somebody. There is no rest where no other side is.
  func who(_ faults: inout [ScenarioFault]) -> Who? {
    let who = side(&faults)
    guard who == .rest else { return who }
    faults.append(
      self,
      "'rest' is whom the other side of a link does not name, and there is none here; name "
        + "the replicas: [r0..r3]")
    return nil
  }

  /// Somebody at one end of links: it may be the rest of the other end.
  func side(_ faults: inout [ScenarioFault]) -> Who? {
    let who = anybody(&faults)
    guard who == .replicas([]) else { return who }
    faults.append(self, "this names nobody; write r4 or [r0..r3]")
    return nil
  }

  /// Whoever is named, perhaps nobody.
  func anybody(_ faults: inout [ScenarioFault]) -> Who? {
    guard case .sequence(let sequence) = self else {
      return value("who", &faults) { text throws(TextFault) in try Who(text: text) }
    }
    let before = faults.count
    var ids: [ReplicaID] = []
    for item in sequence {
      ids += item.value("who", &faults) { text throws(TextFault) in try Who.range(text) } ?? []
    }
    return faults.count == before ? .replicas(ids) : nil
  }
}

extension [ScenarioFault] {
  mutating func append(_ node: Node, _ message: String, _ suggestion: String? = nil) {
    append(
      ScenarioFault(
        line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, message: message,
        suggestion: suggestion))
  }
}
