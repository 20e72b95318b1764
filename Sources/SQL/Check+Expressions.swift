import Wire

/// What is known of an expression's values.
struct Typed: Sendable {
  var type: SQLType
  var nullable: Bool
  var pii = false
  var lineage: Set<Lineage> = []
  /// What only decides of which rows, and in which order, the values are made.
  var indirect: Set<Lineage> = []
  /// A literal, an argument or a variable: it takes on the type of what it is compared with.
  var isGiven = false
  /// Of a whole number that is given in the text, or of a column that is one.
  var number: Int64?
  /// Of a decimal that was multiplied or divided by a power of ten.
  var rescaled: Rescaled?

  static let unknown = Typed(type: .unknown, nullable: true)

  func with(_ type: SQLType, nullable: Bool? = nil) -> Typed {
    Typed(
      type: type, nullable: nullable ?? self.nullable, pii: pii, lineage: lineage,
      indirect: indirect)
  }

  /// What depends on both.
  func mixed(with other: Typed) -> Typed {
    Typed(
      type: type, nullable: nullable || other.nullable, pii: pii || other.pii,
      lineage: lineage.union(other.lineage), indirect: indirect.union(other.indirect))
  }

  var origins: Set<Lineage> { lineage.union(indirect) }
  var originCount: Int { lineage.count + indirect.count }
}

