// What whole numbers count: a decimal(18,2) counts hundredths, a date days, a timestamp
// milliseconds. SQLite sees integers only, so numbers that count different things are kept apart
// here.

extension SQLType {
  package enum Unit: Sendable, Hashable {
    case parts(scale: Int)
    case days, milliseconds
  }

  /// nil where the type does not say what its numbers count.
  package var unit: Unit? {
    switch self {
    case .decimal(_, let scale): .parts(scale: scale)
    case .date: .days
    case .timestamp: .milliseconds
    default: nil
    }
  }

  /// A number that counts nothing but itself.
  var isPlain: Bool { unit == nil && (family == .integer || family == .real) }

  /// Counted from 1970-01-01.
  fileprivate var isTime: Bool { self == .date || self == .timestamp }

  /// Both say what they count, and it is not the same: 1.00 is stored as 100, 1.0000 as 10000.
  package func clashes(with other: SQLType) -> Bool {
    guard let unit, let their = other.unit else { return false }
    return unit != their
  }

  /// A decimal with room for whatever comes out.
  fileprivate static func decimal(scale: Int) -> SQLType {
    .decimal(precision: SQLLimits.decimalDigitsMax, scale: scale)
  }

  /// The type of a total, or of a multiple: larger than the type of its parts may be.
  var total: SQLType {
    switch self {
    case .decimal(_, let scale): .decimal(scale: scale)
    case .bool, .date, .timestamp, .null: .integer
    default: self
    }
  }

  /// The type of `self operation other`, of two whole numbers that do not clash. One that says
  /// nothing of what it counts counts what the other does.
  func result(_ operation: BinaryOperator, _ other: SQLType) -> SQLType {
    switch (operation, unit, other.unit) {
    case (.plus, .days, nil), (.minus, .days, nil), (.plus, nil, .days): .date
    case (.plus, .milliseconds, nil), (.minus, .milliseconds, nil), (.plus, nil, .milliseconds):
      .timestamp
    case (.times, .parts(let first), .parts(let second)):
      // Nothing declares a decimal of more digits.
      first + second > SQLLimits.decimalDigitsMax ? .integer : .decimal(scale: first + second)
    case (.divide, .parts(let first), .parts(let second)):
      first == second ? .integer : .decimal(scale: max(0, first - second))
    case (.plus, .parts(let scale), _), (.minus, .parts(let scale), _),
      (.remainder, .parts(let scale), _), (.remainder, nil, .parts(let scale)),
      (.times, .parts(let scale), nil),
      (.divide, .parts(let scale), nil),
      (.plus, nil, .parts(let scale)), (.minus, nil, .parts(let scale)),
      (.times, nil, .parts(let scale)):
      .decimal(scale: scale)
    default: .integer
    }
  }

  /// The type of a column that may hold either.
  func joined(with other: SQLType) -> SQLType {
    if self == other || other == .null { return self }
    if self == .null { return other }
    if self == .real || other == .real { return .real }
    if case .decimal(let p, let s) = self, case .decimal(let q, let t) = other, s == t {
      return .decimal(precision: max(p, q), scale: s)
    }
    guard family == other.family else { return .unknown }
    guard family == .integer else { return .text }
    if unit == nil { return other.unit == nil ? .integer : other }
    return other.unit == nil ? self : .integer
  }
}

/// A decimal of these places, multiplied by a power of ten: either it has more places now, or it is
/// larger.
///
/// - Bound: `SQLLimits.rescaledDigitsMax` places, however often products are multiplied again.
struct Rescaled: Sendable, Hashable {
  let scale: Int
  let shift: Int

  /// - Returns: nil for more places than are followed.
  init?(scale: Int, shift: Int = 0) {
    let most = SQLLimits.rescaledDigitsMax
    guard scale <= most, shift.magnitude <= UInt(most) else { return nil }
    self.scale = scale
    self.shift = shift
  }
}

/// What is known of a column's whole numbers beside their type.
struct Written: Sendable, Hashable {
  /// The one that stands in the text.
  var number: Int64?
  var rescaled: Rescaled?
}

