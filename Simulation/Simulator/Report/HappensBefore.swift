/// How two events of a run stand to one another.
package enum CausalOrder: String, Sendable, Hashable {
  case same, before, after, concurrent
}

/// Which event could have influenced which (Lamport, "Time, Clocks, and the Ordering of Events",
/// 1978), kept as vector clocks (Fidge 1988, Mattern 1988): events of a lane are in order, and a
/// message is sent before it arrives. What the world does, such as a fault, is on no lane and so
/// concurrent to everything.
///
/// - Bound: 4 bytes for each event and lane.
package struct HappensBefore: Sendable {
  private let recording: Recording
  private let width: Int
  /// A row an event: how many events of each lane are before it or are it.
  private var clocks: [UInt32]

  package init(_ recording: Recording) {
    self.recording = recording
    width = recording.lanes.count
    clocks = [UInt32](repeating: 0, count: recording.events.count * width)
    var latest = [Int?](repeating: nil, count: width)
    for (place, event) in recording.events.enumerated() where event.lane != Recording.world {
      if let before = latest[event.lane] { join(place, before) }
      if let cause = recording[event.cause] { join(place, cause.id - recording.dropped) }
      clocks[place * width + event.lane] += 1
      latest[event.lane] = place
    }
  }

  private mutating func join(_ place: Int, _ earlier: Int) {
    for lane in 0..<width {
      let known = clocks[earlier * width + lane]
      if known > clocks[place * width + lane] { clocks[place * width + lane] = known }
    }
  }

  /// The event's vector clock; nil when it is not kept or is the world's.
  func clock(_ id: Int) -> ArraySlice<UInt32>? {
    guard let event = recording[id], event.lane != Recording.world else { return nil }
    let place = id - recording.dropped
    return clocks[place * width..<(place + 1) * width]
  }

  /// How `first` stands to `second`.
  package func order(_ first: Int, _ second: Int) -> CausalOrder {
    if first == second { return .same }
    if precedes(first, second) { return .before }
    return precedes(second, first) ? .after : .concurrent
  }

  private func precedes(_ first: Int, _ second: Int) -> Bool {
    guard let event = recording[first], let own = clock(first), let other = clock(second) else {
      return false
    }
    return other[other.startIndex + event.lane] >= own[own.startIndex + event.lane]
      && first != second
  }

  /// How many kept events could have influenced this one; all earlier ones when it is the world's.
  package func pastCount(of id: Int) -> Int {
    guard let clock = clock(id) else { return max(0, id - recording.dropped) }
    return clock.reduce(0) { $0 + Int($1) } - 1
  }
}
