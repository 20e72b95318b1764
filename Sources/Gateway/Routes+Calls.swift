import Certification
import HTTPTypes
import Hummingbird
import Signing
import Wire

/// Updates: what is ordered and certified.
extension Routes {
  /// A batch of rows for a source; its envelope is in the header.
  func batches(_ request: Request, _ context: GatewayContext) async throws -> Response {
    let format: RowFormat
    switch request.mediaType {
    case MediaType.csv: format = .csv
    case MediaType.ndjson, "application/ndjson", "application/jsonl": format = .ndjson
    default:
      try request.requireMediaType(MediaType.csv, MediaType.ndjson)
      return Response(status: .unsupportedMediaType)
    }
    let source = try name("name", context)
    return try await enveloped(.ingest(source: source, format: format), request, context)
  }

  /// A procedure with a JSON object of arguments; its envelope is in the header.
  func procedures(_ request: Request, _ context: GatewayContext) async throws -> Response {
    try request.requireMediaType(MediaType.json)
    return try await enveloped(.procedure(try name("name", context)), request, context)
  }

  /// Any call as canonical bytes of a `SignedCall`: deploy, top-up, transfer, grant, and the rest.
  func calls(_ request: Request, _ context: GatewayContext) async throws -> Response {
    try request.requireMediaType(MediaType.canonical)
    let limit = Limits.callBodyBytesMax + GatewayLimits.envelopeBytesMax
    let admitted = try admission.enter(.call, from: context.address)
    defer { withExtendedLifetime(admitted) {} }
    let bytes = try await request.bytes(limit: limit, admitted)
    let signed: SignedCall
    do throws(Malformed) {
      signed = try SignedCall(canonicalBytes: bytes)
    } catch {
      throw Problem(400, "MALFORMED", "the body is no canonical call: \(error)")
    }
    return try await submit(signed, request)
  }

  private func enveloped(
    _ method: Method, _ request: Request, _ context: GatewayContext
  ) async throws -> Response {
    let pipeline = try name("pipeline", context)
    let envelope = try CallEnvelope(request.headers, subnet: backend.subnet)
    let limit = Limits.callBodyBytesMax
    let admitted = try admission.enter(.call, from: context.address)
    defer { withExtendedLifetime(admitted) {} }
    let body = try await request.bytes(limit: limit, admitted)
    let signed = envelope.call(
      method, pipeline: pipeline, body: body, subnet: backend.subnet, now: backend.now())
    return try await submit(signed, request)
  }

  /// What became of a call, by its digest.
  func requests(_ request: Request, _ context: GatewayContext) async throws -> Response {
    try admission.read(from: context.address, at: backend.now())
    // It may wait as long as a call, also once its client is gone.
    let admitted = try admission.enter(.call, from: context.address)
    defer { withExtendedLifetime(admitted) {} }
    guard let id = Digest(hex: context.parameters.get("id") ?? "") else {
      throw Problem(
        400, "MALFORMED",
        "a request's id has 64 lower-case hexadecimal digits: it came in the "
          + "header \(EnvelopeField.request) of the answer to the call")
    }
    let waits = request.headers[.prefer] != nil
    let progress = await backend.progress(of: id, patience: waits ? request.patience : 0)
    if case .refused(let refusal) = progress {
      return reply(
        .object([
          ("request", .digest(id)), ("status", .text("refused")), ("certified", .flag(false)),
          ("code", .text(refusal.code)), ("detail", .text(refusal.message)),
        ])
      ).naming(id, progress)
    }
    return answer(progress, id, request, pending: .ok)
  }

  private func submit(_ signed: SignedCall, _ request: Request) async throws -> Response {
    let id = signed.call.digest
    do throws(Problem) {
      try checkExpiry(signed.call.expiry, now: backend.now())
    } catch {
      // A call that ran before it expired has its receipt all the same.
      let known = await backend.progress(of: id, patience: 0)
      if case .done = known { return answer(known, id, request, pending: .accepted) }
      throw error
    }
    let progress = await backend.submit(signed, patience: request.patience)
    if case .refused(let refusal) = progress {
      let problem = await suggesting(
        refusal, pipeline: signed.call.pipeline, name: signed.call.method.subject)
      return problem.with("certified", .flag(false)).with("request", .digest(id))
        .response(to: request).naming(id, progress)
    }
    return answer(progress, id, request, pending: .accepted)
  }

  private func answer(
    _ progress: CallProgress, _ id: Digest, _ request: Request,
    pending: HTTPResponse.Status
  ) -> Response {
    switch progress {
    case .done(let certified): return done(certified, request).naming(id, progress)
    case .unknown, .received, .ordered, .refused:
      var members: [(String, JSON)] = [
        ("request", .digest(id)), ("status", .text(progress.label)),
      ]
      if case .ordered(let height) = progress {
        members.append(("height", .number(height.number)))
      }
      var response = reply(.object(members), status: pending)
      response.headers[.location] = "/v1/requests/\(id.hex)"
      return response.naming(id, progress)
    }
  }

  /// A certified outcome: the receipt when it was applied, a final problem when it was refused.
  private func done(_ certified: CertifiedReceipt, _ request: Request) -> Response {
    switch certified.proof.receipt.status {
    case .applied: return reply(certified, certified.json, to: request)
    case .refused(let refusal):
      let problem = Problem(refusal)
      if request.wantsCanonical {
        return reply(certified, status: .init(code: problem.status))
      }
      var final = problem.with("certified", .flag(true))
        .with("receipt", certified.proof.receipt.json)
        .with("certificate", certified.certificate.json).with("proof", .canonical(certified))
      final.retryAfter = nil
      return final.response
    }
  }
}

extension Response {
  fileprivate func naming(_ id: Digest, _ progress: CallProgress) -> Response {
    var response = self
    response.headers[.quorateRequest] = id.hex
    response.headers[.quorateProgress] = progress.label
    if case .ordered(let height) = progress {
      response.headers[.quorateHeight] = String(height.number)
    }
    return response
  }
}

extension CallProgress {
  var label: String {
    switch self {
    case .unknown: "unknown"
    case .received: "received"
    case .ordered: "ordered"
    case .done: "done"
    case .refused: "refused"
    }
  }
}

extension Method {
  /// What the method names within its pipeline.
  fileprivate var subject: String {
    switch self {
    case .ingest(let source, _): source
    case .procedure(let name): name
    default: label
    }
  }
}
