import Consensus
import Signing
import Wire

/// What was asked and answered lately.
///
/// - Bound: a few counters a member, `Limits.viewsPerRequestMax` blocks that are wanted, and a
///   range that is begun: `VotingLimits.aboveGapBytesMax`.
struct RepairBook: Sendable {
  private(set) var ticks: UInt64 = 0
  var viewEntered: UInt64 = 0
  var lastView: View = 0
  /// How often each wanted block was asked for.
  var attempts: [Digest: Int] = [:]
  var rangeAskedAt: UInt64 = 0
  /// The tick up to which whoever was asked last is asked for more of the range.
  var rangeUntil: UInt64 = 0
  var rangeAsked: (peer: ReplicaID, from: Height)?
  /// What that peer sent of blocks that follow the tip and that no finalization covers yet.
  var rangeBegun = RangeBegun()
  private var rangeTurn = 0
  /// For how many turns each member is passed by.
  private var rangePasses: [Int]
  /// How often each member sent bodies that are not those of its blocks.
  private var rangeLies: [Int]
  /// How many ranges were asked for since one came.
  var rangesMissed = 0
  var caughtUpFrom: Height = 0
  /// How many answers with blocks each member owes; a slow link brings them ticks later.
  private var expected: [Int]
  private var answered: [Int]
  private var answeredBytes: [Int]
  private var told: [Int]
  private var hinted = MemberSet()
  private var ahead = MemberSet()

  private let isUnlimited: Bool

  init(size: Int, isUnlimited: Bool = false) {
    self.isUnlimited = isUnlimited
    expected = [Int](repeating: 0, count: size)
    answered = expected
    answeredBytes = expected
    told = expected
    rangePasses = expected
    rangeLies = expected
  }

  mutating func tick() {
    ticks += 1
    for index in answered.indices {
      answered[index] = 0
      answeredBytes[index] = 0
      told[index] = 0
    }
    hinted = MemberSet()
    ahead = MemberSet()
  }

  /// Rule R13: repair is rate-limited, by answers and by their bytes.
  mutating func mayAnswer(_ peer: ReplicaID) -> Bool {
    answered[peer.index] += 1
    return isUnlimited
      || answered[peer.index] <= ReplicaLimits.answersPerTickMax
        && answeredBytes[peer.index] <= ReplicaLimits.answerBytesPerTickMax
  }

  mutating func charge(_ peer: ReplicaID, _ bytes: Int) { answeredBytes[peer.index] += bytes }

  mutating func mayTell(of peer: ReplicaID) -> Bool {
    guard peer.index < told.count else { return true }
    told[peer.index] += 1
    return told[peer.index] <= ReplicaLimits.noticesPerPeerMax
  }

  /// Rule R13: whoever sent so much that no correct replica sends is not listened to before the
  /// next tick, so bad signatures cannot take up the time that good ones need.
  func bears(_ peer: ReplicaID) -> Bool {
    peer.index < told.count && told[peer.index] < ReplicaLimits.noticesPerPeerMax
  }

  mutating func mayHint(_ peer: ReplicaID) -> Bool { hinted.insert(peer) }
  mutating func mayAskAhead(_ peer: ReplicaID) -> Bool { ahead.insert(peer) }

  mutating func expectBlocks(_ peer: ReplicaID) {
    expected[peer.index] = min(expected[peer.index] + 1, ReplicaLimits.answersPerTickMax)
  }

  /// Blocks are taken only of those asked.
  mutating func takesBlocks(_ peer: ReplicaID) -> Bool {
    guard expected[peer.index] > 0 else { return false }
    expected[peer.index] -= 1
    return true
  }

  // MARK: Ranges

  /// Who is asked for a range next: those who failed lately come after the others.
  mutating func nextOfRange(in size: Int, after me: ReplicaID) -> ReplicaID {
    let others = max(1, size - 1)
    func member(_ turn: Int) -> ReplicaID { ReplicaID(UInt16((me.index + 1 + turn) % size)) }
    let first = (rangeTurn + 1) % others
    for step in 0..<others {
      rangeTurn = (first + step) % others
      let peer = member(rangeTurn)
      guard rangePasses[peer.index] > 0 else { return peer }
      rangePasses[peer.index] -= 1
    }
    rangeTurn = first
    return member(first)
  }

