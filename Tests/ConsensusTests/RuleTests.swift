import Signing
import Testing
import Wire

@testable import Consensus

@Suite struct `Entering views` {
  @Test func `a nullification leads into the next view`() {
    var bench = Bench()
    bench.start()
    bench.learn(bench.nullify(1))
    #expect(bench.simplex.view == 2)
  }

  @Test func `a far-future certificate lets a lagging replica jump`() {
    var bench = Bench()
    bench.start()
    bench.learn(bench.nullify(900))
    #expect(bench.simplex.view == 901)
  }

  @Test func `whoever jumped over views asks for all that it lacks, whoever leads`() {
    var bench = Bench()
    bench.start()
    let first = bench.header(8)
    let second = bench.header(9, on: first)
    bench.learn(bench.nullify(10))
    bench.learn(bench.notarize(second))
    bench.simplex.complete(Block(header: second, calls: []), second.digest, bodies: [])
    bench.gather()
    #expect(bench.simplex.leader == 3)
    #expect(bench.simplex.lackingViews == [1, 2, 3, 4, 5, 6, 7, 8, 11])
    bench.learn(bench.nullify(7))
    #expect(bench.simplex.lackingViews == [1, 2, 3, 4, 5, 6, 8, 9, 11])
  }

  @Test(arguments: [[], [.notarizedViewsAskedFirst]] as [Set<PlantedBug>])
  func `views that are notarized leave room to ask for those that are not`(
    planted: Set<PlantedBug>
  ) {
    var bench = Bench(planted: planted)
    bench.start()
    var chain = [bench.header(1)]
    for number in UInt64(2)...12 { chain.append(bench.header(View(number), on: chain.last)) }
    bench.learn(bench.nullify(13))
    for header in chain.dropFirst(4) { bench.hold(header) }
    let wanted: [View] =
      planted.isEmpty ? [1, 2, 3, 4, 9, 10, 11, 12, 14] : [5, 6, 7, 8, 9, 10, 11, 12, 14]
    #expect(bench.simplex.lackingViews == wanted)
    for header in chain.prefix(4) { bench.hold(header) }
    #expect(bench.simplex.lackingViews == [14])
  }

  @Test(arguments: [[], [.currentParentNotAsked]] as [Set<PlantedBug>])
  func `the parent of a block notarized in the current view is asked for`(
    planted: Set<PlantedBug>
  ) {
    var bench = Bench(planted: planted)
    bench.start()
    let first = bench.header(1)
    let second = bench.header(2, on: first)
    bench.learn(bench.nullify(1))
    bench.learn(bench.notarize(second))
    let wanted: [View] = planted.isEmpty ? [1, 2] : [2]
    #expect(bench.simplex.lackingViews == wanted)
    bench.hold(second)
    #expect(bench.simplex.view == 2)
    #expect(bench.simplex.lackingViews == wanted)
    bench.hold(first)
    #expect(bench.simplex.view == 3)
    #expect(bench.simplex.lackingViews == [3])
  }

  @Test func `the parent of a block notarized above the current view is asked for`() {
    var bench = Bench()
    bench.start()
    bench.learn(bench.notarize(bench.header(9, on: bench.header(7))))
    #expect(bench.simplex.view == 1)
    #expect(bench.simplex.lackingViews == [1, 7])
  }

  @Test func `a parent is asked for below a ready block that its child passed by`() {
    var bench = Bench()
    bench.start()
    let first = bench.header(1)
    bench.learn(bench.nullify(1))
    bench.hold(bench.header(2))
    bench.learn(bench.nullify(2))
    bench.learn(bench.notarize(bench.header(3, on: first)))
    #expect(bench.simplex.view == 3)
    #expect(bench.simplex.lackingViews == [1, 3])
  }

  @Test func `a proposal that lacks many views leaves room for the current one`() {
    var bench = Bench()
    bench.start()
    bench.learn(bench.nullify(40))
    bench.receive(bench.header(41, on: bench.header(3)))
    let lacking: [View] = [3, 4, 5, 6, 7, 8, 9, 32, 33, 34, 35, 36, 37, 38, 39, 41]
    #expect(lacking.count == Limits.viewsPerRequestMax)
    #expect(bench.simplex.lackingViews == lacking)
  }

