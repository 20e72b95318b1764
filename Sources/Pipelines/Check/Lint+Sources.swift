import Wire

// What a contract must be on its own, before any SQL is looked at.

extension Lint {
  mutating func check(_ source: Source) {
    let part = "source:\(source.name)"
    checkName(source.name, part)
    let names = source.columns.map(\.name)
    if names.isEmpty { fault(part, "columns: a source has at least one") }
    for name in Self.twins(names) { fault("\(part)/\(name)", "the column \(name) stands twice") }
    for field in Self.twins(source.columns.map(\.field)) {
      fault(part, "two columns read the field \(field)")
    }
    for column in source.columns { check(column, part) }
    if source.primaryKey.isEmpty {
      fault(part, "primary_key: is empty; every table has a key", fix: "primary_key: [column]")
    }
    checkColumns(source.primaryKey, among: names, "primary_key", part)
    for key in source.primaryKey where source.column(key)?.type == .json {
      fault(part, "primary_key: \(key) is json, which makes no key")
    }
    checkRules(of: source, part)
    checkChanges(of: source, part)
    checkEventTime(of: source, part)
    checkDialect(of: source, part)
    check(source.allow, part)
    checkLiterals(of: source, part)
    for name in Self.twins(source.expectations.map(\.name)) {
      fault("\(part)/expectation:\(name)", "the expectation \(name) stands twice")
    }
    for expectation in source.expectations {
      checkName(expectation.name, "\(part)/expectation:\(expectation.name)")
    }
  }

  private mutating func check(_ column: SourceColumn, _ part: String) {
    let own = "\(part)/\(column.name)"
    checkName(column.name, own)
    if let from = column.from, from.isEmpty || from.utf8.contains(0) {
      fault(own, "from: is the name of a field; it is empty or holds a NUL")
    }
    switch (column.parse, column.type) {
    case (.standard, _), (.base64, .bytes), (.hex, .bytes): break
    case (.base64, _), (.hex, _):
      fault(own, "parse: \(column.parse.rawValue) is for bytes; \(column.name) is \(column.type)")
    case (_, .timestamp): break
    case (.epochSeconds, .date), (.epochMilliseconds, .date):
      fault(own, "parse: \(column.parse.rawValue) gives a timestamp", fix: "type: timestamp")
    case (_, .date): break
    default: fault(own, "parse: is for dates and timestamps; \(column.name) is \(column.type)")
    }
    if let bytesMax = column.bytesMax {
      switch column.type {
      case .text, .bytes, .json: break
      default: fault(own, "max_bytes: is for text, bytes and json")
      }
      if bytesMax == 0 { fault(own, "max_bytes: is at least 1") }
    }
    if column.matches != nil, column.type != .text {
      fault(own, "matches: is for text; \(column.name) is \(column.type)")
    }
    if let count = column.matches?.utf8.count, count > PackageLimits.globBytesMax {
      fault(
        own,
        "matches: the pattern has \(count) bytes; at most \(PackageLimits.globBytesMax) are allowed"
      )
    }
    for value in Self.twins(column.acceptedValues) {
      fault(own, "accepted_values: \(value) stands twice")
    }
  }

  private mutating func checkRules(of source: Source, _ part: String) {
    if source.formats.isEmpty || Self.twins(source.formats.map(\.spelling)) != [] {
      fault(part, "format: is csv, ndjson or both")
    }
    switch (source.onDuplicate, source.version) {
    case (.upsertIfNewer, nil):
      fault(
        part, "on_duplicate: upsert_if_newer needs to know what newer is",
        fix: "version: a column that grows with every change")
    case (.upsertIfNewer, let version?):
      checkColumns([version], among: source.columns.map(\.name), "version", part)
      checkVersion(version, of: source, part)
    case (_, .some) where source.operation != nil: break
    case (_, .some): fault(part, "version: is for on_duplicate: upsert_if_newer, or with op:")
    case (_, nil): break
    }
    if source.appendOnly, source.onDuplicate == .upsertIfNewer {
      fault(part, "append_only: true and on_duplicate: upsert_if_newer exclude one another")
    }
    if source.appendOnly, source.onDuplicate == .ignore {
      fault(
        part,
        "append_only: true and on_duplicate: ignore contradict one another: a row whose key is "
          + "there with other values is held back by the one, and left out by the other",
        fix: "leave out on_duplicate: to have it held back, or append_only: to have it left out")
    }
  }

