import Wire

/// Reads `tests/*.yaml`.
///
/// Without a package it looks at the form alone; with one, names and values are held against it
/// and tests come of it.
struct UnitTestReader {
  let files: PackageFiles
  let faults: FaultList
  let package: CheckedPackage?
  private(set) var tests: [UnitTest] = []
  /// Files with rows that some step names.
  private(set) var used: [String] = []

  init(_ files: PackageFiles, _ faults: FaultList, package: CheckedPackage?) {
    self.files = files
    self.faults = faults
    self.package = package
  }

  mutating func read(_ root: YAMLValue, _ file: String) {
    guard
      let fields = Fields(
        root, "a file of tests", known: ["unit_tests"], file: file, faults: faults)
    else { return }
    if fields["unit_tests"] == nil { fields.missing("unit_tests") }
    for item in fields.list("unit_tests") ?? [] { readTest(item, file) }
  }

  private mutating func readTest(_ value: YAMLValue, _ file: String) {
    guard
      let fields = Fields(
        value, "a test", known: ["name", "description", "at", "given", "expect"], file: file,
        faults: faults)
    else { return }
    let name = fields.text("name", required: true) ?? ""
    _ = fields.description()
    if tests.contains(where: { $0.name == name }) {
      fields.fault(value, "two tests are called \(name); rename one")
    }
    for key in ["given", "expect"] where fields[key] == nil { fields.missing(key) }
    let start = moment(fields, "at") ?? UnitTest.atUsual
    var clock: Moment?
    var steps: [UnitTest.Step] = []
    for (index, item) in (fields.list("given") ?? []).enumerated() {
      guard let step = readStep(item, file, after: index, from: start, &clock) else { continue }
      steps.append(step)
    }
    guard let expect = fields["expect"],
      let claims = Fields(names: expect, "expect", file: file, faults: faults)
    else { return }
    let count = (fields.list("given") ?? []).count
    let tables = claims.entries.filter { !["receipts", "root_unchanged_by"].contains($0.key) }
    tests.append(
      UnitTest(
        name: name, place: place(value, file), at: start, steps: steps,
        receipts: readReceipts(claims, count), rootUnchangedBy: readRoots(claims, count),
        tables: tables.compactMap { readTable($0.key, $0.value, file) }))
  }

  func place(_ value: YAMLValue, _ file: String) -> Places.Place {
    Places.Place(file: file, line: value.line, column: value.column)
  }

  /// `2026-01-31`, or with a time of day.
  private func moment(_ fields: Fields, _ key: String) -> Moment? {
    guard let text = fields.text(key), let value = fields[key] else { return nil }
    let day = try? ColumnType.date.value(of: text)
    if case .integer(let days) = day, days >= 0 {
      return Moment(UInt64(days * Calendar.dayMilliseconds))
    }
    if case .integer(let time) = try? ColumnType.timestamp.value(of: text), time >= 0 {
      return Moment(UInt64(time))
    }
    fields.fault(value, "\(key): is a time such as 2026-01-31 or 2026-01-31T10:00:00Z, not \(text)")
    return nil
  }

  // MARK: - Steps

  private static let acts = ["ingest", "call", "replay", "release"]

  private mutating func readStep(
    _ value: YAMLValue, _ file: String, after count: Int, from start: Moment,
    _ clock: inout Moment?
  ) -> UnitTest.Step? {
    let known =
      Self.acts + ["rows", "file", "format", "args", "idempotency_key", "at", "as"]
    guard let fields = Fields(value, "a step", known: known, file: file, faults: faults)
    else { return nil }
    let acts = fields.entries.map(\.key).filter { Self.acts.contains($0) }
    guard acts.count == 1 else {
      // A misspelled one was told already.
      let isTold = acts.isEmpty && fields.entries.contains { !known.contains($0.key) }
      guard !isTold else { return nil }
      fields.fault(value, "a step has one of \(Self.acts.joined(separator: ", "))")
      return nil
    }
    refuseStray(fields, acts[0])
    let said = moment(fields, "at")
    if let said, let value = fields["at"], said < clock ?? start {
      fields.fault(value, "at: lies before the step before it")
    }
    let at = said ?? clock?.advanced(by: 1_000) ?? start
    clock = at
    let sender = readSender(fields)
    let act: UnitTest.Act?
    switch acts[0] {
    case "ingest": act = readIngest(fields)
    case "call": act = readCall(fields)
    case "release": act = source(fields, "release").map { .release(source: $0.name) }
    default:
      if count == 0 { fields.fault(value, "replay: there is no step before this one") }
      act = fields.number("replay", in: 1...UInt64(max(count, 1))).map { .replay(Int($0)) }
    }
    return act.map {
      UnitTest.Step(place: place(value, file), at: at, sender: sender, act: $0)
    }
  }

