import Foundation
import Glibc
import Wire

/// What the operating system says of this process and its disk.
enum Machine {
  /// Bytes that an unprivileged process may still write; nil when the system does not say.
  static func freeBytes(at path: String) -> UInt64? {
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
}

/// Blocks the calling thread, which is never one of `async` code.
func pause(_ span: Wire.Span) {
  let nanoseconds = span.nanoseconds
  var time = timespec(
    tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
  nanosleep(&time, nil)
}
