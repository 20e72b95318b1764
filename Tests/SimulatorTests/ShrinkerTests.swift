import Testing
import Wire

@testable import Simulator

@Suite struct `Shrinking a failing story` {
  /// Sixty crashes; the story fails while both of two certain ones are in it.
  private func story(_ needed: [UInt16]) -> Scenario {
    var scenario = Scenario(title: "Sixty crashes")
    scenario.cluster.replicas = 64
    scenario.faults = (0..<60).map { number in
      Fault(
        at: .time(.milliseconds(UInt64(100 * number))),
        .crash(.replicas([ReplicaID(UInt16(number))]), .nothing, effects: 0),
        .span(.milliseconds(1_234)))
    }
    return scenario
  }

  private func report(_ scenario: Scenario, fails: Bool) -> RunReport {
    let violations = [Violation(check: .state, time: 0, replica: nil, view: nil, text: "it fails")]
    return RunReport(
      title: scenario.title, replicas: 4, seed: 0, planted: nil,
      violations: fails ? violations : [], statistics: RunStatistics(), traceHash: "",
      picture: "", reached: [], accused: [], guilty: [], broke: [],
      fired: scenario.faults.map { _ in 0 },
      figures: Figures(
        delay: .seconds(1), finality: Distribution(), replies: Distribution(), blocks: 0,
        viewsLost: 0, crashes: 0, messages: 0, bytes: 0), happenings: [])
  }

  @Test(arguments: [[3], [17, 42], [0, 30, 59]] as [[UInt16]])
  func `leaves just the faults that it needs`(needed: [UInt16]) throws {
    let play = { (scenario: Scenario) in
      let there = needed.allSatisfy { id in
        scenario.faults.contains { $0.verbNames(ReplicaID(id)) }
      }
      return self.report(scenario, fails: there)
    }
    var shrinker = try #require(Shrinker(story(needed), play: play))
    shrinker.shrink()
    #expect(shrinker.best.troubles == needed.count)
    #expect(shrinker.steps.first == 60 && shrinker.steps.last == needed.count)
    #expect(shrinker.runs < 500)
  }

  @Test func `of one that passes is refused`() {
    #expect(Shrinker(story([]), play: { self.report($0, fails: false) }) == nil)
  }

  @Test func `to fewer replicas names none of those that went`() {
    var scenario = Scenario(title: "Thirteen")
    scenario.cluster.replicas = 13
    scenario.faults = [
      Fault(at: .time(0), .cpu(.replicas([9]), .milliseconds(1))),
      Fault(at: .time(0), .sql(.replicas([0, 9]), .milliseconds(1))),
      Fault(at: .time(0), .pause(.replicas([1])), .until(.act(11, .nullify, 8))),
      Fault(at: .time(0), .isolate(.replicas([0, 1, 2, 3])), .span(.seconds(1))),
      Fault(at: .time(0), .cut(from: .replicas([1, 8]), to: .replicas([1, 9]))),
      Fault(at: .time(.seconds(1)), .calm),
    ]
    scenario.expect.never = [.act(11, .finalize, 8), .act(1, .finalize, 8)]
    scenario.expect.evidence = .replicas([1, 9])
    scenario.keepOnly(4)
    #expect(scenario.faults.map(\.verb) == [.sql(.replicas([0]), .milliseconds(1)), .calm])
    #expect(scenario.expect.never == [.act(1, .finalize, 8)])
    #expect(scenario.expect.evidence == .replicas([1]))
    #expect(scenario.flaws.isEmpty)
  }

  @Test func `of a real run with a broken rule leaves six at most, as a file that still fails`()
    throws
  {
    var crowded = Scenario.crowded(seed: 3, replicas: 4, faults: 110, duration: .seconds(20))
    #expect(crowded.troubles >= 110)
    try crowded.plant("finalize-after-nullify")
    var shrinker = try #require(Shrinker(crowded))
    shrinker.shrink()
    #expect(shrinker.best.troubles <= 6, "\(shrinker.best.text)")
    let read = try ScenarioFile.parse(shrinker.best.text, path: "short.yaml")
    let again = Simulation.run(try read.broken())
    #expect(again.violations.first?.check == shrinker.check, "\(shrinker.best.text)")
    // By the rules nothing goes wrong; its faults may have nothing to do then.
    #expect(Simulation.run(read).violations.allSatisfy { $0.check == .vacuity })
  }
}

extension Fault {
  fileprivate func verbNames(_ id: ReplicaID) -> Bool {
    if case .crash(.replicas(let ids), _, _) = verb { return ids.contains(id) }
    return false
  }
}
