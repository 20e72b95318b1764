import Signing
import Synchronization
import Wire

/// Calls that were verified lately: bodies come ahead of a block and beside its proposal, and by
/// more than one client's try, and a signature takes longer to check than all the rest.
///
/// - Safety: gives back only what was verified, by the digest that names it with its body.
/// - Bound: `verifiedCallsRemembered` calls with `verifiedBytesRemembered` bytes of bodies.
final class RecentCalls: Sendable {
  fileprivate struct State {
    var calls: [Digest: VerifiedCall] = [:]
    /// In the order in which they came; `first` is the oldest that is remembered.
    var order: [Digest] = []
    var first = 0
    var bytes = 0
  }

  private let state = Mutex(State())

  subscript(_ digest: Digest) -> VerifiedCall? { state.withLock { $0.calls[digest] } }

  func remember(_ call: VerifiedCall) {
    let size = call.signed.body.count
    guard size <= NodeLimits.verifiedBytesRemembered / 8 else { return }
    state.withLock { state in
      guard state.calls.updateValue(call, forKey: call.digest) == nil else { return }
      state.order.append(call.digest)
      state.bytes += size
      while state.calls.count > NodeLimits.verifiedCallsRemembered
        || state.bytes > NodeLimits.verifiedBytesRemembered
      {
        state.forgetOldest()
      }
    }
  }
}

extension RecentCalls.State {
  fileprivate mutating func forgetOldest() {
    let oldest = calls.removeValue(forKey: order[first])
    bytes -= oldest?.signed.body.count ?? 0
    first += 1
    guard first >= 4_096 else { return }
    order.removeFirst(first)
    first = 0
  }
}
