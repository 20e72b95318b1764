import Wire

extension TrieNodes {
  /// One leaf's place in a proof.
  private struct Boundary {
    let ref: TrieRef
    let key: [UInt8]
    /// A neighbour that is shown, or a row of the answer.
    let isEdge: Bool
  }

  /// One row by its whole key: the path to it, without neighbours.
  private func path(to key: [UInt8], from root: TrieRef) -> ProvenRange? {
    let leaf = nearest(to: key, from: root)
    guard firstDifference(key, leaf) == nil else { return nil }
    let row = Boundary(ref: leaf, key: key, isEdge: false)
    return walk(root, low: row, high: row, complete: true)
  }

  /// - Precondition: a limit above 0.
  func prove(_ range: KeyRange, limit: Int, from root: TrieRef) -> ProvenRange {
    precondition(limit > 0, "a limit of \(limit)")
    guard root != trieNothing else {
      return ProvenRange(proof: TrieProof(nodes: []), keys: [], rows: [], complete: true)
    }
    if range.isPoint, let path = path(to: range.lower, from: root) { return path }
    let (before, first) = neighbours(of: range.lower, from: root)
    let low = before.map { Boundary(ref: $0, key: key($0), isEdge: true) }
    // The first leaf behind the range, unless the limit cuts before it.
    var behind: TrieRef?
    if let upper = range.upper {
      // An upper bound below the lower one is an empty range at the lower bound.
      behind =
        upper.lexicographicallyPrecedes(range.lower)
        ? first : neighbours(of: upper, from: root).after
    }
    if let first, let last = nth(limit, from: key(first), root: root, before: behind) {
      let row = Boundary(ref: last, key: key(last), isEdge: false)
      return walk(root, low: low, high: row, complete: false)
    }
    let high = behind.map { Boundary(ref: $0, key: key($0), isEdge: true) }
    return walk(root, low: low, high: high, complete: true)
  }

  /// Preorder between two boundaries; what is left and right of them is replaced by hashes.
  private func walk(
    _ root: TrieRef, low: Boundary?, high: Boundary?, complete: Bool
  ) -> ProvenRange {
    var nodes: [TrieProof.Node] = []
    var keys: [[UInt8]] = []
    var rows: [Digest] = []
    // Each entry: a part, and whether it holds the low and the high boundary; `.aside` last.
    var stack: [(ref: TrieRef, low: Bool, high: Bool, aside: Bool)] =
      [(root, low != nil, high != nil, false)]
    while let (ref, onLow, onHigh, aside) = stack.popLast() {
      if aside {
        nodes.append(.aside(hash(ref)))
      } else if ref < 0 {
        let isEdge = (onLow && low?.isEdge == true) || (onHigh && high?.isEdge == true)
        if isEdge {
          nodes.append(.edge(key: key(ref), row: leaf(ref).row))
        } else {
          nodes.append(.row)
          keys.append(key(ref))
          rows.append(leaf(ref).row)
        }
      } else {
        let node = inner(ref)
        nodes.append(.inner(bit: node.bit))
        let lowRight = low.map { onLow && keyBit($0.key, node.bit) } ?? false
        let highRight = high.map { onHigh && keyBit($0.key, node.bit) } ?? false
        stack.append(
          (node.right, onLow && lowRight, onHigh && highRight, onHigh && !highRight))
        stack.append((node.left, onLow && !lowRight, onHigh && !highRight, onLow && lowRight))
      }
    }
    return ProvenRange(
      proof: TrieProof(nodes: nodes), keys: keys, rows: rows, complete: complete)
  }

  /// The greatest leaf below `bound` and the least at or above it.
  private func neighbours(
    of bound: [UInt8], from root: TrieRef
  ) -> (before: TrieRef?, after: TrieRef?) {
    let nearest = nearest(to: bound, from: root)
    // The bit at which the bound leaves the trie, and whether it is behind what it leaves.
    var end = UInt32.max
    var isBehind = false
    if let place = firstDifference(bound, nearest) {
      if place >= bound.count {
        end = UInt32(bound.count * 8)
      } else if place >= Int(leaf(nearest).keyBytes) {
        (end, isBehind) = (UInt32(place * 8), true)
      } else {
        let differing = bound[place] ^ byte(nearest, place)
        end = UInt32(place * 8 + differing.leadingZeroBitCount)
        isBehind = keyBit(bound, end)
      }
    }
    var (before, after): (TrieRef?, TrieRef?) = (nil, nil)
    var ref = root
    while ref >= 0, inner(ref).bit < end {
      let node = inner(ref)
      if keyBit(bound, node.bit) {
        (before, ref) = (node.left, node.right)
      } else {
        (after, ref) = (node.right, node.left)
      }
    }
    if isBehind { before = ref } else { after = ref }
    return (before.map { outermost($0, right: true) }, after.map { outermost($0, right: false) })
  }

  private func outermost(_ part: TrieRef, right: Bool) -> TrieRef {
    var ref = part
    while ref >= 0 { ref = right ? inner(ref).right : inner(ref).left }
    return ref
  }

  /// The leaf that is the `count`th from the one at `first` on, if another follows it that is not
  /// `end`; nil when there are no more than `count` before `end`.
  private func nth(
    _ count: Int, from first: [UInt8], root: TrieRef, before end: TrieRef?
  ) -> TrieRef? {
    // What is still to visit, the next on top.
    var stack: [TrieRef] = []
    var ref = root
    while ref >= 0 {
      let node = inner(ref)
      if keyBit(first, node.bit) {
        ref = node.right
      } else {
        stack.append(node.right)
        ref = node.left
      }
    }
    stack.append(ref)
    var (seen, last): (Int, TrieRef?) = (0, nil)
    while let next = stack.popLast() {
      if next >= 0 {
        stack.append(inner(next).right)
        stack.append(inner(next).left)
      } else {
        if next == end { return nil }
        if seen == count { return last }
        (seen, last) = (seen + 1, next)
      }
    }
    return nil
  }
}
