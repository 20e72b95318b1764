import Certification
import Foundation
import Signing
import Wire

/// All that one replica starts from, read from its folder and checked.
///
/// ```
/// CLUSTER/network.json      public: who the members are; may also lie in the replica's folder
/// CLUSTER/r3/replica.json   addresses, limits
/// CLUSTER/r3/replica.key    the seed of its signing key, mode 0600
/// CLUSTER/r3/transport.crt  its certificate for links to the others
/// CLUSTER/r3/transport.key  the key of that certificate, mode 0600
/// CLUSTER/r3/state/         the journal and the pipelines' files, with personal columns as they
///                           are, mode 0700
/// CLUSTER/r3/new            written with the key, gone after the first start: only with it is a
///                           replica without a journal new, and not one whose journal was lost;
///                           names inodes beside it, since in a copy it tells of an earlier time
/// CLUSTER/r3/replica.pid    the id of the process that runs it, or ran it last
/// CLUSTER/r3/started        written once the journal is there: names the subnet that it served
/// ```
package struct NodeConfiguration: Sendable {
  package var directory: URL
  package var network: Network
  /// The bytes of network.json as they are on the disk.
  package var networkDocument: [UInt8]
  package var me: ReplicaID
  package var key: KeyPair
  package var certificatePEM: String
  package var privateKeyPEM: String
  package var settings: ReplicaSettings

  package var stateDirectory: URL { directory.appending(path: ReplicaFolder.stateName) }
  package var journalFile: URL { stateDirectory.appending(path: "consensus.sqlite") }
  package var markerFile: URL { directory.appending(path: ReplicaFolder.startedName) }
  var pidFile: URL { directory.appending(path: ReplicaFolder.pidName) }
  package var newFile: URL { directory.appending(path: ReplicaFolder.newName) }
  /// Free bytes on the disk that execution leaves to the journal.
  var journalRoomBytes: UInt64 {
    min(settings.diskReserveBytes / 4, NodeLimits.journalRoomBytesUsual)
  }
  package var member: Network.Member { network.members[me.index] }

  /// - Throws: `NodeFault` that names the file and what is wrong with it.
  package static func load(directory: URL) throws(NodeFault) -> NodeConfiguration {
    let folder = directory.standardizedFileURL
    let settings = try ReplicaSettings.load(folder.appending(path: ReplicaFolder.settingsName))
    let (network, document) = try loadNetwork(folder)
    let keyFile = folder.appending(path: ReplicaFolder.keyName)
    try requirePrivate(keyFile)
    let text = try ReplicaFolder.text(keyFile, limit: NodeLimits.keyFileBytesMax)
    guard let seed = [UInt8](hex: text.trimmingCharacters(in: .whitespacesAndNewlines)),
      let key = KeyPair(seed: seed)
    else {
      throw NodeFault(
        "\(keyFile.path) is damaged: it must hold 64 hexadecimal digits. Restore it from a copy; "
          + "without it this replica is lost and must be replaced")
    }
    guard let member = network.members.first(where: { $0.key == key.publicKey }) else {
      throw NodeFault(
        "no member of network.json has the key in \(keyFile.path): this folder belongs to another "
          + "subnet. Put the network.json of its own subnet beside it")
    }
    let transportKey = folder.appending(path: ReplicaFolder.transportKeyName)
    try requirePrivate(transportKey)
    let limit = NodeLimits.settingsBytesMax
    return NodeConfiguration(
      directory: folder, network: network, networkDocument: document, me: member.id, key: key,
      certificatePEM: try ReplicaFolder.text(
        folder.appending(path: ReplicaFolder.certificateName), limit: limit),
      privateKeyPEM: try ReplicaFolder.text(transportKey, limit: limit), settings: settings)
  }

  private static func loadNetwork(_ folder: URL) throws(NodeFault) -> (Network, [UInt8]) {
    let places = [folder, folder.deletingLastPathComponent()].map {
      $0.appending(path: ClusterFolder.networkName)
    }
    for file in places where FileManager.default.fileExists(atPath: file.path) {
      let bytes = try ReplicaFolder.bytes(file, limit: AnswerLimits.networkBytesMax)
      do throws(NetworkFault) {
        return (try Network(json: bytes), bytes)
      } catch {
        throw NodeFault("\(file.path): \(error)")
      }
    }
    throw NodeFault(
      "there is no network.json in \(folder.path) or in the folder above it. Copy the one that "
        + "`quorate cluster init` made to either place")
  }

  /// Whoever can read a replica's key can sign in its name.
  private static func requirePrivate(_ file: URL) throws(NodeFault) {
    guard FileManager.default.fileExists(atPath: file.path) else {
      throw NodeFault(
        "\(file.path) is missing. Restore it from a copy of this replica's folder: keys, "
          + "certificate, replica.json and network.json alone. Never put back `new` or `state`: "
          + "the replica could contradict what it has signed since")
    }
    try ReplicaFolder.requirePrivate(file)
  }
}

/// `replica.json`: what the operator of one replica may set.
package struct ReplicaSettings: Codable, Sendable, Equatable {
  /// The version of this file's shape.
  package var quorate = 1
  /// Where to listen for peers and for clients.
  package var peerHost = "127.0.0.1"
  package var httpHost = "127.0.0.1"
  /// Another port than the one that network.json tells the others, behind a forwarder.
  package var peerPort: UInt16?
  package var httpPort: UInt16?
  /// Free bytes on the disk below which no new calls are taken.
  package var diskReserveBytes = NodeLimits.diskReserveBytesUsual
  /// trace, debug, info, notice, warning, error.
  package var logLevel = "info"
  /// Assumed delay of a message at the start, which then adapts.
  package var delayMilliseconds: UInt64 = 250

  package init() {}

  static func load(_ file: URL) throws(NodeFault) -> ReplicaSettings {
    let bytes = try ReplicaFolder.bytes(file, limit: NodeLimits.settingsBytesMax)
    let settings: ReplicaSettings
    do {
      settings = try JSONDecoder().decode(ReplicaSettings.self, from: Data(bytes))
    } catch {
      throw NodeFault(
        "\(file.path) is damaged: \(explain(error)). Restore it, or write one like that of "
          + "another replica")
    }
    guard settings.quorate == 1, (1...60_000).contains(settings.delayMilliseconds) else {
      throw NodeFault(
        "\(file.path) is of another version or has a delay outside of 1 to 60000 ms; this program "
          + "reads version 1")
    }
    return settings
  }

  private static func explain(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "it is not JSON" }
    return switch error {
    case .keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      "\"\(context.codingPath.last?.stringValue ?? "it")\" has the wrong type"
    case .dataCorrupted(let context):
      context.codingPath.isEmpty
        ? "it is not JSON" : "\"\(context.codingPath.last?.stringValue ?? "")\" is out of range"
    @unknown default: "it is not what a replica.json holds"
    }
  }
}
