/// Parses one text of the SELECT subset; refuses everything else with its place.
///
/// - Safety: nothing is guessed: a text that it does not understand whole is a `Diagnostic`.
/// - Bound: text, tokens, nesting and lists are limited by `SQLLimits`; the stack with them.
package func parse(
  _ text: SQLText, as form: TextForm = .file
) throws(Diagnostic) -> Query {
  var parser = Parser(text, try Lexer.tokens(of: text, form: form))
  return try parser.statement(form)
}

/// Parses one expression that stands alone, as an expectation does.
package func parseExpression(_ text: SQLText) throws(Diagnostic) -> Expression {
  var parser = Parser(text, try Lexer.tokens(of: text, form: .adhoc))
  let expression = try parser.expression()
  guard parser.token.kind == .end else { throw parser.unexpected("the end of the expression") }
  return expression
}

/// Recursive descent over the tokens of one text.
struct Parser {
  let source: SQLText
  let tokens: [Token]
  var index = 0
  var nesting = 0
  var queryDepth = 0

  init(_ source: SQLText, _ tokens: [Token]) {
    self.source = source
    self.tokens = tokens
  }

  // MARK: Tokens

  var token: Token { tokens[index] }

  func token(after count: Int) -> Token { tokens[min(index + count, tokens.count - 1)] }

  mutating func advance() { index = min(index + 1, tokens.count - 1) }

  func isWord(_ word: String, after count: Int = 0) -> Bool {
    if case .word(let found) = token(after: count).kind { return found.folded == word }
    return false
  }

  func isSymbol(_ symbol: Symbol, after count: Int = 0) -> Bool {
    token(after: count).kind == .symbol(symbol)
  }

  mutating func take(_ word: String) -> Bool {
    guard isWord(word) else { return false }
    advance()
    return true
  }

  mutating func take(_ symbol: Symbol) -> Bool {
    guard isSymbol(symbol) else { return false }
    advance()
    return true
  }

  mutating func expect(_ word: String) throws(Diagnostic) {
    if !take(word) { throw unexpected(word.uppercased()) }
  }

  mutating func expect(_ symbol: Symbol) throws(Diagnostic) {
    if !take(symbol) { throw unexpected("'\(symbol.rawValue)'") }
  }

  func unexpected(_ wanted: String) -> Diagnostic {
    source.refusal(
      "SQL01", at: token.place, "unexpected \(token.spelling)", because: "expected \(wanted)")
  }

  func limit(_ what: String, at place: Place) -> Diagnostic {
    source.refusal(
      "SQL03", at: place, "more than \(what)",
      because: "the parsers of the replicas are bounded", fix: "split it: with part as (select …)")
  }

  /// A name: unquoted and not reserved, or quoted.
  mutating func name(_ what: String) throws(Diagnostic) -> String {
    switch token.kind {
    case .word(let word) where !Parser.reserved.contains(word.folded):
      advance()
      return word
    case .quoted(let name):
      advance()
      return name
    default: throw unexpected(what)
    }
  }

  /// The alias behind AS, or a bare word that cannot be the next clause.
  mutating func alias() throws(Diagnostic) -> String? {
    let place = token.place
    var found: String?
    if take("as") {
      found = try name("an alias")
    } else if case .quoted = token.kind {
      found = try name("an alias")
    } else if case .word(let word) = token.kind, !Parser.reserved.contains(word.folded) {
      found = try name("an alias")
    }
    if let found, Rules.rowNames.contains(found.folded) {
      throw Rules.rowName(found, in: source, at: place)
    }
    return found
  }

  // MARK: Statements

  mutating func statement(_ form: TextForm) throws(Diagnostic) -> Query {
    guard isWord("select") || isWord("with") else {
      throw StatementRefusals(source: source, tokens: tokens).refusal()
    }
    let query = try query()
    if isSymbol(.semicolon) {
      let place = token.place
      advance()
      guard form == .file, token.kind == .end else {
        throw source.refusal(
          "SQL01", at: place, "a semicolon",
          because: "a text holds exactly one statement", fix: "end the text before the ';'")
      }
    }
    if isWord("returning") || isWord("pragma") || isWord("attach") {
      throw StatementRefusals(source: source, tokens: Array(tokens[index...])).refusal()
    }
    guard token.kind == .end else { throw unexpected("the end of the statement") }
    return query
  }

