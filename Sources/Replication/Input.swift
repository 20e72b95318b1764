import Consensus
import Signing
import Wire

/// What happens to a replica.
package enum Input: Sendable {
  /// A decoded message; `peer` is the authenticated other end of the link.
  case received(Message, from: ReplicaID)
  /// Bodies whose envelopes were verified by the shell. `peer` is nil for a client's own call.
  case calls([VerifiedCall], from: ReplicaID?)
  /// A leader's proposal whose inlined bodies the shell has verified.
  case proposed(Header, inlined: [VerifiedCall], Vote, from: ReplicaID)
  case alarmRang(Alarm)
  /// Everything journalled up to this ticket is durable.
  case journaled(Ticket)
  case executed(BlockOutcome)
  /// What was executed here differs from the certificate that the journal holds of this height.
  case contradicted(BlockOutcome, by: StateCertificate)
  case connected(ReplicaID)
  case disconnected(ReplicaID)
}

/// What a replica wants done. A shell performs effects in the order given.
package enum Effect: Sendable {
  /// Append these records in one transaction, make them durable, then answer `.journaled`.
  /// Several such effects may share one transaction.
  case journal(Ticket, [Record])
  case send(Message, to: Recipients)
  /// Ring once after the span, measured on a monotonic clock; arming again replaces.
  case arm(Alarm, after: Span)
  case disarm(Alarm)
  /// Execute the next block; nil stands for the block of this height in the journal. After a
  /// restart heights may come that the files are past already: their outcome is answered again.
  indirect case execute(Height, Block?)
  /// Answer a peer from the journal, rate-limited by the replica.
  case serve(JournalRequest, to: ReplicaID)
  case notice(Notice)
}

package enum Recipients: Hashable, Sendable {
  /// All members but this one.
  case all
  case one(ReplicaID)
}

/// Counts journal effects of one replica since its start.
package typealias Ticket = UInt64

package enum Alarm: Hashable, Sendable {
  case leader(View)
  case progress(View)
  /// The leader of a view with nothing to order waits for calls no longer than this.
  case idle(View)
  /// Repair, re-announcement and catch-up tick.
  case repair
}

/// What a peer asks for that is no longer in memory.
package enum JournalRequest: Hashable, Sendable {
  /// Answered with `Message.blocks` from this height on, at most `count`.
  case blocks(from: Height, count: UInt32)
  /// Answered with `Message.blocks` of the one block, if held.
  case block(Digest)
  /// Answered with `Message.stateCertificate` of this height, if held.
  case stateCertificate(Height)
}

/// What people, clients and tests may want to know. Nothing in the protocol depends on it.
package enum Notice: Sendable {
  case entered(View, leader: ReplicaID)
  case proposed(View, Height, Digest)
  case voted(Vote)
  case certified(Certificate)
  indirect case finalized(Height, View, Header)
  indirect case stateCertified(StateCertificate)
  indirect case accused(Evidence)
  /// A peer sent what no correct replica sends.
  case misbehaved(ReplicaID, String)
  /// This replica's root differs from the certificate's; it has stopped serving and signing.
  indirect case quarantined(StateShare, StateCertificate)
  /// No root at this height can reach a quorum any more.
  indirect case split(Height, [StateShare])
  case catchingUp(from: Height, to: Height)
  /// Recovering from a lost log, and recovered.
  case recovering(answers: Int, needed: Int)
  case recovered(abstainThrough: View)
  /// A call left the pool without being ordered.
  case expired(Digest)
  /// A client's call found no room in the pool.
  case crowdedOut(Digest)
  /// A rarely reached place was reached; named for scenarios, as in
  /// `voter.finalize.refused-after-nullify`.
  case reached(Mark)
}
