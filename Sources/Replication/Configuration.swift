import Consensus
import Signing
import Wire

/// What one replica is told at its start, besides what its journal holds.
package struct Configuration: Sendable {
  package var committee: Committee
  package var me: ReplicaID
  package var signer: Signer
  package var verifier: Verifier
  /// Assumed message delay at the start, `Δ` before it adapts.
  package var delay: Span = .milliseconds(250)
  /// How long a leader with nothing to do waits for a call.
  package var idle: Span = .seconds(1)
  /// Genesis: the state root of height 0.
  package var genesisRoot: Digest
  package var genesisTime: Moment
  /// True for the very first start of a new subnet, when an empty journal is no loss. The first
  /// step then journals a record, so that from its durability on an empty journal is one.
  package var firstStart: Bool
  /// Height up to which this replica's files have executed.
  package var executedHeight: Height
  /// Chance for the recovery nonce, drawn by the shell.
  package var nonce: Digest
  /// Rules broken on purpose; empty in every real replica.
  package var planted: Set<PlantedBug> = []

  package init(
    committee: Committee, me: ReplicaID, signer: Signer, verifier: Verifier, genesisRoot: Digest,
    genesisTime: Moment, firstStart: Bool, executedHeight: Height, nonce: Digest
  ) {
    self.committee = committee
    self.me = me
    self.signer = signer
    self.verifier = verifier
    self.genesisRoot = genesisRoot
    self.genesisTime = genesisTime
    self.firstStart = firstStart
    self.executedHeight = executedHeight
    self.nonce = nonce
  }
}
