/// Reads one SELECT.
package func parse(
  _ source: SQLText, form: TextForm = .file, work: CheckWork = CheckWork()
) throws(Diagnostic) -> Query {
  var parser = try Parser(source, form: form, work)
  return try parser.statement()
}

/// Checks a SELECT against the tables it may read and the rules of its profile.
///
/// - Parameter arguments: the values of parameters that nobody declared, which are read as what
///   they stand beside.
/// - Throws: every refusal that was found, in the order of the text; that of a text whose check
///   takes too many steps stands alone.
package func check(
  _ query: Query, catalog: Catalog, profile: Profile,
  parameters: [(name: String, type: SQLType)] = [], vars: [(name: String, value: Literal)] = [],
  arguments: [(name: String, value: Literal)] = [], work: CheckWork = CheckWork()
) throws(Diagnostics) -> CheckedQuery {
  var checker = Checker(
    source: query.source, catalog: catalog, profile: profile, parameters: parameters,
    variables: vars, work: work)
  checker.arguments = arguments
  var resolved = query
  let shape = checker.query(&resolved)
  if work.isSpent { throw Diagnostics([work.refusal(of: query.source)]) }
  if !checker.refusals.isEmpty { throw Diagnostics(roots(of: checker.refusals)) }
  let names = shape.columns.map(\.name)
  var checked = CheckedQuery(
    columns: shape.columns,
    keys: shape.keys.sorted { ($0.count, $0.first ?? 0) < ($1.count, $1.first ?? 0) }
      .map { $0.map { names[$0] } },
    isTotallyOrdered: shape.isTotallyOrdered, tables: checker.tables.sorted(),
    functions: checker.functions.sorted(), parameters: checker.usedParameters.sorted(),
    weighed: checker.weighed.sorted(), deterministic: !checker.usesReal,
    warnings: checker.warnings, query: resolved, variables: vars)
  checked.reckonPrinted(work)
  if work.isSpent { throw Diagnostics([work.refusal(of: query.source)]) }
  return checked
}

/// Refusals in the order of the text, without those that only follow from a name that means
/// nothing: of such a name neither the type nor the key is known.
private func roots(of refusals: [Diagnostic]) -> [Diagnostic] {
  let sorted = refusals.sorted { $0.place.offset < $1.place.offset }
  let unresolved: Set = ["SQL05", "SQL07", "SQL10", "QD43"]
  let dependent: Set = [
    "QD05", "QD06", "QD08", "QD23", "QD26", "QD48", "SQL06", "SQL09",
  ]
  guard sorted.contains(where: { unresolved.contains($0.rule) }) else { return sorted }
  return sorted.filter { !dependent.contains($0.rule) }
}

/// Checks a boolean expression over the columns of one source.
/// - Parameter lookups: the sources that `exists_in` may look into, by name.
package func checkExpectation(
  _ text: SQLText, over shape: TableShape, lookups: [(name: String, shape: TableShape)],
  vars: [(name: String, value: Literal)] = [], work: CheckWork = CheckWork()
) throws(Diagnostics) -> CheckedExpression {
  let expression: Expression
  do {
    var parser = try Parser(text, form: .adhoc, work)
    expression = try parser.onlyExpression()
  } catch {
    throw Diagnostics([error])
  }
  var checker = Checker(
    source: text, catalog: Catalog([]), profile: .expectation, parameters: [], variables: vars,
    work: work)
  checker.lookups = lookups
  var space = RowSpace()
  _ = space.add(shape.rowColumns(as: shape.name), keys: [])
  checker.scopes.append(Scope(space: space))
  var resolved = expression
  _ = checker.walk(&resolved, in: .row)
  if work.isSpent { throw Diagnostics([work.refusal(of: text)]) }
  if !checker.refusals.isEmpty { throw Diagnostics(roots(of: checker.refusals)) }
  return CheckedExpression(
    columns: checker.columnsRead.sorted(),
    lookups: checker.lookupsMade, usesQuarantinedPPM: checker.usesQuarantinedPPM,
    warnings: checker.warnings,
    expression: resolved, lookupTables: checker.lookupsMade, variables: vars)
}

extension TableShape {
  func rowColumns(as qualifier: String?) -> [RowColumn] {
    columns.map {
      RowColumn(
        qualifier: qualifier, name: $0.name, type: $0.type, nullable: $0.nullable, pii: $0.pii,
        lineage: [Lineage(table: name, column: $0.name)], indirect: [])
    }
  }
}