extension OutputColumn {
  var origins: Set<Lineage> { Set(lineage + indirect) }
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
    guard !work.isSpent else { return .none }
    work.charge(1 + scope.space.columns.count / 2)
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
    guard work.walk(at: place) else { return .unknown }
    switch expression.kind {
    case .literal(let value): return readBefore(value, at: place) ?? literal(value, at: place)
    case .column(var qualifier, let name, let isQuoted):
      let typed = column(&qualifier, name, isQuoted, at: place)
      expression = rebuilt(
        expression, .column(qualifier: qualifier, name: name, quoted: isQuoted))
      return typed
    case .parameter(let name): return parameter(name, at: place)
    case .variable(let name): return variable(name, at: place)
    case .unary(let operation, var part):
      let typed = walk(&part, in: position)
      expression = rebuilt(expression, .unary(operation, part))
      if operation == .not { return typed.with(.bool) }
      arithmetic(typed, at: place)
      return negated(typed, operation)
    case .binary(let operation, var left, var right):
      let first: Typed
      let second: Typed
      if operation.meets {
        (first, second) = sides(&left, operation, &right, in: position)
      } else {
        first = walk(&left, in: position)
        if operation.readsJSON { canonicalJSON(first, left) }
        second = walk(&right, in: position)
      }
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
      let early = value.isConstant ? nil : walk(&value, in: position)
      let found = subquery(&inner)
      let typed = early ?? constant(&value, as: found.type, true) ?? walk(&value, in: position)
      compare(typed, found, at: place)
      expression = rebuilt(expression, .inQuery(value, inner, negated: negated))
      return mixed(typed, found).with(.bool)
    default: return predicate(&expression, in: position)
    }
  }

  private func negated(_ typed: Typed, _ operation: UnaryOperator) -> Typed {
    var result = typed.with([.null, .bool].contains(typed.type) ? .integer : typed.type)
    result.rescaled = typed.rescaled
    guard let number = typed.number, operation == .minus else { return result }
    result.isGiven = typed.isGiven
    result.number = 0 &- number
    return result
  }

  /// Checks what decides about rows or their order.
  @discardableResult
  mutating func weigh(_ expression: inout Expression, in position: Position) -> Typed {
    let typed = walk(&expression, in: position)
    if typed.pii {
      work.charge(2 * typed.lineage.count)
      weighed.formUnion(typed.lineage)
    }
    return typed
  }

  /// A result by which rows are compared or ordered.
  mutating func weigh(_ column: OutputColumn) {
    if column.pii { weighed.formUnion(column.lineage) }
  }

  /// Checks what decides which rows the innermost SELECT gives.
  @discardableResult
  mutating func decide(_ expression: inout Expression, in position: Position) -> Typed {
    let typed = weigh(&expression, in: position)
    work.charge(4 * typed.originCount)
    scopes[scopes.count - 1].deciding.formUnion(typed.origins)
    return typed
  }

  private func rebuilt(_ old: Expression, _ kind: ExpressionKind) -> Expression {
    Expression(kind, at: old.place, height: old.height)
  }

  private mutating func predicate(
    _ expression: inout Expression, in position: Position
  ) -> Typed {
    switch expression.kind {
    case .between(var value, var low, var high, let negated):
      var parts = [value, low, high]
      let typed = beside(&parts, in: position)
      (value, low, high) = (parts[0], parts[1], parts[2])
      let (a, b, c) = (typed[0], typed[1], typed[2])
      compare(a, b, at: low.place)
      compare(a, c, at: high.place)
      expression = rebuilt(expression, .between(value, low, high, negated: negated))
      return mixed(mixed(a, b), c).with(.bool)
    case .inList(var value, var items, let negated):
      var parts = [value] + items
      let found = beside(&parts, in: position)
      (value, items) = (parts[0], Array(parts.dropFirst()))
      var typed = found[0]
      for (part, item) in zip(items, found.dropFirst()) {
        compare(found[0], item, at: part.place)
        typed = mixed(typed, item)
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
    var typed = walk(&value, in: position)
    digitsAreNoText(typed, match.glob ? "GLOB" : "LIKE", at: value.place)
    typed = mixed(typed, walk(&pattern, in: position))
    if var mark = escape {
      typed = mixed(typed, walk(&mark, in: position))
      escape = mark
    }
    patternIsShort(pattern)
    let kind = ExpressionKind.like(
      LikeMatch(
        value: value, pattern: pattern, escape: escape, glob: match.glob, negated: match.negated))
    expression = rebuilt(expression, kind)
    return typed.with(.bool)
  }

  mutating func digitsAreNoText(_ typed: Typed, _ what: String, at place: Place) {
    guard typed.type.unit != nil else { return }
    refuse(
      "QD23", at: place, "\(what) of \(typed.type)",
      because: "it is stored as a whole number, whose digits are no text",
      fix: "compare it, as in x >= … and x < …")
  }

  mutating func patternIsShort(_ pattern: Expression) {
    guard case .literal(.text(let text)) = pattern.kind,
      text.utf8.count > SQLLimits.likePatternBytesMax
    else { return }
    refuse(
      "QD41", at: pattern.place, "a pattern of \(text.utf8.count) bytes",
      because: "long patterns cost more than they are billed for",
      fix: "at most \(SQLLimits.likePatternBytesMax) bytes")
  }

  private mutating func cast(_ typed: Typed, to target: CastTarget, at place: Place) -> Typed {
    switch target {
    case .text:
      if typed.type == .bytes { refuseBytes("CAST AS TEXT", at: place) }
      return typed.with(.text)
    case .integer: return typed.with(.integer)
    case .real:
      real("CAST AS REAL", at: place, fix: "cast(x as integer), or a decimal column")
      return typed.with(.real)
    }
  }

  private mutating func choice(
    _ choice: CaseExpression, _ expression: inout Expression, in position: Position
  ) -> Typed {
    var branches = choice.branches
    var read = Typed(type: .bool, nullable: false)
    // With an operand, what it is compared with.
    var tests = [choice.operand].compactMap(\.self) + branches.map(\.when)
    let hasOperand = choice.operand != nil
    var tested: [Typed] = []
    if hasOperand {
      tested = beside(&tests, in: position)
    } else {
      for index in tests.indices { tested.append(walk(&tests[index], in: position)) }
    }
    for (index, typed) in tested.enumerated() {
      read = mixed(read, typed)
      if hasOperand, index > 0 { compare(tested[0], typed, at: tests[index].place) }
    }
    let operand = hasOperand ? tests.removeFirst() : nil
    var values = branches.map(\.then) + [choice.otherwise].compactMap(\.self)
    var result: Typed?
    let given = beside(&values, in: position, refuses: false)
    for (value, typed) in zip(values, given) { result = joined(result, typed, at: value.place) }
    let otherwise = choice.otherwise == nil ? nil : values.removeLast()
    for index in branches.indices { branches[index] = (tests[index], values[index]) }
    expression = rebuilt(
      expression,
      .choice(CaseExpression(operand: operand, branches: branches, otherwise: otherwise)))
    let out = result ?? .unknown
    var typed = mixed(out, read).with(
      out.type, nullable: otherwise == nil || out.nullable)
    typed.rescaled = out.rescaled
    return typed
  }

  // MARK: Names

  private mutating func literal(_ value: Literal, at place: Place) -> Typed {
    switch value {
    case .null: return Typed(type: .null, nullable: true, isGiven: true)
    case .bool: return Typed(type: .bool, nullable: false, isGiven: true)
    case .integer(let number):
      return Typed(type: .integer, nullable: false, isGiven: true, number: number)
    case .text: return Typed(type: .text, nullable: false, isGiven: true)
    case .blob: return Typed(type: .bytes, nullable: false, isGiven: true)
    case .real(let text):
      real("the number \(text)", at: place, fix: "a whole number of minor units")
      return Typed(type: .real, nullable: false, isGiven: true)
    }
  }

  private mutating func real(_ what: String, at place: Place, fix: String) {
    usesReal = true
    guard !profile.allowsReal else { return }
    refuse(
      "QD20", at: place, "\(what) is REAL",
      because: "sums of REAL depend on the order of rows and on the version of SQLite", fix: fix)
  }

  /// Resolves a name, and qualifies it where SQLite would take it for another column.
  private mutating func column(
    _ qualifier: inout String?, _ name: String, _ isQuoted: Bool, at place: Place
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
        work.charge(4 * (column.lineage.count + column.indirect.count))
        pin(&qualifier, to: column, level, at: place)
        if level < scopes.count - 1 { scopes[level].crossings.append((element, place)) }
        return Typed(
          type: column.type, nullable: column.nullable, pii: column.pii,
          lineage: Set(column.lineage), indirect: Set(column.indirect),
          number: column.written.number, rescaled: column.written.rescaled)
      }
    }
    unknownColumn(qualifier, name, isQuoted, at: place)
    return .unknown
  }

  /// SQLite takes the innermost column or alias that fits, the columns among them that the catalog
  /// does not tell of; a qualified name means no alias.
  private mutating func pin(
    _ qualifier: inout String?, to column: RowColumn, _ level: Int, at place: Place
  ) {
    func isShadowed(_ source: String?) -> Bool {
      scopes[level...].contains { scope in
        scope.hidden.contains { hidden in
          hidden.name.names(column.name) && source.map(hidden.qualifier.names) ?? true
        }
      }
    }
    let crosses = level < scopes.count - 1
    for scope in scopes[level...] { work.charge(1 + scope.hidden.count) }
    guard isShadowed(qualifier) || crosses && qualifier == nil else { return }
    if qualifier == nil, let own = column.qualifier, !own.isEmpty, !isShadowed(own) {
      qualifier = own
      return
    }
    if crosses, column.qualifier?.isEmpty != false {
      refuse(
        "SQL06", at: place, "`\(column.name)` of a SELECT without a name",
        because: "an inner SELECT may have a `\(column.name)` of its own",
        fix: "name it: (select …) as a, and write a.\(column.name)")
    } else {
      refuse(
        "SQL06", at: place, "`\(column.name)` could mean a column that may not be read here",
        because: "a source here has one of that name", fix: "call yours by another name")
    }
  }

  private mutating func unknownColumn(
    _ qualifier: String?, _ name: String, _ isQuoted: Bool, at place: Place
  ) {
    guard refusals.count < SQLLimits.refusalsMax else { return }
    // The source that may have it was refused already, and that is what is wrong.
    if scopes.contains(where: \.isIncomplete) { return }
    let known = scopes.flatMap { $0.space.columns.compactMap { $0?.name } }
    let near = near(name, among: known)
    let isWithheld = scopes.contains { scope in
      scope.withheld.contains { column in
        column.name.names(name) && qualifier.map(column.qualifier.names) ?? true
      }
    }
    if isWithheld {
      refuse(
        "SQL05", at: place, "`\(name)` is withheld from you",
        because: "it is personal (pii: …), for the owner alone; a named query gives null for it")
    } else if ["rowid", "oid", "_rowid_"].contains(name.folded) {
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
      let near = near(name, among: parameters.map(\.name))
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
    var typed = Typed(type: found.type, nullable: true, isGiven: true)
    if case .integer(let number)? = arguments.first(where: { $0.name == name })?.value {
      typed.number = number
    }
    return typed
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
      let near = near(name, among: variables.map(\.name))
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
    let both = mixed(first, second)
    switch operation {
    case .and, .or: return both.with(.bool)
    case .is, .isNot:
      compare(first, second, at: place)
      return both.with(.bool, nullable: false)
    case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual:
      compare(first, second, at: place)
      return both.with(.bool)
    case .concatenate:
      if first.type == .bytes || second.type == .bytes { refuseBytes("||", at: place) }
      return both.with(.text)
    case .arrow: return both.with(.json, nullable: true)
    case .arrowText: return both.with(.unknown, nullable: true)
    case .bitAnd, .bitOr, .shiftLeft, .shiftRight:
      arithmetic(both, at: place)
      return both.with(.integer)
    case .plus, .minus, .times, .divide, .remainder:
      arithmetic(first, at: place)
      arithmetic(second, at: place)
      var typed = result(operation, first, second, at: place)
      if operation == .divide || operation == .remainder { typed.nullable = true }
      return typed
    }
  }

  /// Text in arithmetic may turn into REAL, which no literal shows (QD48).
  mutating func arithmetic(_ typed: Typed, at place: Place) {
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
    _ operation: BinaryOperator, _ a: Typed, _ b: Typed, at place: Place
  ) -> Typed {
    let isNumber = [a, b].allSatisfy { $0.type.family == .integer && $0.type != .bool }
    // What is written out can be reckoned here.
    let isKnown =
      a.number.flatMap { first in
        b.number.map { !first.multipliedReportingOverflow(by: $0).overflow }
      } ?? false
    if operation == .times, isNumber, !isKnown {
      warn(
        "QD22", at: place, "a product may overflow", because: "the update is refused then",
        fix: "mul_div(a, b, c), which multiplies in 128 bits")
    }
    return combined(a, operation, b, at: place)
  }

  /// Two columns of different families are refused: '01' and '1' both equal 1, and SQLite leaves
  /// out an ORDER BY that such an equality seems to make needless (measured on 3.40.1).
  mutating func compare(_ a: Typed, _ b: Typed, at place: Place) {
    let (first, second) = (a.type.family, b.type.family)
    if !a.isGiven, !b.isGiven, (a.type == .unknown) != (b.type == .unknown),
      a.type != .null, b.type != .null,
      !profile.allowsReal || a.type.unit != nil || b.type.unit != nil
    {
      refuse(
        "QD23", at: place, "compares \(a.type) with \(b.type)",
        because: "a value of any type would take on the other's, so that '01' and '1' equal 1",
        fix: "cast(… as \(first == .integer || second == .integer ? "integer" : "text"))")
      return
    }
    guard unitsFit(a, b, "compares", at: place) else { return }
    partsAreMeant(a, b, "compares", at: place)
    guard first != .none, second != .none, first != second else { return }
    if [first, second].contains(.real) {
      // Numbers compare as numbers; REAL is refused elsewhere where it is not free.
      guard profile.allowsReal, !a.type.isPlain || !b.type.isPlain else { return }
    }
    if !a.isGiven, !b.isGiven {
      let fix = first == .text || second == .text ? "text" : "integer"
      refuse(
        "QD23", at: place, "compares \(a.type) with \(b.type)",
        because: "'01' and '1' would both equal 1, and which is found first depends on the index",
        fix: "cast(… as \(fix)) on the side that is none")
      return
    }
    guard !a.isGiven || !b.isGiven else {
      warn(
        "QD23", at: place, "compares \(a.type) with \(b.type)",
        because: "values of different types are never equal, and 1 < 'a' is true",
        fix: "cast one side")
      return
    }
    let (wanted, given) = a.isGiven ? (b, a) : (a, b)
    refuse(
      "QD23", at: place, "compares \(wanted.type) with \(given.type)",
      because: "values of different types are never equal, and 1 < 'a' is true",
      fix: wanted.type == .text
        ? given.number.map { "'\($0)'" } ?? "a text, as in 'a'"
        : "a constant or an argument that is \(wanted.type)")
  }

  // MARK: Inner queries

  /// - Returns: what is known of the first column.
  private mutating func subquery(_ inner: inout Query) -> Typed {
    let shape = query(&inner)
    var typed = Typed(
      type: shape.columns.first?.type ?? .unknown, nullable: true, indirect: shape.deciding,
      number: shape.columns.first?.written.number)
    for column in shape.columns {
      chargeOrigins(of: column)
      typed.pii = typed.pii || column.pii
      typed.lineage.formUnion(column.lineage)
      typed.indirect.formUnion(column.indirect)
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
    chargeOrigins(of: column)
    work.charge(2 * shape.deciding.count)
    return Typed(
      type: column.type, nullable: true, pii: column.pii, lineage: Set(column.lineage),
      indirect: shape.deciding.union(column.indirect), number: column.written.number,
      rescaled: column.written.rescaled)
  }
}
