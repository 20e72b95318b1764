extension ColumnType {
  /// The type that a package calls by this name: `text`, `decimal(18,2)`, `date`.
  package init?(name: String) {
    switch name {
    case "text": self = .text
    case "int": self = .int
    case "date": self = .date
    case "timestamp": self = .timestamp
    case "bool": self = .bool
    case "uuid": self = .uuid
    case "bytes": self = .bytes
    case "json": self = .json
    default:
      guard name.hasPrefix("decimal("), name.hasSuffix(")") else { return nil }
      let parts = name.dropFirst(8).dropLast().split(separator: ",")
      guard parts.count == 2, let scale = UInt8(parts[1].filter { $0 != " " }), scale <= 18 else {
        return nil
      }
      self = .decimal(scale: scale)
    }
  }

  /// What the type is called; the precision of a decimal is not known here.
  package var name: String {
    switch self {
    case .text: "text"
    case .int: "int"
    case .decimal(let scale): "decimal(18,\(scale))"
    case .date: "date"
    case .timestamp: "timestamp"
    case .bool: "bool"
    case .uuid: "uuid"
    case .bytes: "bytes"
    case .json: "json"
    case .undeclared: "undeclared"
    }
  }

  /// The stored value that reads as `text`, the reverse of `text(of:)`.
  /// - Returns: nil when the text is not of this type.
  package func value(from text: String) -> Value? {
    switch self {
    case .text, .uuid, .json, .undeclared: .text(text)
    case .int: Int64(text).map { .int($0) }
    case .bool: flag(text).map { .int($0) }
    case .bytes: [UInt8](hex: text).map { .bytes($0) }
    case .date: days(text).map { .int($0) }
    case .timestamp: milliseconds(text).map { .int($0) }
    case .decimal(let scale): scaled(text, Int(scale)).map { .int($0) }
    }
  }
}

private func flag(_ text: String) -> Int64? {
  switch text {
  case "true", "1": 1
  case "false", "0": 0
  default: nil
  }
}

private func number(_ digits: Substring, width: Int) -> Int64? {
  guard digits.utf8.count == width, digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else {
    return nil
  }
  return Int64(digits)
}

/// Days since 1970-01-01 of an ISO 8601 date, by Hinnant's `days_from_civil`.
private func days(_ text: String) -> Int64? {
  let parts = text.split(separator: "-", omittingEmptySubsequences: false)
  guard parts.count == 3, let year = number(parts[0], width: 4),
    let month = number(parts[1], width: 2), let day = number(parts[2], width: 2),
    1...12 ~= month, day >= 1, day <= monthLength(year, month)
  else { return nil }
  let shifted = month <= 2 ? year - 1 : year
  let era = (shifted >= 0 ? shifted : shifted - 399) / 400
  let yearOfEra = shifted - era * 400
  let monthFromMarch = month > 2 ? month - 3 : month + 9
  let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
  let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

private func monthLength(_ year: Int64, _ month: Int64) -> Int64 {
  switch month {
  case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
  case 4, 6, 9, 11: 30
  default: 31
  }
}

/// `2026-01-31T12:00:00.000Z`, or without the fraction; or milliseconds since 1970.
private func milliseconds(_ text: String) -> Int64? {
  if let plain = Int64(text) { return plain }
  guard text.hasSuffix("Z") else { return nil }
  let halves = text.dropLast().split(separator: "T", omittingEmptySubsequences: false)
  guard halves.count == 2, let day = days(String(halves[0])) else { return nil }
  let clock = halves[1].split(separator: ":", omittingEmptySubsequences: false)
  guard clock.count == 3 else { return nil }
  let seconds = clock[2].split(separator: ".", omittingEmptySubsequences: false)
  guard seconds.count <= 2, let hour = number(clock[0], width: 2),
    let minute = number(clock[1], width: 2), let second = number(seconds[0], width: 2),
    hour < 24, minute < 60, second < 60
  else { return nil }
  guard let fraction = seconds.count == 2 ? number(seconds[1], width: 3) : 0 else { return nil }
  return ((day * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + fraction
}

private func scaled(_ text: String, _ scale: Int) -> Int64? {
  let isNegative = text.hasPrefix("-")
  let parts = text.dropFirst(isNegative ? 1 : 0).split(
    separator: ".", omittingEmptySubsequences: false)
  guard parts.count <= 2, let whole = parts.first, !whole.isEmpty else { return nil }
  let fraction = parts.count == 2 ? String(parts[1]) : ""
  guard fraction.utf8.count <= scale else { return nil }
  let digits = whole + fraction + String(repeating: "0", count: scale - fraction.utf8.count)
  guard digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
  return Int64((isNegative ? "-" : "") + digits)
}
