/// What a SELECT groups by.
struct Groups: Sendable {
  var expressions: [Expression] = []
  var signatures: [[UInt8]] = []
  /// Elements of the ungrouped space; nil for what is no plain column.
  var elements: [Int?] = []
  /// The grouped rows: one element a group expression.
  var space = RowSpace()
  /// By element of the ungrouped space: whether it is the same in every row of a group.
  var determined: [Bool] = []
  /// What is known of the results that GROUP BY names, by their places.
  var results: [Int: Typed] = [:]
}

extension Scope {
  /// The rows that results, windows and ORDER BY see.
  var rows: RowSpace {
    get { groups?.space ?? space }
    set { if groups == nil { space = newValue } else { groups?.space = newValue } }
  }
}

/// The results of a SELECT.
struct Outputs: Sendable {
  var columns: [OutputColumn] = []
  /// The element of the rows that each column stands for.
  var elements: [Int?] = []
  var extraKeys: [Set<Int>] = []
}

extension Checker {
  // MARK: Groups

  /// - Bound: walks each term and each result that a term names once.
  mutating func group(_ select: inout Select) {
    var groups = Groups()
    groups.results = groupTerms(of: &select)
    let aggregates = select.items.contains { item in
      if case .expression(let expression, _) = item { expression.aggregates } else { false }
    }
    guard !select.group.isEmpty || aggregates else { return }
    groups.expressions = select.group
    groups.signatures = select.group.map(signature)
    groups.elements = select.group.map(element)
    var kept = Array(select.group.indices)
    for index in kept.reversed() {
      let others = kept.filter { $0 != index }.compactMap { groups.elements[$0] }
      guard let own = groups.elements[index], top.space.determined(by: others, work)[own] else {
        continue
      }
      kept.removeAll { $0 == index }
    }
    groups.determined = top.space.determined(by: groups.elements.compactMap(\.self), work)
    let columns = select.group.map { _ in
      RowColumn(
        qualifier: nil, name: "", type: .unknown, nullable: true, pii: false, lineage: [],
        indirect: [])
    }
    _ = groups.space.add(columns, keys: [kept])
    scopes[scopes.count - 1].groups = groups
  }

  /// Resolves the terms of GROUP BY. One that names a result is that result, once and for all: it
  /// is taken out where it names it again, as equal rows stay equal.
  /// - Returns: what is known of the results that are named.
  private mutating func groupTerms(of select: inout Select) -> [Int: Typed] {
    var terms: [Expression] = []
    var results: [Int: Typed] = [:]
    for term in select.group {
      var expression = term
      var alias: String?
      let place = groupedResult(term, select.items)
      if let place {
        guard results[place] == nil else { continue }
        if case .expression(let named, let name) = select.items[place] {
          (expression, alias) = (named, name)
        }
      }
      if isPlace(expression) {
        refuse(
          "SQL05", at: expression.place, "GROUP BY a number",
          because: "it is the place of no result column", fix: "name the column")
      }
      refuseHiddenPlace(expression, "GROUP BY")
      let typed = decide(&expression, in: .row)
      if let place {
        results[place] = typed
        select.items[place] = .expression(expression, alias: alias)
      }
      terms.append(expression)
    }
    select.group = terms
    return results
  }

  /// The place of the result that a place or an alias stands for, as in SQLite.
  private func groupedResult(_ term: Expression, _ items: [ResultItem]) -> Int? {
    switch term.kind {
    case .literal(.integer(let place)) where place >= 1 && place <= Int64(items.count):
      if case .expression = items[Int(place) - 1] { return Int(place) - 1 }
    case .column(nil, let name, _) where find(name, nil, in: top) == Found.none:
      work.charge(items.count)
      return items.firstIndex { item in
        if case .expression(_, let alias?) = item { alias.names(name) } else { false }
      }
    default: break
    }
    return nil
  }

  /// The bytes of the expression with its columns as elements, so that two spellings of one compare
  /// equal.
  func signature(_ expression: Expression) -> [UInt8] {
    var printer = Printer(variables: [], restrict: { _ in nil })
    printer.work = work
    let scope = top
    printer.rename = { qualifier, name in
      if case .one(let element) = self.find(name, qualifier, in: scope) { return "#\(element)" }
      return nil
    }
    printer.expression(expression)
    return Array(printer.text.utf8)
  }

  /// The element of the rows that an expression stands for.
  func rowElement(_ expression: Expression) -> Int? {
    guard let groups = top.groups else { return element(of: expression) }
    return groups.signatures.firstIndex(of: comparedSignature(expression, groups))
  }

