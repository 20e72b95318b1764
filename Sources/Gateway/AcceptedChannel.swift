import HummingbirdCore
import Logging
import NIOCore
import Synchronization

/// Sets up accepted connections so that one which nobody serves any more is closed.
///
/// - Safety: a connection that arrives while the server stops is dropped by it; without this the
///   channel's writer would stop the whole process for having been dropped unfinished.
struct AcceptedChannel: ServerChildChannel {
  /// A connection, served or else closed.
  final class Value: ServerChildChannelValue {
    let served: HTTP1Channel.Value
    private let isServed = Mutex(false)
    var channel: any Channel { served.channel }

    init(_ served: HTTP1Channel.Value) { self.served = served }

    func claim() { isServed.withLock { $0 = true } }

    deinit {
      guard !isServed.withLock({ $0 }) else { return }
      Task { [served] in try? await served.executeThenClose { _, _ in } }
    }
  }

  let base: HTTP1Channel

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    base.setup(channel: channel, logger: logger).map { Value($0) }
  }

  func handle(value: Value, logger: Logger) async {
    value.claim()
    await base.handle(value: value.served, logger: logger)
  }
}
