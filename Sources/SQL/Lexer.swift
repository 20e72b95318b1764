/// Where a text comes from, and so what beside the statement it may hold.
package enum TextForm: Sendable {
  /// A file of the package: comments and one closing semicolon are welcome.
  case file
  /// Typed by a person or sent by a client: no comments, no semicolon.
  case adhoc
}

/// Cuts a text into tokens, template tokens among them, so that places stay true.
///
/// - Safety: what it does not know is refused; a quoted identifier holds letters, digits and `_`.
/// - Bound: text, tokens, identifiers and literals are limited by `SQLLimits`.
struct Lexer {
  let source: SQLText
  let form: TextForm
  private let bytes: [UInt8]
  private var offset = 0
  private var line = 1
  private var column = 1

  init(_ source: SQLText, form: TextForm) {
    self.source = source
    self.form = form
    bytes = Array(source.text.utf8)
  }

  /// All tokens of the text, closed by `.end`.
  static func tokens(of source: SQLText, form: TextForm) throws(Diagnostic) -> [Token] {
    var lexer = Lexer(source, form: form)
    guard lexer.bytes.count <= SQLLimits.textBytesMax else {
      throw source.refusal(
        "SQL03", at: lexer.place, "the text is longer than \(SQLLimits.textBytesMax) bytes",
        because: "one statement of this size is never needed", fix: "split it into models")
    }
    var tokens: [Token] = []
    while true {
      let token = try lexer.next()
      tokens.append(token)
      if token.kind == .end { return tokens }
      if tokens.count > SQLLimits.tokensMax {
        throw source.refusal(
          "SQL03", at: token.place, "more than \(SQLLimits.tokensMax) tokens",
          because: "one statement of this size is never needed", fix: "split it into models")
      }
    }
  }

  private var place: Place { Place(line: line, column: column, offset: offset) }

  private func peek(_ ahead: Int = 0) -> UInt8? {
    offset + ahead < bytes.count ? bytes[offset + ahead] : nil
  }

  private mutating func advance(_ count: Int = 1) {
    for _ in 0..<count where offset < bytes.count {
      if bytes[offset] == 10 {
        line += 1
        column = 1
      } else if bytes[offset] & 0xC0 != 0x80 {
        column += 1
      }
      offset += 1
    }
    // A continuation byte belongs to the column of its first byte.
    while offset < bytes.count, bytes[offset] & 0xC0 == 0x80 { offset += 1 }
  }

  private mutating func next() throws(Diagnostic) -> Token {
    try skipBlanks()
    let start = place
    guard let byte = peek() else { return Token(kind: .end, place: start, end: offset) }
    let kind: TokenKind
    switch byte {
    case UInt8(ascii: "'"): kind = .string(try string())
    case UInt8(ascii: "\""): kind = .quoted(try quotedName())
    case UInt8(ascii: "0")...UInt8(ascii: "9"): kind = try number()
    case UInt8(ascii: ":"): kind = .parameter(try parameterName())
    case UInt8(ascii: "{"): kind = .template(try template())
    case UInt8(ascii: "x"), UInt8(ascii: "X"):
      kind = peek(1) == UInt8(ascii: "'") ? .blob(try blob()) : .word(try word())
    case _ where byte.isNameStart: kind = .word(try word())
    case UInt8(ascii: ".") where peek(1)?.isDigit == true: kind = try number()
    default: kind = .symbol(try symbol())
    }
    return Token(kind: kind, place: start, end: offset)
  }

  private mutating func skipBlanks() throws(Diagnostic) {
    while let byte = peek() {
      switch byte {
      case 32, 9, 10, 13: advance()
      case UInt8(ascii: "-") where peek(1) == UInt8(ascii: "-"):
        try refuseCommentInAdhoc()
        while let byte = peek(), byte != 10 {
          if byte == 0 { throw nul() }
          advance()
        }
      case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"):
        try refuseCommentInAdhoc()
        try skipBlockComment()
      default: return
      }
    }
  }

  private func refuseCommentInAdhoc() throws(Diagnostic) {
    guard form == .adhoc else { return }
    throw source.refusal(
      "SQL01", at: place, "a comment in an ad-hoc query",
      because: "comments belong in the files of a package", fix: "remove the comment")
  }

  private mutating func skipBlockComment() throws(Diagnostic) {
    let start = place
    advance(2)
    while let byte = peek() {
      if byte == 0 { throw nul() }
      if byte == UInt8(ascii: "*"), peek(1) == UInt8(ascii: "/") { return advance(2) }
      advance()
    }
    throw source.refusal(
      "SQL01", at: start, "a comment without an end",
      because: "this /* has no */", fix: "close the comment with */")
  }