  /// One that is held against those of all groups.
  private func comparedSignature(_ expression: Expression, _ groups: Groups) -> [UInt8] {
    let own = signature(expression)
    work.charge(groups.signatures.count * (1 + own.count / 64))
    return own
  }

  mutating func having(_ select: inout Select) {
    guard var having = select.having else { return }
    if top.groups == nil {
      refuse(
        "SQL09", at: having.place, "HAVING without groups", because: "there is nothing to have",
        fix: "use WHERE")
    }
    decide(&having, in: .result)
    select.having = having
  }

  // MARK: Bare columns (QD08)

  mutating func bareColumns(_ query: Query) {
    guard top.groups != nil else { return }
    for item in query.first.items {
      switch item {
      case .expression(let expression, _): bare(expression)
      case .star(let place), .tableStar(_, let place):
        refuse(
          "QD08", at: place, "`*` beside groups",
          because: "columns outside of GROUP BY would take an arbitrary row's value",
          fix: "name the columns of GROUP BY")
      }
    }
    if let having = query.first.having { bare(having) }
    for (_, window) in query.first.windows {
      for part in window.partition + window.order.map(\.expression) { bare(part) }
    }
    for term in query.order where !isPlace(term.expression) && alias(of: term.expression) == nil {
      bare(term.expression)
    }
  }

  private mutating func bare(_ expression: Expression) {
    guard !work.isSpent, let groups = top.groups,
      !groups.signatures.contains(comparedSignature(expression, groups))
    else { return }
    switch expression.kind {
    case .column(let qualifier, let name, _):
      guard case .one(let element) = find(name, qualifier, in: top) else { return }
      // What the groups determine is the same in every row of a group.
      guard !groups.determined[element] else { return }
      refuseBare(name, at: expression.place)
    case .call(let call):
      if call.over == nil, call.isAggregate { return }
      for part in expression.parts { bare(part) }
    case .exists, .scalar, .inQuery: crossings(expression, groups)
    default: for part in expression.parts { bare(part) }
    }
  }

  private mutating func refuseBare(_ name: String, at place: Place) {
    refuse(
      "QD08", at: place, "`\(name)` is neither grouped nor aggregated",
      because: "SQLite would take it from an arbitrary row of the group",
      fix: "max(\(name)), or add \(name) to GROUP BY")
  }

  /// Columns of this SELECT that an inner query reads.
  private mutating func crossings(_ expression: Expression, _ groups: Groups) {
    var probe = self
    let level = scopes.count - 1
    probe.scopes[level].crossings = []
    var copy = expression
    _ = probe.walk(&copy, in: .result)
    for (element, place) in probe.scopes[level].crossings where !groups.determined[element] {
      refuseBare(top.space.columns[element]?.name ?? "", at: place)
    }
  }

  // MARK: Items

  mutating func items(_ select: inout Select) -> Outputs {
    var outputs = Outputs()
    var expanded: [ResultItem] = []
    for index in select.items.indices {
      switch select.items[index] {
      case .star(let place):
        let found = star(nil, at: place, &outputs)
        expanded += top.groups == nil ? found : [select.items[index]]
      case .tableStar(let name, let place):
        let found = star(name, at: place, &outputs)
        expanded += top.groups == nil ? found : [select.items[index]]
      case .expression(var expression, let alias):
        let typed = top.groups?.results[index] ?? walk(&expression, in: .result)
        work.charge(8 * typed.originCount)
        let name = alias ?? expression.plainName ?? "column\(index + 1)"
        if alias == nil, expression.plainName == nil, namesResults, profile.needsNames {
          refuse(
            "SQL06", at: expression.place, "a result column without a name",
            because: "its name would depend on how the text is spelt",
            fix: "… as \(name)")
        }
        // Every column is printed with its name, so that SQLite never makes one up.
        expanded.append(.expression(expression, alias: name))
        outputs.columns.append(
          OutputColumn(
            name: name, type: typed.type, nullable: typed.nullable, pii: typed.pii,
            lineage: typed.lineage.sorted(), indirect: typed.indirect.sorted(),
            written: typed.written))
        outputs.elements.append(numbered(expression, &outputs) ?? rowElement(expression))
        scopes[scopes.count - 1].aliases.append((name, expression))
      }
    }
    select.items = expanded
    if outputs.columns.count > SQLLimits.columnsMax {
      refuse(
        "SQL03", at: select.place, "more than \(SQLLimits.columnsMax) result columns",
        because: "a `*` gives all columns of its sources", fix: "name the columns that are needed")
    }
    return outputs
  }

