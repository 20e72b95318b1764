import ArgumentParser
import Certification
import Foundation
import QuorateClient
import Wire

struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check a saved answer or receipt offline, with the subnet's public keys alone.",
    discussion: "  quorate verify row.quorate --network network.json")
  @OptionGroup var location: ClusterLocation
  @Argument(help: "What --save wrote.") var file: String
  @Option(help: "The subnet's network.json. Else that of the cluster's folder.")
  var network: String?
  @Flag(help: "For programs.") var json = false

  func run() async throws {
    let trusted = try trustRoot()
    guard let bytes = try? Data(contentsOf: URL(filePath: file)) else {
      throw Failure("Cannot read \(file).")
    }
    let checked: CheckedAnswer
    do {
      let saved = try SavedAnswer(file: [UInt8](bytes))
      checked = try saved.checked(by: ClientCheck(committee: trusted.committee))
    } catch {
      throw Failure("\(file) is NOT verified. \(error)")
    }
    Terminal.say(try text(checked, trusted))
  }

  private func trustRoot() throws -> Network {
    guard let network else { return try location.network() }
    guard let bytes = try? Data(contentsOf: URL(filePath: network)) else {
      throw Failure("Cannot read \(network).")
    }
    do { return try Network(json: [UInt8](bytes)) } catch {
      throw Failure("\(network): \(error)")
    }
  }

  private func text(_ checked: CheckedAnswer, _ network: Network) throws -> String {
    let time = ColumnType.timestamp.text(of: .int(Int64(clamping: checked.time.number))) ?? ""
    if json {
      return try Terminal.json([
        "verified": "true", "claim": checked.claim, "pipeline": checked.pipeline,
        "height": "\(checked.height)", "time": time, "subnet": network.subnet.hex,
      ])
    }
    var lines = [
      "Verified: \(checked.claim).",
      "Subnet \(network.name) (\(network.subnet.short)), pipeline \(checked.pipeline), height "
        + "\(checked.height), \(time).",
    ]
    if let table = checked.table {
      let rows = table.texts.map { $0.map { $0 ?? "·" } }
      lines.append(
        rows.isEmpty
          ? "No rows: their absence is what is proven."
          : Terminal.table(table.columns.map(\.name), rows))
    }
    if let receipt = checked.receipt {
      switch receipt.status {
      case .applied: lines.append("The update \(receipt.call.short) was applied.")
      case .refused(let why): lines.append("The update \(receipt.call.short) was refused: \(why)")
      }
    }
    return lines.joined(separator: "\n")
  }
}
