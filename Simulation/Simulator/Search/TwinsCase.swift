import Wire

/// One case of Twins: which replicas have two copies, and who hears whom in the first views.
///
/// Bano and others, "Twins: BFT Systems Made Robust" (OPODIS 2021, arXiv 2004.10617): two honest
/// copies of one replica with one key can do, when the network is cut between them, what matters
/// of what a Byzantine replica can do. As in commonware's Simplex tests the two groups of a round
/// may overlap, so that a replica hears both copies, one, or none.
package struct TwinsCase: Codable, Sendable, Hashable {
  /// In which groups of a round a replica is.
  package enum Role: String, Codable, Sendable, CaseIterable {
    case first = "A"
    case second = "B"
    case both = "X"
    case none = "-"

    /// A leader whom nobody hears is like one that is down: not a case.
    static let leading: [Role] = [.first, .second, .both]
  }

  package let replicas: Int
  /// Those with two copies.
  package let byzantine: [Int]
  /// For each round the role of each replica. The leader of round `v` is replica `v mod n`.
  package let rounds: [[Role]]

  package init(replicas: Int, byzantine: [Int], rounds: [[Role]]) {
    self.replicas = replicas
    self.byzantine = byzantine
    self.rounds = rounds
  }

  /// `twins r1, r2 · XABB`
  package var title: String {
    let names = byzantine.map { "r\($0)" }.joined(separator: " ")
    return "Twins of \(names) in rounds "
      + rounds.map { $0.map(\.rawValue).joined() }.joined(separator: " ")
  }

  package var scenario: Scenario {
    var scenario = Scenario(title: title)
    scenario.story =
      "Each letter of a round is one replica: A in the first group, B in the second, X in both, "
      + "- in none."
    scenario.cluster.replicas = replicas
    scenario.cluster.latency = .milliseconds(20)
    scenario.cluster.jitter = .milliseconds(0)
    scenario.cluster.leaderTimeout = .milliseconds(200)
    scenario.cluster.seed = 0x7415
    scenario.cluster.execution = .digests
    var load = Scenario.Load()
    load.clients = 1
    load.rate = 10
    scenario.load = load
    scenario.byzantine = byzantine.map {
      Scenario.Byzantine(.twin, .replicas([ReplicaID(UInt16($0))]))
    }
    scenario.rounds = rounds.map { roles in
      Scenario.Round(
        first: group(roles, [.first, .both]), second: group(roles, [.second, .both]))
    }
    let calm = Span.milliseconds(1_500 * UInt64(rounds.count))
    scenario.faults = [Fault(at: .time(calm), .calm)]
    scenario.expect.liveness = .seconds(60)
    return scenario
  }

  private func group(_ roles: [Role], _ wanted: [Role]) -> [ReplicaID] {
    roles.indices.filter { wanted.contains(roles[$0]) }.map { ReplicaID(UInt16($0)) }
  }
}
