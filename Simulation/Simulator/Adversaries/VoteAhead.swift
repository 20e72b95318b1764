import Replication
import Wire

/// Votes in views that are thousands to billions ahead and in the last ones there are, in each but
/// once: none of its votes contradicts another, so nothing convicts it and it is listened to for
/// ever.
struct VoteAhead: Adversary {
  static let votesAtOnce = 8

  let sides: Sides
  let views: ClosedRange<UInt64>?
  var chance: RandomStream
  private var fromLast: UInt64 = 0
  var pace: Span? { .milliseconds(40) }

  init(sides: Sides, views: ClosedRange<UInt64>?, chance: RandomStream) {
    self.sides = sides
    self.views = views
    self.chance = chance
  }

  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)] {
    guard views.covers(context.view) else { return [] }
    let whom = sides.all
    let last = View(.max - fromLast)
    fromLast += 1
    return (0..<Self.votesAtOnce).flatMap { step in
      let ahead = context.view.advanced(by: chance.within(1_000...UInt64(1) << 40))
      let vote = Message.vote(context.vote(ballot(step == 0 ? last : ahead, context)))
      return whom.map { (vote, $0) }
    }
  }

  private mutating func ballot(_ view: View, _ context: ActorContext) -> Ballot {
    guard chance.happens(500_000) else { return context.nullify(view) }
    let block = Digest(chance.bytes(32)) ?? .zero
    return context.notarize(view, View(view.number - 1), block)
  }
}
