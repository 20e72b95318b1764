import Certification
import Foundation
import SQL
import Storage
import Wire

@testable import Execution

/// Three small tables full of ties: `r` and `q` have the columns of the key, `w` has not.
final class KeyedTwin {
  static let shapes = [
    TableShape(
      name: "r", columns: columns([("id", .text), ("k", .text), ("c", .integer), ("x", .integer)]),
      keys: [["id"]]),
    TableShape(
      name: "q", columns: columns([("id", .text), ("n", .integer), ("k", .text), ("c", .integer)]),
      keys: [["id", "n"]]),
    TableShape(name: "w", columns: columns([("c", .integer), ("y", .integer)]), keys: [["c"]]),
  ]
  static let catalog = SQL.Catalog(
    shapes.map { SQL.Catalog.Entry(kind: .ref, name: $0.name, shape: $0) })

  private static func columns(_ list: [(String, SQLType)]) -> [ColumnShape] {
    list.map { ColumnShape(name: $0.0, type: $0.1) }
  }

  let engine: Engine
  private let path: String

  init(seed: UInt64) throws {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("keyed-\(UUID().uuidString).sqlite").path
    let raw = try Connection(path: path)
    try raw.execute(
      "CREATE TABLE r(id TEXT NOT NULL, k TEXT NOT NULL, c INTEGER NOT NULL, x INTEGER NOT NULL, "
        + "PRIMARY KEY(id)) STRICT, WITHOUT ROWID")
    try raw.execute(
      "CREATE TABLE q(id TEXT NOT NULL, n INTEGER NOT NULL, k TEXT NOT NULL, c INTEGER NOT NULL, "
        + "PRIMARY KEY(id, n)) STRICT, WITHOUT ROWID")
    try raw.execute(
      "CREATE TABLE w(c INTEGER NOT NULL, y INTEGER NOT NULL, PRIMARY KEY(c)) STRICT, WITHOUT ROWID"
    )
    var dice = Dice(seed)
    for number in 0..<14 {
      try raw.execute(
        "INSERT INTO r VALUES('i\(number)', '\(dice.pick(Self.keys))', \(dice.roll(3)), "
          + "\(dice.roll(4)))")
      try raw.execute(
        "INSERT INTO q VALUES('i\(number / 2)', \(number % 2), '\(dice.pick(Self.keys))', "
          + "\(dice.roll(3)))")
    }
    for number in 0..<3 { try raw.execute("INSERT INTO w VALUES(\(number), \(dice.roll(4)))") }
    engine = try Engine(path: path, access: .readWrite, vfs: nil, profile: .update)
  }

  deinit {
    for suffix in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: path + suffix)
    }
  }

  static let keys = ["a", "b", "c"]

  /// The rows of a statement, over tables restricted to a key or whole, in the order of their
  /// bytes; nil when SQLite fails.
  private func rows(
    _ checked: CheckedQuery, _ key: [(name: String, value: Value)]?
  ) -> [[Value]]? {
    let restrictions = ["r", "q"].map { table in
      Restriction(table: table, kind: .columns(key?.map(\.name) ?? []))
    }
    let text = SelectText(checked)
    do {
      let statement = try engine.prepareUser(
        key == nil ? text.whole : text.restricted(restrictions))
      for (name, value) in key ?? [] {
        guard let place = statement.parameter(":\(name)") else { continue }
        try statement.bind(place, value: value)
      }
      var rows: [[Value]] = []
      while try statement.step() {
        rows.append((0..<statement.columnCount).map { statement.value($0) })
      }
      return Self.sorted(rows)
    } catch { return nil }
  }

  private static func sorted(_ rows: [[Value]]) -> [[Value]] {
    rows.map { row -> ([Value], [UInt8]) in
      var encoder = Encoder()
      for value in row { encoder.value(value) }
      return (row, encoder.bytes)
    }.sorted { $0.1.lexicographicallyPrecedes($1.1) }.map(\.0)
  }

  /// A key whose rows differ from those of the whole statement; nil when all are equal.
  func difference(_ checked: CheckedQuery, by: [String]) -> String? {
    let names = checked.columns.map(\.name)
    let places = by.compactMap { name in names.firstIndex(of: name) }
    guard places.count == by.count, let whole = rows(checked, nil) else { return nil }
    if let stray = whole.first(where: { row in places.contains { row[$0] == .null } }) {
      return "a row without a key, \(stray)"
    }
    let numbers: [Value] = by.count > 1 ? (0..<3).map { .int($0) } : [.null]
    for first in Self.keys {
      for second in numbers {
        let key = Array(zip(by, [.text(first), second]))
        let wanted = whole.filter { row in zip(places, key).allSatisfy { row[$0] == $1.1 } }
        let found = rows(checked, key.map { (name: $0.0, value: $0.1) })?
          .filter { row in zip(places, key).allSatisfy { row[$0] == $1.1 } }
        if found != wanted { return "\(key): \(String(describing: found)), not \(wanted)" }
      }
    }
    return nil
  }
}

/// Writes random statements over the tables of `KeyedTwin`, sound and unsound ones.
struct KeyedSelectWriter {
  private struct Column {
    let source: String
    let name: String
    var text: String { "\(source).\(name)" }
  }

  var dice: Dice
  let by: [String]
  private var aliases = 0
  private var depth = 0

  init(seed: UInt64, by: [String]) {
    dice = Dice(seed)
    self.by = by
  }

