import ArgumentParser
import Certification
import QuorateClient
import Wire

struct RequestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "request", abstract: "How far an update has come, by its id.",
    discussion: "  quorate request 3f1a…   # the id that submit and ingest print")
  @OptionGroup var location: ClusterLocation
  @OptionGroup var caller: Caller
  @Argument(help: "64 hexadecimal digits.") var id: String
  @Flag(help: "For programs.") var json = false

  func run() async throws {
    guard let digest = Digest(hex: id) else {
      throw Failure("'\(id)' is no request id: it has 64 hexadecimal digits.")
    }
    let session = try Session(location, caller)
    let state = try await session.client.request(digest)
    await session.client.close()
    switch state {
    case .unknown:
      try say(
        "unknown",
        "None of \(session.network.committee.quorum) replicas knows it: it did not come there, or "
          + "it expired. Sent again under its own key it takes effect once; under a new key it "
          + "could take effect twice.")
      throw ExitCode(1)
    case .received(let replica):
      try say("received", "\(replica) has it and says that it waits for a block.", by: replica)
    case .ordered(let height, let replica):
      try say(
        "ordered", "\(replica) says that it is in block \(height), whose certificate is forming.",
        by: replica)
    case .done(let certified): Terminal.say(try ReceiptReport(certified).text(json: json))
    }
  }

  /// - Parameter replica: whose word it is; nil for that of a quorum.
  private func say(_ state: String, _ sentence: String, by replica: ReplicaID? = nil) throws {
    var report = ["request": id, "status": state]
    report["replica"] = replica?.description
    Terminal.say(json ? try Terminal.json(report) : "\(state): \(sentence)")
  }
}
