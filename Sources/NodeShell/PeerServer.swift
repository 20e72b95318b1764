import Journaling
import Replication
import Synchronization
import Transport
import Wire

/// Answers peers from the journal, on a thread of its own; peers take turns.
///
/// - Bound: `servingPerPeerMax` requests wait of each peer; more are dropped, the peers ask again.
final class PeerServer: Sendable {
  /// Who has a request that waits, once for each.
  private let turns = Mailbox<ReplicaID>()
  /// What each peer asked for and waits for, in its order.
  private let requests = Mutex<[ReplicaID: [JournalRequest]]>([:])
  private let reader: JournalReader
  private let links: Links
  private let board: ReplicaBoard
  private let counters: NodeCounters

  init(_ reader: JournalReader, links: Links, board: ReplicaBoard, counters: NodeCounters) {
    self.reader = reader
    self.links = links
    self.board = board
    self.counters = counters
  }

  var waiting: Int { requests.withLock { $0.values.reduce(0) { $0 + $1.count } } }

  func take(_ request: JournalRequest, for peer: ReplicaID) {
    let place = requests.withLock { requests -> Int? in
      let waiting = requests[peer, default: []].count
      guard waiting < NodeLimits.servingPerPeerMax else { return nil }
      requests[peer, default: []].append(request)
      return waiting
    }
    guard let place else {
      counters.servesDropped.add(1)
      return
    }
    if place == 0 { turns.post(peer) }
  }

  func close() { turns.close() }

  func run() {
    while let batch = turns.take(limit: 1) {
      for peer in batch {
        let (request, isLast) = requests.withLock { requests in
          (requests[peer]?.removeFirst(), requests[peer]?.isEmpty ?? true)
        }
        // Behind all others that wait.
        if !isLast { turns.post(peer) }
        guard let request else { continue }
        do throws(JournalFault) {
          if let frame = try answer(request) { send(frame, to: peer) }
        } catch {
          board.logSeldom(
            .error, "cannot read the journal for a peer", key: "serve", ["why": "\(error)"])
        }
      }
    }
  }

  private func answer(_ request: JournalRequest) throws(JournalFault) -> Frame? {
    switch request {
    case .blocks(let from, let count):
      return try blocks(from: from, count: min(Int(count), Limits.blocksPerAnswerMax))
    case .block(let digest):
      return try reader.block(digest).flatMap { Frame(.blocks([$0], finalizations: [])) }
    case .stateCertificate(let height):
      return try reader.stateCertificate(at: height).flatMap { Frame(.stateCertificate($0)) }
    }
  }

  /// As many blocks as one frame holds, fewer and fewer until it does.
  private func blocks(from: Height, count: Int) throws(JournalFault) -> Frame? {
    var count = count
    while count > 0 {
      let (blocks, finalizations) = try reader.blocks(from: from, count: count)
      guard !blocks.isEmpty else { return nil }
      if blocks.count <= Limits.blocksPerRangeMax || count == 1 {
        let frame = Frame(
          .blocks(
            Array(blocks.prefix(Limits.blocksPerRangeMax)), finalizations: finalizations))
        if let frame { return frame }
      }
      count /= 2
    }
    counters.overlongMessages.add(1)
    return nil
  }

  private func send(_ frame: Frame, to peer: ReplicaID) {
    links.send([(frame, .one(peer))])
    counters.served.add(1)
  }
}