  /// Keys that say nothing beside the step's act.
  private func refuseStray(_ fields: Fields, _ act: String) {
    let own: [String: [String]] = [
      "ingest": ["rows", "file", "format", "idempotency_key", "as"],
      "call": ["args", "idempotency_key", "as"], "replay": [], "release": ["as"],
    ]
    for (key, value) in fields.entries
    where key != act && key != "at" && own[act]?.contains(key) == false {
      fields.fault(value, "\(key): says nothing beside \(act):; remove it")
    }
  }

  private func readSender(_ fields: Fields) -> UnitTest.Sender {
    guard let text = fields.text("as"), let value = fields["as"] else { return .owner }
    if text == "owner" { return .owner }
    if text == "public" { return .anyone }
    if text.hasPrefix("role:"), Naming.isName(String(text.dropFirst(5))) {
      return .role(String(text.dropFirst(5)))
    }
    fields.fault(value, "as: is owner, public or role:NAME, not \(text)")
    return .owner
  }

  private mutating func readIngest(_ fields: Fields) -> UnitTest.Act? {
    guard let name = fields.text("ingest", required: true) else { return nil }
    let key = fields.text("idempotency_key")
    let path = fields.text("file")
    if let path { used.append(path) }
    guard (fields["rows"] == nil) != (path == nil) else {
      faults.add(fields.file, fields.line, fields.column, "a step has rows: or file:, and not both")
      return nil
    }
    guard let source = source(fields, "ingest") else { return nil }
    let format = self.format(fields, of: source, path)
    if let path {
      return rows(in: path, fields).map {
        .ingest(source: name, format: format, body: $0, key: key)
      }
    }
    let body = TestRows(source: source).encode(fields.list("rows") ?? [], format, fields)
    return .ingest(source: name, format: format, body: body, key: key)
  }

  /// The source that a step names; nil when there is none, or no package to look in.
  private func source(_ fields: Fields, _ key: String) -> Source? {
    guard let name = fields.text(key, required: true), let package else { return nil }
    if let source = package.package.source(name) { return source }
    if let value = fields[key] {
      fields.fault(
        value,
        "there is no source \(name)"
          + Spelling.hint(name, among: package.package.sources.map(\.name)))
    }
    return nil
  }

  private func format(_ fields: Fields, of source: Source, _ path: String?) -> RowFormat {
    if let text = fields.text("format"), let value = fields["format"] {
      if text == "csv" { return .csv }
      if text != "ndjson" { fields.fault(value, "format: is csv or ndjson, not \(text)") }
      return .ndjson
    }
    if let path { return path.hasSuffix(".csv") ? .csv : .ndjson }
    return source.formats.contains(.ndjson) ? .ndjson : .csv
  }

  private func rows(in path: String, _ fields: Fields) -> [UInt8]? {
    if let file = files.file(path) { return file.bytes }
    guard let value = fields["file"] else { return nil }
    let known = files.files.map(\.path).filter { $0.hasPrefix("tests/") }
    fields.fault(
      value, "there is no file \(path) in the package" + Spelling.hint(path, among: known),
      fix: "put it below tests/, as .csv or .ndjson")
    return nil
  }

  private func readCall(_ fields: Fields) -> UnitTest.Act? {
    guard let name = fields.text("call", required: true) else { return nil }
    let key = fields.text("idempotency_key")
    let given =
      fields["args"].flatMap {
        Fields(names: $0, "args", file: fields.file, faults: faults)
      }?.entries ?? []
    guard let package else { return nil }
    guard let procedure = package.package.procedure(name) else {
      if let value = fields["call"] {
        fields.fault(
          value,
          "there is no procedure \(name)"
            + Spelling.hint(name, among: package.package.procedures.map(\.name)))
      }
      return nil
    }
    for entry in given where !procedure.args.contains(where: { $0.name == entry.key }) {
      fields.fault(
        entry.value,
        "\(name) takes no argument \(entry.key)"
          + Spelling.hint(entry.key, among: procedure.args.map(\.name)))
    }
    let members = given.map { entry in
      (entry.key, TestRows.json(entry.value, procedure.args.first { $0.name == entry.key }?.type))
    }
    return .call(procedure: name, body: TestRows.object(members), key: key)
  }

  // MARK: - Claims about receipts

  private func readRoots(_ claims: Fields, _ steps: Int) -> [Int] {
    (claims.list("root_unchanged_by") ?? []).compactMap { item in
      guard let text = claims.text(of: item, "root_unchanged_by") else { return nil }
      guard let step = Int(text), step >= 1, step <= steps else {
        claims.fault(item, "root_unchanged_by: there are the steps 1 to \(steps), not \(text)")
        return nil
      }
      return step
    }
  }

