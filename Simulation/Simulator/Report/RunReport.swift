import Wire

/// How much happened in a run.
package struct RunStatistics: Sendable, Hashable {
  package init() {}

  package var events: UInt64 = 0
  package var sent: UInt64 = 0
  package var bytesSent: UInt64 = 0
  package var deliveries: UInt64 = 0
  package var lost: UInt64 = 0
  package var syncs: UInt64 = 0
  package var crashes: UInt64 = 0
  package var faults: UInt64 = 0
  package var misbehaviours: UInt64 = 0
  /// Messages whose bytes were no message any more.
  package var malformed: UInt64 = 0
  /// Misused calls sent by clients, and those of them that a replica refused at once.
  package var misused: UInt64 = 0
  package var misuseRefused: UInt64 = 0
  package var callsSent: UInt64 = 0
  package var callsApplied: UInt64 = 0
  package var callsRefused: UInt64 = 0
  package var callsExpired: UInt64 = 0
  package var reads: UInt64 = 0
  /// Answers that a client's checks refused.
  package var readsRefused: UInt64 = 0
  /// nil where clients moved none.
  package var cycles: CycleTally?
  /// That a correct replica entered, and the last of those that one finalized.
  package var viewHighest: View = 0
  package var viewFinalized: View = 0
  package var heightHighest: Height = 0
  /// Through which height a serial replay gave what the replicas have; nil where none ended so.
  package var replayed: Height?
  /// Simulated microseconds.
  package var simulated: UInt64 = 0
}

/// Something that faults can be anchored to, and when it happened first.
package struct Happening: Sendable, Hashable {
  /// Microseconds since the start of the run.
  package let time: UInt64
  package let event: When
}

/// What happened in a run, each thing once: when it happened first.
///
/// - Bound: `entriesMax` entries; what happens later is not told.
struct HappeningLog {
  static let entriesMax = 1 << 16

  private(set) var entries: [Happening] = []
  private var known: Set<When> = []

  mutating func add(_ event: When, at time: UInt64) {
    guard entries.count < Self.entriesMax, known.insert(event).inserted else { return }
    entries.append(Happening(time: time, event: event))
  }
}

/// What a run came to.
package struct RunReport: Sendable, Hashable {
  package let title: String
  package let replicas: Int
  package let seed: UInt64
  /// The rule broken on purpose in this run, if any.
  package let planted: String?
  package let violations: [Violation]
  package let statistics: RunStatistics
  /// A digest over all events in order; 64 hexadecimal digits.
  package let traceHash: String
  package let picture: String
  package let reached: [String]
  /// Whom evidence names, and who is guilty.
  package let accused: [ReplicaID]
  package let guilty: [ReplicaID]
  /// What broke as it may: more than `f` replicas were faulty.
  package let broke: [Violation]
  /// For each fault of the story the microsecond in which it began.
  package let fired: [UInt64?]
  package let figures: Figures
  package let happenings: [Happening]

  package var passed: Bool { violations.isEmpty }

  /// 0 pass, 1 safety, 2 liveness, 3 vacuous; 4 is for whoever runs twice and compares.
  package var exitCode: Int32 { violations.first?.check.exitCode ?? 0 }

  /// The violation that pictures show and explain: the first, or of those that may break over the
  /// budget that of agreement.
  package var shown: Violation? { violations.first ?? Self.tolerated(broke) }

  /// The one of these to tell of.
  static func tolerated(_ broke: [Violation]) -> Violation? {
    broke.first { $0.check == .agreement } ?? broke.first
  }

  /// What broke as it may; nil when nothing did.
  package var brokenWords: String? {
    Self.tolerated(broke).map {
      "broken, as it may be over the budget: \($0.check.rawValue): \(Self.told($0))"
    }
  }

  /// PASS, or FAIL with the check and the first wrong act.
  package var verdict: String {
    guard let first = violations.first else { return "PASS" }
    let at = "\(first.time / 1_000_000).\(padded(first.time / 1_000 % 1_000))s"
    return "FAIL \(first.check.rawValue): at \(at) \(Self.told(first))"
  }

  /// The picture, the figures and the verdict, for a terminal.
  /// - Parameters:
  ///   - file: the scenario's path, for the next command; nil when there is none.
  ///   - next: the command that makes such a file, with all options of this run.
  package func text(file: String?, next: String? = nil) -> String {
    let seconds = statistics.simulated / 1_000_000
    var lines = ["\(title)  (\(counted(replicas, "replica")), seed 0x\(String(seed, radix: 16)))"]
    if let planted { lines.append("planted: \(planted)") }
    lines.append(picture)
    lines.append(
      "\(seconds) s simulated, \(counted(statistics.events, "event")), "
        + "\(counted(statistics.deliveries, "delivery", "deliveries")), "
        + "\(counted(statistics.heightHighest.number, "height")) in "
        + "\(counted(statistics.viewHighest.number, "view")), "
        + "\(counted(statistics.crashes, "crash", "crashes"))")
    lines.append(
      "calls: \(statistics.callsSent) sent, \(statistics.callsApplied) applied, "
        + "\(statistics.callsRefused) refused, \(statistics.callsExpired) expired; "
        + counted(statistics.reads, "certified read")
        + (statistics.replayed.map { replayed in
          "; serial replay of \(counted(replayed.number, "height")) equal"
        } ?? ""))
    if let cycles = statistics.cycles { lines.append(cycles.text) }
    lines.append(figures.text)
    if !accused.isEmpty {
      lines.append(
        "evidence names \(accused.map(\.description).joined(separator: ", ")): "
          + "\(accused.filter(guilty.contains).count) of \(guilty.count) guilty, "
          + "\(accused.filter { !guilty.contains($0) }.count) innocent")
    }
    if let brokenWords { lines.append(brokenWords) }
    if let neverBegan { lines.append(neverBegan) }
    lines.append("trace \(traceHash)")
    lines.append(verdict)
    for other in violations.dropFirst().prefix(4) {
      lines.append("  also \(other.check.rawValue): \(Self.told(other))")
    }
    if !passed { lines.append("next: \(nextCommand(file, next))") }
    return lines.joined(separator: "\n")
  }

  /// Who did wrong, and what; once, where the words begin with who.
  static func told(_ violation: Violation) -> String {
    guard let who = violation.replica, !violation.text.hasPrefix("\(who) ") else {
      return violation.text
    }
    return "\(who) \(violation.text)"
  }

  /// Faults whose moment never came, in a run that passed: what they would show was not shown.
  private var neverBegan: String? {
    guard passed else { return nil }
    let missed = fired.indices.filter { fired[$0] == nil }.map { "\($0 + 1)" }
    guard let last = missed.last else { return nil }
    return missed.count == 1
      ? "1 fault never began: number \(last)"
      : "\(missed.count) faults never began: numbers \(missed.joined(separator: ", "))"
  }

  private func nextCommand(_ file: String?, _ next: String?) -> String {
    let broken = planted.map { " --broken \($0)" } ?? ""
    if let file { return "quorate simulate explain \(file)\(broken)" }
    if let next { return next }
    return "quorate simulate run --seed 0x\(String(seed, radix: 16)) --replicas \(replicas) "
      + "--save failing.yaml\(broken)"
  }

  private func padded(_ number: UInt64) -> String {
    let text = "\(number)"
    return String(repeating: "0", count: 3 - text.count) + text
  }
}
