extension CheckedQuery {
  /// Why the rows of one key cannot be computed from the rows of its tables that have the key;
  /// empty when they can.
  ///
  /// - Safety: where nothing is refused, the statement over the restricted tables gives exactly the
  ///   rows with the key that it gives over the whole ones, for every key and all rows. What is
  ///   not proven is refused. Of a table with a `scope:` that takes rows by other columns than the
  ///   key it is only taken on trust that the scope takes those that belong to the key.
  package func refusals(
    keyedBy tables: KeyedTables, work: CheckWork = CheckWork()
  ) -> [Diagnostic] {
    var analysis = KeyAnalysis(
      text: query.source, tables: tables, variables: variables, work: work)
    analysis.statement(query)
    if work.isSpent { return [work.refusal(of: query.source)] }
    return analysis.refusals.sorted { $0.place.offset < $1.place.offset }
  }
}

/// Follows the key of each row through a statement, from the tables to the result.
///
/// A relation is `keyed` when restricting the tables leaves exactly its rows with the key,
/// and terms tell the key of each. Joins keep that when equalities tie the keys of both sides,
/// groups and windows when what they group by determines the key. An inner SELECT whose rows are
/// tied to the key of the row around it gives what it gives over the whole tables.
///
/// - Bound: visits each node of the tree once, those of a recursion once a column; each is charged
///   to `work`, as are the names and terms that it is held against.
struct KeyAnalysis {
  let text: SQLText
  let tables: KeyedTables
  let variables: [(name: String, value: Literal)]
  let work: CheckWork
  private(set) var refusals: [Diagnostic] = []
  private var commons: [(name: String, relation: KeyedRelation)] = []
  /// The SELECTs around the one looked at that it sees.
  private var scopes: [KeyScope] = []
  private var elements = 0
  /// What reading a table leaves of it, and how long the text is that stands in its place.
  private var tablesRead: [String: (relation: KeyedRelation, bytes: Int)] = [:]

  init(
    text: SQLText, tables: KeyedTables, variables: [(name: String, value: Literal)],
    work: CheckWork
  ) {
    self.text = text
    self.tables = tables
    self.variables = variables
    self.work = work
  }

  private var by: String { tables.by.joined(separator: ", ") }

  private mutating func refuse(
    at place: Place, _ message: String, because reason: String? = nil, fix: String
  ) {
    guard refusals.count < SQLLimits.refusalsMax else { return }
    refusals.append(
      text.refusal(
        "SQL11", at: place, message,
        because: reason ?? "for one key (\(by)) only the rows of that key are read", fix: fix))
  }

  // MARK: Queries

  /// The whole statement. The engine keeps of its result the rows with the key, so it may also
  /// give rows that do not depend on keys.
  mutating func statement(_ query: Query) {
    let arms = arms(of: query)
    for (select, relation) in zip([query.first] + query.rest.map(\.select), arms) {
      switch relation.keying {
      case .whole, .scoped, .refused: continue
      case .lost: refuseResult(select)
      case .keyed(let terms):
        let names = arms[0].columns
        let passes = zip(tables.by, terms).allSatisfy { name, terms in
          terms.contains { term in
            if case .column(let place) = term, place < names.count {
              names[place].names(name)
            } else {
              false
            }
          }
        }
        if !passes { refuseResult(select) }
      }
    }
    if let limit = query.limit, !arms.allSatisfy(\.keying.isWhole) { refuse(limit) }
    let isRefused = arms.contains { if case .refused = $0.keying { true } else { false } }
    if isRefused, refusals.isEmpty { refuseResult(query.first) }
  }

  private mutating func refuseResult(_ select: Select) {
    refuse(
      at: select.place, "rows whose \(by) is not that of the rows they come from",
      because: "so the rows of one key cannot be computed from the rows that have it",
      fix: "select \(by) of the table that is read by it, or kind: full")
  }

  private mutating func refuse(_ limit: Limit) {
    refuse(
      at: limit.place, "LIMIT over rows of several keys",
      because: "for one key (\(by)) only its rows are read, and each would have its own first rows",
      fix: "row_number() over (partition by \(by) order by …), or kind: full")
  }

