import Signing
import Wire

/// Keeps the calls of some clients out: it takes them from nobody, so it neither orders them nor
/// votes for a block that holds one.
struct Censor: Adversary {
  let views: ClosedRange<UInt64>?
  private let salt: UInt8

  init(views: ClosedRange<UInt64>?, chance: RandomStream) {
    var chance = chance
    self.views = views
    salt = UInt8(truncatingIfNeeded: chance.next())
  }

  func censors(sender: PublicKey?) -> Bool {
    guard let sender else { return true }
    return (sender.bytes[0] ^ salt) & 1 == 0
  }

  func lets(_ calls: [VerifiedCall], in view: View) -> [VerifiedCall] {
    guard views.covers(view) else { return calls }
    return calls.filter { !censors(sender: $0.signed.call.sender) }
  }
}
