/// A few threads for work that blocks, which the threads of `async` code must not do.
///
/// - Bound: `limit` pieces of work wait; more are turned away.
final class WorkPool: Sendable {
  private let work = Mailbox<@Sendable () -> Void>()
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  var waiting: Int { work.count }

  /// - Returns: nil when too much waits, or the pool is closed.
  func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result? {
    guard work.count < limit else { return nil }
    return await withCheckedContinuation { continuation in
      let posted = work.post({ continuation.resume(returning: body()) })
      if posted == nil { continuation.resume(returning: nil) }
    }
  }

  func loop() {
    while let batch = work.take(limit: 1) {
      for body in batch { body() }
    }
  }

  func close() { work.close() }
}
