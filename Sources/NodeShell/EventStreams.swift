import Gateway
import Synchronization

/// Who follows the events of this replica.
///
/// - Bound: `eventStreamsMax` followers, each with a buffer of `eventsBuffered` that loses its
///   oldest.
final class EventStreams: Sendable {
  private struct State {
    var followers: [UInt64: AsyncStream<GatewayEvent>.Continuation] = [:]
    var next: UInt64 = 0
    var isClosed = false
  }

  private let state = Mutex(State())

  var isEmpty: Bool { state.withLock { $0.followers.isEmpty } }

  /// A stream that ends at once when there are too many or the replica stops.
  func follow() -> AsyncStream<GatewayEvent> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: GatewayEvent.self, bufferingPolicy: .bufferingNewest(NodeLimits.eventsBuffered))
    let id: UInt64? = state.withLock { state in
      guard !state.isClosed, state.followers.count < NodeLimits.eventStreamsMax else { return nil }
      state.next += 1
      state.followers[state.next] = continuation
      return state.next
    }
    guard let id else {
      continuation.finish()
      return stream
    }
    continuation.onTermination = { [weak self] _ in
      _ = self?.state.withLock { $0.followers.removeValue(forKey: id) }
    }
    return stream
  }

  func send(_ event: GatewayEvent) {
    let followers = state.withLock { Array($0.followers.values) }
    for follower in followers { follower.yield(event) }
  }

  func close() {
    let followers = state.withLock { state in
      state.isClosed = true
      return Array(state.followers.values)
    }
    for follower in followers { follower.finish() }
  }
}
