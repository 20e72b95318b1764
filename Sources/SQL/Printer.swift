/// Prints a tree as the only text that is ever prepared: names quoted, literals written anew,
/// operators in parentheses.
struct Printer {
  let variables: [(name: String, value: Literal)]
  let restrict: (TableShape) -> [String]?
  var qualifier: String?
  /// How columns are written instead, to compare expressions.
  var rename: ((String?, String) -> String?)?
  var lookups: [(source: String, table: String, column: String)] = []
  /// What stands in the place of a table, as FROM takes it.
  var substitute: ((TableShape) -> String?)?
  /// What printing is charged to: a step for each four bytes, and one for each part.
  var work: CheckWork?
  /// Whether arithmetic fails where 64 bits do not hold it.
  var isExact = true
  private(set) var text = ""

  init(
    variables: [(name: String, value: Literal)], restrict: @escaping (TableShape) -> [String]?
  ) {
    self.variables = variables
    self.restrict = restrict
  }

  private mutating func put(_ part: String) {
    work?.charge(1 + part.utf8.count / 4)
    text += part
  }

  private mutating func list<T>(
    _ items: [T], separator: String = ", ", _ each: (inout Printer, T) -> Void
  ) {
    for (index, item) in items.enumerated() {
      if index > 0 { put(separator) }
      each(&self, item)
    }
  }

  // MARK: Queries

  mutating func query(_ query: Query) {
    if work?.isSpent == true { return }
    if !query.commonTables.isEmpty {
      put(query.recursive ? "WITH RECURSIVE " : "WITH ")
      list(query.commonTables) { printer, table in
        printer.put(quoted(table.name))
        if !table.columns.isEmpty {
          printer.put("(\(table.columns.map(quoted).joined(separator: ", ")))")
        }
        printer.put(" AS (")
        printer.query(table.query)
        printer.put(")")
      }
      put(" ")
    }
    select(query.first)
    for (operation, arm) in query.rest {
      put(" \(operation.rawValue) ")
      select(arm)
    }
    if !query.order.isEmpty {
      put(" ORDER BY ")
      order(query.order)
    }
    if let limit = query.limit {
      put(" LIMIT ")
      expression(limit.count)
      if let offset = limit.offset {
        put(" OFFSET ")
        expression(offset)
      }
    }
  }

  private mutating func order(_ terms: [OrderTerm]) {
    list(terms) { printer, term in
      printer.expression(term.expression)
      if term.descending { printer.put(" DESC") }
      if let first = term.nullsFirst { printer.put(first ? " NULLS FIRST" : " NULLS LAST") }
    }
  }

  private mutating func select(_ select: Select) {
    put(select.distinct ? "SELECT DISTINCT " : "SELECT ")
    list(select.items) { printer, item in
      switch item {
      case .star: printer.put("*")
      case .tableStar(let name, _): printer.put("\(quoted(name)).*")
      case .expression(let expression, let alias):
        printer.expression(expression)
        if let alias { printer.put(" AS \(quoted(alias))") }
      }
    }
    if !select.from.isEmpty { put(" FROM ") }
    for (index, item) in select.from.enumerated() {
      if index > 0 { put(" \(item.join.rawValue) ") }
      fromItem(item)
    }
    if let filter = select.filter {
      put(" WHERE ")
      expression(filter)
    }
    if !select.group.isEmpty {
      put(" GROUP BY ")
      list(select.group) { $0.expression($1) }
    }
    if let having = select.having {
      put(" HAVING ")
      expression(having)
    }
    if !select.windows.isEmpty {
      put(" WINDOW ")
      list(select.windows) { printer, named in
        printer.put("\(quoted(named.name)) AS ")
        printer.window(named.window)
      }
    }
  }

