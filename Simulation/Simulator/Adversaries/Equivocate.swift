import Replication
import Wire

/// As a leader, proposes one block to some and another one to the rest; whoever asks again is
/// given the other one, and the second part also hears its vote for the first block.
struct Equivocate: Adversary {
  let sides: Sides
  let views: ClosedRange<UInt64>?
  /// The view of its last proposal, and how often that was sent.
  private var last: View = 0
  private var sendings = 0

  init(sides: Sides, views: ClosedRange<UInt64>?) {
    self.sides = sides
    self.views = views
  }

  mutating func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)] {
    guard case .proposal(let header, let inlined, let vote) = message, views.covers(header.view)
    else { return [(message, recipients)] }
    sendings = header.view == last ? sendings + 1 : 0
    last = header.view
    let second = twin(of: header, inlined, &context)
    if sendings > 0 {
      return sides.among(sides.first, recipients).map { (second, $0) }
        + sides.among(sides.second, recipients).map { (message, $0) }
    }
    return sides.among(sides.first, recipients).map { (message, $0) }
      + sides.among(sides.second, recipients).flatMap { [(second, $0), (.vote(vote), $0)] }
  }

  /// Another block of the same view: one millisecond later.
  private func twin(
    of header: Header, _ inlined: [SignedCall], _ context: inout ActorContext
  ) -> Message {
    let other = Header(
      subnet: header.subnet, epoch: header.epoch, view: header.view,
      parentView: header.parentView, parent: header.parent, height: header.height,
      time: header.time.next, calls: header.calls, certified: header.certified)
    let vote = context.vote(
      .notarize(
        subnet: header.subnet, epoch: header.epoch, view: header.view,
        parentView: header.parentView, block: other.digest))
    return .proposal(header: other, inlined: inlined, vote: vote)
  }
}
