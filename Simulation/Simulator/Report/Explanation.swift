import Wire

/// Why a run failed, in few words: the acts that contradict one another, the votes and
/// certificates they rest on, the crashes and faults that made them possible, by time.
///
/// - Bound: `linesMax` lines of text.
package struct Explanation: Sendable, Hashable {
  package static let linesMax = 30
  /// What is left for events beside the verdict and the closing words.
  static let eventLinesMax = 23

  /// One thing that decided, in words.
  package struct Line: Sendable, Hashable {
    package let time: UInt64
    package let text: String
    /// The events that it tells of.
    package let events: [Int]
  }

  package let verdict: String
  package let planted: String?
  package let lines: [Line]
  /// Events that could have had a part in it: those that precede it, or an act of another that it
  /// contradicts, in Lamport's order, with what the world did until then.
  package let past: Int
  /// Where the first view that it is about begins; the id of an event.
  package let firstEvent: Int

  /// nil when nothing went wrong.
  package init?(_ recording: Recording) {
    guard let end = recording.flag, case .violated(let number) = end.act else { return nil }
    let broke = recording.isTolerated ? "BROKEN, as it may be over the budget: " : "FAIL "
    verdict = broke + recording.violationWords(number)
    planted = recording.scenario.brokenRule?.rawValue
    var inquest = Inquest(recording, number, end)
    past = inquest.events.count + recording.dropped
    firstEvent = inquest.firstEvent
    lines = inquest.lines(Self.eventLinesMax)
  }

  /// For a terminal.
  /// - Parameter next: the command that shows more.
  package func text(next: String) -> String {
    var out = [verdict]
    if let planted { out.append("planted: \(planted)") }
    out.append("")
    for (place, line) in lines.enumerated() {
      let number = place < 9 ? " \(place + 1)" : "\(place + 1)"
      out.append("\(number)  \(seconds(line.time, digits: 3)) s  \(line.text)")
    }
    let told = Set(lines.dropLast().flatMap(\.events)).count
    out.append("")
    out.append(
      "\(counted(max(0, past - told), "further event")) before it could have had a part in "
        + "it and are left out.")
    out.append("next: \(next)")
    return out.joined(separator: "\n")
  }
}

/// Looks through a recording for what decided.
private struct Inquest {
  private struct Finding {
    /// Lower is more telling.
    let rank: Int
    let line: Explanation.Line
  }

  private let recording: Recording
  private let number: Int
  private let violation: Violation
  private let end: RecordedEvent
  /// What could have had a part in it; nothing else is told.
  let events: [RecordedEvent]
  /// The views and heights that the violation is about.
  private let views: [View]
  private let heights: [Height]
  private let quorum: Int
  /// No act of a view is to blame, but what went on from the start.
  private let isBroad: Bool
  private var findings: [Finding] = []

  init(_ recording: Recording, _ number: Int, _ end: RecordedEvent) {
    let violation = recording.violations[number]
    self.recording = recording
    self.number = number
    self.violation = violation
    self.end = end
    quorum = recording.scenario.cluster.quorum
    heights = numbers(after: "height", in: violation.text).map { Height($0) }
    events = Self.past(recording, end, violation, heights)
    views = Self.views(events, violation, heights)
    let namesView = violation.view != nil || !numbers(after: "view", in: violation.text).isEmpty
    switch violation.check {
    case .liveness, .bounds: isBroad = true
    case .evidence: isBroad = !namesView
    default: isBroad = false
    }
  }

  /// What precedes the violation, or what another replica did first that it contradicts.
  private static func past(
    _ recording: Recording, _ end: RecordedEvent, _ violation: Violation, _ heights: [Height]
  ) -> [RecordedEvent] {
    let earlier = recording.events.prefix(max(0, end.id - recording.dropped))
    guard end.lane != Recording.world else { return Array(earlier) }
    let order = HappensBefore(recording)
    var ends = [end.id]
    var acts: [RecordedEvent.Act] = []
    for event in earlier {
      switch event.act {
      case .executed(let height, _), .finalized(let height, _, _):
        guard heights.contains(height), !acts.contains(event.act) else { continue }
        acts.append(event.act)
        ends.append(event.id)
      default: break
      }
    }
    return earlier.filter { event in
      switch event.act {
      // The world's doing, like a fault: no order tells of what did not arrive.
      case .lost(_, end.lane), .held(_, end.lane, _), .crashed, .started(again: true): return true
      default: break
      }
      return event.lane == Recording.world
        || ends.contains { $0 == event.id || order.order(event.id, $0) == .before }
    }
  }