extension Typed {
  /// One of a column's values, for its type alone.
  fileprivate init(_ column: OutputColumn) {
    self.init(
      type: column.type, nullable: column.nullable, number: column.written.number,
      rescaled: column.written.rescaled)
  }

  var written: Written {
    type == .integer ? Written(number: number, rescaled: rescaled) : Written()
  }

  /// A power of ten, as 100: who multiplies or divides by it may mean another scale, so that
  /// nothing is known of what the result counts.
  fileprivate var rescales: Bool { zeros > 0 }

  /// Of the power of ten that is given; 0 of all else.
  private var zeros: Int {
    guard var rest = number?.magnitude, rest > 1 else { return 0 }
    var zeros = 0
    while rest % 10 == 0 { (rest, zeros) = (rest / 10, zeros + 1) }
    return rest == 1 ? zeros : 0
  }

  /// The places that it has, or had before it was rescaled.
  fileprivate var parts: Rescaled? {
    if let rescaled { return rescaled }
    if case .parts(let scale) = type.unit { return Rescaled(scale: scale) }
    return nil
  }

  /// What `self operation other` was before a power of ten; nil where its type says it.
  fileprivate func rescaled(_ operation: BinaryOperator, _ other: Typed) -> Rescaled? {
    switch operation {
    case .times:
      guard rescaled != nil || other.rescaled != nil || rescales || other.rescales else {
        return nil
      }
      guard let first = parts else { return other.parts?.moved(by: zeros) }
      guard let second = other.parts else { return first.moved(by: other.zeros) }
      return Rescaled(
        scale: first.scale + second.scale, shift: first.shift + second.shift)
    case .divide:
      guard other.parts == nil, rescaled != nil || other.rescales else { return nil }
      return parts?.moved(by: -other.zeros)
    default: return rescaled ?? other.rescaled
    }
  }

  /// The same of another type, as a sum is.
  func kept(as type: SQLType) -> Typed {
    var result = with(type)
    result.rescaled = rescaled
    return result
  }
}

extension Rescaled {
  fileprivate func moved(by zeros: Int) -> Rescaled? {
    Rescaled(scale: scale, shift: shift + zeros)
  }
}

extension Checker {
  /// Refuses two numbers that count different things.
  /// - Parameter what: what is done with them, as in "compares".
  /// - Returns: whether they may stand together.
  mutating func unitsFit(_ a: Typed, _ b: Typed, _ what: String, at place: Place) -> Bool {
    guard a.type.clashes(with: b.type) else { return true }
    refuse(
      "QD23", at: place, "\(what) \(a.type) with \(b.type)", because: reason(a.type, b.type),
      fix: fix(a, b))
    return false
  }

  private func reason(_ a: SQLType, _ b: SQLType) -> String {
    func stored(_ type: SQLType) -> String {
      switch type.unit {
      case .parts(let scale): "1 as \(Decimals.one(scale: scale))"
      case .days: "a day as 1"
      case .milliseconds: "a day as 86400000"
      case nil: "a number as it is"
      }
    }
    return "one stores \(stored(a)), the other \(stored(b)), and SQLite sees the integers alone"
  }

  private func fix(_ a: Typed, _ b: Typed) -> String {
    if a.isGiven || b.isGiven { return "declare the argument as \((a.isGiven ? b : a).type)" }
    switch (a.type.unit, b.type.unit) {
    case (.days, .milliseconds), (.milliseconds, .days): return "date_of(…) of the timestamp"
    case (.parts(let first), .parts(let second)):
      let (few, many) = first < second ? (a.type, b.type) : (b.type, a.type)
      let factor = Decimals.one(scale: abs(first - second))
      return "cast(… as integer) * \(factor) of the \(few), cast(… as integer) of the \(many)"
    default: return "cast(… as integer) of one, if that is what is meant"
    }
  }

