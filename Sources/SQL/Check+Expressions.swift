/// What is known of an expression's values.
struct Typed: Sendable {
  var type: SQLType
  var nullable: Bool
  var pii = false
  var lineage: Set<Lineage> = []
  /// A literal, an argument or a variable: it takes on the type of what it is compared with.
  var isGiven = false

  static let unknown = Typed(type: .unknown, nullable: true)

  func with(_ type: SQLType, nullable: Bool? = nil) -> Typed {
    Typed(type: type, nullable: nullable ?? self.nullable, pii: pii, lineage: lineage)
  }

  /// What depends on both.
  func mixed(with other: Typed) -> Typed {
    Typed(
      type: type, nullable: nullable || other.nullable, pii: pii || other.pii,
      lineage: lineage.union(other.lineage))
  }
}

/// What a column's name means in one scope.
enum Found: Equatable {
  case none
  case one(Int)
  case many
}

extension Profile {
  /// Results become columns of tables, so they need names of their own.
  var needsNames: Bool { self == .model || self == .procedure || self == .query }
}

extension Checker {
  func find(_ name: String, _ qualifier: String?, in scope: Scope) -> Found {
    var found = Found.none
    for (element, column) in scope.space.columns.enumerated() {
      guard let column, column.name.names(name) else { continue }
      if let qualifier {
        guard column.qualifier?.names(qualifier) == true else { continue }
      } else if column.isMerged {
        continue
      }
      if found != .none { return .many }
      found = .one(element)
    }
    return found
  }

  /// What is known of an expression that was walked before; refuses nothing.
  func quietly(_ expression: Expression) -> Typed {
    var probe = self
    var copy = expression
    return probe.walk(&copy, in: .result)
  }

  /// Checks an expression, puts tables into its inner queries, and says what it gives.
  mutating func walk(_ expression: inout Expression, in position: Position) -> Typed {
    let place = expression.place
    switch expression.kind {
    case .literal(let value): return literal(value, at: place)
    case .column(let qualifier, let name, let isQuoted):
      return column(qualifier, name, isQuoted, at: place)
    case .parameter(let name): return parameter(name, at: place)
    case .variable(let name): return variable(name, at: place)
    case .unary(let operation, var part):
      let typed = walk(&part, in: position)
      expression = rebuilt(expression, .unary(operation, part))
      if operation == .not { return typed.with(.bool) }
      arithmetic(typed, at: place)
      return typed.with(typed.type == .null ? .integer : typed.type)
    case .binary(let operation, var left, var right):
      if case .parameter = left.kind { compared = quietly(right).type }
      let first = walk(&left, in: position)
      compared = first.type
      let second = walk(&right, in: position)
      compared = nil
      expression = rebuilt(expression, .binary(operation, left, right))
      return binary(operation, first, second, at: place)
    case .call(var call):
      let typed = self.call(&call, in: position, at: place)
      expression = rebuilt(expression, .call(call))
      return typed
    case .exists(var inner):
      let typed = subquery(&inner)
      expression = rebuilt(expression, .exists(inner))
      return typed.with(.bool, nullable: false)
    case .scalar(var inner):
      let typed = scalar(&inner, at: place)
      expression = rebuilt(expression, .scalar(inner))
      return typed
    case .inQuery(var value, var inner, let negated):
      let typed = walk(&value, in: position)
      let found = subquery(&inner)
      compare(typed, found, at: place)
      expression = rebuilt(expression, .inQuery(value, inner, negated: negated))
      return typed.mixed(with: found).with(.bool)
    default: return predicate(&expression, in: position)
    }
  }

  private func rebuilt(_ old: Expression, _ kind: ExpressionKind) -> Expression {
    Expression(kind, at: old.place, height: old.height)
  }

