import Certification
import Foundation
import Glibc
import NodeShell
import Pipelines
import QuorateClient
import Signing
import Wire

/// A subnet on this machine, one process a replica, as `quorate cluster up` starts it.
final class MeasuredCluster {
  let size: Int
  let folder: URL
  let network: Network
  let key: KeyPair
  /// Rows that sources took so far.
  var rowsTaken = 0
  private var processes: [Process] = []

  /// - Parameter program: the `quorate` that was built beside this one.
  init(size: Int, program: URL) async throws {
    self.size = size
    folder = try Leftovers.folder("\(size)")
    var settings = ReplicaSettings()
    settings.diskReserveBytes = 0
    settings.logLevel = "warning"
    network = try ClusterFolder.create(
      folder, replicas: size, basePort: try FreePorts.row(of: 2 * size), settings: settings)
    let file = folder.appending(path: "\(ClusterFolder.identitiesName)/operator.key")
    let seed = try String(contentsOf: file, encoding: .utf8).trimmingCharacters(in: .newlines)
    guard let pair = [UInt8](hex: seed).flatMap({ KeyPair(seed: $0) }) else {
      throw BenchmarkFailure("\(file.path) holds no key")
    }
    key = pair
    for member in network.members { try start(member.id, program) }
    try await waitUntilServing()
  }

  deinit { end() }

  private func start(_ id: ReplicaID, _ program: URL) throws {
    let place = ClusterFolder.replica(id, in: folder)
    let log = place.appending(path: "replica.log")
    guard FileManager.default.createFile(atPath: log.path, contents: nil) else {
      throw BenchmarkFailure("cannot write \(log.path)")
    }
    let output = try FileHandle(forWritingTo: log)
    let process = Process()
    process.executableURL = program
    process.arguments = ["replica", "run", place.path]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    try process.run()
    try output.close()
    Leftovers.started(process.processIdentifier)
    processes.append(process)
  }

  /// Waits until every replica holds a certified state.
  private func waitUntilServing() async throws {
    let client = try client()
    let watch = Stopwatch()
    while true {
      let serving = await client.statuses().count { _, answer in
        if case .success(let checked) = answer { checked.certificate != nil } else { false }
      }
      if serving == size { break }
      if let dead = processes.firstIndex(where: { !$0.isRunning }) {
        throw BenchmarkFailure("r\(dead) ended at once: \(lastLine(dead))")
      }
      guard watch.seconds < 60 else {
        throw BenchmarkFailure("\(serving) of \(size) replicas serve after 60 s: \(lastLine(0))")
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    await client.close()
  }

  private func lastLine(_ index: Int) -> String {
    let place = ClusterFolder.replica(ReplicaID(UInt16(index)), in: folder)
    let log = try? String(contentsOf: place.appending(path: "replica.log"), encoding: .utf8)
    return log?.split(separator: "\n").last.map(String.init) ?? "its log is empty"
  }

  /// - Throws: when a replica has ended by itself, with its last words.
  func checkAlive() throws {
    for (index, process) in processes.enumerated() where !process.isRunning {
      throw BenchmarkFailure("r\(index) has ended by itself: \(lastLine(index))")
    }
  }

  /// Ends all processes and removes what they wrote.
  func end() {
    for process in processes where process.isRunning { kill(process.processIdentifier, SIGKILL) }
    for process in processes {
      process.waitUntilExit()
      Leftovers.ended(process.processIdentifier)
    }
    processes = []
    Leftovers.remove(folder)
  }

  func client() throws -> Client { try Client(network: network, identity: key) }

  /// Deploys the pipelines and gives them cycles and the ledger its rows.
  func deploy() async throws {
    let client = try client()
    for package in [MeasuredPipelines.bare, MeasuredPipelines.ledger] {
      _ = try await client.submit(
        Intention(
          pipeline: package.name, method: .deploy, body: package.canonicalBytes,
          key: "deploy-\(package.name)", stepLimit: 50_000_000))
      _ = try await client.submit(
        Intention(
          pipeline: package.name, method: .topUp(10_000_000_000_000_000),
          key: "cycles-\(package.name)"))
    }
    let certified = try await client.submit(
      Intention(
        pipeline: MeasuredPipelines.ledgerName,
        method: .ingest(source: MeasuredPipelines.sourceName, format: .csv),
        body: MeasuredPipelines.rows(0..<MeasuredPipelines.ledgerRows), key: "ledger"))
    let accepted = Int(certified.proof.receipt.tally.accepted)
    guard accepted == MeasuredPipelines.ledgerRows else {
      throw BenchmarkFailure("the ledger took \(accepted) rows")
    }
    rowsTaken += accepted
    await client.close()
  }

  // MARK: What the processes use

  /// Resident bytes of each replica.
  func memory() throws -> [Double] {
    try processes.map { process in
      let file = "/proc/\(process.processIdentifier)/status"
      let text = try String(contentsOfFile: file, encoding: .utf8)
      let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
      guard let kilobytes = line?.split(separator: " ").dropFirst().first.flatMap({ Double($0) })
      else { throw BenchmarkFailure("\(file) says nothing of VmRSS") }
      return kilobytes * 1_024
    }
  }

  var meter: WorkMeter { WorkMeter(replicas: processes.map(\.processIdentifier)) }
}

/// Processor seconds used so far, of all replicas together and of this process.
struct WorkMeter: Sendable {
  let replicas: [Int32]

  func work() -> (replicas: Double, client: Double) {
    (replicas.map { Self.work(of: "\($0)") }.reduce(0, +), Self.work(of: "self"))
  }

  private static func work(of process: String) -> Double {
    stat("/proc/\(process)/stat")?.seconds ?? 0
  }

  /// Processor seconds of all replicas by the name of the thread; threads that ended are left out.
  func threads() -> [String: Double] {
    var sums: [String: Double] = [:]
    for process in replicas {
      let folder = "/proc/\(process)/task"
      for thread in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
        guard let found = Self.stat("\(folder)/\(thread)/stat") else { continue }
        sums[found.name, default: 0] += found.seconds
      }
    }
    return sums
  }

  /// Name and processor seconds of a process or a thread (proc(5), `stat`).
  private static func stat(_ file: String) -> (name: String, seconds: Double)? {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8),
      let start = text.firstIndex(of: "("), let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12])
    else { return nil }
    return (
      String(text[text.index(after: start)..<end]),
      (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    )
  }
}

/// Ports that nobody listens on.
enum FreePorts {
  /// - Returns: the first of so many neighbouring free ports, below those that the system gives.
  static func row(of count: Int) throws -> UInt16 {
    for _ in 0..<200 {
      let base = UInt16.random(in: 10_000...(32_000 - UInt16(count)))
      if (0..<UInt16(count)).allSatisfy({ isFree(base + $0) }) { return base }
    }
    throw BenchmarkFailure("no \(count) free ports in a row were found between 10000 and 32000")
  }

  private static func isFree(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
