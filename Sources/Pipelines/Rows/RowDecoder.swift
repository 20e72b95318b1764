import Wire

/// Turns the bytes of a batch into typed rows, by the contract of its source.
///
/// - Safety: a pure function of the bytes, the contract and the limits, so every replica accepts
///   the same rows with the same values and gives the same reasons for the others.
/// - Bound: rows and bytes of a batch are limited by the package's defaults.
package struct RowDecoder: Sendable {
  package let source: Source
  let defaults: Defaults
  let readers: [ColumnReader]
  private let nulls: [[UInt8]]
  private let deletion: Deletion?

  /// - Throws: `CONTRACT` when a literal of the contract does not fit its own column; a checked
  ///   package has no such literal.
  package init(source: Source, defaults: Defaults) throws(Refusal) {
    self.source = source
    self.defaults = defaults
    var readers: [ColumnReader] = []
    for column in source.columns {
      do {
        readers.append(
          try ColumnReader(
            column, isKey: source.primaryKey.contains(column.name), defaults: defaults))
      } catch {
        throw Refusal("CONTRACT", "\(source.name).\(column.name): \(error.message)")
      }
    }
    self.readers = readers
    nulls = source.csv.null.map { Array($0.utf8) }
    deletion = Deletion(of: source)
  }

  var captures: Bool { source.unknownFields == .capture }
  var columnCount: Int { readers.count + (captures ? 1 : 0) }

  /// Decodes one batch.
  /// - Throws: a refusal of the whole batch when it is malformed: encoding, quotes, header, JSON
  ///   syntax, too many rows or bytes. A row that only breaks the contract is among `rejected`.
  package func decode(
    _ bytes: [UInt8], format: RowFormat
  ) throws(Refusal) -> DecodedBatch {
    guard source.formats.contains(format) else {
      throw Refusal(
        "FORMAT",
        "\(source.name) takes \(source.formats.map(\.spelling).joined(separator: " or ")), "
          + "not \(format.spelling)")
    }
    guard bytes.count <= Int(defaults.batchBytesMax) else {
      throw Refusal(
        "BATCH_BYTES",
        "the batch has \(bytes.count) bytes; at most \(defaults.batchBytesMax) are allowed. "
          + "Send it in smaller batches")
    }
    guard !bytes.isEmpty else {
      throw Refusal("EMPTY_BATCH", "the batch has no bytes; send at least one row")
    }
    try TextCheck.check(bytes)
    switch format {
    case .csv: return try decodeCSV(bytes)
    case .ndjson: return try decodeNDJSON(bytes)
    }
  }

  /// Ends a row. One that deletes another need not hold what the other held.
  func endRow(_ rows: inout RowCollector, _ span: Bytes, _ kept: () -> KeptRow) {
    if let deletion, rows.isFaulty, let word = rows.text(deletion.column, span),
      deletion.words.contains(word)
    {
      rows.excuse(deletion.spared)
    }
    rows.end(kept)
  }

  func tooManyRows() -> Refusal {
    Refusal(
      "BATCH_ROWS",
      "the batch has more than \(defaults.batchRowsMax) rows. Send it in smaller batches")
  }

  // MARK: - CSV

  private func decodeCSV(_ bytes: [UInt8]) throws(Refusal) -> DecodedBatch {
    var scanner = CSVScanner(delimiter: source.csv.delimiter)
    let span = bytes.span
    scanner.skipMark(span)
    let layout = try csvLayout(span, &scanner)
    var rows = RowCollector(columnCount: columnCount, base: bytes.count)
    rows.reserve(rows: min(bytes.count / 24, Int(defaults.batchRowsMax)))
    while try scanner.next(span) {
      // An empty line is no row, but where it may be an empty field.
      if scanner.isBlank, layout.fieldCount > 1 { continue }
      guard rows.row < defaults.batchRowsMax else { throw tooManyRows() }
      guard scanner.count == layout.fieldCount else {
        throw Refusal(
          "CSV_COLUMNS",
          "line \(scanner.recordLine), row \(rows.row + 1): \(scanner.count) "
            + "\(scanner.count == 1 ? "field" : "fields"), but "
            + "\(source.csv.header ? "the header" : "the contract") has \(layout.fieldCount). "
            + "Check the delimiter and quotes. No row of the batch was taken")
      }
      rows.begin()
      for index in readers.indices {
        readCSV(span, scanner, layout.fieldOfColumn[index], index, &rows)
      }
      if captures { captureCSV(span, scanner, layout, &rows) }
      endRow(&rows, span) { kept(span, scanner, layout) }
    }
    return rows.finish(arena: bytes)
  }

  @inline(__always)
  private func readCSV(
    _ span: Bytes, _ scanner: borrowing CSVScanner, _ place: Int, _ column: Int,
    _ rows: inout RowCollector
  ) {
    let reader = readers[column]
    do {
      guard place >= 0 else { return rows.add(try reader.missing(spill: &rows.spill)) }
      let field = scanner.fields[place]
      if !field.quoted, isNull(span, field.range) {
        return rows.add(try reader.missing(spill: &rows.spill))
      }
      if field.doubled {
        let text = CSVScanner.text(field, span)
        return rows.add(try reader.read(text, of: span, spill: &rows.spill))
      }
      rows.add(try reader.read(span, field.range, inPlace: true, spill: &rows.spill))
    } catch {
      let isMissing = scanner.isBlank && error.rule == "required"
      rows.reject(
        isMissing ? FieldFault("required", "an empty line") : reader.told(error),
        column: reader.column.name)
    }
  }

  private func isNull(_ span: Bytes, _ range: Range<Int>) -> Bool {
    for null in nulls where ColumnReader.equal(null, span, range) { return true }
    return false
  }

  private func captureCSV(
    _ span: Bytes, _ scanner: borrowing CSVScanner, _ layout: CSVLayout,
    _ rows: inout RowCollector
  ) {
    let unknown = unknown(span, scanner, layout)
    guard !unknown.isEmpty else { return rows.add(.null) }
    rows.addCaptured(
      CanonicalJSON.object(unknown), bytesMax: Int(defaults.stringBytesMax))
  }

  /// The fields that no column reads, with their values as JSON.
  private func unknown(
    _ span: Bytes, _ scanner: borrowing CSVScanner, _ layout: CSVLayout
  ) -> [(key: [UInt8], value: [UInt8])] {
    var members: [(key: [UInt8], value: [UInt8])] = []
    for (name, place) in layout.unknown {
      let text = bytes(span, scanner, place)
      members.append((name, text.map(CanonicalJSON.quoted) ?? Array("null".utf8)))
    }
    return members
  }

  /// The text of a field; nil where it is null.
  private func bytes(
    _ span: Bytes, _ scanner: borrowing CSVScanner, _ place: Int
  ) -> [UInt8]? {
    let field = scanner.fields[place]
    guard field.quoted || !isNull(span, field.range) else { return nil }
    return Self.bytes(CSVScanner.text(field, span), of: span)
  }

  private func kept(
    _ span: Bytes, _ scanner: borrowing CSVScanner, _ layout: CSVLayout
  ) -> KeptRow {
    var texts: [String?] = []
    var apart = unknown(span, scanner, layout)
    for (reader, place) in zip(readers, layout.fieldOfColumn) {
      let text = place < 0 ? nil : bytes(span, scanner, place)
      texts.append(text.map { String(decoding: $0, as: UTF8.self) })
      if let text, reader.isTyped(text) {
        apart.append((reader.field, CanonicalJSON.quoted(text)))
      }
    }
    return KeptRow(
      fields: texts,
      captured: apart.isEmpty
        ? nil : String(decoding: CanonicalJSON.object(apart), as: UTF8.self))
  }

  static func bytes(_ text: FieldText, of span: Bytes) -> [UInt8] {
    switch text {
    case .inPlace(let range): FieldParser.copy(span, range)
    case .own(let bytes): bytes
    }
  }
}