  private mutating func predicate(
    _ expression: inout Expression, in position: Position
  ) -> Typed {
    switch expression.kind {
    case .between(var value, var low, var high, let negated):
      let a = walk(&value, in: position)
      let b = walk(&low, in: position)
      let c = walk(&high, in: position)
      compare(a, b, at: low.place)
      compare(a, c, at: high.place)
      expression = rebuilt(expression, .between(value, low, high, negated: negated))
      return a.mixed(with: b).mixed(with: c).with(.bool)
    case .inList(var value, var items, let negated):
      var typed = walk(&value, in: position)
      let first = typed
      for index in items.indices {
        let item = walk(&items[index], in: position)
        compare(first, item, at: items[index].place)
        typed = typed.mixed(with: item)
      }
      expression = rebuilt(expression, .inList(value, items, negated: negated))
      return typed.with(.bool)
    case .isNull(var value, let negated):
      let typed = walk(&value, in: position)
      expression = rebuilt(expression, .isNull(value, negated: negated))
      return typed.with(.bool, nullable: false)
    case .like(let match): return like(match, &expression, in: position)
    case .cast(var value, let target):
      let typed = walk(&value, in: position)
      expression = rebuilt(expression, .cast(value, target))
      return cast(typed, to: target, at: expression.place)
    case .choice(let choice): return self.choice(choice, &expression, in: position)
    default: return .unknown
    }
  }

  private mutating func like(
    _ match: LikeMatch, _ expression: inout Expression, in position: Position
  ) -> Typed {
    var (value, pattern, escape) = (match.value, match.pattern, match.escape)
    let typed = walk(&value, in: position).mixed(with: walk(&pattern, in: position))
    if var mark = escape {
      _ = walk(&mark, in: position)
      escape = mark
    }
    if case .literal(.text(let text)) = pattern.kind,
      text.utf8.count > SQLLimits.likePatternBytesMax
    {
      refuse(
        "QD41", at: pattern.place, "a pattern of \(text.utf8.count) bytes",
        because: "long patterns cost more than they are billed for",
        fix: "at most \(SQLLimits.likePatternBytesMax) bytes")
    }
    let kind = ExpressionKind.like(
      LikeMatch(
        value: value, pattern: pattern, escape: escape, glob: match.glob, negated: match.negated))
    expression = rebuilt(expression, kind)
    return typed.with(.bool)
  }

  private mutating func cast(_ typed: Typed, to target: CastTarget, at place: Place) -> Typed {
    switch target {
    case .text: return typed.with(.text)
    case .integer: return typed.with(.integer)
    case .real:
      real("CAST AS REAL", at: place, fix: "cast(x as integer), or a decimal column")
      return typed.with(.real)
    }
  }

  private mutating func choice(
    _ choice: CaseExpression, _ expression: inout Expression, in position: Position
  ) -> Typed {
    var operand = choice.operand
    var result: Typed?
    var read = Typed(type: .bool, nullable: false)
    if var value = operand {
      read = read.mixed(with: walk(&value, in: position))
      operand = value
    }
    var branches = choice.branches
    for index in branches.indices {
      read = read.mixed(with: walk(&branches[index].when, in: position))
      result = joined(result, walk(&branches[index].then, in: position))
    }
    var otherwise = choice.otherwise
    if var value = otherwise {
      result = joined(result, walk(&value, in: position))
      otherwise = value
    }
    expression = rebuilt(
      expression,
      .choice(CaseExpression(operand: operand, branches: branches, otherwise: otherwise)))
    let out = result ?? .unknown
    return out.mixed(with: read).with(
      out.type, nullable: otherwise == nil || out.nullable)
  }

  private func joined(_ first: Typed?, _ second: Typed) -> Typed {
    guard let first else { return second }
    return first.mixed(with: second).with(first.type.joined(with: second.type))
  }

  // MARK: Names

  private mutating func literal(_ value: Literal, at place: Place) -> Typed {
    switch value {
    case .null: return Typed(type: .null, nullable: true, isGiven: true)
    case .bool: return Typed(type: .bool, nullable: false, isGiven: true)
    case .integer: return Typed(type: .integer, nullable: false, isGiven: true)
    case .text: return Typed(type: .text, nullable: false, isGiven: true)
    case .blob: return Typed(type: .bytes, nullable: false, isGiven: true)
    case .real(let text):
      real("the number \(text)", at: place, fix: "a whole number of minor units")
      return Typed(type: .real, nullable: false)
    }
  }

  private mutating func real(_ what: String, at place: Place, fix: String) {
    usesReal = true
    guard !profile.allowsReal else { return }
    refuse(
      "QD20", at: place, "\(what) is REAL",
      because: "sums of REAL depend on the order of rows and on the version of SQLite", fix: fix)
  }

