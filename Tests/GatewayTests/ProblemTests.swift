import Certification
import Gateway
import GatewayFixture
import Signing
import Testing
import Wire

@Suite struct `A problem` {
  struct Case: Sendable, CustomTestStringConvertible {
    let title: String
    var method = "POST"
    var target = batchPath
    var headers = csv(key: "k")
    var body = Array("a,1,1\n".utf8)
    var prepare: @Sendable (SmallSubnet) -> Void = { _ in }
    let status: Int
    let code: String
    var testDescription: String { title }
  }

  static let json = [("Content-Type", "application/json")]
  static let sqlPath = "/v1/pipelines/shop/sql"
  static let keyed = json + [("Idempotency-Key", "k")]

  static let cases: [Case] = [
    Case(
      title: "no idempotency key", headers: [("Content-Type", "text/csv")], status: 400,
      code: "MISSING_KEY"),
    Case(
      title: "a key too long", headers: csv(key: String(repeating: "k", count: 129)), status: 400,
      code: "BAD_KEY"),
    Case(
      title: "another subnet",
      headers: csv(key: "k") + [(EnvelopeField.subnet, String(repeating: "0", count: 64))],
      status: 400, code: "WRONG_SUBNET"),
    Case(
      title: "a sender that is no key", headers: csv(key: "k") + [(EnvelopeField.sender, "me")],
      status: 400, code: "MALFORMED"),
    Case(
      title: "a sender without a signature",
      headers: csv(key: "k") + [
        (EnvelopeField.sender, String(repeating: "1", count: 64)),
        (EnvelopeField.expiry, "99999999999999"),
      ], status: 400, code: "EXPIRY_TOO_FAR"),
    Case(
      title: "a role that is lacking", target: "/v1/pipelines/shop/procedures/close",
      headers: keyed, body: Array("{}".utf8), status: 403, code: "FORBIDDEN"),
    Case(
      title: "a frozen pipeline", prepare: { $0.ledger.freeze(true) }, status: 402, code: "FROZEN"),
    Case(
      title: "an unknown pipeline", target: "/v1/pipelines/shopp/sources/orders/batches",
      status: 404, code: "UNKNOWN_PIPELINE"),
    Case(
      title: "an unknown source", target: "/v1/pipelines/shop/sources/order/batches", status: 404,
      code: "UNKNOWN_SOURCE"),
    Case(
      title: "an unknown procedure", target: "/v1/pipelines/shop/procedures/clos",
      headers: keyed, status: 404, code: "UNKNOWN_PROCEDURE"),
    Case(title: "an unknown route", target: "/v1/nothing", status: 404, code: "NO_ROUTE"),
    Case(
      title: "a name with a quote", target: "/v1/pipelines/shop%27--/sources/orders/batches",
      status: 404, code: "UNKNOWN_NAME"),
    Case(
      title: "a key in flight",
      prepare: { $0.replicas[0].fail { $0.refusal = Refusal("IN_FLIGHT", "wait for the first") } },
      status: 409, code: "IN_FLIGHT"),
    Case(
      title: "a full pool",
      prepare: { $0.replicas[0].fail { $0.refusal = Refusal("POOL_FULL", "too many calls") } },
      status: 503, code: "POOL_FULL"),
    Case(
      title: "the wrong media type",
      headers: [("Content-Type", "text/plain"), ("Idempotency-Key", "k")], status: 415,
      code: "MEDIA_TYPE"),
    Case(
      title: "an encoded body", headers: csv(key: "k") + [("Content-Encoding", "gzip")],
      status: 415, code: "CONTENT_ENCODING"),
    Case(
      title: "a body too large", body: [UInt8](repeating: 0x61, count: Limits.callBodyBytesMax + 1),
      status: 413, code: "BODY_TOO_LARGE"),
    Case(
      title: "arguments that are no JSON", target: "/v1/pipelines/shop/queries/all_orders",
      headers: json, body: Array("{".utf8), status: 400, code: "MALFORMED"),
    Case(
      title: "an argument with a fraction", target: "/v1/pipelines/shop/queries/order",
      headers: json, body: Array(#"{"id":1.5}"#.utf8), status: 400, code: "BAD_ARGUMENT"),
    Case(
      title: "a missing argument", target: "/v1/pipelines/shop/queries/order", headers: json,
      body: [], status: 400, code: "MISSING_ARGUMENT"),
    Case(
      title: "SQL that is no SELECT", target: sqlPath, headers: json,
      body: Array(#"{"sql":"pragma user_version"}"#.utf8), status: 422, code: "QD01"),
    Case(
      title: "SQL that is missing", target: sqlPath, headers: json, body: Array("{}".utf8),
      status: 400, code: "MALFORMED"),
    Case(
      title: "a query for the owner", target: "/v1/pipelines/shop/queries/private_orders",
      headers: json, body: [], status: 403, code: "FORBIDDEN"),
    Case(
      title: "a height that is gone", target: sqlPath + "?height=900", headers: json,
      body: Array(#"{"sql":"select id"}"#.utf8), status: 410, code: "HEIGHT_GONE"),
    Case(
      title: "a height not reached", target: sqlPath + "?min-height=900&wait=0", headers: json,
      body: Array(#"{"sql":"select id"}"#.utf8), status: 503, code: "BEHIND"),
    Case(
      title: "a certificate to come", method: "GET", target: "/v1/certificates/900", headers: [],
      body: [], status: 404, code: "NO_CERTIFICATE"),
    Case(
      title: "a table that is unknown", method: "GET", target: "/v1/pipelines/shop/tables/order",
      headers: [], body: [], status: 404, code: "UNKNOWN_TABLE"),
    Case(
      title: "a key of too many columns", method: "GET",
      target: "/v1/pipelines/shop/tables/orders?key=a&key=b", headers: [], body: [], status: 400,
      code: "BAD_KEY"),
    Case(
      title: "a replica that lags", method: "GET", target: "/readyz", headers: [], body: [],
      prepare: { $0.replicas[0].fail { $0.lag = 3 } }, status: 503, code: "NOT_READY"),
  ]

  @Test(arguments: cases)
  func `has its status and its code, and says what to do`(_ wrong: Case) async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      wrong.prepare(subnet)
      let reply = try await http(
        wrong.method, wrong.target, port: subnet.ports[0], headers: wrong.headers,
        body: wrong.body)
      #expect(reply.status == wrong.status, "\(reply.body)")
      #expect(reply.code == wrong.code)
      #expect(reply.headers["content-type"] == MediaType.problem)
      #expect((reply.json["detail"]?.text ?? "").count > 10)
      if [429, 503].contains(reply.status) { #expect(reply.headers["retry-after"] != nil) }
      let alive = try await http("GET", "/healthz", port: subnet.ports[0])
      #expect(alive.status == 200)
    }
  }

  @Test func `with a name misspelt says which was meant`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let reply = try await http(
        "POST", "/v1/pipelines/shop/sources/ordrs/batches", port: subnet.ports[0],
        headers: csv(key: "k"), body: Array("a,1,1\n".utf8))
      #expect(reply.json["didYouMean"] == .text("orders"))
    }
  }

  @Test func `of a height names the heights there are`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      subnet.ledger.idle()
      let reply = try await http(
        "POST", "/v1/pipelines/shop/sql?height=900", port: subnet.ports[0], headers: Self.json,
        body: Array(#"{"sql":"select id"}"#.utf8))
      #expect(reply.json["oldest"] == .integer(1))
      #expect(reply.json["newest"] == .integer(2))
    }
  }

  @Test(arguments: [-60_000, 3_600_000])
  func `of an expiry names both clocks`(milliseconds: Int64) async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let body = Array("a,1,1\n".utf8)
      let method = Method.ingest(source: "orders", format: .csv)
      let headers = [("Content-Type", "text/csv")]
      let good = signed(method, body, key: "g", by: subnet.owner, on: subnet)
      let accepted = try await http(
        "POST", batchPath, port: subnet.ports[0], headers: headers + good, body: body)
      #expect(accepted.status == 200)
      let off = signed(
        method, body, key: "e", by: subnet.owner, on: subnet, expiresIn: milliseconds)
      let reply = try await http(
        "POST", batchPath, port: subnet.ports[0], headers: headers + off, body: body)
      #expect(reply.status == 400)
      #expect(reply.code == (milliseconds < 0 ? "EXPIRED" : "EXPIRY_TOO_FAR"))
      guard case .integer(let expiry) = reply.json["expiry"],
        case .integer(let clock) = reply.json["replicaClock"]
      else {
        Issue.record("both clocks are missing: \(reply.body)")
        return
      }
      #expect((expiry > clock) == (milliseconds > 0))
    }
  }
}
