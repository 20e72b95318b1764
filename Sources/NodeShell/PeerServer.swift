import Journaling
import Replication
import Synchronization
import Transport
import Wire

/// Answers peers from the journal, on a thread of its own.
///
/// - Bound: `servingMax` requests wait, `servingPerPeerMax` of one peer; more are dropped, the
///   peers ask again.
final class PeerServer: Sendable {
  private let requests = Mailbox<(request: JournalRequest, peer: ReplicaID)>()
  /// How many wait of each peer.
  private let waits = Mutex<[ReplicaID: Int]>([:])
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

  var waiting: Int { requests.count }

  func take(_ request: JournalRequest, for peer: ReplicaID) {
    let isTaken = waits.withLock { waits in
      guard requests.count < NodeLimits.servingMax,
        waits[peer, default: 0] < NodeLimits.servingPerPeerMax
      else { return false }
      waits[peer, default: 0] += 1
      return true
    }
    guard isTaken else {
      counters.servesDropped.add(1)
      return
    }
    requests.post((request, peer))
  }

  func close() { requests.close() }

  func run() {
    while let batch = requests.take(limit: 1) {
      for (request, peer) in batch {
        waits.withLock { $0[peer, default: 1] -= 1 }
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
