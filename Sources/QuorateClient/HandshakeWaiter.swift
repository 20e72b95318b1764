import NIOCore
import NIOTLS
import Wire

/// Tells when the TLS handshake is through, so that nothing is sent before the peer is known.
///
/// - Liveness: fails after `ClientLimits.connectTimeout`, as when a stopped process holds the port.
final class HandshakeWaiter: ChannelInboundHandler, Sendable {
  typealias InboundIn = NIOAny

  private let promise: EventLoopPromise<Void>
  var finished: EventLoopFuture<Void> { promise.futureResult }

  init(_ eventLoop: any EventLoop) {
    promise = eventLoop.makePromise()
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let timeout = Int64(clamping: ClientLimits.connectTimeout.number)
    let late = TransportFault(description: "no TLS handshake in time", wasNeverSent: true)
    let timer = context.eventLoop.scheduleTask(in: .microseconds(timeout)) { [promise] in
      promise.fail(late)
    }
    let channel = context.channel
    finished.whenComplete { result in
      timer.cancel()
      if case .failure = result { channel.close(promise: nil) }
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted = event as? TLSUserEvent { promise.succeed() }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    promise.fail(error)
    context.fireErrorCaught(error)
  }

  func channelInactive(context: ChannelHandlerContext) {
    promise.fail(TransportFault(description: "closed in its TLS handshake", wasNeverSent: true))
    context.fireChannelInactive()
  }
}