extension RowFormat {
  package var spelling: String {
    switch self {
    case .csv: "csv"
    case .ndjson: "ndjson"
    }
  }
}

/// Where the fields of a CSV batch go.
struct CSVLayout {
  var fieldCount: Int
  /// The place of each column's field in a record; -1 when the batch does not have it.
  var fieldOfColumn: [Int]
  /// Fields to capture, ascending by name.
  var unknown: [(name: [UInt8], place: Int)] = []
}

extension RowDecoder {
  /// Reads the header, if there is one.
  private func csvLayout(
    _ span: Bytes, _ scanner: inout CSVScanner
  ) throws(Refusal) -> CSVLayout {
    guard source.csv.header else {
      return CSVLayout(fieldCount: readers.count, fieldOfColumn: Array(readers.indices))
    }
    guard try scanner.next(span) else {
      throw header("the batch has no header line")
    }
    let names = scanner.fields[..<scanner.count].map {
      Self.bytes(CSVScanner.text($0, span), of: span)
    }
    if names.count == 1, let other = otherDelimiter(of: names[0]) { throw header(other) }
    var layout = CSVLayout(
      fieldCount: names.count, fieldOfColumn: Array(repeating: -1, count: readers.count))
    for (place, name) in names.enumerated() {
      guard !names[..<place].contains(name) else {
        throw header("\(told(name, at: place)) stands twice")
      }
      let columns = readers.indices.filter { readers[$0].field == name }
      for column in columns { layout.fieldOfColumn[column] = place }
      guard columns.isEmpty else { continue }
      switch source.unknownFields {
      case .reject:
        throw header("no column reads \(told(name, at: place))")
      case .ignore: break
      case .capture: layout.unknown.append((name, place))
      }
    }
    layout.unknown.sort { $0.name.lexicographicallyPrecedes($1.name) }
    for (column, reader) in readers.enumerated()
    where layout.fieldOfColumn[column] < 0 && reader.required && reader.column.defaultText == nil {
      throw header("the field \"\(reader.column.field)\", which is required, is missing")
    }
    return layout
  }

