import Certification
import Foundation
import Logging
import Signing
import Testing
import Wire

@testable import NodeShell

/// A folder that goes when the test ends.
final class ScratchFolder {
  let url: URL
  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "quorate-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(at: url) }

  func write(_ text: String, to path: String) throws {
    try text.write(to: url.appending(path: path), atomically: true, encoding: .utf8)
  }
}

/// As far as it is others' to read, write or enter.
func mode(of item: URL) throws -> Int {
  let attributes = try FileManager.default.attributesOfItem(atPath: item.path)
  return try #require(attributes[.posixPermissions] as? NSNumber).intValue
}

@Suite struct `A cluster's folder` {
  @Test func `loads as each of its replicas`() throws {
    let folder = try ScratchFolder()
    let network = try ClusterFolder.create(folder.url, replicas: 4, basePort: 21_000)
    for index in 0..<4 {
      let id = ReplicaID(UInt16(index))
      let loaded = try NodeConfiguration.load(
        directory: ClusterFolder.replica(id, in: folder.url))
      #expect(loaded.me == id)
      #expect(loaded.network == network)
      #expect(loaded.key.publicKey == network.members[index].key)
      #expect(loaded.member.peerPort == UInt16(21_000 + 2 * index))
      #expect(loaded.member.httpPort == UInt16(21_001 + 2 * index))
    }
  }

  @Test func `gives the minted cycles to the operator, whose key only its owner reads`() throws {
    let folder = try ScratchFolder()
    let network = try ClusterFolder.create(folder.url, replicas: 1, basePort: 21_000, cycles: 77)
    let file = folder.url.appending(path: "identities/operator.key")
    let seed = try String(contentsOf: file, encoding: .utf8).trimmingCharacters(in: .newlines)
    let key = try #require([UInt8](hex: seed).flatMap { KeyPair(seed: $0) })
    #expect(network.genesis.accounts == [.init(owner: key.publicKey, balance: 77)])
    #expect(network.genesis.administrators == [key.publicKey])
    for path in ["identities/operator.key", "r0/replica.key", "r0/transport.key"] {
      #expect(try mode(of: folder.url.appending(path: path)) == 0o600, "\(path)")
    }
    for path in ["identities", "r0"] {
      #expect(try mode(of: folder.url.appending(path: path)) == 0o700, "\(path)")
    }
  }

