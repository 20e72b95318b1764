import Certification
import Foundation
import Glibc
import Signing
import Wire

extension ClusterFolder {
  private static let ingestsName = "ingests"

  /// Where commands note how far their ingests into this subnet have come.
  package static func ingests(into subnet: SubnetID, in folder: URL) -> URL {
    folder.appending(path: "\(ingestsName)/\(subnet.hex.prefix(8))")
  }

  /// Whether a member has its folder here, by its key or by its card: another's may be called so.
  package static func holds(_ member: Network.Member, in folder: URL) -> Bool {
    let place = replica(member.id, in: folder)
    let key = keyPair(in: place.appending(path: ReplicaFolder.keyName))
    if key?.publicKey == member.key { return true }
    guard let card = try? Data(contentsOf: place.appending(path: ReplicaFolder.cardName)) else {
      return false
    }
    return (try? JSONDecoder().decode(ReplicaCard.self, from: card))?.key == member.key.hex
  }

  /// Removes what `create`, `join`, replicas and commands put into a cluster's folder, then the
  /// folder if it is empty.
  ///
  /// - Safety: nothing else goes, since a cluster may have been made where other things lie.
  ///   `network.json` goes last of all files: what was cut short is done again.
  /// - Precondition: no replica runs there.
  /// - Returns: paths in the folder of what is left.
  package static func wipe(_ folder: URL, of network: Network) throws(NodeFault) -> [String] {
    let keys = identities(folder)
    for name in names(in: keys) where name.hasSuffix(".key") {
      let file = keys.appending(path: name)
      if keyPair(in: file) != nil { try remove(file) }
    }
    try remove(ingests(into: network.subnet, in: folder))
    for member in network.members where holds(member, in: folder) {
      let place = replica(member.id, in: folder)
      for name in ReplicaFolder.names {
        // What a crash left of one that was being written.
        try remove(place.appending(path: "\(name).new"))
        try remove(place.appending(path: name))
      }
    }
    let own = [identitiesName, ingestsName] + network.members.map { "\($0.id)" }
    try remove(networkFile(folder))
    for name in own { rmdir(folder.appending(path: name).path) }
    rmdir(folder.path)
    return names(in: folder).flatMap { name in
      let inner = own.contains(name) ? names(in: folder.appending(path: name)) : []
      return inner.isEmpty ? [name] : inner.map { "\(name)/\($0)" }
    }
  }

  private static func names(in folder: URL) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
  }

  private static func keyPair(in file: URL) -> KeyPair? {
    guard let text = try? ReplicaFolder.text(file, limit: NodeLimits.keyFileBytesMax),
      let seed = [UInt8](hex: text.trimmingCharacters(in: .whitespacesAndNewlines))
    else { return nil }
    return KeyPair(seed: seed)
  }

  private static func remove(_ item: URL) throws(NodeFault) {
    var status = stat()
    guard lstat(item.path, &status) == 0 else { return }
    do { try FileManager.default.removeItem(at: item) } catch {
      throw NodeFault(
        "cannot remove \(item.path): \(error.localizedDescription). Check its owner and run this "
          + "again")
    }
  }
}
