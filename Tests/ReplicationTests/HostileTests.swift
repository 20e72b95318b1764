import Consensus
import Signing
import Testing
import Wire

@testable import Replication

private let committee = Committee(
  subnet: sha256([9]), epoch: 0,
  keys: (0..<4).compactMap { PublicKey(sha256([UInt8($0)]).bytes) })

/// One replica whose disk is at once durable, and what others send it.
private struct Lone {
  var replica: Replica
  var now: Moment = 1_000
  var records: [Record] = []
  var sent: [Message] = []
  /// Ranges that were asked for: `2: 7+6` of member 2, six blocks from height 7 upwards.
  var ranges: [String] = []
  /// Who was told of, in the order in which it was.
  var blamed: [ReplicaID] = []
  var expired: [Digest] = []
  private var pending: [Effect] = []
  private var isPerforming = false
  var crowdedOut: [Digest] = []
  /// What is to be answered from the journal.
  var served: [JournalRequest] = []

  init(firstStart: Bool = true) {
    let configuration = Configuration(
      committee: committee, me: 0, signer: .mock(committee.members[0].key), verifier: .mock,
      genesisRoot: .zero, genesisTime: 0, firstStart: firstStart, executedHeight: 0,
      nonce: sha256([5]))
    replica = Replica(configuration, restored: Restored())
    var effects: [Effect] = []
    replica.start(at: now, effects: &effects)
    perform(effects)
  }

  mutating func step(_ input: Input) {
    var effects: [Effect] = []
    replica.step(input, at: now, effects: &effects)
    perform(effects)
  }

  mutating func receive(_ message: Message, from peer: ReplicaID) {
    step(.received(message, from: peer))
  }

  mutating func tick() { step(.alarmRang(.repair)) }

  /// In the order given, what follows from an effect behind what is there already.
  private mutating func perform(_ effects: [Effect]) {
    pending += effects
    guard !isPerforming else { return }
    isPerforming = true
    defer { isPerforming = false }
    while !pending.isEmpty {
      switch pending.removeFirst() {
      case .journal(let ticket, let more):
        records += more
        step(.journaled(ticket))
      case .send(let message, let recipients):
        sent.append(message)
        if case .blocksWanted(let from, let count) = message, case .one(let peer) = recipients {
          ranges.append("\(peer.index): \(from.number)+\(count)")
        }
      case .execute(let height, _):
        let root = sha256([UInt8(truncatingIfNeeded: height.number)])
        step(.executed(BlockOutcome(height: height, stateRoot: root, receiptsRoot: root)))
      case .serve(let request, _): served.append(request)
      case .notice(.misbehaved(let peer, _)): blamed.append(peer)
      case .notice(.expired(let call)): expired.append(call)
      case .notice(.crowdedOut(let call)): crowdedOut.append(call)
      default: break
      }
    }
  }

  var signedHeights: [Height] {
    records.compactMap {
      if case .stateShare(let share) = $0 { share.statement.height } else { nil }
    }
  }
}

private func certificate(_ ballot: Ballot, spoiled: Bool = false) -> Certificate {
  var signatures = (1...3).map { index in
    let id = ReplicaID(UInt16(index))
    return Signer.mock(committee.members[index].key).vote(ballot, as: id, in: committee).value
      .signature
  }
  if spoiled { signatures[2] = signatures[0] }
  return Certificate(ballot: ballot, signers: Signers([1, 2, 3], of: 4), signatures: signatures)
}

private func nullification(_ view: View, spoiled: Bool = false) -> Certificate {
  certificate(.nullify(subnet: committee.subnet, epoch: 0, view: view), spoiled: spoiled)
}

private func header(
  _ view: View, _ height: Height, on parent: Header?, time: Moment, calls: [Digest] = []
) -> Header {
  Header(
    subnet: committee.subnet, epoch: 0, view: view, parentView: parent?.view ?? 0,
    parent: parent?.digest ?? .zero, height: height, time: time, calls: calls, certified: nil)
}

private func finalization(of header: Header) -> Certificate {
  certificate(
    .finalize(
      subnet: committee.subnet, epoch: 0, view: header.view, parentView: header.parentView,
      block: header.digest))
}

