import Journaling
import Replication
import Signing
import Testing
import Wire

@testable import Simulator

/// Runs one actor among honest replicas and shows what became of it.
private struct Stage {
  var scenario: Scenario

  init(
    _ actor: Scenario.Byzantine.Actor, to: [ReplicaID]? = nil, views: ClosedRange<UInt64>? = nil,
    seed: UInt64 = 1, seconds: UInt64 = 6
  ) {
    scenario = Scenario(title: actor.rawValue)
    scenario.cluster.seed = seed
    var byzantine = Scenario.Byzantine(actor, .replicas([3]))
    byzantine.to = to.map { .replicas($0) }
    byzantine.views = views
    scenario.byzantine = [byzantine]
    scenario.load = Scenario.Load()
    scenario.faults = [Fault(at: .time(.seconds(seconds)), .calm)]
    scenario.expect.liveness = .seconds(30)
  }

  func adding(_ faults: [Fault]) -> Stage {
    var other = self
    other.scenario.faults = faults + other.scenario.faults
    return other
  }

  func run() -> (world: World, report: RunReport) {
    let world = World(scenario, RunOptions())
    return (world, world.run())
  }
}

/// What an actor with a key of its own does with a message, without a run around it.
private struct Rehearsal {
  let setting: Setting
  let sides: Sides
  var context: ActorContext
  var chance = RandomStream(seed: 1, label: "rehearsal")

  init(view: View = 7, to named: [ReplicaID]? = nil) {
    var scenario = Scenario(title: "rehearsal")
    scenario.cluster.replicas = 4
    setting = Setting(scenario)
    var chance = RandomStream(seed: 2, label: "sides")
    let committee = setting.genesis.committee
    sides = Sides(committee: committee, me: 3, named: named, chance: &chance)
    context = ActorContext(
      committee: committee, me: 3, signer: setting.signers[3], view: view)
  }

  var header: Header {
    Header(
      subnet: context.committee.subnet, epoch: 0, view: 7, parentView: 6, parent: .zero, height: 5,
      time: 9, calls: [], certified: nil)
  }

  var proposal: Message {
    .proposal(
      header: header, inlined: [], vote: context.vote(context.notarize(7, 6, header.digest)))
  }

  var finalize: Message { .vote(context.vote(context.finalize(7, 6, header.digest))) }
}

@Suite struct `An actor` {
  @Test(arguments: Scenario.Byzantine.Actor.allCases.filter { $0 != .collude })
  func `within the budget breaks nothing`(actor: Scenario.Byzantine.Actor) {
    for seed in UInt64(1)...2 {
      let (_, report) = Stage(actor, seed: seed).run()
      #expect(report.passed, "\(report.text(file: nil))")
      #expect(report.accused.allSatisfy { $0 == 3 }, "seed \(seed): \(report.accused)")
    }
  }

  @Test(arguments: [
    Scenario.Byzantine.Actor.equivocate, .nullifyAndFinalize, .floodProposals,
  ])
  func `that says two things is named by evidence`(actor: Scenario.Byzantine.Actor) {
    let (_, report) = Stage(actor).run()
    #expect(report.accused == [3], "\(report.text(file: nil))")
  }

