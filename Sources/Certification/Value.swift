import Wire

/// One value of a row, an argument or a result. There are no floating-point numbers: decimals,
/// dates, timestamps and booleans are integers, whose meaning the column's type says.
package enum Value: Canonical {
  case null
  case int(Int64)
  case text(String)
  case bytes([UInt8])

  package func encode(into encoder: inout Encoder) {
    switch self {
    case .null: encoder.variant(0)
    case .int(let number):
      encoder.variant(1)
      encoder.integer(number)
    case .text(let text):
      encoder.variant(2)
      encoder.text(text)
    case .bytes(let bytes):
      encoder.variant(3)
      encoder.blob(bytes)
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    switch try decoder.variant(count: 4) {
    case 0: self = .null
    case 1: self = .int(try decoder.integer())
    case 2: self = .text(try decoder.text(limit: AnswerLimits.valueBytesMax))
    default: self = .bytes(try decoder.blob(limit: AnswerLimits.valueBytesMax))
    }
  }
}

extension Value {
  /// Bytes, as storage is metered.
  package var size: Int {
    switch self {
    case .null: 1
    case .int: 8
    case .text(let text): text.utf8.count
    case .bytes(let bytes): bytes.count
    }
  }
}

extension Value: Hashable {
  /// Texts are equal when their bytes are: not when Unicode holds them for the same.
  package static func == (a: Self, b: Self) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.int(let first), .int(let second)): first == second
    case (.text(let first), .text(let second)): first.utf8.elementsEqual(second.utf8)
    case (.bytes(let first), .bytes(let second)): first == second
    default: false
    }
  }

  package func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0)
    case .int(let number): hasher.combine(number)
    case .text(let text): for byte in text.utf8 { hasher.combine(byte) }
    case .bytes(let bytes): hasher.combine(bytes)
    }
  }
}