  private mutating func column(
    _ qualifier: String?, _ name: String, _ isQuoted: Bool, at place: Place
  ) -> Typed {
    for level in scopes.indices.reversed() {
      switch find(name, qualifier, in: scopes[level]) {
      case .none: continue
      case .many:
        refuse(
          "SQL06", at: place, "`\(name)` is in several sources",
          because: "it could mean either", fix: "qualify it, as in a.\(name)")
        return .unknown
      case .one(let element):
        guard let column = scopes[level].space.columns[element] else { return .unknown }
        columnsRead.insert(column.name)
        if level < scopes.count - 1 { scopes[level].crossings.append((element, place)) }
        return Typed(
          type: column.type, nullable: column.nullable, pii: column.pii,
          lineage: Set(column.lineage))
      }
    }
    unknownColumn(qualifier, name, isQuoted, at: place)
    return .unknown
  }

  private mutating func unknownColumn(
    _ qualifier: String?, _ name: String, _ isQuoted: Bool, at place: Place
  ) {
    // The source that may have it was refused already, and that is what is wrong.
    if scopes.contains(where: \.isIncomplete) { return }
    let known = scopes.flatMap { $0.space.columns.compactMap { $0?.name } }
    let near = closest(to: name, among: known)
    if ["rowid", "oid", "_rowid_"].contains(name.folded) {
      refuse(
        "QD16", at: place, "`\(name)`", because: "SQLite draws it at random or by history",
        fix: "the table's primary key")
    } else if isQuoted {
      refuse(
        "QD42", at: place, "\"\(name)\" is no column",
        because: "SQLite would take a misspelt name in double quotes for a text",
        fix: near ?? "'\(name)'")
    } else if FunctionTable.denied(name.folded)?.rule == "QD02" {
      refuse(
        "QD02", at: place, "`\(name)`", because: "each replica has its own clock",
        fix: "consensus_time_ms()")
    } else {
      let full = qualifier.map { "\($0).\(name)" } ?? name
      refuse(
        "SQL05", at: place, "there is no column `\(full)`",
        because: known.isEmpty ? "nothing is selected from" : "no source here has it",
        fix: near.map { qualifier == nil ? $0 : "\(qualifier ?? "").\($0)" })
    }
  }

  private mutating func parameter(_ name: String, at place: Place) -> Typed {
    if name.hasPrefix("refresh_") || name == "quarantined_ppm" {
      refuse(
        "QD43", at: place, "`:\(name)` is the engine's own", because: "the engine binds it itself",
        fix: "choose another name")
      return .unknown
    }
    guard let found = parameters.first(where: { $0.name == name }) else {
      let near = closest(to: name, among: parameters.map(\.name))
      refuse(
        "QD43", at: place, "there is no argument `:\(name)`",
        because: parameters.isEmpty
          ? "`args:` declares none"
          : "`args:` declares \(parameters.map(\.name).joined(separator: ", "))",
        fix: near.map { ":\($0)" } ?? "args: { \(name): \(argumentType) }")
      return .unknown
    }
    usedParameters.insert(name)
    if found.type == .real { usesReal = true }
    return Typed(type: found.type, nullable: true, isGiven: true)
  }

  /// The type that an argument should have, from what it is compared with.
  private var argumentType: String {
    switch compared {
    case nil, .null, .unknown, .real: "text"
    case .decimal: "\"\(compared ?? .text)\""
    case .some(let type): "\(type)"
    }
  }

  private mutating func variable(_ name: String, at place: Place) -> Typed {
    guard let found = variables.first(where: { $0.name == name }) else {
      let near = closest(to: name, among: variables.map(\.name))
      refuse(
        "SQL10", at: place, "there is no variable `\(name)`",
        because: "`vars:` declares none of it",
        fix: near.map { "{{ var('\($0)') }}" })
      return .unknown
    }
    return literal(found.value, at: place)
  }

  // MARK: Operators