  private mutating func fromItem(_ item: FromItem) {
    switch item.relation {
    case .resolved(let shape):
      if let instead = substitute?(shape) {
        put(instead)
      } else if let columns = restrict(shape) {
        let conditions = columns.map { "\(quoted($0)) = :refresh_\($0)" }
        put("(SELECT * FROM \(quoted(shape.name)) WHERE \(conditions.joined(separator: " AND ")))")
      } else {
        put(quoted(shape.name))
      }
      put(" AS \(quoted(item.alias ?? item.relation.spokenName))")
    case .common(let name):
      put(quoted(name))
      put(" AS \(quoted(item.alias ?? name))")
    case .table(let name):
      put(name.template)
      if let alias = item.alias { put(" AS \(quoted(alias))") }
    case .subquery(let inner):
      put("(")
      query(inner)
      put(")")
      if let alias = item.alias { put(" AS \(quoted(alias))") }
    case .function(let name, let arguments):
      put("\(quoted(name.folded))(")
      list(arguments) { $0.metered($1) }
      put(")")
      if let alias = item.alias { put(" AS \(quoted(alias))") }
    }
    if let on = item.on {
      put(" ON ")
      expression(on)
    } else if !item.using.isEmpty {
      put(" USING (\(item.using.map { quoted($0.name) }.joined(separator: ", ")))")
    }
  }

  private mutating func window(_ window: WindowSpecification) {
    put("(")
    var needsSpace = false
    func space(_ printer: inout Printer) {
      if needsSpace { printer.put(" ") }
      needsSpace = true
    }
    if let base = window.base {
      space(&self)
      put(quoted(base))
    }
    if !window.partition.isEmpty {
      space(&self)
      put("PARTITION BY ")
      list(window.partition) { $0.expression($1) }
    }
    if !window.order.isEmpty {
      space(&self)
      put("ORDER BY ")
      order(window.order)
    }
    if let frame = window.frame {
      space(&self)
      put(frame.unit.rawValue + " ")
      if let end = frame.end {
        put("BETWEEN ")
        bound(frame.start)
        put(" AND ")
        bound(end)
      } else {
        bound(frame.start)
      }
    }
    put(")")
  }

  private mutating func bound(_ bound: WindowFrame.Bound) {
    switch bound {
    case .unboundedPreceding: put("UNBOUNDED PRECEDING")
    case .unboundedFollowing: put("UNBOUNDED FOLLOWING")
    case .currentRow: put("CURRENT ROW")
    case .preceding(let span):
      expression(span)
      put(" PRECEDING")
    case .following(let span):
      expression(span)
      put(" FOLLOWING")
    }
  }

  // MARK: Expressions

  mutating func expression(_ expression: Expression) {
    if work?.isSpent == true { return }
    switch expression.kind {
    case .literal(let value): literal(value)
    case .column(let table, let name, _):
      if let other = rename?(table, name) {
        put(other)
        return
      }
      if let table = table ?? qualifier { put("\(quoted(table)).") }
      put(quoted(name))
    case .parameter(let name): put(":\(name)")
    case .variable(let name):
      if let value = variables.first(where: { $0.name == name })?.value {
        literal(value)
      } else {
        put("{{ var('\(name)') }}")
      }
    case .unary(.minus, let part) where isExact && !part.isNumber:
      put("exact(0, ")
      self.expression(part)
      put(", '-')")
    case .binary(let operation, _, _) where isExact && operation.overflows:
      exact(expression, operation.strength)
    case .binary(.is, let value, let right) where truth(right) != nil:
      asked(value, truth(right) == true, yes: "1", no: "0")
    case .binary(.isNot, let value, let right) where truth(right) != nil:
      asked(value, truth(right) == true, yes: "0", no: "1")
    case .unary(let operation, let part):
      put("(\(operation.rawValue)\(operation == .not ? " " : "")")
      self.expression(part)
      put(")")
    case .binary(let operation, let left, let right):
      put(operation == .concatenate ? "\(FunctionTable.meter)(" : "(")
      chain(left, of: operation)
      put(" \(operation.rawValue) ")
      operand(right, of: operation)
      put(")")
    case .call(let call): self.call(call)
    case .exists(let inner):
      put("EXISTS (")
      query(inner)
      put(")")
    case .scalar(let inner):
      put("(")
      query(inner)
      put(")")
    default: predicate(expression)
    }
  }