  private func nul() -> Diagnostic {
    source.refusal(
      "QD24", at: place, "a NUL character",
      because: "text ends at a NUL for some functions and not for others",
      fix: "remove the character")
  }

  private mutating func word() throws(Diagnostic) -> String {
    let start = place
    while let byte = peek(), byte.isNamePart { advance() }
    return try name(from: start.offset, to: offset, at: start)
  }

  private func name(from start: Int, to end: Int, at place: Place) throws(Diagnostic) -> String {
    guard end - start <= SQLLimits.identifierBytesMax else {
      throw source.refusal(
        "SQL03", at: place, "a name longer than \(SQLLimits.identifierBytesMax) bytes",
        because: "names are limited", fix: "shorten the name")
    }
    return String(decoding: bytes[start..<end], as: UTF8.self)
  }

  private mutating func quotedName() throws(Diagnostic) -> String {
    let start = place
    advance()
    // Not `offset`: optimizing, Swift 6.3.1 takes its value from before `advance()` here.
    let begin = start.offset + 1
    while let byte = peek(), byte.isNamePart { advance() }
    guard peek() == UInt8(ascii: "\""), offset > begin, bytes[begin].isNameStart else {
      throw source.refusal(
        "SQL02", at: start, "a quoted name with other characters than letters, digits and _",
        because: "a name can then hide a comment, a semicolon or a second SELECT",
        fix: "single quotes for text: '…'; letters, digits and _ for a name")
    }
    let name = try name(from: begin, to: offset, at: start)
    advance()
    return name
  }

  private mutating func parameterName() throws(Diagnostic) -> String {
    let start = place
    advance()
    let begin = offset
    guard let byte = peek(), byte.isNameStart else {
      throw source.refusal(
        "SQL01", at: start, "a ':' without a name", because: "parameters are named",
        fix: ":name")
    }
    while let byte = peek(), byte.isNamePart { advance() }
    return try name(from: begin, to: offset, at: start)
  }

  /// A text literal; a doubled quote stands for one.
  private mutating func string() throws(Diagnostic) -> String {
    let start = place
    advance()
    var content: [UInt8] = []
    while let byte = peek() {
      if byte == 0 { throw nul() }
      if byte == UInt8(ascii: "'") {
        guard peek(1) == UInt8(ascii: "'") else {
          advance()
          return try literal(content, at: start)
        }
        advance()
      }
      let from = offset
      advance()
      content += bytes[from..<offset]
    }
    throw source.refusal(
      "SQL01", at: start, "a text literal without an end", because: "this quote is never closed",
      fix: "close it with ' and write '' for a quote inside")
  }

  private func literal(_ content: [UInt8], at place: Place) throws(Diagnostic) -> String {
    guard content.count <= SQLLimits.literalBytesMax else {
      throw source.refusal(
        "SQL03", at: place, "a literal longer than \(SQLLimits.literalBytesMax) bytes",
        because: "literals are limited", fix: "put it into a seed table")
    }
    return String(decoding: content, as: UTF8.self)
  }

  private mutating func blob() throws(Diagnostic) -> [UInt8] {
    let start = place
    advance(2)
    var digits: [UInt8] = []
    while let byte = peek(), let digit = byte.hexDigit {
      digits.append(digit)
      advance()
    }
    let closed = peek() == UInt8(ascii: "'")
    guard closed, digits.count % 2 == 0, digits.count / 2 <= SQLLimits.literalBytesMax else {
      throw source.refusal(
        "SQL01", at: start, "a blob literal that is not pairs of hexadecimal digits",
        because: "x'…' holds an even number of digits", fix: "x'00ff'")
    }
    advance()
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  private mutating func number() throws(Diagnostic) -> TokenKind {
    let start = place
    if peek() == UInt8(ascii: "0"), peek(1) == UInt8(ascii: "x") || peek(1) == UInt8(ascii: "X") {
      return try hexadecimal(at: start)
    }
    var isReal = false
    while let byte = peek(), byte.isDigit { advance() }
    if peek() == UInt8(ascii: ".") {
      isReal = true
      advance()
      while let byte = peek(), byte.isDigit { advance() }
    }
    if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
      let signed = peek(1) == UInt8(ascii: "+") || peek(1) == UInt8(ascii: "-")
      if peek(signed ? 2 : 1)?.isDigit == true {
        isReal = true
        advance(signed ? 2 : 1)
        while let byte = peek(), byte.isDigit { advance() }
      }
    }
    if let byte = peek(), byte.isNamePart || offset - start.offset > 64 {
      throw source.refusal(
        "SQL01", at: start, "a number that runs into a name",
        because: "a number ends before a letter", fix: "put a space between")
    }
    let text = String(decoding: bytes[start.offset..<offset], as: UTF8.self)
    if !isReal, let value = Int64(text) { return .integer(value) }
    return .real(text)
  }

