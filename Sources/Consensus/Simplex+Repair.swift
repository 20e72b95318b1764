import Wire

/// Restart and repair (rules R9, R11).
extension Simplex {
  /// Takes back what the journal held. Own votes count again, and are never signed anew.
  package mutating func restore(_ restored: Restored) {
    precondition(view == 0, "restored while at work")
    let forgetsAbstaining = broken(.abstainForgotten) && restored.journalFound
    abstainThrough = forgetsAbstaining ? 0 : restored.abstainThrough
    for evidence in restored.evidence where evidence.culprit != me {
      accused.insert(evidence.culprit)
      cutOff.insert(evidence.culprit)
    }
    let digests = restored.blocks.map { (block: $0, digest: $0.header.digest) }
    let finalizations = restored.certificates.filter { $0.kind == .finalize }
      .sorted { $0.view < $1.view }
    if let tip = restoredTip(restored, digests, finalizations) {
      chain = Chain(from: tip)
      chain.retain(tip.digest, digests.first { $0.digest == tip.digest }?.block)
    }
    for (block, digest) in digests.sorted(by: { $0.block.header.height < $1.block.header.height })
    where block.header.height > chain.delivered.header.height {
      chain.insert(block.header, digest)
      chain.update(digest) {
        $0.block = block
        $0.stage = .durable
      }
    }
    for certificate in restored.certificates {
      views[certificate.view, default: ViewLedger()].store(certificate)
    }
    guard !broken(.restartVotesAnew) else { return }
    for vote in restored.votes where vote.signer == me {
      views[vote.ballot.view, default: ViewLedger()].cast(vote)
    }
    for vote in restored.votes where vote.signer == me && vote.ballot.view > floor {
      restoreProposal(vote)
    }
  }

  private func restoredTip(
    _ restored: Restored, _ blocks: [(block: Block, digest: Digest)],
    _ finalizations: [Certificate]
  ) -> Chain.Tip? {
    guard restored.finalizedHeight > 0 else { return nil }
    let candidates = blocks.filter { $0.block.header.height == restored.finalizedHeight }
    let certified = candidates.first { candidate in
      finalizations.contains { $0.ballot.block == candidate.digest }
    }
    guard let tip = certified ?? candidates.first else { return nil }
    return Chain.Tip(view: tip.block.header.view, digest: tip.digest, header: tip.block.header)
  }

  /// An own proposal is known again by its own vote.
  private mutating func restoreProposal(_ vote: Vote) {
    guard vote.ballot.kind == .notarize, committee.leader(of: vote.ballot.view) == me,
      let digest = vote.ballot.block, let link = chain[digest]
    else { return }
    views[vote.ballot.view]?.proposal = ViewLedger.Proposal(digest: digest, header: link.header)
  }

  /// Begins: goes to the view that the certificates lead to.
  package mutating func start() {
    precondition(view == 0, "started twice")
    let held = views.keys.sorted()
    let finalization = held.last { views[$0]?.finalization != nil }
      .flatMap { views[$0]?.finalization }
    if let finalization, finalization.view > floor { conclude(finalization) }
    for digest in chain.open { refresh(digest) }
    for target in held where target >= floor && views[target]?.nullification != nil {
      enter(target.next)
    }
    enter(broken(.floorMovesBack) && floor > 0 ? floor : floor.next)
    for target in held where target > floor {
      if let block = views[target]?.notarization?.ballot.block, !chain.holdsBlock(block) {
        acts.append(.want(block, target))
      }
    }
    if !broken(.ownVotesNotReplayed) {
      for target in held where target > floor {
        for vote in views[target]?.ownVotes ?? [] {
          acts.append(.reached(.restartVotesCounted))
          count(vote, verified: true)
        }
      }
    }
    settle()
    if !broken(.ownVotesNotReplayed) { resend(to: nil) }
  }

  /// Sends again the own votes of the current view and of those below it that are still open, and
  /// what led into the view.
  package mutating func resend(to peer: ReplicaID?) {
    guard !broken(.noCertificateResend) else { return }
    for certificate in leadingHere { acts.append(.say(.certificate(certificate), to: peer)) }
    let first = max(floor.next, View(view.number > 2 ? view.number - 2 : 1))
    var target = first
    while target <= view {
      if let ledger = views[target] {
        for vote in ledger.ownVotes { acts.append(.say(message(of: vote), to: peer)) }
      }
      target = target.next
    }
  }

  /// An own vote as it travels: a leader's notarize travels beside its header.
  private func message(of vote: Vote) -> Message {
    guard vote.ballot.kind == .notarize, let proposal = views[vote.ballot.view]?.proposal,
      committee.leader(of: vote.ballot.view) == me, proposal.digest == vote.ballot.block
    else { return .vote(vote) }
    return .proposal(header: proposal.header, inlined: [], vote: vote)
  }

  /// The highest finalization, and what led from there into the current view.
  private var leadingHere: [Certificate] {
    var out: [Certificate] = []
    if let finalization = views[floor]?.finalization { out.append(finalization) }
    guard view.number > 1 else { return out }
    let previous = View(view.number - 1)
    if previous > floor { out += certificates(of: previous) }
    return out
  }

