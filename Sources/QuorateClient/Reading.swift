import Certification
import Wire

/// How recent an answer must be.
package enum Recency: Sendable, Hashable {
  /// Its block time is at most so far behind the client's clock.
  case maxAge(Span)
  /// Of this height or above: that of an update whose effect is to be seen.
  case minHeight(Height)
  /// At or above everything that was certified before the question.
  case fresh

  package static let usual = Recency.maxAge(ClientLimits.maxAgeUsual)
}

/// An answer that passed every check of its level of trust.
package struct VerifiedAnswer: Sendable {
  package let table: ResultTable
  package let height: Height
  package let time: Moment
  package let stateRoot: Digest
  package let trust: Trust
  /// Whose word or signatures it rests on.
  package let witnesses: [ReplicaID]
  /// Replicas whose signed answer differs from the one that `f + 1` gave: evidence against them.
  package var dissenters: [ReplicaID] = []
  /// False when certified rows were cut: then it is complete up to the last one.
  package var complete = true
  /// All that a check needs later, offline.
  package let saved: SavedAnswer
}

extension Client {
  /// Asks for a result by the word of one replica.
  package func ask(
    _ question: QueryRequest.Question, of pipeline: String, arguments: [Argument] = [],
    recency: Recency = .usual
  ) async throws(ClientFailure) -> VerifiedAnswer {
    let freshness = try await freshness(recency)
    let request = query(question, pipeline, arguments, height: nil, trust: .replica)
    return try await consult(1, "the query has no answer") { replica throws(ReplicaFault) in
      try await self.answer(to: request, by: replica, freshness)
    } conclude: { answers, _ in
      guard let (replica, answer) = answers.first else { return nil }
      return VerifiedAnswer(
        table: answer.content.result, height: answer.content.height,
        time: answer.content.time, stateRoot: answer.content.stateRoot, trust: .replica,
        witnesses: [replica], saved: .answers(request, [answer]))
    }
  }

  /// Asks for rows of a certified table with a proof.
  package func rows(
    _ selection: RowsRequest.Selection, of table: String, in pipeline: String,
    limit: Int = 1_000, height: Height? = nil, recency: Recency = .usual
  ) async throws(ClientFailure) -> VerifiedAnswer {
    let freshness = try await freshness(recency)
    let request = RowsRequest(
      subnet: subnet, pipeline: pipeline, table: table, selection: selection,
      limit: UInt32(clamping: limit), height: height, caller: signer?.publicKey,
      expiry: readExpiry)
    return try await consult(1, "the rows have no proof") { replica throws(ReplicaFault) in
      try await self.proven(request, by: replica, freshness)
    } conclude: { answers, _ in
      guard let (found, proven) = answers.first?.value else { return nil }
      return VerifiedAnswer(
        table: proven.table, height: proven.height, time: proven.time,
        stateRoot: proven.stateRoot, trust: .certified,
        witnesses: found.certificate.signers.ids, complete: proven.complete,
        saved: .rows(request, found))
    }
  }

  private func proven(
    _ request: RowsRequest, by replica: ReplicaID, _ freshness: Freshness
  ) async throws(ReplicaFault) -> (CertifiedRows, ProvenRows) {
    let read = SignedRead(request, by: signer)
    let ask = ask("/v1/rows", read.canonicalBytes, above: freshness.heightMin)
    let found = try value(CertifiedRows.self, of: try await exchange(ask, with: replica))
    let proven = try checked { () throws(CheckFault) in
      try check.check(found, to: request, freshness)
    }
    return (found, proven)
  }

  /// Asks one replica and checks what it says.
  func answer(
    to request: QueryRequest, by replica: ReplicaID, _ freshness: Freshness
  ) async throws(ReplicaFault) -> SignedAnswer {
    let read = SignedRead(request, by: signer)
    var ask = ask("/v1/queries", read.canonicalBytes, above: freshness.heightMin)
    switch request.question {
    case .plan, .check: ask.timeout = ClientLimits.workshopTimeout
    case .named, .sql, .lineage: break
    }
    let reply = try await exchange(ask, with: replica)
    let answer = try value(SignedAnswer.self, of: reply)
    guard answer.replica == replica else {
      throw .untrusted("signature: it is \(answer.replica)'s, \(replica) was asked")
    }
    _ = try checked { () throws(CheckFault) in try check.check(answer, to: request, freshness) }
    return answer
  }

  /// Runs a check; one that fails is the replica's fault.
  func checked<Value>(
    _ body: () throws(CheckFault) -> Value
  ) throws(ReplicaFault) -> Value {
    do throws(CheckFault) {
      return try body()
    } catch {
      throw error.check == .stale ? .stale(error.reason) : .untrusted(error.description)
    }
  }

  func query(
    _ question: QueryRequest.Question, _ pipeline: String, _ arguments: [Argument],
    height: Height?, trust: Trust
  ) -> QueryRequest {
    QueryRequest(
      subnet: subnet, pipeline: pipeline, question: question, arguments: arguments,
      height: height, trust: trust, caller: signer?.publicKey, expiry: readExpiry)
  }

  var readExpiry: Moment {
    signer == nil ? 0 : clock().advanced(by: ClientLimits.readLifetime.milliseconds)
  }

  func ask(_ path: String, _ body: [UInt8], above floor: Height?) -> HTTPAsk {
    let seconds = ClientLimits.heightPatience.milliseconds / 1_000
    let query = floor.map { "?min-height=\($0)&wait=\(seconds)" } ?? ""
    return HTTPAsk(
      method: .POST, target: path + query,
      headers: [("Content-Type", MediaType.canonical), ("Accept", MediaType.canonical)],
      body: body)
  }
}
