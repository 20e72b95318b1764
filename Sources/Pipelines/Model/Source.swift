import Wire

/// The contract of one source: what a batch must hold, and what becomes of what does not fit.
/// Creates the tables `bronze_NAME` and `quarantine_NAME`.
package struct Source: Hashable, Canonical {
  package var name: String
  package var description: String
  /// Formats that batches may have.
  package var formats: [RowFormat]
  /// In the order of the contract.
  package var columns: [SourceColumn]
  package var primaryKey: [String]
  package var onDuplicate: DuplicateRule
  /// The column that `upsertIfNewer` compares; nil for the other rules.
  package var version: String?
  /// Rows are never changed once accepted: a row with a known key and other values is refused.
  package var appendOnly: Bool
  package var eventTime: EventTime?
  package var freshness: Freshness?
  /// In the order of the contract, which is the order of their evaluation.
  package var expectations: [Expectation]
  package var csv: CSVDialect
  package var unknownFields: UnknownFields
  package var allow: [Grant]
  /// Sources after whose changes the rows of this one's quarantine are looked at again. Ascending.
  package var recheck: [String]
  /// How rows say that others change or go; nil: each row is one that is there.
  package var operation: ChangeOperation?

  package init(
    name: String, description: String = "", formats: [RowFormat] = [.csv, .ndjson],
    columns: [SourceColumn], primaryKey: [String], onDuplicate: DuplicateRule = .rejectIfDifferent,
    version: String? = nil, appendOnly: Bool = false, eventTime: EventTime? = nil,
    freshness: Freshness? = nil, expectations: [Expectation] = [], csv: CSVDialect = CSVDialect(),
    unknownFields: UnknownFields = .reject, allow: [Grant] = [], recheck: [String] = [],
    operation: ChangeOperation? = nil
  ) {
    self.name = name
    self.description = description
    self.formats = formats
    self.columns = columns
    self.primaryKey = primaryKey
    self.onDuplicate = onDuplicate
    self.version = version
    self.appendOnly = appendOnly
    self.eventTime = eventTime
    self.freshness = freshness
    self.expectations = expectations
    self.csv = csv
    self.unknownFields = unknownFields
    self.allow = allow
    self.recheck = recheck.sorted()
    self.operation = operation
  }

  package var bronzeTable: String { "bronze_\(name)" }
  package var quarantineTable: String { "quarantine_\(name)" }

  package func column(_ name: String) -> SourceColumn? { columns.first { $0.name == name } }

  /// The column that keeps unknown fields as one JSON object, when the policy is `capture`.
  package static let captureColumn = "_captured"

  /// The columns of a decoded row, in order: the contract's, then `_captured` if fields are
  /// captured. The bronze table holds these and the system columns.
  package var storedColumns: [SourceColumn] {
    guard unknownFields == .capture else { return columns }
    return columns + [SourceColumn(name: Self.captureColumn, type: .json, pii: capturedPII)]
  }

  /// What nobody declared may be a personal field by another name, so beside personal columns it
  /// counts as one, in the table as in quarantine.
  package var capturedPII: Sensitivity? {
    columns.contains { $0.pii != nil } ? .direct : nil
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.text(description)
    encoder.list(formats)
    encoder.list(columns)
    encoder.texts(primaryKey)
    encoder.value(onDuplicate)
    encoder.optionalText(version)
    encoder.flag(appendOnly)
    encoder.optional(eventTime)
    encoder.optional(freshness)
    encoder.list(expectations)
    encoder.value(csv)
    encoder.value(unknownFields)
    encoder.list(allow)
    encoder.texts(recheck)
    encoder.optional(operation)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.name()
    description = try decoder.prose()
    formats = try decoder.list(limit: 2)
    columns = try decoder.list(limit: PackageLimits.columnsMax)
    primaryKey = try decoder.names(limit: PackageLimits.keyColumnsMax)
    onDuplicate = try decoder.value()
    version = try decoder.optionalText(limit: Limits.nameBytesMax)
    appendOnly = try decoder.flag()
    eventTime = try decoder.optional()
    freshness = try decoder.optional()
    expectations = try decoder.list(limit: PackageLimits.expectationsMax)
    csv = try decoder.value()
    unknownFields = try decoder.value()
    allow = try decoder.list(limit: PackageLimits.grantsMax)
    recheck = try decoder.names(limit: PackageLimits.sourcesMax)
    operation = try decoder.optional()
  }
}

