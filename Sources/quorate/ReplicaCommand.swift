import ArgumentParser
import Foundation
import NodeShell
import Wire

struct ReplicaCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replica", abstract: "One replica: what systemd and Kubernetes start.",
    discussion: """
        quorate replica init r0 --host replica-0.example.org
        quorate replica run r0
        quorate replica engine
      """,
    subcommands: [Init.self, Run.self, EngineCommand.self])

  struct Init: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a replica's keys where they stay, and its card for 'cluster init'.")
    @Argument(help: "The replica's folder.") var directory: String
    @Option(help: "Where the others reach it.") var host = "127.0.0.1"
    @Option(help: "For the other replicas.") var peerPort: UInt16 = 26_000
    @Option(help: "For clients.") var httpPort: UInt16 = 26_001

    func run() async throws {
      let folder = URL(filePath: directory).standardizedFileURL
      let card = try ReplicaFolder.create(
        folder, host: host, peerPort: peerPort, httpPort: httpPort)
      Terminal.say(
        """
        Replica \(card.key.prefix(8)) has its keys in \(folder.path).
        Send \(folder.appending(path: ReplicaFolder.cardName).path) to whoever runs \
        'quorate cluster init --members'; put the network.json that comes back beside it.
        """)
    }
  }

  struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Run until SIGTERM or SIGINT. Logs go to stderr.")
    @Argument(help: "The replica's folder.") var directory: String
    @Flag(help: .hidden) var session = false

    func run() async throws {
      // Started by 'cluster up': a session of its own, so that Ctrl-C at the terminal ends only
      // the command that the person sees.
      if session { setsid() }
      try await Node.run(NodeConfiguration.load(directory: URL(filePath: directory)))
    }
  }
}
