// A constant takes the type of what it stands beside. SQLite sees what is stored alone, so 10.50
// beside a decimal(18,2) is printed as 1050, and '2026-11-01' beside a date as 20758.

/// A constant as it is stored, with the type that it was read as.
struct ReadConstant: Sendable {
  let value: Literal
  let type: SQLType
}

extension Checker {
  /// Walks values that stand side by side: constants last, to be read as the others are.
  /// - Parameter refuses: whether a text that is no value of the others' type is refused here.
  /// - Safety: each part is walked once.
  mutating func beside(
    _ parts: inout [Expression], in position: Position, refuses: Bool = true
  ) -> [Typed] {
    var typed = [Typed?](repeating: nil, count: parts.count)
    for index in parts.indices where !parts[index].isConstant {
      typed[index] = walk(&parts[index], in: position)
    }
    let known = typed.compactMap { $0?.type } + parts.compactMap(declared)
    // What is compared says what with.
    let first = refuses ? typed[0]?.type : nil
    let other =
      first.flatMap { $0.family == .none ? nil : $0 } ?? known.first { $0.unit != nil }
      ?? known.first { $0 != .null }
    for index in parts.indices where typed[index] == nil {
      compared = other
      let read = other.flatMap { constant(&parts[index], as: $0, refuses) }
      typed[index] = read ?? walk(&parts[index], in: position)
      compared = nil
    }
    return typed.map { $0 ?? .unknown }
  }

  /// The sides of an operator; where one is a constant, the other says what it is.
  mutating func sides(
    _ left: inout Expression, _ operation: BinaryOperator, _ right: inout Expression,
    in position: Position
  ) -> (Typed, Typed) {
    let leads = !left.isConstant || declared(left) != nil
    let follows = !right.isConstant || declared(right) != nil
    defer { compared = nil }
    if follows, !leads {
      let second = walk(&right, in: position)
      compared = second.type
      let first = constant(&left, as: second.type, operation.compares)
      return (first ?? walk(&left, in: position), second)
    }
    let first = walk(&left, in: position)
    guard leads, right.isConstant else { return (first, walk(&right, in: position)) }
    compared = first.type
    let second = constant(&right, as: first.type, operation.compares)
    return (first, second ?? walk(&right, in: position))
  }

  /// The type that an argument is declared as.
  private func declared(_ expression: Expression) -> SQLType? {
    guard case .parameter(let name) = expression.kind, !isGivenHere(name) else { return nil }
    return parameters.first { $0.name == name }?.type
  }

  private func isGivenHere(_ name: String) -> Bool { arguments.contains { $0.name == name } }

  /// What is written, or given for an argument that nobody declared.
  private func value(of expression: Expression) -> Literal? {
    switch expression.kind {
    case .literal(let value): return value
    case .unary(let operation, let part):
      guard case .literal(.real(let text)) = part.kind else { return nil }
      return .real((operation == .minus ? "-" : "") + text)
    case .variable(let name): return variables.first { $0.name == name }?.value
    case .parameter(let name): return arguments.first { $0.name == name }?.value
    default: return nil
    }
  }

  /// Reads a constant as a value of this type, and puts what is stored into the tree.
  /// - Returns: nil where it stays what it is.
  mutating func constant(
    _ expression: inout Expression, as type: SQLType, _ refuses: Bool
  ) -> Typed? {
    guard let value = value(of: expression) else { return nil }
    if let known = readBefore(value, at: expression.place) { return known }
    let typed = Typed(type: type, nullable: false, isGiven: true)
    var stored: Literal?
    switch (value, type) {
    case (.real(let text), .decimal(_, let scale)):
      stored = Constants.decimal(text, scale: scale).map { .integer($0) }
    case (.text(let text), .uuid):
      stored = text.utf8.count == 36 ? .text(text.folded) : value
    case (.text(let text), _) where type.family == .integer:
      // '1.5' in arithmetic, or as another value of a number's column, is a text.
      guard refuses || type == .date || type == .timestamp else { return nil }
      stored = Constants.number(text, type).map { .integer($0) }
      guard stored != nil || refuses else { return nil }
    case (.integer(let number), .date):
      guard refuses, !Constants.days.contains(number) else { return nil }
    case (.integer(let number), _) where type.family == .text:
      // How an argument looks says nothing of what it is.
      guard case .parameter = expression.kind else { return nil }
      stored = .text(String(number))
    default: return nil
    }
    guard let stored else {
      refuse(value, as: type, at: expression.place)
      return typed
    }
    if case .parameter(let name) = expression.kind { usedParameters.insert(name) }
    expression = Expression(.literal(stored), at: expression.place, height: expression.height)
    constants[expression.place.offset] = ReadConstant(value: stored, type: type)
    return typed
  }

  /// What is known of a literal that was put into the tree here.
  func readBefore(_ value: Literal, at place: Place) -> Typed? {
    guard let read = constants[place.offset], read.value == value else { return nil }
    return Typed(type: read.type, nullable: false, isGiven: true)
  }

