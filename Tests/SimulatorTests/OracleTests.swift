import Signing
import Testing
import Wire

@testable import Simulator

@Suite struct `The oracle` {
  private let committee: Committee
  private let subnet: SubnetID
  private let blockA = sha256([1])
  private let blockB = sha256([2])

  init() {
    subnet = sha256([0])
    committee = Committee(
      subnet: subnet, epoch: 0,
      keys: (0..<4).compactMap { PublicKey([UInt8](repeating: UInt8($0 + 1), count: 32)) })
  }

  private func oracle() -> Oracle {
    Oracle(
      committee: committee, verifier: nil, machines: (0..<4).map { (ReplicaID(UInt16($0)), true) },
      genesisRoot: .zero)
  }

  private func signature(_ byte: UInt8) -> Signature {
    guard let signature = Signature([UInt8](repeating: byte, count: 64)) else {
      preconditionFailure("64 bytes make a signature")
    }
    return signature
  }

  private func vote(_ signer: Int, _ ballot: Ballot) -> Vote {
    Vote(ballot: ballot, signer: ReplicaID(UInt16(signer)), signature: signature(UInt8(signer)))
  }

  private func notarize(_ view: View, _ block: Digest, parent: View = 0) -> Ballot {
    .notarize(subnet: subnet, epoch: 0, view: view, parentView: parent, block: block)
  }

  private func finalize(_ view: View, _ block: Digest, parent: View = 0) -> Ballot {
    .finalize(subnet: subnet, epoch: 0, view: view, parentView: parent, block: block)
  }

  private func nullify(_ view: View) -> Ballot { .nullify(subnet: subnet, epoch: 0, view: view) }

  private func certificate(_ ballot: Ballot, _ signers: [Int]) -> Certificate {
    Certificate(
      ballot: ballot, signers: Signers(signers.map { ReplicaID(UInt16($0)) }, of: 4),
      signatures: signers.map { signature(UInt8($0)) })
  }

  /// Everyone casts the ballot and holds the certificate of the first three.
  private func decide(_ ballot: Ballot, _ oracle: Oracle) {
    for machine in 0..<3 { oracle.durable([.vote(vote(machine, ballot))], on: machine) }
    for machine in 0..<4 {
      oracle.durable([.certificate(certificate(ballot, [0, 1, 2]))], on: machine)
    }
  }

  @Test func `finds nothing wrong with a view that is notarized and finalized`() {
    let oracle = oracle()
    let block = Block(
      header: Header(
        subnet: subnet, epoch: 0, view: 1, parentView: 0, parent: .zero, height: 1, time: 1,
        calls: [], certified: nil), calls: [])
    let digest = block.header.digest
    for machine in 0..<4 { oracle.durable([.block(digest: digest, block)], on: machine) }
    decide(notarize(1, digest), oracle)
    decide(finalize(1, digest), oracle)
    oracle.sent(.vote(vote(0, finalize(1, digest))), by: 0)
    oracle.finalized(1, 1, block.header, by: 0)
    #expect(oracle.violations.isEmpty)
    #expect(oracle.chain.height == 1)
  }

  @Test func `sees a replica notarize two blocks of one view`() {
    let oracle = oracle()
    oracle.durable([.vote(vote(0, notarize(1, blockA)))], on: 0)
    #expect(oracle.violations.isEmpty)
    oracle.durable([.vote(vote(0, notarize(1, blockB)))], on: 0)
    #expect(oracle.violations.map(\.check) == [.oneNotarization])
  }

  @Test func `remembers over a wipe what a replica cast`() {
    let oracle = oracle()
    oracle.durable([.vote(vote(0, notarize(1, blockA)))], on: 0)
    oracle.wiped(0)
    oracle.durable([.vote(vote(0, notarize(1, blockB)))], on: 0)
    #expect(oracle.violations.map(\.check) == [.oneNotarization])
  }

  @Test func `sees a finalize after a nullify`() {
    let oracle = oracle()
    oracle.durable([.block(digest: blockA, block())], on: 3)
    decide(notarize(1, blockA), oracle)
    oracle.durable([.vote(vote(3, nullify(1)))], on: 3)
    #expect(oracle.violations.isEmpty)
    oracle.durable([.vote(vote(3, finalize(1, blockA)))], on: 3)
    #expect(oracle.violations.map(\.check) == [.oneNotarization])
  }