  mutating func missRange(of peer: ReplicaID) {
    rangePasses[peer.index] = max(rangePasses[peer.index], ReplicaLimits.rangeTurnsPassed)
  }

  /// What could be verified at the very end of a range only cost the most it can: whoever did that
  /// is passed by for longer each time.
  mutating func lied(_ peer: ReplicaID) {
    rangePasses[peer.index] = ReplicaLimits.rangeTurnsPassed << rangeLies[peer.index]
    rangeLies[peer.index] = min(rangeLies[peer.index] + 1, ReplicaLimits.rangeTurnsDoubledMax)
  }

  /// A range came.
  mutating func takeRange(of peer: ReplicaID) {
    rangePasses[peer.index] = 0
    rangesMissed = 0
    rangeBegun = RangeBegun()
  }
}

/// Blocks that each follow the one before.
struct RangeBegun: Sendable {
  private(set) var blocks: [(block: Block, digest: Digest)] = []
  private var weight = 0

  /// Does not go through those that are there, so that many pieces are taken in linear time.
  ///
  /// - Parameter tip: what the first of all follows.
  /// - Returns: false where one does not follow, or there is no room; then nothing is taken.
  mutating func append(
    _ piece: [(block: Block, digest: Digest)], after tip: Chain.Tip
  ) -> Bool {
    let whole = weight + piece.weight
    guard whole <= VotingLimits.aboveGapBytesMax,
      blocks.first.map({ $0.block.header.parent == tip.digest }) ?? true
    else { return false }
    var expected =
      blocks.last.map { ($0.block.header.height.next, $0.digest) }
      ?? (tip.header.height.next, tip.digest)
    for (block, digest) in piece {
      guard (block.header.height, block.header.parent) == expected else { return false }
      expected = (block.header.height.next, digest)
    }
    blocks += piece
    weight = whole
    return true
  }
}

extension [(block: Block, digest: Digest)] {
  fileprivate var weight: Int { reduce(0) { $0 + $1.block.weight } }
}

/// Repair and catch-up (rule R11).
extension Replica {
  mutating func tick() {
    repair.tick()
    defer { outbox.now(.arm(.repair, after: simplex.pace.delay)) }
    guard recovery == nil else {
      askAll()
      return
    }
    repairView()
    repairBlocks()
    repairStates()
    repairCalls()
    repair.lastView = simplex.view
  }

  /// While a view does not move: own votes and what led into it again, and what is lacking.
  private mutating func repairView() {
    guard repair.lastView == simplex.view else { return }
    let ticks = repair.ticks - repair.viewEntered
    let waited = simplex.pace.delay.times(ticks)
    let patience = configuration.idle.advanced(by: simplex.pace.delay.number)
    guard simplex.isEngaged || waited > patience else { return }
    simplex.resend(to: nil)
    let lacking = simplex.lackingViews
    reached(.repairView)
    if lacking.contains(where: simplex.isNullified) { reached(.repairParent) }
    let turn = Int(ticks % 1_000_000)
    if turn <= 1, simplex.leader != me { send(.viewsWanted(lacking), to: simplex.leader) }
    for peer in others(turn) { send(.viewsWanted(lacking), to: peer) }
  }

  /// Two members besides this one, others each turn.
  private func others(_ turn: Int) -> [ReplicaID] {
    let size = committee.size
    guard size > 1 else { return [] }
    var out: [ReplicaID] = []
    for step in 0..<min(ReplicaLimits.askedPerTick, size - 1) {
      let offset = 1 + (turn * ReplicaLimits.askedPerTick + step) % (size - 1)
      out.append(ReplicaID(UInt16((me.index + offset) % size)))
    }
    return out
  }

  // MARK: Blocks

  /// Every member was asked for a range and none came.
  private var rangesFail: Bool { repair.rangesMissed >= committee.size }

  /// A block is needed: first of the leader of its view, at once, unless so many are lacking that
  /// it has to wait for a tick. Between two ticks many may become final elsewhere before they come.
  mutating func want(_ digest: Digest, _ view: View) {
    guard simplex.chain.block(digest) == nil, repair.attempts[digest] == nil else { return }
    if repair.attempts.count >= Limits.viewsPerRequestMax {
      let lacking = Set(simplex.lackingBlocks.map(\.digest))
      repair.attempts = repair.attempts.filter { lacking.contains($0.key) }
      guard repair.attempts.count < Limits.viewsPerRequestMax else { return }
    }
    repair.attempts[digest] = 1
    let leader = committee.leader(of: view)
    let peer = leader == me ? others(Int(view.number % 1_000)).first : leader
    if let peer { ask(for: digest, of: peer) }
  }

