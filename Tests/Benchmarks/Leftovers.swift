import Dispatch
import Foundation
import Glibc
import Synchronization

/// What a run started and made, so that all of it is ended and removed however the run ends.
enum Leftovers {
  private struct Kept {
    var processes: [pid_t] = []
    var folders: [URL] = []
  }
  private static let kept = Mutex(Kept())

  /// A new folder for files that are of no use later.
  static func folder(_ purpose: String) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "quorate-benchmark-\(purpose)-\(UUID().uuidString.prefix(8))")
    kept.withLock { $0.folders.append(folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  static func remove(_ folder: URL) {
    try? FileManager.default.removeItem(at: folder)
    kept.withLock { $0.folders.removeAll { $0 == folder } }
  }

  static func started(_ process: pid_t) { kept.withLock { $0.processes.append(process) } }
  static func ended(_ process: pid_t) {
    kept.withLock { $0.processes.removeAll { $0 == process } }
  }

  /// Ends every process that is left and removes every folder.
  static func clear() {
    let all = kept.withLock { kept in
      defer { kept = Kept() }
      return kept
    }
    for process in all.processes { kill(process, SIGKILL) }
    for process in all.processes {
      var status: Int32 = 0
      waitpid(process, &status, 0)
    }
    for folder in all.folders { try? FileManager.default.removeItem(at: folder) }
  }

  /// Clears up on Ctrl-C and on SIGTERM, then ends this process.
  static func clearWhenInterrupted() {
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        // The handler keeps its source for as long as this process lives.
        withExtendedLifetime(source) { clear() }
        exit(128 + number)
      }
      source.resume()
    }
    signal(SIGPIPE, SIG_IGN)
  }
}