/// What a query gives.
struct ResultShape: Sendable {
  var columns: [OutputColumn]
  /// Places of columns.
  var keys: [[Int]]
  var isTotallyOrdered = false
  /// What decides which rows there are.
  var deciding: Set<Lineage> = []

  func rowColumns(as qualifier: String?) -> [RowColumn] {
    columns.map {
      RowColumn(
        qualifier: qualifier, name: $0.name, type: $0.type, nullable: $0.nullable, pii: $0.pii,
        lineage: $0.lineage, indirect: $0.indirect, written: $0.written)
    }
  }
}

/// What names mean in one SELECT.
struct Scope: Sendable {
  /// What names mean, before grouping.
  var space: RowSpace
  /// Set once the SELECT is known to group.
  var groups: Groups?
  /// Result columns by alias, for ORDER BY.
  var aliases: [(name: String, expression: Expression)] = []
  var windows: [(name: String, window: WindowSpecification)] = []
  /// What each of them comes from.
  var windowOrigins: [Set<Lineage>] = []
  /// A source in FROM was refused, so that nothing is known of its columns.
  var isIncomplete = false
  /// Columns that SQLite knows of the sources in FROM and that the catalog does not tell of.
  var hidden: [(qualifier: String, name: String)] = []
  /// Those among them that are kept from whoever asks, who may know that they are there.
  var withheld: [(qualifier: String, name: String)] = []
  /// Elements that inner queries read.
  var crossings: [(element: Int, place: Place)] = []
  /// What decides which rows this SELECT gives.
  var deciding: Set<Lineage> = []
}

/// Where an expression stands, and so what it may hold.
enum Position: Sendable, Equatable {
  /// One row at a time: WHERE, ON, GROUP BY.
  case row
  /// After grouping: aggregates are welcome.
  case result
}

/// Checks one statement; gathers refusals rather than stopping at the first.
///
/// - Bound: refusals are limited; trees were bounded when they were read; what grows beyond them
///   is charged to `work`.
struct Checker {
  let source: SQLText
  let catalog: Catalog
  let profile: Profile
  let parameters: [(name: String, type: SQLType)]
  let variables: [(name: String, value: Literal)]
  /// Shared with the copies that look again at what was walked.
  let work: CheckWork
  var lookups: [(name: String, shape: TableShape)] = []
  var arguments: [(name: String, value: Literal)] = []

  /// By the place of the constant in the text.
  var constants: [Int: ReadConstant] = [:]
  var scopes: [Scope] = []
  var commons: [(name: String, shape: ResultShape)] = []
  var refusals: [Diagnostic] = []
  var warnings: [Diagnostic] = []
  var tables: Set<String> = []
  var functions: Set<String> = []
  var usedParameters: Set<String> = []
  var columnsRead: Set<String> = []
  var lookupsMade: [(source: String, table: String, column: String)] = []
  var usesQuarantinedPPM = false
  /// What takes part in conditions and orders that personal columns take part in.
  var weighed: Set<Lineage> = []
  var usesReal = false
  /// The type of what an operator's other side is.
  var compared: SQLType?
  /// Queries around the one looked at.
  var depth = 0
  /// The query looked at belongs to a recursive common table.
  private var isRecursing = false
  /// The results looked at are those of the whole statement.
  var namesResults: Bool { depth == 1 && !isLaterArm }
  private var isLaterArm = false

  init(
    source: SQLText, catalog: Catalog, profile: Profile,
    parameters: [(name: String, type: SQLType)], variables: [(name: String, value: Literal)],
    work: CheckWork
  ) {
    self.source = source
    self.catalog = catalog
    self.profile = profile
    self.parameters = parameters
    self.variables = variables
    self.work = work
  }

  mutating func refuse(
    _ rule: String, at place: Place, _ message: String, because reason: String, fix: String? = nil
  ) {
    guard refusals.count < SQLLimits.refusalsMax else { return }
    refusals.append(source.refusal(rule, at: place, message, because: reason, fix: fix))
  }

  mutating func warn(
    _ rule: String, at place: Place, _ message: String, because reason: String, fix: String? = nil
  ) {
    guard warnings.count < SQLLimits.refusalsMax else { return }
    warnings.append(source.refusal(rule, at: place, message, because: reason, fix: fix))
  }

