import Wire

/// The contract of a source as a CSV file suggests it: a draft for its author to correct.
///
/// - Safety: the decoder takes every row that was looked at under the drafted contract; what it
///   would not take is counted.
package struct ContractDraft: Sendable {
  package let source: Source
  /// How many rows were looked at.
  package let rows: Int
  /// Rows that the drafted contract would quarantine.
  package let rejected: Int
  package let isWhole: Bool
  /// Whether the key was found among the columns; else all rows are told apart by none.
  package let keyIsProven: Bool
  private let listings: [String: [String]]

  /// - Throws: what keeps the file from being read as CSV at all.
  package init(csv bytes: [UInt8], name: String) throws(Refusal) {
    try TextCheck.check(bytes)
    guard !bytes.isEmpty else { throw Refusal("EMPTY_BATCH", "the file holds nothing") }
    let delimiter = Self.delimiter(of: bytes)
    var table = try Sample(bytes, delimiter)
    table.nameColumns()
    var dialect = CSVDialect()
    dialect.delimiter = delimiter
    dialect.header = table.hasHeader
    dialect.null = table.nulls
    let key = table.key()
    let columns = table.guesses.map { guess in
      let found = guess.guess
      var column = SourceColumn(
        name: guess.name, type: found.type, parse: found.parse,
        required: !guess.isNullable && guess.count > 0)
      if table.hasHeader, guess.field != guess.name { column.from = guess.field }
      if found.type == .text, guess.bytesMax > 0 {
        column.bytesMax = Self.room(for: guess.bytesMax)
      }
      return column
    }
    var drafted = Source(
      name: name, formats: [.csv], columns: columns,
      primaryKey: key ?? [table.stopgap], csv: dialect)
    drafted.onDuplicate = .rejectIfDifferent
    source = drafted
    rows = table.rows
    isWhole = table.isWhole
    keyIsProven = key != nil
    var listings: [String: [String]] = [:]
    for guess in table.guesses { listings[guess.name] = guess.listing }
    self.listings = listings
    var defaults = Defaults()
    defaults.batchRowsMax = PackageLimits.batchRowsMax
    defaults.batchBytesMax = UInt32(InferLimits.bytesMax)
    let decoder = try RowDecoder(source: drafted, defaults: defaults)
    rejected = try decoder.decode(table.looked, format: .csv).rejected.count
  }

  /// A power of two with room for twice as much as was seen.
  private static func room(for bytes: Int) -> UInt32 {
    var room: UInt32 = 16
    while room < PackageLimits.stringBytesMax, Int(room) < 2 * bytes { room *= 2 }
    return room
  }

  /// The character that cuts the first records into the most fields, as many in each.
  private static func delimiter(of bytes: [UInt8]) -> UInt8 {
    var best: (delimiter: UInt8, fields: Int) = (UInt8(ascii: ","), 1)
    for candidate in [UInt8(ascii: ","), UInt8(ascii: ";"), 0x09, UInt8(ascii: "|")] {
      var scanner = CSVScanner(delimiter: candidate)
      let span = bytes.span
      scanner.skipMark(span)
      var counts: [Int] = []
      while counts.count < 50, (try? scanner.next(span)) == true {
        if !scanner.isBlank { counts.append(scanner.count) }
      }
      guard let first = counts.first, counts.allSatisfy({ $0 == first }), first > best.fields
      else { continue }
      best = (candidate, first)
    }
    return best.delimiter
  }

  // MARK: - YAML

  /// The file of the contract, ready to be put below `sources/`.
  package var yaml: String {
    var lines = [
      "# Drafted from \(rows) rows\(isWhole ? "" : ", the first of the file"); correct it.",
      "source: \(source.name)",
      "description: \"\"",
      "format: [csv]",
    ]
    if let csv = dialect { lines.append(csv) }
    lines.append("columns:")
    lines += source.columns.map(line)
    lines.append(
      "primary_key: [\(source.primaryKey.joined(separator: ", "))]"
        + (keyIsProven ? "" : "   # no likely column tells all rows apart; choose the key"))
    lines.append("on_duplicate: reject_if_different   # ignore | reject_if_different")
    let time = source.columns.first { column in
      column.required && (column.type == .date || column.type == .timestamp)
    }
    if let time {
      lines.append("# event_time: { column: \(time.name), lateness: 3d, late: accept }")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private var dialect: String? {
    let usual = CSVDialect()
    guard source.csv != usual else { return nil }
    var parts: [String] = []
    if source.csv.delimiter != usual.delimiter {
      let delimiter = String(Character(Unicode.Scalar(source.csv.delimiter)))
      parts.append("delimiter: \(Self.quoted(delimiter))")
    }
    if !source.csv.header { parts.append("header: false") }
    if source.csv.null != usual.null {
      parts.append("null: [\(source.csv.null.map(Self.quoted).joined(separator: ", "))]")
    }
    return "csv: { \(parts.joined(separator: ", ")) }"
  }

  private func line(_ column: SourceColumn) -> String {
    var parts = ["name: \(column.name)"]
    if let from = column.from { parts.append("from: \(Self.quoted(from))") }
    let type = column.type.description
    parts.append("type: \(type.contains("(") ? Self.quoted(type) : type)")
    if column.parse != .standard { parts.append("parse: \(Self.quoted(column.parse.rawValue))") }
    if column.required { parts.append("required: true") }
    if let bytes = column.bytesMax { parts.append("max_bytes: \(bytes)") }
    var text = "  - { \(parts.joined(separator: ", ")) }"
    if let values = listings[column.name] {
      text += "   # accepted_values: [\(values.map(Self.quoted).joined(separator: ", "))]"
    }
    return text
  }

  /// As YAML writes any text.
  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\t": out += "\\t"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}

/// The first rows of a file, column by column.
private struct Sample {
  var guesses: [ColumnGuess] = []
  let hasHeader: Bool
  private(set) var rows = 0
  private(set) var isWhole = true
  /// The bytes of the rows that were looked at, with the header.
  private(set) var looked: [UInt8]
  private var records: [[[UInt8]]] = []

  init(_ bytes: [UInt8], _ delimiter: UInt8) throws(Refusal) {
    var scanner = CSVScanner(delimiter: delimiter)
    let span = bytes.span
    scanner.skipMark(span)
    guard try scanner.next(span) else { throw Refusal("EMPTY_BATCH", "the file has no line") }
    let first = Self.values(scanner, span)
    let isNamed = Self.isHeader(first.map(\.bytes))
    hasHeader = isNamed
    looked = bytes
    guesses = first.map {
      ColumnGuess(field: isNamed ? String(decoding: $0.bytes, as: UTF8.self) : "")
    }
    if !hasHeader { try add(first, scanner.recordLine) }
    while try scanner.next(span) {
      if scanner.isBlank, guesses.count > 1 { continue }
      guard rows < InferLimits.rowsMax, scanner.at <= InferLimits.bytesMax else {
        isWhole = false
        break
      }
      try add(Self.values(scanner, span), scanner.recordLine)
      end = scanner.at
    }
    if !isWhole { looked = Array(bytes[..<end]) }
  }

  private var end = 0

  private static func values(
    _ scanner: CSVScanner, _ span: Bytes
  ) -> [(bytes: [UInt8], quoted: Bool)] {
    scanner.fields[..<scanner.count].map { field in
      (RowDecoder.bytes(CSVScanner.text(field, span), of: span), field.quoted)
    }
  }

  /// Names are texts, each once, and no number stands among them.
  private static func isHeader(_ values: [[UInt8]]) -> Bool {
    Set(values).count == values.count
      && values.allSatisfy { value in
        guard let first = value.first else { return false }
        return !(first >= 0x30 && first <= 0x39) && first != UInt8(ascii: "-")
      }
  }

  private mutating func add(
    _ values: [(bytes: [UInt8], quoted: Bool)], _ line: Int
  ) throws(Refusal) {
    guard values.count == guesses.count else {
      throw Refusal(
        "CSV_COLUMNS",
        "line \(line): \(values.count) \(values.count == 1 ? "field" : "fields"), but the first "
          + "line has \(guesses.count). Check the delimiter and quotes")
    }
    rows += 1
    records.append(values.map(\.bytes))
    for (index, value) in values.enumerated() {
      guesses[index].add(value.bytes, quoted: value.quoted)
    }
  }

  /// Markers of null that typed columns need, the empty text first.
  var nulls: [String] {
    var all = [""]
    for guess in guesses where guess.guess.type != .text {
      for marker in guess.markers where !all.contains(marker) { all.append(marker) }
    }
    return all
  }

  /// Names that a table can have, from the header's.
  mutating func nameColumns() {
    var taken: Set<String> = []
    for index in guesses.indices {
      var name = ""
      for byte in guesses[index].field.lowercased().utf8.prefix(40) {
        let isPlain = (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte)
        if isPlain {
          name.unicodeScalars.append(Unicode.Scalar(byte))
        } else if !name.hasSuffix("_"), !name.isEmpty {
          name += "_"
        }
      }
      while name.hasSuffix("_") { name.removeLast() }
      if name.isEmpty { name = "column_\(index + 1)" }
      if let first = name.utf8.first, !(0x61...0x7a).contains(first) { name = "c_" + name }
      if taken.contains(name) { name += "_\(index + 1)" }
      taken.insert(name)
      guesses[index].name = name
    }
  }

  /// The likeliest column that tells all rows apart; else the first such pair of columns.
  func key() -> [String]? {
    guard rows > 1 else { return nil }
    let ordered = likeliest
    if let single = ordered.first(where: { isDistinct([$0]) }) { return [guesses[single].name] }
    let tried = ordered.prefix(InferLimits.keyColumnsTried)
    for (place, first) in tried.enumerated() {
      for second in tried.dropFirst(place + 1) where isDistinct([first, second]) {
        return [first, second].sorted().map { guesses[$0].name }
      }
    }
    return nil
  }

  /// What stands for the key where none was found, for the author to correct.
  var stopgap: String {
    let other = guesses.indices.first { guesses[$0].keyRank != nil } ?? 0
    return guesses[likeliest.first ?? other].name
  }

  /// Columns that every row has and that may be a key, by their rank and then in their order.
  private var likeliest: [Int] {
    let usable = guesses.indices.filter { !guesses[$0].isNullable && guesses[$0].count == rows }
    return usable.compactMap { index in guesses[index].keyRank.map { (rank: $0, index: index) } }
      .sorted { ($0.rank, $0.index) < ($1.rank, $1.index) }.map(\.index)
  }

  private func isDistinct(_ columns: [Int]) -> Bool {
    var seen: Set<[[UInt8]]> = []
    return records.allSatisfy { record in seen.insert(columns.map { record[$0] }).inserted }
  }
}
