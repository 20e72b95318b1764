import NIOCore
import NIOHTTP1
import Wire

/// One request and the answer to it, as bytes.
struct HTTPAsk: Sendable {
  var method: HTTPMethod
  var target: String
  var headers: [(String, String)] = []
  var body: [UInt8] = []
  var timeout = ClientLimits.exchangeTimeout
}

struct HTTPReply: Sendable {
  var status: Int
  var headers: HTTPHeaders
  var body: [UInt8]
  /// Whether the replica takes another request on the same connection.
  var keepsConnection = true

  func header(_ name: String) -> String? { headers.first(name: name) }

  var mediaType: String {
    (header("Content-Type") ?? "").prefix { $0 != ";" }.lowercased()
  }
}

/// Why no answer came: the machine's side of a failure.
struct TransportFault: Error, Equatable, CustomStringConvertible {
  let description: String
  /// Whether the request cannot have been seen by the replica.
  var wasNeverSent = false
  /// Whether the machine is there and nothing listens: no patience changes that by itself.
  var isRefusedConnection = false
}

/// What goes down a connection's pipeline.
struct Exchange: Sendable {
  let ask: HTTPAsk
  let host: String
  let reply: EventLoopPromise<HTTPReply>
}

/// Runs one exchange at a time over HTTP/1.1.
///
/// - Bound: an answer above `ClientLimits.answerBytesMax` closes the connection.
final class ExchangeHandler: ChannelDuplexHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundIn = Exchange
  typealias OutboundOut = HTTPClientRequestPart

  private var current: Exchange?
  private var timer: Scheduled<Void>?
  private var head: HTTPResponseHead?
  private var body: [UInt8] = []

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let exchange = unwrapOutboundIn(data)
    guard current == nil, context.channel.isActive else {
      exchange.reply.fail(TransportFault(description: "the connection closed", wasNeverSent: true))
      return
    }
    current = exchange
    let ask = exchange.ask
    timer = context.eventLoop.assumeIsolated().scheduleTask(
      in: .microseconds(Int64(clamping: ask.timeout.number))
    ) { [self] in
      fail("no answer within \(ask.timeout.milliseconds) ms", context)
    }
    var headers = HTTPHeaders(ask.headers)
    headers.add(name: "Host", value: exchange.host)
    if !ask.body.isEmpty || ask.method == .POST {
      headers.add(name: "Content-Length", value: String(ask.body.count))
    }
    let head = HTTPRequestHead(
      version: .http1_1, method: ask.method, uri: ask.target, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    if !ask.body.isEmpty {
      let buffer = context.channel.allocator.buffer(bytes: ask.body)
      context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
    }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: promise)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard current != nil else {
      context.close(promise: nil)
      return
    }
    switch unwrapInboundIn(data) {
    case .head(let head): self.head = head
    case .body(let buffer):
      guard body.count + buffer.readableBytes <= ClientLimits.answerBytesMax else {
        fail("the answer is over \(ClientLimits.answerBytesMax) bytes", context)
        return
      }
      buffer.withUnsafeReadableBytes { body.append(contentsOf: $0) }
    case .end: finish(context)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    fail("the connection failed: \(error)", context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    fail("the replica closed the connection before it answered", context)
    context.fireChannelInactive()
  }

  private func finish(_ context: ChannelHandlerContext) {
    guard let exchange = current, let head else { return }
    timer?.cancel()
    let reply = HTTPReply(
      status: Int(head.status.code), headers: head.headers, body: body,
      keepsConnection: head.isKeepAlive)
    current = nil
    self.head = nil
    body = []
    if !reply.keepsConnection { context.close(promise: nil) }
    exchange.reply.succeed(reply)
  }

  private func fail(_ what: String, _ context: ChannelHandlerContext) {
    timer?.cancel()
    let exchange = current
    current = nil
    context.close(promise: nil)
    exchange?.reply.fail(TransportFault(description: what))
  }
}
