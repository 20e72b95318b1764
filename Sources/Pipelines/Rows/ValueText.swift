import Wire

// Stored values as people and batches spell them.

extension ColumnType {
  /// The text of a stored value of this type: `-12.50`, `2026-01-31`,
  /// `2026-01-31T10:00:00.000Z`, `true`, `0x00ff`.
  /// - Returns: nil for null. A value that the type cannot hold is shown as it is stored.
  package func text(of value: StoredValue) -> String? {
    switch value {
    case .null: return nil
    case .text(let text): return text
    case .blob(let bytes): return "0x" + bytes.hex
    case .integer(let number): return text(of: number)
    }
  }

  /// The text of a stored number.
  package func text(of number: Int64) -> String {
    switch self {
    case .decimal(_, let scale): return Self.decimal(number, scale: scale)
    case .date where Calendar.days.contains(number): return Self.date(number)
    case .timestamp where FieldParser.momentRange.contains(number): return Self.timestamp(number)
    case .bool where number == 0 || number == 1: return number == 1 ? "true" : "false"
    default: return String(number)
    }
  }

  private static func decimal(_ number: Int64, scale: UInt8) -> String {
    guard scale > 0 else { return String(number) }
    var digits = Array(String(number.magnitude).utf8)
    let missing = Int(scale) + 1 - digits.count
    if missing > 0 { digits.insert(contentsOf: Array(repeating: 0x30, count: missing), at: 0) }
    digits.insert(UInt8(ascii: "."), at: digits.count - Int(scale))
    if number < 0 { digits.insert(UInt8(ascii: "-"), at: 0) }
    return String(decoding: digits, as: UTF8.self)
  }

  private static func date(_ number: Int64) -> String {
    let date = Calendar.date(number)
    return "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))"
  }

  private static func timestamp(_ number: Int64) -> String {
    let (quotient, remainder) = number.quotientAndRemainder(dividingBy: Calendar.dayMilliseconds)
    let days = remainder < 0 ? quotient - 1 : quotient
    let rest = Int(remainder < 0 ? remainder + Calendar.dayMilliseconds : remainder)
    let seconds = rest / 1_000
    let clock = [seconds / 3_600, seconds / 60 % 60, seconds % 60].map { padded($0, 2) }
    return "\(date(days))T\(clock.joined(separator: ":")).\(padded(rest % 1_000, 3))Z"
  }

  private static func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}
