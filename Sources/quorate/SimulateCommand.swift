import ArgumentParser
import Foundation
import Simulator

struct SimulateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "The whole subnet in one deterministic process, with faults.",
    discussion: """
      Exit status: 0 pass, 1 safety violated, 2 liveness, 3 vacuous, 4 not repeatable, 64 usage.

        quorate simulate replay Simulation/Scenarios/nullified-never-finalizes.yaml
        quorate simulate run --seed 7 --replicas 13 --for 60s
        quorate simulate fuzz --runs 1000 --jobs 2
        quorate simulate gallery
      """,
    subcommands: [
      SimulateRun.self, SimulateReplay.self, SimulateExplain.self, SimulateFuzz.self,
      SimulateShrink.self, SimulateTwins.self, SimulateGallery.self, SimulateList.self,
      SimulateWorker.self,
    ])

  /// Reads a scenario file; a mistake in it is wrong usage.
  static func read(_ file: String) throws -> Scenario {
    do { return try ScenarioFile.read(file) } catch {
      Terminal.warn("\(error)")
      throw ExitCode(64)
    }
  }
}

extension Scenario {
  /// With a rule broken on purpose; nil leaves the rules as they are.
  /// - Parameter bug: its name, or `named` for the one under `planted:` of the file.
  func breaking(_ bug: String?) throws -> Scenario {
    guard let bug else { return self }
    do {
      if bug == "named", expect.planted == nil {
        throw Failure("The file names no rule under 'planted:'; say which one to break.")
      }
      return try bug == "named" ? broken() : planting(bug)
    } catch {
      Terminal.warn("\(error)")
      throw ExitCode(64)
    }
  }

  private func planting(_ bug: String) throws -> Scenario {
    var other = self
    try other.plant(bug)
    return other
  }
}

/// A seed: `7`, `0x5eed`.
struct Seed: ExpressibleByArgument {
  let number: UInt64

  init(number: UInt64) { self.number = number }

  init?(argument: String) {
    let number =
      argument.hasPrefix("0x") ? UInt64(argument.dropFirst(2), radix: 16) : UInt64(argument)
    guard let number else { return nil }
    self.number = number
  }

  var defaultValueDescription: String { "\(number)" }
}

/// `1..1000`, both ends included.
struct SeedRange: ExpressibleByArgument {
  let numbers: ClosedRange<UInt64>
  var count: Int { numbers.count }

  init?(argument: String) {
    let parts = argument.split(separator: ".", omittingEmptySubsequences: true)
    guard parts.count == 2, let first = UInt64(parts[0]), let last = UInt64(parts[1]),
      first <= last, last - first < 1 << 31
    else { return nil }
    numbers = first...last
  }
}
