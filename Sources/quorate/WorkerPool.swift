import Foundation
import Simulator

/// Processes of this very program that perform the runs of a search, one run each at a time.
///
/// - Safety: a process that dies is a finding about the run that it was at, and is replaced.
/// - Bound: as many processes as jobs; a summary line has `lineMax` bytes at most.
final class WorkerPool {
  private struct Worker {
    let process: Process
    let input: FileHandle
    let output: FileHandle
    var task: SearchTask?
    var received = Data()
  }

  static let lineMax = 1 << 22
  /// How long to wait for a summary before the progress is shown again.
  private static let patience: Int32 = 200

  private let jobs: Int
  private var workers: [Worker] = []

  init(jobs: Int) { self.jobs = jobs }

  /// Performs all tasks; the summaries come as they are ready.
  /// - Parameters:
  ///   - next: the next task, or nil when there is none any more.
  ///   - waiting: asked several times a second, for progress.
  ///   - done: told of each run; false ends the search.
  func perform(
    next: () -> SearchTask?, waiting: () -> Void = {}, done: (RunSummary) throws -> Bool
  ) throws {
    defer { close() }
    var more = true
    while true {
      while more, workers.count(where: { $0.task != nil }) < jobs {
        guard let task = next() else {
          more = false
          break
        }
        try give(task)
      }
      guard workers.contains(where: { $0.task != nil }) else { return }
      for summary in try wait() where try !done(summary) { return }
      waiting()
    }
  }

  private func give(_ task: SearchTask) throws {
    var place = workers.firstIndex { $0.task == nil }
    if place == nil {
      workers.append(try start())
      place = workers.count - 1
    }
    guard let place else { return }
    workers[place].task = task
    do {
      try workers[place].input.write(contentsOf: Data((SimulateWorker.line(task) + "\n").utf8))
    } catch {
      // It has died; reading from it tells.
    }
  }

  private func start() throws -> Worker {
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["simulate", "worker"]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    do { try process.run() } catch {
      throw Failure("Cannot start a process for the runs: \(error).")
    }
    return Worker(
      process: process, input: input.fileHandleForWriting, output: output.fileHandleForReading)
  }

  /// The runs that were finished meanwhile, also those that ended their process.
  private func wait() throws -> [RunSummary] {
    let busy = workers.indices.filter { workers[$0].task != nil }
    var polled = busy.map {
      pollfd(fd: workers[$0].output.fileDescriptor, events: Int16(POLLIN), revents: 0)
    }
    guard poll(&polled, nfds_t(polled.count), Self.patience) > 0 else { return [] }
    var out: [RunSummary] = []
    for (place, state) in zip(busy, polled) where state.revents != 0 {
      let piece = workers[place].output.availableData
      if piece.isEmpty {
        out.append(buried(place))
      } else {
        workers[place].received.append(piece)
        if let summary = try finished(place) { out.append(summary) }
      }
    }
    workers.removeAll { $0.task == nil && !$0.process.isRunning }
    return out
  }

  private func finished(_ place: Int) throws -> RunSummary? {
    guard workers[place].received.last == UInt8(ascii: "\n") else {
      guard workers[place].received.count <= Self.lineMax else {
        throw Failure("A process for the runs says more than \(Self.lineMax) bytes of one run.")
      }
      return nil
    }
    let line = workers[place].received
    workers[place].received = Data()
    workers[place].task = nil
    return try JSONDecoder().decode(RunSummary.self, from: line)
  }

  /// The process died within its run.
  private func buried(_ place: Int) -> RunSummary {
    let process = workers[place].process
    process.waitUntilExit()
    let task = workers[place].task
    workers[place].task = nil
    let how =
      process.terminationReason == .uncaughtSignal
      ? "was ended by signal \(process.terminationStatus)"
      : "ended with status \(process.terminationStatus)"
    let scenario = try? task?.scenario()
    guard let task else { preconditionFailure("only a process at work is waited for") }
    var summary = RunSummary(crashed: task, scenario, how)
    if let scenario { summary.file = try? task.save(scenario, summary) }
    return summary
  }

  /// Ends the processes: those at work at once, the others as they see that nothing more comes.
  private func close() {
    for worker in workers {
      try? worker.input.close()
      if worker.task != nil { worker.process.terminate() }
    }
    for worker in workers { worker.process.waitUntilExit() }
    workers = []
  }
}
