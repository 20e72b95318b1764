import Wire

// The package as a whole, and what its sources take.

extension ChangeCollector {
  mutating func comparePackages(_ old: Package, _ new: Package) {
    note(.package, new.name, "version", old.version, new.version, breaking: false) { $0 }
    let (added, dropped, kept) = Self.compare(old.vars.map(\.name), new.vars.map(\.name))
    for name in added { add(.package, "vars.\(name)", .added, breaking: false) }
    for name in dropped { add(.package, "vars.\(name)", .dropped, breaking: false) }
    for name in kept {
      let values = [old, new].map { package in
        package.vars.first { $0.name == name }.map { "\($0.value.sqlLiteral)" } ?? ""
      }
      note(.package, "vars.\(name)", "value", values[0], values[1], breaking: false) { $0 }
    }
    let limits: [(String, UInt64, UInt64)] = [
      ("steps_per_update", old.budget.stepsPerUpdate, new.budget.stepsPerUpdate),
      (
        "rows_written_per_update", old.budget.rowsWrittenPerUpdate,
        new.budget.rowsWrittenPerUpdate
      ),
      ("caller_budget", old.budget.callerDaily.number, new.budget.callerDaily.number),
      ("public_budget", old.budget.publicDaily.number, new.budget.publicDaily.number),
      (
        "idempotency_retention", old.defaults.idempotencyRetention,
        new.defaults.idempotencyRetention
      ),
      ("max_batch_rows", UInt64(old.defaults.batchRowsMax), UInt64(new.defaults.batchRowsMax)),
      ("max_batch_bytes", UInt64(old.defaults.batchBytesMax), UInt64(new.defaults.batchBytesMax)),
      (
        "max_string_bytes", UInt64(old.defaults.stringBytesMax),
        UInt64(new.defaults.stringBytesMax)
      ),
    ]
    for (name, before, after) in limits where before != after {
      add(
        .package, name, after < before ? .tightened : .loosened, breaking: after < before,
        "\(before) → \(after)")
    }
    note(
      .package, "freezing_days", "days", old.freezingDays, new.freezingDays, breaking: false
    ) { "\($0)" }
  }

  mutating func compareSources(_ old: CheckedPackage, _ new: CheckedPackage) {
    let (added, dropped, kept) = Self.compare(
      old.package.sources.map(\.name), new.package.sources.map(\.name))
    for name in added { add(.source, name, .added, breaking: false) }
    for name in dropped {
      add(.source, name, .dropped, breaking: true, "its rows and its quarantine go")
    }
    for name in kept {
      guard let before = old.package.source(name), let after = new.package.source(name),
        before.canonicalBytes != after.canonicalBytes
      else { continue }
      compareColumns(before, after)
      compareRules(before, after)
      compareExpectations(before, after)
    }
  }

  private mutating func compareColumns(_ old: Source, _ new: Source) {
    let (added, dropped, kept) = Self.compare(
      old.storedColumns.map(\.name), new.storedColumns.map(\.name))
    for name in added {
      guard let column = new.column(name) else { continue }
      let fallback = column.defaultText.map { ", default \($0): also in rows that are there" }
      let lack =
        column.required
        ? ", required: CSV without it is refused, other rows without it are quarantined" : ""
      add(
        .column, "\(new.name).\(name)", .added,
        breaking: column.required && column.defaultText == nil,
        "\(column.type)" + (fallback ?? lack))
    }
    for name in dropped {
      add(.column, "\(new.name).\(name)", .dropped, breaking: true, "its values go")
    }
    for name in kept {
      guard let before = old.column(name), let after = new.column(name),
        before.canonicalBytes != after.canonicalBytes
      else { continue }
      compare(before, after, "\(new.name).\(name)")
    }
  }

  private mutating func compare(_ old: SourceColumn, _ new: SourceColumn, _ name: String) {
    note(.column, name, "type", old.type, new.type, breaking: true) { $0.description }
    note(.column, name, "from", old.field, new.field, breaking: true) { $0 }
    note(.column, name, "parse", old.parse, new.parse, breaking: true) { $0.rawValue }
    note(.column, name, "default", old.defaultText, new.defaultText, breaking: false) {
      $0 ?? "none"
    }
    note(.column, name, "pii", old.pii, new.pii, breaking: true) { $0?.rawValue ?? "none" }
    if old.required != new.required {
      add(
        .column, name, new.required ? .tightened : .loosened,
        breaking: !new.required || new.defaultText == nil,
        !new.required
          ? "may be null now, which what reads it may not expect"
          : new.defaultText.map { "required now, default \($0)" } ?? "required now")
    }
    if old.bytesMax != new.bytesMax {
      let isTighter = (new.bytesMax ?? .max) < (old.bytesMax ?? .max)
      add(
        .column, name, isTighter ? .tightened : .loosened, breaking: isTighter,
        "max_bytes: \(old.bytesMax.map { "\($0)" } ?? "none") → "
          + (new.bytesMax.map { "\($0)" } ?? "none"))
    }
    if Set(old.acceptedValues) != Set(new.acceptedValues) {
      let isLooser =
        new.acceptedValues.isEmpty
        || (!old.acceptedValues.isEmpty
          && Set(old.acceptedValues).isSubset(of: new.acceptedValues))
      add(
        .column, name, isLooser ? .loosened : .tightened, breaking: !isLooser,
        "accepted_values: [\(old.acceptedValues.joined(separator: ", "))] → "
          + "[\(new.acceptedValues.joined(separator: ", "))]")
    }
    if old.matches.map({ Array($0.utf8) }) != new.matches.map({ Array($0.utf8) }) {
      add(
        .column, name, new.matches == nil ? .loosened : .tightened, breaking: new.matches != nil,
        "matches: \(old.matches ?? "none") → \(new.matches ?? "none")")
    }
  }

