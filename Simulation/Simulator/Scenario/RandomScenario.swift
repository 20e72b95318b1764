import Wire

extension Scenario {
  /// A story that chance tells: a cluster, a load and faults within its budget, then calm.
  ///
  /// Each story first draws which kinds of things can go wrong in it at all, then what does (Groce
  /// and others, "Swarm Testing", 2012): some bugs show only where something else does not happen.
  /// Where blocks are counted, faults may also meet around one view (`Encounters`).
  ///
  /// - Parameters:
  ///   - replicas: nil for 4, 7 or 13 by chance.
  ///   - duration: until calm; nil to count blocks instead.
  ///   - blocks: how many heights until calm, when no duration is given.
  ///   - overBudget: more than `f` replicas collude, and agreement may break.
  package static func random(
    seed: UInt64, replicas: Int? = nil, duration: Span? = nil, blocks: Int = 200,
    overBudget: Bool = false
  ) -> Scenario {
    var teller = Teller(
      seed: seed, replicas: replicas, length: duration.map { .time($0) } ?? .blocks(max(1, blocks)))
    return overBudget ? teller.tellCollusion() : teller.tell()
  }
}

/// What can go wrong in a run; each run has its own subset.
enum Feature: CaseIterable {
  case actors, wipes, departures, brokenDisks
  case loss, cuts, slowLinks, drops, duplicates, holds, replays
  case pauses, crashes, crashesOfAll, slowDisks, clocks, slowProcesses, slowExecution
  case profile, misuse

  /// Those that spend from the fault budget.
  static let permanent: [Feature] = [.actors, .wipes, .departures, .brokenDisks]
  /// Those that end.
  static let passing: [Feature] = [
    .cuts, .slowLinks, .drops, .duplicates, .holds, .replays, .pauses, .crashes, .crashesOfAll,
    .slowDisks, .clocks, .slowProcesses, .slowExecution,
  ]
}

/// Draws one scenario.
struct Teller {
  enum Length { case time(Span), blocks(Int) }

  var chance: RandomStream
  var scenario: Scenario
  private let length: Length
  private var features: [Feature] = []
  /// Replicas on which nothing of the budget was spent yet.
  private var sound: [ReplicaID]
  private var budget: Int

  init(seed: UInt64, replicas: Int?, length: Length) {
    chance = RandomStream(seed: seed, label: "scenario")
    self.length = length
    scenario = Scenario(title: "Random run of seed 0x\(String(seed, radix: 16))")
    var cluster = Scenario.Cluster()
    cluster.seed = seed
    let drawn = chance.pick([4, 4, 4, 7, 7, 13])
    cluster.replicas = replicas ?? drawn
    scenario.cluster = cluster
    sound = (0..<UInt16(cluster.replicas)).map { ReplicaID($0) }
    budget = cluster.faultsMax
    features = Feature.allCases.filter { _ in chance.happens(500_000) }
  }

  mutating func tell() -> Scenario {
    drawCluster()
    drawLoad()
    drawPermanent()
    let kinds = features.filter { Feature.passing.contains($0) }
    if !kinds.isEmpty {
      let count = 2 + chance.below(faultsMax)
      for _ in 0..<count { drawPassing(chance.pick(kinds)) }
    }
    end()
    if case .blocks(let count) = length {
      var encounters = Encounters(scenario, sound: sound, heights: count)
      scenario = encounters.told()
    }
    scenario.dropIgnored()
    drawLedger()
    scenario.expect.liveness = .seconds(60)
    return scenario
  }

  /// As many replicas collude as it takes for two quorums that share no correct one, and the
  /// correct ones are cut into two halves.
  mutating func tellCollusion() -> Scenario {
    drawCluster()
    drawLoad()
    let cluster = scenario.cluster
    let all = everyone
    let band = chance.pick(2 * cluster.quorum - cluster.replicas, of: all)
    let honest = all.filter { !band.contains($0) }
    let half = chance.pick((honest.count + 1) / 2, of: honest)
    let rest = honest.filter { !half.contains($0) }
    var collusion = Scenario.Byzantine(.collude, .replicas(band))
    collusion.to = .replicas(half)
    scenario.byzantine = [collusion]
    // From the start: halves that heard one another for a while would have cut off who said both.
    let at = When.time(0)
    scenario.faults = [
      Fault(at: at, .cut(from: .replicas(half), to: .replicas(rest))),
      Fault(at: at, .cut(from: .replicas(rest), to: .replicas(half))),
    ]
    scenario.overBudget = true
    end()
    scenario.dropIgnored()
    return scenario
  }

