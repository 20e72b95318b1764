import CSQLite
import Storage
import Wire

extension Functions {
  /// `count`, which costs a step a row here, `sum`, whose overflow does not hang on the order of
  /// rows, and the lists in the order of a key.
  static func addAggregates(
    on connection: Connection, user: UnsafeMutableRawPointer
  ) throws(StorageFault) {
    let flags = SQLITE_UTF8 | SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC
    for arguments: Int32 in 0...1 {
      try connection.check(
        sqlite3_create_window_function(
          connection.handle, "count", arguments, flags, user,
          { context, count, values in Counter.move(context, count, values, by: 1) },
          { context in Counter.give(context) }, { context in Counter.give(context) },
          { context, count, values in Counter.move(context, count, values, by: -1) }, nil),
        "adding the function count")
    }
    try connection.check(
      sqlite3_create_window_function(
        connection.handle, "sum", 1, flags, user,
        { context, _, values in ExactSum.move(context, values, isAdded: true) },
        { context in ExactSum.give(context) }, { context in ExactSum.give(context) },
        { context, _, values in ExactSum.move(context, values, isAdded: false) }, nil),
      "adding the function sum")
    for arguments: Int32 in 2...3 {
      try connection.check(
        sqlite3_create_function_v2(
          connection.handle, "list_sorted", arguments, flags, user, nil,
          { context, count, values in SortedList.add(context, count, values) },
          { context in SortedList.give(context, asJSON: false) }, nil),
        "adding the function list_sorted")
    }
    try connection.check(
      sqlite3_create_function_v2(
        connection.handle, "json_list_sorted", 2, flags, user, nil,
        { context, count, values in SortedList.add(context, count, values) },
        { context in SortedList.give(context, asJSON: true) }, nil),
      "adding the function json_list_sorted")
  }
}

private enum Counter {
  static func move(
    _ context: OpaquePointer?, _ count: Int32, _ values: UnsafeMutablePointer<OpaquePointer?>?,
    by step: Int64
  ) {
    guard let place = sqlite3_aggregate_context(context, 8) else {
      return sqlite3_result_error_nomem(context)
    }
    if count == 1, sqlite3_value_type(values?[0]) == SQLITE_NULL { return }
    let total = place.assumingMemoryBound(to: Int64.self)
    total.pointee += step
  }

  static func give(_ context: OpaquePointer?) {
    let place = sqlite3_aggregate_context(context, 0)
    sqlite3_result_int64(context, place?.assumingMemoryBound(to: Int64.self).pointee ?? 0)
  }
}

/// SQLite's own `sum` fails when it overflows on the way, which depends on the order of rows
/// (https://sqlite.org/lang_aggfunc.html#sumunc); this one only when the whole does not fit.
private struct ExactSum {
  private var low: UInt64 = 0
  private var high: Int64 = 0
  private var rows: Int64 = 0
  private var reals: Int64 = 0
  private var real: Double = 0

  static func move(
    _ context: OpaquePointer?, _ values: UnsafeMutablePointer<OpaquePointer?>?, isAdded: Bool
  ) {
    guard let place = sqlite3_aggregate_context(context, Int32(MemoryLayout<Self>.size)) else {
      return sqlite3_result_error_nomem(context)
    }
    // The memory comes as zeros, which is the empty sum.
    let sum = place.assumingMemoryBound(to: Self.self)
    let type = sqlite3_value_numeric_type(values?[0])
    guard type != SQLITE_NULL else { return }
    sum.pointee.rows += isAdded ? 1 : -1
    guard type == SQLITE_INTEGER else {
      let number = sqlite3_value_double(values?[0])
      sum.pointee.reals += isAdded ? 1 : -1
      sum.pointee.real += isAdded ? number : -number
      return
    }
    let number = Int128(sqlite3_value_int64(values?[0]))
    sum.pointee.whole += isAdded ? number : -number
  }

