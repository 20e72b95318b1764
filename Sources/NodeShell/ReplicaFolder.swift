import Certification
import Execution
import Foundation
import Glibc
import Signing
import Wire

/// What `replica init` tells the others: the public half of one replica, before there is a subnet.
package struct ReplicaCard: Codable, Sendable, Equatable {
  package var key: String
  package var host: String
  package var peerPort: UInt16
  package var httpPort: UInt16
  package var certificate: String
  /// The fingerprint of its machine's SQLite: canonical bytes, hexadecimal.
  package var engine: String
}

/// The folder of one replica.
package enum ReplicaFolder {
  static let settingsName = "replica.json"
  static let keyName = "replica.key"
  static let certificateName = "transport.crt"
  static let transportKeyName = "transport.key"
  package static let cardName = "replica.card.json"
  package static let stateName = "state"
  package static let pidName = "replica.pid"
  package static let logName = "replica.log"
  static let newName = "new"
  static let startedName = "started"

  /// All that `create`, the replica and the commands that start it put there; what names the member
  /// comes last.
  static let names = [
    stateName, settingsName, certificateName, transportKeyName, newName, startedName, pidName,
    logName, cardName, keyName,
  ]

  /// Makes a replica's folder with new keys, which never leave it.
  ///
  /// - Parameter host: where the others reach it; it listens on all addresses unless that is
  ///   this machine's own loopback.
  /// - Safety: takes no file's place.
  /// - Throws: `NodeFault` when there is a replica already, or a file that is called as one of its
  ///   own, or the disk refuses.
  @discardableResult
  package static func create(
    _ folder: URL, host: String, peerPort: UInt16, httpPort: UInt16,
    settings given: ReplicaSettings = ReplicaSettings()
  ) throws(NodeFault) -> ReplicaCard {
    try requireRoom(in: folder)
    var settings = given
    if !["127.0.0.1", "localhost", "::1"].contains(host) {
      settings.peerHost = "0.0.0.0"
      settings.httpHost = "0.0.0.0"
    }
    let key = KeyPair.generate()
    let identity: TransportIdentity
    do throws(SigningFault) {
      identity = try TransportIdentity.make(name: "quorate-\(key.publicKey)")
    } catch {
      throw NodeFault("no transport certificate could be made: \(error)")
    }
    let card = ReplicaCard(
      key: key.publicKey.hex, host: host, peerPort: peerPort, httpPort: httpPort,
      certificate: identity.certificatePEM, engine: try engine().hex)
    try makeFolder(folder, mode: 0o700)
    func add(_ bytes: [UInt8], _ name: String, mode: mode_t = 0o644) throws(NodeFault) {
      try write(bytes, to: folder.appending(path: name), mode: mode, isNew: true)
    }
    try add(json(settings), settingsName)
    try add(json(card), cardName)
    try add(Array(identity.certificatePEM.utf8), certificateName)
    try add(Array(identity.privateKeyPEM.utf8), transportKeyName, mode: 0o600)
    try add(Array(newText(folder).utf8), newName)
    try add(Array((key.seed.hex + "\n").utf8), keyName, mode: 0o600)
    return card
  }

  /// - Throws: `NodeFault` where a new replica's files would meet others.
  static func requireRoom(in folder: URL) throws(NodeFault) {
    let files = FileManager.default
    func isThere(_ name: String) -> Bool {
      let path = folder.appending(path: name).path
      guard name == stateName else { return files.fileExists(atPath: path) }
      // An empty one may be a disk of its own.
      return (try? files.contentsOfDirectory(atPath: path).isEmpty) == false
    }
    guard !isThere(keyName) else {
      throw NodeFault(
        "\(folder.path) holds a replica already. Name another folder, or remove this one if its "
          + "replica is not needed any more")
    }
    guard let other = names.first(where: isThere) else { return }
    throw NodeFault(
      "\(folder.path) holds '\(other)' already, and a replica has something of that name. Name "
        + "another folder, or move that away")
  }

  /// What `new` holds in the folder that it was written in: files of a copy have other inodes.
  static func newText(_ folder: URL) -> String {
    let inodes = [certificateName, transportKeyName].map { name in
      var status = stat()
      return stat(folder.appending(path: name).path, &status) == 0 ? "\(status.st_ino)" : "none"
    }
    return """
      This replica has never run: its first start makes its journal.
      The inodes of \(certificateName) and \(transportKeyName): \(inodes[0]), \(inodes[1]).

      """
  }

  private static func engine() throws(NodeFault) -> EngineFingerprint {
    do throws(ExecutionFault) { return try EngineFingerprint.own() } catch {
      throw NodeFault(
        "this machine's SQLite cannot be told from others: \(error). Install libsqlite3 3.40 or "
          + "later")
    }
  }

  // MARK: Files

  /// - Parameter mode: of a new one; one that is there stays as it is.
  static func makeFolder(_ folder: URL, mode: mode_t = 0o777) throws(NodeFault) {
    func fail(_ why: String) -> NodeFault {
      NodeFault(
        "cannot make the folder \(folder.path): \(why). Check the owner and the free space of the "
          + "folder above it")
    }
    do {
      try FileManager.default.createDirectory(
        at: folder.deletingLastPathComponent(), withIntermediateDirectories: true)
    } catch {
      throw fail(error.localizedDescription)
    }
    guard mkdir(folder.path, mode) != 0 else { return }
    let why = String(cString: strerror(errno))
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder),
      isFolder.boolValue
    else { throw fail(why) }
  }

  /// Makes a folder for what is withheld from others, who are shut out of one that is there.
  static func makePrivate(_ folder: URL) throws(NodeFault) {
    try makeFolder(folder, mode: 0o700)
    var status = stat()
    guard stat(folder.path, &status) == 0, status.st_mode & 0o077 != 0 else { return }
    guard chmod(folder.path, 0o700) == 0 else {
      throw NodeFault(
        "\(folder.path) can be read by others (mode \(octal(status.st_mode))) and cannot be closed "
          + "to them: \(String(cString: strerror(errno))). Run as its owner: chmod 700 "
          + folder.path)
    }
  }

  /// - Throws: `NodeFault` when others than its owner may read a file; a missing one passes.
  package static func requirePrivate(_ file: URL) throws(NodeFault) {
    var status = stat()
    guard stat(file.path, &status) == 0, status.st_mode & 0o077 != 0 else { return }
    throw NodeFault(
      "\(file.path) can be read by others (mode \(octal(status.st_mode))). Run: chmod 600 "
        + file.path)
  }

  private static func octal(_ mode: mode_t) -> String { String(mode & 0o777, radix: 8) }

  /// Writes a file durably: whole, under another name first, then in one step; or, where it must
  /// be new, under its own name at once, so that it takes no file's place.
  static func write(
    _ bytes: [UInt8], to file: URL, mode: mode_t = 0o644, isNew: Bool = false
  ) throws(NodeFault) {
    let draft = isNew ? file.path : file.path + ".new"
    func fail(_ what: String) -> NodeFault {
      let why = String(cString: strerror(errno))
      return NodeFault(
        "cannot \(what) \(file.path): \(why). Check the owner and the free space of its folder")
    }
    if !isNew { unlink(draft) }
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else {
      guard isNew, errno == EEXIST else { throw fail("create") }
      throw NodeFault(
        "\(file.path) is there already and stays as it is. Move it away, or give another name")
    }
    var isWhole = false
    defer { if !isWhole { unlink(draft) } }
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
      guard count > 0 else {
        let fault = fail("write")
        close(descriptor)
        throw fault
      }
      written += count
    }
    guard fsync(descriptor) == 0, close(descriptor) == 0 else { throw fail("write") }
    guard isNew || rename(draft, file.path) == 0 else { throw fail("name") }
    isWhole = true
    let folder = open(file.deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw fail("write") }
    defer { close(folder) }
    guard fsync(folder) == 0 else { throw fail("write") }
  }

  static func bytes(_ file: URL, limit: Int) throws(NodeFault) -> [UInt8] {
    let content: Data
    do {
      content = try Data(contentsOf: file)
    } catch {
      throw NodeFault(
        "cannot read \(file.path): \(error.localizedDescription). Restore it from a copy")
    }
    guard content.count <= limit else {
      throw NodeFault("\(file.path) has \(content.count) bytes, over \(limit): it is damaged")
    }
    return [UInt8](content)
  }

  static func text(_ file: URL, limit: Int) throws(NodeFault) -> String {
    guard let text = String(validating: try bytes(file, limit: limit), as: UTF8.self) else {
      throw NodeFault("\(file.path) is damaged: it is no text. Restore it from a copy")
    }
    return text
  }

  static func json(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      return Array(try encoder.encode(value)) + [0x0a]
    } catch {
      preconditionFailure("strings and integers have no JSON: \(error)")
    }
  }
}

