import Replication
import Wire

/// Draws a diagram as SVG, from the back to the front.
struct Drawing {
  private let diagram: Diagram
  private let recording: Recording
  private let scale: TimeScale
  private(set) var parts: [String] = []
  /// The right ends of the glyphs of each lane, so that others and labels make room.
  private var glyphs: [[(y: Double, right: Double)]]
  private var labels: [(lane: Int, y: Double, words: String, style: String)] = []
  private var viewLabels: [Double]
  /// Written last, so that no tick and no disc lies on them.
  private var viewNames: [(x: Double, y: Double, words: String)] = []
  /// The words of faults, which labels give way to.
  private var faultNames: [(x: Double, y: Double, right: Double)] = []
  /// Where the page finds each event.
  private(set) var places: [Int: (x: Double, y: Double)] = [:]

  init(_ diagram: Diagram) {
    self.diagram = diagram
    recording = diagram.recording
    scale = diagram.scale
    let lanes = diagram.recording.lanes.count
    glyphs = [[(y: Double, right: Double)]](repeating: [], count: lanes)
    viewLabels = [Double](repeating: -100, count: lanes)
    drawFaults()
    drawTimes()
    drawLanes()
    drawMessages()
    for id in diagram.shown { if let event = recording[id] { drawEvent(event) } }
    for name in viewNames { text(name.x, name.y, name.words, "view", end: true) }
    drawLabels()
    drawFlags()
  }

  private func y(_ event: RecordedEvent) -> Double { scale.y(event.time) }

  private mutating func text(
    _ x: Double, _ y: Double, _ words: String, _ style: String, end: Bool = false
  ) {
    let anchor = end ? " text-anchor=\"end\"" : ""
    parts.append(
      "<text x=\"\(pixels(x))\" y=\"\(pixels(y))\" class=\"\(style)\"\(anchor)>"
        + "\(escaped(words))</text>")
  }

  // MARK: Faults, time, lanes

  /// Shades the lanes that a fault concerns while it is at work, and names it; a bar at the rim
  /// stands for all lanes, a gap in the lane for a crash.
  private mutating func drawFaults() {
    var bars = 0
    for fault in recording.scenario.faults.indices {
      let lanes = recording.faultLanes[fault]
      guard !lanes.isEmpty, !recording.scenario.faults[fault].verb.isCrash,
        let (top, bottom) = span(ofFault: fault)
      else { continue }
      let half = diagram.laneWidth * 0.46
      let height = max(3, bottom - top)
      var x = diagram.x(lanes[0]) - half
      if lanes.count == recording.lanes.count {
        x = Diagram.left - 4 + 8 * Double(bars % 3)
        bars += 1
        shade(x, top, 5, height, "fault bar")
        x += 5
      } else {
        for lane in lanes { shade(diagram.x(lane) - half, top, 2 * half, height, "fault") }
      }
      var y = top + 11
      let words = "fault \(fault + 1): \(recording.faultWords(fault))"
      let right = x + 3 + Double(words.count) * 6.2
      while faultNames.contains(where: {
        abs($0.y - y) < 12 && $0.x < right + 8 && x < $0.right + 8
      }) { y += 13 }
      faultNames.append((x, y, right))
      text(x + 3, y, words, "fault-name")
    }
  }

  /// From where to where a fault was at work on this picture; nil when it was not.
  private func span(ofFault fault: Int) -> (top: Double, bottom: Double)? {
    let ended = recording.events.first { $0.act == .faultEnded(fault) }
    guard let began = recording.events.first(where: { $0.act == .faultBegan(fault) }),
      ended.map({ $0.time >= scale.first }) ?? true, began.time <= scale.last
    else { return nil }
    let top = max(scale.y(began.time), scale.y(scale.first) - 8)
    return (top, ended.map { min(scale.y($0.time), scale.bottom + 8) } ?? scale.bottom + 8)
  }

  private mutating func shade(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String
  ) {
    parts.append(
      "<rect x=\"\(pixels(x))\" y=\"\(pixels(y))\" width=\"\(pixels(width))\" "
        + "height=\"\(pixels(height))\" class=\"\(style)\"/>")
  }

