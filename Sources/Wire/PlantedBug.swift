/// A rule broken on purpose, so that the simulator can show that it would notice.
///
/// - Safety: every real replica runs with none; only a simulation asks for one.
package enum PlantedBug: String, Hashable, Sendable, CaseIterable {
  // Votes and certificates.
  case quorum2f = "quorum-2f"
  case doubleNotarize = "double-notarize"
  case finalizeAfterNullify = "finalize-after-nullify"
  case nullificationGapIgnored = "nullification-gap-ignored"
  case staleAlarmNullifies = "stale-alarm-nullifies"
  case duplicateSignerCounted = "duplicate-signer-counted"
  case duplicateVoteBlocksQuorum = "duplicate-vote-blocks-quorum"
  case epochNotBound = "epoch-not-bound"
  case equivocationHidesNotarization = "equivocation-hides-notarization"
  case votesOnlyCurrentView = "votes-only-current-view"
  case unboundedFutureVotes = "unbounded-future-votes"
  case relayedVotesCount = "relayed-votes-count"
  case certificatesUnverified = "certificates-unverified"
  case farCertificatesRefused = "far-certificates-refused"
  case evidenceUnverified = "evidence-unverified"
  case timerUncapped = "timer-uncapped"

  // Blocks.
  case readinessDropped = "readiness-dropped"
  case readyIsHeaderOnly = "ready-is-header-only"
  case clockInReadiness = "clock-in-readiness"
  case blockTimeUnchecked = "block-time-unchecked"
  case proposerClockTrusted = "proposer-clock-trusted"
  case pressureBoundIgnored = "pressure-bound-ignored"
  case callsDroppedWhenProposed = "calls-dropped-when-proposed"

  // Durability and restart.
  case voteBeforeSync = "vote-before-sync"
  case shareBeforeSync = "share-before-sync"
  case executeBeforeSync = "execute-before-sync"
  case journalSyncedLate = "journal-synced-late"
  case ownVotesNotReplayed = "own-votes-not-replayed"
  case restartVotesAnew = "restart-votes-anew"
  case floorMovesBack = "floor-moves-back"
  case lostLogVotesAtOnce = "lost-log-votes-at-once"
  case lostLogTrustsFinalization = "lost-log-trusts-finalization"
  case abstainForgotten = "abstain-forgotten"
  case quarantineForgotten = "quarantine-forgotten"

  // Repair and catch-up.
  case repairNullificationsOnly = "repair-nullifications-only"
  case noCertificateResend = "no-certificate-resend"
  case blocksFromLeaderOnly = "blocks-from-leader-only"
  case rangeUnverified = "range-unverified"
  case repairUnlimited = "repair-unlimited"

  // States and execution.
  case stateQuorum2f = "state-quorum-2f"
  case stateRootUnchecked = "state-root-unchecked"
  case backpressureGatesCertificates = "backpressure-gates-certificates"
  case dedupeLostAtRestart = "dedupe-lost-at-restart"
  case expiredCallsExecuted = "expired-calls-executed"
  case refundForgotten = "refund-forgotten"
  case storageUncharged = "storage-uncharged"
  case turnsIgnored = "turns-ignored"

  /// What the broken replica does, and the rule that it breaks.
  package var meaning: String {
    switch self {
    case .quorum2f: "2f votes make a certificate"
    case .doubleNotarize: "R3: a second proposal of one view is notarized too"
    case .finalizeAfterNullify: "R6: a finalize follows a nullify of the same view"
    case .nullificationGapIgnored: "R2, R3: skipped views need no nullification"
    case .staleAlarmNullifies:
      "R1, R4: the alarm of a view already left still nullifies it, and finalized is forgotten"
    case .duplicateSignerCounted: "R10: a signer's repeated vote counts again"
    case .duplicateVoteBlocksQuorum: "R10: a repeated vote throws out all votes of its view"
    case .epochNotBound: "votes and certificates of other epochs count"
    case .equivocationHidesNotarization:
      "R5: once a leader was seen to equivocate, its view's notarization is not stored"
    case .votesOnlyCurrentView: "R13: votes below the current view are not admitted"
    case .unboundedFutureVotes: "R13: votes of any future view are kept"
    case .relayedVotesCount: "R13: votes count on whatever link they come"
    case .certificatesUnverified: "R13: signatures in certificates are not looked at"
    case .farCertificatesRefused: "R1: certificates of far-future views are refused"
    case .evidenceUnverified: "R10: evidence is believed"
    case .timerUncapped: "R12: the delay grows without end"
    case .readinessDropped: "R5: a block is not made ready once its view is nullified"
    case .readyIsHeaderOnly: "a header alone is ready"
    case .clockInReadiness: "a block whose time is ahead of the clock never becomes ready"
    case .blockTimeUnchecked: "R3: a block of any time is notarized"
    case .proposerClockTrusted: "a leader takes its clock for the time, also below the parent's"
    case .pressureBoundIgnored: "blocks hold calls more than W heights above the certified one"
    case .callsDroppedWhenProposed: "calls leave the pool with the first proposal that names them"
    case .voteBeforeSync: "R8: whatever is said leaves before it is durable"
    case .shareBeforeSync: "R8: a state share leaves before it is durable"
    case .executeBeforeSync: "R8: a block is executed before its finalization is durable"
    case .journalSyncedLate: "R8: the journal is synced now and then, not at each append"
    case .ownVotesNotReplayed: "R9: own votes are not put back into the tally after a restart"
    case .restartVotesAnew: "R9: own votes are forgotten by a restart"
    case .floorMovesBack: "R9: a restart goes back to the view that it last finalized"
    case .lostLogVotesAtOnce: "R9: a replica whose log was lost votes at once"
    case .lostLogTrustsFinalization: "R9: a lost log trusts the highest finalization of f + 1"
    case .abstainForgotten: "R9: after a second restart it abstains from nothing any more"
    case .quarantineForgotten: "a restart ends a quarantine"
    case .repairNullificationsOnly: "R11: repair answers with nullifications only"
    case .noCertificateResend: "R11: neither certificates nor votes are sent again"
    case .blocksFromLeaderOnly: "R11: blocks are asked of their leader only"
    case .rangeUnverified: "R11: a range of blocks needs no finalization"
    case .repairUnlimited: "R13: peers are answered however often they ask"
    case .stateQuorum2f: "2f shares make a state certificate"
    case .stateRootUnchecked: "a replica does not compare its root with the certificate's"
    case .backpressureGatesCertificates:
      "above W uncertified heights, state certificates are not gathered either"
    case .dedupeLostAtRestart: "calls executed before a restart are executed again"
    case .expiredCallsExecuted: "calls are ordered and executed after their expiry"
    case .refundForgotten: "what a deploy reserved and did not use is not given back"
    case .storageUncharged: "what a pipeline stores costs nothing"
    case .turnsIgnored: "calls that are too many for a block go in the order of their arrival"
    }
  }
}
