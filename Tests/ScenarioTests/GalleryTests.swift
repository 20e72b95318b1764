import Foundation
import Testing

@testable import Simulator

/// Every scenario file, run as the rules are, and with the rule broken that it names or without its
/// faults.
@Suite struct `The scenario gallery` {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../Simulation/Scenarios").standardized.path

  static let files: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
    .filter { $0.hasSuffix(".yaml") }.sorted()

  private func read(_ file: String) throws -> Scenario {
    try ScenarioFile.read("\(Self.folder)/\(file)")
  }

  @Test func `has at least sixteen files`() {
    #expect(Self.files.count >= 16)
  }

  @Test(arguments: files)
  func `passes as the rules are`(file: String) throws {
    let report = Simulation.run(try read(file))
    #expect(report.passed, "\(report.text(file: file))")
    // Over the budget a run ends when agreement breaks.
    if report.broke.isEmpty {
      #expect(report.statistics.heightHighest >= 3, "\(report.text(file: file))")
    }
  }

  @Test(arguments: files)
  func `fails when its rule is broken`(file: String) throws {
    let scenario = try read(file)
    guard scenario.expect.planted != nil else {
      #expect(scenario.overBudget || !scenario.expect.reaches.isEmpty, "\(file) can not fail")
      return
    }
    let report = Simulation.run(try scenario.broken())
    let check = report.violations.first?.check
    #expect(check != nil && check != .vacuity, "\(report.text(file: file))")
    if let check, !scenario.expect.breaks.isEmpty {
      #expect(scenario.expect.breaks.contains(check), "\(report.text(file: file))")
    }
  }

  /// What only its faults and actors bring is missed without them.
  @Test(arguments: files)
  func `misses what it expects when nothing goes wrong`(file: String) throws {
    let scenario = try read(file)
    guard scenario.expect.planted == nil, scenario.faultless != scenario else { return }
    let task = SearchTask(number: 0, source: .file("\(Self.folder)/\(file)"), faultless: true)
    let run = try task.perform()
    #expect(run.check == Check.vacuity.rawValue, "\(file) without its faults: \(run.verdict)")
  }

  /// A broken rule shows by what goes wrong, unless the file says that it shows alone.
  @Test(arguments: files)
  func `shows its broken rule by its faults, or says otherwise`(file: String) throws {
    let scenario = try read(file)
    guard let bug = scenario.expect.planted, scenario.faultless != scenario else { return }
    let task = SearchTask(
      number: 0, source: .file("\(Self.folder)/\(file)"), broken: bug, faultless: true)
    let run = try task.perform()
    let check = run.check.flatMap { Check(rawValue: $0) }
    let breaks = scenario.expect.breaks
    let shows = check.map { $0 != .vacuity && (breaks.isEmpty || breaks.contains($0)) } ?? false
    #expect(shows == scenario.expect.plantedAlone, "\(file) without its faults: \(run.verdict)")
  }

  @Test func `is written as it is read`() throws {
    for file in Self.files {
      let scenario = try read(file)
      #expect(try ScenarioFile.parse(scenario.text, path: file) == scenario, "\(file)")
    }
  }
}
