import ArgumentParser
import Simulator

struct SimulateShrink: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shrink",
    abstract: "Make a failing scenario short, with the same violation.",
    discussion: """
        quorate simulate shrink simulate-findings/seed-0x2a-n13-liveness.yaml
        quorate simulate shrink crowded.yaml --broken finalize-after-nullify --out short.yaml
      """)
  @Argument(help: "The scenario file.") var file: String
  @Option(help: "The rule that it breaks on purpose; 'named' is the one under 'planted:'.")
  var broken: String?
  @Option(help: "Where the short story is written; FILE-short.yaml unless said.")
  var out: String?

  private var target: String {
    out ?? "\(file.hasSuffix(".yaml") ? String(file.dropLast(5)) : file)-short.yaml"
  }

  func validate() throws { try SimulateCommand.check(file: target, "--out", as: .scenario) }

  func run() async throws {
    var scenario = try SimulateCommand.read(file)
    let bug = broken ?? (scenario.expect.planted == nil ? nil : "named")
    scenario = try scenario.breaking(bug)
    var bar = ProgressBar("Shrinking", unit: "runs", total: nil)
    guard
      var shrinker = Shrinker(
        scenario,
        progress: { runs, left in bar.show(runs, note: "· \(counted(left, "fault")) left") })
    else {
      throw SimulateCommand.misused(
        "\(file) passes: there is nothing to shrink. Break a rule with --broken, or give a file "
          + "that fails.")
    }
    shrinker.shrink()
    bar.finish()
    try SimulateCommand.write(shrinker.best, to: target)
    Terminal.say(
      Self.milestones(shrinker.steps).map { "\($0)" }.joined(separator: " → ")
        + " faults and actors in \(counted(shrinker.runs, "run")); \(shrinker.check.rawValue) "
        + "still fails")
    Terminal.say("")
    Terminal.say(shrinker.best.text)
    let hint = shrinker.best.brokenRule.map { " --broken \($0.rawValue)" } ?? ""
    Terminal.say("next: quorate simulate explain \(target)\(hint)")
  }

  /// The first and the last, and between them where at least a third went away.
  static func milestones(_ steps: [Int]) -> [Int] {
    var out = Array(steps.prefix(1))
    for step in steps.dropFirst() where step * 3 <= (out.last ?? 0) * 2 { out.append(step) }
    if let last = steps.last, last != out.last { out.append(last) }
    return out
  }
}
