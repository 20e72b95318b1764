import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Signing
import Testing
import Wire

@testable import Transport

/// A list that grows on other threads and that a test waits on.
final class Record<Element: Sendable>: @unchecked Sendable {
  private let condition = NSCondition()
  private var elements: [Element] = []

  func append(_ new: [Element]) {
    condition.lock()
    elements.append(contentsOf: new)
    condition.broadcast()
    condition.unlock()
  }

  var all: [Element] {
    condition.lock()
    defer { condition.unlock() }
    return elements
  }

  /// - Returns: whether the list came to satisfy this within the time.
  func wait(seconds: Double = 20, until satisfied: ([Element]) -> Bool) -> Bool {
    let end = Date(timeIntervalSinceNow: seconds)
    condition.lock()
    defer { condition.unlock() }
    while !satisfied(elements) {
      if !condition.wait(until: end) { return satisfied(elements) }
    }
    return true
  }
}

/// Identities and addresses of a few replicas.
struct Town {
  let identities: [TransportIdentity]
  var members: [LinkMember]
  let subnet = sha256([7])

  init(size: Int) throws {
    let ports = try freePorts(size)
    identities = try (0..<size).map { try TransportIdentity.make(name: "replica-\($0)") }
    members = zip(identities, ports).enumerated().map { index, pair in
      LinkMember(
        id: ReplicaID(UInt16(index)), host: "127.0.0.1", port: pair.1,
        certificatePEM: pair.0.certificatePEM)
    }
  }

  func setup(_ index: Int, _ change: (inout LinkLimits) -> Void = { _ in }) -> LinkSetup {
    var setup = LinkSetup(
      me: ReplicaID(UInt16(index)), subnet: subnet, members: members,
      certificatePEM: identities[index].certificatePEM,
      privateKeyPEM: identities[index].privateKeyPEM, listenHost: "127.0.0.1",
      listenPort: members[index].port)
    change(&setup.limits)
    return setup
  }
}

/// Ports that nothing listens on now.
func freePorts(_ count: Int) throws -> [Int] {
  let group = MultiThreadedEventLoopGroup.singleton
  let channels = try (0..<count).map { _ in
    try ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).wait()
  }
  let ports = channels.compactMap { $0.localAddress?.port }
  for channel in channels { try channel.close().wait() }
  return ports
}

/// Links with what they reported.
final class Station: Sendable {
  let links: Links
  let events = Record<LinkEvent>()
  let arrivals = Record<Arrival>()

  init(_ setup: LinkSetup, version: UInt32 = LinkLimits.protocolVersion) throws {
    let (events, arrivals) = (events, arrivals)
    links = try Links(
      setup, version: version, events: { events.append([$0]) }, arrivals: { arrivals.append($0) })
  }

  func isUp(_ peer: ReplicaID) -> Bool { events.wait { $0.contains(.up(peer)) } }

  func wasRefused(_ part: String) -> Bool {
    events.wait {
      $0.contains { if case .refused(_, let why) = $0 { why.contains(part) } else { false } }
    }
  }

  func send(_ message: Message, to destination: Destination = .all) {
    links.send([(framed(message), destination)])
  }
}

/// - Precondition: the message is within the limit, as all of these tests are.
func framed(_ message: Message) -> Frame {
  guard let frame = Frame(message) else { preconditionFailure("over the limit: \(message)") }
  return frame
}

func announcement(_ number: UInt8, count: Int = 1) -> Message {
  .announce((0..<count).map { _ in sha256([number]) })
}

/// A connection that says what a test wants, through TLS as a member or in plain bytes.
final class Intruder: Sendable {
  let channel: any Channel
  private let closed = Record<Bool>()

  /// - Parameter setup: whose identity to show; nil connects without TLS.
  init(to member: LinkMember, as setup: LinkSetup?) throws {
    let closed = closed
    channel = try ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelInitializer { channel in
        channel.closeFuture.whenComplete { _ in closed.append([true]) }
        return channel.eventLoop.makeCompletedFuture {
          guard let setup else { return }
          let handler = try Credentials(setup).dialling(member.id, into: ProvenPeer())
          try channel.pipeline.syncOperations.addHandler(handler)
        }
      }
      .connect(host: member.host, port: member.port).wait()
  }

  func say(_ bytes: [UInt8]) {
    channel.writeAndFlush(ByteBuffer(bytes: bytes)).whenFailure { _ in }
  }

  func say(frame bytes: [UInt8]) {
    channel.writeAndFlush(Frame.framed(bytes)).whenFailure { _ in }
  }

  func isClosed(within seconds: Double = 20) -> Bool {
    closed.wait(seconds: seconds) { !$0.isEmpty }
  }
  func end() { channel.close(promise: nil) }
}
