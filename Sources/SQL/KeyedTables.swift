/// How the engine restricts the tables of a model that it computes for one key at a time.
package struct KeyedTables: Sendable {
  /// The columns that make the key, in the order of `refresh.by`.
  package let by: [String]
  /// Physical names of the tables of which only rows with the key are read.
  package let restricted: Set<String>
  /// What is read in the place of other tables, by physical name; `:NAME` is the key's value.
  package let scopes: [(table: String, query: CheckedQuery)]

  package init(
    by: [String], restricted: Set<String>, scopes: [(table: String, query: CheckedQuery)] = []
  ) {
    self.by = by
    self.restricted = restricted
    self.scopes = scopes
  }

  /// What reading a table for one key leaves of it.
  func relation(of table: TableShape) -> KeyedRelation {
    let names = table.columns.map(\.name)
    if let scope = scopes.first(where: { $0.table == table.name })?.query {
      let columns = scope.columns.map(\.name)
      return KeyedRelation(columns: columns, keying: scope.keying(of: table, by: by))
    }
    let places = by.compactMap { key in names.firstIndex { $0 == key } }
    guard restricted.contains(table.name), places.count == by.count else {
      return KeyedRelation(columns: names, keying: .whole)
    }
    let terms = places.map { KeyTerm.column($0) }
    return KeyedRelation(
      columns: names, keying: .keyed(table.withLookups(terms, by: by, columns: names)))
  }
}

/// A value that tells the key of a row, from columns of the row by their places.
enum KeyTerm: Hashable, Sendable {
  case column(Int)
  case constant(Literal)
  /// A column of the row of `table` that has the values of these places in its unique key.
  case lookup(table: String, column: String, key: [String], arguments: [Int])
}

/// What computing one key leaves of a relation.
enum Keying: Sendable {
  /// All its rows.
  case whole
  /// Exactly its rows with the key. For each column of the key the terms that tell it.
  case keyed([[KeyTerm]])
  /// The rows that a `scope:` takes: those with certain values in these places, all or none of the
  /// rows with equal ones. nil where the places cannot be told.
  case scoped([Int]?)
  /// Rows of which nothing tells the key any more.
  case lost
  /// Refused before.
  case refused

  var isWhole: Bool {
    if case .whole = self { true } else { false }
  }
}

/// The columns of a table, common table or SELECT and what one key leaves of its rows.
struct KeyedRelation: Sendable {
  var columns: [String]
  var keying: Keying
}

extension TableShape {
  /// The terms of the key, with those that a unique key of the table gives.
  fileprivate func withLookups(
    _ terms: [KeyTerm], by: [String], columns names: [String]
  ) -> [[KeyTerm]] {
    zip(by, terms).map { column, term in
      var all = [term]
      for key in keys where !key.isEmpty {
        let places = key.compactMap { part in names.firstIndex { $0.names(part) } }
        guard places.count == key.count else { continue }
        all.append(.lookup(table: name, column: column, key: key, arguments: places))
      }
      return all
    }
  }
}

// MARK: - Scopes

extension CheckedQuery {
  /// True when this `scope:` takes exactly the rows of `table` whose columns `by` have the key's
  /// values, so that a changed row tells by itself which key it belongs to.
  package func takesOwnKey(of table: TableShape, by: [String]) -> Bool {
    guard case .keyed(let terms) = keying(of: table, by: by) else { return false }
    return zip(by, terms).allSatisfy { name, terms in
      terms.contains { term in
        guard case .column(let place) = term else { return false }
        return columns[place].name == name
      }
    }
  }

  /// True when this `scope:` may give a row of `table` more than once.
  package func mayRepeatRows(of table: TableShape) -> Bool {
    let isPlain = query.rest.isEmpty && query.commonTables.isEmpty && query.first.from.count == 1
    guard !isPlain, !table.keys.isEmpty else { return false }
    return !keys.contains { key in
      table.keys.contains { own in key.allSatisfy { name in own.contains { $0.names(name) } } }
    }
  }

