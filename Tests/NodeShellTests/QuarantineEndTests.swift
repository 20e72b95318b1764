import Certification
import Execution
import Foundation
import Journaling
import Replication
import Signing
import Storage
import Testing
import Wire

@testable import NodeShell

/// No machine's.
private let other = EngineFingerprint(source: "another build", options: .zero, probe: .zero)

/// A replica's folder with three executed blocks, quarantined at the second.
private struct Quarantined {
  let folder: ScratchFolder
  let configuration: NodeConfiguration
  let quarantine: Quarantine
  let lines = `A log line`.Lines()

  var state: String { configuration.stateDirectory.path }
  var aside: String { "\(state)/quarantined-2" }
  var rebuilt: String { "\(state)/rebuilt" }

  /// - Parameters:
  ///   - root: what is certified; nil: what the blocks come to.
  ///   - engines: that the subnet accepts; nil: this machine's.
  init(certified root: Digest? = nil, engines: [EngineFingerprint]? = nil) throws {
    folder = try ScratchFolder()
    let network = try ClusterFolder.create(folder.url, replicas: 1, basePort: 21_000)
    let made = network.genesis
    let genesis = Genesis(
      name: made.name, protocolVersion: made.protocolVersion, time: made.time,
      members: made.members, administrators: made.administrators, accounts: made.accounts,
      engines: engines ?? made.engines)
    var configuration = try NodeConfiguration.load(
      directory: ClusterFolder.replica(0, in: folder.url))
    configuration.network = try Network(genesis: genesis, members: network.members)
    self.configuration = configuration
    let blocks = (1...3 as ClosedRange<UInt64>).map { Self.block($0, genesis) }
    let executor = try Executor(
      directory: configuration.stateDirectory.path, vfs: nil, genesis: genesis)
    for block in blocks { _ = try executor.execute(block, digest: block.header.digest) }
    let outcome = try #require(try executor.outcome(at: 2))
    let statement = StateStatement(
      subnet: genesis.subnet, epoch: 0, height: 2, block: blocks[1].header.digest,
      stateRoot: root ?? outcome.stateRoot, receiptsRoot: outcome.receiptsRoot,
      time: blocks[1].header.time)
    let signature = Signer.ed25519(configuration.key).sign(statement)
    quarantine = Quarantine(
      share: StateShare(statement: statement, signer: 0, signature: signature),
      certificate: StateCertificate(
        statement: statement, signers: Signers([0], of: 1), signatures: [signature]))
    let journal = try Journal(path: configuration.journalFile.path, firstStart: true)
    for block in blocks {
      try journal.append([
        .block(digest: block.header.digest, block),
        .finalized(height: block.header.height, block: block.header.digest),
      ])
    }
    try journal.append([
      .stateCertificate(quarantine.certificate),
      .quarantine(quarantine.share, quarantine.certificate),
    ])
  }

  /// A block of one transfer.
  private static func block(_ number: UInt64, _ genesis: Genesis) -> Block {
    let time = genesis.time.advanced(by: number * 1_000)
    let call = Call(
      subnet: genesis.subnet, pipeline: "",
      method: .transfer(to: genesis.members[0], Cycles(number)), bodyDigest: sha256([]),
      bodyBytes: 0, idempotencyKey: "k\(number)", sender: genesis.administrators[0],
      expiry: time.advanced(by: 60_000), stepLimit: 1_000)
    let header = Header(
      subnet: genesis.subnet, epoch: 0, view: View(number), parentView: View(number - 1),
      parent: .zero, height: Height(number), time: time, calls: [call.digest], certified: nil)
    return Block(header: header, calls: [SignedCall(call: call, body: [], signature: nil)])
  }

  /// Behind the executor's back.
  func alter() throws {
    let file = try Connection(path: "\(state)/system.sqlite", access: .readWrite)
    try file.execute(
      "UPDATE ledger_rows SET value=x'00' WHERE part=(SELECT min(part) FROM ledger_rows)")
  }

  func open() throws -> OpenedFiles { try OpenedFiles(configuration, logger: lines.logger()) }

  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  /// How often a log line has these words.
  func count(_ words: String) -> Int { lines.all.count { $0.contains(words) } }
}

