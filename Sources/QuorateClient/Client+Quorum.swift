import Certification
import Wire

extension Client {
  /// Asks for a result on which `f + 1` replicas agree at one height that the client fixes.
  /// - Parameter height: nil for the highest certified one that replicas prove.
  package func agree(
    _ question: QueryRequest.Question, of pipeline: String, arguments: [Argument] = [],
    height: Height? = nil, recency: Recency = .usual
  ) async throws(ClientFailure) -> VerifiedAnswer {
    var last: ClientFailure?
    // A height may be gone when the slowest of the replicas is asked: then a newer one is fixed.
    for _ in 0..<3 {
      let freshness = try await freshness(recency)
      let fixed: Height
      if let height { fixed = height } else { fixed = try await fix(above: freshness.heightMin) }
      let request = query(question, pipeline, arguments, height: fixed, trust: .quorum)
      do throws(ClientFailure) {
        return try await agree(on: request, freshness)
      } catch {
        guard height == nil, error.code.hasPrefix("HEIGHT") else { throw error }
        last = error
      }
    }
    throw last ?? Blame().failure("the query has no answer")
  }

  private func agree(
    on request: QueryRequest, _ freshness: Freshness
  ) async throws(ClientFailure) -> VerifiedAnswer {
    let needed = committee.faultsMax + 1
    return try await consult(needed, "no \(needed) replicas answer") {
      replica throws(ReplicaFault) in
      try await self.answer(to: request, by: replica, .any)
    } conclude: { found, isLast throws(ClientFailure) in
      guard found.count >= needed else { return nil }
      let answers = found.map(\.value)
      do throws(CheckFault) {
        let content = try check.check(quorum: answers, to: request, freshness)
        return verified(request, content, answers)
      } catch {
        guard error.check != .quorum || isLast else { return nil }
        throw unproven(error)
      }
    }
  }

  private func verified(
    _ request: QueryRequest, _ content: AnswerContent, _ answers: [SignedAnswer]
  ) -> VerifiedAnswer {
    let agreed = answers.filter { $0.content == content }
    let dissenters = answers.filter { $0.content != content }.map(\.replica)
    return VerifiedAnswer(
      table: content.result, height: content.height, time: content.time,
      stateRoot: content.stateRoot, trust: .quorum, witnesses: agreed.map(\.replica).sorted(),
      dissenters: dissenters.sorted(), saved: .answers(request, agreed))
  }

  private func unproven(_ fault: CheckFault) -> ClientFailure {
    guard fault.check == .stale else {
      return ClientFailure(
        .untrusted, "DISAGREEMENT", what: "the replicas do not agree on an answer",
        why: fault.reason, next: "Nothing is shown. See `quorate cluster why`")
    }
    return ClientFailure(
      .stale, "STALE", what: "the query has no answer as fresh as asked", why: fault.reason,
      next: ClientFailure.freshen)
  }
}
