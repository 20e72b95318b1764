import Foundation
import Signing
import Wire

/// What everybody may know of a subnet, and what clients trust: `network.json`.
///
/// - Safety: the subnet's id is the digest of the genesis, the members' keys are those of the
///   genesis and each fingerprint is that of its certificate, or there is no `Network`.
package struct Network: Hashable, Sendable {
  package let genesis: Genesis
  /// `genesis.subnet`, computed once.
  package let subnet: SubnetID
  /// In the order of their ids.
  package let members: [Member]

  package struct Member: Hashable, Sendable {
    package let id: ReplicaID
    package let key: PublicKey
    package let host: String
    package let peerPort: UInt16
    package let httpPort: UInt16
    /// The transport certificate, PEM.
    package let certificate: String
    /// SHA-256 of the certificate's DER bytes.
    package let fingerprint: Digest

    package init(
      id: ReplicaID, key: PublicKey, host: String, peerPort: UInt16, httpPort: UInt16,
      certificate: String, fingerprint: Digest
    ) {
      self.id = id
      self.key = key
      self.host = host
      self.peerPort = peerPort
      self.httpPort = httpPort
      self.certificate = certificate
      self.fingerprint = fingerprint
    }
  }

  package var name: String { genesis.name }
  /// The committee of epoch 0.
  package var committee: Committee { genesis.committee }

  package func member(_ id: ReplicaID) -> Member? {
    id.index < members.count ? members[id.index] : nil
  }

  /// - Throws: `NetworkFault` when the parts do not belong together.
  package init(genesis: Genesis, members: [Member]) throws(NetworkFault) {
    guard genesis.isSound else {
      throw NetworkFault("the genesis names no members, too many, or one key twice")
    }
    guard members.count == genesis.members.count else {
      throw NetworkFault(
        "it lists \(members.count) members, its genesis names \(genesis.members.count)")
    }
    for (index, member) in members.enumerated() {
      guard member.id.index == index else {
        throw NetworkFault("member \(index) has the id \(member.id.number)")
      }
      guard member.key == genesis.members[index] else {
        throw NetworkFault("the key of member \(index) is not the one that the genesis names")
      }
      guard let actual = TransportIdentity.fingerprint(ofPEM: member.certificate) else {
        throw NetworkFault("the certificate of member \(index) is not an X.509 certificate in PEM")
      }
      guard actual == member.fingerprint else {
        throw NetworkFault("the fingerprint of member \(index) is not that of its certificate")
      }
      guard !member.host.isEmpty, member.peerPort != 0, member.httpPort != 0 else {
        throw NetworkFault("member \(index) lacks a host or a port")
      }
    }
    self.genesis = genesis
    self.members = members
    subnet = genesis.subnet
  }
}

/// Why a `network.json` cannot be trusted.
package struct NetworkFault: Error, Equatable, CustomStringConvertible {
  package let description: String

  init(_ what: String) {
    description =
      "the network file cannot be trusted: \(what). Take it again from whoever runs the subnet"
  }
}

extension Network {
  /// The file's shape.
  private struct File: Codable {
    let quorate: Int
    let name: String
    let subnet: String
    /// Canonical bytes, hexadecimal.
    let genesis: String
    let members: [FileMember]
  }

  private struct FileMember: Codable {
    let id: Int
    let key: String
    let host: String
    let peerPort: Int
    let httpPort: Int
    let certificate: String
    let fingerprint: String
  }

  private static let version = 1

  /// The bytes of `network.json`: sorted keys, so equal networks give equal files.
  package var json: [UInt8] {
    let file = File(
      quorate: Self.version, name: name, subnet: subnet.hex,
      genesis: genesis.canonicalBytes.hex,
      members: members.map {
        FileMember(
          id: $0.id.index, key: $0.key.hex, host: $0.host, peerPort: Int($0.peerPort),
          httpPort: Int($0.httpPort), certificate: $0.certificate, fingerprint: $0.fingerprint.hex)
      })
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      return Array(try encoder.encode(file)) + [0x0a]
    } catch {
      preconditionFailure("strings and integers have no JSON: \(error)")
    }
  }

  /// Reads the bytes of a `network.json`.
  package init(json bytes: [UInt8]) throws(NetworkFault) {
    guard bytes.count <= AnswerLimits.networkBytesMax else {
      throw NetworkFault("it has \(bytes.count) bytes, over \(AnswerLimits.networkBytesMax)")
    }
    let file: File
    do {
      file = try JSONDecoder().decode(File.self, from: Data(bytes))
    } catch let error as DecodingError {
      throw NetworkFault(explain(error))
    } catch {
      throw NetworkFault("it is not JSON")
    }
    guard file.quorate == Self.version else {
      throw NetworkFault("it is of version \(file.quorate), this program reads \(Self.version)")
    }
    guard let raw = [UInt8](hex: file.genesis) else {
      throw NetworkFault("its genesis is not hexadecimal")
    }
    let genesis: Genesis
    do throws(Malformed) {
      genesis = try Genesis(canonicalBytes: raw)
    } catch {
      throw NetworkFault("its genesis is damaged: \(error)")
    }
    guard genesis.subnet.hex == file.subnet else {
      throw NetworkFault("its subnet id is not the digest of its genesis")
    }
    guard genesis.name == file.name else {
      throw NetworkFault("its name is not the one in its genesis")
    }
    try self.init(genesis: genesis, members: try file.members.map(Self.member))
  }

  private static func member(_ file: FileMember) throws(NetworkFault) -> Member {
    guard let key = PublicKey(hex: file.key) else {
      throw NetworkFault("the key of member \(file.id) is not 64 hexadecimal digits")
    }
    guard let fingerprint = Digest(hex: file.fingerprint) else {
      throw NetworkFault("the fingerprint of member \(file.id) is not 64 hexadecimal digits")
    }
    guard let id = UInt16(exactly: file.id), let peerPort = UInt16(exactly: file.peerPort),
      let httpPort = UInt16(exactly: file.httpPort)
    else { throw NetworkFault("the id or a port of member \(file.id) is out of range") }
    return Member(
      id: ReplicaID(id), key: key, host: file.host, peerPort: peerPort,
      httpPort: httpPort, certificate: file.certificate, fingerprint: fingerprint)
  }
}

private func explain(_ error: DecodingError) -> String {
  func place(_ context: DecodingError.Context) -> String {
    let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
    return path.isEmpty ? "at its top" : "at " + path.joined(separator: ".")
  }
  return switch error {
  case .keyNotFound(let key, let context): "\"\(key.stringValue)\" is missing \(place(context))"
  case .typeMismatch(_, let context): "a value has the wrong type \(place(context))"
  case .valueNotFound(_, let context): "a value is null \(place(context))"
  case .dataCorrupted(let context):
    context.codingPath.isEmpty ? "it is not JSON" : "a value is out of range \(place(context))"
  @unknown default: "it is not what a network file holds"
  }
}
