import SQL
import Wire

// The SELECTs of a package: in which order models come, and whether each is sound.

extension Lint {
  mutating func checkSQL() {
    let reads = package.models.map { model in (model.name, upstreams(of: model.sql, model)) }
    guard faults.isEmpty, let order = order(reads) else { return }
    for source in package.sources { checkExpectations(of: source) }
    for name in order {
      guard let model = package.model(name), model.kind != .seed else { continue }
      let upstreams = reads.first { $0.0 == name }?.1 ?? []
      // What reads a faulty model would only repeat its faults.
      let known = upstreams.allSatisfy { upstream in
        switch upstream {
        case .source: true
        case .model(let name):
          package.model(name) == nil || models.contains { $0.name == name }
        }
      }
      if known { check(model, upstreams) }
    }
    guard faults.isEmpty else { return }
    sortModels(order)
    checkDroppedColumns()
    for place in models.indices { checkTests(at: place) }
    for procedure in package.procedures { check(procedure) }
    for query in package.queries { check(query) }
    for metric in package.metrics { check(metric) }
  }

  /// What a text, of a model perhaps, names in `{{ ref }}` and `{{ source }}`, ascending.
  mutating func upstreams(of script: SQLScript?, _ model: Model? = nil) -> [Upstream] {
    guard let script else { return [] }
    switch Gate.tables(of: script, work) {
    case .success(let tables): return tables
    case .failure(let found):
      for fault in found.list { add(fault.advised(for: model)) }
      return []
    }
  }

  // MARK: - Order

  /// Models with every upstream before what reads it; nil when they read one another in a circle.
  private mutating func order(_ reads: [(String, [Upstream])]) -> [String]? {
    var rest = reads.map { name, upstreams in
      (
        name: name,
        needs: upstreams.compactMap { upstream -> String? in
          guard case .model(let needed) = upstream, package.model(needed) != nil else { return nil }
          return needed
        },
        isAstray: upstreams.contains { upstream in
          if case .model(let name) = upstream { package.model(name) == nil } else { false }
        }
      )
    }
    var order: [String] = []
    var done: Set<String> = []
    while !rest.isEmpty {
      func isReady(_ place: Int) -> Bool { rest[place].needs.allSatisfy(done.contains) }
      // What names an unknown model comes late, when those that it may mean are known.
      let ready = rest.indices.filter(isReady)
      guard let next = ready.first(where: { !rest[$0].isAstray }) ?? ready.first else {
        let circle = Self.circle(rest)
        fault(
          "model:\(circle[0])",
          "models read one another in a circle: \(circle.joined(separator: " → "))",
          fix: "take one of these references out")
        return nil
      }
      order.append(rest.remove(at: next).name)
      done.insert(order[order.count - 1])
    }
    return order
  }

  /// A circle among models that all wait for one another, its first name again at the end.
  private static func circle(
    _ rest: [(name: String, needs: [String], isAstray: Bool)]
  ) -> [String] {
    var path = [rest[0].name]
    while true {
      let needs = rest.first { $0.name == path[path.count - 1] }?.needs ?? []
      guard let next = needs.first(where: { need in rest.contains { $0.name == need } }) else {
        return path
      }
      if let start = path.firstIndex(of: next) { return Array(path[start...]) + [next] }
      path.append(next)
    }
  }

  private mutating func sortModels(_ order: [String]) {
    models.sort {
      (order.firstIndex(of: $0.name) ?? 0) < (order.firstIndex(of: $1.name) ?? 0)
    }
  }

  // MARK: - Catalogs

  /// The tables of the package; `reader` is the layer of the model that asks, nil for what may
  /// read everything.
  func catalog(
    for reader: Model.Layer?, arguments: [Argument] = [], changed: TableShape? = nil
  ) -> SQL.Catalog {
    guard !work.isSpent else { return SQL.Catalog([]) }
    let sources = package.sources.map {
      SQL.Catalog.Entry(
        kind: .source, name: $0.name, shape: $0.shape,
        hiddenBecause: Self.hidden(.bronze, from: reader))
    }
    let known = models.map {
      SQL.Catalog.Entry(
        kind: .ref, name: $0.name, shape: $0.shape,
        hiddenBecause: Self.hidden($0.model.layer, from: reader))
    }
    for entry in sources + known { work.charge(2 * entry.shape.columns.count) }
    let names = Set(models.map(\.name))
    let others = package.models.map(\.name).filter { !names.contains($0) }
    return SQL.Catalog(sources + known, changed: changed, others: others)
  }

