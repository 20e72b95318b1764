/// The header fields that carry an envelope beside a raw body: of a call, or of a read that is not
/// public. Keys and digests are lower-case hexadecimal, moments and limits decimal.
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
  /// In answers that say `ordered`: the height of the call's block.
  package static let height = "Quorate-Height"
  /// In answers: the heights that can be read, `12-20`.
  package static let readable = "Quorate-Readable"
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
  /// How long a call lives when its caller does not say.
  package static let callLifetimeUsual = Span.seconds(120)

  /// The step limit that a caller who does not say declares: room for a wide pipeline, and small
  /// enough that a block holds many small calls.
  package static func stepLimitUsual(bodyBytes: Int) -> UInt64 {
    min(50_000_000, 1_000_000 + 500 * UInt64(max(0, bodyBytes)))
  }
}