  static func give(_ context: OpaquePointer?) {
    guard let place = sqlite3_aggregate_context(context, 0) else {
      return sqlite3_result_null(context)
    }
    let sum = place.assumingMemoryBound(to: Self.self).pointee
    if sum.rows == 0 {
      sqlite3_result_null(context)
    } else if sum.reals > 0 {
      sqlite3_result_double(context, sum.real + Double(sum.whole))
    } else if let number = Int64(exactly: sum.whole) {
      sqlite3_result_int64(context, number)
    } else {
      Invocation.overflow(context)
    }
  }

  /// In two halves, since SQLite's memory is aligned to 8 bytes.
  private var whole: Int128 {
    get { Int128(high) << 64 | Int128(low) }
    set {
      high = Int64(truncatingIfNeeded: newValue >> 64)
      low = UInt64(truncatingIfNeeded: newValue)
    }
  }
}

/// The values of a group with their keys, until the group ends.
private final class SortedList {
  private var entries: [(key: SQLValue, value: SQLValue)] = []
  private var bytes = 0
  private var separator = ","

  /// The list of this group; made for the first row.
  private static func list(_ context: OpaquePointer?, create: Bool) -> SortedList? {
    guard
      let place = sqlite3_aggregate_context(
        context, create ? Int32(MemoryLayout<UnsafeMutableRawPointer?>.size) : 0)
    else { return nil }
    let slot = place.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    if let known = slot.pointee {
      return Unmanaged<SortedList>.fromOpaque(known).takeUnretainedValue()
    }
    guard create else { return nil }
    let fresh = SortedList()
    slot.pointee = Unmanaged.passRetained(fresh).toOpaque()
    return fresh
  }

  static func add(
    _ context: OpaquePointer?, _ count: Int32, _ values: UnsafeMutablePointer<OpaquePointer?>?
  ) {
    guard let call = Invocation(context, count, values) else { return }
    guard let list = list(context, create: true) else {
      return sqlite3_result_error_nomem(context)
    }
    if call.count == 3 { list.separator = call.text(2) }
    guard !call.isNull(0) else { return }
    let size = call.bytes(0).count + call.bytes(1).count + list.separator.utf8.count
    call.state.meter(bytes: size)
    list.bytes += size + 16
    guard list.bytes <= ExecutionLimits.valueBytesMax else {
      return sqlite3_result_error_toobig(context)
    }
    list.entries.append((call.value(1), call.value(0)))
  }

  static func give(_ context: OpaquePointer?, asJSON: Bool) {
    guard let list = list(context, create: false) else {
      if asJSON {
        quorate_sqlite3_result_text(context, "[]", 2)
      } else {
        sqlite3_result_null(context)
      }
      return
    }
    defer { Unmanaged.passUnretained(list).release() }
    list.entries.sort { $0.key == $1.key ? $0.value < $1.value : $0.key < $1.key }
    let parts = list.entries.map { asJSON ? json($0.value) : plain($0.value) }
    let text = parts.joined(separator: asJSON ? "," : list.separator)
    let whole = asJSON ? "[\(text)]" : text
    quorate_sqlite3_result_text(context, whole, Int32(whole.utf8.count))
  }

  private static func plain(_ value: SQLValue) -> String {
    switch value {
    case .null: ""
    case .integer(let number): String(number)
    case .real(let number): String(number)
    case .text(let bytes): String(decoding: bytes, as: UTF8.self)
    case .blob(let bytes): bytes.hex
    }
  }

  private static func json(_ value: SQLValue) -> String {
    switch value {
    case .null: "null"
    case .integer(let number): String(number)
    case .real(let number): String(number)
    case .text(let bytes): quoted(String(decoding: bytes, as: UTF8.self))
    case .blob(let bytes): "\"\(bytes.hex)\""
    }
  }

  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      default:
        if scalar.value < 0x20 {
          let digits = String(scalar.value, radix: 16)
          out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        } else {
          out.unicodeScalars.append(scalar)
        }
      }
    }
    return out + "\""
  }
}
