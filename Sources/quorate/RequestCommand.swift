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
      try say("unknown", "No replica knows it: it never came, or it expired.")
      throw ExitCode(1)
    case .received: try say("received", "It waits for a block.")
    case .ordered(let height): try say("ordered", "In block \(height); its certificate is forming.")
    case .done(let certified): Terminal.say(try ReceiptReport(certified).text(json: json))
    }
  }

  private func say(_ state: String, _ sentence: String) throws {
    Terminal.say(
      json ? try Terminal.json(["request": id, "status": state]) : "\(state): \(sentence)")
  }
}
