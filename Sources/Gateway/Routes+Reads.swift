import Certification
import HTTPTypes
import Hummingbird
import Signing
import Wire

/// Queries and certified rows: never ordered, answered at a certified height.
extension Routes {
  /// A `SignedRead<QueryRequest>` for a `SignedAnswer`, both canonical.
  func canonicalQueries(_ request: Request, _ context: GatewayContext) async throws -> Response {
    let (read, admitted) = try await canonicalRead(QueryRequest.self, request, context)
    defer { withExtendedLifetime(admitted) {} }
    return reply(try await answer(read, request))
  }

  /// A `SignedRead<RowsRequest>` for `CertifiedRows`, both canonical.
  func canonicalRows(_ request: Request, _ context: GatewayContext) async throws -> Response {
    let (read, admitted) = try await canonicalRead(RowsRequest.self, request, context)
    defer { withExtendedLifetime(admitted) {} }
    return reply(try await rows(read, request))
  }

  /// A `SignedRead<SnapshotRequest>` for a `SnapshotPart`, both canonical.
  func canonicalSnapshots(_ request: Request, _ context: GatewayContext) async throws -> Response {
    let (read, admitted) = try await canonicalRead(SnapshotRequest.self, request, context)
    defer { withExtendedLifetime(admitted) {} }
    let wanted = try checked(read)
    if wanted.place == nil { try await reach(nil, request) }
    do throws(Refusal) {
      return reply(try await backend.snapshot(wanted))
    } catch {
      throw await suggesting(error, pipeline: wanted.pipeline, name: wanted.pipeline)
    }
  }

  /// A named query with a JSON object of arguments.
  func namedQueries(_ request: Request, _ context: GatewayContext) async throws -> Response {
    let (body, admitted) = try await jsonBody(request, context)
    defer { withExtendedLifetime(admitted) {} }
    let arguments = try queryArguments(body, flag: { .text($0 ? "true" : "false") })
    return try await query(.named(try name("name", context)), arguments, request, context)
  }

  /// `{"sql": "select …", "arguments": {…}}`.
  func sql(_ request: Request, _ context: GatewayContext) async throws -> Response {
    let (body, admitted) = try await jsonBody(request, context)
    defer { withExtendedLifetime(admitted) {} }
    guard let text = body["sql"]?.text, text.utf8.count <= GatewayLimits.sqlBytesMax else {
      throw Problem(
        400, "MALFORMED",
        "the body has a member \"sql\" of at most \(GatewayLimits.sqlBytesMax) bytes and, if it "
          + "takes any, \"arguments\"")
    }
    let arguments = try queryArguments(
      body["arguments"] ?? .object([]), flag: { .int($0 ? 1 : 0) })
    return try await query(.sql(text), arguments, request, context)
  }

  private func query(
    _ question: QueryRequest.Question, _ arguments: [Argument], _ request: Request,
    _ context: GatewayContext
  ) async throws -> Response {
    let envelope = try ReadEnvelope(request.headers, subnet: backend.subnet)
    let trust = try trust(request)
    let height = try request.number("height").map { Height($0) }
    let query = QueryRequest(
      subnet: backend.subnet, pipeline: try name("pipeline", context), question: question,
      arguments: arguments, height: height, trust: trust, caller: envelope.caller,
      expiry: envelope.expiry)
    let answer = try await answer(envelope.signed(query), request)
    return request.wantsCanonical
      ? reply(answer) : reply(try page(of: answer, request))
  }

  private func trust(_ request: Request) throws(Problem) -> Trust {
    guard let name = request.parameters("trust").first else { return .replica }
    guard let trust = Trust(name: name), trust != .certified else {
      throw Problem(
        400, "MALFORMED",
        "trust is replica or quorum; certified rows come from GET …/tables/{table}")
    }
    return trust
  }

  /// Checks the caller, waits for the height, asks the replica.
  private func answer(
    _ read: SignedRead<QueryRequest>, _ request: Request
  ) async throws -> SignedAnswer {
    let query = try checked(read)
    try await reach(query.height, request)
    do throws(Refusal) {
      return try await backend.answer(query)
    } catch {
      var name = ""
      if case .named(let query) = query.question { name = query }
      throw await suggesting(error, pipeline: query.pipeline, name: name)
    }
  }

  func rows(_ read: SignedRead<RowsRequest>, _ request: Request) async throws -> CertifiedRows {
    let wanted = try checked(read)
    try await reach(wanted.height, request)
    do throws(Refusal) {
      return try await backend.rows(wanted)
    } catch {
      throw await suggesting(error, pipeline: wanted.pipeline, name: wanted.table)
    }
  }

