import Wire

// `models/LAYER/*.yaml`, `procedures/*.yaml` and `queries/*.yaml`.

extension PackageReader {
  mutating func readModels(_ path: String) {
    let folders = path.split(separator: "/").map(String.init)
    guard folders.count == 3, let layer = Model.Layer(rawValue: folders[1]) else {
      faults.add(path, 0, 0, "models stand in models/bronze, models/silver or models/gold")
      return
    }
    guard let root = document(path),
      let fields = Fields(
        root, "a file of models", known: ["models", "metrics"], file: path, faults: faults)
    else { return }
    for item in fields.list("models") ?? [] { readModel(item, layer, path) }
    for item in fields.list("metrics") ?? [] { readMetric(item, path) }
  }

  private mutating func readModel(_ value: YAMLValue, _ layer: Model.Layer, _ file: String) {
    guard
      let fields = Fields(
        value, "a model",
        known: [
          "name", "description", "kind", "primary_key", "columns", "contract", "refresh", "sql",
          "file", "tests", "certified", "updated_at",
        ], file: file, faults: faults)
    else { return }
    let name = name(fields, "name", "model")
    let part = "model:\(name)"
    places.note(part, file, value)
    if fields["kind"] == nil { fields.missing("kind") }
    let kind = fields.choice("kind", Model.Kind.self) ?? .view
    var model = Model(
      name: name, description: fields.description(), layer: layer, kind: kind,
      primaryKey: fields.texts("primary_key") ?? [],
      columns: modelColumns(fields, part), sql: nil)
    model.certified = fields.flag("certified") ?? false
    model.updatedAt = fields.text("updated_at")
    model.tests = tests(fields) + references(fields)
    model.refresh = refresh(fields, part)
    if kind == .seed {
      readSeed(fields, name)
    } else {
      if let value = fields["file"] {
        fields.fault(value, "file: belongs to models of kind seed; write sql: path.sql")
      }
      model.sql = script(fields, standard: "models/\(layer.rawValue)/\(name).sql")
    }
    package.models.append(model)
  }

  private mutating func readSeed(_ fields: Fields, _ name: String) {
    if let value = fields["sql"] { fields.fault(value, "a seed has a file:, no sql:") }
    let path = fields.text("file") ?? "seeds/\(name).csv"
    guard let file = files.file(path) else {
      faults.add(
        fields.file, fields["file"]?.line ?? fields.line, fields["file"]?.column ?? fields.column,
        "there is no file \(path) in the package"
          + Spelling.hint(path, among: files.paths(in: "seeds", ending: ".csv")))
      return
    }
    used.append(path)
    guard file.bytes.count <= PackageLimits.seedBytesMax else {
      faults.add(
        path, 0, 0, "a seed has at most \(PackageLimits.seedBytesMax) bytes; ingest larger data")
      return
    }
    package.seeds.append(Seed(model: name, file: path, csv: file.bytes))
  }

  private mutating func modelColumns(_ fields: Fields, _ part: String) -> [ModelColumn] {
    let items = columnList(fields, contractKeys: ["columns", "references"]) ?? []
    return items.compactMap { modelColumn($0, fields.file, part) }
  }

  private mutating func modelColumn(
    _ value: YAMLValue, _ file: String, _ part: String
  ) -> ModelColumn? {
    guard
      let fields = Fields(
        value, "a column", known: ["name", "type", "nullable", "pii", "description"], file: file,
        faults: faults)
    else { return nil }
    let name = name(fields, "name", "column")
    places.note("\(part)/\(name)", file, value)
    _ = fields.description()
    guard let type = columnType(fields) else { return nil }
    return ModelColumn(
      name: name, type: type, nullable: fields.flag("nullable") ?? false,
      pii: fields.choice("pii"))
  }

  private mutating func refresh(_ fields: Fields, _ part: String) -> Refresh? {
    guard let value = fields["refresh"],
      let inner = Fields(
        value, "refresh", known: ["by", "map", "scope", "refresh_full_ratio"],
        file: fields.file, faults: faults)
    else { return nil }
    places.note("\(part)/refresh", fields.file, value)
    if inner["by"] == nil { inner.missing("by") }
    var refresh = Refresh(
      by: inner.texts("by") ?? [], map: upstreamQueries(inner, "map"),
      scope: upstreamQueries(inner, "scope"))
    if let ratio = inner.number("refresh_full_ratio", in: 0...1_000_000) {
      refresh.fullRatio = UInt32(ratio)
    }
    return refresh
  }

  private func upstreamQueries(_ fields: Fields, _ key: String) -> [UpstreamQuery] {
    guard let value = fields[key],
      let inner = Fields(names: value, "refresh.\(key)", file: fields.file, faults: faults)
    else { return [] }
    return inner.entries.compactMap { entry in
      inner.text(of: entry.value, entry.key).map {
        UpstreamQuery(upstream: entry.key, sql: inline($0, entry.value, fields.file))
      }
    }
  }

  // MARK: - Tests

  private func references(_ fields: Fields) -> [ModelTest] {
    guard let contract = fields["contract"], case .map(let entries) = contract.content else {
      return []
    }
    for entry in entries {
      guard case .scalar("references", _) = entry.key.content,
        let inner = Fields(names: entry.value, "references", file: fields.file, faults: faults)
      else { continue }
      return inner.entries.compactMap { column in
        inner.text(of: column.value, column.key).map {
          .references(column: column.key, model: $0)
        }
      }
    }
    return []
  }

  private static let testKinds = [
    "unique", "not_null", "accepted_values", "references", "relationships", "sql",
  ]

