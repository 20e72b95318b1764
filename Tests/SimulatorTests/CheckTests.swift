import Metering
import Replication
import Signing
import Testing
import Wire

@testable import Simulator

/// What each check says when it is fed a violation; `OracleTests` feeds it votes and chains.
@Suite struct `A check of the oracle` {
  private let committee = Committee(
    subnet: sha256([0]), epoch: 0,
    keys: (0..<4).compactMap { PublicKey([UInt8](repeating: UInt8($0 + 1), count: 32)) })

  private func oracle(verifier: Verifier? = nil) -> Oracle {
    let oracle = Oracle(
      committee: committee, verifier: verifier,
      machines: (0..<4).map { (ReplicaID(UInt16($0)), true) }, genesisRoot: .zero)
    oracle.minted = 1_000
    return oracle
  }

  // MARK: Votes

  @Test func `of votes holds a replica to what it said, and one whose disk lied to nothing`() {
    for isExcused in [false, true] {
      let oracle = oracle()
      for ballot in [
        Ballot.finalize(
          subnet: committee.subnet, epoch: 0, view: 3, parentView: 0, block: header.digest),
        .nullify(subnet: committee.subnet, epoch: 0, view: 3),
      ] {
        oracle.durable([.vote(Vote(ballot: ballot, signer: 1, signature: signature(1)))], on: 1)
        if isExcused { oracle.excuse(1) }
      }
      let contradicts = oracle.violations.contains { $0.text.contains("nullifies view 3 after") }
      #expect(contradicts == !isExcused)
      #expect(oracle.guilty.contains(1) == isExcused)
    }
  }

  @Test func `of votes binds who was excused again when its disk is empty`() {
    let oracle = oracle()
    let subnet = committee.subnet
    oracle.excuse(1)
    #expect(oracle.states.astray.contains(1))
    oracle.wiped(1)
    oracle.beginsAnew(1)
    #expect(!oracle.states.astray.contains(1) && oracle.guilty.contains(1))
    for block in [sha256([1]), sha256([2])] {
      let ballot = Ballot.notarize(subnet: subnet, epoch: 0, view: 1, parentView: 0, block: block)
      oracle.durable([.vote(Vote(ballot: ballot, signer: 1, signature: signature(1)))], on: 1)
    }
    #expect(oracle.violations.map(\.check) == [.oneNotarization])
  }

  @Test(arguments: [true, false])
  func `of state judges who ends its quarantine, unless its disk goes on to lie`(isSound: Bool) {
    let oracle = oracle()
    oracle.durable([.finalized(height: 2, block: header.digest)], on: 0)
    oracle.durable([.finalized(height: 2, block: header.digest)], on: 1)
    let (root, other) = (sha256([1]), sha256([2]))
    for height in [Height(1), 2] {
      oracle.executed(BlockOutcome(height: height, stateRoot: root, receiptsRoot: .zero), by: 0)
    }
    oracle.excuse(1)
    oracle.executed(BlockOutcome(height: 1, stateRoot: other, receiptsRoot: .zero), by: 1)
    #expect(oracle.violations.isEmpty)
    oracle.leavesQuarantine(
      1, with: [BlockOutcome(height: 1, stateRoot: root, receiptsRoot: .zero)], isSound: isSound)
    oracle.executed(BlockOutcome(height: 2, stateRoot: other, receiptsRoot: .zero), by: 1)
    #expect(oracle.violations.map(\.check) == (isSound ? [.state] : []))
  }

  // MARK: State

  @Test func `of state sees a replay that gives another root or other receipts`() {
    let (root, receipts) = (sha256([1]), sha256([2]))
    for (state, list, isFine) in [
      (root, receipts, true), (receipts, receipts, false), (root, root, false),
    ] {
      let oracle = oracle()
      oracle.durable([.finalized(height: 1, block: header.digest)], on: 0)
      oracle.executed(BlockOutcome(height: 1, stateRoot: root, receiptsRoot: receipts), by: 0)
      oracle.replayed(BlockOutcome(height: 1, stateRoot: state, receiptsRoot: list))
      #expect(oracle.violations.map(\.check) == (isFine ? [] : [.state]))
    }
  }

