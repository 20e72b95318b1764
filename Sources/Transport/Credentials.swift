import NIOCore
import NIOSSL
import Synchronization
import Wire

/// Who the other end of one connection has proved to be, once TLS is through.
final class ProvenPeer: Sendable {
  private enum Verdict { case none, member(ReplicaID), stranger }
  private let verdict = Mutex(Verdict.none)

  var id: ReplicaID? {
    verdict.withLock { if case .member(let id) = $0 { id } else { nil } }
  }
  /// A certificate was shown and it is not one that is expected here.
  var isStranger: Bool {
    verdict.withLock { if case .stranger = $0 { true } else { false } }
  }
  func set(_ id: ReplicaID?) {
    verdict.withLock { $0 = id.map { .member($0) } ?? .stranger }
  }
}

/// The TLS side of links: TLS 1.3 only, Ed25519 only, both ends show a pinned certificate.
///
/// - Safety: a certificate is accepted when its DER bytes are exactly those pinned for a member.
///   Chains, names and dates mean nothing here; TLS itself proves that the other end holds the key.
struct Credentials: Sendable {
  private let server: NIOSSLContext
  private let client: NIOSSLContext
  private let members: [[UInt8]: ReplicaID]

  init(_ setup: LinkSetup) throws(LinkFault) {
    var members: [[UInt8]: ReplicaID] = [:]
    do {
      for member in setup.members {
        let certificate = try NIOSSLCertificate(
          bytes: Array(member.certificatePEM.utf8), format: .pem)
        let bytes = try certificate.toDERBytes()
        guard members.updateValue(member.id, forKey: bytes) == nil else {
          throw LinkFault.credentials("network.json gives two members one transport certificate")
        }
      }
      let mine = try NIOSSLCertificate(bytes: Array(setup.certificatePEM.utf8), format: .pem)
      guard members[try mine.toDERBytes()] == setup.me else {
        throw LinkFault.credentials(
          "transport.crt is not the certificate that network.json pins for \(setup.me)")
      }
      let key = try NIOSSLPrivateKey(bytes: Array(setup.privateKeyPEM.utf8), format: .pem)
      server = try NIOSSLContext(
        configuration: Credentials.strict(
          .makeServerConfiguration(
            certificateChain: [.certificate(mine)], privateKey: .privateKey(key))))
      var dialling = TLSConfiguration.makeClientConfiguration()
      dialling.certificateChain = [.certificate(mine)]
      dialling.privateKey = .privateKey(key)
      client = try NIOSSLContext(configuration: Credentials.strict(dialling))
    } catch let fault as LinkFault {
      throw fault
    } catch {
      throw .credentials("\(error)")
    }
    self.members = members
  }

  private static func strict(_ given: TLSConfiguration) -> TLSConfiguration {
    var tls = given
    tls.minimumTLSVersion = .tlsv13
    tls.maximumTLSVersion = .tlsv13
    tls.verifySignatureAlgorithms = [.ed25519]
    tls.signingSignatureAlgorithms = [.ed25519]
    tls.trustRoots = .certificates([])
    // Asks for a certificate and hands it to our own check, which replaces all others.
    tls.certificateVerification = .noHostnameVerification
    return tls
  }

  /// For an accepted connection: any member but this replica itself may be at the other end.
  func accepting(as me: ReplicaID, into proven: ProvenPeer) -> NIOSSLServerHandler {
    let members = members
    return NIOSSLServerHandler(context: server) { chain, promise in
      Credentials.judge(chain, promise, into: proven) { bytes in
        members[bytes].flatMap { $0 == me ? nil : $0 }
      }
    }
  }

  /// For a dialled connection: only the member that was dialled may be there.
  func dialling(_ peer: ReplicaID, into proven: ProvenPeer) throws -> NIOSSLClientHandler {
    let members = members
    return try NIOSSLClientHandler(
      context: client, serverHostname: nil,
      customVerificationCallback: { chain, promise in
        Credentials.judge(chain, promise, into: proven) { bytes in
          members[bytes] == peer ? peer : nil
        }
      })
  }

  private static func judge(
    _ chain: [NIOSSLCertificate], _ promise: EventLoopPromise<NIOSSLVerificationResult>,
    into proven: ProvenPeer, member: ([UInt8]) -> ReplicaID?
  ) {
    guard let leaf = chain.first, let bytes = try? leaf.toDERBytes(), let id = member(bytes) else {
      proven.set(nil)
      promise.succeed(.failed)
      return
    }
    proven.set(id)
    promise.succeed(.certificateVerified)
  }
}