  private mutating func tests(_ fields: Fields) -> [ModelTest] {
    (fields.list("tests") ?? []).compactMap { item in
      guard
        let inner = Fields(
          item, "a test", known: Self.testKinds + ["name", "severity"], file: fields.file,
          faults: faults)
      else { return nil }
      let kinds = inner.entries.map(\.key).filter { Self.testKinds.contains($0) }
      guard kinds.count == 1 else {
        inner.fault(item, "a test has one of \(Self.testKinds.joined(separator: ", "))")
        return nil
      }
      if kinds[0] != "sql", let name = inner["name"] {
        inner.fault(name, "name: belongs to tests with sql:; \(kinds[0]) names itself")
      }
      return rule(kinds[0], inner).map {
        ModelTest($0, severity: inner.choice("severity") ?? .error)
      }
    }
  }

  private mutating func rule(_ kind: String, _ fields: Fields) -> ModelTest.Rule? {
    switch kind {
    case "unique": return .unique(fields.textOrTexts(kind))
    case "not_null": return .notNull(fields.textOrTexts(kind))
    case "sql":
      let name = name(fields, "name", "test")
      return script(fields, standard: nil).map { .custom(name: name, sql: $0) }
    default: return columnRule(kind, fields)
    }
  }

  /// `accepted_values: { column: c, values: [a] }`, `references: { column: c, model: m }`
  private func columnRule(_ kind: String, _ fields: Fields) -> ModelTest.Rule? {
    let takesValues = kind == "accepted_values"
    guard let value = fields[kind],
      let inner = Fields(
        value, kind, known: ["column", takesValues ? "values" : "model"], file: fields.file,
        faults: faults)
    else { return nil }
    let column = inner.text("column", required: true) ?? ""
    if takesValues {
      return .acceptedValues(column: column, values: inner.texts("values") ?? [])
    }
    return .references(column: column, model: inner.text("model", required: true) ?? "")
  }

  private mutating func readMetric(_ value: YAMLValue, _ file: String) {
    guard
      let fields = Fields(
        value, "a metric", known: ["name", "description", "sql", "unit", "expose"], file: file,
        faults: faults)
    else { return }
    let name = name(fields, "name", "metric")
    places.note("metric:\(name)", file, value)
    let expose = fields.text("expose")
    if let expose, expose != "prometheus", let value = fields["expose"] {
      fields.fault(value, "expose: is prometheus, not \(expose)")
    }
    guard let sql = script(fields, standard: nil) else { return }
    package.metrics.append(
      Metric(
        name: name, description: fields.description(), unit: fields.text("unit") ?? "",
        prometheus: expose == "prometheus", sql: sql))
  }

  // MARK: - Procedures and queries

  mutating func readProcedures(_ path: String) {
    guard let root = document(path),
      let file = Fields(
        root, "a file of procedures", known: ["procedures"], file: path, faults: faults)
    else { return }
    for item in file.list("procedures") ?? [] {
      guard
        let fields = Fields(
          item, "a procedure", known: ["name", "description", "args", "allow", "emit", "sql"],
          file: path, faults: faults)
      else { continue }
      let name = name(fields, "name", "procedure")
      places.note("procedure:\(name)", path, item)
      let emit = fields.text("emit", required: true) ?? ""
      guard let sql = script(fields, standard: "procedures/\(name).sql") else { continue }
      package.procedures.append(
        Procedure(
          name: name, description: fields.description(), args: arguments(fields),
          allow: grants(fields), emit: emit, sql: sql))
    }
  }

  mutating func readQueries(_ path: String) {
    guard let root = document(path),
      let file = Fields(root, "a file of queries", known: ["queries"], file: path, faults: faults)
    else { return }
    for item in file.list("queries") ?? [] {
      guard
        let fields = Fields(
          item, "a query",
          known: ["name", "description", "args", "allow", "max_rows", "returns", "sql"],
          file: path, faults: faults)
      else { continue }
      let name = name(fields, "name", "query")
      let part = "query:\(name)"
      places.note(part, path, item)
      let rows = fields.number("max_rows", in: 1...UInt64(PackageLimits.batchRowsMax))
      let returns = returns(fields, part)
      guard let sql = script(fields, standard: "queries/\(name).sql") else { continue }
      package.queries.append(
        Query(
          name: name, description: fields.description(), args: arguments(fields),
          allow: grants(fields), rowsMax: rows.map { UInt32($0) } ?? Query.rowsStandard,
          returns: returns, sql: sql))
    }
  }

  /// `returns: [ { name: a, type: text } ]`, or `returns: { a: text }` for names and types alone.
  private mutating func returns(_ fields: Fields, _ part: String) -> [ModelColumn] {
    guard let value = fields["returns"] else { return [] }
    guard case .map = value.content else {
      return (fields.list("returns") ?? []).compactMap { modelColumn($0, fields.file, part) }
    }
    return namedTypes(fields, "returns").map { ModelColumn(name: $0.name, type: $0.type) }
  }

  private func arguments(_ fields: Fields) -> [Argument] {
    namedTypes(fields, "args").map { Argument(name: $0.name, type: $0.type) }
  }

  /// A mapping of names to types.
  private func namedTypes(_ fields: Fields, _ key: String) -> [(name: String, type: ColumnType)] {
    guard let value = fields[key],
      let inner = Fields(names: value, key, file: fields.file, faults: faults)
    else { return [] }
    return inner.entries.compactMap { entry in
      checkName(entry.key, inner, entry.value)
      guard let text = inner.text(of: entry.value, entry.key),
        let type = columnType(text, inner, entry.value)
      else { return nil }
      return (entry.key, type)
    }
  }
}
