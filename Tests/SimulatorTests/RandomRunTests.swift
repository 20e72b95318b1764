import Foundation
import Testing
import Wire

@testable import Simulator

@Suite struct `A random run` {
  @Test func `is a story that its own file tells, within the budget`() throws {
    for seed in UInt64(0)..<300 {
      let scenario = Scenario.random(seed: seed)
      #expect(scenario.flaws.isEmpty, "seed \(seed): \(scenario.flaws)")
      #expect(try ScenarioFile.parse(scenario.text, path: "seed \(seed)") == scenario)
    }
  }

  @Test func `of one seed is the same story and the same events twice`() throws {
    for seed in UInt64(0)..<2 {
      let scenario = Scenario.random(seed: seed)
      #expect(Scenario.random(seed: seed) == scenario)
      let first = Simulation.run(scenario)
      let second = Simulation.run(scenario)
      #expect(first.traceHash == second.traceHash, "seed \(seed)")
      #expect(first == second, "seed \(seed)")
    }
  }

  @Test func `of another seed has another trace`() {
    let first = Simulation.run(.random(seed: 1))
    let second = Simulation.run(.random(seed: 2))
    #expect(first.traceHash != second.traceHash)
  }

  @Test func `written to a file is replayed event by event`() throws {
    let scenario = Scenario.random(seed: 5, replicas: 4)
    let again = try ScenarioFile.parse(scenario.text, path: "five.yaml")
    #expect(Simulation.run(again).traceHash == Simulation.run(scenario).traceHash)
  }

  @Test(arguments: [4, 7, 13])
  func `breaks no rule`(replicas: Int) {
    for seed in UInt64(0)..<5 {
      let report = Simulation.run(.random(seed: seed, replicas: replicas))
      #expect(report.passed, "\(report.text(file: nil))")
    }
  }

  /// As many seeds as `QUORATE_SEEDS` says, from `QUORATE_SEED_FIRST` on, each of 4, 7 or 13
  /// replicas.
  @Test(.enabled(if: environment("QUORATE_SEEDS") != nil))
  func `breaks no rule in many seeds`() {
    let first = environment("QUORATE_SEED_FIRST") ?? 0
    for seed in first..<first + (environment("QUORATE_SEEDS") ?? 0) {
      let report = Simulation.run(.random(seed: seed))
      #expect(report.passed, "\(report.text(file: nil))")
    }
  }
}

private func environment(_ name: String) -> UInt64? {
  ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
}
