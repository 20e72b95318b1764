import Wire

extension Checker {
  /// A query of one SELECT.
  mutating func single(_ query: inout Query) -> ResultShape {
    guard work.walk(at: query.first.place) else { return ResultShape(columns: [], keys: []) }
    scopes.append(Scope(space: RowSpace()))
    defer { scopes.removeLast() }
    for index in query.first.from.indices { join(&query.first.from, index) }
    if query.first.filter != nil { filter(&query.first) }
    group(&query.first)
    scopes[scopes.count - 1].windows = query.first.windows
    for index in query.first.windows.indices {
      let origins = windowParts(&query.first.windows[index].window)
      scopes[scopes.count - 1].windowOrigins.append(origins)
    }
    scopes[scopes.count - 1].windows = query.first.windows
    let outputs = items(&query.first)
    having(&query.first)
    let ordering = orderTerms(&query.order, of: outputs.columns)
    if query.limit != nil { scopes[scopes.count - 1].deciding.formUnion(ordering) }
    bareColumns(query)
    var shape = ResultShape(columns: outputs.columns, keys: [])
    shape.keys = top.rows.outputKeys(outputs.elements, extra: outputs.extraKeys, work)
    if query.first.distinct { shape.keys.append(Array(outputs.columns.indices)) }
    duplicateNames(outputs.columns, query.first.place)
    shape.isTotallyOrdered = isTotal(
      query.order, of: shape, outputs: outputs.elements, distinct: query.first.distinct)
    limit(query, shape)
    shape.deciding = top.deciding
    work.charge(2 * shape.deciding.count)
    return shape
  }

  var top: Scope { scopes[scopes.count - 1] }

  private mutating func duplicateNames(_ columns: [OutputColumn], _ place: Place) {
    guard namesResults, profile != .adhoc else { return }
    var seen: Set<String> = []
    for column in columns where !seen.insert(column.name.folded).inserted {
      refuse(
        "SQL06", at: place, "two result columns named `\(column.name)`",
        because: "a table has each name once", fix: "select … as \(column.name)_2")
    }
  }

  // MARK: FROM

  private mutating func join(_ items: inout [FromItem], _ index: Int) {
    var item = items[index]
    let (name, columns, keys) = relation(&item)
    let alias = item.alias ?? name
    let hidden = hiddenColumns(of: item.relation)
    work.charge(top.space.columns.count + columns.count * (4 + hidden.count))
    for key in keys { work.charge(2 * key.count) }
    if top.space.columns.contains(where: { $0?.qualifier?.names(alias) == true }), alias != "" {
      refuse(
        "SQL06", at: item.place, "two sources named `\(alias)`",
        because: "a column's qualifier must mean one of them", fix: "\(name) as \(alias)_2")
    }
    scopes[scopes.count - 1].hidden +=
      hidden.filter { name in !columns.contains { $0.name.names(name) } }.map { (alias, $0) }
    if case .resolved(let shape) = item.relation {
      scopes[scopes.count - 1].withheld += shape.hidden.map { (alias, $0) }
    }
    let marksBefore = Set(top.space.marks)
    let isLeft = item.join == .left
    let qualified = columns.map {
      RowColumn(
        qualifier: alias, name: $0.name, type: $0.type, nullable: $0.nullable, pii: $0.pii,
        lineage: $0.lineage, indirect: $0.indirect, written: $0.written)
    }
    // The row that a LEFT JOIN makes up is NULL in every column, so only a key that is never NULL
    // tells it from the others; an empty key tells nothing.
    let lasting = keys.filter { key in
      !isLeft || !key.isEmpty && key.allSatisfy { !columns[$0].nullable }
    }
    let range = scopes[scopes.count - 1].space.add(qualified, keys: lasting)
    for key in keys where !lasting.contains(key) {
      let own = Set(key.map { $0 + range.lowerBound })
      scopes[scopes.count - 1].space.depend(marksBefore.union(own), Set([range.upperBound]))
    }
    for (column, place) in item.using { merge(column, place, range, isLeft, marksBefore) }
    if var on = item.on {
      decide(&on, in: .row)
      item.on = on
      equalities(of: on, outer: isLeft ? (range, marksBefore) : nil)
    }
    if index > 0, item.join == .inner, item.on == nil, item.using.isEmpty {
      refuse(
        "SQL04", at: item.place, "JOIN without ON or USING", because: "it multiplies all rows",
        fix: "join … using (key), or CROSS JOIN if that is what is wanted")
    }
    if isLeft { scopes[scopes.count - 1].space.makeNullable(range) }
    items[index] = FromItem(
      join: item.join, relation: item.relation, alias: alias.isEmpty ? nil : alias, on: item.on,
      using: item.using, place: item.place)
  }