  private mutating func end() {
    switch length {
    case .time(let span):
      scenario.faults.append(Fault(at: .time(span), .calm))
      scenario.cluster.duration = span
    case .blocks(let count):
      scenario.faults.append(Fault(at: .height(Height(UInt64(count))), .calm))
      scenario.cluster.duration = .seconds(UInt64(count) + 20)
      // A search goes further with consensus alone; one run in seventeen executes SQL, and some
      // with encounters.
      scenario.cluster.execution = scenario.cluster.seed % 17 == 0 ? .sql : .digests
    }
  }

  private var faultsMax: Int {
    switch length {
    case .time: 6
    case .blocks(let count): max(3, min(count / 12, 24))
    }
  }

  private mutating func drawCluster() {
    let latency = chance.within(8...90)
    scenario.cluster.latency = .milliseconds(latency)
    scenario.cluster.jitter = .milliseconds(chance.below(latency))
    if features.contains(.profile) {
      scenario.cluster.stand(on: chance.pick(NetworkProfile.allCases))
    }
    scenario.cluster.lossPPM = features.contains(.loss) ? chance.below(50_000) / 100 * 100 : 0
    let middle = max(scenario.cluster.latency.milliseconds, 8)
    scenario.cluster.leaderTimeout = .milliseconds(max(200, middle * chance.within(4...12)))
    scenario.cluster.sync = .milliseconds(chance.within(1...8))
    scenario.cluster.sql = .milliseconds(chance.within(1...20))
    scenario.cluster.signatures = chance.happens(2_000) ? .ed25519 : .mock
  }

  private mutating func drawLoad() {
    var load = Scenario.Load()
    load.clients = 1 + chance.below(3)
    load.rate = chance.within(1...6)
    if features.contains(.misuse) {
      load.misuse = chance.pick(1 + chance.below(Misuse.allCases.count), of: Misuse.allCases)
    }
    scenario.load = load
  }

  /// Half of the runs that execute SQL move cycles, by a chance of its own: all others stay as they
  /// are without it.
  private mutating func drawLedger() {
    guard scenario.cluster.execution == .sql else { return }
    var chance = RandomStream(seed: scenario.cluster.seed, label: "ledger")
    scenario.load?.ledger = chance.happens(500_000)
  }

  /// Byzantine actors, lost and broken disks, crashes for good: at most `f` in all.
  private mutating func drawPermanent() {
    let kinds = features.filter { Feature.permanent.contains($0) }
    guard !kinds.isEmpty else { return }
    let cast = Scenario.Byzantine.Actor.allCases.filter(\.isDrawn)
    let actors = chance.pick(1 + chance.below(cast.count), of: cast)
    let spends = chance.below(budget + 1)
    for _ in 0..<spends {
      let victim = sound.remove(at: chance.below(sound.count))
      let who = Who.replicas([victim])
      switch chance.pick(kinds) {
      case .actors: scenario.byzantine.append(actor(chance.pick(actors), who))
      case .wipes:
        let span = Span.milliseconds(chance.within(200...2_000))
        scenario.faults.append(Fault(at: moment(), .wipe(who), .span(span)))
      case .brokenDisks:
        let kind = chance.pick(Fault.DiskFault.drawn)
        let span = Span.milliseconds(chance.within(200...6_000))
        let lasting = chance.happens(500_000) ? Fault.Lasting.forever : .span(span)
        scenario.faults.append(Fault(at: moment(), .disk(who, kind), lasting))
      default:
        let loss = chance.pick(PowerLoss.allCases)
        scenario.faults.append(Fault(at: moment(), .crash(who, loss, effects: chance.below(12))))
      }
    }
  }

  private mutating func actor(
    _ actor: Scenario.Byzantine.Actor, _ who: Who
  ) -> Scenario.Byzantine {
    var byzantine = Scenario.Byzantine(actor, who)
    if actor.takesTargets, chance.happens(250_000) { byzantine.to = some() }
    if actor.takesViews, chance.happens(250_000) {
      let first = 1 + chance.below(UInt64(heightsAbout))
      byzantine.views = first...first + chance.below(UInt64(heightsAbout))
    }
    return byzantine
  }

  /// About how many views and heights there will be.
  private var heightsAbout: Int {
    switch length {
    case .time: 20
    case .blocks(let count): max(2, count)
    }
  }

  mutating func moment() -> When {
    if chance.happens(250_000) {
      let view = View(1 + chance.below(UInt64(heightsAbout)))
      return .view(view, chance.pick(When.ViewEvent.allCases))
    }
    switch length {
    case .time(let span):
      return .time(.milliseconds(chance.within(100...max(101, span.milliseconds))))
    case .blocks: return .height(Height(1 + chance.below(UInt64(heightsAbout))))
    }
  }

  var everyone: [ReplicaID] { (0..<UInt16(scenario.cluster.replicas)).map { ReplicaID($0) } }

  mutating func some() -> Who {
    let all = everyone
    return .replicas(chance.pick(1 + chance.below(all.count - 1), of: all))
  }
}