  mutating func statement() -> String {
    if dice.chance(30) {
      let (text, names) = select(around: [], mustHaveKey: dice.chance(80))
      commons = [("cte", names)]
      defer { commons = [] }
      return "with cte as (\(text)) \(select(around: [], mustHaveKey: true).text)"
    }
    let first = select(around: [], mustHaveKey: true)
    guard dice.chance(15) else { return first.text }
    let word = dice.pick(["union", "union all", "except", "intersect"])
    return "\(first.text) \(word) \(first.text)"
  }

  private var commons: [(name: String, columns: [String])] = []

  private mutating func source() -> (text: String, columns: [String]) {
    aliases += 1
    let alias = "t\(aliases)"
    switch dice.roll(10) {
    case 0..<4: return ("{{ ref('r') }} \(alias)", ["id", "k", "c", "x"])
    case 4..<6: return ("{{ ref('q') }} \(alias)", ["id", "n", "k", "c"])
    case 6: return ("{{ ref('w') }} \(alias)", ["c", "y"])
    case 7 where depth < 2, 8 where depth < 2:
      let (text, names) = select(around: [], mustHaveKey: dice.chance(80))
      return ("(\(text)) \(alias)", names)
    default:
      if let common = commons.last { return ("\(common.name) \(alias)", common.columns) }
      return ("{{ ref('r') }} \(alias)", ["id", "k", "c", "x"])
    }
  }

  private mutating func select(
    around: [Column], mustHaveKey: Bool
  ) -> (text: String, names: [String]) {
    depth += 1
    defer { depth -= 1 }
    var columns: [Column] = []
    var from = ""
    for index in 0..<(dice.chance(55) ? 1 : 2 + dice.roll(2)) {
      let (text, names) = source()
      let own = names.map {
        Column(source: String(text.split(separator: " ").last ?? ""), name: $0)
      }
      if index > 0 {
        let pairs = own.flatMap { column in
          columns.filter { $0.name == column.name }.map { "\(column.text) = \($0.text)" }
        }
        var parts = pairs.filter { _ in dice.chance(65) }
        if parts.isEmpty { parts = [pairs.first ?? "1 = 1"] }
        from += dice.chance(45) ? " left join " : " join "
        from += "\(text) on \(parts.joined(separator: " and "))"
      } else {
        from = " from \(text)"
      }
      columns += own
    }
    let filter = condition(columns, around)
    return dice.chance(30)
      ? grouped(from + filter, columns, mustHaveKey) : plain(from + filter, columns, mustHaveKey)
  }

  private mutating func condition(_ columns: [Column], _ around: [Column]) -> String {
    var parts: [String] = []
    for column in around {
      for own in columns where own.name == column.name && dice.chance(60) {
        parts.append("\(own.text) = \(column.text)")
      }
    }
    if dice.chance(20) { parts.append("\(dice.pick(columns).text) <> '1'") }
    if dice.chance(10), let number = columns.first(where: { $0.name == "c" }) {
      parts.append("\(number.text) = \(dice.roll(3))")
    }
    if dice.chance(25), depth < 3 {
      let inner = select(around: columns, mustHaveKey: false).text
      parts.append("\(dice.chance(50) ? "not " : "")exists (\(inner))")
    }
    return parts.isEmpty ? "" : " where \(parts.joined(separator: " and "))"
  }

  /// The columns of the key first, mostly, each name once.
  private mutating func chosen(_ columns: [Column], _ mustHaveKey: Bool) -> [Column] {
    var chosen: [Column] = []
    if mustHaveKey {
      for name in by {
        let all = columns.filter { $0.name == name }
        if let one = dice.chance(80) ? all.first : all.last { chosen.append(one) }
      }
    }
    for column in columns where dice.chance(40) {
      if !chosen.contains(where: { $0.name == column.name }) { chosen.append(column) }
    }
    return chosen.isEmpty ? [columns[0]] : chosen
  }

  private mutating func plain(
    _ from: String, _ columns: [Column], _ mustHaveKey: Bool
  ) -> (text: String, names: [String]) {
    let items = chosen(columns, mustHaveKey)
    var texts = items.map(\.text)
    var names = items.map(\.name)
    if dice.chance(30) {
      let parts = columns.filter { _ in dice.chance(45) }.map(\.text)
      let partition = parts.isEmpty ? "" : "partition by \(parts.joined(separator: ", "))"
      let call = dice.pick(["count(*)", "sum(1)", "min(\(dice.pick(columns).text))"])
      texts.append("\(call) over (\(partition)) as o\(depth)")
      names.append("o\(depth)")
    }
    let distinct = dice.chance(20) ? "distinct " : ""
    var text = "select \(distinct)\(texts.joined(separator: ", "))\(from)"
    if dice.chance(6) {
      text += " order by \((1...names.count).map(String.init).joined(separator: ", ")) limit 2"
    }
    return (text, names)
  }

  private mutating func grouped(
    _ from: String, _ columns: [Column], _ mustHaveKey: Bool
  ) -> (text: String, names: [String]) {
    let items = dice.chance(90) ? chosen(columns, mustHaveKey && dice.chance(85)) : []
    let aggregate = dice.pick(["count(*)", "max(\(dice.pick(columns).text))"])
    let list = items.map(\.text)
    var text = "select \((list + ["\(aggregate) as g\(depth)"]).joined(separator: ", "))\(from)"
    if !list.isEmpty { text += " group by \(list.joined(separator: ", "))" }
    return (text, items.map(\.name) + ["g\(depth)"])
  }
}