  /// Names of the number that SQLite gives a row; no column, so USING does not mean it.
  private static let rowNumbers = ["rowid", "oid", "_rowid_"]

  /// Columns of a source that SQLite knows and the catalog does not tell of.
  private func hiddenColumns(of relation: RelationSyntax) -> [String] {
    switch relation {
    case .resolved(let shape): shape.hidden + ["_nonce"] + Self.rowNumbers
    case .function: ["id", "parent", "json", "root"] + Self.rowNumbers
    case .subquery, .common: Self.rowNumbers
    case .table: []
    }
  }

  /// The source's name, columns and keys; puts what its name means into the tree.
  private mutating func relation(_ item: inout FromItem) -> (String, [RowColumn], [[Int]]) {
    let spoken = item.relation.spokenName
    work.charge(2 * commons.count + catalog.entries.count)
    switch item.relation {
    case .table(let name):
      guard let shape = table(name, at: item.place, &item.relation) else {
        scopes[scopes.count - 1].isIncomplete = true
        return (spoken, [], [])
      }
      return (spoken, shape.columns, shape.keys)
    case .subquery(var inner):
      // A FROM's subquery does not see the sources beside it.
      let outer = scopes.removeLast()
      let shape = query(&inner)
      scopes.append(outer)
      scopes[scopes.count - 1].deciding.formUnion(shape.deciding)
      item.relation = .subquery(inner)
      return ("", shape.rowColumns(as: nil), shape.keys)
    case .function(let name, var arguments):
      let columns = tableFunction(name, &arguments, at: item.place)
      item.relation = .function(name, arguments)
      return (name.folded, columns, [])
    // What was resolved before and is looked at again.
    case .resolved(let shape): return (spoken, shape.rowColumns(as: nil), places(of: shape))
    case .common(let name):
      guard let found = commons.last(where: { $0.name.names(name) })?.shape else {
        return (spoken, [], [])
      }
      work.charge(2 * found.deciding.count)
      scopes[scopes.count - 1].deciding.formUnion(found.deciding)
      return (spoken, found.rowColumns(as: nil), found.keys)
    }
  }

  private mutating func table(
    _ name: TableName, at place: Place, _ syntax: inout RelationSyntax
  ) -> (columns: [RowColumn], keys: [[Int]])? {
    if case .plain(let plain) = name,
      let common = commons.last(where: { $0.name.names(plain) })
    {
      syntax = .common(common.name)
      work.charge(2 * common.shape.deciding.count)
      scopes[scopes.count - 1].deciding.formUnion(common.shape.deciding)
      return (common.shape.rowColumns(as: nil), common.shape.keys)
    }
    guard let shape = resolve(name, at: place) else { return nil }
    syntax = .resolved(shape)
    tables.insert(shape.name)
    return (shape.rowColumns(as: nil), places(of: shape))
  }

  /// The keys of a table as places of its columns.
  private func places(of shape: TableShape) -> [[Int]] {
    shape.keys.compactMap { key in
      work.charge(key.count * shape.columns.count)
      let places = key.compactMap { column in
        shape.columns.firstIndex { $0.name.names(column) }
      }
      return places.count == key.count ? places : nil
    }
  }

  private mutating func resolve(_ name: TableName, at place: Place) -> TableShape? {
    let entry: Catalog.Entry?
    switch name {
    case .ref(let model): entry = catalog.entry(.ref, model)
    case .source(let source): entry = catalog.entry(.source, source)
    case .changed:
      if catalog.changed == nil {
        refuse(
          "SQL10", at: place, "{{ changed }} outside of refresh.map and tests",
          because: "only there something changed")
      }
      return catalog.changed
    case .plain(let plain):
      entry = profile.allowsPlainNames ? catalog.entry(plain: plain) : nil
      if entry == nil { return unknownPlain(plain, at: place) }
    }
    guard let entry else { return unknown(name, at: place) }
    if let reason = entry.hiddenBecause {
      refuse(
        "SQL07", at: place, "`\(entry.name)` may not be read here", because: reason,
        fix: "read it through a model of the layer between")
      return nil
    }
    return entry.shape
  }