  private func checked<Wanted: ReadRequest>(_ read: SignedRead<Wanted>) throws -> Wanted {
    let now = backend.now()
    if read.request.caller != nil { try checkExpiry(read.request.expiry, now: now) }
    return try read.checked(by: .ed25519, subnet: backend.subnet, now: now)
  }

  /// Waits for the height that the request names, or for `min-height`, to be readable.
  /// - Throws: 410 with the range for a height outside of it, 503 when `min-height` is not reached.
  private func reach(_ height: Height?, _ request: Request) async throws {
    let floor = try request.number("min-height").map { Height($0) }
    guard let wanted = [height, floor].compactMap({ $0 }).max() else { return }
    let seconds = try request.number("wait").map { Span.seconds(min($0, 3_600)) }
    let patience = min(seconds ?? .seconds(2), GatewayLimits.heightPatienceMax)
    guard let range = await backend.readable(from: wanted, patience: patience) else {
      throw Problem(
        503, "NOT_READY", "this replica serves no height yet: ask another, or later",
        retryAfter: GatewayLimits.retryAfterSeconds)
    }
    if let height, !range.contains(height) {
      throw Problem(
        410, "HEIGHT_GONE",
        "height \(height) cannot be read here, \(range.lowerBound) to \(range.upperBound) can: ask "
          + "for one of these"
      ).within(range)
    }
    if let floor, range.upperBound < floor {
      throw Problem(
        503, "BEHIND",
        "this replica has certified height \(range.upperBound), you want \(floor) or above: ask "
          + "another, or later", retryAfter: GatewayLimits.retryAfterSeconds
      ).within(range)
    }
  }

  private func canonicalRead<Wanted: ReadRequest>(
    _ type: Wanted.Type, _ request: Request, _ context: GatewayContext
  ) async throws -> (SignedRead<Wanted>, Admitted) {
    try request.requireMediaType(MediaType.canonical)
    let (bytes, admitted) = try await readBody(
      request, context, limit: GatewayLimits.canonicalReadBytesMax)
    do throws(Malformed) {
      return (try SignedRead<Wanted>(canonicalBytes: bytes), admitted)
    } catch {
      throw Problem(400, "MALFORMED", "the body is no canonical read: \(error)")
    }
  }

  private func jsonBody(
    _ request: Request, _ context: GatewayContext
  ) async throws -> (JSON, Admitted) {
    try request.requireMediaType(MediaType.json)
    let (bytes, admitted) = try await readBody(
      request, context, limit: GatewayLimits.queryBodyBytesMax)
    do throws(JSONFault) {
      return (try JSON(parsing: bytes.isEmpty ? Array("{}".utf8) : bytes), admitted)
    } catch {
      throw Problem(400, "MALFORMED", "the body is not JSON: \(error)")
    }
  }

  private func readBody(
    _ request: Request, _ context: GatewayContext, limit: Int
  ) async throws -> ([UInt8], Admitted) {
    try admission.read(from: context.address, at: backend.now())
    let admitted = try admission.enter(.read, from: context.address)
    return (try await request.bytes(limit: limit, admitted), admitted)
  }
}

/// The arguments of a query: a JSON object of texts, whole numbers, booleans and nulls.
/// - Parameter flag: a boolean as the query takes it. A named query, which knows the types of its
///   arguments, is told the word, so that no number takes it; SQL of people the number.
func queryArguments(
  _ json: JSON, flag: (Bool) -> Value
) throws(Problem) -> [Argument] {
  guard case .object(let members) = json, members.count <= AnswerLimits.argumentsMax else {
    throw Problem(
      400, "BAD_ARGUMENT",
      "arguments are a JSON object of at most \(AnswerLimits.argumentsMax) members")
  }
  var arguments: [Argument] = []
  for (name, json) in members {
    let value: Value
    switch json {
    case .null: value = .null
    case .flag(let given): value = flag(given)
    case .integer(let number): value = .int(number)
    case .text(let text): value = .text(text)
    case .natural, .real, .list, .object:
      throw Problem(
        400, "BAD_ARGUMENT",
        "the argument \(name.prefix(Limits.nameBytesMax)) is a text, a whole number of 64 bits, a "
          + "boolean or null; a decimal goes in quotes")
    }
    arguments.append(Argument(name: name, value: value))
  }
  return arguments
}

extension Problem {
  /// With the heights that can be read.
  func within(_ range: ClosedRange<Height>) -> Problem {
    with("oldest", .number(range.lowerBound.number)).with(
      "newest", .number(range.upperBound.number))
  }
}
