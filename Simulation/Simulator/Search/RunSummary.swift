/// What a search keeps of one run: small, and the same in any process.
package struct RunSummary: Codable, Sendable, Hashable {
  package let number: Int
  package let seed: UInt64
  package let replicas: Int
  package let broken: String?
  /// The first check that failed, or `crash`; nil: the run passed.
  package let check: String?
  package let verdict: String
  /// 0 pass, 1 safety, 2 liveness, 3 vacuous.
  package let exitCode: Int32
  /// The trace's hash.
  package let trace: String
  package var blocks: UInt64 = 0
  package var views: UInt64 = 0
  /// Microseconds.
  package var simulated: UInt64 = 0
  package var events: UInt64 = 0
  package var crashes: UInt64 = 0
  package var callsApplied: UInt64 = 0
  /// How many faults of each kind began.
  package var fired: [String: Int] = [:]
  /// The faults that never began, as they are written.
  package var unfired: [String] = []
  /// How many replicas each kind of actor played.
  package var actors: [String: Int] = [:]
  package var marks: [String] = []
  /// Where the story was written.
  package var file: String?

  package init(_ report: RunReport, of scenario: Scenario, number: Int) {
    self.number = number
    seed = report.seed
    replicas = report.replicas
    broken = report.planted
    check = report.violations.first?.check.rawValue
    verdict = report.verdict
    exitCode = report.exitCode
    trace = report.traceHash
    blocks = report.statistics.heightHighest.number
    views = report.statistics.viewHighest.number
    simulated = report.statistics.simulated
    events = report.statistics.events
    crashes = report.statistics.crashes
    callsApplied = report.statistics.callsApplied
    marks = report.reached
    for (index, fault) in scenario.faults.enumerated() {
      if report.fired[index] != nil {
        fired[fault.verbName, default: 0] += 1
      } else {
        unfired.append(fault.text)
      }
    }
    for byzantine in scenario.byzantine { actors[byzantine.actor.rawValue, default: 0] += 1 }
  }

  /// A run that ended its process: the worst that can be found.
  package init(crashed task: SearchTask, _ scenario: Scenario?, _ how: String) {
    number = task.number
    seed = scenario?.cluster.seed ?? 0
    replicas = scenario?.cluster.replicas ?? 0
    broken = task.broken
    check = "crash"
    verdict = "FAIL crash: the process \(how)"
    exitCode = 1
    trace = ""
  }

  package var passed: Bool { check == nil }
}
