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
