import ArgumentParser
import Certification
import Foundation
import NodeShell
import Wire

struct ClusterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cluster", abstract: "A subnet on this machine: one process a replica.",
    discussion: """
        quorate cluster init && quorate cluster up --detach
        quorate cluster status
        quorate cluster kill r3 r4
        quorate cluster start r3 r4
        quorate cluster down
      """,
    subcommands: [
      Init.self, Up.self, StatusCommand.self, WhyCommand.self, Stop.self, Kill.self, Start.self,
      Pause.self, Resume.self, LogsCommand.self, Down.self, EnginesCommand.self,
      AcceptEngineCommand.self,
    ])

  struct Init: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make keys, certificates and network.json.",
      discussion: """
        On one machine:            quorate cluster init --replicas 13
        On machines of their own:  'quorate replica init DIR' on each, collect every DIR/\
        replica.card.json in one folder, then quorate cluster init DIR --members FOLDER
        """)
    @Argument(help: "The cluster's folder. Else $QUORATE_CLUSTER, else ./quorate-cluster.")
    var directory: String?
    @Option(help: "How many replicas; f = (n - 1) / 3 of them may fail in any way.")
    var replicas = 13
    @Option(help: "First of 2 n ports. Without it, the first free ones above 26000.")
    var basePort: UInt16?
    @Option(
      help: ArgumentHelp(
        "A folder of replica cards (*.json), or one file with a list of them.",
        valueName: "file"))
    var members: String?
    @Option(help: "The subnet's name.") var name = "local"

    func run() async throws {
      let folder = ClusterLocation.folder(directory)
      let network: Network
      if let members {
        network = try ClusterFolder.join(folder, name: name, cards: try cards(at: members))
      } else {
        let ports = try basePort ?? FreePorts.base(for: 2 * replicas)
        network = try ClusterFolder.create(
          folder, name: name, replicas: replicas, basePort: ports)
      }
      let committee = network.committee
      Terminal.say(
        """
        Subnet \(network.name) (\(network.subnet.short)) of \
        \(counted(committee.size, "replica")): up to \(committee.faultsMax) may fail in any way, \
        \(counted(committee.quorum, "signature certifies", "signatures certify")).
        \(folder.path)/network.json is public and is what clients trust. Keys stay in their folders.
        """)
      if committee.size < 4 {
        Terminal.warn("Note: fewer than 4 replicas survive no failure at all.")
      }
    }

    /// Sorted by file name, so that the ids follow the names.
    private func cards(at path: String) throws -> [ReplicaCard] {
      let url = URL(filePath: path)
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw Failure("\(path) does not exist; name a folder of replica cards.")
      }
      if !isFolder.boolValue { return try decode([ReplicaCard].self, at: url) }
      let names = try FileManager.default.contentsOfDirectory(atPath: path)
        .filter { $0.hasSuffix(".json") }.sorted()
      return try names.map { try decode(ReplicaCard.self, at: url.appending(path: $0)) }
    }

    private func decode<T: Decodable>(_ type: T.Type, at file: URL) throws -> T {
      do { return try JSONDecoder().decode(T.self, from: try Data(contentsOf: file)) } catch {
        throw Failure(
          "\(file.path) is no replica card: that is the replica.card.json which 'quorate replica "
            + "init DIR' writes. --members names a folder of one from each replica.")
      }
    }
  }

  struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Start every replica, and wait until the subnet serves.")
    @OptionGroup var location: ClusterLocation
    @Argument(help: "The cluster's folder.") var directory: String?
    @Flag(help: "Return once it serves; else stay, and stop all at Ctrl-C.") var detach = false

    func run() async throws {
      let cluster = try LocalCluster(ClusterLocation.folder(directory ?? location.directory))
      let running = cluster.processes.count { $0.process.pid != nil }
      try await cluster.start(cluster.processes.map(\.id))
      try await cluster.waitUntilServing(seconds: 120)
      Terminal.say(
        running == cluster.processes.count
          ? "\(counted(running, "replica was", "replicas were")) running already."
          : counted(
            cluster.processes.count, "replica is up and has certified a state.",
            "replicas are up and have certified a state."))
      if detach { return }
      Terminal.say("Ctrl-C stops them all.")
      await interrupted()
      Terminal.say("Stopping ...")
      try await cluster.stop(cluster.processes.map(\.id), by: SIGTERM, seconds: 30)
    }
  }

  struct Stop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "End replicas in good order (SIGTERM).")
    @OptionGroup var location: ClusterLocation
    @Argument(help: "r0, r1 …") var replicas: [String]

    func run() async throws {
      let cluster = try LocalCluster(location.folder)
      let ids = try cluster.ids(replicas)
      let down = cluster.down(ids)
      try await cluster.stop(ids, by: SIGTERM, seconds: 30)
      Terminal.say(Outcome.text("Stopped", ids, already: down, "down"))
    }
  }

  struct Kill: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "End replicas as a power cut would (kill -9).")
    @OptionGroup var location: ClusterLocation
    @Argument(help: "r0, r1 …") var replicas: [String]

    func run() async throws {
      let cluster = try LocalCluster(location.folder)
      let ids = try cluster.ids(replicas)
      let down = cluster.down(ids)
      try await cluster.stop(ids, by: SIGKILL, seconds: 10)
      Terminal.say(Outcome.text("Killed", ids, already: down, "down"))
    }
  }

  struct Start: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Start replicas again.")
    @OptionGroup var location: ClusterLocation
    @Argument(help: "r0, r1 …") var replicas: [String]

    func run() async throws {
      let cluster = try LocalCluster(location.folder)
      let ids = try cluster.ids(replicas)
      let down = cluster.down(ids)
      try await cluster.start(ids)
      try await cluster.waitUntilAnswering(ids, seconds: 60)
      let running = ids.filter { !down.contains($0) }
      Terminal.say(Outcome.text("Started", ids, already: running, "running"))
    }
  }

  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Freeze replicas' processes (SIGSTOP), as a hung machine would be.")
    @OptionGroup var location: ClusterLocation
    @Argument(help: "r0, r1 …") var replicas: [String]

    func run() async throws { try signal(SIGSTOP, "Paused", location, replicas) }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let paused replicas go on.")
    @OptionGroup var location: ClusterLocation
    @Argument(help: "r0, r1 …") var replicas: [String]

    func run() async throws { try signal(SIGCONT, "Resumed", location, replicas) }
  }

  struct Down: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "End every replica.")
    @OptionGroup var location: ClusterLocation
    @Argument(help: "The cluster's folder.") var directory: String?
    @Flag(help: "Remove what is the cluster's too: keys, state and all. Other files stay.")
    var wipe = false

    func run() async throws {
      let folder = ClusterLocation.folder(directory ?? location.directory)
      let cluster = try LocalCluster(folder)
      try await cluster.stop(cluster.processes.map(\.id), by: SIGTERM, seconds: 30)
      let left = wipe ? try await cluster.wipe() : []
      let count = cluster.processes.count
      let (all, their) =
        count == 1 ? ("The replica is", "its") : ("All \(count) replicas are", "their")
      guard wipe else { return Terminal.say("\(all) down; \(their) state is kept.") }
      Terminal.say("\(all) down and \(Self.wiped(folder, left))")
    }

    /// What became of the folder.
    static func wiped(_ folder: URL, _ left: [String]) -> String {
      guard FileManager.default.fileExists(atPath: folder.path) else {
        return "\(folder.path) is removed."
      }
      let shown = left.prefix(5).joined(separator: ", ")
      let more = left.count > 5 ? " and \(grouped(left.count - 5)) more" : ""
      return "all that was the cluster's is removed from \(folder.path).\n"
        + (left.isEmpty
          ? "The folder itself is empty and cannot be removed; check the owner of the one above it."
          : "The folder stays, with what no command put there: \(shown)\(more).")
    }
  }
}

