import ArgumentParser
import Certification
import Execution
import Foundation
import QuorateClient
import Wire

struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract:
      "Check a saved answer, receipt or snapshot offline, with the subnet's public keys alone.",
    discussion: """
        quorate verify row.quorate --network network.json
        quorate verify my_pipeline.sqlite
      """)
  @OptionGroup var location: ClusterLocation
  @Argument(help: "What --save or 'pipeline snapshot' wrote.") var file: String
  @Option(help: "The subnet's network.json. Else that of the cluster's folder.")
  var network: String?
  @Flag(help: "For programs.") var json = false

  func run() async throws {
    let trusted = try trustRoot()
    if try isSnapshot() {
      let report = SnapshotReport(try snapshot(trusted), trusted)
      Terminal.say(json ? try Terminal.json(report) : report.text)
      return
    }
    guard let bytes = try? Data(contentsOf: URL(filePath: file)) else {
      throw Failure("Cannot read \(file).")
    }
    let report: VerifyReport
    do {
      let saved = try SavedAnswer(file: [UInt8](bytes))
      let checked = try saved.checked(by: ClientCheck(committee: trusted.committee))
      report = VerifyReport(saved, checked, trusted)
    } catch {
      throw Failure("\(file) is NOT verified. \(error)")
    }
    Terminal.say(json ? try Terminal.json(report) : report.text)
  }

  /// Whether the file begins as those of SQLite do.
  private func isSnapshot() throws -> Bool {
    guard let opened = FileHandle(forReadingAtPath: file) else {
      throw Failure("Cannot read \(file).")
    }
    defer { try? opened.close() }
    let first = try? opened.read(upToCount: SnapshotFile.firstBytes.count)
    return first.map { [UInt8]($0) } == SnapshotFile.firstBytes
  }

  private func snapshot(_ network: Network) throws -> CheckedSnapshot {
    var bar = ProgressBar("\(file): checking", unit: "rows", total: nil)
    defer { bar.finish() }
    do throws(SnapshotFault) {
      return try SnapshotFile.check(file, by: ClientCheck(committee: network.committee)) {
        bar.show($0)
      }
    } catch {
      throw Failure("\(file) is NOT verified. \(error)")
    }
  }

  private static let advice =
    "Say --network FILE with the network.json of the subnet that it came from, which whoever runs "
    + "the subnet gives to everyone; or name a cluster's folder with --cluster DIR."

  private func trustRoot() throws -> Network {
    guard let network else { return try location.network(else: Self.advice) }
    guard let bytes = try? Data(contentsOf: URL(filePath: network)) else {
      throw Failure("Cannot read \(network).")
    }
    do { return try Network(json: [UInt8](bytes)) } catch {
      throw Failure("\(network): \(error)")
    }
  }
}
