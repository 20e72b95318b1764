import ArgumentParser
import Foundation
import QuorateClient

/// Several modules have an `Argument`; on the command line it is the parser's.
typealias Argument<Value> = ArgumentParser.Argument<Value>

/// The command line. Exit status: 0 done, 1 refused or failed, 64 wrong usage; `simulate` has
/// its own, told by its help.
@main
struct Quorate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quorate",
    abstract: "The canonical state of a data pipeline, kept by replicas that do not trust "
      + "one another.",
    discussion: """
      Start a subnet of 13 replicas on this machine, deploy a pipeline, send it rows, ask it:

        quorate cluster init && quorate cluster up --detach
        quorate pipeline deploy deploy/pipelines/bank-reconciliation --cycles 20T
        quorate feed feeds --rows 3000 --seed 42
        quorate ingest bank_reconciliation financial_institutions \\
          feeds/financial_institutions.csv
        quorate ingest bank_reconciliation financial_transactions \\
          feeds/financial_transactions.csv
        quorate query bank_reconciliation auto_match_report --arg bank_id=B01 \\
          --arg from=2024-09-01 --arg to=2025-08-31 --trust quorum
      """,
    version: "quorate 0.1.0",
    subcommands: [
      ClusterCommand.self, ReplicaCommand.self, IdentityCommand.self, PipelineCommand.self,
      IngestCommand.self, SubmitCommand.self, QueryCommand.self, VerifyCommand.self,
      RequestCommand.self, CyclesCommand.self, SimulateCommand.self, FeedCommand.self,
    ])

  static func main() async {
    // Writing into a pipe that nobody reads then fails, and each writer knows what to do.
    signal(SIGPIPE, SIG_IGN)
    let arguments = Array(CommandLine.arguments.dropFirst())
    if let hint = Suggestion.text(for: arguments, of: Self.self) {
      Terminal.warn(hint)
      Foundation.exit(64)
    }
    await main(arguments)
  }
}

/// Something went wrong that the user can do something about: what happened, why, what next.
struct Failure: Error, CustomStringConvertible {
  let description: String
  /// - Parameter description: may quote others: its control characters are shown as escapes.
  init(_ description: String) { self.description = description.inLines }
}
