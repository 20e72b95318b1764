import Certification
import Signing
import Wire

extension Client {
  /// What the freshness asked for comes to, right now.
  ///
  /// For `fresh`, each of `q` replicas tells the highest height under which it put its signature.
  /// What was certified before has `q` signers; any two quorums share a correct one, so the
  /// highest of these heights is at or above it. A liar can name a height that does not exist, so
  /// heights are tried from the top as long as `q` others remain.
  func freshness(_ recency: Recency) async throws(ClientFailure) -> Freshness {
    switch recency {
    case .maxAge(let span):
      return Freshness(now: clock(), ageMax: span.advanced(by: Limits.clockDrift.number))
    case .minHeight(let height):
      return Freshness(now: clock(), ageMax: nil, heightMin: height)
    case .fresh:
      let statuses = await statuses()
      var signed = statuses.compactMap { (try? $0.1.get())?.share?.statement.height }.sorted()
      let certified = statuses.compactMap { (try? $0.1.get())?.certificate?.height }.max() ?? 0
      guard signed.count >= committee.quorum else { throw tooFew(signed.count) }
      // A height far above what is certified cannot be one that execution has reached.
      let reach = certified.advanced(by: Limits.uncertifiedHeightsMax + 1)
      while let top = signed.last, top > reach, signed.count > committee.quorum {
        signed.removeLast()
      }
      return Freshness(now: clock(), ageMax: nil, heightMin: signed.last)
    }
  }

  /// The height at which all replicas of a quorum read are asked: the highest certified one that
  /// any replica proves, at or above the floor.
  func fix(above floor: Height?) async throws(ClientFailure) -> Height {
    let statuses = await statuses()
    let proven = statuses.compactMap { (try? $0.1.get())?.certificate?.height }
    guard let highest = proven.max() else {
      var blame = Blame()
      for case (let replica, .failure(let failure)) in statuses {
        blame.add(replica, .transport(TransportFault(description: failure.why)))
      }
      throw blame.failure("no height can be fixed for the query")
    }
    return max(highest, floor ?? 0)
  }

  private func tooFew(_ count: Int) -> ClientFailure {
    ClientFailure(
      .unreachable, "NO_QUORUM", what: "freshness cannot be established",
      why: "\(count) of the \(committee.quorum) replicas that it takes answered",
      next: "Ask with --max-age instead, or see `quorate cluster status`")
  }
}
