import Journaling
import Replication
import Transport
import Wire

/// Performs the effects of a real replica, on its core's thread.
struct NodeHands: Hands {
  let journal: Journal
  let links: Links
  let parts: NodeParts
  let server: PeerServer

  func append(_ records: [Record]) throws(NodeFault) {
    do throws(JournalFault) {
      try journal.append(records)
    } catch {
      throw NodeFault(
        "the journal could not be written, so this replica stops before it says anything that it "
          + "might forget: \(error). Free or replace the disk and start it again")
    }
    for case .stateShare(let share) in records { parts.board.update { $0.share = share } }
  }

  func send(_ frames: [(frame: Frame, to: Destination)]) { links.send(frames) }

  func execute(_ height: Height, _ block: Block?) {
    parts.executions.post(.execute(height, block))
  }

  func serve(_ request: JournalRequest, to peer: ReplicaID) { server.take(request, for: peer) }

  func overlong(_ message: Message) {
    parts.counters.overlongMessages.add(1)
    parts.board.logSeldom(
      .error, "a message is over the limit of a frame", key: "overlong",
      ["kind": "\(message.kind)"])
  }

  func turned() { parts.turned() }
  func look(_ standing: ReplicaStanding) { parts.board.update { $0.standing = standing } }

  func notice(_ notice: Notice) {
    parts.board.take(notice)
    switch notice {
    case .finalized(let height, _, let header): parts.tracker.ordered(header.calls, at: height)
    case .stateCertified(let certificate): parts.executions.post(.certified(certificate))
    case .expired(let call):
      parts.tracker.settle(
        call,
        .refused(
          Refusal(
            "EXPIRED",
            "this replica saw no block that holds the call before it expired: ask for its receipt "
              + "once more, then sign it anew with a later expiry")))
    case .crowdedOut(let call):
      parts.tracker.settle(
        call,
        .refused(
          Refusal(
            "POOL_FULL",
            "this replica holds as many calls as it may until blocks take some: send the call "
              + "again in a few seconds, or to another replica")))
    default: break
    }
  }
}
