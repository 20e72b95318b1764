import Certification
import NIOHTTP1
import Signing
import Wire

/// What a replica says of itself, with what of it is proven.
package struct CheckedStatus: Sendable {
  package let status: ReplicaStatus
  /// Its certificate, when it verifies.
  package let certificate: StateCertificate?
  /// Its own signature under a state, when it verifies.
  package let share: StateShare?
}

extension Client {
  /// Every replica's status, in the order of their ids.
  package func statuses() async -> [(ReplicaID, Result<CheckedStatus, ClientFailure>)] {
    await withTaskGroup(of: (ReplicaID, Result<CheckedStatus, ClientFailure>).self) { group in
      for member in committee.members {
        group.addTask {
          do throws(ReplicaFault) {
            return (member.id, .success(try await self.status(of: member.id)))
          } catch {
            var blame = Blame()
            blame.add(member.id, error)
            return (member.id, .failure(blame.failure("\(member.id) does not say how it is")))
          }
        }
      }
      var all: [(ReplicaID, Result<CheckedStatus, ClientFailure>)] = []
      for await one in group { all.append(one) }
      return all.sorted { $0.0 < $1.0 }
    }
  }

  func status(of replica: ReplicaID) async throws(ReplicaFault) -> CheckedStatus {
    var ask = read("/v1/status")
    ask.timeout = .seconds(3)
    let status = try value(ReplicaStatus.self, of: try await exchange(ask, with: replica))
    guard status.subnet == subnet, status.replica == replica else {
      throw .untrusted("it speaks for \(status.replica) of subnet \(status.subnet)")
    }
    let share = status.share.flatMap { share in
      share.signer == replica ? check.verifier.verify(share, in: committee)?.value : nil
    }
    let certificate = status.certificate.flatMap { check.verifier.verify($0, in: committee)?.value }
    return CheckedStatus(status: status, certificate: certificate, share: share)
  }

  /// What is deployed, by one replica's word.
  package func catalog() async throws(ClientFailure) -> Catalog {
    try await first("the catalog cannot be read", { read("/v1/catalog") }) {
      reply throws(ReplicaFault) in try value(Catalog.self, of: reply)
    }
  }

  /// The state certificate of a height, verified.
  package func certificate(at height: Height) async throws(ClientFailure) -> StateCertificate {
    try await first(
      "there is no certificate of height \(height)",
      {
        read("/v1/certificates/\(height)")
      }
    ) { reply throws(ReplicaFault) in
      let certificate = try value(StateCertificate.self, of: reply)
      guard certificate.height == height else { throw .untrusted("it is of another height") }
      try checked { () throws(CheckFault) in try check.check(certificate) }
      return certificate
    }
  }

  /// What became of a call. A certified receipt is verified; all else is one replica's word.
  package func progress(of call: Digest) async throws(ClientFailure) -> RequestProgress {
    var best = RequestProgress.unknown
    var blame = Blame()
    var answered = 0
    for replica in candidates() {
      do throws(ReplicaFault) {
        let reply = try await exchange(read("/v1/requests/\(call.hex)"), with: replica)
        answered += 1
        if reply.mediaType == MediaType.canonical {
          let certified = try value(CertifiedReceipt.self, of: reply)
          _ = try checked { () throws(CheckFault) in try check.check(certified, of: call) }
          return .done(certified)
        }
        switch reply.header(EnvelopeField.progress) {
        case "received": if best == .unknown { best = .received }
        case "ordered": best = .ordered
        default: break
        }
      } catch {
        blame.add(replica, error)
      }
    }
    guard answered > 0 else { throw blame.failure("nobody says what became of the request") }
    return best
  }

  func read(_ target: String) -> HTTPAsk {
    HTTPAsk(method: .GET, target: target, headers: [("Accept", MediaType.canonical)])
  }

  /// The first reply that `take` accepts.
  private func first<Value>(
    _ what: String, _ ask: () -> HTTPAsk, _ take: (HTTPReply) throws(ReplicaFault) -> Value
  ) async throws(ClientFailure) -> Value {
    var blame = Blame()
    for replica in candidates() {
      do throws(ReplicaFault) {
        return try take(try await exchange(ask(), with: replica))
      } catch {
        blame.add(replica, error)
        if let failure = settled(blame, error) { throw failure }
      }
    }
    throw blame.failure(what)
  }
}

/// How far a call has come.
package enum RequestProgress: Sendable, Equatable {
  case unknown
  case received
  case ordered
  case done(CertifiedReceipt)
}
