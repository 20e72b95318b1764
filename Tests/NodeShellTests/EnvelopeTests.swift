import Replication
import Signing
import Testing
import Wire

@testable import NodeShell

@Suite struct `The verification of envelopes` {
  private let committee = Committee(
    subnet: sha256([9]), epoch: 0,
    keys: (0..<4).compactMap { PublicKey(sha256([UInt8($0)]).bytes) })
  private let inbox = Mailbox<Input>()

  private func pool() -> EnvelopePool {
    EnvelopePool(.ed25519, committee: committee, inbox: inbox, counters: NodeCounters())
  }

  private func call(_ number: Int, bytes: Int = 0, spoiled: Bool = false) -> SignedCall {
    let body = [UInt8](repeating: 32, count: bytes)
    let pair = KeyPair.generate()
    let call = Call(
      subnet: committee.subnet, pipeline: "p", method: .procedure("close"),
      bodyDigest: sha256(body), bodyBytes: UInt32(bytes), idempotencyKey: "\(number)",
      sender: pair.publicKey, expiry: 5, stepLimit: 9)
    guard spoiled else { return Signer.ed25519(pair).sign(call, body: body) }
    return SignedCall(
      call: call, body: body, signature: Signer.ed25519(.generate()).sign(call))
  }

  private func next() -> (keys: [String], peer: ReplicaID?)? {
    guard case .calls(let calls, let peer)? = inbox.take(limit: 1)?.first else { return nil }
    return (calls.map(\.signed.call.idempotencyKey), peer)
  }

  @Test func `serves clients while peers fill their shares, each its own`() async {
    let pool = pool()
    let large = (0..<2).map { call($0, bytes: Limits.callBodyBytesMax) }
    let share = NodeLimits.verifierBytesMax / 3 / (2 * Limits.callBodyBytesMax)
    for _ in 0..<share + 20 { pool.take(large, from: 1) }
    #expect(pool.waiting == share)
    pool.take([call(2)], from: 2)
    #expect(pool.waiting == share + 1)
    let worker = Worker("clients") { pool.runClients() }
    let answer = await pool.verified(call(3))
    #expect((try? answer?.get())?.signed.call.idempotencyKey == "3")
    pool.close()
    worker.join()
  }

  @Test func `ends at a peer's first call that does not hold, and does not listen to it then`() {
    let pool = pool()
    let worker = Worker("peers") { pool.runPeers() }
    pool.take([call(1), call(2, spoiled: true), call(3)], from: 1)
    let first = next()
    #expect(first?.keys == ["1"] && first?.peer == 1)
    pool.take([call(4)], from: 1)
    pool.take([call(5)], from: 2)
    let second = next()
    #expect(second?.keys == ["5"] && second?.peer == 2)
    pool.close()
    worker.join()
    #expect(inbox.count == 0)
  }
}
