import ArgumentParser
import Certification
import Foundation
import QuorateClient
import Wire

/// One replica's line of the table.
private struct StatusLine: Encodable {
  let replica: String
  let state: String
  let view: UInt64
  let finalized: UInt64
  let executed: UInt64
  let certified: UInt64
  /// The newest state that it signed: height and root. Replicas asked at one moment may be at
  /// different heights; `--roots` compares them at one.
  let signed: String
  let peers: Int
  let awaiting: [String]

  init(_ id: ReplicaID, _ result: Result<CheckedStatus, ClientFailure>, pid: pid_t?) {
    replica = id.description
    switch result {
    case .success(let checked):
      let status = checked.status
      state = status.phase.label
      view = status.view.number
      finalized = status.finalized.number
      executed = status.executed.number
      certified = checked.certificate?.height.number ?? 0
      signed = checked.share.map { "\($0.statement.height) \($0.statement.stateRoot)" } ?? ""
      peers = status.connected.count
      awaiting = status.awaiting
    case .failure:
      state = pid == nil ? "down" : "does not answer"
      (view, finalized, executed, certified, signed, peers, awaiting) = (0, 0, 0, 0, "", 0, [])
    }
  }

  var isUp: Bool { certified > 0 || view > 0 }

  var cells: [String] {
    guard isUp else { return [replica, state] + Array(repeating: "", count: 6) }
    return [
      replica, state, "\(view)", "\(finalized)", "\(executed)", "\(certified)", signed, "\(peers)",
    ]
  }
}

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "How each replica is, by its own word.",
    discussion: """
        quorate cluster status --watch
        quorate cluster status --roots --wait 60s   # until all sign one state root
      """)
  @OptionGroup var location: ClusterLocation
  @Flag(help: "Draw it again every second until Ctrl-C.") var watch = false
  @Flag(help: "Compare the state roots that the replicas sign at one height.") var roots = false
  @Option(help: "With --roots: how long to wait for the last replica, such as 60s.")
  var wait: Duration = .seconds(10)
  @Option(help: "Print the names of so many replicas to fail, the present leader first.")
  var pick: Int?
  @Flag(help: "For programs.") var json = false

  func run() async throws {
    let network = try location.network()
    let client = try Client(network: network, identity: nil)
    if roots {
      var comparison = RootComparison(network: network)
      Terminal.say(try await comparison.run(client, within: wait, json: json))
    } else if let pick {
      Terminal.say(
        try await victims(pick, network, client).map(\.description).joined(separator: " "))
    } else {
      repeat {
        let lines = await lines(client, network)
        if watch { Terminal.emit("\u{1B}[H\u{1B}[2J\(ISO8601DateFormatter().string(from: .now))") }
        Terminal.say(json ? try Terminal.json(lines) : table(lines, network))
        if watch { try await Task.sleep(for: .seconds(1)) }
      } while watch
    }
    await client.close()
  }

  private func lines(_ client: Client, _ network: Network) async -> [StatusLine] {
    let local = try? LocalCluster(location.folder)
    return await client.statuses().map { id, result in
      StatusLine(id, result, pid: local?.process(id).pid)
    }
  }

  private func table(_ lines: [StatusLine], _ network: Network) -> String {
    let committee = network.committee
    let up = lines.count(where: \.isUp)
    let verdict =
      up >= committee.quorum
      ? "\(up) of \(committee.size) are up; \(committee.quorum) are needed."
      : "\(up) of \(committee.size) are up, \(committee.quorum) are needed: no update can be "
        + "final. 'quorate cluster why' tells more."
    return Terminal.table(
      ["replica", "state", "view", "finalized", "executed", "certified", "signed state", "peers"],
      lines.map(\.cells)) + "\n\(verdict)\n\(metrics(of: network.members[0]))"
  }

  /// Where a replica's metrics are read.
  private func metrics(of member: Network.Member) -> String {
    let host = member.host.contains(":") ? "[\(member.host)]" : member.host
    return "Metrics of \(member.id): https://\(host):\(member.httpPort)/metrics, and so of each; "
      + "their certificates are those of network.json."
  }

  /// The leader of the moment, then those after it.
  private func victims(
    _ count: Int, _ network: Network, _ client: Client
  ) async throws -> [ReplicaID] {
    let statuses = await client.statuses().compactMap { id, result in
      (try? result.get()).map { (id, $0.status) }
    }
    guard let view = statuses.map(\.1.view).max(), count <= statuses.count else {
      throw Failure("Only \(statuses.count) of the replicas answer; \(count) cannot be picked.")
    }
    let leader = network.committee.leader(of: view).index
    let up = Set(statuses.map(\.0.index))
    let turn = (0..<network.members.count).map { (leader + $0) % network.members.count }
    return turn.filter(up.contains).prefix(count).map { ReplicaID(UInt16($0)) }
  }
}

/// Gathers signed states until every replica has signed one and the same height.
struct RootComparison {
  let network: Network
  private var signed: [UInt64: [ReplicaID: Digest]] = [:]

  init(network: Network) { self.network = network }