  private mutating func query(_ query: Query) -> KeyedRelation {
    let arms = arms(of: query)
    var relation = arms[0]
    for (arm, other) in zip(query.rest, arms.dropFirst()) {
      relation.keying = Self.combined(relation.keying, other.keying, arm.operation)
    }
    if let limit = query.limit {
      switch relation.keying {
      case .whole, .refused: break
      case .keyed, .scoped, .lost:
        refuse(limit)
        relation.keying = .refused
      }
    }
    return relation
  }

  private mutating func arms(of query: Query) -> [KeyedRelation] {
    let outer = commons.count
    defer { commons.removeLast(commons.count - outer) }
    for table in query.commonTables {
      // A common table sees nothing of what is around it.
      let around = scopes
      scopes = []
      var relation =
        query.recursive && table.query.reads(table.name)
        ? recursion(table) : self.query(table.query)
      scopes = around
      if table.columns.count == relation.columns.count { relation.columns = table.columns }
      commons.append((table.name, relation))
    }
    return [select(query.first, order: query.rest.isEmpty ? query.order : [])]
      + query.rest.map { select($0.select, order: []) }
  }

  /// What holds of the first SELECT is assumed of all rows and taken back as far as a later SELECT
  /// does not keep it.
  private mutating func recursion(_ table: CommonTable) -> KeyedRelation {
    var relation = select(table.query.first, order: [])
    if table.columns.count == relation.columns.count { relation.columns = table.columns }
    let before = refusals.count
    for _ in 0...relation.columns.count {
      refusals.removeLast(refusals.count - before)
      commons.append((table.name, relation))
      var next = relation
      for arm in table.query.rest {
        let step = select(arm.select, order: [])
        next.keying = Self.combined(next.keying, step.keying, arm.operation)
      }
      commons.removeLast()
      if case .refused = next.keying { return next }
      if Self.termCount(next.keying) == Self.termCount(relation.keying) { return next }
      relation = next
    }
    relation.keying = .lost
    return relation
  }

  private static func termCount(_ keying: Keying) -> Int {
    switch keying {
    case .keyed(let terms): terms.reduce(0) { $0 + $1.count }
    case .scoped(let places): -2 - (places?.count ?? -1)
    case .whole: -100
    case .lost, .refused: -200
    }
  }

  private static func combined(
    _ a: Keying, _ b: Keying, _ operation: CompoundOperator
  ) -> Keying {
    switch (a, b) {
    case (.refused, _), (_, .refused): return .refused
    case (.lost, _), (_, .lost): return .lost
    case (.whole, .whole): return .whole
    case (.keyed(let first), .keyed(let second)):
      let both = zip(first, second).map { one, other in one.filter(Set(other).contains) }
      return both.contains(where: \.isEmpty) ? .lost : .keyed(both)
    case (.keyed, .whole): return operation == .except || operation == .intersect ? a : .lost
    case (.whole, .keyed): return operation == .intersect ? b : .lost
    case (.scoped(let first?), .scoped(let second?)) where first == second: return a
    case (.scoped, _), (_, .scoped): return .scoped(nil)
    }
  }

  // MARK: SELECT

  private mutating func select(_ select: Select, order: [OrderTerm]) -> KeyedRelation {
    guard work.walk(at: select.place) else {
      return KeyedRelation(columns: [], keying: .refused)
    }
    var scope = KeyScope()
    scope.equal = scopes.last?.equal ?? Equalities()
    work.charge(2 * scope.equal.count)
    scope.windows = select.windows
    for item in select.from { add(item, to: &scope) }
    if let filter = select.filter { compare(filter, in: &scope, outer: nil) }
    let keying = joined(&scope)
    let expressions = select.expressions + order.map(\.expression)
    scopes.append(scope)
    for expression in expressions { inner(expression) }
    for (_, window) in select.windows {
      for part in window.partition + window.order.map(\.expression) { inner(part) }
    }
    scopes.removeLast()
    let checked = checkSets(select, expressions, keying, scope)
    return KeyedRelation(
      columns: select.items.enumerated().map { place, item in
        if case .expression(let value, let alias) = item {
          alias ?? value.plainName ?? ""
        } else {
          ""
        }
      }, keying: output(checked, select, scope))
  }