  /// Those that it names; those of the heights it names; the last one that was entered.
  private static func views(
    _ events: [RecordedEvent], _ violation: Violation, _ heights: [Height]
  ) -> [View] {
    var views = numbers(after: "view", in: violation.text).map { View($0) }
    if let own = violation.view { views.append(own) }
    for event in events {
      if case .finalized(let height, let view, _) = event.act, heights.contains(height) {
        views.append(view)
      }
    }
    if views.isEmpty {
      let entered = events.compactMap { event in
        if case .entered(let view, _) = event.act { return view }
        return nil
      }
      if let last = entered.max() { views = [last] }
    }
    return Array(Set(views).sorted().suffix(4))
  }

  mutating func lines(_ most: Int) -> [Explanation.Line] {
    lookAtVotes()
    lookAtCertificates()
    lookAtProposals()
    lookAtStates()
    lookAtMachines()
    lookAtFaults()
    lookAtNotices()
    if isBroad { lookAtMessages() } else { lookAtLostVotes() }
    if violation.check == .liveness { lookAtTheEnd() }
    let ordered = chosen(most - 1).sorted {
      ($0.time, $0.events.first ?? 0) < ($1.time, $1.events.first ?? 0)
    }
    let last = Explanation.Line(
      time: violation.time, text: "VIOLATION \(recording.violationWords(number))",
      events: [end.id])
    return ordered + [last]
  }