  /// The columns that a `*` stands for: they are printed by name, so that a column which the
  /// catalog does not tell of never shows.
  ///
  /// - Bound: one column over `SQLLimits.columnsMax`, which is refused once all items are known.
  private mutating func star(
    _ name: String?, at place: Place, _ outputs: inout Outputs
  ) -> [ResultItem] {
    var items: [ResultItem] = []
    for (element, column) in top.space.columns.enumerated() {
      work.charge(1)
      guard outputs.columns.count <= SQLLimits.columnsMax else { return items }
      guard let column, name == nil ? !column.isMerged : column.qualifier?.names(name ?? "") == true
      else { continue }
      let qualifier = column.qualifier.flatMap { $0.isEmpty ? nil : $0 }
      var expression = Expression(
        .column(qualifier: qualifier, name: column.name, quoted: true), at: place)
      _ = walk(&expression, in: .result)
      work.charge(outputs.columns.count)
      let full = outputs.columns.contains { $0.name.names(column.name) } && profile == .adhoc
      let alias = full ? "\(column.name)_\(outputs.columns.count + 1)" : column.name
      items.append(.expression(expression, alias: alias))
      scopes[scopes.count - 1].aliases.append((alias, expression))
      outputs.columns.append(
        OutputColumn(
          name: alias, type: column.type, nullable: column.nullable, pii: column.pii,
          lineage: column.lineage, indirect: column.indirect, written: column.written))
      outputs.elements.append(element)
    }
    if items.isEmpty, let name {
      refuse("SQL05", at: place, "there is no source `\(name)`", because: "`\(name).*` names none")
    }
    return items
  }

  /// `row_number()` over a partition makes a key of the partition and itself.
  private mutating func numbered(_ expression: Expression, _ outputs: inout Outputs) -> Int? {
    guard case .call(let call) = expression.kind, call.name == "row_number",
      let over = call.over, let window = effective(over)
    else { return nil }
    work.charge(4 * top.rows.columns.count)
    let partition = window.partition.map(rowElement)
    guard partition.allSatisfy({ $0 != nil }) else { return nil }
    let element = scopes[scopes.count - 1].rows.addElement()
    let key = Set(partition.compactMap(\.self)).union([element])
    let marks = Set(top.rows.marks)
    scopes[scopes.count - 1].rows.depend(key, marks)
    // The number is determined by its row.
    scopes[scopes.count - 1].rows.depend(marks, [element])
    outputs.extraKeys.append(key)
    return element
  }

  // MARK: Order and limit (QD05)

  func isPlace(_ expression: Expression) -> Bool {
    if case .literal(.integer) = expression.kind { true } else { false }
  }

  /// A number in other words: SQLite takes `+1`, and what TRUE and a variable are printed as, for
  /// the place of a result (https://sqlite.org/lang_select.html#orderby).
  private mutating func refuseHiddenPlace(_ term: Expression, _ clause: String) {
    guard hidesPlace(term) else { return }
    refuse(
      "SQL05", at: term.place, "\(clause) a constant",
      because: "SQLite would take its number for the place of a result column",
      fix: "name the column")
  }

  private func hidesPlace(_ term: Expression) -> Bool {
    switch term.kind {
    case .literal(.bool): return true
    case .variable(let name):
      switch variables.first(where: { $0.name == name })?.value {
      case .integer, .bool: return true
      default: return false
      }
    case .unary(.plus, let part), .unary(.minus, let part): return isPlace(part) || hidesPlace(part)
    default: return false
    }
  }

  /// The result that an ORDER BY term names by its alias.
  func alias(of expression: Expression) -> Int? {
    guard case .column(nil, let name, _) = expression.kind else { return nil }
    work.charge(top.aliases.count)
    return top.aliases.firstIndex { $0.name.names(name) }
  }

  /// - Returns: what the order comes from.
  mutating func orderTerms(
    _ terms: inout [OrderTerm], of columns: [OutputColumn]
  ) -> Set<Lineage> {
    var origins: Set<Lineage> = []
    for index in terms.indices {
      var expression = terms[index].expression
      refuseHiddenPlace(expression, "ORDER BY")
      var shown = alias(of: expression)
      if case .literal(.integer(let place)) = expression.kind {
        if place < 1 || place > Int64(columns.count) {
          refuse(
            "SQL05", at: expression.place, "ORDER BY \(place)",
            because: "there are \(columns.count) result columns")
        } else {
          shown = Int(place) - 1
        }
      } else if shown == nil {
        let typed = weigh(&expression, in: .result)
        work.charge(4 * typed.originCount)
        origins.formUnion(typed.origins)
      }
      if let shown {
        chargeOrigins(of: columns[shown])
        weigh(columns[shown])
        origins.formUnion(columns[shown].origins)
      }
      terms[index] = OrderTerm(
        expression: expression, descending: terms[index].descending,
        nullsFirst: terms[index].nullsFirst)
    }
    return origins
  }

