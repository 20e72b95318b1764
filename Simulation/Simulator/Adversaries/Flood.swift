import Replication
import Wire

/// Sends votes of far and near future views, endless requests and announcements of nothing.
struct Flood: Adversary {
  var chance: RandomStream
  var pace: Span? { .milliseconds(40) }

  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)] {
    var out: [(Message, Recipients)] = []
    for step in 0..<12 {
      let ahead = step < 4 ? UInt64(step) : chance.within(4...UInt64(1) << 40)
      let view = context.view.advanced(by: ahead)
      out.append((.vote(context.vote(ballot(view, context))), .all))
    }
    out.append((.announce((0..<64).compactMap { _ in Digest(chance.bytes(32)) }), .all))
    out.append((.callsWanted((0..<64).compactMap { _ in Digest(chance.bytes(32)) }), .all))
    out.append(
      (.viewsWanted((0..<16).map { View(chance.below(context.view.number + 8) + $0) }), .all))
    out.append((.blocksWanted(from: Height(chance.below(UInt64.max)), count: .max), .all))
    out.append((.stateWanted(Height(chance.next())), .all))
    return out
  }

  private mutating func ballot(_ view: View, _ context: ActorContext) -> Ballot {
    let subnet = context.committee.subnet
    let epoch = context.committee.epoch
    if chance.happens(300_000) { return .nullify(subnet: subnet, epoch: epoch, view: view) }
    let block = Digest(chance.bytes(32)) ?? .zero
    return .notarize(
      subnet: subnet, epoch: epoch, view: view, parentView: View(chance.below(view.number)),
      block: block)
  }
}
