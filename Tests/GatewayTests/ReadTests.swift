import Certification
import Gateway
import GatewayFixture
import Signing
import Testing
import Wire

@Suite struct `A read over HTTP` {
  static let json = [("Content-Type", "application/json")]

  static func fill(_ subnet: SmallSubnet, _ rows: Int) async throws {
    let body = (0..<rows).map { "o\(100 + $0),\($0),\($0 * 100 + 5)\n" }.joined()
    let reply = try await http(
      "POST", batchPath, port: subnet.ports[0], headers: csv(key: "fill"), body: Array(body.utf8))
    #expect(reply.status == 200, "\(reply.body)")
  }

  @Test func `of a named query comes typed, with height, root and signature`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      try await Self.fill(subnet, 2)
      let reply = try await http(
        "POST", "/v1/pipelines/shop/queries/order", port: subnet.ports[0], headers: Self.json,
        body: Array(#"{"id":"o101"}"#.utf8))
      #expect(reply.status == 200)
      #expect(
        reply.json["rows"] == .list([.list([.text("o101"), .text("1970-01-02"), .text("1.05")])]))
      #expect(reply.json["height"] == .integer(2))
      #expect(reply.json["signature"]?.text?.count == 128)
    }
  }

  @Test func `in canonical bytes is the replica's signed answer`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      try await Self.fill(subnet, 2)
      let request = QueryRequest(
        subnet: subnet.ledger.subnet, pipeline: "shop", question: .sql("select id from orders"))
      let headers = [("Content-Type", MediaType.canonical)]
      let reply = try await http(
        "POST", "/v1/queries", port: subnet.ports[0], headers: headers,
        body: SignedRead(request, by: nil).canonicalBytes)
      let answer = try SignedAnswer(canonicalBytes: reply.bytes)
      #expect(answer.content.subject == request.subject)
      #expect(answer.content.result.rows == [[.text("o100")], [.text("o101")]])
    }
  }

  @Test func `comes in pages that follow one another at one height`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      try await Self.fill(subnet, 5)
      let path = "/v1/pipelines/shop/queries/all_orders"
      var target = "?limit=2"
      var ids: [JSON] = []
      var pages = 0
      while true {
        let reply = try await http(
          "POST", path + target, port: subnet.ports[0], headers: Self.json)
        guard case .list(let rows) = reply.json["rows"] else { break }
        for case .list(let row) in rows { ids.append(row[0]) }
        pages += 1
        subnet.ledger.idle()
        guard let next = reply.json["next"]?.text else { break }
        #expect(next.contains("height=2&"))
        target = next
      }
      #expect(pages == 3)
      #expect(ids == (0..<5).map { .text("o\(100 + $0)") })
    }
  }

  @Test func `for the owner needs the owner's signature`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let expiry = now().advanced(by: 30_000)
      let request = QueryRequest(
        subnet: subnet.ledger.subnet, pipeline: "shop", question: .named("private_orders"),
        caller: subnet.owner.publicKey, expiry: expiry)
      let signature = Signer.ed25519(subnet.owner).sign(request)
      func ask(_ signature: [UInt8]) async throws -> RawReply {
        try await http(
          "POST", "/v1/pipelines/shop/queries/private_orders", port: subnet.ports[0],
          headers: Self.json + [
            (EnvelopeField.sender, subnet.owner.publicKey.hex),
            (EnvelopeField.signature, signature.hex),
            (EnvelopeField.expiry, String(expiry.number)),
          ])
      }
      let accepted = try await ask(signature.bytes)
      #expect(accepted.status == 200)
      var forged = signature.bytes
      forged[0] ^= 1
      let refused = try await ask(forged)
      #expect(refused.status == 401)
      #expect(refused.code == "BAD_SIGNATURE")
    }
  }

  @Test func `of certified rows comes by key, range and prefix`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      try await Self.fill(subnet, 5)
      func ids(_ query: String) async throws -> [String] {
        let reply = try await http(
          "GET", "/v1/pipelines/shop/tables/orders\(query)", port: subnet.ports[0])
        #expect(reply.status == 200, "\(reply.body)")
        guard case .list(let rows) = reply.json["rows"] else { return [] }
        return rows.compactMap { row in
          if case .list(let cells) = row { cells.first?.text } else { nil }
        }
      }
      #expect(try await ids("?key=o103") == ["o103"])
      #expect(try await ids("?key=absent") == [])
      #expect(try await ids("?from=o101&to=o103") == ["o101", "o102"])
      #expect(try await ids("") == ["o100", "o101", "o102", "o103", "o104"])
      #expect(try await ids("?limit=2") == ["o100", "o101"])
      #expect(try await ids("?limit=2&after=o101") == ["o102", "o103"])
      let first = try await http(
        "GET", "/v1/pipelines/shop/tables/orders?to=o103&limit=2", port: subnet.ports[0])
      let next = try #require(first.json["next"]?.text)
      #expect(try await ids(next) == ["o102"])
    }
  }

  @Test func `of a snapshot is for who signs as the owner`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      try await Self.fill(subnet, 2)
      let request = SnapshotRequest(
        subnet: subnet.ledger.subnet, pipeline: "shop", caller: subnet.owner.publicKey,
        expiry: now().advanced(by: 30_000))
      func ask(_ read: SignedRead<SnapshotRequest>) async throws -> RawReply {
        try await http(
          "POST", "/v1/snapshots", port: subnet.ports[0],
          headers: [("Content-Type", MediaType.canonical)], body: read.canonicalBytes)
      }
      let part = try SnapshotPart(
        canonicalBytes: try await ask(SignedRead(request, by: .ed25519(subnet.owner))).bytes)
      #expect(part.seal?.pipeline == "shop")
      #expect(part.tables.map(\.rows.count) == [1])
      #expect(part.next?.key == [.text("o100")])
      let unsigned = try await ask(SignedRead(request: request, signature: nil))
      #expect(unsigned.status == 401)
      let nobody = SnapshotRequest(subnet: subnet.ledger.subnet, pipeline: "shop")
      let refused = try await ask(SignedRead(nobody, by: nil))
      #expect(refused.status == 403)
      #expect(refused.code == "NOT_OWNER")
    }
  }

  @Test func `of many from one address is slowed down`() async throws {
    let admission = Admission(readsPerSecond: 100)
    let moment: Moment = 1_000_000
    for _ in 0..<200 { try admission.read(from: "a", at: moment) }
    #expect(throws: Problem.self) { try admission.read(from: "a", at: moment) }
    try admission.read(from: "b", at: moment)
    try admission.read(from: "a", at: moment.advanced(by: 10))
  }
}

