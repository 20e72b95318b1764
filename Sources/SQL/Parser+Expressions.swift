extension Parser {
  /// An expression at the weakest binding.
  mutating func expression() throws(Diagnostic) -> Expression { try expression(above: 0) }

  /// An expression whose operators all bind more strongly than `strength`.
  mutating func expression(above strength: Int) throws(Diagnostic) -> Expression {
    try enter()
    defer { nesting -= 1 }
    var left = try prefix(strength)
    while true {
      if let (operation, tokens) = infix(), operation.strength > strength {
        let at = place
        for _ in 0..<tokens { advance() }
        let right = try expression(above: operation.strength)
        left = try tree(.binary(operation, left, right), at, left, right)
      } else if strength < 4, let next = try predicate(left) {
        left = next
      } else if peekWord("collate") {
        left = try collated(left)
      } else {
        return left
      }
    }
  }

  /// A node above others; its height is bounded.
  func tree(
    _ kind: ExpressionKind, _ at: Place, _ parts: Expression...
  ) throws(Diagnostic) -> Expression {
    let height = 1 + (parts.map(\.height).max() ?? 0)
    guard height <= SQLLimits.treeHeightMax else {
      throw limit("an expression of more than \(SQLLimits.treeHeightMax) levels", at: at)
    }
    return Expression(kind, at: at, height: height)
  }

  private mutating func prefix(_ strength: Int) throws(Diagnostic) -> Expression {
    let at = place
    if takeWord("not") {
      if peekWord("exists") { return try negated(try primary(), at) }
      return try negated(try expression(above: 3), at)
    }
    if take(.minus) {
      if case .integer(let value) = current.kind {
        guard value != .min else {
          throw source.refusal(
            "QD22", at: at, "minus the smallest integer",
            because: "64 bits do not hold the number", fix: "0x7fffffffffffffff")
        }
        advance()
        return Expression(.literal(.integer(-value)), at: at)
      }
      return try unary(.minus, at)
    }
    if take(.plus) { return try unary(.plus, at) }
    if take(.tilde) { return try unary(.invert, at) }
    return try primary()
  }

  private func negated(_ part: Expression, _ at: Place) throws(Diagnostic) -> Expression {
    try tree(.unary(.not, part), at, part)
  }

  private mutating func unary(
    _ operation: UnaryOperator, _ at: Place
  ) throws(Diagnostic) -> Expression {
    let part = try expression(above: 9)
    return try tree(.unary(operation, part), at, part)
  }

  /// The binary operator here and how many tokens it has.
  private func infix() -> (BinaryOperator, Int)? {
    switch current.kind {
    case .symbol(let symbol):
      let operation: BinaryOperator? =
        switch symbol {
        case .plus: .plus
        case .minus: .minus
        case .star: .times
        case .slash: .divide
        case .percent: .remainder
        case .equal, .doubleEqual: .equal
        case .notEqual, .bangEqual: .notEqual
        case .less: .less
        case .lessOrEqual: .lessOrEqual
        case .greater: .greater
        case .greaterOrEqual: .greaterOrEqual
        case .shiftLeft: .shiftLeft
        case .shiftRight: .shiftRight
        case .ampersand: .bitAnd
        case .bar: .bitOr
        case .doubleBar: .concatenate
        case .arrow: .arrow
        case .arrowText: .arrowText
        default: nil
        }
      return operation.map { ($0, 1) }
    case .word:
      if peekWord("and") { return (.and, 1) }
      if peekWord("or") { return (.or, 1) }
      guard peekWord("is") else { return nil }
      if peekWord("null", ahead: 1) || peekWord("not", ahead: 1) && peekWord("null", ahead: 2) {
        return nil
      }
      if peekWord("not", ahead: 1) {
        let distinct = peekWord("distinct", ahead: 2) && peekWord("from", ahead: 3)
        return distinct ? (.is, 4) : (.isNot, 2)
      }
      let distinct = peekWord("distinct", ahead: 1) && peekWord("from", ahead: 2)
      return distinct ? (.isNot, 3) : (.is, 1)
    default: return nil
    }
  }

  /// IS NULL, IN, BETWEEN, LIKE and GLOB behind their operand; nil when none stands here.
  private mutating func predicate(_ left: Expression) throws(Diagnostic) -> Expression? {
    let at = place
    if peekWord("is") {
      advance()
      let negated = takeWord("not")
      try expectWord("null")
      return try tree(.isNull(left, negated: negated), at, left)
    }
    if takeWord("isnull") { return try tree(.isNull(left, negated: false), at, left) }
    if takeWord("notnull") { return try tree(.isNull(left, negated: true), at, left) }
    let negated = peekWord("not")
    let word = negated ? 1 : 0
    if negated, peekWord("null", ahead: 1) {
      advance()
      advance()
      return try tree(.isNull(left, negated: true), at, left)
    }
    guard ["in", "between", "like", "glob"].contains(where: { peekWord($0, ahead: word) }) else {
      for keyword in ["regexp", "match"] where peekWord(keyword, ahead: word) {
        throw source.refusal(
          "SQL04", at: place, keyword.uppercased(), because: "it is outside of the subset",
          fix: "use GLOB")
      }
      return nil
    }
    if negated { advance() }
    if takeWord("in") { return try membership(left, negated, at) }
    if takeWord("between") {
      let low = try expression(above: 4)
      try expectWord("and")
      let high = try expression(above: 4)
      return try tree(.between(left, low, high, negated: negated), at, left, low, high)
    }
    let glob = peekWord("glob")
    advance()
    let pattern = try expression(above: 4)
    let escape = takeWord("escape") ? try expression(above: 4) : nil
    return try tree(
      .like(
        LikeMatch(value: left, pattern: pattern, escape: escape, glob: glob, negated: negated)),
      at, left, pattern)
  }

  private mutating func membership(
    _ left: Expression, _ negated: Bool, _ at: Place
  ) throws(Diagnostic) -> Expression {
    guard take(.open) else {
      throw syntax("a list or a SELECT in parentheses is expected", fix: "in (select id from …)")
    }
    if peekWord("select") || peekWord("with") {
      let query = try query()
      try expect(.close)
      return try tree(.inQuery(left, query, negated: negated), at, left)
    }
    let list = peek(.close) ? [] : try expressions(SQLLimits.listMax)
    try expect(.close)
    let highest = list.max { $0.height < $1.height } ?? left
    return try tree(.inList(left, list, negated: negated), at, left, highest)
  }

  private mutating func collated(_ left: Expression) throws(Diagnostic) -> Expression {
    let at = place
    advance()
    let name = try identifier("a collation")
    guard name.names("binary") else {
      throw source.refusal(
        "QD25", at: at, "COLLATE \(name)",
        because: "texts compare by their bytes, the same everywhere",
        fix: "compare lower(a) with lower(b)")
    }
    return left
  }

  // MARK: Primaries

  private mutating func primary() throws(Diagnostic) -> Expression {
    let at = place
    switch current.kind {
    case .integer(let value): return literal(.integer(value), at)
    case .real(let text): return literal(.real(text), at)
    case .string(let text): return literal(.text(text), at)
    case .blob(let bytes): return literal(.blob(bytes), at)
    case .parameter(let name):
      advance()
      return Expression(.parameter(name), at: at)
    case .template(.variable(let name)):
      advance()
      return Expression(.variable(name), at: at)
    case .template:
      throw source.refusal(
        "SQL10", at: at, "a table where a value is expected",
        because: "only {{ var('name') }} stands for a value")
    case .symbol(.open): return try parenthesised(at)
    case .quoted: return try name(at)
    case .word(let word): return try worded(word.folded, at)
    default: throw syntax("an expression is expected")
    }
  }

  private mutating func literal(_ value: Literal, _ at: Place) -> Expression {
    advance()
    return Expression(.literal(value), at: at)
  }

  private mutating func parenthesised(_ at: Place) throws(Diagnostic) -> Expression {
    advance()
    if peekWord("select") || peekWord("with") {
      let query = try query()
      try expect(.close)
      return Expression(.scalar(query), at: at)
    }
    let inner = try expression()
    if peek(.comma) {
      throw source.refusal(
        "SQL04", at: place, "a row value", because: "it is outside of the subset",
        fix: "compare the columns one by one with AND")
    }
    try expect(.close)
    return Expression(inner.kind, at: at, height: inner.height)
  }

  private mutating func worded(_ word: String, _ at: Place) throws(Diagnostic) -> Expression {
    switch word {
    case "null": return literal(.null, at)
    case "true": return literal(.bool(true), at)
    case "false": return literal(.bool(false), at)
    case "case": return try choice(at)
    case "cast": return try cast(at)
    case "exists":
      advance()
      try expect(.open)
      let query = try query()
      try expect(.close)
      return Expression(.exists(query), at: at)
    case "current_time", "current_date", "current_timestamp":
      throw source.refusal(
        "QD02", at: at, word.uppercased(), because: "each replica has its own clock",
        fix: word == "current_date" ? "consensus_date()" : "consensus_time_ms()")
    // Operators between two values, functions before a parenthesis.
    case "like" where token(ahead: 1).kind == .symbol(.open),
      "glob" where token(ahead: 1).kind == .symbol(.open):
      advance()
      return try call(word, at)
    default: return try name(at)
    }
  }

  private mutating func choice(_ at: Place) throws(Diagnostic) -> Expression {
    advance()
    let operand = peekWord("when") ? nil : try expression()
    var branches: [(when: Expression, then: Expression)] = []
    var height = operand?.height ?? 0
    while takeWord("when") {
      let when = try expression()
      try expectWord("then")
      let then = try expression()
      branches.append((when, then))
      height = max(height, when.height, then.height)
      guard branches.count <= SQLLimits.listMax else {
        throw limit("a CASE of more than \(SQLLimits.listMax) branches", at: at)
      }
    }
    guard !branches.isEmpty else { throw syntax("`WHEN` is expected") }
    let otherwise = takeWord("else") ? try expression() : nil
    try expectWord("end")
    let kind = ExpressionKind.choice(
      CaseExpression(operand: operand, branches: branches, otherwise: otherwise))
    return Expression(kind, at: at, height: 1 + max(height, otherwise?.height ?? 0))
  }

  private mutating func cast(_ at: Place) throws(Diagnostic) -> Expression {
    advance()
    try expect(.open)
    let inner = try expression()
    try expectWord("as")
    let typeAt = place
    let target: CastTarget
    switch try identifier("a type").folded {
    case "text", "varchar", "char": target = .text
    case "integer", "int", "bigint": target = .integer
    case "real", "double", "float": target = .real
    default:
      throw source.refusal(
        "SQL04", at: typeAt, "CAST to this type", because: "TEXT and INTEGER are offered",
        fix: "cast(x as integer)")
    }
    try expect(.close)
    return try tree(.cast(inner, target), at, inner)
  }

  private mutating func name(_ at: Place) throws(Diagnostic) -> Expression {
    var quoted = false
    if case .quoted = current.kind { quoted = true }
    let first = try identifier("an expression")
    if take(.dot) {
      if case .quoted = current.kind { quoted = true }
      let column = try identifier("a column")
      return Expression(.column(qualifier: first, name: column, quoted: quoted), at: at)
    }
    guard !quoted, peek(.open) else {
      return Expression(.column(qualifier: nil, name: first, quoted: quoted), at: at)
    }
    return try call(first, at)
  }

  // MARK: Calls and windows

  private mutating func call(_ name: String, _ at: Place) throws(Diagnostic) -> Expression {
    try expect(.open)
    var call = FunctionCall(name: name.folded, arguments: [])
    if take(.star) {
      call.star = true
    } else if !peek(.close) {
      call.distinct = takeWord("distinct")
      call.arguments = try expressions(SQLLimits.listMax)
      if peekWord("order") {
        throw source.refusal(
          "QD07", at: place, "ORDER BY inside of an aggregate",
          because: "it is not in SQLite 3.40", fix: "list_sorted(value, key)")
      }
    }
    try expect(.close)
    if takeWord("filter") {
      try expect(.open)
      try expectWord("where")
      call.filter = try expression()
      try expect(.close)
    }
    if takeWord("over") {
      let over = place
      call.over =
        peek(.open)
        ? .specified(try windowSpecification())
        : .named(try identifier("a window"), over)
    }
    let height = 1 + (call.arguments.map(\.height).max() ?? 0)
    return Expression(.call(call), at: at, height: height)
  }

  mutating func windowSpecification() throws(Diagnostic) -> WindowSpecification {
    let at = place
    try expect(.open)
    var window = WindowSpecification(partition: [], order: [], place: at)
    if peekIdentifier(),
      !["partition", "order", "rows", "range", "groups"].contains(where: {
        peekWord($0)
      })
    {
      window.base = try identifier("a window")
    }
    if takeWord("partition") {
      try expectWord("by")
      window.partition = try expressions(SQLLimits.columnsMax)
    }
    window.orderEnd = place.offset
    if takeWord("order") {
      try expectWord("by")
      window.order = try orderTerms()
      window.orderEnd = tokens[position - 1].end
    }
    window.frame = try frame()
    try expect(.close)
    return window
  }

  private mutating func frame() throws(Diagnostic) -> WindowFrame? {
    let unit: WindowFrame.Unit
    if takeWord("rows") {
      unit = .rows
    } else if takeWord("range") {
      unit = .range
    } else if takeWord("groups") {
      unit = .groups
    } else {
      return nil
    }
    let start: WindowFrame.Bound
    var end: WindowFrame.Bound?
    if takeWord("between") {
      start = try bound()
      try expectWord("and")
      end = try bound()
    } else {
      start = try bound()
    }
    if peekWord("exclude") {
      throw source.refusal(
        "SQL04", at: place, "EXCLUDE in a frame", because: "it is outside of the subset")
    }
    return WindowFrame(unit: unit, start: start, end: end)
  }

  private mutating func bound() throws(Diagnostic) -> WindowFrame.Bound {
    if takeWord("unbounded") {
      if takeWord("preceding") { return .unboundedPreceding }
      try expectWord("following")
      return .unboundedFollowing
    }
    if takeWord("current") {
      try expectWord("row")
      return .currentRow
    }
    let span = try expression(above: 6)
    if takeWord("preceding") { return .preceding(span) }
    try expectWord("following")
    return .following(span)
  }
}
