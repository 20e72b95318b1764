import ArgumentParser
import Simulator

struct SimulateExplain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "The causal past of a scenario's violation, in words, in at most 30 lines.",
    discussion: """
        quorate simulate explain failing.yaml
        quorate simulate explain Simulation/Scenarios/quorum-is-n-minus-f.yaml --broken named
      """)
  @Argument(help: "The scenario file.") var file: String
  @Option(help: "A rule to break on purpose; 'named' is the one under 'planted:'.")
  var broken: String?

  func run() async throws {
    let scenario = try SimulateCommand.read(file)
    let (report, recording) = Simulation.record(try scenario.breaking(broken))
    guard let explanation = Explanation(recording) else {
      Terminal.say("\(report.verdict): there is nothing to explain.")
      if broken == nil, let planted = scenario.expect.planted {
        Terminal.say("To see it fail, break its rule: --broken \(planted)")
      }
      return
    }
    let flag = broken.map { " --broken \($0)" } ?? ""
    Terminal.say(
      explanation.text(next: "quorate simulate replay \(file)\(flag) --html run.html"))
    throw ExitCode(report.exitCode)
  }
}
