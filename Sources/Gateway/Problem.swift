import HTTPTypes
import Hummingbird
import Wire

/// What went wrong, as a problem document (RFC 9457): a stable code for programs, sentences for
/// people that say what happened, why, and what to do next.
package struct Problem: Error, Equatable, Sendable {
  package var status: Int
  package var code: String
  package var detail: String
  /// Members beside the standard ones, in order.
  package var members: [Member] = []
  /// Seconds, for what passes by itself.
  package var retryAfter: Int?
  /// What the client must not reuse the connection for: the rest of an unread body.
  package var closesConnection = false

  package struct Member: Equatable, Sendable {
    package let name: String
    package let value: JSON
  }

  package init(_ status: Int, _ code: String, _ detail: String, retryAfter: Int? = nil) {
    self.status = status
    self.code = code
    self.detail = detail
    self.retryAfter = retryAfter
  }

  /// A refusal of the replica, with the status that its code stands for.
  package init(_ refusal: Refusal) {
    let status = Self.status(of: refusal.code)
    let retries = status == 429 || status == 503
    self.init(
      status, refusal.code, refusal.message,
      retryAfter: retries ? GatewayLimits.retryAfterSeconds : nil)
  }

  package func with(_ name: String, _ value: JSON) -> Problem {
    var problem = self
    problem.members.append(Member(name: name, value: value))
    return problem
  }

  /// The HTTP status that a code stands for; 422 for what only the caller can mend.
  package static func status(of code: String) -> Int {
    if let status = statuses[code] { return status }
    if code.hasPrefix("UNKNOWN_") { return 404 }
    return code.hasPrefix("HEIGHT_") ? 410 : 422
  }

  private static let statuses: [String: Int] = [
    "MALFORMED": 400, "MISSING_KEY": 400, "IDEMPOTENCY_KEY_MISSING": 400, "BAD_KEY": 400,
    "KEY": 400, "EXPIRED": 400, "EXPIRY_TOO_FAR": 400, "WRONG_SUBNET": 400, "BODY_MISMATCH": 400,
    "BAD_ARGUMENT": 400, "MISSING_ARGUMENT": 400, "ARGUMENTS": 400,
    "UNSIGNED": 401, "BAD_SIGNATURE": 401,
    "FROZEN": 402, "ARCHIVED": 402, "INSUFFICIENT_CYCLES": 402, "OUT_OF_CYCLES": 402,
    "OVER_BUDGET": 402,
    "FORBIDDEN": 403, "NOT_OWNER": 403, "NOT_ALLOWED": 403,
    "NOT_ADMINISTRATOR": 403,
    "NO_ROUTE": 404, "NO_CERTIFICATE": 404,
    "IN_FLIGHT": 409,
    "BODY_TOO_LARGE": 413,
    "MEDIA_TYPE": 415, "CONTENT_ENCODING": 415,
    "KEY_CONFLICT": 422, "IDEMPOTENCY_CONFLICT": 422,
    "TOO_MANY_READS": 429, "TOO_MUCH_AT_ONCE": 429,
    "OVERLOADED": 503, "POOL_FULL": 503, "NOT_READY": 503, "BEHIND": 503, "QUARANTINED": 503,
    "STOPPING": 503, "DISK_FULL": 503, "READ_FAILED": 503,
    "SNAPSHOTS_FULL": 503,
    "INTERNAL": 500,
  ]

  package var json: JSON {
    var all: [(String, JSON)] = [
      ("type", .text("urn:quorate:problem:" + code)), ("title", .text(Self.title(status))),
      ("status", .number(status)), ("code", .text(code)), ("detail", .text(detail)),
    ]
    for member in members { all.append((member.name, member.value)) }
    return .object(all)
  }

  /// For a client that takes canonical bytes, the refusal in canonical bytes.
  func response(to request: Request) -> Response {
    guard request.wantsCanonical else { return response }
    var response = self.response
    response.headers[.contentType] = MediaType.refusal
    response.body = ResponseBody(
      byteBuffer: ByteBuffer(bytes: Refusal(code, detail).canonicalBytes))
    if let range { response.headers[.quorateReadable] = range }
    return response
  }

  /// `12-20`, when the problem names the heights that can be read.
  private var range: String? {
    guard let oldest = members.first(where: { $0.name == "oldest" }),
      let newest = members.first(where: { $0.name == "newest" })
    else { return nil }
    return "\(String(decoding: oldest.value.bytes, as: UTF8.self))-"
      + String(decoding: newest.value.bytes, as: UTF8.self)
  }

  static func title(_ status: Int) -> String {
    HTTPResponse.Status(code: status).reasonPhrase
  }

  package var response: Response {
    var response = Response(
      status: .init(code: status), headers: [.contentType: MediaType.problem],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.bytes)))
    if let retryAfter { response.headers[.retryAfter] = String(retryAfter) }
    if closesConnection { response.headers[.connection] = "close" }
    if status == 401 { response.headers[.wwwAuthenticate] = "Quorate" }
    return response
  }
}

/// The known name nearest to `name`, for "did you mean": at most two edits away.
package func nearest(to name: String, among known: [String]) -> String? {
  let wanted = Array(name.lowercased().unicodeScalars.prefix(Limits.nameBytesMax))
  let ranked = known.map { (editDistance(wanted, Array($0.lowercased().unicodeScalars)), $0) }
  guard let best = ranked.min(by: { $0 < $1 }), best.0 <= max(2, wanted.count / 4) else {
    return nil
  }
  return best.1
}
