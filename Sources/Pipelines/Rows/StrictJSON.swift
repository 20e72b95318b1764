import Wire

/// Why bytes are not strict JSON. `offset` counts from the start of the batch.
struct JSONFault: Error, Sendable {
  let message: String
  let offset: Int
}

/// A JSON value before anything is made of it.
struct JSONToken: Sendable {
  enum Kind: Sendable { case string, number, yes, no, null, composite }

  let kind: Kind
  /// The bytes of the value; of a string, those between its quotes.
  let range: Range<Int>
  /// Whether the string holds escapes.
  let escaped: Bool

  /// The bytes of the value; of a string, its quotes too.
  var whole: Range<Int> {
    kind == .string ? range.lowerBound - 1..<range.upperBound + 1 : range
  }
}

/// Reads JSON (RFC 8259) strictly and keeps the spelling of numbers: no comments, no trailing
/// commas, no NaN, no duplicate keys, no lone surrogates, no U+0000.
///
/// - Bound: nesting is at most `PackageLimits.jsonDepthMax`.
struct JSONScanner {
  var at: Int
  let end: Int

  func fault(_ message: String) -> JSONFault { JSONFault(message: message, offset: at) }

  mutating func skipBlanks(_ bytes: Bytes) {
    while at < end {
      switch bytes[at] {
      case 0x20, 0x09, 0x0a, 0x0d: at += 1
      default: return
      }
    }
  }

  mutating func expect(_ byte: UInt8, _ bytes: Bytes, _ what: String) throws(JSONFault) {
    guard at < end, bytes[at] == byte else { throw fault("expected \(what)") }
    at += 1
  }

  /// Reads one value of any kind and leaves `at` behind it.
  mutating func token(_ bytes: Bytes, depth: Int = 0) throws(JSONFault) -> JSONToken {
    guard at < end else { throw fault("the text ends where a value should be") }
    let start = at
    switch bytes[at] {
    case UInt8(ascii: "\""): return try string(bytes)
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      try skipComposite(bytes, depth: depth)
      return JSONToken(kind: .composite, range: start..<at, escaped: false)
    case UInt8(ascii: "-"), 0x30...0x39:
      try skipNumber(bytes)
      return JSONToken(kind: .number, range: start..<at, escaped: false)
    case UInt8(ascii: "t"): return try word(bytes, "true", .yes)
    case UInt8(ascii: "f"): return try word(bytes, "false", .no)
    case UInt8(ascii: "n"): return try word(bytes, "null", .null)
    default: throw fault("expected a value")
    }
  }

  private mutating func word(
    _ bytes: Bytes, _ word: StaticString, _ kind: JSONToken.Kind
  ) throws(JSONFault) -> JSONToken {
    let range = at..<min(end, at + word.utf8CodeUnitCount)
    guard FieldParser.equal(bytes, range, word) else { throw fault("expected a value") }
    at = range.upperBound
    return JSONToken(kind: kind, range: range, escaped: false)
  }

  private mutating func skipNumber(_ bytes: Bytes) throws(JSONFault) {
    if bytes[at] == UInt8(ascii: "-") { at += 1 }
    guard at < end, bytes[at] &- 0x30 <= 9 else { throw fault("expected a digit") }
    if bytes[at] == 0x30 {
      at += 1
      guard at == end || bytes[at] &- 0x30 > 9 else {
        throw fault("a number does not begin with 0")
      }
    } else {
      skipDigits(bytes)
    }
    if at < end, bytes[at] == UInt8(ascii: ".") {
      at += 1
      try requireDigits(bytes)
    }
    if at < end, bytes[at] | 0x20 == UInt8(ascii: "e") {
      at += 1
      if at < end, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
      try requireDigits(bytes)
    }
  }

  private mutating func requireDigits(_ bytes: Bytes) throws(JSONFault) {
    guard at < end, bytes[at] &- 0x30 <= 9 else { throw fault("expected a digit") }
    skipDigits(bytes)
  }

  private mutating func skipDigits(_ bytes: Bytes) {
    while at < end, bytes[at] &- 0x30 <= 9 { at += 1 }
  }

  mutating func string(_ bytes: Bytes) throws(JSONFault) -> JSONToken {
    try expect(UInt8(ascii: "\""), bytes, "a string")
    let start = at
    var escaped = false
    while at < end {
      let byte = bytes[at]
      if byte == UInt8(ascii: "\"") {
        let range = start..<at
        at += 1
        return JSONToken(kind: .string, range: range, escaped: escaped)
      }
      guard byte >= 0x20 else {
        throw fault("a control character in a string; write it as an escape")
      }
      if byte == UInt8(ascii: "\\") {
        escaped = true
        at += 1
        _ = try escape(bytes)
      } else {
        at += 1
      }
    }
    throw fault("a string is not closed")
  }

