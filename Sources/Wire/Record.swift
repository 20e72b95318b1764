/// One thing that a replica makes durable in `consensus.sqlite` before it acts on it.
package enum Record: Hashable, Sendable {
  /// An own vote. Never sent before it is durable, never signed anew after a restart.
  case vote(Vote)
  case certificate(Certificate)
  /// A block with all bodies that it names.
  indirect case block(digest: Digest, Block)
  /// The block of this digest is finalized at this height.
  case finalized(height: Height, block: Digest)
  /// An own state share: one a height for ever.
  indirect case stateShare(StateShare)
  indirect case stateCertificate(StateCertificate)
  /// A replica whose log was lost casts no vote up to this view, and signs no state up to this
  /// height (rule R9).
  case abstain(through: View, statesThrough: Height)
  indirect case evidence(Evidence)
  /// This replica's state differs from a certificate; it stays quarantined over restarts.
  indirect case quarantine(StateShare, StateCertificate)
  /// What the log of this quarantined replica came to; the quarantine ends where they agree.
  indirect case rebuilt(Rebuild)
}

/// What the journal held when a replica starts.
package struct Restored: Sendable {
  /// False when there was no journal at all: the log was lost, or this is the very first start.
  package var journalFound = false
  /// Own votes above the view of the highest finalization.
  package var votes: [Vote] = []
  /// Certificates from a little below the view of the highest finalization on, in no particular
  /// order.
  package var certificates: [Certificate] = []
  /// The last finalized block, and every block above it that the highest finalization has not
  /// passed by; of the others a few.
  package var blocks: [Block] = []
  package var finalizedHeight: Height = 0
  /// Headers of finalized blocks that lack a state certificate, ascending, from a little below the
  /// highest one on: what may still have to be signed.
  package var uncertifiedHeaders: [Header] = []
  /// Own state shares, from a little below the highest state certificate on.
  package var stateShares: [StateShare] = []
  /// The highest height of any own state share.
  package var stateSignedHighest: Height = 0
  package var stateCertificate: StateCertificate?
  package var abstainThrough: View = 0
  package var abstainStatesThrough: Height = 0
  package var evidence: [Evidence] = []
  /// The last one; nil for a replica that never was in quarantine.
  package var quarantine: Quarantine?
  package var quarantined: Bool { quarantine.map { !$0.isOver } ?? false }

  package init() {}
}

/// What executing a block came to.
package struct BlockOutcome: Hashable, Sendable {
  package let height: Height
  package let stateRoot: Digest
  package let receiptsRoot: Digest

  package init(height: Height, stateRoot: Digest, receiptsRoot: Digest) {
    self.height = height
    self.stateRoot = stateRoot
    self.receiptsRoot = receiptsRoot
  }

  package func agrees(with statement: StateStatement) -> Bool {
    stateRoot == statement.stateRoot && receiptsRoot == statement.receiptsRoot
  }
}
