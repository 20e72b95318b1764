import Foundation
import Glibc

/// What is printed: one line a figure, each beside the limit that it is compared with.
enum Paper {
  /// One figure.
  struct Line {
    var name: String
    /// nil where the number of replicas does not matter.
    var replicas: Int?
    var figure: String
    /// How much of the limit was reached, 1 for all of it.
    var share: Double
    /// The limit in words, with its own figure.
    var limit: String
    /// Where the time went, or what else is worth knowing.
    var note = ""
  }

  static func head() {
    say(columns("benchmark", "n", "figure", "share", "of the limit"))
    say(String(repeating: "─", count: 130))
  }

  static func say(_ line: Line) {
    say(
      columns(
        line.name, line.replicas.map { "\($0)" } ?? "", line.figure, percent(line.share),
        line.limit))
    if !line.note.isEmpty { say(columns("", "", "  " + line.note, "", "")) }
  }

  static func failed(_ name: String, _ replicas: Int?, _ error: any Error) {
    say(columns(name, replicas.map { "\($0)" } ?? "", "failed: \(error)", "", ""))
  }

  static func say(_ text: String) { write(text, to: .standardOutput) }
  static func warn(_ text: String) { write(text, to: .standardError) }

  /// A reader that went away is no reason to stop: what was started is still to be ended.
  private static func write(_ text: String, to file: FileHandle) {
    try? file.write(contentsOf: Data((text + "\n").utf8))
  }

  private static func columns(
    _ name: String, _ replicas: String, _ figure: String, _ share: String, _ limit: String
  ) -> String {
    var line = left(name, 31) + right(replicas, 3) + "  " + left(figure, 44) + right(share, 7)
    line += "  " + limit
    while line.last == " " { line.removeLast() }
    return line
  }

  private static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }

  private static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}

/// `0.034` is `3.4 %`.
func percent(_ share: Double) -> String { decimal(share * 100, share < 0.1 ? 1 : 0) + " %" }

func decimal(_ number: Double, _ places: Int) -> String {
  guard number.isFinite else { return "-" }
  return String(format: "%.\(places)f", number)
}

/// A whole number in groups of three digits, rounded to three digits that say something.
func figure(_ number: Double) -> String {
  guard number.isFinite, abs(number) < 1e15 else { return "-" }
  guard number >= 10 else { return decimal(number, 1) }
  var unit = 1.0
  while number / unit >= 1_000 { unit *= 10 }
  let digits = String(Int((number / unit).rounded() * unit))
  var out = ""
  for (place, digit) in digits.reversed().enumerated() {
    if place > 0, place % 3 == 0 { out.append(",") }
    out.append(digit)
  }
  return String(out.reversed())
}

/// A span in the unit that suits it: `150 ns`, `36.7 µs`, `12.9 ms`.
func span(_ seconds: Double) -> String {
  if seconds < 1e-6 { return decimal(seconds * 1e9, 0) + " ns" }
  return seconds < 1e-3 ? decimal(seconds * 1e6, 1) + " µs" : decimal(seconds * 1e3, 1) + " ms"
}

/// Seconds on a clock that never goes back.
struct Stopwatch {
  private let start = ContinuousClock.now
  var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }
}

/// Something that keeps a benchmark from giving a figure.
struct BenchmarkFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
