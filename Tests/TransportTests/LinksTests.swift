import Foundation
import NIOCore
import NIOPosix
import Signing
import Testing
import Wire

@testable import Transport

/// Says hello when it is spoken to, and closes.
private final class Fickle: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer
  private let hello: Hello

  init(_ hello: Hello) { self.hello = hello }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    context.writeAndFlush(wrapOutboundOut(Frame.framed(hello.canonicalBytes)), promise: nil)
    context.close(promise: nil)
  }
}

/// Says hello when it is spoken to, and then frames without content.
private final class Chatterbox: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer
  private let hello: Hello
  private let frames: Int
  private var hasSpoken = false

  init(_ hello: Hello, frames: Int) {
    self.hello = hello
    self.frames = frames
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !hasSpoken else { return }
    hasSpoken = true
    var buffer = Frame.framed(hello.canonicalBytes)
    buffer.writeRepeatingByte(0, count: frames * Frame.heartbeat.readableBytes)
    context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
  }
}

@Suite(.serialized) struct `Links between replicas` {
  @Test func `carry messages to one and to all with the sender's name`() throws {
    let town = try Town(size: 3)
    let stations = try (0..<3).map { try Station(town.setup($0)) }
    defer { for station in stations { station.links.stop() } }
    #expect(stations[0].isUp(1) && stations[0].isUp(2))
    stations[0].send(announcement(1), to: .one(1))
    stations[0].send(announcement(2, count: 2_000))
    #expect(stations[1].arrivals.wait { $0.count == 2 })
    #expect(stations[2].arrivals.wait { $0.count == 1 })
    let received = stations[1].arrivals.all
    #expect(received.map(\.peer) == [0, 0])
    #expect(received.map(\.message) == [announcement(1), announcement(2, count: 2_000)])
    let statistics = stations[0].links.statistics
    #expect(statistics[1].messagesOut == 2 && statistics[1].isUp)
    #expect(stations[1].links.statistics[0].messagesIn == 2)
  }

  @Test func `keep order and lose nothing under load`() throws {
    let town = try Town(size: 2)
    let stations = try (0..<2).map { try Station(town.setup($0)) }
    defer { for station in stations { station.links.stop() } }
    #expect(stations[0].isUp(1))
    let numbers = (0..<5_000).map { UInt8($0 % 251) }
    for start in stride(from: 0, to: numbers.count, by: 50) {
      stations[0].links.send(
        numbers[start..<start + 50].map { (framed(announcement($0, count: 3)), .one(1)) })
    }
    #expect(stations[1].arrivals.wait { $0.count == numbers.count })
    #expect(stations[1].arrivals.all.map(\.message) == numbers.map { announcement($0, count: 3) })
  }

