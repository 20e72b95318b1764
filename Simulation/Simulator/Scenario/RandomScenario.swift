import Wire

extension Scenario {
  /// A story that chance tells: a cluster, a load and faults within its budget, then calm.
  ///
  /// - Parameters:
  ///   - replicas: nil for 4, 7 or 13 by chance.
  ///   - duration: until calm.
  package static func random(
    seed: UInt64, replicas: Int? = nil, duration: Span = .seconds(8)
  ) -> Scenario {
    var teller = Teller(seed: seed, replicas: replicas, duration: duration)
    return teller.tell()
  }
}

/// Draws one scenario.
private struct Teller {
  private var chance: RandomStream
  private var scenario: Scenario
  private let duration: Span
  /// Replicas on which nothing of the budget was spent yet.
  private var sound: [ReplicaID]
  private var budget: Int

  init(seed: UInt64, replicas: Int?, duration: Span) {
    chance = RandomStream(seed: seed, label: "scenario")
    self.duration = duration
    scenario = Scenario(title: "Random run of seed 0x\(String(seed, radix: 16))")
    var cluster = Scenario.Cluster()
    cluster.seed = seed
    let drawn = chance.pick([4, 4, 4, 7, 7, 13])
    cluster.replicas = replicas ?? drawn
    scenario.cluster = cluster
    let count = UInt16(cluster.replicas)
    sound = (0..<count).map { ReplicaID($0) }
    budget = cluster.faultsMax
  }

  mutating func tell() -> Scenario {
    drawCluster()
    drawLoad()
    drawPermanent()
    let count = 2 + chance.below(6)
    for _ in 0..<count { drawPassing() }
    scenario.faults.append(Fault(at: .time(duration), .calm))
    scenario.expect.liveness = .seconds(60)
    return scenario
  }

  private mutating func drawCluster() {
    let latency = chance.within(8...90)
    scenario.cluster.latency = .milliseconds(latency)
    scenario.cluster.jitter = .milliseconds(chance.below(latency))
    scenario.cluster.lossPPM = chance.happens(500_000) ? chance.below(50_000) / 100 * 100 : 0
    scenario.cluster.leaderTimeout = .milliseconds(max(200, latency * chance.within(4...12)))
    scenario.cluster.sync = .milliseconds(chance.within(1...8))
    scenario.cluster.sql = .milliseconds(chance.within(1...20))
    scenario.cluster.signatures = chance.happens(20_000) ? .ed25519 : .mock
  }

  private mutating func drawLoad() {
    var load = Scenario.Load()
    load.clients = 1 + chance.below(3)
    load.rate = chance.within(1...6)
    scenario.load = load
  }

  /// Byzantine actors, lost disks, crashes for good: at most `f` in all.
  private mutating func drawPermanent() {
    let spends = chance.below(budget + 1)
    for _ in 0..<spends {
      let victim = sound.remove(at: chance.below(sound.count))
      let who = Who.replicas([victim])
      switch chance.below(6) {
      case 0...3:
        let actor = chance.pick(Scenario.Byzantine.Actor.allCases)
        scenario.byzantine.append(Scenario.Byzantine(actor, who))
      case 4:
        let span = Span.milliseconds(chance.within(200...2_000))
        scenario.faults.append(Fault(at: moment(), .wipe(who), .span(span)))
      default:
        let loss = chance.pick(PowerLoss.allCases)
        scenario.faults.append(Fault(at: moment(), .crash(who, loss, effects: chance.below(12))))
      }
    }
  }

  private mutating func moment() -> When {
    if chance.happens(250_000) {
      let view = View(1 + chance.below(UInt64(20)))
      return .view(view, chance.pick(When.ViewEvent.allCases))
    }
    return .time(.milliseconds(chance.within(100...max(101, duration.milliseconds))))
  }

  private mutating func some() -> Who {
    let all = (0..<UInt16(scenario.cluster.replicas)).map { ReplicaID($0) }
    return .replicas(chance.pick(1 + chance.below(all.count - 1), of: all))
  }

  private mutating func oneOf(_ ids: [ReplicaID]) -> Who { .replicas([chance.pick(ids)]) }

  private mutating func filter() -> Fault.Filter {
    var filter = Fault.Filter()
    filter.kind = chance.happens(600_000) ? chance.pick(MessageKind.allCases) : nil
    filter.from = chance.happens(500_000) ? .all : some()
    filter.to = chance.happens(500_000) ? .all : some()
    filter.ratePPM = chance.pick([100_000, 300_000, 600_000, 1_000_000])
    return filter
  }

  /// Faults that spend nothing, because they end.
  private mutating func drawPassing() {
    let all = (0..<UInt16(scenario.cluster.replicas)).map { ReplicaID($0) }
    let verb: Fault.Verb
    switch chance.below(16) {
    case 0: verb = .cut(from: some(), to: .rest)
    case 1: verb = .isolate(oneOf(all))
    case 2:
      let part = chance.pick(1 + chance.below(all.count - 1), of: all)
      verb = .split([.replicas(part), .replicas(all.filter { !part.contains($0) })])
    case 3:
      verb = .slow(
        from: oneOf(all), to: .all, latency: .milliseconds(chance.within(50...900)),
        bytesPerSecond: chance.happens(500_000) ? chance.within(20_000...500_000) : nil)
    case 4: verb = .drop(filter())
    case 5: verb = .duplicate(filter())
    case 6: verb = .hold(filter())
    case 7: verb = .replay(filter())
    case 8: verb = .pause(some())
    case 9...12:
      verb = .crash(oneOf(all), chance.pick(PowerLoss.allCases), effects: chance.below(12))
    case 13: verb = .crash(.all, chance.pick(PowerLoss.allCases), effects: 0)
    case 14: verb = .disk(oneOf(all), .slow)
    default:
      let step = Int64(chance.below(UInt64(800))) - 400
      verb = .clock(oneOf(all), step % 3 == 0 ? .stuck : .step(step))
    }
    let span = Span.milliseconds(chance.within(100...3_000))
    scenario.faults.append(Fault(at: moment(), verb, .span(span)))
  }
}
