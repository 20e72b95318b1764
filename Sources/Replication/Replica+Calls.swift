import Consensus
import Signing
import Wire

/// Bodies of calls: taking, spreading, announcing, gathering for headers.
extension Replica {
  /// A header that waits for bodies.
  struct Assembly: Sendable {
    let digest: Digest
    let header: Header
    let source: ReplicaID
    var bodies: [VerifiedCall?]
    var missing: Int
    var attempts = 0

    mutating func fill(_ call: VerifiedCall) {
      guard let place = header.calls.place(of: call.digest), bodies[place] == nil else { return }
      bodies[place] = call
      missing -= 1
    }

    func lacks(_ call: Digest) -> Bool {
      header.calls.place(of: call).map { bodies[$0] == nil } ?? false
    }

    var missingDigests: [Digest] {
      zip(header.calls, bodies).filter { $0.1 == nil }.map(\.0)
    }
  }

  /// Verified bodies, of a peer or of a client.
  mutating func take(_ calls: [VerifiedCall], from origin: ReplicaID?) {
    if let origin, !committee.contains(origin) || origin == me { return }
    for call in calls {
      guard call.signed.call.subnet == committee.subnet,
        call.signed.call.stepLimit <= Limits.stepsPerBlockMax
      else {
        if origin == nil { outbox.now(.notice(.expired(call.digest))) }
        continue
      }
      fillAssemblies(call)
      guard mayBeOrdered(call.signed.call) else {
        if origin == nil { outbox.now(.notice(.expired(call.digest))) }
        continue
      }
      switch pool.add(call, from: origin) {
      case .added:
        if origin == nil { unspread.append(call.digest) } else { announceDue = true }
      case .known: if pool.wasOrdered(call.digest) { reached(.poolKnown) }
      case .full:
        reached(.poolFull)
        if origin == nil { outbox.now(.notice(.crowdedOut(call.digest))) }
      }
    }
    completeAssemblies()
    simplex.turn(busy: isBusy)
  }

  /// Whether a block to come may hold the call: others would only take up room.
  private func mayBeOrdered(_ call: Call) -> Bool {
    let time = simplex.chain.delivered.header.time
    let latest = max(now, time).advanced(by: 2 * Limits.callLifetimeMax.milliseconds)
    return broken(.expiredCallsExecuted)
      || time <= call.expiry && (call.expiry <= latest || broken(.farFutureCallsExecuted))
  }

  /// Bodies whose envelopes nobody verified yet.
  mutating func receive(_ calls: [SignedCall], from peer: ReplicaID) {
    take(verified(calls, from: peer), from: peer)
  }

  /// Those that hold; what the pool has is not verified again.
  private mutating func verified(_ calls: [SignedCall], from peer: ReplicaID) -> [VerifiedCall] {
    var out: [VerifiedCall] = []
    out.reserveCapacity(calls.count)
    var bad = 0
    for signed in calls {
      if let held = pool[signed.call.digest]?.call {
        out.append(held)
        continue
      }
      do throws(Refusal) {
        out.append(try configuration.verifier.verify(signed, subnet: committee.subnet))
      } catch {
        bad += 1
        misbehaved(peer, "sent a call that does not verify: \(error.code)")
        if bad >= ReplicaLimits.badCallsMax { break }
      }
    }
    return out
  }

  /// Sends clients' calls to all, once, and tells the next leaders what is held.
  mutating func spread() {
    if !unspread.isEmpty {
      let calls = unspread.compactMap { pool[$0]?.call.signed }
      unspread.removeAll(keepingCapacity: true)
      for chunk in chunks(calls) { outbox.now(.send(.calls(chunk), to: .all)) }
    }
    guard announceDue else { return }
    announceDue = false
    guard recovery == nil, !pool.isEmpty else { return }
    var leaders: [ReplicaID] = []
    for ahead in 0...ReplicaLimits.leadersAnnounced {
      let leader = committee.leader(of: simplex.view.advanced(by: ahead))
      if leader != me, !leaders.contains(leader) { leaders.append(leader) }
    }
    for leader in leaders {
      let digests = pool.untold(leader)
      if !digests.isEmpty { send(.announce(digests), to: leader) }
    }
  }

  /// Pieces that fit into messages.
  private func chunks(_ calls: [SignedCall]) -> [[SignedCall]] {
    var out: [[SignedCall]] = []
    var current: [SignedCall] = []
    var bytes = 0
    for call in calls {
      if !current.isEmpty,
        bytes + call.body.count > Limits.inlineBytesMax
          || current.count >= Limits.callsPerBlockMax
      {
        out.append(current)
        current = []
        bytes = 0
      }
      current.append(call)
      bytes += call.body.count + 512
    }
    if !current.isEmpty { out.append(current) }
    return out
  }

  mutating func receive(announced digests: [Digest], from peer: ReplicaID) {
    for digest in digests.prefix(Limits.digestsPerMessageMax) {
      pool.announce(digest, by: peer)
    }
  }

