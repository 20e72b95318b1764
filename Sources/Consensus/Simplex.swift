/// Rotating-leader Simplex (Chan and Pass, IACR ePrint 2023/463) as a value: what one replica votes
/// for, when it enters views, and what of the chain it holds for final.
///
/// - Safety: at most one notarize a view and never both nullify and finalize of one; nothing at or
///   below the last finalized view. Durability before voice is the caller's to keep: what is said
///   waits for what was recorded before it.
/// - Liveness: with a quorum connected and delays below the cap of `Pace`, every correct leader
///   finalizes.
/// - Bound: views from `Limits.viewsRetained` below the last finalized one to
///   `Limits.viewsAheadMax` above the current one, besides those that real certificates name.
import Signing
import Wire

package struct Simplex: Sendable {
  package let committee: Committee
  package let me: ReplicaID
  let signer: Signer
  let verifier: Verifier
  let idle: Span
  let planted: Set<PlantedBug>
  /// Votes that make a certificate.
  let threshold: Int

  package internal(set) var view: View = 0
  package internal(set) var chain: Chain
  package internal(set) var pace: Pace
  /// Votes are not cast up to this view: the log that held them was lost (rule R9).
  package internal(set) var abstainThrough: View = 0
  /// Members whose votes and proposals no longer count (rule R10).
  package internal(set) var cutOff = MemberSet()
  /// Members against whom evidence is held.
  package internal(set) var accused = MemberSet()
  /// The highest view that each member was heard to work in.
  package internal(set) var heard: [View]
  /// Whether this replica may propose now.
  package internal(set) var seat: Seat?
  /// What is to be done, in order; the caller takes it after each call.
  package var acts: [Act] = []
  /// This replica's clock, for block times only.
  package var now: Moment = 0
  /// The highest state certificate known, which need not be verified again in a header.
  package var knownCertificate: StateCertificate?
  /// Whether there are calls here that want to be ordered.
  package internal(set) var busy = false

  var views: [View: ViewLedger] = [:]
  var forgotten: View = 0
  /// Something changed on which a vote or a seat may depend.
  var stirred = false
  /// Views lived in that are neither finalized nor counted as passed without finality.
  var unsettled: [View] = []
  /// The alarms of the current view count from the idle limit.
  var leisurely = false
  /// The last view whose alarms were put off after it was entered.
  private var relaxed: View = 0
  /// The view in which missing views were asked for at once.
  var askedIn: View = 0

  package init(
    committee: Committee, me: ReplicaID, signer: Signer, verifier: Verifier, delay: Span,
    idle: Span, genesisTime: Moment, planted: Set<PlantedBug> = []
  ) {
    precondition(committee.contains(me), "\(me) is not of the committee")
    precondition(
      2 * committee.quorum - committee.size >= committee.faultsMax + 1,
      "quorums overlap too little")
    self.committee = committee
    self.me = me
    self.signer = signer
    self.verifier = verifier
    self.idle = idle
    self.planted = planted
    threshold =
      planted.contains(.quorum2f) ? max(1, 2 * committee.faultsMax) : committee.quorum
    heard = [View](repeating: 0, count: committee.size)
    pace = Pace(
      base: delay, capped: !planted.contains(.timerUncapped),
      resets: planted.contains(.timerReset))
    let genesis = Header(
      subnet: committee.subnet, epoch: committee.epoch, view: 0, parentView: 0, parent: .zero,
      height: 0, time: genesisTime, calls: [], certified: nil)
    chain = Chain(from: Chain.Tip(view: 0, digest: .zero, header: genesis))
  }

  func broken(_ bug: PlantedBug) -> Bool { !planted.isEmpty && planted.contains(bug) }

  /// Views of which anything is held in memory, and how many these may be at most.
  package var viewsHeld: (count: Int, most: Int) {
    let lived = view.above(floor) + VotingLimits.viewsForgottenLate * Limits.viewsRetained
    return (views.count, Int(clamping: lived + 2 * Limits.viewsAheadMax))
  }

  /// The view of the highest finalization: nothing is voted at or below it.
  package var floor: View { chain.floorView }

  package var leader: ReplicaID { committee.leader(of: view) }

  package func certificates(of view: View) -> [Certificate] { views[view]?.certificates ?? [] }

  package func mayVote(in view: View) -> Bool {
    (view > floor || broken(.floorMovesBack)) && view > abstainThrough
  }

  /// Calls arrived or are all ordered. An idle view's alarms count from the first call. Once a view
  /// they are put off again: calls that come and vanish would put them off for ever.
  package mutating func turn(busy now: Bool) {
    guard busy != now else { return }
    busy = now
    guard view > 0, leisurely == now, now || relaxed < view, let ledger = views[view],
      ledger.proposal == nil, ledger.ownVotes.isEmpty
    else { return }
    if !now { relaxed = view }
    leisurely = !now
    armAlarms()
  }

  /// Decides what can be decided until nothing changes.
  mutating func settle() {
    while stirred {
      stirred = false
      decide()
    }
  }

  private mutating func decide() {
    seat = nil
    guard view > 0, mayVote(in: view), let ledger = views[view],
      ledger.ownNotarize == nil || broken(.doubleNotarize), ledger.ownNullify == nil,
      ledger.ownFinalize == nil
    else { return }
    if leader == me {
      if ledger.ownNotarize == nil { takeSeat() }
    } else if cutOff.contains(leader) {
      acts.append(.reached(.voterNullifyLeaderCutOff))
      nullify(view)
    } else if ledger.nullifies.holds(leader) {
      acts.append(.reached(.voterNullifyLeaderGaveUp))
      nullify(view)
    } else if ledger.proposal == nil, leaderIsSilent {
      acts.append(.reached(.voterNullifyLeaderSilent))
      nullify(view)
    } else {
      considerNotarize()
    }
  }

  /// Nothing of the leader for long, while a quorum was at work (rule R1).
  private var leaderIsSilent: Bool {
    let limit = VotingLimits.silentViewsMax
    guard view.above(heard[leader.index]) > limit, view.number > limit else { return false }
    var active = 1
    for index in heard.indices where index != me.index {
      if view.above(heard[index]) <= limit / 2 { active += 1 }
    }
    return active >= committee.quorum
  }
}
