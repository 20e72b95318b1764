import Signing
import Wire

/// Casting and counting votes (rules R3, R4, R6, R10, R13).
extension Simplex {
  // MARK: Casting

  /// Records and sends an own vote, and counts it.
  mutating func cast(_ ballot: Ballot, as message: (Vote) -> Message = { .vote($0) }) {
    let view = ballot.view
    precondition(
      views[view]?.own(ballot.kind) == nil || broken(.doubleNotarize)
        || broken(.staleAlarmNullifies), "casts \(ballot.kind) of \(view) twice")
    let vote = signer.vote(ballot, as: me, in: committee).value
    views[view, default: ViewLedger()].cast(vote)
    acts.append(.record(.vote(vote)))
    acts.append(.say(message(vote), to: nil))
    acts.append(.voted(vote))
    count(vote, verified: true)
  }

  /// Rule R4: only in the current view, never after a finalize, never below the last finalized.
  mutating func nullify(_ target: View) {
    if !broken(.staleAlarmNullifies) {
      guard target == view else { return }
      guard mayVote(in: target) else {
        if target <= abstainThrough { acts.append(.reached(.voterAbstained)) }
        return
      }
    }
    guard target > abstainThrough, let ledger = views[target], ledger.ownNullify == nil else {
      return
    }
    if ledger.ownFinalize != nil, !(broken(.staleAlarmNullifies) && target <= floor) {
      acts.append(.reached(.voterNullifyAfterFinalize))
      return
    }
    if target == view { seat = nil }
    cast(.nullify(subnet: committee.subnet, epoch: committee.epoch, view: target))
  }

  /// Rule R3 for the first proposal of the current view.
  mutating func considerNotarize() {
    guard let proposal = views[view]?.proposal,
      views[view]?.ownNotarize?.ballot.block != proposal.digest
    else { return }
    let header = proposal.header
    switch standing(of: proposal) {
    case .never(let reason):
      acts.append(.misbehaved(leader, "proposed in view \(view) what cannot be valid: \(reason)"))
      acts.append(.reached(.voterNotarizeRefused))
      nullify(view)
    case .lacking(let lacking):
      guard askedIn < view else { return }
      askedIn = view
      acts.append(.reached(.voterNotarizePendingViews))
      acts.append(.say(.viewsWanted(lacking), to: leader))
    case .pending: break
    case .early(let wait):
      acts.append(.reached(.voterNotarizePendingClock))
      acts.append(.arm(.idle, view, after: wait))
    case .acceptable:
      journal(proposal.digest)
      acts.append(.disarm(.leader, view))
      cast(
        .notarize(
          subnet: committee.subnet, epoch: committee.epoch, view: view,
          parentView: header.parentView, block: proposal.digest))
    }
  }

  /// What can be said of a proposal now.
  enum Standing {
    case acceptable
    /// It can never become valid.
    case never(String)
    /// Certificates of these views are lacking.
    case lacking([View])
    /// Something else is lacking that is on its way: bodies, the parent's block.
    case pending
    /// Its time is not reached yet.
    case early(Span)
  }

  func standing(of proposal: ViewLedger.Proposal) -> Standing {
    let header = proposal.header
    guard header.parentView < header.view else { return .never("its parent is not below it") }
    guard header.parentView >= floor else { return .never("its parent is below the finalized") }
    if header.parentView == floor {
      guard header.parent == chain.floorDigest else { return .never("its parent was passed by") }
    } else {
      guard let notarized = views[header.parentView]?.notarization?.ballot.block else {
        return .lacking(lackingViews(from: header.parentView, to: header.view, alsoFirst: true))
      }
      guard notarized == header.parent else { return .never("its parent was not notarized") }
      guard chain[notarized]?.ready == true else { return .pending }
    }
    let gap = lackingViews(from: header.parentView, to: header.view, alsoFirst: false)
    if !gap.isEmpty, !broken(.nullificationGapIgnored) { return .lacking(gap) }
    guard let link = chain[proposal.digest] else {
      return header.height <= chain.delivered.header.height
        ? .never("its height is taken") : .pending
    }
    if let fault = link.fault { return .never(fault) }
    guard link.judged, link.stage >= .complete else { return .pending }
    return clock(header)
  }

  private func clock(_ header: Header) -> Standing {
    if broken(.blockTimeUnchecked) { return .acceptable }
    guard let parent = chain.header(of: header.parent) else { return .pending }
    let latest = now.advanced(by: Limits.clockDrift.milliseconds)
    if header.time == parent.time.next || header.time <= latest { return .acceptable }
    return .early(Span.milliseconds(min(header.time.above(latest), idle.milliseconds)))
  }

  /// Views strictly between the two that are not known to be nullified, at most as many as one
  /// request may name.
  func lackingViews(from parent: View, to view: View, alsoFirst: Bool) -> [View] {
    var out: [View] = alsoFirst ? [parent] : []
    var next = parent.next
    while next < view, out.count < Limits.viewsPerRequestMax {
      if views[next]?.nullification == nil { out.append(next) }
      next = next.next
    }
    return out
  }

  /// Rule R6.
  mutating func considerFinalize(_ target: View) {
    guard mayVote(in: target), let ledger = views[target], ledger.ownFinalize == nil,
      let ballot = ledger.notarization?.ballot, let block = ballot.block,
      let parentView = ballot.parentView, chain[block]?.ready == true
    else { return }
    if ledger.ownNullify != nil, !broken(.finalizeAfterNullify) {
      acts.append(.reached(.voterFinalizeAfterNullify))
      return
    }
    if ledger.leaderEquivocated {
      acts.append(.reached(.voterFinalizeEquivocation))
      return
    }
    cast(
      .finalize(
        subnet: committee.subnet, epoch: committee.epoch, view: target, parentView: parentView,
        block: block))
  }

