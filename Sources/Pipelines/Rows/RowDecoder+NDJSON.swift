import Wire

// Batches with one JSON object a line, and JSON objects of arguments.

extension RowDecoder {
  func decodeNDJSON(_ bytes: [UInt8]) throws(Refusal) -> DecodedBatch {
    let span = bytes.span
    var rows = RowCollector(columnCount: columnCount, base: bytes.count)
    rows.reserve(rows: min(bytes.count / 48, Int(defaults.batchRowsMax)))
    var start = 0
    var line = 0
    var members = JSONMembers()
    while start < bytes.count {
      line += 1
      var end = start
      while end < bytes.count, span[end] != 0x0a { end += 1 }
      // An empty line is no row.
      guard end > start, end > start + 1 || span[start] != 0x0d else {
        start = end + 1
        continue
      }
      guard rows.row < defaults.batchRowsMax else { throw tooManyRows() }
      rows.begin()
      do {
        try members.read(span, start..<end, readers)
      } catch {
        throw Refusal(
          "JSON_SYNTAX",
          "line \(line), byte \(error.offset - start + 1): \(error.message). "
            + "Write one JSON object a line. No row of the batch was taken")
      }
      for index in readers.indices { readJSON(span, members.tokens[index], index, &rows) }
      treatUnknown(span, members, &rows)
      endRow(&rows, span) { kept(span, members) }
      start = end + 1
    }
    guard rows.row > 0 else {
      throw Refusal("EMPTY_BATCH", "the batch has empty lines alone; send at least one row")
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

  private func kept(_ span: Bytes, _ members: JSONMembers) -> KeptRow {
    var apart = source.unknownFields == .ignore ? [] : members.unknown
    for (reader, token) in zip(readers, members.tokens) {
      if let token, !reader.isTold(span, token) { apart.append((reader.field, token)) }
    }
    let spelled = apart.map { (key: $0.key, value: FieldParser.copy(span, $0.token.whole)) }
    return KeptRow(
      fields: zip(readers, members.tokens).map { $0.text(span, $1) },
      captured: spelled.isEmpty
        ? nil : String(decoding: CanonicalJSON.object(spelled), as: UTF8.self))
  }
}

extension ColumnReader {
  /// A JSON value as the quarantine table shows it: strings without quotes, unless the column holds
  /// JSON; others as spelled.
  fileprivate func text(_ span: Bytes, _ token: JSONToken?) -> String? {
    guard let token else { return nil }
    if column.type == .json {
      return String(decoding: FieldParser.copy(span, token.whole), as: UTF8.self)
    }
    return token.kind == .null ? nil : String(decoding: Self.bytes(span, token), as: UTF8.self)
  }

  private static func bytes(_ span: Bytes, _ token: JSONToken) -> [UInt8] {
    guard token.kind == .string, let bytes = try? JSONScanner.unescaped(span, token) else {
      return FieldParser.copy(span, token.range)
    }
    return bytes
  }

  /// Whether the text of a JSON value is read as the value itself is.
  fileprivate func isTold(_ span: Bytes, _ token: JSONToken) -> Bool {
    switch token.kind {
    case .null: true
    case _ where column.type == .json: true
    case .string: !isTyped(Self.bytes(span, token))
    default: suits(token.kind)
    }
  }

  /// Whether a JSON value that is no string may stand for one of the column.
  private func suits(_ kind: JSONToken.Kind) -> Bool {
    switch (kind, column.type) {
    case (.number, .int), (.number, .decimal), (.number, .timestamp), (.yes, .bool), (.no, .bool):
      true
    default: false
    }
  }

  /// Reads a JSON value, whose kind must suit the column's type.
  func read(
    _ span: Bytes, _ token: JSONToken, spill: inout Spill
  ) throws(FieldFault) -> Cell {
    if column.type == .json {
      // A string of a json column is a JSON string: its quotes belong to it.
      return try read(span, token.whole, inPlace: false, spill: &spill)
    }
    guard token.kind == .string else {
      guard suits(token.kind) else {
        throw .type(
          "\(FieldParser.quoted(span, token.range)) is a JSON \(token.kind.name); "
            + "write \(column.type) as \(column.type.jsonForm)")
      }
      return try read(span, token.range, inPlace: true, spill: &spill)
    }
    guard token.escaped else { return try read(span, token.range, inPlace: true, spill: &spill) }
    do {
      let own = try JSONScanner.unescaped(span, token)
      return try read(.own(own), of: span, spill: &spill)
    } catch let fault as FieldFault {
      throw fault
    } catch {
      throw .type("\(error)")
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

  /// The unknown members as one canonical JSON object.
  func captured(_ span: Bytes) throws(JSONFault) -> [UInt8] {
    var members: [(key: [UInt8], value: [UInt8])] = []
    for (key, token) in unknown.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      members.append((key, try CanonicalJSON.text(span, token.whole)))
    }
    return CanonicalJSON.object(members)
  }
}
