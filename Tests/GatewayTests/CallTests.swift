import Certification
import Gateway
import GatewayFixture
import Glibc
import Signing
import Testing
import Wire

/// A header set for an unsigned batch.
func csv(key: String) -> [(String, String)] {
  [("Content-Type", "text/csv"), ("Idempotency-Key", key)]
}

let batchPath = "/v1/pipelines/shop/sources/orders/batches"

extension RawReply {
  var json: JSON { (try? JSON(parsing: bytes)) ?? .null }
  var code: String? { json["code"]?.text }
}

/// The header fields of a call signed by `signer`.
func signed(
  _ method: Method, _ body: [UInt8], key: String, by signer: KeyPair, on subnet: SmallSubnet,
  expiresIn milliseconds: Int64 = 60_000, signing signedBody: [UInt8]? = nil
) -> [(String, String)] {
  let expiry = UInt64(max(0, Int64(now().number) + milliseconds))
  let counted = signedBody ?? body
  let call = Call(
    subnet: subnet.ledger.subnet, pipeline: "shop", method: method, bodyDigest: sha256(counted),
    bodyBytes: UInt32(counted.count), idempotencyKey: key, sender: signer.publicKey,
    expiry: Moment(expiry), stepLimit: 5_000)
  let signature = Signer.ed25519(signer).sign(call)
  return [
    ("Idempotency-Key", key), (EnvelopeField.sender, signer.publicKey.hex),
    (EnvelopeField.signature, signature.bytes.hex), (EnvelopeField.expiry, String(expiry)),
    (EnvelopeField.stepLimit, "5000"), (EnvelopeField.subnet, subnet.ledger.subnet.hex),
  ]
}