  @Test func `whoever is ready asks for the current view only`() {
    var bench = Bench()
    bench.start()
    let header = bench.header(1)
    bench.receive(header)
    bench.learn(bench.notarize(header))
    bench.learn(bench.nullify(2))
    #expect(bench.simplex.lackingViews == [3])
  }

  @Test func `a certificate with one bad signature leads nowhere`() {
    var bench = Bench()
    bench.start()
    let good = bench.certificate(bench.nullify(1))
    var signatures = good.signatures
    signatures[0] = signatures[1]
    let bad = Certificate(ballot: good.ballot, signers: good.signers, signatures: signatures)
    bench.simplex.receive(bad, from: 1)
    #expect(bench.simplex.view == 1)
    bench.simplex.receive(good, from: 1)
    #expect(bench.simplex.view == 2)
  }

  @Test func `a notarization alone does not, its ready block does`() {
    var bench = Bench()
    bench.start()
    let header = bench.header(1)
    bench.learn(bench.notarize(header))
    #expect(bench.simplex.view == 1)
    bench.simplex.complete(Block(header: header, calls: []), header.digest, bodies: [])
    bench.gather()
    #expect(bench.simplex.view == 2)
  }

  @Test func `never goes back`() {
    var bench = Bench()
    bench.start()
    bench.learn(bench.nullify(5))
    bench.learn(bench.nullify(2))
    #expect(bench.simplex.view == 6)
  }

  @Test func `puts its alarms off once a view, however often calls come and vanish`() {
    var bench = Bench()
    bench.start()
    bench.acts = []
    for _ in 0..<5 {
      bench.simplex.turn(busy: true)
      bench.simplex.turn(busy: false)
    }
    bench.gather()
    // On the first call, once calmer again, and on the second call.
    #expect(bench.acts.count { if case .arm(.leader, 1, _) = $0 { true } else { false } } == 3)
    bench.learn(bench.nullify(1))
    bench.acts = []
    bench.simplex.turn(busy: true)
    bench.simplex.turn(busy: false)
    bench.gather()
    #expect(bench.acts.count { if case .arm(.leader, 2, _) = $0 { true } else { false } } == 2)
  }

  @Test func `disarms the alarms of the view it leaves`() {
    var bench = Bench()
    bench.start()
    bench.learn(bench.nullify(1))
    let disarmed = bench.acts.contains {
      if case .disarm(.progress, 1) = $0 { true } else { false }
    }
    #expect(disarmed)
  }
}

@Suite struct `A voter` {
  @Test func `notarizes the first proposal and not a second`() {
    var bench = Bench()
    bench.start()
    let first = bench.header(1)
    let second = bench.header(1, time: 3_000)
    bench.receive(first)
    bench.receive(second)
    #expect(bench.cast == [bench.notarize(first)])
    #expect(bench.accused == [1])
  }

  @Test func `does not vote for a proposal that its leader did not send`() {
    var bench = Bench()
    bench.start()
    let header = bench.header(1)
    _ = bench.simplex.receive(
      proposal: header, header.digest, vote: bench.vote(bench.notarize(header), by: 2), from: 2)
    #expect(bench.cast.isEmpty)
  }

  @Test func `waits for the nullification of a skipped view`() {
    var bench = Bench()
    bench.start()
    bench.learn(bench.nullify(2))
    let header = bench.header(3)
    bench.receive(header)
    #expect(bench.cast.isEmpty)
    #expect(bench.reached(.voterNotarizePendingViews))
    bench.learn(bench.nullify(1))
    #expect(bench.cast == [bench.notarize(header)])
  }

  @Test func `with the gap ignored votes too early`() {
    var bench = Bench(planted: [.nullificationGapIgnored])
    bench.start()
    bench.learn(bench.nullify(2))
    bench.receive(bench.header(3))
    #expect(bench.hasCast(.notarize, in: 3))
  }

