import ArgumentParser
import Simulator

struct SimulateReplay: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Run a scenario file.",
    discussion: """
        quorate simulate replay Simulation/Scenarios/equivocation-hides-nothing.yaml
        quorate simulate replay FILE --broken named       # with the rule broken that it names
        quorate simulate replay FILE --broken quorum-2f   # or any other one
        quorate simulate replay FILE --for 110s           # calm comes then, not when the file says
      """)
  @Argument(help: "The scenario file.") var file: String
  @Flag(help: "Run it twice and compare the traces.") var twice = false
  @Option(help: "A rule to break on purpose; 'named' is the one under 'planted:'.")
  var broken: String?
  @Option(name: .customLong("for"), help: "Simulated time until calm, instead of the file's.")
  var duration: Duration?
  @Flag(help: "For programs.") var json = false
  @OptionGroup(title: "Pictures") var pictures: PictureOptions

  func validate() throws {
    try SimulateCommand.check(duration)
    try pictures.check()
  }

  func run() async throws {
    var scenario = try SimulateCommand.read(file).breaking(broken)
    if let duration {
      scenario.beCalm(after: .milliseconds(UInt64(duration / .milliseconds(1))))
    }
    let started = ContinuousClock.now
    let report = try pictures.run(scenario, .spoken(!json))
    Terminal.say(json ? try SimulationReport(report).text() : report.text(file: file))
    if !json { SimulationReport.sayPace(report, since: started) }
    if twice { try compare(report, with: Simulation.run(scenario)) }
    throw ExitCode(report.exitCode)
  }

  private func compare(_ first: RunReport, with second: RunReport) throws {
    guard first == second else {
      Terminal.warn(
        first.traceHash == second.traceHash
          ? "Not repeatable: the traces are equal and the reports are not."
          : "Not repeatable: the second trace is \(second.traceHash).")
      throw ExitCode(4)
    }
    if !json { Terminal.say("twice: equal traces") }
  }
}