@Suite struct `A replica's own state over HTTP` {
  @Test func `has status, catalog, network, certificate, readiness, metrics`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let port = subnet.ports[0]
      let status = try await http("GET", "/v1/status", port: port)
      #expect(status.json["replica"] == .integer(0))
      #expect(status.json["certified"] == .integer(1))
      let canonical = try await http(
        "GET", "/v1/status", port: port, headers: [("Accept", MediaType.canonical)])
      #expect(try ReplicaStatus(canonicalBytes: canonical.bytes).view == 7)
      let catalog = try await http("GET", "/v1/catalog", port: port)
      #expect(catalog.body.contains(#""name":"shop""#))
      #expect(catalog.body.contains(#""condition":"running""#))
      let network = try await http("GET", "/v1/network", port: port)
      #expect(try Network(json: network.bytes).subnet == subnet.ledger.subnet)
      let certificate = try await http(
        "GET", "/v1/certificates/1", port: port, headers: [("Accept", MediaType.canonical)])
      #expect(
        try StateCertificate(canonicalBytes: certificate.bytes)
          == subnet.ledger.certificate(at: 1))
      let owner = subnet.owner.publicKey.hex
      let prices = try await http("GET", "/v1/prices", port: port)
      #expect(prices.body.contains(#""version":1,"replicas":4"#))
      #expect(prices.body.contains(#""key":"step","item":"VDBE steps","unit":"step","at13":100"#))
      let engines = try await http("GET", "/v1/engines", port: port)
      #expect(engines.body.contains(#""accepted":[{"source":"a build","options":""#))
      #expect(engines.json["needed"] == .integer(1))
      let accepted = try await http(
        "GET", "/v1/engines", port: port, headers: [("Accept", MediaType.canonical)])
      #expect(
        try EngineReport(canonicalBytes: accepted.bytes).accepted.map(\.source) == ["a build"])
      let account = try await http("GET", "/v1/accounts/\(owner)", port: port)
      #expect(account.json["balance"] == .integer(77))
      #expect(try await http("GET", "/v1/accounts/me", port: port).status == 400)
      let report = try await http("GET", "/v1/pipelines/shop/report", port: port)
      #expect(report.json["burned"] == .integer(30))
      #expect(report.body.contains(#"{"kind":"source","name":"orders","cycles":29}"#))
      #expect(report.body.contains(#"{"role":"clerk","key":"\#(owner)"}"#))
      #expect(report.body.contains(#""counts":[{"source":"orders","accepted":0,"duplicate":0,"#))
      let unknown = try await http("GET", "/v1/pipelines/shpo/report", port: port)
      #expect(unknown.status == 404)
      #expect(unknown.body.contains("did you mean shop?"))
      #expect(try await http("GET", "/readyz", port: port).status == 200)
      #expect(try await http("GET", "/v1", port: port).body.contains("/v1/events"))
      let metrics = try await http("GET", "/metrics", port: port)
      #expect(metrics.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
      #expect(metrics.body.contains("quorate_height 1\n"))
      #expect(metrics.body.contains("quorate_http_requests_in_flight 0\n"))
    }
  }

  @Test func `is followed as server-sent events`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let replica = subnet.replicas[0]
      let port = subnet.ports[0]
      async let text = blocking {
        let socket = try RawSocket(port: port)
        socket.write(Array("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        let read = socket.read { String(decoding: $0, as: UTF8.self).contains("stateRoot") }
        return String(decoding: read.bytes, as: UTF8.self)
      }
      try await eventually("a listener") { replica.listeners > 0 }
      replica.emit(.finalized(9, 12, calls: 3))
      replica.emit(.certified(9, stateRoot: .zero))
      let seen = try await text
      #expect(seen.contains("text/event-stream"))
      #expect(seen.contains("event: finalized\ndata: {\"height\":9,\"view\":12,\"calls\":3}\n\n"))
      #expect(seen.contains("event: certified\ndata: {\"height\":9,"))
    }
  }
}
