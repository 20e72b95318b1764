import Replication
import Wire

/// What an event rests on: far less than all that could have influenced it, and what a reader
/// follows with a finger. A vote rests on what made the replica cast it, a certificate on the
/// votes in it, a message on its sending.
struct InkPast {
  private enum Key: Hashable {
    case voted(Int, RecordedEvent.Stand)
    case voteArrived(Int, RecordedEvent.Stand)
    case certified(Int, RecordedEvent.Stand)
    case entered(Int, View)
    case finalized(Int, Height)
  }

  private let recording: Recording
  private let floor: Int
  private var known: [Key: [Int]] = [:]
  /// By the event's place in the recording.
  private(set) var ink: [Bool]

  /// - Parameters:
  ///   - seeds: whose past is wanted.
  ///   - floor: the id before which nothing is looked at.
  init(_ recording: Recording, of seeds: [Int], from floor: Int) {
    self.recording = recording
    self.floor = max(floor, recording.dropped)
    ink = [Bool](repeating: false, count: recording.events.count)
    for event in recording.events[(self.floor - recording.dropped)...] {
      if let key = key(of: event) { known[key, default: []].append(event.id) }
    }
    var open = seeds
    while let id = open.popLast() {
      guard let event = recording[id], id >= self.floor, !ink[id - recording.dropped] else {
        continue
      }
      ink[id - recording.dropped] = true
      if let cause = event.cause { open.append(cause) }
      open += grounds(of: event)
    }
  }

  private func key(of event: RecordedEvent) -> Key? {
    let lane = event.lane
    switch event.act {
    case .voted(let stand): return .voted(lane, stand)
    case .arrived(let topic, _): return topic.stand.map { .voteArrived(lane, $0) }
    case .certified(let stand, _): return .certified(lane, stand)
    case .entered(let view, _): return .entered(lane, view)
    case .finalized(let height, _, _): return .finalized(lane, height)
    default: return nil
    }
  }

  /// What it rests on beside the input of its turn; all of it came before.
  private func grounds(of event: RecordedEvent) -> [Int] {
    let lane = event.lane
    switch event.act {
    case .sent(let topic, _):
      return topic.stand.map { earlier(.voted(lane, $0), event) } ?? []
    case .certified(let stand, _):
      if case .arrived(let topic, _)? = recording[event.cause]?.act,
        topic.kind == stand.certificateKind || topic.kind == .views
      {
        return []
      }
      return earlier(.voteArrived(lane, stand), event) + earlier(.voted(lane, stand), event)
    case .voted(let stand): return grounds(of: stand, event)
    case .alarmRang(.leader(let view)), .alarmRang(.progress(let view)),
      .alarmRang(.idle(let view)):
      return earlier(.entered(lane, view), event)
    case .executed(let height, _): return earlier(.finalized(lane, height), event)
    case .finalized(_, let view, let block):
      let stand = RecordedEvent.Stand(kind: .finalize, view: view, block: block)
      return earlier(.certified(lane, stand), event)
    default: return []
    }
  }

  /// A notarize rests on the proposal, a finalize on the notarization.
  private func grounds(of stand: RecordedEvent.Stand, _ event: RecordedEvent) -> [Int] {
    switch stand.kind {
    case .notarize:
      return earlier(.voteArrived(event.lane, stand), event).filter { id in
        if case .arrived(let topic, _)? = recording[id]?.act { return topic.kind == .proposal }
        return false
      }
    case .finalize:
      let own = RecordedEvent.Stand(kind: .notarize, view: stand.view, block: stand.block)
      return earlier(.certified(event.lane, own), event)
    case .nullify: return []
    }
  }

  private func earlier(_ key: Key, _ event: RecordedEvent) -> [Int] {
    (known[key] ?? []).filter { $0 < event.id }
  }
}

extension Topic {
  /// What it says when it is a vote, or a proposal with its leader's own.
  var stand: RecordedEvent.Stand? {
    guard let view else { return nil }
    switch kind {
    case .notarize, .proposal:
      return RecordedEvent.Stand(kind: .notarize, view: view, block: block)
    case .nullify: return RecordedEvent.Stand(kind: .nullify, view: view, block: nil)
    case .finalize: return RecordedEvent.Stand(kind: .finalize, view: view, block: block)
    default: return nil
    }
  }
}