extension Lone {
  /// A finalization, and the block when it is asked for.
  fileprivate mutating func finalize(_ header: Header) {
    receive(.certificate(finalization(of: header)), from: 1)
    give(header)
  }

  /// From every member: of those asked it is taken.
  fileprivate mutating func give(_ header: Header) {
    for peer in [1, 2, 3] as [ReplicaID] {
      receive(.blocks([Block(header: header, calls: [])], finalizations: []), from: peer)
    }
  }

  fileprivate mutating func give(_ headers: ArraySlice<Header>, from peer: ReplicaID) {
    receive(
      .blocks(
        headers.map { Block(header: $0, calls: []) },
        finalizations: headers.last.map { [finalization(of: $0)] } ?? []), from: peer)
  }

  fileprivate func hasAsked(for header: Header) -> Bool {
    sent.contains(.blockWanted(header.digest))
  }

  fileprivate mutating func answerRecovery(
    from peer: ReplicaID, view: View, stateSigned: Height
  ) {
    let answer = RecoveryAnswer(
      subnet: committee.subnet, epoch: 0, asker: 0, nonce: sha256([5]), responder: peer,
      view: view, certificate: nullification(View(view.number - 1)), stateSigned: stateSigned)
    receive(
      .recoveryAnswer(answer, Signer.mock(committee.members[peer.index].key).sign(answer)),
      from: peer)
  }
}

@Suite struct `A hostile member` {
  @Test(arguments: [2, Height(UInt64.max)])
  func `cannot keep a replica with a lost log from signing states for ever`(claim: Height) {
    var lone = Lone(firstStart: false)
    lone.answerRecovery(from: 1, view: 5, stateSigned: 2)
    lone.answerRecovery(from: 2, view: 5, stateSigned: 2)
    lone.answerRecovery(from: 3, view: 5, stateSigned: claim)
    #expect(lone.records.contains(.abstain(through: 6, statesThrough: claim)))
    let old = header(4, 1, on: nil, time: 500)
    let late = header(7, 2, on: old, time: 600)
    lone.finalize(old)
    #expect(lone.replica.status.executed == 1)
    #expect(lone.signedHeights == [])
    lone.finalize(late)
    #expect(lone.replica.status.executed == 2)
    #expect(lone.signedHeights == [2])
  }

  @Test func `that lacks a state certificate is given it from the journal too`() {
    var lone = Lone()
    let first = header(1, 1, on: nil, time: 500)
    lone.finalize(first)
    let second = header(2, 2, on: first, time: 600)
    lone.finalize(second)
    let root = sha256([2])
    let statement = StateStatement(
      subnet: committee.subnet, epoch: 0, height: 2, block: second.digest, stateRoot: root,
      receiptsRoot: root, time: second.time)
    let signatures = [1, 2, 3].map { (index: Int) in
      Signer.mock(committee.members[index].key).share(
        statement, as: ReplicaID(UInt16(index)), in: committee
      ).value.signature
    }
    lone.receive(
      .stateCertificate(
        StateCertificate(
          statement: statement, signers: Signers([1, 2, 3], of: 4), signatures: signatures)),
      from: 1)
    lone.receive(.stateWanted(3), from: 2)
    #expect(lone.served.isEmpty)
    lone.receive(.stateWanted(1), from: 2)
    #expect(lone.served == [.stateCertificate(1)])
  }

  @Test func `is not listened to in a tick in which it sent many bad certificates`() {
    var lone = Lone()
    lone.receive(.certificate(nullification(1)), from: 3)
    #expect(lone.replica.status.view == 2)
    for _ in 0..<ReplicaLimits.noticesPerPeerMax {
      lone.receive(.certificate(nullification(2, spoiled: true)), from: 3)
    }
    lone.receive(.certificate(nullification(2)), from: 3)
    #expect(lone.replica.status.view == 2)
    lone.receive(.certificate(nullification(2)), from: 2)
    #expect(lone.replica.status.view == 3)
    lone.tick()
    lone.receive(.certificate(nullification(3)), from: 3)
    #expect(lone.replica.status.view == 4)
  }

