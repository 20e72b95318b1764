import CSQLite
import Storage
import Wire

extension Functions {
  /// `count`, which costs a step a row here, and the lists in the order of a key.
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
