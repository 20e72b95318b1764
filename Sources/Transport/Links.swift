/// Transport: canonical messages between replicas over TCP, mutual TLS 1.3 and pinned certificates.
///
/// - Safety: who sent a message is proven by the key of a pinned certificate; bytes that are no
///   message close the link they came on.
/// - Liveness: links come back by themselves, with growing waits.
/// - Bound: everything that a peer or a stranger can cause is bounded by `LinkLimits`.
import NIOCore
import NIOPosix
import Synchronization
import Wire

/// The authenticated links of one replica to all others.
///
/// Each replica dials every other and sends on the connections that it dialled; what the others
/// send arrives on the connections that they dialled. Frames are canonical messages with a length
/// before them, over TLS 1.3 with pinned certificates on both ends.
///
/// - Safety: an arrival's `peer` holds the private key of the certificate that network.json pins
///   for it.
/// - Liveness: a link that breaks is dialled again for ever; what was lost is repaired by protocol.
/// - Bound: `LinkLimits`, checked before memory is taken.
package final class Links: Sendable {
  private struct Pending {
    var frames: [(frame: Frame, to: Destination)] = []
    var isScheduled = false
    var isStopped = false
  }

  private let group: MultiThreadedEventLoopGroup
  private let loop: any EventLoop
  private let board: NIOLoopBoundBox<Switchboard>
  private let listener: any Channel
  private let totals: LinkTotals
  private let pending = Mutex(Pending())

  /// The port that is listened on.
  package let port: Int

  /// Listens and begins to dial. `arrivals` and `events` are called on the event loop's thread and
  /// must not block.
  package convenience init(
    _ setup: LinkSetup, events: @escaping @Sendable (LinkEvent) -> Void,
    arrivals: @escaping @Sendable ([Arrival]) -> Void
  ) throws(LinkFault) {
    try self.init(
      setup, version: LinkLimits.protocolVersion, events: events, arrivals: arrivals)
  }

  init(
    _ setup: LinkSetup, version: UInt32, events: @escaping @Sendable (LinkEvent) -> Void,
    arrivals: @escaping @Sendable ([Arrival]) -> Void
  ) throws(LinkFault) {
    let credentials = try Credentials(setup)
    let totals = LinkTotals(setup.members.map(\.id))
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.any()
    let switchboard = Switchboard(
      setup, credentials: credentials, loop: loop, totals: totals, report: events,
      deliver: arrivals)
    switchboard.helloVersion = version
    let board = NIOLoopBoundBox.makeBoxSendingValue(switchboard, eventLoop: loop)
    self.loop = loop
    self.board = board
    self.totals = totals
    do {
      listener = try Links.listen(setup, board, on: group)
    } catch {
      try? group.syncShutdownGracefully()
      throw error
    }
    port = listener.localAddress?.port ?? setup.listenPort
    loop.execute { board.value.dialAll() }
  }

  private static func listen(
    _ setup: LinkSetup, _ board: NIOLoopBoundBox<Switchboard>, on group: any EventLoopGroup
  ) throws(LinkFault) -> any Channel {
    do {
      return try ServerBootstrap(group: group)
        .serverChannelOption(ChannelOptions.backlog, value: 256)
        .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(ChannelOptions.socketOption(.tcp_nodelay), value: 1)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try board.value.accept(channel) }
        }
        .bind(host: setup.listenHost, port: setup.listenPort).wait()
    } catch let error as IOError where error.errnoCode == addressInUse {
      throw .portTaken(host: setup.listenHost, port: setup.listenPort)
    } catch {
      throw .notListening(host: setup.listenHost, port: setup.listenPort, why: "\(error)")
    }
  }

  /// Sends in order, never blocks. What cannot be sent is dropped and counted.
  package func send(_ frames: [(frame: Frame, to: Destination)]) {
    guard !frames.isEmpty else { return }
    pending.withLock { pending in
      guard !pending.isStopped else { return }
      pending.frames.append(contentsOf: frames)
      guard !pending.isScheduled else { return }
      pending.isScheduled = true
      loop.execute { [self] in
        let batch = self.pending.withLock { pending in
          defer {
            pending.frames = []
            pending.isScheduled = false
          }
          return pending.frames
        }
        board.value.send(batch)
      }
    }
  }

  /// Whether messages are read from peers; off while this replica has more than it can take.
  package func read(_ wanted: Bool) {
    pending.withLock { pending in
      guard !pending.isStopped else { return }
      loop.execute { [board] in board.value.read(wanted) }
    }
  }

  /// One entry a member, in the order of ids; this replica's own stays empty.
  package var statistics: [LinkStatistics] { totals.links.map(\.snapshot) }

  /// Connections that never became links.
  package var refused: UInt64 { totals.refused.load(ordering: .relaxed) }

  /// Closes everything. Nothing arrives afterwards.
  package func stop() {
    let board = board
    let isFirst = pending.withLock { pending in
      defer { pending.isStopped = true }
      return !pending.isStopped
    }
    guard isFirst else { return }
    try? listener.close().wait()
    try? loop.submit { board.value.stop() }.wait()
    try? group.syncShutdownGracefully()
  }
}

/// `EADDRINUSE` on Linux.
private let addressInUse: CInt = 98

/// Counters that outlive single connections.
final class LinkTotals: Sendable {
  let links: [LinkCounters]
  let refused = Atomic<UInt64>(0)
  init(_ members: [ReplicaID]) { links = members.map { LinkCounters(peer: $0) } }
}