  private mutating func ask(for digest: Digest, of peer: ReplicaID) {
    repair.expectBlocks(peer)
    send(.blockWanted(digest), to: peer)
  }

  private mutating func repairBlocks() {
    var lacking = simplex.lackingBlocks
    if repair.rangeAsked != nil, !rangesFail, simplex.chain[simplex.chain.floorDigest] != nil {
      // What is missing below the last finalized block comes by ranges, once that is known.
      lacking.removeAll { $0.view == simplex.floor }
    }
    var attempts: [Digest: Int] = [:]
    for (digest, view) in lacking.prefix(Limits.viewsPerRequestMax) {
      let attempt = repair.attempts[digest, default: 0]
      attempts[digest] = attempt + 1
      if broken(.blocksFromLeaderOnly) {
        let leader = committee.leader(of: view)
        if leader != me { ask(for: digest, of: leader) }
        continue
      }
      if attempt > 1 { reached(.repairBlockOfOthers) }
      for peer in others(attempt) { ask(for: digest, of: peer) }
    }
    repair.attempts = attempts
    for place in assemblies.indices {
      let attempt = assemblies[place].attempts
      let isLeaders = attempt % 3 == 0 || broken(.blocksFromLeaderOnly)
      let peers = isLeaders ? [assemblies[place].source] : others(attempt)
      for peer in peers { askBodies(place, of: peer) }
    }
    catchUp(isTick: true)
  }

  /// Rule R13: so much a tick, and no more.
  mutating func mayAnswer(_ peer: ReplicaID) -> Bool {
    let may = repair.mayAnswer(peer)
    if !may { reached(.repairRationed) }
    return may
  }

  mutating func answer(blockWanted digest: Digest, to peer: ReplicaID) {
    guard mayAnswer(peer) else { return }
    if let block = simplex.chain.block(digest) {
      repair.charge(peer, block.weight)
      send(.blocks([block], finalizations: []), to: peer)
    } else {
      repair.charge(peer, ReplicaLimits.servedBytes)
      outbox.now(.serve(.block(digest), to: peer))
    }
  }

  mutating func answer(blocksWanted from: Height, _ count: UInt32, to peer: ReplicaID) {
    guard mayAnswer(peer), from > 0, from <= simplex.chain.delivered.header.height,
      count > 0
    else { return }
    repair.charge(peer, ReplicaLimits.servedRangeBytes)
    let most = min(count, UInt32(Limits.blocksPerAnswerMax))
    outbox.now(.serve(.blocks(from: from, count: most), to: peer))
  }

  /// Far behind: ranges of finalized blocks, of one member after the other.
  mutating func catchUp(isTick: Bool) {
    let tip = simplex.chain.delivered.header.height
    let goal = simplex.chain[simplex.chain.floorDigest]?.header.height
    guard goal != nil || simplex.floor <= simplex.chain.delivered.view else {
      // The block of the last finalization comes first; what is known of the gap stays so, and a
      // range that is begun.
      return
    }
    guard simplex.floor > simplex.chain.delivered.view, let goal,
      goal.above(tip) > VotingLimits.singleFetchHeightsMax
    else {
      endRange()
      repair.rangesMissed = 0
      simplex.keepAboveGap(false)
      return
    }
    let range = repair.rangeBegun.blocks
    let isFollowed = range.first?.block.header.parent == simplex.chain.delivered.digest
    let begun = isFollowed ? UInt64(range.count) : 0
    if let asked = repair.rangeAsked, asked.from == tip.next.advanced(by: begun) {
      guard isTick, repair.ticks > repair.rangeAskedAt + 1 else { return }
      if begun > 0, repair.ticks < repair.rangeUntil {
        // Whoever sends much at once has answered enough for a tick.
        askRange(from: asked.from, to: goal, of: asked.peer)
        return
      }
      repair.missRange(of: asked.peer)
      reached(.catchUpAnother)
    }
    if repair.caughtUpFrom == 0 || repair.caughtUpFrom > tip {
      repair.caughtUpFrom = tip.next
      outbox.now(.notice(.catchingUp(from: tip.next, to: goal)))
    }
    let peer = repair.nextOfRange(in: committee.size, after: me)
    endRange()
    guard peer != me else { return }
    let rounds = min(repair.rangesMissed / committee.size, ReplicaLimits.rangeTicksDoubledMax)
    repair.rangeUntil = repair.ticks + ReplicaLimits.rangeTicks << rounds
    repair.rangesMissed += 1
    simplex.keepAboveGap(rangesFail)
    askRange(from: tip.next, to: goal, of: peer)
  }

