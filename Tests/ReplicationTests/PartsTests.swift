import Consensus
import Signing
import Testing
import Wire

@testable import Replication

private let subnet = sha256([9])
private let committee = Committee(
  subnet: subnet, epoch: 0,
  keys: (0..<4).compactMap { PublicKey(sha256([UInt8($0)]).bytes) })

private func call(
  _ number: Int, expiry: Moment = 1_000, bytes: Int = 0
) throws -> VerifiedCall {
  let body = Array("\(number)".utf8) + [UInt8](repeating: 32, count: bytes)
  let call = Call(
    subnet: subnet, pipeline: "p", method: .deploy, bodyDigest: sha256(body),
    bodyBytes: UInt32(body.count), idempotencyKey: "\(number)", sender: nil, expiry: expiry,
    stepLimit: 1)
  return try Verifier.mock.verify(
    SignedCall(call: call, body: body, signature: nil), subnet: subnet)
}

@Suite struct `A call pool` {
  @Test func `gives calls in the order of their arrival`() throws {
    var pool = CallPool(committee: committee)
    let calls = try (0..<5).map { try call($0) }
    for call in calls { _ = pool.add(call, from: nil) }
    pool.remove(calls[2].digest)
    var seen: [Digest] = []
    pool.forEach { entry in
      seen.append(entry.call.digest)
      return true
    }
    #expect(seen == [0, 1, 3, 4].map { calls[$0].digest })
  }

  @Test func `lets one peer fill its share only`() throws {
    var pool = CallPool(committee: committee)
    let share = Limits.poolCallsMax / (committee.faultsMax + 1)
    let most = min(share, Limits.poolCallsPerPeerMax)
    for number in 0..<most + 10 { _ = pool.add(try call(number), from: 3) }
    #expect(pool.count == most)
    let admission = pool.add(try call(most + 20), from: 2)
    #expect(admission == .added)
  }

  @Test func `lets one peer fill its share of the bytes only`() throws {
    var pool = CallPool(committee: committee)
    let half = Limits.callBodyBytesMax / 2
    for number in 0..<Limits.poolBytesMax / half {
      _ = pool.add(try call(number, bytes: half), from: 3)
    }
    let share = Limits.poolBytesMax / (committee.faultsMax + 1)
    #expect(pool.bytes <= share && pool.bytes > share - 2 * half)
    var admission = pool.add(try call(1_000, bytes: half), from: 2)
    #expect(admission == .added)
    admission = pool.add(try call(1_001, bytes: half), from: nil)
    #expect(admission == .added)
    pool.remove(try call(0, bytes: half).digest)
    admission = pool.add(try call(1_002, bytes: half), from: 3)
    #expect(admission == .added)
  }

  @Test func `keeps room for rumours of others`() throws {
    var pool = CallPool(committee: committee)
    for number in 0..<Limits.poolCallsMax {
      pool.announce(sha256(Array("\(number)".utf8)), by: 3)
    }
    let call = try call(1)
    pool.announce(call.digest, by: 2)
    _ = pool.add(call, from: nil)
    #expect(pool.announcers(of: call.digest).ids == [2])
  }

  @Test func `does not take back what was ordered`() throws {
    var pool = CallPool(committee: committee)
    let call = try call(1)
    pool.order(call.digest)
    let admission = pool.add(call, from: 1)
    #expect(admission == .known)
    #expect(pool.isEmpty)
  }

  @Test func `counts who announced a body, also before it came`() throws {
    var pool = CallPool(committee: committee)
    let call = try call(1)
    pool.announce(call.digest, by: 2)
    _ = pool.add(call, from: 1)
    #expect(pool.announcers(of: call.digest).ids == [1, 2])
  }

  @Test func `names what expired`() throws {
    var pool = CallPool(committee: committee)
    let old = try call(1, expiry: 10)
    _ = pool.add(old, from: nil)
    _ = pool.add(try call(2), from: nil)
    #expect(pool.expired(at: 11) == [old.digest])
  }
}

@Suite struct `An outbox` {
  private let record = Record.abstain(through: 1, statesThrough: 0)
  private let voice = Effect.send(.announce([]), to: .all)

  private func sends(_ effects: [Effect]) -> Int {
    effects.count { if case .send = $0 { true } else { false } }
  }

  @Test func `holds a voice until its record is durable`() {
    var outbox = Outbox(holdsVoices: true)
    var effects: [Effect] = []
    outbox.record(record)
    outbox.voice(voice)
    outbox.close(into: &effects)
    #expect(sends(effects) == 0)
    _ = outbox.release(1)
    effects = []
    outbox.close(into: &effects)
    #expect(sends(effects) == 1)
  }

  @Test func `holds a later voice for an earlier record`() {
    var outbox = Outbox(holdsVoices: true)
    var effects: [Effect] = []
    outbox.record(record)
    outbox.close(into: &effects)
    outbox.voice(voice)
    outbox.close(into: &effects)
    #expect(sends(effects) == 0)
    _ = outbox.release(1)
    outbox.close(into: &effects)
    #expect(sends(effects) == 1)
  }

  @Test func `lets a voice go at once when all is durable`() {
    var outbox = Outbox(holdsVoices: true)
    var effects: [Effect] = []
    outbox.voice(voice)
    outbox.close(into: &effects)
    #expect(sends(effects) == 1)
  }

  @Test func `gives one journal effect a step`() {
    var outbox = Outbox(holdsVoices: true)
    var effects: [Effect] = []
    for _ in 0..<3 { outbox.record(record) }
    outbox.close(into: &effects)
    #expect(effects.count == 1)
  }
}
