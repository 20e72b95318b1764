import Consensus
import Wire

extension Scenario {
  /// What makes this scenario senseless: replicas that do not exist, more faults than `f`.
  package var flaws: [String] {
    var flaws: [String] = []
    for who in named {
      if case .replicas(let ids) = who {
        for id in ids where id.index >= cluster.replicas {
          flaws.append("\(id) is not there: the cluster has r0 to r\(cluster.replicas - 1)")
        }
      }
    }
    for id in actors where id.index >= cluster.replicas {
      flaws.append("\(id) never acts: the cluster has r0 to r\(cluster.replicas - 1)")
    }
    let spent = spentBudget
    if let vain = vainOverBudget { flaws.append(vain) }
    if flaws.isEmpty, !overBudget, spent > cluster.faultsMax {
      flaws.append(
        "\(counted(spent, "replica is", "replicas are")) Byzantine or lost for good, which is more "
          + "than f = \(cluster.faultsMax); take faults away or set over-budget: true")
    }
    if let profile = cluster.profile, cluster.latency != profile.median {
      flaws.append("the latency is that of no site: it is told by the profile \(profile.rawValue)")
    }
    for byzantine in byzantine { flaws += byzantine.flaws }
    for fault in faults where fault.lasting == .ever && fault.verb.spends == nil {
      flaws.append("'for: ever' goes with cut, isolate and clock, not with \(fault.verbName)")
    }
    if !expect.breaks.isEmpty, expect.planted == nil, !overBudget {
      flaws.append("'breaks' needs 'planted' or over-budget: within f nothing may break")
    }
    if expect.plantedAlone, expect.planted == nil {
      flaws.append("'planted-alone' needs 'planted': it says how the broken rule shows")
    }
    if expect.finality != nil, cluster.latency == 0 {
      flaws.append("'finality' is told in the latency of the links, which is none here")
    }
    flaws += ignored.map(\.why)
    return flaws
  }

  /// A part of a story.
  enum Part: Hashable {
    case ledger
    case misuse(Misuse)
    /// By its place in the list.
    case actor(Int), fault(Int)
  }

  /// What would do nothing, and why: parts that need SQL, or a load.
  var ignored: [(part: Part, why: String)] {
    var out: [(part: Part, why: String)] = []
    let (isDigests, change) = (cluster.execution == .digests, "; write execution: sql")
    if isDigests, let load {
      if load.ledger { out.append((.ledger, "a chain of digests moves no cycles\(change)")) }
      for misuse in load.misuse where misuse.isRefusedByExecution {
        let why = "a chain of digests refuses no \(misuse.rawValue) call"
        out.append((.misuse(misuse), why + change))
      }
    }
    for (place, player) in byzantine.enumerated() where isDigests && player.actor == .lieInQuery {
      out.append((.actor(place), "nobody reads a chain of digests\(change)"))
    }
    for (place, fault) in faults.enumerated() {
      guard case .disk(_, .alteredRows) = fault.verb else { continue }
      if isDigests {
        out.append((.fault(place), "a chain of digests has no rows to alter\(change)"))
      } else if load == nil {
        out.append((.fault(place), "without 'load' there are no rows to alter"))
      }
    }
    return out
  }

  /// Takes away what would do nothing.
  mutating func dropIgnored() {
    let parts = Set(ignored.map(\.part))
    if parts.contains(.ledger) { load?.ledger = false }
    load?.misuse.removeAll { parts.contains(.misuse($0)) }
    byzantine = byzantine.indices.filter { !parts.contains(.actor($0)) }.map { byzantine[$0] }
    faults = faults.indices.filter { !parts.contains(.fault($0)) }.map { faults[$0] }
  }

  /// What is wrong when safety may break though the faulty are no more than `f`.
  var vainOverBudget: String? {
    let spent = spentBudget
    guard overBudget, spent <= cluster.faultsMax else { return nil }
    return "over-budget: true is for more than f = \(cluster.faultsMax) faulty replicas, and "
      + "\(counted(spent, "replica is", "replicas are")) Byzantine or lost for good: take it away"
  }

  private var named: [Who] {
    let groups = rounds.flatMap { [Who.replicas($0.first), .replicas($0.second)] }
    let players = byzantine.flatMap { [$0.who, $0.to].compactMap(\.self) }
    return players + faults.flatMap(\.verb.named) + groups
      + [expect.evidence, expect.votesAgain].compactMap(\.self)
  }

