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
  /// Which way keys and indexes run.
  var keys = KeyOrder.ascending

  enum Order: Sendable { case ascending, descending, mixed }

  /// Those of one key direction, which take equal steps.
  static let alike = [
    Layout(name: "usual"),
    Layout(name: "small pages", pageSize: 512, cacheKibibytes: 16, order: .descending),
    Layout(name: "large pages", pageSize: 65_536, order: .mixed, rebuilds: true),
  ]
  /// Those of other directions.
  static let reversed = [
    Layout(name: "descending keys", order: .mixed, keys: .descending),
    Layout(name: "the last column of each key descending", order: .mixed, keys: .lastDescending),
  ]
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
    let key = table.keys.first ?? ["_n"]
    var parts = table.columns.map { column in
      "\(marked(column.name)) \(column.type.shown.storage)\(column.nullable ? "" : " NOT NULL")"
    }
    if table.keys.isEmpty { parts.append("_n INTEGER NOT NULL") }
    parts.append("PRIMARY KEY(\(layout.keys.key(key)))")
    let name = marked(table.name)
    try connection.execute(
      "CREATE TABLE \(name)(\(parts.joined(separator: ", "))) STRICT, WITHOUT ROWID")
    let others = table.columns.map(\.name).filter { !key.contains($0) }
    let indexes = [others.prefix(1), others.dropFirst().prefix(2)].filter { !$0.isEmpty }
    func index() throws {
      for (number, columns) in indexes.enumerated() {
        let list = layout.keys.index(Array(columns))
        try connection.execute(
          "CREATE INDEX \(marked("\(table.name)_i\(number)")) ON \(name)(\(list))")
      }
    }
    try index()
    var rows = Self.rows(of: table)
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

  /// Rows whose values repeat; some of the numbers overflow sums.
  private static func rows(of table: TableShape) -> [[Value]] {
    var ties = TieRows(
      table: table.name,
      columns: table.columns.map {
        TableSchema.Column(
          name: $0.name, type: $0.type.shown, nullable: $0.nullable, personal: false)
      }, keys: table.keys)
    ties.count = 24
    ties.numbers += [-1, 0, 4_000_000_000, 9_000_000_000_000_000_000]
    return ties.rows.enumerated().map { number, row in
      table.keys.isEmpty ? row + [.int(Int64(number))] : row
    }
  }

  /// What a replica's answer would say, and its bill.
  struct Answer {
    let outcome: SelectOutcome
    let usage: Usage

    /// The receipt of an update that writes these rows, but for its hashes and index entries, which
    /// follow from the rows alone.
    var receipt: Receipt { receipt(of: usage) }

    /// Without the steps, which differ with the direction of keys.
    var receiptWithoutSteps: Receipt {
      var usage = usage
      usage.steps = 0
      return receipt(of: usage)
    }

    private func receipt(of usage: Usage) -> Receipt {
      Receipt(
        call: .zero, height: 1, position: 0, time: 1_767_225_600_000, pipeline: "shop",
        status: outcome.refusal.map { .refused($0) } ?? .applied, replayOf: nil, tally: RowTally(),
        notes: [], usage: usage, charged: PriceTable.standard(replicas: 13).update(usage))
    }
  }

  func run(_ checked: CheckedQuery, stepsMax: UInt64) throws -> Answer {
    var budget = StepBudget(limit: stepsMax)
    let outcome = try engine.outcome(of: checked, "the sample", at: 1_767_225_600_000, &budget)
    var usage = Usage()
    usage.steps = budget.used
    usage.functionBytes = engine.functions.bytes
    usage.rowsWritten = UInt64(outcome.rows.count)
    usage.rowBytesWritten = outcome.rows.reduce(0) { sum, row in
      var encoder = Encoder()
      for value in row { encoder.value(value) }
      return sum + UInt64(encoder.bytes.count)
    }
    return Answer(outcome: outcome, usage: usage)
  }
}

/// An identifier, quoted.
private func marked(_ name: String) -> String { "\"\(name)\"" }
