/// Reads one SELECT of the subset into its tree, by recursive descent over SQLite's own grammar
/// (https://sqlite.org/lang_select.html, https://sqlite.org/lang_expr.html).
///
/// - Safety: what it does not know is refused with its place; nothing is passed through as text.
/// - Bound: nesting, tree height and lists are limited by `SQLLimits`; each token is read once.
struct Parser {
  let source: SQLText
  let form: TextForm
  let tokens: [Token]
  var position = 0
  var nesting = 0
  var queryDepth = 0

  init(_ source: SQLText, form: TextForm, _ work: CheckWork) throws(Diagnostic) {
    self.source = source
    self.form = form
    tokens = try Lexer.tokens(of: source, form: form)
    work.charge(tokens.count * SQLLimits.stepsPerToken)
    if work.isSpent { throw work.refusal(of: source) }
  }

  /// The one statement of the text.
  mutating func statement() throws(Diagnostic) -> Query {
    guard peekWord("select") || peekWord("with") else {
      throw StatementRefusals(source: source, tokens: tokens).refusal()
    }
    let query = try query()
    try endOfText()
    return query
  }

  /// The one expression of the text.
  mutating func onlyExpression() throws(Diagnostic) -> Expression {
    let expression = try expression()
    try endOfText()
    return expression
  }

  private mutating func endOfText() throws(Diagnostic) {
    if form == .file { _ = take(.semicolon) }
    guard current.kind == .end else {
      throw syntax("the statement should end here", fix: "one statement a text")
    }
  }

  // MARK: Tokens

  var current: Token { tokens[position] }
  var place: Place { current.place }

  func token(ahead: Int) -> Token { tokens[min(position + ahead, tokens.count - 1)] }

  mutating func advance() { if position < tokens.count - 1 { position += 1 } }

  func peek(_ symbol: Symbol) -> Bool { current.kind == .symbol(symbol) }

  mutating func take(_ symbol: Symbol) -> Bool {
    guard peek(symbol) else { return false }
    advance()
    return true
  }

  func peekWord(_ keyword: String, ahead: Int = 0) -> Bool {
    guard case .word(let word) = token(ahead: ahead).kind else { return false }
    return word.names(keyword)
  }

  mutating func takeWord(_ keyword: String) -> Bool {
    guard peekWord(keyword) else { return false }
    advance()
    return true
  }

  mutating func expect(_ symbol: Symbol) throws(Diagnostic) {
    guard take(symbol) else { throw syntax("`\(symbol.rawValue)` is expected") }
  }

  mutating func expectWord(_ keyword: String) throws(Diagnostic) {
    guard takeWord(keyword) else { throw syntax("`\(keyword.uppercased())` is expected") }
  }

  func syntax(_ message: String, fix: String? = nil) -> Diagnostic {
    source.refusal("SQL01", at: place, message, because: "found \(current.spelling)", fix: fix)
  }

  func limit(_ what: String, at place: Place) -> Diagnostic {
    source.refusal(
      "SQL03", at: place, what, because: "one statement of this shape is never needed",
      fix: "split it into models or common tables")
  }

  static let reserved: Set<String> = [
    "all", "and", "as", "asc", "between", "by", "case", "cast", "collate", "cross", "desc",
    "distinct", "else", "end", "escape", "except", "exists", "filter", "following", "from",
    "full", "glob", "group", "groups", "having", "in", "indexed", "inner", "intersect", "is",
    "isnull", "join", "left", "like", "limit", "match", "natural", "not", "notnull", "null",
    "nulls", "offset", "on", "or", "order", "outer", "over", "partition", "preceding", "range",
    "recursive", "regexp", "right", "rows", "select", "then", "unbounded", "union", "using",
    "values", "when", "where", "window", "with",
  ]

  /// A name that is no keyword.
  mutating func identifier(_ what: String) throws(Diagnostic) -> String {
    switch current.kind {
    case .word(let word) where !Self.reserved.contains(word.folded):
      advance()
      return word
    case .quoted(let name):
      advance()
      return name
    default: throw syntax("\(what) is expected")
    }
  }

  func peekIdentifier(ahead: Int = 0) -> Bool {
    switch token(ahead: ahead).kind {
    case .word(let word): !Self.reserved.contains(word.folded)
    case .quoted: true
    default: false
    }
  }

  // MARK: Queries

