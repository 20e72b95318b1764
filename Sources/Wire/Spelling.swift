/// The candidate that a misspelt name most likely meant, or nil when none is close.
/// - Parameter folding: gives equal texts for letters that are as good as each other.
package func closest(
  to name: String, among candidates: [String], folding: (String) -> String
) -> String? {
  let wanted = Array(folding(name).utf8)
  let allowed = max(1, min(3, wanted.count / 3))
  var best: (distance: Int, name: String)?
  for candidate in candidates {
    let other = Array(folding(candidate).utf8)
    guard abs(other.count - wanted.count) <= allowed else { continue }
    let distance = editDistance(wanted, other)
    if distance <= allowed, distance < best?.distance ?? Int.max { best = (distance, candidate) }
  }
  return best?.name
}

/// Levenshtein's distance, in rows of one array.
package func editDistance<Letter: Equatable>(_ left: [Letter], _ right: [Letter]) -> Int {
  var row = Array(0...right.count)
  for (i, a) in left.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, b) in right.enumerated() {
      let replaced = diagonal + (a == b ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
    }
  }
  return row[right.count]
}
