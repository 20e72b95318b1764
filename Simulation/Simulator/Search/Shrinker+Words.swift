import Wire

extension Shrinker {
  /// Rounder numbers and fewer names, one change at a time.
  mutating func simplify() {
    tries { $0.cluster.jitter = .milliseconds(0) }
    tries { story in
      let usual = Scenario.Cluster()
      story.cluster.latency = usual.latency
      story.cluster.jitter = min(story.cluster.jitter, usual.latency)
      story.cluster.leaderTimeout = usual.leaderTimeout
      story.cluster.sync = usual.sync
      story.cluster.sql = usual.sql
    }
    for index in best.faults.indices.reversed() where index < best.faults.count {
      simplify(fault: index)
    }
    for index in best.byzantine.indices {
      tries { $0.byzantine[index].views = nil }
      tries { $0.byzantine[index].to = nil }
    }
  }

  private mutating func simplify(fault index: Int) {
    if case .crash(let who, let loss, let effects) = best.faults[index].verb {
      if effects > 0 { tries { $0.faults[index].verb = .crash(who, loss, effects: 0) } }
      let now = best.faults[index].verb
      if case .crash(_, _, let effects) = now, loss != .nothing {
        tries { $0.faults[index].verb = .crash(who, .nothing, effects: effects) }
      }
    }
    for unit in [1_000_000, 500_000, 100_000] as [UInt64] {
      if case .span(let span) = best.faults[index].lasting, span.number % unit != 0 {
        let round = Span((span.number / unit + 1) * unit)
        if tries({ $0.faults[index].lasting = .span(round) }) { break }
      }
    }
    while case .span(let span) = best.faults[index].lasting, span.number > 100_000,
      tries({
        $0.faults[index].lasting = .span(Span((span.number / 2 + 99_999) / 100_000 * 100_000))
      })
    {}
    for unit in [1_000_000, 500_000, 100_000] as [UInt64] {
      if case .time(let time) = best.faults[index].at, time.number % unit != 0 {
        let round = Span(time.number / unit * unit)
        if tries({ $0.faults[index].at = .time(round) }) { break }
      }
    }
  }

  /// Moments are told by what happened then, where the violation stays.
  mutating func anchor() {
    for index in best.faults.indices {
      guard index < report.fired.count, case .time = best.faults[index].at,
        best.faults[index].verb != .calm, let began = report.fired[index]
      else { continue }
      let before = report.happenings.filter { $0.time <= began && $0.event.isPlain }
      for happening in before.suffix(Self.anchorsMax).reversed() {
        if tries({ $0.faults[index].at = happening.event }) { break }
      }
    }
  }

  /// How many events before a fault are tried in place of its time.
  private static let anchorsMax = 12

  /// The faults in the order in which they begin, and the story in words.
  mutating func tell() {
    let fired = report.fired
    let order = best.faults.indices.sorted { a, b in
      let (first, second) = (fired[a] ?? .max, fired[b] ?? .max)
      return (first, a) < (second, b)
    }
    let sorted = order.map { best.faults[$0] }
    tries { $0.faults = sorted }
    let bug = best.brokenRule?.rawValue
    best.title =
      bug.map { "With \($0), \(check.rawValue) fails" }
      ?? "\(check.rawValue) fails with \(counted(best.cluster.replicas, "replica"))"
    best.story = best.told(report)
    best.see = nil
    best.expect.reaches = []
    best.expect.never = check == .never ? best.expect.never : []
    best.expect.planted = bug
    best.expect.breaks = bug == nil ? [] : [check]
  }
}

extension When {
  /// What one can picture: a certificate, a height, or a vote; not a moment of calm.
  fileprivate var isPlain: Bool {
    switch self {
    case .view, .act, .height: true
    case .time, .calm: false
    }
  }

  /// `When view 8 is notarized`.
  fileprivate var sentence: String {
    switch self {
    case .time(let span): "At \(span.text)"
    case .view(let view, let event): "When view \(view) is \(event.rawValue)"
    case .act(let id, let kind, let view): "When \(id) \(Self.verb(kind)) \(view)"
    case .height(let height): "At height \(height)"
    case .calm: "When all is calm"
    }
  }
}

extension Scenario {
  /// The story in words: who plays, what goes wrong in which order, and which check fails.
  fileprivate func told(_ report: RunReport) -> String {
    var lines = [
      "\(counted(cluster.replicas, "replica")), of which \(cluster.quorum) "
        + (cluster.quorum == 1 ? "is a quorum" : "are a quorum")
        + (brokenRule.map { ", with the rule \($0.rawValue) broken on purpose." } ?? ".")
    ]
    for actor in byzantine {
      let views = actor.views.map { " in views \($0.lowerBound) to \($0.upperBound)" } ?? ""
      lines.append("\(actor.who.text) plays \(actor.actor.rawValue)\(views).")
    }
    for fault in faults where fault.verb != .calm {
      lines.append("\(fault.at.sentence), \(fault.deed)\(fault.lasting.words).")
    }
    lines.append("Nothing else goes wrong.")
    if let first = report.violations.first {
      let who = first.replica.map { "\($0) " } ?? ""
      lines.append("Then \(first.check.rawValue) fails: \(who)\(first.text).")
    }
    return lines.joined(separator: " ")
  }
}

extension Fault.Lasting {
  fileprivate var words: String {
    switch self {
    case .forever: ", for good"
    case .span(let span): ", for \(span.text)"
    case .until(let when): ", until \(when.text)"
    case .ever: ", for ever"
    }
  }
}

extension Fault {
  /// `r1 crashes (disk: torn-tail)`.
  fileprivate var deed: String {
    switch verb {
    case .cut(let from, let to): "nothing passes from \(from.text) to \(to.text)"
    case .isolate(let who): "\(who.text) \(who.isOne ? "is" : "are") cut off"
    case .split(let groups):
      "the replicas split into \(groups.map(\.text).joined(separator: " and "))"
    case .drop(let filter): "\(filter.words) are lost"
    case .duplicate(let filter): "\(filter.words) arrive twice"
    case .hold(let filter): "\(filter.words) are held back"
    case .replay(let filter): "\(filter.words) are sent again"
    case .pause(let who): "\(who.text) \(who.isOne ? "stands" : "stand") still"
    case .crash(let who, let loss, _):
      "\(who.text) \(who.isOne ? "crashes" : "crash") (disk: \(loss.rawValue))"
    case .wipe(let who): "\(who.text) \(who.isOne ? "loses its disk" : "lose their disks")"
    default: "this happens: \(verbText)"
    }
  }
}

extension Who {
  /// Whether its name stands for a single replica.
  fileprivate var isOne: Bool {
    switch self {
    case .replicas(let ids): ids.count == 1
    case .leader, .leaderOf, .one: true
    case .all, .f, .quorum, .rest: false
    }
  }
}

extension Fault.Filter {
  fileprivate var words: String {
    let messages = kind.map { "the messages \($0.rawValue)" } ?? "messages"
    let share = ratePPM == 1_000_000 ? "" : "\(shareText(ratePPM)) of "
    return
      "\(share)\(messages)\(view.map { " of view \($0)" } ?? "") from \(from.text) to \(to.text)"
  }
}
