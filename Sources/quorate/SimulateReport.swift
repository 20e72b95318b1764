import Simulator

/// A run's report for programs: the same in any process, so nothing here comes from a real clock.
struct SimulationReport: Encodable {
  let title: String
  let replicas: Int
  let seed: String
  let planted: String?
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
    planted = report.planted
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

  /// How fast the run went, on stderr: it differs from run to run.
  static func sayPace(_ report: RunReport, since start: ContinuousClock.Instant) {
    let wall = ProgressBar.seconds(since: start)
    let simulated = Double(report.statistics.simulated) / 1_000_000
    let pace = grouped(Int(simulated / max(wall, 1e-6)))
    Terminal.warn("\(fixed(wall, 2)) s, \(pace) simulated seconds a second")
  }
}