  @Test func `has a message of certificates dropped at the first bad one`() {
    var lone = Lone()
    lone.receive(
      .views([nullification(1), nullification(2, spoiled: true), nullification(2)]), from: 3)
    #expect(lone.replica.status.view == 2)
  }

  @Test func `cannot hold up clients with calls that fill blocks`() throws {
    var lone = Lone()
    let greedy = try (0..<50).map { number in
      try Verifier.mock.verify(
        call(expiry: 9_000, key: "greedy \(number)", steps: Limits.stepsPerBlockMax),
        subnet: committee.subnet)
    }
    let small = try ["own", "of another's client"].map { key in
      try Verifier.mock.verify(
        call(expiry: 9_000, key: key, steps: 1_000), subnet: committee.subnet)
    }
    lone.step(.calls(greedy, from: 3))
    lone.step(.calls([small[0]], from: nil))
    lone.step(.calls([small[1]], from: 2))
    for view in [1, 2, 3] as [View] { lone.receive(.certificate(nullification(view)), from: 1) }
    #expect(lone.replica.status.leader == 0)
    let proposed = lone.sent.compactMap { message in
      if case .proposal(let header, _, _) = message { header.calls } else { nil }
    }
    #expect(proposed.count == 1)
    #expect(proposed.first?.contains(small[0].digest) == true)
  }

  @Test func `cannot fill the pool with calls that no block may hold`() throws {
    var lone = Lone()
    lone.finalize(header(1, 1, on: nil, time: 5_000))
    #expect(lone.replica.status.finalized == 1)
    let farthest = Moment(5_000).advanced(by: 2 * Limits.callLifetimeMax.milliseconds)
    for (expiry, isTaken) in [
      (4_999, false), (farthest.next, false), (.init(.max), false), (5_000, true), (farthest, true),
    ] as [(Moment, Bool)] {
      let before = lone.replica.status.poolCalls
      lone.step(.calls([try verified(expiry: expiry)], from: 3))
      #expect(lone.replica.status.poolCalls == before + (isTaken ? 1 : 0), "\(expiry)")
    }
  }

  @Test func `is not listened to in a tick in which it sent many badly signed states`() {
    var lone = Lone()
    for number in 0...ReplicaLimits.noticesPerPeerMax {
      let statement = StateStatement(
        subnet: committee.subnet, epoch: 0, height: 1, block: .zero,
        stateRoot: sha256([UInt8(number)]), receiptsRoot: .zero, time: 1)
      let forged = Signer.mock(committee.members[1].key).sign(statement)
      lone.receive(.certificate(nullification(View(UInt64(number) + 1))), from: 3)
      #expect(lone.replica.status.view.number == UInt64(number) + 2)
      lone.receive(
        .stateShare(StateShare(statement: statement, signer: 3, signature: forged)), from: 3)
    }
    lone.receive(.certificate(nullification(6)), from: 3)
    #expect(lone.replica.status.view == 6)
    #expect(lone.replica.status.cutOff == [])
  }

  @Test func `cannot push the current leader's block out with headers of old views`() {
    var lone = Lone()
    for view in 1...97 as ClosedRange<UInt64> {
      lone.receive(.certificate(nullification(View(view))), from: 2)
    }
    #expect(lone.replica.status.view == 98)
    lone.propose(98, by: 2)
    #expect(lone.replica.assemblies.map(\.header.view) == [98])
    for view in stride(from: UInt64(3), to: 98, by: 4) { lone.propose(View(view), by: 3) }
    #expect(lone.replica.assemblies.count == ReplicaLimits.assembliesMax)
    #expect(lone.replica.assemblies.contains { $0.header.view == 98 })
  }
}

extension Lone {
  /// A proposal that names a body which nobody has.
  fileprivate mutating func propose(_ view: View, by peer: ReplicaID) {
    let header = header(
      view, 1, on: nil, time: 900, calls: [sha256([UInt8(truncatingIfNeeded: view.number)])])
    let ballot = Ballot.notarize(
      subnet: committee.subnet, epoch: 0, view: view, parentView: 0, block: header.digest)
    let vote = Signer.mock(committee.members[peer.index].key)
      .vote(ballot, as: peer, in: committee).value
    receive(.proposal(header: header, inlined: [], vote: vote), from: peer)
  }
}