  private mutating func binary(
    _ operation: BinaryOperator, _ first: Typed, _ second: Typed, at place: Place
  ) -> Typed {
    let both = first.mixed(with: second)
    switch operation {
    case .and, .or: return both.with(.bool)
    case .is, .isNot:
      compare(first, second, at: place)
      return both.with(.bool, nullable: false)
    case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual:
      compare(first, second, at: place)
      return both.with(.bool)
    case .concatenate: return both.with(.text)
    case .arrow: return both.with(.json, nullable: true)
    case .arrowText: return both.with(.unknown, nullable: true)
    case .bitAnd, .bitOr, .shiftLeft, .shiftRight:
      arithmetic(both, at: place)
      return both.with(.integer)
    case .plus, .minus, .times, .divide, .remainder:
      arithmetic(first, at: place)
      arithmetic(second, at: place)
      return both.with(
        result(operation, first.type, second.type, at: place),
        nullable: both.nullable || operation == .divide || operation == .remainder)
    }
  }

  /// Text in arithmetic may turn into REAL, which no literal shows (QD48).
  private mutating func arithmetic(_ typed: Typed, at place: Place) {
    let isNumber = typed.type.family == .integer || typed.type == .null || typed.type == .real
    guard !isNumber, !profile.allowsReal else {
      if !isNumber { usesReal = true }
      return
    }
    let what = typed.type == .unknown ? "a value out of JSON" : "\(typed.type)"
    refuse(
      "QD48", at: place, "\(what) in arithmetic",
      because: "'1.5' + 1 is REAL, which no literal shows",
      fix: "cast(x as integer)")
  }

  private mutating func result(
    _ operation: BinaryOperator, _ a: SQLType, _ b: SQLType, at place: Place
  ) -> SQLType {
    if a == .real || b == .real {
      usesReal = true
      return .real
    }
    if operation == .times, a.family == .integer, b.family == .integer, a != .bool, b != .bool {
      warn(
        "QD22", at: place, "a product may overflow", because: "SQLite then goes on in REAL",
        fix: "mul_exact(a, b), or mul_div(a, b, c)")
    }
    switch (operation, a, b) {
    case (.minus, .date, .date), (.minus, .timestamp, .timestamp): return .integer
    case (.plus, .date, .integer), (.minus, .date, .integer), (.plus, .integer, .date):
      return .date
    case (.plus, .timestamp, .integer), (.minus, .timestamp, .integer),
      (.plus, .integer, .timestamp):
      return .timestamp
    case (.plus, .decimal(let p, let s), .decimal(let q, let t)) where s == t,
      (.minus, .decimal(let p, let s), .decimal(let q, let t)) where s == t:
      return .decimal(precision: max(p, q), scale: s)
    case (.times, .decimal, .integer), (.divide, .decimal, .integer): return a
    case (.times, .integer, .decimal): return b
    default: return .integer
    }
  }

  /// Two columns of different families are refused: '01' and '1' both equal 1, and SQLite leaves
  /// out an ORDER BY that such an equality seems to make needless (measured on 3.40.1).
  mutating func compare(_ a: Typed, _ b: Typed, at place: Place) {
    let (first, second) = (a.type.family, b.type.family)
    guard first != .none, second != .none, first != second else { return }
    if !a.isGiven, !b.isGiven, first != .real, second != .real {
      let fix = first == .text || second == .text ? "text" : "integer"
      refuse(
        "QD23", at: place, "compares \(a.type) with \(b.type)",
        because: "'01' and '1' would both equal 1, and which is found first depends on the index",
        fix: "cast(… as \(fix)) on the side that is none")
      return
    }
    warn(
      "QD23", at: place, "compares \(a.type) with \(b.type)",
      because: "values of different types are never equal, and 1 < 'a' is true",
      fix: "cast one side")
  }

  // MARK: Inner queries

  /// - Returns: what is known of the first column.
  private mutating func subquery(_ inner: inout Query) -> Typed {
    let shape = query(&inner)
    var typed = Typed(type: shape.columns.first?.type ?? .unknown, nullable: true)
    for column in shape.columns {
      typed.pii = typed.pii || column.pii
      typed.lineage.formUnion(column.lineage)
    }
    return typed
  }