  private mutating func compareRules(_ old: Source, _ new: Source) {
    note(.source, new.name, "primary_key", old.primaryKey, new.primaryKey, breaking: true) {
      "[\($0.joined(separator: ", "))]"
    }
    note(.source, new.name, "on_duplicate", old.onDuplicate, new.onDuplicate, breaking: true) {
      $0.rawValue
    }
    note(.source, new.name, "version", old.version, new.version, breaking: true) { $0 ?? "none" }
    note(.source, new.name, "append_only", old.appendOnly, new.appendOnly, breaking: true) {
      "\($0)"
    }
    compareEventTime(old.eventTime, new.eventTime, new.name)
    note(.source, new.name, "freshness", old.freshness, new.freshness, breaking: false) {
      $0.map { "\(Self.span($0.warnAfter)), \(Self.span($0.errorAfter))" } ?? "none"
    }
    note(
      .source, new.name, "format", old.formats, new.formats,
      breaking: !Set(old.formats).isSubset(of: new.formats)
    ) { $0.map(\.spelling).joined(separator: ", ") }
    note(.source, new.name, "csv", old.csv, new.csv, breaking: true) { dialect in
      let delimiter = String(Character(Unicode.Scalar(dialect.delimiter)))
      return "delimiter \(delimiter), header \(dialect.header), null \(dialect.null)"
    }
    note(
      .source, new.name, "unknown_fields", old.unknownFields, new.unknownFields,
      breaking: new.unknownFields == .reject || old.unknownFields == .capture
    ) { $0.rawValue }
    note(.source, new.name, "recheck", old.recheck, new.recheck, breaking: false) {
      "[\($0.joined(separator: ", "))]"
    }
    note(.source, new.name, "op", old.operation, new.operation, breaking: true) { operation in
      guard let operation else { return "none" }
      let words = [operation.inserts, operation.updates, operation.deletes]
      return "\(operation.column) \(words.map { $0.joined(separator: "|") })"
    }
    compareGrants(.source, new.name, old.allow, new.allow)
  }

  private mutating func compareEventTime(_ old: EventTime?, _ new: EventTime?, _ source: String) {
    guard let old, let new, old.column == new.column else {
      note(.source, source, "event_time", old?.column, new?.column, breaking: true) { $0 ?? "none" }
      return
    }
    note(
      .source, source, "lateness", old.lateness, new.lateness,
      breaking: new.lateness < old.lateness, Self.span)
    note(
      .source, source, "max_future", old.futureMax, new.futureMax,
      breaking: (new.futureMax ?? .max) < (old.futureMax ?? .max)
    ) { $0.map(Self.span) ?? "none" }
    note(.source, source, "late", old.late, new.late, breaking: true) { $0.rawValue }
  }

  /// As packages write it.
  private static func span(_ milliseconds: UInt64) -> String {
    let units: [(String, UInt64)] = [
      ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000),
    ]
    for (unit, size) in units where milliseconds >= size && milliseconds % size == 0 {
      return "\(milliseconds / size)\(unit)"
    }
    return "\(milliseconds)ms"
  }

  mutating func compareGrants(
    _ part: PackageChange.Part, _ name: String, _ old: [Grant], _ new: [Grant]
  ) {
    let isNarrower = !new.contains(.anyone) && !Set(old).isSubset(of: new)
    note(part, name, "allow", old, new, breaking: isNarrower) { grants in
      grants.isEmpty ? "owner" : grants.map(\.description).joined(separator: ", ")
    }
  }

  private mutating func compareExpectations(_ old: Source, _ new: Source) {
    let (added, dropped, kept) = Self.compare(
      old.expectations.map(\.name), new.expectations.map(\.name))
    for expectation in new.expectations where added.contains(expectation.name) {
      add(
        .expectation, "\(new.name).\(expectation.name)", .tightened,
        breaking: expectation.onViolation != .warn,
        "new: \(expectation.check.text), \(expectation.onViolation.rawValue)")
    }
    for name in dropped {
      add(.expectation, "\(new.name).\(name)", .loosened, breaking: false, "gone")
    }
    for name in kept {
      guard let before = old.expectations.first(where: { $0.name == name }),
        let after = new.expectations.first(where: { $0.name == name })
      else { continue }
      let full = "\(new.name).\(name)"
      if !before.check.text.isSpelled(as: after.check.text) {
        // Whether a condition implies another is not decided here.
        add(
          .expectation, full, .changed, breaking: after.onViolation != .warn,
          "\(before.check.text) → \(after.check.text)")
      }
      if before.onViolation != after.onViolation {
        let isTighter = before.onViolation.strictness < after.onViolation.strictness
        add(
          .expectation, full, isTighter ? .tightened : .loosened, breaking: isTighter,
          "\(before.onViolation.rawValue) → \(after.onViolation.rawValue)")
      }
    }
  }
}

extension Violation {
  fileprivate var strictness: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