  /// Tells what a whole number means beside a decimal: 100 is 1.00 of a decimal(18,2).
  mutating func partsAreMeant(_ a: Typed, _ b: Typed, _ what: String, at place: Place) {
    let (decimal, other) = a.type.unit == nil ? (b, a) : (a, b)
    guard case .parts(let scale) = decimal.type.unit, scale > 0, other.type == .integer,
      other.isGiven || other.number != nil, other.number != 0
    else { return }
    let given = other.number.map(String.init) ?? "an int"
    let value = other.number.map { "\($0) is \(Decimals.shown($0, scale: scale))" }
    let example = value ?? "100 is \(Decimals.shown(100, scale: scale))"
    let fix =
      other.number.map { number in
        let whole = "\(number).\(Decimals.one(scale: scale).dropFirst())"
        let parts = Decimals.shown(number, scale: scale)
        guard other.isGiven else {
          let zeros = Decimals.one(scale: scale).dropFirst()
          return "cast(\(number)\(zeros) as integer) for \(whole), "
            + "cast(\(number) as integer) if \(parts) is meant"
        }
        return "\(whole), or \(parts) if that is meant"
      } ?? "declare the argument as \(decimal.type)"
    note(
      "\(what) \(decimal.type) with \(given)",
      because: "it counts the smallest parts: \(example)", fix: fix, at: place)
  }

  /// Tells that a number beside a timestamp counts milliseconds, unless it makes whole seconds.
  mutating func millisecondsAreMeant(
    _ a: Typed, _ b: Typed, _ what: String, at place: Place, isFrame: Bool = false
  ) {
    let (timestamp, other) = a.type.unit == nil ? (b, a) : (a, b)
    guard timestamp.type == .timestamp, other.type == .integer, let number = other.number,
      number % 1_000 != 0
    else { return }
    let (days, overflows) = number.multipliedReportingOverflow(by: 86_400_000)
    // A frame takes no expression.
    let fix =
      isFrame
      ? "\(overflows ? number : days) for \(number) days"
      : "\(number) * 86400000 for \(number) days, or cast(\(number) as integer) if that is meant"
    note(
      "\(what) timestamp with \(number)", because: "a timestamp counts milliseconds", fix: fix,
      at: place)
  }

  /// Nobody reads the notes of a query that a person types, so there it is refused.
  private mutating func note(
    _ message: String, because reason: String, fix: String, at place: Place
  ) {
    if profile == .adhoc {
      refuse("QD23", at: place, message, because: reason, fix: fix)
    } else {
      warn("QD23", at: place, message, because: reason, fix: fix)
    }
  }

  // MARK: What may be either

  /// What is known of a value that is one of two.
  mutating func joined(_ first: Typed?, _ second: Typed, at place: Place) -> Typed {
    guard let first else { return second }
    let both = mixed(first, second)
    if unitsFit(first, second, "mixes", at: place) {
      partsAreMeant(first, second, "mixes", at: place)
      familiesFit(first.type, second.type, at: place)
    }
    var result = both.with(first.type.joined(with: second.type))
    result.rescaled = first.rescaled ?? second.rescaled
    result.isGiven = first.isGiven && second.isGiven
    if first.number != nil, second.number != nil {
      result.number = first.number == 0 ? second.number : first.number
    }
    return result
  }

  private mutating func familiesFit(_ a: SQLType, _ b: SQLType, at place: Place) {
    let families = [a.family, b.family]
    guard a.family != b.family, a != .null, b != .null else { return }
    if profile.allowsReal {
      // What counts parts or days would be shown as if it counted nothing.
      guard a.unit != nil || b.unit != nil else { return }
    } else {
      guard !families.contains(.none), !families.contains(.real) else { return }
    }
    guard !families.contains(.none), !families.contains(.real) else {
      refuse(
        "QD23", at: place, "is \(a) in one place and \(b) in another",
        because: "it would be shown as neither", fix: "cast(… as integer) of both")
      return
    }
    refuse(
      "QD23", at: place, "is \(a) in one place and \(b) in another",
      because: "a column holds one type, and 1 would be another value than '1'",
      fix: families.contains(.blob)
        ? "hex(…) of the bytes" : "cast(… as text) of the \(a.family == .text ? b : a)")
  }

