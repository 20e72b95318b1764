import ArgumentParser
import Foundation
import Simulator

struct SimulateList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "What there is: scenarios, checks, faults, actors, marks, bugs.",
    discussion: "  quorate simulate list checks")
  enum Topic: String, ExpressibleByArgument, CaseIterable {
    case scenarios, checks, faults, actors, misuses, profiles, marks, bugs
  }
  @Argument(help: "Of what: \(Topic.allCases.map(\.rawValue).joined(separator: ", ")).")
  var topic: Topic
  @Option(help: "Where scenario files lie.") var directory = ScenarioFolder.usual

  func run() async throws {
    switch topic {
    case .checks: say(Catalog.checks)
    case .faults: say(Catalog.faults)
    case .actors: say(Catalog.actors)
    case .misuses: say(Catalog.misuses)
    case .profiles: say(Catalog.profiles)
    case .marks: say(Catalog.marks)
    case .bugs: say(Catalog.bugs)
    case .scenarios:
      let (entries, flaws) = Self.scenarios(try ScenarioFolder(directory).files)
      say(entries)
      for flaw in flaws { Terminal.warn(flaw) }
      if !flaws.isEmpty { throw ExitCode(64) }
    }
  }

  /// The titles of those files that can be read, and what is wrong with the others.
  static func scenarios(_ files: [String]) -> (entries: [Catalog.Entry], flaws: [String]) {
    var entries: [Catalog.Entry] = []
    var flaws: [String] = []
    for file in files {
      do {
        let name = URL(filePath: file).lastPathComponent
        entries.append(Catalog.Entry(name: name, meaning: try ScenarioFile.read(file).title))
      } catch { flaws.append("\(error)") }
    }
    return (entries, flaws)
  }

  private func say(_ entries: [Catalog.Entry]) {
    let width = entries.map(\.name.count).max() ?? 0
    for entry in entries {
      let space = String(repeating: " ", count: width - entry.name.count + 2)
      Terminal.say(entry.name + space + entry.meaning)
    }
  }
}

/// Where scenario files lie.
struct ScenarioFolder {
  static let usual = "Simulation/Scenarios"

  /// Their paths, by name.
  let files: [String]

  init(_ directory: String) throws {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
      throw SimulateCommand.misused("There is no folder \(directory); name it with --directory.")
    }
    files = names.filter { $0.hasSuffix(".yaml") }.sorted().map { "\(directory)/\($0)" }
    guard !files.isEmpty else {
      throw SimulateCommand.misused(
        "There is no scenario file in \(directory); name a folder with --directory.")
    }
  }
}
