import Certification
import Foundation
import Gateway
import Glibc
import Logging
import NodeShell
import Signing
import Synchronization
import Testing
import Wire

/// A subnet of real replicas in this process: real sockets, files, threads and clocks.
final class Cluster {
  let folder: URL
  let network: Network
  let operatorKey: KeyPair
  private(set) var nodes: [Node?]
  let log = Lines()

  /// What the replicas logged.
  final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func contains(_ part: String) -> Bool { all.contains { $0.contains(part) } }
    var logger: Logger {
      Logger(label: "test") { _ in
        LineLog(level: .debug) { line in self.lines.withLock { $0.append(line) } }
      }
    }
  }

  init(size: Int, _ change: (inout ReplicaSettings) -> Void = { _ in }) throws {
    folder = FileManager.default.temporaryDirectory.appending(
      path: "quorate-cluster-\(UUID().uuidString)")
    var settings = ReplicaSettings()
    settings.diskReserveBytes = 0
    change(&settings)
    network = try ClusterFolder.create(
      folder, replicas: size, basePort: try freeBasePort(2 * size), settings: settings)
    let file = folder.appending(path: "identities/operator.key")
    let seed = try String(contentsOf: file, encoding: .utf8).trimmingCharacters(in: .newlines)
    operatorKey = try #require([UInt8](hex: seed).flatMap { KeyPair(seed: $0) })
    nodes = Array(repeating: nil, count: size)
  }

  deinit {
    for node in nodes { node?.stop() }
    try? FileManager.default.removeItem(at: folder)
  }

  var check: ClientCheck { ClientCheck(committee: network.committee) }
  func folder(of index: Int) -> URL {
    ClusterFolder.replica(ReplicaID(UInt16(index)), in: folder)
  }

  @discardableResult
  func start(_ index: Int) throws -> Node {
    let node = try Node(
      try NodeConfiguration.load(directory: folder(of: index)), logger: log.logger)
    nodes[index] = node
    return node
  }

  @discardableResult
  func startAll() throws -> [Node] { try nodes.indices.map { try start($0) } }

  func stop(_ index: Int) {
    nodes[index]?.stop()
    nodes[index] = nil
  }

  /// A transfer of some cycles from the operator to a new key: the smallest update there is.
  func transfer(
    _ key: String, amount: Cycles = 1_000, from sender: KeyPair? = nil, lifetime: UInt64 = 60_000
  ) -> SignedCall {
    let sender = sender ?? operatorKey
    let call = Call(
      subnet: network.subnet, pipeline: "",
      method: .transfer(to: KeyPair.generate().publicKey, amount), bodyDigest: sha256([]),
      bodyBytes: 0, idempotencyKey: key, sender: sender.publicKey,
      expiry: now.advanced(by: lifetime), stepLimit: 0)
    return SignedCall(call: call, body: [], signature: Signer.ed25519(sender).sign(call))
  }

  var now: Moment { Moment(UInt64(Date().timeIntervalSince1970 * 1_000)) }
}

extension Node {
  /// Submits and waits for the certificate.
  func apply(_ call: SignedCall, patience: Span = .seconds(60)) async throws -> CertifiedReceipt {
    let progress = await submit(call, patience: patience)
    guard case .done(let receipt) = progress else {
      let status = await status()
      throw Unexpected("\(progress) \(status.awaiting)")
    }
    return receipt
  }

  /// Waits until this replica can tell what became of a call.
  func receipt(of call: SignedCall, patience: Span = .seconds(60)) async throws -> CertifiedReceipt
  {
    let progress = await progress(of: call.call.digest, patience: patience)
    guard case .done(let receipt) = progress else {
      let status = await status()
      throw Unexpected("\(progress) \(status.phase) \(status.awaiting)")
    }
    return receipt
  }
}

struct Unexpected: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// The first of so many neighbouring ports that are all free, below those of `cluster init`.
func freeBasePort(_ count: Int) throws -> UInt16 {
  for _ in 0..<200 {
    let base = UInt16.random(in: 10_000...(26_000 - UInt16(count)))
    if (0..<UInt16(count)).allSatisfy({ isFree(base + $0) }) { return base }
  }
  throw Unexpected("no \(count) free ports in a row")
}

private func isFree(_ port: UInt16) -> Bool {
  guard let socket = listen(on: port) else { return false }
  close(socket)
  return true
}

/// - Returns: a listening socket; nil when the port is taken.
func listen(on port: UInt16) -> Int32? {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  var address = localhost(port)
  let bound = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
    }
  }
  guard bound, Glibc.listen(descriptor, 1) == 0 else {
    close(descriptor)
    return nil
  }
  return descriptor
}

/// - Returns: a connection to a local port that has said some bytes and stays open.
func open(_ port: UInt16, saying bytes: [UInt8]) throws -> Int32 {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  var address = localhost(port)
  let connected = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
    }
  }
  guard connected else {
    close(descriptor)
    throw Unexpected("nobody listens on port \(port)")
  }
  _ = bytes.withUnsafeBytes {
    Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
  }
  return descriptor
}

/// Sends bytes to a local port and waits for the other end to close.
func send(_ bytes: [UInt8], to port: UInt16) {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var patience = timeval(tv_sec: 10, tv_usec: 0)
  setsockopt(
    descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
  var address = localhost(port)
  let connected = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
    }
  }
  guard connected else { return }
  _ = bytes.withUnsafeBytes {
    Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
  }
  shutdown(descriptor, Int32(SHUT_WR))
  var buffer = [UInt8](repeating: 0, count: 4_096)
  while recv(descriptor, &buffer, buffer.count, 0) > 0 {}
}

private func localhost(_ port: UInt16) -> sockaddr_in {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  return address
}