  /// Whether the terms order every two rows.
  /// - Parameter distinct: rows that differ in nothing shown are one, so only what is shown orders.
  func isTotal(
    _ terms: [OrderTerm], of shape: ResultShape, outputs: [Int?], distinct: Bool = false
  ) -> Bool {
    if shape.keys.contains([]) { return true }
    var places: Set<Int> = []
    var elements: Set<Int> = []
    for term in terms {
      if case .literal(.integer(let place)) = term.expression.kind {
        guard place >= 1, place <= Int64(outputs.count) else { continue }
        places.insert(Int(place) - 1)
        if let element = outputs[Int(place) - 1] { elements.insert(element) }
      } else if let place = alias(of: term.expression), top.aliases.count == outputs.count {
        places.insert(place)
        if let element = outputs[place] { elements.insert(element) }
      } else if let element = rowElement(term.expression) {
        if distinct, !outputs.contains(element) { return false }
        elements.insert(element)
        if let place = outputs.firstIndex(of: element) { places.insert(place) }
      } else if distinct {
        return false
      }
    }
    if shape.keys.contains(where: { Set($0).isSubset(of: places) }) { return true }
    return top.rows.determinesRow(elements.sorted(), work)
  }

  mutating func limit(_ query: Query, _ shape: ResultShape) {
    guard let limit = query.limit else { return }
    for var bound in [limit.count, limit.offset].compactMap(\.self) {
      switch bound.kind {
      case .literal(.integer), .parameter, .variable: _ = walk(&bound, in: .row)
      default:
        refuse(
          "SQL04", at: bound.place, "LIMIT by an expression",
          because: "it is a number, an argument or a variable", fix: "limit 10")
      }
    }
    guard !shape.isTotallyOrdered, refusals.count < SQLLimits.refusalsMax else { return }
    let key = shape.keys.first?.map { shape.columns[$0].name } ?? suggestedKey()
    let more = key.isEmpty ? "a unique key" : key.joined(separator: ", ")
    guard let last = query.order.last, let first = query.order.first else {
      refuse(
        "QD05", at: limit.place, "LIMIT without ORDER BY",
        because: "replicas could pick different rows",
        fix: "order by \(more) \(excerpt(from: limit.place.offset, to: limit.end))")
      return
    }
    let terms = excerpt(from: first.expression.place.offset, to: limit.place.offset)
    refuse(
      "QD05", at: first.expression.place, "LIMIT without a total order",
      because:
        "two rows may tie on \(spoken(last.expression)), and replicas could pick different ones",
      fix: "order by \(terms), \(more) \(excerpt(from: limit.place.offset, to: limit.end))")
  }

  /// Names of the columns that make a key of this SELECT's sources, where it is known.
  private func suggestedKey() -> [String] {
    guard top.groups == nil else {
      return top.groups?.expressions.compactMap(\.plainName) ?? []
    }
    var names: [String] = []
    for keys in top.space.sourceKeys {
      guard let key = keys.first else { return [] }
      names += key.sorted().compactMap { top.space.columns[$0]?.name }
    }
    return names
  }

  func spoken(_ expression: Expression) -> String {
    if case .column(_, let name, _) = expression.kind { return name }
    return "these terms"
  }

  // MARK: Windows (QD06)

  /// - Returns: what the partition and the order come from.
  mutating func windowParts(_ window: inout WindowSpecification) -> Set<Lineage> {
    var origins = window.base.map { self.origins(ofWindow: $0) } ?? []
    work.charge(origins.count)
    for index in window.partition.indices {
      let typed = weigh(&window.partition[index], in: .row)
      work.charge(4 * typed.originCount)
      origins.formUnion(typed.origins)
    }
    var terms = window.order
    for index in terms.indices {
      var expression = terms[index].expression
      let typed = weigh(&expression, in: .result)
      work.charge(4 * typed.originCount)
      origins.formUnion(typed.origins)
      terms[index] = OrderTerm(
        expression: expression, descending: terms[index].descending,
        nullsFirst: terms[index].nullsFirst)
    }
    window.order = terms
    if let frame = window.frame {
      let ordered = frame.unit == .range ? rangedOver(window) : nil
      let start = span(frame.start, ordered)
      window.frame = WindowFrame(
        unit: frame.unit, start: start, end: frame.end.map { span($0, ordered) })
    }
    return origins
  }

