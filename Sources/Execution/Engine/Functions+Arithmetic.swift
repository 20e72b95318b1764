import CSQLite
import Signing
import Wire

extension Invocation {
  /// A number from 0 to 2^63 - 1 that nobody knew before the block was ordered: SHA-256 over the
  /// block's digest, the call's and the label.
  func consensusRandom() {
    guard !isNull(0) else { return giveNull() }
    let label = bytes(0)
    state.meter(bytes: label.count)
    var encoder = Encoder()
    encoder.text("quorate/random/1")
    encoder.value(state.randomness)
    encoder.value(state.call)
    encoder.blob(Array(label))
    let digest = sha256(encoder.bytes).bytes
    var number: UInt64 = 0
    for byte in digest.prefix(8) { number = number << 8 | UInt64(byte) }
    give(Int64(number >> 1))
  }

  func exact(_ name: String, _ operation: (Int64, Int64) -> (Int64, Bool)) {
    guard !anyNull else { return giveNull() }
    guard let a = integer(0), let b = integer(1) else {
      return fail("\(name) takes integers")
    }
    let (result, overflow) = operation(a, b)
    if overflow { self.overflow() } else { give(result) }
  }

  /// `cast(a as integer)`: an integer as it is, a text of digits, perhaps behind a minus, as the
  /// number it spells. All else is an error, where SQLite would take the digits in front or the
  /// nearest integer (https://sqlite.org/lang_expr.html#castexpr).
  func wholeNumber() {
    guard !isNull(0) else { return giveNull() }
    if let number = integer(0) { return give(number) }
    guard type(0) == SQLITE_TEXT else { return notWhole() }
    let bytes = bytes(0)
    state.meter(bytes: bytes.count)
    // What Swift reads besides: a plus.
    guard let first = bytes.first, first != UInt8(ascii: "+"), let number = Int64(text(0)) else {
      return notWhole()
    }
    give(number)
  }

  /// `exact(a, b, c, '+-')`: (a + b) - c, as `+ - * / %` are printed. NULL and a division by zero
  /// give NULL as in SQLite; what 64 bits do not hold is an error, where SQLite would go on in
  /// floating point (https://sqlite.org/datatype3.html#operators).
  func exactChain() {
    let operators = bytes(count - 1)
    guard count >= 3, operators.count == count - 2 else {
      return fail("exact takes one operator less than numbers")
    }
    guard !anyNull else { return giveNull() }
    guard var total = integer(0) else { return fail("arithmetic takes integers") }
    for place in 1..<(count - 1) {
      guard let next = integer(place) else { return fail("arithmetic takes integers") }
      let step: (partialValue: Int64, overflow: Bool)
      switch operators[place - 1] {
      case UInt8(ascii: "+"): step = total.addingReportingOverflow(next)
      case UInt8(ascii: "-"): step = total.subtractingReportingOverflow(next)
      case UInt8(ascii: "*"): step = total.multipliedReportingOverflow(by: next)
      case UInt8(ascii: "/") where next == 0, UInt8(ascii: "%") where next == 0: return giveNull()
      case UInt8(ascii: "/"): step = total.dividedReportingOverflow(by: next)
      case UInt8(ascii: "%"): step = (next == -1 ? 0 : total % next, false)
      default: return fail("exact knows + - * / %")
      }
      if step.overflow { return overflow() }
      total = step.partialValue
    }
    give(total)
  }

  /// `mul_div(a, b, c, rounding)`: a · b / c in 128 bits. The rounding is one of `down` (towards
  /// zero), `up`, `floor`, `ceiling`, `half_up`, `half_even`; without it, `half_even`.
  func multiplyDivide() {
    guard !anyNull else { return giveNull() }
    guard let a = integer(0), let b = integer(1), let c = integer(2) else {
      return fail("mul_div takes integers")
    }
    guard c != 0 else { return fail("mul_div divides by zero") }
    let name = count == 4 ? text(3) : "half_even"
    guard let rounding = Rounding(rawValue: name) else {
      return fail("mul_div knows down, up, floor, ceiling, half_up and half_even")
    }
    let result = rounding.divide(Int128(a) * Int128(b), by: Int128(c))
    guard let narrow = Int64(exactly: result) else { return overflow() }
    give(narrow)
  }
}

/// How a quotient becomes a whole number.
enum Rounding: String {
  case down, up, floor, ceiling
  case halfUp = "half_up"
  case halfEven = "half_even"

  /// - Precondition: the divisor is not zero.
  func divide(_ dividend: Int128, by divisor: Int128) -> Int128 {
    let (quotient, remainder) = dividend.quotientAndRemainder(dividingBy: divisor)
    guard remainder != 0 else { return quotient }
    let isNegative = (remainder < 0) != (divisor < 0)
    let away: Int128 = isNegative ? -1 : 1
    let twice = 2 * remainder.magnitude
    switch self {
    case .down: return quotient
    case .up: return quotient + away
    case .floor: return isNegative ? quotient - 1 : quotient
    case .ceiling: return isNegative ? quotient : quotient + 1
    case .halfUp: return twice >= divisor.magnitude ? quotient + away : quotient
    case .halfEven:
      if twice == divisor.magnitude { return quotient % 2 == 0 ? quotient : quotient + away }
      return twice > divisor.magnitude ? quotient + away : quotient
    }
  }
}
