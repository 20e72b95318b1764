import Replication
import Wire

/// Votes to nullify what it votes to finalize, and to finalize what it votes to nullify.
struct NullifyAndFinalize: Adversary {
  let sides: Sides
  let views: ClosedRange<UInt64>?
  /// The last few blocks that it notarized.
  private var notarized: [Ballot] = []

  init(sides: Sides, views: ClosedRange<UInt64>?) {
    self.sides = sides
    self.views = views
  }

  mutating func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)] {
    let vote: Vote
    switch message {
    case .vote(let own): vote = own
    case .proposal(_, _, let own): vote = own
    default: return [(message, recipients)]
    }
    let ballot = vote.ballot
    if ballot.kind == .notarize { remember(ballot) }
    guard views.covers(ballot.view), let other = opposite(of: ballot) else {
      return [(message, recipients)]
    }
    return sides.bend(message, recipients, [message, .vote(context.vote(other))])
  }

  private mutating func remember(_ ballot: Ballot) {
    notarized.append(ballot)
    if notarized.count > 8 { notarized.removeFirst() }
  }

  private func opposite(of ballot: Ballot) -> Ballot? {
    switch ballot {
    case .notarize: return nil
    case .finalize(let subnet, let epoch, let view, _, _):
      return .nullify(subnet: subnet, epoch: epoch, view: view)
    case .nullify(let subnet, let epoch, let view):
      guard let own = notarized.last(where: { $0.view == view }), let parent = own.parentView,
        let block = own.block
      else { return nil }
      return .finalize(
        subnet: subnet, epoch: epoch, view: view, parentView: parent, block: block)
    }
  }
}
