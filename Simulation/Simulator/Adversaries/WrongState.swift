import Replication
import Wire

/// Signs another state root than execution gives, from its second block on; or, when it is told to
/// whom, signs the right one for the rest and so two of one height. At every eighth height it makes
/// a mistake: one of those to whom it lies gets both.
struct WrongState: Adversary {
  let sides: Sides
  let views: ClosedRange<UInt64>?

  private static let mistakeEvery: UInt64 = 8

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
    let sent = sides.bend(
      message, recipients, [.stateShare(context.share(wrong, as: context.me))])
    guard own.height.number.isMultiple(of: Self.mistakeEvery) else { return sent }
    return sent + sides.among(Array(sides.targets.prefix(1)), recipients).map { (message, $0) }
  }
}
