import ArgumentParser
import Foundation
import Simulator

/// The files that a run of the simulator leaves for people to look at.
struct PictureOptions: ParsableArguments {
  @Option(help: "Write the run as one page for a browser: a lane a replica, time downwards.")
  var html: String?
  @Option(help: "Write the run as a picture that does not move.") var svg: String?
  @Option(help: "Write what happened, a line an event.") var trace: String?

  var isAsked: Bool { html != nil || svg != nil || trace != nil }

  func check() throws {
    try SimulateCommand.check(file: html, "--html", as: .page)
    try SimulateCommand.check(file: svg, "--svg", as: .drawing)
    try SimulateCommand.check(file: trace, "--trace", as: .trace)
  }

  /// Runs the scenario and writes what was asked for; records only then.
  func run(_ scenario: Scenario, _ options: RunOptions) throws -> RunReport {
    guard isAsked else { return Simulation.run(scenario, options) }
    let (report, recording) = Simulation.record(scenario, options)
    if let trace { try write(recording.trace, to: trace) }
    if let svg { try write(Diagram(recording, .still).svg, to: svg) }
    if let html { try write(DiagramPage(recording, report).text, to: html) }
    return report
  }

  private func write(_ text: String, to path: String) throws {
    do {
      try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw SimulateCommand.unwritable(path, error)
    }
    Terminal.warn("Written to \(path).")
  }
}