  // MARK: Queries

  /// Checks a query, puts the tables that its names mean into the tree, and says what it gives.
  mutating func query(_ query: inout Query) -> ResultShape {
    let outer = commons.count
    depth += 1
    defer {
      commons.removeLast(commons.count - outer)
      depth -= 1
    }
    for index in query.commonTables.indices { common(&query.commonTables[index], query.recursive) }
    if query.rest.isEmpty { return single(&query) }
    return compound(&query)
  }

  private mutating func common(_ table: inout CommonTable, _ recursive: Bool) {
    if catalog.owns(table.name) {
      refuse(
        "SQL06", at: table.place, "a common table named like a table of the pipeline",
        because: "`\(table.name)` would mean two things", fix: "with \(table.name)_rows as (…)")
    }
    // SQLite lets a common table read those that come after it, and itself.
    if commons.contains(where: { $0.name.names(table.name) }) {
      refuse(
        "SQL06", at: table.place, "two common tables named `\(table.name)`",
        because: "which of them an inner SELECT means depends on where it stands",
        fix: "with \(table.name)_2 as (…)")
    }
    // SQLite reads a common table where it is used; so it sees no columns from around it.
    let outer = scopes
    scopes = []
    var shape: ResultShape
    if recursive, table.query.reads(table.name) {
      shape = recursion(&table)
    } else {
      shape = self.query(&table.query)
    }
    scopes = outer
    if !table.columns.isEmpty {
      if table.columns.count != shape.columns.count {
        refuse(
          "SQL06", at: table.place, "`\(table.name)` names \(table.columns.count) columns",
          because: "its SELECT gives \(shape.columns.count)")
      }
      shape.columns = zip(shape.columns, table.columns).map { column, name in
        OutputColumn(
          name: name, type: column.type, nullable: column.nullable, pii: column.pii,
          lineage: column.lineage, indirect: column.indirect, written: column.written)
      }
      shape.keys = shape.keys.filter { $0.allSatisfy { $0 < shape.columns.count } }
    }
    commons.append((table.name, shape))
  }

  /// The first arm says the columns; nothing is known of keys.
  private mutating func recursion(_ table: inout CommonTable) -> ResultShape {
    if isRecursing {
      refuse(
        "SQL04", at: table.place, "a recursive common table inside of another",
        because: "each round of the outer one would run all rounds of the inner",
        fix: "name `\(table.name)` before the outer one")
      var seed = Query(source: source, first: table.query.first, place: table.place)
      return single(&seed)
    }
    isRecursing = true
    defer { isRecursing = false }
    if let limit = table.query.limit {
      refuse(
        "QD36", at: limit.place, "LIMIT in a recursive common table",
        because: "which rows it takes is not defined", fix: "bound the recursion in its WHERE")
    }
    if let term = table.query.order.first {
      refuse(
        "QD36", at: term.expression.place, "ORDER BY in a recursive common table",
        because: "it orders the work, not the rows", fix: "order the SELECT that reads it")
    }
    if let inner = table.query.commonTables.first {
      refuse(
        "SQL04", at: inner.place, "WITH inside of a recursive common table",
        because: "it is outside of the subset", fix: "name `\(inner.name)` before `\(table.name)`")
    }
    depth += 1
    defer { depth -= 1 }
    var seed = Query(source: source, first: table.query.first, place: table.place)
    var shape = single(&seed)
    table.query.first = seed.first
    if !table.columns.isEmpty {
      shape.columns = zip(shape.columns, table.columns).map { column, name in
        OutputColumn(
          name: name, type: column.type, nullable: true, pii: column.pii,
          lineage: column.lineage, indirect: column.indirect)
      }
    }
    shape.keys = []
    // Its steps make other numbers of it.
    for index in shape.columns.indices { shape.columns[index].written = Written() }
    shape = spread(shape, through: table.query.rest.map(\.select), of: table)
    commons.append((table.name, shape))
    for index in table.query.rest.indices {
      var arm = Query(source: source, first: table.query.rest[index].select, place: table.place)
      let other = single(&arm)
      table.query.rest[index].select = arm.first
      shape.deciding.formUnion(other.deciding)
      sameWidth(shape, other, at: table.query.rest[index].select.place)
      sameFamilies(shape, other, at: table.query.rest[index].select.place)
    }
    commons.removeLast()
    return shape
  }

