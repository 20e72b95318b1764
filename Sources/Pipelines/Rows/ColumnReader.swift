import Wire

/// Texts and blobs of a batch that are not written in it as they are stored: unescaped, folded or
/// decoded. They follow the batch in the arena.
struct Spill {
  /// Where the spill begins in the arena: the bytes of the batch.
  let base: Int
  private(set) var bytes: [UInt8] = []

  init(base: Int) { self.base = base }

  mutating func keep(_ value: [UInt8]) -> (start: UInt32, count: UInt32) {
    let start = UInt32(base + bytes.count)
    bytes.append(contentsOf: value)
    return (start, UInt32(value.count))
  }

  var count: Int { bytes.count }
  mutating func cut(to count: Int) { bytes.removeLast(bytes.count - count) }
}

/// The text of one field: a range of the batch, or bytes of its own after unescaping.
enum FieldText {
  case inPlace(Range<Int>)
  case own([UInt8])
}

/// Reads the fields of one column: the type first, then the contract's other rules.
struct ColumnReader: Sendable {
  private(set) var column: SourceColumn
  /// NOT NULL, because the contract or the primary key says so.
  let required: Bool
  /// The name in the batch, as bytes.
  let field: [UInt8]
  private let bytesMax: Int
  /// Of a text alone.
  private let glob: Glob?
  private let acceptedTexts: [[UInt8]]
  private let acceptedIntegers: [Int64]
  private let fallback: StoredValue?

  /// - Throws: what is wrong with the contract itself: a literal that its own type refuses.
  init(_ column: SourceColumn, isKey: Bool, defaults: Defaults) throws(FieldFault) {
    self.column = column
    required = column.required || isKey
    field = Array(column.field.utf8)
    bytesMax = Int(min(column.bytesMax ?? defaults.stringBytesMax, defaults.stringBytesMax))
    if let pattern = column.matches {
      guard let glob = Glob(pattern) else {
        throw FieldFault("matches", "the pattern \"\(pattern)\" has a [ without its ]")
      }
      self.glob = glob
    } else {
      glob = nil
    }
    let plain = ColumnType.Literals(column)
    var texts: [[UInt8]] = []
    var integers: [Int64] = []
    for spelling in column.acceptedValues {
      switch try plain.value(spelling) {
      case .integer(let value): integers.append(value)
      case .text(let text): texts.append(Array(text.utf8))
      case .blob(let bytes): texts.append(bytes)
      case .null: break
      }
    }
    acceptedTexts = texts
    acceptedIntegers = integers
    if let spelling = column.defaultText {
      fallback = try plain.value(spelling)
    } else {
      fallback = nil
    }
  }

  /// The same rules over the standard spelling of a date, a timestamp or bytes.
  var standard: ColumnReader {
    var other = self
    other.column.parse = .standard
    return other
  }

  /// Whether a kept text is that of a typed value: a date, a timestamp or bytes in their standard
  /// spelling, where the column has another. Only of base64 may a text be both.
  func isTyped(_ text: [UInt8]) -> Bool {
    guard column.parse != .standard else { return false }
    let span = text.span
    switch column.type {
    case .date: return (try? FieldParser.date(span, span.indices, .standard)) != nil
    case .timestamp: return (try? FieldParser.timestamp(span, span.indices, .standard)) != nil
    case .bytes: return (try? FieldParser.blob(span, span.indices, .standard)) != nil
    case .text, .int, .decimal, .bool, .uuid, .json: return false
    }
  }

  /// What a missing or null field becomes.
  func missing(spill: inout Spill) throws(FieldFault) -> Cell {
    switch fallback {
    case .integer(let value): return .integer(value)
    case .text(let text):
      let (start, count) = spill.keep(Array(text.utf8))
      return .text(start: start, count: count)
    case .blob(let bytes):
      let (start, count) = spill.keep(bytes)
      return .blob(start: start, count: count)
    case .null, nil: break
    }
    guard !required else { throw FieldFault("required", "a value is required") }
    return .null
  }

