import Replication
import Wire

/// Votes in views that are thousands to billions ahead, in each but once: none of its votes
/// contradicts another, so nothing convicts it and it is listened to for ever.
struct VoteAhead: Adversary {
  static let votesAtOnce = 8

  let sides: Sides
  let views: ClosedRange<UInt64>?
  var chance: RandomStream
  var pace: Span? { .milliseconds(40) }

  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)] {
    guard views.covers(context.view) else { return [] }
    let whom = sides.all
    return (0..<Self.votesAtOnce).flatMap { _ in
      let ahead = chance.within(1_000...UInt64(1) << 40)
      let vote = Message.vote(context.vote(ballot(context.view.advanced(by: ahead), context)))
      return whom.map { (vote, $0) }
    }
  }

  private mutating func ballot(_ view: View, _ context: ActorContext) -> Ballot {
    guard chance.happens(500_000) else { return context.nullify(view) }
    let block = Digest(chance.bytes(32)) ?? .zero
    return context.notarize(view, View(view.number - 1), block)
  }
}