  /// What a recursion's columns are and hold in the end: a mark or a unit that a step moves from
  /// one column to another arrives a round later, so there are as many rounds as columns.
  private mutating func spread(
    _ seed: ResultShape, through arms: [Select], of table: CommonTable
  ) -> ResultShape {
    var shape = seed
    for _ in seed.columns.indices where !work.isSpent {
      var probe = self
      probe.depth += 1
      probe.commons.append((table.name, shape))
      var grown = shape
      for arm in arms {
        var step = Query(source: source, first: arm, place: table.place)
        let found = probe.single(&step)
        grown.deciding.formUnion(found.deciding)
        guard found.columns.count == grown.columns.count else { continue }
        grown.columns = zip(grown.columns, found.columns).map { old, new in
          // 0 counts nothing yet; what the steps add to it says what the column counts.
          chargeOrigins(of: old, new)
          let fits = old.type.family == new.type.family && !old.type.clashes(with: new.type)
          return OutputColumn(
            name: old.name, type: fits ? old.type.joined(with: new.type) : old.type,
            nullable: old.nullable || new.nullable, pii: old.pii || new.pii,
            lineage: Set(old.lineage + new.lineage).sorted(),
            indirect: Set(old.indirect + new.indirect).sorted())
        }
      }
      weighed.formUnion(probe.weighed)
      shape.deciding = grown.deciding
      if grown.columns == shape.columns { break }
      shape.columns = grown.columns
    }
    return shape
  }

  private mutating func sameWidth(_ a: ResultShape, _ b: ResultShape, at place: Place) {
    if a.columns.count != b.columns.count {
      refuse(
        "SQL06", at: place, "SELECTs of \(a.columns.count) and \(b.columns.count) columns",
        because: "those of a compound have equally many")
    }
  }

  /// What a recursion feeds back must be what its first SELECT said it is.
  private mutating func sameFamilies(_ a: ResultShape, _ b: ResultShape, at place: Place) {
    for (seed, step) in zip(a.columns, b.columns) where step.type != .null {
      guard seed.type.family != step.type.family || seed.type.clashes(with: step.type) else {
        continue
      }
      refuse(
        "QD23", at: place, "`\(seed.name)` is \(seed.type) at first and \(step.type) later",
        because: "every step must give the types of the first",
        fix: seed.type.family == .integer ? "cast(… as integer)" : "cast(… as text)")
    }
  }

  private mutating func compound(_ query: inout Query) -> ResultShape {
    var head = Query(source: source, first: query.first, place: query.place)
    var shape = single(&head)
    query.first = head.first
    for index in query.rest.indices {
      var arm = Query(source: source, first: query.rest[index].select, place: query.place)
      isLaterArm = true
      let other = single(&arm)
      isLaterArm = false
      query.rest[index].select = arm.first
      sameWidth(shape, other, at: query.rest[index].select.place)
      let operation = query.rest[index].operation
      if operation.comparesRows {
        for column in shape.columns + other.columns {
          chargeOrigins(of: column)
          weigh(column)
        }
      }
      shape = combined(shape, other, operation, query.rest[index].select)
    }
    var space = RowSpace()
    _ = space.add(shape.rowColumns(as: nil), keys: shape.keys)
    scopes.append(Scope(space: space))
    let ordering = orderTerms(&query.order, of: shape.columns)
    if query.limit != nil { shape.deciding.formUnion(ordering) }
    shape.isTotallyOrdered = isTotal(
      query.order, of: shape, outputs: shape.columns.indices.map { $0 })
    limit(query, shape)
    scopes.removeLast()
    return shape
  }
}

extension CompoundOperator {
  /// Which rows it gives depends on the values of all columns.
  fileprivate var comparesRows: Bool { self == .except || self == .intersect }
}

extension Query {
  /// Whether a FROM of any of its SELECTs names this table.
  func reads(_ name: String) -> Bool {
    ([first] + rest.map(\.select)).contains { select in
      select.from.contains { item in
        switch item.relation {
        case .table(.plain(let plain)): plain.names(name)
        case .common(let common): common.names(name)
        case .subquery(let inner): inner.reads(name)
        default: false
        }
      }
    }
  }
}
