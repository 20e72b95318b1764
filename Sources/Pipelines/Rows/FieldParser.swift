/// Why one field does not fit its column. The message completes "amount: …".
struct FieldFault: Error, Sendable {
  let rule: String
  let message: String
  /// The rule of deterministic SQL that asks for it, told with the row: `QD23`.
  let hazard: String?

  init(_ rule: String, _ message: String, hazard: String? = nil) {
    self.rule = rule
    self.message = message
    self.hazard = hazard
  }

  /// A value is typed before SQL sees it, since SQLite would take '12' for 12.
  static func type(_ message: String, hazard: String = "QD23") -> FieldFault {
    FieldFault("type", message, hazard: hazard)
  }
}

/// Reads the text of one field as a stored value. No allocation unless it fails.
///
/// - Safety: a text has one meaning or none; nothing is rounded, trimmed or guessed.
enum FieldParser {
  static func integer(_ bytes: Bytes, _ range: Range<Int>) throws(FieldFault) -> Int64 {
    var index = range.lowerBound
    let negative = index < range.upperBound && bytes[index] == UInt8(ascii: "-")
    if negative { index += 1 }
    guard index < range.upperBound else { throw notInteger(bytes, range) }
    var value: Int64 = 0
    while index < range.upperBound {
      let digit = bytes[index] &- 0x30
      guard digit <= 9 else { throw notInteger(bytes, range) }
      let (tens, overTens) = value.multipliedReportingOverflow(by: 10)
      let (sum, overSum) = tens.subtractingReportingOverflow(Int64(digit))
      guard !overTens, !overSum else { throw beyond64Bits(bytes, range) }
      value = sum
      index += 1
    }
    if negative { return value }
    guard value != Int64.min else { throw beyond64Bits(bytes, range) }
    return -value
  }

  private static func notInteger(_ bytes: Bytes, _ range: Range<Int>) -> FieldFault {
    .type("\(quoted(bytes, range)) is no integer")
  }

  private static func beyond64Bits(_ bytes: Bytes, _ range: Range<Int>) -> FieldFault {
    .type("\(quoted(bytes, range)) does not fit 64 bits")
  }

  /// An exact decimal, as a count of its smallest unit.
  static func decimal(
    _ bytes: Bytes, _ range: Range<Int>, precision: UInt8, scale: UInt8
  ) throws(FieldFault) -> Int64 {
    var index = range.lowerBound
    let negative = index < range.upperBound && bytes[index] == UInt8(ascii: "-")
    if negative { index += 1 }
    var value: Int64 = 0
    var whole = 0
    var fraction = 0
    var significant = 0
    var afterPoint = false
    while index < range.upperBound {
      let byte = bytes[index]
      index += 1
      if byte == UInt8(ascii: "."), !afterPoint {
        afterPoint = true
        continue
      }
      let digit = byte &- 0x30
      guard digit <= 9 else { throw notDecimal(bytes, range) }
      if afterPoint { fraction += 1 } else { whole += 1 }
      if significant > 0 || digit != 0 { significant += 1 }
      guard significant <= 18 else { continue }
      value = value * 10 + Int64(digit)
    }
    guard whole > 0, !afterPoint || fraction > 0 else { throw notDecimal(bytes, range) }
    guard fraction <= Int(scale) else {
      throw .type(
        "\(quoted(bytes, range)) has \(fraction) digits after the point; "
          + "decimal(\(precision),\(scale)) has \(scale)")
    }
    let missing = Int(scale) - fraction
    guard value == 0 || significant + missing <= Int(precision) else {
      throw .type(
        "\(quoted(bytes, range)) has too many digits; decimal(\(precision),\(scale)) has "
          + "\(precision - scale) before the point")
    }
    if value != 0 { for _ in 0..<missing { value *= 10 } }
    return negative ? -value : value
  }

  private static func notDecimal(_ bytes: Bytes, _ range: Range<Int>) -> FieldFault {
    .type("\(quoted(bytes, range)) is no decimal number such as -12.50")
  }