  private func readReceipts(_ claims: Fields, _ steps: Int) -> [UnitTest.ReceiptClaim] {
    (claims.list("receipts") ?? []).compactMap { item in
      let names = UnitTest.ReceiptClaim.countNames
      guard
        let fields = Fields(
          item, "a receipt", known: ["step", "replayed", "status", "code", "notes"] + names,
          file: claims.file, faults: faults)
      else { return nil }
      if fields["step"] == nil { fields.missing("step") }
      guard let step = fields.number("step", in: 1...UInt64(max(steps, 1))) else { return nil }
      var claim = UnitTest.ReceiptClaim(step: Int(step), place: place(item, claims.file))
      claim.replayed = fields.flag("replayed")
      claim.code = fields.text("code")
      if let status = fields.text("status"), let value = fields["status"] {
        if status != "applied", status != "refused" {
          fields.fault(value, "status: is applied or refused, not \(status)")
        }
        claim.applied = status == "applied"
      }
      if claim.code != nil, claim.applied == true, let value = fields["code"] {
        fields.fault(value, "code: belongs to a refused step; this one is said to be applied")
      }
      for name in names {
        guard let count = fields.number(name, in: 0...UInt64(UInt32.max)) else { continue }
        claim.counts.append((name, UInt32(count)))
      }
      if let notes = fields["notes"],
        let inner = Fields(names: notes, "notes", file: claims.file, faults: faults)
      {
        for entry in inner.entries {
          guard let count = inner.number(entry.key, in: 0...UInt64(UInt32.max)) else { continue }
          claim.notes.append((entry.key, UInt32(count)))
        }
      }
      return claim
    }
  }

  // MARK: - Claims about tables

  private func readTable(
    _ name: String, _ value: YAMLValue, _ file: String
  ) -> UnitTest.TableClaim? {
    guard case .list(let items) = value.content else {
      faults.add(
        file, value.line, value.column, "\(name): is a list of rows, not \(value.kind)",
        fix: "write [] for a table without rows")
      return nil
    }
    guard let package else { return nil }
    guard let (table, columns) = package.testable(name) else {
      faults.add(
        file, value.line, value.column,
        "expect: there is no table \(name)" + Spelling.hint(name, among: package.testableNames),
        fix: Spelling.nearest(name, among: package.testableNames) == nil
          ? "use a model, a source, or quarantine_SOURCE" : nil)
      return nil
    }
    return UnitTest.TableClaim(
      name: name, table: table, place: place(value, file), columns: columns,
      rows: items.compactMap { readRow($0, name, columns, file) })
  }

  private func readRow(
    _ value: YAMLValue, _ table: String, _ columns: [ModelColumn], _ file: String
  ) -> UnitTest.TableClaim.Row? {
    guard
      let fields = Fields(
        value, "a row of \(table)", known: columns.map(\.name), file: file, faults: faults)
    else { return nil }
    let cells = fields.entries.compactMap { entry -> UnitTest.TableClaim.Cell? in
      guard let index = columns.firstIndex(where: { $0.name == entry.key }),
        let stored = stored(entry.value, columns[index], fields)
      else { return nil }
      return UnitTest.TableClaim.Cell(
        column: index, value: stored, isPart: entry.key == "_errors")
    }
    return UnitTest.TableClaim.Row(place: place(value, file), cells: cells)
  }

  private func stored(
    _ value: YAMLValue, _ column: ModelColumn, _ fields: Fields
  ) -> StoredValue? {
    guard case .scalar(let text, let style) = value.content else {
      guard column.type == .json else {
        fields.fault(value, "\(column.name): is \(column.type), not \(value.kind)")
        return nil
      }
      let json = String(decoding: TestRows.json(value, .json), as: UTF8.self)
      return try? column.type.value(of: json)
    }
    if style == .plain, YAMLValue.isNull(text) { return .null }
    do { return try column.type.value(of: text) } catch {
      fields.fault(value, "\(column.name): \(error.message)")
      return nil
    }
  }
}

extension CheckedPackage {
  /// What a test may call by name.
  var testableNames: [String] {
    models.map(\.name) + package.sources.flatMap { [$0.name, $0.bronzeTable, $0.quarantineTable] }
  }

  /// The table that a test means by a name, with its columns.
  func testable(_ name: String) -> (table: String, columns: [ModelColumn])? {
    if let model = model(name) { return (name, model.columns) }
    for source in package.sources {
      if name == source.name || name == source.bronzeTable {
        let own = source.storedColumns.map { ModelColumn(name: $0.name, type: $0.type) }
        let system = [
          ModelColumn(name: "_batch", type: .text), ModelColumn(name: "_row", type: .int),
          ModelColumn(name: "_height", type: .int), ModelColumn(name: "_late", type: .bool),
        ]
        return (source.bronzeTable, own + system)
      }
      if name == source.quarantineTable {
        let own = source.columns.map { ModelColumn(name: $0.name, type: .text) }
        let system = [
          ModelColumn(name: Source.captureColumn, type: .text),
          ModelColumn(name: "_errors", type: .text), ModelColumn(name: "_batch", type: .text),
          ModelColumn(name: "_row", type: .int), ModelColumn(name: "_height", type: .int),
          ModelColumn(name: "_position", type: .int),
          ModelColumn(name: "_released_by", type: .text),
        ]
        return (name, own + system)
      }
    }
    return nil
  }
}