  @Test func `sees a vote that leaves before it is durable`() {
    let oracle = oracle()
    oracle.sent(.vote(vote(2, nullify(1))), by: 2)
    #expect(oracle.violations.map(\.check) == [.durability])
  }

  @Test func `sees a certificate with too few signers`() {
    let oracle = oracle()
    for machine in 0..<2 { oracle.durable([.vote(vote(machine, nullify(1)))], on: machine) }
    oracle.durable([.certificate(certificate(nullify(1), [0, 1]))], on: 0)
    #expect(oracle.violations.map(\.check) == [.oneNotarization])
  }

  @Test func `sees a certificate with a vote that nobody cast`() {
    let oracle = oracle()
    for machine in 0..<2 { oracle.durable([.vote(vote(machine, nullify(1)))], on: machine) }
    oracle.durable([.certificate(certificate(nullify(1), [0, 1, 2]))], on: 0)
    #expect(oracle.violations.map(\.check) == [.oneNotarization])
  }

  @Test(arguments: [true, false])
  func `learns of a vote in a sync that nobody heard of by its certificate`(wasWritten: Bool) {
    let oracle = oracle()
    for machine in 0..<4 { oracle.durable([.block(digest: blockA, block())], on: machine) }
    decide(notarize(1, blockA), oracle)
    for machine in 1..<3 {
      oracle.durable([.vote(vote(machine, finalize(1, blockA)))], on: machine)
    }
    let shown = certificate(finalize(1, blockA), [0, 1, 2])
    let own = vote(0, wasWritten ? finalize(1, blockA) : nullify(1))
    oracle.attempted([.vote(own), .certificate(shown)], on: 0)
    var restored = Restored()
    restored.certificates = [shown]
    oracle.restored(restored, on: 0)
    oracle.sent(.certificate(shown), by: 0)
    let never = oracle.violations.filter { $0.text.contains("a vote that r0 never cast") }
    #expect(never.count == (wasWritten ? 0 : 1))
    #expect(oracle.violations.count == never.count)
    oracle.durable([.vote(vote(0, nullify(1)))], on: 0)
    #expect(oracle.violations.contains { $0.text.contains("which it saw finalized") })
  }

  @Test func `sees a view both nullified and finalized`() {
    let oracle = oracle()
    for machine in 0..<4 { oracle.durable([.block(digest: blockA, block())], on: machine) }
    oracle.machines[2].correct = false
    oracle.machines[1].correct = false
    decide(notarize(1, blockA), oracle)
    decide(finalize(1, blockA), oracle)
    #expect(oracle.violations.isEmpty)
    oracle.durable([.vote(vote(3, nullify(1)))], on: 3)
    oracle.saw(certificate(nullify(1), [1, 2, 3]), 3)
    #expect(oracle.violations.contains { $0.text.contains("finalized, and nullified") })
  }

  /// Machines that lost their disks, or are Byzantine, after they signed.
  @Test(arguments: [([Int](), [Int](), 0), ([1], [], 0), ([1, 2], [], 1), ([], [1, 2], 1)])
  func `sees a finalized block that too few correct replicas have`(
    wiped: [Int], byzantine: [Int], found: Int
  ) {
    let oracle = oracle()
    for machine in 0..<3 { oracle.durable([.block(digest: blockA, block())], on: machine) }
    decide(notarize(1, blockA), oracle)
    for machine in 0..<3 {
      oracle.durable([.vote(vote(machine, finalize(1, blockA)))], on: machine)
    }
    for machine in wiped { oracle.wiped(machine) }
    for machine in byzantine { oracle.machines[machine].correct = false }
    #expect(oracle.violations.isEmpty)
    oracle.durable([.certificate(certificate(finalize(1, blockA), [0, 1, 2]))], on: 3)
    #expect(oracle.violations.map(\.check) == Array(repeating: .durability, count: found))
  }

  @Test func `sees execution go on though no state can reach a quorum, over the budget too`() {
    let oracle = oracle()
    oracle.durable([.finalized(height: 99, block: blockA)], on: 0)
    func execute(_ heights: ClosedRange<UInt64>) {
      for height in heights {
        oracle.executed(
          BlockOutcome(height: Height(height), stateRoot: blockA, receiptsRoot: .zero), by: 0)
      }
    }
    execute(1...5)
    #expect(oracle.splits(0))
    #expect(!oracle.splits(0))
    // What was asked for before still comes.
    execute(6...13)
    #expect(oracle.violations.isEmpty)
    execute(14...14)
    #expect(oracle.violations.map(\.check) == [.state])
    #expect(oracle.setAside { !$0.always }.isEmpty)
    oracle.restarted(0, at: 14)
    execute(15...15)
    #expect(oracle.violations.count == 1)
  }

