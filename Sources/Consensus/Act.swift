import Wire

/// What the voting rules want done.
package enum Act: Sendable {
  /// Must be durable before anything that is said in the same step or later.
  case record(Record)
  /// To one member, or to all others.
  case say(Message, to: ReplicaID?)
  case arm(ViewAlarm, View, after: Span)
  case disarm(ViewAlarm, View)
  case entered(View, leader: ReplicaID)
  case voted(Vote)
  case certified(Certificate)
  /// The block of this digest was notarized or finalized in this view, or is an ancestor of such a
  /// one, and is not held.
  case want(Digest, View)
  /// The next height is decided.
  indirect case finalized(Block, Digest)
  /// A peer works in a view that is over; it may need what ended that view.
  case behind(ReplicaID, View)
  /// A peer is further ahead than votes are admitted.
  case ahead(ReplicaID)
  indirect case accused(Evidence)
  case misbehaved(ReplicaID, String)
  case reached(Mark)
}

/// The alarms of a view (rules R1, R2).
package enum ViewAlarm: Hashable, Sendable {
  case leader, progress, idle
}

/// The right to propose now: this replica leads the view, and the parent is known.
package struct Seat: Hashable, Sendable {
  package let view: View
  package let parentView: View
  package let parent: Digest
  package let parentHeader: Header
}
