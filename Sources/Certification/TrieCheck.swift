import Wire

/// Why a proof proves nothing.
package enum ProofFlaw: Error, Hashable, Sendable, CustomStringConvertible {
  case shape(String)
  case order
  case outside
  case incomplete(String)
  case rootDiffers

  package var description: String {
    switch self {
    case .shape(let what): "its nodes form no trie: \(what)"
    case .order: "its rows are not in ascending order of their keys"
    case .outside: "it holds a row outside of what was asked"
    case .incomplete(let where_): "rows could be hidden \(where_)"
    case .rootDiffers: "it leads to another root: a row, a key or a hash differs"
    }
  }
}

/// What a proof is to show beside that its rows are there: that there are no others.
package enum Coverage: Hashable, Sendable {
  /// These are all rows of the range.
  case whole
  /// These are all rows of the range up to the last of them.
  case throughLast
}

/// A row as a verifier computed it.
package struct ProofRow: Hashable, Sendable {
  package let key: [UInt8]
  package let row: Digest
  package init(key: [UInt8], row: Digest) {
    self.key = key
    self.row = row
  }
}

extension TrieProof {
  /// Checks that `rows` are the rows of `range` under `root`, as far as `coverage` says.
  ///
  /// The order of leaves in an honest trie is that of their keys, so when the greatest leaf below
  /// the range and the least one behind it are shown and nothing between is left aside, nothing
  /// is hidden. All shown is bound by the root.
  /// - Throws: the first flaw; never traps, whatever the proof says.
  package func check(
    _ rows: [ProofRow], of range: KeyRange, coverage: Coverage, under root: Digest
  ) throws(ProofFlaw) {
    guard zip(rows, rows.dropFirst()).allSatisfy({ $0.key.lexicographicallyPrecedes($1.key) })
    else { throw .order }
    guard rows.allSatisfy({ range.contains($0.key) }) else { throw .outside }
    guard try computedRoot(rows) == root else { throw .rootDiffers }
    // Of a range that only one key fits in, its row is all.
    if !range.isPoint || rows.isEmpty { try checkComplete(rows, range, coverage) }
  }

  /// The root that the nodes come to. Read from the end: the parts of a fork are complete before
  /// the fork, so a stack of digests suffices and depth costs no recursion.
  private func computedRoot(_ rows: [ProofRow]) throws(ProofFlaw) -> Digest {
    guard !nodes.isEmpty else {
      guard rows.isEmpty else { throw .shape("there are rows but no nodes") }
      return TrieHash.empty
    }
    var stack: [Digest] = []
    var rest = rows[...]
    for node in nodes.reversed() {
      switch node {
      case .aside(let digest): stack.append(digest)
      case .edge(let key, let row): stack.append(TrieHash.leaf(key: key, row: row))
      case .row:
        guard let last = rest.popLast() else { throw .shape("it has more leaves than rows") }
        stack.append(TrieHash.leaf(key: last.key, row: last.row))
      case .inner(let bit):
        guard let left = stack.popLast(), let right = stack.popLast() else {
          throw .shape("a fork lacks a part")
        }
        stack.append(TrieHash.inner(bit: bit, left: left, right: right))
      }
    }
    guard rest.isEmpty else { throw .shape("it has fewer leaves than rows") }
    guard stack.count == 1, let root = stack.last else { throw .shape("it has several roots") }
    return root
  }

  /// Leaves in order must read: aside…, edge below, rows, edge behind, aside…; and an edge may be
  /// lacking only where nothing lies aside.
  private func checkComplete(
    _ rows: [ProofRow], _ range: KeyRange, _ coverage: Coverage
  ) throws(ProofFlaw) {
    enum Place { case before, within, behind }
    guard coverage == .whole || !rows.isEmpty else { throw .incomplete("behind its last row") }
    var place = Place.before
    var (hidBefore, edgeBefore) = (false, false)
    var remaining = rows.count
    for node in nodes {
      switch (node, place) {
      case (.inner, _): break
      case (.aside, .before):
        guard !edgeBefore else { throw .incomplete("behind the edge before its rows") }
        hidBefore = true
      case (.aside, .within):
        guard coverage == .throughLast, remaining == 0 else {
          throw .incomplete("between its rows or behind them")
        }
        place = .behind
      case (.aside, .behind): break
      case (.edge(let key, _), .before) where range.isBelow(key):
        guard !edgeBefore else { throw .shape("it has two edges before its rows") }
        (edgeBefore, hidBefore) = (true, false)
      case (.edge(let key, _), .before), (.edge(let key, _), .within):
        guard range.isAbove(key), remaining == 0 else {
          throw .shape("an edge stands among its rows")
        }
        guard !hidBefore else { throw .incomplete("before its rows") }
        place = .behind
      case (.edge, .behind): throw .shape("an edge stands behind the last one")
      case (.row, .before), (.row, .within):
        guard !hidBefore else { throw .incomplete("before its rows") }
        remaining -= 1
        place = .within
      case (.row, .behind): throw .shape("a row stands behind the last edge")
      }
    }
    guard !hidBefore else { throw .incomplete("in all of it") }
  }
}