/// The column by which a source delivers changes (change data capture): its value says what becomes
/// of the row with that key.
package struct ChangeOperation: Hashable, Canonical {
  package var column: String
  package var inserts: [String]
  package var updates: [String]
  package var deletes: [String]

  package init(
    column: String, inserts: [String] = ["insert"], updates: [String] = ["update"],
    deletes: [String] = ["delete"]
  ) {
    self.column = column
    self.inserts = inserts
    self.updates = updates
    self.deletes = deletes
  }

  package enum Change: Sendable, Hashable { case insert, update, delete }

  /// - Returns: nil for a word that the contract does not know.
  package func change(_ word: String) -> Change? {
    func isAmong(_ words: [String]) -> Bool { words.contains { $0.isSpelled(as: word) } }
    if isAmong(inserts) { return .insert }
    if isAmong(updates) { return .update }
    return isAmong(deletes) ? .delete : nil
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(column)
    encoder.texts(inserts)
    encoder.texts(updates)
    encoder.texts(deletes)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    let limit = PackageLimits.listedValuesMax
    column = try decoder.name()
    inserts = try decoder.names(limit: limit)
    updates = try decoder.names(limit: limit)
    deletes = try decoder.names(limit: limit)
  }
}

/// One column of a contract.
package struct SourceColumn: Hashable, Canonical {
  package var name: String
  /// The field's name in the batch, when it is another.
  package var from: String?
  package var type: ColumnType
  package var parse: ParseRule
  /// NOT NULL. A column of the primary key is required whether it says so or not.
  package var required: Bool
  /// Taken when the field is missing or null, spelled as a batch would spell it.
  package var defaultText: String?
  /// Bytes of a text, bytes or json value; nil: the package's own limit.
  package var bytesMax: UInt32?
  /// Spelled as a batch would spell them; empty: any.
  package var acceptedValues: [String]
  /// A GLOB that the field's text must match.
  package var matches: String?
  package var pii: Sensitivity?

  package init(
    name: String, from: String? = nil, type: ColumnType, parse: ParseRule = .standard,
    required: Bool = false, defaultText: String? = nil, bytesMax: UInt32? = nil,
    acceptedValues: [String] = [], matches: String? = nil, pii: Sensitivity? = nil
  ) {
    self.name = name
    self.from = from
    self.type = type
    self.parse = parse
    self.required = required
    self.defaultText = defaultText
    self.bytesMax = bytesMax
    self.acceptedValues = acceptedValues
    self.matches = matches
    self.pii = pii
  }

  /// What a row has that came without a value, where a default is declared.
  ///
  /// - Throws: a `Refusal` with the code `TYPE` where the default cannot be read as the column is.
  package func defaultValue() throws(Refusal) -> StoredValue? {
    guard let defaultText else { return nil }
    do { return try ColumnType.Literals(self).value(defaultText) } catch {
      throw Refusal(
        "TYPE",
        "default: of \(name) is no value of the column: \(error.message). Spell it as a batch "
          + "would spell it")
    }
  }

  /// The field of a batch that this column reads.
  package var field: String { from ?? name }

  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.optionalText(from)
    encoder.value(type)
    encoder.value(parse)
    encoder.flag(required)
    encoder.optionalText(defaultText)
    encoder.flag(bytesMax != nil)
    if let bytesMax { encoder.integer(bytesMax) }
    encoder.texts(acceptedValues)
    encoder.optionalText(matches)
    encoder.optional(pii)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.name()
    from = try decoder.optionalText(limit: PackageLimits.textBytesMax)
    type = try decoder.value()
    parse = try decoder.value()
    required = try decoder.flag()
    defaultText = try decoder.optionalText(limit: PackageLimits.textBytesMax)
    bytesMax = try decoder.flag() ? try decoder.integer() : nil
    acceptedValues = try decoder.texts(
      limit: PackageLimits.listedValuesMax, bytes: PackageLimits.textBytesMax)
    matches = try decoder.optionalText(limit: PackageLimits.globBytesMax)
    pii = try decoder.optional()
  }
}

/// How the text of a date, a timestamp or bytes is read.
package enum ParseRule: String, CanonicalCase {
  /// ISO 8601: `2026-01-31`, `2026-01-31T10:00:00.000Z`; of bytes `0x00ff`.
  case standard
  /// Two-digit years: 70 to 99 are 1970 to 1999, 00 to 69 are 2000 to 2069.
  case yymmdd
  /// As `yymmdd` with a time of day: `930711 00:00:00`.
  case yymmddTime = "yymmdd hh:mm:ss"
  case ddmmyyyy
  case yyyymmdd
  case epochSeconds = "epoch_s"
  case epochMilliseconds = "epoch_ms"
  /// RFC 4648, padded.
  case base64
  /// Digits alone.
  case hex

  package static let allCases: [ParseRule] = [
    .standard, .yymmdd, .yymmddTime, .ddmmyyyy, .yyyymmdd, .epochSeconds, .epochMilliseconds,
    .base64, .hex,
  ]
}

