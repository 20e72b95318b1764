import Replication
import Wire

/// Signs each of its votes for another epoch too, and sends both.
struct WrongEpoch: Adversary {
  let sides: Sides
  let views: ClosedRange<UInt64>?

  mutating func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)] {
    let vote: Vote
    switch message {
    case .vote(let own): vote = own
    case .proposal(_, _, let own): vote = own
    default: return [(message, recipients)]
    }
    guard views.covers(vote.ballot.view) else { return [(message, recipients)] }
    let foreign = context.vote(inNextEpoch(vote.ballot))
    if case .proposal = message {
      return sides.bend(message, recipients, [message, .vote(foreign)])
    }
    return sides.bend(message, recipients, [.vote(foreign), message])
  }

  private func inNextEpoch(_ ballot: Ballot) -> Ballot {
    switch ballot {
    case .notarize(let subnet, let epoch, let view, let parent, let block):
      .notarize(subnet: subnet, epoch: epoch.next, view: view, parentView: parent, block: block)
    case .nullify(let subnet, let epoch, let view):
      .nullify(subnet: subnet, epoch: epoch.next, view: view)
    case .finalize(let subnet, let epoch, let view, let parent, let block):
      .finalize(subnet: subnet, epoch: epoch.next, view: view, parentView: parent, block: block)
    }
  }
}