  static func flag(_ bytes: Bytes, _ range: Range<Int>) throws(FieldFault) -> Int64 {
    if range.count == 1 {
      if bytes[range.lowerBound] == UInt8(ascii: "1") { return 1 }
      if bytes[range.lowerBound] == UInt8(ascii: "0") { return 0 }
    }
    if equal(bytes, range, "true") { return 1 }
    if equal(bytes, range, "false") { return 0 }
    throw .type("\(quoted(bytes, range)) is none of true, false, 1, 0")
  }

  // MARK: - Dates and times

  static func date(
    _ bytes: Bytes, _ range: Range<Int>, _ rule: ParseRule
  ) throws(FieldFault) -> Int64 {
    let days: Int64?
    switch rule {
    case .standard: days = isoDate(bytes, range)
    case .yymmdd: days = shortDate(bytes, range)
    case .yymmddTime:
      days =
        timeOfDay(bytes, range, after: 7) == 0 && bytes[range.lowerBound + 6] == 0x20
        ? shortDate(bytes, range.lowerBound..<range.lowerBound + 6) : nil
    case .ddmmyyyy: days = plainDate(bytes, range, order: (4, 2, 0))
    case .yyyymmdd: days = plainDate(bytes, range, order: (0, 4, 6))
    case .epochSeconds, .epochMilliseconds, .base64, .hex: days = nil
    }
    guard let days else {
      throw .type("\(quoted(bytes, range)) is no date \(shape(of: rule, time: false))")
    }
    return days
  }

  /// Milliseconds since 1970-01-01T00:00:00Z.
  static func timestamp(
    _ bytes: Bytes, _ range: Range<Int>, _ rule: ParseRule
  ) throws(FieldFault) -> Int64 {
    let milliseconds: Int64?
    switch rule {
    case .standard: milliseconds = isoTimestamp(bytes, range)
    case .yymmddTime:
      if let time = timeOfDay(bytes, range, after: 7), bytes[range.lowerBound + 6] == 0x20,
        let days = shortDate(bytes, range.lowerBound..<range.lowerBound + 6)
      {
        milliseconds = days * Calendar.dayMilliseconds + time
      } else {
        milliseconds = nil
      }
    case .epochSeconds:
      let (value, overflow) = try integer(bytes, range).multipliedReportingOverflow(by: 1_000)
      milliseconds = overflow ? nil : value
    case .epochMilliseconds: milliseconds = try integer(bytes, range)
    case .yymmdd: milliseconds = shortDate(bytes, range).map { $0 * Calendar.dayMilliseconds }
    case .ddmmyyyy:
      milliseconds = plainDate(bytes, range, order: (4, 2, 0))
        .map { $0 * Calendar.dayMilliseconds }
    case .yyyymmdd:
      milliseconds = plainDate(bytes, range, order: (0, 4, 6))
        .map { $0 * Calendar.dayMilliseconds }
    case .base64, .hex: milliseconds = nil
    }
    guard let milliseconds, momentRange.contains(milliseconds) else {
      throw .type("\(quoted(bytes, range)) is no timestamp \(shape(of: rule, time: true))")
    }
    return milliseconds
  }

  static let momentRange =
    Calendar.days.lowerBound * Calendar.dayMilliseconds...(Calendar.days.upperBound + 1)
    * Calendar.dayMilliseconds - 1

  private static func shape(of rule: ParseRule, time: Bool) -> String {
    switch rule {
    case .standard: time ? "such as 2026-01-31T10:00:00.000Z" : "such as 2026-01-31"
    case .epochSeconds: "in whole seconds since 1970"
    case .epochMilliseconds: "in whole milliseconds since 1970"
    case .yymmdd, .yymmddTime, .ddmmyyyy, .yyyymmdd, .base64, .hex: "of the form \(rule.rawValue)"
    }
  }

  /// `count` digits at `start` as a number; nil when one is none.
  private static func digits(_ bytes: Bytes, _ start: Int, _ count: Int) -> Int? {
    var value = 0
    for index in start..<start + count {
      let digit = bytes[index] &- 0x30
      guard digit <= 9 else { return nil }
      value = value * 10 + Int(digit)
    }
    return value
  }

