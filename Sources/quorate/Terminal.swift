import Foundation
import QuorateClient

/// What the command line writes, and how it looks on a terminal.
///
/// - Safety: of what others wrote, nothing but `emit` lets a control character through; in tables
///   it begins no line either.
enum Terminal {
  static let isInteractive = isatty(STDERR_FILENO) == 1

  static func say(_ text: String) { write(text.inLines + "\n", to: .standardOutput) }
  static func warn(_ text: String) { write(text.inLines + "\n", to: .standardError) }

  /// Writes exactly this, for programs.
  static func emit(_ text: String) { write(text + "\n", to: .standardOutput) }

  /// On stderr, without a new line; where it cannot be seen nothing is lost.
  static func draw(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }

  private static func write(_ text: String, to file: FileHandle) {
    // A closed pipe (`| head`) ends the program quietly, as other tools do.
    do { try file.write(contentsOf: Data(text.utf8)) } catch { exit(1) }
  }

  /// Columns of the terminal that stdout is; nil where it is none, and nothing is cut.
  static var width: Int? {
    var size = winsize()
    guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0,
      size.ws_col > 0
    else { return nil }
    return Int(size.ws_col)
  }

  /// Narrower columns than this are never cut.
  private static let columnLeast = 10

  /// Widths that fit, taken from the widest columns; as they are where that does not suffice.
  static func fitted(_ widths: [Int], to width: Int) -> [Int] {
    var fitted = widths
    var excess = widths.reduce(0, +) + 2 * max(0, widths.count - 1) - width
    while excess > 0 {
      guard let widest = fitted.indices.max(by: { fitted[$0] < fitted[$1] }),
        fitted[widest] > columnLeast
      else { return fitted }
      fitted[widest] -= 1
      excess -= 1
    }
    return fitted
  }

  /// Aligned columns; numbers, and what looks like numbers, to the right. Long cells are cut to
  /// the width, where there is one.
  static func table(
    _ header: [String], _ rows: [[String]], width: Int? = Terminal.width
  ) -> String {
    let (header, rows) = (header.map(\.inOneLine), rows.map { $0.map(\.inOneLine) })
    var widths = header.map(\.count)
    for row in rows {
      for (column, cell) in row.enumerated() where column < widths.count {
        widths[column] = max(widths[column], cell.count)
      }
    }
    let rightward = header.indices.map { column in
      !rows.isEmpty
        && rows.allSatisfy { row in
          guard column < row.count, let first = row[column].unicodeScalars.first else {
            return true
          }
          return first.properties.numericType != nil || "-+".unicodeScalars.contains(first)
        }
    }
    if let width { widths = fitted(widths, to: width) }
    func line(_ cells: [String]) -> String {
      cells.enumerated().map { column, whole in
        let cell =
          whole.count > widths[column] ? whole.prefix(widths[column] - 1) + "…" : whole
        let space = String(repeating: " ", count: max(0, widths[column] - cell.count))
        return rightward[column] ? space + cell : cell + space
      }.joined(separator: "  ").trimmingTrailingSpaces
    }
    let rule = widths.map { String(repeating: "─", count: $0) }.joined(separator: "  ")
    return ([line(header), rule] + rows.map(line)).joined(separator: "\n")
  }