  /// What is wrong with a header that another delimiter cuts into the names of columns.
  private func otherDelimiter(of line: [UInt8]) -> String? {
    let usual = [UInt8(ascii: ","), UInt8(ascii: ";"), 0x09, UInt8(ascii: "|")]
    let fields = Set(readers.map(\.field))
    let found = usual.first { candidate in
      guard candidate != source.csv.delimiter else { return false }
      let parts = line.split(separator: candidate, omittingEmptySubsequences: false)
      return parts.count > 1 && parts.contains { fields.contains(Array($0)) }
    }
    guard let found else { return nil }
    let (has, wants) = (Self.spelled(found), Self.spelled(source.csv.delimiter))
    return "\(has) stands between the names of the header, and the contract says \(wants): write "
      + "csv: { delimiter: \(has) } into the YAML of \(source.name) and deploy it, or send a file "
      + "with \(wants)"
  }

  /// As YAML has it.
  private static func spelled(_ delimiter: UInt8) -> String {
    delimiter == 0x09 ? "\"\\t\"" : "\"\(Character(Unicode.Scalar(delimiter)))\""
  }

  /// A field of the header, or of the first row where there is none: its name may be personal.
  private func told(_ name: [UInt8], at place: Int) -> String {
    guard source.columns.allSatisfy({ $0.pii == nil }) else { return "field \(place + 1)" }
    return "the field \"\(String(decoding: name, as: UTF8.self))\""
  }

  private func header(_ what: String) -> Refusal {
    let delimiter = String(Character(Unicode.Scalar(source.csv.delimiter)))
    let known = source.columns.map(\.field).joined(separator: delimiter)
    return Refusal(
      "CSV_HEADER",
      "\(what). \(source.name) expects the header \(known). No row of the batch was taken")
  }
}

/// Rows that delete others, by the `op:` of a source: they say which row goes, and as of when.
struct Deletion: Sendable {
  /// The place of the column that holds the word.
  let column: Int
  let words: [[UInt8]]
  /// The columns that such a row may lack.
  let spared: [String]

  /// - Returns: nil where a source knows no deletes.
  init?(of source: Source) {
    guard let operation = source.operation,
      let column = source.columns.firstIndex(where: { $0.name == operation.column })
    else { return nil }
    let needed =
      source.primaryKey
      + [operation.column, source.version, source.eventTime?.column].compactMap(\.self)
    self.column = column
    words = operation.deletes.map { Array($0.utf8) }
    spared = source.columns.map(\.name).filter { !needed.contains($0) }
  }
}

/// Gathers decoded rows; a row that fails leaves nothing but its reasons.
struct RowCollector {
  private var batch: DecodedBatch
  var spill: Spill
  /// The rows begun so far.
  private(set) var row: UInt32 = 0
  private var cellsBefore = 0
  private var spillBefore = 0
  private var reasons: [RejectedRow.Reason] = []

