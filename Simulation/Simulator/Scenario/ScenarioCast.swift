import Wire

extension Scenario {
  /// The replicas that play each entry under `byzantine`, in its order.
  var players: [[ReplicaID]] {
    byzantine.enumerated().map { order, actor in
      var chance = RandomStream(seed: cluster.seed, label: "cast \(order)")
      return meantStill(actor.who, &chance)
    }
  }

  /// Whom a word means before anything has happened.
  func meantStill(_ who: Who, _ chance: inout RandomStream) -> [ReplicaID] {
    let all = (0..<UInt16(cluster.replicas)).map { ReplicaID($0) }
    func leader(of view: View) -> ReplicaID { all[Int(view.number % UInt64(all.count))] }
    switch who {
    case .all, .rest: return all
    case .replicas(let ids): return ids
    case .leader: return [leader(of: 1)]
    case .leaderOf(let view): return [leader(of: view)]
    case .one: return chance.pick(1, of: all)
    case .f: return chance.pick(cluster.faultsMax, of: all)
    case .quorum: return chance.pick(cluster.quorum, of: all)
    }
  }
}
