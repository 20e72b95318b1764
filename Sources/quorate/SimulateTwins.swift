import ArgumentParser
import Foundation
import Simulator

struct SimulateTwins: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "twins",
    abstract: "Byzantine replicas as two honest copies, with every cut of the first views.",
    discussion: """
      In each round a replica is in the first group, in the second, in both or in none; of a twin
      one copy is in each. --all runs every setting of one round up to the names of the replicas,
      3 · C(n+2, 3) of them. Of more rounds a sample is drawn.

        quorate simulate twins --rounds 1 --all --replicas 4 --every-placement
        quorate simulate twins --rounds 1 --all
        quorate simulate twins --rounds 3 --sample 10000
      """)
  @Option(help: "How many views are scripted.") var rounds = 1
  @Flag(help: "Every case, with --rounds 1.") var all = false
  @Flag(help: "With --all: with every choice of the Byzantine ones, not with one each.")
  var everyPlacement = false
  @Option(help: "So many cases by chance.") var sample: Int?
  @Option(help: "How many replicas.") var replicas = 13
  @Option(help: "What the sample is drawn from.") var seed: Seed = Seed(number: 1)
  @Option(help: "Processes at work at once.")
  var jobs = ProcessInfo.processInfo.activeProcessorCount
  @Option(help: "A rule to break on purpose.") var broken: String?
  @Option(help: "Where failing cases are written as scenario files.")
  var out = "simulate-findings"
  @Flag(help: "For programs.") var json = false

  func validate() throws {
    try SimulateCommand.check(replicas: replicas, least: 4)
    guard (1...64).contains(jobs) else { throw ValidationError("--jobs is 1 to 64.") }
    guard (1...replicas).contains(rounds) else {
      throw ValidationError("--rounds is 1 to the number of replicas.")
    }
    guard all != (sample != nil) else {
      throw ValidationError("Say either --all or --sample N.")
    }
    guard !all || rounds == 1 else {
      throw ValidationError(
        "--all goes with --rounds 1: of more rounds there are too many; say --sample N.")
    }
    guard !everyPlacement || all else { throw ValidationError("--every-placement needs --all.") }
    guard sample.map({ (1...SimulateCommand.runsMax).contains($0) }) ?? true else {
      throw ValidationError("--sample is 1 to \(grouped(SimulateCommand.runsMax)).")
    }
    try SimulateCommand.check(folder: out)
    if let broken { _ = try Scenario(title: "").breaking(broken) }
  }

  func run() async throws {
    let plan = TwinsPlan(replicas: replicas)
    var cases = plan.all(everyPlacement: everyPlacement).makeIterator()
    let total = sample ?? plan.count(everyPlacement: everyPlacement)
    var bar = ProgressBar("Twins", unit: "cases", total: total)
    var (given, done, blocks) = (0, 0, UInt64(0))
    var findings: [RunSummary] = []
    try WorkerPool(jobs: jobs).perform(
      next: {
        guard given < total,
          let twins = all
            ? cases.next() : plan.sample(given, rounds: rounds, seed: seed.number)
        else { return nil }
        given += 1
        return SearchTask(number: given - 1, source: .twins(twins), broken: broken, folder: out)
      },
      waiting: { bar.show(done, note: "· \(counted(findings.count, "finding"))") },
      done: { run in
        done += 1
        blocks += run.blocks
        if !run.passed { findings.append(run) }
        return true
      })
    bar.finish()
    findings.sort { $0.number < $1.number }
    try say(findings, total, blocks, seconds: bar.seconds)
    throw ExitCode(findings.map(\.exitCode).min() ?? 0)
  }

  private func say(
    _ findings: [RunSummary], _ total: Int, _ blocks: UInt64, seconds: Double
  ) throws {
    struct Summary: Encodable {
      let replicas, rounds, cases: Int
      let blocks: UInt64
      let seconds: Double
      let findings: [RunSummary]
    }
    guard !json else {
      Terminal.say(
        try Terminal.json(
          Summary(
            replicas: replicas, rounds: rounds, cases: total, blocks: blocks, seconds: seconds,
            findings: findings)))
      return
    }
    for finding in findings.prefix(10) {
      Terminal.say("case \(finding.number): \(finding.verdict)")
      if let file = finding.file { Terminal.say("  quorate simulate replay \(file)") }
    }
    Terminal.say(
      "\(findings.isEmpty ? "PASS" : "FAIL")  \(counted(total, "case")) of "
        + "\(counted(rounds, "round")) with \(replicas) replicas: "
        + "\(counted(findings.count, "violation")), \(counted(blocks, "block")), "
        + "\(fixed(seconds, 1)) s"
    )
  }
}
