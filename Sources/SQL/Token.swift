/// A token with its place and the byte offset behind it.
struct Token: Sendable {
  let kind: TokenKind
  let place: Place
  let end: Int
}

enum TokenKind: Sendable, Equatable {
  /// An unquoted word: keyword or identifier.
  case word(String)
  case quoted(String)
  case integer(Int64)
  /// An integer beyond 64 bits, or a literal with a point or an exponent.
  case real(String)
  case string(String)
  case blob([UInt8])
  case parameter(String)
  case template(Template)
  case symbol(Symbol)
  case end
}

enum Template: Sendable, Equatable {
  case ref(String)
  case source(String)
  case variable(String)
  case changed
}

enum Symbol: String, Sendable, CaseIterable {
  case open = "("
  case close = ")"
  case comma = ","
  case dot = "."
  case semicolon = ";"
  case plus = "+"
  case minus = "-"
  case star = "*"
  case slash = "/"
  case percent = "%"
  case equal = "="
  case doubleEqual = "=="
  case notEqual = "<>"
  case bangEqual = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case shiftLeft = "<<"
  case shiftRight = ">>"
  case ampersand = "&"
  case bar = "|"
  case doubleBar = "||"
  case tilde = "~"
  case arrow = "->"
  case arrowText = "->>"
}

extension Token {
  /// How an error names the token.
  var spelling: String {
    switch kind {
    case .word(let word): word
    case .quoted(let name): "\"\(name)\""
    case .integer(let value): String(value)
    case .real(let text): text
    case .string(let text): "'\(text)'"
    case .blob: "a blob literal"
    case .parameter(let name): ":\(name)"
    case .template: "a template token"
    case .symbol(let symbol): symbol.rawValue
    case .end: "the end of the text"
    }
  }
}
