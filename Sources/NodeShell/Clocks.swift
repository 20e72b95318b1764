import Foundation
import Glibc
import Wire

/// The clocks of the machine.
enum Clocks {
  /// Milliseconds since 1970; may be set, and may step back.
  static var wall: Moment {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Moment(UInt64(max(0, time.tv_sec)) * 1_000 + UInt64(time.tv_nsec) / 1_000_000)
  }

  /// Nanoseconds since some moment; never steps back.
  static var monotonic: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

extension Span {
  /// Wraps around beyond 584 years.
  var nanoseconds: UInt64 { number.multipliedReportingOverflow(by: 1_000).partialValue }
}

/// Alarms that are armed.
///
/// - Bound: one entry an alarm; the core arms at most a few at a time, so a scan is enough.
struct AlarmQueue<Alarm: Hashable> {
  private var deadlines: [Alarm: UInt64] = [:]

  var count: Int { deadlines.count }

  /// Arming again replaces.
  mutating func arm(_ alarm: Alarm, at deadline: UInt64) { deadlines[alarm] = deadline }
  mutating func disarm(_ alarm: Alarm) { deadlines[alarm] = nil }

  /// When the next one rings.
  var next: UInt64? { deadlines.values.min() }

  /// Takes out what is due, in the order of time.
  mutating func due(at now: UInt64) -> [Alarm] {
    guard let next, next <= now else { return [] }
    let due = deadlines.filter { $0.value <= now }.sorted { $0.value < $1.value }.map(\.key)
    for alarm in due { deadlines[alarm] = nil }
    return due
  }
}

/// One thread of the replica.
final class Worker: Sendable {
  private let ended = DispatchSemaphore(value: 0)

  init(_ name: String, _ body: @escaping @Sendable () -> Void) {
    let ended = ended
    let thread = Thread {
      // Reaches the system, and so `top -H` and `perf`, only from the thread itself.
      Thread.current.name = name
      body()
      ended.signal()
    }
    thread.stackSize = NodeLimits.threadStackBytes
    thread.start()
  }

  /// Waits for the thread's end; may be called more than once.
  func join() {
    ended.wait()
    ended.signal()
  }
}
