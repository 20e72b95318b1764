extension String {
  /// ASCII letters in lower case, all else untouched: how SQLite compares names. What is in a
  /// receipt must not follow the Unicode tables of one build's standard library.
  package var folded: String {
    String(decoding: utf8.map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 }, as: UTF8.self)
  }

  /// Whether it has the bytes of another text. Of two spellings of é `==` says that they are equal;
  /// SQLite, hashes and signatures say that they are not.
  package func isSpelled(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}

/// The candidate that a misspelt name most likely meant, or nil when none is close; capitals are
/// as good as small letters.
package func closest(to name: String, among candidates: [String]) -> String? {
  let wanted = Array(name.folded.utf8)
  let allowed = max(1, min(3, wanted.count / 3))
  var best: (distance: Int, name: String)?
  for candidate in candidates {
    let other = Array(candidate.folded.utf8)
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