  private mutating func drawTimes() {
    for gap in scale.gaps {
      let wait = Double(gap.until - gap.from) / 1_000
      parts.append(
        "<path d=\"M\(pixels(Diagram.left)) \(pixels(gap.y))"
          + "H\(pixels(Diagram.width - Diagram.right))"
          + "\" class=\"gap\"/>")
      text(Diagram.left - 20, gap.y + 3, "⋮ \(Int(wait.rounded())) ms", "gap-name", end: true)
    }
    var latest = -100.0
    for id in diagram.shown {
      guard let event = recording[id] else { continue }
      let y = y(event)
      guard y - latest >= 44, !scale.gaps.contains(where: { abs($0.y - y) < 12 }) else { continue }
      latest = y
      text(
        Diagram.left - 20, y + 3, "\(seconds(event.time, digits: 3)) s", "time", end: true)
    }
  }

  /// A lane is a line while its process lives, and dashed while it stands still.
  private mutating func drawLanes() {
    let top = scale.y(scale.first) - 10
    let bottom = scale.bottom + 10
    for lane in recording.lanes.indices {
      var from = top
      var state = "lane"
      func segment(_ until: Double) -> String {
        "<path d=\"M\(pixels(diagram.x(lane))) \(pixels(from))V\(pixels(until))\" "
          + "class=\"\(state)\"/>"
      }
      for event in recording.events where event.lane == lane {
        guard let next = event.laneState, next != state else { continue }
        let y =
          event.time < scale.first ? top : event.time > scale.last ? bottom : scale.y(event.time)
        if y > from { parts.append(segment(y)) }
        from = y
        state = next
      }
      if bottom > from { parts.append(segment(bottom)) }
    }
  }

  // MARK: Messages

  /// One path for all messages of a kind: a picture of thousands stays small.
  private mutating func drawMessages() {
    for inInk in [false, true] {
      for style in MessageStyle.allCases {
        var path = ""
        for id in diagram.shown where diagram.isInk(id) == inInk {
          guard let event = recording[id] else { continue }
          path += segment(event, style)
        }
        guard !path.isEmpty else { continue }
        parts.append(
          "<path d=\"\(path)\" class=\"m \(style.rawValue)\(inInk ? "" : " rest")\"/>")
      }
    }
    drawLost()
  }

  private func segment(_ event: RecordedEvent, _ style: MessageStyle) -> String {
    guard case .arrived(let topic, let sender) = event.act, MessageStyle(topic.kind) == style,
      let sending = recording[event.cause]
    else { return "" }
    return "M\(pixels(diagram.x(sender))) \(pixels(y(sending)))"
      + "L\(pixels(diagram.x(event.lane))) \(pixels(y(event)))"
  }

  /// A short stub with a cross where a message was lost, with a bar where it is held.
  private mutating func drawLost() {
    for inInk in [false, true] {
      var stubs = ""
      var ends = ""
      for id in diagram.shown where diagram.isInk(id) == inInk {
        guard let event = recording[id] else { continue }
        let target: Int
        switch event.act {
        case .lost(_, let to), .held(_, let to, _): target = to
        default: continue
        }
        let (x, y) = (diagram.x(event.lane), y(event))
        let (endX, endY) = (x + max(-60, min(60, (diagram.x(target) - x) * 0.3)), y + 14)
        stubs += "M\(pixels(x)) \(pixels(y))L\(pixels(endX)) \(pixels(endY))"
        if case .lost = event.act {
          ends += "M\(pixels(endX - 2.5)) \(pixels(endY - 2.5))l5 5m0 -5l-5 5"
        } else {
          ends += "M\(pixels(endX - 3)) \(pixels(endY + 2))h6"
        }
      }
      guard !stubs.isEmpty else { continue }
      let rest = inInk ? "" : " rest"
      parts.append(
        "<path d=\"\(stubs)\" class=\"lost\(rest)\"/>"
          + "<path d=\"\(ends)\" class=\"cross\(rest)\"/>")
    }
  }

  // MARK: Events on the lanes

