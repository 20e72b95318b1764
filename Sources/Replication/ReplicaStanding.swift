import Wire

/// Where a replica stands, for people, metrics and `cluster why`.
package struct ReplicaStanding: Hashable, Sendable {
  package enum Phase: UInt8, Hashable, Sendable {
    case serving, catchingUp, recovering, quarantined, split
  }

  package var phase: Phase
  package var view: View
  package var leader: ReplicaID
  package var finalizedView: View
  /// The last finalized block without a gap.
  package var finalized: Height
  package var executed: Height
  package var certified: Height
  package var connected: [ReplicaID]
  /// The last view heard of each member, by id.
  package var heard: [View]
  package var cutOff: [ReplicaID]
  package var poolCalls: Int
  package var poolBytes: Int
  /// Whether a client's call would find room.
  package var admitsCalls: Bool
  /// The present `Δ`.
  package var delay: Span
  /// What is waited for and from whom, as sentences; empty when all is well.
  package var awaiting: [String]
}