  private mutating func askRange(from first: Height, to goal: Height, of peer: ReplicaID) {
    repair.rangeAsked = (peer, first)
    repair.rangeAskedAt = min(repair.ticks, repair.rangeUntil)
    repair.expectBlocks(peer)
    let count = UInt32(min(max(1, goal.next.above(first)), UInt64(Limits.blocksPerAnswerMax)))
    send(.blocksWanted(from: first, count: count), to: peer)
  }

  private mutating func endRange() {
    repair.rangeAsked = nil
    repair.rangeBegun = RangeBegun()
  }

  /// An answer has room for a few large blocks only. Where no finalization is held of those, for
  /// they became final as ancestors, whoever sent them is asked for what follows. Nothing of it can
  /// be verified before a finalization comes, so all of it has a few ticks.
  ///
  /// - Parameter piece: an answer that is full, as it would not end otherwise.
  private mutating func goOn(
    after piece: [(block: Block, digest: Digest)], from peer: ReplicaID
  ) {
    let chain = simplex.chain
    guard let last = piece.last else { return }
    let more = last.block.header.height.advanced(by: UInt64(Limits.blocksPerAnswerMax))
    let goal = chain[chain.floorDigest]?.header.height ?? more
    guard last.block.header.height < goal,
      piece.count == Limits.blocksPerRangeMax
        || piece.weight + Limits.blockWeightMax > Limits.answerWeightMax,
      repair.rangeBegun.append(piece, after: chain.delivered)
    else { return }
    askRange(from: last.block.header.height.next, to: goal, of: peer)
  }

  mutating func receive(
    _ blocks: [Block], _ finalizations: [Certificate], from peer: ReplicaID
  ) {
    guard repair.takesBlocks(peer) else {
      // A repeated answer, or one to a question asked before a restart.
      reached(.repairBlocksUnasked)
      return
    }
    let named = blocks.prefix(Limits.blocksPerRangeMax)
      .map { (block: $0, digest: $0.header.digest) }
    guard let first = named.first else { return }
    let isAsked =
      repair.rangeAsked.map { $0.peer == peer && $0.from == first.block.header.height } ?? false
    if named.count == 1, finalizations.isEmpty && !isAsked || isLacking(first.digest) {
      receive(single: first.block, first.digest, from: peer)
      return
    }
    if isAsked, finalizations.isEmpty, !simplex.covers(named) {
      goOn(after: named, from: peer)
      performCatchUp()
      return
    }
    let range = isAsked ? repair.rangeBegun.blocks + named : named
    let (verifier, subnet) = (configuration.verifier, committee.subnet)
    var isWhole = true
    var weight = 0
    let grew = simplex.extend(range, finalizations: finalizations) { block in
      weight += block.weight
      isWhole = block.bodiesHold(verifier, subnet)
      // Others would not take more of this replica, and stand where it stood.
      return isWhole && weight <= VotingLimits.aboveGapBytesMax
    }
    if grew {
      repair.takeRange(of: peer)
      simplex.keepAboveGap(false)
      reached(.catchUpRange)
    } else if !isWhole {
      reached(.repairBlockRefused)
      misbehaved(peer, "sent a finalized block whose bodies are not those of its header")
      repair.lied(peer)
      if isAsked { endRange() }
    } else if weight > VotingLimits.aboveGapBytesMax {
      reached(.catchUpRangeRefused)
      repair.missRange(of: peer)
      endRange()
    } else if first.block.header.height > simplex.chain.delivered.header.height {
      reached(.catchUpRangeRefused)
    }
    performCatchUp()
  }

  private mutating func performCatchUp() { catchUp(isTick: false) }

