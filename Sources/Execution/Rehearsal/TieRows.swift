import Certification
import Pipelines
import Wire

/// Makes up the rows of one table so that their values repeat and every order has ties.
///
/// - Safety: types, nulls and keys are what the table allows, and one table gets the same rows
///   everywhere. What no proof of the checker rests on is not held to: globs, expectations.
/// - Bound: `count` rows; fewer where the keys leave no more.
struct TieRows {
  let table: String
  let columns: [TableSchema.Column]
  /// No two rows have the same values in all columns of one of them.
  let keys: [[String]]
  var count = ExecutionLimits.tiedRows
  /// What whole numbers are picked from.
  var numbers = Self.numbersUsual
  /// By column: the only values that it may hold beside null.
  var only: [String: [Value]] = [:]
  /// By column of text: values that somebody looks for.
  var likely: [String: [Value]] = [:]
  /// By column of JSON: documents into which statements look.
  var documents: [String: [Value]] = [:]

  /// Small ones above zero: of some of them no sum or product overflows, and no divisor is zero.
  static let numbersUsual: [Int64] = [1, 2, 3, 100, 250, 20_001]

  /// Where dates begin, in days: 2024-10-04.
  static let day: Int64 = 20_000

  /// Block times beside that of the run, which is after all of its dates: among them, and long
  /// after.
  static let otherTimes = [
    Moment(UInt64(day) * 86_400_000 + 129_600_000), Moment(UInt64(day + 10_000) * 86_400_000),
  ]

  init(table: String, columns: [TableSchema.Column], keys: [[String]]) {
    self.table = table
    self.columns = columns
    self.keys = keys
  }

  var rows: [[Value]] {
    var dice = SplitMix64(seed: table.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
    let carriers = keys.compactMap(carrier)
    let places = keys.map { key in
      key.compactMap { name in columns.firstIndex { $0.name == name } }
    }
    var taken = places.map { _ in Set<[Value]>() }
    var rows: [[Value]] = []
    for number in 0..<count {
      let row = columns.map { column in
        carriers.contains(column.name)
          ? distinct(column, number)
          : value(of: column, inKey: keys.contains { $0.contains(column.name) }, &dice)
      }
      let found = places.map { key in key.map { row[$0] } }
      guard found.indices.allSatisfy({ !taken[$0].contains(found[$0]) }) else { continue }
      for key in found.indices { taken[key].insert(found[key]) }
      rows.append(row)
    }
    return rows
  }

  /// The column that makes a key one, so that its others may repeat: the last that can hold enough
  /// values, and of those one that nobody looks into before one that somebody does.
  private func carrier(_ key: [String]) -> String? {
    let able = key.filter { name in
      only[name] == nil && columns.contains { $0.name == name && $0.type != .bool }
    }
    return able.last { likely[$0] == nil } ?? able.last
  }

  private func distinct(_ column: TableSchema.Column, _ number: Int) -> Value {
    let wanted = column.type == .text ? likely[column.name] ?? [] : []
    return number < wanted.count ? wanted[number] : Self.distinct(column.type, number)
  }

  private func value(
    of column: TableSchema.Column, inKey: Bool, _ dice: inout SplitMix64
  ) -> Value {
    if column.nullable, !inKey, dice.below(4) == 0 { return .null }
    if let values = only[column.name], !values.isEmpty { return dice.pick(values) }
    if column.type == .json, let values = documents[column.name], !values.isEmpty {
      return dice.pick(values)
    }
    if column.type == .text, let values = likely[column.name], !values.isEmpty, dice.below(3) > 0 {
      return dice.pick(values)
    }
    // Most are values of keys too, so that references find their rows.
    if inKey || dice.below(2) == 0 { return Self.distinct(column.type, dice.below(3)) }
    return picked(column.type, &dice)
  }

  private static func distinct(_ type: Certification.ColumnType, _ number: Int) -> Value {
    switch type {
    case .text, .undeclared: .text("k\(number)")
    case .uuid: .text("6ba7b810-9dad-11d1-80b4-00" + String(0xc0_4fd4_30c8 + number, radix: 16))
    case .json: .text("[\(number)]")
    case .bytes: .bytes([UInt8(truncatingIfNeeded: number)])
    case .date: .int(day + Int64(number))
    case .timestamp: .int((day + Int64(number)) * 86_400_000)
    case .bool: .int(Int64(number % 2))
    case .int, .decimal: .int(Int64(number + 1))
    }
  }

  private func picked(_ type: Certification.ColumnType, _ dice: inout SplitMix64) -> Value {
    switch type {
    case .text, .undeclared: .text(dice.pick(["a", "B", "b", "", "é", "12"]))
    case .json:
      .text(
        dice.pick([
          "{\"a\":1}", "{\"a\":2,\"b\":[\"x\",\"y\"]}", "{\"b\":{\"c\":\"k1\"}}", "[1,2]", "null",
        ]))
    case .int, .decimal: .int(dice.pick(numbers))
    case .uuid, .bytes, .date, .timestamp, .bool: Self.distinct(type, dice.below(4))
    }
  }
}
