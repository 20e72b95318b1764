import Wire

// Rows that a procedure's SELECT emits, and arguments of calls.

extension RowDecoder {
  /// Holds rows of stored values against the contract, as a batch's rows are.
  ///
  /// `columns` names the values of each row; columns of the contract that are not named are
  /// missing. A name that the contract does not have, or a row of another length, is a refusal.
  package func admit(
    columns: [String], rows values: [[StoredValue]]
  ) throws(Refusal) -> DecodedBatch {
    guard values.count <= Int(defaults.batchRowsMax) else { throw tooManyRows() }
    for name in columns where !source.columns.contains(where: { $0.name == name }) {
      throw Refusal("UNKNOWN_COLUMN", "\(source.name) has no column \(name)")
    }
    let places = source.columns.map { column in columns.firstIndex(of: column.name) }
    var rows = RowCollector(columnCount: columnCount, base: 0)
    let noBytes: [UInt8] = []
    for row in values {
      guard row.count == columns.count else {
        throw Refusal(
          "ROW_SHAPE", "a row of \(row.count) values for \(columns.count) columns")
      }
      rows.begin()
      for (index, reader) in readers.enumerated() {
        do {
          let value = places[index].map { row[$0] } ?? .null
          rows.add(try reader.admit(value, spill: &rows.spill))
        } catch {
          rows.reject(reader.told(error), column: reader.column.name)
        }
      }
      if captures { rows.add(.null) }
      endRow(&rows, noBytes.span) {
        KeptRow(
          fields: zip(places, readers).map { place, reader in
            place.flatMap { reader.column.type.text(of: row[$0]) }
          })
      }
    }
    return rows.finish(arena: [])
  }
}

extension RowDecoder {
  /// Bytes that quarantine keeps of one field. No text of a value that the contract takes is
  /// longer: of bytes, two digits each are written, and `0x`.
  package var keptBytesMax: Int { 2 * Int(defaults.stringBytesMax) + 2 }

  /// Decodes rows that a quarantine kept, by the contract as it is now: a field that no column
  /// read when it came may have one.
  ///
  /// - Parameter rows: as many texts each as the contract has columns.
  package func decode(kept rows: [KeptRow]) -> DecodedBatch {
    var arena: [UInt8] = []
    let ranges = rows.map { row in
      let start = arena.count
      arena.append(contentsOf: (row.captured ?? "{}").utf8)
      return start..<arena.count
    }
    let span = arena.span
    var collector = RowCollector(columnCount: columnCount, base: arena.count)
    var members = JSONMembers()
    for (row, range) in zip(rows, ranges) {
      collector.begin()
      do { try members.read(span, range, readers) } catch {
        collector.rejectRow("unknown_field", "the fields that were kept: \(error.message)")
      }
      for (index, text) in row.fields.enumerated() {
        // As it was spelled, where that is kept.
        guard members.tokens[index] == nil, let text else {
          readJSON(span, members.tokens[index], index, &collector)
          continue
        }
        let bytes = Array(text.utf8)
        let reader = readers[index].isTyped(bytes) ? readers[index].standard : readers[index]
        do {
          collector.add(
            try reader.read(
              bytes.span, 0..<bytes.count, inPlace: false, spill: &collector.spill))
        } catch {
          collector.reject(reader.told(error), column: reader.column.name)
        }
      }
      treatUnknown(span, members, &collector)
      collector.end { row }
    }
    return collector.finish(arena: arena)
  }
}

extension ColumnReader {
  /// Holds a stored value against the contract: its class, its range, the column's rules.
  fileprivate func admit(
    _ value: StoredValue, spill: inout Spill
  ) throws(FieldFault) -> Cell {
    guard value != .null else { return try missing(spill: &spill) }
    switch (value, column.type.storage) {
    case (.integer(let number), .integer): try checkRange(number)
    case (.text, .text), (.blob, .blob): break
    default: throw .type("a value of another kind than \(column.type)")
    }
    // Its text in a batch, read back, passes every rule of the column in one place.
    guard let text = column.type.text(of: value) else {
      throw .type("a value that is no \(column.type)")
    }
    let bytes = Array(text.utf8)
    return try standard.read(bytes.span, 0..<bytes.count, inPlace: false, spill: &spill)
  }

  private func checkRange(_ number: Int64) throws(FieldFault) {
    guard column.type.holds(number) else {
      throw .type("\(number) is out of the range of \(column.type)")
    }
  }
}

extension UInt64 {
  static func powerOfTen(_ exponent: UInt8) -> UInt64 {
    var value: UInt64 = 1
    for _ in 0..<Swift.min(exponent, 19) { value *= 10 }
    return value
  }
}

