import Certification
import Signing
import Storage
import Wire

/// What an idempotency key has named so far.
///
/// - Safety: scoped to the method and the sender; to the body too where the sender is unknown, so
///   that a stranger cannot occupy another's key. What a call wrote may go with its source: then
///   its entry answers no more, whatever has become of the method since.
struct IdempotencyEntry: Canonical {
  let payload: Digest
  let call: Digest
  let height: Height
  let forgetAt: Moment
  /// The source that the call wrote to, empty for none, and the mark of its last going before that.
  let source: String
  let gone: Value?

  enum Verdict {
    case fresh
    case replay(of: IdempotencyEntry)
    case conflict
  }

  private init(
    _ ordered: OrderedCall, _ block: BlockContext, to source: String, gone: Value?,
    forgetAt: Moment
  ) {
    payload = sha256(ordered.payload)
    call = ordered.digest
    height = block.height
    self.forgetAt = forgetAt
    self.source = source
    self.gone = gone
  }

  func encode(into encoder: inout Encoder) {
    encoder.value(payload)
    encoder.value(call)
    encoder.value(height)
    encoder.value(forgetAt)
    encoder.text(source)
    encoder.optional(gone)
  }

  init(from decoder: inout Decoder) throws(Malformed) {
    payload = try decoder.value()
    call = try decoder.value()
    height = try decoder.value()
    forgetAt = try decoder.value()
    source = try decoder.text(limit: Limits.nameBytesMax)
    gone = try decoder.optional()
  }

  /// The key of the mark that is left where a source has gone: the deploy that took it. It lies
  /// beside the tombstones of rows, whose keys begin with the name of a source.
  static func goneKey(_ source: String) -> [UInt8] {
    var encoder = Encoder()
    encoder.text("gone:\(source)")
    return encoder.bytes
  }

  private static func mark(
    of source: String, on connection: Connection
  ) throws(StorageFault) -> Value? {
    guard !source.isEmpty else { return nil }
    guard let bytes = try connection.ledgerEntry(.tombstone, goneKey(source)) else { return nil }
    guard let mark = try? Value(canonicalBytes: bytes) else {
      throw .unreadable("the mark of a source that went")
    }
    return mark
  }

  /// The key under which a ledger knows it.
  static func scope(_ ordered: OrderedCall) -> [UInt8] {
    let call = ordered.call
    var encoder = Encoder(capacity: 128)
    encoder.text(call.pipeline)
    encoder.text(call.method.label)
    encoder.optional(call.sender)
    encoder.text(call.idempotencyKey)
    if call.sender == nil { encoder.value(call.bodyDigest) }
    return sha256(encoder.bytes).bytes
  }

  /// - Throws: where the entry cannot be read: a call that was made may not be taken for a new one.
  private static func stored(
    _ scope: [UInt8], on connection: Connection
  ) throws(StorageFault) -> IdempotencyEntry? {
    guard let bytes = try connection.ledgerEntry(.idempotency, scope) else { return nil }
    guard let entry = try? Self(canonicalBytes: bytes) else {
      throw .unreadable("an idempotency entry")
    }
    return entry
  }

  static func judge(
    _ ordered: OrderedCall, on connection: Connection
  ) throws(StorageFault) -> Verdict {
    guard let entry = try stored(scope(ordered), on: connection) else { return .fresh }
    guard try mark(of: entry.source, on: connection) == entry.gone else { return .fresh }
    return entry.payload == sha256(ordered.payload) ? .replay(of: entry) : .conflict
  }

  /// - Parameter source: what the call wrote to; empty for no source.
  static func record(
    _ ordered: OrderedCall, _ block: BlockContext, to source: String = "", forgetAt: Moment,
    in ledger: Ledger
  ) throws(StorageFault) {
    let scope = scope(ordered)
    // One that answers no more goes now: its time would take the new one with it.
    if let old = try stored(scope, on: ledger.connection) {
      try ledger.keep(Ledger.Part.idempotency.rawValue, scope, beyond: old.forgetAt)
    }
    let gone = try mark(of: source, on: ledger.connection)
    let entry = Self(ordered, block, to: source, gone: gone, forgetAt: forgetAt)
    try ledger.put(.idempotency, scope, entry.canonicalBytes, forgetAt: forgetAt)
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
