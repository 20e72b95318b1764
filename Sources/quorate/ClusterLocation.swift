import ArgumentParser
import Certification
import Foundation
import NodeShell
import QuorateClient
import Signing
import Wire

/// Where the cluster's folder is: its network.json is all that a client needs.
struct ClusterLocation: ParsableArguments {
  @Option(
    name: .customLong("cluster"),
    help: ArgumentHelp(
      "The cluster's folder. Else $QUORATE_CLUSTER, else ./quorate-cluster.", valueName: "dir"))
  var directory: String?

  var folder: URL { ClusterLocation.folder(directory) }

  static func folder(_ directory: String?) -> URL {
    let named = directory ?? ProcessInfo.processInfo.environment["QUORATE_CLUSTER"]
    return URL(filePath: named ?? "quorate-cluster").standardizedFileURL
  }

  /// - Parameter advice: what to do where there is none.
  func network(else advice: String = ClusterLocation.advice) throws -> Network {
    try ClusterLocation.network(in: folder, else: advice)
  }

  static let advice =
    "Make a cluster with 'quorate cluster init', or name its folder with --cluster DIR."

  static func network(in folder: URL, else advice: String = advice) throws -> Network {
    let file = folder.appending(path: "network.json")
    guard let bytes = try? Data(contentsOf: file) else {
      throw Failure("There is no network.json in \(folder.path).\n\(advice)")
    }
    do { return try Network(json: [UInt8](bytes)) } catch {
      throw Failure("\(file.path): \(error)")
    }
  }

  var identities: IdentityStore { IdentityStore(folder: ClusterFolder.identities(folder)) }
}

/// Who calls: a name in the cluster's `identities` folder.
struct Caller: ParsableArguments {
  @Option(
    name: .customLong("as"),
    help: ArgumentHelp(
      "The identity that signs; 'nobody' for an unsigned call. Else $QUORATE_IDENTITY, else "
        + "operator.", valueName: "name"))
  var name: String?

  /// nil for an unsigned call.
  var signer: String? {
    let named = name ?? ProcessInfo.processInfo.environment["QUORATE_IDENTITY"] ?? "operator"
    return named == "nobody" ? nil : named
  }

  func keyPair(in store: IdentityStore) throws -> KeyPair? {
    try signer.map { try store.keyPair(of: $0) }
  }
}

/// Keys of people and programs, one file each, readable by their owner alone.
struct IdentityStore {
  let folder: URL

  func file(of name: String) -> URL { folder.appending(path: "\(name).key") }

  func names() -> [String] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasSuffix(".key") }.map { String($0.dropLast(4)) }.sorted()
  }

  func keyPair(of name: String) throws -> KeyPair {
    try ReplicaFolder.requirePrivate(file(of: name))
    guard let text = try? String(contentsOf: file(of: name), encoding: .utf8) else {
      let known = names().joined(separator: ", ")
      throw Failure(
        """
        There is no identity '\(name)' in \(folder.path).
        Known: \(known.isEmpty ? "none" : known). Make one with 'quorate identity new \(name)'.
        """)
    }
    let hex = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard let seed = [UInt8](hex: hex), let pair = KeyPair(seed: seed) else {
      throw Failure("\(file(of: name).path) is damaged: it must hold 64 hexadecimal digits.")
    }
    return pair
  }

  func create(_ name: String) throws -> KeyPair {
    guard name.wholeMatch(of: #/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}/#) != nil, name != "nobody" else {
      throw Failure("'\(name)' is no name for an identity; use letters, digits, '_', '.', '-'.")
    }
    guard !names().contains(name) else {
      throw Failure("The identity '\(name)' exists already; 'quorate identity show \(name)'.")
    }
    let pair = KeyPair.generate()
    try ClusterFolder.addIdentity(name, pair, to: folder)
    return pair
  }
}
