import ArgumentParser
import Foundation
import Pipelines
import Simulator
import Wire

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
    do { return try ScenarioFile.read(file) } catch { throw misused("\(error)") }
  }

  /// Writes a scenario file; a place where that cannot be done is wrong usage.
  static func write(_ scenario: Scenario, to path: String) throws {
    do { try scenario.write(to: path) } catch { throw unwritable(path, error) }
    Terminal.warn("Written to \(path).")
  }

  /// Wrong usage: statuses below 64 tell what runs came to.
  static func misused(_ words: String) -> ExitCode {
    Terminal.warn(words)
    return ExitCode(64)
  }

  static func unwritable(_ path: String, _ error: any Error) -> ExitCode {
    misused(
      "Cannot write \(path): \(error.localizedDescription) Name a file in a folder that is there.")
  }

  /// Told before a run, which may take long.
  static func check(file path: String?, _ option: String, as kind: OutputKind) throws {
    guard let path else { return }
    do { try kind.check(path) } catch { throw ValidationError("\(option): \(error)") }
  }

  /// Told before a search; the folder itself is made with the first finding.
  static func check(folder path: String) throws {
    var place = URL(filePath: path).standardizedFileURL.path
    var isFolder: ObjCBool = false
    while !FileManager.default.fileExists(atPath: place, isDirectory: &isFolder), place != "/" {
      place = URL(filePath: place).deletingLastPathComponent().path
    }
    guard !path.isEmpty else { throw ValidationError("--out names no folder.") }
    guard isFolder.boolValue, FileManager.default.isWritableFile(atPath: place) else {
      throw ValidationError(
        "--out \(path): \(place) is no folder to write in. Name one that is there or can be made.")
    }
  }

  static func check(_ duration: Duration?) throws {
    let most = ScenarioLimits.spanMax.number
    guard let duration, duration > .microseconds(Int64(most)) else { return }
    throw ValidationError("--for is at most \(most / 3_600_000_000)h.")
  }

  static func check(replicas: Int, least: Int = 1) throws {
    guard (least...ScenarioLimits.replicasMax).contains(replicas) else {
      throw ValidationError("--replicas is \(least) to \(ScenarioLimits.replicasMax).")
    }
  }

  /// Runs of one search.
  static let runsMax = 1_000_000_000
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
      let names = Catalog.bugs.map(\.name)
      if bug != "named", !names.contains(bug) {
        let meant = Spelling.nearest(bug, among: names).map { "; did you mean '\($0)'?" } ?? "."
        throw Failure(
          "No rule is named '\(bug)'\(meant) 'quorate simulate list bugs' tells of all.")
      }
      return try bug == "named" ? broken() : planting(bug)
    } catch {
      throw SimulateCommand.misused("\(error)")
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