  @Test func `nullifies at once what can never become valid`() {
    var bench = Bench()
    bench.start()
    let first = bench.header(1)
    bench.receive(first)
    bench.learn(bench.notarize(first))
    bench.learn(bench.finalize(first))
    // Its parent is genesis, which view 1 has passed by.
    bench.receive(bench.header(2))
    #expect(bench.hasCast(.nullify, in: 2))
    #expect(!bench.hasCast(.notarize, in: 2))
  }

  @Test func `keeps a proposal from the future pending until its time`() {
    var bench = Bench()
    bench.start()
    let header = bench.header(1, time: 20_000)
    bench.receive(header)
    #expect(bench.cast.isEmpty)
    bench.simplex.now = 19_600
    bench.ring(.idle, 1)
    #expect(bench.cast == [bench.notarize(header)])
  }

  @Test func `takes a time just above the parent's, whatever its own clock says`() {
    var bench = Bench()
    bench.simplex.now = 0
    bench.start()
    let header = bench.header(1, time: 1_001)
    bench.receive(header)
    #expect(bench.cast == [bench.notarize(header)])
  }

  @Test(arguments: [ViewAlarm.leader, .progress])
  func `nullifies the current view on an alarm, once`(alarm: ViewAlarm) {
    var bench = Bench()
    bench.start()
    bench.ring(alarm, 1)
    bench.ring(.progress, 1)
    #expect(bench.cast == [bench.nullify(1)])
  }

  @Test func `is deaf to the alarm of a view already left`() {
    var bench = Bench()
    bench.start()
    bench.learn(bench.nullify(1))
    bench.ring(.progress, 1)
    #expect(bench.cast.isEmpty)
  }

  @Test func `with stale alarms planted nullifies what it left`() {
    var bench = Bench(planted: [.staleAlarmNullifies])
    bench.start()
    bench.learn(bench.nullify(1))
    bench.ring(.progress, 1)
    #expect(bench.cast == [bench.nullify(1)])
  }

  @Test func `follows the leader's own nullify`() {
    var bench = Bench()
    bench.start()
    bench.receive(bench.nullify(1), by: 2)
    #expect(bench.cast.isEmpty)
    bench.receive(bench.nullify(1), by: 1)
    #expect(bench.cast == [bench.nullify(1)])
  }

  @Test func `may nullify after notarizing, but then does not finalize`() {
    var bench = Bench()
    bench.start()
    let header = bench.header(1)
    bench.receive(header)
    bench.ring(.progress, 1)
    bench.learn(bench.notarize(header))
    #expect(bench.cast == [bench.notarize(header), bench.nullify(1)])
    #expect(bench.reached(.voterFinalizeAfterNullify))
    #expect(bench.simplex.view == 2)
  }

  @Test func `with the rule broken finalizes after its nullify`() {
    var bench = Bench(planted: [.finalizeAfterNullify])
    bench.start()
    let header = bench.header(1)
    bench.receive(header)
    bench.ring(.progress, 1)
    bench.learn(bench.notarize(header))
    #expect(bench.hasCast(.finalize, in: 1))
  }

  @Test func `finalizes a notarized ready block, and casts nothing at or below it afterwards`() {
    var bench = Bench()
    bench.start()
    let header = bench.header(1)
    bench.receive(header)
    bench.learn(bench.notarize(header))
    #expect(bench.cast == [bench.notarize(header), bench.finalize(header)])
    bench.learn(bench.finalize(header))
    bench.ring(.progress, 1)
    #expect(bench.cast.count == 2)
    #expect(bench.finalized == [header.digest])
  }

  @Test func `does not finalize where the leader equivocated, but takes the notarization`() {
    var bench = Bench()
    bench.start()
    let header = bench.header(1)
    bench.receive(header)
    bench.receive(bench.notarize(bench.header(1, time: 3_000)), by: 1)
    #expect(bench.accused == [1])
    bench.learn(bench.notarize(header))
    #expect(!bench.hasCast(.finalize, in: 1))
    #expect(bench.simplex.view == 2)
  }

  @Test func `goes on making a block ready after its view was nullified`() {
    var bench = Bench()
    bench.start()
    let header = bench.header(1)
    bench.learn(bench.nullify(1))
    bench.learn(bench.notarize(header))
    bench.simplex.complete(Block(header: header, calls: []), header.digest, bodies: [])
    bench.gather()
    #expect(bench.simplex.chain[header.digest]?.ready == true)
  }

