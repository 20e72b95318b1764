extension Parser {
  /// An expression whose operators bind at least as tightly as `strength`.
  mutating func expression(_ strength: Int = 1) throws(Diagnostic) -> Expression {
    let place = token.place
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= SQLLimits.nestingMax * 2 else {
      throw limit("\(SQLLimits.nestingMax) nested expressions", at: place)
    }
    var left = try prefix()
    while true {
      if strength <= 4, let next = try predicate(left) {
        left = next
      } else if let (operation, length) = try binaryOperator(), operation.strength >= strength {
        for _ in 0..<length { advance() }
        let right = try expression(operation.strength + 1)
        left = try make(.binary(operation, left, right), at: left.place, [left, right])
      } else {
        return left
      }
    }
  }

  func make(
    _ kind: ExpressionKind, at place: Place, _ children: [Expression]
  ) throws(Diagnostic) -> Expression {
    let height = (children.map(\.height).max() ?? 0) + 1
    guard height <= SQLLimits.treeHeightMax else {
      throw limit("\(SQLLimits.treeHeightMax) operators in a chain", at: place)
    }
    return Expression(kind, at: place, height: height)
  }

  private func binaryOperator() throws(Diagnostic) -> (BinaryOperator, Int)? {
    switch token.kind {
    case .word(let word):
      switch word.folded {
      case "and": return (.and, 1)
      case "or": return (.or, 1)
      case "collate": throw collation()
      case "match":
        throw source.refusal(
          "QD33", at: token.place, "MATCH", because: "full-text search is not in the state root",
          fix: "instr(column, 'word') > 0")
      case "regexp":
        throw source.refusal(
          "SQL04", at: token.place, "REGEXP", because: "SQLite has no regular expressions",
          fix: "column glob '[A-Z]*'")
      default: return nil
      }
    case .symbol(let symbol):
      let operation: BinaryOperator? =
        switch symbol {
        case .equal, .doubleEqual: .equal
        case .notEqual, .bangEqual: .notEqual
        case .less: .less
        case .lessOrEqual: .lessOrEqual
        case .greater: .greater
        case .greaterOrEqual: .greaterOrEqual
        case .ampersand: .bitAnd
        case .bar: .bitOr
        case .shiftLeft: .shiftLeft
        case .shiftRight: .shiftRight
        case .plus: .plus
        case .minus: .minus
        case .star: .times
        case .slash: .divide
        case .percent: .remainder
        case .doubleBar: .concatenate
        case .arrow: .arrow
        case .arrowText: .arrowText
        default: nil
        }
      return operation.map { ($0, 1) }
    default: return nil
    }
  }

  private func collation() -> Diagnostic {
    source.refusal(
      "QD25", at: token.place, "COLLATE",
      because: "text compares by its bytes (BINARY), on every replica",
      fix: "remove COLLATE, or compare lower(column)")
  }

  /// IS, IN, LIKE, GLOB, BETWEEN, ISNULL and NOTNULL behind `left`; nil when none stands there.
  private mutating func predicate(_ left: Expression) throws(Diagnostic) -> Expression? {
    if take("isnull") { return try make(.isNull(left, negated: false), at: left.place, [left]) }
    if take("notnull") { return try make(.isNull(left, negated: true), at: left.place, [left]) }
    if take("is") { return try identity(left) }
    let negated = isWord("not")
    let following = negated ? 1 : 0
    guard
      ["in", "like", "glob", "between", "null"].contains(where: { isWord($0, after: following) })
    else { return nil }
    if negated { advance() }
    if negated, take("null") { return try make(.isNull(left, negated: true), at: left.place, [left]) }
    if take("in") { return try membership(left, negated) }
    if take("between") {
      let low = try expression(5)
      try expect("and")
      let high = try expression(5)
      return try make(
        .between(left, low, high, negated: negated), at: left.place, [left, low, high])
    }
    let glob = isWord("glob")
    guard take("like") || take("glob") else { throw unexpected("an operator") }
    let pattern = try expression(5)
    let escape = !glob && take("escape") ? try expression(6) : nil
    let match = LikeMatch(
      value: left, pattern: pattern, escape: escape, glob: glob, negated: negated)
    return try make(.like(match), at: left.place, [left, pattern])
  }

  /// Behind IS. `IS TRUE` is read as `(x <> 0) IS 1`.
  private mutating func identity(_ left: Expression) throws(Diagnostic) -> Expression {
    let negated = take("not")
    if take("null") { return try make(.isNull(left, negated: negated), at: left.place, [left]) }
    if take("distinct") {
      try expect("from")
      let right = try expression(5)
      return try make(.binary(negated ? .is : .isNot, left, right), at: left.place, [left, right])
    }
    if isWord("true") || isWord("false") {
      let value: Int64 = isWord("true") ? 1 : 0
      advance()
      let zero = Expression(.literal(.integer(0)), at: left.place)
      let truth = try make(.binary(.notEqual, left, zero), at: left.place, [left])
      let wanted = Expression(.literal(.integer(value)), at: left.place)
      return try make(.binary(negated ? .isNot : .is, truth, wanted), at: left.place, [truth])
    }
    let right = try expression(5)
    return try make(.binary(negated ? .isNot : .is, left, right), at: left.place, [left, right])
  }

  private mutating func membership(
    _ left: Expression, _ negated: Bool
  ) throws(Diagnostic) -> Expression {
    try expect(.open)
    if isWord("select") || isWord("with") {
      let query = try query()
      try expect(.close)
      return try make(.inQuery(left, query, negated: negated), at: left.place, [left])
    }
    if StatementRefusals.begins(token), !isSymbol(.open, after: 1) { throw innerStatement() }
    var list: [Expression] = []
    if !isSymbol(.close) { list = try expressionList() }
    try expect(.close)
    return try make(.inList(left, list, negated: negated), at: left.place, [left] + list)
  }

  private mutating func expressionList() throws(Diagnostic) -> [Expression] {
    var list: [Expression] = []
    repeat {
      list.append(try expression())
      guard list.count <= SQLLimits.listMax else {
        throw limit("\(SQLLimits.listMax) elements in a list", at: token.place)
      }
    } while take(.comma)
    return list
  }

  private mutating func prefix() throws(Diagnostic) -> Expression {
    let place = token.place
    if isWord("not") {
      advance()
      let operand = try expression(isWord("exists") ? 11 : 4)
      return try make(.unary(.not, operand), at: place, [operand])
    }
    if isSymbol(.minus), case .integer(let value) = token(after: 1).kind {
      advance()
      advance()
      return Expression(.literal(.integer(0 &- value)), at: place)
    }
    if isSymbol(.minus), case .real(let text) = token(after: 1).kind {
      advance()
      advance()
      let lowest = text == "9223372036854775808"
      return Expression(
        .literal(lowest ? .integer(Int64.min) : .real("-" + text)), at: place)
    }
    for (symbol, operation) in [(Symbol.minus, UnaryOperator.minus), (.plus, .plus), (.tilde, .invert)]
    where isSymbol(symbol) {
      advance()
      let operand = try expression(11)
      return try make(.unary(operation, operand), at: place, [operand])
    }
    return try primary()
  }

  private mutating func primary() throws(Diagnostic) -> Expression {
    let place = token.place
    switch token.kind {
    case .integer(let value): return literal(.integer(value), place)
    case .real(let text): return literal(.real(text), place)
    case .string(let text): return literal(.text(text), place)
    case .blob(let bytes): return literal(.blob(bytes), place)
    case .parameter(let name):
      advance()
      return Expression(.parameter(name), at: place)
    case .template(.variable(let name)):
      advance()
      return Expression(.variable(name), at: place)
    case .symbol(.open):
      advance()
      return try parenthesized(at: place)
    case .word(let word): return try wordExpression(word.folded, at: place)
    case .quoted: return try nameExpression(at: place)
    default: throw unexpected("an expression")
    }
  }

  private mutating func literal(_ literal: Literal, _ place: Place) -> Expression {
    advance()
    return Expression(.literal(literal), at: place)
  }

  private mutating func parenthesized(at place: Place) throws(Diagnostic) -> Expression {
    if isWord("select") || isWord("with") {
      let query = try query()
      try expect(.close)
      return Expression(.scalar(query), at: place)
    }
    if StatementRefusals.begins(token), !isSymbol(.open, after: 1) { throw innerStatement() }
    let inner = try expression()
    if isSymbol(.comma) {
      throw source.refusal(
        "SQL04", at: place, "a row value", because: "values are compared one by one",
        fix: "a = 1 and b = 2")
    }
    try expect(.close)
    return inner
  }

  private mutating func wordExpression(
    _ word: String, at place: Place
  ) throws(Diagnostic) -> Expression {
    switch word {
    case "null": return literal(.null, place)
    case "true": return literal(.bool(true), place)
    case "false": return literal(.bool(false), place)
    case "case": return try caseExpression(at: place)
    case "cast": return try castExpression(at: place)
    case "exists":
      advance()
      try expect(.open)
      guard isWord("select") || isWord("with") else { throw innerStatement() }
      let query = try query()
      try expect(.close)
      return Expression(.exists(query), at: place)
    case "current_date", "current_time", "current_timestamp":
      throw Rules.clock(token.spelling, in: source, at: place)
    case "raise":
      if isSymbol(.open, after: 1) {
        throw source.refusal(
          "QD14", at: place, "RAISE", because: "it is for triggers, and there are none",
          fix: "an expectation with on_violation: fail")
      }
      return try nameExpression(at: place)
    default: return try nameExpression(at: place)
    }
  }

  private mutating func nameExpression(at place: Place) throws(Diagnostic) -> Expression {
    var quoted = false
    if case .quoted = token.kind { quoted = true }
    let name = try name("an expression")
    if isSymbol(.open) { return try call(name, at: place) }
    guard take(.dot) else {
      return Expression(.column(qualifier: nil, name: name, quoted: quoted), at: place)
    }
    let column = try self.name("a column name")
    if isSymbol(.dot) {
      throw source.refusal(
        "SQL04", at: place, "a column with a schema name",
        because: "there is one schema", fix: "\(column).name")
    }
    return Expression(.column(qualifier: name, name: column, quoted: quoted), at: place)
  }

  private mutating func caseExpression(at place: Place) throws(Diagnostic) -> Expression {
    advance()
    let operand = isWord("when") ? nil : try expression()
    var branches: [(when: Expression, then: Expression)] = []
    while take("when") {
      let when = try expression()
      try expect("then")
      branches.append((when, try expression()))
      guard branches.count <= SQLLimits.listMax else {
        throw limit("\(SQLLimits.listMax) branches of a CASE", at: place)
      }
    }
    if branches.isEmpty { throw unexpected("WHEN") }
    let otherwise = take("else") ? try expression() : nil
    try expect("end")
    let children = branches.flatMap { [$0.when, $0.then] } + [operand, otherwise].compactMap(\.self)
    return try make(
      .choice(CaseExpression(operand: operand, branches: branches, otherwise: otherwise)),
      at: place, children)
  }

  private mutating func castExpression(at place: Place) throws(Diagnostic) -> Expression {
    advance()
    try expect(.open)
    let value = try expression()
    try expect("as")
    let typePlace = token.place
    let word = try name("a type").folded
    let target: CastTarget
    switch word {
    case "text": target = .text
    case "integer", "int": target = .integer
    case "real", "float", "double", "numeric", "decimal": target = .real
    default:
      throw source.refusal(
        "SQL04", at: typePlace, "CAST AS \(word)", because: "casts are to text and to integer",
        fix: "cast(… as integer)")
    }
    if target == .real, take(.open) {
      while !isSymbol(.close), token.kind != .end { advance() }
      try expect(.close)
    }
    try expect(.close)
    return try make(.cast(value, target), at: place, [value])
  }

  // MARK: Calls and windows

  private mutating func call(_ name: String, at place: Place) throws(Diagnostic) -> Expression {
    try expect(.open)
    var call = FunctionCall(name: name.folded, arguments: [])
    if take(.star) {
      call.star = true
    } else if !isSymbol(.close) {
      call.distinct = take("distinct")
      call.arguments = try expressionList()
    }
    if isWord("order") {
      throw source.refusal(
        "QD07", at: token.place, "ORDER BY inside of an aggregate",
        because: "SQLite before 3.44 does not know it", fix: "list_sorted(value, key)")
    }
    try expect(.close)
    if take("filter") {
      try expect(.open)
      try expect("where")
      call.filter = try expression()
      try expect(.close)
    }
    if take("over") {
      if isSymbol(.open) {
        call.over = .specified(try windowSpecification())
      } else {
        let windowPlace = token.place
        call.over = .named(try self.name("a window"), windowPlace)
      }
    }
    return try make(.call(call), at: place, call.arguments)
  }

  mutating func windowSpecification() throws(Diagnostic) -> WindowSpecification {
    let place = token.place
    try expect(.open)
    var window = WindowSpecification(
      base: nil, partition: [], order: [], frame: nil, place: place)
    let starts = ["partition", "order", "rows", "range", "groups"]
    if !isSymbol(.close), !starts.contains(where: { isWord($0) }) {
      window.base = try name("a window")
    }
    if take("partition") {
      try expect("by")
      window.partition = try expressionList()
    }
    if isWord("order") { window.order = try orderBy() }
    window.orderEnd = tokens[max(0, index - 1)].end
    for unit in [WindowFrame.Unit.rows, .range, .groups] where isWord(unit.rawValue.folded) {
      advance()
      window.frame = try frame(unit)
      break
    }
    if isWord("exclude") {
      throw source.refusal(
        "SQL04", at: token.place, "EXCLUDE in a frame", because: "frames are contiguous here",
        fix: "subtract the row's own value: sum(x) over (…) - x")
    }
    try expect(.close)
    return window
  }

  private mutating func frame(_ unit: WindowFrame.Unit) throws(Diagnostic) -> WindowFrame {
    guard take("between") else {
      return WindowFrame(unit: unit, start: try frameBound(), end: nil)
    }
    let start = try frameBound()
    try expect("and")
    return WindowFrame(unit: unit, start: start, end: try frameBound())
  }

  private mutating func frameBound() throws(Diagnostic) -> WindowFrame.Bound {
    if take("unbounded") {
      if take("preceding") { return .unboundedPreceding }
      try expect("following")
      return .unboundedFollowing
    }
    if take("current") {
      try expect("row")
      return .currentRow
    }
    let distance = try expression(5)
    if take("preceding") { return .preceding(distance) }
    try expect("following")
    return .following(distance)
  }
}