  private static func hidden(_ layer: Model.Layer, from reader: Model.Layer?) -> String? {
    switch (layer, reader) {
    case (_, nil), (.bronze, .bronze), (.bronze, .silver), (.silver, .silver), (.silver, .gold),
      (.gold, .gold):
      nil
    case (.bronze, .gold): "gold never reads bronze; put a silver model between them"
    case (let layer, let reader?):
      "\(reader.rawValue) does not read \(layer.rawValue), a layer above it"
    }
  }

  func shape(of upstream: Upstream) -> TableShape? {
    guard !work.isSpent else { return nil }
    let shape =
      switch upstream {
      case .source(let name): package.source(name)?.shape
      case .model(let name): models.first { $0.name == name }?.shape
      }
    work.charge(2 * (shape?.columns.count ?? 0))
    return shape
  }

  /// Checks one text, of a model perhaps; its faults are gathered.
  mutating func checked(
    _ script: SQLScript, _ profile: Profile, _ catalog: SQL.Catalog, arguments: [Argument] = [],
    of model: Model? = nil
  ) -> CheckedQuery? {
    switch Gate.check(script, profile, catalog, package.vars, arguments, work) {
    case .success(let query):
      note(query.warnings, in: script)
      return query
    case .failure(let found):
      for fault in found.list { add(fault.advised(for: model)) }
      return nil
    }
  }

  // MARK: - Models

  private mutating func check(_ model: Model, _ upstreams: [Upstream]) {
    let part = "model:\(model.name)"
    guard let script = model.sql else { return }
    let catalog = catalog(for: model.layer)
    guard let query = checked(script, .model, catalog, of: model) else { return }
    let before = faults.count
    guard
      let columns = columns(
        of: query, declared: model.columns, key: model.primaryKey, "columns", part)
    else { return }
    checkColumns(model.primaryKey, among: columns.map(\.name), "primary_key", part)
    for key in model.primaryKey where columns.first(where: { $0.name == key })?.type == .json {
      fault(part, "primary_key: \(key) is json, which makes no key")
    }
    checkCertified(model, columns, part)
    checkWidth(of: model, columns, part)
    let changers = changers(of: query, upstreams)
    if model.isStored { for changer in changers { refuse(changer, in: model) } }
    let (maps, scopes) = checkRefresh(of: model, query, columns, upstreams)
    if model.kind == .snapshot { checkVersions(of: model, columns, part) }
    guard faults.count == before else { return }
    let isVersioned = model.kind == .snapshot
    if model.kind == .view, !model.primaryKey.isEmpty,
      !query.keys.contains(where: { Set($0).isSubset(of: model.primaryKey) })
    {
      note(
        part,
        "nothing holds the view \(model.name) to its primary_key, which its SELECT does not prove, "
          + "so nothing counts on it: kind: full does, or add a unique test")
    }
    models.append(
      CheckedModel(
        model: model, columns: columns + (isVersioned ? versionColumns(of: model, columns) : []),
        primaryKey: model.primaryKey + (isVersioned ? [Model.validFrom] : []), query: query,
        upstreams: upstreams, changers: changers, maps: maps, scopes: scopes, seed: nil))
  }

  /// Since when and until when a row was so, which is as personal as the column that says it.
  private func versionColumns(of model: Model, _ columns: [ModelColumn]) -> [ModelColumn] {
    let pii = columns.first { $0.name == model.updatedAt }?.pii
    return [
      ModelColumn(name: Model.validFrom, type: .timestamp, pii: pii),
      ModelColumn(name: Model.validTo, type: .timestamp, nullable: true, pii: pii),
    ]
  }

