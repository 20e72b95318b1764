import Certification
import Foundation
import NodeShell
import QuorateClient
import Wire

/// The replicas whose folders lie in one cluster folder, as processes of this machine.
struct LocalCluster {
  let folder: URL
  let network: Network
  /// Ascending by id: those members that have their folder here.
  let processes: [(id: ReplicaID, process: ReplicaProcess)]

  init(_ folder: URL) throws {
    self.folder = folder
    let network = try ClusterLocation.network(in: folder)
    self.network = network
    processes = network.members.map(\.id).compactMap { id in
      let place = ClusterFolder.replica(id, in: folder)
      guard FileManager.default.fileExists(atPath: place.path) else { return nil }
      return (id, ReplicaProcess(folder: place))
    }
    guard !processes.isEmpty else {
      throw Failure(
        "No replica has its folder in \(folder.path): they run on machines of their own, each by "
          + "'quorate replica run DIR'.")
    }
  }

  func process(_ id: ReplicaID) -> ReplicaProcess {
    ReplicaProcess(folder: ClusterFolder.replica(id, in: folder))
  }

  /// `r3` and `3` name the same replica.
  func ids(_ names: [String]) throws -> [ReplicaID] {
    try names.map { name in
      let digits = name.hasPrefix("r") ? name.dropFirst() : name[...]
      guard let number = UInt16(digits),
        let found = processes.first(where: { $0.id.number == number })
      else {
        throw Failure(
          "There is no replica '\(name)' in \(folder.path); it has \(list(processes.map(\.id))).")
      }
      return found.id
    }
  }

  /// Those of them whose process does not run.
  func down(_ ids: [ReplicaID]) -> [ReplicaID] { ids.filter { process($0).pid == nil } }

  /// - Returns: when each has taken its folder, or has ended.
  func start(_ ids: [ReplicaID]) async throws {
    let started = try ids.map { (replica: process($0), new: try process($0).start()) }
    for case (let replica, let new?) in started { try await replica.taken(by: new) }
  }

  /// Removes what is the cluster's, and nothing of it while a replica runs there.
  ///
  /// - Returns: paths in its folder of what is left there.
  func wipe() async throws -> [String] {
    var locks: [FolderLock] = []
    defer { for lock in locks { lock.release() } }
    for member in network.members where ClusterFolder.holds(member, in: folder) {
      locks.append(try await process(member.id).lock())
    }
    return try ClusterFolder.wipe(folder, of: network)
  }

  func stop(_ ids: [ReplicaID], by number: Int32, seconds: Int) async throws {
    for id in ids {
      let replica = process(id)
      // A paused process takes its signals only once it goes on.
      if replica.signal(number), number != SIGKILL { replica.signal(SIGCONT) }
    }
    for id in ids {
      if await process(id).ended(within: seconds) { continue }
      process(id).signal(SIGKILL)
      guard await process(id).ended(within: 10) else {
        throw Failure("\(id) does not end, not even by kill -9; look for a hung disk.")
      }
      Terminal.warn(
        "\(id) did not stop within \(seconds) s and was killed; it loses nothing by it.")
    }
  }

  /// Waits until each of these answers over HTTP.
  func waitUntilAnswering(_ ids: [ReplicaID], seconds: Int) async throws {
    try await wait(for: ids, seconds: seconds, what: "answers") { _ in true }
  }

  /// Waits until each replica has certified a state.
  func waitUntilServing(seconds: Int) async throws {
    try await wait(
      for: processes.map(\.id), seconds: seconds, what: "has certified a state"
    ) { $0.certificate != nil }
  }

  private func wait(
    for ids: [ReplicaID], seconds: Int, what: String,
    until isReady: (ReplicaStatus) -> Bool
  ) async throws {
    let client = try Client(network: network, identity: nil)
    let deadline = ContinuousClock.now + .seconds(seconds)
    var progress = ProgressBar("Starting", unit: "replicas", total: ids.count)
    defer { progress.finish() }
    while true {
      var missing: [ReplicaID] = []
      for (id, status) in await client.statuses() where ids.contains(id) {
        guard case .success(let checked) = status, isReady(checked.status) else {
          missing.append(id)
          continue
        }
      }
      progress.show(ids.count - missing.count)
      guard let first = missing.first else { break }
      if let dead = missing.first(where: { process($0).pid == nil }) {
        throw Failure(
          """
          \(dead) ended at once. The last lines of \(process(dead).logFile.path):
          \(process(dead).lastLines(8))
          """)
      }
      guard ContinuousClock.now < deadline else {
        throw Failure(
          """
          \(list(missing)): not one that \(what) within \(seconds) s. \(first)'s log ends with:
          \(process(first).lastLines(8))
          Then: quorate cluster why
          """)
      }
      try await Task.sleep(for: .milliseconds(100))
    }
    await client.close()
  }
}

/// Ports that nothing listens on.
enum FreePorts {
  /// The first base of so many free ports in a row above 26,000.
  static func base(for count: Int) throws -> UInt16 {
    for base in stride(from: 26_000, to: 60_000, by: 100) {
      if (0..<count).allSatisfy({ isFree(UInt16(base + $0)) }) { return UInt16(base) }
    }
    throw Failure("No \(count) free ports in a row; name the first with --base-port.")
  }

  private static func isFree(_ port: UInt16) -> Bool {
    let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard socket >= 0 else { return false }
    defer { close(socket) }
    var reuse: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr = in_addr(s_addr: inet_addr("127.0.0.1"))
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