  @Test(arguments: ["identities/operator.key", "r1/transport.key", "r1/new", "r1/state/mine"])
  func `is not made where a file is in its way`(path: String) throws {
    let folder = try ScratchFolder()
    let file = folder.url.appending(path: path)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try folder.write("mine", to: path)
    #expect(throws: NodeFault.self) {
      try ClusterFolder.create(folder.url, replicas: 2, basePort: 21_000)
    }
    #expect(try String(contentsOf: file, encoding: .utf8) == "mine")
    let items = FileManager.default.subpaths(atPath: folder.url.path) ?? []
    #expect(items.count == path.split(separator: "/").count, "\(items)")
    try FileManager.default.removeItem(at: file)
    try ClusterFolder.create(folder.url, replicas: 2, basePort: 21_000)
  }

  @Test func `holds each identity once`() throws {
    let folder = try ScratchFolder()
    let (first, second) = (KeyPair.generate(), KeyPair.generate())
    try ClusterFolder.addIdentity("alice", first, to: folder.url)
    let fault = #expect(throws: NodeFault.self) {
      try ClusterFolder.addIdentity("alice", second, to: folder.url)
    }
    #expect(fault?.description.contains("alice.key is there already") == true)
    let file = folder.url.appending(path: "alice.key")
    #expect(try String(contentsOf: file, encoding: .utf8) == first.seed.hex + "\n")
    #expect(try mode(of: file) == 0o600)
  }

  @Test func `that is wiped goes where it is the cluster's alone`() throws {
    let folder = try ScratchFolder()
    let place = folder.url.appending(path: "cluster")
    let network = try ClusterFolder.create(place, replicas: 2, basePort: 21_000)
    let ingests = ClusterFolder.ingests(into: network.subnet, in: place)
    let state = place.appending(path: "r1/state/quarantined-7")
    for made in [ingests, state] {
      try FileManager.default.createDirectory(at: made, withIntermediateDirectories: true)
    }
    try folder.write("1 ab", to: "cluster/ingests/\(ingests.lastPathComponent)/shop")
    try folder.write("row", to: "cluster/r1/state/quarantined-7/differences.txt")
    for name in ["replica.log", "replica.pid", "started", "replica.pid.new"] {
      try folder.write("text", to: "cluster/r0/\(name)")
    }
    #expect(try ClusterFolder.wipe(place, of: network) == [])
    #expect(!FileManager.default.fileExists(atPath: place.path))
  }

  @Test func `that is wiped keeps what was never the cluster's`() throws {
    let folder = try ScratchFolder()
    let network = try ClusterFolder.create(folder.url, replicas: 3, basePort: 21_000)
    // Another's folder, in the place of a replica that runs elsewhere.
    try FileManager.default.removeItem(at: ClusterFolder.replica(2, in: folder.url))
    for name in ["src", "ingests/mine", "r2/state"] {
      try FileManager.default.createDirectory(
        at: folder.url.appending(path: name), withIntermediateDirectories: true)
    }
    let others = [
      "identities/tls.key", "ingests/mine/notes", "notes", "r0/notes", "r2/state/mine",
      "src/main.swift",
    ]
    for path in others { try folder.write("mine", to: path) }
    #expect(ClusterFolder.holds(network.members[0], in: folder.url))
    #expect(!ClusterFolder.holds(network.members[2], in: folder.url))
    #expect(
      try ClusterFolder.wipe(folder.url, of: network)
        == ["identities/tls.key", "ingests/mine", "notes", "r0/notes", "r2/state", "src"])
    let items = FileManager.default.subpaths(atPath: folder.url.path) ?? []
    let folders = ["identities", "ingests", "ingests/mine", "r0", "r2", "r2/state", "src"]
    #expect(items.sorted() == (others + folders).sorted())
  }

  @Test func `is never written over`() throws {
    let folder = try ScratchFolder()
    try ClusterFolder.create(folder.url, replicas: 1, basePort: 21_000)
    #expect(throws: NodeFault.self) {
      try ClusterFolder.create(folder.url, replicas: 1, basePort: 21_000)
    }
    #expect(throws: NodeFault.self) {
      try ReplicaFolder.create(
        folder.url.appending(path: "r0"), host: "127.0.0.1", peerPort: 1, httpPort: 2)
    }
  }

  @Test(arguments: [(0, 21_000), (129, 21_000), (13, 65_520), (4, 80)])
  func `is not made of what cannot be`(replicas: Int, port: Int) throws {
    let folder = try ScratchFolder()
    #expect(throws: NodeFault.self) {
      try ClusterFolder.create(folder.url, replicas: replicas, basePort: UInt16(port))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
  }

  @Test func `is joined from cards of replicas made elsewhere`() throws {
    let folder = try ScratchFolder()
    let elsewhere = folder.url.appending(path: "machine-b/replica")
    var cards = [
      try ReplicaFolder.create(
        folder.url.appending(path: "machine-a"), host: "a.example", peerPort: 7_000,
        httpPort: 7_001),
      try ReplicaFolder.create(elsewhere, host: "b.example", peerPort: 7_000, httpPort: 7_001),
    ]
    let network = try ClusterFolder.join(
      folder.url.appending(path: "machine-b"), name: "two", cards: cards)
    #expect(network.members.map(\.host) == ["a.example", "b.example"])
    let loaded = try NodeConfiguration.load(directory: elsewhere)
    #expect(loaded.me == 1)
    #expect(loaded.settings.peerHost == "0.0.0.0")
    let own = network.genesis.engines
    #expect(own.map(\.hex) == [cards[0].engine])
    let other = EngineFingerprint(source: "another build", options: .zero, probe: .zero)
    cards[1].engine = other.hex
    let fault = #expect(throws: NodeFault.self) {
      try ClusterFolder.join(folder.url.appending(path: "c"), name: "two", cards: cards)
    }
    for part in ["QD28", "\(own[0])", "\(other)", "replica 1 (b.example)"] {
      #expect(fault?.description.contains(part) == true, "\(part)")
    }
    cards[1].engine = "00"
    #expect(throws: NodeFault.self) {
      try ClusterFolder.join(folder.url.appending(path: "c"), name: "two", cards: cards)
    }
    cards[1].engine = cards[0].engine
    cards[1].certificate = "none"
    #expect(throws: NodeFault.self) {
      try ClusterFolder.join(folder.url.appending(path: "c"), name: "two", cards: cards)
    }
  }
}

