import Foundation
import Journaling
import Signing
import Storage
import Testing
import Wire

private let subnet = sha256([1])

/// A folder of one test, gone with it.
private final class Folder {
  let path: String
  init() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "journal-\(UUID())")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }
  var file: String { path + "/consensus.sqlite" }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Removes a database with what SQLite keeps beside it.
private func remove(_ file: String) {
  for tail in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file + tail) }
}

private let keys = (1...4 as ClosedRange<UInt8>).compactMap {
  PublicKey([UInt8](repeating: $0, count: 32))
}
private let committee = Committee(subnet: subnet, epoch: 0, keys: keys)
private let signers = keys.map { Signer.mock($0) }

private func vote(_ ballot: Ballot, by id: UInt16 = 0) -> Vote {
  signers[Int(id)].vote(ballot, as: ReplicaID(id), in: committee).value
}

private func certificate(_ ballot: Ballot) -> Certificate {
  let votes = (0..<3 as Range<UInt16>).map { vote(ballot, by: $0) }
  return Certificate(
    ballot: ballot, signers: Signers(votes.map(\.signer), of: 4),
    signatures: votes.map(\.signature))
}

private func state(_ height: Height, root: UInt8 = 9) -> StateStatement {
  StateStatement(
    subnet: subnet, epoch: 0, height: height, block: sha256([2]), stateRoot: sha256([root]),
    receiptsRoot: sha256([3]), time: 5)
}

private func share(_ height: Height, root: UInt8 = 9, by id: UInt16 = 0) -> StateShare {
  signers[Int(id)].share(state(height, root: root), as: ReplicaID(id), in: committee).value
}

private func stateCertificate(_ height: Height) -> StateCertificate {
  let shares = (0..<3 as Range<UInt16>).map { share(height, by: $0) }
  return StateCertificate(
    statement: state(height), signers: Signers(shares.map(\.signer), of: 4),
    signatures: shares.map(\.signature))
}

/// A block of one call with a body of its own.
private func block(_ height: UInt64, view: UInt64) -> Block {
  let body = Array("body \(height)/\(view)".utf8)
  let call = Call(
    subnet: subnet, pipeline: "p", method: .deploy, bodyDigest: sha256(body),
    bodyBytes: UInt32(body.count), idempotencyKey: "k", sender: nil, expiry: 9, stepLimit: 1)
  let header = Header(
    subnet: subnet, epoch: 0, view: View(view), parentView: View(view - 1), parent: .zero,
    height: Height(height), time: Moment(height), calls: [call.digest], certified: nil)
  return Block(header: header, calls: [SignedCall(call: call, body: body, signature: nil)])
}

private func finalizeBallot(_ block: Block) -> Ballot {
  .finalize(
    subnet: subnet, epoch: 0, view: block.header.view, parentView: block.header.parentView,
    block: block.header.digest)
}

/// A block that is finalized at its height, with its finalization.
private func finalized(_ height: UInt64, view: UInt64) -> [Record] {
  let block = block(height, view: view)
  return [
    .block(digest: block.header.digest, block), .certificate(certificate(finalizeBallot(block))),
    .finalized(height: Height(height), block: block.header.digest),
  ]
}

private func nullify(_ view: UInt64) -> Ballot {
  .nullify(subnet: subnet, epoch: 0, view: View(view))
}

@Suite struct `A journal` {
  @Test func `tells a first start from a lost log`() throws {
    let folder = try Folder()
    #expect(try Journal(path: folder.file).restore().journalFound == false)
    #expect(try Journal(path: folder.file).restore().journalFound == false)
    #expect(try Journal(path: folder.file, firstStart: true).restore().journalFound)
    #expect(try Journal(path: folder.file).restore().journalFound)
  }

  @Test func `counts as whole again once a recovery has ended`() throws {
    let folder = try Folder()
    let journal = try Journal(path: folder.file)
    try journal.append([.certificate(certificate(nullify(4)))])
    #expect(try Journal(path: folder.file).restore().journalFound == false)
    try journal.append([.abstain(through: 12, statesThrough: 7)])
    let restored = try Journal(path: folder.file).restore()
    #expect(restored.journalFound)
    #expect(restored.abstainThrough == 12)
    #expect(restored.abstainStatesThrough == 7)
  }

