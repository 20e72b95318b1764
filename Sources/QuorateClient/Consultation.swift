import Certification
import Wire

extension Client {
  /// Answers of distinct replicas, in the order in which they came.
  typealias Answers<Value> = [(replica: ReplicaID, value: Value)]

  /// Asks `width` replicas at once, and one more for each that fails, answers unlike the others or
  /// is slow, until `conclude` makes something of the answers.
  ///
  /// - Liveness: a silent replica costs `ClientLimits.hedgeAfter`, not its timeout.
  /// - Parameters:
  ///   - what: begins the failure when no conclusion is reached: "the query has no answer".
  ///   - conclude: gets all answers so far, and whether no more will come; nil to go on.
  func consult<Value: Sendable, Conclusion>(
    _ width: Int, _ what: String, hedgeAfter: Span = ClientLimits.hedgeAfter,
    ask: @escaping @Sendable (ReplicaID) async throws(ReplicaFault) -> Value,
    conclude: (Answers<Value>, _ isLast: Bool) throws(ClientFailure) -> Conclusion?
  ) async throws(ClientFailure) -> Conclusion {
    let result: Result<Conclusion, ClientFailure> = await withTaskGroup(
      of: Event<Value>.self
    ) { group in
      var round = Round<Value>(waiting: candidates()[...], hedgeAfter: hedgeAfter)
      for _ in 0..<width { round.askNext(&group, ask) }
      round.tick(&group)
      defer { group.cancelAll() }
      while let event = await group.next() {
        do throws(ClientFailure) {
          try take(event, &round, &group, ask)
          if let conclusion = try conclude(round.answers, round.isOver) {
            return .success(conclusion)
          }
        } catch {
          return .failure(error)
        }
        if round.isOver { break }
        if round.running.isEmpty { round.askNext(&group, ask) }
      }
      return .failure(round.blame.failure(what))
    }
    return try result.get()
  }

  private func take<Value: Sendable>(
    _ event: Event<Value>, _ round: inout Round<Value>,
    _ group: inout TaskGroup<Event<Value>>,
    _ ask: @escaping @Sendable (ReplicaID) async throws(ReplicaFault) -> Value
  ) throws(ClientFailure) {
    switch event {
    case .answered(let replica, .success(let value)):
      round.running.removeAll { $0 == replica }
      round.answers.append((replica, value))
    case .answered(let replica, .failure(let fault)):
      round.running.removeAll { $0 == replica }
      round.blame.add(replica, fault)
      if case .untrusted = fault { penalize(replica) }
      if let failure = settled(round.blame, fault) { throw failure }
      round.askNext(&group, ask)
    case .ticked:
      for replica in round.running { penalize(replica) }
      round.askNext(&group, ask)
      round.tick(&group)
    }
  }

  /// A refusal that `f + 1` replicas share is not asked about any further.
  func settled(_ blame: Blame, _ fault: ReplicaFault) -> ClientFailure? {
    guard case .refused(let refusal, let status, _) = fault,
      ![409, 410, 429, 503].contains(status),
      blame.count(refusing: refusal.code) > committee.faultsMax
    else { return nil }
    var failure = ClientFailure(
      .rejected, refusal.code, what: "the request was refused", why: refusal.message,
      next: "\(committee.faultsMax + 1) replicas say so")
    failure.isSettled = true
    return failure
  }
}

private enum Event<Value: Sendable>: Sendable {
  case answered(ReplicaID, Result<Value, ReplicaFault>)
  case ticked
}

/// How far a consultation has come.
private struct Round<Value: Sendable> {
  var waiting: ArraySlice<ReplicaID>
  var running: [ReplicaID] = []
  var answers: Client.Answers<Value> = []
  var blame = Blame()

  let hedgeAfter: Span

  init(waiting: ArraySlice<ReplicaID>, hedgeAfter: Span) {
    self.waiting = waiting
    self.hedgeAfter = hedgeAfter
  }

  var isOver: Bool { waiting.isEmpty && running.isEmpty }

  mutating func askNext(
    _ group: inout TaskGroup<Event<Value>>,
    _ ask: @escaping @Sendable (ReplicaID) async throws(ReplicaFault) -> Value
  ) {
    guard let replica = waiting.popFirst() else { return }
    running.append(replica)
    group.addTask {
      do throws(ReplicaFault) {
        return .answered(replica, .success(try await ask(replica)))
      } catch {
        return .answered(replica, .failure(error))
      }
    }
  }

  func tick(_ group: inout TaskGroup<Event<Value>>) {
    guard !waiting.isEmpty else { return }
    group.addTask { [hedgeAfter] in
      try? await Task.sleep(for: .microseconds(Int64(hedgeAfter.number)))
      return .ticked
    }
  }
}