  // MARK: Counting

  /// A vote on a link; `peer` is the link's authenticated other end.
  package mutating func receive(_ vote: Vote, from peer: ReplicaID) {
    guard vote.signer == peer || broken(.relayedVotesCount), committee.contains(vote.signer),
      committee.contains(peer), peer != me, vote.signer != me
    else {
      acts.append(.reached(.voterVoteRelayed))
      acts.append(.misbehaved(peer, "relayed a vote of \(vote.signer)"))
      return
    }
    guard let (vote, verified) = bound(vote) else {
      acts.append(.misbehaved(peer, "voted for another subnet or epoch"))
      return
    }
    let target = vote.ballot.view
    hear(peer, target)
    guard !cutOff.contains(peer), admits(target, peer) else { return }
    count(vote, verified: verified)
    settle()
  }

  /// The member is at work, whatever else becomes of what it said.
  mutating func hear(_ peer: ReplicaID, _ target: View) {
    heard[peer.index] = max(heard[peer.index], min(target, view.advanced(by: 3)))
  }

  /// Rule R13: last finalized < view ≤ current + 3.
  private mutating func admits(_ target: View, _ peer: ReplicaID) -> Bool {
    if target.advanced(by: 2) <= view { acts.append(.behind(peer, target)) }
    guard target > floor else { return false }
    if broken(.votesOnlyCurrentView), target < view { return false }
    if target > view.advanced(by: Limits.viewsAheadMax) {
      acts.append(.ahead(peer))
      return broken(.unboundedFutureVotes)
    }
    return true
  }

  /// The vote as one of this subnet and epoch; whether its signature was checked for that.
  private func bound(_ vote: Vote) -> (Vote, Bool)? {
    let ballot = vote.ballot
    guard ballot.subnet == committee.subnet else { return nil }
    if ballot.epoch == committee.epoch { return (vote, false) }
    guard broken(.epochNotBound) else { return nil }
    let other = Committee(
      subnet: committee.subnet, epoch: ballot.epoch, keys: committee.members.map(\.key))
    guard verifier.verify(vote, in: other) != nil else { return nil }
    let own = ballot.rebound(to: committee.epoch)
    return (Vote(ballot: own, signer: vote.signer, signature: vote.signature), true)
  }

  /// Counts a vote that may be counted, and draws the conclusions.
  mutating func count(_ vote: Vote, verified: Bool) {
    let ballot = vote.ballot
    let target = ballot.view
    precondition(
      ballot.subnet == committee.subnet && ballot.epoch == committee.epoch,
      "counts a vote of another subnet or epoch")
    var check = StatementCheck(ballot, verifier, committee)
    let taken = views[target, default: ViewLedger()].take(
      vote, verified: verified, threshold: threshold, of: committee.size, planted: planted,
      verifies: { check.verifies($0.signature, of: $0.ballot, by: $0.signer) })
    if let opposite = taken.opposite { accuse(opposite, vote) }
    switch taken.admission {
    case .conflicting(let first):
      accuse(first, vote)
      return
    case .repeated: return
    case .counted: break
    }
    if ballot.kind == .nullify, target == view, vote.signer == leader { stirred = true }
    for culprit in taken.count.culprits {
      acts.append(.misbehaved(culprit, "sent a vote whose signature does not verify"))
      acts.append(.reached(.tallyCulpritCutOff))
      cutOff(culprit)
    }
    if let certificate = taken.count.certificate { store(certificate) }
  }

  // MARK: Conflicts

  /// Rule R10: two statements that no correct replica makes both.
  mutating func accuse(_ first: Vote, _ second: Vote) {
    let evidence = Evidence.votes(first, second)
    guard first.signer != me, verifier.verify(evidence, in: committee) != nil else {
      // One of the two is not signed well, and both came on the signer's own link.
      if first.signer != me { cutOff(second.signer) }
      return
    }
    acts.append(.reached(.tallyConflict))
    let isNew = accept(evidence)
    if isNew { acts.append(.say(.evidence(evidence), to: nil)) }
  }

  /// Takes verified evidence in.
  /// - Returns: false when its culprit was accused before.
  @discardableResult
  package mutating func accept(_ evidence: Evidence) -> Bool {
    let culprit = evidence.culprit
    guard culprit != me else { return false }
    if case .votes(let first, let second) = evidence, first.ballot.kind == .notarize,
      second.ballot.kind == .notarize, committee.leader(of: first.ballot.view) == culprit
    {
      let target = first.ballot.view
      if target > floor, target <= view.advanced(by: Limits.viewsAheadMax) {
        views[target, default: ViewLedger()].leaderEquivocated = true
      }
    }
    guard !accused.contains(culprit) else { return false }
    accused.insert(culprit)
    if !broken(.accusedStillHeard) { cutOff(culprit) }
    acts.append(.record(.evidence(evidence)))
    acts.append(.accused(evidence))
    settle()
    return true
  }

  mutating func cutOff(_ culprit: ReplicaID) {
    if cutOff.insert(culprit) { stirred = true }
  }
}

extension Ballot {
  /// The same ballot of another epoch.
  func rebound(to epoch: Epoch) -> Ballot {
    switch self {
    case .notarize(let subnet, _, let view, let parentView, let block):
      .notarize(subnet: subnet, epoch: epoch, view: view, parentView: parentView, block: block)
    case .nullify(let subnet, _, let view): .nullify(subnet: subnet, epoch: epoch, view: view)
    case .finalize(let subnet, _, let view, let parentView, let block):
      .finalize(subnet: subnet, epoch: epoch, view: view, parentView: parentView, block: block)
    }
  }
}
