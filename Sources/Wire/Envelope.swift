/// The envelope of a read that is not public: who asks for what, and until when it may be asked.
/// A call's envelope is `Call` itself.
package struct ReadEnvelope: Statement {
  package static let domain = "quorate/read/1"

  package let subnet: SubnetID
  /// The request line without its version: `POST /v1/pipelines/bank/sql?height=9`.
  package let target: String
  /// SHA-256 of the request's body; that of no bytes for a GET.
  package let bodyDigest: Digest
  package let sender: PublicKey
  /// Refused by replicas whose clock is above this.
  package let expiry: Moment

  package init(
    subnet: SubnetID, target: String, bodyDigest: Digest, sender: PublicKey, expiry: Moment
  ) {
    self.subnet = subnet
    self.target = target
    self.bodyDigest = bodyDigest
    self.sender = sender
    self.expiry = expiry
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.text(target)
    encoder.value(bodyDigest)
    encoder.value(sender)
    encoder.value(expiry)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    subnet = try decoder.value()
    target = try decoder.text(limit: Limits.targetBytesMax)
    bodyDigest = try decoder.value()
    sender = try decoder.value()
    expiry = try decoder.value()
  }
}

/// The header fields that carry an envelope beside a raw body. Keys and digests are lower-case
/// hexadecimal, moments and limits decimal.
package enum EnvelopeField {
  package static let subnet = "Quorate-Subnet"
  package static let sender = "Quorate-Sender"
  package static let signature = "Quorate-Signature"
  package static let expiry = "Quorate-Expiry"
  package static let stepLimit = "Quorate-Step-Limit"
  package static let idempotencyKey = "Idempotency-Key"
  /// In answers: the digest that names the call.
  package static let request = "Quorate-Request"
  /// In answers: `received`, `ordered`, `done`, `refused`, `unknown`.
  package static let progress = "Quorate-Progress"
  /// In answers: the heights that can be read, `12-20`.
  package static let readable = "Quorate-Readable"
  /// In answers: the replica's clock, milliseconds since 1970.
  package static let clock = "Quorate-Clock"
}

/// The media types of bodies.
package enum MediaType {
  /// Canonical bytes of a value of this project.
  package static let canonical = "application/octet-stream"
  package static let json = "application/json"
  package static let csv = "text/csv"
  package static let ndjson = "application/x-ndjson"
  package static let problem = "application/problem+json"
  /// Canonical bytes of a `Refusal`, for a client that takes canonical bytes.
  package static let refusal = "application/vnd.quorate.refusal"
}

extension Limits {
  /// Bytes of a request's path with its query.
  package static let targetBytesMax = 4 << 10
  /// How long a call lives when its caller does not say.
  package static let callLifetimeUsual = Span.seconds(120)

  /// The step limit that a caller who does not say declares: room for a wide pipeline, and small
  /// enough that a block holds many small calls.
  package static func stepLimitUsual(bodyBytes: Int) -> UInt64 {
    min(50_000_000, 1_000_000 + 500 * UInt64(max(0, bodyBytes)))
  }
}