  @Test func `come back after a replica was away`() throws {
    let town = try Town(size: 2)
    let first = try Station(town.setup(0))
    defer { first.links.stop() }
    let second = try Station(town.setup(1))
    #expect(first.isUp(1))
    second.links.stop()
    #expect(
      first.events.wait { $0.contains { if case .down(1, _) = $0 { true } else { false } } })
    first.send(announcement(1))
    let again = try Station(town.setup(1))
    defer { again.links.stop() }
    #expect(first.events.wait { $0.filter { $0 == .up(1) }.count == 2 })
    first.send(announcement(2))
    #expect(again.arrivals.wait { $0.map(\.message) == [announcement(2)] })
    #expect(first.links.statistics[1].unsent == 1)
  }

  /// A server with the second member's keys, whose every connection this handler serves.
  private func impostor(
    in town: Town, _ handler: @escaping @Sendable (Hello) -> any ChannelHandler
  ) throws -> any Channel {
    let credentials = try Credentials(town.setup(1))
    let hello = Hello(version: LinkLimits.protocolVersion, subnet: town.subnet, from: 1, to: 0)
    return try ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandlers([
            credentials.accepting(as: 1, into: ProvenPeer()), handler(hello),
          ])
        }
      }.bind(host: "127.0.0.1", port: town.members[1].port).wait()
  }

  @Test func `are dialled ever more seldom while a peer closes each of them`() throws {
    let town = try Town(size: 2)
    let server = try impostor(in: town) { hello in Fickle(hello) }
    defer { try? server.close().wait() }
    let first = try Station(town.setup(0))
    defer { first.links.stop() }
    func count(_ events: [LinkEvent]) -> Int { events.count { $0 == .up(1) } }
    #expect(first.events.wait { count($0) >= 3 })
    // After waits of 50, 100 and 200 ms on the average; the next ones are 400 and 800 ms.
    let before = count(first.events.all)
    #expect(!first.events.wait(seconds: 1) { count($0) > before + 4 })
    #expect(first.events.wait { count($0) > before })
  }

  @Test func `that stood for a while are dialled again at once`() {
    var limits = LinkLimits()
    limits.redialFirst = .nanoseconds(3)
    limits.redialMax = .nanoseconds(20)
    var backoff = Backoff(limits)
    #expect((0..<5).map { _ in backoff.wait() } == [3, 6, 12, 20, 20])
    backoff.ended(after: 19)
    #expect(backoff.wait() == 20)
    backoff.ended(after: 20)
    #expect((0..<2).map { _ in backoff.wait() } == [3, 6])
  }

  @Test func `drop what a peer that does not read leaves behind, and say what`() throws {
    let town = try Town(size: 2)
    let first = try Station(town.setup(0) { $0.outboxFramesMax = 16 })
    let second = try Station(town.setup(1))
    defer { for station in [first, second] { station.links.stop() } }
    #expect(first.isUp(1) && second.isUp(0))
    second.links.read(false)
    let large = announcement(9, count: 4_000)
    for _ in 0..<400 { first.send(large) }
    first.send(announcement(1))
    #expect(
      first.events.wait(seconds: 0.5) { $0.contains(.down(1, why: "")) } == false)
    let dropped = first.links.statistics[1].dropped
    #expect(dropped.keys.map { $0 } == [.announcement])
    #expect(first.links.statistics[1].waitingFrames <= 16)
    second.links.read(true)
    #expect(second.arrivals.wait { $0.last?.message == announcement(1) })
    #expect(
      UInt64(second.arrivals.all.count) + (dropped[.announcement] ?? 0) == 401)
  }

  @Test func `slow a flooding peer down without losing what it sent`() throws {
    let town = try Town(size: 2)
    let first = try Station(
      town.setup(0) {
        $0.messagesPerSecondMax = 500
        $0.burstSeconds = 1
      })
    let second = try Station(town.setup(1))
    defer { for station in [first, second] { station.links.stop() } }
    #expect(second.isUp(0))
    for number in 0..<1_000 { second.send(announcement(UInt8(number % 250))) }
    #expect(first.events.wait { $0.contains(.flooding(1)) })
    #expect(first.arrivals.wait { $0.count == 1_000 })
    #expect(first.links.statistics[1].pauses > 0)
  }

  @Test(arguments: [(400, false), (600, true)])
  func `are read no faster where frames without content come back on them`(
    frames: Int, isFlood: Bool
  ) throws {
    let town = try Town(size: 2)
    let server = try impostor(in: town) { hello in Chatterbox(hello, frames: frames) }
    defer { try? server.close().wait() }
    let first = try Station(
      town.setup(0) {
        $0.messagesPerSecondMax = 5
        $0.burstSeconds = 100
      })
    defer { first.links.stop() }
    #expect(first.isUp(1))
    #expect(first.events.wait(seconds: isFlood ? 20 : 1) { $0.contains(.flooding(1)) } == isFlood)
    #expect(first.links.statistics[1].pauses == (isFlood ? 1 : 0))
    #expect(first.links.statistics[1].isUp)
  }

  @Test func `end when a peer falls silent`() throws {
    let town = try Town(size: 2)
    let first = try Station(
      town.setup(0) {
        $0.heartbeat = .milliseconds(100)
        $0.silenceMax = .milliseconds(400)
      })
    let second = try Station(town.setup(1) { $0.heartbeat = .seconds(60) })
    defer { for station in [first, second] { station.links.stop() } }
    #expect(first.isUp(1))
    #expect(
      first.events.wait {
        $0.contains {
          if case .down(1, let why) = $0 { why.contains("nothing came") } else { false }
        }
      })
  }

  @Test func `stay up on heartbeats alone`() throws {
    let town = try Town(size: 2)
    let stations = try (0..<2).map {
      try Station(
        town.setup($0) {
          $0.heartbeat = .milliseconds(100)
          $0.silenceMax = .milliseconds(1_500)
        })
    }
    defer { for station in stations { station.links.stop() } }
    #expect(stations[0].isUp(1) && stations[1].isUp(0))
    let fell = stations[0].events.wait(seconds: 2.5) {
      $0.contains { if case .down = $0 { true } else { false } }
    }
    #expect(!fell)
  }
}

