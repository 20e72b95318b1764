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
      let quorum = committee.quorum
      let statuses = await gather(candidates()) { found in
        let signed = found.compactMap(\.share?.statement.height)
        let reach = Self.reach(of: found)
        return signed.count { $0 <= reach } >= quorum
      }
      let found = statuses.compactMap { try? $0.1.get() }
      let signed = found.compactMap(\.share?.statement.height).sorted()
      guard signed.count >= quorum else { throw tooFew(signed.count) }
      let floor = min(signed[quorum - 1], Self.reach(of: found))
      return Freshness(now: clock(), ageMax: nil, heightMin: floor)
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
    let statuses = await gather(candidates()) { $0.count { $0.certificate != nil } >= needed }
    let proven = statuses.compactMap { (try? $0.1.get())?.certificate?.height }
    guard let highest = proven.max() else {
      var blame = Blame()
      for case (let replica, .failure(let fault)) in statuses { blame.add(replica, fault) }
      throw blame.failure("no height can be fixed for the query")
    }
    return max(highest, floor ?? 0)
  }

  /// Asks replicas for their status, a few at a time, until it is enough.
  private func gather(
    _ replicas: [ReplicaID], until isEnough: ([CheckedStatus]) -> Bool
  ) async -> [(ReplicaID, Result<CheckedStatus, ReplicaFault>)] {
    typealias One = (ReplicaID, Result<CheckedStatus, ReplicaFault>)
    return await withTaskGroup(of: One.self) { group in
      var waiting = replicas[...]
      func askNext() {
        guard let replica = waiting.popFirst() else { return }
        group.addTask { (replica, await self.outcome(of: replica)) }
      }
      for _ in 0..<min(committee.quorum, replicas.count) { askNext() }
      var all: [One] = []
      for await one in group {
        all.append(one)
        if isEnough(all.compactMap { try? $0.1.get() }) { break }
        askNext()
      }
      group.cancelAll()
      return all
    }
  }

  private func outcome(of replica: ReplicaID) async -> Result<CheckedStatus, ReplicaFault> {
    do throws(ReplicaFault) {
      return .success(try await status(of: replica))
    } catch {
      return .failure(error)
    }
  }

  private func tooFew(_ count: Int) -> ClientFailure {
    ClientFailure(
      .unreachable, "NO_QUORUM", what: "freshness cannot be established",
      why: "\(count) of the \(committee.quorum) replicas that it takes answered",
      next: "Ask with --max-age instead, or see `quorate cluster status`")
  }
}
