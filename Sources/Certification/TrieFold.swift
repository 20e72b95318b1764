import Wire

/// Computes the root of a state trie from its rows in the order of their keys, without keeping
/// them: what is folded is the trie's right edge alone.
///
/// - Safety: the root is that of a `StateTrie` with the same rows; a key that is twice, out of
///   order or the beginning of another is not taken.
/// - Bound: one hash for each fork above the last key, so for each bit of the longest key.
package struct TrieFold: Sendable {
  /// Forks whose right part is not whole yet, the highest first.
  private var forks: [(bit: UInt32, left: Digest)] = []
  /// Of what lies to the right of the last fork.
  private var hash = TrieHash.empty
  private var last: [UInt8]?

  package init() {}

  /// Adds the next row.
  /// - Returns: false for a key that does not come behind the last one; nothing is added then.
  package mutating func add(_ key: [UInt8], _ row: Digest) -> Bool {
    if let last {
      let common = min(last.count, key.count)
      guard let place = (0..<common).first(where: { last[$0] != key[$0] }), last[place] < key[place]
      else { return false }
      let bit = UInt32(place * 8 + (last[place] ^ key[place]).leadingZeroBitCount)
      while let fork = forks.last, fork.bit > bit {
        hash = TrieHash.inner(bit: fork.bit, left: fork.left, right: hash)
        forks.removeLast()
      }
      forks.append((bit, hash))
    }
    hash = TrieHash.leaf(key: key, row: row)
    last = key
    return true
  }

  /// The root of all rows so far.
  package var root: Digest {
    forks.reversed().reduce(hash) { right, fork in
      TrieHash.inner(bit: fork.bit, left: fork.left, right: right)
    }
  }
}
