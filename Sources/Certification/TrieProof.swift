import Signing
import Wire

/// A part of a state trie, enough to compute its root: the trie in preorder, with what lies aside
/// replaced by its hash. The rows that it proves travel beside it.
package struct TrieProof: Hashable, Canonical {
  package let nodes: [Node]

  package enum Node: Hashable, Sendable {
    /// A fork at this bit of the keys; its left part follows, then its right one.
    case inner(bit: UInt32)
    /// A part that lies aside.
    case aside(Digest)
    /// The next of the rows that are proven.
    case row
    /// A neighbour of the rows, shown so that nothing can hide between.
    case edge(key: [UInt8], row: Digest)
  }

  package init(nodes: [Node]) { self.nodes = nodes }

  package func encode(into encoder: inout Encoder) {
    encoder.length(nodes.count)
    for node in nodes {
      switch node {
      case .inner(let bit):
        encoder.variant(0)
        encoder.length(Int(bit))
      case .aside(let digest):
        encoder.variant(1)
        encoder.value(digest)
      case .row: encoder.variant(2)
      case .edge(let key, let row):
        encoder.variant(3)
        encoder.blob(key)
        encoder.value(row)
      }
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    let count = try decoder.length(limit: AnswerLimits.proofNodesMax)
    var nodes: [Node] = []
    nodes.reserveCapacity(min(count, 256))
    for _ in 0..<count {
      switch try decoder.variant(count: 4) {
      case 0:
        nodes.append(.inner(bit: UInt32(try decoder.length(limit: AnswerLimits.keyBytesMax * 8))))
      case 1: nodes.append(.aside(try decoder.value()))
      case 2: nodes.append(.row)
      default:
        nodes.append(
          .edge(
            key: try decoder.blob(limit: AnswerLimits.keyBytesMax), row: try decoder.value()))
      }
    }
    self.nodes = nodes
  }
}
