import Wire

/// Entering views and their alarms (rules R1, R2, R12).
extension Simplex {
  /// Enters a view unless it is not above the current one.
  mutating func enter(_ next: View) {
    guard next > view else { return }
    if view > 0, next.number > view.number + Limits.viewsAheadMax {
      acts.append(.reached(.voterJumped))
    }
    if view > 0, !broken(.staleAlarmNullifies) {
      for alarm in [ViewAlarm.leader, .progress, .idle] { acts.append(.disarm(alarm, view)) }
    }
    view = next
    seat = nil
    notePassedViews()
    unsettled.append(next)
    if views[next] == nil { views[next] = ViewLedger() }
    leisurely = !busy
    armAlarms()
    acts.append(.entered(next, leader: leader))
    stirred = true
  }

  /// Rule R12: each view lived in and left without finality slows the pace, once.
  private mutating func notePassedViews() {
    let (floor, current) = (floor, view)
    guard !unsettled.isEmpty else { return }
    var left: [View] = []
    for past in unsettled where past > floor {
      if views[past]?.nullification != nil || current.above(past) >= 2 {
        pace.slow()
      } else {
        left.append(past)
      }
    }
    unsettled = left
  }

  func armsFromIdle() -> Bool { leisurely && leader != me }

  mutating func armAlarms() {
    let delay = pace.delay
    let rest = armsFromIdle() ? idle : Span(0)
    acts.append(.arm(.leader, view, after: delay.times(2).advanced(by: rest.number)))
    let patience = leisurely ? idle : Span(0)
    acts.append(.arm(.progress, view, after: delay.times(3).advanced(by: patience.number)))
  }

  /// An alarm of a view rang.
  package mutating func ring(_ alarm: ViewAlarm, _ rung: View) {
    guard rung == view else {
      if broken(.staleAlarmNullifies), alarm != .idle, rung < view, rung > 0 { nullify(rung) }
      return
    }
    switch alarm {
    case .idle: stirred = true
    case .leader: leaderAlarm()
    case .progress: nullify(view)
    }
    settle()
  }

  private mutating func leaderAlarm() {
    let ledger = views[view]
    if leader == me {
      // A leader that has its parent may still be waiting for calls.
      if seat == nil, ledger?.ownNotarize == nil { nullify(view) }
    } else if ledger?.ownNotarize == nil {
      nullify(view)
    }
  }

  // MARK: The leader

  /// Rule R2: the parent is the highest ready or finalized notarized view such that every view
  /// between it and this one is nullified.
  mutating func takeSeat() {
    switch parentOfSeat() {
    case .parent(let parentView, let digest):
      guard let header = chain.header(of: digest) else { return }
      seat = Seat(view: view, parentView: parentView, parent: digest, parentHeader: header)
    case .lacking:
      guard askedIn < view else { return }
      askedIn = view
      acts.append(.reached(.proposerParentMissing))
      let wanted = Message.viewsWanted(lackingAncestors)
      for step in 1...2 {
        let id = ReplicaID(UInt16((me.index + step) % committee.size))
        if id != me { acts.append(.say(wanted, to: id)) }
      }
    }
  }

  private enum SeatParent { case parent(View, Digest), lacking }

  private func parentOfSeat() -> SeatParent {
    var below = View(view.number - 1)
    while below > floor {
      let ledger = views[below]
      if let block = ledger?.notarization?.ballot.block, chain[block]?.ready == true {
        return .parent(below, block)
      }
      guard ledger?.nullification != nil || broken(.nullificationGapIgnored) else {
        return .lacking
      }
      below = View(below.number - 1)
    }
    return .parent(floor, chain.floorDigest)
  }

  /// Proposes: the leader's proposal is its own notarize.
  /// - Precondition: `seat` is not nil and the block is built on it.
  package mutating func propose(
    _ block: Block, _ digest: Digest, inlined: [SignedCall]
  ) {
    guard let seat else { preconditionFailure("proposes without the right to") }
    precondition(block.header.view == seat.view && seat.view == view, "of another view")
    precondition(block.header.parent == seat.parent, "built on another parent")
    self.seat = nil
    chain.insert(block.header, digest)
    chain.update(digest) {
      $0.block = block
      $0.stage = .complete
      $0.judged = true
    }
    views[view]?.proposal = ViewLedger.Proposal(digest: digest, header: block.header)
    journal(digest)
    let header = block.header
    cast(
      .notarize(
        subnet: committee.subnet, epoch: committee.epoch, view: view,
        parentView: header.parentView, block: digest)
    ) { .proposal(header: header, inlined: inlined, vote: $0) }
    settle()
  }

  /// The leader's alarm that ends its wait for calls.
  package mutating func awaitCalls(_ span: Span) { acts.append(.arm(.idle, view, after: span)) }
}
