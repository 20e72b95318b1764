/// What replicas say to one another. A link is mutually authenticated, so the sender is known.
///
/// - Bound: what is larger than a vote lies in a box, so that all others are cheap to pass on.
package enum Message: Hashable, Canonical {
  /// A leader's block: its header, the bodies that it inlines, its own `notarize`.
  indirect case proposal(header: Header, inlined: [SignedCall], vote: Vote)
  /// Only on its signer's own link.
  case vote(Vote)
  case certificate(Certificate)

  /// Bodies, each once, ahead of any block.
  case calls([SignedCall])
  /// "I hold these bodies": sent to the next leaders.
  case announce([Digest])
  /// Asks for bodies by digest; answered with `calls`.
  case callsWanted([Digest])

  /// Asks for all certificates held of these views; answered with `views`.
  case viewsWanted([View])
  /// All certificates held of the views asked for, or the highest finalization when they are
  /// forgotten.
  case views([Certificate])
  /// Asks for the block of this digest, header and bodies; answered with `blocks`.
  case blockWanted(Digest)
  /// Asks for finalized blocks from this height on; answered with `blocks`.
  case blocksWanted(from: Height, count: UInt32)
  /// Blocks in ascending height; the finalizations cover the last block, or some before it.
  case blocks([Block], finalizations: [Certificate])

  indirect case stateShare(StateShare)
  indirect case stateCertificate(StateCertificate)
  /// Asks for the state certificate of this height or, failing it, the answerer's own share.
  case stateWanted(Height)

  indirect case recoveryQuestion(RecoveryQuestion, Signature)
  indirect case recoveryAnswer(RecoveryAnswer, Signature)

  /// Two statements of one signer that no correct replica makes.
  indirect case evidence(Evidence)

  package func encode(into encoder: inout Encoder) {
    switch self {
    case .proposal(let header, let inlined, let vote):
      encoder.variant(0)
      encoder.value(header)
      encoder.list(inlined)
      encoder.value(vote)
    case .vote(let vote):
      encoder.variant(1)
      encoder.value(vote)
    case .certificate(let certificate):
      encoder.variant(2)
      encoder.value(certificate)
    case .calls(let calls):
      encoder.variant(3)
      encoder.list(calls)
    case .announce(let digests):
      encoder.variant(4)
      encoder.list(digests)
    case .callsWanted(let digests):
      encoder.variant(5)
      encoder.list(digests)
    case .viewsWanted(let views):
      encoder.variant(6)
      encoder.list(views)
    case .views(let certificates):
      encoder.variant(7)
      encoder.list(certificates)
    case .blockWanted(let digest):
      encoder.variant(8)
      encoder.value(digest)
    case .blocksWanted(let height, let count):
      encoder.variant(9)
      encoder.value(height)
      encoder.integer(count)
    case .blocks(let blocks, let finalizations):
      encoder.variant(10)
      encoder.list(blocks)
      encoder.list(finalizations)
    case .stateShare(let share):
      encoder.variant(11)
      encoder.value(share)
    case .stateCertificate(let certificate):
      encoder.variant(12)
      encoder.value(certificate)
    case .stateWanted(let height):
      encoder.variant(13)
      encoder.value(height)
    case .recoveryQuestion(let question, let signature):
      encoder.variant(14)
      encoder.value(question)
      encoder.value(signature)
    case .recoveryAnswer(let answer, let signature):
      encoder.variant(15)
      encoder.value(answer)
      encoder.value(signature)
    case .evidence(let evidence):
      encoder.variant(16)
      encoder.value(evidence)
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    switch try decoder.variant(count: 17) {
    case 0:
      self = .proposal(
        header: try decoder.value(), inlined: try decoder.list(limit: Limits.callsPerBlockMax),
        vote: try decoder.value())
    case 1: self = .vote(try decoder.value())
    case 2: self = .certificate(try decoder.value())
    case 3: self = .calls(try decoder.list(limit: Limits.digestsPerMessageMax))
    case 4: self = .announce(try decoder.list(limit: Limits.digestsPerMessageMax))
    case 5: self = .callsWanted(try decoder.list(limit: Limits.digestsPerMessageMax))
    case 6: self = .viewsWanted(try decoder.list(limit: Limits.viewsPerRequestMax))
    case 7: self = .views(try decoder.list(limit: Limits.certificatesPerMessageMax))
    case 8: self = .blockWanted(try decoder.value())
    case 9: self = .blocksWanted(from: try decoder.value(), count: try decoder.integer())
    case 10:
      self = .blocks(
        try decoder.list(limit: Limits.blocksPerRangeMax),
        finalizations: try decoder.list(limit: Limits.certificatesPerMessageMax))
    case 11: self = .stateShare(try decoder.value())
    case 12: self = .stateCertificate(try decoder.value())
    case 13: self = .stateWanted(try decoder.value())
    case 14: self = .recoveryQuestion(try decoder.value(), try decoder.value())
    case 15: self = .recoveryAnswer(try decoder.value(), try decoder.value())
    default: self = .evidence(try decoder.value())
    }
  }
}

/// Proof that one member signed two statements that no correct replica signs both of.
package enum Evidence: Hashable, Canonical {
  case votes(Vote, Vote)
  case states(StateShare, StateShare)

  package var culprit: ReplicaID {
    switch self {
    case .votes(let vote, _): vote.signer
    case .states(let share, _): share.signer
    }
  }

  package func encode(into encoder: inout Encoder) {
    switch self {
    case .votes(let first, let second):
      encoder.variant(0)
      encoder.value(first)
      encoder.value(second)
    case .states(let first, let second):
      encoder.variant(1)
      encoder.value(first)
      encoder.value(second)
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    self =
      try decoder.variant(count: 2) == 0
      ? .votes(try decoder.value(), try decoder.value())
      : .states(try decoder.value(), try decoder.value())
  }
}
