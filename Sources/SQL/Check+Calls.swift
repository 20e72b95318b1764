import Wire

// Calls of functions: which may stand where, and what they give.

extension Checker {
  mutating func call(
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
    let crossings = scopes.map(\.crossings.count)
    let typed = arguments(of: &call, signature, in: isAggregate ? .row : position)
    var indirect: Set<Lineage> = []
    if var filter = call.filter {
      indirect = weigh(&filter, in: isAggregate ? .row : position).origins
      call.filter = filter
    }
    switch call.over {
    case .specified(var window):
      indirect.formUnion(windowParts(&window))
      call.over = .specified(window)
    case .named(let name, _): indirect.formUnion(origins(ofWindow: name))
    case nil: break
    }
    if isAggregate { ownColumns(call, crossings, at: place) }
    let readers = ["json_extract", "json_type", "json_array_length"]
    if readers.contains(call.name), let value = call.arguments.first, let known = typed.first {
      canonicalJSON(known, value)
    }
    if ["like", "glob"].contains(call.name), let pattern = call.arguments.first {
      patternIsShort(pattern)
      if typed.count > 1 {
        digitsAreNoText(typed[1], "\(call.name)()", at: call.arguments[1].place)
      }
    }
    if call.over != nil { windowOrder(call, at: place) }
    var found = result(of: signature, call, typed, at: place)
    work.charge(2 * indirect.count)
    found.indirect.formUnion(indirect)
    return found
  }

  /// Those that one result comes from stand side by side.
  private mutating func arguments(
    of call: inout FunctionCall, _ signature: FunctionSignature, in position: Position
  ) -> [Typed] {
    var typed: [Typed] = []
    let apart = call.placeApart
    var mixes = ["nullif", "add_exact"].contains(call.name)
    if case .common = signature.result { mixes = true }
    guard mixes else {
      for index in call.arguments.indices {
        typed.append(walk(&call.arguments[index], in: position))
      }
      return typed
    }
    let places = call.arguments.indices.filter { $0 != apart }
    var values = places.map { call.arguments[$0] }
    typed = beside(&values, in: position, refuses: call.name == "nullif")
    for (place, value) in zip(places, values) { call.arguments[place] = value }
    if let apart, apart < call.arguments.count {
      typed.insert(walk(&call.arguments[apart], in: position), at: apart)
    }
    return typed
  }

  /// SQLite computes an aggregate of outer columns only in the outer SELECT, those that SELECTs in
  /// its arguments read included.
  /// - Parameter before: of each scope how many columns were read from inside before the call.
  private mutating func ownColumns(_ call: FunctionCall, _ before: [Int], at place: Place) {
    let read = zip(scopes, before).map { $0.crossings.count > $1 }
    let columns = (call.arguments + [call.filter].compactMap(\.self)).flatMap(\.columnNames)
    guard read.dropLast().contains(true), read.last == false,
      !columns.contains(where: { find($0.name, $0.qualifier, in: top) != .none })
    else { return }
    refuse(
      "SQL09", at: place, "\(call.name)() of outer columns only",
      because: "SQLite would compute it in the outer SELECT",
      fix: "name the aggregate outside, or aggregate a column of this SELECT")
  }

