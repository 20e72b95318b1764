import Wire

/// Bounds of the voting rules that concern one replica alone.
package enum VotingLimits {
  /// Rule R12: the delay is at most so many times its base.
  package static let delayFactorMax: UInt64 = 8
  /// Steps of 1.25 above which the delay is at its cap anyway.
  package static let delayStepsMax = 10
  /// Rule R1: a leader not heard of for so many views of an active quorum is given up on at once.
  package static let silentViewsMax: UInt64 = 12
  /// After a jump over so many times `Limits.viewsRetained`, views in between are swept at once.
  package static let viewsForgottenLate: UInt64 = 4
  /// Blocks kept in memory below the last finalized one.
  package static let blocksRetained: UInt64 = 16
  /// Blocks kept above a gap that no member fills by ranges.
  package static let aboveGapMax = 4_096
  /// Their weight in bytes, and that of a range before a finalization covers it: as many blocks
  /// with calls as can become final together, and some ten thousands without.
  package static let aboveGapBytesMax =
    Int(Limits.uncertifiedHeightsMax) * Limits.blockWeightMax + (64 << 20)
  /// Above so many missing heights, blocks are fetched by ranges and not one by one.
  package static let singleFetchHeightsMax: UInt64 = 3
}
