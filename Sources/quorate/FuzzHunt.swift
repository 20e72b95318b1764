import ArgumentParser
import Simulator

/// After how many random runs each planted bug is found.
///
/// - Safety: the same answer with any number of processes: the lowest number that fails counts.
struct FuzzHunt {
  let search: SimulateFuzz
  let bugs: [String]

  struct Catch: Encodable {
    let bug: String
    /// Runs until found, that one included; nil: not found.
    let runs: Int?
    let check: String?
    let seed: String?
    let replicas: Int?
    let verdict: String?
  }

  func run() throws {
    var catches: [Catch] = []
    for bug in bugs { catches.append(try hunt(bug)) }
    let runsMax = search.runs ?? 0
    let missed = catches.filter { $0.runs == nil }.map(\.bug)
    if search.json {
      Terminal.say(try Terminal.json(catches))
    } else {
      Terminal.say(Self.table(catches, runsMax: runsMax))
      if !missed.isEmpty {
        Terminal.say(
          "\nnot found in \(counted(runsMax, "run")): \(missed.joined(separator: ", "))")
      }
    }
    throw ExitCode(missed.isEmpty ? 0 : 3)
  }

  private func hunt(_ bug: String) throws -> Catch {
    let plan = search.plan(broken: bug)
    let runsMax = search.runs ?? 0
    var bar = ProgressBar("Hunting \(bug)", unit: "runs", total: runsMax)
    var (given, done) = (0, 0)
    var found: RunSummary?
    var open: Set<Int> = []
    try WorkerPool(jobs: search.jobs).perform(
      next: {
        guard found == nil, given < runsMax else { return nil }
        open.insert(given)
        given += 1
        return plan.task(given - 1)
      },
      waiting: { bar.show(done) },
      done: { run in
        done += 1
        open.remove(run.number)
        if !run.passed, run.number < found?.number ?? .max { found = run }
        return found.map { first in open.contains { $0 < first.number } } ?? true
      })
    bar.finish()
    return Catch(
      bug: bug, runs: found.map { $0.number + 1 }, check: found?.check,
      seed: found.map { "0x" + String($0.seed, radix: 16) }, replicas: found?.replicas,
      verdict: found?.verdict)
  }

  /// A table in Markdown, as `Simulation/README.md` holds it.
  static func table(_ catches: [Catch], runsMax: Int) -> String {
    let rows = catches.map { found in
      "| `\(found.bug)` | \(found.runs.map { grouped($0) } ?? "more than \(grouped(runsMax))") | "
        + "\(found.check ?? "") | \(found.seed.map { "`\($0)`" } ?? "") | "
        + "\(found.replicas.map { "\($0)" } ?? "") |"
    }
    return
      (["| planted bug | runs until found | check | seed | replicas |", "|---|---:|---|---|---:|"]
      + rows).joined(separator: "\n")
  }
}
