import NIOPosix

/// What a test waited for and did not see.
package struct NeverHeld: Error {
  package let condition: String
}

/// Waits until a condition holds, looking every 2 ms and leaving the threads to others meanwhile.
///
/// - Throws: `NeverHeld` after five minutes, so that what does not come fails and hangs nothing.
package func eventually(
  _ condition: String, _ holds: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now + .seconds(300)
  while try await !holds() {
    guard ContinuousClock.now < end else { throw NeverHeld(condition: condition) }
    try await Task.sleep(for: .milliseconds(2))
  }
}

/// Threads for what blocks: as many as tests may block at once, whatever the machine's cores.
private let blockingThreads = {
  let pool = NIOThreadPool(numberOfThreads: 64)
  pool.start()
  return pool
}()

/// Work that blocks its thread, off those on which tasks run.
package func blocking<Value: Sendable>(
  _ work: @escaping @Sendable () throws -> Value
) async throws -> Value {
  try await blockingThreads.runIfActive(work)
}
