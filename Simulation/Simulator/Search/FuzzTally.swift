/// What many runs came to.
///
/// - Safety: the order in which runs are added does not matter.
/// - Bound: keeps the failing runs whole, of the others sums only.
package struct FuzzTally: Sendable {
  /// Sums over the runs of one size.
  package struct Sums: Sendable, Hashable {
    package var runs = 0
    package var blocks: UInt64 = 0
    package var views: UInt64 = 0
    /// Microseconds.
    package var simulated: UInt64 = 0
    package var faults = 0
    package var crashes: UInt64 = 0
    package var callsApplied: UInt64 = 0
    package var findings = 0

    mutating func add(_ run: RunSummary) {
      runs += 1
      blocks += run.blocks
      views += run.views
      simulated += run.simulated
      faults += run.fired.values.reduce(0, +)
      crashes += run.crashes
      callsApplied += run.callsApplied
    }
  }

  package let plan: FuzzPlan
  package private(set) var all = Sums()
  package private(set) var bySize: [Int: Sums] = [:]
  /// Runs in which a fault of this kind began.
  package private(set) var faults: [String: Int] = [:]
  package private(set) var actors: [String: Int] = [:]
  package private(set) var marks: [String: Int] = [:]
  package private(set) var mutants: [RunSummary] = []
  private var failed: [RunSummary] = []

  package init(_ plan: FuzzPlan) { self.plan = plan }

  /// Runs that failed though no rule was broken, or with the rule that all runs break, by number.
  package var findings: [RunSummary] { failed.sorted { $0.number < $1.number } }

  /// Runs with a rule broken that nobody noticed, by number.
  package var mutantsMissed: [RunSummary] {
    mutants.filter(\.passed).sorted { $0.number < $1.number }
  }

  package mutating func add(_ run: RunSummary) {
    if plan.isMutant(run.number), run.check != "crash" {
      mutants.append(run)
      return
    }
    all.add(run)
    bySize[run.replicas, default: Sums()].add(run)
    faults.merge(run.fired, uniquingKeysWith: +)
    actors.merge(run.actors, uniquingKeysWith: +)
    for mark in run.marks { marks[mark, default: 0] += 1 }
    guard !run.passed else { return }
    failed.append(run)
    all.findings += 1
    bySize[run.replicas, default: Sums()].findings += 1
  }

  /// The exit status of the worst finding: safety before liveness before the rest; 3 where only a
  /// broken rule was missed, 0 for nothing.
  package var exitCode: Int32 {
    failed.map(\.exitCode).min() ?? (mutantsMissed.isEmpty ? 0 : 3)
  }
}