  @Test func `abstains up to the view that it promised after a lost log`() {
    var bench = Bench()
    bench.simplex.abstainThrough = 2
    bench.start()
    bench.receive(bench.header(1))
    bench.ring(.progress, 1)
    bench.learn(bench.nullify(1))
    bench.ring(.progress, 2)
    #expect(bench.cast.isEmpty)
    bench.learn(bench.nullify(2))
    bench.ring(.progress, 3)
    #expect(bench.cast == [bench.nullify(3)])
  }
}

@Suite struct `Admitting votes` {
  @Test func `from the last finalized view to three above the current one`() {
    var bench = Bench()
    bench.start()
    for view: View in [4, 5] { bench.receive(bench.nullify(view), by: 1) }
    #expect(bench.simplex.views[4]?.nullifies.signers.count == 1)
    #expect(bench.simplex.views[5] == nil)
  }

  @Test func `only on the signer's own link`() {
    var bench = Bench()
    bench.start()
    bench.simplex.receive(bench.vote(bench.nullify(1), by: 1), from: 2)
    #expect(bench.simplex.views[1]?.nullifies.signers.isEmpty == true)
  }

  @Test func `of this epoch only`() {
    let ballot = Ballot.nullify(subnet: Bench().committee.subnet, epoch: 1, view: 1)
    var bench = Bench()
    bench.start()
    for id: ReplicaID in [1, 2, 3] { bench.receive(ballot, by: id) }
    #expect(bench.simplex.view == 1)
    var broken = Bench(planted: [.epochNotBound])
    broken.start()
    for id: ReplicaID in [1, 2, 3] { broken.receive(ballot, by: id) }
    #expect(broken.simplex.view == 2)
  }

  @Test func `names the culprit of a bad signature and counts it no more`() {
    var bench = Bench()
    bench.start()
    let ballot = bench.finalize(bench.header(1))
    let good = bench.vote(ballot, by: 1)
    let bad = Vote(ballot: good.ballot, signer: 2, signature: good.signature)
    bench.simplex.receive(good, from: 1)
    bench.simplex.receive(bad, from: 2)
    bench.receive(ballot, by: 3)
    #expect(bench.simplex.cutOff.ids == [2])
    #expect(bench.simplex.views[1]?.finalizes.signers.ids == [1, 3])
    #expect(bench.simplex.view == 1)
  }

  @Test func `accuses who nullifies and finalizes one view`() {
    var bench = Bench()
    bench.start()
    bench.receive(bench.nullify(1), by: 2)
    bench.receive(bench.finalize(bench.header(1)), by: 2)
    #expect(bench.accused == [2])
  }

  @Test func `accuses whose vote differs from its signature in a certificate`() {
    var bench = Bench()
    bench.start()
    bench.receive(bench.notarize(bench.header(1)), by: 3)
    bench.learn(bench.notarize(bench.header(1, time: 3_000)))
    #expect(bench.accused == [3])
  }

  @Test func `accuses nobody for saying the same twice, or notarizing and then nullifying`() {
    var bench = Bench()
    bench.start()
    let header = bench.header(1)
    for _ in 0..<2 { bench.receive(bench.notarize(header), by: 2) }
    bench.receive(bench.nullify(1), by: 2)
    #expect(bench.accused.isEmpty)
  }
}

@Suite struct `A leader` {
  @Test func `builds on the highest notarized ready view`() throws {
    var bench = Bench(me: 2)
    bench.start()
    let header = bench.header(1)
    bench.receive(header)
    bench.learn(bench.notarize(header))
    let seat = try #require(bench.simplex.seat)
    #expect(seat.parent == header.digest)
  }

  @Test func `skips a nullified view`() throws {
    var bench = Bench(me: 2)
    bench.start()
    bench.learn(bench.nullify(1))
    let seat = try #require(bench.simplex.seat)
    #expect(seat.parentView == 0)
  }

