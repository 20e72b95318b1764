import ArgumentParser
import Foundation
import Simulator

struct SimulateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "The whole subnet in one deterministic process, with faults.",
    discussion: """
      Exit status: 0 pass, 1 safety violated, 2 liveness, 3 vacuous, 4 not repeatable, 64 usage.

        quorate simulate replay Simulation/Scenarios/nullified-never-finalizes.yaml
        quorate simulate run --seed 7 --replicas 13 --for 60s
        quorate simulate run --seeds 1..1000 --replicas 4
      """,
    subcommands: [Run.self, Replay.self, List.self])

  struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "A run whose faults are drawn from a seed, or one run for each of many seeds.")
    @Option(help: "Decimal, or hexadecimal after 0x.") var seed: Seed = Seed(number: 1)
    @Option(help: "A range of seeds instead, such as 1..1000; stops at the first failure.")
    var seeds: SeedRange?
    @Option(help: "How many replicas.") var replicas = 13
    @Option(name: .customLong("for"), help: "Simulated time: 20s, 10m.")
    var duration: Duration = .seconds(30)
    @Option(help: "Write the run's scenario as a file that 'replay' takes.") var save: String?
    @Option(help: "A rule to break on purpose; see 'simulate list bugs'.") var planted: String?
    @Flag(help: "For programs.") var json = false

    func validate() throws {
      guard (1...64).contains(replicas) else { throw ValidationError("--replicas is 1 to 64.") }
      guard seeds == nil || save == nil else {
        throw ValidationError("--save goes with one --seed.")
      }
    }

    func run() async throws {
      guard let seeds else {
        let scenario = try scenario(seed.number)
        if let save { try scenario.write(to: save) }
        let report = Simulation.run(scenario)
        Terminal.say(json ? try SimulationReport(report).text() : report.text(file: save))
        throw ExitCode(report.exitCode)
      }
      try many(seeds)
    }

    private func many(_ seeds: SeedRange) throws {
      var progress = ProgressBar("Simulating", unit: "runs", total: seeds.count)
      var heights: UInt64 = 0
      for (done, seed) in seeds.numbers.enumerated() {
        let report = Simulation.run(try scenario(seed))
        guard report.passed else {
          progress.finish()
          Terminal.say(report.text(file: nil))
          throw ExitCode(report.exitCode)
        }
        heights += report.statistics.heightHighest.number
        progress.show(done + 1)
      }
      progress.finish()
      Terminal.say(
        "\(grouped(seeds.count)) seeds with \(replicas) replicas: no violation, "
          + "\(grouped(heights)) heights, \(fixed(progress.seconds, 1)) s.")
    }

    private func scenario(_ seed: UInt64) throws -> Scenario {
      var scenario = Scenario.random(
        seed: seed, replicas: replicas, duration: .milliseconds(UInt64(duration / .milliseconds(1)))
      )
      if let planted { try scenario.plant(planted) }
      return scenario
    }
  }

  struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Run a scenario file.",
      discussion: "  quorate simulate replay Simulation/Scenarios/equivocation-hides-nothing.yaml")
    @Argument(help: "The scenario file.") var file: String
    @Flag(help: "Run it twice and compare the traces.") var twice = false
    @Flag(help: "Break the rule that the file names, to see it caught.") var broken = false
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let scenario: Scenario
      do { scenario = try ScenarioFile.read(file) } catch {
        Terminal.warn("\(error)")
        throw ExitCode(64)
      }
      let played = broken ? try scenario.broken() : scenario
      let report = Simulation.run(played)
      Terminal.say(json ? try SimulationReport(report).text() : report.text(file: file))
      if twice {
        let again = Simulation.run(played)
        guard again.traceHash == report.traceHash else {
          Terminal.warn("Not repeatable: the second trace is \(again.traceHash).")
          throw ExitCode(4)
        }
        Terminal.say("twice: equal traces")
      }
      throw ExitCode(report.exitCode)
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "What there is: scenarios, checks, faults, bugs.")
    enum Topic: String, ExpressibleByArgument, CaseIterable { case scenarios, checks, faults, bugs }
    @Argument var topic: Topic
    @Option(help: "Where scenario files lie.") var directory = "Simulation/Scenarios"

    func run() async throws {
      switch topic {
      case .checks: say(Catalog.checks.map { [$0.name, $0.meaning] })
      case .faults: say(Catalog.faults.map { [$0.name, $0.meaning] })
      case .bugs: say(Catalog.plantedBugs.map { [$0] })
      case .scenarios:
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
          throw Failure("There is no folder \(directory); name it with --directory.")
        }
        say(
          try names.filter { $0.hasSuffix(".yaml") }.sorted().map { name in
            let scenario = try ScenarioFile.read("\(directory)/\(name)")
            return [name, scenario.title]
          })
      }
    }

    private func say(_ rows: [[String]]) {
      let width = rows.map { $0[0].count }.max() ?? 0
      for row in rows {
        let space = String(repeating: " ", count: width - row[0].count + 2)
        Terminal.say(row.count > 1 ? row[0] + space + row[1] : row[0])
      }
    }
  }
}

/// A seed: `7`, `0x5eed`.
struct Seed: ExpressibleByArgument {
  let number: UInt64

  init(number: UInt64) { self.number = number }

  init?(argument: String) {
    let number =
      argument.hasPrefix("0x") ? UInt64(argument.dropFirst(2), radix: 16) : UInt64(argument)
    guard let number else { return nil }
    self.number = number
  }

  var defaultValueDescription: String { "\(number)" }
}

/// `1..1000`, both ends included.
struct SeedRange: ExpressibleByArgument {
  let numbers: ClosedRange<UInt64>
  var count: Int { numbers.count }

  init?(argument: String) {
    let parts = argument.split(separator: ".", omittingEmptySubsequences: true)
    guard parts.count == 2, let first = UInt64(parts[0]), let last = UInt64(parts[1]),
      first <= last, last - first < 1 << 31
    else { return nil }
    numbers = first...last
  }
}

/// A run's report for programs.
private struct SimulationReport: Encodable {
  let title: String
  let replicas: Int
  let seed: String
  let verdict: String
  let trace: String
  let simulatedMilliseconds: UInt64
  let events: UInt64
  let deliveries: UInt64
  let heights: UInt64
  let views: UInt64
  let crashes: UInt64
  let callsApplied: UInt64
  let reached: [String]

  init(_ report: RunReport) {
    title = report.title
    replicas = report.replicas
    seed = "0x" + String(report.seed, radix: 16)
    verdict = report.verdict
    trace = report.traceHash
    simulatedMilliseconds = report.statistics.simulated / 1_000
    events = report.statistics.events
    deliveries = report.statistics.deliveries
    heights = report.statistics.heightHighest.number
    views = report.statistics.viewHighest.number
    crashes = report.statistics.crashes
    callsApplied = report.statistics.callsApplied
    reached = report.reached
  }

  func text() throws -> String { try Terminal.json(self) }
}