  /// The most telling, each event once.
  private func chosen(_ most: Int) -> [Explanation.Line] {
    var told: Set<Int> = []
    var lines: [Explanation.Line] = []
    let ranked = findings.enumerated()
      .sorted { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) }
    for line in ranked.map(\.element.line) where lines.count < most {
      guard line.events.isEmpty || !told.isSuperset(of: line.events) else { continue }
      told.formUnion(line.events)
      lines.append(line)
    }
    return lines
  }

  private mutating func find(_ rank: Int, _ text: String, _ events: [RecordedEvent]) {
    guard let first = events.first else { return }
    findings.append(
      Finding(
        rank: rank,
        line: Explanation.Line(time: first.time, text: text, events: events.map(\.id))))
  }

  private func isCulprit(_ event: RecordedEvent) -> Bool { event.lane == end.lane }

  private func name(_ event: RecordedEvent) -> String { recording.name(of: event.lane) }

  private func names(_ events: [RecordedEvent]) -> String {
    Recording.list(distinct(events.map(\.lane)).sorted().map { recording.name(of: $0) })
  }

  // MARK: Votes and certificates

  /// The culprit's own votes a line each, the others' together.
  private mutating func lookAtVotes() {
    var stands: [RecordedEvent.Stand] = []
    var votes: [[RecordedEvent]] = []
    for event in events {
      guard case .voted(let stand) = event.act, views.contains(stand.view) else { continue }
      if isCulprit(event) { find(1, ownVote(event, stand), [event]) }
      if let place = stands.firstIndex(of: stand) {
        votes[place].append(event)
      } else {
        stands.append(stand)
        votes.append([event])
      }
    }
    for (stand, cast) in zip(stands, votes) {
      let others = cast.filter { !isCulprit($0) }
      guard let first = others.first, let last = others.last else { continue }
      let plain = others.count == 1 ? stand.actWords : stand.manyActWords
      let until = last.time > first.time ? ", until \(seconds(last.time, digits: 3)) s" : ""
      let known = voters(stand)
      let lacking = known < quorum ? "; \(known) of the \(quorum) votes needed" : ""
      find(3, "\(names(others)) \(plain)\(until)\(lacking)", others)
    }
  }

  /// How many members cast this vote until then, whoever had heard of it.
  private func voters(_ stand: RecordedEvent.Stand) -> Int {
    let all = recording.events.filter { $0.id < end.id && $0.act == .voted(stand) }
    return distinct(all.map { recording.lanes[$0.lane].id }).count
  }

  /// Why, when it was durable, when it was said.
  private func ownVote(_ vote: RecordedEvent, _ stand: RecordedEvent.Stand) -> String {
    var text = "\(name(vote)) \(stand.actWords)"
    if let reason = recording.reason(of: vote) { text += " (\(reason))" }
    // With durability broken on purpose the word is out earlier in the same turn.
    let turn = recording[vote.cause]?.id ?? vote.id
    let later = events.filter { $0.id >= turn && isCulprit($0) }
    let synced = later.first { event in
      if case .synced(let votes, _) = event.act { return votes.contains(stand) }
      return false
    }
    let sent = later.first { event in
      guard case .sent(let topic, _) = event.act, topic.view == stand.view else { return false }
      let proposes = stand.kind == .notarize && topic.kind == .proposal
      return (topic.kind == stand.voteKind || proposes) && topic.block == stand.block
    }
    text += synced.map { ", durable at \(seconds($0.time, digits: 3)) s" } ?? ", not durable"
    text += sent.map { ", sent at \(seconds($0.time, digits: 3)) s" } ?? ", not sent"
    return text
  }

  private mutating func lookAtCertificates() {
    var seen: [RecordedEvent.Stand] = []
    for event in events {
      guard case .certified(let stand, let signers) = event.act, views.contains(stand.view) else {
        continue
      }
      let few = signers.count < quorum ? "; \(signers.count) of the \(quorum) needed" : ""
      let by = "signed by \(Recording.list(signers.map(\.description)))\(few)"
      if !seen.contains(stand) {
        seen.append(stand)
        find(2, "\(name(event)) is first to hold the \(stand.certificateWords), \(by)", [event])
      } else if isCulprit(event) {
        find(4, "\(name(event)) holds the \(stand.certificateWords), \(by)", [event])
      }
    }
  }

  private mutating func lookAtProposals() {
    for event in events {
      switch event.act {
      case .proposed(let view, _, _) where views.contains(view):
        find(4, "\(name(event)) \(recording.words(event))", [event])
      case .entered(let view, _) where views.contains(view) && isCulprit(event):
        find(8, "\(name(event)) \(recording.words(event))", [event])
      case .finalized(_, let view, _) where views.contains(view) && isCulprit(event):
        find(5, "\(name(event)) \(recording.words(event))", [event])
      default: break
      }
    }
  }

  /// Who came to which root at the heights in question.
  private mutating func lookAtStates() {
    for height in heights {
      var roots: [DigestMark] = []
      var groups: [[RecordedEvent]] = []
      var finalized: [RecordedEvent.Act] = []
      for event in events {
        switch event.act {
        case .executed(height, let root):
          if let place = roots.firstIndex(of: root) {
            groups[place].append(event)
          } else {
            roots.append(root)
            groups.append([event])
          }
        case .finalized(height, _, _) where !finalized.contains(event.act):
          finalized.append(event.act)
          find(2, "\(name(event)) is first: it \(recording.words(event))", [event])
        default: break
        }
      }
      guard [.state, .cycles, .exactlyOnce, .reads].contains(violation.check) else { continue }
      for (root, group) in zip(roots, groups) {
        let verb = group.count == 1 ? "executes" : "execute"
        find(1, "\(names(group)) \(verb) height \(height) to the root \(root)", group)
      }
    }
  }

  // MARK: What went wrong around them

  /// The first replica enters the first of the views in question.
  var firstEvent: Int {
    let first = events.first { event in
      if case .entered(let view, _) = event.act { return views.contains(view) }
      return false
    }
    return first?.id ?? recording.dropped
  }

  private var spanStart: UInt64 { isBroad ? 0 : recording[firstEvent]?.time ?? 0 }

  /// Crashes and returns since then, those of one moment together; Byzantine actors.
  private mutating func lookAtMachines() {
    let start = spanStart
    var told: Set<Int> = []
    for (place, event) in events.enumerated() where event.isPower && !told.contains(event.id) {
      let group = events[place...].prefix { $0.time == event.time }
        .filter { $0.act == event.act }
      told.formUnion(group.map(\.id))
      let back = group.allSatisfy { comesBack($0) }
      guard event.time >= start || !back else { continue }
      let rank = group.contains(where: isCulprit) ? 1 : back ? 6 : 4
      let many = group.count > 1
      var words = recording.words(event)
      if many {
        words = words.replacing("crashes", with: "crash").replacing("starts", with: "start")
          .replacing("its disk", with: "their disks")
      }
      find(rank, "\(names(group)) \(words)\(back ? "" : ", for good")", group)
    }
    lookAtActors()
  }

  /// The Byzantine replicas, a line an actor.
  private mutating func lookAtActors() {
    for actor in distinct(recording.lanes.compactMap(\.actor)) {
      let names = recording.lanes.filter { $0.actor == actor }.map(\.name)
      let are = names.count == 1 ? "is" : "are"
      let text = "\(Recording.list(names)) \(are) Byzantine: \(actor)"
      let start = recording.events.first?.time ?? 0
      findings.append(
        Finding(rank: 3, line: Explanation.Line(time: start, text: text, events: [])))
    }
  }

  /// False for a crash by a fault for good; a run may end before a return.
  private func comesBack(_ event: RecordedEvent) -> Bool {
    guard case .crashed = event.act else { return true }
    let later = recording.events[(event.id - recording.dropped)...]
    if later.contains(where: { $0.lane == event.lane && $0.act == .started(again: true) }) {
      return true
    }
    return !recording.scenario.faults.indices.contains { fault in
      recording.scenario.faults[fault].isForGood
        && recording.faultLanes[fault].contains(event.lane)
    }
  }

  /// Faults that were at work since then, or that never ended.
  private mutating func lookAtFaults() {
    let start = spanStart
    for fault in recording.scenario.faults.indices {
      let ended = events.first { $0.act == .faultEnded(fault) }
      guard let began = events.first(where: { $0.act == .faultBegan(fault) }),
        ended.map({ $0.time >= start }) ?? true,
        recording.scenario.faults[fault].verb != .calm
      else { continue }
      let near = recording.faultLanes[fault].contains(end.lane)
      let words = "fault \(fault + 1), \(recording.faultWords(fault)),"
      find(near ? 3 : 5, "\(words) begins", [began])
      if let ended { find(near ? 6 : 7, "\(words) ends", [ended]) }
    }
    if let calm = events.first(where: { $0.act == .calm }), calm.time >= start {
      find(7, "calm: everything that is not permanent ends", [calm])
    }
  }

  /// Votes of these views that did not arrive.
  private mutating func lookAtLostVotes() {
    var keys: [String] = []
    var groups: [[RecordedEvent]] = []
    for event in events {
      let key: String
      switch event.act {
      case .held(let topic, _, let fault) where topic.isVote(in: views):
        key = "\(topic.words) are held back by fault \(fault + 1)"
      case .lost(let topic, _) where topic.isVote(in: views): key = "\(topic.words) are lost"
      default: continue
      }
      if let place = keys.firstIndex(of: key) {
        groups[place].append(event)
      } else {
        keys.append(key)
        groups.append([event])
      }
    }
    for (key, group) in zip(keys, groups) {
      let words = group.count == 1 ? key.replacing(" are ", with: " is ") : key
      find(6, "\(group.count) × \(words), of \(names(group))", group)
    }
  }

  /// Where no act is to blame: how many messages of each kind somebody sent the culprit, who the
  /// violation names or who is Byzantine; and what was kept from arriving.
  private mutating func lookAtMessages() {
    var heard: [String: [RecordedEvent]] = [:]
    var kept: [String: [RecordedEvent]] = [:]
    let words = violation.text.split { !($0.isLetter || $0.isNumber) }
    let named = recording.lanes.indices.filter { lane in
      let entry = recording.lanes[lane]
      return lane != end.lane
        && (entry.actor != nil || words.contains { $0 == entry.id.description })
    }
    // Of evidence: messages like the one that brought it about.
    var kind: MessageKind?
    if violation.check == .evidence, case .arrived(let topic, _)? = recording[end.cause]?.act {
      kind = topic.kind
    }
    for event in events {
      switch event.act {
      case .arrived(let topic, let sender)
      where isCulprit(event) && topic.kind == kind ?? topic.kind
        && (named.isEmpty || named.contains(sender)):
        let words = "× \(topic.kind.rawValue) from \(recording.name(of: sender))"
        heard["\(name(event)) receives # \(words)", default: []].append(event)
      case .sent(let topic, _) where isCulprit(event) && recording.lanes[event.lane].actor != nil:
        heard["\(name(event)) sends # × \(topic.kind.rawValue)", default: []].append(event)
      case .lost(let topic, _):
        kept["# × \(topic.kind.rawValue) lost", default: []].append(event)
      case .held(let topic, _, let fault):
        kept["# × \(topic.kind.rawValue) held back by fault \(fault + 1)", default: []]
          .append(event)
      default: break
      }
    }
    tell(heard, rank: 2, most: 6)
    let byWhom = kept.map { ("\($0.key), of \(counts($0.value))", $0.value) }
    tell(Dictionary(uniqueKeysWithValues: byWhom), rank: 5, most: 6)
  }

  /// The largest of these groups, a line each with its size.
  private mutating func tell(_ groups: [String: [RecordedEvent]], rank: Int, most: Int) {
    let largest = groups.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
    for (words, group) in largest.prefix(most) {
      guard let last = group.last else { continue }
      let until = group.count > 1 ? ", until \(seconds(last.time, digits: 3)) s" : ""
      find(rank, words.replacing("#", with: "\(group.count)") + until, group)
    }
  }

  /// Whose these are, and how many of each: `r0 (12) and r1 (9)`.
  private func counts(_ group: [RecordedEvent]) -> String {
    let bySender = Dictionary(grouping: group, by: \.lane).sorted { $0.key < $1.key }
    return Recording.list(bySender.map { "\(recording.name(of: $0.key)) (\($0.value.count))" })
  }

  /// What the culprit itself says since then, and whom anybody accuses.
  private mutating func lookAtNotices() {
    let start = spanStart
    let awaited = recording.scenario.expect.reaches.map(\.rawValue)
    var told: Set<String> = []
    for event in events where event.time >= start {
      guard case .noticed(let words) = event.act else { continue }
      let accuses = words.hasPrefix("accuses")
      // Of the marks only those that the story is about.
      let mark = words.hasPrefix("reached ") ? String(words.dropFirst("reached ".count)) : nil
      let idle = mark.map { !awaited.contains($0) } ?? false
      guard isCulprit(event) || accuses, !idle else { continue }
      // A mark is told once.
      guard mark == nil || told.insert("\(event.lane) \(words)").inserted else { continue }
      let reason = words.hasPrefix("says") ? recording.reason(of: event) : nil
      find(
        accuses ? 7 : 8, "\(name(event)) \(words)" + (reason.map { " (\($0))" } ?? ""), [event])
    }
  }

  /// Nothing contradicts: where everybody stands instead.
  private mutating func lookAtTheEnd() {
    var last = [RecordedEvent?](repeating: nil, count: recording.lanes.count)
    var finalized: RecordedEvent?
    for event in events {
      switch event.act {
      case .entered: last[event.lane] = event
      case .finalized: finalized = event
      default: break
      }
    }
    if let finalized {
      find(1, "\(name(finalized)) \(recording.words(finalized)): the last of all", [finalized])
    }
    var acts: [RecordedEvent.Act] = []
    for event in last.compactMap(\.self) where !acts.contains(event.act) {
      acts.append(event.act)
      let group = last.compactMap(\.self).filter { $0.act == event.act }
      let words = recording.words(event).dropFirst("enters ".count)
      let verb = group.count == 1 ? "enters" : "enter"
      find(1, "\(names(group)) \(verb) \(words), and stay\(group.count == 1 ? "s" : "")", group)
    }
  }
}

extension RecordedEvent {
  /// A crash, or a start after one.
  fileprivate var isPower: Bool {
    switch act {
    case .crashed, .started(again: true): true
    default: false
    }
  }
}

extension RecordedEvent.Stand {
  /// `finalize view 8 (4f3a9c21)`: what several do.
  fileprivate var manyActWords: String {
    "\(kind) view \(view)" + (block.map { " (\($0))" } ?? "")
  }
}

extension Topic {
  fileprivate func isVote(in views: [View]) -> Bool {
    [.notarize, .nullify, .finalize].contains(kind) && view.map { views.contains($0) } ?? false
  }
}

/// Each once, in the order of first appearance.
private func distinct<Element: Hashable>(_ elements: [Element]) -> [Element] {
  var seen: Set<Element> = []
  return elements.filter { seen.insert($0).inserted }
}

/// The whole numbers that follow this word: 8 in `finalizes view 8 after`.
func numbers(after word: String, in text: String) -> [UInt64] {
  let words = text.split { !($0.isLetter || $0.isNumber) }
  return zip(words, words.dropFirst()).compactMap { first, second in
    first == word ? UInt64(second) : nil
  }
}