  @Test func `asks for what it lacks, and gives up at its own alarm`() {
    var bench = Bench(me: 3)
    bench.start()
    bench.learn(bench.nullify(2))
    #expect(bench.simplex.seat == nil)
    #expect(bench.reached(.proposerParentMissing))
    bench.ring(.leader, 3)
    #expect(bench.cast == [bench.nullify(3)])
  }
}

@Suite struct `The finalized chain` {
  @Test func `delivers ancestors in order`() {
    var bench = Bench()
    bench.start()
    let first = bench.header(1)
    let second = bench.header(2, on: first)
    bench.receive(first)
    bench.learn(bench.notarize(first))
    bench.receive(second)
    bench.learn(bench.finalize(second))
    #expect(bench.finalized == [first.digest, second.digest])
    #expect(bench.simplex.chain.delivered.header == second)
  }

  @Test func `keeps few blocks above a gap, however long it lasts, and then goes on`() {
    var bench = Bench()
    bench.start()
    var headers = [bench.header(1)]
    while headers.count < 200 {
      headers.append(bench.header(View(UInt64(headers.count) + 1), on: headers.last))
    }
    for header in headers.dropFirst() {
      bench.receive(header)
      bench.learn(bench.notarize(header))
      bench.learn(bench.finalize(header))
    }
    #expect(bench.finalized.isEmpty)
    #expect(bench.simplex.chain.count <= 2 * Int(VotingLimits.blocksRetained))
    let range = headers.map { (block: Block(header: $0, calls: []), digest: $0.digest) }
    for start in stride(from: 0, to: 200, by: 32) {
      let part = Array(range[start..<min(200, start + 32)])
      guard let last = part.last, bench.finalized.count < start + part.count else { break }
      _ = bench.simplex.extend(
        part, finalizations: [bench.certificate(bench.finalize(last.block.header))])
      bench.gather()
    }
    #expect(bench.finalized == headers.map(\.digest))
  }

  /// After a partition all that was missed may come within a moment, and finalizations are few.
  @Test(arguments: [3, 40, 190])
  func `keeps few blocks above a gap, however far apart finalizations are`(apart: Int) {
    var bench = Bench()
    bench.start()
    var last = bench.header(1)
    for view in 2..<200 {
      last = bench.header(View(UInt64(view)), on: last)
      guard view.isMultiple(of: apart) else {
        bench.receive(last)
        bench.learn(bench.notarize(last))
        continue
      }
      // Its own block never comes.
      bench.learn(bench.finalize(last))
      #expect(bench.simplex.chain.count <= 2 * Int(VotingLimits.blocksRetained))
    }
  }

  @Test func `goes on at once where all blocks below a late finalization are held`() {
    var bench = Bench()
    bench.start()
    var headers = [bench.header(1)]
    while headers.count < 100 {
      headers.append(bench.header(View(UInt64(headers.count) + 1), on: headers.last))
    }
    for header in headers {
      bench.receive(header)
      bench.learn(bench.notarize(header))
    }
    bench.learn(bench.finalize(headers[99]))
    #expect(bench.finalized == headers.map(\.digest))
  }

  @Test func `takes a range that goes on above what was finalized meanwhile`() {
    var bench = Bench()
    bench.start()
    var headers = [bench.header(1)]
    while headers.count < 120 {
      headers.append(bench.header(View(UInt64(headers.count) + 1), on: headers.last))
    }
    for header in headers[1..<100] {
      bench.receive(header)
      bench.learn(bench.notarize(header))
      bench.learn(bench.finalize(header))
    }
    let range = headers.map { (block: Block(header: $0, calls: []), digest: $0.digest) }
    let grew = bench.simplex.extend(
      range, finalizations: [bench.certificate(bench.finalize(headers[119]))])
    #expect(grew)
    bench.gather()
    #expect(bench.finalized == headers.map(\.digest))
  }