  private mutating func drawEvent(_ event: RecordedEvent) {
    guard event.lane != Recording.world else { return }
    let (lane, y) = (event.lane, y(event))
    let style = diagram.isInk(event.id) ? "" : " rest"
    places[event.id] = (diagram.x(lane), y)
    switch event.act {
    case .entered(let view, _): drawView(view, lane, y)
    case .finalized(let height, _, _): label("h \(height)", lane, y, "height")
    case .voted(let stand):
      let x = place(event)
      parts.append(stand.kind.glyph(x, y, "g \(MessageStyle(stand.voteKind).rawValue)\(style)"))
      badge(event, "\(stand.kind) \(stand.view)", at: x)
    case .certified(let stand, _):
      let x = place(event)
      let kind = MessageStyle(stand.certificateKind).rawValue
      parts.append(
        "<rect x=\"\(pixels(x - 3.5))\" y=\"\(pixels(y - 3.5))\" width=\"7\" height=\"7\" "
          + "class=\"cert \(kind)\(style)\"/>")
      badge(event, "\(stand.certificateKind.rawValue) \(stand.view)", at: x)
    case .alarmRang(let alarm) where alarm != .repair:
      let x = place(event)
      parts.append(
        "<path d=\"M\(pixels(x)) \(pixels(y - 4.5))l4 8h-8z\" class=\"alarm\(style)\"/>")
      badge(event, "alarm", at: x)
    case .crashed: crash(lane, y, event)
    case .started(again: true): back(lane, y, event)
    case .executed(let height, _): badge(event, "executes \(height)")
    case .proposed(let view, _, _): badge(event, "proposes in \(view)")
    case .noticed(let words):
      if !words.hasPrefix("reached") { badge(event, String(words.prefix(24))) }
    case .called: parts.append(dot(lane, y, "call\(style)"))
    default: break
    }
  }

  private func dot(_ lane: Int, _ y: Double, _ style: String) -> String {
    "<circle cx=\"\(pixels(diagram.x(lane)))\" cy=\"\(pixels(y))\" r=\"2.2\" class=\"\(style)\"/>"
  }

  /// Where the glyph of this event goes: beside those of the same moment.
  private mutating func place(_ event: RecordedEvent) -> Double {
    let (lane, y) = (event.lane, y(event))
    let half = diagram.number(event.id) == nil ? 4.5 : 9.0
    let right = self.right(lane, y, within: 14)
    let x = right.map { $0 + half } ?? diagram.x(lane)
    glyphs[lane].append((y, x + half))
    places[event.id] = (x, y)
    return x
  }

  /// Where the glyphs of about this height end, if there are any.
  private func right(_ lane: Int, _ y: Double, within distance: Double) -> Double? {
    glyphs[lane].suffix(12).filter { abs($0.y - y) < distance }.map(\.right).max()
  }

  private mutating func drawView(_ view: View, _ lane: Int, _ y: Double) {
    let x = diagram.x(lane)
    parts.append("<path d=\"M\(pixels(x - 5)) \(pixels(y))h10\" class=\"tick\"/>")
    guard y - viewLabels[lane] >= 11 else { return }
    viewLabels[lane] = y
    viewNames.append((x - 13, y + 3.5, "view \(view)"))
  }

  private mutating func label(_ words: String, _ lane: Int, _ y: Double, _ style: String) {
    labels.append((lane, y, words, style))
  }

  /// To the right of the glyphs of their moment, one below the other.
  private mutating func drawLabels() {
    for lane in recording.lanes.indices {
      var latest = -100.0
      for label in labels where label.lane == lane {
        let start = diagram.x(lane)
        var y = max(label.y, latest + 12)
        while faultNames.contains(where: {
          abs($0.y - y - 3.5) < 11 && start + 80 > $0.x && start < $0.right
        }) { y += 4 }
        latest = y
        let ends = glyphs[lane].filter { abs($0.y - y) < 13 }.map(\.right)
        let x = max(start + 10, ends.max() ?? 0)
        text(x + 3, y + 3.5, label.words, label.style)
      }
    }
  }

  /// A decisive event has the number of its line in the explanation, and says what it is.
  /// - Parameter glyph: where its glyph is, which the number covers.
  private mutating func badge(_ event: RecordedEvent, _ words: String, at glyph: Double? = nil) {
    guard let number = diagram.number(event.id) else { return }
    let x = glyph ?? place(event)
    let y = y(event)
    parts.append(
      "<circle cx=\"\(pixels(x))\" cy=\"\(pixels(y))\" r=\"8\" class=\"badge\" "
        + "id=\"e\(event.id)\"/>"
        + "<text x=\"\(pixels(x))\" y=\"\(pixels(y + 3.5))\" class=\"number\">\(number)</text>")
    label(words, event.lane, y, "decisive")
  }

