import Foundation
import Logging
import Synchronization
import Wire

/// Writes one line an event to stderr: time, level, what, `key=value`.
package struct LineLog: LogHandler {
  package var metadata: Logger.Metadata = [:]
  package var logLevel: Logger.Level
  private let write: @Sendable (String) -> Void

  package init(
    level: Logger.Level,
    write: @escaping @Sendable (String) -> Void = { line in
      FileHandle.standardError.write(Data(line.utf8))
    }
  ) {
    logLevel = level
    self.write = write
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    var line = LineLog.time(Clocks.wall)
    line += " " + LineLog.name(event.level) + " " + LineLog.oneLine("\(event.message)")
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    for (key, value) in all.sorted(by: { $0.key < $1.key }) {
      line += " \(key)=\(LineLog.quoted("\(value)"))"
    }
    write(line + "\n")
  }

  private static func name(_ level: Logger.Level) -> String {
    let name = level.rawValue.uppercased()
    return name + String(repeating: " ", count: max(0, 8 - name.count))
  }

  /// Peers' and clients' words may be in a line; they must not make two of it.
  private static func oneLine(_ text: String) -> String {
    String(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? " " : Character($0) })
  }

  private static func quoted(_ text: String) -> String {
    let plain = oneLine(text)
    guard plain.isEmpty || plain.contains(where: { " \"=".contains($0) }) else { return plain }
    return "\"" + plain.replacingOccurrences(of: "\"", with: "'") + "\""
  }

  /// RFC 3339 in UTC with milliseconds.
  static func time(_ moment: Moment) -> String {
    var seconds = time_t(moment.number / 1_000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let fraction = String(String(1_000 + moment.number % 1_000).dropFirst())
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)Z"
  }
}

/// Keeps what repeats from filling the log.
///
/// - Bound: at most `keysMax` keys are remembered.
final class QuietLog: Sendable {
  private static let keysMax = 1_024
  private let seen = Mutex<[String: (since: UInt64, skipped: Int)]>([:])

  /// - Returns: how many equal events were left out since the last line; nil to leave this one out.
  func admits(_ key: String, now: UInt64) -> Int? {
    seen.withLock { seen in
      if let last = seen[key], now < last.since + NodeLimits.logQuiet.nanoseconds {
        seen[key] = (last.since, last.skipped + 1)
        return nil
      }
      if seen.count >= QuietLog.keysMax { seen.removeAll() }
      let skipped = seen[key]?.skipped ?? 0
      seen[key] = (now, 0)
      return skipped
    }
  }
}
