import Replication
import Signing
import Wire

/// Sends calls of its own that nobody pays for, each of which claims a whole block.
///
/// - Bound: `callsMax` calls in all, more than a run has blocks.
struct Stuff: Adversary {
  static let callsAtOnce = 16
  static let callsMax = 800

  let sides: Sides
  let views: ClosedRange<UInt64>?
  var chance: RandomStream
  private var sent = 0
  var pace: Span? { .milliseconds(50) }

  init(sides: Sides, views: ClosedRange<UInt64>?, chance: RandomStream) {
    self.sides = sides
    self.views = views
    self.chance = chance
  }

  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)] {
    guard views.covers(context.view), sent < Self.callsMax else { return [] }
    sent += Self.callsAtOnce
    let calls = (0..<Self.callsAtOnce).map { _ in call(context) }
    return sides.all.map { (.calls(calls), $0) }
  }

  private mutating func call(_ context: ActorContext) -> SignedCall {
    let call = Call(
      subnet: context.committee.subnet, pipeline: Bank.name, method: .procedure("nothing"),
      bodyDigest: sha256([]), bodyBytes: 0, idempotencyKey: "\(chance.next())", sender: nil,
      expiry: Setting.time.advanced(by: 900_000), stepLimit: Limits.stepsPerBlockMax)
    return SignedCall(call: call, body: [], signature: nil)
  }
}