  mutating func answer(callsWanted digests: [Digest], to peer: ReplicaID) {
    guard mayAnswer(peer) else { return }
    var found: [SignedCall] = []
    var (bytes, searches) = (0, 0)
    for digest in digests.prefix(Limits.digestsPerMessageMax) {
      var call = pool[digest]?.call.signed
      if call == nil {
        searches += 1
        call = retained(digest)
      }
      guard let call else { continue }
      bytes += call.body.count + 512
      guard bytes <= Limits.blockBytesMax else { break }
      found.append(call)
    }
    repair.charge(peer, bytes + searches * ReplicaLimits.searchBytes)
    for chunk in chunks(found) { send(.calls(chunk), to: peer) }
  }

  /// A body from the blocks in memory.
  private func retained(_ digest: Digest) -> SignedCall? {
    simplex.chain.firstHeld { block in
      block.header.calls.place(of: digest).map { block.calls[$0] }
    }
  }

  // MARK: Proposals received

  /// - Parameter fillInlined: takes up the bodies that came beside the header.
  mutating func receive(
    proposal header: Header, _ vote: Vote, from peer: ReplicaID,
    _ fillInlined: (inout Self) -> Void
  ) {
    let digest = header.digest
    let isWanted = simplex.receive(proposal: header, digest, vote: vote, from: peer)
    guard isWanted else { return }
    assemble(header, digest, from: peer)
    if broken(.callsDroppedWhenProposed) { for call in header.calls { pool.order(call) } }
    fillInlined(&self)
    completeAssemblies()
    if let place = assemblies.firstIndex(where: { $0.digest == digest }) {
      askBodies(place, of: peer)
    }
  }

  mutating func fill(_ inlined: [VerifiedCall]) {
    for call in inlined { fillAssemblies(call) }
  }

  /// Whatever no header lacks is not worth a signature's time.
  mutating func fill(_ inlined: [SignedCall], from peer: ReplicaID) {
    for signed in inlined {
      let digest = signed.call.digest
      guard assemblies.contains(where: { $0.lacks(digest) }) else { continue }
      guard let call = verified([signed], from: peer).first else { break }
      fillAssemblies(call)
    }
  }

  private mutating func assemble(_ header: Header, _ digest: Digest, from peer: ReplicaID) {
    guard !assemblies.contains(where: { $0.digest == digest }) else { return }
    if assemblies.count >= ReplicaLimits.assembliesMax {
      // The lowest view gives way, so that old leaders cannot push the current one out.
      let views = assemblies.map(\.header.view)
      guard let lowest = views.min(), lowest < header.view,
        let place = views.firstIndex(of: lowest)
      else { return }
      assemblies.remove(at: place)
    }
    var assembly = Assembly(
      digest: digest, header: header, source: peer,
      bodies: [VerifiedCall?](repeating: nil, count: header.calls.count),
      missing: header.calls.count)
    for place in header.calls.indices {
      guard let call = pool[header.calls[place]]?.call, assembly.bodies[place] == nil else {
        continue
      }
      assembly.bodies[place] = call
      assembly.missing -= 1
    }
    assemblies.append(assembly)
  }

  private mutating func fillAssemblies(_ call: VerifiedCall) {
    for place in assemblies.indices { assemblies[place].fill(call) }
  }

  private mutating func completeAssemblies() {
    while let place = assemblies.firstIndex(where: { $0.missing == 0 }) {
      let assembly = assemblies.remove(at: place)
      let bodies = assembly.bodies.compactMap(\.self)
      simplex.complete(
        Block(header: assembly.header, calls: bodies.map(\.signed)), assembly.digest,
        bodies: bodies)
    }
  }

  mutating func askBodies(_ place: Int, of peer: ReplicaID) {
    let digests = assemblies[place].missingDigests.prefix(Limits.digestsPerMessageMax)
    assemblies[place].attempts += 1
    reached(.poolBodiesAsked)
    send(.callsWanted(Array(digests)), to: peer)
  }

  // MARK: Proposing

  /// Rule R2, the part that needs the pool: what to order, or how long to wait for it.
  mutating func considerProposing() {
    guard let seat = simplex.seat else { return }
    // A state of the height at hand is certified already: this replica is behind, and whatever it
    // proposed could not be valid.
    guard states.highestHeight <= seat.parentHeader.height else { return }
    let ancestors = openAncestors(of: seat)
    let mayOrder = mayOrder(at: seat.parentHeader.height.next)
    if !mayOrder, isBusy { reached(.proposerPressed) }
    let hasCalls = mayOrder && hasCallsToOrder(ancestors.calls)
    if hasCalls || idleEnded >= seat.view || hasCertificateToCarry(seat, ancestors.callHeight) {
      propose(seat, ancestors: ancestors.calls, mayOrder: mayOrder)
      return
    }
    guard idleArmed < seat.view else { return }
    idleArmed = seat.view
    let soon = !ancestors.calls.isEmpty || isBusy
    simplex.awaitCalls(soon ? min(configuration.delay, configuration.idle) : configuration.idle)
  }