@Suite(.serialized) struct `A port that peers dial` {
  @Test func `in use is told with its number`() throws {
    let town = try Town(size: 1)
    let first = try Station(town.setup(0))
    defer { first.links.stop() }
    let port = town.members[0].port
    #expect(throws: LinkFault.portTaken(host: "127.0.0.1", port: port)) {
      try Station(town.setup(0))
    }
    #expect("\(LinkFault.portTaken(host: "h", port: port))".contains("\(port)"))
  }

  @Test func `refuses a certificate that is not pinned after taking the pinned one`() throws {
    let town = try Town(size: 2)
    let first = try Station(town.setup(0))
    defer { first.links.stop() }
    let right = try Station(town.setup(1))
    #expect(right.isUp(0))
    right.links.stop()

    var forged = town.setup(1)
    let identity = try TransportIdentity.make(name: "replica-1")
    forged.certificatePEM = identity.certificatePEM
    forged.privateKeyPEM = identity.privateKeyPEM
    forged.members[1] = LinkMember(
      id: 1, host: "127.0.0.1", port: town.members[1].port,
      certificatePEM: identity.certificatePEM)
    let wrong = try Station(forged)
    defer { wrong.links.stop() }
    #expect(first.wasRefused("not the one that network.json pins"))
    wrong.send(announcement(1))
    #expect(!wrong.events.all.contains(.up(0)))
    #expect(first.arrivals.all.isEmpty)
    #expect(first.links.refused > 0)
  }

  @Test func `refuses another subnet and another protocol version with the reason`() throws {
    let town = try Town(size: 3)
    let first = try Station(town.setup(0))
    defer { first.links.stop() }
    var elsewhere = town.setup(1)
    elsewhere.subnet = .zero
    let wrongSubnet = try Station(elsewhere)
    defer { wrongSubnet.links.stop() }
    #expect(first.wasRefused("subnet"))
    let wrongVersion = try Station(town.setup(2), version: 2)
    defer { wrongVersion.links.stop() }
    #expect(first.wasRefused("protocol 2"))
  }

  @Test func `closes on bytes that are no TLS and goes on serving`() throws {
    let town = try Town(size: 2)
    let first = try Station(town.setup(0))
    defer { first.links.stop() }
    var random = SystemRandomNumberGenerator()
    for length in [1, 5, 100, 5_000] {
      let intruder = try Intruder(to: town.members[0], as: nil)
      intruder.say((0..<length).map { _ in UInt8.random(in: 0...255, using: &random) })
      if length > 4 { #expect(intruder.isClosed()) }
      intruder.end()
    }
    #expect(first.wasRefused("no TLS 1.3 handshake"))
    let second = try Station(town.setup(1))
    defer { second.links.stop() }
    #expect(second.isUp(0) && first.isUp(1))
  }

  @Test func `closes on a handshake that does not come to an end`() throws {
    let town = try Town(size: 2)
    let first = try Station(town.setup(0) { $0.handshakeMax = .milliseconds(200) })
    defer { first.links.stop() }
    let silent = try Intruder(to: town.members[0], as: nil)
    #expect(silent.isClosed())
    let tongueTied = try Intruder(to: town.members[0], as: town.setup(1))
    #expect(tongueTied.isClosed())
    #expect(first.wasRefused("the handshake took over 200 ms"))
  }

  @Test func `takes only so many strangers at once, who keep no member out`() throws {
    let town = try Town(size: 2)
    let first = try Station(town.setup(0) { $0.handshakesMax = 2 })
    defer { first.links.stop() }
    let patient = try (0..<3).map { _ in try Intruder(to: town.members[0], as: nil) }
    #expect(patient[0].isClosed(within: 3))
    let second = try Station(town.setup(1))
    defer { second.links.stop() }
    #expect(second.isUp(0))
    for intruder in patient { intruder.end() }
  }

  static let malformed: [(String, [UInt8])] = [
    ("an unknown variant", [0xff, 0xff]), ("a short vote", [1, 2, 3]),
    ("bytes after the end", announcement(1).canonicalBytes + [0]),
    ("a long list", [4, 0xff, 0xff, 0xff, 0xff, 0x0f]),
  ]

  @Test(arguments: malformed)
  func `closes on malformed bytes of a member after taking right ones`(
    name: String, bytes: [UInt8]
  ) throws {
    let town = try Town(size: 2)
    let first = try Station(town.setup(0))
    defer { first.links.stop() }
    let member = try Intruder(to: town.members[0], as: town.setup(1))
    let hello = Hello(
      version: LinkLimits.protocolVersion, subnet: town.subnet, from: 1, to: 0)
    member.say(frame: hello.canonicalBytes)
    member.say(frame: announcement(1).canonicalBytes)
    #expect(first.arrivals.wait { $0.map(\.message) == [announcement(1)] })
    #expect(first.links.statistics[1].malformed == 0)
    member.say(frame: bytes)
    #expect(member.isClosed(), "\(name)")
    #expect(first.links.statistics[1].malformed == 1)
    #expect(first.arrivals.all.count == 1)
  }

  @Test(arguments: [(40, false), (60, true)])
  func `gives a member that connects anew no new share`(count: Int, isFlood: Bool) throws {
    let town = try Town(size: 2)
    let first = try Station(
      town.setup(0) {
        $0.messagesPerSecondMax = 1
        $0.burstSeconds = 100
      })
    defer { first.links.stop() }
    let hello = Hello(
      version: LinkLimits.protocolVersion, subnet: town.subnet, from: 1, to: 0)
    for connection in 1...2 {
      let member = try Intruder(to: town.members[0], as: town.setup(1))
      member.say(frame: hello.canonicalBytes)
      for _ in 0..<count { member.say(frame: announcement(1).canonicalBytes) }
      // Of the second flood some may be left for later.
      if connection == 1 || !isFlood {
        #expect(first.arrivals.wait { $0.count == connection * count })
      }
      if connection == 1 { #expect(!first.events.all.contains(.flooding(1))) }
      if connection == 1 { member.end() }
    }
    #expect(first.events.wait(seconds: isFlood ? 20 : 1) { $0.contains(.flooding(1)) } == isFlood)
  }

  @Test func `closes on a claimed length over the limit`() throws {
    let town = try Town(size: 2)
    let first = try Station(town.setup(0) { $0.frameBytesMax = 1_000 })
    defer { first.links.stop() }
    let member = try Intruder(to: town.members[0], as: town.setup(1))
    let hello = Hello(
      version: LinkLimits.protocolVersion, subnet: town.subnet, from: 1, to: 0)
    member.say(frame: hello.canonicalBytes)
    member.say(frame: announcement(1, count: 30).canonicalBytes)
    #expect(first.arrivals.wait { $0.count == 1 })
    member.say([0xe9, 0x03, 0, 0])
    #expect(member.isClosed())
    #expect(first.links.statistics[1].malformed == 1)
  }

  @Test func `needs the certificate that network.json pins for this replica`() throws {
    let town = try Town(size: 2)
    var setup = town.setup(0)
    setup.certificatePEM = town.identities[1].certificatePEM
    setup.privateKeyPEM = town.identities[1].privateKeyPEM
    #expect(throws: LinkFault.self) { try Station(setup) }
    setup = town.setup(0)
    setup.privateKeyPEM = "damaged"
    #expect(throws: LinkFault.self) { try Station(setup) }
    let right = try Station(town.setup(0))
    right.links.stop()
  }
}
