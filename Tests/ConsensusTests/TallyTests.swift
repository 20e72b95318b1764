import Signing
import Testing
import Wire

@testable import Consensus

@Suite struct `A vote tally` {
  @Test(arguments: [4, 5, 7, 13, 14, 40])
  func `makes a certificate on the vote that completes the quorum`(size: Int) {
    let bench = Bench(size)
    let ballot = bench.nullify(1)
    var tally = VoteTally()
    for number in 0..<bench.committee.quorum {
      let early = tally.count(
        ballot, threshold: bench.committee.quorum, of: size, verifies: { _ in true })
      #expect(early.certificate == nil)
      _ = tally.admit(bench.vote(ballot, by: ReplicaID(UInt16(number))), verified: false)
    }
    let made = tally.count(
      ballot, threshold: bench.committee.quorum, of: size,
      verifies: { Verifier.mock.verify($0, in: bench.committee) != nil })
    #expect(made.certificate.map { Verifier.mock.verify($0, in: bench.committee) != nil } == true)
  }

  @Test func `counts a signer once`() {
    let bench = Bench()
    let ballot = bench.nullify(1)
    var tally = VoteTally()
    for _ in 0..<5 { _ = tally.admit(bench.vote(ballot, by: 1), verified: false) }
    #expect(tally.signers.count == 1)
    let count = tally.count(ballot, threshold: 3, of: 4, verifies: { _ in true })
    #expect(count.certificate == nil)
  }

  @Test func `compares statements, not signature bytes`() throws {
    let bench = Bench()
    let vote = bench.vote(bench.nullify(1), by: 1)
    let other = Vote(
      ballot: vote.ballot, signer: 1, signature: bench.vote(bench.nullify(2), by: 1).signature)
    var tally = VoteTally()
    let admissions = [vote, other].map { tally.admit($0, verified: false) }
    #expect(admissions == [.counted, .repeated])
  }

  @Test func `verifies nothing before the pending votes could be enough`() {
    let bench = Bench()
    let ballot = bench.nullify(1)
    var tally = VoteTally()
    var checked = 0
    for id: ReplicaID in [1, 2] {
      _ = tally.admit(bench.vote(ballot, by: id), verified: false)
      _ = tally.count(ballot, threshold: 3, of: 4) { _ in
        checked += 1
        return true
      }
    }
    #expect(checked == 0)
  }

  @Test func `a first vote stands against a different second one`() {
    let bench = Bench()
    let first = bench.vote(bench.notarize(bench.header(1)), by: 1)
    let second = bench.vote(bench.notarize(bench.header(1, time: 9_000)), by: 1)
    var tally = VoteTally()
    _ = tally.admit(first, verified: false)
    let admission = tally.admit(second, verified: false)
    #expect(admission == .conflicting(with: first))
    #expect(tally.votes == [first])
  }
}

@Suite struct `The pace` {
  @Test func `grows by a quarter and is capped at eight times its base`() {
    var pace = Pace(base: .milliseconds(100))
    pace.slow()
    #expect(pace.delay == .milliseconds(125))
    for _ in 0..<100 { pace.slow() }
    #expect(pace.delay == .milliseconds(800))
  }

  @Test func `falls by one step a finality`() {
    var pace = Pace(base: .milliseconds(100))
    for _ in 0..<3 { pace.slow() }
    pace.quicken()
    #expect(pace.steps == 2)
  }

  @Test func `that resets falls to its base at once`() {
    var pace = Pace(base: .milliseconds(100), resets: true)
    for _ in 0..<3 { pace.slow() }
    pace.quicken()
    #expect(pace.delay == pace.base)
  }

  @Test func `uncapped outgrows every patience`() {
    var pace = Pace(base: .milliseconds(100), capped: false)
    for _ in 0..<60 { pace.slow() }
    #expect(pace.delay > .seconds(1_000))
  }
}

@Suite struct `Static validity` {
  let bench = Bench()

  private func fault(_ header: Header, _ parent: Header? = nil) -> String? {
    let genesis = bench.simplex.chain.delivered.header
    return staticFault(
      header, bodies: [], parent: parent ?? genesis, parentDigest: parent?.digest ?? .zero,
      committee: bench.committee, verifier: .mock)
  }

  private func header(
    subnet: SubnetID? = nil, epoch: Epoch = 0, view: View = 2, parentView: View = 1,
    parent: Digest? = nil, height: Height = 2, time: Moment = 5_000, calls: [Digest] = []
  ) -> Header {
    Header(
      subnet: subnet ?? bench.committee.subnet, epoch: epoch, view: view, parentView: parentView,
      parent: parent ?? bench.header(1).digest, height: height, time: time, calls: calls,
      certified: nil)
  }

  @Test func `accepts a block that follows its parent`() {
    #expect(fault(header(), bench.header(1)) == nil)
  }

  @Test func `refuses whatever does not follow`() {
    let parent = bench.header(1)
    #expect(fault(header(subnet: .zero), parent) != nil)
    #expect(fault(header(epoch: 1), parent) != nil)
    #expect(fault(header(view: 1), parent) != nil)
    #expect(fault(header(parentView: 0), parent) != nil)
    #expect(fault(header(parent: .zero), parent) != nil)
    #expect(fault(header(height: 3), parent) != nil)
    #expect(fault(header(time: parent.time), parent) != nil)
    #expect(fault(header(calls: [sha256([1])]), parent) != nil)
  }

  @Test func `holds no calls more than W heights above the certified one`() throws {
    let call = Call(
      subnet: bench.committee.subnet, pipeline: "p", method: .deploy, bodyDigest: sha256([]),
      bodyBytes: 0, idempotencyKey: "k", sender: nil, expiry: 9_000, stepLimit: 1)
    let body = try Verifier.mock.verify(
      SignedCall(call: call, body: [], signature: nil), subnet: bench.committee.subnet)
    for (height, isFine) in [(Height(16), true), (Height(17), false)] {
      let block = header(height: height, calls: [body.digest])
      #expect(bodiesFault(block, bodies: [body]) == nil)
      let fault = certifiedFault(
        block, committee: bench.committee, verifier: .mock, known: nil)
      #expect((fault == nil) == isFine)
    }
  }
}