  /// The calls of the blocks between the finalized tip and the seat, and the highest height with
  /// calls of the seat's chain.
  private func openAncestors(of seat: Seat) -> (calls: Set<Digest>, callHeight: Height) {
    var calls: Set<Digest> = []
    var callHeight = lastCallHeight
    var cursor = seat.parent
    while cursor != simplex.chain.delivered.digest, let header = simplex.chain.header(of: cursor) {
      if !header.calls.isEmpty { callHeight = max(callHeight, header.height) }
      for call in header.calls { calls.insert(call) }
      cursor = header.parent
    }
    return (calls, callHeight)
  }

  /// Whether there are calls that a leader would order.
  var isBusy: Bool { !pool.isEmpty && !isSplit }

  private var isSplit: Bool {
    if case .split = halt { true } else { false }
  }

  /// The bound `W`.
  private func mayOrder(at height: Height) -> Bool {
    guard !isSplit else { return false }
    return broken(.pressureBoundIgnored)
      || height.above(states.highestHeight) <= Limits.uncertifiedHeightsMax
  }

  private func hasCallsToOrder(_ ancestors: Set<Digest>) -> Bool {
    var found = false
    pool.forEach { entry in
      found = !ancestors.contains(entry.call.digest)
      return !found
    }
    return found
  }

  private func hasCertificateToCarry(_ seat: Seat, _ callHeight: Height) -> Bool {
    let carried = seat.parentHeader.certified?.height ?? 0
    return callHeight > carried && states.highestHeight > carried
  }

  private mutating func propose(_ seat: Seat, ancestors: Set<Digest>, mayOrder: Bool) {
    let least = seat.parentHeader.time.next
    if now < least { reached(.proposerTimeRaised) }
    let time = broken(.proposerClockTrusted) ? now : max(now, least)
    let picked = mayOrder ? pick(at: time, besides: ancestors) : Picked()
    let calls = picked.calls.sorted { $0.digest < $1.digest }
    let header = Header(
      subnet: committee.subnet, epoch: committee.epoch, view: seat.view,
      parentView: seat.parentView, parent: seat.parent, height: seat.parentHeader.height.next,
      time: time, calls: calls.map(\.digest), certified: states.highest)
    let block = Block(header: header, calls: calls.map(\.signed))
    let digest = header.digest
    for call in picked.inlined { unspread.removeAll { $0 == call.call.digest } }
    outbox.now(.notice(.proposed(seat.view, header.height, digest)))
    if broken(.callsDroppedWhenProposed) { for call in header.calls { pool.order(call) } }
    simplex.propose(block, digest, inlined: picked.inlined)
  }

  /// What a block may still hold, and what was put in.
  private struct Picked {
    var calls: [VerifiedCall] = []
    var inlined: [SignedCall] = []
    /// Some call found no room.
    var leftSome = false
    private var (bytes, inlineBytes, steps) = (0, 0, UInt64(0))

    /// - Parameter isSpread: enough others hold the body.
    mutating func take(_ call: VerifiedCall, isSpread: Bool) {
      let size = call.signed.body.count
      let claimed = call.signed.call.stepsClaimed
      guard calls.count < Limits.callsPerBlockMax, bytes + size <= Limits.blockBytesMax,
        steps + claimed <= Limits.stepsPerBlockMax,
        isSpread || inlineBytes + size <= Limits.inlineBytesMax
      else {
        leftSome = true
        return
      }
      if !isSpread {
        inlineBytes += size
        inlined.append(call.signed)
      }
      bytes += size
      steps += claimed
      calls.append(call)
    }
  }

  /// Calls in the order of arrival while all find room in a block; else by turns.
  private func pick(at time: Moment, besides ancestors: Set<Digest>) -> Picked {
    var entries: [CallPool.Entry] = []
    pool.forEach { entry in
      let isAlive = entry.call.signed.call.expiry >= time || broken(.expiredCallsExecuted)
      if isAlive, !ancestors.contains(entry.call.digest) { entries.append(entry) }
      return true
    }
    let picked = pick(from: entries)
    guard picked.leftSome, !broken(.turnsIgnored) else { return picked }
    return pick(from: CallPool.byTurns(entries))
  }

  private func pick(from entries: [CallPool.Entry]) -> Picked {
    let announcersNeeded = committee.faultsMax + 1
    var picked = Picked()
    for entry in entries {
      let isSpread = pool.announcers(of: entry.call.digest).count >= announcersNeeded
      picked.take(entry.call, isSpread: isSpread)
    }
    return picked
  }

  /// A call leaves the pool without being ordered.
  mutating func drop(_ digest: Digest) {
    if pool.remove(digest) { outbox.now(.notice(.expired(digest))) }
  }
}

extension [Digest] {
  /// Where a digest stands in ascending digests.
  package func place(of digest: Digest) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < digest { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low] == digest ? low : nil
  }
}
