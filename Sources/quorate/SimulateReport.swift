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
  let figures: FiguresReport
  let accused: [String]

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
    figures = FiguresReport(report.figures)
    accused = report.accused.map(\.description)
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

/// The protocol's figures for programs; nil where nothing was finalized or answered.
struct FiguresReport: Encodable {
  let delayMilliseconds: Double
  let finalityDelaysMedian: Double?
  let finalityDelaysP99: Double?
  let finalityMillisecondsMedian: Double?
  let finalityMillisecondsP99: Double?
  let replies: UInt64
  let replyMillisecondsMedian: Double?
  let replyMillisecondsP99: Double?
  let viewsLost: UInt64
  let viewsLostPerCrash: Double?
  let messagesPerBlock: UInt64
  let bytesPerBlock: UInt64

  init(_ figures: Figures) {
    func milliseconds(_ micros: UInt64?) -> Double? { micros.map { Double($0 / 10) / 100 } }
    func rounded(_ value: Double?) -> Double? { value.map { ($0 * 100).rounded() / 100 } }
    delayMilliseconds = Double(figures.delay.number) / 1_000
    finalityDelaysMedian = rounded(figures.finalityDelays(50))
    finalityDelaysP99 = rounded(figures.finalityDelays(99))
    finalityMillisecondsMedian = milliseconds(figures.finality.percentile(50))
    finalityMillisecondsP99 = milliseconds(figures.finality.percentile(99))
    replies = figures.replies.count
    replyMillisecondsMedian = milliseconds(figures.replies.percentile(50))
    replyMillisecondsP99 = milliseconds(figures.replies.percentile(99))
    viewsLost = figures.viewsLost
    viewsLostPerCrash = rounded(figures.viewsLostPerCrash)
    messagesPerBlock = figures.messagesPerBlock
    bytesPerBlock = figures.bytesPerBlock
  }
}