  mutating func query() throws(Diagnostic) -> Query {
    let start = place
    queryDepth += 1
    defer { queryDepth -= 1 }
    guard queryDepth <= SQLLimits.subqueryDepthMax else {
      throw limit("more than \(SQLLimits.subqueryDepthMax) queries inside one another", at: start)
    }
    var commons: [CommonTable] = []
    var recursive = false
    if takeWord("with") {
      recursive = takeWord("recursive")
      repeat {
        commons.append(try commonTable())
        guard commons.count <= SQLLimits.commonTablesMax else {
          throw limit("more than \(SQLLimits.commonTablesMax) common tables", at: place)
        }
      } while take(.comma)
    }
    var query = Query(source: source, first: try select(), place: start)
    query.recursive = recursive
    query.commonTables = commons
    while let operation = compoundOperator() {
      query.rest.append((operation, try select()))
      guard query.rest.count < SQLLimits.compoundArmsMax else {
        throw limit("more than \(SQLLimits.compoundArmsMax) SELECTs in a compound", at: place)
      }
    }
    if takeWord("order") {
      try expectWord("by")
      query.order = try orderTerms()
    }
    query.limit = try limitClause()
    return query
  }

  private mutating func commonTable() throws(Diagnostic) -> CommonTable {
    let start = place
    let name = try identifier("the name of a common table")
    var columns: [String] = []
    if take(.open) {
      repeat { columns.append(try identifier("the name of a column")) } while take(.comma)
      try expect(.close)
    }
    try expectWord("as")
    if takeWord("not") {
      try expectWord("materialized")
    } else {
      _ = takeWord("materialized")
    }
    try expect(.open)
    let query = try query()
    try expect(.close)
    return CommonTable(name: name, columns: columns, query: query, place: start)
  }

  private mutating func compoundOperator() -> CompoundOperator? {
    if takeWord("union") { return takeWord("all") ? .unionAll : .union }
    if takeWord("except") { return .except }
    if takeWord("intersect") { return .intersect }
    return nil
  }

  private mutating func limitClause() throws(Diagnostic) -> Limit? {
    let start = place
    guard takeWord("limit") else { return nil }
    var limit = Limit(count: try expression(), place: start, end: place.offset)
    if takeWord("offset") {
      limit = Limit(
        count: limit.count, offset: try expression(), place: start, end: place.offset)
    } else if peek(.comma) {
      throw syntax("LIMIT with a comma", fix: "limit 10 offset 20")
    }
    return limit
  }

  mutating func orderTerms() throws(Diagnostic) -> [OrderTerm] {
    var terms: [OrderTerm] = []
    repeat {
      let expression = try expression()
      var descending = false
      if takeWord("desc") { descending = true } else { _ = takeWord("asc") }
      var nullsFirst: Bool?
      if takeWord("nulls") {
        if takeWord("first") {
          nullsFirst = true
        } else {
          try expectWord("last")
          nullsFirst = false
        }
      }
      terms.append(
        OrderTerm(expression: expression, descending: descending, nullsFirst: nullsFirst))
      guard terms.count <= SQLLimits.columnsMax else {
        throw limit("more than \(SQLLimits.columnsMax) terms in ORDER BY", at: place)
      }
    } while take(.comma)
    return terms
  }

  private mutating func select() throws(Diagnostic) -> Select {
    let start = place
    if peekWord("values") {
      throw source.refusal(
        "SQL04", at: place, "VALUES as a query", because: "pipelines say SELECT",
        fix: "select 1 as a union all select 2")
    }
    try expectWord("select")
    let distinct = takeWord("distinct")
    if !distinct { _ = takeWord("all") }
    var select = Select(
      distinct: distinct, items: try resultItems(), from: [], group: [], windows: [], place: start)
    if takeWord("from") { select.from = try fromItems() }
    if takeWord("where") { select.filter = try expression() }
    if takeWord("group") {
      try expectWord("by")
      select.group = try expressions(SQLLimits.columnsMax)
    }
    if takeWord("having") { select.having = try expression() }
    if takeWord("window") {
      repeat {
        let name = try identifier("the name of a window")
        try expectWord("as")
        select.windows.append((name, try windowSpecification()))
      } while take(.comma)
    }
    return select
  }

  mutating func expressions(_ most: Int) throws(Diagnostic) -> [Expression] {
    var list = [try expression()]
    while take(.comma) {
      list.append(try expression())
      guard list.count <= most else { throw limit("a list of more than \(most)", at: place) }
    }
    return list
  }