@Suite struct `A range of blocks` {
  @Test func `is taken only with calls whose signatures hold`() throws {
    let caller = Signer.mock(try #require(PublicKey(sha256([77]).bytes)))
    let other = Signer.mock(try #require(PublicKey(sha256([78]).bytes)))
    let plain = call(expiry: 9_000, sender: caller.publicKey).call
    let good = caller.sign(plain, body: [])
    let foreign = other.sign(call(expiry: 9_000, sender: other.publicKey).call, body: [])
    let bad = SignedCall(call: plain, body: [], signature: foreign.signature)
    var headers: [Header] = []
    for height in 1...6 as ClosedRange<UInt64> {
      headers.append(
        header(
          View(height), Height(height), on: headers.last, time: Moment(500 + height),
          calls: height == 3 ? [plain.digest] : []))
    }
    func blocks(_ signed: SignedCall) -> Message {
      .blocks(
        headers.map { Block(header: $0, calls: $0.calls.isEmpty ? [] : [signed]) },
        finalizations: [])
    }
    var lone = Lone()
    lone.finalize(headers[5])
    #expect(lone.ranges == ["2: 1+6"])
    lone.receive(blocks(bad), from: 2)
    // Another one is asked at once; the same answer again is one that nobody asked for.
    #expect(lone.ranges == ["2: 1+6", "3: 1+6"])
    for peer in [1, 2, 3] as [ReplicaID] { lone.receive(blocks(bad), from: peer) }
    #expect(lone.replica.status.finalized == 0)
    #expect(Set(lone.blamed) == [2, 3], "whoever owes no answer is not even read")
    for _ in 0..<3 { lone.tick() }
    for peer in [1, 2, 3] as [ReplicaID] { lone.receive(blocks(good), from: peer) }
    #expect(lone.replica.status.finalized == 6)
  }
}

/// One member, and a chain that the other three finalized without it.
@Suite struct `A replica that is behind` {
  private let headers = chain(46)

  private static func chain(_ count: UInt64) -> [Header] {
    var headers: [Header] = []
    for height in 1...count {
      headers.append(
        header(View(height), Height(height), on: headers.last, time: Moment(500 + height)))
    }
    return headers
  }

  private func full(_ headers: ArraySlice<Header>) -> Message {
    .blocks(headers.map { Block(header: $0, calls: []) }, finalizations: [])
  }

  /// Nobody finalized them; each alone fills an answer.
  private func invented(_ count: UInt64) -> [Message] {
    let call = call(expiry: 9_000).call
    let heavy = SignedCall(
      call: call, body: [UInt8](repeating: 0, count: Limits.callBodyBytesMax), signature: nil)
    var last: Header?
    return (1...count).map { height in
      let next = header(
        View(height), Height(height), on: last, time: Moment(700 + height), calls: [call.digest])
      last = next
      return .blocks([Block(header: next, calls: [heavy])], finalizations: [])
    }
  }

  @Test func `by few blocks asks for each, not for a range`() {
    var lone = Lone()
    lone.finalize(headers[2])
    #expect(lone.ranges == [])
    for header in [headers[1], headers[0]] {
      #expect(lone.hasAsked(for: header))
      lone.give(header)
    }
    #expect(lone.replica.status.finalized == 3)
  }

  @Test func `remembers few of the blocks that it asked for between two ticks`() {
    var lone = Lone()
    for header in headers { lone.receive(.certificate(finalization(of: header)), from: 1) }
    #expect(headers.allSatisfy(lone.hasAsked))
    #expect(lone.replica.load.wanted <= Limits.viewsPerRequestMax)
  }

  @Test func `asks for few blocks at once while none is final, and then for the others`() {
    var lone = Lone()
    for header in headers {
      let ballot = Ballot.notarize(
        subnet: committee.subnet, epoch: 0, view: header.view, parentView: header.parentView,
        block: header.digest)
      lone.receive(.certificate(certificate(ballot)), from: 1)
    }
    let (few, more) = (
      headers.prefix(Limits.viewsPerRequestMax), headers.dropFirst(Limits.viewsPerRequestMax)
    )
    #expect(few.allSatisfy(lone.hasAsked))
    #expect(!more.contains(where: lone.hasAsked))
    var asked = Set<Header>()
    for _ in headers {
      let now = headers.filter(lone.hasAsked)
      asked.formUnion(now)
      lone.sent = []
      for header in now { lone.give(header) }
      lone.tick()
      #expect(lone.replica.load.wanted <= Limits.viewsPerRequestMax)
    }
    #expect(asked.count == headers.count)
  }

  @Test func `asks one member after the other for a range, another every second tick`() {
    var lone = Lone()
    lone.finalize(headers[5])
    #expect(lone.ranges == ["2: 1+6"])
    var asked: [Int] = []
    for _ in 0..<6 {
      lone.tick()
      asked.append(lone.ranges.count)
    }
    #expect(asked == [1, 2, 2, 3, 3, 4])
    #expect(lone.ranges == ["2: 1+6", "3: 1+6", "1: 1+6", "2: 1+6"])
  }

  @Test func `asks on where a full range has no finalization of its own`() {
    let headers = Self.chain(520)
    var lone = Lone()
    lone.finalize(headers[519])
    lone.receive(full(headers[..<512]), from: 2)
    #expect(lone.ranges == ["2: 1+32", "2: 513+8"])
    // What does not follow, or follows from somebody else, is not taken, and nothing is kept.
    lone.give(headers[513...], from: 2)
    lone.give(headers[512...], from: 3)
    #expect(lone.replica.status.finalized == 0)
    while lone.ranges.last?.hasPrefix("2") == true { lone.tick() }
    #expect(lone.ranges.last == "3: 1+32")
    lone.receive(full(headers[..<512]), from: 3)
    lone.give(headers[512...], from: 3)
    #expect(lone.replica.status.finalized == 520)
  }

  @Test func `asks nobody on whose blocks leave a height out`() {
    var headers: [Header] = []
    for height in 1...513 as ClosedRange<UInt64> where height != 2 {
      headers.append(
        header(View(height), Height(height), on: headers.last, time: Moment(500 + height)))
    }
    var lone = Lone()
    lone.finalize(Self.chain(520)[519])
    lone.receive(full(headers[...]), from: 2)
    #expect(lone.ranges == ["2: 1+32"])
    while lone.ranges.last?.hasPrefix("2") == true { lone.tick() }
    #expect(lone.ranges.last == "3: 1+32")
  }

  @Test func `keeps a range that it began when a finalization comes before its block`() {
    let headers = Self.chain(1_036)
    var lone = Lone()
    lone.finalize(headers[1_030])
    lone.receive(full(headers[..<512]), from: 2)
    lone.receive(.certificate(finalization(of: headers[1_035])), from: 1)
    #expect(lone.hasAsked(for: headers[1_035]))
    lone.tick()
    lone.receive(full(headers[512..<1_024]), from: 2)
    #expect(lone.ranges.last == "2: 1025+32")
    let late = Block(header: headers[1_035], calls: [])
    for peer in [1, 3] as [ReplicaID] {
      lone.receive(.blocks([late], finalizations: []), from: peer)
    }
    lone.give(headers[1_024...], from: 2)
    #expect(lone.replica.status.finalized == 1_036)
  }

  @Test func `takes no range that is too large for others to take it of this replica`() {
    let body = [UInt8](repeating: 0, count: Limits.callBodyBytesMax)
    let heavy = call(expiry: 9_000, body: body)
    var blocks: [Block] = []
    var weight = 0
    while weight <= VotingLimits.aboveGapBytesMax {
      let height = UInt64(blocks.count + 1)
      let next = header(
        View(height), Height(height), on: blocks.last?.header, time: Moment(500 + height),
        calls: [heavy.call.digest])
      blocks.append(Block(header: next, calls: [heavy]))
      weight += blocks[blocks.count - 1].weight
    }
    for count in [blocks.count, blocks.count - 1] {
      var lone = Lone()
      lone.finalize(chainAbove(blocks))
      for block in blocks.prefix(count - 1) {
        lone.receive(.blocks([block], finalizations: []), from: 2)
      }
      let last = blocks[count - 1]
      lone.receive(.blocks([last], finalizations: [finalization(of: last.header)]), from: 2)
      #expect(
        lone.replica.status.finalized.number == (count == blocks.count ? 0 : UInt64(count)))
    }
  }

  /// A block some way above the last of these.
  private func chainAbove(_ blocks: [Block]) -> Header {
    var last = blocks[blocks.count - 1].header
    for _ in 0..<3 {
      let height = last.height.number + 1
      last = header(View(height), Height(height), on: last, time: Moment(500 + height))
    }
    return last
  }

  @Test func `asks again for the rest of a range, of which so much a tick is answered only`() {
    let headers = Self.chain(520)
    var lone = Lone()
    lone.finalize(headers[519])
    lone.receive(full(headers[..<512]), from: 2)
    for _ in 0..<2 { lone.tick() }
    #expect(lone.ranges == ["2: 1+32", "2: 513+8", "2: 513+8"])
    lone.give(headers[512...], from: 2)
    #expect(lone.replica.status.finalized == 520)
  }

  @Test(arguments: [0, Limits.callsPerBlockMax])
  func `asks on after blocks of so many calls that they fill an answer without bodies`(
    count: Int
  ) {
    let calls = (0..<count).map { call(expiry: 9_000, key: "\($0)") }
    let digests = calls.map(\.call.digest)
    var blocks: [Block] = []
    for height in 1...8 as ClosedRange<UInt64> {
      let isFull = height <= 5
      let next = header(
        View(height), Height(height), on: blocks.last?.header, time: Moment(500 + height),
        calls: isFull ? digests : [])
      blocks.append(Block(header: next, calls: isFull ? calls : []))
    }
    var lone = Lone()
    lone.finalize(blocks[7].header)
    lone.receive(.blocks(Array(blocks[..<5]), finalizations: []), from: 2)
    #expect(lone.ranges == ["2: 1+8"] + (count > 0 ? ["2: 6+3"] : []))
    lone.receive(.blocks(Array(blocks[5...]), finalizations: []), from: 2)
    #expect(lone.replica.status.finalized == (count > 0 ? 8 : 0))
  }

  @Test func `leaves whoever invents blocks within a few ticks, and then turns to the others`() {
    var lone = Lone()
    lone.finalize(headers[45])
    for piece in invented(40) { lone.receive(piece, from: 2) }
    #expect(lone.ranges.count == 41)
    var ticks: UInt64 = 0
    while lone.ranges.last?.hasPrefix("2") == true, ticks < 100 {
      lone.tick()
      ticks += 1
    }
    #expect(ticks <= ReplicaLimits.rangeTicks + 2)
    #expect(lone.ranges.last == "3: 1+32")
    var asked: [Int] = []
    for next in 0..<30 {
      let peer = lone.ranges.last?.first?.wholeNumberValue ?? 0
      asked.append(peer)
      lone.give(headers[next..<next + 1], from: ReplicaID(UInt16(peer)))
    }
    #expect(lone.replica.status.finalized == 30)
    #expect(!asked.prefix(2 * ReplicaLimits.rangeTurnsPassed).contains(2))
    #expect(asked.contains(2))
  }

  @Test func `gives a range more time with each round in which none came`() {
    let piece = invented(1)[0]
    var lone = Lone()
    lone.finalize(headers[45])
    var spans: [Int] = []
    for _ in 0..<9 {
      let peer = lone.ranges.last?.first?.wholeNumberValue ?? 0
      lone.receive(piece, from: ReplicaID(UInt16(peer)))
      var ticks = 0
      while lone.ranges.last?.first?.wholeNumberValue == peer, ticks < 100 {
        lone.tick()
        ticks += 1
      }
      spans.append(ticks)
    }
    #expect(spans == [4, 4, 4, 4, 8, 8, 8, 8, 16])
  }

  @Test func `takes a range of whom it asked only, and goes on above it at once`() {
    var lone = Lone()
    lone.finalize(headers[39])
    #expect(lone.ranges == ["2: 1+32"])
    lone.give(headers[..<32], from: 1)
    #expect(lone.replica.status.finalized == 0)
    lone.give(headers[..<32], from: 2)
    #expect(lone.replica.status.finalized == 32)
    #expect(lone.ranges.dropFirst() == ["3: 33+8"])
    lone.give(headers[32..<40], from: 3)
    #expect(lone.replica.status.finalized == 40)
    lone.tick()
    #expect(lone.ranges.count == 2)
    lone.finalize(headers[45])
    #expect(lone.ranges.dropFirst(2) == ["1: 41+6"])
  }

  @Test func `goes down block by block once no member gave a range`() {
    var lone = Lone()
    lone.finalize(headers[5])
    for _ in 0..<6 { lone.tick() }
    #expect(!lone.hasAsked(for: headers[4]))
    for header in headers[..<5].reversed() {
      for _ in 0..<2 where !lone.hasAsked(for: header) { lone.tick() }
      #expect(lone.hasAsked(for: header))
      lone.give(header)
    }
    #expect(lone.replica.status.finalized == 6)
  }
}

@Suite struct `A full pool` {
  @Test func `says that it is full, not that the call expired`() throws {
    var lone = Lone()
    var calls: [VerifiedCall] = []
    for number in 0...Limits.poolCallsMax {
      let call = call(expiry: 5_000, key: "\(number)")
      calls.append(try Verifier.mock.verify(call, subnet: committee.subnet))
    }
    lone.step(.calls(Array(calls.dropLast()), from: nil))
    #expect(lone.crowdedOut == [])
    lone.step(.calls(Array(calls.suffix(1)), from: nil))
    #expect(lone.crowdedOut == calls.suffix(1).map(\.digest))
    #expect(lone.expired == [])
  }
}

private func call(
  expiry: Moment, sender: PublicKey? = nil, key: String = "1", steps: UInt64 = 1,
  body: [UInt8] = []
) -> SignedCall {
  let call = Call(
    subnet: committee.subnet, pipeline: "p", method: .deploy, bodyDigest: sha256(body),
    bodyBytes: UInt32(body.count), idempotencyKey: key, sender: sender, expiry: expiry,
    stepLimit: steps)
  return SignedCall(call: call, body: body, signature: nil)
}

private func verified(expiry: Moment) throws -> VerifiedCall {
  try Verifier.mock.verify(call(expiry: expiry), subnet: committee.subnet)
}

@Suite struct `A leader that is behind` {
  @Test(arguments: [false, true])
  func `proposes nothing at a height whose state is certified`(isCertified: Bool) throws {
    var lone = Lone()
    for view in [1, 2, 3] as [View] { lone.receive(.certificate(nullification(view)), from: 1) }
    #expect(lone.replica.status.leader == 0)
    let statement = StateStatement(
      subnet: committee.subnet, epoch: 0, height: 1, block: sha256([4]), stateRoot: .zero,
      receiptsRoot: .zero, time: 1)
    for id in [1, 2, 3] as [ReplicaID] where isCertified {
      let share = Signer.mock(committee.members[id.index].key)
        .share(statement, as: id, in: committee)
      lone.receive(.stateShare(share.value), from: id)
    }
    #expect(lone.replica.status.certified == (isCertified ? 1 : 0))
    lone.step(.calls([try verified(expiry: 5_000)], from: nil))
    let proposals = lone.sent.count { if case .proposal = $0 { true } else { false } }
    #expect(proposals == (isCertified ? 0 : 1))
  }
}

@Suite struct `An expired call` {
  @Test func `is given up when the chain's time is past it, not when a clock is`() throws {
    var lone = Lone()
    let short = try verified(expiry: 1_500)
    lone.step(.calls([short], from: nil))
    lone.now = 9_000
    lone.tick()
    #expect(lone.expired == [])
    lone.finalize(header(1, 1, on: nil, time: 1_500))
    lone.tick()
    #expect(lone.replica.status.finalized == 1)
    #expect(lone.expired == [])
    lone.finalize(header(2, 2, on: header(1, 1, on: nil, time: 1_500), time: 1_501))
    lone.tick()
    #expect(lone.replica.status.finalized == 2)
    #expect(lone.expired == [short.digest])
  }
}

/// A block of two calls, and what somebody may make of it on its way.
private enum Tampered {
  static func call(_ body: String) throws -> VerifiedCall {
    let bytes = Array(body.utf8)
    let call = Call(
      subnet: committee.subnet, pipeline: "p", method: .deploy, bodyDigest: sha256(bytes),
      bodyBytes: UInt32(bytes.count), idempotencyKey: body, sender: nil, expiry: 5_000,
      stepLimit: 1)
    return try Verifier.mock.verify(
      SignedCall(call: call, body: bytes, signature: nil), subnet: committee.subnet)
  }

