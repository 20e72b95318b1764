/// NodeShell: one replica in the real world, with threads, clocks, files, sockets and logs.
///
/// - Safety: effects are performed in the order given, and what a turn journals is durable before
///   the core hears so.
/// - Liveness: alarms ring by a monotonic clock; whatever fails for good ends the process, which
///   starts again from its files.
/// - Bound: every queue between two threads has a limit in `NodeLimits`, or holds what others
///   bound.
import Certification
import Execution
import Foundation
import Gateway
import Journaling
import Logging
import Replication
import Signing
import Synchronization
import Transport
import Wire

/// One real replica: the core on a thread of its own, with sockets, files and clocks around it.
///
/// ```
/// links ──▶ verifiers ──▶ core ──▶ links          one event loop, one verifier, one core
///   gateway ──▶ verifiers ──▶ executor ──▶ core   a client's call
///                             core ──▶ executor   blocks
///                             core ──▶ server     peers' questions to the journal
/// ```
///
/// - Safety: one journal and one core thread; what is sent that counts on durable records leaves
///   after their fsync. Killed at any moment, a replica starts again from its files.
/// - Liveness: a failure of journal or execution ends the node with its reason; it never goes on
///   in part.
package final class Node: Sendable {
  let configuration: NodeConfiguration
  let parts: NodeParts
  let links: Links
  private let server: PeerServer
  var servingCount: Int { server.waiting }
  private let folderLock: FolderLock
  private let workers = Mutex<[Worker]>([])
  private let ending = Ending()

  /// Opens the replica's files, listens for peers and starts all threads.
  ///
  /// - Throws: `NodeFault`: a damaged file, a port in use, another process on the same folder.
  package init(_ configuration: NodeConfiguration, logger: Logger) throws(NodeFault) {
    self.configuration = configuration
    folderLock = try FolderLock(configuration.stateDirectory)
    Self.noteProcess(configuration, logger)
    let opened = try OpenedFiles(configuration, logger: logger)
    let parts = NodeParts(configuration, files: opened, logger: logger)
    self.parts = parts
    parts.board.update {
      $0.executed = opened.executor.height
      $0.finalized = opened.restored.finalizedHeight
      $0.certificate = opened.restored.stateCertificate
      $0.isQuarantined = opened.restored.quarantined
      $0.quarantineTold = opened.quarantineTold
    }
    do throws(LinkFault) {
      links = try Links(
        LinkSetup(configuration), events: { [parts] in parts.linked($0) },
        arrivals: { [parts] in parts.arrived($0) })
    } catch {
      throw NodeFault("\(error)")
    }
    parts.attach(links)
    server = PeerServer(
      opened.journalReader, links: links, board: parts.board, counters: parts.counters)
    startThreads(opened)
    parts.board.log(
      .notice, "started",
      [
        "subnet": "\(configuration.network.subnet)",
        "members": "\(configuration.network.members.count)",
        "port": "\(links.port)", "finalized": "\(opened.restored.finalizedHeight)",
        "executed": "\(opened.executor.height)",
        "journal": opened.coreConfiguration.firstStart
          ? "new" : opened.restored.journalFound ? "found" : "lost",
      ])
  }

  /// Whoever ends replicas of this machine finds the process that holds the folder, and no other.
  private static func noteProcess(_ configuration: NodeConfiguration, _ logger: Logger) {
    do throws(NodeFault) {
      try ReplicaFolder.write(Array("\(getpid())\n".utf8), to: configuration.pidFile)
    } catch {
      logger.warning("commands for this machine will not find this process: \(error)")
    }
  }

  private func startThreads(_ opened: OpenedFiles) {
    let (parts, server, ending) = (parts, server, ending)
    let core = Handover(
      value: CoreLoop(
        Replica(opened.coreConfiguration, restored: opened.restored), inbox: parts.inbox,
        hands: NodeHands(journal: opened.journal, links: links, parts: parts, server: server),
        counters: parts.counters))
    let journal = Handover(value: opened.journal)
    let execution = Handover(
      value: ExecutorLoop(
        opened.executor, jobs: parts.executions, reader: opened.journalReader, inbox: parts.inbox,
        tracker: parts.tracker, heights: parts.heights, board: parts.board,
        counters: parts.counters, isStopping: { ending.isBegun }))
    if let certificate = opened.restored.stateCertificate {
      parts.executions.post(.certified(certificate))
    }
    var started = [
      Worker("core") {
        var loop = core.value
        do throws(NodeFault) { try loop.run() } catch { ending.fail(error) }
        // Only makes the next start quicker: what was appended is durable already.
        try? journal.value.checkpoint()
      },
      Worker("executor") {
        var loop = execution.value
        do throws(NodeFault) { try loop.run() } catch { ending.fail(error) }
      },
      Worker("peer-server") { server.run() },
      Worker("health") { [weak self] in self?.keepHouse() },
    ]
    started.append(Worker("peer-verifier") { parts.envelopes.runPeers() })
    started.append(Worker("client-verifier") { parts.envelopes.runClients() })
    started.append(Worker("proposals") { parts.envelopes.runProposals() })
    for _ in 0..<NodeLimits.queryThreads {
      started.append(Worker("query") { parts.queries.loop() })
    }
    workers.withLock { $0 = started }
  }

  // MARK: The end

  /// Waits until the node has ended: by `stop`, or by a failure, which is thrown.
  package func ended() async throws(NodeFault) {
    if let fault = await ending.wait() { throw fault }
  }

  /// Begins the end: no new calls, the turn at hand finished, all files closed. Returns when the
  /// threads have ended; may be called more than once, from any thread but the node's own.
  package func stop() {
    parts.board.update { $0.isStopping = true }
    guard ending.begin() else { return }
    links.stop()
    parts.attach(nil)
    parts.envelopes.close()
    parts.inbox.close()
    parts.tracker.close()
    parts.heights.close()
    parts.board.events.close()
    server.close()
    parts.executions.abandon { job in
      if case .look(_, let answer) = job { answer.resume(returning: nil) }
    }
    parts.queries.close()
    for worker in workers.withLock({ $0 }) { worker.join() }
    folderLock.release()
    parts.board.log(.notice, "stopped", ["finalized": "\(parts.board.now.finalized)"])
    ending.finish()
  }

  /// Looks after patience, disk and slow views until the end begins.
  private func keepHouse() {
    var nextCheck: UInt64 = 0
    while !ending.isBegun {
      let now = Clocks.monotonic
      parts.tracker.sweep(now: now)
      parts.heights.sweep(now: now)
      if now >= nextCheck {
        nextCheck = now + NodeLimits.housekeepingTick.nanoseconds
        checkDisk()
      }
      pause(NodeLimits.patienceTick)
    }
  }

  private func checkDisk() {
    let path = configuration.stateDirectory.path
    guard let free = Machine.freeBytes(at: path) else { return }
    let isFull = free < configuration.settings.diskReserveBytes
    let wasFull = parts.board.now.isDiskFull
    parts.board.update {
      $0.freeBytes = free
      $0.isDiskFull = isFull
    }
    guard isFull != wasFull else { return }
    parts.board.logSeldom(
      isFull ? .error : .notice,
      isFull ? "refusing new calls: the disk is full" : "taking calls again: the disk has room",
      key: "disk \(isFull)", ["free-mib": "\(free >> 20)", "path": "\(path)"])
  }
}

