import Synchronization
import Wire

/// What has passed between this replica and one peer since the start.
package struct LinkStatistics: Sendable, Equatable {
  package var peer: ReplicaID
  /// Messages to the peer leave now.
  package var isUp = false
  package var messagesIn: UInt64 = 0
  package var messagesOut: UInt64 = 0
  package var bytesIn: UInt64 = 0
  package var bytesOut: UInt64 = 0
  package var connects: UInt64 = 0
  /// Connections closed because of what the peer sent.
  package var malformed: UInt64 = 0
  /// How often reading from the peer was put off.
  package var pauses: UInt64 = 0
  /// Not sent because the queue was full, by kind.
  package var dropped: [MessageKind: UInt64] = [:]
  /// Not sent because there was no connection.
  package var unsent: UInt64 = 0
  package var waitingFrames: UInt64 = 0
  package var waitingBytes: UInt64 = 0

  package init(peer: ReplicaID, isUp: Bool = false) {
    self.peer = peer
    self.isUp = isUp
  }
}

/// The counters behind `LinkStatistics`: written on the event loop, read anywhere.
final class LinkCounters: Sendable {
  let peer: ReplicaID
  let isUp = Atomic<Bool>(false)
  let messagesIn = Atomic<UInt64>(0)
  let messagesOut = Atomic<UInt64>(0)
  let bytesIn = Atomic<UInt64>(0)
  let bytesOut = Atomic<UInt64>(0)
  let connects = Atomic<UInt64>(0)
  let malformed = Atomic<UInt64>(0)
  let pauses = Atomic<UInt64>(0)
  let unsent = Atomic<UInt64>(0)
  let waitingFrames = Atomic<UInt64>(0)
  let waitingBytes = Atomic<UInt64>(0)
  private let dropped = Mutex([UInt64](repeating: 0, count: MessageKind.allCases.count))

  init(peer: ReplicaID) { self.peer = peer }

  func drop(_ kind: MessageKind) {
    dropped.withLock { $0[kind.rawValue] += 1 }
  }

  var snapshot: LinkStatistics {
    var value = LinkStatistics(peer: peer)
    value.isUp = isUp.load(ordering: .relaxed)
    value.messagesIn = messagesIn.load(ordering: .relaxed)
    value.messagesOut = messagesOut.load(ordering: .relaxed)
    value.bytesIn = bytesIn.load(ordering: .relaxed)
    value.bytesOut = bytesOut.load(ordering: .relaxed)
    value.connects = connects.load(ordering: .relaxed)
    value.malformed = malformed.load(ordering: .relaxed)
    value.pauses = pauses.load(ordering: .relaxed)
    value.unsent = unsent.load(ordering: .relaxed)
    value.waitingFrames = waitingFrames.load(ordering: .relaxed)
    value.waitingBytes = waitingBytes.load(ordering: .relaxed)
    let counts = dropped.withLock { $0 }
    for kind in MessageKind.allCases where counts[kind.rawValue] > 0 {
      value.dropped[kind] = counts[kind.rawValue]
    }
    return value
  }
}

extension Atomic where Value == UInt64 {
  func add(_ count: Int) { wrappingAdd(UInt64(count), ordering: .relaxed) }
}
