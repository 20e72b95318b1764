import Replication
import Wire

/// Signs another state root than execution gives, from its second block on; or, when it is told to
/// whom, signs the right one for the rest and so two of one height.
struct WrongState: Adversary {
  let sides: Sides
  let views: ClosedRange<UInt64>?

  private var liesToAll: Bool { sides.targets.count == sides.first.count + sides.second.count }

  func executed(_ outcome: BlockOutcome, in view: View) -> BlockOutcome {
    guard outcome.height > 1, liesToAll, views.covers(view) else { return outcome }
    return BlockOutcome(
      height: outcome.height, stateRoot: outcome.receiptsRoot, receiptsRoot: outcome.stateRoot)
  }

  func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)] {
    guard case .stateShare(let share) = message, !liesToAll, views.covers(context.view) else {
      return [(message, recipients)]
    }
    let own = share.statement
    let wrong = StateStatement(
      subnet: own.subnet, epoch: own.epoch, height: own.height, block: own.block,
      stateRoot: own.receiptsRoot, receiptsRoot: own.stateRoot, time: own.time)
    return sides.bend(
      message, recipients, [.stateShare(context.share(wrong, as: context.me))])
  }
}
