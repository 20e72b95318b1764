import SQL
import Wire

// Whether an incremental model finds the keys that an update touches.

extension Lint {
  mutating func checkRefresh(
    of model: Model, _ query: CheckedQuery, _ columns: [ModelColumn], _ upstreams: [Upstream]
  ) -> ([CheckedUpstreamQuery], [CheckedUpstreamQuery]) {
    guard let refresh = model.refresh else { return ([], []) }
    let part = "model:\(model.name)/refresh"
    let before = faults.count
    checkColumns(refresh.by, among: columns.map(\.name), "by", part)
    for entry in refresh.map + refresh.scope
    where !upstreams.contains(where: { $0.name == entry.upstream }) {
      fault(
        part,
        "the SELECT does not read \(entry.upstream)"
          + Spelling.hint(entry.upstream, among: upstreams.map(\.name)))
    }
    guard faults.count == before else { return ([], []) }
    // The engine restricts upstreams by the key, so the key must be their own column all the way,
    // not a value that only bears its name.
    if !restricted(upstreams, refresh).isEmpty, let sql = model.sql {
      for name in Gate.computed(refresh.by, by: sql, work) {
        fault(
          part, "by: the SELECT computes \(name), so what it reads cannot be restricted by it",
          fix: "compute \(name) in a model of its own and read it from there")
      }
    }
    guard faults.count == before else { return ([], []) }
    let keys = columns.filter { refresh.by.contains($0.name) }
    for upstream in upstreams { checkReach(of: upstream, model, refresh, keys) }
    var maps: [CheckedUpstreamQuery] = []
    var scopes: [CheckedUpstreamQuery] = []
    for upstream in upstreams {
      if let entry = refresh.map.first(where: { $0.upstream == upstream.name }),
        let query = checkMap(entry, of: upstream, model, keys)
      {
        maps.append(CheckedUpstreamQuery(upstream: upstream, query: query))
      }
      if let entry = refresh.scope.first(where: { $0.upstream == upstream.name }),
        let query = checkScope(entry, of: upstream, model, keys)
      {
        scopes.append(CheckedUpstreamQuery(upstream: upstream, query: query))
      }
    }
    checkKeys(of: model, query, refresh, upstreams, scopes)
    let order: (CheckedUpstreamQuery, CheckedUpstreamQuery) -> Bool = {
      $0.upstream.name < $1.upstream.name
    }
    return (maps.sorted(by: order), scopes.sorted(by: order))
  }

  /// The upstreams of which the engine reads only the rows of one key.
  private func restricted(_ upstreams: [Upstream], _ refresh: Refresh) -> [TableShape] {
    upstreams.compactMap { upstream in
      guard !refresh.scope.contains(where: { $0.upstream == upstream.name }),
        let shape = shape(of: upstream)
      else { return nil }
      let names = shape.columns.map(\.name)
      return refresh.by.allSatisfy(names.contains) ? shape : nil
    }
  }

  /// Over the rows of one key the SELECT must give the rows of that key, and only they.
  private mutating func checkKeys(
    of model: Model, _ query: CheckedQuery, _ refresh: Refresh, _ upstreams: [Upstream],
    _ scopes: [CheckedUpstreamQuery]
  ) {
    guard let script = model.sql else { return }
    let part = "model:\(model.name)/refresh"
    for scope in scopes {
      guard let shape = shape(of: scope.upstream) else { continue }
      let name = scope.upstream.name
      if !refresh.map.contains(where: { $0.upstream == name }), !isSeed(scope.upstream),
        !scope.query.takesOwnKey(of: shape, by: refresh.by)
      {
        let own = refresh.by.map { "\($0) = :\($0)" }.joined(separator: " and ")
        fault(
          part,
          "scope: is not just the columns of \(name) where \(own), so a changed row does not tell "
            + "which key it belongs to",
          fix: "map: { \(name): \"select \(Self.list(refresh.by)) from {{ changed }} …\" }, or "
            + "compute and choose in the model's sql")
      }
      if scope.query.mayRepeatRows(of: shape) {
        fault(
          part, "scope: may give a row of \(name) more than once",
          fix: "join it by a whole unique key, or say where … in (select …)")
      }
    }
    let tables = KeyedTables(
      by: refresh.by, restricted: Set(restricted(upstreams, refresh).map(\.name)),
      scopes: scopes.compactMap { scope in
        shape(of: scope.upstream).map { ($0.name, scope.query) }
      })
    for fault in Gate.refusals(of: query, keyedBy: tables, in: script, work) { add(fault) }
  }

  private static func list(_ names: [String]) -> String { names.joined(separator: ", ") }

