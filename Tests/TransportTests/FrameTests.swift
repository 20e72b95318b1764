import NIOCore
import Signing
import Testing
import Wire

@testable import Transport

@Suite struct `A frame` {
  @Test(arguments: [1, 3, 1_000])
  func `is read whole however its bytes are cut`(step: Int) throws {
    let messages = [announcement(1), announcement(2, count: 40), announcement(3)]
    var bytes: [UInt8] = []
    for message in messages {
      bytes += Array(buffer: try #require(Frame(message)).buffer)
    }
    var reader = FrameReader(limit: 4_096)
    var read: [Message] = []
    for start in stride(from: 0, to: bytes.count, by: step) {
      var part = ByteBuffer(bytes: bytes[start..<min(start + step, bytes.count)])
      reader.append(&part)
      while let content = try reader.next() { read.append(try Message(canonicalBytes: content)) }
      reader.compact()
    }
    #expect(read == messages)
  }

  @Test func `over the limit is refused by its length alone`() throws {
    var reader = FrameReader(limit: 100)
    var right = Frame.framed([UInt8](repeating: 1, count: 100))
    reader.append(&right)
    #expect(try reader.next()?.count == 100)
    var claim = ByteBuffer()
    claim.writeInteger(UInt32(101), endianness: .little)
    reader.append(&claim)
    #expect(throws: Malformed.self) { try reader.next() }
  }

  @Test func `is not made of a message over the limit`() {
    #expect(Frame(announcement(1, count: 2), limit: 80) != nil)
    #expect(Frame(announcement(1, count: 3), limit: 80) == nil)
  }
}

@Suite struct `A hello` {
  static let subnet = sha256([1])
  static let other = sha256([2])

  @Test func `that fits opens a link`() {
    let hello = Hello(version: LinkLimits.protocolVersion, subnet: Self.subnet, from: 1, to: 0)
    #expect(hello.objection(subnet: Self.subnet, peer: 1, me: 0) == nil)
  }

  @Test(arguments: [
    (Hello(version: 2, subnet: subnet, from: 1, to: 0), "protocol"),
    (Hello(version: 1, subnet: other, from: 1, to: 0), "subnet"),
    (Hello(version: 1, subnet: subnet, from: 2, to: 0), "certificate"),
    (Hello(version: 1, subnet: subnet, from: 1, to: 3), "takes this replica for"),
  ])
  func `that does not fit is told why`(hello: Hello, word: String) {
    #expect(hello.objection(subnet: Self.subnet, peer: 1, me: 0)?.contains(word) == true)
  }
}

@Suite struct `An outbox` {
  static func proposal() throws -> Frame {
    let vote = Vote(
      ballot: .nullify(subnet: .zero, epoch: 0, view: 1), signer: 0,
      signature: try #require(Signature([UInt8](repeating: 0, count: 64))))
    let header = Header(
      subnet: .zero, epoch: 0, view: 1, parentView: 0, parent: .zero, height: 1, time: 1, calls: [],
      certified: nil)
    return try #require(Frame(.proposal(header: header, inlined: [], vote: vote)))
  }

  @Test func `gives frames back in order`() {
    var outbox = Outbox(framesMax: 5_000, bytesMax: 1 << 20)
    for number in 0..<3_000 {
      #expect(outbox.add(framed(announcement(UInt8(number % 251)))).isEmpty)
    }
    var sizes = 0
    for number in 0..<3_000 {
      let frame = outbox.take()
      #expect(frame?.buffer == framed(announcement(UInt8(number % 251))).buffer)
      sizes += frame?.count ?? 0
    }
    #expect(outbox.take() == nil)
    #expect(outbox.bytes == 0 && sizes > 0)
  }

  @Test func `that is full drops the oldest droppable and keeps proposals`() throws {
    var outbox = Outbox(framesMax: 4, bytesMax: 1 << 20)
    #expect(try outbox.add(Self.proposal()).isEmpty)
    for number in 1...3 { #expect(outbox.add(framed(announcement(UInt8(number)))).isEmpty) }
    let dropped = outbox.add(framed(announcement(4)))
    #expect(dropped == [.announcement, .announcement])
    #expect(outbox.take()?.kind == .proposal)
    #expect(outbox.take()?.buffer == framed(announcement(3)).buffer)
    #expect(outbox.take()?.buffer == framed(announcement(4)).buffer)
  }

  @Test func `never holds more bytes than its bound`() {
    var outbox = Outbox(framesMax: 1_000, bytesMax: 2_000)
    for number in 0..<200 {
      _ = outbox.add(framed(announcement(UInt8(number), count: 1 + number % 5)))
      #expect(outbox.bytes <= 2_000)
    }
    #expect(!outbox.isEmpty)
  }

  @Test func `full of what must stay drops the new frame`() throws {
    var outbox = Outbox(framesMax: 2, bytesMax: 1 << 20)
    #expect(try outbox.add(Self.proposal()).isEmpty)
    #expect(try outbox.add(Self.proposal()).isEmpty)
    #expect(outbox.add(framed(announcement(1))) == [.announcement])
    #expect(outbox.count == 2)
  }
}

@Suite struct `A rate guard` {
  static var limits: LinkLimits {
    var limits = LinkLimits()
    limits.messagesPerSecondMax = 100
    limits.bytesPerSecondMax = 1_000
    limits.burstSeconds = 2
    return limits
  }

  @Test func `lets a burst through and then the rate`() {
    var rate = RateGuard(Self.limits, now: 0)
    #expect(rate.spend(messages: 200, bytes: 200, now: 0) == nil)
    let wait = rate.spend(messages: 50, bytes: 50, now: 0)
    #expect(wait == 501_000_000)
    #expect(rate.spend(messages: 10, bytes: 10, now: 1_000_000_000) == nil)
  }

  @Test func `counts bytes too and survives a clock that stands still`() {
    var rate = RateGuard(Self.limits, now: 10)
    #expect(rate.spend(messages: 1, bytes: 2_000, now: 10) == nil)
    #expect(rate.spend(messages: 1, bytes: 1_000, now: 5) == 1_001_000_000)
  }
}
