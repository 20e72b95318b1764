import Wire

// `sources/*.yaml`: one contract, or a list of them.

extension PackageReader {
  mutating func readSources(_ path: String) {
    guard let root = document(path) else { return }
    if case .list(let items) = root.content {
      for item in items { readSource(item, path) }
    } else {
      readSource(root, path)
    }
  }

  private mutating func readSource(_ value: YAMLValue, _ file: String) {
    guard
      let fields = Fields(
        value, "a source",
        known: [
          "source", "description", "format", "columns", "contract", "primary_key", "version",
          "on_duplicate", "append_only", "event_time", "freshness", "expectations", "csv",
          "unknown_fields", "allow", "recheck", "op",
        ], file: file, faults: faults)
    else { return }
    let name = name(fields, "source", "source")
    let part = "source:\(name)"
    places.note(part, file, value)
    var source = Source(
      name: name, description: fields.description(),
      columns: sourceColumns(fields, part), primaryKey: fields.texts("primary_key") ?? [])
    if fields["primary_key"] == nil { fields.missing("primary_key") }
    if let formats = formats(fields) { source.formats = formats }
    if let rule = fields.choice("on_duplicate", DuplicateRule.self) { source.onDuplicate = rule }
    source.version = fields.text("version")
    source.appendOnly = fields.flag("append_only") ?? false
    source.eventTime = eventTime(fields)
    source.freshness = freshness(fields)
    source.expectations = expectations(fields, part)
    source.csv = dialect(fields)
    if let policy = fields.choice("unknown_fields", UnknownFields.self) {
      source.unknownFields = policy
    }
    source.allow = grants(fields)
    source.recheck = (fields.texts("recheck") ?? []).sorted()
    source.operation = operation(fields)
    package.sources.append(source)
  }

  private func formats(_ fields: Fields) -> [RowFormat]? {
    guard fields["format"] != nil else { return nil }
    var formats: [RowFormat] = []
    for text in fields.textOrTexts("format") {
      let format: RowFormat? = text == "csv" ? .csv : text == "ndjson" ? .ndjson : nil
      guard let format, !formats.contains(format) else {
        if let value = fields["format"] {
          fields.fault(value, "format: is csv, ndjson or both, not \(text)")
        }
        continue
      }
      formats.append(format)
    }
    return formats.sorted { $0.rawValue < $1.rawValue }
  }

  /// The list of columns: `columns:`, or `contract: { columns: … }`.
  func columnList(_ fields: Fields, contractKeys: [String]) -> [YAMLValue]? {
    guard let contract = fields["contract"] else { return fields.list("columns") }
    guard
      let inner = Fields(
        contract, "contract", known: contractKeys, file: fields.file, faults: faults)
    else { return nil }
    if fields["columns"] != nil {
      fields.fault(contract, "columns stand both here and in columns:; keep one")
    }
    return inner.list("columns")
  }

  private mutating func sourceColumns(_ fields: Fields, _ part: String) -> [SourceColumn] {
    guard let items = columnList(fields, contractKeys: ["columns"]) else {
      if fields["columns"] == nil, fields["contract"] == nil { fields.missing("columns") }
      return []
    }
    var columns: [SourceColumn] = []
    for item in items {
      guard let column = sourceColumn(item, fields.file, part) else { continue }
      columns.append(column)
    }
    return columns
  }

  private mutating func sourceColumn(
    _ value: YAMLValue, _ file: String, _ part: String
  ) -> SourceColumn? {
    guard
      let fields = Fields(
        value, "a column",
        known: [
          "name", "from", "type", "parse", "required", "default", "max_bytes",
          "accepted_values", "matches", "pii", "description",
        ], file: file, faults: faults)
    else { return nil }
    let name = name(fields, "name", "column")
    places.note("\(part)/\(name)", file, value)
    _ = fields.description()
    guard let type = columnType(fields) else { return nil }
    var column = SourceColumn(name: name, type: type)
    column.from = fields.text("from")
    if let rule = fields.choice("parse", ParseRule.self) { column.parse = rule }
    column.required = fields.flag("required") ?? false
    column.defaultText = fields.text("default")
    column.bytesMax = fields.bytes("max_bytes", in: 1...UInt64(PackageLimits.stringBytesMax))
      .map { UInt32($0) }
    column.acceptedValues = fields.texts("accepted_values") ?? []
    column.matches = fields.text("matches")
    column.pii = fields.choice("pii", Sensitivity.self)
    return column
  }

  func columnType(_ fields: Fields) -> ColumnType? {
    guard let text = fields.text("type", required: true), let value = fields["type"] else {
      return nil
    }
    return columnType(text, fields, value)
  }

  func columnType(_ text: String, _ fields: Fields, _ value: YAMLValue) -> ColumnType? {
    guard let type = ColumnType(text) else {
      fields.fault(
        value,
        "\(text) is no type; types are \(ColumnType.spellings), at most "
          + "\(PackageLimits.decimalDigitsMax) digits"
          + Spelling.hint(text, among: Self.plainTypes),
        fix: (Self.otherTypes.first { $0.names.contains(text.folded) }?.type
          ?? Spelling.nearest(text, among: Self.plainTypes)).map { "type: \($0)" }
          // Between braces a comma ends a value that no quotes hold.
          ?? (text.hasPrefix("decimal(") ? "type: \"decimal(12,2)\", in quotes" : "type: text"))
      return nil
    }
    return type
  }

