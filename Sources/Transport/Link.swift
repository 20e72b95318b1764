import NIOCore
import NIOSSL
import Wire

/// One connection: frames over TLS, opened by a hello in both directions.
///
/// The dialling end says hello first; the accepting end answers when it finds nothing wrong.
/// Messages travel from the dialler to the acceptor only, heartbeats both ways.
///
/// - Safety: nothing is read as a message before the other end has shown a pinned certificate and
///   a fitting hello.
/// - Bound: lives on one event loop; keeps at most one unfinished frame. Whatever comes, in either
///   direction, counts against the peer's share, heartbeats too.
final class Link: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  enum Direction { case dialled(ReplicaID), accepted }

  let direction: Direction
  let proven: ProvenPeer
  private unowned let board: Switchboard
  private var reader: FrameReader
  private var context: ChannelHandlerContext?
  private var arrivals: [Arrival] = []
  /// Set once both hellos were right.
  private(set) var peer: ReplicaID?
  private var closing: String?
  /// The other end's, where it is known.
  let address: String?
  let startedAt: UInt64
  private var readAt: UInt64
  private var wroteAt: UInt64
  private var mayRead = true

  init(_ direction: Direction, on board: Switchboard, address: String? = nil) {
    self.direction = direction
    self.address = address
    self.board = board
    proven = ProvenPeer()
    reader = FrameReader(limit: board.limits.helloBytesMax)
    let now = NIODeadline.now().uptimeNanoseconds
    startedAt = now
    readAt = now
    wroteAt = now
  }

  var isOpen: Bool { peer != nil && closing == nil }
  /// Nanoseconds since it was dialled or accepted.
  var age: Int64 { Int64(clamping: NIODeadline.now().uptimeNanoseconds - startedAt) }
  var isWritable: Bool { context?.channel.isWritable ?? false }

  // MARK: What the channel says

  func channelActive(context: ChannelHandlerContext) {
    self.context = context
    guard closing == nil else { return context.close(promise: nil) }
    if case .dialled(let peer) = direction { greet(peer) }
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard closing == nil else { return }
    var bytes = unwrapInboundIn(data)
    let size = bytes.readableBytes
    readAt = NIODeadline.now().uptimeNanoseconds
    reader.append(&bytes)
    var count = 0
    do {
      while closing == nil, let content = try reader.next() {
        count += 1
        try take(content)
      }
    } catch {
      reject("\(error)")
    }
    reader.compact()
    if let peer, closing == nil { slow(peer, frames: count, bytes: size) }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    deliver()
    context.fireChannelReadComplete()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if case .dialled(let id) = direction, isWritable { board.drain(id) }
    context.fireChannelWritabilityChanged()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch error {
    case NIOSSLError.uncleanShutdown: close("the other end went away")
    case is NIOSSLError where peer == nil, is BoringSSLError where peer == nil:
      close(
        proven.isStranger
          ? "its certificate is not the one that network.json pins"
          : "no TLS 1.3 handshake came about: \(error)")
    default: close("\(error)")
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    deliver()
    self.context = nil
    let refusedByPeer =
      "the other end closed before its hello; its log says why"
    board.closed(self, why: closing ?? (peer == nil ? refusedByPeer : "the other end closed"))
    context.fireChannelInactive()
  }

  // MARK: What the switchboard asks

  func write(_ buffer: ByteBuffer) {
    context?.write(wrapOutboundOut(buffer), promise: nil)
  }

  func flush() {
    wroteAt = NIODeadline.now().uptimeNanoseconds
    context?.flush()
  }

  func close(_ why: String) {
    guard closing == nil else { return }
    closing = why
    context?.close(promise: nil)
  }

  /// Once a tick: heartbeats and deadlines.
  func tick(now: UInt64) {
    guard context != nil, closing == nil else { return }
    let limits = board.limits
    guard peer != nil else {
      if now > startedAt + UInt64(limits.handshakeMax.nanoseconds) {
        close("the handshake took over \(limits.handshakeMax.nanoseconds / 1_000_000) ms")
      }
      return
    }
    if isReading, now > readAt + UInt64(limits.silenceMax.nanoseconds) {
      close("nothing came for \(limits.silenceMax.nanoseconds / 1_000_000) ms")
    } else if now > wroteAt + UInt64(limits.heartbeat.nanoseconds) {
      write(Frame.heartbeat)
      flush()
    }
  }

  /// As the peer's share and, where messages come, the whole replica allow.
  private var isReading: Bool {
    switch direction {
    case .accepted: mayRead && board.isReading
    case .dialled: mayRead
    }
  }

  /// Reading starts or stops.
  func adjustReading() {
    guard let context else { return }
    readAt = NIODeadline.now().uptimeNanoseconds
    let reads = isReading || peer == nil
    context.channel.setOption(ChannelOptions.autoRead, value: reads).whenFailure { _ in }
  }

  // MARK: Frames

  private func take(_ content: [UInt8]) throws(Malformed) {
    guard let peer else { return try takeHello(content) }
    if content.isEmpty { return }
    guard case .accepted = direction else {
      throw Malformed("messages came against the direction of the link", at: 0)
    }
    let message = try Message(canonicalBytes: content)
    arrivals.append(Arrival(peer: peer, message: message, bytes: content.count))
    board.received(content.count, from: peer)
  }

  private func takeHello(_ content: [UInt8]) throws(Malformed) {
    let hello = try Hello(canonicalBytes: content)
    guard let id = proven.id else {
      return close("it has shown no certificate")
    }
    if let objection = hello.objection(subnet: board.setup.subnet, peer: id, me: board.setup.me) {
      return close(objection)
    }
    if case .accepted = direction { greet(id) }
    peer = id
    reader.limit = board.limits.frameBytesMax
    board.opened(self, to: id)
  }

  private func greet(_ peer: ReplicaID) {
    let hello = Hello(
      version: board.helloVersion, subnet: board.setup.subnet, from: board.setup.me, to: peer)
    write(Frame.framed(hello.canonicalBytes))
    flush()
  }

  private func reject(_ why: String) {
    if let id = peer ?? proven.id { board.malformed(from: id) }
    close("it sent what cannot be read: \(why)")
  }

  private func deliver() {
    guard !arrivals.isEmpty else { return }
    board.deliver(arrivals)
    arrivals.removeAll(keepingCapacity: arrivals.capacity <= 256)
  }

  private func slow(_ peer: ReplicaID, frames: Int, bytes: Int) {
    let wait = board.spend(frames: frames, bytes: bytes, of: peer, now: readAt)
    guard let wait, mayRead else { return }
    mayRead = false
    adjustReading()
    board.flooded(by: peer)
    board.schedule(.nanoseconds(Int64(wait)), for: self) { link in
      link.mayRead = true
      link.adjustReading()
    }
  }
}
