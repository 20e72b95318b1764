import Wire

/// Makes a failing story short: takes away what the violation does not need.
///
/// Delta debugging (Zeller and Hildebrandt, 2002) on faults and actors, then smaller clusters, less
/// load, rounder numbers, and moments told by events instead of by times.
///
/// - Safety: the same check fails in the end as in the beginning, with the same rule broken; the
///   same story shrinks to the same story.
/// - Bound: `runsMax` runs.
package struct Shrinker {
  package static let runsMax = 4_000

  package internal(set) var best: Scenario
  package private(set) var report: RunReport
  /// The check that fails.
  package let check: Check
  package private(set) var runs = 1
  /// How many faults and actors were left, each time that some went away.
  package private(set) var steps: [Int]
  private let play: (Scenario) -> RunReport
  private let progress: (Int, Int) -> Void

  /// - Parameters:
  ///   - play: how a story is run; another one in tests.
  ///   - progress: told of the runs so far and the faults left.
  /// - Returns: nil when the story does not fail.
  package init?(
    _ scenario: Scenario, play: @escaping (Scenario) -> RunReport = Shrinker.play,
    progress: @escaping (Int, Int) -> Void = { _, _ in }
  ) {
    let report = play(scenario)
    guard let check = report.violations.first?.check else { return nil }
    best = scenario
    self.report = report
    self.check = check
    self.play = play
    self.progress = progress
    steps = [scenario.troubles]
  }

  /// Runs a story so that the report tells what faults can be anchored to.
  package static func play(_ scenario: Scenario) -> RunReport {
    var options = RunOptions()
    options.remembersHappenings = true
    return Simulation.run(scenario, options)
  }

  /// Shrinks until nothing more goes away.
  package mutating func shrink() {
    endSoon()
    dropWhatNeverBegan()
    shrinkCluster()
    var before = -1
    while before != best.troubles, runs < Self.runsMax {
      before = best.troubles
      shrinkTroubles()
      shrinkCluster()
    }
    simplify()
    shrinkTroubles()
    anchor()
    tell()
  }

  /// Runs a candidate, and takes it when the same check fails.
  mutating func accepts(_ candidate: Scenario) -> Bool {
    guard candidate != best, runs < Self.runsMax, candidate.flaws.isEmpty else { return false }
    runs += 1
    let report = play(candidate)
    progress(runs, best.troubles)
    guard report.violations.first?.check == check else { return false }
    best = candidate
    self.report = report
    if candidate.troubles < steps[steps.count - 1] { steps.append(candidate.troubles) }
    return true
  }

  /// Tries a change of the story.
  @discardableResult
  mutating func tries(_ change: (inout Scenario) -> Void) -> Bool {
    var candidate = best
    change(&candidate)
    return accepts(candidate)
  }
}

extension Scenario {
  /// What can be taken away: faults but calm, and actors.
  package var troubles: Int { faults.count { $0.verb != .calm } + byzantine.count }
}

extension Shrinker {
  /// Calm comes soon after the violation, so that a candidate which does not fail ends soon.
  private mutating func endSoon() {
    guard check != .liveness, let time = report.violations.first?.time else { return }
    let end = Span.milliseconds((time / 1_000_000 + 1) * 1_000)
    tries { story in
      story.cluster.duration = end
      story.faults.removeAll { $0.verb == .calm }
    }
  }

  private mutating func dropWhatNeverBegan() {
    let fired = report.fired
    tries { story in
      story.faults = zip(story.faults, fired).filter { $1 != nil || $0.verb == .calm }.map(\.0)
    }
  }

  /// Fewer replicas, no load, no loss: whatever the violation bears.
  private mutating func shrinkCluster() {
    for size in [4, 7, 10] where size < best.cluster.replicas {
      if tries({ $0.keepOnly(size) }) { break }
    }
    tries { story in
      story.load = nil
      story.dropIgnored()
    }
    tries { $0.load?.ledger = false }
    tries { $0.load?.clients = 1 }
    tries { $0.cluster.lossPPM = 0 }
    tries { $0.cluster.signatures = .mock }
    tries { story in
      story.cluster.execution = .digests
      story.dropIgnored()
    }
  }

  /// Delta debugging: halves, quarters, … are left out as long as the violation stays.
  private mutating func shrinkTroubles() {
    if tries({ $0.keep([]) }) { return }
    var kept = best.troublePlaces
    var parts = 2
    while kept.count >= 2, runs < Self.runsMax {
      var went = false
      let size = (kept.count + parts - 1) / parts
      var start = 0
      while start < kept.count {
        let rest = Array(kept[..<start]) + Array(kept[min(start + size, kept.count)...])
        let base = best
        if tries({ $0 = base.keeping(rest) }) {
          kept = best.troublePlaces
          went = true
        } else {
          start += size
        }
      }
      if went {
        parts = max(2, min(parts, kept.count))
      } else if parts >= kept.count {
        return
      } else {
        parts = min(parts * 2, kept.count)
      }
    }
  }
}

