import CSQLite
import Foundation
import Signing
import Testing
import Wire

@testable import Execution

private let administrators = [Subnet.owner, Subnet.pair(3), Subnet.pair(4)]
private let other = EngineFingerprint(
  source: "another build", options: sha256([1]), probe: sha256([2]))
private let third = EngineFingerprint(
  source: "another build", options: sha256([1]), probe: sha256([3]))

extension Subnet {
  fileprivate func accept(
    _ engine: EngineFingerprint, by person: KeyPair? = Subnet.owner, key: String? = nil
  ) -> SignedCall {
    call("", .engines, body: engine.canonicalBytes, key: key, by: person)
  }

  /// What a start with an engine is refused with; nil where it is not.
  fileprivate func refusal(of engine: EngineFingerprint) -> ExecutionFault? {
    do throws(ExecutionFault) { try executor.judge(engine) } catch { return error }
    return nil
  }
}

@Suite struct `An engine's fingerprint` {
  @Test func `is the same whenever it is computed`() throws {
    let own = try EngineFingerprint.own()
    #expect(try EngineFingerprint.computed() == own)
    #expect(own.source == String(cString: sqlite3_sourceid()))
    #expect(EngineFingerprint(hex: own.hex) == own)
    #expect(EngineFingerprint(hex: String(own.hex.dropLast(2))) == nil)
  }

  @Test func `comes of statements that are answered and of some that fail`() throws {
    for answer in try EngineProbe.answers(to: EngineProbe.answered) {
      #expect(answer.fault.isEmpty && !answer.rows.isEmpty && answer.steps > 0, "\(answer.sql)")
    }
    for answer in try EngineProbe.answers(to: EngineProbe.failing) {
      #expect(["SQL_ERROR", "QD22"].contains(answer.fault) && answer.steps > 0, "\(answer.sql)")
    }
  }

  @Test func `tells which texts are in form NFC`() throws {
    #expect(EngineProbe.answers(toForms: EngineProbe.composed).allSatisfy { $0.rows == [1] })
    #expect(EngineProbe.answers(toForms: EngineProbe.decomposed).allSatisfy { $0.rows == [0] })
    // One table of Unicode more, or less, is another fingerprint.
    let known = EngineProbe.answers(toForms: EngineProbe.recent)
    var other = known
    other[0].rows = [1 - known[0].rows[0]]
    #expect(EngineProbe.digest(of: known) != EngineProbe.digest(of: other))
    #expect(try EngineFingerprint.computed().probe == wholeProbe())
  }

  private func wholeProbe() throws -> Digest {
    EngineProbe.digest(
      of: try EngineProbe.answers(to: EngineProbe.answered + EngineProbe.failing)
        + EngineProbe.answers(toForms: EngineProbe.forms))
  }

  @Test func `is another one where a plan takes other steps, or rows or faults differ`() throws {
    // The same row: looked up by its key, and found by a scan.
    let answers = try EngineProbe.answers(to: [
      "SELECT name FROM people WHERE id = 7", "SELECT name FROM people WHERE +id = 7",
    ])
    #expect(answers[0].rows == answers[1].rows)
    #expect(answers[0].steps < answers[1].steps)
    var slower = answers
    slower[0].steps = answers[1].steps
    var richer = answers
    richer[1].rows.append(0)
    var failing = answers
    failing[1].fault = "SQL_ERROR"
    let digests = [answers, slower, richer, failing].map { EngineProbe.digest(of: $0) }
    #expect(Set(digests).count == 4)
  }
}

@Suite struct `The engines that a subnet accepts` {
  private let own: EngineFingerprint

  init() throws { own = try EngineFingerprint.own() }

  @Test func `are told where another one is refused, and the own passes`() throws {
    let subnet = try Subnet(engines: [own])
    #expect(subnet.refusal(of: own) == nil)
    let fault = try #require(subnet.refusal(of: other))
    #expect(fault.kind == .mismatch)
    #expect(fault.description.hasPrefix("QD28: "))
    #expect(fault.description.contains("\(own)"))
    #expect(fault.description.contains("\(other)"))
  }

  @Test func `are none where nobody accepted any, and then none passes`() throws {
    let fault = try #require(try Subnet().refusal(of: own))
    #expect(fault.description.contains("accepts is: none"))
  }