  private static let plainTypes = [
    "text", "int", "date", "timestamp", "bool", "uuid", "bytes", "json",
  ]
  /// What other systems call them.
  private static let otherTypes: [(names: [String], type: String)] = [
    (["datetime", "time", "timestamptz", "instant"], "timestamp"),
    (["string", "str", "varchar", "char", "nvarchar", "clob"], "text"),
    (["integer", "bigint", "smallint", "int32", "int64", "long", "number"], "int"),
    (["numeric", "money", "decimal", "float", "double", "real"], "\"decimal(18,2)\""),
    (["boolean"], "bool"), (["guid"], "uuid"), (["blob", "binary", "bytea"], "bytes"),
    (["jsonb", "object", "struct"], "json"),
  ]

  private func eventTime(_ fields: Fields) -> EventTime? {
    guard let value = fields["event_time"],
      let inner = Fields(
        value, "event_time", known: ["column", "lateness", "max_future", "late"],
        file: fields.file, faults: faults)
    else { return nil }
    return EventTime(
      column: inner.text("column", required: true) ?? "",
      lateness: inner.duration("lateness") ?? 0, futureMax: inner.duration("max_future"),
      late: inner.choice("late") ?? .accept)
  }

  private func freshness(_ fields: Fields) -> Freshness? {
    guard let value = fields["freshness"],
      let inner = Fields(
        value, "freshness", known: ["warn_after", "error_after"], file: fields.file,
        faults: faults)
    else { return nil }
    let warn = inner.duration("warn_after") ?? 0
    return Freshness(warnAfter: warn, errorAfter: inner.duration("error_after") ?? warn)
  }

  private mutating func expectations(_ fields: Fields, _ part: String) -> [Expectation] {
    var expectations: [Expectation] = []
    for item in fields.list("expectations") ?? [] {
      guard
        let inner = Fields(
          item, "an expectation", known: ["name", "check", "on_violation"], file: fields.file,
          faults: faults)
      else { continue }
      let name = name(inner, "name", "expectation")
      places.note("\(part)/expectation:\(name)", fields.file, item)
      guard let check = inner.text("check", required: true), let value = inner["check"] else {
        continue
      }
      if inner["on_violation"] == nil { inner.missing("on_violation") }
      expectations.append(
        Expectation(
          name: name, check: inline(check, value, fields.file),
          onViolation: inner.choice("on_violation") ?? .fail))
    }
    return expectations
  }

  private func dialect(_ fields: Fields) -> CSVDialect {
    var dialect = CSVDialect()
    guard let value = fields["csv"],
      let inner = Fields(
        value, "csv", known: ["delimiter", "header", "null"], file: fields.file, faults: faults)
    else { return dialect }
    if let text = inner.text("delimiter"), let place = inner["delimiter"] {
      let bytes = Array(text.utf8)
      if bytes.count == 1, let byte = bytes.first, byte == 0x09 || (byte >= 0x20 && byte < 0x7f),
        byte != UInt8(ascii: "\"")
      {
        dialect.delimiter = byte
      } else {
        inner.fault(place, "delimiter: is one ASCII character that is no quote, such as \";\"")
      }
    }
    if let header = inner.flag("header") { dialect.header = header }
    if let null = inner.texts("null") { dialect.null = null }
    return dialect
  }

  /// `op: COLUMN`, or `op: { column: COLUMN, insert: [c, r], update: [u], delete: [d] }`
  private func operation(_ fields: Fields) -> ChangeOperation? {
    guard let value = fields["op"] else { return nil }
    guard case .map = value.content else {
      return fields.text("op").map { ChangeOperation(column: $0) }
    }
    guard
      let inner = Fields(
        value, "op", known: ["column", "insert", "update", "delete"], file: fields.file,
        faults: faults)
    else { return nil }
    var operation = ChangeOperation(column: inner.text("column", required: true) ?? "")
    if inner["insert"] != nil { operation.inserts = inner.textOrTexts("insert") }
    if inner["update"] != nil { operation.updates = inner.textOrTexts("update") }
    if inner["delete"] != nil { operation.deletes = inner.textOrTexts("delete") }
    return operation
  }

  /// `allow: [public, role:operations, key:…]`
  func grants(_ fields: Fields) -> [Grant] {
    var grants: [Grant] = []
    for item in fields.list("allow") ?? [] {
      guard let text = fields.text(of: item, "allow") else { continue }
      if text == "public" {
        grants.append(.anyone)
      } else if text.hasPrefix("role:"), Naming.isName(String(text.dropFirst(5))) {
        grants.append(.role(String(text.dropFirst(5))))
      } else if text.hasPrefix("key:"), let key = PublicKey(hex: String(text.dropFirst(4))) {
        grants.append(.key(key))
      } else {
        fields.fault(
          item, "allow: holds public, role:NAME or key:HEX (64 digits), not \(text.prefix(80))")
      }
    }
    return grants
  }
}
