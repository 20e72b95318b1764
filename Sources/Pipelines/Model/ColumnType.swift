import Wire

/// The types that a contract may name. State holds no floating point.
package enum ColumnType: Hashable, Canonical, CustomStringConvertible {
  case text
  case int
  /// A number of at most `precision` digits, `scale` of them after the point; stored as an
  /// integer of its smallest unit.
  case decimal(precision: UInt8, scale: UInt8)
  /// Stored as days since 1970-01-01.
  case date
  /// Stored as milliseconds since 1970-01-01T00:00:00Z.
  case timestamp
  /// Stored as 0 or 1.
  case bool
  /// Stored as lower-case text of 36 characters.
  case uuid
  case bytes
  /// Stored as canonical text: sorted keys, no spaces, integers and strings only.
  case json

  /// How SQLite keeps a value of a type, in a STRICT table.
  package enum Storage: String, Sendable, Hashable {
    case integer = "INTEGER"
    case text = "TEXT"
    case blob = "BLOB"
  }

  package var storage: Storage {
    switch self {
    case .text, .uuid, .json: .text
    case .int, .decimal, .date, .timestamp, .bool: .integer
    case .bytes: .blob
    }
  }

  /// As a contract spells it: `decimal(18,2)`.
  package var description: String {
    switch self {
    case .text: "text"
    case .int: "int"
    case .decimal(let precision, let scale): "decimal(\(precision),\(scale))"
    case .date: "date"
    case .timestamp: "timestamp"
    case .bool: "bool"
    case .uuid: "uuid"
    case .bytes: "bytes"
    case .json: "json"
    }
  }

  /// The words that a type may be spelled with, for messages.
  package static let spellings =
    "text, int, decimal(p,s), date, timestamp, bool, uuid, bytes or json"

  /// - Returns: nil when `spelling` is no type, or a decimal whose digits are out of range.
  package init?(_ spelling: String) {
    switch spelling {
    case "text": self = .text
    case "int": self = .int
    case "date": self = .date
    case "timestamp": self = .timestamp
    case "bool": self = .bool
    case "uuid": self = .uuid
    case "bytes": self = .bytes
    case "json": self = .json
    default:
      guard spelling.hasPrefix("decimal("), spelling.hasSuffix(")") else { return nil }
      let parts = spelling.dropFirst(8).dropLast().split(
        separator: ",", omittingEmptySubsequences: false)
      guard parts.count == 2, let precision = Self.digits(parts[0]),
        let scale = Self.digits(parts[1]), Self.fits(precision: precision, scale: scale)
      else { return nil }
      self = .decimal(precision: precision, scale: scale)
    }
  }

  private static func digits(_ text: Substring) -> UInt8? {
    let trimmed = text.drop { $0 == " " }
    guard !trimmed.isEmpty, trimmed.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
      return nil
    }
    return UInt8(trimmed)
  }

  private static func fits(precision: UInt8, scale: UInt8) -> Bool {
    precision >= 1 && precision <= PackageLimits.decimalDigitsMax && scale <= precision
  }

  package func encode(into encoder: inout Encoder) {
    switch self {
    case .text: encoder.variant(0)
    case .int: encoder.variant(1)
    case .decimal(let precision, let scale):
      encoder.variant(2)
      encoder.byte(precision)
      encoder.byte(scale)
    case .date: encoder.variant(3)
    case .timestamp: encoder.variant(4)
    case .bool: encoder.variant(5)
    case .uuid: encoder.variant(6)
    case .bytes: encoder.variant(7)
    case .json: encoder.variant(8)
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    switch try decoder.variant(count: 9) {
    case 0: self = .text
    case 1: self = .int
    case 2:
      let precision = try decoder.byte()
      let scale = try decoder.byte()
      guard Self.fits(precision: precision, scale: scale) else {
        throw decoder.fault("decimal(\(precision),\(scale)) is out of range")
      }
      self = .decimal(precision: precision, scale: scale)
    case 3: self = .date
    case 4: self = .timestamp
    case 5: self = .bool
    case 6: self = .uuid
    case 7: self = .bytes
    default: self = .json
    }
  }
}