  /// The fault as receipts and quarantine tell it: a personal value is in neither.
  func told(_ fault: FieldFault) -> FieldFault {
    guard column.pii != nil, fault.rule != "required" else { return fault }
    return FieldFault(
      fault.rule, "a personal value, which is not shown, breaks \(fault.rule) of \(column.type)",
      hazard: fault.hazard)
  }

  func read(
    _ text: FieldText, of batch: Bytes, spill: inout Spill
  ) throws(FieldFault) -> Cell {
    switch text {
    case .inPlace(let range): return try read(batch, range, inPlace: true, spill: &spill)
    case .own(let bytes):
      return try read(bytes.span, 0..<bytes.count, inPlace: false, spill: &spill)
    }
  }

  @inline(__always)
  func read(
    _ bytes: Bytes, _ range: Range<Int>, inPlace: Bool, spill: inout Spill
  ) throws(FieldFault) -> Cell {
    switch column.type {
    case .text:
      try checkText(bytes, range)
      return keep(bytes, range, inPlace: inPlace, spill: &spill)
    case .int: return try accept(try FieldParser.integer(bytes, range), bytes, range)
    case .decimal(let precision, let scale):
      return try accept(
        try FieldParser.decimal(bytes, range, precision: precision, scale: scale), bytes, range)
    case .date: return try accept(try FieldParser.date(bytes, range, column.parse), bytes, range)
    case .timestamp:
      return try accept(try FieldParser.timestamp(bytes, range, column.parse), bytes, range)
    case .bool: return try accept(try FieldParser.flag(bytes, range), bytes, range)
    case .uuid: return try readUUID(bytes, range, inPlace: inPlace, spill: &spill)
    case .bytes: return try readBlob(bytes, range, spill: &spill)
    case .json: return try readJSON(bytes, range, spill: &spill)
    }
  }

  private func accept(
    _ value: Int64, _ bytes: Bytes, _ range: Range<Int>
  ) throws(FieldFault) -> Cell {
    guard acceptedIntegers.isEmpty || acceptedIntegers.contains(value) else {
      throw notAccepted(bytes, range)
    }
    return .integer(value)
  }

  private func checkText(_ bytes: Bytes, _ range: Range<Int>) throws(FieldFault) {
    try checkLength(range.count)
    if let glob, !glob.matches(bytes, range) { throw notMatching(bytes, range) }
    guard Normalization.isComposed(bytes, range) else {
      throw FieldFault(
        "nfc",
        "\(FieldParser.quoted(bytes, range)) is not in Unicode form NFC; normalize it (QD24)")
    }
    guard !acceptedTexts.isEmpty else { return }
    for accepted in acceptedTexts where Self.equal(accepted, bytes, range) { return }
    throw notAccepted(bytes, range)
  }

  private func checkLength(_ count: Int) throws(FieldFault) {
    guard count <= bytesMax else {
      throw FieldFault("max_bytes", "\(count) bytes; at most \(bytesMax) are allowed")
    }
  }

  static func equal(_ own: [UInt8], _ bytes: Bytes, _ range: Range<Int>) -> Bool {
    guard own.count == range.count else { return false }
    for offset in 0..<own.count where own[offset] != bytes[range.lowerBound + offset] {
      return false
    }
    return true
  }

  private func keep(
    _ bytes: Bytes, _ range: Range<Int>, inPlace: Bool, spill: inout Spill
  ) -> Cell {
    if inPlace {
      return .text(start: UInt32(range.lowerBound), count: UInt32(range.count))
    }
    let (start, count) = spill.keep(FieldParser.copy(bytes, range))
    return .text(start: start, count: count)
  }

  private func readUUID(
    _ bytes: Bytes, _ range: Range<Int>, inPlace: Bool, spill: inout Spill
  ) throws(FieldFault) -> Cell {
    let upper = try FieldParser.uuid(bytes, range)
    let folded = FieldParser.copy(bytes, range).map { $0 >= 0x41 && $0 <= 0x46 ? $0 | 0x20 : $0 }
    guard acceptedTexts.isEmpty || acceptedTexts.contains(folded) else {
      throw notAccepted(bytes, range)
    }
    guard upper || !inPlace else {
      return .text(start: UInt32(range.lowerBound), count: UInt32(range.count))
    }
    let (start, count) = spill.keep(folded)
    return .text(start: start, count: count)
  }

