import Wire

/// A run as a space-time diagram: time downwards, a lane a replica, messages as lines between
/// them (Lamport 1978).
///
/// What led to a violation is in ink, the rest in grey. A run without one is all in ink.
///
/// - Bound: at most `eventsMax` events and their sendings are drawn.
package struct Diagram: Sendable {
  /// Where it is looked at: as a picture of its own, or as a part of a page.
  package enum Setting: Sendable { case still, page }

  package static let eventsMax = 6_000
  /// How many views the page of a run without a violation shows.
  static let viewsShown: UInt64 = 8
  static let width = 1_360.0
  static let left = 96.0
  static let right = 24.0

  let recording: Recording
  let setting: Setting
  let explanation: Explanation?
  /// In ascending order.
  let shown: [Int]
  /// How many events there are in the stretch that is drawn, drawn or not.
  let stretch: Int
  let scale: TimeScale
  private let ink: [Bool]
  /// For a decisive event the number of its line in the explanation.
  private let numbers: [Int: Int]

  package init(_ recording: Recording, _ setting: Setting) {
    self.recording = recording
    self.setting = setting
    let explanation = Explanation(recording)
    self.explanation = explanation
    let stretch = Self.stretch(recording, setting, explanation)
    let seeds = explanation?.lines.flatMap(\.events) ?? []
    let past = InkPast(recording, of: seeds, from: stretch.lowerBound).ink
    ink = past
    shown = Self.pick(recording, stretch, explanation == nil ? nil : past)
    self.stretch =
      recording.events[
        (stretch.lowerBound - recording.dropped)..<(stretch.upperBound - recording.dropped)
      ].filter { !$0.isLink }.count
    var numbers: [Int: Int] = [:]
    for (place, line) in (explanation?.lines ?? []).enumerated() {
      for event in line.events { numbers[event] = place + 1 }
    }
    self.numbers = numbers
    let latency = max(1, Double(recording.scenario.cluster.latency.number) / 1_000)
    scale = TimeScale(
      shown.compactMap { recording[$0]?.time }, pixelsPerMillisecond: 76 / latency, gapMax: 54,
      top: setting == .still ? 118 : 16)
  }

  func isInk(_ id: Int) -> Bool { explanation == nil || ink[id - recording.dropped] }

  /// The number of the line that explains this event.
  func number(_ id: Int) -> Int? { numbers[id] }

  func holds(_ id: Int) -> Bool { shown.contains(id) }

  var laneWidth: Double {
    (Self.width - Self.left - Self.right) / Double(recording.lanes.count)
  }

  /// The middle of a lane.
  func x(_ lane: Int) -> Double { Self.left + (Double(lane) + 0.5) * laneWidth }

  // MARK: What is drawn

  /// Around the violation; else the first heights, or the last views.
  private static func stretch(
    _ recording: Recording, _ setting: Setting, _ explanation: Explanation?
  ) -> Range<Int> {
    let events = recording.events
    if let explanation, let first = recording[explanation.firstEvent] {
      let margin = 3 * recording.scenario.cluster.latency.number
      let start = events.first { $0.time + margin >= first.time }?.id ?? recording.dropped
      return start..<((recording.flag?.id ?? recording.count - 1) + 1)
    }
    switch setting {
    case .still: return recording.dropped..<endOfHeights(recording)
    case .page:
      let views = events.compactMap { event in
        if case .entered(let view, _) = event.act { return view.number }
        return nil
      }
      let oldest = (views.max() ?? 0) - min(views.max() ?? 0, viewsShown - 1)
      let start = events.first { event in
        if case .entered(let view, _) = event.act { return view.number >= oldest }
        return false
      }
      return (start?.id ?? recording.dropped)..<recording.count
    }
  }

  /// Just after everybody finalized the first few heights.
  private static func endOfHeights(_ recording: Recording) -> Int {
    let wanted: Height = recording.lanes.count > 7 ? 3 : 4
    let last = recording.events.last { event in
      if case .finalized(wanted, _, _) = event.act { return true }
      return false
    }
    return last.map { $0.id + 1 } ?? min(recording.count, recording.dropped + eventsMax)
  }

  /// Everything; when that is too much, what is in ink first, then the latest.
  private static func pick(
    _ recording: Recording, _ stretch: Range<Int>, _ ink: [Bool]?
  ) -> [Int] {
    var chosen = [Bool](repeating: false, count: recording.events.count)
    var left = eventsMax
    func take(_ id: Int) {
      let place = id - recording.dropped
      guard left > 0, !chosen[place] else { return }
      chosen[place] = true
      left -= 1
      if let cause = recording[recording.events[place].cause] {
        chosen[cause.id - recording.dropped] = true
      }
    }
    if let ink {
      for id in stretch.reversed() where ink[id - recording.dropped] { take(id) }
    }
    for id in stretch.reversed() {
      if !recording.events[id - recording.dropped].isLink { take(id) }
    }
    return recording.events.filter { chosen[$0.id - recording.dropped] }.map(\.id)
  }
}

extension RecordedEvent {
  /// Links come and go without being drawn.
  fileprivate var isLink: Bool {
    if case .linked = act { return true }
    return false
  }
}