  @Test func `are bounded, and the newest are told`() throws {
    let many = (0..<Limits.enginesMax).map {
      EngineFingerprint(source: "build \($0).", options: sha256([]), probe: sha256([]))
    }
    let subnet = try Subnet(engines: many)
    let fault = try #require(subnet.refusal(of: own))
    #expect(fault.description.contains("build 99."))
    #expect(!fault.description.contains("build 95."))
    #expect(fault.description.contains("96 older ones"))
    #expect(subnet.refusal(of: many[0]) == nil)
    #expect(try subnet.admission(subnet.accept(other))?.code == "TOO_MANY_ENGINES")
    #expect(try subnet.run(subnet.accept(other)).refusalCode == "TOO_MANY_ENGINES")
  }

  @Test func `are one more once most administrators sent the same`() throws {
    let subnet = try Subnet(administrators: administrators.map(\.publicKey), engines: [own])
    let first = try subnet.run(subnet.accept(other, by: administrators[0]))
    #expect(first.status == .applied)
    #expect(first.charged == 0)
    try subnet.run(subnet.accept(third, by: administrators[1]))
    try subnet.run(subnet.accept(third, by: administrators[1]))
    #expect(subnet.refusal(of: other) != nil)
    #expect(subnet.refusal(of: third) != nil)
    try subnet.certify()
    let before = try subnet.executor.reader.engines()
    #expect(before.accepted == [own])
    #expect(before.needed == 2)
    #expect(Set(before.proposals.map(\.engine)) == [other, third])
    // What is accepted is no proposal any more; what others propose still is.
    try subnet.run(subnet.accept(other, by: administrators[2]))
    #expect(subnet.refusal(of: other) == nil)
    #expect(subnet.refusal(of: third) != nil)
    try subnet.certify()
    let after = try subnet.executor.reader.engines()
    #expect(after.accepted == [own, other])
    #expect(
      after.proposals == [
        EngineReport.Proposal(administrator: administrators[1].publicKey, engine: third)
      ])
    try subnet.run(subnet.accept(third, by: administrators[0]))
    try subnet.reopen()
    #expect(try subnet.executor.system.acceptedEngines() == [own, other, third])
    #expect(subnet.refusal(of: other) == nil)
    #expect(subnet.refusal(of: third) == nil)
  }

  @Test func `are refused before ordering and after where nobody may change them so`() throws {
    let subnet = try Subnet(administrators: administrators.map(\.publicKey), engines: [own])
    let cases: [(code: String, call: SignedCall)] = [
      ("NOT_ADMINISTRATOR", subnet.accept(other, by: Subnet.stranger)),
      ("NOT_ADMINISTRATOR", subnet.accept(other, by: nil)),
      ("ENGINE_MALFORMED", subnet.call("", .engines, body: [1, 2, 3])),
      ("ENGINE_MALFORMED", subnet.call("", .engines, body: other.canonicalBytes + [0])),
      ("PIPELINE_NAMED", subnet.call("shop", .engines, body: other.canonicalBytes)),
      ("ENGINE_ACCEPTED", subnet.accept(own)),
    ]
    for (code, call) in cases {
      #expect(try subnet.admission(call)?.code == code)
      #expect(try subnet.run(call).refusalCode == code)
    }
    #expect(try subnet.executor.system.acceptedEngines() == [own])
  }

  @Test func `are one more once under one idempotency key`() throws {
    let subnet = try Subnet(engines: [own])
    let first = try subnet.run(subnet.accept(other, key: "e"))
    let retry = subnet.accept(other, key: "e")
    #expect(try subnet.admission(retry) == nil)
    let again = try subnet.run(retry)
    #expect(again.replayOf == Receipt.Replay(call: first.call, height: first.height))
    #expect(try subnet.executor.system.acceptedEngines() == [own, other])
  }

  @Test func `are those of the blocks on a replica that executes them anew`() throws {
    let subnet = try Subnet(administrators: administrators.map(\.publicKey), engines: [own])
    for person in administrators.prefix(2) { try subnet.run(subnet.accept(other, by: person)) }
    let folder = subnet.path + "-anew"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let anew = try Executor(directory: folder, vfs: nil, genesis: subnet.genesis)
    #expect(throws: ExecutionFault.self) { try anew.judge(other) }
    for block in subnet.blocks {
      let outcome = try anew.execute(block, digest: block.header.digest)
      #expect(try outcome == subnet.executor.outcome(at: outcome.height))
    }
    try anew.judge(other)
  }
}