  /// What stands on the right of IS where it is TRUE or FALSE.
  private func truth(_ expression: Expression) -> Bool? {
    switch expression.kind {
    case .literal(.bool(let flag)): return flag
    case .variable(let name):
      guard case .bool(let flag)? = variables.first(where: { $0.name == name })?.value else {
        return nil
      }
      return flag
    default: return nil
    }
  }

  /// `value IS TRUE`: SQLite asks whether the value is true, as 4 is, and not whether it is 1
  /// (https://sqlite.org/lang_expr.html#booleanexpr). A column may be called `true` and would be
  /// taken for it, so the word is not printed.
  private mutating func asked(_ value: Expression, _ flag: Bool, yes: String, no: String) {
    put(flag ? "(CASE WHEN " : "(CASE WHEN NOT ")
    expression(value)
    put(" THEN \(yes) ELSE \(no) END)")
  }

  /// A chain of operators that bind equally is one call: SQLite's parser holds 100 entries.
  private mutating func exact(_ expression: Expression, _ strength: Int) {
    var operands: [Expression] = []
    var operators = ""
    var rest = expression
    while case .binary(let operation, let left, let right) = rest.kind, operation.overflows,
      operation.strength == strength
    {
      operands.append(right)
      operators.append(operation.rawValue)
      rest = left
    }
    operands.append(rest)
    put("exact(")
    list(operands.reversed()) { $0.expression($1) }
    put(", '\(String(operators.reversed()))')")
  }

  /// The left side of an operator: one that binds as tightly needs no parentheses of its own.
  /// SQLite's parser holds 100 entries, so a long chain must not open one a link.
  private mutating func chain(_ left: Expression, of operation: BinaryOperator) {
    guard case .binary(let inner, let first, let second) = left.kind,
      inner.strength == operation.strength, ![4, 5].contains(inner.strength),
      inner.readsJSON == operation.readsJSON
    else { return operand(left, of: operation) }
    chain(first, of: inner)
    put(" \(inner.rawValue) ")
    operand(second, of: inner)
  }

  private mutating func operand(_ expression: Expression, of operation: BinaryOperator) {
    operation.readsJSON ? metered(expression) : self.expression(expression)
  }

  /// SQLite's own functions take a step however long a text is: its bytes are metered before. What
  /// is no longer than bytes that were metered is not metered again.
  private mutating func metered(_ expression: Expression) {
    switch expression.kind {
    case .literal(.text(let text)) where text.utf8.count > FunctionTable.bytesFree: break
    case .literal(.blob(let bytes)) where bytes.count > FunctionTable.bytesFree: break
    case .literal, .binary(.concatenate, _, _), .binary(.arrow, _, _), .binary(.arrowText, _, _):
      return self.expression(expression)
    case .call(let call)
    where FunctionTable.goesThrough(call.name) && !FunctionTable.lengthens(call):
      return self.expression(expression)
    default: break
    }
    put("\(FunctionTable.meter)(")
    self.expression(expression)
    put(")")
  }

  private mutating func predicate(_ expression: Expression) {
    put("(")
    switch expression.kind {
    case .between(let value, let low, let high, let negated):
      self.expression(value)
      put(negated ? " NOT BETWEEN " : " BETWEEN ")
      self.expression(low)
      put(" AND ")
      self.expression(high)
    case .inList(let value, let items, let negated):
      self.expression(value)
      put(negated ? " NOT IN (" : " IN (")
      list(items) { $0.expression($1) }
      put(")")
    case .inQuery(let value, let inner, let negated):
      self.expression(value)
      put(negated ? " NOT IN (" : " IN (")
      query(inner)
      put(")")
    case .isNull(let value, let negated):
      self.expression(value)
      put(negated ? " IS NOT NULL" : " IS NULL")
    case .like(let match):
      self.expression(match.value)
      put(" \(match.negated ? "NOT " : "")\(match.glob ? "GLOB" : "LIKE") ")
      self.expression(match.pattern)
      if let escape = match.escape {
        put(" ESCAPE ")
        self.expression(escape)
      }
    case .cast(let value, .integer) where isExact:
      put(FunctionTable.whole)
      put("(")
      self.expression(value)
      put(")")
    case .cast(let value, let target):
      put("CAST(")
      self.expression(value)
      put(" AS \(target.rawValue))")
    case .choice(let choice): self.choice(choice)
    default: preconditionFailure("an expression that has no text")
    }
    put(")")
  }

