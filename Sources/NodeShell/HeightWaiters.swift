import Synchronization
import Wire

/// Clients that wait until a height can be read.
///
/// - Liveness: each is resumed once, by the height or by the end of its patience.
/// - Bound: `waitersMax`.
final class HeightWaiters: Sendable {
  private struct Waiter {
    let height: Height
    let deadline: UInt64
    let resume: CheckedContinuation<Void, Never>
  }

  private struct State {
    var waiters: [Waiter] = []
    var highest: Height = 0
    var isClosed = false
  }

  private let state = Mutex(State())

  var count: Int { state.withLock { $0.waiters.count } }

  /// - Parameter deadline: monotonic nanoseconds.
  func wait(for height: Height, until deadline: UInt64) async {
    await withCheckedContinuation { continuation in
      let waits = state.withLock { state in
        guard state.highest < height, !state.isClosed, deadline > Clocks.monotonic,
          state.waiters.count < NodeLimits.waitersMax
        else { return false }
        state.waiters.append(Waiter(height: height, deadline: deadline, resume: continuation))
        return true
      }
      if !waits { continuation.resume() }
    }
  }

  func reached(_ height: Height) {
    state.withLock { $0.highest = max($0.highest, height) }
    resume { $0.height <= height }
  }

  func sweep(now: UInt64) { resume { $0.deadline <= now } }

  func close() {
    state.withLock { $0.isClosed = true }
    resume { _ in true }
  }

  private func resume(_ ends: (Waiter) -> Bool) {
    let ended = state.withLock { state -> [Waiter] in
      guard !state.waiters.isEmpty else { return [] }
      let ended = state.waiters.filter(ends)
      state.waiters.removeAll(where: ends)
      return ended
    }
    for waiter in ended { waiter.resume.resume() }
  }
}
