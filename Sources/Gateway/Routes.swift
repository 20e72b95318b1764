import Certification
import Hummingbird
import Signing
import Wire

/// The routes of one replica. Each answers JSON to people and canonical bytes to programs that ask
/// for them; the files beside this one hold them by kind.
struct Routes: Sendable {
  let backend: any GatewayBackend
  let admission: Admission

  func add(to router: Router<GatewayContext>) {
    router.post("/v1/calls", use: calls)
    router.post("/v1/pipelines/:pipeline/sources/:name/batches", use: batches)
    router.post("/v1/pipelines/:pipeline/procedures/:name", use: procedures)
    router.get("/v1/requests/:id", use: requests)

    router.post("/v1/queries", use: canonicalQueries)
    router.post("/v1/rows", use: canonicalRows)
    router.post("/v1/snapshots", use: canonicalSnapshots)
    router.post("/v1/pipelines/:pipeline/queries/:name", use: namedQueries)
    router.post("/v1/pipelines/:pipeline/sql", use: sql)
    router.get("/v1/pipelines/:pipeline/tables/:name", use: tables)
    router.get("/v1/pipelines/:pipeline/report", use: report)

    router.get("/v1", use: index)
    router.get("/v1/status", use: status)
    router.get("/v1/catalog", use: catalog)
    router.get("/v1/accounts/:key", use: accounts)
    router.get("/v1/prices", use: prices)
    router.get("/v1/engines", use: engines)
    router.get("/v1/network", use: network)
    router.get("/v1/certificates/:height", use: certificates)
    router.get("/v1/events", use: events)
    router.get("/healthz", use: healthz)
    router.get("/readyz", use: readyz)
    router.get("/metrics", use: metrics)
  }

  private func index(_ request: Request, _ context: GatewayContext) -> Response {
    let routes = [
      "POST /v1/calls", "POST /v1/pipelines/{pipeline}/sources/{source}/batches",
      "POST /v1/pipelines/{pipeline}/procedures/{procedure}", "GET /v1/requests/{id}",
      "POST /v1/pipelines/{pipeline}/queries/{query}", "POST /v1/pipelines/{pipeline}/sql",
      "GET /v1/pipelines/{pipeline}/tables/{table}", "GET /v1/pipelines/{pipeline}/report",
      "POST /v1/queries", "POST /v1/rows", "POST /v1/snapshots",
      "GET /v1/status", "GET /v1/catalog", "GET /v1/accounts/{key}", "GET /v1/prices",
      "GET /v1/engines", "GET /v1/network", "GET /v1/certificates/{height}", "GET /v1/events",
      "GET /healthz", "GET /readyz", "GET /metrics",
    ]
    return reply(
      .object([("subnet", .digest(backend.subnet)), ("routes", .list(routes) { .text($0) })]))
  }

  /// - Throws: 404 for a name that no pipeline, source or table can have.
  func name(_ parameter: String, _ context: GatewayContext) throws(Problem) -> String {
    let name = context.parameters.get(parameter) ?? ""
    guard !name.isEmpty, name.utf8.count <= Limits.nameBytesMax,
      name.utf8.allSatisfy({ isNameByte($0) })
    else {
      throw Problem(
        404, "UNKNOWN_NAME",
        "a \(parameter) has letters, digits and _ in its name, 1 to \(Limits.nameBytesMax): see "
          + "GET /v1/catalog")
    }
    return name
  }

  private func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x2d: true
    default: false
    }
  }

  func reply(_ json: JSON, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: MediaType.json],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.bytes)))
  }

  func reply(_ value: some Canonical, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: MediaType.canonical],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: value.canonicalBytes)))
  }

  /// Canonical bytes or JSON, as the client asks.
  func reply(
    _ value: some Canonical, _ json: @autoclosure () -> JSON, to request: Request
  ) -> Response {
    request.wantsCanonical ? reply(value) : reply(json())
  }

  /// A problem with the known name nearest to the one that was not found.
  func suggesting(_ refusal: Refusal, pipeline: String, name: String) async -> Problem {
    let problem = Problem(refusal)
    guard problem.status == 404, !refusal.message.contains("did you mean"),
      let catalog = try? await backend.catalog()
    else { return problem }
    let known: [String]
    if let entry = catalog.pipelines.first(where: { $0.name == pipeline }) {
      known =
        entry.sources.map(\.name) + entry.procedures.map(\.name) + entry.queries.map(\.name)
        + entry.tables.map(\.name)
    } else {
      known = catalog.pipelines.map(\.name)
    }
    let wanted = catalog.pipelines.contains { $0.name == pipeline } ? name : pipeline
    guard let nearest = nearest(to: wanted, among: known), nearest != wanted else {
      return problem
    }
    var suggesting = problem
    suggesting.detail += "; did you mean \(nearest)?"
    return suggesting.with("didYouMean", .text(nearest))
  }
}