extension Scenario {
  /// The faults, then the actors, by number; calm is none.
  var troublePlaces: [Int] {
    faults.indices.filter { faults[$0].verb != .calm }
      + byzantine.indices.map { faults.count + $0 }
  }

  /// The story with these troubles only.
  func keeping(_ places: [Int]) -> Scenario {
    var other = self
    other.faults = faults.indices.filter { places.contains($0) || faults[$0].verb == .calm }
      .map { faults[$0] }
    other.byzantine = byzantine.indices.filter { places.contains(faults.count + $0) }
      .map { byzantine[$0] }
    return other
  }

  mutating func keep(_ places: [Int]) { self = keeping(places) }

  /// The story with the first replicas only; whoever is not there any more is not named either.
  mutating func keepOnly(_ size: Int) {
    cluster.replicas = size
    faults = faults.compactMap { fault in
      guard let verb = fault.verb.among(size) else { return nil }
      guard fault.at.isAmong(size) else { return nil }
      if case .until(let when) = fault.lasting, !when.isAmong(size) { return nil }
      return Fault(at: fault.at, verb, fault.lasting)
    }
    expect.never.removeAll { !$0.isAmong(size) }
    expect.evidence = expect.evidence?.among(size)
    byzantine = byzantine.compactMap { actor in
      guard let who = actor.who.among(size) else { return nil }
      var other = actor
      other.who = who
      other.to = actor.to.flatMap { $0.among(size) }
      return other
    }
    rounds = rounds.map { round in
      Round(
        first: round.first.filter { $0.index < size },
        second: round.second.filter { $0.index < size })
    }
  }
}

extension When {
  /// Whether it can come without any but the first `size` replicas.
  fileprivate func isAmong(_ size: Int) -> Bool {
    guard case .act(let id, _, _) = self else { return true }
    return id.index < size
  }
}

extension Who {
  /// Those of the first `size` replicas; nil when none is left.
  func among(_ size: Int) -> Who? {
    guard case .replicas(let ids) = self else { return self }
    let left = ids.filter { $0.index < size }
    return left.isEmpty ? nil : .replicas(left)
  }
}

extension Fault.Verb {
  /// The verb with those of the first `size` replicas; nil when it concerns nobody any more.
  func among(_ size: Int) -> Fault.Verb? {
    switch self {
    case .cut(let from, let to):
      guard let from = from.among(size), let to = to.among(size) else { return nil }
      if case .replicas(let ids) = from, from == to, ids.count == 1 { return nil }
      return .cut(from: from, to: to)
    case .slow(let from, let to, let latency, let bytes):
      guard let from = from.among(size), let to = to.among(size) else { return nil }
      return .slow(from: from, to: to, latency: latency, bytesPerSecond: bytes)
    case .split(let groups):
      let left = groups.compactMap { $0.among(size) }
      return left.count >= 2 ? .split(left) : nil
    case .drop(let filter): return filter.among(size).map { .drop($0) }
    case .duplicate(let filter): return filter.among(size).map { .duplicate($0) }
    case .hold(let filter): return filter.among(size).map { .hold($0) }
    case .replay(let filter): return filter.among(size).map { .replay($0) }
    case .isolate(let who):
      guard let who = who.among(size) else { return nil }
      if case .replicas(let ids) = who, ids.count >= size { return nil }
      return .isolate(who)
    case .pause(let who): return who.among(size).map { .pause($0) }
    case .crash(let who, let loss, let effects):
      return who.among(size).map { .crash($0, loss, effects: effects) }
    case .wipe(let who): return who.among(size).map { .wipe($0) }
    case .disk(let who, let kind): return who.among(size).map { .disk($0, kind) }
    case .clock(let who, let kind): return who.among(size).map { .clock($0, kind) }
    case .cpu(let who, let span): return who.among(size).map { .cpu($0, span) }
    case .sql(let who, let span): return who.among(size).map { .sql($0, span) }
    case .calm: return .calm
    }
  }
}

extension Fault.Filter {
  fileprivate func among(_ size: Int) -> Fault.Filter? {
    guard let from = from.among(size), let to = to.among(size) else { return nil }
    var other = self
    other.from = from
    other.to = to
    return other
  }
}