  private static func isoDate(_ bytes: Bytes, _ range: Range<Int>) -> Int64? {
    let start = range.lowerBound
    guard range.count == 10, bytes[start + 4] == 0x2d, bytes[start + 7] == 0x2d,
      let year = digits(bytes, start, 4), let month = digits(bytes, start + 5, 2),
      let day = digits(bytes, start + 8, 2)
    else { return nil }
    return Calendar.days(year: year, month: month, day: day)
  }

  /// Two digits of the year: 70 to 99 are 1970 to 1999, 00 to 69 are 2000 to 2069.
  private static func shortDate(_ bytes: Bytes, _ range: Range<Int>) -> Int64? {
    let start = range.lowerBound
    guard range.count == 6, let year = digits(bytes, start, 2),
      let month = digits(bytes, start + 2, 2), let day = digits(bytes, start + 4, 2)
    else { return nil }
    return Calendar.days(year: year < 70 ? 2_000 + year : 1_900 + year, month: month, day: day)
  }

  /// Eight digits; `order` says where year, month and day begin.
  private static func plainDate(
    _ bytes: Bytes, _ range: Range<Int>, order: (Int, Int, Int)
  ) -> Int64? {
    let start = range.lowerBound
    guard range.count == 8, let year = digits(bytes, start + order.0, 4),
      let month = digits(bytes, start + order.1, 2), let day = digits(bytes, start + order.2, 2)
    else { return nil }
    return Calendar.days(year: year, month: month, day: day)
  }

  /// `hh:mm:ss` that fills the range from `skipped` on, as milliseconds.
  private static func timeOfDay(
    _ bytes: Bytes, _ range: Range<Int>, after skipped: Int
  ) -> Int64? {
    guard range.count == skipped + 8 else { return nil }
    return clock(bytes, range.lowerBound + skipped)
  }

  private static func clock(_ bytes: Bytes, _ start: Int) -> Int64? {
    guard bytes[start + 2] == 0x3a, bytes[start + 5] == 0x3a,
      let hour = digits(bytes, start, 2), let minute = digits(bytes, start + 3, 2),
      let second = digits(bytes, start + 6, 2), hour < 24, minute < 60, second < 60
    else { return nil }
    return Int64((hour * 60 + minute) * 60 + second) * 1_000
  }

  /// `2026-01-31T10:00:00[.fff](Z|±hh:mm)`, with a space for the `T` if the source writes it so.
  private static func isoTimestamp(_ bytes: Bytes, _ range: Range<Int>) -> Int64? {
    let start = range.lowerBound
    guard range.count >= 20, let days = isoDate(bytes, start..<start + 10),
      bytes[start + 10] == UInt8(ascii: "T") || bytes[start + 10] == 0x20,
      let time = clock(bytes, start + 11)
    else { return nil }
    var index = start + 19
    var fraction: Int64 = 0
    if bytes[index] == UInt8(ascii: ".") {
      index += 1
      var unit: Int64 = 100
      while index < range.upperBound, bytes[index] &- 0x30 <= 9 {
        guard unit > 0 else { return nil }
        fraction += Int64(bytes[index] &- 0x30) * unit
        unit /= 10
        index += 1
      }
      guard unit < 100 else { return nil }
    }
    guard let offset = zone(bytes, index..<range.upperBound) else { return nil }
    return days * Calendar.dayMilliseconds + time + fraction - offset
  }

  /// Milliseconds east of UTC.
  private static func zone(_ bytes: Bytes, _ range: Range<Int>) -> Int64? {
    let start = range.lowerBound
    if range.count == 1, bytes[start] == UInt8(ascii: "Z") { return 0 }
    guard range.count == 6, bytes[start + 3] == 0x3a,
      bytes[start] == UInt8(ascii: "+") || bytes[start] == UInt8(ascii: "-"),
      let hours = digits(bytes, start + 1, 2), let minutes = digits(bytes, start + 4, 2),
      hours < 24, minutes < 60
    else { return nil }
    let east = Int64(hours * 60 + minutes) * 60_000
    return bytes[start] == UInt8(ascii: "-") ? -east : east
  }

  // MARK: - Identifiers and bytes