  static func right() throws -> Block {
    let calls = try [call("one"), call("two")].sorted { $0.digest < $1.digest }
    return Block(
      header: header(1, 1, on: nil, time: 900, calls: calls.map(\.digest)),
      calls: calls.map(\.signed))
  }

  static let ways: [(name: String, change: @Sendable (Block) -> Block)] = [
    ("a call left out", { Block(header: $0.header, calls: Array($0.calls.dropLast())) }),
    ("a call more", { Block(header: $0.header, calls: $0.calls + [$0.calls[0]]) }),
    ("the order of its calls", { Block(header: $0.header, calls: $0.calls.reversed()) }),
    (
      "the body of a call",
      { block in
        let old = block.calls[0]
        let other = SignedCall(
          call: old.call, body: old.body.map { $0 ^ 1 }, signature: old.signature)
        return Block(header: block.header, calls: [other] + block.calls.dropFirst())
      }
    ),
    (
      "its time",
      { block in
        let other = header(1, 1, on: nil, time: 901, calls: block.header.calls)
        return Block(header: other, calls: block.calls)
      }
    ),
    (
      "its calls and its header alike",
      { block in
        let other = header(1, 1, on: nil, time: 900, calls: Array(block.header.calls.prefix(1)))
        return Block(header: other, calls: Array(block.calls.prefix(1)))
      }
    ),
  ]
}

extension Lone {
  /// A finalization of `header`, and a block that is said to be the one it names.
  fileprivate mutating func take(_ block: Block, as header: Header) {
    receive(.certificate(finalization(of: header)), from: 1)
    for peer in [1, 2, 3] as [ReplicaID] {
      receive(.blocks([block], finalizations: []), from: peer)
    }
  }
}

@Suite struct `A block that was tampered with` {
  @Test(arguments: Tampered.ways.indices)
  func `is not executed, while the right one is`(index: Int) throws {
    let right = try Tampered.right()
    var honest = Lone()
    honest.take(right, as: right.header)
    #expect(honest.replica.status.executed == 1)

    let wrong = Tampered.ways[index].change(right)
    #expect(wrong != right)
    var deceived = Lone()
    deceived.take(wrong, as: right.header)
    #expect(deceived.replica.status.executed == 0, "\(Tampered.ways[index].name)")
    for _ in 0..<20 where deceived.replica.status.executed == 0 {
      deceived.now = deceived.now.advanced(by: 1_000)
      deceived.tick()
      deceived.take(right, as: right.header)
    }
    #expect(deceived.replica.status.executed == 1)
    let journalled = deceived.records.contains {
      if case .block(_, let block) = $0 { block == wrong } else { false }
    }
    #expect(!journalled)
  }
}

@Suite struct `An outcome that a certificate of the own journal contradicts` {
  @Test(arguments: [true, false])
  func `quarantines a replica before it signs another state`(differs: Bool) {
    var lone = Lone()
    let first = header(1, 1, on: nil, time: 500)
    let root = sha256([1])
    let known = StateCertificate(
      statement: StateStatement(
        subnet: committee.subnet, epoch: 0, height: 1, block: first.digest,
        stateRoot: differs ? .zero : root, receiptsRoot: root, time: first.time),
      signers: Signers([1, 2, 3], of: 4), signatures: [])
    lone.step(
      .contradicted(BlockOutcome(height: 1, stateRoot: root, receiptsRoot: root), by: known))
    let kept = lone.records.contains {
      guard case .quarantine(let share, known) = $0 else { return false }
      return share.signer == 0 && share.statement.stateRoot == root
    }
    #expect(kept == differs)
    #expect((lone.replica.status.phase == .quarantined) == differs)
    lone.finalize(first)
    #expect(lone.signedHeights == (differs ? [] : [1]))
  }
}