/// The folder of a cluster on one machine: network.json, a folder a replica, people's keys.
package enum ClusterFolder {
  package static let networkName = "network.json"
  package static let identitiesName = "identities"
  /// The identity that holds what the genesis mints.
  package static let operatorName = "operator"
  package static let operatorCyclesUsual: Cycles = 1_000_000_000_000_000_000

  package static func networkFile(_ folder: URL) -> URL { folder.appending(path: networkName) }
  package static func identities(_ folder: URL) -> URL { folder.appending(path: identitiesName) }
  package static func replica(_ id: ReplicaID, in folder: URL) -> URL {
    folder.appending(path: "\(id)")
  }

  /// Makes a cluster on this machine: replica `i` listens for peers on `basePort + 2i` and for
  /// clients on the port after it.
  ///
  /// - Safety: takes no file's place; where one is in the way, nothing is written.
  /// - Throws: `NodeFault`.
  @discardableResult
  package static func create(
    _ folder: URL, name: String = "local", replicas: Int, basePort: UInt16,
    host: String = "127.0.0.1", cycles: Cycles = operatorCyclesUsual,
    settings: ReplicaSettings = ReplicaSettings()
  ) throws(NodeFault) -> Network {
    try check(folder, replicas: replicas)
    guard Int(basePort) + 2 * replicas <= 65_535, basePort >= 1_024 else {
      throw NodeFault(
        "\(replicas) replicas need \(2 * replicas) ports from \(basePort) on, between 1024 and "
          + "65535: name another base port")
    }
    for index in 0..<replicas {
      try ReplicaFolder.requireRoom(in: replica(ReplicaID(UInt16(index)), in: folder))
    }
    try ReplicaFolder.makeFolder(folder)
    var cards: [ReplicaCard] = []
    for index in 0..<replicas {
      let port = basePort + 2 * UInt16(index)
      cards.append(
        try ReplicaFolder.create(
          replica(ReplicaID(UInt16(index)), in: folder), host: host, peerPort: port,
          httpPort: port + 1, settings: settings))
    }
    return try join(folder, name: name, cards: cards, cycles: cycles)
  }

  /// Makes network.json of replicas whose folders are elsewhere, in the order of their cards.
  package static func join(
    _ folder: URL, name: String, cards: [ReplicaCard], cycles: Cycles = operatorCyclesUsual
  ) throws(NodeFault) -> Network {
    try check(folder, replicas: cards.count)
    var members: [Network.Member] = []
    for (index, card) in cards.enumerated() {
      guard let key = PublicKey(hex: card.key),
        let fingerprint = TransportIdentity.fingerprint(ofPEM: card.certificate)
      else {
        throw NodeFault(
          "the card of replica \(index) is damaged: its key or its certificate is none. Take "
            + "replica.card.json from its machine again")
      }
      members.append(
        Network.Member(
          id: ReplicaID(UInt16(index)), key: key, host: card.host, peerPort: card.peerPort,
          httpPort: card.httpPort, certificate: card.certificate, fingerprint: fingerprint))
    }
    let operatorKey = KeyPair.generate()
    let genesis = Genesis(
      name: name, protocolVersion: protocolVersion, time: Clocks.wall,
      members: members.map(\.key), administrators: [operatorKey.publicKey],
      accounts: [.init(owner: operatorKey.publicKey, balance: cycles)],
      engines: [try engine(of: cards)])
    let network: Network
    do throws(NetworkFault) {
      network = try Network(genesis: genesis, members: members)
    } catch {
      throw NodeFault("these replicas make no subnet: \(error)")
    }
    try addIdentity(operatorName, operatorKey, to: identities(folder))
    try ReplicaFolder.write(network.json, to: networkFile(folder), isNew: true)
    return network
  }

  /// Writes the key of a person or a program, for its owner's eyes alone.
  ///
  /// - Safety: never over another: what that one owns would be lost.
  package static func addIdentity(
    _ name: String, _ pair: KeyPair, to folder: URL
  ) throws(NodeFault) {
    try ReplicaFolder.makeFolder(folder, mode: 0o700)
    try ReplicaFolder.write(
      Array((pair.seed.hex + "\n").utf8), to: folder.appending(path: "\(name).key"), mode: 0o600,
      isNew: true)
  }

  /// The engine that all replicas have (QD28).
  private static func engine(of cards: [ReplicaCard]) throws(NodeFault) -> EngineFingerprint {
    var first: EngineFingerprint?
    for (index, card) in cards.enumerated() {
      guard let engine = EngineFingerprint(hex: card.engine) else {
        throw NodeFault(
          "the card of replica \(index) is damaged: its engine is none. Take replica.card.json "
            + "from its machine again")
      }
      guard engine == first ?? engine else {
        throw NodeFault(
          "QD28: replica \(index) (\(card.host)) executes with \(engine), replica 0 "
            + "(\(cards[0].host)) with \(first ?? engine). They may plan statements otherwise and "
            + "count other steps: install the same libsqlite3 on both, and on the one that changed "
            + "remove the replica's folder and make it anew with `quorate replica init`")
      }
      first = engine
    }
    guard let first else { preconditionFailure("a subnet of no replicas") }
    return first
  }

  /// The version of messages and of execution that a new subnet starts with.
  private static let protocolVersion: UInt32 = 1

  private static func check(_ folder: URL, replicas: Int) throws(NodeFault) {
    guard (1...Limits.membersMax).contains(replicas) else {
      throw NodeFault("a subnet has 1 to \(Limits.membersMax) replicas, not \(replicas)")
    }
    guard !FileManager.default.fileExists(atPath: networkFile(folder).path) else {
      throw NodeFault(
        "\(folder.path) holds a cluster already. Name another folder, or remove it first with "
          + "`quorate cluster down --wipe`")
    }
    let key = identities(folder).appending(path: "\(operatorName).key")
    guard !FileManager.default.fileExists(atPath: key.path) else {
      throw NodeFault(
        "\(key.path) is there already, where a new cluster's operator has its key. Name another "
          + "folder, or move that key away")
    }
  }
}