  private mutating func refuse(_ value: Literal, as type: SQLType, at place: Place) {
    let (text, shown) =
      switch value {
      case .text(let text): (text, "'\(text)'")
      case .real(let text): (text, text)
      case .integer(let number): (String(number), String(number))
      case .null, .bool, .blob: ("", "a constant")
      }
    let (reason, fix): (String, String)
    switch type {
    case .decimal(_, let scale):
      reason = "it is no number of at most \(scale) digits behind the point"
      fix = Constants.shortened(text, scale: scale)
    case .date:
      let day = String(text.prefix(10))
      reason = "it is no date such as 2026-01-31"
      fix = Constants.day(day) == nil ? "'2026-01-31'" : "'\(day)'"
    case .timestamp:
      reason = "it is no timestamp such as 2026-01-31T10:00:00Z"
      fix =
        Constants.day(text) == nil ? "'2026-01-31T10:00:00Z'" : "'\(text)T00:00:00Z'"
    case .bool:
      reason = "it is neither true nor false"
      fix = "true"
    default:
      reason = "it is no whole number"
      fix = "a whole number, or cast(… as text) of the other side"
    }
    refuse("QD23", at: place, "\(shown) beside \(type)", because: reason, fix: fix)
  }
}

extension Expression {
  /// Written in the text or given from outside, so that what it stands beside says its type.
  var isConstant: Bool {
    switch kind {
    case .literal, .parameter, .variable: return true
    case .unary(.minus, let part), .unary(.plus, let part):
      if case .literal(.real) = part.kind { return true }
      return false
    default: return false
    }
  }
}

/// How constants are written, as `ingest` reads fields.
enum Constants {
  /// 0001-01-01 and 9999-12-31, from 1970-01-01.
  static let days: ClosedRange<Int64> = -719_162...2_932_896
  private static let dayMilliseconds: Int64 = 86_400_000

  /// What a text is stored as in a column of whole numbers; nil where it is none of its type.
  static func number(_ text: String, _ type: SQLType) -> Int64? {
    switch type {
    case .decimal(_, let scale): decimal(text, scale: scale)
    case .date: day(text)
    case .timestamp: moment(text)
    case .bool: ["true": 1, "1": 1, "false": 0, "0": 0][text]
    default: decimal(text, scale: 0)
    }
  }

  /// `-12.50` of a scale of 2 is -1250; nil where digits would be lost.
  static func decimal(_ text: String, scale: Int) -> Int64? {
    let isNegative = text.hasPrefix("-")
    let parts = text.dropFirst(isNegative ? 1 : 0).split(
      separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let whole = parts.first, isDigits(whole) else { return nil }
    let fraction = parts.count == 2 ? parts[1] : ""
    guard parts.count == 1 || isDigits(fraction), fraction.utf8.count <= scale else { return nil }
    let padding = String(repeating: "0", count: scale - fraction.utf8.count)
    return Int64((isNegative ? "-" : "") + whole + fraction + padding)
  }

  /// The number with the digits that a decimal of this scale holds.
  static func shortened(_ text: String, scale: Int) -> String {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let sample = scale > 0 ? "12." + String(repeating: "5", count: scale) : "12"
    guard parts.count == 2, scale > 0 else { return sample }
    let short = "\(parts[0]).\(parts[1].prefix(scale))"
    return decimal(short, scale: scale) == nil ? sample : short
  }

  /// Days since 1970-01-01 of `2026-01-31`, by Hinnant's `days_from_civil`.
  static func day(_ text: String) -> Int64? {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, let year = field(parts[0], 4), let month = field(parts[1], 2),
      let day = field(parts[2], 2), year >= 1, 1...12 ~= month, day >= 1,
      day <= length(month, year)
    else { return nil }
    let shifted = month <= 2 ? year - 1 : year
    let (era, yearOfEra) = (shifted / 400, shifted % 400)
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func length(_ month: Int64, _ year: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Milliseconds since 1970 of `2026-01-31T10:00:00[.fff](Z|±hh:mm)`, a space for the `T` too.
  static func moment(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 20, bytes[10] == UInt8(ascii: "T") || bytes[10] == 0x20,
      let day = day(String(decoding: bytes[..<10], as: UTF8.self)),
      let clock = clock(String(decoding: bytes[11..<19], as: UTF8.self))
    else { return nil }
    var rest = Substring(String(decoding: bytes[19...], as: UTF8.self))
    var fraction: Int64 = 0
    if rest.hasPrefix(".") {
      let digits = rest.dropFirst().prefix { ("0"..."9").contains($0) }
      guard 1...3 ~= digits.utf8.count,
        let parts = Int64(digits + String(repeating: "0", count: 3 - digits.utf8.count))
      else { return nil }
      fraction = parts
      rest = rest.dropFirst(1 + digits.utf8.count)
    }
    guard let offset = zone(rest) else { return nil }
    return day * dayMilliseconds + clock + fraction - offset
  }

  private static func clock(_ text: String) -> Int64? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 3, let hour = field(parts[0], 2), let minute = field(parts[1], 2),
      let second = field(parts[2], 2), hour < 24, minute < 60, second < 60
    else { return nil }
    return ((hour * 60 + minute) * 60 + second) * 1_000
  }

  /// Milliseconds east of UTC.
  private static func zone(_ text: Substring) -> Int64? {
    if text == "Z" { return 0 }
    guard text.hasPrefix("+") || text.hasPrefix("-") else { return nil }
    let parts = text.dropFirst().split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let hours = field(parts[0], 2), let minutes = field(parts[1], 2),
      hours < 24, minutes < 60
    else { return nil }
    return (hours * 60 + minutes) * (text.hasPrefix("-") ? -60_000 : 60_000)
  }

  private static func field(_ digits: Substring, _ width: Int) -> Int64? {
    digits.utf8.count == width && isDigits(digits) ? Int64(digits) : nil
  }

  private static func isDigits(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { 0x30...0x39 ~= $0 }
  }
}
