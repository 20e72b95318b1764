import Synchronization
import Wire

/// Keeps one replica's HTTP side within its bounds, whoever asks how much.
///
/// - Safety: what is admitted is given back exactly once, when its `Permit` goes.
/// - Bound: `GatewayLimits.requestsMax` requests, `bodyBytesInFlightMax` bytes of bodies, and a
///   bucket a client address for reads; `addressesMax` addresses are remembered.
package final class Admission: Sendable {
  private struct State {
    var requests = 0
    var bodyBytes = 0
    var eventStreams = 0
    var connections: [String: Int] = [:]
    var buckets: [String: Bucket] = [:]
  }

  private struct Bucket {
    var tokens: Double
    var filled: Moment
  }

  private let state = Mutex(State())

  private let readsPerSecond: Int

  /// - Parameter readsPerSecond: of one address, with bursts of twice as many.
  package init(readsPerSecond: Int = GatewayLimits.readsPerSecond) {
    self.readsPerSecond = readsPerSecond
  }

  package var requests: Int { state.withLock { $0.requests } }

  /// Admits one request whose body may have `bodyBytes`.
  package func enter(bodyBytes: Int) throws(Problem) -> Permit {
    let admitted = state.withLock { state in
      guard state.requests < GatewayLimits.requestsMax,
        state.bodyBytes + bodyBytes <= GatewayLimits.bodyBytesInFlightMax
      else { return false }
      state.requests += 1
      state.bodyBytes += bodyBytes
      return true
    }
    guard admitted else {
      throw Problem(
        503, "OVERLOADED",
        "this replica works on as many requests as it may: ask another replica, or later",
        retryAfter: GatewayLimits.retryAfterSeconds)
    }
    return Permit { [self] in
      state.withLock { state in
        state.requests -= 1
        state.bodyBytes -= bodyBytes
      }
    }
  }

  /// Takes one token of the address's bucket.
  package func read(from address: String, at now: Moment) throws(Problem) {
    let admitted = state.withLock { state in
      if state.buckets[address] == nil, state.buckets.count >= GatewayLimits.addressesMax {
        state.buckets.removeAll(keepingCapacity: true)
      }
      let burst = 2 * Double(readsPerSecond)
      var bucket = state.buckets[address] ?? Bucket(tokens: burst, filled: now)
      let earned = Double(now.above(bucket.filled)) * Double(readsPerSecond) / 1_000
      bucket.tokens = min(burst, bucket.tokens + earned)
      bucket.filled = max(bucket.filled, now)
      let isFull = bucket.tokens >= 1
      if isFull { bucket.tokens -= 1 }
      state.buckets[address] = bucket
      return isFull
    }
    guard admitted else {
      throw Problem(
        429, "TOO_MANY_READS",
        "more than \(readsPerSecond) reads a second from one address: slow down",
        retryAfter: GatewayLimits.retryAfterSeconds)
    }
  }

  package func openEvents() throws(Problem) -> Permit {
    let admitted = state.withLock { state in
      guard state.eventStreams < GatewayLimits.eventStreamsMax else { return false }
      state.eventStreams += 1
      return true
    }
    guard admitted else {
      throw Problem(
        503, "OVERLOADED",
        "\(GatewayLimits.eventStreamsMax) clients follow the events already: ask another replica",
        retryAfter: GatewayLimits.retryAfterSeconds)
    }
    return Permit { [self] in state.withLock { $0.eventStreams -= 1 } }
  }

  /// Counts a connection of an address.
  /// - Returns: nil when the address or all together have as many as they may.
  package func connect(_ address: String) -> Permit? {
    let admitted = state.withLock { state in
      let count = state.connections[address] ?? 0
      guard count < GatewayLimits.connectionsPerAddressMax else { return false }
      state.connections[address] = count + 1
      return true
    }
    guard admitted else { return nil }
    return Permit { [self] in
      state.withLock { state in
        let left = (state.connections[address] ?? 1) - 1
        state.connections[address] = left == 0 ? nil : left
      }
    }
  }
}

/// A share of the gateway's bounds, given back when the last reference goes.
package final class Permit: Sendable {
  private let giveBack: @Sendable () -> Void
  init(_ giveBack: @escaping @Sendable () -> Void) { self.giveBack = giveBack }
  deinit { giveBack() }
}
