import NIOCore
import NIOPosix
import Wire

/// All links of one replica, on one event loop.
///
/// - Liveness: every peer is dialled again, with growing waits, until it answers.
/// - Bound: one dialled and one accepted connection a peer, `handshakesMax` strangers, one outbox
///   a peer. A peer whose links do not stand is dialled ever more seldom, down to once in
///   `redialMax`.
final class Switchboard {
  final class Peer {
    let member: LinkMember
    let counters: LinkCounters
    var outbox: Outbox
    var dialled: Link?
    var accepted: Link?
    var backoff: Backoff
    /// Of all its links, one after the other: to connect anew gives it nothing back.
    var rate: RateGuard

    init(_ member: LinkMember, counters: LinkCounters, limits: LinkLimits) {
      self.member = member
      self.counters = counters
      outbox = Outbox(framesMax: limits.outboxFramesMax, bytesMax: limits.outboxBytesMax)
      backoff = Backoff(limits)
      rate = RateGuard(limits, now: NIODeadline.now().uptimeNanoseconds)
    }
  }

  let setup: LinkSetup
  let deliver: @Sendable ([Arrival]) -> Void
  private let credentials: Credentials
  private let loop: any EventLoop
  private let totals: LinkTotals
  private let report: @Sendable (LinkEvent) -> Void
  /// By id; this replica has no entry.
  private var peers: [Peer?]
  /// Accepted, hello not yet through.
  private var strangers: [ObjectIdentifier: Link] = [:]
  private(set) var isReading = true
  private var isStopped = false

  var limits: LinkLimits { setup.limits }
  /// What this replica says it speaks; only a test says anything else.
  var helloVersion = LinkLimits.protocolVersion

  init(
    _ setup: LinkSetup, credentials: Credentials, loop: any EventLoop, totals: LinkTotals,
    report: @escaping @Sendable (LinkEvent) -> Void,
    deliver: @escaping @Sendable ([Arrival]) -> Void
  ) {
    self.setup = setup
    self.credentials = credentials
    self.loop = loop
    self.totals = totals
    self.report = report
    self.deliver = deliver
    peers = zip(setup.members, totals.links).map { member, counters in
      member.id == setup.me ? nil : Peer(member, counters: counters, limits: setup.limits)
    }
  }

  private subscript(id: ReplicaID) -> Peer? { id.index < peers.count ? peers[id.index] : nil }

  // MARK: Accepting and dialling

  /// Takes a new connection. When too many are in their handshake another one goes, so that
  /// whoever opens many cannot keep members out.
  func accept(_ channel: any Channel) throws {
    guard !isStopped else {
      totals.refused.add(1)
      return channel.close(promise: nil)
    }
    if strangers.count >= limits.handshakesMax { dismissStranger() }
    let link = Link(.accepted, on: self, address: channel.remoteAddress?.ipAddress)
    strangers[ObjectIdentifier(link)] = link
    try channel.pipeline.syncOperations.addHandlers([
      credentials.accepting(as: setup.me, into: link.proven), link,
    ])
  }

  /// Closes the oldest of those that come from the address with the most.
  private func dismissStranger() {
    let crowds = Dictionary(grouping: strangers.values, by: \.address)
    let crowd = crowds.values.max { $0.count < $1.count } ?? []
    guard let oldest = crowd.min(by: { $0.startedAt < $1.startedAt }) else { return }
    strangers[ObjectIdentifier(oldest)] = nil
    totals.refused.add(1)
    oldest.close("too many are in their handshake")
  }

  func dialAll() {
    for case let peer? in peers { dial(peer) }
    tick()
  }