private func signal(
  _ number: Int32, _ what: String, _ location: ClusterLocation, _ names: [String]
) throws {
  let cluster = try LocalCluster(location.folder)
  let ids = try cluster.ids(names)
  for id in ids where !cluster.process(id).signal(number) {
    throw Failure("\(id) is not running; 'quorate cluster start \(id)' starts it.")
  }
  Terminal.say("\(what) \(list(ids)).")
}

/// What a command did to replicas, and which of them were so before.
enum Outcome {
  static func text(
    _ did: String, _ ids: [ReplicaID], already: [ReplicaID], _ state: String
  ) -> String {
    let changed = ids.filter { !already.contains($0) }
    var sentences: [String] = []
    if !changed.isEmpty { sentences.append("\(did) \(list(changed)).") }
    if !already.isEmpty {
      sentences.append("\(list(already)) \(already.count == 1 ? "was" : "were") \(state) already.")
    }
    return sentences.joined(separator: " ")
  }
}

func list(_ ids: [ReplicaID]) -> String { ids.map(\.description).joined(separator: ", ") }

/// Returns at SIGINT or SIGTERM.
func interrupted() async {
  let (signals, continuation) = AsyncStream.makeStream(of: Void.self)
  let sources = [SIGINT, SIGTERM].map { number in
    Foundation.signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler { continuation.yield() }
    source.resume()
    return source
  }
  for await _ in signals { break }
  for source in sources { source.cancel() }
}
