/// Why bytes are not JSON, and where.
package struct JSONFault: Error, Equatable, CustomStringConvertible {
  package let what: String
  package let offset: Int
  package var description: String { "\(what) at byte \(offset + 1)" }
}

extension JSON {
  /// Reads one value that fills `bytes`. A name given twice in an object is a fault.
  package init(parsing bytes: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(bytes: bytes)
    self = try reader.value(depth: 0)
    reader.skipSpace()
    guard reader.offset == bytes.count else { throw reader.fault("something follows the value") }
  }
}

/// Reads JSON by RFC 8259, strictly.
///
/// - Bound: nests `GatewayLimits.jsonDepthMax` deep at most; its memory is that of its input.
struct JSONReader {
  let bytes: [UInt8]
  var offset = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  func fault(_ what: String) -> JSONFault { JSONFault(what: what, offset: offset) }

  private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
      offset += 1
    }
  }

  mutating func value(depth: Int) throws(JSONFault) -> JSON {
    guard depth < GatewayLimits.jsonDepthMax else { throw fault("nested too deep") }
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try list(depth: depth)
    case UInt8(ascii: "\""): return .text(try text())
    case UInt8(ascii: "t"): return try word("true", .flag(true))
    case UInt8(ascii: "f"): return try word("false", .flag(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case .some: return try number()
    case nil: throw fault("the value is missing")
    }
  }

  private mutating func word(_ word: String, _ value: JSON) throws(JSONFault) -> JSON {
    guard bytes[offset...].starts(with: word.utf8) else { throw fault("an unknown word") }
    offset += word.utf8.count
    return value
  }

  private mutating func object(depth: Int) throws(JSONFault) -> JSON {
    offset += 1
    var members: [(String, JSON)] = []
    var names: Set<String> = []
    skipSpace()
    if next == UInt8(ascii: "}") {
      offset += 1
      return .object([])
    }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw fault("a member's name is missing") }
      let name = try text()
      guard names.insert(name).inserted else { throw fault("\"\(name)\" is given twice") }
      skipSpace()
      guard next == UInt8(ascii: ":") else { throw fault("a colon is missing") }
      offset += 1
      members.append((name, try value(depth: depth + 1)))
      guard try continues(to: UInt8(ascii: "}")) else { return .object(members) }
    }
  }

  private mutating func list(depth: Int) throws(JSONFault) -> JSON {
    offset += 1
    var values: [JSON] = []
    skipSpace()
    if next == UInt8(ascii: "]") {
      offset += 1
      return .list([])
    }
    while true {
      values.append(try value(depth: depth + 1))
      guard try continues(to: UInt8(ascii: "]")) else { return .list(values) }
    }
  }

  /// Whether a comma follows rather than the closing byte.
  private mutating func continues(to end: UInt8) throws(JSONFault) -> Bool {
    skipSpace()
    guard let byte = next, byte == end || byte == UInt8(ascii: ",") else {
      throw fault("a comma or an end is missing")
    }
    offset += 1
    return byte != end
  }

  private mutating func text() throws(JSONFault) -> String {
    offset += 1
    var out: [UInt8] = []
    while let byte = next {
      offset += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: out, as: UTF8.self) else {
          throw fault("a text is not valid UTF-8")
        }
        return text
      case UInt8(ascii: "\\"): try escape(into: &out)
      case 0..<0x20: throw fault("a control character in a text")
      default: out.append(byte)
      }
    }
    throw fault("a text does not end")
  }

  private mutating func escape(into out: inout [UInt8]) throws(JSONFault) {
    guard let byte = next else { throw fault("a text does not end") }
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0c)
    case UInt8(ascii: "n"): out.append(0x0a)
    case UInt8(ascii: "r"): out.append(0x0d)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "u"): out.append(contentsOf: String(try scalar()).utf8)
    default: throw fault("an unknown escape")
    }
  }

  private mutating func scalar() throws(JSONFault) -> Character {
    let first = try unit()
    var value = UInt32(first)
    if 0xd800..<0xdc00 ~= first {
      guard next == UInt8(ascii: "\\") else { throw fault("half a surrogate pair") }
      offset += 1
      guard next == UInt8(ascii: "u") else { throw fault("half a surrogate pair") }
      offset += 1
      let second = try unit()
      guard 0xdc00..<0xe000 ~= second else { throw fault("half a surrogate pair") }
      value = 0x10000 + (UInt32(first) - 0xd800) << 10 + (UInt32(second) - 0xdc00)
    }
    guard let scalar = Unicode.Scalar(value) else { throw fault("half a surrogate pair") }
    return Character(scalar)
  }

  private mutating func unit() throws(JSONFault) -> UInt16 {
    guard offset + 4 <= bytes.count,
      bytes[offset..<offset + 4].allSatisfy({ isHexDigit($0) }),
      let unit = UInt16(String(decoding: bytes[offset..<offset + 4], as: UTF8.self), radix: 16)
    else { throw fault("four hexadecimal digits are missing") }
    offset += 4
    return unit
  }

  private func isHexDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
    default: false
    }
  }

  private mutating func number() throws(JSONFault) -> JSON {
    let start = offset
    if next == UInt8(ascii: "-") { offset += 1 }
    let whole = digits()
    guard whole > 0, whole == 1 || bytes[offset - whole] != UInt8(ascii: "0") else {
      throw fault("no JSON value begins here")
    }
    var isWhole = true
    if next == UInt8(ascii: ".") {
      isWhole = false
      offset += 1
      guard digits() > 0 else { throw fault("digits are missing") }
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      isWhole = false
      offset += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { offset += 1 }
      guard digits() > 0 else { throw fault("digits are missing") }
    }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    if isWhole, let value = Int64(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw fault("a number is too large") }
    return .real(value)
  }

  private mutating func digits() -> Int {
    let start = offset
    while let byte = next, 0x30...0x39 ~= byte { offset += 1 }
    return offset - start
  }
}
