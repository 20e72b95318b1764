import Signing
import Wire

/// Proposals, blocks, certificates, and the finalized chain (rules R3, R5, R7).
extension Simplex {
  // MARK: Proposals and blocks

  /// A leader's proposal on its own link.
  /// - Returns: whether its bodies are worth gathering.
  package mutating func receive(
    proposal header: Header, _ digest: Digest, vote: Vote, from peer: ReplicaID
  ) -> Bool {
    let target = header.view
    guard peer != me, committee.leader(of: target) == peer, header.subnet == committee.subnet,
      header.epoch == committee.epoch || broken(.epochNotBound)
    else {
      acts.append(.misbehaved(peer, "proposed in view \(target), which it does not lead"))
      return false
    }
    hear(peer, target)
    guard vote.ballot.kind == .notarize, vote.ballot.view == target,
      vote.ballot.block == digest, vote.ballot.parentView == header.parentView
    else {
      acts.append(.misbehaved(peer, "its proposal of view \(target) and its vote differ"))
      return false
    }
    if broken(.proposalsVerifiedEach), verifier.verify(vote, in: committee) == nil { return false }
    guard target > floor, target <= view.advanced(by: Limits.viewsAheadMax) else {
      receive(vote, from: peer)
      return false
    }
    guard !cutOff.contains(peer) else { return false }
    let isFirst = views[target]?.proposal == nil
    let takes = isFirst || (broken(.doubleNotarize) && views[target]?.proposal?.digest != digest)
    if takes {
      views[target, default: ViewLedger()].proposal = ViewLedger.Proposal(
        digest: digest, header: header)
      chain.insert(header, digest)
      if broken(.readyIsHeaderOnly) { completeByHeader(digest) }
      if target == view, leisurely {
        leisurely = false
        acts.append(.arm(.progress, view, after: pace.delay.times(3)))
      }
      stirred = true
    }
    receive(vote, from: peer)
    settle()
    return views[target]?.proposal?.digest == digest && !chain.holdsBlock(digest)
  }

  /// A header that is wanted without being proposed here: its view's notarization names it.
  package mutating func expect(_ header: Header, _ digest: Digest) { chain.insert(header, digest) }

  private mutating func completeByHeader(_ digest: Digest) {
    chain.update(digest) {
      $0.stage = .durable
      $0.judged = true
    }
    refresh(digest)
  }

  /// All bodies of a block are here, their envelopes verified, in the header's order.
  package mutating func complete(_ block: Block, _ digest: Digest, bodies: [VerifiedCall]) {
    chain.insert(block.header, digest)
    guard let link = chain[digest], !link.holdsBlock else { return }
    let fault = bodiesFault(block.header, bodies: bodies)
    chain.update(digest) {
      $0.block = block
      $0.stage = max($0.stage, .complete)
      $0.fault = fault
    }
    judge(digest)
    let target = block.header.view
    if views[target]?.notarization?.ballot.block == digest || digest == chain.floorDigest {
      journal(digest)
    }
    stirred = true
    deliver()
    refreshOpen()
    settle()
  }

  /// Compares a block with its parent once both are here.
  private mutating func judge(_ digest: Digest) {
    guard let link = chain[digest], !link.judged, link.holdsBlock,
      let parent = chain.header(of: link.header.parent)
    else { return }
    let fault =
      link.fault
      ?? linkFault(
        link.header, parent: parent, parentDigest: link.header.parent, committee: committee)
      ?? certifiedFault(
        link.header, committee: committee, verifier: verifier, known: knownCertificate,
        isBounded: !broken(.pressureBoundIgnored))
      ?? brokenClockFault(link.header)
    chain.update(digest) {
      $0.judged = true
      $0.fault = fault
    }
    stirred = true
  }

  private func brokenClockFault(_ header: Header) -> String? {
    guard broken(.clockInReadiness) else { return nil }
    let isAhead = header.time > now.advanced(by: Limits.clockDrift.milliseconds)
    return isAhead ? "its time is ahead of this replica's clock" : nil
  }

  /// Asks for the block to be made durable, once.
  mutating func journal(_ digest: Digest) {
    guard let link = chain[digest], link.stage == .complete, let block = link.block else { return }
    chain.update(digest) { $0.stage = .journalling }
    acts.append(.record(.block(digest: digest, block)))
  }

  /// The block is durable.
  package mutating func durable(_ digest: Digest) {
    chain.update(digest) { $0.stage = max($0.stage, .durable) }
    refresh(digest)
    settle()
  }