  /// An upstream tells its keys by its own columns or by a map. Seeds change with the package
  /// only, and everything is computed again then.
  private mutating func checkReach(
    of upstream: Upstream, _ model: Model, _ refresh: Refresh, _ keys: [ModelColumn]
  ) {
    guard !refresh.map.contains(where: { $0.upstream == upstream.name }),
      let shape = shape(of: upstream), !isSeed(upstream)
    else { return }
    let names = shape.columns.map(\.name)
    let part = "model:\(model.name)/refresh"
    let lacking = refresh.by.filter { !names.contains($0) }
    guard lacking.isEmpty else {
      fault(
        part,
        "\(upstream) has no column \(lacking.joined(separator: ", ")), so its changes cannot be "
          + "mapped to keys",
        fix: "map: { \(upstream.name): \"select \(refresh.by.joined(separator: ", ")) from "
          + "{{ changed }} …\" }")
      return
    }
    for key in keys {
      guard let own = shape.columns.first(where: { $0.name == key.name }),
        !fits(own.type, key.type.sqlType)
      else { continue }
      fault(
        part, "by: \(key.name) is \(key.type) in the model and \(own.type) in \(upstream)",
        fix: "declare a map: for \(upstream.name)")
    }
  }

  /// Whether equal values of a column and of what stands for it are stored alike.
  private func fits(_ type: SQLType, _ own: SQLType) -> Bool {
    type.family == .none || type.family == own.family && !type.clashes(with: own)
  }

  /// Keys are found and rows taken at each update, by what has changed: what changes with time
  /// alone would be missed.
  private mutating func checkChangers(
    of query: CheckedQuery, _ sql: SQLScript, _ what: String, _ model: Model
  ) {
    for changer in changers(of: query, upstreams(of: sql)) {
      fault(
        "model:\(model.name)/refresh", "\(what): " + changer + Self.unfollowed,
        fix: "leave it out, and choose by time in a view of the model")
    }
  }

  private func isSeed(_ upstream: Upstream) -> Bool {
    guard case .model(let name) = upstream else { return false }
    return package.model(name)?.kind == .seed
  }

  /// A map gives keys: the columns of `by`, from changed rows.
  private mutating func checkMap(
    _ entry: UpstreamQuery, of upstream: Upstream, _ model: Model, _ keys: [ModelColumn]
  ) -> CheckedQuery? {
    guard let shape = shape(of: upstream) else { return nil }
    let changed = TableShape(name: "changed", columns: shape.columns, keys: [])
    guard
      let query = checked(entry.sql, .model, catalog(for: model.layer, changed: changed))
    else { return nil }
    checkChangers(of: query, entry.sql, "map", model)
    let by = model.refresh?.by ?? []
    guard query.columns.map(\.name).sorted() == by.sorted() else {
      fault(
        "model:\(model.name)/refresh",
        "map: the SELECT for \(upstream.name) gives "
          + "\(query.columns.map(\.name).joined(separator: ", ")); it must give the key, "
          + by.joined(separator: ", "))
      return nil
    }
    for column in query.columns {
      guard let key = keys.first(where: { $0.name == column.name }),
        !fits(column.type, key.type.sqlType)
      else { continue }
      fault(
        "model:\(model.name)/refresh",
        "map: \(column.name) is \(column.type) for \(upstream.name); the key is \(key.type)")
    }
    return query
  }

  /// A scope gives rows of its upstream, for the key in its arguments.
  private mutating func checkScope(
    _ entry: UpstreamQuery, of upstream: Upstream, _ model: Model, _ keys: [ModelColumn]
  ) -> CheckedQuery? {
    guard let shape = shape(of: upstream) else { return nil }
    let arguments = keys.map { Argument(name: $0.name, type: $0.type) }
    guard
      let query = checked(entry.sql, .model, catalog(for: model.layer), arguments: arguments)
    else { return nil }
    checkChangers(of: query, entry.sql, "scope", model)
    let wanted = shape.columns.filter { !$0.name.hasPrefix("_") }
    guard query.columns.map(\.name) == wanted.map(\.name) else {
      fault(
        "model:\(model.name)/refresh",
        "scope: the SELECT for \(upstream.name) gives "
          + "\(query.columns.map(\.name).joined(separator: ", ")); it must give its columns, "
          + wanted.map(\.name).joined(separator: ", "))
      return nil
    }
    for (column, own) in zip(query.columns, wanted) where !fits(column.type, own.type) {
      fault(
        "model:\(model.name)/refresh",
        "scope: \(column.name) is \(column.type) for \(upstream.name), whose own is \(own.type)",
        fix: "give the rows of \(upstream.name) as they are")
    }
    return query
  }
}
