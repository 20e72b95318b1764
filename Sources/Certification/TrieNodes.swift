import Wire

/// Names a node of a trie: an inner one from 0 up, a leaf below 0, or nothing.
typealias TrieRef = Int32

/// The root of an empty trie.
let trieNothing = TrieRef.min

/// The memory of a trie: flat arrays of nodes and keys, with lists of what is free.
///
/// - Bound: 48 bytes an inner node, 40 a leaf, its key rounded up to 8 bytes beside it.
struct TrieNodes: Sendable {
  struct Inner: Sendable {
    var hash: Digest
    var left: TrieRef
    var right: TrieRef
    var bit: UInt32
    /// Made in the change that is going on: may be altered in place, its hash is yet to come.
    var fresh: Bool
    /// Made since the last root was sealed: no sealed root holds it.
    var young: Bool
  }

  struct Leaf: Sendable {
    var row: Digest
    /// Where the key begins, in units of 8 bytes.
    var key: UInt32
    var keyBytes: UInt16
    var young: Bool
    /// This leaf took its key over from an older version since the last seal.
    var inherited: Bool
    /// A newer version took the key over.
    var passedOn: Bool
  }

  private(set) var inners: [Inner] = []
  private(set) var leaves: [Leaf] = []
  private(set) var keys: [UInt8] = []
  private var freeInners: [TrieRef] = []
  private var freeLeaves: [TrieRef] = []
  /// Free key slots by their length in units of 8 bytes.
  private var freeKeys = [[UInt32]](repeating: [], count: AnswerLimits.keyBytesMax / 8 + 1)

  /// How many nodes are in use.
  var innerCount: Int { inners.count - freeInners.count }
  var leafCount: Int { leaves.count - freeLeaves.count }

  /// Bytes of memory that nodes and keys take, those that are free among them; room that was never
  /// used is not resident.
  var memoryBytes: Int {
    inners.count * MemoryLayout<Inner>.stride + leaves.count * MemoryLayout<Leaf>.stride
      + keys.count
  }

  // MARK: Reading

  @inline(__always) func inner(_ ref: TrieRef) -> Inner { inners[Int(ref)] }
  @inline(__always) func leaf(_ ref: TrieRef) -> Leaf { leaves[Int(~ref)] }

  func key(_ ref: TrieRef) -> [UInt8] {
    let leaf = leaf(ref)
    let start = Int(leaf.key) * 8
    return Array(keys[start..<(start + Int(leaf.keyBytes))])
  }

  func leafHash(_ ref: TrieRef) -> Digest {
    let leaf = leaf(ref)
    let start = Int(leaf.key) * 8
    return keys.withUnsafeBytes { buffer in
      TrieHash.leaf(
        key: UnsafeRawBufferPointer(rebasing: buffer[start..<(start + Int(leaf.keyBytes))]),
        row: leaf.row)
    }
  }

  func hash(_ ref: TrieRef) -> Digest {
    ref >= 0 ? inners[Int(ref)].hash : ref == trieNothing ? TrieHash.empty : leafHash(ref)
  }

  /// The first byte in which `key` and the leaf's key differ; nil when they are equal. A key that
  /// ends first differs where it ends.
  func firstDifference(_ key: [UInt8], _ ref: TrieRef) -> Int? {
    let leaf = leaf(ref)
    let start = Int(leaf.key) * 8
    let common = min(key.count, Int(leaf.keyBytes))
    for index in 0..<common where key[index] != keys[start + index] { return index }
    return key.count == Int(leaf.keyBytes) ? nil : common
  }

  func byte(_ ref: TrieRef, _ index: Int) -> UInt8 {
    let leaf = leaf(ref)
    return index < Int(leaf.keyBytes) ? keys[Int(leaf.key) * 8 + index] : 0
  }

  // MARK: Making and freeing

  mutating func makeInner(bit: UInt32, left: TrieRef, right: TrieRef) -> TrieRef {
    let node = Inner(hash: .zero, left: left, right: right, bit: bit, fresh: true, young: true)
    if let ref = freeInners.popLast() {
      inners[Int(ref)] = node
      return ref
    }
    precondition(inners.count < Int(Int32.max) - 1, "the trie is full")
    inners.append(node)
    return TrieRef(inners.count - 1)
  }

  mutating func makeLeaf(key: [UInt8], row: Digest) -> TrieRef {
    let slot = makeKey(key)
    return place(
      Leaf(
        row: row, key: slot, keyBytes: UInt16(key.count), young: true, inherited: false,
        passedOn: false))
  }

  /// A leaf with the key of `old`, which passes it on.
  mutating func makeLeaf(replacing old: TrieRef, row: Digest) -> TrieRef {
    leaves[Int(~old)].passedOn = true
    let leaf = leaf(old)
    return place(
      Leaf(
        row: row, key: leaf.key, keyBytes: leaf.keyBytes, young: true, inherited: true,
        passedOn: false))
  }

  private mutating func place(_ leaf: Leaf) -> TrieRef {
    if let ref = freeLeaves.popLast() {
      leaves[Int(~ref)] = leaf
      return ref
    }
    precondition(leaves.count < Int(Int32.max) - 1, "the trie is full")
    leaves.append(leaf)
    return ~TrieRef(leaves.count - 1)
  }

  private mutating func makeKey(_ key: [UInt8]) -> UInt32 {
    precondition(key.count <= AnswerLimits.keyBytesMax, "a key of \(key.count) bytes")
    let units = (key.count + 7) / 8
    if let slot = freeKeys[units].popLast() {
      let start = Int(slot) * 8
      for index in key.indices { keys[start + index] = key[index] }
      return slot
    }
    let slot = UInt32(keys.count / 8)
    keys.append(contentsOf: key)
    for _ in key.count..<(units * 8) { keys.append(0) }
    return slot
  }

  mutating func free(_ ref: TrieRef, withKey: Bool) {
    guard ref < 0 else {
      freeInners.append(ref)
      return
    }
    if withKey {
      let leaf = leaf(ref)
      freeKeys[(Int(leaf.keyBytes) + 7) / 8].append(leaf.key)
    }
    freeLeaves.append(ref)
  }

  // MARK: Altering what is fresh

  mutating func setChild(_ parent: TrieRef, right: Bool, to child: TrieRef) {
    if right { inners[Int(parent)].right = child } else { inners[Int(parent)].left = child }
  }

  mutating func setHash(_ ref: TrieRef, _ hash: Digest) {
    inners[Int(ref)].hash = hash
    inners[Int(ref)].fresh = false
  }

  mutating func keepKey(_ ref: TrieRef) { leaves[Int(~ref)].passedOn = false }

  mutating func settle(_ ref: TrieRef) {
    if ref >= 0 {
      inners[Int(ref)].young = false
    } else {
      leaves[Int(~ref)].young = false
      leaves[Int(~ref)].inherited = false
    }
  }
}