  private mutating func add(_ item: FromItem, to scope: inout KeyScope) {
    let relation: KeyedRelation
    switch item.relation {
    case .resolved(let shape): relation = self.relation(of: shape)
    case .common(let name):
      relation =
        commons.last { $0.name.names(name) }?.relation ?? KeyedRelation(columns: [], keying: .lost)
    case .subquery(let inner): relation = query(inner)
    case .function(let name, _):
      let columns = FunctionTable.tableFunctions.first { $0.name.names(name) }?.columns ?? []
      relation = KeyedRelation(columns: columns.map(\.name), keying: .whole)
    case .table: relation = KeyedRelation(columns: [], keying: .lost)
    }
    work.charge(relation.columns.count + Self.steps(relation.keying.terms))
    let first = elements
    elements += relation.columns.count
    let range = first..<elements
    let keying = relation.keying.moved { first + $0 }
    var source = KeyScope.Source(
      name: item.alias ?? item.relation.spokenName, columns: relation.columns, elements: range,
      keying: keying, isOuter: item.join == .left, place: item.place)
    for (name, _) in item.using {
      work.charge(scope.columnCount + relation.columns.count)
      guard let left = scope.element(name, nil),
        let place = relation.columns.firstIndex(where: { $0.names(name) })
      else { continue }
      source.merged.insert(first + place)
      if source.isOuter {
        source.matches.append((left, first + place))
      } else {
        scope.equal.unite(left, first + place)
      }
    }
    scope.sources.append(source)
    // Columns that tell one and the same value.
    if case .keyed(let terms) = keying {
      for alternatives in terms {
        let columns = alternatives.compactMap { if case .column(let e) = $0 { e } else { nil } }
        for other in columns.dropFirst() { scope.equal.unite(columns[0], other) }
      }
    }
    if let on = item.on {
      compare(on, in: &scope, outer: source.isOuter ? scope.sources.count - 1 : nil)
    }
  }

  /// A `scope:` is printed wherever its table is read, so its text counts each time.
  private mutating func relation(of shape: TableShape) -> KeyedRelation {
    let read: (relation: KeyedRelation, bytes: Int)
    if let known = tablesRead[shape.name] {
      read = known
    } else {
      let scope = tables.scopes.first { $0.table == shape.name }?.query
      read = (tables.relation(of: shape), scope?.printedBytes ?? 0)
      tablesRead[shape.name] = read
    }
    work.charge(read.bytes)
    return read.relation
  }

  /// Takes up what the conjuncts of a condition make equal.
  /// - Parameter outer: the source whose LEFT JOIN it is.
  private func compare(_ condition: Expression, in scope: inout KeyScope, outer: Int?) {
    for part in condition.conjunction {
      guard case .binary(.equal, let left, let right) = part.kind else { continue }
      switch (element(left, scope), element(right, scope)) {
      case (let a?, let b?):
        if let outer {
          scope.sources[outer].matches.append((a, b))
        } else {
          scope.equal.unite(a, b)
        }
      case (let a?, nil):
        if outer == nil, let value = constant(right) { scope.equal.fix(a, to: value) }
      case (nil, let b?):
        if outer == nil, let value = constant(left) { scope.equal.fix(b, to: value) }
      case (nil, nil): continue
      }
    }
  }

  private func constant(_ expression: Expression) -> Literal? {
    switch expression.kind {
    case .literal(let value) where value != .null: value
    case .variable(let name): variables.first { $0.name == name }?.value
    default: nil
    }
  }

  /// The column, of this SELECT or one around it, that an expression is.
  private func element(_ expression: Expression, _ scope: KeyScope) -> Int? {
    guard case .column(let qualifier, let name, _) = expression.kind else { return nil }
    for level in [scope] + scopes.reversed() {
      work.charge(1 + level.columnCount / 2)
      let found = level.elements(name, qualifier)
      if !found.isEmpty { return found.count == 1 ? found[0] : nil }
    }
    return nil
  }

  // MARK: Joins