  /// Whose acts faults and expectations wait for.
  private var actors: [ReplicaID] {
    let ends = faults.compactMap { fault in
      if case .until(let when) = fault.lasting { when } else { nil }
    }
    return (faults.map(\.at) + ends + expect.never).compactMap { when in
      if case .act(let id, _, _) = when { id } else { nil }
    }
  }

  /// How many replicas are faulty in the sense of the protocol: Byzantine, or away for good.
  package var spentBudget: Int {
    var known: Set<ReplicaID> = []
    var anonymous = 0
    func spend(_ who: Who) {
      switch who {
      case .replicas(let ids): known.formUnion(ids)
      case .one, .leader, .leaderOf: anonymous += 1
      case .f: anonymous += cluster.faultsMax
      case .quorum: anonymous += cluster.quorum
      case .all, .rest: anonymous += cluster.replicas
      }
    }
    for actor in byzantine { spend(actor.who) }
    for fault in faults {
      if fault.lasting == .ever, let who = fault.verb.spends { spend(who) }
      switch fault.verb {
      case .wipe(let who): spend(who)
      case .disk(let who, let kind) where kind != .slow: spend(who)
      case .crash(let who, _, _) where fault.lasting == .forever: spend(who)
      default: break
      }
    }
    return known.count + anonymous
  }

  /// Breaks the rule of this name in runs of this scenario.
  package mutating func plant(_ name: String) throws(ScenarioFaults) {
    do {
      brokenRule = try choice(name, "planted bug", of: PlantedBug.self)
    } catch {
      throw ScenarioFaults(
        path: title,
        faults: [
          ScenarioFault(line: 1, column: 1, message: error.message, suggestion: error.suggestion)
        ])
    }
  }

  /// This scenario with the rule broken that its file names under `planted:`.
  package func broken() throws(ScenarioFaults) -> Scenario {
    var other = self
    try other.plant(expect.planted ?? "")
    return other
  }

  /// The rule that this scenario says must be broken for it to fail.
  package var plantedBug: PlantedBug? { expect.planted.flatMap { PlantedBug(rawValue: $0) } }
}

extension Scenario.Byzantine {
  fileprivate var flaws: [String] {
    var flaws: [String] = []
    if views != nil, !actor.takesViews {
      flaws.append("\(actor.rawValue) takes no 'views': its copies live as long as the run")
    }
    if to != nil, !actor.takesTargets {
      flaws.append("\(actor.rawValue) takes no 'to': it treats all others alike")
    }
    return flaws
  }
}

extension Fault.Verb {
  /// Whether it is about messages on links.
  var isOfMessages: Bool {
    switch self {
    case .cut, .isolate, .split, .slow, .drop, .duplicate, .hold, .replay: true
    case .pause, .crash, .wipe, .disk, .clock, .cpu, .sql, .calm: false
    }
  }

  var pauses: Bool { if case .pause = self { true } else { false } }

  /// Whether whom it befalls stays down while it lasts.
  var fells: Bool {
    switch self {
    case .crash, .wipe: true
    default: false
    }
  }

  var diskFault: Fault.DiskFault? { if case .disk(_, let kind) = self { kind } else { nil } }

  /// Who is faulty when this lasts beyond calm; nil: it may not.
  var spends: Who? {
    switch self {
    case .isolate(let who), .clock(let who, _): who
    case .cut(let from, let to): from == .all || from == .rest ? to : from
    default: nil
    }
  }

  /// Everyone whom the verb names.
  var named: [Who] {
    switch self {
    case .cut(let from, let to), .slow(let from, let to, _, _): [from, to]
    case .isolate(let who), .pause(let who), .crash(let who, _, _), .wipe(let who),
      .disk(let who, _), .clock(let who, _), .cpu(let who, _), .sql(let who, _):
      [who]
    case .split(let groups): groups
    case .drop(let filter), .duplicate(let filter), .hold(let filter), .replay(let filter):
      [filter.from, filter.to]
    case .calm: []
    }
  }
}

func readPlanted(_ text: String) throws(TextFault) -> String {
  try choice(text, "planted bug", of: PlantedBug.self).rawValue
}