  private mutating func resultItems() throws(Diagnostic) -> [ResultItem] {
    var items: [ResultItem] = []
    repeat {
      items.append(try resultItem())
      guard items.count <= SQLLimits.columnsMax else {
        throw limit("more than \(SQLLimits.columnsMax) result columns", at: place)
      }
    } while take(.comma)
    return items
  }

  private mutating func resultItem() throws(Diagnostic) -> ResultItem {
    let start = place
    if take(.star) { return .star(start) }
    if peekIdentifier(), token(ahead: 1).kind == .symbol(.dot),
      token(ahead: 2).kind == .symbol(.star)
    {
      let name = try identifier("a table")
      advance()
      advance()
      return .tableStar(name, start)
    }
    let expression = try expression()
    var alias: String?
    if takeWord("as") {
      alias = try identifier("an alias")
    } else if peekIdentifier() {
      alias = try identifier("an alias")
    }
    return .expression(expression, alias: alias)
  }

  // MARK: FROM

  private mutating func fromItems() throws(Diagnostic) -> [FromItem] {
    var items = [try fromItem(.inner)]
    while let join = try joinKind() {
      items.append(try fromItem(join))
      guard items.count <= SQLLimits.sourcesMax else {
        throw limit("more than \(SQLLimits.sourcesMax) sources in one FROM", at: place)
      }
    }
    return items
  }

  private mutating func joinKind() throws(Diagnostic) -> JoinKind? {
    if take(.comma) { return .cross }
    if takeWord("cross") {
      try expectWord("join")
      return .cross
    }
    if takeWord("left") {
      _ = takeWord("outer")
      try expectWord("join")
      return .left
    }
    if takeWord("inner") {
      try expectWord("join")
      return .inner
    }
    for word in ["natural", "right", "full"] where peekWord(word) {
      throw source.refusal(
        "SQL04", at: place, "\(word.uppercased()) JOIN", because: "it is outside of the subset",
        fix: word == "natural" ? "join t using (column)" : "swap the sides and use LEFT JOIN")
    }
    return takeWord("join") ? .inner : nil
  }

  private mutating func fromItem(_ join: JoinKind) throws(Diagnostic) -> FromItem {
    let start = place
    let relation = try relation()
    var alias: String?
    if takeWord("as") {
      alias = try identifier("an alias")
    } else if peekIdentifier() {
      alias = try identifier("an alias")
    }
    if peekWord("indexed") || peekWord("not") && peekWord("indexed", ahead: 1) {
      throw source.refusal(
        "QD46", at: place, "INDEXED",
        because: "the plan, and so the bill, would hang on an index that the engine may rename",
        fix: "remove it; the engine indexes declared keys")
    }
    if peekWord("tablesample") {
      throw source.refusal(
        "SQL04", at: place, "TABLESAMPLE", because: "it is outside of the subset")
    }
    var on: Expression?
    var using: [(name: String, place: Place)] = []
    if takeWord("on") {
      on = try expression()
    } else if takeWord("using") {
      try expect(.open)
      repeat {
        let at = place
        using.append((try identifier("a column"), at))
      } while take(.comma)
      try expect(.close)
    }
    return FromItem(
      join: join, relation: relation, alias: alias, on: on, using: using, place: start)
  }

  private mutating func relation() throws(Diagnostic) -> RelationSyntax {
    switch current.kind {
    case .template(.ref(let name)):
      advance()
      return .table(.ref(name))
    case .template(.source(let name)):
      advance()
      return .table(.source(name))
    case .template(.changed):
      advance()
      return .table(.changed)
    case .symbol(.open):
      try enter()
      defer { nesting -= 1 }
      advance()
      guard peekWord("select") || peekWord("with") else {
        throw syntax("a SELECT is expected", fix: "write joins without parentheses")
      }
      let query = try query()
      try expect(.close)
      return .subquery(query)
    default:
      let start = place
      let name = try identifier("a table")
      if peek(.dot) {
        throw source.refusal(
          "SQL04", at: start, "a table with its database", because: "a pipeline has one database",
          fix: "leave out `\(name).`")
      }
      guard take(.open) else { return .table(.plain(name)) }
      let arguments = peek(.close) ? [] : try expressions(SQLLimits.listMax)
      try expect(.close)
      return .function(name, arguments)
    }
  }

  mutating func enter() throws(Diagnostic) {
    nesting += 1
    guard nesting <= SQLLimits.nestingMax else {
      throw limit("more than \(SQLLimits.nestingMax) levels of nesting", at: place)
    }
  }
}
