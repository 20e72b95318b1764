/// What a call asks for. Names are those of the pipeline's package.
package enum Method: Hashable, Canonical {
  /// The body is a batch of rows for this source.
  case ingest(source: String, format: RowFormat)
  /// The body is a JSON object of arguments.
  case procedure(String)
  /// The body is the canonical bytes of a package; creates the pipeline or upgrades it.
  case deploy
  /// Moves cycles from the sender's account to the pipeline's.
  case topUp(Cycles)
  /// Moves cycles from the sender's account to another person's. The pipeline's name is empty.
  case transfer(to: PublicKey, Cycles)
  /// Gives or takes a role of the pipeline. Only its owner may.
  case grant(role: String, to: PublicKey)
  case revoke(role: String, from: PublicKey)
  /// Looks again at rows that a source's quarantine holds; the body says at which. Those that pass
  /// now are taken.
  case release(source: String)
  /// The body is the canonical bytes of a price table, which comes into force once most
  /// administrators of the subnet have sent it. The pipeline's name is empty.
  case prices
  /// The body is the canonical bytes of an engine's fingerprint. Replicas may execute with it once
  /// most administrators of the subnet have sent it. The pipeline's name is empty.
  case engines

  package func encode(into encoder: inout Encoder) {
    switch self {
    case .ingest(let source, let format):
      encoder.variant(0)
      encoder.text(source)
      encoder.value(format)
    case .procedure(let name):
      encoder.variant(1)
      encoder.text(name)
    case .deploy: encoder.variant(2)
    case .topUp(let amount):
      encoder.variant(3)
      encoder.value(amount)
    case .transfer(let key, let amount):
      encoder.variant(4)
      encoder.value(key)
      encoder.value(amount)
    case .grant(let role, let key):
      encoder.variant(5)
      encoder.text(role)
      encoder.value(key)
    case .revoke(let role, let key):
      encoder.variant(6)
      encoder.text(role)
      encoder.value(key)
    case .release(let source):
      encoder.variant(7)
      encoder.text(source)
    case .prices: encoder.variant(8)
    case .engines: encoder.variant(9)
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    let limit = Limits.nameBytesMax
    switch try decoder.variant(count: 10) {
    case 0: self = .ingest(source: try decoder.text(limit: limit), format: try decoder.value())
    case 1: self = .procedure(try decoder.text(limit: limit))
    case 2: self = .deploy
    case 3: self = .topUp(try decoder.value())
    case 4: self = .transfer(to: try decoder.value(), try decoder.value())
    case 5: self = .grant(role: try decoder.text(limit: limit), to: try decoder.value())
    case 6: self = .revoke(role: try decoder.text(limit: limit), from: try decoder.value())
    case 7: self = .release(source: try decoder.text(limit: limit))
    case 8: self = .prices
    default: self = .engines
    }
  }

  /// The method's kind and name, for idempotency scopes and for people: `ingest/orders`.
  package var label: String {
    switch self {
    case .ingest(let source, _): "ingest/\(source)"
    case .procedure(let name): "procedure/\(name)"
    case .deploy: "deploy"
    case .topUp: "top-up"
    case .transfer: "transfer"
    case .grant: "grant"
    case .revoke: "revoke"
    case .release(let source): "release/\(source)"
    case .prices: "prices"
    case .engines: "engines"
    }
  }
}

/// How the rows of a batch are written.
package enum RowFormat: UInt8, Hashable, Canonical {
  case csv = 0
  case ndjson = 1

  package func encode(into encoder: inout Encoder) { encoder.byte(rawValue) }
  package init(from decoder: inout Decoder) throws(Malformed) {
    guard let value = RowFormat(rawValue: try decoder.byte()) else {
      throw decoder.fault("an unknown row format")
    }
    self = value
  }
}

/// The envelope of a call: everything but its body. Its digest names the call everywhere.
package struct Call: Statement {
  package static let domain = "quorate/call/1"

  package let subnet: SubnetID
  /// Empty for what concerns people's accounts only.
  package let pipeline: String
  package let method: Method
  package let bodyDigest: Digest
  package let bodyBytes: UInt32
  package let idempotencyKey: String
  /// nil for an unsigned call, which only `allow: [public]` admits.
  package let sender: PublicKey?
  /// Not executed in blocks whose time is above this.
  package let expiry: Moment
  /// VDBE steps at most; reserved before execution and paid as used.
  package let stepLimit: UInt64

  package init(
    subnet: SubnetID, pipeline: String, method: Method, bodyDigest: Digest, bodyBytes: UInt32,
    idempotencyKey: String, sender: PublicKey?, expiry: Moment, stepLimit: UInt64
  ) {
    self.subnet = subnet
    self.pipeline = pipeline
    self.method = method
    self.bodyDigest = bodyDigest
    self.bodyBytes = bodyBytes
    self.idempotencyKey = idempotencyKey
    self.sender = sender
    self.expiry = expiry
    self.stepLimit = stepLimit
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.text(pipeline)
    encoder.value(method)
    encoder.value(bodyDigest)
    encoder.integer(bodyBytes)
    encoder.text(idempotencyKey)
    encoder.optional(sender)
    encoder.value(expiry)
    encoder.integer(stepLimit)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    subnet = try decoder.value()
    pipeline = try decoder.text(limit: Limits.nameBytesMax)
    method = try decoder.value()
    bodyDigest = try decoder.value()
    bodyBytes = try decoder.integer()
    idempotencyKey = try decoder.text(limit: Limits.idempotencyKeyBytesMax)
    sender = try decoder.optional()
    expiry = try decoder.value()
    stepLimit = try decoder.integer()
  }

  /// What it takes of a block's steps: calls that run no SQL take none, whatever they declare.
  package var stepsClaimed: UInt64 { method.runsSQL ? stepLimit : 0 }
}

extension Method {
  package var runsSQL: Bool {
    switch self {
    case .ingest, .procedure, .deploy, .release: true
    case .topUp, .transfer, .grant, .revoke, .prices, .engines: false
    }
  }

  /// Whether a body belongs to it; all others are told whole by the envelope.
  package var hasBody: Bool {
    switch self {
    case .ingest, .procedure, .deploy, .release, .prices, .engines: true
    case .topUp, .transfer, .grant, .revoke: false
    }
  }
}

/// A call with its body and, unless it is unsigned, its signature. Not verified by itself:
/// `Signing` makes a `VerifiedCall` of it.
package struct SignedCall: Hashable, Canonical {
  package let call: Call
  package let body: [UInt8]
  package let signature: Signature?

  package init(call: Call, body: [UInt8], signature: Signature?) {
    self.call = call
    self.body = body
    self.signature = signature
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(call)
    encoder.blob(body)
    encoder.optional(signature)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    call = try decoder.value()
    body = try decoder.blob(limit: Limits.callBodyBytesMax)
    signature = try decoder.optional()
  }
}
