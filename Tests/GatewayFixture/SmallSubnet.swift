import Certification
import Gateway
import Logging
import Signing
import Wire

/// A small subnet with a real gateway for each replica, on free ports of the loopback interface.
package struct SmallSubnet: Sendable {
  package let ledger: SmallState
  package let replicas: [SmallReplica]
  package let network: Network
  package let owner: KeyPair

  package var ports: [Int] { network.members.map { Int($0.httpPort) } }

  /// Runs `body` while the gateways of `size` replicas serve.
  package static func serving<Result: Sendable>(
    size: Int = 4, tls: Bool = false, times: GatewayTimes = GatewayTimes(),
    _ body: @Sendable (SmallSubnet) async throws -> Result
  ) async throws -> Result {
    let keys = (0..<size).map { _ in KeyPair.generate() }
    let owner = KeyPair.generate()
    let ledger = SmallState(keys: keys, owner: owner)
    let replicas = (0..<size).map { SmallReplica(id: ReplicaID(UInt16($0)), ledger: ledger) }
    let identities = try (0..<size).map { try TransportIdentity.make(name: "r\($0)") }
    let (ready, listening) = AsyncStream<(Int, Int)>.makeStream()
    return try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, replica) in replicas.enumerated() {
        var configuration = Gateway.Configuration(
          host: "127.0.0.1", port: 0,
          tls: tls
            ? .init(
              certificate: identities[index].certificatePEM,
              privateKey: identities[index].privateKeyPEM) : nil)
        configuration.times = times
        var logger = Logger(label: "gateway.\(index)")
        logger.logLevel = .critical
        let gateway = Gateway(backend: replica, configuration: configuration, logger: logger) {
          listening.yield((index, $0))
        }
        group.addTask { try await gateway.run() }
      }
      var ports = [Int](repeating: 0, count: size)
      var waiting = size
      for await (index, port) in ready {
        ports[index] = port
        waiting -= 1
        if waiting == 0 { break }
      }
      let network = try network(ledger.genesis, identities, ports)
      for replica in replicas { replica.publish(network.json) }
      let subnet = SmallSubnet(
        ledger: ledger, replicas: replicas, network: network, owner: owner)
      defer { group.cancelAll() }
      return try await body(subnet)
    }
  }

  private static func network(
    _ genesis: Genesis, _ identities: [TransportIdentity], _ ports: [Int]
  ) throws -> Network {
    let members = genesis.members.enumerated().map { index, key in
      Network.Member(
        id: ReplicaID(UInt16(index)), key: key, host: "127.0.0.1", peerPort: 1,
        httpPort: UInt16(ports[index]), certificate: identities[index].certificatePEM,
        fingerprint: identities[index].fingerprint)
    }
    return try Network(genesis: genesis, members: members)
  }
}
