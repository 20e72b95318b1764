import Certification
import Wire

/// Rows of one table by primary key, in the key's order: what a model should hold, or holds.
struct KeyedRows {
  private(set) var rows: [StoredRow] = []
  private var keys: [[UInt8]] = []
  private var ascends = true
  /// Bytes of the rows' values.
  private(set) var size = 0

  var count: Int { rows.count }

  mutating func add(_ row: StoredRow, key: [UInt8]) {
    if let last = keys.last, !last.lexicographicallyPrecedes(key) { ascends = false }
    rows.append(row)
    size += row.size
    keys.append(key)
  }

  /// Sorts by key.
  /// - Returns: the index of a row whose key stands twice; nil when all are distinct.
  mutating func sort() -> Int? {
    guard !ascends else { return nil }
    let order = keys.indices.sorted { keys[$0].lexicographicallyPrecedes(keys[$1]) }
    rows = order.map { rows[$0] }
    keys = order.map { keys[$0] }
    ascends = true
    return keys.indices.dropFirst().first { keys[$0] == keys[$0 - 1] }
  }

  enum Difference {
    case insert(StoredRow)
    case update(old: StoredRow, new: StoredRow)
    case delete(StoredRow)
  }

  /// What turns the rows of `old` into these, in the order of the keys. Both are sorted. Values
  /// that rows of `old` have behind those of these make no difference.
  func differences(from old: KeyedRows) -> [Difference] {
    var result: [Difference] = []
    var (mine, theirs) = (0, 0)
    while mine < keys.count || theirs < old.keys.count {
      if theirs == old.keys.count
        || (mine < keys.count && keys[mine].lexicographicallyPrecedes(old.keys[theirs]))
      {
        result.append(.insert(rows[mine]))
        mine += 1
      } else if mine == keys.count || old.keys[theirs].lexicographicallyPrecedes(keys[mine]) {
        result.append(.delete(old.rows[theirs]))
        theirs += 1
      } else {
        if !old.rows[theirs].values.starts(with: rows[mine].values) {
          result.append(.update(old: old.rows[theirs], new: rows[mine]))
        }
        mine += 1
        theirs += 1
      }
    }
    return result
  }
}
