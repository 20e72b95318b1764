import Certification
import Foundation
import Glibc
import NodeShell
import QuorateClient
import Signing
import Testing
import Wire

/// A subnet of one process a replica, as `quorate cluster up` starts it.
final class ProcessCluster {
  let folder: URL
  let network: Network
  let client: Client
  let operatorKey: KeyPair
  private var processes: [Process?]

  /// - Parameter others: identities that are administrators beside the operator.
  init(size: Int, administrators others: [String] = []) throws {
    folder = FileManager.default.temporaryDirectory.appending(
      path: "quorate-processes-\(UUID().uuidString)")
    var settings = ReplicaSettings()
    settings.diskReserveBytes = 0
    let created = try ClusterFolder.create(
      folder, replicas: size, basePort: try freeBasePort(2 * size), settings: settings)
    network = try Self.administered(created, by: others, in: folder)
    let seed = try String(
      contentsOf: folder.appending(path: "identities/operator.key"), encoding: .utf8
    ).trimmingCharacters(in: .newlines)
    let key = try #require([UInt8](hex: seed).flatMap { KeyPair(seed: $0) })
    operatorKey = key
    client = try Client(network: network, identity: key)
    processes = Array(repeating: nil, count: size)
  }

  deinit {
    for index in processes.indices { kill(index) }
    try? FileManager.default.removeItem(at: folder)
  }

  /// The same subnet with more administrators, whose keys come to lie beside the operator's.
  private static func administered(
    _ network: Network, by names: [String], in folder: URL
  ) throws -> Network {
    guard !names.isEmpty else { return network }
    let old = network.genesis
    var administrators = old.administrators
    for name in names {
      let pair = KeyPair.generate()
      try ClusterFolder.addIdentity(name, pair, to: ClusterFolder.identities(folder))
      administrators.append(pair.publicKey)
    }
    let genesis = Genesis(
      name: old.name, protocolVersion: old.protocolVersion, time: old.time, members: old.members,
      administrators: administrators, accounts: old.accounts, engines: old.engines)
    let changed = try Network(genesis: genesis, members: network.members)
    try Data(changed.json).write(to: ClusterFolder.networkFile(folder))
    return changed
  }

  func folder(of index: Int) -> URL {
    ClusterFolder.replica(ReplicaID(UInt16(index)), in: folder)
  }

  func start(_ index: Int) throws {
    let process = Process()
    process.executableURL = Program.url
    process.arguments = ["replica", "run", folder(of: index).path]
    let log = folder(of: index).appending(path: "replica.log")
    if !FileManager.default.fileExists(atPath: log.path) {
      _ = FileManager.default.createFile(atPath: log.path, contents: nil)
    }
    let output = try FileHandle(forWritingTo: log)
    try output.seekToEnd()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    processes[index] = process
  }

  func id(of index: Int) -> Int32? { processes[index]?.processIdentifier }

  func startAll() throws { for index in processes.indices { try start(index) } }

  /// `kill -9`, or another signal, and waits for the end.
  /// - Returns: the exit status; nil when a signal ended it or nothing ran.
  @discardableResult
  func kill(_ index: Int, with signal: Int32 = SIGKILL) -> Int32? {
    guard let process = processes[index] else { return nil }
    Glibc.kill(process.processIdentifier, signal)
    process.waitUntilExit()
    processes[index] = nil
    return process.terminationReason == .exit ? process.terminationStatus : nil
  }

  /// Waits until a process has ended by itself.
  func ended(_ index: Int) -> Int32? { kill(index, with: 0) }

  func log(of index: Int) -> String {
    let file = folder(of: index).appending(path: "replica.log")
    return (try? String(contentsOf: file, encoding: .utf8)) ?? ""
  }

  func transfer(_ key: String) async throws -> CertifiedReceipt {
    try await client.submit(
      Intention(
        pipeline: "", method: .transfer(to: network.members[0].key, 1_000), key: key))
  }

