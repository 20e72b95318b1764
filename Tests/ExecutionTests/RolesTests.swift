import Pipelines
import Signing
import Testing
import Wire

@testable import Execution

private func prepared() throws -> Subnet {
  let subnet = try Subnet()
  try subnet.run(subnet.deploy(.shop(sources: [.orders(allow: [.role("feed"), .role("clerk")])])))
  try subnet.fund()
  return subnet
}

private let stranger = Subnet.stranger.publicKey

extension Subnet {
  /// What a replica says to a call before it is ordered; nil when it would be.
  func admission(_ call: SignedCall) throws -> Refusal? {
    let verified = try Verifier.ed25519.verify(call, subnet: genesis.subnet)
    do throws(Refusal) { try executor.admit(verified, at: time) } catch { return error }
    return nil
  }
}

extension Receipt {
  var refusalText: String? {
    if case .refused(let refusal) = status { refusal.message } else { nil }
  }
}

@Suite struct `A role` {
  @Test func `that the package does not name is not granted, and a near one is named`() throws {
    let subnet = try prepared()
    let call = subnet.call("shop", .grant(role: "feeds", to: stranger))
    #expect(try subnet.admission(call)?.code == "UNKNOWN_ROLE")
    let receipt = try subnet.run(call)
    #expect(receipt.refusalCode == "UNKNOWN_ROLE")
    #expect(receipt.refusalText?.hasSuffix("has clerk, feed; did you mean feed?") == true)
    #expect(subnet.executor.pipelines["shop"]?.account.isBalanced == true)
  }

  @Test func `is the owner's to give, as the refusal says before ordering and after`() throws {
    let subnet = try prepared()
    let call = subnet.call("shop", .grant(role: "feed", to: stranger), by: Subnet.stranger)
    #expect(try subnet.admission(call)?.code == "NOT_OWNER")
    let receipt = try subnet.run(call)
    #expect(receipt.refusalCode == "NOT_OWNER")
    #expect(receipt.charged == 0)
  }

  @Test func `is judged while queries hold what readers read`() throws {
    let subnet = try prepared()
    let view = try #require(subnet.executor.reader.newest)
    let pin = try #require(view.pipeline("shop")?.pin)
    let update = subnet.call("shop", .ingest(source: "orders", format: .csv))
    let grant = subnet.call("shop", .grant(role: "feeds", to: stranger))
    let transfer = subnet.call("shop", .topUp(1))
    var codes: [String?] = []
    _ = try pin.with { _ throws(Stop) in
      _ = try view.system.with { _ throws(Stop) in
        codes = [update, grant, transfer].map { (try? subnet.admission($0))??.code }
      }
    }
    #expect(codes == [nil, "UNKNOWN_ROLE", nil])
  }

  @Test func `is given once under one idempotency key`() throws {
    let subnet = try prepared()
    let first = try subnet.run(subnet.call("shop", .grant(role: "feed", to: stranger), key: "g"))
    #expect(first.status == .applied)
    #expect(first.charged > 0)
    try subnet.run(subnet.call("shop", .revoke(role: "feed", from: stranger)))
    let again = try subnet.run(subnet.call("shop", .grant(role: "feed", to: stranger), key: "g"))
    #expect(again.replayOf == Receipt.Replay(call: first.call, height: first.height))
    #expect(again.charged < first.charged)
    let other = try subnet.run(subnet.call("shop", .grant(role: "clerk", to: stranger), key: "g"))
    #expect(other.refusalCode == "IDEMPOTENCY_CONFLICT")
    try subnet.certify()
    #expect(try subnet.executor.reader.report(of: "shop").grants.isEmpty)
  }

  @Test func `that a key does not hold is not taken from it`() throws {
    let subnet = try prepared()
    let receipt = try subnet.run(subnet.call("shop", .revoke(role: "feed", from: stranger)))
    #expect(receipt.refusalCode == "NOT_GRANTED")
  }

  @Test func `is taken back although an upgrade no longer names it`() throws {
    let subnet = try prepared()
    try subnet.run(subnet.call("shop", .grant(role: "clerk", to: stranger)))
    try subnet.run(
      subnet.deploy(.shop(version: "2", sources: [.orders(allow: [.role("feed")])])))
    let receipt = try subnet.run(subnet.call("shop", .revoke(role: "clerk", from: stranger)))
    #expect(receipt.status == .applied)
  }

  @Test func `is listed with its holder, by role and key`() throws {
    let subnet = try prepared()
    for role in ["feed", "clerk"] {
      try subnet.run(subnet.call("shop", .grant(role: role, to: stranger)))
    }
    try subnet.run(subnet.call("shop", .revoke(role: "clerk", from: stranger)))
    try subnet.run(subnet.call("shop", .grant(role: "clerk", to: Subnet.owner.publicKey)))
    try subnet.certify()
    #expect(
      try subnet.executor.reader.report(of: "shop").grants == [
        RoleGrant(role: "clerk", key: Subnet.owner.publicKey),
        RoleGrant(role: "feed", key: stranger),
      ])
  }
}