  private mutating func scalar(_ inner: inout Query, at place: Place) -> Typed {
    let shape = query(&inner)
    guard let column = shape.columns.first, shape.columns.count == 1 else {
      refuse(
        "SQL06", at: place, "a SELECT of \(shape.columns.count) columns as a value",
        because: "a value has one column")
      return .unknown
    }
    var isSingle = shape.keys.contains([])
    if let limit = inner.limit, case .literal(.integer(let count)) = limit.count.kind,
      (0...1).contains(count)
    {
      // Its order was checked with the LIMIT.
      isSingle = true
    }
    if !isSingle {
      refuse(
        "QD05", at: place, "a SELECT as a value that may give several rows",
        because: "SQLite takes the first it meets, and replicas could meet different ones",
        fix: "select max(\(column.name)) …, or compare a whole unique key in its WHERE")
    }
    return Typed(
      type: column.type, nullable: true, pii: column.pii, lineage: Set(column.lineage))
  }

  // MARK: Calls

  private mutating func call(
    _ call: inout FunctionCall, in position: Position, at place: Place
  ) -> Typed {
    if let own = expectationCall(&call, at: place) { return own }
    guard let signature = signature(of: call, at: place) else {
      for index in call.arguments.indices { _ = walk(&call.arguments[index], in: position) }
      return .unknown
    }
    functions.insert(signature.name)
    placement(call, signature, in: position, at: place)
    let isAggregate = call.over == nil && call.isAggregate
    var typed: [Typed] = []
    for index in call.arguments.indices {
      typed.append(walk(&call.arguments[index], in: isAggregate ? .row : position))
    }
    if var filter = call.filter {
      _ = walk(&filter, in: isAggregate ? .row : position)
      call.filter = filter
    }
    if case .specified(var window)? = call.over {
      windowParts(&window)
      call.over = .specified(window)
    }
    if isAggregate { ownColumns(call, at: place) }
    let readers = ["json_extract", "json_type", "json_array_length"]
    if readers.contains(call.name), let value = call.arguments.first, let known = typed.first {
      canonicalJSON(known, value)
    }
    if call.over != nil { windowOrder(call, at: place) }
    return result(of: signature, call, typed, at: place)
  }

  /// SQLite computes an aggregate of outer columns only in the outer SELECT.
  private mutating func ownColumns(_ call: FunctionCall, at place: Place) {
    let columns = (call.arguments + [call.filter].compactMap(\.self)).flatMap(\.columnNames)
    guard !columns.isEmpty,
      !columns.contains(where: { find($0.name, $0.qualifier, in: top) != .none })
    else { return }
    refuse(
      "SQL09", at: place, "\(call.name)() of outer columns only",
      because: "SQLite would compute it in the outer SELECT",
      fix: "name the aggregate outside, or aggregate a column of this SELECT")
  }

  /// Numbers in JSON keep their spelling and may be REAL, so only canonical JSON is read.
  mutating func canonicalJSON(_ typed: Typed, _ value: Expression) {
    switch typed.type {
    case .json, .unknown, .null: return
    default: break
    }
    if case .literal(.text(let text)) = value.kind,
      !text.utf8.contains(where: { [46, 69, 101].contains($0) })
    {
      return
    }
    guard !profile.allowsReal else {
      usesReal = true
      return
    }
    refuse(
      "QD26", at: value.place, "JSON out of \(typed.type)",
      because: "only columns of type json are canonical: sorted keys, integers and strings",
      fix: "declare the column as json")
  }

