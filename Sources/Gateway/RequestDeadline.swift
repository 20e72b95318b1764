import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Wire

/// Drops a client that takes too long: to say what it wants, to send its body, to read its answer,
/// or to come back. It counts from the beginning of each phase: a byte now and then buys nothing.
///
/// - Bound: two timers a connection. Nothing is read behind a request to speak another protocol, or
///   behind what is no request: the decoder would keep all of it.
final class RequestDeadline: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private enum Phase { case head, body, answer, idle, drain }

  private let times: GatewayTimes
  private let admission: Admission
  private var permit: Permit?
  private var timer: Scheduled<Void>?
  /// Runs while the client takes no more of its answer.
  private var stall: Scheduled<Void>?
  private var phase = Phase.head
  private var bodyEnded = true
  /// Requests passed on whose answers have not ended.
  private var unanswered = 0
  private var readsNoMore = false

  init(times: GatewayTimes, admission: Admission) {
    self.times = times
    self.admission = admission
  }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { start(context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    start(context)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    stop()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { stop() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !readsNoMore else { return }
    switch unwrapInboundIn(data) {
    case .head(let request):
      guard request.method != .connect, !request.headerFields.contains(.upgrade) else {
        refuse(context)
        return
      }
      unanswered += 1
      bodyEnded = false
      enter(.body, context)
    case .body: break
    case .end:
      bodyEnded = true
      if phase == .drain { enter(.idle, context) } else { enter(.answer, context) }
    }
    context.fireChannelRead(data)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    readsNoMore = true
    context.fireErrorCaught(error)
  }

  func read(context: ChannelHandlerContext) {
    if !readsNoMore { context.read() }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .end = unwrapOutboundIn(data) {
      unanswered -= 1
      enter(bodyEnded && !readsNoMore ? .idle : .drain, context)
    }
    context.write(data, promise: promise)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    stall?.cancel()
    stall = context.channel.isWritable ? nil : closing(after: times.write, context)
    context.fireChannelWritabilityChanged()
  }

  /// Ends the connection, and says why where no other answer is under way.
  private func refuse(_ context: ChannelHandlerContext) {
    readsNoMore = true
    guard unanswered <= 0 else {
      context.close(promise: nil)
      return
    }
    enter(.drain, context)
    var problem = Problem(
      501, "NO_UPGRADE",
      "this replica speaks HTTP/1.1 and nothing else: send the request without Upgrade, and none "
        + "by the method CONNECT")
    problem.closesConnection = true
    context.write(wrapOutboundOut(.head(problem.response.head)), promise: nil)
    let body = ByteBuffer(bytes: problem.json.bytes)
    context.write(wrapOutboundOut(.body(body)), promise: nil)
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
      channel.close(promise: nil)
    }
  }

  private func start(_ context: ChannelHandlerContext) {
    guard permit == nil else { return }
    let address = context.channel.remoteAddress?.ipAddress ?? "local"
    guard let permit = admission.connect(address) else {
      context.close(promise: nil)
      return
    }
    self.permit = permit
    enter(.head, context)
  }

  private func stop() {
    timer?.cancel()
    timer = nil
    stall?.cancel()
    stall = nil
    permit = nil
  }

  private func enter(_ phase: Phase, _ context: ChannelHandlerContext) {
    self.phase = phase
    switch phase {
    case .head: arm(times.head, context)
    case .body: arm(times.body, context)
    case .answer:
      timer?.cancel()
      timer = nil
    case .idle: arm(times.idle, context)
    case .drain: arm(times.drain, context)
    }
  }

  private func arm(_ span: Span, _ context: ChannelHandlerContext) {
    timer?.cancel()
    timer = closing(after: span, context)
  }

  private func closing(after span: Span, _ context: ChannelHandlerContext) -> Scheduled<Void> {
    context.eventLoop.assumeIsolated().scheduleTask(
      in: .microseconds(Int64(clamping: span.number))
    ) {
      context.close(promise: nil)
    }
  }
}

/// How long the gateway waits for a client.
package struct GatewayTimes: Sendable {
  package var head = GatewayLimits.headTimeout
  package var body = GatewayLimits.bodyTimeout
  package var idle = GatewayLimits.idleTimeout
  package var drain = GatewayLimits.drainTimeout
  package var write = GatewayLimits.writeTimeout

  package init() {}
}
