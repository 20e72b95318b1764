import Certification
import HTTPTypes
import Hummingbird
import ServiceLifecycle
import Wire

/// What the replica says of itself and of what is deployed.
extension Routes {
  func status(_ request: Request, _ context: GatewayContext) async throws -> Response {
    let status = await backend.status()
    return reply(status, status.json, to: request)
  }

  func catalog(_ request: Request, _ context: GatewayContext) async throws -> Response {
    try admission.read(from: context.address, at: backend.now())
    let catalog = try await backend.catalog()
    return reply(catalog, catalog.json, to: request)
  }

  /// A pipeline's cycles, what they went into, and who holds its roles.
  func report(_ request: Request, _ context: GatewayContext) async throws -> Response {
    try admission.read(from: context.address, at: backend.now())
    let pipeline = try name("pipeline", context)
    do throws(Refusal) {
      let report = try await backend.report(of: pipeline)
      return reply(report, report.json, to: request)
    } catch {
      throw await suggesting(error, pipeline: pipeline, name: pipeline)
    }
  }

  /// A person's cycles.
  func accounts(_ request: Request, _ context: GatewayContext) async throws -> Response {
    try admission.read(from: context.address, at: backend.now())
    guard let owner = PublicKey(hex: context.parameters.get("key") ?? "") else {
      throw Problem(400, "MALFORMED", "an account has a key of 64 lower-case hexadecimal digits")
    }
    let balance = try await backend.balance(of: owner)
    let json = JSON.object([("owner", .text(owner.hex)), ("balance", .number(balance.number))])
    return reply(balance, json, to: request)
  }

  /// The price table in force, and what administrators want in its place.
  func prices(_ request: Request, _ context: GatewayContext) async throws -> Response {
    try admission.read(from: context.address, at: backend.now())
    let report = try await backend.prices()
    return reply(report, report.json, to: request)
  }

  /// The engines that replicas may execute with, and those that administrators propose.
  func engines(_ request: Request, _ context: GatewayContext) async throws -> Response {
    try admission.read(from: context.address, at: backend.now())
    let report = try await backend.engines()
    return reply(report, report.json, to: request)
  }

  func network(_ request: Request, _ context: GatewayContext) -> Response {
    Response(
      status: .ok, headers: [.contentType: MediaType.json],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: backend.networkDocument)))
  }

  func certificates(_ request: Request, _ context: GatewayContext) async throws -> Response {
    try admission.read(from: context.address, at: backend.now())
    guard let height = UInt64(context.parameters.get("height") ?? "") else {
      throw Problem(400, "MALFORMED", "a height is a whole number")
    }
    let certificate = try await backend.certificate(at: Height(height))
    return reply(certificate, certificate.json, to: request)
  }

  /// Server-sent events until the client goes or the replica stops.
  func events(_ request: Request, _ context: GatewayContext) async throws -> Response {
    let permit = try admission.openEvents(from: context.address)
    let events = backend.events()
    let body = ResponseBody { writer in
      defer { withExtendedLifetime(permit) {} }
      try await writer.write(ByteBuffer(string: ": events of this replica\n\n"))
      for await event in events.cancelOnGracefulShutdown() {
        let line = String(decoding: event.json.bytes, as: UTF8.self)
        try await writer.write(ByteBuffer(string: "event: \(event.name)\ndata: \(line)\n\n"))
      }
      try await writer.finish(nil)
    }
    return Response(
      status: .ok,
      headers: [.contentType: "text/event-stream", .cacheControl: "no-store"], body: body)
  }

  /// The process lives.
  func healthz(_ request: Request, _ context: GatewayContext) -> Response {
    text("ok\n")
  }

  func readyz(_ request: Request, _ context: GatewayContext) async throws -> Response {
    let readiness = await backend.readiness()
    guard readiness.isReady else {
      throw Problem(
        503, "NOT_READY", readiness.reason, retryAfter: GatewayLimits.retryAfterSeconds)
    }
    return text(readiness.reason + "\n")
  }

  func metrics(_ request: Request, _ context: GatewayContext) async throws -> Response {
    var lines = await backend.metrics()
    if !lines.isEmpty, !lines.hasSuffix("\n") { lines += "\n" }
    lines += """
      # HELP quorate_http_requests_in_flight Requests that this replica works on.
      # TYPE quorate_http_requests_in_flight gauge
      quorate_http_requests_in_flight \(admission.requests)

      """
    return text(lines, type: "text/plain; version=0.0.4; charset=utf-8")
  }

  private func text(_ text: String, type: String = "text/plain; charset=utf-8") -> Response {
    Response(
      status: .ok, headers: [.contentType: type],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }
}