  private mutating func signature(
    of call: FunctionCall, at place: Place
  ) -> FunctionSignature? {
    guard let found = FunctionTable.offered(call.name) else {
      if let denied = FunctionTable.denied(call.name) {
        if profile.allowsReal, denied.rule == "QD20" { return realFunction(call) }
        if denied.rule == "QD02", let zone = call.zone {
          refuse(
            "QD04", at: zone.place, "a time zone in \(call.name)()",
            because: "each machine has its own zone and its own table of zones",
            fix: "keep UTC; read offsets from a seed of time zones")
          return nil
        }
        refuse(
          denied.rule, at: place, "\(call.name)() is denied", because: denied.reason,
          fix: denied.fix)
        return nil
      }
      let near = closest(to: call.name, among: FunctionTable.offered.map(\.name))
      let clocks = ["now", "getdate", "sysdate", "sysdatetime", "getutcdate", "clock_timestamp"]
      refuse(
        clocks.contains(call.name.folded) ? "QD02" : "SQL05", at: place,
        "there is no function \(call.name)()",
        because: clocks.contains(call.name.folded)
          ? "each replica has its own clock" : "only functions of the rule set qsql-1 may run",
        fix: clocks.contains(call.name.folded)
          ? "consensus_time_ms()" : near.map { "\($0)(…)" })
      return nil
    }
    if found.formats, !profile.allowsFormatting {
      refuse(
        "SQL08", at: place, "\(call.name)() outside of a query", because: "state keeps numbers",
        fix: "keep the number; declare its type in columns:")
    }
    let count = call.star ? 0 : call.arguments.count
    if call.star, call.name != "count" || call.distinct || !found.arguments.contains(count) {
      refuse("SQL08", at: place, "\(call.name)(*)", because: "only count takes `*`")
    } else if !found.arguments.contains(count) {
      let (least, most) = (found.arguments.lowerBound, found.arguments.upperBound)
      refuse(
        "SQL08", at: place, "\(call.name)() of \(count) arguments",
        because: least == most ? "it takes \(least)" : "it takes \(least) to \(most)")
    }
    return found
  }

  /// `avg`, `total` and `round`, for the answers of a single replica.
  private mutating func realFunction(_ call: FunctionCall) -> FunctionSignature {
    usesReal = true
    return FunctionSignature(
      name: call.name, arguments: 1...2, result: .fixed(.real),
      kind: call.name == "round" ? .scalar : .aggregate, isOurs: false, formats: false,
      keepsNotNull: false)
  }

  private mutating func placement(
    _ call: FunctionCall, _ signature: FunctionSignature, in position: Position, at place: Place
  ) {
    if signature.kind == .window, call.over == nil {
      refuse(
        "SQL09", at: place, "\(call.name)() without OVER", because: "it is a window function",
        fix: "\(call.name)() over (partition by … order by …)")
    }
    if call.over != nil, signature.kind == .scalar || call.distinct {
      refuse(
        "SQL09", at: place, "\(call.name)() with OVER",
        because: call.distinct ? "DISTINCT has no window" : "it is no window function")
    }
    if call.distinct || call.filter != nil, !call.isAggregate, call.over == nil {
      refuse(
        "SQL09", at: place, "\(call.name)() with DISTINCT or FILTER",
        because: "it is no aggregate")
    }
    if position == .result, call.isAggregate, top.groups == nil, !scopes.isEmpty {
      refuse(
        "SQL09", at: place, "\(call.name)() in ORDER BY alone",
        because: "an aggregate makes one row of all", fix: "select it, or group by a column")
    }
    let needsResult = call.over != nil || call.isAggregate
    if position == .row, needsResult {
      refuse(
        "SQL09", at: place, "\(call.name)() where single rows are looked at",
        because: "aggregates and windows come after WHERE and GROUP BY",
        fix: call.over == nil ? "HAVING, or a common table" : "a common table")
    }
  }

  private mutating func result(
    of signature: FunctionSignature, _ call: FunctionCall, _ typed: [Typed], at place: Place
  ) -> Typed {
    var all = Typed(type: .null, nullable: false)
    for argument in typed { all = all.mixed(with: argument) }
    if ["add_exact", "mul_exact", "mul_div", "abs", "sum"].contains(call.name) {
      for argument in typed.prefix(2) { arithmetic(argument, at: place) }
    }
    let type: SQLType
    switch signature.result {
    case .fixed(let fixed): type = fixed
    case .argument(let index): type = index < typed.count ? typed[index].type : .unknown
    case .common:
      // IIF's condition and the distance of LAG and LEAD are no results.
      var results = typed
      if call.name == "iif", !results.isEmpty { results.removeFirst() }
      if ["lag", "lead"].contains(call.name), results.count > 1 { results.remove(at: 1) }
      type = results.reduce(.null) { $0.joined(with: $1.type) }
    }
    if typed.contains(where: { $0.type == .real }) { usesReal = true }
    var nullable = signature.keepsNotNull ? all.nullable : true
    if signature.kind == .aggregate, call.isAggregate || call.over != nil, call.name != "count" {
      // No row at all gives NULL, unless there are groups.
      nullable = all.nullable || top.groups?.expressions.isEmpty ?? true || call.filter != nil
    }
    if call.name == "count" { nullable = false }
    if ["coalesce", "ifnull"].contains(call.name) { nullable = typed.allSatisfy(\.nullable) }
    return all.with(type, nullable: nullable)
  }

