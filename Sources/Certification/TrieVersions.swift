import Signing
import Wire

/// The versions of a trie: one that changes, and those that stay readable.
///
/// - Safety: nodes that a sealed root reaches are never altered; what a change replaces is freed
///   when the last root that reaches it is dropped, and not before.
/// - Bound: a change costs time and hashes in proportion to the changed keys and their depth.
struct TrieVersions: Sendable {
  private(set) var nodes = TrieNodes()
  private(set) var root = trieNothing
  /// Since the last seal: what undoing needs, one entry a change.
  private var log: [Change] = []
  private(set) var sealed: [Sealed] = []

  private struct Change: Sendable {
    let rootBefore: TrieRef
    var made: [TrieRef] = []
    var replaced: [TrieRef] = []
  }

  struct Sealed: Sendable {
    let height: Height
    let root: TrieRef
    let hash: Digest
    /// What roots before this one reach and this one does not.
    let replaced: [TrieRef]
  }

  var marks: Int { log.count }

  // MARK: Changing

  /// Applies changes sorted by key, distinct keys, and hashes what they touch.
  /// - Returns: how many times SHA-256 ran.
  mutating func apply(_ changes: some Sequence<TrieChange>) -> UInt64 {
    log.append(Change(rootBefore: root))
    var previous: [UInt8]?
    for change in changes {
      if let previous {
        precondition(
          previous.lexicographicallyPrecedes(change.key), "changes are not sorted by key")
      }
      previous = change.key
      if let row = change.row {
        put(change.key, row)
      } else {
        remove(change.key)
      }
    }
    return hashFresh()
  }

  /// Takes back every change after `mark`, the newest first.
  mutating func undo(to mark: Int) {
    precondition(mark >= 0 && mark <= log.count, "mark \(mark) of \(log.count)")
    while log.count > mark {
      let change = log.removeLast()
      root = change.rootBefore
      for ref in change.replaced where ref < 0 { nodes.keepKey(ref) }
      for ref in change.made {
        nodes.free(ref, withKey: ref < 0 && !nodes.leaf(ref).inherited)
      }
    }
  }

  /// Makes the current root readable as that of `height` and ends undoing.
  mutating func seal(_ height: Height) {
    if let last = sealed.last { precondition(height > last.height, "\(height) again") }
    guard !log.isEmpty || sealed.isEmpty else { return }
    var replaced: [TrieRef] = []
    for change in log {
      for ref in change.replaced {
        if isUnseen(ref) {
          nodes.free(ref, withKey: ref < 0 && !nodes.leaf(ref).passedOn)
        } else {
          replaced.append(ref)
        }
      }
    }
    for change in log { for ref in change.made { nodes.settle(ref) } }
    log.removeAll(keepingCapacity: true)
    sealed.append(Sealed(height: height, root: root, hash: nodes.hash(root), replaced: replaced))
  }

  /// Whether a replaced node is of no sealed root, so that it can be freed at once. The key that a
  /// young leaf took over may be in use by an older version, still readable.
  private func isUnseen(_ ref: TrieRef) -> Bool {
    guard ref < 0 else { return nodes.inner(ref).young }
    let leaf = nodes.leaf(ref)
    return leaf.young && (leaf.passedOn || !leaf.inherited)
  }

  /// Drops the roots that no height from `lowest` up needs.
  mutating func drop(below lowest: Height) {
    while sealed.count > 1, sealed[1].height <= lowest {
      sealed.removeFirst()
      for ref in sealed[0].replaced {
        nodes.free(ref, withKey: ref < 0 && !nodes.leaf(ref).passedOn)
      }
      let kept = sealed[0]
      sealed[0] = Sealed(height: kept.height, root: kept.root, hash: kept.hash, replaced: [])
    }
  }

  func root(at height: Height) -> Sealed? { sealed.last { $0.height <= height } }

  // MARK: One key

  private mutating func made(_ ref: TrieRef) -> TrieRef {
    log[log.count - 1].made.append(ref)
    return ref
  }

  private mutating func replaced(_ ref: TrieRef) { log[log.count - 1].replaced.append(ref) }

  private mutating func link(_ parent: TrieRef, _ right: Bool, _ child: TrieRef) {
    if parent == trieNothing {
      root = child
    } else {
      nodes.setChild(parent, right: right, to: child)
    }
  }

  /// A copy of this inner node that may be altered, linked into its parent; itself when it is one.
  private mutating func own(_ ref: TrieRef, _ parent: TrieRef, _ right: Bool) -> TrieRef {
    let node = nodes.inner(ref)
    if node.fresh { return ref }
    let copy = made(nodes.makeInner(bit: node.bit, left: node.left, right: node.right))
    replaced(ref)
    link(parent, right, copy)
    return copy
  }

