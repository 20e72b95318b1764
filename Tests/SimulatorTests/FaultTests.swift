import Foundation
import Synchronization
import Testing
import Wire

@testable import Simulator

/// Four replicas with the faults, the load and the actors of a few lines.
private func story(_ lines: String) throws -> Scenario {
  let text = """
    quorate: 1
    title: A fault
    cluster: { replicas: 4, seed: 0x7 }
    \(lines)
    """
  return try ScenarioFile.parse(text, path: "fault.yaml")
}

private func play(_ lines: String) throws -> RunReport { Simulation.run(try story(lines)) }

/// One link, and a message that is sent over it again and again.
private struct Link {
  private let disk = SimulatedDisk(seed: 1)
  private let delivery: Delivery
  var network = Network(members: [0, 1], cluster: Scenario.Cluster())

  init() {
    let sender = Machine(index: 0, id: 0, name: "r0", disk: disk.machine("r0"))
    delivery = Delivery(
      parcel: Parcel(.stateWanted(1), from: sender, decodes: false), toMachine: 1, incarnation: 0)
  }

  /// How many of a thousand messages are held, and when the others arrive.
  mutating func send() -> (held: Int, arrivals: [UInt64]) {
    var (held, arrivals) = (0, [UInt64]())
    for _ in 0..<1_000 {
      switch network.fate(of: delivery, at: 0) {
      case .held: held += 1
      case .arrives(let time, _): arrivals.append(time)
      case .lost: break
      }
    }
    return (held, arrivals)
  }
}

@Suite struct `A fault of messages` {
  @Test func `holds the share of them that it is told`() {
    var link = Link()
    let all = [true, true]
    link.network.add(Network.Rule(fault: 0, effect: .hold(300_000), from: all, to: all))
    let (held, arrivals) = link.send()
    #expect((200...400).contains(held) && held + arrivals.count == 1_000)
  }

  @Test func `that holds all draws no chance, so what comes after it is as without it`() {
    var (plain, held) = (Link(), Link())
    let all = [true, true]
    held.network.add(Network.Rule(fault: 0, effect: .hold(1_000_000), from: all, to: all))
    let before = plain.send()
    #expect(before.held == 0 && Set(before.arrivals).count > 1)
    let during = held.send()
    #expect(during.held == 1_000)
    held.network.end(fault: 0)
    let (after, other) = (held.send(), plain.send())
    #expect(after.arrivals == other.arrivals)
  }

  @Test func `that befalls none of them changes nothing of what others do`() {
    let (all, from) = ([true, true], [true, false])
    func rule(_ fault: Int, _ effect: Network.Rule.Effect) -> Network.Rule {
      Network.Rule(fault: fault, effect: effect, from: from, to: all)
    }
    for effect in [Network.Rule.Effect.drop(1), .hold(1), .duplicate(500_000)] {
      var (plain, ruled) = (Link(), Link())
      ruled.network.add(rule(0, effect))
      plain.network.add(rule(1, .drop(300_000)))
      ruled.network.add(rule(1, .drop(300_000)))
      let (before, after) = (plain.send(), ruled.send())
      #expect((600...800).contains(before.arrivals.count))
      #expect(before.arrivals == after.arrivals, "\(effect)")
    }
  }

  @Test func `is read with its share from a file, and holds that much in a run`() throws {
    let recording = Simulation.record(
      try story(
        """
        load: { clients: 1, rate: 8/s }
        faults: [{ at: 2s, hold: { rate: 30% }, for: 2s }, { at: 5s, calm: all }]
        """)
    ).recording
    var (held, arrived) = (0, 0)
    for event in recording.events where (2_500_000..<4_000_000).contains(event.time) {
      switch event.act {
      case .held: held += 1
      case .arrived: arrived += 1
      default: break
      }
    }
    #expect(held + arrived > 100)
    #expect(held * 5 > held + arrived && held * 5 < 2 * (held + arrived), "\(held), \(arrived)")
  }

