import Wire

// What a model must be on its own, and seeds, which have no SQL.

extension Lint {
  mutating func checkShape(of model: Model) {
    let part = "model:\(model.name)"
    checkName(model.name, part)
    if package.source(model.name) != nil {
      fault(part, "a source has this name too; ref and source would be told apart by nobody")
    }
    for name in Self.twins(model.columns.map(\.name)) {
      fault("\(part)/\(name)", "the column \(name) stands twice")
    }
    for column in model.columns { checkName(column.name, "\(part)/\(column.name)") }
    checkKind(of: model, part)
    checkRefresh(of: model, part)
  }

  private mutating func checkKind(of model: Model, _ part: String) {
    switch model.kind {
    case .view:
      if model.certified {
        fault(part, "certified: a view has no rows of its own to prove", fix: "kind: full")
      }
    case .full, .incremental, .snapshot:
      if model.primaryKey.isEmpty {
        fault(
          part, "primary_key: a stored model needs one", fix: "primary_key: [column], or kind: view"
        )
      }
    case .seed:
      if model.sql != nil { fault(part, "a seed has a file, no SQL") }
      if package.seed(of: model.name) == nil { fault(part, "the file of this seed is missing") }
    }
    if model.updatedAt != nil, model.kind != .snapshot {
      fault(part, "updated_at: is for kind: snapshot, not \(model.kind.rawValue)")
    }
    if model.kind != .seed {
      if model.sql == nil { fault(part, "the SQL of this model is missing") }
      if package.seed(of: model.name) != nil { fault(part, "only kind: seed has a file") }
    }
    for key in model.primaryKey {
      guard let column = model.columns.first(where: { $0.name == key }) else { continue }
      if column.nullable { fault(part, "primary_key: \(key) is nullable; a key is not") }
      if column.type == .json { fault(part, "primary_key: \(key) is json, which makes no key") }
    }
    if !model.columns.isEmpty {
      checkColumns(model.primaryKey, among: model.columns.map(\.name), "primary_key", part)
    }
  }

  private mutating func checkRefresh(of model: Model, _ part: String) {
    let isKeyed = model.kind == .incremental || model.kind == .snapshot
    guard isKeyed else {
      if model.refresh != nil {
        fault(
          "\(part)/refresh",
          "refresh: is for kind: incremental or snapshot, not \(model.kind.rawValue)")
      }
      return
    }
    guard let refresh = model.refresh else {
      // A snapshot without keys compares all rows.
      guard model.kind == .incremental else { return }
      fault(
        part, "refresh: an incremental model names the columns whose values it is computed for",
        fix: "refresh: { by: [\(model.primaryKey.joined(separator: ", "))] }")
      return
    }
    if refresh.by.isEmpty { fault("\(part)/refresh", "by: is empty") }
    for name in Self.twins(refresh.by) { fault("\(part)/refresh", "by: \(name) stands twice") }
    if refresh.fullRatio > 1_000_000 {
      fault("\(part)/refresh", "refresh_full_ratio: is at most 1000000 parts per million")
    }
    for names in [refresh.map.map(\.upstream), refresh.scope.map(\.upstream)] {
      for name in Self.twins(names) { fault("\(part)/refresh", "\(name) stands twice") }
    }
  }

  // MARK: - Seeds

  mutating func checkSeeds() {
    for seed in package.seeds where package.model(seed.model)?.kind != .seed {
      fault("model:\(seed.model)", "the seed \(seed.file) belongs to no model of kind seed")
    }
    for model in package.models where model.kind == .seed {
      guard let seed = package.seed(of: model.name) else { continue }
      do {
        models.append(try Self.seedModel(model, seed))
      } catch {
        add(PackageFault(file: seed.file, message: error.message))
      }
    }
  }

  /// Reads the rows of a seed; columns that are not declared are int where every value is one,
  /// else text.
  static func seedModel(_ model: Model, _ seed: Seed) throws(Refusal) -> CheckedModel {
    let columns = model.columns.isEmpty ? try inferredColumns(seed) : model.columns
    let key = model.primaryKey.isEmpty ? columns.prefix(1).map(\.name) : model.primaryKey
    for name in key where !columns.contains(where: { $0.name == name }) {
      throw Refusal("SEED", "primary_key: there is no column \(name)")
    }
    if let twin = twins(key).first {
      throw Refusal("SEED", "primary_key: \(twin) stands twice; name each column once")
    }
    var defaults = Defaults()
    defaults.batchRowsMax = UInt32(PackageLimits.seedRowsMax)
    let source = Source(
      name: model.name, formats: [.csv],
      columns: columns.map {
        SourceColumn(name: $0.name, type: $0.type, required: !$0.nullable, pii: $0.pii)
      }, primaryKey: key)
    let rows = try RowDecoder(source: source, defaults: defaults).decode(seed.csv, format: .csv)
    if let rejected = rows.rejected.first {
      throw Refusal("SEED", "row \(rejected.row): \(rejected.errors)")
    }
    let places = key.compactMap { name in columns.firstIndex { $0.name == name } }
    var seen: Set<[StoredValue]> = []
    for row in 0..<rows.rowCount {
      guard seen.insert(places.map { rows.value(row: row, column: $0) }).inserted else {
        throw Refusal("SEED", "row \(row + 1): its \(key.joined(separator: ", ")) stands twice")
      }
    }
    return CheckedModel(
      model: model, columns: columns, primaryKey: key, query: nil, upstreams: [], changers: [],
      maps: [], scopes: [], seed: rows)
  }

  private static func inferredColumns(_ seed: Seed) throws(Refusal) -> [ModelColumn] {
    try TextCheck.check(seed.csv)
    let span = seed.csv.span
    var scanner = CSVScanner(delimiter: UInt8(ascii: ","))
    scanner.skipMark(span)
    guard try scanner.next(span) else { throw Refusal("SEED", "the file has no header line") }
    guard scanner.count <= PackageLimits.tableColumnsMax else {
      throw Refusal(
        "SEED",
        "the header has \(scanner.count) fields; a table has at most "
          + "\(PackageLimits.tableColumnsMax) columns: leave some out, or make two seeds of it")
    }
    let names = (0..<scanner.count).map { place in
      String(
        decoding: RowDecoder.bytes(CSVScanner.text(scanner.fields[place], span), of: span),
        as: UTF8.self)
    }
    for name in names where !Naming.isName(name) {
      throw Refusal("SEED", Naming.rule(broken: name))
    }
    var integers = names.map { _ in true }
    var nullable = names.map { _ in false }
    while try scanner.next(span) {
      if scanner.isBlank, names.count > 1 { continue }
      for place in 0..<min(scanner.count, names.count) {
        let field = scanner.fields[place]
        if field.range.isEmpty, !field.quoted {
          nullable[place] = true
        } else if field.quoted || (try? FieldParser.integer(span, field.range)) == nil {
          integers[place] = false
        }
      }
    }
    return names.indices.map {
      ModelColumn(name: names[$0], type: integers[$0] ? .int : .text, nullable: nullable[$0])
    }
  }
}
