import Foundation
import Glibc
import Wire

/// What the operating system says of this process and its disk.
package enum Machine {
  /// Bytes that an unprivileged process may still write; nil when the system does not say.
  package static func freeBytes(at path: String) -> UInt64? {
    var figures = statvfs()
    guard statvfs(path, &figures) == 0 else { return nil }
    return UInt64(figures.f_bavail) * UInt64(figures.f_frsize)
  }

  /// Resident memory of this process, from `/proc/self/statm` (proc(5)); 0 elsewhere.
  static var residentBytes: UInt64 {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
      return 0
    }
    let pages = text.split(separator: " ").dropFirst().first.flatMap { UInt64($0) } ?? 0
    return pages * UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
  }

  /// Lets this process open as many files as the system's hard limit says (setrlimit(2)): a
  /// pipeline takes three and more, a peer and a client one each.
  static func raiseFileLimit() {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(resource, &limit)
  }
}

/// Blocks the calling thread, which is never one of `async` code.
func pause(_ span: Wire.Span) {
  let nanoseconds = span.nanoseconds
  var time = timespec(
    tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
  nanosleep(&time, nil)
}