/// What a `pii:` mark says of a column: it is masked for roles, and its leaves are salted.
package enum Sensitivity: String, CanonicalCase {
  case pseudonym
  case freeText = "free_text"
  case direct

  package static let allCases: [Sensitivity] = [.pseudonym, .freeText, .direct]
}

/// What becomes of a row whose primary key is there already.
package enum DuplicateRule: String, CanonicalCase {
  case ignore
  /// The same values again are a duplicate; other values are quarantined.
  case rejectIfDifferent = "reject_if_different"
  /// The row replaces the older one when its version is higher.
  case upsertIfNewer = "upsert_if_newer"

  package static let allCases: [DuplicateRule] = [.ignore, .rejectIfDifferent, .upsertIfNewer]
}

/// What becomes of fields that no column names.
package enum UnknownFields: String, CanonicalCase {
  case reject
  case ignore
  case capture

  package static let allCases: [UnknownFields] = [.reject, .ignore, .capture]
}

/// The column that says when a row happened. Spans are milliseconds.
package struct EventTime: Hashable, Canonical {
  package var column: String
  /// How far a row may lie behind the largest event time seen and still be on time.
  package var lateness: UInt64
  /// How far ahead of block time an event may lie; nil: anywhere.
  package var futureMax: UInt64?
  package var late: LateRule

  package init(column: String, lateness: UInt64, futureMax: UInt64?, late: LateRule) {
    self.column = column
    self.lateness = lateness
    self.futureMax = futureMax
    self.late = late
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(column)
    encoder.integer(lateness)
    encoder.flag(futureMax != nil)
    if let futureMax { encoder.integer(futureMax) }
    encoder.value(late)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    column = try decoder.name()
    lateness = try decoder.integer()
    futureMax = try decoder.flag() ? try decoder.integer() : nil
    late = try decoder.value()
  }
}

/// How long after the last accepted row operators want to be told. Milliseconds.
package struct Freshness: Hashable, Canonical {
  package var warnAfter: UInt64
  package var errorAfter: UInt64

  package init(warnAfter: UInt64, errorAfter: UInt64) {
    self.warnAfter = warnAfter
    self.errorAfter = errorAfter
  }
  package func encode(into encoder: inout Encoder) {
    encoder.integer(warnAfter)
    encoder.integer(errorAfter)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    warnAfter = try decoder.integer()
    errorAfter = try decoder.integer()
  }
}

package enum LateRule: String, CanonicalCase {
  case accept
  case quarantine
  case reject

  package static let allCases: [LateRule] = [.accept, .quarantine, .reject]
}

/// A condition that every row of a source should meet.
package struct Expectation: Hashable, Canonical {
  package var name: String
  /// An expression over the row's columns.
  package var check: SQLScript
  package var onViolation: Violation

  package init(name: String, check: SQLScript, onViolation: Violation) {
    self.name = name
    self.check = check
    self.onViolation = onViolation
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.value(check)
    encoder.value(onViolation)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.name()
    check = try decoder.value()
    onViolation = try decoder.value()
  }
}

package enum Violation: String, CanonicalCase {
  /// The row is accepted, the receipt counts it.
  case warn
  case drop
  case quarantine
  /// The whole batch is refused.
  case fail

  package static let allCases: [Violation] = [.warn, .drop, .quarantine, .fail]
}

/// How a source writes CSV (RFC 4180, with another delimiter if it says so).
package struct CSVDialect: Hashable, Canonical {
  package var delimiter: UInt8 = 0x2c
  /// The first record names the fields; without it they come in the order of the columns.
  package var header: Bool = true
  /// Texts that mean null, when they are not quoted. The empty text by default.
  package var null: [String] = [""]

  package init() {}

  package func encode(into encoder: inout Encoder) {
    encoder.byte(delimiter)
    encoder.flag(header)
    encoder.texts(null)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    delimiter = try decoder.byte()
    header = try decoder.flag()
    null = try decoder.texts(
      limit: PackageLimits.listedValuesMax, bytes: PackageLimits.textBytesMax)
  }
}