  /// Marks a block ready when it is, and then what stands on it.
  mutating func refresh(_ digest: Digest) {
    var work = [digest]
    while let next = work.popLast() {
      judge(next)
      guard let link = chain[next], !link.ready, link.stage == .durable else { continue }
      let isFloor = next == chain.floorDigest
      guard isFloor || (link.judged && link.fault == nil && chain.grounded(link.header.parent))
      else { continue }
      let target = link.header.view
      if broken(.readinessDropped), views[target]?.nullification != nil, !isFloor { continue }
      chain.update(next) { $0.ready = true }
      stirred = true
      if views[target]?.notarization?.ballot.block == next {
        considerFinalize(target)
        if target >= view { enter(target.next) }
      }
      for other in chain.open where chain[other]?.header.parent == next { work.append(other) }
    }
  }

  private mutating func refreshOpen() {
    for digest in chain.open where chain[digest]?.ready == false { refresh(digest) }
  }

  // MARK: Certificates

  /// A certificate from anybody.
  /// - Returns: false for one that no correct member sends.
  @discardableResult
  package mutating func receive(_ certificate: Certificate, from peer: ReplicaID) -> Bool {
    guard let certificate = boundUnverified(certificate) else {
      acts.append(.misbehaved(peer, "sent a certificate of another subnet or epoch"))
      return false
    }
    let target = certificate.view
    guard target > floor, !holds(certificate.kind, of: target),
      !broken(.farCertificatesRefused) || target <= view.advanced(by: Limits.viewsAheadMax)
    else { return true }
    guard verifies(certificate) else {
      acts.append(.reached(.voterCertificateRefused))
      acts.append(.misbehaved(peer, "sent a certificate that does not verify"))
      return false
    }
    store(certificate)
    settle()
    return true
  }

  /// Most certificates that come are held already: looked up in place.
  private mutating func holds(_ kind: Ballot.Kind, of view: View) -> Bool {
    guard let place = views.index(forKey: view) else { return false }
    return { (ledger: inout ViewLedger) in ledger.holds(kind) }(&views.values[place])
  }

  package func verifies(_ certificate: Certificate) -> Bool {
    verifier.verify(certificate, in: committee) != nil
      || (broken(.epochNotBound) || broken(.certificatesUnverified))
        && certificate.signers.count >= committee.quorum
  }

  private func boundUnverified(_ certificate: Certificate) -> Certificate? {
    let ballot = certificate.ballot
    guard ballot.subnet == committee.subnet else { return nil }
    if ballot.epoch == committee.epoch { return certificate }
    guard broken(.epochNotBound) else { return nil }
    return Certificate(
      ballot: ballot.rebound(to: committee.epoch), signers: certificate.signers,
      signatures: certificate.signatures)
  }

  /// Rules R5 and R7: keep, pass on once, act on.
  mutating func store(_ certificate: Certificate) {
    let target = certificate.view
    guard target > floor else { return }
    if certificate.kind == .notarize, broken(.equivocationHidesNotarization),
      views[target]?.leaderEquivocated == true
    {
      return
    }
    views[target, default: ViewLedger()].store(certificate)
    accuseBesides(certificate)
    acts.append(.record(.certificate(certificate)))
    acts.append(.say(.certificate(certificate), to: nil))
    acts.append(.certified(certificate))
    stirred = true
    conclude(certificate)
  }

  /// A signature in a certificate is a vote too: whoever voted otherwise here is accused.
  private mutating func accuseBesides(_ certificate: Certificate) {
    guard let others = views[certificate.view]?.votes(against: certificate), !others.isEmpty else {
      return
    }
    let signed = Array(zip(certificate.signers.ids, certificate.signatures))
    for other in others {
      guard let signature = signed.first(where: { $0.0 == other.signer })?.1 else { continue }
      accuse(
        other,
        Vote(ballot: certificate.ballot, signer: other.signer, signature: signature))
    }
  }

  /// What follows from a stored certificate.
  mutating func conclude(_ certificate: Certificate) {
    let target = certificate.view
    switch certificate.kind {
    case .notarize:
      guard let block = certificate.ballot.block else { return }
      if views[target]?.nullification != nil {
        acts.append(.reached(.notarizedAndNullified))
      }
      pursue(block, target)
      guard chain[block]?.ready == true else { return }
      considerFinalize(target)
      if target >= view { enter(target.next) }
    case .nullify:
      if views[target]?.notarization != nil {
        acts.append(.reached(.notarizedAndNullified))
      }
      if target >= view { enter(target.next) }
    case .finalize:
      guard let block = certificate.ballot.block, target > floor else { return }
      chain.raiseFloor(to: target, block)
      pace.quicken()
      unsettled.removeAll { $0 <= target }
      pursue(block, target)
      deliver()
      chain.thin()
      refreshOpen()
      if target >= view { enter(target.next) }
      forget()
    }
  }

