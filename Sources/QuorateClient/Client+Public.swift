import Certification
import Signing
import Wire

/// The face for programs outside of this package: plain values.
extension Client {
  public enum TrustLevel: String, Sendable, CaseIterable {
    /// One replica's signed word.
    case replica
    /// `f + 1` equal signed answers.
    case quorum
  }

  public enum Format: Sendable {
    case csv, ndjson
  }

  /// What became of an update that was applied.
  public struct Outcome: Sendable {
    /// The request's id: 64 hexadecimal digits.
    public let request: String
    /// At and above this height reads see its effect.
    public let height: UInt64
    /// True when the key was used before: the outcome is that of the first call.
    public let replayed: Bool
    public let rowsAccepted: Int
    public let rowsQuarantined: Int
    /// Cycles taken from the pipeline's account.
    public let charged: UInt64
    /// Receipt, path and certificate, as a file that `quorate verify` checks offline.
    public let proof: [UInt8]
  }

  /// An answer that was checked.
  public struct Answer: Sendable {
    public let columns: [String]
    /// Values as people read them; nil for null.
    public let rows: [[String?]]
    public let height: UInt64
    /// Block time, milliseconds since 1970.
    public let time: UInt64
    /// 64 hexadecimal digits.
    public let stateRoot: String
    /// The answer with its proof, as a file that `quorate verify` checks offline.
    public let saved: [UInt8]
  }

  /// A value that a named query reads as a source reads its fields.
  public enum ArgumentValue: Sendable {
    case null
    /// Of a decimal the wholes: 5 is 5.00.
    case int(Int64)
    /// What else there is, as it is written: `2026-01-31`, `12.50`, `true`.
    case text(String)
  }

  /// - Parameters:
  ///   - networkFile: the bytes of the subnet's `network.json`, the root of all trust.
  ///   - seed: the 32 secret bytes of the identity that signs; nil for what is public.
  public convenience init(
    networkFile: [UInt8], seed: [UInt8]?, usesTLS: Bool = true
  ) throws(ClientFailure) {
    let network: Network
    do throws(NetworkFault) {
      network = try Network(json: networkFile)
    } catch {
      throw ClientFailure(
        .invalid, "NETWORK", what: "no client can be made", why: error.description, next: "")
    }
    var identity: KeyPair?
    if let seed {
      identity = KeyPair(seed: seed)
      guard identity != nil else {
        throw ClientFailure(
          .invalid, "IDENTITY", what: "no client can be made",
          why: "an identity's seed has 32 bytes, this one \(seed.count)", next: "")
      }
    }
    try self.init(network: network, identity: identity, usesTLS: usesTLS)
  }

  /// Runs a procedure and waits for the certificate.
  /// - Parameters:
  ///   - arguments: a JSON object.
  ///   - key: of the intention; the same key again has no second effect.
  public func submit(
    pipeline: String, procedure: String, arguments: [UInt8], key: String
  ) async throws(ClientFailure) -> Outcome {
    let intention = Intention(
      pipeline: pipeline, method: .procedure(procedure), body: arguments, key: key)
    return Outcome(try await submit(intention))
  }

  /// Ingests one batch of rows and waits for the certificate.
  public func ingest(
    pipeline: String, source: String, rows: [UInt8], format: Format, key: String
  ) async throws(ClientFailure) -> Outcome {
    let method = Method.ingest(source: source, format: format == .csv ? .csv : .ndjson)
    return Outcome(
      try await submit(Intention(pipeline: pipeline, method: method, body: rows, key: key)))
  }

  /// Asks a named query.
  /// - Parameter minHeight: to see the effect of an update, its outcome's height.
  public func query(
    pipeline: String, named name: String, arguments: [(String, ArgumentValue)] = [],
    trust: TrustLevel = .quorum, minHeight: UInt64? = nil
  ) async throws(ClientFailure) -> Answer {
    try await query(.named(name), pipeline, arguments, trust, minHeight)
  }

  /// Asks a SELECT.
  public func query(
    pipeline: String, sql: String, arguments: [(String, ArgumentValue)] = [],
    trust: TrustLevel = .quorum, minHeight: UInt64? = nil
  ) async throws(ClientFailure) -> Answer {
    try await query(.sql(sql), pipeline, arguments, trust, minHeight)
  }

  private func query(
    _ question: QueryRequest.Question, _ pipeline: String,
    _ arguments: [(String, ArgumentValue)], _ trust: TrustLevel, _ minHeight: UInt64?
  ) async throws(ClientFailure) -> Answer {
    guard Set(arguments.map(\.0)).count == arguments.count else {
      throw ClientFailure(
        .invalid, "BAD_ARGUMENT", what: "the query cannot be asked",
        why: "an argument is given twice", next: "")
    }
    let recency = minHeight.map { Recency.minHeight(Height($0)) } ?? .usual
    let values = arguments.map { Argument(name: $0.0, value: $0.1.value) }
    switch trust {
    case .replica:
      return Answer(
        try await ask(question, of: pipeline, arguments: values, recency: recency))
    case .quorum:
      return Answer(
        try await agree(question, of: pipeline, arguments: values, recency: recency))
    }
  }
}

extension Client.Outcome {
  init(_ certified: CertifiedReceipt) {
    let receipt = certified.proof.receipt
    request = receipt.call.hex
    height = receipt.height.number
    replayed = receipt.replayOf != nil
    rowsAccepted = Int(receipt.tally.accepted)
    rowsQuarantined = Int(receipt.tally.quarantined)
    charged = receipt.charged.number
    proof = SavedAnswer.receipt(certified).file
  }
}

extension Client.Answer {
  init(_ answer: VerifiedAnswer) {
    columns = answer.table.columns.map(\.name)
    rows = answer.table.texts
    height = answer.height.number
    time = answer.time.number
    stateRoot = answer.stateRoot.hex
    saved = answer.saved.file
  }
}

extension Client.ArgumentValue {
  var value: Value {
    switch self {
    case .null: .null
    case .int(let number): .int(number)
    case .text(let text): .text(text)
    }
  }
}