  /// What one key leaves of the rows that the sources make together.
  private mutating func joined(_ scope: inout KeyScope) -> Keying {
    var isRefused = false
    for index in scope.sources.indices {
      let source = scope.sources[index]
      switch source.keying {
      case .whole: continue
      case .refused: isRefused = true
      case .lost:
        isRefused = true
        refuse(
          at: source.place, "`\(source.name)` no longer tells which \(by) its rows belong to",
          fix: "select \(by) in it too, and join by it")
      case .keyed(let terms):
        if isTied(terms, of: index, in: scope) { continue }
        if scope.key == nil, !source.isOuter {
          scope.key = terms
        } else {
          isRefused = true
          refuseJoin(of: source, in: scope)
        }
      case .scoped: continue
      }
    }
    if isRefused { return .refused }
    let scoped = scopedSources(scope)
    if scoped.isRefused { return .refused }
    if let key = scope.key {
      scope.key = everyTerm(key, scope)
      return isInside(key, scope.equal) ? .whole : .keyed(scope.key ?? key)
    }
    return scoped.anchor.map { .scoped($0) } ?? .whole
  }

  /// Sources with a scope are tied, by the columns that their scope takes rows by, to what is read
  /// by key. Where nothing is, the first of them stands for the rows.
  /// - Returns: `anchor` are the places of that first one.
  private mutating func scopedSources(
    _ scope: KeyScope
  ) -> (isRefused: Bool, anchor: [Int]??) {
    var (connected, open) = connectedSources(scope)
    guard let first = open.first else { return (false, nil) }
    let source = scope.sources[first]
    guard case .scoped(let places) = source.keying else { return (false, nil) }
    guard scope.key == nil, !source.isOuter else {
      refuseScoped(source, places)
      return (true, nil)
    }
    connected.insert(first)
    let rest = connectedSources(scope, from: connected).open
    for index in rest {
      guard case .scoped(let places) = scope.sources[index].keying else { continue }
      refuseScoped(scope.sources[index], places)
    }
    return (!rest.isEmpty, .some(places))
  }

  /// Which sources equalities tie to what is read by key, and the ones with a scope that none ties.
  private func connectedSources(
    _ scope: KeyScope, from start: Set<Int> = []
  ) -> (connected: Set<Int>, open: [Int]) {
    var connected = start
    for (index, source) in scope.sources.enumerated() {
      if case .keyed = source.keying { connected.insert(index) }
    }
    var grew = true
    while grew {
      grew = false
      for (index, source) in scope.sources.enumerated() where !connected.contains(index) {
        let equal = scope.equalities(of: index)
        let reached = roots(scope, connected, under: equal)
        func isTied(_ element: Int) -> Bool { reached.contains(equal.root(element)) }
        switch source.keying {
        case .whole: guard source.elements.contains(where: isTied) else { continue }
        case .scoped(let places?):
          guard places.contains(where: isTied),
            places.allSatisfy({ isTied($0) || equal.constant($0) != nil })
          else { continue }
        case .scoped(nil), .keyed, .lost, .refused: continue
        }
        connected.insert(index)
        grew = true
      }
    }
    let open = scope.sources.indices.filter { index in
      guard case .scoped = scope.sources[index].keying else { return false }
      return !connected.contains(index)
    }
    return (connected, open)
  }

  /// The values that the SELECTs around have, and the connected sources of this one.
  private func roots(
    _ scope: KeyScope, _ connected: Set<Int>, under equal: Equalities
  ) -> Set<Int> {
    let around = scopes.flatMap(\.sources)
    let own = scope.sources.indices.filter(connected.contains).map { scope.sources[$0] }
    let elements = (around + own).flatMap(\.elements)
    work.charge(4 * elements.count + 2 * equal.count)
    return Set(elements.map(equal.root))
  }

  /// Whether the key of a source's rows is that of the rows before it, or of a row around.
  private func isTied(_ terms: [[KeyTerm]], of index: Int, in scope: KeyScope) -> Bool {
    let equal = scope.equalities(of: index)
    work.charge(2 * equal.count + Self.steps(terms) + Self.steps(scope.key ?? []))
    if let key = scope.key, equal.agree(key, terms) { return true }
    // The first source that is tied to a row around still tells the key of this SELECT's rows.
    return scope.sources[index].isOuter && isInside(terms, equal)
  }

  /// Whether a SELECT around has the same key.
  private func isInside(_ terms: [[KeyTerm]], _ equal: Equalities) -> Bool {
    scopes.contains { scope in
      work.charge(Self.steps(terms) + Self.steps(scope.key ?? []))
      return scope.key.map { equal.agree($0, terms) } ?? false
    }
  }