  /// Starts to make a notarized or finalized block ready.
  private mutating func pursue(_ digest: Digest, _ target: View) {
    if broken(.readinessDropped), views[target]?.nullification != nil,
      digest != chain.floorDigest
    {
      return
    }
    if !chain.holdsBlock(digest) {
      if digest != chain.delivered.digest { acts.append(.want(digest, target)) }
    } else {
      journal(digest)
      refresh(digest)
    }
  }

  // MARK: The finalized chain

  /// Rule R7: delivers the floor's block and all its ancestors in order, once all are held.
  private mutating func deliver() {
    switch chain.pathToFloor() {
    case .none: return
    case .missing(let digest, let below):
      let gap = (below ?? 0).above(chain.delivered.header.height)
      if gap <= VotingLimits.singleFetchHeightsMax + 1 { acts.append(.want(digest, floor)) }
    case .whole(let path):
      for digest in path { deliver(digest) }
      chain.forgetForks()
      refreshOpen()
      stirred = true
    }
  }

  private mutating func deliver(_ digest: Digest) {
    guard let block = chain.block(digest) else { preconditionFailure("delivers what is not held") }
    if broken(.readyIsHeaderOnly) { acts.append(.record(.block(digest: digest, block))) }
    journal(digest)
    chain.deliver(digest)
    acts.append(.finalized(block, digest))
  }

  /// No member answers a range: blocks above the gap are kept, to go down from them one by one.
  package mutating func keepAboveGap(_ keeps: Bool) {
    guard keeps != chain.rangesFail else { return }
    chain.rangesFail = keeps
    chain.thin()
  }

  /// A range of blocks from the tip upwards, for catching up.
  /// - Parameter holds: whether a block's bodies are those that its header names; asked only of
  ///   blocks that follow the tip and that a finalization covers.
  /// - Returns: whether the chain grew.
  package mutating func extend(
    _ blocks: [(block: Block, digest: Digest)], finalizations: [Certificate],
    holds: (Block) -> Bool = { _ in true }
  ) -> Bool {
    var expected = chain.delivered.digest
    var run: [(block: Block, digest: Digest)] = []
    for (block, digest) in blocks where block.header.height > chain.delivered.header.height {
      guard block.header.parent == expected,
        block.header.height == chain.delivered.header.height.advanced(by: UInt64(run.count) + 1)
      else { break }
      run.append((block, digest))
      expected = digest
    }
    guard let last = lastCovered(run.map(\.digest), by: finalizations),
      run[...last.index].allSatisfy({ holds($0.block) })
    else { return false }
    // Before the floor rises: what it leaves behind above a gap is thinned, and this is no gap.
    // Each before the next one comes, so what is open stays little however long the run is.
    for (block, digest) in run[...last.index] {
      chain.insert(block.header, digest)
      chain.update(digest) {
        if $0.block == nil { $0.block = block }
        $0.stage = max($0.stage, .complete)
      }
      deliver(digest)
    }
    if let certificate = last.certificate {
      if certificate.view > floor {
        store(certificate)
      } else {
        acts.append(.record(.certificate(certificate)))
      }
    }
    chain.forgetForks()
    deliver()
    refreshOpen()
    stirred = true
    settle()
    return true
  }

  /// Whether a finalization that is known is of one of these.
  package func covers(_ blocks: [(block: Block, digest: Digest)]) -> Bool {
    broken(.rangeUnverified) || blocks.contains { $0.digest == chain.floorDigest }
  }

  /// The last of these that a finalization covers.
  private func lastCovered(
    _ digests: [Digest], by finalizations: [Certificate]
  ) -> (index: Int, certificate: Certificate?)? {
    if broken(.rangeUnverified), let last = digests.indices.last { return (last, nil) }
    for index in digests.indices.reversed() {
      if digests[index] == chain.floorDigest { return (index, nil) }
      for certificate in finalizations
      where certificate.kind == .finalize && certificate.ballot.block == digests[index] {
        if verifies(certificate) { return (index, certificate) }
      }
    }
    return nil
  }

  /// Forgets views below the floor less what repair may still ask for.
  private mutating func forget() {
    let keep = floor.number > Limits.viewsRetained ? floor.number - Limits.viewsRetained : 0
    if keep > forgotten.number + VotingLimits.viewsForgottenLate * Limits.viewsRetained {
      // A jump: what is in between was never more than a few.
      for target in views.keys.sorted() where target.number < keep { views[target] = nil }
      forgotten = View(keep)
    }
    while forgotten.number < keep {
      views[forgotten] = nil
      forgotten = forgotten.next
    }
  }
}
