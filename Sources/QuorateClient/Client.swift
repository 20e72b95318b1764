/// The client of a subnet: submits updates, asks queries, and believes only what it has checked.
///
/// - Safety: nothing is returned whose signatures, digests and proofs did not hold against the
///   network's keys; a refusal is final only with a certificate.
/// - Liveness: up to `f` replicas that are silent, slow or lying are passed over.
/// - Bound: connections, answers and tries: see `ClientLimits`.
import Certification
import Glibc
import NIOSSL
import Signing
import Synchronization
import Wire

public final class Client: Sendable {
  package let network: Network
  package let committee: Committee
  let signer: Signer?
  let check: ClientCheck
  let clock: @Sendable () -> Moment
  private let links: [ReplicaLink]
  private let order: Mutex<Order>
  /// How long a submission takes of late, smoothed; hedging follows it.
  private let pace = Mutex(Span(0))

  /// Whom to ask first: those that failed lately come last.
  private struct Order {
    var turn = 0
    var penalties: [Int]
  }

  /// - Parameters:
  ///   - identity: signs calls and reads; nil for what is public.
  ///   - usesTLS: false for gateways that run without TLS, behind a proxy for example.
  package init(
    network: Network, identity: KeyPair?, usesTLS: Bool = true,
    clock: @escaping @Sendable () -> Moment = systemClock
  ) throws(ClientFailure) {
    self.network = network
    committee = network.committee
    check = ClientCheck(committee: network.committee)
    signer = identity.map { .ed25519($0) }
    self.clock = clock
    do {
      let context = usesTLS ? try ReplicaLink.tlsContext() : nil
      links = network.members.map { member in
        let endpoint = Endpoint(
          replica: member.id, host: member.host, port: Int(member.httpPort),
          fingerprint: usesTLS ? member.fingerprint : nil)
        return ReplicaLink(endpoint, context: context)
      }
    } catch {
      throw ClientFailure(
        .invalid, "TLS", what: "no client can be made", why: "TLS did not start: \(error)",
        next: "")
    }
    // Clients that live for one call begin with different replicas.
    let turn = Int(clock().number % UInt64(network.members.count))
    order = Mutex(Order(turn: turn, penalties: Array(repeating: 0, count: network.members.count)))
  }

  /// Closes all connections. Requests under way fail.
  public func close() async {
    for link in links { await link.shut() }
  }

  package var subnet: SubnetID { network.subnet }

  /// All replicas: each call begins with the next one, those that failed lately are last.
  func candidates() -> [ReplicaID] {
    order.withLock { order in
      order.turn &+= 1
      let count = order.penalties.count
      let turned = (0..<count).map { ($0 + order.turn) % count }
      let sorted = turned.enumerated().sorted { a, b in
        (order.penalties[a.element], a.offset) < (order.penalties[b.element], b.offset)
      }
      return sorted.map { ReplicaID(UInt16($0.element)) }
    }
  }

  /// How long one replica has for a certificate before the call is offered to another beside it:
  /// a subnet that is slow because it is busy must not get everything twice.
  var submissionHedge: Span {
    let usual = pace.withLock { $0 }.number
    return Span(
      min(
        max(3 * usual, ClientLimits.submissionHedgeAfter.number),
        ClientLimits.submissionHedgeMax.number))
  }

  func took(_ span: Span) {
    pace.withLock { $0 = Span(($0.number * 7 + span.number) / 8) }
  }

  func praise(_ replica: ReplicaID) {
    order.withLock { $0.penalties[replica.index] = 0 }
  }

  func penalize(_ replica: ReplicaID) {
    order.withLock { $0.penalties[replica.index] = min(8, $0.penalties[replica.index] + 1) }
  }

  /// Sends one request to one replica.
  func exchange(_ ask: HTTPAsk, with replica: ReplicaID) async throws(ReplicaFault) -> HTTPReply {
    do throws(TransportFault) {
      let reply = try await links[replica.index].exchange(ask)
      praise(replica)
      return reply
    } catch {
      if !Task.isCancelled { penalize(replica) }
      throw .transport(error)
    }
  }

  /// Reads canonical bytes of an answer, or the refusal in their place.
  func value<Value: Canonical>(
    _ type: Value.Type, of reply: HTTPReply
  ) throws(ReplicaFault) -> Value {
    guard reply.mediaType == MediaType.canonical else { throw refusal(in: reply) }
    do throws(Malformed) {
      return try Value(canonicalBytes: reply.body)
    } catch {
      throw .untrusted("the bytes are malformed (\(error.what))")
    }
  }

  func refusal(in reply: HTTPReply) -> ReplicaFault {
    guard reply.mediaType == MediaType.refusal,
      let refusal = try? Refusal(canonicalBytes: reply.body)
    else {
      return .transport(
        TransportFault(description: "status \(reply.status) without a reason that can be read"))
    }
    return .refused(refusal, status: reply.status, readable: Self.range(reply))
  }

  private static func range(_ reply: HTTPReply) -> ClosedRange<Height>? {
    let parts = (reply.header(EnvelopeField.readable) ?? "").split(separator: "-")
    guard parts.count == 2, let low = UInt64(parts[0]), let high = UInt64(parts[1]), low <= high
    else { return nil }
    return Height(low)...Height(high)
  }
}

/// The system's clock: milliseconds since 1970.
package func systemClock() -> Moment {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Moment(UInt64(max(0, time.tv_sec)) * 1_000 + UInt64(max(0, time.tv_nsec)) / 1_000_000)
}