  /// Reads what follows a backslash and leaves `at` behind it.
  private mutating func escape(_ bytes: Bytes) throws(JSONFault) -> Unicode.Scalar {
    guard at < end else { throw fault("an escape is cut off") }
    let byte = bytes[at]
    at += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try unicodeEscape(bytes)
    default: throw fault("an unknown escape")
    }
  }

  private mutating func unicodeEscape(_ bytes: Bytes) throws(JSONFault) -> Unicode.Scalar {
    let first = try fourDigits(bytes)
    if let scalar = Unicode.Scalar(first) {
      guard first != 0 else { throw fault("the character U+0000, which no stored text may hold") }
      return scalar
    }
    guard first < 0xdc00, at + 1 < end, bytes[at] == UInt8(ascii: "\\"),
      bytes[at + 1] == UInt8(ascii: "u")
    else { throw fault("half of a surrogate pair") }
    at += 2
    let second = try fourDigits(bytes)
    guard second >= 0xdc00, second < 0xe000,
      let scalar = Unicode.Scalar(0x1_0000 + (first - 0xd800) << 10 + (second - 0xdc00))
    else { throw fault("half of a surrogate pair") }
    return scalar
  }

  private mutating func fourDigits(_ bytes: Bytes) throws(JSONFault) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard at < end, let digit = FieldParser.nibble(bytes[at]) else {
        throw fault("four hexadecimal digits follow \\u")
      }
      value = value << 4 | UInt32(digit)
      at += 1
    }
    return value
  }

  /// The bytes of a string whose escapes have been found well-formed by `string`.
  static func unescaped(_ bytes: Bytes, _ token: JSONToken) throws(JSONFault) -> [UInt8] {
    guard token.escaped else { return FieldParser.copy(bytes, token.range) }
    var scanner = JSONScanner(at: token.range.lowerBound, end: token.range.upperBound)
    var out: [UInt8] = []
    out.reserveCapacity(token.range.count)
    while scanner.at < scanner.end {
      let byte = bytes[scanner.at]
      scanner.at += 1
      guard byte == UInt8(ascii: "\\") else {
        out.append(byte)
        continue
      }
      out.append(
        contentsOf: UTF8.encode(try scanner.escape(bytes)) ?? UTF8.encodedReplacementCharacter)
    }
    return out
  }

  private mutating func skipComposite(
    _ bytes: Bytes, depth: Int
  ) throws(JSONFault) {
    guard depth < PackageLimits.jsonDepthMax else {
      throw fault("nested deeper than \(PackageLimits.jsonDepthMax)")
    }
    let isObject = bytes[at] == UInt8(ascii: "{")
    let close = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
    at += 1
    skipBlanks(bytes)
    if at < end, bytes[at] == close {
      at += 1
      return
    }
    while true {
      if isObject {
        skipBlanks(bytes)
        _ = try string(bytes)
        skipBlanks(bytes)
        try expect(UInt8(ascii: ":"), bytes, "a colon")
      }
      skipBlanks(bytes)
      _ = try token(bytes, depth: depth + 1)
      skipBlanks(bytes)
      guard at < end, bytes[at] == UInt8(ascii: ",") else { break }
      at += 1
    }
    try expect(close, bytes, isObject ? "a comma or }" : "a comma or ]")
  }
}

/// Writes JSON in the one form in which it is stored: keys ascending by their UTF-8 bytes, no
/// spaces, the fewest escapes, numbers only as integers of 64 bits.
enum CanonicalJSON {
  /// - Throws: what the text breaks, syntax included.
  static func text(
    _ bytes: Bytes, _ range: Range<Int>
  ) throws(JSONFault) -> [UInt8] {
    var scanner = JSONScanner(at: range.lowerBound, end: range.upperBound)
    var out: [UInt8] = []
    scanner.skipBlanks(bytes)
    try append(bytes, &scanner, depth: 0, to: &out)
    scanner.skipBlanks(bytes)
    guard scanner.at == scanner.end else { throw scanner.fault("text follows the value") }
    return out
  }

  private static func append(
    _ bytes: Bytes, _ scanner: inout JSONScanner, depth: Int, to out: inout [UInt8]
  ) throws(JSONFault) {
    guard scanner.at < scanner.end else { throw scanner.fault("a value is missing") }
    guard depth <= PackageLimits.jsonDepthMax else {
      throw scanner.fault("nested deeper than \(PackageLimits.jsonDepthMax)")
    }
    switch bytes[scanner.at] {
    case UInt8(ascii: "{"): try appendObject(bytes, &scanner, depth: depth, to: &out)
    case UInt8(ascii: "["): try appendArray(bytes, &scanner, depth: depth, to: &out)
    default:
      let token = try scanner.token(bytes)
      switch token.kind {
      case .string: quote(try JSONScanner.unescaped(bytes, token), into: &out)
      case .number: try appendNumber(bytes, token.range, to: &out)
      case .yes, .no, .null, .composite:
        out.append(contentsOf: FieldParser.copy(bytes, token.range))
      }
    }
  }