  @Test func `keeps what it needs above a gap that no range fills, and no more`() {
    var bench = Bench()
    bench.start()
    bench.simplex.keepAboveGap(true)
    var last = bench.header(1)
    for view in 2...(VotingLimits.aboveGapMax + 200) {
      last = bench.header(View(UInt64(view)), on: last)
      bench.receive(last)
      bench.learn(bench.finalize(last))
    }
    #expect(bench.simplex.chain.count > VotingLimits.aboveGapMax / 2)
    #expect(bench.simplex.chain.count <= VotingLimits.aboveGapMax + 20)
    bench.simplex.keepAboveGap(false)
    #expect(bench.simplex.chain.count <= 2 * Int(VotingLimits.blocksRetained))
  }

  @Test func `looks at the bodies of no range that does not follow its tip or is not covered`() {
    var bench = Bench()
    bench.start()
    let first = bench.header(1)
    let stray = bench.header(3, on: bench.header(2))
    let covered = bench.certificate(bench.finalize(stray))
    var looked = 0
    for (header, certificates) in [(stray, [covered]), (first, [covered]), (first, [])] {
      let grew = bench.simplex.extend(
        [(block: Block(header: header, calls: []), digest: header.digest)],
        finalizations: certificates
      ) { _ in
        looked += 1
        return true
      }
      #expect(!grew)
    }
    #expect(looked == 0)
  }

  @Test func `takes a range that a finalization covers, and only so far`() {
    var bench = Bench()
    bench.start()
    let first = bench.header(1)
    let second = bench.header(2, on: first)
    let third = bench.header(3, on: second)
    let range = [first, second, third].map {
      (block: Block(header: $0, calls: []), digest: $0.digest)
    }
    let uncovered = bench.simplex.extend(range, finalizations: [])
    #expect(!uncovered)
    let covered = bench.simplex.extend(
      range, finalizations: [bench.certificate(bench.finalize(second))])
    #expect(covered)
    bench.gather()
    #expect(bench.finalized == [first.digest, second.digest])
  }
}

@Suite struct `A restart` {
  @Test func `counts own votes again and signs none anew`() {
    var bench = Bench()
    bench.start()
    bench.ring(.progress, 1)
    var restored = Restored()
    restored.votes = [bench.vote(bench.nullify(1), by: 0)]
    var again = Bench()
    again.simplex.restore(restored)
    again.start()
    #expect(again.cast.isEmpty)
    for id: ReplicaID in [1, 2] { again.receive(again.nullify(1), by: id) }
    #expect(again.simplex.view == 2)
  }

  @Test func `with own votes not replayed waits for somebody else`() {
    var restored = Restored()
    restored.votes = [Bench().vote(Bench().nullify(1), by: 0)]
    var again = Bench(planted: [.ownVotesNotReplayed])
    again.simplex.restore(restored)
    again.start()
    for id: ReplicaID in [1, 2] { again.receive(again.nullify(1), by: id) }
    #expect(again.simplex.view == 1)
  }

  @Test func `above a gap votes on from the highest finalization, and ranges bring the rest`() {
    let maker = Bench()
    var headers = [maker.header(1)]
    while headers.count < 21 {
      headers.append(maker.header(View(UInt64(headers.count) + 1), on: headers.last))
    }
    let (floor, next) = (headers[19], headers[20])
    var restored = Restored()
    restored.certificates = [maker.certificate(maker.finalize(floor))]
    restored.blocks = [Block(header: floor, calls: [])]
    var again = Bench()
    again.simplex.restore(restored)
    again.start()
    again.ring(.progress, 20)
    again.receive(next)
    again.learn(again.notarize(next))
    #expect(again.cast == [again.notarize(next), again.finalize(next)])
    #expect(again.finalized.isEmpty)
    again.learn(again.finalize(next))
    let range = headers.map { (block: Block(header: $0, calls: []), digest: $0.digest) }
    let grew = again.simplex.extend(range, finalizations: [])
    #expect(grew)
    again.gather()
    #expect(again.finalized == headers.map(\.digest))
  }

  @Test func `never finalizes what it nullified before`() {
    var restored = Restored()
    restored.votes = [Bench().vote(Bench().nullify(1), by: 0)]
    var again = Bench()
    again.simplex.restore(restored)
    again.start()
    let header = again.header(1)
    again.receive(header)
    again.learn(again.notarize(header))
    #expect(again.cast.isEmpty)
    #expect(again.reached(.voterFinalizeAfterNullify))
  }
}
