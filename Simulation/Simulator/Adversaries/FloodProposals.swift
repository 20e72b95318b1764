import Replication
import Wire

/// Signs hundreds of different blocks of each view that it leads or soon will, so that whoever
/// looks at each of them has time for nothing else.
struct FloodProposals: Adversary {
  static let proposalsAtOnce = 256

  let sides: Sides
  let views: ClosedRange<UInt64>?
  var chance: RandomStream
  var pace: Span? { .milliseconds(100) }

  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)] {
    let committee = context.committee
    let near = (0...Limits.viewsAheadMax).map { context.view.advanced(by: $0) }
    guard let target = near.first(where: { $0 > 0 && committee.leader(of: $0) == context.me }),
      views.covers(target)
    else { return [] }
    let whom = sides.all
    return (0..<Self.proposalsAtOnce).flatMap { _ in
      let proposal = proposal(of: target, context)
      return whom.map { (proposal, $0) }
    }
  }

  private mutating func proposal(of target: View, _ context: ActorContext) -> Message {
    let parentView = View(target.number - 1)
    let header = Header(
      subnet: context.committee.subnet, epoch: context.committee.epoch, view: target,
      parentView: parentView, parent: Digest(chance.bytes(32)) ?? .zero,
      height: Height(target.number), time: Setting.time, calls: [], certified: nil)
    let vote = context.vote(context.notarize(target, parentView, header.digest))
    return .proposal(header: header, inlined: [], vote: vote)
  }
}
