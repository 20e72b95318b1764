import Synchronization

/// A few threads for work that blocks, which the threads of `async` code must not do; clients take
/// turns.
///
/// - Liveness: between two pieces of its own a client waits for one of each other client.
/// - Bound: `limit` pieces of work wait, `share` of one client; more are turned away.
final class WorkPool: Sendable {
  /// What became of a piece of work.
  enum Outcome<Value: Sendable>: Sendable {
    case done(Value)
    /// As much waits as may, of all or of this client, or the pool is closed.
    case full, shareFull, closed
  }

  private typealias Work = @Sendable () -> Void

  private struct Waiting {
    /// By client, in its order.
    var work: [String: [Work]] = [:]
    /// Clients that have work, once each, the next first.
    var turns: [String] = []
    var count = 0
  }

  private let waitingWork = Mutex(Waiting())
  /// One item a piece of work.
  private let bell = Mailbox<Void>()
  private let limit: Int
  private let share: Int

  init(limit: Int, share: Int) {
    self.limit = limit
    self.share = share
  }

  var waiting: Int { waitingWork.withLock { $0.count } }

  func run<Value: Sendable>(
    for client: String, _ body: @escaping @Sendable () -> Value
  ) async -> Outcome<Value> {
    await withCheckedContinuation { (continuation: CheckedContinuation<Outcome<Value>, Never>) in
      let refused: Outcome<Value>? = waitingWork.withLock { waiting in
        let own = waiting.work[client]?.count ?? 0
        guard waiting.count < limit else { return .full }
        guard own < share else { return .shareFull }
        guard bell.post(()) != nil else { return .closed }
        waiting.work[client, default: []].append({ continuation.resume(returning: .done(body())) })
        if own == 0 { waiting.turns.append(client) }
        waiting.count += 1
        return nil
      }
      if let refused { continuation.resume(returning: refused) }
    }
  }

  func loop() {
    while let bells = bell.take(limit: 1) {
      for _ in bells {
        let work = next()
        work()
      }
    }
  }

  /// - Precondition: a bell was taken, so that some work waits.
  private func next() -> Work {
    waitingWork.withLock { waiting in
      let client = waiting.turns.removeFirst()
      var own = waiting.work.removeValue(forKey: client) ?? []
      precondition(!own.isEmpty, "a turn without work")
      let work = own.removeFirst()
      if !own.isEmpty {
        waiting.work[client] = own
        waiting.turns.append(client)
      }
      waiting.count -= 1
      return work
    }
  }

  func close() { bell.close() }
}
