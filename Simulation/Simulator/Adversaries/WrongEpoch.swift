import Replication
import Signing
import Wire

/// Signs each of its votes a second time, and sends both: by turns for the next epoch, for an older
/// one and for another subnet. Before the first epoch the last that can be stands for an older one.
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
    let foreign = Message.vote(context.vote(strange(vote.ballot)))
    if case .proposal = message {
      return sides.bend(message, recipients, [message, foreign])
    }
    return sides.bend(message, recipients, [foreign, message])
  }

  private func strange(_ ballot: Ballot) -> Ballot {
    let (subnet, epoch) = (ballot.subnet, ballot.epoch)
    switch ballot.view.number % 3 {
    case 0: return bent(ballot, subnet, epoch.next)
    case 1: return bent(ballot, subnet, Epoch(epoch.number > 0 ? epoch.number - 1 : .max))
    default: return bent(ballot, sha256(subnet.bytes), epoch)
    }
  }

  private func bent(_ ballot: Ballot, _ subnet: SubnetID, _ epoch: Epoch) -> Ballot {
    switch ballot {
    case .notarize(_, _, let view, let parent, let block):
      .notarize(subnet: subnet, epoch: epoch, view: view, parentView: parent, block: block)
    case .nullify(_, _, let view): .nullify(subnet: subnet, epoch: epoch, view: view)
    case .finalize(_, _, let view, let parent, let block):
      .finalize(subnet: subnet, epoch: epoch, view: view, parentView: parent, block: block)
    }
  }
}
