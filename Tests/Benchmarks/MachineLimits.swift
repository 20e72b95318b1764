import Dispatch
import Foundation
import Signing
import Storage
import Synchronization
import Wire

/// What this machine can do at best, measured in the same run as what is compared with it.
/// Seconds, unless a name says otherwise.
struct MachineLimits: Sendable {
  var cores: Int
  /// One SHA-256 of 64 bytes.
  var hash: Double
  /// One Ed25519 signature checked, and one made.
  var verify: Double
  var sign: Double
  /// One row inserted with 1, 10, 100 and 1,000 rows a transaction, synchronous NORMAL.
  var inserts: [(rows: Int, seconds: Double)]
  /// One transaction of one row, synchronous FULL.
  var commit: Double
  /// One row read by its key, prepared, inside of a read transaction.
  var select: Double

  /// A loopback round trip of 64 bytes, and what of it is work: measured in C beforehand.
  static let roundTrip = 54e-6
  static let roundTripWork = 43e-6

  /// One row in the largest of the transactions measured.
  var insertedRow: Double { inserts.last?.seconds ?? .infinity }

  /// What one core does while the others rest.
  static func alone() throws -> MachineLimits { try MachineLimits() }

  /// What each core does while all of them do the same, which is less on most machines: the mean
  /// of all.
  static func together() throws -> MachineLimits {
    let count = ProcessInfo.processInfo.activeProcessorCount
    let results = Mutex<[Result<MachineLimits, any Error>]>([])
    DispatchQueue.concurrentPerform(iterations: count) { _ in
      let result = Result { try MachineLimits() }
      results.withLock { $0.append(result) }
    }
    let all = try results.withLock { $0 }.map { try $0.get() }
    guard var mean = all.first else { throw BenchmarkFailure("this machine has no cores") }
    func average(_ part: (MachineLimits) -> Double) -> Double {
      all.map(part).reduce(0, +) / Double(all.count)
    }
    mean.hash = average(\.hash)
    mean.verify = average(\.verify)
    mean.sign = average(\.sign)
    mean.commit = average(\.commit)
    mean.select = average(\.select)
    for place in mean.inserts.indices {
      mean.inserts[place].seconds = average { $0.inserts[place].seconds }
    }
    return mean
  }

  private init() throws {
    cores = ProcessInfo.processInfo.activeProcessorCount
    let bytes = [UInt8](repeating: 7, count: 64)
    var last: UInt8 = 0
    hash = seconds(of: 100_000) { last ^= sha256(bytes).bytes[0] }
    let pair = KeyPair.generate()
    let signer = Signer.ed25519(pair)
    let ballot = Ballot.nullify(subnet: sha256(bytes), epoch: 0, view: 1)
    var signature = signer.sign(ballot)
    sign = seconds(of: 1_000) { signature = signer.sign(ballot) }
    var valid = 0
    verify = seconds(of: 1_000) {
      if Verifier.ed25519.verifies(signature, of: ballot, by: pair.publicKey) { valid += 1 }
    }
    guard valid == 3_000 else { throw BenchmarkFailure("a signature of our own does not verify") }
    let folder = try Leftovers.folder("limits")
    defer { Leftovers.remove(folder) }
    let table = try MeasuredTable(folder.appending(path: "limits.sqlite").path)
    inserts = try [1, 10, 100, 1_000].map { rows in
      (rows: rows, seconds: try table.secondsPerRow(rows, full: false))
    }
    commit = try table.secondsPerRow(1, full: true)
    select = try table.secondsPerSelect()
  }

  /// One line of all of it.
  func line(_ name: String) -> String {
    let rows = inserts.map { "\(figure(1 / $0.seconds)) (\($0.rows))" }.joined(separator: ", ")
    return "\(name): SHA-256 of 64 bytes \(span(hash)), Ed25519 check "
      + "\(span(verify)), signature \(span(sign)), durable transaction "
      + "\(span(commit)), row read \(span(select)),\n  SQLite rows a second by "
      + "rows a transaction \(rows)"
  }
}

/// Seconds that one of `count` repetitions takes: the best of three series.
func seconds(of count: Int, _ body: () throws -> Void) rethrows -> Double {
  var best = Double.infinity
  for _ in 0..<3 {
    let watch = Stopwatch()
    for _ in 0..<count { try body() }
    best = min(best, watch.seconds / Double(count))
  }
  return best
}

/// A table as plain as they come: what SQLite does when nothing is asked of it beside rows.
private final class MeasuredTable {
  private let connection: Connection
  private var next: Int64 = 0

  init(_ path: String) throws {
    connection = try Connection(path: path)
    try connection.pragma("journal_mode", "WAL")
    try connection.execute(
      "CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, amount INTEGER, note TEXT) "
        + "STRICT, WITHOUT ROWID")
  }

  func secondsPerRow(_ rows: Int, full: Bool) throws -> Double {
    try connection.pragma("synchronous", full ? "FULL" : "NORMAL")
    let insert = try connection.prepare("INSERT INTO t VALUES (?1, ?2, ?3)")
    var best = Double.infinity
    for _ in 0..<2 {
      let watch = Stopwatch()
      var written = 0
      while watch.seconds < 0.05 {
        let transaction = try WriteTransaction(connection)
        for _ in 0..<rows {
          insert.reset()
          try insert.bind(1, rowKey(Int(next)))
          try insert.bind(2, next)
          try insert.bind(3, "a note of some words")
          try insert.run()
          next += 1
        }
        try transaction.commit()
        written += rows
      }
      best = min(best, watch.seconds / Double(written))
    }
    return best
  }

  func secondsPerSelect() throws -> Double {
    let select = try connection.prepare("SELECT amount FROM t WHERE id = ?1")
    try connection.execute("BEGIN")
    let count = max(1, Int(next))
    var row = 0
    var sum: Int64 = 0
    let best = try seconds(of: 20_000) {
      row = (row &* 16_807 &+ 1) % count
      select.reset()
      try select.bind(1, rowKey(row))
      if try select.step() { sum &+= select.integer(0) }
    }
    select.reset()
    try connection.execute("COMMIT")
    guard sum > 0 else { throw BenchmarkFailure("no row was found by its key") }
    return best
  }
}

/// The key of the `number`th row; ascending as numbers are.
func rowKey(_ number: Int) -> String {
  let digits = String(number)
  return "e" + String(repeating: "0", count: max(0, 12 - digits.count)) + digits
}
