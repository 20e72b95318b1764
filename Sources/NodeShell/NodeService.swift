import Foundation
import Gateway
import Logging
import NIOCore
import ServiceLifecycle
import Wire

/// A node as a service: runs until it fails or is told to stop.
package struct NodeService: Service {
  package let node: Node

  package init(_ node: Node) { self.node = node }

  package func run() async throws {
    try await withTaskCancellationOrGracefulShutdownHandler {
      do throws(NodeFault) {
        try await node.ended()
      } catch {
        await node.stopped()
        throw error
      }
    } onCancelOrGracefulShutdown: {
      _ = Worker("stop") { node.stop() }
    }
  }
}

extension Node {
  /// Stops, and returns when everything has ended.
  package func stopped() async {
    await withCheckedContinuation { continuation in
      _ = Worker("stop") {
        self.stop()
        continuation.resume()
      }
    }
  }

  /// The HTTP side of this node, with the replica's own certificate.
  ///
  /// - Parameter tls: another certificate and its key, PEM.
  package func gateway(
    tls: Gateway.TLS? = nil, logger: Logger,
    onReady: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
  ) -> Gateway {
    let settings = configuration.settings
    return Gateway(
      backend: self,
      configuration: Gateway.Configuration(
        host: settings.httpHost,
        port: Int(settings.httpPort ?? configuration.member.httpPort),
        tls: tls
          ?? Gateway.TLS(
            certificate: configuration.certificatePEM, privateKey: configuration.privateKeyPEM)),
      logger: logger, onReady: onReady)
  }
}

extension Node {
  /// What `quorate replica run` does: runs a replica and its gateway until SIGTERM or SIGINT.
  ///
  /// - Throws: `NodeFault` with what to tell the operator; the process should end with status 1.
  package static func run(
    _ configuration: NodeConfiguration, tls: Gateway.TLS? = nil,
    onReady: @escaping @Sendable (_ httpPort: Int) async -> Void = { _ in }
  ) async throws(NodeFault) {
    let level = Logger.Level(rawValue: configuration.settings.logLevel) ?? .info
    let logger = Logger(label: "quorate") { _ in LineLog(level: level) }
    let once = QuietLog()
    var quiet = Logger(label: "http") { _ in
      var lines = LineLog(level: max(level, .warning))
      lines.quiet = once
      return lines
    }
    quiet[metadataKey: "replica"] = "\(configuration.me)"
    Machine.raiseFileLimit()
    let node = try Node(configuration, logger: logger)
    let gateway = node.gateway(tls: tls, logger: quiet, onReady: onReady)
    var settings = ServiceGroupConfiguration(
      // The last one stops first, which ends event streams and waits that the gateway holds.
      services: [
        .init(
          service: gateway, successTerminationBehavior: .gracefullyShutdownGroup,
          failureTerminationBehavior: .gracefullyShutdownGroup),
        .init(
          service: NodeService(node), successTerminationBehavior: .gracefullyShutdownGroup,
          failureTerminationBehavior: .gracefullyShutdownGroup),
      ], gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
    settings.maximumGracefulShutdownDuration = .seconds(NodeLimits.stopSecondsMax)
    do {
      try await ServiceGroup(configuration: settings).run()
    } catch {
      await node.stopped()
      throw explain(error, configuration)
    }
  }

  private static func explain(
    _ error: any Error, _ configuration: NodeConfiguration
  ) -> NodeFault {
    if let fault = error as? NodeFault { return fault }
    if let error = error as? IOError, error.errnoCode == EADDRINUSE {
      let port = configuration.settings.httpPort ?? configuration.member.httpPort
      return NodeFault(
        "port \(port) for clients is in use: another process listens there. Stop it "
          + "(`ss -ltnp 'sport = :\(port)'` names it), or give this replica another port in "
          + "network.json and replica.json")
    }
    return NodeFault("the replica ended: \(error)")
  }
}