  mutating func query() throws(Diagnostic) -> Query {
    let place = token.place
    queryDepth += 1
    defer { queryDepth -= 1 }
    guard queryDepth <= SQLLimits.subqueryDepthMax else {
      throw limit("\(SQLLimits.subqueryDepthMax) queries inside each other", at: place)
    }
    var recursive = false
    var tables: [CommonTable] = []
    if take("with") {
      recursive = take("recursive")
      repeat { tables.append(try commonTable()) } while take(.comma)
      guard tables.count <= SQLLimits.commonTablesMax else {
        throw limit("\(SQLLimits.commonTablesMax) common tables", at: place)
      }
    }
    var query = Query(source: source, first: try select(), place: place)
    query.recursive = recursive
    query.commonTables = tables
    while let operation = try compoundOperator() {
      query.rest.append((operation, try select()))
      guard query.rest.count < SQLLimits.compoundArmsMax else {
        throw limit("\(SQLLimits.compoundArmsMax) SELECTs in a UNION", at: token.place)
      }
    }
    if isWord("order") { query.order = try orderBy() }
    query.limit = try limitClause()
    return query
  }

  private mutating func commonTable() throws(Diagnostic) -> CommonTable {
    let place = token.place
    let name = try name("the name of a common table")
    var columns: [String] = []
    if take(.open) {
      repeat { columns.append(try self.name("a column name")) } while take(.comma)
      try expect(.close)
    }
    try expect("as")
    if take("not") { try expect("materialized") } else { _ = take("materialized") }
    try expect(.open)
    guard isWord("select") || isWord("with") else { throw innerStatement() }
    let query = try query()
    try expect(.close)
    return CommonTable(name: name, columns: columns, query: query, place: place)
  }

  /// The refusal of something else than a SELECT in parentheses.
  func innerStatement() -> Diagnostic {
    StatementRefusals(source: source, tokens: Array(tokens[index...])).refusal()
  }

  private mutating func compoundOperator() throws(Diagnostic) -> CompoundOperator? {
    if take("union") { return take("all") ? .unionAll : .union }
    if take("except") { return .except }
    if take("intersect") { return .intersect }
    return nil
  }

  private mutating func select() throws(Diagnostic) -> Select {
    let place = token.place
    if isWord("values") || isSymbol(.open) { throw innerStatement() }
    try expect("select")
    let distinct = take("distinct")
    if !distinct { _ = take("all") }
    var items: [ResultItem] = []
    repeat { items.append(try resultItem()) } while take(.comma)
    guard items.count <= SQLLimits.columnsMax else {
      throw limit("\(SQLLimits.columnsMax) result columns", at: place)
    }
    var select = Select(
      distinct: distinct, items: items, from: [], filter: nil, group: [], having: nil,
      windows: [], place: place)
    if take("from") { select.from = try fromItems() }
    if take("where") { select.filter = try expression() }
    if isWord("group") {
      advance()
      try expect("by")
      repeat { select.group.append(try expression()) } while take(.comma)
    }
    if take("having") { select.having = try expression() }
    if isWord("window") {
      advance()
      repeat { select.windows.append(try namedWindow()) } while take(.comma)
    }
    return select
  }

  private mutating func namedWindow() throws(Diagnostic) -> (String, WindowSpecification) {
    let name = try name("the name of a window")
    try expect("as")
    return (name, try windowSpecification())
  }

  private mutating func resultItem() throws(Diagnostic) -> ResultItem {
    let place = token.place
    if take(.star) { return .star(place) }
    if isSymbol(.dot, after: 1), isSymbol(.star, after: 2) {
      let table = try name("a table name")
      advance()
      advance()
      return .tableStar(table, place)
    }
    let expression = try expression()
    return .expression(expression, alias: try alias())
  }

  // MARK: FROM

  private mutating func fromItems() throws(Diagnostic) -> [FromItem] {
    var items = [try fromItem(.inner)]
    while let join = try joinKind() {
      var item = try fromItem(join)
      if take("on") {
        item.on = try expression()
      } else if isWord("using") {
        item = try using(item)
      }
      if join == .left, item.on == nil, item.using.isEmpty { throw unexpected("ON or USING") }
      items.append(item)
      guard items.count <= SQLLimits.sourcesMax else {
        throw limit("\(SQLLimits.sourcesMax) sources in one FROM", at: item.place)
      }
    }
    return items
  }

  private mutating func using(_ item: FromItem) throws(Diagnostic) -> FromItem {
    advance()
    try expect(.open)
    var columns: [(name: String, place: Place)] = []
    repeat {
      let place = token.place
      columns.append((try name("a column name"), place))
    } while take(.comma)
    try expect(.close)
    return FromItem(
      join: item.join, relation: item.relation, alias: item.alias, on: nil, using: columns,
      place: item.place)
  }

  private mutating func joinKind() throws(Diagnostic) -> JoinKind? {
    if take(.comma) { return .inner }
    if take("join") { return .inner }
    if take("inner") {
      try expect("join")
      return .inner
    }
    if take("left") {
      _ = take("outer")
      try expect("join")
      return .left
    }
    if take("cross") {
      try expect("join")
      return .cross
    }
    for word in ["right", "full", "natural"] where isWord(word) {
      throw source.refusal(
        "SQL04", at: token.place, "\(word.uppercased()) JOIN",
        because: "joins are inner, left and cross", fix: "left join … using (key)")
    }
    return nil
  }

