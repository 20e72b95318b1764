import Certification
import GatewayFixture
import QuorateClient
import Signing
import Wire

extension SmallSubnet {
  /// A client of this subnet.
  func client(_ identity: KeyPair? = nil, tls: Bool = false) throws -> Client {
    try Client(network: network, identity: identity, usesTLS: tls)
  }

  /// Ingests `rows` orders through the client: `o100`, `o101`, … a minor amount of 5 more each.
  @discardableResult
  func fill(_ rows: Int, by client: Client) async throws -> CertifiedReceipt {
    let body = (0..<rows).map { "o\(100 + $0),\($0),\($0 * 5)\n" }.joined()
    return try await client.submit(orders(body, key: "fill"))
  }

  func orders(_ text: String, key: String) -> Intention {
    Intention(
      pipeline: "shop", method: .ingest(source: "orders", format: .csv), body: Array(text.utf8),
      key: key)
  }
}

/// Runs `body` and returns the failure that it ends in; nil when it succeeds.
func failure(of body: () async throws -> Void) async -> ClientFailure? {
  do {
    try await body()
    return nil
  } catch {
    return error as? ClientFailure
  }
}

/// A value whose canonical bytes differ in one bit.
func flipped<Value: Canonical>(_ value: Value, at offset: Int) -> Value? {
  var bytes = value.canonicalBytes
  guard bytes.indices.contains(offset) else { return nil }
  bytes[offset] ^= 1
  return try? Value(canonicalBytes: bytes)
}
