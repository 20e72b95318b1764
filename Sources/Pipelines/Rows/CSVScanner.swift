import Wire

/// Cuts CSV (RFC 4180) into records of fields, over one batch.
///
/// - Safety: a quote stands only around a whole field or doubled inside one; anything else refuses
///   the batch, because what follows it cannot be told apart.
struct CSVScanner {
  struct Field {
    /// Between the quotes when it is quoted.
    var range: Range<Int> = 0..<0
    var quoted = false
    /// Whether it holds doubled quotes.
    var doubled = false
  }

  let delimiter: UInt8
  private(set) var at = 0
  /// The line of the next record, from 1.
  private(set) var line = 1
  /// The line on which the current record began.
  private(set) var recordLine = 1
  private(set) var fields: [Field] = []
  /// How many of `fields` the current record has.
  private(set) var count = 0

  /// Whether the current record is a line without a byte.
  var isBlank: Bool { count == 1 && !fields[0].quoted && fields[0].range.isEmpty }

  init(delimiter: UInt8) { self.delimiter = delimiter }

  /// A byte order mark is passed over.
  mutating func skipMark(_ bytes: Bytes) {
    if bytes.count >= 3, bytes[0] == 0xef, bytes[1] == 0xbb, bytes[2] == 0xbf { at = 3 }
  }

  /// Reads the next record.
  /// - Returns: false at the end.
  mutating func next(_ bytes: Bytes) throws(Refusal) -> Bool {
    guard at < bytes.count else { return false }
    count = 0
    recordLine = line
    while true {
      if at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
        try quoted(bytes)
      } else {
        try plain(bytes)
      }
      guard at < bytes.count else { return true }
      let byte = bytes[at]
      at += 1
      if byte == delimiter { continue }
      if byte == 0x0d {
        guard at < bytes.count, bytes[at] == 0x0a else {
          throw broken("a carriage return without a line feed", "end lines with LF or CRLF")
        }
        at += 1
      }
      line += 1
      return true
    }
  }

  private mutating func add(_ field: Field) {
    if count < fields.count { fields[count] = field } else { fields.append(field) }
    count += 1
  }

  private mutating func plain(_ bytes: Bytes) throws(Refusal) {
    let start = at
    var index = at
    let end = bytes.count
    while index < end {
      let byte = bytes[index]
      if byte == delimiter || byte == 0x0a || byte == 0x0d { break }
      guard byte != UInt8(ascii: "\"") else {
        throw broken(
          "a quote inside of a field that does not begin with one",
          "put the whole field in quotes and double the quotes in it")
      }
      index += 1
    }
    at = index
    add(Field(range: start..<index))
  }

  private mutating func quoted(_ bytes: Bytes) throws(Refusal) {
    let start = at + 1
    var index = start
    var doubled = false
    let end = bytes.count
    while true {
      guard index < end else {
        throw broken("a quote that is never closed", "close it, or double the quotes in the field")
      }
      let byte = bytes[index]
      if byte == 0x0a { line += 1 }
      guard byte == UInt8(ascii: "\"") else {
        index += 1
        continue
      }
      if index + 1 < end, bytes[index + 1] == UInt8(ascii: "\"") {
        doubled = true
        index += 2
        continue
      }
      break
    }
    at = index + 1
    if at < end, bytes[at] != delimiter, bytes[at] != 0x0a, bytes[at] != 0x0d {
      throw broken(
        "text after the closing quote of a field", "double the quotes in the field")
    }
    add(Field(range: start..<index, quoted: true, doubled: doubled))
  }

  private func broken(_ what: String, _ fix: String) -> Refusal {
    Refusal("CSV_QUOTES", "line \(recordLine): \(what); \(fix). No row of the batch was taken")
  }

  /// The field without its doubled quotes.
  static func text(_ field: Field, _ bytes: Bytes) -> FieldText {
    guard field.doubled else { return .inPlace(field.range) }
    var out: [UInt8] = []
    out.reserveCapacity(field.range.count)
    var index = field.range.lowerBound
    while index < field.range.upperBound {
      out.append(bytes[index])
      index += bytes[index] == UInt8(ascii: "\"") ? 2 : 1
    }
    return .own(out)
  }
}
