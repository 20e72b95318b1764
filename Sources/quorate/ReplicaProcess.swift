import Foundation
import Glibc
import NodeShell

/// One replica's process, found again by what it runs and by its pid file, which it writes itself
/// once the folder is its own.
struct ReplicaProcess {
  /// The replica's folder.
  let folder: URL

  var pidFile: URL { folder.appending(path: ReplicaFolder.pidName) }
  var logFile: URL { folder.appending(path: ReplicaFolder.logName) }

  /// The running process's id; nil when there is none. A pid that now belongs to another program
  /// does not count: the command line must name this very folder.
  var pid: pid_t? {
    guard let text = try? String(contentsOf: pidFile, encoding: .utf8),
      let pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)), pid > 1,
      let line = try? Data(contentsOf: URL(filePath: "/proc/\(pid)/cmdline")),
      line.split(separator: 0).contains(where: { Data($0) == Data(folder.path.utf8) })
    else { return nil }
    return pid
  }

  /// Starts `quorate replica run FOLDER` in a session of its own, its output appended to the log.
  ///
  /// - Returns: the new process; nil when one runs already.
  func start() throws -> Process? {
    guard pid == nil else { return nil }
    let log = try openLog()
    defer { try? log.close() }
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["replica", "run", folder.path, "--session"]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = log
    process.standardError = log
    do { try process.run() } catch {
      throw Failure("Cannot start a process for \(folder.lastPathComponent): \(error).")
    }
    return process
  }

  /// For its owner's eyes: values of damaged rows come to stand in it.
  func openLog() throws -> FileHandle {
    let descriptor = open(logFile.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0, fchmod(descriptor, 0o600) == 0 else {
      if descriptor >= 0 { close(descriptor) }
      throw Failure("Cannot write \(logFile.path); check the folder's owner and mode.")
    }
    return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  /// Waits until the folder is taken, by this new process or by another, or the new one has ended.
  func taken(by process: Process) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while pid == nil, process.isRunning, ContinuousClock.now < deadline {
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  /// - Returns: false when there was nothing to signal.
  @discardableResult
  func signal(_ number: Int32) -> Bool {
    guard let pid else { return false }
    return kill(pid, number) == 0
  }

  /// Waits until the process has ended, at most so many seconds.
  func ended(within seconds: Int) async -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while pid != nil {
      if ContinuousClock.now > deadline { return false }
      try? await Task.sleep(for: .milliseconds(50))
    }
    return true
  }

  /// Takes the folder away from every replica until it is released. The process that ended just
  /// now may hold it a moment longer.
  func lock() async throws -> FolderLock {
    let state = folder.appending(path: ReplicaFolder.stateName)
    let deadline = ContinuousClock.now + .seconds(5)
    while true {
      do throws(NodeFault) { return try FolderLock(state) } catch {
        guard ContinuousClock.now < deadline else {
          throw Failure("\(error). 'fuser \(state.path)/lock' names it.")
        }
      }
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  /// The last lines of the log, for an error message.
  func lastLines(_ count: Int) -> String {
    guard let text = try? String(contentsOf: logFile, encoding: .utf8) else { return "" }
    return text.split(separator: "\n").suffix(count).joined(separator: "\n")
  }
}
