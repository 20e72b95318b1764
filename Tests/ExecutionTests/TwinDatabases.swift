import Certification
import Foundation
import Metering
import SQL
import Storage
import Wire

@testable import Execution

/// How one copy of the same rows is laid out.
struct Layout: Sendable {
  let name: String
  var pageSize = 4_096
  var cacheKibibytes = 8_192
  /// In what order rows come in.
  var order = Order.ascending
  /// Indexes are dropped and made again, in their one order, after the rows are there.
  var rebuilds = false
  /// Every key and index runs the other way.
  var descends = false

  enum Order: Sendable { case ascending, descending, mixed }

  /// Those of one key direction, which take equal steps.
  static let alike = [
    Layout(name: "usual"),
    Layout(name: "small pages", pageSize: 512, cacheKibibytes: 16, order: .descending),
    Layout(name: "large pages", pageSize: 65_536, order: .mixed, rebuilds: true),
  ]
  static let reversed = Layout(name: "descending keys", order: .mixed, descends: true)
}

/// The tables of some packages in one layout, filled with rows full of ties.
final class TwinDatabase {
  let layout: Layout
  let engine: Engine
  private let path: String

  init(_ layout: Layout, _ tables: [TableShape]) throws {
    self.layout = layout
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("twin-\(UUID().uuidString).sqlite").path
    let raw = try Connection(path: path)
    try raw.pragma("page_size", "\(layout.pageSize)")
    for table in tables { try Self.make(table, layout, on: raw) }
    engine = try Engine(path: path, access: .readWrite, vfs: nil, profile: .update)
    try engine.connection.pragma("cache_size", "-\(layout.cacheKibibytes)")
  }

  deinit {
    for suffix in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: path + suffix)
    }
  }

  private static func make(
    _ table: TableShape, _ layout: Layout, on connection: Connection
  ) throws {
    let turn = layout.descends ? " DESC" : ""
    let key = table.keys.first ?? ["_n"]
    var parts = table.columns.map { column in
      "\(marked(column.name)) \(column.type.stored)\(column.nullable ? "" : " NOT NULL")"
    }
    if table.keys.isEmpty { parts.append("_n INTEGER NOT NULL") }
    parts.append("PRIMARY KEY(\(key.map { marked($0) + turn }.joined(separator: ", ")))")
    let name = marked(table.name)
    try connection.execute(
      "CREATE TABLE \(name)(\(parts.joined(separator: ", "))) STRICT, WITHOUT ROWID")
    let others = table.columns.map(\.name).filter { !key.contains($0) }
    let indexes = [others.prefix(1), others.dropFirst().prefix(2)].filter { !$0.isEmpty }
    func index() throws {
      for (number, columns) in indexes.enumerated() {
        let list = columns.map { marked($0) + turn }.joined(separator: ", ")
        try connection.execute(
          "CREATE INDEX \(marked("\(table.name)_i\(number)")) ON \(name)(\(list))")
      }
    }
    try index()
    var rows = Rows.of(table)
    switch layout.order {
    case .ascending: break
    case .descending: rows.reverse()
    case .mixed:
      var dice = Dice(7)
      rows.shuffle(using: &dice)
    }
    let marks = Array(repeating: "?", count: rows[0].count).joined(separator: ", ")
    let insert = try connection.prepare("INSERT INTO \(name) VALUES(\(marks))")
    for row in rows {
      for (place, value) in row.enumerated() { try insert.bind(place + 1, value: value) }
      try insert.run()
    }
    guard layout.rebuilds else { return }
    for number in indexes.indices {
      try connection.execute("DROP INDEX \(marked("\(table.name)_i\(number)"))")
    }
    try index()
  }

  /// What a replica's answer would say.
  struct Outcome: Equatable {
    /// In the order of the statement, or of their bytes where it has none.
    var rows: [[Value]] = []
    /// Nil when it ran.
    var refusal: Refusal?
  }

  /// - Returns: also the receipt of an update that writes these rows, but for its hashes and index
  ///   entries, which follow from the rows alone.
  func run(_ checked: CheckedQuery, stepsMax: UInt64) -> (outcome: Outcome, receipt: Receipt) {
    engine.functions.begin(time: 1_767_225_600_000, randomness: .zero, call: .zero)
    var budget = StepBudget(limit: stepsMax)
    var outcome = Outcome()
    do throws(Stop) {
      let statement = try engine.cachedUser(checked.print(), "the sample")
      try engine.run(statement, &budget, "the sample") { row throws(Stop) in
        var values: [Value] = []
        for column in 0..<row.columnCount {
          guard row.type(column) != .real else { throw .refused(Refusal("QD48", "REAL")) }
          values.append(row.value(column))
        }
        outcome.rows.append(values)
      }
    } catch {
      switch error {
      case .refused(let refusal): outcome = Outcome(refusal: refusal)
      case .failed(let fault): outcome = Outcome(refusal: Refusal("FAILED", fault.description))
      }
    }
    if !checked.isTotallyOrdered {
      outcome.rows = outcome.rows.map { ($0, Self.encoded($0)) }
        .sorted { $0.1.lexicographicallyPrecedes($1.1) }.map(\.0)
    }
    return (outcome, receipt(of: outcome, steps: budget.used))
  }

  private func receipt(of outcome: Outcome, steps: UInt64) -> Receipt {
    var usage = Usage()
    usage.steps = steps
    usage.functionBytes = engine.functions.bytes
    usage.rowsWritten = UInt64(outcome.rows.count)
    usage.rowBytesWritten = outcome.rows.reduce(0) { $0 + UInt64(Self.encoded($1).count) }
    return Receipt(
      call: .zero, height: 1, position: 0, time: 1_767_225_600_000, pipeline: "shop",
      status: outcome.refusal.map { .refused($0) } ?? .applied, replayOf: nil, tally: RowTally(),
      notes: [], usage: usage,
      charged: PriceTable.standard(replicas: 13).update(usage))
  }

  private static func encoded(_ row: [Value]) -> [UInt8] {
    var encoder = Encoder()
    for value in row { encoder.value(value) }
    return encoder.bytes
  }
}