@Suite struct `A call over HTTP` {
  @Test func `is answered with its receipt and a certificate that verifies`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let reply = try await http(
        "POST", batchPath, port: subnet.ports[0],
        headers: csv(key: "b1") + [("Accept", MediaType.canonical)],
        body: Array("a,1,100\nb,2,250\n".utf8))
      #expect(reply.status == 200)
      #expect(reply.headers["quorate-progress"] == "done")
      let certified = try CertifiedReceipt(canonicalBytes: reply.bytes)
      #expect(certified.proof.receipt.tally.accepted == 2)
      #expect(reply.headers["quorate-request"] == certified.proof.receipt.call.hex)
      let committee = subnet.ledger.committee
      #expect(Verifier.ed25519.verify(certified.certificate, in: committee) != nil)
      #expect(certified.proof.root == certified.certificate.statement.receiptsRoot)
    }
  }

  @Test func `reads as JSON for people, and a replay says so`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let body = Array("a,1,100\n".utf8)
      let port = subnet.ports[0]
      let first = try await http("POST", batchPath, port: port, headers: csv(key: "k"), body: body)
      #expect(first.status == 200)
      #expect(first.json["receipt"]?["replayed"] == .flag(false))
      #expect(first.json["receipt"]?["rows"]?["accepted"] == .integer(1))
      try await blocking { _ = usleep(2_000) }
      let again = try await http(
        "POST", batchPath, port: port, headers: csv(key: "\"k\""), body: body)
      #expect(again.status == 200)
      #expect(again.json["receipt"]?["replayed"] == .flag(true))
      #expect(again.json["receipt"]?["original"] == first.json["receipt"]?["request"])
    }
  }

  @Test func `takes NDJSON by its names`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      for (index, type) in ["application/x-ndjson", "application/ndjson; charset=utf-8"]
        .enumerated()
      {
        let reply = try await http(
          "POST", batchPath, port: subnet.ports[0],
          headers: [("Content-Type", type), ("Idempotency-Key", "n\(index)")],
          body: Array("a,1,1\n".utf8))
        #expect(reply.status == 200)
      }
      let formats = subnet.replicas[0].handedIn.map(\.call.method)
      #expect(formats == Array(repeating: .ingest(source: "orders", format: .ndjson), count: 2))
    }
  }

  @Test func `signed by its header runs a procedure, with another body it does not`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let path = "/v1/pipelines/shop/procedures/close"
      let body = Array(#"{"day":"2026-01-31"}"#.utf8)
      let json = [("Content-Type", "application/json")]
      let good = signed(.procedure("close"), body, key: "c1", by: subnet.owner, on: subnet)
      let reply = try await http(
        "POST", path, port: subnet.ports[0], headers: json + good, body: body)
      #expect(reply.status == 200, "\(reply.body)")
      let bad = signed(
        .procedure("close"), body, key: "c2", by: subnet.owner, on: subnet,
        signing: Array("{}".utf8))
      let refused = try await http(
        "POST", path, port: subnet.ports[0], headers: json + bad, body: body)
      #expect(refused.status == 401)
      #expect(refused.code == "BAD_SIGNATURE")
    }
  }

  @Test func `as canonical bytes is taken, cut or changed it is not`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let body = Array("x,1,1\n".utf8)
      let call = Call(
        subnet: subnet.ledger.subnet, pipeline: "shop",
        method: .ingest(source: "orders", format: .csv), bodyDigest: sha256(body),
        bodyBytes: UInt32(body.count), idempotencyKey: "q", sender: subnet.owner.publicKey,
        expiry: now().advanced(by: 30_000), stepLimit: 9)
      let whole = Signer.ed25519(subnet.owner).sign(call, body: body).canonicalBytes
      let headers = [("Content-Type", MediaType.canonical)]
      func post(_ bytes: [UInt8]) async throws -> RawReply {
        try await http("POST", "/v1/calls", port: subnet.ports[0], headers: headers, body: bytes)
      }
      let accepted = try await post(whole)
      #expect(accepted.status == 200)
      #expect(try await post(Array(whole.dropLast())).code == "MALFORMED")
      var changed = whole
      changed[changed.count - 1] ^= 1
      #expect(try await post(changed).code == "BAD_SIGNATURE")
    }
  }

  @Test func `with respond-async returns at once, and its id leads to the receipt`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let port = subnet.ports[0]
      let reply = try await http(
        "POST", batchPath, port: port, headers: csv(key: "async") + [("Prefer", "respond-async")],
        body: Array("a,1,1\n".utf8))
      #expect(reply.status == 202)
      let id = try #require(reply.headers["quorate-request"])
      #expect(reply.headers["location"] == "/v1/requests/\(id)")
      let later = try await http("GET", "/v1/requests/\(id)", port: port)
      #expect(later.json["status"] == .text("done"))
      let unknown = try await http(
        "GET", "/v1/requests/\(String(repeating: "0", count: 64))", port: port)
      #expect(unknown.status == 200)
      #expect(unknown.json["status"] == .text("unknown"))
      #expect(try await http("GET", "/v1/requests/xyz", port: port).status == 400)
    }
  }

  @Test func `refused for good carries its certificate`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let reply = try await http(
        "POST", batchPath, port: subnet.ports[0], headers: csv(key: "bad"),
        body: Array("no order\n".utf8))
      #expect(reply.status == 422)
      #expect(reply.headers["content-type"] == MediaType.problem)
      #expect(reply.code == "BAD_ROWS")
      #expect(reply.json["certified"] == .flag(true))
      #expect(reply.json["certificate"]?["signers"] != nil)
    }
  }

  @Test func `that ran before it expired is answered from its receipt`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let body = Array("a,1,1\n".utf8)
      let call = Call(
        subnet: subnet.ledger.subnet, pipeline: "shop",
        method: .ingest(source: "orders", format: .csv), bodyDigest: sha256(body),
        bodyBytes: UInt32(body.count), idempotencyKey: "old", sender: nil,
        expiry: Moment(now().number - 60_000), stepLimit: 9)
      let bytes = SignedCall(call: call, body: body, signature: nil)
      let headers = [("Content-Type", MediaType.canonical)]
      let refused = try await http(
        "POST", "/v1/calls", port: subnet.ports[0], headers: headers, body: bytes.canonicalBytes)
      #expect(refused.code == "EXPIRED")
      _ = subnet.ledger.execute(try Verifier.ed25519.verify(bytes, subnet: subnet.ledger.subnet))
      let known = try await http(
        "POST", "/v1/calls", port: subnet.ports[0], headers: headers, body: bytes.canonicalBytes)
      #expect(known.status == 200)
    }
  }
}