  mutating func run(_ client: Client, within limit: Duration, json: Bool) async throws -> String {
    let deadline = ContinuousClock.now + limit
    var progress = ProgressBar("Waiting for", unit: "replicas", total: network.members.count)
    defer { progress.finish() }
    var last: [(ReplicaID, Result<CheckedStatus, ClientFailure>)] = []
    while ContinuousClock.now < deadline {
      last = await client.statuses()
      for (id, result) in last {
        guard case .success(let checked) = result, let share = checked.share else { continue }
        signed[share.statement.height.number, default: [:]][id] = share.statement.stateRoot
      }
      progress.show(signed.values.map(\.count).max() ?? 0)
      if let (height, roots) = signed.filter({ $0.value.count == network.members.count })
        .max(by: { $0.key < $1.key })
      {
        return try verdict(height, roots, json: json)
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    let slow = last.map { id, result -> String in
      guard case .success(let checked) = result else { return "\(id) does not answer" }
      return "\(id) signed height \(checked.share?.statement.height.number ?? 0)"
    }
    throw Failure(
      "Not all replicas signed one height within \(limit): \(slow.joined(separator: ", ")).")
  }

  private func verdict(
    _ height: UInt64, _ roots: [ReplicaID: Digest], json: Bool
  ) throws -> String {
    let distinct = Set(roots.values)
    if json {
      let byReplica = Dictionary(
        uniqueKeysWithValues: roots.map { ($0.key.description, $0.value.hex) })
      return try Terminal.json(byReplica.merging(["height": "\(height)"]) { first, _ in first })
    }
    let rows = roots.sorted { $0.key < $1.key }.map { ["\($0.key)", $0.value.hex] }
    let table = Terminal.table(["replica", "state root at height \(height)"], rows)
    guard distinct.count == 1 else {
      throw Failure("\(table)\nThe roots DIFFER; 'quorate cluster why' names who is quarantined.")
    }
    return "\(table)\nAll \(roots.count) state roots at height \(height) are equal."
  }
}

struct WhyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "why", abstract: "What is awaited, and from whom; what went wrong, and where.",
    discussion: "  quorate cluster why")
  @OptionGroup var location: ClusterLocation
  @Flag(help: "For programs.") var json = false

  func run() async throws {
    let network = try location.network()
    let client = try Client(network: network, identity: nil)
    let local = try? LocalCluster(location.folder)
    let statuses = await client.statuses()
    await client.close()
    let lines = statuses.map { StatusLine($0.0, $0.1, pid: local?.process($0.0).pid) }
    if json {
      Terminal.say(try Terminal.json(lines))
      return
    }
    let committee = network.committee
    let missing = lines.filter { !$0.isUp }
    let up = committee.size - missing.count
    if missing.isEmpty {
      Terminal.say(up == 1 ? "The replica answers." : "All \(up) replicas answer.")
    } else {
      Terminal.say(
        "Missing: " + missing.map { "\($0.replica) (\($0.state))" }.joined(separator: ", ") + ".")
    }
    if up < committee.quorum {
      Terminal.say(
        """
        Awaited: \(committee.quorum - up) more of them. A certificate takes \(committee.quorum) of \
        \(committee.size) signatures and \(counted(up, "replica is", "replicas are")) up, so no \
        update becomes final.
        \(queries(up, committee))
        Next: quorate cluster start \(missing.map(\.replica).joined(separator: " "))
        """)
    } else {
      Terminal.say("\(up) are up and \(committee.quorum) suffice: updates become final.")
    }
    for line in lines where line.isUp && line.state != ReplicaStatus.Phase.serving.label {
      Terminal.say("\(line.replica) is \(line.state).")
    }
    // What several say alike is said once.
    var sentences: [(text: String, by: [String])] = []
    for line in lines {
      for sentence in line.awaiting.map(\.inOneLine) {
        if let place = sentences.firstIndex(where: { $0.text == sentence }) {
          sentences[place].by.append(line.replica)
        } else {
          sentences.append((sentence, [line.replica]))
        }
      }
    }
    if up >= committee.quorum, !sentences.isEmpty {
      Terminal.say("What is awaited at this moment, which is usual while it changes with the view:")
    }
    for sentence in sentences {
      Terminal.say("\(sentence.by.joined(separator: ", ")): \(sentence.text)")
    }
  }

  /// What can still be read when so many are up.
  private func queries(_ up: Int, _ committee: Committee) -> String {
    guard up > 0 else { return "No query is answered either." }
    let age = ClientLimits.maxAgeUsual.milliseconds / 1_000
    let trusts =
      up > committee.faultsMax ? "at every trust" : "at trust 'replica' and 'certified'"
    return "Queries are answered \(trusts) by the last certified height for \(age) s, and longer "
      + "with 'quorate query --max-age SECONDS'."
  }
}

struct LogsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs", abstract: "A replica's log.",
    discussion: "  quorate cluster logs r3 -f")
  @OptionGroup var location: ClusterLocation
  @Argument(help: "r0, r1 …") var replica: String
  @Flag(name: .shortAndLong, help: "Go on as it grows, until Ctrl-C.") var follow = false
  @Option(name: .shortAndLong, help: "So many of the last lines.") var lines = 40

  func run() async throws {
    let cluster = try LocalCluster(location.folder)
    let process = cluster.process(try cluster.ids([replica])[0])
    guard let file = FileHandle(forReadingAtPath: process.logFile.path) else {
      throw Failure("\(replica) has no log yet at \(process.logFile.path); it never started here.")
    }
    Terminal.say(process.lastLines(lines))
    try file.seekToEnd()
    while follow {
      let more = try file.readToEnd() ?? Data()
      if !more.isEmpty {
        Terminal.say(String(decoding: more, as: UTF8.self).trimmingCharacters(in: .newlines))
      }
      try await Task.sleep(for: .milliseconds(200))
    }
  }
}

/// `60s`, `10m`, `2h`, `500ms`.
extension Duration: @retroactive ExpressibleByArgument {
  public init?(argument: String) {
    let units: [(String, Duration)] = [
      ("ms", .milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60)), ("h", .seconds(3_600)),
    ]
    for (name, unit) in units where argument.hasSuffix(name) {
      guard let count = Int(argument.dropLast(name.count)), count >= 0, count < 1 << 31 else {
        continue
      }
      self = unit * count
      return
    }
    return nil
  }
}