  @Test func `sees a vote past a view that nobody nullified`() {
    let oracle = oracle()
    decide(notarize(1, blockA), oracle)
    oracle.durable([.vote(vote(3, notarize(3, blockB, parent: 1)))], on: 3)
    #expect(oracle.violations.map(\.check) == [.agreement])
  }

  @Test func `sees two blocks at one height`() {
    let oracle = oracle()
    let first = header(view: 1)
    decide(notarize(1, first.digest), oracle)
    oracle.finalized(1, 1, first, by: 0)
    #expect(oracle.violations.isEmpty)
    oracle.finalized(1, 2, header(view: 2), by: 1)
    #expect(oracle.violations.map(\.check) == [.agreement])
  }

  @Test func `sees a root that differs`() {
    let oracle = oracle()
    for machine in 0..<3 { oracle.durable([.finalized(height: 1, block: blockA)], on: machine) }
    oracle.executed(BlockOutcome(height: 1, stateRoot: blockA, receiptsRoot: .zero), by: 0)
    oracle.executed(BlockOutcome(height: 1, stateRoot: blockA, receiptsRoot: .zero), by: 1)
    #expect(oracle.violations.isEmpty)
    oracle.executed(BlockOutcome(height: 1, stateRoot: blockB, receiptsRoot: .zero), by: 2)
    #expect(oracle.violations.map(\.check) == [.state])
  }

  @Test func `sees a block that is executed before its finalization is on the disk`() {
    let oracle = oracle()
    oracle.durable([.finalized(height: 1, block: blockA)], on: 0)
    oracle.executed(BlockOutcome(height: 1, stateRoot: blockA, receiptsRoot: .zero), by: 0)
    #expect(oracle.violations.isEmpty)
    oracle.executed(BlockOutcome(height: 1, stateRoot: blockA, receiptsRoot: .zero), by: 1)
    #expect(oracle.violations.map(\.check) == [.durability])
  }

  @Test(arguments: [(Moment(1_500), 0), (Moment(1_501), 1)])
  func `sees a block of a later time than any clock`(time: Moment, found: Int) {
    let oracle = oracle()
    oracle.clockLatest = 1_000
    let header = header(view: 1, time: time)
    decide(notarize(1, header.digest), oracle)
    oracle.finalized(1, 1, header, by: 0)
    #expect(oracle.violations.map(\.check) == Array(repeating: .bounds, count: found))
  }

  @Test(arguments: [(UInt64(16), 0), (17, 1)])
  func `sees calls too far above the certified state`(height: UInt64, found: Int) {
    let oracle = oracle()
    var parent = Digest.zero
    for number in 1...height {
      let header = Header(
        subnet: subnet, epoch: 0, view: View(number), parentView: View(number - 1),
        parent: parent, height: Height(number), time: Moment(number),
        calls: number == height ? [blockA] : [], certified: nil)
      decide(notarize(View(number), header.digest, parent: View(number - 1)), oracle)
      oracle.finalized(Height(number), View(number), header, by: 0)
      parent = header.digest
    }
    #expect(oracle.violations.map(\.check) == Array(repeating: .bounds, count: found))
  }

  @Test func `sees an accusation of a correct replica, and none in one of a guilty`() {
    let oracle = oracle()
    oracle.guilty = [3]
    let evidence = { (culprit: Int) in
      Evidence.votes(
        self.vote(culprit, self.notarize(1, self.blockA)),
        self.vote(culprit, self.notarize(1, self.blockB)))
    }
    oracle.accuse(evidence(3), by: 0)
    #expect(oracle.violations.isEmpty && oracle.accused == [3])
    oracle.accuse(evidence(2), by: 0)
    #expect(oracle.violations.map(\.check) == [.evidence])
  }

  private func header(view: View, time: Moment = 1) -> Header {
    Header(
      subnet: subnet, epoch: 0, view: view, parentView: 0, parent: .zero, height: 1, time: time,
      calls: [], certified: nil)
  }

  private func block() -> Block { Block(header: header(view: 1), calls: []) }
}