  private mutating func hexadecimal(at start: Place) throws(Diagnostic) -> TokenKind {
    advance(2)
    let begin = offset
    while let byte = peek(), byte.hexDigit != nil { advance() }
    let digits = String(decoding: bytes[begin..<offset], as: UTF8.self)
    guard let value = UInt64(digits, radix: 16), peek()?.isNamePart != true else {
      throw source.refusal(
        "SQL01", at: start, "a hexadecimal number that is not 1 to 16 digits",
        because: "integers have 64 bits", fix: "0xff")
    }
    return .integer(Int64(bitPattern: value))
  }

  private mutating func symbol() throws(Diagnostic) -> Symbol {
    let start = place
    for length in [3, 2, 1] where offset + length <= bytes.count {
      let text = String(decoding: bytes[offset..<offset + length], as: UTF8.self)
      if let symbol = Symbol(rawValue: text) {
        advance(length)
        return symbol
      }
    }
    throw unknownCharacter(at: start)
  }

  private func unknownCharacter(at place: Place) -> Diagnostic {
    switch bytes[offset] {
    case 0: return nul()
    case UInt8(ascii: "?"), UInt8(ascii: "@"), UInt8(ascii: "$"):
      return source.refusal(
        "QD43", at: place, "a parameter that is not named with ':'",
        because: "parameters are named and typed", fix: ":name")
    case UInt8(ascii: "`"), UInt8(ascii: "["):
      return source.refusal(
        "SQL02", at: place, "a name in brackets or backquotes",
        because: "names are quoted with \"…\" only", fix: "\"name\"")
    default:
      return source.refusal(
        "SQL02", at: place, "a character that SQL does not use here",
        because: "letters outside of ASCII belong in text literals", fix: "remove the character")
    }
  }

  // MARK: Template tokens

  private mutating func template() throws(Diagnostic) -> Template {
    let start = place
    guard peek(1) == UInt8(ascii: "{") else { throw badTemplate(at: start) }
    advance(2)
    skipSpaces()
    let begin = offset
    while let byte = peek(), byte.isNamePart { advance() }
    let word = String(decoding: bytes[begin..<offset], as: UTF8.self)
    skipSpaces()
    var argument: String?
    if peek() == UInt8(ascii: "(") {
      advance()
      skipSpaces()
      guard peek() == UInt8(ascii: "'") else { throw badTemplate(at: start) }
      argument = try string()
      skipSpaces()
      guard peek() == UInt8(ascii: ")") else { throw badTemplate(at: start) }
      advance()
      skipSpaces()
    }
    guard peek() == UInt8(ascii: "}"), peek(1) == UInt8(ascii: "}") else {
      throw badTemplate(at: start)
    }
    advance(2)
    switch (word, argument) {
    case ("ref", let name?) where name.isIdentifier: return .ref(name)
    case ("source", let name?) where name.isIdentifier: return .source(name)
    case ("var", let name?) where name.isIdentifier: return .variable(name)
    case ("changed", nil): return .changed
    default: throw badTemplate(at: start)
    }
  }

  private mutating func skipSpaces() {
    while let byte = peek(), byte == 32 || byte == 9 || byte == 10 || byte == 13 { advance() }
  }

  private func badTemplate(at place: Place) -> Diagnostic {
    source.refusal(
      "SQL10", at: place, "not one of the four template tokens",
      because: "there is no template language beside them",
      fix: "{{ ref('model') }}, {{ source('name') }}, {{ var('name') }} or {{ changed }}")
  }
}

extension UInt8 {
  var isDigit: Bool { self >= 48 && self <= 57 }
  var isNameStart: Bool { self >= 65 && self <= 90 || self >= 97 && self <= 122 || self == 95 }
  var isNamePart: Bool { isNameStart || isDigit }
  var hexDigit: UInt8? {
    switch self {
    case 48...57: self - 48
    case 65...70: self - 55
    case 97...102: self - 87
    default: nil
    }
  }
}

extension String {
  /// True for letters, digits and `_`, not led by a digit, within the limit.
  var isIdentifier: Bool {
    guard let first = utf8.first, first.isNameStart else { return false }
    return utf8.count <= SQLLimits.identifierBytesMax && utf8.allSatisfy(\.isNamePart)
  }
}