@Suite struct `A start in quarantine` {
  @Test func `ends it when the log comes to the certified state, and keeps the old files`() throws {
    let replica = try Quarantined()
    try replica.alter()
    let earlier = URL(filePath: "\(replica.state)/quarantined-1")
    try FileManager.default.createDirectory(at: earlier, withIntermediateDirectories: true)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: earlier.path)
    // What people made of older ones hinders no start.
    let packed = URL(filePath: "\(replica.state)/quarantined-0.tar")
    try Data("old".utf8).write(to: packed)
    try FileManager.default.createSymbolicLink(
      atPath: "\(replica.state)/quarantined-00", withDestinationPath: "/no/such/disk")
    let files = try replica.open()
    #expect(try Data(contentsOf: packed) == Data("old".utf8))
    #expect(try mode(of: earlier) == 0o700)
    #expect(try mode(of: URL(filePath: replica.aside)) == 0o700)
    #expect(!files.restored.quarantined && files.restored.quarantine?.isOver == true)
    #expect(files.restored.stateSignedHighest == 2)
    #expect(files.executor.height == 3)
    #expect(
      try files.executor.outcome(at: 2)?.stateRoot
        == replica.quarantine.certificate.statement.stateRoot)
    #expect(files.quarantineTold.count == 1)
    for words in ["system.bookkeeping.", "quarantined-2", "differences.txt"] {
      #expect(files.quarantineTold.first?.contains(words) == true, "\(words)")
    }
    // The status is for everybody.
    #expect(files.quarantineTold.first?.contains("[") == false)
    #expect(replica.count("CRITICAL") == 2 && replica.count("a damaged row") == 1)
    let report = try String(contentsOfFile: "\(replica.aside)/differences.txt", encoding: .utf8)
    #expect(report.hasPrefix("system.bookkeeping [") && !report.contains("x'"))
    #expect(replica.exists("\(replica.aside)/system.sqlite"))
    #expect(replica.exists("\(replica.aside)/pipelines"))
    #expect(!replica.exists(replica.rebuilt))
    let again = try replica.open()
    #expect(!again.restored.quarantined && again.quarantineTold == [])
    #expect(replica.count("rebuilding the state") == 1)
  }

  @Test func `stays in it when the log comes to another state too, and asks it once`() throws {
    let replica = try Quarantined(certified: sha256([9]))
    let files = try replica.open()
    #expect(files.restored.quarantined)
    let rebuild = try #require(files.restored.quarantine?.rebuild)
    #expect(!rebuild.agrees)
    let told = try #require(files.quarantineTold.first)
    for words in ["\(rebuild.stateRoot)", "\(sha256([9]))", "SQLite"] {
      #expect(told.contains(words), "\(words)")
    }
    #expect(told.utf8.count <= Limits.textBytesMax)
    #expect(!replica.exists(replica.aside) && !replica.exists(replica.rebuilt))
    #expect(files.executor.height == 3)
    let again = try replica.open()
    #expect(again.restored.quarantined && again.quarantineTold == [told])
    #expect(replica.count("rebuilding the state") == 1)
  }

  @Test func `asks the log again when another SQLite came to another state`() throws {
    let replica = try Quarantined()
    try replica.alter()
    let certificate = replica.quarantine.certificate
    try Journal(path: replica.configuration.journalFile.path).append([
      .rebuilt(
        Rebuild(
          certificate: certificate, stateRoot: .zero,
          receiptsRoot: certificate.statement.receiptsRoot, engine: other))
    ])
    let files = try replica.open()
    #expect(!files.restored.quarantined && files.executor.height == 3)
    #expect(try files.restored.quarantine?.rebuild?.engine == EngineFingerprint.own())
    #expect(replica.count("rebuilding the state") == 1)
  }

  @Test func `executes nothing with a SQLite that the subnet does not accept`() throws {
    let replica = try Quarantined(engines: [other])
    let fault = #expect(throws: NodeFault.self) { try replica.open() }
    #expect(fault?.description.contains("QD28") == true)
    #expect(replica.count("rebuilding the state") == 0)
    let journal = try Journal(path: replica.configuration.journalFile.path)
    #expect(try journal.restore().quarantine?.rebuild == nil)
  }

  @Test func `that cannot read its log stays in it, and tries again the next time`() throws {
    let replica = try Quarantined()
    let journal = try Connection(
      path: replica.configuration.journalFile.path, access: .readWrite)
    try journal.execute("CREATE TABLE kept AS SELECT * FROM finalized WHERE height=1")
    try journal.execute("DELETE FROM finalized WHERE height=1")
    let files = try replica.open()
    #expect(files.restored.quarantined && files.restored.quarantine?.rebuild == nil)
    #expect(files.quarantineTold.first?.contains("could not be rebuilt") == true)
    #expect(!replica.exists(replica.aside) && !replica.exists(replica.rebuilt))
    try journal.execute("INSERT INTO finalized SELECT * FROM kept")
    #expect(try !replica.open().restored.quarantined)
  }

  @Test func `ends with both reasons when the old files cannot be opened either`() throws {
    let unread = try Quarantined()
    try unread.alter()
    try Connection(path: unread.configuration.journalFile.path, access: .readWrite)
      .execute("DELETE FROM finalized WHERE height=1")
    let differing = try Quarantined(certified: sha256([9]))
    try differing.alter()
    for (replica, why) in [(unread, "could not be rebuilt"), (differing, "executed anew")] {
      let fault = #expect(throws: NodeFault.self) { try replica.open() }
      for words in ["cannot be opened", "in quarantine", why] {
        #expect(fault?.description.contains(words) == true, "\(words)")
      }
      let journal = try Journal(path: replica.configuration.journalFile.path)
      #expect(try journal.restore().quarantined)
      #expect(!replica.exists(replica.aside) && !replica.exists(replica.rebuilt))
    }
  }

  @Test func `that lacks the room for new files stays in it, and tries again`() throws {
    let replica = try Quarantined()
    var scarce = replica.configuration
    scarce.settings.diskReserveBytes = UInt64(Int64.max)
    let files = try OpenedFiles(scarce, logger: replica.lines.logger())
    #expect(files.restored.quarantined && files.restored.quarantine?.rebuild == nil)
    #expect(files.quarantineTold.first?.contains("MiB left") == true)
    #expect(!replica.exists(replica.aside) && !replica.exists(replica.rebuilt))
    #expect(try !replica.open().restored.quarantined)
  }

  @Test func `that cannot write down what its log came to stays in it, and tries again`() throws {
    let replica = try Quarantined()
    let journal = try Connection(
      path: replica.configuration.journalFile.path, access: .readWrite)
    try journal.execute(
      "CREATE TRIGGER refused BEFORE INSERT ON singles WHEN new.name='rebuild' "
        + "BEGIN SELECT raise(ABORT, 'refused'); END")
    let files = try replica.open()
    #expect(files.restored.quarantined && files.executor.height == 3)
    #expect(files.quarantineTold.first?.contains("cannot be written down") == true)
    #expect(!replica.exists(replica.aside))
    try journal.execute("DROP TRIGGER refused")
    #expect(try !replica.open().restored.quarantined)
    #expect(replica.exists("\(replica.aside)/system.sqlite") && !replica.exists(replica.rebuilt))
  }

  @Test func `that ended it does not go on with the files that were wrong`() throws {
    let replica = try Quarantined(certified: sha256([9]))
    let certificate = replica.quarantine.certificate
    try Journal(path: replica.configuration.journalFile.path).append([
      .rebuilt(
        Rebuild(
          certificate: certificate, stateRoot: certificate.statement.stateRoot,
          receiptsRoot: certificate.statement.receiptsRoot, engine: other))
    ])
    let fault = #expect(throws: NodeFault.self) { try replica.open() }
    #expect(fault?.description.contains("executes its log anew") == true)
  }

  @Test(arguments: 0...2)
  func `goes on with moves that a crash cut short`(step: Int) throws {
    let replica = try Quarantined()
    try replica.alter()
    let journal = try Journal(path: replica.configuration.journalFile.path)
    let result = try StateRebuild(
      of: replica.quarantine, genesis: replica.configuration.network.genesis
    ).run(
      from: replica.state, into: replica.rebuilt, through: 3,
      block: { try journal.block(at: $0) }, certificate: { try journal.stateCertificate(at: $0) })
    try journal.append([.rebuilt(result.verdict)])
    let files = FileManager.default
    try Data("what differed\n".utf8).write(
      to: URL(fileURLWithPath: "\(replica.rebuilt)/differences.txt"))
    if step > 0 {
      try files.createDirectory(
        atPath: "\(replica.aside).new", withIntermediateDirectories: false)
      try files.moveItem(
        atPath: "\(replica.state)/pipelines", toPath: "\(replica.aside).new/pipelines")
    }
    if step > 1 {
      for name in try files.contentsOfDirectory(atPath: replica.state)
      where name.hasPrefix("system.sqlite") {
        try files.moveItem(
          atPath: "\(replica.state)/\(name)", toPath: "\(replica.aside).new/\(name)")
      }
      try files.moveItem(atPath: "\(replica.aside).new", toPath: replica.aside)
      try files.moveItem(
        atPath: "\(replica.rebuilt)/pipelines", toPath: "\(replica.state)/pipelines")
    }
    let opened = try replica.open()
    #expect(!opened.restored.quarantined && opened.executor.height == 3)
    #expect(
      try opened.executor.outcome(at: 2)?.stateRoot
        == replica.quarantine.certificate.statement.stateRoot)
    #expect(replica.exists("\(replica.aside)/system.sqlite"))
    #expect(replica.exists("\(replica.aside)/pipelines"))
    #expect(!replica.exists(replica.rebuilt) && !replica.exists("\(replica.aside).new"))
    #expect(replica.count("rebuilding the state") == 0)
    // What was found before the crash is not lost.
    let report = try String(contentsOfFile: "\(replica.aside)/differences.txt", encoding: .utf8)
    #expect(report == "what differed\n")
    #expect(opened.quarantineTold.first?.contains("differences.txt") == true)
    #expect(replica.count("quarantine ended") == 1)
    #expect(try replica.open().quarantineTold == [])
  }

  @Test func `that ended it leaves good files alone when a folder of moved ones stays`() throws {
    let replica = try Quarantined()
    try replica.alter()
    _ = try replica.open()
    let files = FileManager.default
    try files.createDirectory(atPath: replica.rebuilt, withIntermediateDirectories: false)
    try files.removeItem(atPath: replica.aside)
    let again = try replica.open()
    #expect(again.executor.height == 3 && again.quarantineTold == [])
    #expect(!replica.exists(replica.aside) && !replica.exists(replica.rebuilt))
  }
}

