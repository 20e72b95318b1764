import Hummingbird
import NIOCore
import Wire

/// What a request carries through its handling.
package struct GatewayContext: RequestContext {
  package var coreContext: CoreRequestContextStorage
  /// The client's address, without its port.
  let address: String

  package init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    address = source.channel.remoteAddress?.ipAddress ?? "local"
  }
}

/// Whose request a task works on, for a backend that lets clients take turns.
package enum ClientAddress {
  /// Without the port; what no client asked for is the replica's own.
  @TaskLocal package static var current = "local"
}

/// The connection failed while a body was read; nobody waits for an answer.
struct ConnectionLost: Error {
  let underlying: any Error
}

/// Answers every failure with a problem document.
struct Problems: RouterMiddleware {
  typealias Context = GatewayContext

  func handle(
    _ request: Request, context: GatewayContext,
    next: (Request, GatewayContext) async throws -> Response
  ) async throws -> Response {
    do {
      return try await ClientAddress.$current.withValue(context.address) {
        try await next(request, context)
      }
    } catch let problem as Problem {
      return problem.response(to: request)
    } catch let refusal as Refusal {
      return Problem(refusal).response(to: request)
    } catch let lost as ConnectionLost {
      throw lost.underlying
    } catch let error as any HTTPResponseError {
      guard error.status == .notFound else {
        return Problem(error.status.code, "HTTP", "\(error)").response
      }
      return Problem(
        404, "NO_ROUTE",
        "there is no \(request.method.rawValue) \(request.uri.path.prefix(200)): see GET /v1 for "
          + "what there is"
      ).response
    } catch {
      context.logger.error("a request failed", metadata: ["error": "\(error)"])
      return Problem(500, "INTERNAL", "this replica failed to answer: ask another").response
    }
  }
}

extension Request {
  /// The whole body, copied once.
  /// - Parameter admitted: counts the bytes as they arrive.
  /// - Throws: `Problem` 413 above `limit`, as soon as that is known; 415 for an encoded body; 429
  ///   or 503 when no more bytes may be held.
  func bytes(limit: Int, _ admitted: Admitted) async throws -> [UInt8] {
    if let encoding = headers[.contentEncoding], encoding.lowercased() != "identity" {
      throw Problem(
        415, "CONTENT_ENCODING", "the body is encoded as \(encoding.prefix(40)): send it plain")
    }
    let length = headers[.contentLength].flatMap { Int($0) }
    guard (length ?? 0) <= limit else { throw Self.tooLarge(limit) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(length ?? 0)
    var iterator = body.makeAsyncIterator()
    while let chunk = try await next(&iterator) {
      guard bytes.count + chunk.readableBytes <= limit else { throw Self.tooLarge(limit) }
      try admitted.receive(chunk.readableBytes)
      chunk.withUnsafeReadableBytes { bytes.append(contentsOf: $0) }
    }
    return bytes
  }

  private func next(_ iterator: inout RequestBody.AsyncIterator) async throws -> ByteBuffer? {
    do {
      return try await iterator.next()
    } catch {
      throw ConnectionLost(underlying: error)
    }
  }

  private static func tooLarge(_ limit: Int) -> Problem {
    var problem = Problem(
      413, "BODY_TOO_LARGE",
      "the body is over \(limit) bytes: send the rows in several batches, each with its own key")
    problem.closesConnection = true
    return problem.with("limit", .number(limit))
  }

  /// The media type without its parameters, in lower case.
  var mediaType: String {
    let value = headers[.contentType] ?? ""
    return value.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
  }

  /// - Throws: 415 unless the content type is one of these.
  func requireMediaType(_ types: String...) throws(Problem) {
    guard !types.contains(mediaType) else { return }
    throw Problem(
      415, "MEDIA_TYPE",
      "the body is \(mediaType.isEmpty ? "of no named type" : mediaType): send "
        + types.joined(separator: " or ") + " and say so in Content-Type")
  }

  /// Whether the client takes canonical bytes.
  var wantsCanonical: Bool {
    headers[values: .accept].contains { $0.contains(MediaType.canonical) }
  }

  /// How long the client waits for a certificate: `Prefer: respond-async` or `wait=5` (RFC 7240).
  var patience: Span {
    for field in headers[values: .prefer] {
      for preference in field.split(separator: ",") {
        let words = preference.filter { $0 != " " }.lowercased()
        if words == "respond-async" { return 0 }
        if words.hasPrefix("wait="), let seconds = UInt64(words.dropFirst(5)) {
          return min(.seconds(min(seconds, 3_600)), GatewayLimits.callPatienceMax)
        }
      }
    }
    return GatewayLimits.callPatience
  }

  /// The values of a query parameter, in order.
  func parameters(_ name: String) -> [String] {
    uri.queryParameters.filter { $0.key == name }.map { String($0.value) }
  }

  /// - Throws: 400 when the parameter is there and no number.
  func number(_ name: String) throws(Problem) -> UInt64? {
    guard let text = parameters(name).first else { return nil }
    guard let value = UInt64(text) else {
      throw Problem(400, "MALFORMED", "the parameter \(name) is not a whole number")
    }
    return value
  }
}
