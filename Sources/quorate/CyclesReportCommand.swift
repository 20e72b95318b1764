import ArgumentParser
import Certification
import Foundation
import QuorateClient
import Signing
import Wire

extension CyclesCommand {
  struct Report: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "What a pipeline's cycles went into, and how long they last.",
      discussion: """
        Burn is told by source, procedure and model: what a model took is entered under the model,
        the rest of an update under the source or procedure that was called. By one replica's word.

          quorate cycles report bank_reconciliation
        """)
    @OptionGroup var location: ClusterLocation
    @OptionGroup var caller: Caller
    @Argument(help: "The pipeline.") var pipeline: String
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      let session = try Session(location, caller)
      _ = try await session.pipeline(pipeline)
      let report = try await session.client.report(of: pipeline)
      await session.client.close()
      let page = CyclesReport(report)
      Terminal.say(json ? try Terminal.json(page) : page.text)
    }
  }
}

/// A pipeline's cycles as people and programs read them. Numbers of cycles are whole.
struct CyclesReport: Encodable {
  let pipeline: String
  let height: UInt64
  let time: String
  let condition: String
  let balance: UInt64
  let reserved: UInt64
  let burned: UInt64
  let burnedToday: UInt64
  let burnedYesterday: UInt64
  let storedBytes: UInt64
  let storageDaily: UInt64
  let freezesBelow: UInt64
  /// Whole days until updates are refused; nil when nothing is burned.
  let daysIdle: UInt64?
  let daysAtPace: UInt64?
  let callerBudget: UInt64
  let publicBudget: UInt64
  let burns: [Line]
  let spending: [Line]

  struct Line: Encodable {
    let kind: String
    let name: String
    let cycles: UInt64
  }

  init(_ report: PipelineReport) {
    pipeline = report.pipeline
    height = report.height.number
    time = ColumnType.timestamp.text(of: .int(Int64(clamping: report.time.number))) ?? ""
    condition = report.condition.label
    balance = report.balance.number
    reserved = report.reserved.number
    burned = report.burned.number
    burnedToday = report.burnedToday.number
    burnedYesterday = report.burnedYesterday.number
    storedBytes = report.storedBytes
    storageDaily = report.storageDaily.number
    freezesBelow = report.freezesBelow.number
    daysIdle = report.daysToFreeze(burning: report.storageDaily)
    daysAtPace = report.daysToFreeze(burning: max(report.burnedToday, report.burnedYesterday))
    callerBudget = report.callerBudget.number
    publicBudget = report.publicBudget.number
    burns = report.burns.map {
      Line(kind: $0.kind.label, name: $0.name, cycles: $0.cycles.number)
    }
    spending = report.spending.map {
      Line(
        kind: $0.caller == nil ? "public" : "key", name: $0.caller?.hex ?? "",
        cycles: $0.cycles.number)
    }
  }

  var text: String {
    var parts = [summary]
    let shares = burns.sorted { ($1.cycles, $0.kind, $0.name) < ($0.cycles, $1.kind, $1.name) }
    if !shares.isEmpty {
      parts.append(
        Terminal.table(
          ["burned by", "name", "cycles", "share"],
          shares.map {
            let share = Double($0.cycles) / Double(max(1, burned)) * 100
            return [$0.kind, $0.name, grouped($0.cycles), "\(fixed(share, 1)) %"]
          }))
    }
    if !spending.isEmpty {
      parts.append(
        Terminal.table(
          ["today", "caller", "cycles", "of a day's"],
          spending.map {
            [
              $0.kind, $0.name, grouped($0.cycles),
              cyclesText($0.kind == "public" ? publicBudget : callerBudget),
            ]
          }))
    }
    return parts.joined(separator: "\n\n")
  }

  private var summary: String {
    """
    \(pipeline) at height \(height) (\(time)): \(condition)
    balance   \(cyclesText(balance)) cycles, \(cyclesText(reserved)) reserved
    burned    \(cyclesText(burned)); \(cyclesText(burnedToday)) today, \
    \(cyclesText(burnedYesterday)) the day before
    storage   \(grouped(storedBytes)) bytes, \(cyclesText(storageDaily)) a day
    freezes   below \(cyclesText(freezesBelow)): \(horizon)
    budgets   \(cyclesText(callerBudget)) a day for each caller with a role or key, \
    \(cyclesText(publicBudget)) for the public
    """
  }

  private var horizon: String {
    guard condition == "running" else {
      let missing = freezesBelow > balance ? freezesBelow - balance : 0
      return "\(condition) now; quorate cycles top-up \(pipeline) "
        + CyclesCommand.ample(missing)
    }
    func days(_ count: UInt64?) -> String {
      guard let count else { return "never" }
      return count > 36_500 ? "over a hundred years" : "\(grouped(count)) days"
    }
    return "in \(days(daysAtPace)) at the pace of these days, \(days(daysIdle)) if idle"
  }
}