  private mutating func checkChanges(of source: Source, _ part: String) {
    for name in Self.twins(source.recheck) { fault(part, "recheck: \(name) stands twice") }
    for name in source.recheck where package.source(name) == nil || name == source.name {
      fault(
        part,
        "recheck: there is no other source \(name)"
          + Spelling.hint(name, among: package.sources.map(\.name).filter { $0 != source.name }))
    }
    guard let operation = source.operation else { return }
    if !source.recheck.isEmpty {
      fault(
        part, "recheck: and op: exclude one another: a change that was held back may be old by now")
    }
    checkColumns([operation.column], among: source.columns.map(\.name), "op", part)
    if let column = source.column(operation.column), column.type != .text || !column.required {
      fault(part, "op: \(column.name) must be of type text and required: true")
    }
    if source.primaryKey.contains(operation.column) {
      fault(part, "op: \(operation.column) is part of the primary key")
    }
    if source.appendOnly { fault(part, "append_only: true and op: exclude one another") }
    for word in Self.twins(operation.inserts + operation.updates + operation.deletes) {
      fault(part, "op: the word \(word) stands twice")
    }
    if let version = source.version {
      checkColumns([version], among: source.columns.map(\.name), "version", part)
      checkVersion(version, of: source, part)
    }
  }

  private mutating func checkVersion(_ version: String, of source: Source, _ part: String) {
    guard let column = source.column(version) else { return }
    if !column.required { fault(part, "version: \(version) must be required: true") }
    if source.primaryKey.contains(version) {
      fault(part, "version: \(version) is part of the primary key, so it never changes")
    }
    switch column.type {
    case .int, .decimal, .date, .timestamp: break
    default: fault(part, "version: \(version) is \(column.type), which does not grow")
    }
  }

  private mutating func checkEventTime(of source: Source, _ part: String) {
    guard let time = source.eventTime else { return }
    checkColumns([time.column], among: source.columns.map(\.name), "event_time", part)
    guard let column = source.column(time.column) else { return }
    if column.type != .date, column.type != .timestamp {
      fault(part, "event_time: \(time.column) is \(column.type), not date or timestamp")
    }
    if !column.required, !source.primaryKey.contains(column.name) {
      fault(part, "event_time: \(time.column) must be required: true")
    }
    let day = UInt64(Calendar.dayMilliseconds)
    if column.type == .date {
      if time.lateness % day != 0 || (time.futureMax ?? 0) % day != 0 {
        fault(part, "event_time: \(time.column) is a date, so its spans are whole days")
      }
    }
  }

  private mutating func checkDialect(of source: Source, _ part: String) {
    let delimiter = source.csv.delimiter
    let usable = delimiter == 0x09 || (delimiter >= 0x20 && delimiter < 0x7f)
    if !usable || delimiter == UInt8(ascii: "\"") {
      fault(part, "csv: delimiter is one ASCII character that is no quote")
    }
    if !source.csv.header, source.unknownFields != .reject {
      fault(part, "csv: without a header no field is unknown; remove unknown_fields:")
    }
  }

  /// Defaults, accepted values and patterns are read as the decoder will read them.
  private mutating func checkLiterals(of source: Source, _ part: String) {
    for column in source.columns {
      do {
        let reader = try ColumnReader(column, isKey: false, defaults: package.defaults)
        guard let spelling = column.defaultText else { continue }
        let bytes = Array(spelling.utf8)
        var spill = Spill(base: 0)
        _ = try reader.read(bytes.span, 0..<bytes.count, inPlace: false, spill: &spill)
      } catch {
        fault("\(part)/\(column.name)", "\(column.name): \(error.message)")
      }
    }
  }
}