  private static func appendNumber(
    _ bytes: Bytes, _ range: Range<Int>, to out: inout [UInt8]
  ) throws(JSONFault) {
    do {
      let value = try FieldParser.integer(bytes, range)
      out.append(contentsOf: String(value).utf8)
    } catch {
      throw JSONFault(
        message:
          "\(FieldParser.quoted(bytes, range)) is no integer of 64 bits; write it as a string",
        offset: range.lowerBound)
    }
  }

  private static func appendArray(
    _ bytes: Bytes, _ scanner: inout JSONScanner, depth: Int, to out: inout [UInt8]
  ) throws(JSONFault) {
    scanner.at += 1
    out.append(UInt8(ascii: "["))
    scanner.skipBlanks(bytes)
    var first = true
    while scanner.at < scanner.end, bytes[scanner.at] != UInt8(ascii: "]") || !first {
      if !first { out.append(UInt8(ascii: ",")) }
      first = false
      scanner.skipBlanks(bytes)
      try append(bytes, &scanner, depth: depth + 1, to: &out)
      scanner.skipBlanks(bytes)
      guard scanner.at < scanner.end, bytes[scanner.at] == UInt8(ascii: ",") else { break }
      scanner.at += 1
    }
    try scanner.expect(UInt8(ascii: "]"), bytes, "a comma or ]")
    out.append(UInt8(ascii: "]"))
  }

  private static func appendObject(
    _ bytes: Bytes, _ scanner: inout JSONScanner, depth: Int, to out: inout [UInt8]
  ) throws(JSONFault) {
    scanner.at += 1
    var members: [(key: [UInt8], value: [UInt8])] = []
    scanner.skipBlanks(bytes)
    var first = true
    while scanner.at < scanner.end, bytes[scanner.at] != UInt8(ascii: "}") || !first {
      first = false
      scanner.skipBlanks(bytes)
      let key = try JSONScanner.unescaped(bytes, try scanner.string(bytes))
      scanner.skipBlanks(bytes)
      try scanner.expect(UInt8(ascii: ":"), bytes, "a colon")
      scanner.skipBlanks(bytes)
      var value: [UInt8] = []
      try append(bytes, &scanner, depth: depth + 1, to: &value)
      members.append((key, value))
      scanner.skipBlanks(bytes)
      guard scanner.at < scanner.end, bytes[scanner.at] == UInt8(ascii: ",") else { break }
      scanner.at += 1
    }
    try scanner.expect(UInt8(ascii: "}"), bytes, "a comma or }")
    try write(members, scanner, to: &out)
  }

  private static func write(
    _ members: [(key: [UInt8], value: [UInt8])], _ scanner: JSONScanner, to out: inout [UInt8]
  ) throws(JSONFault) {
    let sorted = members.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    for (before, member) in zip(sorted, sorted.dropFirst()) where before.key == member.key {
      throw scanner.fault("the key \(String(decoding: member.key, as: UTF8.self)) stands twice")
    }
    append(sorted, to: &out)
  }

  /// An object of members whose values are JSON already, in their order.
  static func object(_ members: [(key: [UInt8], value: [UInt8])]) -> [UInt8] {
    var out: [UInt8] = []
    append(members, to: &out)
    return out
  }

  private static func append(
    _ members: [(key: [UInt8], value: [UInt8])], to out: inout [UInt8]
  ) {
    out.append(UInt8(ascii: "{"))
    for (index, member) in members.enumerated() {
      if index > 0 { out.append(UInt8(ascii: ",")) }
      quote(member.key, into: &out)
      out.append(UInt8(ascii: ":"))
      out.append(contentsOf: member.value)
    }
    out.append(UInt8(ascii: "}"))
  }

  /// A text as a JSON string.
  static func quoted(_ text: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    quote(text, into: &out)
    return out
  }

  /// Appends a JSON string with the fewest escapes.
  static func quote(_ text: [UInt8], into out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        out.append(UInt8(ascii: "\\"))
        out.append(byte)
      case 0x08: out.append(contentsOf: "\\b".utf8)
      case 0x09: out.append(contentsOf: "\\t".utf8)
      case 0x0a: out.append(contentsOf: "\\n".utf8)
      case 0x0c: out.append(contentsOf: "\\f".utf8)
      case 0x0d: out.append(contentsOf: "\\r".utf8)
      case 0..<0x20:
        out.append(contentsOf: "\\u00".utf8)
        out.append(contentsOf: [byte].hex.utf8)
      default: out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
  }
}
