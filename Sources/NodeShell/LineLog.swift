import Foundation
import Logging
import Synchronization
import Wire

/// Writes one line an event to stderr: time, level, what, `key=value`.
///
/// - Liveness: a line that cannot be written is lost, and nothing else.
package struct LineLog: LogHandler {
  package var metadata: Logger.Metadata = [:]
  package var logLevel: Logger.Level
  /// Keeps back lines whose message repeats; nil: none.
  var quiet: QuietLog?
  private let write: @Sendable (String) -> Void

  package init(
    level: Logger.Level,
    write: @escaping @Sendable (String) -> Void = { LineLog.write($0, to: .standardError) }
  ) {
    logLevel = level
    self.write = write
  }

  /// On a full disk, or into a pipe that nobody reads, the line is lost.
  package static func write(_ line: String, to file: FileHandle) {
    try? file.write(contentsOf: Data(line.utf8))
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    var all = metadata.merging(event.metadata ?? [:]) { $1 }
    if let quiet {
      guard let skipped = quiet.admits("\(event.message)", now: Clocks.monotonic) else { return }
      if skipped > 0 { all["before"] = "\(skipped)" }
    }
    var line = LineLog.time(Clocks.wall)
    line += " " + LineLog.name(event.level) + " " + LineLog.oneLine("\(event.message)")
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
    let special = Array(" \"=".utf8)
    guard plain.isEmpty || plain.utf8.contains(where: special.contains) else { return plain }
    let inner = plain.utf8.map { $0 == UInt8(ascii: "\"") ? UInt8(ascii: "'") : $0 }
    return "\"" + String(decoding: inner, as: UTF8.self) + "\""
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

/// Keeps what repeats from filling the log: each line of a key doubles the wait for the next one,
/// until there was none for `logQuietMax`.
///
/// - Bound: of a key a dozen lines an hour, whoever causes them; a key names who and what, and
///   nothing else that a peer or a client chooses. At most `keysMax` keys are remembered.
final class QuietLog: Sendable {
  private struct Key {
    var since: UInt64
    var wait: UInt64
    var skipped = 0
  }

  private static let keysMax = 1_024
  private let seen = Mutex<[String: Key]>([:])

  /// - Returns: how many equal events were left out since the last line; nil to leave this one out.
  func admits(_ key: String, now: UInt64) -> Int? {
    let (first, most) = (NodeLimits.logQuiet.nanoseconds, NodeLimits.logQuietMax.nanoseconds)
    return seen.withLock { seen in
      guard let last = seen[key] else {
        if seen.count >= QuietLog.keysMax { seen.removeAll() }
        seen[key] = Key(since: now, wait: first)
        return 0
      }
      guard now >= last.since + last.wait else {
        seen[key]?.skipped += 1
        return nil
      }
      let isCalm = last.skipped == 0 && now >= last.since + most
      seen[key] = Key(since: now, wait: isCalm ? first : min(2 * last.wait, most))
      return last.skipped
    }
  }
}
