import Foundation
import Wire

/// One run that a search asks for, told so that another process can perform it.
///
/// - Safety: a task determines its run wholly, in any process.
package struct SearchTask: Codable, Sendable, Hashable {
  package enum Source: Codable, Sendable, Hashable {
    /// A story that chance tells: of this seed, this size and about so many blocks.
    case random(seed: UInt64, replicas: Int, blocks: Int)
    /// The same, of more colluding replicas than agreement bears.
    case collusion(seed: UInt64, replicas: Int, blocks: Int)
    case file(String)
    case twins(TwinsCase)
  }

  /// Its place in the search, from 0.
  package let number: Int
  package let source: Source
  /// The rule to break on purpose.
  package var broken: String?
  /// Nothing goes wrong, and the run ends at calm: which marks it reaches all the same, or whether
  /// the broken rule shows. Standing still shows after calm only: a run that looks for it goes on.
  package var faultless: Bool
  /// Where a failing run is written as a scenario file; nil: nowhere.
  package var folder: String?

  package init(
    number: Int, source: Source, broken: String? = nil, faultless: Bool = false,
    folder: String? = nil
  ) {
    self.number = number
    self.source = source
    self.broken = broken
    self.faultless = faultless
    self.folder = folder
  }

  /// The story, with the rule broken that the task names, or without what goes wrong in it.
  package func scenario() throws -> Scenario {
    var scenario: Scenario
    switch source {
    case .random(let seed, let replicas, let blocks):
      scenario = .random(seed: seed, replicas: replicas, blocks: blocks)
    case .collusion(let seed, let replicas, let blocks):
      scenario = .random(seed: seed, replicas: replicas, blocks: blocks, overBudget: true)
    case .file(let path): scenario = try ScenarioFile.read(path)
    case .twins(let twins): scenario = twins.scenario
    }
    if let broken { try scenario.plant(broken) }
    if faultless {
      scenario = scenario.faultless
      // What may never happen after the faults may happen without them.
      if broken != nil { scenario.expect.never = [] }
    }
    return scenario
  }

  /// Runs the story, and writes it down when it fails.
  package func perform() throws -> RunSummary {
    let scenario = try scenario()
    // Decoding does not change a run: a share of the messages is enough over many runs.
    var options = RunOptions()
    options.decodesPPM = 100_000
    options.endsAtCalm =
      faultless && (broken == nil || !scenario.expect.breaks.contains(.liveness))
    let report = Simulation.run(scenario, options)
    var summary = RunSummary(report, of: scenario, number: number)
    if !report.passed { summary.file = try save(scenario, summary) }
    return summary
  }

  /// Writes the story of a run that failed, so that `replay` shows it again.
  /// - Returns: its path; nil where nothing is to be written.
  package func save(_ scenario: Scenario, _ summary: RunSummary) throws -> String? {
    guard let folder else { return nil }
    var found = scenario
    found.story += (found.story.isEmpty ? "" : " ") + "Found by a search. \(summary.verdict)"
    if let broken {
      found.expect.planted = broken
      found.expect.breaks = Check(rawValue: summary.check ?? "").map { [$0] } ?? []
    }
    let words = [
      drawn(scenario), "n\(scenario.cluster.replicas)", broken ?? "", summary.check ?? "",
    ]
    let path = "\(folder)/\(words.filter { !$0.isEmpty }.joined(separator: "-")).yaml"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
    try found.write(to: path)
    return path
  }

  /// What tells this story from the others of a search: all cases of Twins have one seed.
  private func drawn(_ scenario: Scenario) -> String {
    if case .twins = source { return "case-\(number)" }
    return "seed-0x" + String(scenario.cluster.seed, radix: 16)
  }
}
