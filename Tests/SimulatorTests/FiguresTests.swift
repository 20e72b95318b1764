import Foundation
import Testing
import Wire

@testable import Simulator

@Suite struct `A distribution` {
  @Test func `gives quantiles right to one part in a hundred`() {
    var chance = RandomStream(seed: 1, label: "distribution")
    for scale in [10, 1_000, 100_000, 50_000_000] as [UInt64] {
      var distribution = Distribution()
      var numbers = (0..<999).map { _ in chance.below(scale) }
      for number in numbers { distribution.add(number) }
      numbers.sort()
      for share in [1, 50, 99, 100] as [UInt64] {
        let exact = Double(numbers[max(1, (999 * Int(share) + 99) / 100) - 1])
        let told = Double(distribution.percentile(share) ?? 0)
        #expect(abs(told - exact) <= exact / 100 + 0.5, "\(share) of \(scale)")
      }
    }
  }

  @Test func `of nothing has no quantile`() {
    #expect(Distribution().percentile(50) == nil)
  }
}

@Suite struct `The words of a report` {
  private func figures(_ count: UInt64) -> Figures {
    Figures(
      delay: .seconds(1), finality: Distribution(), replies: Distribution(), blocks: 1,
      viewsLost: count, crashes: count, messages: count, bytes: count)
  }

  @Test func `count one as one`() {
    #expect(
      figures(1).text == "1 message and 1 byte a block; 1 view lost, 1 crash (1.00 lost a crash)")
    #expect(figures(0).text == "0 messages and 0 bytes a block; 0 views lost, 0 crashes")
    var statistics = RunStatistics()
    statistics.events = 1
    statistics.deliveries = 1
    statistics.crashes = 1
    statistics.reads = 1
    statistics.viewHighest = 1
    statistics.heightHighest = 1
    statistics.replayed = 1
    let text = RunReport(
      title: "One", replicas: 1, seed: 0, planted: nil, violations: [], statistics: statistics,
      traceHash: "", picture: "", reached: [], accused: [], guilty: [], broke: [], fired: [],
      figures: figures(1), happenings: []
    ).text(file: nil)
    for words in [
      "One  (1 replica, seed 0x0)", " 1 event, 1 delivery, 1 height in 1 view, 1 crash\n",
      " 1 certified read; serial replay of 1 height equal\n",
    ] {
      #expect(text.contains(words), "\(text)")
    }
  }

  @Test(arguments: [
    (Check.bounds, ["blocks", "pool", "logs"]), (.vacuity, ["marks", "faults", "evidence"]),
  ])
  func `tell all that a check is about`(check: Check, what: [String]) {
    #expect(what.allSatisfy(check.meaning.contains), "\(check.meaning)")
  }
}

@Suite struct `The figures of a run` {
  private func story(_ replicas: Int) -> Scenario {
    var scenario = Scenario(title: "Nothing goes wrong")
    scenario.cluster.replicas = replicas
    scenario.cluster.latency = .milliseconds(50)
    scenario.cluster.jitter = .milliseconds(0)
    scenario.cluster.sync = .milliseconds(1)
    var load = Scenario.Load()
    load.rate = 6
    scenario.load = load
    scenario.faults = [Fault(at: .time(.seconds(8)), .calm)]
    return scenario
  }

  @Test(arguments: [4, 13])
  func `on uniform links tell of finality after three delays`(replicas: Int) throws {
    let figures = Simulation.run(story(replicas)).figures
    let delays = try #require(figures.finalityDelays(50))
    #expect(delays >= 3 && delays <= 3.3)
    let reply = try #require(figures.replies.percentile(50))
    let finality = try #require(figures.finality.percentile(50))
    #expect(reply > finality)
    #expect(figures.viewsLost == 0 && figures.crashes == 0)
  }

  @Test(arguments: Scenario.Execution.allCases)
  func `tell of replies and of a serial replay where something is executed`(
    execution: Scenario.Execution
  ) {
    var scenario = story(4)
    scenario.cluster.execution = execution
    let report = Simulation.run(scenario)
    let text = report.text(file: nil)
    #expect(report.passed, "\(text)")
    #expect(text.contains("certified reply ") == (execution == .sql))
    #expect(text.contains("serial replay of ") == (execution == .sql), "\(text)")
    #expect(((report.statistics.replayed ?? 0) > 20) == (execution == .sql))
  }

  @Test func `claim no serial replay after a violation`() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
    let file = folder.appending(path: "../../Simulation/Scenarios/quorum-is-n-minus-f.yaml")
    let report = Simulation.run(try ScenarioFile.read(file.standardized.path).broken())
    #expect(!report.passed && !report.text(file: nil).contains("serial replay"))
  }

  @Test func `count the views that a crashed leader loses`() {
    var scenario = story(4)
    scenario.faults.insert(
      Fault(at: .time(.seconds(2)), .crash(.replicas([2]), .nothing, effects: 0)), at: 0)
    let figures = Simulation.run(scenario).figures
    #expect(figures.crashes == 1 && figures.viewsLost > 2)
  }
}
