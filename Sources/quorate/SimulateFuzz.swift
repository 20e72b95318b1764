import ArgumentParser
import Foundation
import Simulator

struct SimulateFuzz: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuzz",
    abstract: "Many random runs in several processes; each failing one is written as a file.",
    discussion: """
        quorate simulate fuzz --runs 20000 --jobs 2
        quorate simulate fuzz --hours 8 --jobs 4 --out findings
        quorate simulate fuzz --runs 2000 --broken quorum-2f    # after how many runs is it found?
        quorate simulate fuzz --runs 500 --broken all           # the same for every planted bug

      Exit status: that of the worst finding, or 3 when a run with a rule broken passed. With
      --broken: 3 when a bug was not found. With --over-budget agreement may break: a finding is
      evidence that names a correct replica, or fewer than f + 1.
      """)
  @Option(help: "How many runs.") var runs: Int?
  @Option(help: "Or for how long.") var hours: Double?
  @Option(help: "Processes at work at once.")
  var jobs = ProcessInfo.processInfo.activeProcessorCount
  @Option(help: "How many replicas; a mix of 4, 7 and 13 unless said.") var replicas: Int?
  @Option(help: "About how many blocks a run has.") var blocks = 200
  @Option(help: "The seed of the first run; the next ones count on.")
  var seed: Seed = Seed(number: 1)
  @Option(help: "A rule that every run breaks, or 'all': each one by turns.") var broken: String?
  @Flag(
    help: "More than f replicas collude in every run: agreement may break, evidence tells by whom.")
  var overBudget = false
  @Option(help: "Where failing runs are written as scenario files.")
  var out = "simulate-findings"
  @Flag(help: "Stop at the first finding.") var failFast = false
  @Flag(help: "For programs.") var json = false

  func validate() throws {
    guard (runs == nil) != (hours == nil) else {
      throw ValidationError("Say either --runs N or --hours H.")
    }
    guard runs.map({ (1...SimulateCommand.runsMax).contains($0) }) ?? true else {
      throw ValidationError("--runs is 1 to \(grouped(SimulateCommand.runsMax)).")
    }
    guard hours.map({ $0 > 0 && $0 < 10_000 }) ?? true else {
      throw ValidationError("--hours is above 0 and below 10,000.")
    }
    guard (1...64).contains(jobs) else { throw ValidationError("--jobs is 1 to 64.") }
    if let replicas { try SimulateCommand.check(replicas: replicas) }
    guard (1...100_000).contains(blocks) else {
      throw ValidationError("--blocks is 1 to 100,000.")
    }
    guard !overBudget || broken == nil && replicas ?? 4 >= 4 else {
      throw ValidationError("--over-budget takes 4 replicas or more, and no --broken.")
    }
    guard broken == nil || runs != nil else {
      throw ValidationError("--broken goes with --runs N: the most runs for a bug.")
    }
    if broken == nil { try SimulateCommand.check(folder: out) }
    if let broken, broken != "all" { _ = try Scenario(title: "").breaking(broken) }
  }

  func run() async throws {
    if let broken {
      try FuzzHunt(search: self, bugs: broken == "all" ? Catalog.plantedBugs : [broken]).run()
    } else {
      try plain()
    }
  }

  func plan(broken: String? = nil) -> FuzzPlan {
    var plan = FuzzPlan()
    plan.seedBase = seed.number
    plan.replicas = replicas
    plan.blocks = blocks
    plan.overBudget = overBudget
    plan.broken = broken
    plan.folder = broken == nil ? out : nil
    return plan
  }

  private func plain() throws {
    var tally = FuzzTally(plan())
    var progress = SearchProgress(runs: runs, seconds: hours.map { $0 * 3_600 })
    var given = 0
    try WorkerPool(jobs: jobs).perform(
      next: {
        guard !progress.over, given < runs ?? .max else { return nil }
        given += 1
        return tally.plan.task(given - 1)
      },
      waiting: { progress.show(tally) },
      done: { run in
        tally.add(run)
        if !run.passed, !tally.plan.isMutant(run.number) {
          progress.finish()
          Terminal.warn(
            "run \(run.number), seed 0x\(String(run.seed, radix: 16)): \(run.verdict)"
              + (run.file.map { "\n  \($0)" } ?? ""))
        }
        return !(failFast && !tally.findings.isEmpty)
      })
    progress.finish()
    let summary = FuzzSummary(tally: tally, seconds: progress.seconds)
    Terminal.say(json ? try Terminal.json(summary.forPrograms) : summary.text)
    throw ExitCode(tally.exitCode)
  }
}

/// The line that tells how far a search is.
struct SearchProgress {
  let runs: Int?
  let secondsMax: Double?
  private let started = ContinuousClock.now
  private var bar: ProgressBar

  init(runs: Int?, seconds: Double?) {
    self.runs = runs
    secondsMax = seconds
    bar = ProgressBar("Fuzzing", unit: "runs", total: runs)
  }

  var seconds: Double { ProgressBar.seconds(since: started) }
  /// True when the time is up.
  var over: Bool { secondsMax.map { seconds > $0 } ?? false }

  mutating func show(_ tally: FuzzTally) {
    let done = tally.all.runs + tally.mutants.count
    var left = secondsMax.map { max(0, $0 - seconds) }
    if let runs, done > 0 { left = seconds / Double(done) * Double(runs - done) }
    let pace = Double(tally.all.simulated) / 1_000_000 / max(seconds, 0.001)
    bar.show(
      done,
      note: "· \(counted(tally.all.blocks, "block")) · \(grouped(Int(pace))) s a second"
        + " · \(counted(tally.findings.count, "finding"))"
        + (left.map { " · \(Self.time($0)) left" } ?? ""))
  }

  func finish() { bar.finish() }

  static func time(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    if whole < 120 { return "\(whole) s" }
    return whole < 7_200 ? "\(whole / 60) min" : "\(whole / 3_600) h \(whole / 60 % 60) min"
  }
}
