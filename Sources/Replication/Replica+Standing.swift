import Consensus
import Wire

extension Replica {
  /// Where this replica stands now.
  package var status: ReplicaStanding {
    ReplicaStanding(
      phase: phase, view: simplex.view, leader: simplex.leader, finalizedView: simplex.floor,
      finalized: simplex.chain.delivered.header.height,
      executed: max(execution.executed, configuration.executedHeight),
      certified: states.highestHeight, connected: connected.ids, heard: simplex.heard,
      cutOff: simplex.cutOff.ids, poolCalls: pool.count, poolBytes: pool.bytes,
      admitsCalls: recovery == nil && halt == nil && pool.count < Limits.poolCallsMax
        && pool.bytes < Limits.poolBytesMax,
      delay: simplex.pace.delay, awaiting: awaiting)
  }

  /// Views of which anything is held in memory, and how many these may be at most.
  package var viewsHeld: (count: Int, most: Int) { simplex.viewsHeld }

  private var phase: ReplicaStanding.Phase {
    if recovery != nil { return .recovering }
    switch halt {
    case .quarantined: return .quarantined
    case .split: return .split
    case nil: break
    }
    return simplex.floor > simplex.chain.delivered.view ? .catchingUp : .serving
  }

  private var awaiting: [String] {
    var out: [String] = []
    if let recovery {
      out.append(
        "its log was lost: \(recovery.answers.count) of \(2 * committee.faultsMax + 1) answers "
          + "to its recovery question are here")
      return out
    }
    let missing = committee.members.map(\.id).filter { $0 != me && !connected.contains($0) }
    if committee.size - missing.count < committee.quorum {
      out.append(
        "\(committee.size - missing.count) members are connected and \(committee.quorum) are "
          + "needed for a quorum: not connected are \(names(missing))")
    } else if !missing.isEmpty {
      out.append("not connected are \(names(missing)); the others are a quorum")
    }
    out += viewAwaits
    switch halt {
    case .quarantined: out.append("its state differs from the certified one: it signs no state")
    case .split(let height): out.append("no state of height \(height) can reach a quorum")
    case nil: break
    }
    let tip = simplex.chain.delivered.header.height
    if simplex.floor > simplex.chain.delivered.view {
      out.append("finalized blocks above height \(tip) are being fetched")
    }
    if tip.above(execution.executed) > Limits.uncertifiedHeightsMax {
      out.append("\(tip.above(execution.executed)) finalized blocks wait to be executed")
    }
    return out
  }

  /// Who has not voted, once a proposal or a nullify is out and the view stands still.
  private var viewAwaits: [String] {
    guard repair.ticks > repair.viewEntered + 1, simplex.isEngaged else { return [] }
    let votes = simplex.votesOfCurrentView
    let all = committee.members.map(\.id)
    var out: [String] = []
    if simplex.proposalOfCurrentView == nil {
      out.append("view \(simplex.view) has no proposal of its leader \(simplex.leader)")
    } else if votes.notarize.count < committee.quorum {
      out.append(
        "view \(simplex.view): \(votes.notarize.count) of \(committee.quorum) notarize votes; "
          + "none of \(names(all.filter { !votes.notarize.contains($0) }))")
    }
    if !votes.nullify.isEmpty, votes.nullify.count < committee.quorum {
      out.append(
        "view \(simplex.view): \(votes.nullify.count) of \(committee.quorum) nullify votes; "
          + "none of "
          + names(all.filter { !votes.nullify.contains($0) }))
    }
    return out
  }

  private func names(_ ids: [ReplicaID]) -> String {
    ids.map(\.description).joined(separator: ", ")
  }
}