  private mutating func unknown(_ name: TableName, at place: Place) -> TableShape? {
    guard refusals.count < SQLLimits.refusalsMax else { return nil }
    let (kind, wanted): (Catalog.Kind, String) =
      switch name {
      case .source(let source): (.source, source)
      case .ref(let model): (.ref, model)
      default: (.ref, "")
      }
    let names = catalog.entries.filter { $0.kind == kind && $0.hiddenBecause == nil }.map(\.name)
    let near = near(wanted, among: names)
    refuse(
      "SQL05", at: place, "there is no \(kind == .ref ? "model" : "source") `\(wanted)`",
      because: names.isEmpty
        ? "none may be read here" : "there are: \(names.sorted().joined(separator: ", "))",
      fix: near.map { "{{ \(kind == .ref ? "ref" : "source")('\($0)') }}" })
    return nil
  }

  private mutating func unknownPlain(_ name: String, at place: Place) -> TableShape? {
    guard refusals.count < SQLLimits.refusalsMax else { return nil }
    let folded = name.folded
    if folded == "sqlite_sequence" {
      refuse(
        "QD17", at: place, "`\(name)`", because: "AUTOINCREMENT is not offered",
        fix: "coalesce(max(seq), 0) + 1")
    } else if folded.hasPrefix("sqlite_stat") {
      refuse(
        "QD27", at: place, "`\(name)`", because: "statistics differ between replicas",
        fix: "count(*) over the rows themselves")
    } else if folded.hasPrefix("pragma_") {
      refuse(
        "QD29", at: place, "`\(name)` is a PRAGMA", because: "settings belong to the engine",
        fix: "the catalog of a pipeline is at GET /v1/catalog")
    } else if folded.hasPrefix("sqlite_") || folded.hasPrefix("dbstat") {
      refuse(
        "QD33", at: place, "`\(name)` is SQLite's own",
        because: "its content is not in the state root",
        fix: "the catalog of a pipeline is at GET /v1/catalog")
    } else if profile.allowsPlainNames {
      let names = catalog.entries.map(\.shape.name) + catalog.entries.map(\.name)
      let near = near(name, among: names)
      refuse(
        "SQL05", at: place, "there is no table `\(name)`",
        because:
          "there are: \(Set(catalog.entries.map(\.shape.name)).sorted().joined(separator: ", "))",
        fix: near.map { "from \($0)" })
    } else {
      unknownCommon(name, at: place)
    }
    return nil
  }

  /// A plain name where only a common table has one.
  private mutating func unknownCommon(_ name: String, at place: Place) {
    func token(_ kind: Catalog.Kind, _ name: String) -> String {
      "{{ \(kind == .ref ? "ref" : "source")('\(name)') }}"
    }
    let known =
      catalog.entries.first { $0.name.names(name) || $0.shape.name.names(name) }
      .map { token($0.kind, $0.name) }
      ?? catalog.others.first { $0.names(name) }.map { token(.ref, $0) }
    let names = catalog.entries.map(\.name) + catalog.others
    let near = near(name, among: names).map { near in
      token(catalog.entries.first { $0.name == near }?.kind ?? .ref, near)
    }
    refuse(
      "SQL05", at: place,
      known == nil
        ? "there is no common table `\(name)`" : "the table `\(name)` is named without braces",
      because: "tables of the pipeline are named by ref and source", fix: known ?? near)
  }

  private mutating func tableFunction(
    _ name: String, _ arguments: inout [Expression], at place: Place
  ) -> [RowColumn] {
    var read = Typed(type: .null, nullable: true)
    for index in arguments.indices {
      let typed = walk(&arguments[index], in: .row)
      if index == 0 { canonicalJSON(typed, arguments[index]) }
      read = mixed(read, typed)
    }
    // Each column comes from all of it.
    work.charge(24 * read.originCount)
    if read.pii { weighed.formUnion(read.lineage) }
    scopes[scopes.count - 1].deciding.formUnion(read.origins)
    guard let found = FunctionTable.tableFunctions.first(where: { $0.name.names(name) }) else {
      let isPragma = name.folded.hasPrefix("pragma_")
      refuse(
        isPragma ? "QD29" : "QD33", at: place, "`\(name)` as a table",
        because: isPragma
          ? "settings belong to the engine" : "its rows are not in the state root",
        fix: "json_each(column) and json_tree(column) are offered")
      scopes[scopes.count - 1].isIncomplete = true
      return []
    }
    functions.insert(found.name)
    return found.columns.map {
      RowColumn(
        qualifier: nil, name: $0.name, type: $0.type, nullable: $0.nullable, pii: read.pii,
        lineage: read.lineage.sorted(), indirect: read.indirect.sorted())
    }
  }

