/// What is known by view or height, as long as some check may still need it.
///
/// - Bound: what `forget` leaves; forgetting looks at each key once.
struct Recent<Key: Hashable & Comparable, Value> {
  private var values: [Key: Value] = [:]
  /// In the order of arrival.
  private var keys: [Key] = []

  var count: Int { keys.count }

  subscript(_ key: Key) -> Value? { values[key] }

  /// Changes what is known of a key, from `start` when nothing is.
  mutating func update<R>(
    _ key: Key, from start: @autoclosure () -> Value, _ change: (inout Value) -> R
  ) -> R {
    if let place = values.index(forKey: key) { return change(&values.values[place]) }
    var value = start()
    let result = change(&value)
    values[key] = value
    keys.append(key)
    return result
  }

  mutating func set(_ key: Key, _ value: Value) { update(key, from: value) { $0 = value } }

  mutating func forget(below key: Key) {
    for old in keys where old < key { values[old] = nil }
    keys.removeAll { $0 < key }
  }

  /// Forgets, and gives what was forgotten in the order of its arrival.
  mutating func forgetting(below key: Key) -> [Value] {
    let old = keys.filter { $0 < key }.compactMap { values[$0] }
    forget(below: key)
    return old
  }

  mutating func forgetAll() { self = Self() }
}