  /// How many arrivals are second ones of one sending at one replica.
  private func repeated(_ fault: String) throws -> Int {
    struct Arrival: Hashable { let sending, lane: Int }
    let recording = Simulation.record(
      try story(
        """
        load: { clients: 1, rate: 8/s }
        faults: [{ at: 4s, \(fault) }, { at: 5s, calm: all }]
        """)
    ).recording
    var (seen, again) = (Set<Arrival>(), 0)
    for event in recording.events {
      guard case .arrived = event.act, let sending = event.cause else { continue }
      if !seen.insert(Arrival(sending: sending, lane: event.lane)).inserted { again += 1 }
    }
    return again
  }

  @Test func `sends again the share of them that it is told`() throws {
    let all = try repeated("replay: { rate: 100% }")
    let some = try repeated("replay: { rate: 30% }")
    #expect(all > 400)
    #expect(some * 5 > all && some * 5 < 2 * all, "\(some) of \(all)")
  }
}

extension `A fault of messages` {
  @Test func `sends again also to who started anew since`() throws {
    let report = try play(
      """
      load: { clients: 1, rate: 4/s }
      faults:
        - { at: 2s, crash: r1, for: 300ms }
        - { at: 2310ms, replay: { kind: vote, to: r1 } }
        - { at: 6s, calm: all }
      expect: { reaches: [restart.resumed] }
      """)
    #expect(report.passed, "\(report.text(file: nil))")
  }

  @Test func `keeps what was sent within bounds, the oldest first to go`() {
    let disk = SimulatedDisk(seed: 1)
    defer { withExtendedLifetime(disk) {} }
    let sender = Machine(index: 0, id: 0, name: "r0", disk: disk.machine("r0"))
    var archive = Archive()
    for height in 1...20_000 {
      let parcel = Parcel(.stateWanted(Height(UInt64(height))), from: sender, decodes: false)
      archive.keep(Delivery(parcel: parcel, toMachine: 1, incarnation: 0))
      let kept = archive.deliveries
      #expect(kept.count == min(height, Archive.deliveriesMax))
      guard case .stateWanted(let first)? = kept.first?.parcel.message else { return }
      #expect(first.number == UInt64(max(1, height - Archive.deliveriesMax + 1)))
    }
    let call = SignedCall(
      call: Call(
        subnet: .zero, pipeline: "", method: .procedure("p"), bodyDigest: .zero, bodyBytes: 0,
        idempotencyKey: "", sender: nil, expiry: 0, stepLimit: 0),
      body: [UInt8](repeating: 0, count: Archive.bytesMax / 3), signature: nil)
    for _ in 0..<4 {
      let parcel = Parcel(.calls([call]), from: sender, decodes: false)
      archive.keep(Delivery(parcel: parcel, toMachine: 1, incarnation: 0))
    }
    #expect(archive.deliveries.count == 2)
  }
}

@Suite struct `A fault of a process` {
  @Test(arguments: [false, true])
  func `that ends and restarts one is what brings the marks of a restart`(crashes: Bool) throws {
    let fault = crashes ? "{ at: 1s, crash: r1, for: 300ms }, " : ""
    let report = try play(
      "load: { clients: 1, rate: 8/s }\nfaults: [\(fault){ at: 3s, calm: all }]")
    #expect(report.passed, "\(report.text(file: nil))")
    #expect(report.reached.contains("restart.resumed") == crashes)
    #expect(report.reached.contains { $0.hasPrefix("restart.") } == crashes)
  }

  @Test func `that makes execution slower than consensus holds calls back, and ends`() throws {
    let load = "load: { clients: 2, rate: 10/s }"
    let calm = "{ at: 66s, calm: all }"
    let slow = "{ at: 2s, sql: { of: all, takes: 900ms }, for: 60s }"
    let quick = try play("\(load)\nfaults: [\(calm)]\nexpect: { liveness: 90s }")
    let slowed = try play("\(load)\nfaults: [\(slow), \(calm)]\nexpect: { liveness: 90s }")
    #expect(quick.passed, "\(quick.text(file: nil))")
    #expect(slowed.passed, "\(slowed.text(file: nil))")
    #expect(slowed.statistics.callsApplied * 2 < quick.statistics.callsApplied)
    #expect(slowed.statistics.callsApplied > 50)
  }

