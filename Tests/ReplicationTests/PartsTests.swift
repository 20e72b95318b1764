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
  _ number: Int, expiry: Moment = 1_000, bytes: Int = 0, sender: UInt8? = nil
) throws -> VerifiedCall {
  let signer = sender.flatMap { PublicKey(sha256([99, $0]).bytes) }.map { Signer.mock($0) }
  let body = Array("\(number)".utf8) + [UInt8](repeating: 32, count: bytes)
  let call = Call(
    subnet: subnet, pipeline: "p", method: .deploy, bodyDigest: sha256(body),
    bodyBytes: UInt32(body.count), idempotencyKey: "\(number)",
    sender: signer?.publicKey, expiry: expiry, stepLimit: 1)
  let signed =
    signer?.sign(call, body: body) ?? SignedCall(call: call, body: body, signature: nil)
  return try Verifier.mock.verify(signed, subnet: subnet)
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

  @Test func `gives by turns: own clients and peers, and of each its senders`() throws {
    var pool = CallPool(committee: committee)
    let calls = try (0..<9).map { number in
      // Calls 4 and 8 are of a second sender.
      try call(number, sender: number % 4 == 0 && number > 0 ? 2 : 1)
    }
    let origins: [ReplicaID?] = [3, 3, 3, nil, nil, nil, 2, 3, 3]
    for (call, origin) in zip(calls, origins) { _ = pool.add(call, from: origin) }
    var entries: [CallPool.Entry] = []
    pool.forEach { entry in
      entries.append(entry)
      return true
    }
    let order = CallPool.byTurns(entries).map { entry in
      calls.firstIndex { $0.digest == entry.call.digest } ?? -1
    }
    #expect(order == [3, 0, 6, 4, 8, 5, 1, 2, 7])
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

@Suite struct `A state book` {
  private func certificate(_ height: UInt64) -> StateCertificate {
    StateCertificate(statement: statement(height), signers: Signers([], of: 4), signatures: [])
  }

  private func statement(_ height: UInt64) -> StateStatement {
    StateStatement(
      subnet: subnet, epoch: 0, height: Height(height), block: .zero, stateRoot: .zero,
      receiptsRoot: .zero, time: 1)
  }

  @Test func `keeps certificates of heights far ahead of execution up to a bound, and the highest`()
  {
    var book = StateBook()
    let last = Height(ReplicaLimits.certificatesAheadMax)
    for height in 1...6_000 as ClosedRange<UInt64> {
      book.note(certificate(height), upTo: last)
    }
    #expect(book.count == Int(ReplicaLimits.certificatesAheadMax))
    #expect(book.highestHeight == 6_000)
    #expect(book[5_999] == nil)
    // Executed at last, the highest is compared with what came out.
    book.executed(statement(6_000), tick: 1)
    #expect(book[6_000]?.certificate == certificate(6_000))
    #expect(book.uncertified == [])
  }
}