  private func isLacking(_ digest: Digest) -> Bool {
    simplex.lackingBlocks.contains { $0.digest == digest }
  }

  private mutating func receive(single block: Block, _ digest: Digest, from peer: ReplicaID) {
    guard isLacking(digest) else { return }
    guard block.calls.count == block.header.calls.count else {
      misbehaved(peer, "sent a block without all its bodies")
      return
    }
    var bodies: [VerifiedCall] = []
    for (signed, name) in zip(block.calls, block.header.calls) {
      if let held = pool[name]?.call {
        bodies.append(held)
        continue
      }
      guard let call = try? configuration.verifier.verify(signed, subnet: committee.subnet),
        call.digest == name
      else {
        reached(.repairBlockRefused)
        return
      }
      bodies.append(call)
    }
    assemblies.removeAll { $0.digest == digest }
    repair.attempts[digest] = nil
    simplex.complete(
      Block(header: block.header, calls: bodies.map(\.signed)), digest, bodies: bodies)
    performCatchUp()
  }

  // MARK: Views

  mutating func answer(viewsWanted views: [View], to peer: ReplicaID) {
    guard mayAnswer(peer) else { return }
    let certificates = simplex.answer(viewsWanted: views)
    guard !certificates.isEmpty else { return }
    reached(.repairViewsAnswered)
    outbox.voice(.send(.views(certificates), to: .one(peer)))
  }

  /// A peer votes in a view that is over: it gets what ended that view.
  mutating func hint(_ peer: ReplicaID, _ view: View) {
    guard !broken(.noCertificateResend), repair.mayHint(peer) else { return }
    let certificates = simplex.answer(viewsWanted: [view, view.next])
    guard !certificates.isEmpty else { return }
    reached(.repairHinted)
    outbox.voice(.send(.views(certificates), to: .one(peer)))
  }

  mutating func askAhead(_ peer: ReplicaID) {
    guard repair.mayAskAhead(peer) else { return }
    reached(.repairAhead)
    send(.viewsWanted([simplex.view]), to: peer)
  }

  // MARK: States and calls

  /// A certificate that did not form within a tick is pulled.
  private mutating func repairStates() {
    guard gathersStatesNow else { return }
    let (lacking, most) = (states.uncertified, ReplicaLimits.statesPulledMax)
    // By turns, so that heights which nobody can certify any more hold up no others.
    let first = lacking.count > most ? Int(repair.ticks % UInt64(lacking.count)) : 0
    for height in (lacking[first...] + lacking[..<first]).prefix(most) {
      guard let entry = states[height], entry.executedAt + 1 < repair.ticks else { continue }
      reached(.statePulled)
      for peer in others(Int((repair.ticks &+ height.number) % 1_000_000)) {
        send(.stateWanted(height), to: peer)
      }
    }
  }

  private var gathersStatesNow: Bool {
    halt != .quarantined
      && (!broken(.backpressureGatesCertificates)
        || simplex.chain.delivered.header.height.above(states.highestHeight)
          <= Limits.uncertifiedHeightsMax)
  }

  private mutating func repairCalls() {
    // By block time, which every later block is past: none will execute what is dropped here.
    if !broken(.expiredCallsExecuted) {
      for digest in pool.expired(at: simplex.chain.delivered.header.time) { drop(digest) }
    }
    for (digest, holder) in pool.unheld(atMost: ReplicaLimits.bodiesPulledMax) {
      send(.callsWanted([digest]), to: holder)
    }
    if repair.ticks % ReplicaLimits.spreadAgainTicks == 0, !pool.isEmpty {
      pool.forgetTold()
      var own: [Digest] = []
      pool.forEach { entry in
        if entry.origin == nil { own.append(entry.call.digest) }
        return own.count < Limits.callsPerBlockMax / 8
      }
      unspread += own
      announceDue = true
    }
    simplex.turn(busy: isBusy)
  }
}

extension Block {
  /// Whether the bodies are those that the header names, each in an envelope that holds: what a
  /// peer left of a signature would be kept, executed and served on.
  fileprivate func bodiesHold(_ verifier: Verifier, _ subnet: SubnetID) -> Bool {
    guard calls.count == header.calls.count else { return false }
    return zip(calls, header.calls).allSatisfy { signed, name in
      let verified = try? verifier.verify(signed, subnet: subnet)
      return verified?.digest == name
    }
  }
}