  @Test func `that slows one processor leaves the others their pace`() throws {
    let report = try play(
      """
      load: { clients: 2, rate: 6/s }
      faults:
        - { at: 1s, cpu: { of: r2, takes: 40ms }, for: 6s }
        - { at: 8s, calm: all }
      expect: { liveness: 20s }
      """)
    #expect(report.passed, "\(report.text(file: nil))")
    #expect(report.statistics.heightHighest > 12)
  }

  @Test(arguments: ["step: -20000ms", "step: 20000ms", "drift: 150000ppm", "stuck: true"])
  func `of the clocks of all halts nobody for good`(kind: String) throws {
    let report = try play(
      """
      load: { clients: 1, rate: 4/s }
      faults:
        - { at: 2s, clock: { of: [r0, r1], \(kind) }, for: 3s }
        - { at: 8s, calm: all }
      expect: { liveness: 40s }
      """)
    #expect(report.passed, "\(report.text(file: nil))")
    #expect(report.statistics.heightHighest > 8)
  }
}

@Suite struct `A fault of a disk` {
  @Test(arguments: ["full", "failing-sync", "flipped-bit", "misdirected-write", "slow"])
  func `costs at most the replica that it befalls`(kind: String) throws {
    for height in [3, 6, 9] {
      let report = try play(
        """
        load: { clients: 2, rate: 6/s }
        faults:
          - { at: height \(height), disk: { of: r1, is: \(kind) }, for: 3s }
          - { at: height \(height + 4), crash: r1, for: 200ms }
          - { at: 9s, calm: all }
        expect: { liveness: 20s }
        """)
      #expect(report.passed, "\(kind) at \(height)\n\(report.text(file: nil))")
    }
  }

  @Test func `that alters rows is outlived: the replica rebuilds its state and is back`() throws {
    let path = "\(#filePath)".components(separatedBy: "/Tests/")[0]
    let scenario = try ScenarioFile.read(
      "\(path)/Simulation/Scenarios/altered-rows-are-found.yaml")
    let lines = Mutex<[String]>([])
    var options = RunOptions()
    options.narrate = { line in lines.withLock { $0.append(line) } }
    let world = World(scenario, options)
    world.startAll()
    let report = world.play()
    #expect(report.passed, "\(report.text(file: nil))")
    // What was altered is named with both values, and by nobody else.
    let found = lines.withLock { $0.filter { $0.contains(" finds ") } }
    #expect(found.contains { $0.contains("r1 finds \(Bank.name).\(Bank.table) [") })
    #expect(found.contains { $0.contains("amount was ") && $0.contains(" by the log") })
    #expect(found.allSatisfy { $0.contains("r1 finds ") })
    #expect(report.reached.contains("state.quarantine-left"))
    #expect(world.machines[1].disk.paths.contains { $0.hasPrefix("r1/quarantined-") })
    #expect(!world.machines[1].disk.paths.contains { $0.hasPrefix("r1/rebuilt") })
    #expect(world.isSound(world.machines[1]))
    // What it tells is held against what the model says.
    let first = try #require(world.serial?.bank.transfers.keys.min())
    world.machines[1].alteredAmounts = [first: 1]
    world.judge([], of: world.machines[1])
    #expect(world.oracle.violations.map(\.check) == [.state])
  }