/// Rows whose values repeat, so that every order has ties.
private enum Rows {
  static let count = 24

  static func of(_ table: TableShape) -> [[Value]] {
    var dice = Dice(table.name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
    let key = table.keys.first ?? []
    return (0..<count).map { number in
      var row = table.columns.map { column -> Value in
        guard let place = key.firstIndex(of: column.name) else {
          return column.nullable && dice.chance(25) ? .null : value(column.type, &dice)
        }
        // The last column of the key makes it one; those before it repeat.
        return place == key.count - 1 ? one(column.type, number) : one(column.type, number % 3)
      }
      if table.keys.isEmpty { row.append(.int(Int64(number))) }
      return row
    }
  }

  private static func one(_ type: SQLType, _ number: Int) -> Value {
    switch type.family {
    case .text: .text("k\(number)")
    case .blob: .bytes([UInt8(number)])
    default: .int(Int64(number))
    }
  }

  private static func value(_ type: SQLType, _ dice: inout Dice) -> Value {
    switch type {
    case .text: .text(dice.pick(["a", "B", "b", "", "é", "k1", "12"]))
    case .uuid: .text("6ba7b810-9dad-11d1-80b4-00c04fd430c\(dice.roll(3))")
    case .json: .text(dice.pick(["{\"a\":1}", "[1,2]", "null"]))
    case .bytes: .bytes([UInt8(dice.roll(3))])
    case .date: .int(20_000 + Int64(dice.roll(4)))
    case .timestamp: .int(1_700_000_000_000 + Int64(dice.roll(4)) * 86_400_000)
    case .bool: .int(Int64(dice.roll(2)))
    default:
      .int(dice.pick([-1, 0, 1, 2, 100, 250, 20_001, 4_000_000_000, 9_000_000_000_000_000_000]))
    }
  }
}

/// An identifier, quoted.
private func marked(_ name: String) -> String { "\"\(name)\"" }

extension SQLType {
  fileprivate var stored: String {
    switch family {
    case .text: "TEXT"
    case .blob: "BLOB"
    default: "INTEGER"
    }
  }
}
