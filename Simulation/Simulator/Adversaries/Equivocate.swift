import Replication
import Wire

/// As a leader, proposes one block to some and another one to the rest.
struct Equivocate: Adversary {
  let sides: Sides
  let views: ClosedRange<UInt64>?

  mutating func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)] {
    guard case .proposal(let header, let inlined, _) = message, views.covers(header.view) else {
      return [(message, recipients)]
    }
    let other = Header(
      subnet: header.subnet, epoch: header.epoch, view: header.view,
      parentView: header.parentView, parent: header.parent, height: header.height,
      time: header.time.next, calls: header.calls, certified: header.certified)
    let vote = context.vote(
      .notarize(
        subnet: header.subnet, epoch: header.epoch, view: header.view,
        parentView: header.parentView, block: other.digest))
    let second = Message.proposal(header: other, inlined: inlined, vote: vote)
    return sides.among(sides.first, recipients).map { (message, $0) }
      + sides.among(sides.second, recipients).map { (second, $0) }
  }
}