  @Test func `gives back after a restart all that matters`() throws {
    let folder = try Folder()
    let journal = try Journal(path: folder.file, firstStart: true)
    let next = block(3, view: 6)
    let evidence = Evidence.states(share(2, root: 1, by: 3), share(2, root: 2, by: 3))
    try journal.append(finalized(1, view: 1) + finalized(2, view: 4))
    try journal.append([
      .vote(vote(nullify(3))), .vote(vote(nullify(5))), .vote(vote(finalizeBallot(next))),
      .certificate(certificate(nullify(5))), .block(digest: next.header.digest, next),
      .stateShare(share(1)), .stateShare(share(2)), .stateCertificate(stateCertificate(1)),
      .evidence(evidence),
    ])
    let restored = try Journal(path: folder.file).restore()
    #expect(restored.journalFound)
    #expect(restored.votes == [vote(nullify(5)), vote(finalizeBallot(next))])
    #expect(restored.finalizedHeight == 2)
    #expect(restored.blocks == [block(2, view: 4), next])
    #expect(restored.certificates.count == 3)
    #expect(restored.stateShares == [share(1), share(2)])
    #expect(restored.uncertifiedHeaders == [block(2, view: 4).header])
    #expect(restored.stateSignedHighest == 2)
    #expect(restored.stateCertificate == stateCertificate(1))
    #expect(restored.evidence == [evidence])
    #expect(!restored.quarantined)
    try journal.append([.quarantine(share(2), stateCertificate(2))])
    #expect(try Journal(path: folder.file).restore().quarantined)
  }

  @Test func `gives back above a gap what a vote can hang on, and little below it`() throws {
    let folder = try Folder()
    let journal = try Journal(path: folder.file, firstStart: true)
    try journal.append(finalized(1, view: 1))
    for height in 50...150 as ClosedRange<UInt64> {
      let block = block(height, view: height)
      var records: [Record] = [
        .block(digest: block.header.digest, block), .vote(vote(finalizeBallot(block))),
      ]
      if height % 60 == 0 { records.append(.certificate(certificate(finalizeBallot(block)))) }
      if height % 2 == 1 { records.append(.certificate(certificate(nullify(height)))) }
      try journal.append(records)
    }
    let restored = try journal.restore()
    #expect(restored.finalizedHeight == 1)
    let heights = (104...150 as ClosedRange<UInt64>).map { Height($0) }
    #expect(restored.blocks.map(\.header.height) == [1] + heights)
    let views = (121...150 as ClosedRange<UInt64>).map { View($0) }
    #expect(restored.votes.map(\.ballot.view) == views)
    let highest = certificate(finalizeBallot(block(120, view: 120)))
    #expect(restored.certificates.contains(highest))
    #expect(restored.certificates.map(\.view).min() == View(120 - Limits.viewsRetained + 1))
    #expect(restored.certificates.map(\.view).max() == 149)
  }

  @Test func `gives back few of the blocks that a finalization has passed by`() throws {
    let folder = try Folder()
    let journal = try Journal(path: folder.file, firstStart: true)
    try journal.append(finalized(1, view: 1))
    for view in 3...90 as ClosedRange<UInt64> {
      let block = block(3, view: view)
      try journal.append([.block(digest: block.header.digest, block)])
    }
    try journal.append([.certificate(certificate(finalizeBallot(block(3, view: 90))))])
    let views = (74...90 as ClosedRange<UInt64>).map { View($0) }
    #expect(try journal.restore().blocks.map(\.header.view) == [1] + views)
  }