  /// Whether the range is a UUID, and whether it holds upper-case digits.
  static func uuid(_ bytes: Bytes, _ range: Range<Int>) throws(FieldFault) -> Bool {
    var upper = false
    var fits = range.count == 36
    if fits {
      for (place, index) in range.enumerated() {
        let byte = bytes[index]
        switch (place, byte) {
        case (8, _), (13, _), (18, _), (23, _): fits = fits && byte == 0x2d
        case (_, 0x30...0x39), (_, 0x61...0x66): break
        case (_, 0x41...0x46): upper = true
        default: fits = false
        }
      }
    }
    guard fits else {
      throw .type(
        "\(quoted(bytes, range)) is no UUID such as 123e4567-e89b-12d3-a456-426614174000")
    }
    return upper
  }

  /// Bytes in the one spelling of their column: what begins with `0x` may be base64 too.
  static func blob(
    _ bytes: Bytes, _ range: Range<Int>, _ rule: ParseRule
  ) throws(FieldFault) -> [UInt8] {
    let (decoded, shape): ([UInt8]?, String)
    switch rule {
    case .base64: (decoded, shape) = (base64(bytes, range), "padded base64 such as AP8=")
    case .hex: (decoded, shape) = (hex(bytes, range), "hexadecimal digits such as 00ff")
    default:
      let start = range.lowerBound
      let isMarked =
        range.count >= 2 && bytes[start] == 0x30 && bytes[start + 1] == UInt8(ascii: "x")
      decoded = isMarked ? hex(bytes, start + 2..<range.upperBound) : nil
      shape = "0x with hexadecimal digits such as 0x00ff; the column may say parse: base64 or hex"
    }
    guard let decoded else { throw .type("\(quoted(bytes, range)) is no \(shape)") }
    return decoded
  }

  private static func hex(_ bytes: Bytes, _ range: Range<Int>) -> [UInt8]? {
    guard range.count % 2 == 0 else { return nil }
    var out: [UInt8] = []
    for index in stride(from: range.lowerBound, to: range.upperBound, by: 2) {
      guard let high = nibble(bytes[index]), let low = nibble(bytes[index + 1]) else {
        return nil
      }
      out.append(high << 4 | low)
    }
    return out
  }

  static func nibble(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }

  private static func base64(_ bytes: Bytes, _ range: Range<Int>) -> [UInt8]? {
    guard range.count % 4 == 0 else { return nil }
    var end = range.upperBound
    while end > range.lowerBound, range.upperBound - end < 2, bytes[end - 1] == 0x3d { end -= 1 }
    var out: [UInt8] = []
    var bits: UInt32 = 0
    var held = 0
    for index in range.lowerBound..<end {
      guard let value = sextet(bytes[index]) else { return nil }
      bits = bits << 6 | UInt32(value)
      held += 6
      if held >= 8 {
        held -= 8
        out.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
      }
    }
    // Bits that no byte takes are zero, so that bytes have one spelling.
    guard bits & ((1 << UInt32(held)) - 1) == 0 else { return nil }
    return out
  }

  private static func sextet(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x41...0x5a: byte - 0x41
    case 0x61...0x7a: byte - 0x61 + 26
    case 0x30...0x39: byte - 0x30 + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }

  // MARK: - Texts in messages

  static func equal(
    _ bytes: Bytes, _ range: Range<Int>, _ text: StaticString
  ) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    return text.withUTF8Buffer { buffer in
      for (offset, index) in range.enumerated() where buffer[offset] != bytes[index] {
        return false
      }
      return true
    }
  }

  /// The field in quotes, cut after 40 bytes.
  static func quoted(_ bytes: Bytes, _ range: Range<Int>) -> String {
    var end = min(range.upperBound, range.lowerBound + 40)
    while end > range.lowerBound, end < range.upperBound, bytes[end] & 0xc0 == 0x80 { end -= 1 }
    let text = String(decoding: copy(bytes, range.lowerBound..<end), as: UTF8.self)
    return end < range.upperBound ? "\"\(text)…\"" : "\"\(text)\""
  }

  static func copy(_ bytes: Bytes, _ range: Range<Int>) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(range.count)
    for index in range { out.append(bytes[index]) }
    return out
  }
}