/// Reads the arguments of a procedure or query: a JSON object, one member an argument.
package struct ArgumentDecoder: Sendable {
  package let arguments: [Argument]
  private let decoder: RowDecoder

  package init(_ arguments: [Argument]) throws(Refusal) {
    self.arguments = arguments
    var defaults = Defaults()
    defaults.batchBytesMax = UInt32(Limits.callBodyBytesMax)
    let source = Source(
      name: "arguments", columns: arguments.map { SourceColumn(name: $0.name, type: $0.type) },
      primaryKey: [])
    decoder = try RowDecoder(source: source, defaults: defaults)
  }

  /// - Returns: the stored values in the order of `arguments`; null where it is null.
  /// - Throws: `ARGUMENTS` that names every argument that is missing, unknown or of another type.
  package func decode(_ json: [UInt8]) throws(Refusal) -> [StoredValue] {
    let expected =
      arguments.isEmpty
      ? "it takes none: {}"
      : "it takes " + arguments.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
    guard json.count <= Limits.callBodyBytesMax else {
      throw Refusal("ARGUMENTS", "the arguments have \(json.count) bytes; \(expected)")
    }
    try TextCheck.check(json)
    var members = JSONMembers()
    var rows = RowCollector(columnCount: arguments.count, base: json.count)
    do {
      try members.read(json.span, 0..<json.count, decoder.readers)
    } catch {
      throw Refusal(
        "ARGUMENTS", "byte \(error.offset + 1): \(error.message). Send one JSON object; \(expected)"
      )
    }
    rows.begin()
    for (reader, token) in zip(decoder.readers, members.tokens) {
      guard let token else {
        rows.reject(FieldFault("required", "missing"), column: reader.column.name)
        continue
      }
      guard token.kind != .null || reader.column.type == .json else {
        rows.add(.null)
        continue
      }
      do { rows.add(try reader.read(json.span, token, spill: &rows.spill)) } catch {
        rows.reject(reader.expected(error), column: reader.column.name)
      }
    }
    for unknown in members.unknown {
      rows.rejectRow(
        "unknown_field",
        "no argument is called \"\(String(decoding: unknown.key.prefix(64), as: UTF8.self))\"")
    }
    rows.end { KeptRow(fields: []) }
    let batch = rows.finish(arena: json)
    if let rejected = batch.rejected.first {
      throw Refusal("ARGUMENTS", "\(rejected.errors); \(expected)")
    }
    return batch.row(0)
  }

  /// Reads arguments given by name as `decode(_:)` reads the members of an object: a number is a
  /// JSON number, a text a JSON string, and bytes are a string of hexadecimal digits.
  package func decode(_ given: [(name: String, value: StoredValue)]) throws(Refusal)
    -> [StoredValue]
  {
    let members = given.map { name, value in
      let spelled: [UInt8] =
        switch value {
        case .null: Array("null".utf8)
        case .integer(let number): Array(String(number).utf8)
        case .text(let text): CanonicalJSON.quoted(Array(text.utf8))
        case .blob(let bytes): CanonicalJSON.quoted(Array("0x\(bytes.hex)".utf8))
        }
      return (key: Array(name.utf8), value: spelled)
    }
    return try decode(CanonicalJSON.object(members))
  }
}

extension ColumnReader {
  /// The fault of an argument: what was expected, and nothing of what was sent, since anybody may
  /// read it in a receipt.
  fileprivate func expected(_ fault: FieldFault) -> FieldFault {
    switch fault.rule {
    case "max_bytes": fault
    case "nfc": FieldFault("nfc", "not in Unicode form NFC; normalize it (QD24)")
    default:
      FieldFault(
        fault.rule, "no \(column.type), which is written \(column.type.argumentForm)",
        hazard: fault.hazard)
    }
  }
}

extension ColumnType {
  /// How JSON spells one, for messages.
  fileprivate var argumentForm: String {
    switch self {
    case .text: "as a string"
    case .int: "as a whole number of 64 bits"
    case .decimal(let precision, let scale):
      "with at most \(precision - scale) digits before the point and \(scale) after it"
    case .date: "\"2026-01-31\""
    case .timestamp: "\"2026-01-31T10:00:00Z\""
    case .bool: "true or false"
    case .uuid: "\"123e4567-e89b-12d3-a456-426614174000\""
    case .bytes: "\"0x00ff\""
    case .json: "with whole numbers of 64 bits, and with no key twice"
    }
  }
}
