import Replication
import Signing
import Wire

/// Answers those who catch up, repair or recover with what is not so: altered or shortened blocks,
/// forged certificates, another state, and a past in which the asker never voted.
struct LieInSync: Adversary {
  let sides: Sides
  let views: ClosedRange<UInt64>?
  var chance: RandomStream

  mutating func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)] {
    guard views.covers(context.view) else { return [(message, recipients)] }
    switch message {
    case .blocks(let blocks, let finalizations):
      return sides.bend(message, recipients, [lie(blocks, finalizations, context)])
    case .views(let certificates):
      return sides.bend(message, recipients, [lie(certificates, context)])
    case .stateCertificate(let certificate):
      return sides.bend(message, recipients, [lie(certificate, context)])
    case .recoveryAnswer(let answer, _):
      return sides.bend(message, recipients, [lie(answer, context)])
    default: return [(message, recipients)]
    }
  }

  private mutating func lie(
    _ blocks: [Block], _ finalizations: [Certificate], _ context: ActorContext
  ) -> Message {
    guard let last = blocks.last else { return .blocks(blocks, finalizations: finalizations) }
    var altered = blocks
    switch chance.below(5) {
    case 0:
      altered[blocks.count - 1] = Block(header: later(last.header), calls: last.calls)
      let ballot = context.finalize(
        last.header.view, last.header.parentView, later(last.header).digest)
      return .blocks(altered, finalizations: [context.forged(ballot)])
    case 1:
      altered[blocks.count - 1] = Block(header: last.header, calls: last.calls.dropLast())
    case 2: altered.reverse()
    case 3:
      let ballot = context.finalize(
        last.header.view, last.header.parentView, last.header.digest)
      return .blocks(blocks, finalizations: [context.forged(ballot)])
    default: altered = blocks.map { Block(header: $0.header, calls: $0.calls.map(emptied)) }
    }
    return .blocks(altered, finalizations: finalizations)
  }

  private func later(_ header: Header) -> Header {
    Header(
      subnet: header.subnet, epoch: header.epoch, view: header.view,
      parentView: header.parentView, parent: header.parent, height: header.height,
      time: header.time.next, calls: header.calls, certified: header.certified)
  }

  private func emptied(_ call: SignedCall) -> SignedCall {
    SignedCall(call: call.call, body: [], signature: call.signature)
  }

  private mutating func lie(_ certificates: [Certificate], _ context: ActorContext) -> Message {
    guard !certificates.isEmpty else { return .views(certificates) }
    let one = chance.pick(certificates)
    switch chance.below(3) {
    case 0: return .views(certificates.filter { $0.kind == .nullify })
    case 1: return .views([context.forged(context.nullify(one.view))])
    default:
      let block = Digest(chance.bytes(32)) ?? .zero
      return .views([context.forged(context.finalize(one.view, 0, block))])
    }
  }

  private func lie(_ certificate: StateCertificate, _ context: ActorContext) -> Message {
    let own = certificate.statement
    let wrong = StateStatement(
      subnet: own.subnet, epoch: own.epoch, height: own.height, block: own.block,
      stateRoot: own.receiptsRoot, receiptsRoot: own.stateRoot, time: own.time)
    let signature = context.signer.sign(wrong)
    return .stateCertificate(
      StateCertificate(
        statement: wrong, signers: certificate.signers,
        signatures: certificate.signatures.map { _ in signature }))
  }

  /// "We are all still in view 1", or "you signed every state there can be".
  private mutating func lie(_ answer: RecoveryAnswer, _ context: ActorContext) -> Message {
    let low = chance.happens(500_000)
    let lie = RecoveryAnswer(
      subnet: answer.subnet, epoch: answer.epoch, asker: answer.asker, nonce: answer.nonce,
      responder: answer.responder, view: low ? 1 : answer.view,
      certificate: low ? nil : answer.certificate, stateSigned: low ? 0 : Height(.max))
    return .recoveryAnswer(lie, context.signer.sign(lie))
  }
}