  /// What led into the current view; nil in the first.
  package var leadingCertificate: Certificate? {
    view.number > 1 ? certificates(of: View(view.number - 1)).first : nil
  }

  /// Own votes of a nullified or notarized view matter to those who lack its certificates; the
  /// certificates themselves answer them (rule R11).
  package func answer(viewsWanted wanted: [View]) -> [Certificate] {
    var out: [Certificate] = []
    for target in wanted.prefix(Limits.viewsPerRequestMax) where target >= floor {
      out += certificates(of: target)
    }
    if wanted.contains(where: { $0 <= floor }), let highest = views[floor]?.finalization,
      !out.contains(highest)
    {
      out.append(highest)
    }
    if broken(.repairNullificationsOnly) { out.removeAll { $0.kind != .nullify } }
    return out
  }

  /// Views whose certificates would help, ascending.
  ///
  /// - Bound: `Limits.viewsPerRequestMax`: half of them ancestors, the current view always among
  ///   them. Two members are asked in each tick in which the view stands still, and two by a leader
  ///   once a view.
  package var lackingViews: [View] {
    let ancestors = lackingAncestors
    var out = ancestors
    if let proposal = views[view]?.proposal, views[view]?.ownNotarize == nil,
      case .lacking(let lacking) = standing(of: proposal)
    {
      out += lacking.filter { !ancestors.contains($0) }.prefix(Limits.viewsPerRequestMax / 2 - 1)
    }
    if !out.contains(view) { out.append(view) }
    return out.sorted()
  }

  /// Views that keep blocks from becoming ready: parents' of notarized blocks that are not known to
  /// be notarized; and below the current view, down to the highest ready block or the last
  /// finalized view, those of which nothing is known, leader or not. Where room is left, those too
  /// that are known to be notarized only, so that a leader may pass them by.
  ///
  /// - Liveness: a quorum voted above what is lacking, so f + 1 correct members hold it, or a
  ///   finalization above it. Each answer makes room for the next, and what is known takes none up.
  /// - Bound: half of a request.
  var lackingAncestors: [View] {
    let most = Limits.viewsPerRequestMax / 2
    var out = lackingParents(atMost: most)
    var known: [View] = []
    var below = View(view.number > 0 ? view.number - 1 : 0)
    while below > floor, out.count < most {
      let ledger = views[below]
      let block = ledger?.notarization?.ballot.block
      if let block, chain[block]?.ready == true { break }
      if ledger?.nullification == nil, !out.contains(below) {
        if block == nil { out.append(below) } else { known.append(below) }
      }
      below = View(below.number - 1)
    }
    out += known
    if broken(.notarizedViewsAskedFirst) { out.sort(by: >) }
    return Array(out.prefix(most))
  }

  /// Parents' views, not known to be notarized, of notarized blocks that are not ready, the highest
  /// first. A notarization names its parent's view: the block need not be here, nor its view below
  /// the current one.
  private func lackingParents(atMost most: Int) -> [View] {
    var out: [View] = []
    for child in views.keys.filter({ $0 > floor }).sorted(by: >) where out.count < most {
      guard let ballot = views[child]?.notarization?.ballot, let block = ballot.block,
        let parent = ballot.parentView, parent > floor, chain[block]?.ready != true,
        views[parent]?.notarization == nil, !out.contains(parent)
      else { continue }
      if child < view || !broken(.currentParentNotAsked) { out.append(parent) }
    }
    return out
  }

  /// A view may be both: whoever gave up on it may still need to know that it was notarized.
  package func isNullified(_ view: View) -> Bool { views[view]?.nullification != nil }

  /// Notarized views above the floor whose blocks are not held.
  package var lackingBlocks: [(digest: Digest, view: View)] {
    var out: [(digest: Digest, view: View)] = []
    for target in views.keys.filter({ $0 > floor }).sorted() {
      if let block = views[target]?.notarization?.ballot.block, !chain.holdsBlock(block),
        !(broken(.readinessDropped) && views[target]?.nullification != nil)
      {
        out.append((block, target))
      }
    }
    switch chain.pathToFloor() {
    case .missing(let digest, _): out.append((digest, floor))
    case .whole, .none: break
    }
    return out
  }

  /// Whether a proposal or a vote of the current view is out, so that silence means loss.
  package var isEngaged: Bool {
    guard let ledger = views[view] else { return false }
    return ledger.proposal != nil || !ledger.ownVotes.isEmpty
  }

  /// What the current view waits for, for people.
  package var votesOfCurrentView: (notarize: MemberSet, nullify: MemberSet, finalize: MemberSet) {
    let ledger = views[view] ?? ViewLedger()
    return (ledger.notarizes.signers, ledger.nullifies.signers, ledger.finalizes.signers)
  }

  /// The most votes that one view holds.
  package var votesOfViewMost: Int { views.values.reduce(0) { max($0, $1.voteCount) } }

  package var proposalOfCurrentView: Digest? { views[view]?.proposal?.digest }
}