  static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    var text = ""
    // Control characters that JSON takes as they are stand in strings alone, escaped or not.
    for scalar in String(decoding: try encoder.encode(value), as: UTF8.self).unicodeScalars {
      if scalar.isControl, scalar != "\n" {
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }

  /// Rows as objects by their columns' names.
  static func objects(
    _ names: [String], _ rows: [[String]]
  ) throws -> [[String: String]] {
    guard Set(names).count == names.count else {
      throw Failure(
        "The replica's answer has two columns of one name, which no honest one has: it lies, or "
          + "runs another version. Ask again, and another replica answers.")
    }
    return rows.map { Dictionary(uniqueKeysWithValues: zip(names, $0)) }
  }
}

extension String {
  fileprivate var trimmingTrailingSpaces: String {
    var end = endIndex
    while end > startIndex, self[index(before: end)] == " " { end = index(before: end) }
    return String(self[..<end])
  }
}

/// Groups of three digits: `1,234,567`.
func grouped(_ number: some BinaryInteger) -> String {
  var out = ""
  for (place, digit) in String(number).reversed().enumerated() {
    if place > 0, place % 3 == 0, digit != "-" { out.append(",") }
    out.append(digit)
  }
  return String(out.reversed())
}

/// A count and its noun: `1 row`, `1,234 rows`.
func counted(_ number: some BinaryInteger, _ one: String, _ many: String? = nil) -> String {
  "\(grouped(number)) \(number == 1 ? one : many ?? one + "s")"
}

/// Cycles as people say them: `5.00 T`, `12.3 M`.
func cyclesText(_ number: UInt64) -> String {
  let units: [(Double, String)] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
  for (size, name) in units where Double(number) >= size {
    return "\(fixed(Double(number) / size, 2)) \(name)"
  }
  return "\(number)"
}

/// A span of milliseconds in its two largest units: `2 d 3 h`, `45 s`.
func ageText(_ milliseconds: UInt64) -> String {
  let seconds = milliseconds / 1_000
  let parts = [
    (seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"),
    (seconds % 60, "s"),
  ]
  let shown = parts.drop { $0.0 == 0 }.prefix(2).filter { $0.0 > 0 }
  return shown.isEmpty ? "0 s" : shown.map { "\($0.0) \($0.1)" }.joined(separator: " ")
}

/// A number with so many digits behind the point.
func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// Says something when Ctrl-C ends the program, which it does all the same.
final class Interruption {
  private let source: any DispatchSourceSignal

  init(_ say: @escaping @Sendable () -> Void) {
    signal(SIGINT, SIG_IGN)
    source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
    source.setEventHandler {
      say()
      exit(130)
    }
    source.resume()
  }

  /// From here on Ctrl-C ends the program without a word.
  func end() {
    source.cancel()
    signal(SIGINT, SIG_DFL)
  }
}

/// A line that is drawn over and over on stderr while long work runs. Silent where stderr is no
/// terminal.
struct ProgressBar {
  let title: String
  let unit: String
  /// nil where the end is not known.
  let total: Int?
  private let started = ContinuousClock.now
  private var drawn = ContinuousClock.now - .seconds(1)

  init(_ title: String, unit: String, total: Int?) {
    self.title = title
    self.unit = unit
    self.total = total
  }

  var seconds: Double { Self.seconds(since: started) }

  static func seconds(since start: ContinuousClock.Instant) -> Double {
    let (seconds, attoseconds) = (ContinuousClock.now - start).components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }

  /// A bar that moves; where nobody watches, in a log, a line a minute.
  mutating func show(_ done: Int, note: String = "") {
    let isInteractive = Terminal.isInteractive
    guard ContinuousClock.now - drawn > (isInteractive ? .milliseconds(100) : .seconds(60)) else {
      return
    }
    drawn = ContinuousClock.now
    let rate = Int(Double(done) / max(seconds, 0.001))
    let pace = "\(unit), \(grouped(rate)) a second \(note)"
    guard isInteractive else {
      return Terminal.warn(
        "\(title): \(grouped(done))\(total.map { " of \(grouped($0))" } ?? "") \(pace)")
    }
    var line = "\r\u{1B}[K\(title) "
    if let total, total > 0 {
      let full = min(24, done * 24 / total)
      line += String(repeating: "█", count: full) + String(repeating: "░", count: 24 - full)
      line += " \(done * 100 / total) %"
    }
    line += " \(grouped(done)) \(pace)"
    Terminal.draw(line)
  }

  func finish() {
    if Terminal.isInteractive { Terminal.draw("\r\u{1B}[K") }
  }
}