  private func readBlob(
    _ bytes: Bytes, _ range: Range<Int>, spill: inout Spill
  ) throws(FieldFault) -> Cell {
    let decoded = try FieldParser.blob(bytes, range, column.parse)
    try checkLength(decoded.count)
    guard acceptedTexts.isEmpty || acceptedTexts.contains(decoded) else {
      throw notAccepted(bytes, range)
    }
    let (start, count) = spill.keep(decoded)
    return .blob(start: start, count: count)
  }

  private func readJSON(
    _ bytes: Bytes, _ range: Range<Int>, spill: inout Spill
  ) throws(FieldFault) -> Cell {
    let canonical: [UInt8]
    do {
      canonical = try CanonicalJSON.text(bytes, range)
    } catch {
      throw .type("no JSON that can be stored: \(error.message)", hazard: "QD26")
    }
    try checkLength(canonical.count)
    guard Normalization.isComposed(canonical.span, 0..<canonical.count) else {
      throw FieldFault("nfc", "a text in it is not in Unicode form NFC; normalize it (QD24)")
    }
    guard acceptedTexts.isEmpty || acceptedTexts.contains(canonical) else {
      throw notAccepted(bytes, range)
    }
    let (start, count) = spill.keep(canonical)
    return .text(start: start, count: count)
  }

  private func notMatching(_ bytes: Bytes, _ range: Range<Int>) -> FieldFault {
    FieldFault(
      "matches",
      "\(FieldParser.quoted(bytes, range)) does not match \"\(column.matches ?? "")\"")
  }

  private func notAccepted(_ bytes: Bytes, _ range: Range<Int>) -> FieldFault {
    FieldFault(
      "accepted_values",
      "\(FieldParser.quoted(bytes, range)) is none of \(Self.list(column.acceptedValues))")
  }

  private static func list(_ values: [String]) -> String {
    let shown = values.prefix(8).joined(separator: ", ")
    return values.count > 8 ? shown + ", …" : shown
  }
}

extension ColumnType {
  /// Reads literals of a contract, spelled as a batch would spell them.
  struct Literals {
    private let type: ColumnType
    private let parse: ParseRule

    init(_ column: SourceColumn) {
      type = column.type
      parse = column.parse
    }

    init(_ type: ColumnType) {
      self.type = type
      parse = .standard
    }

    func value(_ spelling: String) throws(FieldFault) -> StoredValue {
      let plain = SourceColumn(name: "", type: type, parse: parse)
      var defaults = Defaults()
      defaults.stringBytesMax = PackageLimits.stringBytesMax
      let reader = try ColumnReader(plain, isKey: false, defaults: defaults)
      let bytes = Array(spelling.utf8)
      var spill = Spill(base: 0)
      let cell = try reader.read(bytes.span, 0..<bytes.count, inPlace: false, spill: &spill)
      switch cell {
      case .null: return .null
      case .integer(let value): return .integer(value)
      case .text: return .text(String(decoding: spill.bytes, as: UTF8.self))
      case .blob: return .blob(spill.bytes)
      }
    }
  }

  /// Reads one value of this type as a batch would spell it: `12.50`, `2026-01-31`, `true`.
  ///
  /// - Throws: a `Refusal` with the code `TYPE` that says what the text should look like.
  package func value(of spelling: String) throws(Refusal) -> StoredValue {
    do {
      return try Literals(self).value(spelling)
    } catch {
      throw Refusal("TYPE", error.message)
    }
  }
}

extension SourceColumn {
  /// The value that a release reads from a text that quarantine kept, by `parse:` and the type
  /// alone; nil where it reads none.
  package func value(kept text: String) -> StoredValue? {
    var standard = self
    standard.parse = .standard
    if let typed = try? ColumnType.Literals(standard).value(text) { return typed }
    return try? ColumnType.Literals(self).value(text)
  }
}
