import Signing
import Wire

/// One part of a subnet's state with a root of its own: `_system`, or a pipeline.
package struct Component: Hashable, Sendable {
  package let name: String
  package let root: Digest

  package init(name: String, root: Digest) {
    self.name = name
    self.root = root
  }

  /// The part that holds people's accounts, membership and the protocol version.
  package static let system = "_system"
}

/// The roots of one pipeline's file.
package struct FileRoots: Canonical, Hashable {
  /// Over the rows of its tables: the component that bears the pipeline's name.
  package let data: Digest
  /// Over its bookkeeping.
  package let ledger: Digest

  package init(data: Digest, ledger: Digest) {
    self.data = data
    self.ledger = ledger
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(data)
    encoder.value(ledger)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    data = try decoder.value()
    ledger = try decoder.value()
  }

  /// The components that a file adds to the subnet's state: its tables, then its bookkeeping.
  package func components(of pipeline: String) -> [Component] {
    [Component(name: pipeline, root: data), Component(name: "_ledger/\(pipeline)", root: ledger)]
  }
}

/// The trie over a subnet's components, by name: its root is the subnet's state root.
package struct ComponentTrie: Sendable {
  private var versions = TrieVersions()

  /// - Precondition: the names are distinct.
  package init(_ components: [Component]) {
    let changes = components.map { TrieChange(key: Self.key($0.name), row: $0.root) }
      .sorted { $0.key.lexicographicallyPrecedes($1.key) }
    _ = versions.apply(changes)
  }

  static func key(_ name: String) -> [UInt8] {
    var encoder = KeyEncoder(table: 0)
    encoder.text(name)
    return encoder.bytes
  }

  package var root: Digest { versions.nodes.hash(versions.root) }

  /// Proves a component's root, or that there is no such component.
  package func proof(of name: String) -> TrieProof {
    versions.nodes.prove(KeyRange(key: Self.key(name)), limit: 1, from: versions.root).proof
  }

  /// Checks that `component` lies under the subnet's state root.
  package static func check(
    _ component: Component, _ proof: TrieProof, under stateRoot: Digest
  ) throws(ProofFlaw) {
    let row = ProofRow(key: key(component.name), row: component.root)
    try proof.check([row], of: KeyRange(key: row.key), coverage: .whole, under: stateRoot)
  }
}
