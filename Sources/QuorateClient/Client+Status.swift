import Certification
import Metering
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
    ask.timeout = ClientLimits.statusTimeout
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
    try await consult(1, "the catalog cannot be read") { replica throws(ReplicaFault) in
      let reply = try await self.exchange(self.read("/v1/catalog"), with: replica)
      return try self.value(Catalog.self, of: reply)
    } conclude: { answers, _ in
      answers.first?.value
    }
  }

  /// How many batches of a source may be under way at once: the least of what `f + 1` replicas'
  /// words come to, so no more than one that is correct says.
  package func batchesInFlight(
    of source: String, in pipeline: String
  ) async throws(ClientFailure) -> Int {
    let needed = committee.faultsMax + 1
    return try await consult(needed, "the catalog cannot be read") {
      replica throws(ReplicaFault) in
      let reply = try await self.exchange(self.read("/v1/catalog"), with: replica)
      return try self.value(Catalog.self, of: reply)
    } conclude: { answers, _ in
      guard answers.count >= needed else { return nil }
      return answers.map { answer in
        let found = answer.value.pipelines.first { $0.name == pipeline }
        return found?.progress.first { $0.source == source }?.inFlightUsual ?? 1
      }.min()
    }
  }

  /// What a pipeline holds, burns and lets in, by one replica's word.
  package func report(of pipeline: String) async throws(ClientFailure) -> PipelineReport {
    try await consult(1, "the report of \(pipeline) cannot be read") {
      replica throws(ReplicaFault) in
      let ask = self.read("/v1/pipelines/\(pipeline)/report")
      let report = try self.value(
        PipelineReport.self, of: try await self.exchange(ask, with: replica))
      guard report.pipeline == pipeline else { throw .untrusted("it is of another pipeline") }
      return report
    } conclude: { answers, _ in
      answers.first?.value
    }
  }

  /// Cycles in a person's account, on which `f + 1` replicas agree.
  package func balance(of owner: PublicKey) async throws(ClientFailure) -> Cycles {
    try await agreed("/v1/accounts/\(owner.hex)", "the balance cannot be read")
  }

  /// The price table in force and what is proposed in its place, on which `f + 1` replicas agree.
  package func prices() async throws(ClientFailure) -> PriceReport {
    try await agreed("/v1/prices", "the prices cannot be read")
  }

  /// The engines accepted and those proposed, on which `f + 1` replicas agree.
  package func engines() async throws(ClientFailure) -> EngineReport {
    try await agreed("/v1/engines", "the accepted engines cannot be read")
  }

  /// - Parameter what: what cannot be done where they do not agree.
  private func agreed<Value: Canonical & Hashable>(
    _ path: String, _ what: String
  ) async throws(ClientFailure) -> Value {
    let needed = committee.faultsMax + 1
    return try await consult(needed, what) { replica throws(ReplicaFault) in
      try self.value(Value.self, of: try await self.exchange(self.read(path), with: replica))
    } conclude: { answers, isLast throws(ClientFailure) in
      let all = answers.map(\.value)
      if let agreed = all.first(where: { one in all.count { $0 == one } >= needed }) {
        return agreed
      }
      guard isLast, all.count >= needed else { return nil }
      throw ClientFailure(
        .untrusted, "DISAGREEMENT", what: what, why: "no \(needed) replicas say the same",
        next: "Ask again once they are in step")
    }
  }

  /// The state certificate of a height, verified.
  package func certificate(at height: Height) async throws(ClientFailure) -> StateCertificate {
    try await consult(1, "there is no certificate of height \(height)") {
      replica throws(ReplicaFault) in
      let ask = self.read("/v1/certificates/\(height)")
      let reply = try await self.exchange(ask, with: replica)
      let certificate = try self.value(StateCertificate.self, of: reply)
      guard certificate.height == height else { throw .untrusted("it is of another height") }
      try self.checked { () throws(CheckFault) in try self.check.check(certificate) }
      return certificate
    } conclude: { answers, _ in
      answers.first?.value
    }
  }

  /// What became of a call. A certified receipt is verified; that it is under way is the word of
  /// the replica named; that it is unknown is the word of a quorum.
  package func request(_ call: Digest) async throws(ClientFailure) -> RequestProgress {
    let quorum = committee.quorum
    return try await consult(
      committee.size, "fewer than \(quorum) replicas say what became of the request"
    ) { replica throws(ReplicaFault) in
      try await self.progress(of: call, at: replica)
    } conclude: { answers, isLast in
      let all = answers.map(\.value)
      for case .done(let certified) in all { return .done(certified) }
      let isEnough = all.count >= quorum
      let underWay =
        all.first { if case .ordered = $0 { true } else { false } } ?? all.first { $0 != .unknown }
      if let underWay { return isEnough || isLast ? underWay : nil }
      return isEnough && isLast ? .unknown : nil
    }
  }

  private func progress(
    of call: Digest, at replica: ReplicaID
  ) async throws(ReplicaFault) -> RequestProgress {
    var ask = read("/v1/requests/\(call.hex)")
    ask.timeout = ClientLimits.statusTimeout
    return try progress(of: call, in: try await exchange(ask, with: replica), of: replica)
  }

  /// - Throws: where the reply does not say how far the call has come: a refusal, for example.
  func progress(
    of call: Digest, in reply: HTTPReply, of replica: ReplicaID
  ) throws(ReplicaFault) -> RequestProgress {
    if reply.mediaType == MediaType.canonical {
      let certified = try value(CertifiedReceipt.self, of: reply)
      _ = try checked { () throws(CheckFault) in try check.check(certified, of: call) }
      return .done(certified)
    }
    switch reply.header(EnvelopeField.progress) {
    case "received": return .received(by: replica)
    case "ordered":
      let height = reply.header(EnvelopeField.height).flatMap { UInt64($0) }
      return .ordered(Height(height ?? 0), by: replica)
    case "unknown", "refused": return .unknown
    default: throw refusal(in: reply)
    }
  }

  private func read(_ target: String) -> HTTPAsk {
    HTTPAsk(method: .GET, target: target, headers: [("Accept", MediaType.canonical)])
  }
}

/// How far a call has come.
package enum RequestProgress: Sendable, Equatable {
  /// None of a quorum knows it.
  case unknown
  /// It waits for a block, by this replica's word.
  case received(by: ReplicaID)
  /// In the block of this height, by this replica's word.
  case ordered(Height, by: ReplicaID)
  case done(CertifiedReceipt)
}