  /// What befalls r1, and whether it is judged at the end as any other.
  @Test(arguments: [
    ("wipe: r1, for: 1s", true), ("disk: { of: r1, is: full }, for: 1s", true),
    ("disk: { of: r1, is: failing-sync }, for: 1s", true),
    ("disk: { of: r1, is: flipped-bit }, for: 1s", false),
    ("disk: { of: r1, is: flipped-bit }, for: 1s }, { at: 6s, wipe: r1, for: 1s", true),
    ("disk: { of: r1, is: altered-rows }", false),
  ])
  func `exempts a replica as long as its files may hold what nobody wrote`(
    fault: String, isSound: Bool
  ) throws {
    let scenario = try story(
      """
      load: { clients: 2, rate: 6/s }
      faults: [{ at: 3s, \(fault) }, { at: 9s, calm: all }]
      expect: { liveness: 20s }
      """)
    let world = World(scenario, RunOptions())
    let report = world.run()
    #expect(report.passed, "\(report.text(file: nil))")
    let machine = world.machines[1]
    #expect(world.isSound(machine) == isSound)
    world.diskFailed(machine, "something later")
    #expect(world.oracle.violations.map(\.check) == (isSound ? [.durability] : []))
  }

  @Test func `misdirects one write, to another place of a file that is there`() {
    let disk = SimulatedDisk(seed: 9)
    defer { withExtendedLifetime(disk) {} }
    let machine = disk.machine("r0")
    let connection = RawConnection("r0/a.sqlite", on: disk)
    #expect(connection?.run("create table t(k integer primary key, v blob)") == true)
    for row in 1...20 { _ = connection?.run("insert into t values(\(row), randomblob(3000))") }
    #expect(connection?.run("pragma wal_checkpoint(truncate)") == true)
    machine.strayWrites = 3
    for row in 21...30 { _ = connection?.run("insert into t values(\(row), randomblob(3000))") }
    #expect(machine.strayWrites == 0)
    machine.crash(.nothing)
    machine.powerOn()
    let again = RawConnection("r0/a.sqlite", on: disk)
    let count = again?.text("select count(*) from t")
    #expect(again?.text("pragma integrity_check") != "ok" || count != "30")
  }
}

@Suite struct `Misuse by clients` {
  @Test(arguments: Misuse.allCases)
  func `has no effect, and honest calls are served`(kind: Misuse) throws {
    for actors in ["", "byzantine: [{ withhold: r3 }]"] {
      let report = try play(
        """
        load: { clients: 2, rate: 8/s, misuse: [\(kind.rawValue)] }
        \(actors)
        faults: [{ at: 10s, calm: all }]
        expect: { liveness: 30s }
        """)
      #expect(report.passed, "\(kind)\n\(report.text(file: nil))")
      #expect(report.statistics.misused > 5, "\(kind)")
      #expect(report.statistics.callsApplied > 20, "\(kind)")
      let looked: [Misuse] = [.expired, .farFuture, .oversize, .foreign]
      if looked.contains(kind) { #expect(report.statistics.misuseRefused > 0, "\(kind)") }
    }
  }

  @Test func `is seen when it has an effect`() {
    var scenario = Scenario(title: "A call of nobody")
    scenario.load = Scenario.Load()
    scenario.load?.misuse = [.expired]
    scenario.faults = [Fault(at: .time(.seconds(6)), .calm)]
    let world = World(scenario, RunOptions())
    world.startAll()
    // What a client honestly asks for is in the state; here it is told that it must not be.
    for serial in 1...20 {
      for id in ["c1-\(serial)", "c1-\(serial)-0"] {
        world.clients[1].mischief.forbid(id, .expired)
      }
    }
    let report = world.play()
    #expect(report.violations.first?.check == .exactlyOnce, "\(report.text(file: nil))")
  }
}

@Suite struct `A call that expires without a receipt` {
  private let lost = """
    load: { clients: 2, rate: 4/s }
    faults:
      - { at: 3s, drop: { kind: notarize }, for: 2s }
      - { at: 170s, calm: all }
    expect: { liveness: 30s }
    """

  @Test func `fails a run in which nothing kept it from being executed, however long ago`() throws {
    var broken = try story(lost)
    try broken.plant("calls-dropped-when-proposed")
    let report = Simulation.run(broken)
    #expect(report.violations.first?.check == .liveness, "\(report.text(file: nil))")
    #expect(report.violations.first?.text.contains("expired without a receipt") == true)
    #expect(report.text(file: nil).contains(" \(report.statistics.callsExpired) expired;"))
  }

