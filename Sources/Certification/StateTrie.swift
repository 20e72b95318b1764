import Synchronization
import Wire

/// A row that comes, changes or goes.
package struct TrieChange: Hashable, Sendable {
  package let key: [UInt8]
  /// The hash of the new row; nil when there is none any more.
  package let row: Digest?

  package init(key: [UInt8], row: Digest?) {
    self.key = key
    self.row = row
  }
}

/// A crit-bit Merkle trie over the rows of one pipeline, whose last roots stay readable.
///
/// - Safety: a root is a pure function of the rows at its height: not of their history, of memory
///   or of what was undone. Any thread may prove while another changes; one changes at a time.
/// - Bound: about 90 bytes a row beside its key; a change of one row among a million hashes about
///   22 times, appended rows twice each.
package final class StateTrie: Sendable {
  private let state: Mutex<State>
  private let retained: UInt64

  private struct State: Sendable {
    var versions = TrieVersions()
    var highest: Height?
  }

  /// - Parameter retained: for how many heights, the highest among them, proofs can be given.
  package init(retaining retained: UInt64 = Limits.uncertifiedHeightsMax + 8) {
    precondition(retained > 0, "no root would be readable")
    self.retained = retained
    state = Mutex(State())
  }

  /// Applies the changes of one update and hashes what they touch. What goes away without having
  /// been there, or comes as it is, changes nothing.
  /// - Precondition: sorted by key, keys distinct, no key the beginning of another, none longer
  ///   than `AnswerLimits.keyBytesMax`.
  /// - Returns: how many times SHA-256 ran; the same on every replica.
  @discardableResult
  package func apply(_ changes: some Sequence<TrieChange>) -> UInt64 {
    state.withLock { $0.versions.apply(changes) }
  }

  /// A place to `undo` to. It counts until the next `seal`.
  package var mark: Int { state.withLock { $0.versions.marks } }

  /// Takes back every `apply` since `mark` was taken.
  package func undo(to mark: Int) { state.withLock { $0.versions.undo(to: mark) } }

  /// The root of what is applied so far, sealed or not.
  package var root: Digest {
    state.withLock { $0.versions.nodes.hash($0.versions.root) }
  }

  /// Makes the current root that of `height`, readable as long as `retaining` says. Heights may be
  /// skipped; a skipped one reads as the one before.
  /// - Precondition: above the last height sealed.
  /// - Returns: the root.
  @discardableResult
  package func seal(_ height: Height) -> Digest {
    state.withLock { state in
      if let highest = state.highest { precondition(height > highest, "\(height) again") }
      state.versions.seal(height)
      state.highest = height
      state.versions.drop(below: Height(height.above(Height(retained - 1))))
      return state.versions.nodes.hash(state.versions.root)
    }
  }

  /// The heights whose roots can be read; nil before the first seal.
  package var heights: ClosedRange<Height>? {
    state.withLock { state in
      guard let highest = state.highest, let first = state.versions.sealed.first else {
        return nil
      }
      let lowest = Height(highest.above(Height(retained - 1)))
      return max(first.height, lowest)...highest
    }
  }

  /// The root at a height; nil when it is not readable.
  package func root(at height: Height) -> Digest? {
    withRoot(at: height) { _, sealed in sealed.hash }
  }

  /// How many rows there are in the newest root, and in nodes how much memory is used.
  package var nodeCount: Int {
    state.withLock { $0.versions.nodes.innerCount + $0.versions.nodes.leafCount }
  }

  /// Bytes of memory that nodes and keys take.
  package var memoryBytes: Int { state.withLock { $0.versions.nodes.memoryBytes } }

  /// Proves the rows of a range, or as many of the first as `limit` admits.
  /// - Returns: nil when the height is not readable.
  package func prove(_ range: KeyRange, limit: Int, at height: Height) -> ProvenRange? {
    withRoot(at: height) { nodes, sealed in nodes.prove(range, limit: limit, from: sealed.root) }
  }

  /// Proves one key's row, or that there is none.
  /// - Returns: nil when the height is not readable.
  package func prove(key: [UInt8], at height: Height) -> ProvenRange? {
    prove(KeyRange(key: key), limit: 1, at: height)
  }

  private func withRoot<Result: Sendable>(
    at height: Height, _ body: (borrowing TrieNodes, TrieVersions.Sealed) -> Result
  ) -> Result? {
    state.withLock { state in
      guard let highest = state.highest, height <= highest,
        height >= Height(highest.above(Height(retained - 1))),
        let sealed = state.versions.root(at: height)
      else { return nil }
      return body(state.versions.nodes, sealed)
    }
  }
}

/// Rows of a range with their proof.
package struct ProvenRange: Hashable, Sendable {
  package let proof: TrieProof
  /// Ascending, with the row hash of each in `rows`.
  package let keys: [[UInt8]]
  package let rows: [Digest]
  /// False when the limit cut it: complete up to the last key then.
  package let complete: Bool
}