  /// The arms of a compound make one column of each place.
  mutating func combined(
    _ a: ResultShape, _ b: ResultShape, _ operation: CompoundOperator, _ arm: Select
  ) -> ResultShape {
    var columns: [OutputColumn] = []
    for (index, (first, second)) in zip(a.columns, b.columns).enumerated() {
      chargeOrigins(of: first, second)
      let typed = joined(
        Typed(first), Typed(second),
        at: arm.place(ofItem: index))
      var column = OutputColumn(
        name: first.name, type: typed.type, nullable: typed.nullable,
        pii: first.pii || second.pii, lineage: Set(first.lineage + second.lineage).sorted(),
        indirect: Set(first.indirect + second.indirect).sorted())
      column.written = typed.written
      columns.append(column)
    }
    let whole = [Array(columns.indices)]
    var shape = ResultShape(columns: columns, keys: [])
    work.charge(2 * (a.deciding.count + b.deciding.count))
    shape.deciding = a.deciding.union(b.deciding)
    switch operation {
    case .unionAll: break
    case .union: shape.keys = whole
    case .except, .intersect:
      shape.keys = a.keys.filter { $0.allSatisfy { $0 < columns.count } } + whole
      for column in columns { chargeOrigins(of: column) }
      shape.deciding.formUnion(columns.flatMap(\.origins))
    }
    return shape
  }

  // MARK: Functions

  /// What an arithmetic function gives; nil of all others.
  mutating func arithmeticResult(
    _ call: FunctionCall, _ typed: [Typed], at place: Place
  ) -> Typed? {
    guard let first = typed.first else { return nil }
    switch call.name {
    case "sum": return first.kept(as: first.type.total)
    case "mul_div" where typed.count > 2:
      return multiplied(first, typed[1], by: typed[2], at: place)
    case "abs":
      return first.kept(
        as: first.type == .bool || first.type == .null ? .integer : first.type)
    case "add_exact" where typed.count == 2:
      return combined(first, .plus, typed[1], at: place)
    case "mul_exact" where typed.count == 2:
      return combined(first, .times, typed[1], at: place)
    case "exact": return chained(call, typed, at: place)
    default: return nil
    }
  }

  /// `mul_div(a, b, c)` is a * b / c.
  private mutating func multiplied(
    _ a: Typed, _ b: Typed, by c: Typed, at place: Place
  ) -> Typed {
    guard [a, b, c].contains(where: { $0.type.unit != nil || $0.rescaled != nil }) else {
      return a.with(a.type.total)
    }
    return combined(combined(a, .times, b, at: place), .divide, c, at: place)
  }

  /// `exact(a, b, c, '+-')` is (a + b) - c.
  private mutating func chained(
    _ call: FunctionCall, _ typed: [Typed], at place: Place
  ) -> Typed {
    var total = typed[0]
    var signs: [Character] = []
    if case .literal(.text(let text))? = call.arguments.last?.kind { signs = Array(text) }
    for (index, next) in typed.dropLast().dropFirst().enumerated() {
      let sign = index < signs.count ? BinaryOperator(rawValue: String(signs[index])) : nil
      total = combined(total, sign ?? .plus, next, at: place)
    }
    return total
  }

  /// What `a operation b` gives; refuses numbers that count different things.
  mutating func combined(
    _ a: Typed, _ operation: BinaryOperator, _ b: Typed, at place: Place
  ) -> Typed {
    var result = mixed(a, b)
    result = result.with(type(of: a, operation, b, at: place))
    if result.type == .integer { result.rescaled = a.rescaled(operation, b) }
    return result
  }