  /// Of making these terms comparable.
  private static func steps(_ terms: [[KeyTerm]]) -> Int {
    8 * terms.reduce(0) { $0 + $1.count }
  }

  /// The terms of all sources that surely have a row.
  private func everyTerm(_ key: [[KeyTerm]], _ scope: KeyScope) -> [[KeyTerm]] {
    var all = key
    for source in scope.sources where !source.isOuter {
      work.charge(Self.steps(key))
      guard case .keyed(let terms) = source.keying, scope.equal.agree(key, terms) else { continue }
      for index in all.indices {
        work.charge(Self.steps([terms[index], all[index]]))
        let known = Set(all[index])
        all[index] += terms[index].filter { !known.contains($0) }
      }
    }
    return all
  }

  private mutating func refuseJoin(of source: KeyScope.Source, in scope: KeyScope) {
    let name = source.name.isEmpty ? "this SELECT" : "`\(source.name)`"
    if scope.key == nil {
      return refuse(
        at: source.place, "LEFT JOIN of \(name) to rows that are read whole",
        because: "for one key (\(by)) the rows of other keys would seem to have no match",
        fix: "start from the table that is read by \(by), or kind: full")
    }
    let left =
      scope.sources.first { if case .keyed = $0.keying { true } else { false } }?.name ?? ""
    let pairs = tables.by.map { "\(source.name).\($0) = \(left).\($0)" }
    refuse(
      at: source.place, "\(name) may bring rows of other keys",
      because: "for one key (\(by)) only its rows with that key are read",
      fix: "on \(pairs.joined(separator: " and ")), or kind: full")
  }

  private mutating func refuseScoped(_ source: KeyScope.Source, _ places: [Int]?) {
    let names = (places ?? []).compactMap { place in
      source.elements.contains(place) ? source.columns[place - source.elements.lowerBound] : nil
    }
    refuse(
      at: source.place, "`\(source.name)` is joined by other columns than its scope takes rows by",
      because: names.isEmpty
        ? "nothing tells by which columns its scope takes them"
        : "its scope takes them by \(names.joined(separator: ", "))",
      fix: names.isEmpty
        ? "scope: a SELECT of its columns from it, where column = :\(tables.by.first ?? "key")"
        : "on \(names.map { "\(source.name).\($0) = …" }.joined(separator: " and "))")
  }

  // MARK: Sets of rows

  /// Aggregates and windows see all rows of a set, so a set lies within one key.
  private mutating func checkSets(
    _ select: Select, _ expressions: [Expression], _ keying: Keying, _ scope: KeyScope
  ) -> Keying {
    switch keying {
    case .whole, .refused, .lost: return keying
    case .keyed, .scoped: break
    }
    let before = refusals.count
    let aggregate = expressions.lazy.compactMap(\.firstAggregate).first
    if select.group.isEmpty {
      if let aggregate {
        refuse(
          at: aggregate.place, "\(aggregate.callName)() over rows of several keys",
          fix: "group by \(by), or kind: full")
      }
    } else if !isWithinKey(select.group, keying, scope) {
      let names = select.group.compactMap(\.plainName)
      refuse(
        at: select.group[0].place, "GROUP BY that mixes rows of several keys",
        fix: names.count == select.group.count && names.count > 0
          ? "group by \(by), …, or refresh: { by: [\(names.joined(separator: ", "))] }"
          : "group by \(by), …, or kind: full")
    }
    for expression in expressions {
      for (call, place) in expression.windowCalls {
        guard let over = call.over else { continue }
        let partition = scope.partition(over)
        work.charge(partition.count + scope.windows.count * SQLLimits.subqueryDepthMax)
        if isWithinKey(partition, keying, scope) { continue }
        let names = partition.compactMap(\.plainName)
        refuse(
          at: place, "\(call.name)() over rows of several keys",
          fix: "partition by \(by)"
            + (names.isEmpty
              ? " …, or kind: full" : ", …, or refresh: { by: [\(names.joined(separator: ", "))] }")
        )
      }
    }
    return refusals.count == before ? keying : .refused
  }

