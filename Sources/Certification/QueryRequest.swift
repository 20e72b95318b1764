import Signing
import Wire

/// How much a client asks to be proven.
package enum Trust: UInt8, Hashable, Canonical, CaseIterable {
  /// One replica's signed answer.
  case replica = 0
  /// Equal answers of `f + 1` replicas, so of one that is correct.
  case quorum = 1
  /// Rows with a proof to a state certificate.
  case certified = 2

  package var name: String {
    switch self {
    case .replica: "replica"
    case .quorum: "quorum"
    case .certified: "certified"
    }
  }

  package init?(name: String) {
    guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = found
  }

  package func encode(into encoder: inout Encoder) { encoder.byte(rawValue) }
  package init(from decoder: inout Decoder) throws(Malformed) {
    guard let value = Trust(rawValue: try decoder.byte()) else {
      throw decoder.fault("an unknown level of trust")
    }
    self = value
  }
}

/// A named argument. Lists of them are sorted by name, and names are distinct.
package struct Argument: Hashable, Canonical {
  package let name: String
  package let value: Value

  package init(name: String, value: Value) {
    self.name = name
    self.value = value
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.value(value)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.text(limit: Limits.nameBytesMax)
    value = try decoder.value()
  }
}

/// A query: a named one of the pipeline's package, or a SELECT. Never ordered, free of charge.
package struct QueryRequest: ReadRequest {
  package static let domain = "quorate/query/1"

  package let subnet: SubnetID
  package let pipeline: String
  package let question: Question
  /// Sorted by name, distinct.
  package let arguments: [Argument]
  /// nil lets the replica choose its highest certified height.
  package let height: Height?
  package let trust: Trust
  package let caller: PublicKey?
  package let expiry: Moment

  package enum Question: Hashable, Sendable {
    case named(String)
    case sql(String)
    /// What a deploy of these bytes of a package would change, and its price.
    case plan([UInt8])
    /// Whether every model is what it is when it is computed whole.
    case check
    /// Which columns each column of a model comes from.
    case lineage
  }

  /// - Precondition: the arguments' names are distinct.
  package init(
    subnet: SubnetID, pipeline: String, question: Question, arguments: [Argument] = [],
    height: Height? = nil, trust: Trust = .replica, caller: PublicKey? = nil, expiry: Moment = 0
  ) {
    self.subnet = subnet
    self.pipeline = pipeline
    self.question = question
    self.arguments = arguments.sorted { byteOrder($0.name, $1.name) }
    self.height = height
    self.trust = trust
    self.caller = caller
    self.expiry = expiry
    precondition(ascending(self.arguments), "two arguments share one name")
  }

  package func encode(into encoder: inout Encoder) {
    encodeSubject(into: &encoder)
    encoder.optional(height)
    encoder.value(trust)
    encoder.value(expiry)
  }

  private func encodeSubject(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.text(pipeline)
    switch question {
    case .named(let name):
      encoder.variant(0)
      encoder.text(name)
    case .sql(let text):
      encoder.variant(1)
      encoder.text(text)
    case .plan(let package):
      encoder.variant(2)
      encoder.blob(package)
    case .check: encoder.variant(3)
    case .lineage: encoder.variant(4)
    }
    encoder.list(arguments)
    encoder.optional(caller)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    subnet = try decoder.value()
    pipeline = try decoder.text(limit: Limits.nameBytesMax)
    question = try Self.question(from: &decoder)
    arguments = try decoder.list(limit: AnswerLimits.argumentsMax)
    guard ascending(arguments) else { throw decoder.fault("arguments are not sorted by name") }
    caller = try decoder.optional()
    height = try decoder.optional()
    trust = try decoder.value()
    expiry = try decoder.value()
  }

  private static func question(from decoder: inout Decoder) throws(Malformed) -> Question {
    switch try decoder.variant(count: 5) {
    case 0: .named(try decoder.text(limit: Limits.nameBytesMax))
    case 1: .sql(try decoder.text(limit: AnswerLimits.sqlBytesMax))
    case 2: .plan(try decoder.blob(limit: Limits.callBodyBytesMax))
    case 3: .check
    default: .lineage
    }
  }

  /// What an answer says it answers: pipeline, question, arguments and, because roles mask
  /// columns, the caller. The height stands beside it in the answer.
  package var subject: Digest {
    var encoder = Encoder()
    encoder.text("quorate/query-subject/1")
    encodeSubject(into: &encoder)
    return sha256(encoder.bytes)
  }
}

/// Whether `first` is before `second` by its bytes.
func byteOrder(_ first: String, _ second: String) -> Bool {
  first.utf8.lexicographicallyPrecedes(second.utf8)
}

private func ascending(_ arguments: [Argument]) -> Bool {
  zip(arguments, arguments.dropFirst()).allSatisfy { byteOrder($0.name, $1.name) }
}