@Suite struct `A replica's folder` {
  @Test(arguments: [
    ("network.json", "{"), ("network.json", "{\"quorate\": 1}"), ("r0/replica.json", "[1]"),
    ("r0/replica.json", "{\"quorate\": 1}"), ("r0/replica.key", "00ff"),
  ])
  func `that is damaged is refused by the name of the file, after the whole one was taken`(
    path: String, text: String
  ) throws {
    let folder = try ScratchFolder()
    try ClusterFolder.create(folder.url, replicas: 2, basePort: 21_000)
    let replica = ClusterFolder.replica(0, in: folder.url)
    _ = try NodeConfiguration.load(directory: replica)
    let file = folder.url.appending(path: path)
    let handle = try FileHandle(forWritingTo: file)
    try handle.truncate(atOffset: 0)
    try handle.write(contentsOf: Data(text.utf8))
    try handle.close()
    let fault = #expect(throws: NodeFault.self) { try NodeConfiguration.load(directory: replica) }
    #expect(fault?.description.contains(file.lastPathComponent) == true)
  }

  @Test func `with one byte of network.json changed is refused`() throws {
    let folder = try ScratchFolder()
    let network = try ClusterFolder.create(folder.url, replicas: 2, basePort: 21_000)
    let text = String(decoding: network.json, as: UTF8.self)
    let key = network.members[1].key.hex
    try folder.write(
      text.replacingOccurrences(of: key, with: String(key.reversed())), to: "network.json")
    #expect(throws: NodeFault.self) {
      try NodeConfiguration.load(directory: ClusterFolder.replica(0, in: folder.url))
    }
  }

  @Test func `whose key others can read is refused with the command that mends it`() throws {
    let folder = try ScratchFolder()
    try ClusterFolder.create(folder.url, replicas: 1, basePort: 21_000)
    let replica = ClusterFolder.replica(0, in: folder.url)
    let file = replica.appending(path: "replica.key")
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file.path)
    let fault = #expect(throws: NodeFault.self) { try NodeConfiguration.load(directory: replica) }
    #expect(fault?.description.contains("chmod 600") == true)
  }

  @Test func `of another subnet is refused`() throws {
    let first = try ScratchFolder()
    let second = try ScratchFolder()
    try ClusterFolder.create(first.url, replicas: 1, basePort: 21_000)
    let network = try ClusterFolder.create(second.url, replicas: 1, basePort: 21_000)
    try first.write(String(decoding: network.json, as: UTF8.self), to: "network.json")
    let fault = #expect(throws: NodeFault.self) {
      try NodeConfiguration.load(directory: ClusterFolder.replica(0, in: first.url))
    }
    #expect(fault?.description.contains("another subnet") == true)
  }

  @Test func `is used by one process at a time`() throws {
    let folder = try ScratchFolder()
    let lock = try FolderLock(folder.url)
    #expect(throws: NodeFault.self) { try FolderLock(folder.url) }
    lock.release()
    _ = try FolderLock(folder.url)
  }

  @Test(arguments: [nil, 0o755, 0o700])
  func `is closed to others where its state is, once it is taken`(before: Int?) throws {
    let folder = try ScratchFolder()
    let state = folder.url.appending(path: "replica/state")
    if let before {
      try FileManager.default.createDirectory(at: state, withIntermediateDirectories: true)
      try FileManager.default.setAttributes([.posixPermissions: before], ofItemAtPath: state.path)
    }
    let lock = try FolderLock(state)
    defer { lock.release() }
    #expect(try mode(of: state) == 0o700)
  }

  @Test func `has files that are written whole or not at all`() throws {
    let folder = try ScratchFolder()
    let file = folder.url.appending(path: "file")
    try ReplicaFolder.write([1, 2], to: file, mode: 0o600)
    try ReplicaFolder.write([3], to: file, mode: 0o600)
    #expect(try [UInt8](Data(contentsOf: file)) == [3])
    #expect(throws: NodeFault.self) {
      try ReplicaFolder.write([1], to: folder.url.appending(path: "absent/file"))
    }
    #expect(throws: NodeFault.self) { try ReplicaFolder.write([4], to: file, isNew: true) }
    #expect(try [UInt8](Data(contentsOf: file)) == [3])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["file"])
  }

  @Test func `with a new key starts first once, and never again with that key`() throws {
    let folder = try ScratchFolder()
    try ClusterFolder.create(folder.url, replicas: 4, basePort: 21_000)
    let replica = ClusterFolder.replica(0, in: folder.url)
    let configuration = try NodeConfiguration.load(directory: replica)
    #expect(try starts(configuration) == Start(isFirst: true, findsJournal: true))
    #expect(try starts(configuration) == Start(isFirst: false, findsJournal: true))
    try FileManager.default.removeItem(at: replica.appending(path: "state"))
    #expect(try starts(configuration) == Start(isFirst: false, findsJournal: false))
    // A folder put together anew around an old key.
    try FileManager.default.removeItem(at: replica.appending(path: "state"))
    try FileManager.default.removeItem(at: replica.appending(path: "started"))
    #expect(try starts(configuration) == Start(isFirst: false, findsJournal: false))
  }

  @Test(arguments: [true, false])
  func `that is a copy is new by somebody's word alone`(hasRun: Bool) throws {
    let folder = try ScratchFolder()
    try ClusterFolder.create(folder.url, replicas: 4, basePort: 21_000)
    let copy = folder.url.appending(path: "copy")
    try FileManager.default.copyItem(at: ClusterFolder.replica(0, in: folder.url), to: copy)
    for name in ["replica.key", "transport.key"] {
      try FileManager.default.setAttributes(
        [.posixPermissions: 0o600], ofItemAtPath: copy.appending(path: name).path)
    }
    let configuration = try NodeConfiguration.load(directory: copy)
    let new = configuration.newFile.path
    let fault = #expect(throws: NodeFault.self) { try starts(configuration) }
    for part in ["is a copy", "remove \(new)", "truncate -s 0 \(new)"] {
      #expect(fault?.description.contains(part) == true, "\(part)")
    }
    #expect(!FileManager.default.fileExists(atPath: configuration.journalFile.path))
    if hasRun {
      try FileManager.default.removeItem(atPath: new)
    } else {
      try Data().write(to: configuration.newFile)
    }
    #expect(try starts(configuration) == Start(isFirst: !hasRun, findsJournal: !hasRun))
  }

  @Test func `whose keys are gone says what of a copy may be put back`() throws {
    let folder = try ScratchFolder()
    try ClusterFolder.create(folder.url, replicas: 1, basePort: 21_000)
    let replica = ClusterFolder.replica(0, in: folder.url)
    try FileManager.default.removeItem(at: replica.appending(path: "replica.key"))
    let fault = #expect(throws: NodeFault.self) { try NodeConfiguration.load(directory: replica) }
    #expect(fault?.description.contains("Never put back `new` or `state`") == true)
  }

  @Test func `of a subnet that accepts other engines alone does not start, and stays new`() throws {
    let folder = try ScratchFolder()
    let network = try ClusterFolder.create(folder.url, replicas: 1, basePort: 21_000)
    let other = EngineFingerprint(source: "another build", options: .zero, probe: .zero)
    let genesis = Genesis(
      name: network.name, protocolVersion: network.genesis.protocolVersion,
      time: network.genesis.time, members: network.genesis.members,
      administrators: network.genesis.administrators, accounts: [], engines: [other])
    let elsewhere = try Network(genesis: genesis, members: network.members)
    try folder.write(String(decoding: elsewhere.json, as: UTF8.self), to: "network.json")
    let replica = ClusterFolder.replica(0, in: folder.url)
    let configuration = try NodeConfiguration.load(directory: replica)
    let fault = #expect(throws: NodeFault.self) { try starts(configuration) }
    for part in ["QD28", "\(network.genesis.engines[0])", "\(other)", "accept-engine"] {
      #expect(fault?.description.contains(part) == true, "\(part)")
    }
    #expect(FileManager.default.fileExists(atPath: configuration.newFile.path))
    #expect(!FileManager.default.fileExists(atPath: configuration.markerFile.path))
  }

  private struct Start: Equatable {
    let isFirst: Bool
    let findsJournal: Bool
  }

  private func starts(_ configuration: NodeConfiguration) throws -> Start {
    try FileManager.default.createDirectory(
      at: configuration.stateDirectory, withIntermediateDirectories: true)
    let files = try OpenedFiles(configuration, logger: Logger(label: "folder"))
    return withExtendedLifetime(files.journal) {
      Start(
        isFirst: files.coreConfiguration.firstStart, findsJournal: files.restored.journalFound)
    }
  }
}