  /// Waits until this replica has executed a height and says so itself.
  func hasExecuted(_ index: Int, _ height: Height) async throws {
    for _ in 0..<1_200 {
      let all = await client.statuses()
      if case .success(let checked) = all[index].1, checked.status.executed >= height { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw Unexpected("r\(index) did not reach height \(height):\n\(log(of: index).suffix(2_000))")
  }
}

@Suite(.serialized, .enabled(if: Program.url != nil, "the program was not built"))
struct `Four processes` {
  @Test(.timeLimit(.minutes(4)))
  func `lose nothing acknowledged to kill -9, and take the killed one back`() async throws {
    let cluster = try ProcessCluster(size: 4)
    try cluster.startAll()
    var highest: Height = 0
    for number in 0..<6 {
      if number == 2 { cluster.kill(1) }
      let receipt = try await cluster.transfer("call \(number)")
      highest = max(highest, receipt.proof.receipt.height)
    }
    try cluster.start(1)
    try await cluster.hasExecuted(1, highest)
    let again = try await cluster.transfer("call 5")
    #expect(again.proof.receipt.replayOf != nil)
  }

  @Test(.timeLimit(.minutes(4)))
  func `all killed at once go on where they were`() async throws {
    let cluster = try ProcessCluster(size: 4)
    try cluster.startAll()
    let before = try await cluster.transfer("before")
    for index in 0..<4 { cluster.kill(index) }
    try cluster.startAll()
    let after = try await cluster.transfer("after")
    #expect(after.proof.receipt.height > before.proof.receipt.height)
    for index in 0..<4 { try await cluster.hasExecuted(index, after.proof.receipt.height) }
  }

  @Test(.timeLimit(.minutes(4)))
  func `live with a journal whose tail was torn`() async throws {
    let cluster = try ProcessCluster(size: 4)
    try cluster.startAll()
    _ = try await cluster.transfer("before")
    cluster.kill(2)
    let log = cluster.folder(of: 2).appending(path: "state/consensus.sqlite-wal")
    let handle = try FileHandle(forWritingTo: log)
    try handle.seekToEnd()
    // What a power cut leaves of a transaction that was never acknowledged.
    try handle.write(contentsOf: Data((0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }))
    try handle.close()
    let meanwhile = try await cluster.transfer("meanwhile")
    try cluster.start(2)
    try await cluster.hasExecuted(2, meanwhile.proof.receipt.height)
    #expect(!cluster.log(of: 2).contains("recovering a lost log"))
  }

  @Test(.timeLimit(.minutes(2)))
  func `stop gracefully with status 0 on SIGTERM and on SIGINT`() async throws {
    let cluster = try ProcessCluster(size: 4)
    try cluster.startAll()
    _ = try await cluster.transfer("one")
    #expect(cluster.kill(0, with: SIGTERM) == 0)
    #expect(cluster.kill(1, with: SIGINT) == 0)
    #expect(cluster.log(of: 0).contains("stopped"))
  }

  @Test(.timeLimit(.minutes(2)))
  func `are found by commands also after a second start on the same folder`() async throws {
    let cluster = try ProcessCluster(size: 1)
    try cluster.start(0)
    _ = try await cluster.transfer("one")
    let pidFile = cluster.folder(of: 0).appending(path: ReplicaFolder.pidName)
    func noted() throws -> Int32? {
      Int32(try String(contentsOf: pidFile, encoding: .utf8).trimmingCharacters(in: .newlines))
    }
    #expect(try noted() == cluster.id(of: 0))
    let second = try cluster.quorate("replica", "run", cluster.folder(of: 0).path)
    #expect(second.status == 1 && second.errors.contains("another process"), "\(second)")
    #expect(try noted() == cluster.id(of: 0))
    let killed = try cluster.quorate("cluster", "kill", "r0")
    #expect(killed.output == "Killed r0.\n", "\(killed)")
    #expect(cluster.ended(0) == nil)
    let started = try cluster.quorate("cluster", "start", "r0")
    #expect(started.output == "Started r0.\n", "\(started)")
    let wiped = try cluster.quorate("cluster", "down", "--wipe")
    #expect(wiped.status == 0, "\(wiped)")
    #expect(!FileManager.default.fileExists(atPath: cluster.folder.path))
  }

  @Test(.timeLimit(.minutes(2)))
  func `keep their folder from being wiped while they hold it`() throws {
    let cluster = try ProcessCluster(size: 1)
    let lock = try FolderLock(cluster.folder(of: 0).appending(path: ReplicaFolder.stateName))
    let refused = try cluster.quorate("cluster", "down", "--wipe")
    #expect(refused.status == 1, "\(refused)")
    for words in ["another process runs", "fuser"] { #expect(refused.errors.contains(words)) }
    #expect(FileManager.default.fileExists(atPath: cluster.folder(of: 0).path))
    lock.release()
    let wiped = try cluster.quorate("cluster", "down", "--wipe")
    #expect(wiped.status == 0, "\(wiped)")
    #expect(!FileManager.default.fileExists(atPath: cluster.folder.path))
  }

  @Test(.timeLimit(.minutes(2)))
  func `end with status 1 and a word on a port in use or a damaged network file`() async throws {
    let cluster = try ProcessCluster(size: 1)
    let socket = try #require(listen(on: cluster.network.members[0].peerPort))
    try cluster.start(0)
    #expect(cluster.ended(0) == 1)
    #expect(cluster.log(of: 0).contains("is in use"))
    close(socket)
    let http = try #require(listen(on: cluster.network.members[0].httpPort))
    try cluster.start(0)
    #expect(cluster.ended(0) == 1)
    #expect(cluster.log(of: 0).contains("for clients is in use"))
    close(http)
    try Data("{".utf8).write(to: ClusterFolder.networkFile(cluster.folder))
    try cluster.start(0)
    #expect(cluster.ended(0) == 1)
    #expect(cluster.log(of: 0).contains("network.json"))
  }
}