  @Test func `is not believed when a block is not of the height it is found by`() throws {
    let folder = try Folder()
    let journal = try Journal(path: folder.file, firstStart: true)
    let next = block(3, view: 6)
    try journal.append(finalized(1, view: 1) + [.block(digest: next.header.digest, next)])
    #expect(try journal.restore().blocks.count == 2)
    try Connection(path: folder.file).execute("UPDATE blocks SET height=9 WHERE height=3")
    #expect(throws: JournalFault.self) { try journal.restore() }
  }

  @Test func `ends a quarantine by a rebuild that agrees, and by none of an earlier one`() throws {
    let folder = try Folder()
    let journal = try Journal(path: folder.file, firstStart: true)
    let engine = EngineFingerprint(source: "a build", options: .zero, probe: .zero)
    func rebuilt(_ height: Height, root: UInt8) -> Record {
      .rebuilt(
        Rebuild(
          certificate: stateCertificate(height), stateRoot: sha256([root]),
          receiptsRoot: sha256([3]), engine: engine))
    }
    try journal.append([.quarantine(share(5, root: 1), stateCertificate(5))])
    let first = try Journal(path: folder.file).restore()
    #expect(first.quarantined && first.quarantine?.rebuild == nil)
    #expect(first.quarantine?.certificate == stateCertificate(5))
    #expect(first.stateSignedHighest == 5)
    try journal.append([rebuilt(5, root: 9)])
    let ended = try Journal(path: folder.file).restore()
    #expect(!ended.quarantined && ended.quarantine?.isOver == true)
    #expect(ended.stateSignedHighest == 5)
    try journal.append([.quarantine(share(8, root: 1), stateCertificate(8))])
    let second = try Journal(path: folder.file).restore()
    #expect(second.quarantined && second.quarantine?.rebuild == nil)
    // Of another height, and of another root.
    for record in [rebuilt(5, root: 9), rebuilt(8, root: 8)] {
      try journal.append([record])
      let kept = try Journal(path: folder.file).restore()
      #expect(kept.quarantined && kept.quarantine?.rebuild?.engine == engine)
    }
  }

  @Test func `takes the same records twice`() throws {
    let folder = try Folder()
    let journal = try Journal(path: folder.file)
    let records =
      finalized(1, view: 1) + [
        .vote(vote(nullify(2))), .stateShare(share(1)), .stateCertificate(stateCertificate(1)),
      ]
    try journal.append(records)
    try journal.append(records)
    #expect(try journal.restore().votes == [vote(nullify(2))])
  }

  @Test func `serves finalized blocks with their finalizations`() throws {
    let folder = try Folder()
    let journal = try Journal(path: folder.file)
    for height in 1...9 as ClosedRange<UInt64> {
      var records = finalized(height, view: height * 2)
      // Only every third block has a finalization of its own.
      if height % 3 != 0 { records.remove(at: 1) }
      try journal.append(records)
    }
    let reader = try JournalReader(path: folder.file)
    let (blocks, finalizations) = try reader.blocks(from: 2, count: 1)
    #expect(blocks.map(\.header.height) == [2, 3])
    #expect(finalizations == [certificate(finalizeBallot(block(3, view: 6)))])
    #expect(try reader.blocks(from: 7, count: 99).0.count == 3)
    #expect(try reader.blocks(from: 10, count: 5).0.isEmpty)
    #expect(try reader.block(at: 5) == block(5, view: 10))
    #expect(try reader.block(block(5, view: 10).header.digest) == block(5, view: 10))
    #expect(try reader.block(at: 10) == nil)
    #expect(try reader.finalizedHeight() == 9)
  }