@Suite struct `A height that comes again from the journal` {
  /// - Returns: what the core is told, in words.
  private func told(_ job: ExecutorLoop.Job, _ replica: Quarantined) throws -> [String] {
    let genesis = replica.configuration.network.genesis
    let counters = NodeCounters()
    let (jobs, inbox) = (Mailbox<ExecutorLoop.Job>(), Mailbox<Input>())
    jobs.post(job)
    jobs.close()
    var loop = ExecutorLoop(
      try Executor(directory: replica.state, vfs: nil, genesis: genesis), jobs: jobs,
      reader: try JournalReader(path: replica.configuration.journalFile.path), inbox: inbox,
      tracker: CallTracker(), heights: HeightWaiters(),
      board: ReplicaBoard(
        replica.configuration.network.committee, me: 0, logger: replica.lines.logger(),
        counters: counters), counters: counters, isStopping: { false })
    try loop.run()
    inbox.close()
    return (inbox.take(limit: 9) ?? []).map { input in
      switch input {
      case .contradicted(let outcome, let known):
        "\(outcome.height) is not \(known.statement.stateRoot)"
      case .executed(let outcome): "\(outcome.height) is executed"
      default: "\(input)"
      }
    }
  }

  @Test func `is held against the certificate that lies there`() throws {
    let other = sha256([9])
    let right = try Quarantined()
    #expect(try told(.execute(2, nil), right) == ["2 is executed"])
    let wrong = try Quarantined(certified: other)
    #expect(try told(.execute(2, nil), wrong) == ["2 is not \(other)", "2 is executed"])
    #expect(try told(.execute(3, nil), wrong) == ["3 is executed"])
  }

  @Test func `is held against it also where it was executed before the stop`() throws {
    let other = sha256([9])
    let right = try Quarantined()
    #expect(try told(.certified(right.quarantine.certificate), right) == [])
    let wrong = try Quarantined(certified: other)
    #expect(try told(.certified(wrong.quarantine.certificate), wrong) == ["2 is not \(other)"])
  }
}
