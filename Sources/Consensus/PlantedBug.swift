/// A rule broken on purpose, so that the simulator can show that it would notice.
///
/// - Safety: every real replica runs with none; only a simulation asks for one.
package enum PlantedBug: String, Hashable, Sendable, CaseIterable {
  /// R0: `2f` votes make a certificate.
  case quorum2f = "quorum-2f"
  /// R8: votes leave before they are durable.
  case voteBeforeSync = "vote-before-sync"
  /// R9: own votes are not put back into the tally after a restart.
  case ownVotesNotReplayed = "own-votes-not-replayed"
  /// R6: a finalize follows a nullify of the same view.
  case finalizeAfterNullify = "finalize-after-nullify"
  /// R3: skipped views need no nullification.
  case nullificationGapIgnored = "nullification-gap-ignored"
  /// R10: a signer's repeated vote counts again.
  case duplicateSignerCounted = "duplicate-signer-counted"
  /// Votes and certificates of other epochs count.
  case epochNotBound = "epoch-not-bound"
  /// R5: a block is not made ready once its view is nullified.
  case readinessDropped = "readiness-dropped"
  /// Ready: the header alone is enough.
  case readyIsHeaderOnly = "ready-is-header-only"
  /// R1, R4: the alarm of a view already left still nullifies it, and finalized is forgotten.
  case staleAlarmNullifies = "stale-alarm-nullifies"
  /// R13: votes below the current view are not admitted.
  case votesOnlyCurrentView = "votes-only-current-view"
  /// R11: repair answers with nullifications only.
  case repairNullificationsOnly = "repair-nullifications-only"
  /// R11: neither certificates nor votes are sent again.
  case noCertificateResend = "no-certificate-resend"
  /// R11: blocks are asked of their leader only.
  case blocksFromLeaderOnly = "blocks-from-leader-only"
  /// R9: a replica whose log was lost votes at once.
  case lostLogVotesAtOnce = "lost-log-votes-at-once"
  /// R10: a repeated vote throws out all votes of its kind and view.
  case duplicateVoteBlocksQuorum = "duplicate-vote-blocks-quorum"
  /// R5: once a leader was seen to equivocate, the notarization of its view is not stored.
  case equivocationHidesNotarization = "equivocation-hides-notarization"
  /// A replica does not compare its root with the certificate's.
  case stateRootUnchecked = "state-root-unchecked"
  /// R13: votes of any future view are kept.
  case unboundedFutureVotes = "unbounded-future-votes"
  /// Above `W` uncertified heights, state certificates are not gathered either.
  case backpressureGatesCertificates = "backpressure-gates-certificates"
  /// R12: the delay grows without end.
  case timerUncapped = "timer-uncapped"
  /// R3: a second proposal of one view is notarized too.
  case doubleNotarize = "double-notarize"
}