  private func isWithinKey(
    _ expressions: [Expression], _ keying: Keying, _ scope: KeyScope
  ) -> Bool {
    let known = Set(expressions.compactMap { element($0, scope) }.map(scope.equal.root))
    switch keying {
    case .keyed(let terms):
      work.charge(Self.steps(terms))
      return scope.equal.determines(known, terms)
    case .scoped(let places?): return scope.equal.determines(known, places.map { [.column($0)] })
    case .scoped(nil): return false
    case .whole, .lost, .refused: return true
    }
  }

  // MARK: Results

  /// The terms by places of the results.
  private func output(_ keying: Keying, _ select: Select, _ scope: KeyScope) -> Keying {
    let values: [(root: Int?, constant: Literal?)] = select.items.map { item in
      guard case .expression(let expression, _) = item else { return (nil, nil) }
      if let element = element(expression, scope) {
        return (scope.equal.root(element), scope.equal.constant(element))
      }
      return (nil, constant(expression))
    }
    switch keying {
    case .whole, .lost, .refused: return keying
    case .scoped(nil): return .scoped(nil)
    case .scoped(let places?):
      let moved = places.compactMap { place in
        values.firstIndex { $0.root == scope.equal.root(place) }
      }
      return .scoped(moved.count == places.count ? moved : nil)
    case .keyed(let terms):
      let moved = terms.map { alternatives in
        var all: [KeyTerm] = []
        var seen: Set<KeyTerm> = []
        var told: Set<KeyTerm> = []
        work.charge(Self.steps([alternatives]))
        for term in alternatives.map(scope.equal.normalized) where seen.insert(term).inserted {
          work.charge(values.count)
          for found in Self.outputs(term, values) where told.insert(found).inserted {
            all.append(found)
          }
        }
        return all
      }
      return moved.contains(where: \.isEmpty) ? .lost : .keyed(moved)
    }
  }

  private static func outputs(
    _ term: KeyTerm, _ values: [(root: Int?, constant: Literal?)]
  ) -> [KeyTerm] {
    switch term {
    case .column(let root):
      return values.indices.filter { values[$0].root == root }.map(KeyTerm.column)
    case .constant(let value):
      return [term] + values.indices.filter { values[$0].constant == value }.map(KeyTerm.column)
    case .lookup(let table, let column, let key, let arguments):
      let places = arguments.compactMap { root in values.firstIndex { $0.root == root } }
      guard places.count == arguments.count else { return [] }
      return [.lookup(table: table, column: column, key: key, arguments: places)]
    }
  }

  // MARK: Inner SELECTs

  /// A SELECT inside of an expression gives the same as over whole tables, or is refused.
  private mutating func inner(_ expression: Expression) {
    guard work.walk(at: expression.place) else { return }
    switch expression.kind {
    case .exists(let query), .scalar(let query), .inQuery(_, let query, _):
      let keying = self.query(query).keying
      switch keying {
      case .whole, .refused: break
      case .keyed, .scoped, .lost:
        refuse(
          at: query.place, "a SELECT inside that reads rows of other keys",
          fix: "where \(tables.by.map { "o.\($0) = t.\($0)" }.joined(separator: " and ")), with t "
            + "the table outside, or kind: full")
      }
    default: break
    }
    for part in expression.parts { inner(part) }
  }
}

extension Select {
  /// Every expression but those of its windows' definitions.
  fileprivate var expressions: [Expression] {
    var all: [Expression] = []
    for item in from {
      if case .function(_, let arguments) = item.relation { all += arguments }
      if let on = item.on { all.append(on) }
    }
    if let filter { all.append(filter) }
    all += group
    for case .expression(let expression, _) in items { all.append(expression) }
    if let having { all.append(having) }
    return all
  }
}

extension Expression {
  /// The first aggregate that groups the rows; inner queries are not looked into.
  fileprivate var firstAggregate: Expression? {
    if case .call(let call) = kind, call.isAggregate { return self }
    return parts.lazy.compactMap(\.firstAggregate).first
  }

  fileprivate var callName: String {
    if case .call(let call) = kind { call.name } else { "" }
  }

  /// Every window function; inner queries are not looked into.
  fileprivate var windowCalls: [(call: FunctionCall, place: Place)] {
    var found: [(call: FunctionCall, place: Place)] = []
    if case .call(let call) = kind, call.over != nil { found.append((call, place)) }
    return found + parts.flatMap(\.windowCalls)
  }
}
