import Testing
import Wire

@testable import Simulator

@Suite struct `Faults that meet` {
  /// A run of some blocks in which nothing goes wrong, or the last replicas are spent.
  private func story(_ seed: UInt64, replicas: Int = 4, spent: Int = 0) -> Scenario {
    var scenario = Scenario(title: "Random run")
    scenario.cluster.seed = seed
    scenario.cluster.replicas = replicas
    scenario.cluster.execution = .digests
    scenario.cluster.duration = .seconds(80)
    scenario.load = Scenario.Load()
    scenario.byzantine = everyone(replicas).suffix(spent).map {
      Scenario.Byzantine(.withhold, .replicas([$0]))
    }
    scenario.faults = [
      Fault(at: .time(.seconds(1)), .pause(.one), .span(.seconds(1))),
      Fault(at: .height(60), .calm),
    ]
    scenario.expect.liveness = .seconds(60)
    return scenario
  }

  private func everyone(_ replicas: Int) -> [ReplicaID] {
    (0..<UInt16(replicas)).map { ReplicaID($0) }
  }

  private func told(_ story: Scenario) -> Scenario {
    let sound = everyone(story.cluster.replicas).dropLast(story.byzantine.count)
    var encounters = Encounters(story, sound: Array(sound), heights: 60)
    return encounters.told()
  }

  @Test(arguments: [(4, 0), (4, 1), (7, 0), (7, 1), (13, 2), (13, 4), (40, 5)])
  func `are within the budget, and a file tells them`(replicas: Int, spent: Int) throws {
    for seed in UInt64(0)..<200 {
      let scenario = told(story(seed, replicas: replicas, spent: spent))
      #expect(scenario.flaws.isEmpty, "seed \(seed): \(scenario.flaws)")
      #expect(try ScenarioFile.parse(scenario.text, path: "seed \(seed)") == scenario)
      #expect(told(story(seed, replicas: replicas, spent: spent)) == scenario, "seed \(seed)")
    }
  }

  @Test func `come after what was there, before calm, and last until calm at most`() {
    var without = 0
    for seed in UInt64(0)..<500 {
      let plain = story(seed, replicas: 7)
      let scenario = told(plain)
      if scenario == plain { without += 1 }
      #expect(scenario.faults.first == plain.faults.first)
      #expect(scenario.faults.last == plain.faults.last)
      #expect(scenario.faults.count { $0.verb == .calm } == 1)
      #expect(!scenario.faults.contains { $0.lasting == .ever })
      #expect(!scenario.expect.tells)
    }
    #expect((75...250).contains(without), "\(without) of 500 have none")
  }

  @Test func `have several faults about one view`() {
    for seed in UInt64(0)..<500 {
      var counts: [View: Int] = [:]
      for case .act(_, _, let view) in told(story(seed, spent: 1)).faults.map(\.at) {
        counts[view, default: 0] += 1
      }
      if counts.values.contains(where: { $0 >= 3 }) { return }
    }
    Issue.record("no three replicas meet their fate in one view")
  }

  @Test func `of all kinds are drawn, those that spend only where there is room`() {
    let names = [
      "equivocate", "lie-in-sync", "flood-proposals", "verifications", "amplify", "memory",
      "wipe", "votes-again", "altered-rows", "wrong-state", "lie-in-query",
    ]
    let stories = (UInt64(0)..<500).map { told(story($0, replicas: 7)).text }
    let full = (UInt64(0)..<500).map { told(story($0, replicas: 7, spent: 2)).text }
    for name in names {
      #expect(stories.contains { $0.contains(name) }, "\(name) is never drawn")
      #expect(!full.contains { $0.contains(name) }, "\(name) is drawn beyond the budget")
    }
    for name in ["isolate", "kind: views", "kind: vote,", "kind: blocks", "kind: notarization"] {
      #expect(full.contains { $0.contains(name) }, "\(name) is never drawn")
    }
  }

  @Test(arguments: ["no-certificate-resend", "repair-nullifications-only", "readiness-dropped"])
  func `show a broken rule that faults drawn one by one hardly show`(rule: String) throws {
    for seed in UInt64(0)..<60 {
      var scenario = told(story(seed))
      guard scenario.cluster.execution == .digests else { continue }
      #expect(seed >= 3 || Simulation.run(scenario).passed, "seed \(seed)")
      try scenario.plant(rule)
      if !Simulation.run(scenario).passed { return }
    }
    Issue.record("\(rule) is not found")
  }

  @Test func `are in runs of some blocks only`() {
    let counted = (UInt64(0)..<200).map { Scenario.random(seed: $0, blocks: 60).text }
    let timed = (UInt64(0)..<200).map { Scenario.random(seed: $0, duration: .seconds(9)).text }
    #expect(counted.count { $0.contains("nullifies") } > 20)
    #expect(!timed.contains { $0.contains("nullifies") })
  }
}