  private mutating func put(_ key: [UInt8], _ row: Digest) {
    guard root != trieNothing else {
      root = made(nodes.makeLeaf(key: key, row: row))
      return
    }
    let nearest = nodes.nearest(to: key, from: root)
    guard let place = nodes.firstDifference(key, nearest) else {
      if nodes.leaf(nearest).row != row { replace(nearest, key, row) }
      return
    }
    precondition(
      place < key.count && place < Int(nodes.leaf(nearest).keyBytes),
      "one key is the beginning of another")
    let differing = key[place] ^ nodes.byte(nearest, place)
    let bit = UInt32(place * 8 + differing.leadingZeroBitCount)
    insert(key, row, at: bit)
  }

  private mutating func replace(_ leaf: TrieRef, _ key: [UInt8], _ row: Digest) {
    var (parent, right, ref) = (trieNothing, false, root)
    while ref >= 0 {
      ref = own(ref, parent, right)
      (parent, right) = (ref, keyBit(key, nodes.inner(ref).bit))
      ref = right ? nodes.inner(ref).right : nodes.inner(ref).left
    }
    assert(ref == leaf)
    let newer = made(nodes.makeLeaf(replacing: leaf, row: row))
    replaced(leaf)
    link(parent, right, newer)
  }

  private mutating func insert(_ key: [UInt8], _ row: Digest, at bit: UInt32) {
    var (parent, right, ref) = (trieNothing, false, root)
    while ref >= 0, nodes.inner(ref).bit < bit {
      ref = own(ref, parent, right)
      (parent, right) = (ref, keyBit(key, nodes.inner(ref).bit))
      ref = right ? nodes.inner(ref).right : nodes.inner(ref).left
    }
    let leaf = made(nodes.makeLeaf(key: key, row: row))
    let fork =
      keyBit(key, bit)
      ? nodes.makeInner(bit: bit, left: ref, right: leaf)
      : nodes.makeInner(bit: bit, left: leaf, right: ref)
    link(parent, right, made(fork))
  }

  private mutating func remove(_ key: [UInt8]) {
    guard root != trieNothing else { return }
    let leaf = nodes.nearest(to: key, from: root)
    guard nodes.firstDifference(key, leaf) == nil else { return }
    replaced(leaf)
    guard root >= 0 else {
      root = trieNothing
      return
    }
    var (parent, right, ref) = (trieNothing, false, root)
    while true {
      let node = nodes.inner(ref)
      let goesRight = keyBit(key, node.bit)
      let child = goesRight ? node.right : node.left
      if child < 0 {
        replaced(ref)
        link(parent, right, goesRight ? node.left : node.right)
        return
      }
      ref = own(ref, parent, right)
      (parent, right, ref) = (ref, goesRight, child)
    }
  }

  // MARK: Hashing

  /// Hashes the fresh nodes, the lower ones first. Without recursion: a hostile set of keys makes
  /// a trie as deep as its keys are long.
  private mutating func hashFresh() -> UInt64 {
    guard root >= 0 else { return root == trieNothing ? 0 : 1 }
    guard nodes.inner(root).fresh else { return 0 }
    var count: UInt64 = 0
    var stack: [TrieRef] = [root]
    while let ref = stack.last {
      let node = nodes.inner(ref)
      if node.left >= 0, nodes.inner(node.left).fresh {
        stack.append(node.left)
      } else if node.right >= 0, nodes.inner(node.right).fresh {
        stack.append(node.right)
      } else {
        count += 1 + (node.left < 0 ? 1 : 0) + (node.right < 0 ? 1 : 0)
        let (left, right) = (nodes.hash(node.left), nodes.hash(node.right))
        nodes.setHash(ref, TrieHash.inner(bit: node.bit, left: left, right: right))
        stack.removeLast()
      }
    }
    return count
  }
}

extension TrieNodes {
  /// The leaf that a key leads to: it agrees with the key as long as any leaf does.
  func nearest(to key: [UInt8], from root: TrieRef) -> TrieRef {
    var ref = root
    while ref >= 0 {
      let node = inner(ref)
      ref = keyBit(key, node.bit) ? node.right : node.left
    }
    return ref
  }
}

/// A bit of a key, the first one of a byte its highest; 0 behind its end.
@inline(__always) func keyBit(_ key: [UInt8], _ index: UInt32) -> Bool {
  let byte = Int(index >> 3)
  return byte < key.count && key[byte] & (0x80 >> UInt8(index & 7)) != 0
}