  @Test func `cuts an answer by all that its blocks weigh, so that the asker finds it full`() throws
  {
    let folder = try Folder()
    let journal = try Journal(path: folder.file)
    let calls = (0..<Limits.callsPerBlockMax).map { number in
      SignedCall(
        call: Call(
          subnet: subnet, pipeline: "p", method: .deploy, bodyDigest: sha256([]), bodyBytes: 0,
          idempotencyKey: "\(number)", sender: nil, expiry: 9, stepLimit: 1),
        body: [], signature: nil)
    }
    for height in 1...7 as ClosedRange<UInt64> {
      let header = Header(
        subnet: subnet, epoch: 0, view: View(height), parentView: View(height - 1), parent: .zero,
        height: Height(height), time: Moment(height), calls: calls.map(\.call.digest),
        certified: nil)
      try journal.append([
        .block(digest: header.digest, Block(header: header, calls: calls)),
        .finalized(height: Height(height), block: header.digest),
      ])
    }
    let (blocks, finalizations) = try journal.blocks(from: 1, count: 32)
    #expect(blocks.map(\.header.height) == [1, 2, 3, 4, 5])
    #expect(finalizations.isEmpty)
    let weight = blocks.reduce(0) { $0 + $1.weight }
    #expect(weight <= Limits.answerWeightMax)
    #expect(weight + Limits.blockWeightMax > Limits.answerWeightMax)
  }

  @Test func `drops votes that can never be cast again, and keeps the rest`() throws {
    let folder = try Folder()
    let journal = try Journal(path: folder.file)
    for view in 1...70 as ClosedRange<UInt64> { try journal.append([.vote(vote(nullify(view)))]) }
    for height in 1...JournalLimits.trimEvery {
      try journal.append(finalized(height, view: height))
    }
    let stored = try Connection(path: folder.file, access: .readOnly)
    #expect(try stored.integer("SELECT count(*) FROM votes") == 7)
    #expect(try journal.restore().votes.map(\.ballot.view) == [65, 66, 67, 68, 69, 70])
  }

  @Test func `refuses a file that is none`() throws {
    let folder = try Folder()
    try Data("This is a letter, not a database. It is long enough to be read.".utf8)
      .write(to: URL(filePath: folder.file))
    #expect(throws: JournalFault.self) { try Journal(path: folder.file) }
    try FileManager.default.removeItem(atPath: folder.file)
    let other = try Connection(path: folder.file)
    try other.execute("CREATE TABLE t(x)")
    let fault = JournalFault.notAJournal(path: folder.file, found: "application id 0, version 0")
    #expect(throws: fault) { try Journal(path: folder.file) }
  }
}

@Suite struct `A damaged journal` {
  private func filled(_ folder: Folder) throws {
    let journal = try Journal(path: folder.file, firstStart: true)
    try journal.append(
      finalized(1, view: 1) + [
        .vote(vote(nullify(2))), .stateShare(share(1)), .stateCertificate(stateCertificate(1)),
        .abstain(through: 1, statesThrough: 1), .certificate(certificate(nullify(2))),
      ])
    _ = try Connection(path: folder.file).checkpoint(.truncate)
  }