  private mutating func type(
    of a: Typed, _ operation: BinaryOperator, _ b: Typed, at place: Place
  ) -> SQLType {
    if profile.allowsReal, !partsMeetWhole(a, operation, b, at: place) { return .integer }
    if a.type == .real || b.type == .real {
      usesReal = true
      return .real
    }
    let what = "takes \(operation.rawValue) of"
    guard calendarFits(a, operation, b, at: place) else { return .integer }
    switch operation {
    case .plus, .minus:
      guard unitsFit(a, b, what, at: place) else { return .integer }
      partsAreMeant(a, b, what, at: place)
      millisecondsAreMeant(a, b, what, at: place)
    case .remainder:
      guard unitsFit(a, b, what, at: place), remainderFits(a, b, at: place) else {
        return .integer
      }
    case .divide:
      guard ratioFits(a, b, at: place) else { return .integer }
    default: break
    }
    let isScaled = [.times, .divide].contains(operation)
    if isScaled, b.rescales || a.rescaled != nil || b.rescaled != nil { return .integer }
    if operation == .times, a.rescales { return .integer }
    return a.type.result(operation, b.type)
  }

  /// A date has a difference from another, but no sum and no product with it.
  private mutating func calendarFits(
    _ a: Typed, _ operation: BinaryOperator, _ b: Typed, at place: Place
  ) -> Bool {
    let products: [BinaryOperator] = [.times, .divide, .remainder]
    let areTimes = a.type.isTime && b.type.isTime && a.type == b.type
    let isProduct =
      operation == .times && a.type.unit != nil && b.type.unit != nil
      && (a.type.isTime || b.type.isTime)
    guard isProduct || areTimes && (operation == .plus || products.contains(operation)) else {
      return true
    }
    let time = a.type.isTime ? a.type : b.type
    refuse(
      "QD23", at: place, "takes \(operation.rawValue) of \(a.type) and \(b.type)",
      because: "a \(time) is counted from 1970-01-01, so that the result means nothing",
      fix: operation == .plus
        ? "a - b, which is the time between them" : "cast(… as integer), if that is what is meant")
    return false
  }

  /// 7 % 2.5000 would be the remainder of 7 parts.
  private mutating func remainderFits(_ a: Typed, _ b: Typed, at place: Place) -> Bool {
    guard case .parts(let scale) = b.type.unit, scale > 0, a.type == .integer,
      let number = a.number, number != 0
    else { return true }
    refuse(
      "QD23", at: place, "takes % of \(number) and \(b.type)",
      because:
        "it counts the smallest parts: \(number) is \(Decimals.shown(number, scale: scale))",
      fix: "\(number).\(Decimals.one(scale: scale).dropFirst())")
    return false
  }

  /// A decimal divided by one of fewer places keeps the others; what was multiplied by a power of
  /// ten must be of the divisor's places before or after it.
  private mutating func ratioFits(_ a: Typed, _ b: Typed, at place: Place) -> Bool {
    guard let first = a.parts, let second = b.parts else {
      return unitsFit(a, b, "takes / of", at: place)
    }
    if a.rescaled == nil, b.rescaled == nil, first.scale > second.scale { return true }
    if first.scale + first.shift == second.scale + second.shift { return true }
    return unitsFit(
      a.with(.decimal(scale: first.scale)), b.with(.decimal(scale: second.scale)), "takes / of",
      at: place)
  }

  /// A decimal's parts times or beside a floating-point number would be shown as whole ones.
  private mutating func partsMeetWhole(
    _ a: Typed, _ operation: BinaryOperator, _ b: Typed, at place: Place
  ) -> Bool {
    for (one, other) in [(a, b), (b, a)]
    where one.type.unit != nil && other.type.family != .integer && other.type != .null {
      // Of what was refused nothing is known.
      if other.type == .unknown, !refusals.isEmpty { continue }
      refuse(
        "QD20", at: place, "takes \(operation.rawValue) of \(a.type) and \(b.type)",
        because: "a \(one.type) is stored as a whole number, and REAL has no scale",
        fix: "mul_div(x, 11, 10, 'half_even') for 1.1 times x, or cast(… as integer)")
      return false
    }
    return true
  }

