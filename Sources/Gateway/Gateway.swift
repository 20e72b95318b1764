/// The HTTP side of a replica: calls, queries, certified rows, status, metrics.
///
/// - Safety: nothing is answered as certified that does not carry its certificate; a call's
///   signature is checked by the replica, a read's here.
/// - Liveness: a client that stalls is dropped, so it holds no connection for long.
/// - Bound: connections, requests, bodies, answers, headers and reads an address: see
///   `GatewayLimits`.
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle
import Wire

package struct Gateway: Service {
  package struct Configuration: Sendable {
    package var host: String
    /// 0 lets the system choose.
    package var port: Int
    package var tls: TLS?
    package var times = GatewayTimes()
    package var readsPerSecond = GatewayLimits.readsPerSecond

    package init(host: String, port: Int, tls: TLS?) {
      self.host = host
      self.port = port
      self.tls = tls
    }
  }

  /// A certificate and its key, PEM.
  package struct TLS: Sendable {
    package var certificate: String
    package var privateKey: String

    package init(certificate: String, privateKey: String) {
      self.certificate = certificate
      self.privateKey = privateKey
    }
  }

  private let backend: any GatewayBackend
  private let configuration: Configuration
  private let logger: Logger
  private let onReady: @Sendable (_ port: Int) async -> Void

  /// - Parameter onReady: called once it listens, with the port.
  package init(
    backend: any GatewayBackend, configuration: Configuration, logger: Logger,
    onReady: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
  ) {
    self.backend = backend
    self.configuration = configuration
    self.logger = logger
    self.onReady = onReady
  }

  /// Serves until the service is told to stop.
  /// - Throws: when the port is taken or the certificate does not load.
  package func run() async throws {
    let admission = Admission(readsPerSecond: configuration.readsPerSecond)
    let router = Router(context: GatewayContext.self)
    router.add(middleware: Problems())
    Routes(backend: backend, admission: admission).add(to: router)
    let application = Application(
      router: router, server: try server(admission),
      configuration: ApplicationConfiguration(
        address: .hostname(configuration.host, port: configuration.port),
        availableConnectionsDelegate: MaximumAvailableConnections(
          GatewayLimits.connectionsMax, logger: logger)),
      onServerRunning: { [onReady, configuration] channel in
        await onReady(channel.localAddress?.port ?? configuration.port)
      },
      logger: logger)
    try await application.run()
  }

  private func server(_ admission: Admission) throws -> HTTPServerBuilder {
    let times = configuration.times
    let http = HTTP1Channel.Configuration(
      additionalChannelHandlers: [RequestDeadline(times: times, admission: admission)],
      httpDecoderConfiguration: .init(
        maxHeaderFieldSize: GatewayLimits.headerFieldBytesMax,
        maxHeaderListSize: GatewayLimits.headerBytesMax,
        maxHeaderFieldCount: GatewayLimits.headerFieldsMax))
    guard let tls = configuration.tls else {
      return HTTPServerBuilder { responder in
        AcceptedChannel(base: HTTP1Channel(responder: responder, configuration: http))
      }
    }
    let chain = try NIOSSLCertificate.fromPEMBytes(Array(tls.certificate.utf8))
    let key = try NIOSSLPrivateKey(bytes: Array(tls.privateKey.utf8), format: .pem)
    var settings = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    settings.minimumTLSVersion = .tlsv12
    return HTTPServerBuilder { [settings] responder in
      let plain = AcceptedChannel(base: HTTP1Channel(responder: responder, configuration: http))
      return try TLSChannel(plain, tlsConfiguration: settings)
    }
  }
}