  private mutating func crash(_ lane: Int, _ y: Double, _ event: RecordedEvent) {
    let x = diagram.x(lane)
    parts.append(
      "<path d=\"M\(pixels(x - 6)) \(pixels(y - 6))l12 12m0 -12l-12 12\" class=\"crash\"/>")
    glyphs[lane].append((y, x + 7))
    if diagram.number(event.id) == nil { label("crash", lane, y, "crash-name") }
    badge(event, "crash")
  }

  private mutating func back(_ lane: Int, _ y: Double, _ event: RecordedEvent) {
    let x = diagram.x(lane)
    parts.append("<path d=\"M\(pixels(x - 6)) \(pixels(y + 4))l6 -8l6 8\" class=\"back\"/>")
    glyphs[lane].append((y, x + 7))
    if diagram.number(event.id) == nil { label("back", lane, y, "crash-name") }
    badge(event, "back")
  }

  /// The violation: a line across all lanes, and a flag on its replica's.
  private mutating func drawFlags() {
    guard let event = recording.flag, case .violated(let number) = event.act else { return }
    let violation = recording.violations[number]
    let y = y(event)
    let x = event.lane == Recording.world ? Diagram.left : diagram.x(event.lane)
    places[event.id] = (x, y)
    let words = "✗ \(violation.check.rawValue)"
    let width = Double(words.count) * 7.4 + 18
    // To the left, where no labels are, unless the rim is near.
    let start = x - width < 12 ? x : x - width
    parts.append(
      "<g id=\"violation\"><path d=\"M\(pixels(Diagram.left - 8)) \(pixels(y))"
        + "H\(pixels(Diagram.width - 8))\" class=\"flag-line\"/>"
        + "<path d=\"M\(pixels(x)) \(pixels(y))v36\" class=\"pole\"/>"
        + "<rect x=\"\(pixels(start))\" y=\"\(pixels(y + 14))\" width=\"\(pixels(width))\" "
        + "height=\"22\" class=\"flag\"/>"
        + "<text x=\"\(pixels(start + 9))\" y=\"\(pixels(y + 29.5))\" class=\"flag-name\">"
        + "\(escaped(words))</text></g>")
  }
}

/// Messages that look alike.
enum MessageStyle: String, CaseIterable {
  case state, calls, repair
  case finalization, notarization, nullification
  case finalize, notarize, nullify, proposal

  init(_ kind: MessageKind) {
    switch kind {
    case .proposal: self = .proposal
    case .notarize, .vote: self = .notarize
    case .nullify: self = .nullify
    case .finalize: self = .finalize
    case .notarization, .certificate: self = .notarization
    case .nullification: self = .nullification
    case .finalization: self = .finalization
    case .calls, .announce: self = .calls
    case .stateShare, .stateCertificate: self = .state
    case .callsWanted, .viewsWanted, .views, .blockWanted, .blocksWanted, .blocks, .stateWanted,
      .recovery, .evidence:
      self = .repair
    }
  }

  var meaning: String {
    switch self {
    case .proposal: "proposal"
    case .notarize: "notarize"
    case .nullify: "nullify"
    case .finalize: "finalize"
    case .notarization: "notarization"
    case .nullification: "nullification"
    case .finalization: "finalization"
    case .calls: "calls"
    case .state: "state shares, certificates"
    case .repair: "requests and repair"
    }
  }
}

extension Ballot.Kind {
  /// A disc for a notarize, a cross for a nullify, a diamond for a finalize.
  fileprivate func glyph(_ x: Double, _ y: Double, _ style: String) -> String {
    switch self {
    case .notarize:
      "<circle cx=\"\(pixels(x))\" cy=\"\(pixels(y))\" r=\"3.6\" class=\"\(style)\"/>"
    case .nullify:
      "<path d=\"M\(pixels(x - 4)) \(pixels(y - 4))l8 8m0 -8l-8 8\" class=\"\(style) x\"/>"
    case .finalize:
      "<path d=\"M\(pixels(x)) \(pixels(y - 5))l5 5l-5 5l-5 -5z\" class=\"\(style)\"/>"
    }
  }
}

extension Fault.Verb {
  fileprivate var isCrash: Bool {
    switch self {
    case .crash, .wipe: true
    default: false
    }
  }
}

extension RecordedEvent {
  /// How its lane is drawn from here on.
  fileprivate var laneState: String? {
    switch act {
    case .started, .resumed: "lane"
    case .paused: "lane still"
    case .crashed: "lane gone"
    default: nil
    }
  }
}