  init(columnCount: Int, base: Int) {
    batch = DecodedBatch(columnCount: columnCount)
    spill = Spill(base: base)
  }

  mutating func reserve(rows: Int) {
    batch.cells.reserveCapacity(rows * batch.columnCount)
    batch.rowNumbers.reserveCapacity(rows)
  }

  mutating func begin() {
    row += 1
    cellsBefore = batch.cells.count
    spillBefore = spill.count
  }

  @inline(__always)
  mutating func add(_ cell: Cell) { batch.cells.append(cell) }

  mutating func reject(_ fault: FieldFault, column: String) {
    let number = fault.hazard.map { " (\($0))" } ?? ""
    reasons.append(
      RejectedRow.Reason(rule: fault.rule, column: column, message: fault.message + number))
    batch.cells.append(.null)
  }

  mutating func rejectRow(_ rule: String, _ message: String) {
    reasons.append(RejectedRow.Reason(rule: rule, column: "", message: message))
  }

  /// Whether the row at hand breaks a rule.
  var isFaulty: Bool { !reasons.isEmpty }

  /// The text of one column of the row at hand; nil where it is none.
  func text(_ column: Int, _ span: Bytes) -> [UInt8]? {
    guard case .text(let start, let count) = batch.cells[cellsBefore + column] else { return nil }
    let range = Int(start)..<Int(start) + Int(count)
    guard range.lowerBound >= spill.base else { return FieldParser.copy(span, range) }
    return Array(spill.bytes[range.lowerBound - spill.base..<range.upperBound - spill.base])
  }

  /// Takes back that these columns lack a value: they are null.
  mutating func excuse(_ columns: [String]) {
    reasons.removeAll { $0.rule == "required" && columns.contains($0.column) }
  }

  mutating func addCaptured(_ text: [UInt8], bytesMax: Int) {
    guard text.count <= bytesMax else {
      let message = "\(text.count) bytes of unknown fields; at most \(bytesMax) are allowed"
      return reject(FieldFault("max_bytes", message), column: Source.captureColumn)
    }
    let (start, count) = spill.keep(text)
    add(.text(start: start, count: count))
  }

  mutating func end(_ kept: () -> KeptRow) {
    if reasons.isEmpty {
      batch.rowNumbers.append(row)
      return
    }
    batch.cells.removeLast(batch.cells.count - cellsBefore)
    spill.cut(to: spillBefore)
    batch.rejected.append(RejectedRow(row: row, kept: kept(), reasons: reasons))
    reasons.removeAll()
  }

  consuming func finish(arena: [UInt8]) -> DecodedBatch {
    var whole = batch
    whole.arena = spill.count == 0 ? arena : arena + spill.bytes
    return whole
  }
}

/// What every text of a batch must be: UTF-8 without NUL.
enum TextCheck {
  static func check(_ bytes: [UInt8]) throws(Refusal) {
    let span = bytes.span
    var all: UInt8 = 0
    var nul = false
    for index in span.indices {
      all |= span[index]
      nul = nul || span[index] == 0
    }
    if nul, let at = bytes.firstIndex(of: 0) {
      throw Refusal(
        "NUL_BYTE",
        "line \(line(of: at, bytes)): a NUL byte. Remove it: no stored text may hold one "
          + "(QD24). No row of the batch was taken")
    }
    guard all >= 0x80, String(validating: bytes, as: UTF8.self) == nil else { return }
    throw Refusal(
      "UTF8",
      "line \(line(of: firstInvalid(bytes), bytes)): bytes that are not UTF-8. Convert the batch "
        + "to UTF-8 (QD24). No row of it was taken")
  }

  private static func line(of offset: Int, _ bytes: [UInt8]) -> Int {
    bytes[..<offset].reduce(1) { $0 + ($1 == 0x0a ? 1 : 0) }
  }

  /// The start of the first line that is invalid: a line feed is never part of a longer scalar.
  private static func firstInvalid(_ bytes: [UInt8]) -> Int {
    var offset = 0
    for line in bytes.split(separator: 0x0a, omittingEmptySubsequences: false) {
      guard String(validating: line, as: UTF8.self) != nil else { return offset }
      offset += line.count + 1
    }
    return min(offset, bytes.count)
  }
}
