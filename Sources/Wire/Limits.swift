/// Every bound that replicas must agree on, or that protects one from the others.
package enum Limits {
  // The committee.
  package static let membersMax = 128
  /// Engines that a subnet accepts.
  package static let enginesMax = 100
  package static let engineSourceBytesMax = 128

  // Calls.
  /// Bytes of a call's body: a batch of rows, arguments, a package.
  package static let callBodyBytesMax = 1 << 20
  package static let nameBytesMax = 64
  package static let idempotencyKeyBytesMax = 128
  /// How far ahead of block time a call may expire.
  package static let callLifetimeMax = Span.seconds(600)
  /// How far a replica's clock may differ from another's.
  package static let clockDrift = Span.milliseconds(500)

  // Blocks.
  package static let callsPerBlockMax = 2_048
  /// Bytes of all bodies of a block together.
  package static let blockBytesMax = 4 << 20
  /// Bytes of bodies that a leader sends beside its proposal.
  package static let inlineBytesMax = 2 << 20
  /// `B`: the sum of the step limits that a block's calls declare.
  package static let stepsPerBlockMax: UInt64 = 200_000_000
  /// `W`: a block holds calls up to so many heights above the state certificate in its header.
  package static let uncertifiedHeightsMax: UInt64 = 16
  /// What a block without calls, each signature of the certificate in its header, and a call
  /// without its body are taken to weigh, in bytes: no less than their encodings.
  package static let blockWeight = 1 << 10
  package static let signatureWeight = 64
  package static let callWeight = 512
  package static let blockWeightMax =
    blockWeight + membersMax * signatureWeight + callsPerBlockMax * callWeight + blockBytesMax

  // Views.
  /// Votes are admitted up to so many views above the current one.
  package static let viewsAheadMax: UInt64 = 3
  /// Views kept in memory below the last finalized one, for repair.
  package static let viewsRetained: UInt64 = 64
  /// How many views one repair request may name.
  package static let viewsPerRequestMax = 16
  /// How many blocks one catch-up request may ask for.
  package static let blocksPerAnswerMax = 32
  /// How many an answer may carry, within `messageBytesMax`: beyond what was asked for up to the
  /// first that has a finalization, without which none of them could be believed.
  package static let blocksPerRangeMax = 512
  /// What the blocks of an answer may weigh together, unless one alone is heavier.
  package static let answerWeightMax = 6 << 20

  // Messages.
  package static let messageBytesMax = 8 << 20
  package static let digestsPerMessageMax = 4_096
  package static let certificatesPerMessageMax = 64

  // The call pool of one replica.
  package static let poolCallsMax = 20_000
  package static let poolBytesMax = 64 << 20
  /// Calls that one peer may have in the pool.
  package static let poolCallsPerPeerMax = 8_192

  // Receipts.
  package static let receiptNotesMax = 64
  package static let textBytesMax = 1_024
  package static let receiptBytesMax = 16 << 10
}
