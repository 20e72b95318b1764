/// Reads JSON that stands in a statement: no spaces, no escapes, each key once, numbers only as
/// integers of 64 bits. Of all else one SQLite may make REAL, an error or other bytes than another.
///
/// - Bound: nested at most `SQLLimits.nestingMax` deep.
struct LiteralJSON {
  private let bytes: [UInt8]
  private var at = 0

  private init(_ text: String) { bytes = Array(text.utf8) }

  static func isPlain(_ text: String) -> Bool {
    var reader = LiteralJSON(text)
    return reader.value(depth: 0) && reader.at == reader.bytes.count
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  private mutating func value(depth: Int) -> Bool {
    guard depth < SQLLimits.nestingMax else { return false }
    if take("{") { return members(until: "}", depth) }
    if take("[") { return members(until: "]", depth) }
    if take("\"") { return string() != nil }
    return word()
  }

  private mutating func members(until end: Unicode.Scalar, _ depth: Int) -> Bool {
    if take(end) { return true }
    var keys: Set<[UInt8]> = []
    repeat {
      if end == "}" {
        guard take("\""), let key = string(), keys.insert(key).inserted, take(":") else {
          return false
        }
      }
      guard value(depth: depth + 1) else { return false }
    } while take(",")
    return take(end)
  }

  /// The bytes up to the closing quote; nil where there is none, an escape or a control character.
  private mutating func string() -> [UInt8]? {
    let start = at
    while at < bytes.count, bytes[at] >= 0x20, bytes[at] != UInt8(ascii: "\\") {
      if take("\"") { return Array(bytes[start..<at - 1]) }
      at += 1
    }
    return nil
  }

  private mutating func word() -> Bool {
    let rest = bytes[at...].prefix { byte in
      byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte)
    }
    at = rest.endIndex
    let word = String(decoding: rest, as: UTF8.self)
    return ["true", "false", "null"].contains(word) || Int64(word).map(String.init) == word
  }
}