  private mutating func choice(_ choice: CaseExpression) {
    put("CASE")
    if let operand = choice.operand {
      put(" ")
      expression(operand)
    }
    for branch in choice.branches {
      put(" WHEN ")
      expression(branch.when)
      put(" THEN ")
      expression(branch.then)
    }
    if let otherwise = choice.otherwise {
      put(" ELSE ")
      expression(otherwise)
    }
    put(" END")
  }

  private mutating func call(_ call: FunctionCall) {
    if call.name == "quarantined_ppm" {
      put(":quarantined_ppm")
      return
    }
    if call.name == "exists_in" {
      lookup(call)
      return
    }
    put("\(call.name)(")
    if call.star { put("*") }
    if call.distinct { put("DISTINCT ") }
    let goesThrough = FunctionTable.goesThrough(call.name)
    list(call.arguments) { goesThrough ? $0.metered($1) : $0.expression($1) }
    put(")")
    if let filter = call.filter {
      put(" FILTER (WHERE ")
      expression(filter)
      put(")")
    }
    switch call.over {
    case .named(let name, _): put(" OVER \(quoted(name))")
    case .specified(let window):
      put(" OVER ")
      self.window(window)
    case nil: break
    }
  }

  /// `exists_in(source, column)` as SQL says it; as it is written where it was not looked up, and
  /// so refused, which is only ever compared with other expressions.
  private mutating func lookup(_ call: FunctionCall) {
    guard case .column(_, let source, _)? = call.arguments.first?.kind,
      let found = lookups.first(where: { $0.source.names(source) })
    else {
      put("\(call.name)(")
      list(call.arguments) { $0.expression($1) }
      return put(")")
    }
    put("EXISTS (SELECT 1 FROM \(quoted(found.table)) AS \"looked_up\" WHERE ")
    put("\"looked_up\".\(quoted(found.column)) = ")
    expression(call.arguments[1])
    put(")")
  }

  private mutating func literal(_ literal: Literal) {
    switch literal {
    case .null: put("NULL")
    case .bool(let flag): put(flag ? "1" : "0")
    case .integer(let value):
      // The smallest integer has no literal of its own: its digits alone are too large.
      put(value == .min ? "(-9223372036854775807 - 1)" : value < 0 ? "(\(value))" : "\(value)")
    case .real(let spelling): put(spelling)
    case .text(let text): put(SQL.literal(text))
    case .blob(let bytes):
      let digits = Array("0123456789abcdef")
      put("x'\(String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }))'")
    }
  }
}

extension Expression {
  fileprivate var isNumber: Bool {
    if case .literal(.integer) = kind {
      true
    } else if case .literal(.real) = kind {
      true
    } else {
      false
    }
  }
}

extension RelationSyntax {
  /// The name by which columns may be qualified when there is no alias.
  var spokenName: String {
    switch self {
    case .table(.ref(let name)), .table(.source(let name)), .table(.plain(let name)): name
    case .table(.changed): "changed"
    case .resolved(let shape): shape.name
    case .common(let name), .function(let name, _): name
    case .subquery: ""
    }
  }
}

extension TableName {
  /// As a package writes it.
  var template: String {
    switch self {
    case .ref(let name): "{{ ref('\(name)') }}"
    case .source(let name): "{{ source('\(name)') }}"
    case .changed: "{{ changed }}"
    case .plain(let name): quoted(name)
    }
  }
}
