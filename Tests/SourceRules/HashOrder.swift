/// Lines, from 1, that go through a dictionary or a set in the order of its hashes, which differs
/// from process to process.
///
/// It knows what the lines themselves declare, and `keys` and `values` of anything. A line that
/// sorts is in order.
package func hashOrdered(in lines: [String]) -> [Int] {
  let declaration =
    #/
    \b (?:var|let) \s (?<name> [A-Za-z_]+ ) (?: :\s | \s=\s )
    (?: Set[<\(] | \[ [A-Za-z_.<>?]+ :\s [^\]]+ \] (?: \(\) | \s | $ ) )
    /#
  let anything = #/\bfor .* in [A-Za-z_.]+\.(?:keys|values) (?:where .*)?\{/#
  var scope: [(name: String, indent: Int)] = []
  var found: [Int] = []
  for (number, line) in lines.enumerated() {
    let code = String(
      line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0])
    let indent = code.prefix { $0 == " " }.count
    if !code.allSatisfy({ $0 == " " }) { scope.removeAll { $0.indent > indent } }
    let isHashed = scope.contains { goes(through: $0.name, code) } || code.contains(anything)
    if isHashed, !code.contains(".sorted") { found.append(number + 1) }
    for match in code.matches(of: declaration) {
      scope.append((String(match.output.name), indent))
    }
  }
  return found
}

/// Whether a line loops over a name, or maps it, one element after the other.
private func goes(through name: String, _ code: String) -> Bool {
  let ways = [
    " in \(name) {", " in \(name) where ", " in self.\(name) {", " in \(name).keys",
    " in \(name).values", "(\(name).map", " \(name).map", " \(name).forEach", " \(name).first {",
    " \(name).compactMap", " \(name).flatMap", " \(name).reduce(into: []",
    " \(name).values.map", " \(name).keys.map", " \(name).enumerated(", "Array(\(name))",
  ]
  return ways.contains { code.contains($0) }
}