/// How a node comes to its end, once.
final class Ending: Sendable {
  private struct State {
    var isBegun = false
    var isFinished = false
    var fault: NodeFault?
    var waiters: [CheckedContinuation<NodeFault?, Never>] = []
  }

  private let state = Mutex(State())

  var isBegun: Bool { state.withLock { $0.isBegun } }

  /// - Returns: true for the first caller only.
  func begin() -> Bool {
    state.withLock { state in
      defer { state.isBegun = true }
      return !state.isBegun
    }
  }

  /// One of the node's own threads failed: whoever waits stops the node.
  func fail(_ fault: NodeFault) {
    resume { $0.fault = $0.fault ?? fault }
  }

  func finish() { resume { $0.isFinished = true } }

  private func resume(_ change: (inout State) -> Void) {
    let (waiters, fault) = state.withLock { state in
      change(&state)
      defer { state.waiters = [] }
      return (state.waiters, state.fault)
    }
    for waiter in waiters { waiter.resume(returning: fault) }
  }

  func wait() async -> NodeFault? {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        guard !state.isFinished, state.fault == nil else { return true }
        state.waiters.append(continuation)
        return false
      }
      if isOver { continuation.resume(returning: state.withLock { $0.fault }) }
    }
  }
}

/// Moves a value to the one thread that uses it from then on.
struct Handover<Value>: @unchecked Sendable {
  let value: Value
}
