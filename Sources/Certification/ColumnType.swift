import Wire

/// What a column means: how its stored value is shown and read.
package enum ColumnType: Hashable, Canonical {
  case text
  case int
  /// Stored as an integer scaled by 10 to the `scale`.
  case decimal(scale: UInt8)
  /// Stored as days since 1970-01-01.
  case date
  /// Stored as milliseconds since 1970-01-01T00:00:00Z.
  case timestamp
  /// Stored as 0 or 1.
  case bool
  case uuid
  case bytes
  /// Stored as canonical JSON text.
  case json
  /// Of an expression whose meaning nobody declared: shown as it is stored.
  case undeclared

  package func encode(into encoder: inout Encoder) {
    switch self {
    case .text: encoder.variant(0)
    case .int: encoder.variant(1)
    case .decimal(let scale):
      encoder.variant(2)
      encoder.byte(scale)
    case .date: encoder.variant(3)
    case .timestamp: encoder.variant(4)
    case .bool: encoder.variant(5)
    case .uuid: encoder.variant(6)
    case .bytes: encoder.variant(7)
    case .json: encoder.variant(8)
    case .undeclared: encoder.variant(9)
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    switch try decoder.variant(count: 10) {
    case 0: self = .text
    case 1: self = .int
    case 2:
      let scale = try decoder.byte()
      guard scale <= 18 else { throw decoder.fault("a decimal has at most 18 decimal places") }
      self = .decimal(scale: scale)
    case 3: self = .date
    case 4: self = .timestamp
    case 5: self = .bool
    case 6: self = .uuid
    case 7: self = .bytes
    case 8: self = .json
    default: self = .undeclared
    }
  }

  /// How a stored value of this type reads: decimals with their point, ISO 8601 dates and
  /// timestamps, hexadecimal bytes. A value that the type does not fit is shown as stored.
  /// - Returns: nil for null.
  package func text(of value: Value) -> String? {
    switch (self, value) {
    case (_, .null): nil
    case (.decimal(let scale), .int(let number)): decimalText(number, scale: Int(scale))
    case (.date, .int(let days)): dateText(days)
    case (.timestamp, .int(let milliseconds)): timestampText(milliseconds)
    case (.bool, .int(0)): "false"
    case (.bool, .int(1)): "true"
    case (_, .int(let number)): String(number)
    case (_, .text(let text)): text
    case (_, .bytes(let bytes)): bytes.hex
    }
  }

  /// Whether a value so typed goes into JSON bare, as a number or a boolean.
  package func isBare(_ value: Value) -> Bool {
    guard case .int(let number) = value else { return false }
    return switch self {
    case .bool: number == 0 || number == 1
    case .int, .undeclared: true
    default: false
    }
  }
}

private func decimalText(_ number: Int64, scale: Int) -> String {
  guard scale > 0 else { return String(number) }
  let digits = String(number.magnitude)
  let padded = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
  return "\(number < 0 ? "-" : "")\(padded.dropLast(scale)).\(padded.suffix(scale))"
}

private func padded(_ number: Int64, _ width: Int) -> String {
  let digits = String(number.magnitude)
  return (number < 0 ? "-" : "") + String(repeating: "0", count: max(0, width - digits.count))
    + digits
}

/// Proleptic Gregorian, by Hinnant's `civil_from_days` (howardhinnant.github.io/date_algorithms).
private func dateText(_ days: Int64) -> String {
  guard days.magnitude < 4_000_000_000 else { return String(days) }
  let shifted = days + 719_468
  let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
  let dayOfEra = shifted - era * 146_097
  let yearOfEra =
    (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
  let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  let monthFromMarch = (5 * dayOfYear + 2) / 153
  let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
  let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
}

private func timestampText(_ milliseconds: Int64) -> String {
  guard milliseconds.magnitude < 1 << 58 else { return String(milliseconds) }
  let day: Int64 = 86_400_000
  let days = (milliseconds >= 0 ? milliseconds : milliseconds - (day - 1)) / day
  let rest = milliseconds - days * day
  let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60)
  let (seconds, fraction) = (rest / 1_000 % 60, rest % 1_000)
  return "\(dateText(days))T\(padded(hours, 2)):\(padded(minutes, 2)):\(padded(seconds, 2))"
    + ".\(padded(fraction, 3))Z"
}
