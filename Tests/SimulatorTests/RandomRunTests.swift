import Foundation
import Testing
import Wire

@testable import Simulator

@Suite struct `A random run` {
  @Test func `is a story that its own file tells, within the budget`() throws {
    for seed in UInt64(0)..<500 {
      let scenario = seed % 7 == 6 ? collusion(seed) : Scenario.random(seed: seed)
      #expect(scenario.flaws.isEmpty, "seed \(seed): \(scenario.flaws)")
      #expect(try ScenarioFile.parse(scenario.text, path: "seed \(seed)") == scenario)
    }
  }

  private func collusion(_ seed: UInt64) -> Scenario {
    Scenario.random(seed: seed, overBudget: true)
  }

  @Test func `draws every kind of fault, actor and misuse, and leaves some out of each story`() {
    // Of every seventeen one executes SQL, without which some would do nothing.
    let seeds = Array(0..<900) + (53..<400).map { 17 * $0 }
    let stories = seeds.map { Scenario.random(seed: UInt64($0)) }
    let words = stories.map { $0.text }
    let names =
      Fault.Verb.names.map { ", \($0): " } + Misuse.allCases.map(\.rawValue)
      + Fault.DiskFault.allCases.map(\.rawValue)
      + PowerLoss.allCases.map(\.rawValue)
      + NetworkProfile.allCases.map(\.rawValue) + [
        "drift", "step", "stuck", "loss", "ledger: true",
      ]
      + Scenario.Byzantine.Actor.allCases.filter { $0 != .collude }.map(\.rawValue)
    for name in names {
      let count = words.count { $0.contains(name) }
      #expect(count > 0, "\(name) is never drawn")
      if name != ", calm: " { #expect(count < stories.count, "\(name) is always drawn") }
    }
  }

  @Test func `asked for blocks is calm at that height`() {
    let report = Simulation.run(.random(seed: 3, replicas: 4, blocks: 60))
    #expect(report.passed, "\(report.text(file: nil))")
    #expect((60...140).contains(report.statistics.heightHighest.number))
  }

  @Test func `of one seed is the same story and the same events twice`() throws {
    for seed in UInt64(0)..<2 {
      let scenario = Scenario.random(seed: seed, blocks: 40)
      #expect(Scenario.random(seed: seed, blocks: 40) == scenario)
      let first = Simulation.run(scenario)
      let second = Simulation.run(scenario)
      #expect(first.traceHash == second.traceHash, "seed \(seed)")
      #expect(first == second, "seed \(seed)")
    }
  }

  @Test func `of another seed has another trace`() {
    let first = Simulation.run(.random(seed: 1, blocks: 20))
    let second = Simulation.run(.random(seed: 2, blocks: 20))
    #expect(first.traceHash != second.traceHash)
  }

  @Test func `written to a file is replayed event by event`() throws {
    let scenario = Scenario.random(seed: 5, replicas: 4, blocks: 40)
    let again = try ScenarioFile.parse(scenario.text, path: "five.yaml")
    #expect(Simulation.run(again).traceHash == Simulation.run(scenario).traceHash)
  }

  @Test(arguments: [4, 7, 13])
  func `breaks no rule`(replicas: Int) {
    for seed in UInt64(0)..<5 {
      let report = Simulation.run(.random(seed: seed, replicas: replicas, blocks: 60))
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
