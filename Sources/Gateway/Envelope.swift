import Certification
import HTTPTypes
import Signing
import Wire

extension HTTPField.Name {
  /// - Precondition: `name` is a valid field name; all of ours are.
  static func ours(_ name: String) -> HTTPField.Name {
    guard let field = HTTPField.Name(name) else { preconditionFailure("no field name: \(name)") }
    return field
  }

  static let quorateSubnet = ours(EnvelopeField.subnet)
  static let quorateSender = ours(EnvelopeField.sender)
  static let quorateSignature = ours(EnvelopeField.signature)
  static let quorateExpiry = ours(EnvelopeField.expiry)
  static let quorateStepLimit = ours(EnvelopeField.stepLimit)
  static let quorateRequest = ours(EnvelopeField.request)
  static let quorateProgress = ours(EnvelopeField.progress)
  static let quorateHeight = ours(EnvelopeField.height)
  static let quorateReadable = ours(EnvelopeField.readable)
  static let idempotencyKey = ours(EnvelopeField.idempotencyKey)
  static let prefer = ours("Prefer")
}

/// The envelope of a call as its header fields carry it.
struct CallEnvelope {
  let sender: PublicKey?
  let signature: Signature?
  let expiry: Moment?
  let stepLimit: UInt64?
  let idempotencyKey: String

  init(_ fields: HTTPFields, subnet: SubnetID) throws(Problem) {
    try requireSubnet(fields, subnet)
    idempotencyKey = try Self.key(fields)
    sender = try parsed(fields, .quorateSender, "64 lower-case hexadecimal digits") {
      PublicKey(hex: $0)
    }
    signature = try parsed(fields, .quorateSignature, "128 lower-case hexadecimal digits") {
      [UInt8](hex: $0).flatMap { Signature($0) }
    }
    expiry = try parsed(fields, .quorateExpiry, "milliseconds since 1970") {
      UInt64($0).map { Moment($0) }
    }
    stepLimit = try parsed(fields, .quorateStepLimit, "a count of steps") { UInt64($0) }
    guard sender == nil || expiry != nil else {
      throw Problem(
        400, "MALFORMED",
        "a signed call names its expiry, which is signed too: send \(EnvelopeField.expiry)")
    }
  }

  /// The call that the envelope makes of a body.
  func call(
    _ method: Method, pipeline: String, body: [UInt8], subnet: SubnetID, now: Moment
  ) -> SignedCall {
    let usual = now.advanced(by: Limits.callLifetimeUsual.milliseconds)
    let call = Call(
      subnet: subnet, pipeline: pipeline, method: method, bodyDigest: sha256(body),
      bodyBytes: UInt32(clamping: body.count), idempotencyKey: idempotencyKey, sender: sender,
      expiry: expiry ?? usual,
      stepLimit: stepLimit ?? Limits.stepLimitUsual(bodyBytes: body.count))
    return SignedCall(call: call, body: body, signature: signature)
  }

  /// A structured string in quotes, as the draft of the IETF has it, or the bare text.
  private static func key(_ fields: HTTPFields) throws(Problem) -> String {
    guard var key = fields[.idempotencyKey], !key.isEmpty else {
      throw Problem(
        400, "MISSING_KEY",
        "a call that changes state needs the header \(EnvelopeField.idempotencyKey), so that "
          + "sending it twice has one effect: send any text that is new for each intended call")
    }
    if key.count >= 2, key.hasPrefix("\""), key.hasSuffix("\"") {
      key = String(key.dropFirst().dropLast())
    }
    guard !key.isEmpty, key.utf8.count <= Limits.idempotencyKeyBytesMax,
      key.utf8.allSatisfy({ 0x20...0x7e ~= $0 })
    else {
      throw Problem(
        400, "BAD_KEY",
        "\(EnvelopeField.idempotencyKey) has 1 to \(Limits.idempotencyKeyBytesMax) printable ASCII "
          + "characters")
    }
    return key
  }
}

/// Who reads, by the header fields; a public read has none of them.
struct ReadEnvelope {
  let caller: PublicKey?
  let signature: Signature?
  let expiry: Moment

  init(_ fields: HTTPFields, subnet: SubnetID) throws(Problem) {
    try requireSubnet(fields, subnet)
    caller = try parsed(fields, .quorateSender, "64 lower-case hexadecimal digits") {
      PublicKey(hex: $0)
    }
    signature = try parsed(fields, .quorateSignature, "128 lower-case hexadecimal digits") {
      [UInt8](hex: $0).flatMap { Signature($0) }
    }
    let expiry = try parsed(fields, .quorateExpiry, "milliseconds since 1970") {
      UInt64($0).map { Moment($0) }
    }
    self.expiry = expiry ?? 0
  }

  /// The request with the signature of the header.
  func signed<Request: ReadRequest>(_ request: Request) -> SignedRead<Request> {
    SignedRead(request: request, signature: signature)
  }
}

/// - Throws: 400 with both clocks when the expiry has passed or lies too far ahead.
func checkExpiry(_ expiry: Moment, now: Moment) throws(Problem) {
  let drift = Limits.clockDrift.milliseconds
  let problem: Problem
  if expiry.advanced(by: drift) < now {
    problem = Problem(
      400, "EXPIRED",
      "the call expired \(now.above(expiry)) ms ago by this replica's clock: sign it anew, and "
        + "set your clock if it is slow")
  } else if expiry > now.advanced(by: Limits.callLifetimeMax.milliseconds + drift) {
    problem = Problem(
      400, "EXPIRY_TOO_FAR",
      "the call expires \(expiry.above(now)) ms from now by this replica's clock, at most "
        + "\(Limits.callLifetimeMax.milliseconds) are allowed: sign it with an earlier expiry, and "
        + "set your clock if it is fast")
  } else {
    return
  }
  throw problem.with("expiry", .number(expiry.number)).with("replicaClock", .number(now.number))
}

private func requireSubnet(_ fields: HTTPFields, _ subnet: SubnetID) throws(Problem) {
  guard let named = fields[.quorateSubnet], named != subnet.hex else { return }
  throw Problem(
    400, "WRONG_SUBNET",
    "the request is for another subnet, this is \(subnet.hex): ask a replica "
      + "of the subnet that you mean")
}

private func parsed<Value>(
  _ fields: HTTPFields, _ name: HTTPField.Name, _ form: String, _ parse: (String) -> Value?
) throws(Problem) -> Value? {
  guard let text = fields[name] else { return nil }
  guard let value = parse(text) else {
    throw Problem(400, "MALFORMED", "the header \(name.rawName) is not \(form)")
  }
  return value
}
