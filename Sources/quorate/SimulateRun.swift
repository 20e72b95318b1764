import ArgumentParser
import Simulator
import Wire

struct SimulateRun: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "A run whose faults are drawn from a seed, or one run for each of many seeds.",
    discussion: """
      Exit status: 0 pass, 1 safety violated, 2 liveness, 3 vacuous. With --over-budget agreement
      may break: 1 means that the evidence names a correct replica, or fewer than f + 1.
      """)
  @Option(help: "Decimal, or hexadecimal after 0x.") var seed: Seed = Seed(number: 1)
  @Option(help: "A range of seeds instead, such as 1..1000; stops at the first failure.")
  var seeds: SeedRange?
  @Option(help: "How many replicas.") var replicas = 13
  @Option(name: .customLong("for"), help: "Simulated time: 20s, 10m.")
  var duration: Duration = .seconds(30)
  @Option(help: "At least so many faults at once, for 'shrink' to take away.") var faults: Int?
  @Flag(help: "More than f replicas collude: agreement may break, and evidence tells by whom.")
  var overBudget = false
  @Option(help: "Write the run's scenario as a file that 'replay' takes.") var save: String?
  @Option(help: "A rule to break on purpose; see 'simulate list bugs'.") var broken: String?
  @Flag(help: "For programs.") var json = false
  @OptionGroup(title: "Pictures") var pictures: PictureOptions

  func validate() throws {
    try SimulateCommand.check(replicas: replicas)
    try SimulateCommand.check(duration)
    try SimulateCommand.check(file: save, "--save", as: .scenario)
    try pictures.check()
    guard faults.map({ (0...10_000).contains($0) }) ?? true else {
      throw ValidationError("--faults is 0 to 10,000.")
    }
    guard !overBudget || broken == nil && faults == nil && replicas >= 4 else {
      throw ValidationError(
        "--over-budget takes 4 replicas or more, and neither --faults nor --broken.")
    }
    guard seeds == nil || save == nil else {
      throw ValidationError("--save goes with one --seed.")
    }
    guard seeds == nil || !pictures.isAsked else {
      throw ValidationError("--html, --svg and --trace go with one --seed.")
    }
    guard seeds == nil || !json else {
      throw ValidationError("--json goes with one --seed; of many 'simulate fuzz' takes it.")
    }
  }

  func run() async throws {
    guard let seeds else {
      let scenario = try scenario(seed.number)
      if let save { try SimulateCommand.write(scenario, to: save) }
      let started = ContinuousClock.now
      let report = try pictures.run(scenario, .spoken(!json))
      Terminal.say(
        json ? try SimulationReport(report).text() : report.text(file: save, next: command(seed)))
      if !json { SimulationReport.sayPace(report, since: started) }
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
        Terminal.say(report.text(file: nil, next: command(Seed(number: seed))))
        throw ExitCode(report.exitCode)
      }
      heights += report.statistics.heightHighest.number
      progress.show(done + 1)
    }
    progress.finish()
    Terminal.say(
      "\(counted(seeds.count, "seed")) with \(counted(replicas, "replica")): no violation, "
        + "\(counted(heights, "height")), \(fixed(progress.seconds, 1)) s.")
  }

  /// This run again, with all that makes it what it is, saved.
  func command(_ seed: Seed) -> String {
    var words = ["quorate simulate run --seed 0x\(String(seed.number, radix: 16))"]
    let milliseconds = Int(duration / .milliseconds(1))
    let span = milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000)s" : "\(milliseconds)ms"
    words.append("--replicas \(replicas) --for \(span)")
    if let faults { words.append("--faults \(faults)") }
    if overBudget { words.append("--over-budget") }
    if let broken { words.append("--broken \(broken)") }
    return (words + ["--save failing.yaml"]).joined(separator: " ")
  }

  private func scenario(_ seed: UInt64) throws -> Scenario {
    let span = Span.milliseconds(UInt64(duration / .milliseconds(1)))
    guard let faults else {
      return try Scenario.random(
        seed: seed, replicas: replicas, duration: span, overBudget: overBudget
      ).breaking(broken)
    }
    return try Scenario.crowded(seed: seed, replicas: replicas, faults: faults, duration: span)
      .breaking(broken)
  }
}