  /// The mean or a rounding of parts would be shown as one of whole ones.
  mutating func partsStayWhole(_ call: FunctionCall, _ typed: [Typed], at place: Place) {
    guard ["avg", "total", "round"].contains(call.name), profile.allowsReal,
      let first = typed.first, first.type.unit != nil
    else { return }
    let name = call.arguments[0].plainName ?? "x"
    let fixes = [
      "avg": "mul_div(sum(\(name)), 1, count(\(name)), 'half_even')", "total": "sum(\(name))",
    ]
    refuse(
      "QD20", at: place, "\(call.name)() of \(first.type)",
      because: "it computes in floating point, which has no scale",
      fix: fixes[call.name] ?? "mul_div(\(name), 1, 100, 'half_even'), which counts whole ones")
  }

  /// A decimal is written with its own scale: with another its point would move.
  mutating func scaleFits(_ call: FunctionCall, _ typed: [Typed]) {
    guard call.name == "fmt_decimal", typed.count == 2,
      case .parts(let scale) = typed[0].type.unit, let given = typed[1].number, given != scale
    else { return }
    refuse(
      "QD23", at: call.arguments[1].place, "fmt_decimal() of \(typed[0].type) with \(given)",
      because: "it stores 1 as \(Decimals.one(scale: scale))",
      fix: "fmt_decimal(\(call.arguments[0].plainName ?? "…"), \(scale))")
  }

  /// How many months, places or rows is a whole number, and no decimal's parts or date's days.
  mutating func countsArePlain(_ call: FunctionCall, _ typed: [Typed]) {
    let places = [
      "add_months": [1], "lag": [1], "lead": [1], "nth_value": [1], "ntile": [0], "substr": [1, 2],
    ]
    for index in places[call.name] ?? []
    where index < typed.count && typed[index].type.unit != nil {
      refuse(
        "QD23", at: call.arguments[index].place,
        "\(call.name)() by \(typed[index].type)",
        because: "it takes how many, and a \(typed[index].type) stores something else",
        fix: "a plain whole number, as 12, or cast(… as integer)")
    }
  }

  /// Dates are days: of a timestamp's milliseconds their functions would fail in every run.
  mutating func datesFit(_ call: FunctionCall, _ typed: [Typed]) {
    let wanted: SQLType
    var index = 0
    switch call.name {
    case "year", "month", "iso_week", "add_months", "fmt_date": wanted = .date
    case "date_trunc":
      wanted = .date
      // The unit may stand first or last.
      index = typed.first?.type.family == .integer ? 0 : 1
    case "date_of": wanted = .timestamp
    default: return
    }
    guard index < typed.count, ![wanted, .integer, .null, .unknown].contains(typed[index].type)
    else { return }
    let argument = call.arguments[index]
    let name = argument.plainName ?? "…"
    let fix: String
    switch (wanted, typed[index].type) {
    case (.date, .timestamp): fix = "date_of(\(name))"
    case (.timestamp, .date): fix = "\(name), which is a date"
    default: fix = "\(call.name)() of a \(wanted)"
    }
    refuse(
      "QD23", at: argument.place, "\(call.name)() of \(typed[index].type)",
      because: wanted == .date
        ? "it takes a date, which counts days" : "it takes a timestamp, which counts milliseconds",
      fix: fix)
  }
}

extension Select {
  /// Where its result of this number stands.
  fileprivate func place(ofItem index: Int) -> Place {
    guard index < items.count, case .expression(let expression, _) = items[index] else {
      return place
    }
    return expression.place
  }
}

/// How numbers stand in a text about decimals.
private enum Decimals {
  /// 10^scale, which 1 is stored as.
  static func one(scale: Int) -> String { "1" + String(repeating: "0", count: max(0, scale)) }

  /// `1.00`, which 100 is of a decimal of scale 2.
  static func shown(_ number: Int64, scale: Int) -> String {
    let digits = String(number.magnitude)
    let padding = String(repeating: "0", count: max(0, scale + 1 - digits.utf8.count))
    let whole = padding + digits
    let point = whole.index(whole.endIndex, offsetBy: -scale)
    return (number < 0 ? "-" : "") + whole[..<point] + "." + whole[point...]
  }
}
