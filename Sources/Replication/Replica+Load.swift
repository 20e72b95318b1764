import Consensus
import Wire

/// How much of everything that is bounded a replica holds now, for metrics and for whoever checks
/// the bounds from outside.
package struct ReplicaLoad: Hashable, Sendable {
  /// Views with votes or certificates.
  package var views = 0
  /// The most votes that one view holds.
  package var votesOfView = 0
  /// Blocks and headers in memory.
  package var blocks = 0
  package var assemblies = 0
  /// Heights with state shares or certificates.
  package var states = 0
  package var poolCalls = 0
  package var poolBytes = 0
  /// Announced bodies that are not here.
  package var rumours = 0
  /// Ordered calls that are remembered.
  package var ordered = 0
  /// Effects that wait for the journal.
  package var held = 0
  /// Blocks that are asked for.
  package var wanted = 0

  package init() {}
}

extension Replica {
  /// The last view that is finalized here.
  package var finalizedView: View { simplex.floor }

  package var load: ReplicaLoad {
    var load = ReplicaLoad()
    load.views = simplex.viewsHeld.count
    load.votesOfView = simplex.votesOfViewMost
    load.blocks = simplex.chain.count
    load.assemblies = assemblies.count
    load.states = states.count
    load.poolCalls = pool.count
    load.poolBytes = pool.bytes
    load.rumours = pool.rumourCount
    load.ordered = pool.orderedCount
    load.held = outbox.heldCount
    load.wanted = repair.attempts.count
    return load
  }
}