  @Test(arguments: [
    "votes", "certificates", "blocks", "finalized", "state_shares", "state_certificates",
    "singles",
  ])
  func `is not believed when a record was altered`(table: String) throws {
    let folder = try Folder()
    try filled(folder)
    #expect(try Journal(path: folder.file).restore().journalFound)
    let tamperer = try Connection(path: folder.file)
    // The last byte of the body, one bit.
    let body = try tamperer.prepare("SELECT body FROM \(table)").firstBody()
    var altered = body
    altered[altered.count - 1] ^= 1
    let update = try tamperer.prepare("UPDATE \(table) SET body=?1")
    try update.bind(1, blob: altered)
    try update.run()
    #expect {
      try Journal(path: folder.file).restore()
    } throws: { error in
      guard case .damaged = error as? JournalFault else { return false }
      return true
    }
  }

  @Test func `is not believed when a record took another's place`() throws {
    let folder = try Folder()
    try filled(folder)
    try Connection(path: folder.file).execute("UPDATE votes SET view=view+1")
    #expect(throws: JournalFault.self) { try Journal(path: folder.file).restore() }
  }

  @Test func `reports or survives any flipped byte, and never invents a vote`() throws {
    let folder = try Folder()
    try filled(folder)
    let whole = try Data(contentsOf: URL(filePath: folder.file))
    let before = try Journal(path: folder.file).restore()
    var reported = 0
    for offset in stride(from: 0, to: whole.count, by: 97) {
      var bytes = whole
      bytes[offset] ^= 0x10
      let copy = folder.path + "/copy-\(offset).sqlite"
      try bytes.write(to: URL(filePath: copy))
      defer { remove(copy) }
      do throws(JournalFault) {
        let restored = try Journal(path: copy).restore()
        #expect(restored.votes == before.votes)
        #expect(restored.stateShares == before.stateShares)
        #expect(restored.finalizedHeight == before.finalizedHeight)
        #expect(restored.abstainThrough == before.abstainThrough)
      } catch {
        reported += 1
      }
    }
    #expect(reported > 10)
  }

  @Test func `loses a torn tail of its log and nothing before it`() throws {
    let folder = try Folder()
    var journal: Journal? = try Journal(path: folder.file, firstStart: true)
    var sizes: [Int] = []
    func logBytes() throws -> Data { try Data(contentsOf: URL(filePath: folder.file + "-wal")) }
    for view in 1...5 as ClosedRange<UInt64> {
      try journal?.append([.vote(vote(nullify(view)))])
      sizes.append(try logBytes().count)
    }
    let (file, log) = (try Data(contentsOf: URL(filePath: folder.file)), try logBytes())
    journal = nil
    let whole = folder.path + "/whole.sqlite"
    try file.write(to: URL(filePath: whole))
    try log.write(to: URL(filePath: whole + "-wal"))
    #expect(try Journal(path: whole).restore().votes.count == sizes.count)
    for cut in stride(from: sizes[1], through: sizes[4], by: 411) {
      let copy = folder.path + "/torn-\(cut).sqlite"
      try file.write(to: URL(filePath: copy))
      // What was never synced may hold anything.
      let garbage = Data(repeating: 0xa5, count: 512)
      try (log.prefix(cut) + garbage).write(to: URL(filePath: copy + "-wal"))
      let restored = try Journal(path: copy).restore()
      let whole = sizes.filter { $0 <= cut }.count
      #expect(restored.votes.count == whole)
      #expect(restored.journalFound)
    }
  }

  @Test func `that is gone is reported as not found`() throws {
    let folder = try Folder()
    try filled(folder)
    remove(folder.file)
    #expect(try Journal(path: folder.file).restore().journalFound == false)
    try Data().write(to: URL(filePath: folder.file))
    #expect(try Journal(path: folder.file).restore().journalFound == false)
  }
}

extension PreparedStatement {
  fileprivate func firstBody() throws -> [UInt8] {
    guard try step() else { return [] }
    defer { reset() }
    return bytes(0)
  }
}

@Suite struct `A journal that enforces own votes` {
  @Test func `stops rather than write a second vote`() async throws {
    // The process that stops leaves its files, so the folder is this one's.
    let folder = try Folder()
    defer { withExtendedLifetime(folder) {} }
    await #expect(processExitsWith: .failure) { [file = folder.file as String] in
      let journal = try Journal(path: file)
      try journal.append([.vote(vote(finalizeBallot(block(1, view: 4))))])
      try journal.append([.vote(vote(finalizeBallot(block(2, view: 4))))])
    }
  }

  @Test func `stops rather than sign a second state`() async throws {
    // The process that stops leaves its files, so the folder is this one's.
    let folder = try Folder()
    defer { withExtendedLifetime(folder) {} }
    await #expect(processExitsWith: .failure) { [file = folder.file as String] in
      let journal = try Journal(path: file)
      try journal.append([.stateShare(share(3, root: 1))])
      try journal.append([.stateShare(share(3, root: 2))])
    }
  }

  @Test func `keeps the first when told not to stop`() throws {
    let folder = try Folder()
    let journal = try Journal(path: folder.file, enforcesOwnVotes: false)
    let first = vote(finalizeBallot(block(1, view: 4)))
    try journal.append([.vote(first)])
    try journal.append([.vote(vote(finalizeBallot(block(2, view: 4))))])
    #expect(try journal.restore().votes == [first])
  }
}
