import Certification
import Wire

/// Keys that changed, in the order of the changes, for a state trie.
struct ChangeList {
  private var changes: [TrieChange] = []
  private var ascends = true

  var isEmpty: Bool { changes.isEmpty }
  var count: Int { changes.count }

  mutating func put(_ key: [UInt8], _ row: Digest) { add(TrieChange(key: key, row: row)) }
  mutating func remove(_ key: [UInt8]) { add(TrieChange(key: key, row: nil)) }

  private mutating func add(_ change: TrieChange) {
    if let last = changes.last, !last.key.lexicographicallyPrecedes(change.key) { ascends = false }
    changes.append(change)
  }

  /// A place in the list, to which it may be taken back.
  struct Mark {
    fileprivate let count: Int
    fileprivate let ascends: Bool
  }

  var mark: Mark { Mark(count: changes.count, ascends: ascends) }

  mutating func undo(to mark: Mark) {
    changes.removeLast(changes.count - mark.count)
    ascends = mark.ascends
  }

  mutating func removeAll() {
    changes.removeAll(keepingCapacity: true)
    ascends = true
  }

  /// Sorted by key, the last change of each key.
  func sorted() -> [TrieChange] {
    guard !ascends else { return changes }
    let order = changes.indices.sorted { a, b in
      if changes[a].key == changes[b].key { return a < b }
      return changes[a].key.lexicographicallyPrecedes(changes[b].key)
    }
    var result: [TrieChange] = []
    result.reserveCapacity(changes.count)
    for index in order {
      if let last = result.last, last.key == changes[index].key { result.removeLast() }
      result.append(changes[index])
    }
    return result
  }
}
