import Replication
import Signing
import Wire

/// Speaks in the names of others: relays their votes as if they were its own to send, and makes
/// votes, proposals, shares and recovery answers of theirs under its own signature.
struct Impersonate: Adversary {
  let sides: Sides
  let views: ClosedRange<UInt64>?
  var chance: RandomStream
  private var lastProposal: Header?
  var pace: Span? { .milliseconds(250) }

  init(sides: Sides, views: ClosedRange<UInt64>?, chance: RandomStream) {
    self.sides = sides
    self.views = views
    self.chance = chance
  }

  mutating func heard(
    _ message: Message, from peer: ReplicaID, _ context: inout ActorContext
  ) -> [(Message, Recipients)] {
    guard views.covers(message.view ?? context.view) else { return [] }
    switch message {
    case .proposal(let header, _, _): lastProposal = header
    case .vote where chance.happens(50_000): return tell(message)
    case .recoveryQuestion(let question, _):
      let name = chance.pick(context.committee.members).id
      let answer = RecoveryAnswer(
        subnet: question.subnet, epoch: question.epoch, asker: question.asker,
        nonce: question.nonce, responder: name, view: 1, certificate: nil, stateSigned: 0)
      return [(.recoveryAnswer(answer, context.signer.sign(answer)), .one(peer))]
    default: break
    }
    return []
  }

  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)] {
    guard views.covers(context.view) else { return [] }
    let victim = chance.pick(context.committee.members.filter { $0.id != context.me }).id
    switch chance.below(4) {
    case 0: return tell(.vote(context.vote(context.nullify(context.view), as: victim)))
    case 1: return proposal(context)
    case 2:
      let first = context.vote(context.nullify(context.view), as: victim)
      let second = context.vote(context.finalize(context.view, 0, .zero), as: victim)
      return tell(.evidence(.votes(first, second)))
    default: return tell(.certificate(context.forged(context.nullify(context.view))))
    }
  }

  /// A block of a view that somebody else leads.
  private func proposal(_ context: ActorContext) -> [(Message, Recipients)] {
    guard let last = lastProposal, context.view.number > last.view.number else { return [] }
    let header = Header(
      subnet: last.subnet, epoch: last.epoch, view: context.view, parentView: last.view,
      parent: last.digest, height: last.height.next, time: last.time.next, calls: [],
      certified: nil)
    let ballot = context.notarize(header.view, header.parentView, header.digest)
    let leader = context.committee.leader(of: header.view)
    guard leader != context.me else { return [] }
    return tell(.proposal(header: header, inlined: [], vote: context.vote(ballot, as: leader)))
  }

  private func tell(_ message: Message) -> [(Message, Recipients)] {
    sides.targets.map { (message, .one($0)) }
  }
}
