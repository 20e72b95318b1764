import Synchronization
import Wire

/// Keeps one replica's HTTP side within its bounds, whoever asks how much.
///
/// - Safety: what is admitted is given back exactly once, when its `Permit` goes.
/// - Liveness: no address has all of anything, and reads take nothing from calls.
/// - Bound: so many connections, calls, reads, and bytes of bodies as `GatewayLimits` says, in all
///   and of one address; a bucket a client address for reads; `addressesMax` addresses are
///   remembered.
package final class Admission: Sendable {
  package enum Kind { case call, read }

  private struct Bucket {
    var tokens: Double
    var filled: Moment
  }

  private let calls = Pool(
    most: GatewayLimits.requestsMax, share: GatewayLimits.callsPerAddressMax)
  private let reads = Pool(
    most: GatewayLimits.requestsMax, share: GatewayLimits.readsPerAddressMax)
  private let bodyBytes = Pool(
    most: GatewayLimits.bodyBytesInFlightMax, share: GatewayLimits.bodyBytesPerAddressMax)
  private let connections = Pool(
    most: GatewayLimits.connectionsMax, share: GatewayLimits.connectionsPerAddressMax)
  private let eventStreams = Pool(
    most: GatewayLimits.eventStreamsMax, share: GatewayLimits.eventStreamsPerAddressMax)
  private let buckets = Mutex<[String: Bucket]>([:])

  private let readsPerSecond: Int

  /// - Parameter readsPerSecond: of one address, with bursts of twice as many.
  package init(readsPerSecond: Int = GatewayLimits.readsPerSecond) {
    self.readsPerSecond = readsPerSecond
  }

  package var requests: Int { calls.taken + reads.taken }

  /// Admits one request, whose body is counted as it arrives.
  package func enter(_ kind: Kind, from address: String) throws(Problem) -> Admitted {
    let pool = kind == .call ? calls : reads
    let request = Permit(of: pool, for: address)
    do throws(Pool.Full) { try request.grow(by: 1) } catch {
      throw Self.problem(error, "\(pool.share) requests of one address are being worked on")
    }
    return Admitted(request: request, body: Permit(of: bodyBytes, for: address))
  }

  fileprivate static func problem(_ full: Pool.Full, _ ofShare: String) -> Problem {
    switch full {
    case .share:
      Problem(
        429, "TOO_MUCH_AT_ONCE", "\(ofShare): wait for their answers, or ask for less at once",
        retryAfter: GatewayLimits.retryAfterSeconds)
    case .all:
      Problem(
        503, "OVERLOADED",
        "this replica works on as many requests as it may: ask another replica, or later",
        retryAfter: GatewayLimits.retryAfterSeconds)
    }
  }

  /// Takes one token of the address's bucket.
  package func read(from address: String, at now: Moment) throws(Problem) {
    let admitted = buckets.withLock { buckets in
      if buckets[address] == nil, buckets.count >= GatewayLimits.addressesMax {
        buckets.removeAll(keepingCapacity: true)
      }
      let burst = 2 * Double(readsPerSecond)
      var bucket = buckets[address] ?? Bucket(tokens: burst, filled: now)
      let earned = Double(now.above(bucket.filled)) * Double(readsPerSecond) / 1_000
      bucket.tokens = min(burst, bucket.tokens + earned)
      bucket.filled = max(bucket.filled, now)
      let isFull = bucket.tokens >= 1
      if isFull { bucket.tokens -= 1 }
      buckets[address] = bucket
      return isFull
    }
    guard admitted else {
      throw Problem(
        429, "TOO_MANY_READS",
        "more than \(readsPerSecond) reads a second from one address: slow down",
        retryAfter: GatewayLimits.retryAfterSeconds)
    }
  }

  package func openEvents(from address: String) throws(Problem) -> Permit {
    let permit = Permit(of: eventStreams, for: address)
    do throws(Pool.Full) { try permit.grow(by: 1) } catch {
      throw Self.problem(error, "\(eventStreams.share) clients of one address follow the events")
    }
    return permit
  }

  /// Counts a connection of an address.
  /// - Returns: nil when the address or all together have as many as they may.
  package func connect(_ address: String) -> Permit? {
    let permit = Permit(of: connections, for: address)
    do throws(Pool.Full) { try permit.grow(by: 1) } catch { return nil }
    return permit
  }
}

/// A request at work, with what has come of its body.
package struct Admitted: Sendable {
  fileprivate let request: Permit
  fileprivate let body: Permit

  /// Counts more bytes of the body.
  package func receive(_ bytes: Int) throws(Problem) {
    do throws(Pool.Full) { try body.grow(by: bytes) } catch {
      var problem = Admission.problem(
        error,
        "requests of one address may have \(GatewayLimits.bodyBytesPerAddressMax) bytes at once")
      problem.closesConnection = true
      throw problem
    }
  }
}

/// So much of something for all, and so much of that for one address.
private final class Pool: Sendable {
  enum Full: Error { case share, all }

  private struct State {
    var taken = 0
    var byAddress: [String: Int] = [:]
  }

  let share: Int
  private let most: Int
  private let state = Mutex(State())

  init(most: Int, share: Int) {
    self.most = most
    self.share = share
  }

  var taken: Int { state.withLock { $0.taken } }

  func take(_ amount: Int, for address: String) throws(Full) {
    let full = state.withLock { state -> Full? in
      let held = state.byAddress[address] ?? 0
      guard held + amount <= share else { return .share }
      guard state.taken + amount <= most else { return .all }
      state.taken += amount
      state.byAddress[address] = held + amount
      return nil
    }
    if let full { throw full }
  }

  func giveBack(_ amount: Int, of address: String) {
    state.withLock { state in
      state.taken -= amount
      let left = (state.byAddress[address] ?? amount) - amount
      state.byAddress[address] = left == 0 ? nil : left
    }
  }
}

/// A share of the gateway's bounds, given back when the last reference goes.
package final class Permit: Sendable {
  private let pool: Pool
  private let address: String
  private let amount = Mutex(0)

  fileprivate init(of pool: Pool, for address: String) {
    self.pool = pool
    self.address = address
  }

  fileprivate func grow(by more: Int) throws(Pool.Full) {
    try pool.take(more, for: address)
    amount.withLock { $0 += more }
  }

  deinit { pool.giveBack(amount.withLock { $0 }, of: address) }
}