  /// Numbers in JSON keep their spelling and may be REAL, so only canonical JSON is read.
  mutating func canonicalJSON(_ typed: Typed, _ value: Expression) {
    if typed.type == .json || typed.type == .null { return }
    if case .literal(.text(let text)) = value.kind, LiteralJSON.isPlain(text) { return }
    guard !profile.allowsReal else {
      usesReal = true
      return
    }
    if typed.type == .unknown {
      refuse(
        "QD26", at: value.place, "JSON out of a value out of JSON",
        because: "it may be a text, whose numbers may be REAL, and which not every SQLite reads",
        fix: "column -> '$.a' ->> '$.b'; of json_each(column) e: column -> e.fullkey, "
          + "where no key holds a \"")
      return
    }
    let isWritten = if case .literal = value.kind { true } else { false }
    refuse(
      "QD26", at: value.place, "JSON out of \(typed.type)",
      because: "only columns of type json are canonical: sorted keys, integers and strings",
      fix: isWritten
        ? "'{\"a\":[1,\"b\"]}', without spaces and escapes, numbers whole"
        : "declare the column as json")
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
      let near = near(call.name, among: FunctionTable.offered.map(\.name))
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
    if call.distinct, call.isAggregate, call.arguments.count != 1 {
      refuse(
        "SQL09", at: place, "\(call.name)(DISTINCT …) of \(call.arguments.count) arguments",
        because: "SQLite makes one argument distinct", fix: "select distinct in a common table")
    }
    if call.over != nil, call.name.hasSuffix("list_sorted") {
      refuse(
        "SQL09", at: place, "\(call.name)() with OVER", because: "it is no window function",
        fix: "group by the columns of the partition")
    }
    if call.name == "list_sorted", call.arguments.count == 3 {
      switch call.arguments[2].kind {
      case .literal, .parameter, .variable: break
      default:
        refuse(
          "QD07", at: call.arguments[2].place, "a separator that rows choose",
          because: "the last row that is met would choose it", fix: "list_sorted(value, key, ', ')")
      }
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
    for argument in typed { all = mixed(all, argument) }
    if ["add_exact", "mul_exact", "mul_div", "abs", "sum"].contains(call.name) {
      for argument in typed.prefix(2) { arithmetic(argument, at: place) }
    }
    if call.name == "exact" {
      for argument in typed.dropLast() { arithmetic(argument, at: place) }
    }
    textsAreWhole(call, typed, at: place)
    trimsLittle(call)
    datesFit(call, typed)
    countsArePlain(call, typed)
    partsStayWhole(call, typed, at: place)
    scaleFits(call, typed)
    if call.name == "nullif", typed.count == 2 { compare(typed[0], typed[1], at: place) }
    let found = arithmeticResult(call, typed, at: place)
    let type = found?.type ?? plainType(of: signature, call, typed)
    if typed.contains(where: { $0.type == .real }) { usesReal = true }
    var nullable = signature.keepsNotNull ? all.nullable : true
    if signature.kind == .aggregate, call.isAggregate || call.over != nil, call.name != "count" {
      // No row at all gives NULL, unless there are groups.
      nullable = all.nullable || top.groups?.expressions.isEmpty ?? true || call.filter != nil
    }
    if call.name == "count" { nullable = false }
    if ["coalesce", "ifnull"].contains(call.name) { nullable = typed.allSatisfy(\.nullable) }
    var result = all.with(type, nullable: nullable)
    if type == .integer {
      result.rescaled = found == nil ? typed.compactMap(\.rescaled).first : found?.rescaled
    }
    return result
  }

  private mutating func plainType(
    of signature: FunctionSignature, _ call: FunctionCall, _ typed: [Typed]
  ) -> SQLType {
    switch signature.result {
    case .fixed(let fixed): return fixed
    case .argument(let index): return index < typed.count ? typed[index].type : .unknown
    // Of a number too it is text.
    case .part: return typed.first?.type == .bytes ? .bytes : .text
    case .common:
      var result: Typed?
      for (index, next) in typed.enumerated() where index != call.placeApart {
        result = joined(result, next, at: call.arguments[index].place)
      }
      return result?.type ?? .null
    }
  }

  /// No text holds NUL, half of a surrogate pair or bytes that are no UTF-8 (QD24).
  private mutating func textsAreWhole(
    _ call: FunctionCall, _ typed: [Typed], at place: Place
  ) {
    let readers = ["lower", "upper", "trim", "ltrim", "rtrim", "replace"]
    if readers.contains(call.name), typed.contains(where: { $0.type == .bytes }) {
      refuseBytes("\(call.name)()", at: place)
    }
    guard call.name == "char" else { return }
    for argument in call.arguments {
      if case .literal(.integer(let code)) = argument.kind, code > 0,
        UInt32(exactly: code).flatMap(Unicode.Scalar.init) != nil
      {
        continue
      }
      refuse(
        "QD24", at: argument.place, "char() of what may be no character",
        because: "a text holds neither NUL nor half of a surrogate pair", fix: "char(233)")
    }
  }

  /// SQLite compares each character of the text with each of those to trim (QD41).
  private mutating func trimsLittle(_ call: FunctionCall) {
    guard ["trim", "ltrim", "rtrim"].contains(call.name), call.arguments.count == 2 else { return }
    if case .literal(.text(let set)) = call.arguments[1].kind,
      set.utf8.count <= SQLLimits.likePatternBytesMax
    {
      return
    }
    refuse(
      "QD41", at: call.arguments[1].place, "\(call.name)() of characters that have no bound",
      because: "the work grows with both texts, and is billed for one",
      fix: "\(call.name)(x, '…') with at most \(SQLLimits.likePatternBytesMax) bytes")
  }

  mutating func refuseBytes(_ what: String, at place: Place) {
    refuse(
      "QD24", at: place, "\(what) of bytes", because: "bytes need not be UTF-8, and a text is",
      fix: "hex(x)")
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
      let near = near(name, among: lookups.map(\.name))
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
    if let column = found.shape.columns.first(where: { $0.name == key[0] }) {
      compare(typed, Typed(type: column.type, nullable: true), at: call.arguments[1].place)
    }
    tables.insert(found.shape.name)
    if !lookupsMade.contains(where: { $0.source == found.name }) {
      lookupsMade.append((found.name, found.shape.name, key[0]))
    }
    return typed.with(.bool, nullable: false)
  }
}

extension FunctionCall {
  /// IIF's condition and the distance of LAG and LEAD are no results.
  fileprivate var placeApart: Int? { ["iif": 0, "lag": 1, "lead": 1][name] }

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
    var found: [(qualifier: String?, name: String)] = []
    addColumnNames(to: &found)
    return found
  }

  private func addColumnNames(to found: inout [(qualifier: String?, name: String)]) {
    if case .column(let qualifier, let name, _) = kind { return found.append((qualifier, name)) }
    for part in parts { part.addColumnNames(to: &found) }
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
