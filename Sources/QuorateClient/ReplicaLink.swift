import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOTLS
import Signing
import Wire

/// Where one replica's gateway is, and by what it is known.
package struct Endpoint: Sendable, Hashable {
  package var replica: ReplicaID
  package var host: String
  package var port: Int
  /// SHA-256 of the certificate's DER bytes; nil for a gateway without TLS.
  package var fingerprint: Digest?

  package init(replica: ReplicaID, host: String, port: Int, fingerprint: Digest?) {
    self.replica = replica
    self.host = host
    self.port = port
    self.fingerprint = fingerprint
  }
}

/// The kept connections to one replica.
///
/// - Safety: over TLS nothing is sent before the certificate is the pinned one.
/// - Bound: `ClientLimits.connectionsPerReplicaMax` connections; further callers wait in order.
actor ReplicaLink {
  nonisolated let endpoint: Endpoint
  private let context: NIOSSLContext?
  private var idle: [any Channel] = []
  private var open = 0
  private var waiters: [(number: Int, wake: CheckedContinuation<Void, Never>)] = []
  private var waitersEver = 0
  private var isShut = false

  init(_ endpoint: Endpoint, context: NIOSSLContext?) {
    self.endpoint = endpoint
    self.context = context
  }

  /// Sends one request and collects the answer.
  func exchange(_ ask: HTTPAsk) async throws(TransportFault) -> HTTPReply {
    let channel = try await lease()
    do {
      let reply = try await run(ask, on: channel)
      giveBack(channel, isUsable: reply.keepsConnection)
      return reply
    } catch let fault as TransportFault {
      giveBack(channel, isUsable: false)
      throw fault
    } catch {
      giveBack(channel, isUsable: false)
      throw TransportFault(description: "the connection failed: \(reason(error))")
    }
  }

  func shut() {
    isShut = true
    for channel in idle { channel.close(promise: nil) }
    open -= idle.count
    idle = []
    for waiter in waiters { waiter.wake.resume() }
    waiters = []
  }

  private nonisolated func run(_ ask: HTTPAsk, on channel: any Channel) async throws -> HTTPReply {
    let promise = channel.eventLoop.makePromise(of: HTTPReply.self)
    let exchange = Exchange(ask: ask, host: "\(endpoint.host):\(endpoint.port)", reply: promise)
    return try await withTaskCancellationHandler {
      channel.writeAndFlush(exchange).cascadeFailure(to: promise)
      return try await promise.futureResult.get()
    } onCancel: {
      channel.close(promise: nil)
    }
  }

  private func lease() async throws(TransportFault) -> any Channel {
    while open >= ClientLimits.connectionsPerReplicaMax, idle.isEmpty, !isShut {
      guard waiters.count < ClientLimits.waitersPerReplicaMax else {
        throw TransportFault(
          description: "\(waiters.count) requests wait for \(endpoint.replica) already",
          wasNeverSent: true)
      }
      await wait()
      if Task.isCancelled {
        wakeOne()
        throw TransportFault(description: "nobody waits any more", wasNeverSent: true)
      }
    }
    guard !isShut else {
      throw TransportFault(description: "the client is closed", wasNeverSent: true)
    }
    while let channel = idle.popLast() {
      if channel.isActive { return channel }
      open -= 1
    }
    open += 1
    do {
      return try await connect()
    } catch {
      open -= 1
      wakeOne()
      throw TransportFault(
        description: "\(endpoint.host):\(endpoint.port) cannot be reached: \(reason(error))",
        wasNeverSent: true, isRefusedConnection: isRefused(error))
    }
  }

  /// A connection that is closing stays active until both sides said so, and takes no request.
  private func giveBack(_ channel: any Channel, isUsable: Bool) {
    if isUsable, channel.isActive, !isShut {
      idle.append(channel)
    } else {
      channel.close(promise: nil)
      open -= 1
    }
    wakeOne()
  }

  /// Until a connection is given back, or the task is cancelled.
  private func wait() async {
    waitersEver += 1
    let number = waitersEver
    await withTaskCancellationHandler {
      await withCheckedContinuation { waiters.append((number, $0)) }
    } onCancel: {
      Task { await self.wake(number) }
    }
  }

  private func wake(_ number: Int) {
    guard let index = waiters.firstIndex(where: { $0.number == number }) else { return }
    waiters.remove(at: index).wake.resume()
  }

  private func wakeOne() {
    if !waiters.isEmpty { waiters.removeFirst().wake.resume() }
  }

  private nonisolated func connect() async throws -> any Channel {
    let timeout = ClientLimits.connectTimeout.number
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(.microseconds(Int64(timeout)))
      .channelOption(.socketOption(.tcp_nodelay), value: 1)
      .channelInitializer { [self] channel in
        channel.eventLoop.makeCompletedFuture { try prepare(channel) }
      }
    let channel = try await bootstrap.connect(host: endpoint.host, port: endpoint.port).get()
    guard endpoint.fingerprint != nil else { return channel }
    try await channel.pipeline.handler(type: HandshakeWaiter.self)
      .flatMap { $0.finished }.get()
    return channel
  }

  private nonisolated func prepare(_ channel: any Channel) throws {
    let pipeline = channel.pipeline.syncOperations
    if let fingerprint = endpoint.fingerprint, let context {
      let handler = try NIOSSLClientHandler(context: context, serverHostname: nil) {
        certificates, promise in
        let der = certificates.first.flatMap { try? $0.toDERBytes() } ?? []
        let isPinned = sha256(der) == fingerprint
        promise.succeed(isPinned ? .certificateVerified : .failed)
      }
      try pipeline.addHandler(handler)
      try pipeline.addHandler(HandshakeWaiter(channel.eventLoop))
    }
    try pipeline.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
    try pipeline.addHandler(ExchangeHandler())
  }

  /// TLS 1.3 whose peer is checked against a pinned certificate alone.
  static func tlsContext() throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv13
    configuration.certificateVerification = .noHostnameVerification
    configuration.trustRoots = .certificates([])
    configuration.verifySignatureAlgorithms = [.ed25519]
    return try NIOSSLContext(configuration: configuration)
  }
}

/// Whether every address answered that nothing listens there.
private func isRefused(_ error: any Error) -> Bool {
  switch error {
  case let connection as NIOConnectionError:
    !connection.connectionErrors.isEmpty
      && connection.connectionErrors.allSatisfy { isRefused($0.error) }
  case let system as IOError: system.errnoCode == ECONNREFUSED
  default: false
  }
}

/// The library's error in words for people.
private func reason(_ error: any Error) -> String {
  switch error {
  case let fault as TransportFault: return fault.description
  case let connection as NIOConnectionError:
    guard let first = connection.connectionErrors.first else { return "its name is unknown" }
    return reason(first.error)
  case let system as IOError: return String(cString: strerror(system.errnoCode))
  case is ChannelError: return "no connection in time"
  case is NIOSSLError, is BoringSSLError:
    return "its certificate is not the one that the network file names, or it speaks no TLS 1.3"
  default: return "\(error)"
  }
}