  @Test func `fails none that keeps its rules`() throws {
    let report = try play(lost)
    #expect(report.passed, "\(report.text(file: nil))")
    #expect(report.statistics.callsExpired == 0)
  }

  @Test(arguments: [
    "isolate: [r0, r1]", "crash: [r0, r1]", "drop: { kind: vote }", "hold: { to: [r1, r2, r3] }",
  ])
  func `fails no run in which faults kept it from a quorum for its life`(fault: String) throws {
    let report = try play(
      """
      load: { clients: 1, rate: 4/s }
      faults:
        - { at: 4s, \(fault), for: 140s }
        - { at: 150s, calm: all }
      expect: { liveness: 40s }
      """)
    #expect(report.passed, "\(report.text(file: nil))")
    #expect(report.statistics.callsExpired > 0)
  }
}

@Suite struct `The clocks of a machine` {
  @Test func `run from one quartz, and only the wall clock is set or sticks`() {
    var clock = MachineClock()
    clock.suffer(.drift(1_000_000), at: 0)
    clock.suffer(.step(700), at: 0)
    #expect(clock.time(of: 10_000_000, 0) == 5_000_000)
    #expect(clock.moment(0, 4_000_000) == 8_700)
    clock.recover(at: 4_000_000)
    #expect(clock.elapsed(4_000_000) == 8_000_000)
    #expect(clock.time(of: 10_000_000, 4_000_000) == 6_000_000)
    #expect(clock.moment(0, 4_000_000) == 4_000)
    clock.suffer(.drift(-500_000), at: 4_000_000)
    #expect(clock.time(of: 10_000_000, 4_000_000) == 8_000_000)
    clock.recover(at: 4_000_000)
    clock.suffer(.drift(-1_000_000), at: 4_000_000)
    #expect(clock.time(of: 10_000_000, 5_000_000) == nil)
    clock.recover(at: 5_000_000)
    clock.suffer(.stuck, at: 5_000_000)
    #expect(clock.time(of: 10_000_000, 5_000_000) == 7_000_000)
    #expect(clock.moment(0, 6_000_000) == 5_000)
  }

  /// How many alarms ring on each of four replicas that hear nobody for ten seconds.
  private func rings(_ fault: String) throws -> [Int] {
    let recording = Simulation.record(
      try story(
        """
        faults:
          - { at: 0s, split: [[r0], [r1], [r2], [r3]], until: calm }
          \(fault)
          - { at: 10s, calm: all }
        """)
    ).recording
    return (0..<4).map { lane in
      recording.events.count { event in
        guard case .alarmRang = event.act else { return false }
        return event.lane == lane && event.time < 10_000_000
      }
    }
  }

  @Test func `that run fast ring the alarms early, and slow ones late or never`() throws {
    let usual = try rings("")
    let fast = try rings("- { at: 0s, clock: { of: r0, drift: 1000000ppm } }")
    let slow = try rings("- { at: 0s, clock: { of: r0, drift: -500000ppm } }")
    let still = try rings("- { at: 0s, clock: { of: r0, drift: -1000000ppm } }")
    #expect(slow[0] < usual[0] && usual[0] < fast[0] && still[0] == 0)
    for rings in [fast, slow, still] { #expect(rings.dropFirst() == usual.dropFirst()) }
    let set = try rings("- { at: 1s, clock: { of: r0, step: 9000ms } }")
    #expect(set == usual)
  }
}

@Suite struct `The end of a fault of a machine` {
  /// When r1 is started again, in milliseconds.
  private func restarts(_ faults: String) throws -> [UInt64] {
    let recording = Simulation.record(
      try story(
        "load: { clients: 1, rate: 4/s }\nfaults: [\(faults), { at: 10s, calm: all }]")
    ).recording
    return recording.events.compactMap { event in
      guard case .started(again: true) = event.act, event.lane == 1 else { return nil }
      return event.time / 1_000
    }
  }

