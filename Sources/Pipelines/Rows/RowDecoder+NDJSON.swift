import Wire

// Batches with one JSON object a line, and JSON objects of arguments.

extension RowDecoder {
  func decodeNDJSON(_ bytes: [UInt8]) throws(Refusal) -> DecodedBatch {
    let span = bytes.span
    var rows = RowCollector(columnCount: columnCount, base: bytes.count)
    rows.reserve(rows: min(bytes.count / 48, Int(defaults.batchRowsMax)))
    var start = 0
    var members = JSONMembers()
    while start < bytes.count {
      guard rows.row < defaults.batchRowsMax else { throw tooManyRows() }
      var end = start
      while end < bytes.count, span[end] != 0x0a { end += 1 }
      rows.begin()
      do {
        try members.read(span, start..<end, readers)
      } catch {
        throw Refusal(
          "JSON_SYNTAX",
          "line \(rows.row), byte \(error.offset - start + 1): \(error.message). "
            + "Write one JSON object a line. No row of the batch was taken")
      }
      for index in readers.indices { readJSON(span, members.tokens[index], index, &rows) }
      treatUnknown(span, members, &rows)
      rows.end {
        KeptRow(
          fields: members.tokens.map { Self.text($0, span) },
          captured: source.unknownFields == .ignore ? nil : members.kept(span))
      }
      start = end + 1
    }
    return rows.finish(arena: bytes)
  }

  func readJSON(
    _ span: Bytes, _ token: JSONToken?, _ column: Int, _ rows: inout RowCollector
  ) {
    let reader = readers[column]
    do {
      guard let token, token.kind != .null || reader.column.type == .json else {
        return rows.add(try reader.missing(spill: &rows.spill))
      }
      rows.add(try reader.read(span, token, spill: &rows.spill))
    } catch {
      rows.reject(reader.told(error), column: reader.column.name)
    }
  }

  func treatUnknown(
    _ span: Bytes, _ members: JSONMembers, _ rows: inout RowCollector
  ) {
    switch source.unknownFields {
    case .ignore: break
    case .reject:
      for unknown in members.unknown {
        let name = String(decoding: unknown.key.prefix(64), as: UTF8.self)
        rows.rejectRow("unknown_field", "no column reads the field \"\(name)\"")
      }
    case .capture:
      guard !members.unknown.isEmpty else { return rows.add(.null) }
      do {
        rows.addCaptured(
          try members.captured(span), bytesMax: Int(defaults.stringBytesMax))
      } catch {
        rows.reject(
          FieldFault(
            "type", "an unknown field that is no canonical JSON: whole numbers, texts without NUL"),
          column: Source.captureColumn)
      }
    }
  }

