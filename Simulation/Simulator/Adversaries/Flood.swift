import Replication
import Signing
import Wire

/// Sends votes of far and near future views and of the last there is, requests whose answers are
/// large, announcements of nothing, and now and then evidence, certificates and shares that do not
/// hold.
struct Flood: Adversary {
  let sides: Sides
  let views: ClosedRange<UInt64>?
  var chance: RandomStream
  private var turns: UInt64 = 0
  var pace: Span? { .milliseconds(40) }

  init(sides: Sides, views: ClosedRange<UInt64>?, chance: RandomStream) {
    self.sides = sides
    self.views = views
    self.chance = chance
  }

  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)] {
    guard views.covers(context.view) else { return [] }
    turns += 1
    var out = futureVotes(context) + requests(context)
    // Whoever hears junk stops listening for a while: most turns go without it.
    if turns % 5 == 0 { out += junk(context) }
    let whom = sides.all
    return out.flatMap { message in whom.map { (message, $0) } }
  }

  private mutating func futureVotes(_ context: ActorContext) -> [Message] {
    (0..<12).map { step in
      let far = chance.within(4...UInt64(1) << 40)
      let ahead = step < 4 ? UInt64(step) : step == 11 ? .max : far
      return .vote(context.vote(ballot(context.view.advanced(by: ahead), context)))
    }
  }

  private mutating func ballot(_ view: View, _ context: ActorContext) -> Ballot {
    if chance.happens(300_000) { return context.nullify(view) }
    let parent = View(chance.below(view.number))
    if chance.happens(200_000) { return context.finalize(view, parent, digest()) }
    return context.notarize(view, parent, digest())
  }

  private mutating func requests(_ context: ActorContext) -> [Message] {
    [
      .announce((0..<64).map { _ in digest() }),
      .callsWanted((0..<64).map { _ in digest() }),
      .viewsWanted((0..<16).map { View(chance.below(context.view.number + 8) + $0) }),
      .blocksWanted(from: Height(1 + chance.below(context.view.number)), count: .max),
      .blocksWanted(from: Height(chance.next()), count: .max),
      .blockWanted(digest()),
      .stateWanted(Height(1 + chance.below(context.view.number))),
      .stateWanted(Height(chance.next())),
    ]
  }

  private mutating func junk(_ context: ActorContext) -> [Message] {
    let members = context.committee.members
    let victim = chance.pick(members).id
    let first = context.vote(context.notarize(context.view, 0, digest()), as: victim)
    let second = context.vote(context.nullify(context.view), as: victim)
    let statement = StateStatement(
      subnet: context.committee.subnet, epoch: context.committee.epoch,
      height: Height(chance.below(context.view.number + 64)), block: digest(),
      stateRoot: digest(), receiptsRoot: digest(), time: Moment(chance.below(1 << 41)))
    return [
      .evidence(.votes(first, second)),
      .evidence(
        .states(context.share(statement, as: victim), context.share(statement, as: victim))),
      .certificate(context.forged(context.nullify(context.view))),
      .stateShare(context.share(statement, as: context.me)),
    ]
  }

  private mutating func digest() -> Digest { Digest(chance.bytes(32)) ?? .zero }
}