  @Test(arguments: [
    "{ at: 2s, disk: { of: r1, is: slow }, for: 1s }", "{ at: 3s, crash: r1, for: 500ms }",
    "{ at: 3s, wipe: r1, for: 500ms }",
  ])
  func `leaves it down while another holds it down`(other: String) throws {
    #expect(try restarts("{ at: 2500ms, crash: r1, for: 5s }, \(other)") == [7_500])
  }

  /// A world in which no fault began yet.
  private func world(
    _ faults: String, byzantine: String = "[]", overBudget: Bool = false
  ) throws -> World {
    let world = World(
      try story("byzantine: \(byzantine)\nover-budget: \(overBudget)\nfaults: \(faults)"),
      RunOptions())
    world.startAll()
    return world
  }

  @Test func `leaves what others do to its disk, clock and pace`() throws {
    let world = try world(
      """

        - { at: 9s, disk: { of: r1, is: full } }
        - { at: 9s, disk: { of: r1, is: failing-sync } }
        - { at: 9s, disk: { of: r1, is: misdirected-write } }
        - { at: 9s, disk: { of: r1, is: slow } }
        - { at: 9s, clock: { of: r1, step: 700ms } }
        - { at: 9s, clock: { of: r1, drift: 1000ppm } }
        - { at: 9s, cpu: { of: r1, takes: 3ms } }
        - { at: 9s, cpu: { of: r1, takes: 5ms } }
        - { at: 9s, sql: { of: r1, takes: 30ms } }
        - { at: 9s, sql: { of: r1, takes: 50ms } }
        - { at: 9s, pause: r1 }
        - { at: 9s, pause: r1 }
      """)
    let machine = world.machines[1]
    for fault in 0..<12 { world.begin(fault) }
    for fault in [3, 5, 7, 9, 11] { world.end(fault) }
    #expect(machine.disk.bytesMax != nil && machine.disk.syncFails)
    #expect(machine.disk.strayWrites == 1 && !machine.slowDisk)
    #expect(machine.clock.moment(0, 10_000_000) == 10_700)
    #expect(machine.turnSpan == .milliseconds(3) && machine.executionSpan == .milliseconds(30))
    #expect(machine.power == .paused)
    for fault in [0, 1, 2, 4, 6, 8, 10] { world.end(fault) }
    #expect(machine.disk.bytesMax == nil && !machine.disk.syncFails)
    #expect(machine.disk.strayWrites == 0 && machine.clock.moment(0, 10_000_000) == 10_000)
    #expect(machine.turnSpan == nil && machine.executionSpan == nil && machine.power == .up)
  }

  @Test func `leaves the second copy of a twin ahead of the first`() throws {
    let world = try world(
      "[{ at: 9s, clock: { of: r3, step: 700ms } }]", byzantine: "[{ twin: r3 }]")
    let copy = world.machines[4]
    #expect(copy.name == "r3b" && copy.clock.moment(0, 0) == 3)
    world.begin(0)
    #expect(copy.clock.moment(0, 0) == 703)
    world.calm()
    #expect(copy.clock.moment(0, 0) == 3)
  }

  @Test func `that broke a disk excuses whom it befell, and nobody else`() throws {
    let faults = (0..<6).map { _ in "{ at: 9s, disk: { of: one, is: full }, for: 1s }" }
    for fault in faults.indices {
      let world = try world("[\(faults.joined(separator: ", "))]", overBudget: true)
      world.begin(fault)
      world.end(fault)
      #expect(world.machines.map(\.isBroken) == world.resolve(.one, nil, fault))
    }
  }
}

@Suite struct `What a story forbids` {
  @Test(arguments: [
    ("view 3 finalized", true), ("view 3 proposed", true), ("height 5", true),
    ("r1 notarizes 3", true), ("view 3 nullified", false), ("height 9000", false),
  ])
  func `fails the run when it happens, whatever moment it is`(moment: String, happens: Bool) throws
  {
    let report = try play("faults: [{ at: 5s, calm: all }]\nexpect: { never: [\(moment)] }")
    #expect(report.violations.map(\.check) == (happens ? [.never] : []))
    #expect(report.violations.allSatisfy { $0.text.hasPrefix("\(moment): ") })
  }
}