  /// Of a window that WINDOW defines; one builds only on those before it.
  func origins(ofWindow name: String) -> Set<Lineage> {
    work.charge(top.windows.count)
    let place = top.windows.firstIndex { $0.name.names(name) }
    return place.flatMap { $0 < top.windowOrigins.count ? top.windowOrigins[$0] : nil } ?? []
  }

  /// What a RANGE of this window is measured in: the one term that it is ordered by.
  private func rangedOver(_ window: WindowSpecification) -> Typed? {
    (effective(.specified(window))?.order.first?.expression).map(quietly)
  }

  /// A frame reaches as far as a number says.
  /// - Parameter ordered: of RANGE, what the number is taken from.
  private mutating func span(
    _ bound: WindowFrame.Bound, _ ordered: Typed?
  ) -> WindowFrame.Bound {
    switch bound {
    case .preceding(var far):
      reach(&far, ordered)
      return .preceding(far)
    case .following(var far):
      reach(&far, ordered)
      return .following(far)
    case .unboundedPreceding, .currentRow, .unboundedFollowing: return bound
    }
  }

  private mutating func reach(_ distance: inout Expression, _ ordered: Typed?) {
    if let ordered, case .parts = ordered.type.unit, case .literal(.real) = distance.kind,
      constant(&distance, as: ordered.type, true) != nil
    {
      return
    }
    switch distance.kind {
    case .literal(.integer), .parameter, .variable:
      let typed = walk(&distance, in: .row)
      guard let ordered else { return }
      partsAreMeant(ordered, typed, "reaches over", at: distance.place)
      millisecondsAreMeant(ordered, typed, "reaches over", at: distance.place, isFrame: true)
    default:
      refuse(
        "SQL04", at: distance.place, "a frame by an expression",
        because: "it is a number, an argument or a variable", fix: "29 preceding")
    }
  }

  /// The partition and order of a window, those of the windows it builds on included.
  func effective(_ over: WindowReference, depth: Int = 0) -> WindowSpecification? {
    guard depth < SQLLimits.subqueryDepthMax else { return nil }
    work.charge(1 + top.windows.count)
    switch over {
    case .specified(let window):
      guard let base = window.base else { return window }
      guard var found = effective(.named(base, window.place), depth: depth + 1) else { return nil }
      work.charge(found.partition.count + window.partition.count)
      if !window.order.isEmpty { found.order = window.order }
      found.partition += window.partition
      found.frame = window.frame
      found.orderEnd = window.orderEnd
      return found
    case .named(let name, _):
      guard let found = top.windows.first(where: { $0.name.names(name) })?.window else {
        return nil
      }
      return effective(.specified(found), depth: depth + 1)
    }
  }

  /// Functions whose value depends on the order of ties need an order without ties.
  mutating func windowOrder(_ call: FunctionCall, at place: Place) {
    guard let over = call.over else { return }
    guard let window = effective(over) else {
      refuse("SQL05", at: place, "there is no such window", because: "WINDOW defines none of it")
      return
    }
    let ordered: Set = [
      "row_number", "lag", "lead", "first_value", "last_value", "nth_value", "ntile",
    ]
    let isByRow = window.frame.map { $0.unit != .range } ?? false
    guard ordered.contains(call.name) || isByRow && !["rank", "dense_rank"].contains(call.name)
    else { return }
    if window.frame == nil || window.frame?.unit == .rows, isWhole(window.frame),
      !ordered.contains(call.name)
    {
      return
    }
    let elements =
      window.partition.compactMap(rowElement)
      + window.order.compactMap { rowElement($0.expression) }
    guard !top.rows.determinesRow(elements, work), refusals.count < SQLLimits.refusalsMax else {
      return
    }
    let terms = window.order.map { spoken($0.expression) }
    let key = suggestedKey().filter { !terms.contains($0) }
    let more = key.isEmpty ? "a unique key" : key.joined(separator: ", ")
    let orderText =
      window.order.first.map {
        excerpt(from: $0.expression.place.offset, to: window.orderEnd) + ", "
      } ?? ""
    refuse(
      "QD06", at: window.order.first?.expression.place ?? place,
      "\(call.name)() over rows that may tie",
      because: terms.isEmpty
        ? "without ORDER BY the order is arbitrary"
        : "two rows may tie on \(terms.joined(separator: ", ")), and their order is arbitrary",
      fix: "order by \(orderText)\(more)")
  }

  /// A frame that holds the whole partition, whatever the order.
  private func isWhole(_ frame: WindowFrame?) -> Bool {
    guard let frame, case .unboundedPreceding = frame.start, case .unboundedFollowing? = frame.end
    else { return false }
    return true
  }
}