  /// What this `scope:` leaves of a table.
  fileprivate func keying(of table: TableShape, by: [String]) -> Keying {
    let select = query.first
    let own = select.from.filter { item in
      if case .resolved(let shape) = item.relation { shape.name == table.name } else { false }
    }
    guard query.rest.isEmpty, query.commonTables.isEmpty, query.limit == nil, !select.distinct,
      select.group.isEmpty, select.having == nil, select.windows.isEmpty, own.count == 1,
      own[0].join != .left, functions.allSatisfy({ FunctionTable.offered($0)?.kind == .scalar }),
      !select.from.contains(where: { $0.join == .left })
    else { return .scoped(nil) }
    let reader = ScopeReader(
      alias: own[0].alias ?? table.name, columns: columns.map(\.name), others: select.from.count > 1
    )
    guard reader.passesOn(select.items) else { return .scoped(nil) }
    return reader.keying(select, table, by)
  }
}

/// Reads of a scope's conditions by which columns it takes rows.
private struct ScopeReader {
  let alias: String
  let columns: [String]
  /// Other tables are joined.
  let others: Bool

  /// Whether the results are the table's own columns.
  func passesOn(_ items: [ResultItem]) -> Bool {
    guard items.count == columns.count else { return false }
    return zip(items, columns).allSatisfy { item, name in
      guard case .expression(let expression, _) = item,
        case .column(let qualifier, let column, _) = expression.kind
      else { return false }
      return column.names(name) && (qualifier.map { $0.names(alias) } ?? !others)
    }
  }

  func keying(_ select: Select, _ table: TableShape, _ by: [String]) -> Keying {
    let conditions = ([select.filter] + select.from.map(\.on)).compactMap(\.self)
    guard !conditions.contains(where: \.asksInside) else { return .scoped(nil) }
    var places: Set<Int> = []
    for name in select.from.flatMap(\.using).map(\.name) {
      guard let place = place(of: name) else { return .scoped(nil) }
      places.insert(place)
    }
    for column in conditions.flatMap(\.columnNames)
    where column.qualifier.map({ $0.names(alias) }) ?? true {
      // A column that the scope's results leave out cannot be compared with.
      guard let place = place(of: column.name) else {
        if column.qualifier == nil, others { continue }
        return .scoped(nil)
      }
      places.insert(place)
    }
    if !others, let terms = terms(select.filter, by) {
      return .keyed(table.withLookups(terms, by: by, columns: columns))
    }
    return places.isEmpty ? .whole : .scoped(places.sorted())
  }

  /// The terms of the key where the conditions are `column = :key` and nothing else.
  private func terms(_ filter: Expression?, _ by: [String]) -> [KeyTerm]? {
    var found: [String: KeyTerm] = [:]
    for condition in filter?.conjunction ?? [] {
      guard case .binary(.equal, let left, let right) = condition.kind else { return nil }
      guard let (name, value) = pair(left, right) ?? pair(right, left), found[name] == nil else {
        return nil
      }
      found[name] = value
    }
    let terms = by.compactMap { found[$0] }
    return terms.count == by.count && found.count == by.count ? terms : nil
  }

  private func pair(_ side: Expression, _ other: Expression) -> (String, KeyTerm)? {
    guard case .parameter(let name) = side.kind else { return nil }
    switch other.kind {
    case .literal(let value) where value != .null: return (name, .constant(value))
    case .column(let qualifier, let column, _) where qualifier.map({ $0.names(alias) }) ?? true:
      return place(of: column).map { (name, .column($0)) }
    default: return nil
    }
  }

  private func place(of name: String) -> Int? { columns.firstIndex { $0.names(name) } }
}

extension Expression {
  /// What AND joins, from left to right.
  var conjunction: [Expression] {
    guard case .binary(.and, let left, let right) = kind else { return [self] }
    return left.conjunction + right.conjunction
  }

  /// Holds a SELECT.
  fileprivate var asksInside: Bool {
    switch kind {
    case .exists, .scalar, .inQuery: true
    default: parts.contains(where: \.asksInside)
    }
  }
}