  @Test(arguments: [
    Scenario.Byzantine.Actor.wrongEpoch, .impersonate, .mutate, .flood,
  ])
  func `that sends what nobody correct sends is told of, and not accused`(
    actor: Scenario.Byzantine.Actor
  ) {
    let (_, report) = Stage(actor).run()
    #expect(report.statistics.misbehaviours > 0, "\(report.text(file: nil))")
    if actor != .flood { #expect(report.accused.isEmpty, "\(report.text(file: nil))") }
  }

  @Test func `with amnesia starts again and again, and is caught voting twice`() {
    var accused = false
    for seed in UInt64(1)...12 where !accused {
      let cut = Fault(
        at: .view(6, .proposed), .isolate(.replicas([3])), .span(.milliseconds(1_500)))
      let (_, report) = Stage(.amnesia, seed: seed).adding([cut]).run()
      #expect(report.passed, "\(report.text(file: nil))")
      #expect(report.statistics.crashes >= 4)
      accused = report.accused == [3]
    }
    #expect(accused)
  }

  @Test func `that mutates sends bytes that are no message`() {
    let (_, report) = Stage(.mutate).run()
    #expect(report.statistics.malformed > 0)
  }

  @Test func `that lies in sync is seen through by who catches up`() {
    var refusals = 0
    for seed in UInt64(1)...4 {
      let away = Fault(at: .time(.seconds(1)), .isolate(.replicas([0])), .span(.seconds(4)))
      let (_, report) = Stage(.lieInSync, seed: seed, seconds: 9).adding([away]).run()
      #expect(report.passed, "\(report.text(file: nil))")
      let marks = ["catch-up.range-refused", "repair.block-refused"]
      refusals += report.reached.filter(marks.contains).count
      refusals += Int(report.statistics.misbehaviours)
    }
    #expect(refusals > 0)
  }

  @Test func `that lies in queries convinces no client, and every client is answered`() {
    let (_, report) = Stage(.lieInQuery, seconds: 10).run()
    #expect(report.passed, "\(report.text(file: nil))")
    #expect(report.statistics.readsRefused > 0)
    #expect(report.statistics.callsApplied > 10)
  }

  @Test func `that censors orders none of the calls it dislikes, and others order them`() throws {
    let (world, report) = Stage(.censor, seconds: 12).run()
    #expect(report.passed, "\(report.text(file: nil))")
    let censor = try #require(world.machines[3].adversary as? Censor)
    let disliked = Set(
      world.clients.filter { client in
        censor.censors(sender: client.signer.publicKey)
      }.flatMap { $0.settled.map(\.digest) })
    var (own, others) = (0, 0)
    world.machines[0].disk.powerOn()
    let journal = try Journal(path: "r0/consensus.sqlite", vfs: world.disk.name)
    for height in 1...report.statistics.heightHighest.number {
      guard let header = try journal.block(at: Height(height))?.header else { continue }
      let count = header.calls.filter(disliked.contains).count
      if world.committee.leader(of: header.view) == 3 { own += count } else { others += count }
    }
    #expect(own == 0)
    #expect(others > 0)
  }

  @Test func `that floods with proposals signs hundreds of blocks of one view it leads soon`() {
    var stage = Rehearsal(view: 5)
    var actor = FloodProposals(
      sides: stage.sides, views: nil, chance: RandomStream(seed: 1, label: "flood"))
    let headers = actor.idle(&stage.context).compactMap { message, _ -> Header? in
      if case .proposal(let header, _, _) = message { header } else { nil }
    }
    #expect(headers.allSatisfy { $0.view == 7 })
    #expect(Set(headers.map(\.digest)).count == FloodProposals.proposalsAtOnce)
    stage = Rehearsal(view: 8)
    var bound = FloodProposals(
      sides: stage.sides, views: 1...10, chance: RandomStream(seed: 1, label: "flood"))
    #expect(bound.idle(&stage.context).isEmpty)
  }

  @Test func `that withholds keeps its proposals from the rest`() {
    var stage = Rehearsal(to: [1])
    var actor = Withhold(sides: stage.sides, views: nil)
    let sent = actor.outgoing(stage.proposal, to: .all, &stage.context)
    #expect(sent.map(\.1) == [.one(1)])
  }

  @Test func `that is outdated says a thing three views late, and again`() {
    var stage = Rehearsal(view: 7)
    var actor = Outdated(sides: stage.sides, views: nil)
    #expect(actor.outgoing(stage.finalize, to: .all, &stage.context).isEmpty)
    #expect(actor.idle(&stage.context).isEmpty)
    stage = Rehearsal(view: 10)
    #expect(
      actor.idle(&stage.context).map(\.0) == [stage.finalize, stage.finalize, stage.finalize])
    #expect(actor.idle(&stage.context).isEmpty)
    stage = Rehearsal(view: 13)
    #expect(actor.idle(&stage.context).count == 3)
    stage = Rehearsal(view: 20)
    #expect(actor.idle(&stage.context).isEmpty)
  }

