import Wire

/// Every scenario file, run as the rules are, with the rule broken that it names, and with nothing
/// going wrong: what the simulator catches, and what it does not.
///
/// - Safety: a file that could not fail, or of which a part never happens, is told.
package struct Gallery: Sendable {
  /// One file and its runs.
  package struct Row: Sendable {
    package let path: String
    package let scenario: Scenario
    package let shipped: RunSummary
    /// nil: the file names no rule to break.
    package let broken: RunSummary?
    /// With that rule broken and without its faults: then the rule must not show. nil: it names
    /// none, or nothing goes wrong in it.
    package let alone: RunSummary?
    /// Of a file that names no rule: its story without faults, which must miss what it expects.
    /// nil: nothing goes wrong in it.
    package let faultless: RunSummary?
  }

  package private(set) var rows: [Row] = []
  private let files: [(path: String, scenario: Scenario)]
  private var runs: [Int: RunSummary] = [:]

  package init(_ files: [(path: String, scenario: Scenario)]) { self.files = files }

  /// The runs: for each file one as the rules are, one with its rule broken, one without faults.
  package var tasks: [SearchTask] {
    files.enumerated().flatMap { index, file in
      let (source, bug) = (SearchTask.Source.file(file.path), file.scenario.expect.planted)
      var tasks = [SearchTask(number: 3 * index, source: source)]
      if bug != nil { tasks.append(SearchTask(number: 3 * index + 1, source: source, broken: bug)) }
      if file.scenario.faultless != file.scenario {
        tasks.append(
          SearchTask(number: 3 * index + 2, source: source, broken: bug, faultless: true))
      }
      return tasks
    }
  }

  package mutating func add(_ run: RunSummary) {
    runs[run.number] = run
    rows = files.enumerated().compactMap { index, file in
      guard let shipped = runs[3 * index] else { return nil }
      let (faultless, plants) = (runs[3 * index + 2], file.scenario.expect.planted != nil)
      return Row(
        path: file.path, scenario: file.scenario, shipped: shipped, broken: runs[3 * index + 1],
        alone: plants ? faultless : nil, faultless: plants ? nil : faultless)
    }
  }

  /// Planted bugs that no file catches.
  package var holes: [String] {
    let caught = Set(rows.filter(\.isCaught).compactMap(\.scenario.expect.planted))
    return Catalog.plantedBugs.filter { !caught.contains($0) }
  }

  /// 0, or the worst: 1 safety, 2 liveness, 3 a file that shows nothing or an open hole.
  package var exitCode: Int32 {
    let failures = rows.compactMap(\.failure)
    return failures.min() ?? (holes.isEmpty ? 0 : 3)
  }
}

extension Gallery.Row {
  /// The name of the file without its folder.
  package var name: String {
    path.split(separator: "/").last.map { String($0.dropLast(".yaml".count)) } ?? path
  }

  /// The broken rule was seen, by a check that the file names.
  package var isCaught: Bool { broken.map(shows) ?? false }

  /// It is seen without the faults and actors too, so they show nothing of it.
  package var isCaughtAlone: Bool { alone.map(shows) ?? false }

  private func shows(_ run: RunSummary) -> Bool {
    guard let check = run.check, check != Check.vacuity.rawValue, check != "crash" else {
      return false
    }
    return scenario.expect.breaks.isEmpty
      || scenario.expect.breaks.contains { $0.rawValue == check }
  }

  /// All that the file expects comes without its faults too: it would not be missed.
  package var isVacuous: Bool { faultless.map { $0.check != Check.vacuity.rawValue } ?? false }

  /// Why the file shows less than it says; empty for one that is in order.
  package var complaints: [String] {
    var out: [String] = []
    if !shipped.passed { out.append(shipped.verdict) }
    if let broken, !isCaught {
      out.append(
        broken.passed
          ? "passes with \(broken.broken ?? "its rule") broken"
          : "with \(broken.broken ?? "its rule") broken: \(broken.verdict)")
    }
    if isCaughtAlone != scenario.expect.plantedAlone {
      let (rule, verdict) = (scenario.expect.planted ?? "", alone?.verdict ?? "not another story")
      out.append(
        isCaughtAlone
          ? "CAUGHT ALONE: with \(rule) broken it is, without its faults and actors, \(verdict); "
            + "make them matter, or write planted-alone: true"
          : "says planted-alone: with \(rule) broken it is, without its faults and actors, "
            + verdict)
    }
    if isVacuous {
      out.append(
        "VACUOUS: without its faults and actors it is \(faultless?.verdict ?? ""); name under "
          + "'reaches:' what only they bring, or a rule under 'planted:'")
    }
    if shipped.passed, !scenario.overBudget {
      let idle = shipped.unfired.filter { !$0.contains("calm: all") }
      out += idle.map { "never began: \($0)" }
    }
    if scenario.expect.planted == nil, scenario.expect.reaches.isEmpty, !scenario.overBudget,
      scenario.expect.evidence == nil
    {
      out.append("cannot fail: it names neither a rule under 'planted:' nor a mark to reach")
    }
    return out
  }

  /// The exit status that this file asks for; nil when it is in order.
  var failure: Int32? {
    if !shipped.passed { return shipped.exitCode }
    return complaints.isEmpty ? nil : 3
  }
}