  private mutating func checkVersions(
    of model: Model, _ columns: [ModelColumn], _ part: String
  ) {
    for name in [Model.validFrom, Model.validTo] where columns.contains(where: { $0.name == name })
    {
      fault(
        part, "the SELECT gives \(name), which a snapshot adds by itself",
        fix: "\(name) as another_name")
    }
    guard let name = model.updatedAt else { return }
    checkColumns([name], among: columns.map(\.name), "updated_at", part)
    guard let column = columns.first(where: { $0.name == name }) else { return }
    if column.type != .date, column.type != .timestamp {
      fault(part, "updated_at: \(name) is \(column.type), not date or timestamp")
    } else if column.nullable {
      fault(part, "updated_at: \(name) is nullable; it says since when a row is as it is")
    }
  }

  /// The columns that a SELECT gives, and those that a snapshot adds, make one table.
  private mutating func checkWidth(
    of model: Model, _ columns: [ModelColumn], _ part: String
  ) {
    let added = model.kind == .snapshot ? versionColumns(of: model, columns) : []
    let count = columns.count + added.count
    guard model.isStored, count > PackageLimits.tableColumnsMax else { return }
    let own = added.isEmpty ? "" : ", with those that a snapshot adds"
    fault(
      part,
      "its table would have \(count) columns\(own); at most \(PackageLimits.tableColumnsMax) are "
        + "allowed",
      fix: "select fewer columns, or make two models of it")
  }

  /// Proofs are for everyone, and each carries the keys of its rows.
  private mutating func checkCertified(
    _ model: Model, _ columns: [ModelColumn], _ part: String
  ) {
    let personal = columns.first { $0.pii != nil && model.primaryKey.contains($0.name) }
    guard model.certified, let personal else { return }
    fault(
      part,
      "certified: the primary key holds \(personal.name), which is personal, and a key stands in "
        + "every proof as it is",
      fix: "key the rows by what is not personal, or leave out certified:")
  }

  /// The columns of a result: as declared, if that fits the SELECT, else as inferred.
  mutating func columns(
    of query: CheckedQuery, declared: [ModelColumn], key: [String], _ what: String, _ part: String
  ) -> [ModelColumn]? {
    let found = query.columns
    if let twin = Self.twins(found.map(\.name)).first {
      fault(part, "the SELECT gives two columns named \(twin)", fix: "\(twin) as another_name")
      return nil
    }
    guard !declared.isEmpty else { return inferred(found, key, what, part) }
    guard declared.map(\.name) == found.map(\.name) else {
      fault(
        part,
        "\(what): declares \(declared.map(\.name).joined(separator: ", ")), but the SELECT gives "
          + found.map(\.name).joined(separator: ", "),
        fix: "name the same columns in the same order in both")
      return nil
    }
    let before = faults.count
    for (own, shape) in zip(declared, found) {
      // Nobody looks whether a text is JSON, and what is declared so is read as that.
      let isLoose = own.type == .json && shape.type == .text
      guard isLoose || !own.type.admits(shape.type) else { continue }
      fault(
        "\(part)/\(own.name)",
        "\(own.name): is declared as \(own.type), but the SELECT gives \(shape.type.spoken)",
        fix: own.type.mended(shape.type, named: own.name))
    }
    guard faults.count == before else { return nil }
    return zip(declared, found).map { own, shape in
      var column = own
      // The mark spreads along the lineage; nobody can take it off by leaving it out.
      if column.pii == nil, shape.pii { column.pii = .direct }
      return column
    }
  }

  private mutating func inferred(
    _ found: [OutputColumn], _ key: [String], _ what: String, _ part: String
  ) -> [ModelColumn]? {
    var columns: [ModelColumn] = []
    for shape in found {
      guard let type = ColumnType(shape.type) else {
        fault(
          part, "the type of the column \(shape.name) cannot be inferred (\(shape.type.spoken))",
          fix: shape.type == .unknown
            ? "cast(… as integer) as \(shape.name), or cast(… as text)"
            : "declare \(what): with { name: \(shape.name), type: … } and all other columns")
        continue
      }
      columns.append(
        ModelColumn(
          name: shape.name, type: type, nullable: shape.nullable && !key.contains(shape.name),
          pii: shape.pii ? .direct : nil))
    }
    for column in columns where !Naming.isName(column.name) {
      fault(part, Naming.rule(broken: column.name), fix: "name it with as")
    }
    return columns.count == found.count ? columns : nil
  }
}
