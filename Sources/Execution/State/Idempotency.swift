import Signing
import Storage
import Wire

/// What an idempotency key has named so far.
///
/// - Safety: scoped to the method and the sender; to the body too where the sender is unknown, so
///   that a stranger cannot occupy another's key. What a call wrote may go with its source: then
///   its entry answers no more.
struct IdempotencyEntry {
  let payload: Digest
  let call: Digest
  let height: Height

  enum Verdict {
    case fresh
    case replay(of: IdempotencyEntry)
    case conflict
  }

  private init(payload: Digest, call: Digest, height: Height) {
    self.payload = payload
    self.call = call
    self.height = height
  }

  /// The key of the mark that is left where what a method wrote to has gone: the deploy that took
  /// it. It lies beside the tombstones of rows, whose keys begin with the name of a source.
  static func goneKey(_ method: Method) -> [UInt8] {
    var encoder = Encoder()
    encoder.text(method.label)
    return encoder.bytes
  }

  /// The key under which a ledger knows it.
  static func scope(
    _ ordered: OrderedCall, on connection: Connection
  ) throws(StorageFault) -> [UInt8] {
    let gone = try connection.ledgerEntry(.tombstone, goneKey(ordered.call.method))
    return scope(ordered, after: gone)
  }

  /// - Parameter gone: the mark of what the method wrote to before, if it has gone.
  private static func scope(_ ordered: OrderedCall, after gone: [UInt8]?) -> [UInt8] {
    let call = ordered.call
    var encoder = Encoder(capacity: 128)
    encoder.text(call.pipeline)
    encoder.text(call.method.label)
    encoder.optional(call.sender)
    encoder.text(call.idempotencyKey)
    if call.sender == nil { encoder.value(call.bodyDigest) }
    if let gone { encoder.blob(gone) }
    return sha256(encoder.bytes).bytes
  }

  static func judge(_ ordered: OrderedCall, in ledger: Ledger) throws(StorageFault) -> Verdict {
    judge(ordered, stored: try ledger.get(.idempotency, scope(ordered, on: ledger.connection)))
  }

  /// - Parameter bytes: what a ledger holds under the call's scope.
  static func judge(_ ordered: OrderedCall, stored bytes: [UInt8]?) -> Verdict {
    guard let bytes else { return .fresh }
    var decoder = Decoder(bytes)
    guard let payload: Digest = try? decoder.value(), let call: Digest = try? decoder.value(),
      let height: Height = try? decoder.value()
    else { return .fresh }
    guard payload == sha256(ordered.payload) else { return .conflict }
    return .replay(of: IdempotencyEntry(payload: payload, call: call, height: height))
  }

  static func record(
    _ ordered: OrderedCall, _ block: BlockContext, forgetAt: Moment, in ledger: Ledger
  ) throws(StorageFault) {
    var encoder = Encoder(capacity: 96)
    encoder.value(sha256(ordered.payload))
    encoder.value(ordered.digest)
    encoder.value(block.height)
    let scope = try scope(ordered, on: ledger.connection)
    try ledger.put(.idempotency, scope, encoder.bytes, forgetAt: forgetAt)
  }

  static let missing = Refusal(
    "IDEMPOTENCY_KEY_MISSING",
    "the call has no idempotency key, so a retry could not be told from a new call: give one of 1 "
      + "to \(Limits.idempotencyKeyBytesMax) bytes")

  static func conflict(_ call: Call) -> Refusal {
    Refusal(
      "IDEMPOTENCY_CONFLICT",
      "the idempotency key \(call.idempotencyKey) named another payload before: use a new key for "
        + "a new payload")
  }
}