  @Test func `of state sees a row that is missing, altered, doubled or too many`() {
    let bank = paid([("a", 5), ("b", 7)])
    let rows = [
      BankRow("a", "you", 5), BankRow("b", "you", 7), BankRow("you", "2 transfers", 12),
    ]
    let wrong: [[BankRow]] = [
      Array(rows.dropFirst()), rows + [BankRow("c", "you", 1)], [rows[0], rows[0], rows[2]],
      [BankRow("a", "you", 6), rows[1], rows[2]],
      [rows[0], rows[1], BankRow("you", "2 transfers", 13)],
    ]
    let oracle = oracle()
    oracle.compare(rows, with: bank, on: 0, of: "r0")
    #expect(oracle.violations.isEmpty)
    for rows in wrong {
      let oracle = self.oracle()
      oracle.compare(rows, with: bank, on: 0, of: "r0")
      #expect(oracle.violations.first?.check == .state, "\(rows)")
    }
  }

  @Test func `of state sees a certificate of too few, of a stranger, or of who did not sign`() {
    for (signers, isFine) in [([0, 1, 2], true), ([0, 1], false), ([0, 1, 3], false)] {
      let oracle = oracle()
      let statement = StateStatement(
        subnet: committee.subnet, epoch: 0, height: 1, block: header.digest, stateRoot: .zero,
        receiptsRoot: .zero, time: 1)
      decide(oracle)
      for machine in 0..<3 {
        let share = StateShare(
          statement: statement, signer: ReplicaID(UInt16(machine)), signature: signature(1))
        oracle.durable([.stateShare(share)], on: machine)
      }
      oracle.durable(
        [
          .stateCertificate(
            StateCertificate(
              statement: statement,
              signers: Signers(signers.map { ReplicaID(UInt16($0)) }, of: 4),
              signatures: signers.map { _ in signature(1) }))
        ], on: 0)
      #expect(oracle.violations.map(\.check) == (isFine ? [] : [.state]), "\(signers)")
    }
  }

  // MARK: Exactly once

