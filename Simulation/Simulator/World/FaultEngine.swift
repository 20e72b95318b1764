import Signing
import Wire

/// Which faults wait for what, which are at work, and when all is calm.
final class FaultEngine {
  enum Phase { case begins, ends }

  /// Two copies of one replica, each heard by its own part of the others.
  struct Twins {
    let id: ReplicaID
    /// The machine of the first copy; the other one's is every other.
    let first: Int
    let heardByFirst: [Bool]
    /// Twins of one band stand together: first copies hear first copies. nil: alone.
    let band: Int?

    func hears(_ other: ReplicaID, copy: Int) -> Bool {
      (copy == first) == heardByFirst[other.index]
    }
  }

  /// Whether two machines speak with one another, as far as copies are concerned.
  func meet(_ from: Machine, _ to: Machine) -> Bool {
    guard !twins.isEmpty else { return true }
    let one = twins.first { $0.id == from.id }
    let other = twins.first { $0.id == to.id }
    if let one, let other, let band = one.band, band == other.band {
      return (from.index == one.first) == (to.index == other.first)
    }
    return (one?.hears(to.id, copy: from.index) ?? true)
      && (other?.hears(from.id, copy: to.index) ?? true)
  }

  let scenario: Scenario
  var waiting: [(fault: Int, phase: Phase, when: When)] = []
  /// Whom a fault that is at work concerns, by its number.
  var atWork: [(fault: Int, machines: [Int])] = []
  var held: [(fault: Int, delivery: Delivery)] = []
  var twins: [Twins] = []
  private var sides: [[(first: Bool, second: Bool)]] = []
  private(set) var archive = Archive()
  private let archives: Bool

  /// When the last fault began or ended, unless what follows was reckoned since.
  var changedAt: UInt64? = 0
  /// Since when answers are owed, as faults and the budget stand; nil: they are not.
  var owesSince: UInt64?
  /// Machines that a fault keeps from serving, or that are faulty.
  var hindered: [Bool] = []
  /// The latest time of a finalized block.
  var chainTime: Moment = 0

  private(set) var calmSince: UInt64?
  private(set) var calmView: View = 0
  private(set) var calmHeight: Height = 0
  private(set) var leadersSinceCalm: Set<ReplicaID> = []
  /// Set whenever something happened that may complete what the end waits for.
  var mayBeOver = true

  init(_ scenario: Scenario) {
    self.scenario = scenario
    archives = scenario.faults.contains {
      if case .replay = $0.verb { return true }
      return false
    }
  }

  var livenessBound: Span { scenario.expect.liveness ?? .seconds(30) }

  /// Microseconds after which the run has nothing more to wait for.
  var deadline: UInt64 {
    calmSince.map { $0 + livenessBound.number } ?? .max
  }

  /// When calm comes at the latest: at `duration`, else at the moment that is told, else after a
  /// minute when an event brings it and after ten seconds when nothing does.
  var calmLatest: Span {
    if let duration = scenario.cluster.duration { return duration }
    let calms = scenario.faults.filter { $0.verb == .calm }.map(\.at)
    let told = calms.compactMap { if case .time(let moment) = $0 { moment } else { nil } }.max()
    return told ?? .seconds(calms.isEmpty ? 10 : 60)
  }

  func beCalm(at now: UInt64, view: View, height: Height) {
    calmSince = now
    calmView = view
    calmHeight = height
    waiting = []
  }

  func finalized(_ view: View, leader: ReplicaID) {
    mayBeOver = true
    guard calmSince != nil, view > calmView else { return }
    leadersSinceCalm.insert(leader)
  }

  /// The faults at work on a machine, in the order in which they began.
  func atWork(on machine: Int) -> [Fault] {
    atWork.filter { $0.machines.contains(machine) }.map { scenario.faults[$0.fault] }
  }

  func sent(_ delivery: Delivery) {
    if archives { archive.keep(delivery) }
  }

  /// Whether two machines hear each other in a view that a round scripts.
  func joined(_ one: Int, _ other: Int, in view: View) -> Bool {
    guard calmSince == nil, view >= 1, view.number <= UInt64(sides.count) else { return true }
    let round = sides[Int(view.number) - 1]
    return round[one].first && round[other].first || round[one].second && round[other].second
  }

  /// For each scripted round the groups that each machine is in.
  func seat(_ machines: [ReplicaID]) {
    sides = scenario.rounds.map { round in
      machines.enumerated().map { index, id in
        let twin = twins.first { $0.id == id }
        return (
          first: round.first.contains(id) && (twin.map { $0.first == index } ?? true),
          second: round.second.contains(id) && (twin.map { $0.first != index } ?? true)
        )
      }
    }
  }

  /// Who plays: one machine a replica, two for a twin.
  func cast(
    _ committee: Committee, _ seed: UInt64
  ) -> [(id: ReplicaID, name: String, adversary: (any Adversary)?)] {
    var actors: [(id: ReplicaID, byzantine: Scenario.Byzantine, order: Int)] = []
    for (order, ids) in scenario.players.enumerated() {
      actors += ids.map { ($0, scenario.byzantine[order], order) }
    }
    var out: [(id: ReplicaID, name: String, adversary: (any Adversary)?)] = []
    for member in committee.members {
      let name = member.id.description
      guard let (_, own, order) = actors.first(where: { $0.id == member.id }) else {
        out.append((member.id, name, nil))
        continue
      }
      let targets = own.to.map { who in
        var chance = RandomStream(seed: seed, label: "to \(name)")
        return scenario.meantStill(who, &chance)
      }
      var chance = RandomStream(seed: seed, label: "actor \(name)")
      let sides = Sides(
        committee: committee, me: member.id, named: targets, chance: &chance)
      out.append((member.id, name, own.actor.make(sides, own.views, chance)))
      if own.actor == .twin || own.actor == .collude {
        twins.append(
          Twins(
            id: member.id, first: out.count - 1, heardByFirst: sides.inFirst,
            band: own.actor == .collude ? order : nil))
        out.append((member.id, "\(name)b", own.actor.make(sides, own.views, chance)))
      }
    }
    return out
  }
}