  /// The two functions that only expectations have.
  private mutating func expectationCall(_ call: inout FunctionCall, at place: Place) -> Typed? {
    guard ["exists_in", "quarantined_ppm"].contains(call.name) else { return nil }
    guard profile == .expectation else {
      refuse(
        "SQL08", at: place, "\(call.name)() outside of an expectation",
        because: "it looks at the batch that is being taken in")
      return .unknown
    }
    if call.name == "quarantined_ppm" {
      usesQuarantinedPPM = true
      return Typed(type: .integer, nullable: false)
    }
    guard call.arguments.count == 2,
      case .column(nil, let name, _) = call.arguments[0].kind
    else {
      refuse(
        "SQL08", at: place, "exists_in() takes a source and a column",
        because: "it looks the column up in the source's primary key",
        fix: "exists_in(institutions, bank_id)")
      return .unknown
    }
    guard let found = lookups.first(where: { $0.name.names(name) }) else {
      let near = closest(to: name, among: lookups.map(\.name))
      refuse(
        "SQL05", at: call.arguments[0].place, "there is no source `\(name)`",
        because: "exists_in looks into a source of this package",
        fix: near.map { "exists_in(\($0), …)" })
      return .unknown
    }
    guard let key = found.shape.keys.first, key.count == 1 else {
      refuse(
        "SQL08", at: place, "exists_in(\(name), …)",
        because: "the source's primary key has several columns; it must have one")
      return .unknown
    }
    let typed = walk(&call.arguments[1], in: .row)
    tables.insert(found.shape.name)
    if !lookupsMade.contains(where: { $0.source == found.name }) {
      lookupsMade.append((found.name, found.shape.name, key[0]))
    }
    return typed.with(.bool, nullable: false)
  }
}

extension FunctionCall {
  /// `min` and `max` of several arguments are scalar.
  var isAggregate: Bool {
    if ["avg", "total"].contains(name) { return over == nil }
    guard over == nil, let found = FunctionTable.offered(name), found.kind == .aggregate else {
      return false
    }
    return !(["min", "max"].contains(name) && arguments.count > 1)
  }
}

extension FunctionCall {
  /// The argument that asks for the machine's time zone.
  fileprivate var zone: Expression? {
    arguments.first { argument in
      guard case .literal(.text(let text)) = argument.kind else { return false }
      return ["localtime", "utc"].contains(text.folded)
    }
  }
}

extension Expression {
  /// A plain column's name.
  var plainName: String? {
    if case .column(_, let name, _) = kind { name } else { nil }
  }

  /// The expressions right below; inner queries are not looked into.
  var parts: [Expression] {
    switch kind {
    case .literal, .column, .parameter, .variable, .exists, .scalar: []
    case .unary(_, let part), .cast(let part, _), .isNull(let part, _): [part]
    case .binary(_, let left, let right): [left, right]
    case .between(let value, let low, let high, _): [value, low, high]
    case .inList(let value, let items, _): [value] + items
    case .inQuery(let value, _, _): [value]
    case .like(let match): [match.value, match.pattern] + [match.escape].compactMap(\.self)
    case .choice(let choice):
      [choice.operand].compactMap(\.self) + choice.branches.flatMap { [$0.when, $0.then] }
        + [choice.otherwise].compactMap(\.self)
    case .call(let call):
      call.arguments + [call.filter].compactMap(\.self) + (call.over?.parts ?? [])
    }
  }

  /// Every column named here; inner queries are not looked into.
  var columnNames: [(qualifier: String?, name: String)] {
    if case .column(let qualifier, let name, _) = kind { return [(qualifier, name)] }
    return parts.flatMap(\.columnNames)
  }

  /// Holds an aggregate that groups the rows.
  var aggregates: Bool {
    if case .call(let call) = kind, call.isAggregate { return true }
    return parts.contains(where: \.aggregates)
  }
}

extension WindowReference {
  var parts: [Expression] {
    guard case .specified(let window) = self else { return [] }
    return window.partition + window.order.map(\.expression)
  }
}