  private func dial(_ peer: Peer) {
    guard !isStopped, peer.dialled == nil else { return }
    let link = Link(.dialled(peer.member.id), on: self)
    peer.dialled = link
    let bound = NIOLoopBound((board: self, peer: peer, link: link), eventLoop: loop)
    let credentials = credentials
    let id = peer.member.id
    ClientBootstrap(group: loop)
      .connectTimeout(limits.dialMax)
      .channelOption(ChannelOptions.socketOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let link = bound.value.link
          try channel.pipeline.syncOperations.addHandlers([
            credentials.dialling(id, into: link.proven), link,
          ])
        }
      }
      .connect(host: peer.member.host, port: peer.member.port)
      .whenFailure { error in
        let (board, peer, link) = bound.value
        guard peer.dialled === link else { return }
        peer.dialled = nil
        board.redial(peer)
      }
  }

  private func redial(_ peer: Peer) {
    guard !isStopped else { return }
    let bound = NIOLoopBound((board: self, peer: peer), eventLoop: loop)
    // A quarter more or less, so that replicas started together do not dial in step.
    let jittered = peer.backoff.wait() * Int64.random(in: 75...125) / 100
    loop.scheduleTask(in: .nanoseconds(jittered)) {
      bound.value.board.dial(bound.value.peer)
    }
  }

  // MARK: What links say

  func opened(_ link: Link, to id: ReplicaID) {
    guard let peer = self[id] else { return link.close("\(id) is no peer of this replica") }
    switch link.direction {
    case .accepted:
      strangers[ObjectIdentifier(link)] = nil
      peer.accepted?.close("\(id) has connected anew")
      peer.accepted = link
      if !isReading { link.adjustReading() }
    case .dialled:
      peer.counters.connects.add(1)
      peer.counters.isUp.store(true, ordering: .relaxed)
      report(.up(id))
      drain(id)
    }
  }

  func closed(_ link: Link, why: String) {
    if strangers.removeValue(forKey: ObjectIdentifier(link)) != nil {
      totals.refused.add(1)
      let name = link.proven.id.map { "\($0)" } ?? "a stranger"
      return report(.refused(from: name, why: why))
    }
    switch link.direction {
    case .accepted:
      if let id = link.peer, let peer = self[id], peer.accepted === link { peer.accepted = nil }
    case .dialled(let id):
      guard let peer = self[id], peer.dialled === link else { return }
      peer.dialled = nil
      peer.counters.unsent.add(peer.outbox.removeAll())
      if peer.counters.isUp.exchange(false, ordering: .relaxed) {
        peer.backoff.ended(after: link.age)
        report(.down(id, why: why))
      } else if !isStopped {
        totals.refused.add(1)
        report(.refused(from: "\(id) at \(peer.member.host):\(peer.member.port)", why: why))
      }
      redial(peer)
    }
  }

  func received(_ bytes: Int, from id: ReplicaID) {
    self[id]?.counters.messagesIn.add(1)
    self[id]?.counters.bytesIn.add(bytes)
  }

  func malformed(from id: ReplicaID) { self[id]?.counters.malformed.add(1) }

  /// - Returns: nanoseconds for which not to read, when the peer is over its share.
  func spend(frames: Int, bytes: Int, of id: ReplicaID, now: UInt64) -> UInt64? {
    self[id]?.rate.spend(messages: frames, bytes: bytes, now: now)
  }

  func flooded(by id: ReplicaID) {
    self[id]?.counters.pauses.add(1)
    report(.flooding(id))
  }

  func schedule(_ wait: TimeAmount, for link: Link, _ then: @escaping @Sendable (Link) -> Void) {
    let bound = NIOLoopBound(link, eventLoop: loop)
    loop.scheduleTask(in: wait) { then(bound.value) }
  }

  // MARK: Sending

  func send(_ batch: [(frame: Frame, to: Destination)]) {
    for (frame, destination) in batch {
      switch destination {
      case .all: for case let peer? in peers { enqueue(frame, to: peer) }
      case .one(let id): if let peer = self[id] { enqueue(frame, to: peer) }
      }
    }
    for case let peer? in peers where !peer.outbox.isEmpty { drain(peer.member.id) }
  }

  private func enqueue(_ frame: Frame, to peer: Peer) {
    guard let link = peer.dialled, link.isOpen else { return peer.counters.unsent.add(1) }
    for kind in peer.outbox.add(frame) { peer.counters.drop(kind) }
  }

  /// Writes what waits for a peer as far as its socket takes it; small frames go together.
  func drain(_ id: ReplicaID) {
    guard let peer = self[id], let link = peer.dialled, link.isOpen else { return }
    while !peer.outbox.isEmpty, link.isWritable {
      var written = 0
      var together = ByteBuffer()
      while written < limits.writeBytesMax, let frame = peer.outbox.take() {
        written += frame.count
        peer.counters.messagesOut.add(1)
        if frame.count <= limits.coalescedFrameBytesMax {
          together.writeImmutableBuffer(frame.buffer)
        } else {
          if together.readableBytes > 0 { link.write(together) }
          together = ByteBuffer()
          link.write(frame.buffer)
        }
      }
      if together.readableBytes > 0 { link.write(together) }
      link.flush()
      peer.counters.bytesOut.add(written)
    }
    peer.counters.waitingFrames.store(UInt64(peer.outbox.count), ordering: .relaxed)
    peer.counters.waitingBytes.store(UInt64(peer.outbox.bytes), ordering: .relaxed)
  }

  // MARK: Time and the end

  private func tick() {
    guard !isStopped else { return }
    let now = NIODeadline.now().uptimeNanoseconds
    for case let peer? in peers {
      peer.dialled?.tick(now: now)
      peer.accepted?.tick(now: now)
    }
    for link in Array(strangers.values) { link.tick(now: now) }
    let bound = NIOLoopBound(self, eventLoop: loop)
    let interval = min(.seconds(1), min(limits.handshakeMax, limits.heartbeat))
    loop.scheduleTask(in: interval) { bound.value.tick() }
  }

  func read(_ wanted: Bool) {
    guard wanted != isReading else { return }
    isReading = wanted
    for case let peer? in peers { peer.accepted?.adjustReading() }
  }

  func stop() {
    isStopped = true
    for case let peer? in peers {
      peer.dialled?.close("this replica stops")
      peer.accepted?.close("this replica stops")
    }
    for link in Array(strangers.values) { link.close("this replica stops") }
  }
}