  @Test func `of effects sees a call executed twice, too late, or not at all`() {
    let call = call("a", 5, expiry: 100)
    var bank = BankModel()
    #expect(bank.apply(block([call], 1, time: 50), receipts: [receipt(call, 1)]) == [])
    #expect(bank.apply(block([call], 2, time: 60), receipts: [receipt(call, 1)]) == [])
    #expect(
      bank.apply(block([call], 3, time: 70), receipts: [receipt(call, 3)]).first?
        .contains("a second time") == true)
    let late = self.call("b", 5, expiry: 65)
    #expect(bank.apply(block([late], 4, time: 80), receipts: [nil]) == [])
    #expect(
      bank.apply(block([late], 5, time: 90), receipts: [receipt(late, 5)]).first?
        .contains("after its expiry") == true)
    let long = self.call("d", 5, expiry: 600_093)
    #expect(bank.apply(block([long], 6, time: 92), receipts: [nil]) == [])
    #expect(
      bank.apply(block([long], 6, time: 92), receipts: [receipt(long, 6)]).first?
        .contains("longer than any may") == true)
    let lost = self.call("c", 5, expiry: 200)
    #expect(
      bank.apply(block([lost], 6, time: 95), receipts: [nil]).first?
        .contains("has no receipt") == true)
    #expect(bank.transfers.keys.sorted() == ["a", "b", "d"])
  }

  @Test func `of effects counts the rows that a receipt says were accepted`() {
    let call = call("a", -5, expiry: 100)
    var bank = BankModel()
    let flaws = bank.apply(block([call], 1, time: 50), receipts: [receipt(call, 1)])
    #expect(flaws.first?.contains("accepts 1 row, there are 0") == true)
    #expect(bank.transfers.isEmpty)
  }

  // MARK: Reads

  @Test func `of reads sees an update that takes effect before what was acknowledged first`() {
    let (first, second) = (call("a", 1, expiry: 100), call("b", 2, expiry: 100))
    for (height, isFine) in [(Height(6), true), (5, false), (4, false)] {
      let oracle = oracle()
      oracle.submitted(first.call.digest)
      oracle.acknowledged(first.call.digest, receipt(first, 5))
      oracle.submitted(second.call.digest)
      oracle.acknowledged(second.call.digest, receipt(second, height))
      #expect(oracle.violations.map(\.check) == (isFine ? [] : [.reads]))
    }
  }

  @Test func `of reads sees rows that are wrong, missing, too early or too old`() {
    let bank = paid([("a", 5)])
    let row = BankRow("a", "you", 5)
    let cases: [(rows: [BankRow], id: String, height: Height, wanted: Height, isFine: Bool)] = [
      ([row], "a", 1, 1, true), ([], "a", 1, 1, false),
      ([BankRow("a", "you", 6)], "a", 1, 1, false),
      ([row], "a", 1, 2, false), ([row], "a", 0, 0, false), ([], "b", 1, 1, true),
      ([row, row], "a", 1, 1, false),
    ]
    for read in cases {
      let oracle = oracle()
      oracle.read(
        read.rows, of: read.id, at: read.height, time: 1, atLeast: read.wanted, bank: bank,
        replayed: 1, 0)
      #expect(oracle.violations.isEmpty == read.isFine, "\(read)")
      #expect(oracle.violations.allSatisfy { $0.check == .reads })
    }
  }

  @Test func `of reads sees a range that lacks a row, or has one too many or too early`() {
    let bank = paid([("a1", 5), ("a2", 6), ("b", 7)])
    let rows = [BankRow("a1", "you", 5), BankRow("a2", "you", 6)]
    for (read, height, isFine) in [
      (rows, Height(1), true), ([rows[0]], 1, false), (rows + [BankRow("b", "you", 7)], 1, false),
      (rows + [rows[0]], 1, false), (rows, 0, false), ([], 0, true),
    ] {
      let oracle = oracle()
      oracle.read(read, from: "a", to: "a~", at: height, bank: bank, replayed: 1, 0)
      #expect(oracle.violations.map(\.check) == (isFine ? [] : [.reads]), "\(read) at \(height)")
    }
  }

  @Test func `of reads leaves none of them for after the run`() {
    var scenario = Scenario(title: "Reads")
    scenario.load = Scenario.Load()
    scenario.load?.rate = 20
    scenario.faults = [Fault(at: .time(.seconds(6)), .calm)]
    scenario.expect.liveness = .seconds(20)
    let world = World(scenario, RunOptions())
    let report = world.run()
    #expect(report.passed, "\(report.text(file: nil))")
    #expect(report.statistics.reads > 20)
    #expect(world.clients.allSatisfy { $0.toRead.isEmpty })
  }

  // MARK: Cycles, evidence, bounds

  @Test func `of bounds sees a block of too many calls, bytes or steps`() {
    func flaws(calls: Int, steps: UInt64, bytes: Int) -> [Check] {
      let body = [UInt8](repeating: 0, count: bytes)
      let calls = (0..<calls).map { number in
        SignedCall(
          call: Call(
            subnet: committee.subnet, pipeline: Bank.name, method: .procedure("pay"),
            bodyDigest: .zero, bodyBytes: UInt32(bytes), idempotencyKey: "\(number)", sender: nil,
            expiry: 1, stepLimit: steps), body: body, signature: nil)
      }
      let oracle = oracle()
      oracle.judgeSize(
        Block(header: header(1, calls: [], time: 1), calls: calls), 0)
      return oracle.violations.map(\.check)
    }
    #expect(flaws(calls: 4, steps: 50_000_000, bytes: 1 << 20) == [])
    #expect(flaws(calls: 2_048, steps: 1, bytes: 1) == [])
    #expect(flaws(calls: 2_049, steps: 1, bytes: 1) == [.bounds])
    #expect(flaws(calls: 4, steps: 50_000_001, bytes: 1) == [.bounds])
    #expect(flaws(calls: 2, steps: .max, bytes: 1) == [.bounds])
    #expect(flaws(calls: 5, steps: 1, bytes: 1 << 20) == [.bounds])
  }

  @Test func `of bounds looks at who finalizes nothing too, while it does not`() {
    var scenario = Scenario(title: "Halves")
    scenario.faults = [
      Fault(at: .time(0), .split([.replicas([0, 1]), .replicas([2, 3])])),
      Fault(at: .time(.seconds(8)), .calm),
    ]
    scenario.expect.memory = 10
    let report = Simulation.run(scenario)
    #expect(report.violations.first?.check == .bounds, "\(report.text(file: nil))")
    #expect((report.violations.first?.time ?? .max) < 2_000_000)
  }

  @Test(arguments: [
    ("pause: r1", true), ("cpu: { of: r1, takes: 100ms }", true), ("pause: r0", false),
  ])
  func `of bounds counts what a paused or slow machine has not taken in yet`(
    fault: String, isLarge: Bool
  ) throws {
    let scenario = try ScenarioFile.parse(
      """
      quorate: 1
      title: A pause
      cluster: { replicas: 4, seed: 5 }
      load: { clients: 2, rate: 10/s }
      faults: [{ at: 1s, \(fault), for: 4s }, { at: 6s, calm: all }]
      """, path: "a.yaml")
    let world = World(scenario, RunOptions())
    _ = world.run()
    let most = world.machines.map(\.bytesUnderWayMost)
    #expect((most[1] > 2 * most[2]) == isLarge, "\(most)")
  }

  @Test func `of bounds knows itself how many views may be held`() {
    #expect(oracle().viewsMost(at: 9, 5) == 4 + 4 * 64 + 2 * 3)
    #expect(oracle().viewsMost(at: 5, 9) == 4 * 64 + 2 * 3)
  }

  @Test func `of cycles sees one that came or went, or that no receipt names`() {
    for (balances, burned, charged, isFine) in [
      (UInt128(900), UInt128(100), UInt128(100), true), (901, 100, 100, false),
      (899, 100, 100, false), (900, 100, 99, false),
    ] {
      let oracle = oracle()
      var totals = CycleTotals()
      totals.minted = 1_000
      totals.balances = balances
      totals.burned = burned
      oracle.conserves(totals, charged: charged, at: 1, on: nil)
      #expect(oracle.violations.map(\.check) == (isFine ? [] : [.cycles]))
    }
  }

  @Test func `of storage sees a period that was not paid, or paid otherwise`() {
    /// A pipeline of 1 GiB, and what is wrong after some time.
    func flaw(_ taken: UInt128, after seconds: UInt64, bytes: UInt64 = 1 << 30) -> String? {
      var model = StorageModel(replicas: 13)
      let before = FileAccount(pipeline: "p", bytes: 1 << 30, balance: 1, taken: 0)
      #expect(model.follow(before, at: 1) == nil)
      let after = FileAccount(pipeline: "p", bytes: bytes, balance: 1, taken: taken)
      return model.follow(after, at: Moment(seconds * 1_000))
    }
    let period: UInt128 = 600 * 127_000
    #expect(flaw(0, after: 599) == nil)
    #expect(flaw(period, after: 600) == nil)
    #expect(flaw(2 * period, after: 1_799, bytes: 7) == nil)
    #expect(flaw(0, after: 700) == nil, "nothing ran on the file")
    for (taken, seconds) in [(UInt128(1), UInt64(599)), (period + 1, 600), (period, 1_200)] {
      #expect(flaw(taken, after: seconds) != nil)
    }
    #expect(flaw(0, after: 700, bytes: 7) != nil)
  }

  @Test func `of evidence sees what proves nothing, though its culprit is guilty`() {
    let key = committee.members[3].key
    let signer = Signer.mock(key)
    func vote(_ ballot: Ballot, signed: Bool = true) -> Vote {
      Vote(
        ballot: ballot, signer: 3,
        signature: signed ? signer.sign(ballot) : signature(9))
    }
    let subnet = committee.subnet
    let first = Ballot.notarize(
      subnet: subnet, epoch: 0, view: 1, parentView: 0, block: sha256([1]))
    let second = Ballot.notarize(
      subnet: subnet, epoch: 0, view: 1, parentView: 0, block: sha256([2]))
    let later = Ballot.notarize(
      subnet: subnet, epoch: 0, view: 2, parentView: 0, block: sha256([2]))
    let nullify = Ballot.nullify(subnet: subnet, epoch: 0, view: 1)
    for (evidence, isFine) in [
      (Evidence.votes(vote(first), vote(second)), true),
      (.votes(vote(first), vote(first)), false), (.votes(vote(first), vote(later)), false),
      (.votes(vote(first), vote(nullify)), false),
      (.votes(vote(first), vote(second, signed: false)), false),
    ] {
      let oracle = oracle(verifier: .mock)
      oracle.guilty = [3]
      oracle.accuse(evidence, by: 0)
      #expect(oracle.violations.map(\.check) == (isFine ? [] : [.evidence]))
    }
  }

  static let overfull: [@Sendable (inout ReplicaLoad, inout Oracle.Stores) -> Void] = [
    { load, _ in load.views = 2_000 }, { load, _ in load.votesOfView = 13 },
    { load, _ in load.blocks = 2_000 }, { load, _ in load.assemblies = 17 },
    { load, _ in load.states = 5_000 }, { load, _ in load.poolCalls = 20_001 },
    { load, _ in load.poolBytes = 65 << 20 }, { load, _ in load.rumours = 20_001 },
    { load, _ in load.ordered = 70_000 }, { load, _ in load.held = 5_000 },
    { load, _ in load.wanted = 2_000 }, { _, stores in stores.executing = 5 },
    { _, stores in stores.underWay = 65 << 20 }, { _, stores in stores.log = 25 << 20 },
  ]

  @Test func `of bounds sees each thing that is over its limit, and nothing below`() {
    for fill in Self.overfull {
      let oracle = oracle()
      var (load, stores) = (ReplicaLoad(), Oracle.Stores())
      oracle.bounds(load, stores, floor: 5, highest: 9, on: 0)
      #expect(oracle.violations.isEmpty)
      fill(&load, &stores)
      oracle.bounds(load, stores, floor: 5, highest: 9, on: 0)
      #expect(oracle.violations.map(\.check) == [.bounds])
    }
  }

  @Test func `of bounds sees what others hold for a Byzantine replica`() {
    let oracle = oracle()
    oracle.bounds(underWay: 64_000_000, to: 3)
    #expect(oracle.violations.isEmpty)
    oracle.bounds(underWay: 65 << 20, to: 3)
    #expect(oracle.violations.map(\.check) == [.bounds])
  }

  // MARK: Liveness, vacuity

  @Test func `of liveness sees that nothing is finalized without a quorum`() {
    var scenario = Scenario(title: "Two of four are gone")
    scenario.overBudget = true
    scenario.faults = [
      Fault(at: .time(.seconds(1)), .crash(.replicas([0, 1]), .nothing, effects: 0)),
      Fault(at: .time(.seconds(2)), .calm),
    ]
    scenario.expect.liveness = .seconds(5)
    let report = Simulation.run(scenario)
    #expect(report.broke.map(\.check) == [.liveness])
  }

  @Test func `of vacuity sees a mark that was not reached`() {
    var scenario = Scenario(title: "Nothing happens")
    scenario.cluster.duration = .seconds(1)
    scenario.expect.reaches = [.stateSplit]
    let report = Simulation.run(scenario)
    #expect(report.violations.map(\.check) == [.vacuity])
    #expect(report.exitCode == 3)
  }

  @Test(arguments: [
    ("{ at: view 9000 proposed, crash: r1, for: 1s }", "never began"),
    ("{ at: 3s, crash: r1, for: 1s }", "never began"),
    ("{ at: 1s, crash: { of: r1, effects: 100000 }, for: 500ms }", "came within no turn"),
    ("{ at: 1s, crash: { of: r1, effects: 3 }, for: 500ms }", ""),
  ])
  func `of vacuity sees a fault that does not happen, of stories that tell more`(
    fault: String, found: String
  ) throws {
    let more = "expect: { never: r0 nullifies 9999 }"
    for expectation in ["", "expect: { votes-again: r2, verifications: 900/view }", more] {
      let scenario = try ScenarioFile.parse(
        """
        quorate: 1
        title: A crash
        cluster: { replicas: 4, seed: 5 }
        load: { clients: 2, rate: 20/s }
        faults: [\(fault), { at: 2s, calm: all }]
        \(expectation)
        """, path: "a.yaml")
      let report = Simulation.run(scenario)
      let isVacuous = expectation == more && !found.isEmpty
      #expect(report.exitCode == (isVacuous ? 3 : 0), "\(report.text(file: nil))")
      if isVacuous { #expect(report.violations.first?.text.contains(found) == true) }
    }
  }

  @Test func `of vacuity sees a fault on links that met no message, of stories that tell more`() {
    var scenario = Scenario(title: "Nothing to lose")
    scenario.cluster.duration = .seconds(1)
    var filter = Fault.Filter()
    filter.kind = .evidence
    scenario.faults = [Fault(at: .time(.milliseconds(100)), .drop(filter))]
    #expect(Simulation.run(scenario).passed)
    scenario.expect.never = [.act(0, .nullify, 999)]
    let report = Simulation.run(scenario)
    #expect(report.violations.map(\.check) == [.vacuity], "\(report.text(file: nil))")
    #expect(report.text(file: "a.yaml").hasSuffix("next: quorate simulate explain a.yaml"))
    #expect(report.text(file: nil, next: "run --for 2s").hasSuffix("next: run --for 2s"))
    #expect(!report.text(file: nil).contains("never began"))
    filter.kind = .notarize
    scenario.cluster.duration = .seconds(4)
    scenario.faults = [Fault(at: .time(.milliseconds(100)), .drop(filter), .span(.seconds(2)))]
    #expect(Simulation.run(scenario).passed)
  }

  @Test(arguments: [(UInt64(350), true), (250, false)])
  func `of liveness sees blocks that take more delays than expected`(most: UInt64, isFine: Bool) {
    var scenario = Scenario(title: "Three delays")
    scenario.cluster.duration = .seconds(3)
    scenario.cluster.latency = .milliseconds(50)
    scenario.cluster.jitter = .milliseconds(0)
    scenario.expect.finality = most
    let report = Simulation.run(scenario)
    #expect(report.violations.map(\.check) == (isFine ? [] : [.liveness]), "\(report.verdict)")
    #expect(isFine || report.verdict.contains("2.5 δ were expected"), "\(report.verdict)")
  }

  @Test func `tell of faults whose moment never came`() {
    var scenario = Scenario(title: "Too late")
    scenario.cluster.duration = .seconds(1)
    scenario.faults = [
      Fault(at: .time(.milliseconds(100)), .pause(.replicas([0])), .span(.milliseconds(10))),
      Fault(at: .view(9_000, .finalized), .pause(.replicas([0]))),
    ]
    let text = Simulation.run(scenario).text(file: nil)
    #expect(text.contains("1 fault never began: number 2"), "\(text)")
  }

  @Test func `name the replica that did what is forbidden once`() {
    var scenario = Scenario(title: "Forbidden")
    scenario.cluster.duration = .seconds(1)
    scenario.expect.never = [.act(1, .finalize, 2)]
    let report = Simulation.run(scenario)
    #expect(report.verdict.contains(" r1 finalizes 2"), "\(report.verdict)")
    #expect(!report.text(file: nil).contains("r1 r1"), "\(report.text(file: nil))")
  }

  @Test func `refuse a story that waits for a replica that is not there`() {
    var scenario = Scenario(title: "Nobody")
    scenario.faults = [
      Fault(at: .time(.seconds(1)), .pause(.replicas([0])), .until(.act(9, .nullify, 8)))
    ]
    #expect(scenario.flaws.contains { $0.hasPrefix("r9 never acts") })
  }

  // MARK: Memory

  @Test func `keeps no more books of a long run than of a short one, and still sees old votes`() {
    var scenario = Scenario(title: "Idle for long")
    scenario.cluster.duration = .seconds(4_000)
    scenario.cluster.execution = .digests
    let world = World(scenario, RunOptions())
    let report = world.run()
    #expect(report.passed, "\(report.text(file: nil))")
    #expect(report.statistics.heightHighest > 3_000)
    #expect(world.oracle.entries < 4 * 5 * 1_200)
    let old = Vote(
      ballot: .nullify(subnet: world.committee.subnet, epoch: 0, view: 3), signer: 1,
      signature: signature(1))
    world.oracle.durable([.vote(old)], on: 1)
    #expect(world.oracle.violations.map(\.check) == [.oneNotarization])
  }

  // MARK: What they are fed

  private var header: Header { header(1, calls: [], time: 1) }

  private func header(_ height: Height, calls: [Digest], time: Moment) -> Header {
    Header(
      subnet: committee.subnet, epoch: 0, view: View(height.number), parentView: 0, parent: .zero,
      height: height, time: time, calls: calls, certified: nil)
  }

  private func signature(_ byte: UInt8) -> Signature {
    guard let signature = Signature([UInt8](repeating: byte, count: 64)) else {
      preconditionFailure("64 bytes make a signature")
    }
    return signature
  }

  /// Height 1 is notarized, finalized and executed by the first three.
  private func decide(_ oracle: Oracle) {
    let ballot = Ballot.notarize(
      subnet: committee.subnet, epoch: 0, view: 1, parentView: 0, block: header.digest)
    for machine in 0..<3 {
      let vote = Vote(
        ballot: ballot, signer: ReplicaID(UInt16(machine)), signature: signature(1))
      oracle.durable([.vote(vote)], on: machine)
    }
    oracle.durable(
      [
        .certificate(
          Certificate(
            ballot: ballot, signers: Signers([0, 1, 2], of: 4),
            signatures: (0..<3).map { _ in signature(1) }))
      ], on: 0)
    oracle.finalized(1, 1, header, by: 0)
    oracle.durable([.finalized(height: 1, block: header.digest)], on: 0)
    oracle.executed(BlockOutcome(height: 1, stateRoot: .zero, receiptsRoot: .zero), by: 0)
  }

  private func call(_ id: String, _ amount: Int64, expiry: Moment) -> SignedCall {
    let body = Array(
      ("{\"transfer_id\":\"\(id)\",\"from_account\":\"me\",\"to_account\":\"you\","
        + "\"amount\":\(amount)}\n").utf8)
    return SignedCall(
      call: Call(
        subnet: committee.subnet, pipeline: Bank.name,
        method: .ingest(source: "transfers", format: .ndjson), bodyDigest: sha256(body),
        bodyBytes: UInt32(body.count), idempotencyKey: id, sender: nil, expiry: expiry,
        stepLimit: 1), body: body, signature: nil)
  }

  private func block(_ calls: [SignedCall], _ height: Height, time: Moment) -> Block {
    Block(header: header(height, calls: calls.map(\.call.digest), time: time), calls: calls)
  }

  private func receipt(_ signed: SignedCall, _ height: Height) -> Receipt {
    var tally = RowTally()
    tally.accepted = 1
    return Receipt(
      call: signed.call.digest, height: height, position: 0, time: 1, pipeline: Bank.name,
      status: .applied, replayOf: nil, tally: tally, notes: [], usage: Usage(), charged: 1)
  }

  private func paid(_ transfers: [(id: String, amount: Int64)]) -> BankModel {
    var bank = BankModel()
    let calls = transfers.map { call($0.id, $0.amount, expiry: 100) }
    let flaws = bank.apply(
      block(calls, 1, time: 50), receipts: calls.map { receipt($0, 1) })
    precondition(flaws.isEmpty, "\(flaws)")
    return bank
  }
}
