import Foundation
import Testing

@testable import Simulator

@Suite struct `A plan of Twins` {
  static let sizes: [(replicas: Int, settings: Int, placed: Int)] = [
    (4, 60, 180), (7, 252, 1_722), (13, 1_365, 30_525),
  ]

  @Test(arguments: sizes)
  func `has every setting of one round once, up to the names`(
    replicas: Int, settings: Int, placed: Int
  ) {
    let plan = TwinsPlan(replicas: replicas)
    let one = Array(plan.all(everyPlacement: false))
    let every = Array(plan.all(everyPlacement: true))
    // 3 · C(n + 2, 3), and with the Byzantine ones placed 3 · Σ C(k + 3, 3) · C(n + 2 − k, 3).
    let byFormula = 3 * choose(replicas + 2, 3)
    let f = plan.faultsMax
    let placedByFormula = [f, f - 1].map { k in
      3 * choose(k + 3, 3) * choose(replicas + 2 - k, 3)
    }.reduce(0, +)
    #expect(one.count == settings && settings == byFormula)
    #expect(every.count == placed && placed == placedByFormula)
    #expect(plan.count(everyPlacement: false) == settings)
    #expect(plan.count(everyPlacement: true) == placed)
    #expect(Set(one.map(\.rounds)).count == settings)
    #expect(Set(every).count == placed)
    #expect(every.allSatisfy { $0.byzantine.count == f && $0.rounds[0][1] != .none })
  }

  private func choose(_ n: Int, _ k: Int) -> Int {
    (0..<k).reduce(1) { $0 * (n - $1) / ($1 + 1) }
  }

  @Test func `of the largest subnet begins without making its millions of cases`() {
    let plan = TwinsPlan(replicas: 40)
    #expect(plan.count(everyPlacement: true) == 11_680_620)
    let first = Array(plan.all(everyPlacement: true).prefix(3))
    #expect(Set(first).count == 3 && first.allSatisfy { $0.byzantine.count == 13 })
  }

  @Test func `gives cases that are scenario files within the budget`() throws {
    let plan = TwinsPlan(replicas: 13)
    let cases =
      (0..<20).map { plan.sample($0, rounds: 3, seed: 1) }
      + plan.all(everyPlacement: false).prefix(20)
    for twins in cases {
      let scenario = twins.scenario
      #expect(scenario.flaws.isEmpty, "\(scenario.flaws)")
      #expect(try ScenarioFile.parse(scenario.text, path: twins.title) == scenario)
    }
  }

  @Test func `finds no violation with four replicas and every placement of the twin`() throws {
    for (number, twins) in TwinsPlan(replicas: 4).all(everyPlacement: true).enumerated() {
      let run = try SearchTask(number: number, source: .twins(twins)).perform()
      #expect(run.passed, "\(twins.title): \(run.verdict)")
      #expect(run.blocks >= 3, "\(twins.title)")
    }
  }

  @Test func `finds quorums that are too small`() throws {
    let cases = Array(TwinsPlan(replicas: 4).all(everyPlacement: true))
    let checks = try cases.enumerated().compactMap { number, twins in
      try SearchTask(number: number, source: .twins(twins), broken: "quorum-2f").perform().check
    }
    #expect(checks.contains(Check.oneNotarization.rawValue))
  }

  @Test func `writes each case that fails to a file of its own`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "quorate-twins-\(ProcessInfo.processInfo.processIdentifier)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let cases = TwinsPlan(replicas: 4).all(everyPlacement: true)
    let runs = try cases.enumerated().map { number, twins in
      try SearchTask(
        number: number, source: .twins(twins), broken: "quorum-2f", folder: folder.path
      ).perform()
    }
    let failed = runs.filter { !$0.passed }
    #expect(failed.count > 1 && Set(failed.compactMap(\.file)).count == failed.count)
    for run in failed {
      let report = Simulation.run(try ScenarioFile.read(try #require(run.file)).broken())
      #expect(report.violations.first?.check.rawValue == run.check)
    }
  }

  @Test func `cuts what the rounds cut, and nothing after calm`() {
    // Nobody hears anybody in view 1: no view but by calm.
    let twins = TwinsCase(
      replicas: 4, byzantine: [3], rounds: [[.none, .first, .none, .none]])
    var scenario = twins.scenario
    let alone = Simulation.run(scenario)
    #expect(alone.passed, "\(alone.text(file: nil))")
    #expect(alone.figures.finality.percentile(50) != nil)
    scenario.faults = [Fault(at: .time(.seconds(20)), .calm)]
    let later = Simulation.run(scenario)
    #expect(later.statistics.simulated > 20_000_000)
    #expect(later.statistics.simulated > alone.statistics.simulated)
  }
}