  @Test func `that signs two states signs the right one for those it spares`() {
    var stage = Rehearsal(to: [1])
    let actor = WrongState(sides: stage.sides, views: nil)
    let statement = StateStatement(
      subnet: stage.context.committee.subnet, epoch: 0, height: 4, block: .zero,
      stateRoot: sha256([1]), receiptsRoot: sha256([2]), time: 3)
    let right = Message.stateShare(stage.context.share(statement, as: 3))
    let sent = actor.outgoing(right, to: .all, &stage.context)
    #expect(sent.filter { $0.0 == right }.map(\.1) == [.one(0), .one(2)])
    #expect(sent.filter { $0.0 != right }.map(\.1) == [.one(1)])
  }

  @Test func `that signs two states gives both to one of those it lies to at every eighth height`()
  {
    var stage = Rehearsal(to: [0, 1])
    let actor = WrongState(sides: stage.sides, views: nil)
    let statement = StateStatement(
      subnet: stage.context.committee.subnet, epoch: 0, height: 16, block: .zero,
      stateRoot: sha256([1]), receiptsRoot: sha256([2]), time: 3)
    let right = Message.stateShare(stage.context.share(statement, as: 3))
    let sent = actor.outgoing(right, to: .all, &stage.context)
    #expect(sent.filter { $0.0 == right }.map(\.1) == [.one(2), .one(0)])
    #expect(sent.filter { $0.0 != right }.map(\.1) == [.one(0), .one(1)])
  }

  @Test(arguments: [
    Scenario.Byzantine.Actor.equivocate, .withhold, .nullifyAndFinalize, .wrongEpoch, .outdated,
  ])
  func `does nothing outside of its views`(actor: Scenario.Byzantine.Actor) {
    var stage = Rehearsal()
    for (views, bends) in [(UInt64(1)...5, false), (7...9, true)] {
      var player = actor.make(stage.sides, views, stage.chance)
      let own = actor == .nullifyAndFinalize ? stage.finalize : stage.proposal
      let sent = player.outgoing(own, to: .all, &stage.context)
      let isHonest = sent.count == 1 && sent.allSatisfy { $0.0 == own && $0.1 == .all }
      #expect(isHonest != bends, "\(actor) in views \(views): \(sent.count)")
    }
  }

  @Test(arguments: [
    ("twin", "views: 3..9"), ("collude", "views: 3..9"), ("amnesia", "to: r1"),
    ("censor", "to: r1"), ("lie-in-query", "to: r1"),
  ])
  func `that cannot be bound is refused with a bond`(actor: String, bond: String) throws {
    func file(_ rest: String) -> String {
      """
      quorate: 1
      title: A
      cluster: { replicas: 4 }
      byzantine:
        - { \(actor): r3\(rest) }
      """
    }
    _ = try ScenarioFile.parse(file(""), path: "a.yaml")
    #expect(throws: ScenarioFaults.self) {
      try ScenarioFile.parse(file(", \(bond)"), path: "a.yaml")
    }
  }
}

@Suite struct `Over the budget` {
  @Test func `forks are tolerated, and what no fork brings about is not`() throws {
    var scenario = Scenario.random(seed: 1, replicas: 4, blocks: 30, overBudget: true)
    try scenario.plant("vote-before-sync")
    let report = Simulation.run(scenario)
    #expect(report.violations.first?.check == .durability, "\(report.text(file: nil))")
  }

  @Test(arguments: [4, 7, 13])
  func `colluding replicas break agreement, and the evidence names them and nobody else`(
    replicas: Int
  ) {
    for seed in UInt64(1)...2 {
      let scenario = Scenario.random(
        seed: seed, replicas: replicas, blocks: 30, overBudget: true)
      let report = Simulation.run(scenario)
      #expect(report.passed, "\(report.text(file: nil))")
      #expect(report.broke.contains { $0.check == .agreement }, "\(report.text(file: nil))")
      #expect(report.accused.count > scenario.cluster.faultsMax, "\(report.text(file: nil))")
      #expect(report.accused.allSatisfy(report.guilty.contains), "\(report.text(file: nil))")
    }
  }
}