  /// A JSON value as the quarantine table shows it: strings without quotes, others as spelled.
  static func text(_ token: JSONToken?, _ span: Bytes) -> String? {
    guard let token, token.kind != .null else { return nil }
    guard token.kind == .string, let bytes = try? JSONScanner.unescaped(span, token) else {
      return String(decoding: FieldParser.copy(span, token.range), as: UTF8.self)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension ColumnReader {
  /// Reads a JSON value, whose kind must suit the column's type.
  func read(
    _ span: Bytes, _ token: JSONToken, spill: inout Spill
  ) throws(FieldFault) -> Cell {
    if column.type == .json {
      // A string of a json column is a JSON string: its quotes belong to it.
      return try read(span, token.whole, inPlace: false, spill: &spill)
    }
    switch (token.kind, column.type) {
    case (.string, _):
      guard token.escaped else {
        return try read(span, token.range, inPlace: true, spill: &spill)
      }
      do {
        let own = try JSONScanner.unescaped(span, token)
        return try read(.own(own), of: span, spill: &spill)
      } catch let fault as FieldFault {
        throw fault
      } catch {
        throw .type("\(error)")
      }
    case (.number, .int), (.number, .decimal), (.number, .timestamp), (.yes, .bool), (.no, .bool):
      return try read(span, token.range, inPlace: true, spill: &spill)
    default:
      throw .type(
        "\(FieldParser.quoted(span, token.range)) is a JSON \(token.kind.name); "
          + "write \(column.type) as \(column.type.jsonForm)")
    }
  }
}

extension JSONToken.Kind {
  fileprivate var name: String {
    switch self {
    case .string: "string"
    case .number: "number"
    case .yes, .no: "boolean"
    case .null: "null"
    case .composite: "object or array"
    }
  }
}

extension ColumnType {
  fileprivate var jsonForm: String {
    switch self {
    case .text, .uuid, .bytes, .date, .timestamp: "a string"
    case .int: "a number or a string"
    case .decimal: "a string, or a number without exponent"
    case .bool: "true or false"
    case .json: "any JSON"
    }
  }
}

/// The members of one JSON object, by column.
struct JSONMembers {
  /// One for each column; nil where the object has no such member.
  private(set) var tokens: [JSONToken?] = []
  private(set) var unknown: [(key: [UInt8], token: JSONToken)] = []

  mutating func read(
    _ span: Bytes, _ range: Range<Int>, _ readers: [ColumnReader]
  ) throws(JSONFault) {
    tokens.removeAll(keepingCapacity: true)
    for _ in readers { tokens.append(nil) }
    unknown.removeAll(keepingCapacity: true)
    var scanner = JSONScanner(at: range.lowerBound, end: range.upperBound)
    scanner.skipBlanks(span)
    try scanner.expect(UInt8(ascii: "{"), span, "a JSON object")
    scanner.skipBlanks(span)
    var guess = 0
    if scanner.at < scanner.end, span[scanner.at] == UInt8(ascii: "}") {
      scanner.at += 1
    } else {
      while true {
        try member(span, &scanner, readers, &guess)
        scanner.skipBlanks(span)
        guard scanner.at < scanner.end, span[scanner.at] == UInt8(ascii: ",") else { break }
        scanner.at += 1
        scanner.skipBlanks(span)
      }
      try scanner.expect(UInt8(ascii: "}"), span, "a comma or }")
    }
    scanner.skipBlanks(span)
    guard scanner.at == scanner.end else { throw scanner.fault("text follows the object") }
  }

  /// `guess` is the column that most likely comes next: members keep their order over rows.
  private mutating func member(
    _ span: Bytes, _ scanner: inout JSONScanner, _ readers: [ColumnReader],
    _ guess: inout Int
  ) throws(JSONFault) {
    let key = try scanner.string(span)
    let column = try place(of: key, span, readers, guess)
    scanner.skipBlanks(span)
    try scanner.expect(UInt8(ascii: ":"), span, "a colon")
    scanner.skipBlanks(span)
    let token = try scanner.token(span)
    if let column {
      guard tokens[column] == nil else {
        throw scanner.fault("the key \"\(readers[column].column.field)\" stands twice")
      }
      tokens[column] = token
      guess = column + 1
    } else {
      let name = try JSONScanner.unescaped(span, key)
      guard !unknown.contains(where: { $0.key == name }) else {
        throw scanner.fault(
          "the key \"\(String(decoding: name.prefix(64), as: UTF8.self))\" stands twice")
      }
      guard unknown.count < PackageLimits.columnsMax else {
        throw scanner.fault("more than \(PackageLimits.columnsMax) unknown keys")
      }
      unknown.append((name, token))
    }
  }

  private func place(
    of key: JSONToken, _ span: Bytes, _ readers: [ColumnReader], _ guess: Int
  ) throws(JSONFault) -> Int? {
    if key.escaped {
      let name = try JSONScanner.unescaped(span, key)
      return readers.firstIndex { $0.field == name }
    }
    if guess < readers.count, ColumnReader.equal(readers[guess].field, span, key.range) {
      return guess
    }
    for index in readers.indices where ColumnReader.equal(readers[index].field, span, key.range) {
      return index
    }
    return nil
  }

  /// The unknown members as they are spelled, as one JSON object; nil where there are none.
  func kept(_ span: Bytes) -> String? {
    guard !unknown.isEmpty else { return nil }
    var text: [UInt8] = [UInt8(ascii: "{")]
    for (index, member) in unknown.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      CanonicalJSON.quote(member.key, into: &text)
      text.append(UInt8(ascii: ":"))
      text.append(contentsOf: FieldParser.copy(span, member.token.whole))
    }
    text.append(UInt8(ascii: "}"))
    return String(decoding: text, as: UTF8.self)
  }

  /// The unknown members as one canonical JSON object.
  func captured(_ span: Bytes) throws(JSONFault) -> [UInt8] {
    let sorted = unknown.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    var text: [UInt8] = [UInt8(ascii: "{")]
    for (index, member) in sorted.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      CanonicalJSON.quote(member.key, into: &text)
      text.append(UInt8(ascii: ":"))
      if member.token.kind == .string {
        CanonicalJSON.quote(try JSONScanner.unescaped(span, member.token), into: &text)
      } else {
        text.append(contentsOf: try CanonicalJSON.text(span, member.token.range))
      }
    }
    text.append(UInt8(ascii: "}"))
    return text
  }
}
