import Signing
import Wire

/// What clients do that none should: nothing of it may have an effect, and nobody else may be
/// served the worse for it.
package enum Misuse: String, Sendable, Hashable, CaseIterable {
  case duplicate, elsewhere, expired, oversize, malformed, foreign
  case farFuture = "far-future"

  /// The envelope holds: only what executes the call refuses it.
  var isRefusedByExecution: Bool {
    switch self {
    case .expired, .farFuture, .oversize: true
    case .duplicate, .elsewhere, .malformed, .foreign: false
    }
  }

  package var meaning: String {
    switch self {
    case .duplicate: "the same call is sent again and again, before and after its receipt"
    case .elsewhere: "a call that waits is sent to every replica in turn"
    case .expired: "a call whose time is over"
    case .farFuture: "a call that is to live longer than any may"
    case .oversize: "a call with a body over the limit"
    case .malformed: "another body, another's signature, none, or a body that is no batch"
    case .foreign: "a call that was signed for another subnet"
    }
  }
}

/// One client's own chance and memory of what it misused.
///
/// - Safety: draws from a stream of its own, so that what the client honestly does is the same with
///   and without it.
/// - Bound: the last `recentMax` honest calls.
struct Mischief {
  static let recentMax = 16
  /// Of a million moments of the client, in so many it misuses something.
  static let sharePPM: UInt64 = 350_000

  let kinds: [Misuse]
  var chance: RandomStream
  private var recent: [SignedCall] = []
  private var serial = 0
  /// Transfers that may never be in the state, with what was wrong.
  private(set) var forbidden: [(transfer: String, kind: Misuse)] = []

  init(_ kinds: [Misuse], index: Int, seed: UInt64) {
    self.kinds = kinds
    chance = RandomStream(seed: seed, label: "misuse \(index)")
  }

  mutating func remember(_ call: SignedCall) {
    guard !kinds.isEmpty else { return }
    recent.append(call)
    if recent.count > Self.recentMax { recent.removeFirst() }
  }

  /// What to misuse now; nil for nothing.
  mutating func next() -> Misuse? {
    guard !kinds.isEmpty, chance.happens(Self.sharePPM) else { return nil }
    return chance.pick(kinds)
  }

  mutating func old() -> SignedCall? { recent.isEmpty ? nil : chance.pick(recent) }

  /// A call that must have no effect.
  mutating func make(
    _ kind: Misuse, _ subnet: SubnetID, _ index: Int, signer: Signer, other: Signer, start: Moment,
    now: Moment
  ) -> SignedCall? {
    serial += 1
    let id = "m\(index)-\(serial)"
    var draft = Draft(subnet: subnet, id: id, expiry: now.advanced(by: 60_000), signer: signer)
    switch kind {
    case .duplicate, .elsewhere: return nil
    case .expired: draft.expiry = Moment(start.number - 1 - chance.below(UInt64(1_000_000)))
    case .farFuture:
      draft.expiry = now.advanced(by: Limits.callLifetimeMax.milliseconds + 86_400_000)
    case .oversize: draft.padding = Limits.callBodyBytesMax
    case .foreign: draft.subnet = sha256(subnet.bytes + chance.bytes(8))
    case .malformed: break
    }
    forbid(id, kind)
    return kind == .malformed ? malformed(draft, other) : draft.signed
  }

  /// This transfer may never be in the state.
  mutating func forbid(_ transfer: String, _ kind: Misuse) { forbidden.append((transfer, kind)) }

  private mutating func malformed(_ draft: Draft, _ other: Signer) -> SignedCall {
    let good = draft.signed
    switch chance.below(5) {
    case 0: return SignedCall(call: good.call, body: good.body + [10], signature: good.signature)
    case 1: return SignedCall(call: good.call, body: good.body, signature: nil)
    case 2:
      return SignedCall(call: good.call, body: good.body, signature: other.sign(good.call))
    case 3:
      var garbled = draft
      garbled.body = chance.bytes(200)
      return garbled.signed
    default:
      var lost = draft
      lost.source = "nowhere"
      return lost.signed
    }
  }

  /// A batch of one transfer, before it is signed.
  private struct Draft {
    var subnet: SubnetID
    let id: String
    var expiry: Moment
    let signer: Signer
    var padding = 0
    var source = "transfers"
    var body: [UInt8]?

    var signed: SignedCall {
      let line =
        "{\"transfer_id\":\"\(id)\",\"from_account\":\"a0\",\"to_account\":\"a1\",\"amount\":1}\n"
      let bytes = body ?? Array(line.utf8) + [UInt8](repeating: 10, count: padding)
      return signer.sign(
        Call(
          subnet: subnet, pipeline: Bank.name,
          method: .ingest(source: source, format: .ndjson), bodyDigest: sha256(bytes),
          bodyBytes: UInt32(bytes.count), idempotencyKey: id, sender: signer.publicKey,
          expiry: expiry, stepLimit: Client.stepLimit), body: bytes)
    }
  }
}