  private mutating func fromItem(_ join: JoinKind) throws(Diagnostic) -> FromItem {
    let place = token.place
    let relation = try relation()
    let alias = try alias()
    if isWord("indexed") || isWord("not") && isWord("indexed", after: 1) {
      throw source.refusal(
        "SQL04", at: token.place, "INDEXED BY", because: "the engine chooses indexes",
        fix: "remove the clause")
    }
    return FromItem(join: join, relation: relation, alias: alias, on: nil, using: [], place: place)
  }

  private mutating func relation() throws(Diagnostic) -> RelationSyntax {
    let place = token.place
    if case .template(let template) = token.kind {
      advance()
      switch template {
      case .ref(let name): return .table(.ref(name))
      case .source(let name): return .table(.source(name))
      case .changed: return .table(.changed)
      case .variable:
        throw source.refusal(
          "SQL10", at: place, "a variable in the place of a table",
          because: "{{ var }} stands for a literal", fix: "{{ ref('model') }}")
      }
    }
    if take(.open) {
      guard isWord("select") || isWord("with") else {
        if isWord("values") || StatementRefusals.begins(token) { throw innerStatement() }
        throw source.refusal(
          "SQL04", at: place, "a join in parentheses", because: "joins are read left to right",
          fix: "(select … from a join b using (key))")
      }
      let query = try query()
      try expect(.close)
      return .subquery(query)
    }
    let name = try name("a table")
    if isSymbol(.dot) { throw qualifiedTable(name, at: place) }
    guard take(.open) else { return .table(.plain(name)) }
    var arguments: [Expression] = []
    if !isSymbol(.close) {
      repeat { arguments.append(try expression()) } while take(.comma)
    }
    try expect(.close)
    return .function(name, arguments)
  }

  private func qualifiedTable(_ name: String, at place: Place) -> Diagnostic {
    if name.names("temp") {
      return source.refusal(
        "QD34", at: place, "a table of the temp schema",
        because: "it lives outside of the state root", fix: "with name as (select …) select …")
    }
    return source.refusal(
      "SQL04", at: place, "a qualified table name",
      because: "roles read through views that a schema name would pass by",
      fix: "{{ ref('model') }}")
  }

  // MARK: ORDER BY and LIMIT

  mutating func orderBy() throws(Diagnostic) -> [OrderTerm] {
    try expect("order")
    try expect("by")
    var terms: [OrderTerm] = []
    repeat { terms.append(try orderTerm()) } while take(.comma)
    guard terms.count <= SQLLimits.columnsMax else {
      throw limit("\(SQLLimits.columnsMax) terms in ORDER BY", at: token.place)
    }
    return terms
  }

  private mutating func orderTerm() throws(Diagnostic) -> OrderTerm {
    let expression = try expression()
    let descending = take("desc")
    if !descending { _ = take("asc") }
    var nullsFirst: Bool?
    if take("nulls") {
      if take("first") {
        nullsFirst = true
      } else {
        try expect("last")
        nullsFirst = false
      }
    }
    return OrderTerm(expression: expression, descending: descending, nullsFirst: nullsFirst)
  }

  private mutating func limitClause() throws(Diagnostic) -> Limit? {
    let place = token.place
    guard take("limit") else { return nil }
    let count = try expression()
    if isSymbol(.comma) {
      throw source.refusal(
        "SQL04", at: token.place, "LIMIT with a comma",
        because: "the two numbers are easily read the wrong way round", fix: "limit 10 offset 20")
    }
    let offset = take("offset") ? try expression() : nil
    return Limit(count: count, offset: offset, place: place, end: tokens[index - 1].end)
  }

  /// Words that cannot stand as unquoted names: all that begin or join clauses of the subset.
  static let reserved: Set<String> = [
    "select", "from", "where", "group", "by", "having", "window", "order", "limit", "offset",
    "union", "except", "intersect", "with", "as", "on", "using", "join", "inner", "left", "cross",
    "right", "full", "natural", "outer", "distinct", "all", "and", "or", "not", "in", "is", "null",
    "like", "glob", "between", "escape", "case", "when", "then", "else", "end", "cast", "exists",
    "collate", "over", "filter", "asc", "desc", "isnull", "notnull", "values", "regexp",
    "match", "returning", "insert", "update", "delete", "replace_into", "create", "drop", "alter",
    "attach", "detach", "pragma", "explain", "indexed", "true", "false", "nulls", "set", "into",
    "current_date", "current_time", "current_timestamp",
  ]
}