  private mutating func merge(
    _ column: String, _ place: Place, _ right: Range<Int>, _ isLeft: Bool, _ marks: Set<Int>
  ) {
    let columns = top.space.columns
    work.charge(columns.count + top.hidden.count)
    let left = columns.indices.first {
      $0 < right.lowerBound && columns[$0]?.name.names(column) == true
        && columns[$0]?.isMerged == false
    }
    let other = right.first { columns[$0]?.name.names(column) == true }
    let isNumber = Self.rowNumbers.contains(column.folded)
    if !isNumber, top.hidden.contains(where: { $0.name.names(column) }) {
      refuse(
        "SQL06", at: place, "USING (\(column))",
        because: "a source here has a `\(column)` that may not be read",
        fix: "on a.\(column) = b.\(column)")
      return
    }
    guard let left, let other else {
      // The source that may have it was refused already.
      if top.isIncomplete { return }
      refuse(
        "SQL05", at: place, "USING (\(column))", because: "both sides must have the column",
        fix: "on a.\(column) = b.other_name")
      return
    }
    scopes[scopes.count - 1].space.merge(other)
    for column in [columns[left], columns[other]].compactMap(\.self) {
      work.charge(2 * (column.lineage.count + column.indirect.count))
      if column.pii { weighed.formUnion(column.lineage) }
      scopes[scopes.count - 1].deciding.formUnion(column.lineage + column.indirect)
    }
    compare(
      Typed(type: columns[left]?.type ?? .unknown, nullable: true),
      Typed(type: columns[other]?.type ?? .unknown, nullable: true), at: place)
    if isLeft {
      guard columns[left]?.type.isComparable(with: columns[other]?.type ?? .unknown) == true
      else { return }
      scopes[scopes.count - 1].space.depend(marks, [other])
    } else if columns[left]?.type.isComparable(with: columns[other]?.type ?? .unknown) == true {
      scopes[scopes.count - 1].space.equate(left, other)
    }
  }

  // MARK: WHERE

  private mutating func filter(_ select: inout Select) {
    guard var filter = select.filter else { return }
    decide(&filter, in: .row)
    select.filter = filter
    equalities(of: filter, outer: nil)
  }

  /// What the conjuncts of a condition make equal.
  /// - Parameter outer: of a LEFT JOIN: the right side's columns, and the marks of the left, which
  ///   alone say whether there is a match.
  private mutating func equalities(
    of condition: Expression, outer: (right: Range<Int>, left: Set<Int>)?
  ) {
    guard case .binary(let operation, let left, let right) = condition.kind else { return }
    if operation == .and {
      equalities(of: left, outer: outer)
      equalities(of: right, outer: outer)
      return
    }
    guard operation == .equal else { return }
    let (a, b) = (element(of: left), element(of: right))
    guard a != nil && (b != nil || isConstant(right)) || b != nil && isConstant(left) else {
      return
    }
    // Across families equal values may differ: '01' = 1 and '1' = 1.
    guard quietly(left).type.isComparable(with: quietly(right).type) else { return }
    if let outer {
      for (column, other) in [(a, b), (b, a)] {
        guard let column, outer.right.contains(column) else { continue }
        let isFixed = other.map { !outer.right.contains($0) } ?? true
        let constant = other == nil ? isConstant(column == a ? right : left) : isFixed
        if constant { scopes[scopes.count - 1].space.depend(outer.left, [column]) }
      }
      return
    }
    if let a, let b {
      scopes[scopes.count - 1].space.equate(a, b)
    } else if let a, isConstant(right) {
      scopes[scopes.count - 1].space.depend([], [a])
    } else if let b, isConstant(left) {
      scopes[scopes.count - 1].space.depend([], [b])
    }
  }

  /// A value that is the same for every row of this SELECT.
  private func isConstant(_ expression: Expression) -> Bool {
    switch expression.kind {
    case .literal, .parameter, .variable: true
    case .column(let qualifier, let name, _):
      find(name, qualifier, in: top) == Found.none
        && scopes.dropLast().contains { find(name, qualifier, in: $0) != Found.none }
    case .unary(_, let part), .cast(let part, _): isConstant(part)
    case .binary(_, let a, let b): isConstant(a) && isConstant(b)
    default: false
    }
  }

  /// The element of this SELECT's space that a plain column stands for.
  func element(of expression: Expression) -> Int? {
    guard case .column(let qualifier, let name, _) = expression.kind,
      case .one(let element) = find(name, qualifier, in: top)
    else { return nil }
    return element
  }
}
