import Certification
import Signing
import Wire

extension Client {
  /// What the recency asked for comes to, right now.
  ///
  /// For `fresh`, `q` replicas tell the highest height under which each put its signature. What
  /// was certified before has `q` signers, and any two quorums share a correct one, so the highest
  /// of these heights is at or above it. When more than `q` answer, the lowest `q` are as good, so
  /// `f` liars cannot name a height that does not exist.
  func freshness(_ recency: Recency) async throws(ClientFailure) -> Freshness {
    switch recency {
    case .maxAge(let span):
      return Freshness(now: clock(), ageMax: span.advanced(by: Limits.clockDrift.number))
    case .minHeight(let height):
      return Freshness(now: clock(), ageMax: nil, heightMin: height)
    case .fresh:
      return Freshness(now: clock(), ageMax: nil, heightMin: try await signedHeight())
    }
  }

  private func signedHeight() async throws(ClientFailure) -> Height {
    let quorum = committee.quorum
    return try await consult(quorum, "freshness cannot be established") {
      replica throws(ReplicaFault) in
      try await self.status(of: replica)
    } conclude: { answers, isLast throws(ClientFailure) in
      let signed = answers.compactMap(\.value.share?.statement.height).sorted()
      let reach = Self.reach(of: answers.map(\.value))
      let isEnough = signed.count { $0 <= reach } >= quorum
      guard isEnough || isLast else { return nil }
      guard signed.count >= quorum else { throw tooFew(signed.count) }
      return min(signed[quorum - 1], reach)
    }
  }

  /// No update can have been acknowledged above this height: its block names a state certificate
  /// at most `uncertifiedHeightsMax` below it, which whoever signed its state holds.
  private static func reach(of found: [CheckedStatus]) -> Height {
    let certified = found.compactMap(\.certificate?.height).max() ?? 0
    return certified.advanced(by: Limits.uncertifiedHeightsMax)
  }

  /// The height at which all replicas of a quorum read are asked: the highest that one of `f + 1`
  /// replicas proves to be certified, at or above the floor.
  func fix(above floor: Height?) async throws(ClientFailure) -> Height {
    let needed = committee.faultsMax + 1
    return try await consult(needed, "no height can be fixed for the query") {
      replica throws(ReplicaFault) in
      try await self.status(of: replica)
    } conclude: { answers, isLast in
      let proven = answers.compactMap(\.value.certificate?.height)
      guard proven.count >= needed || isLast, let highest = proven.max() else { return nil }
      return max(highest, floor ?? 0)
    }
  }

  private func tooFew(_ count: Int) -> ClientFailure {
    ClientFailure(
      .unreachable, "NO_QUORUM", what: "freshness cannot be established",
      why: "\(count) of the \(committee.quorum) replicas that it takes answered",
      next: "Ask with --max-age instead, or see `quorate cluster status`")
  }
}
