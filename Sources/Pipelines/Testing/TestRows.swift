import Wire

/// Rows of a test as the batch that a source would send.
struct TestRows {
  let source: Source

  /// - Parameter items: mappings of field or column names to values.
  func encode(_ items: [YAMLValue], _ format: RowFormat, _ fields: Fields) -> [UInt8] {
    var rows: [[(field: String, column: SourceColumn?, value: YAMLValue)]] = []
    for item in items {
      guard
        let row = Fields(
          names: item, "a row of \(source.name)", file: fields.file, faults: fields.faults)
      else { continue }
      rows.append(
        row.entries.map { entry in
          let column =
            source.columns.first { $0.name == entry.key }
            ?? source.columns.first { $0.field == entry.key }
          return (column?.field ?? entry.key, column, entry.value)
        })
    }
    switch format {
    case .ndjson:
      return rows.flatMap { row in
        Self.object(row.map { ($0.field, Self.json($0.value, $0.column?.type)) }) + [0x0a]
      }
    case .csv: return csv(rows)
    }
  }

  // MARK: - JSON

  static func object(_ members: [(name: String, json: [UInt8])]) -> [UInt8] {
    var text: [UInt8] = [UInt8(ascii: "{")]
    for (index, member) in members.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      CanonicalJSON.quote(Array(member.name.utf8), into: &text)
      text.append(UInt8(ascii: ":"))
      text += member.json
    }
    return text + [UInt8(ascii: "}")]
  }

  /// A value of a column as JSON. Values of columns that are not json go as their own text, so
  /// `001` stays what it is; elsewhere plain values are what YAML's core schema says.
  static func json(_ value: YAMLValue, _ type: ColumnType?) -> [UInt8] {
    switch value.content {
    case .list(let items):
      let parts = items.map { json($0, .json) }
      return [UInt8(ascii: "[")] + parts.joined(separator: [UInt8(ascii: ",")])
        + [UInt8(ascii: "]")]
    case .map(let pairs):
      return object(
        pairs.map { pair in
          guard case .scalar(let name, _) = pair.key.content else { return ("", []) }
          return (name, json(pair.value, .json))
        })
    case .scalar(let text, let style):
      if style == .plain {
        if YAMLValue.isNull(text) { return Array("null".utf8) }
        let isTyped = type == nil || type == .json
        if isTyped, text == "true" || text == "false" || String(Int64(text) ?? 0) == text {
          return Array(text.utf8)
        }
      }
      var out: [UInt8] = []
      CanonicalJSON.quote(Array(text.utf8), into: &out)
      return out
    }
  }

  // MARK: - CSV

  private func csv(
    _ rows: [[(field: String, column: SourceColumn?, value: YAMLValue)]]
  ) -> [UInt8] {
    var names = source.columns.map(\.field)
    if source.csv.header {
      let given = Set(rows.joined().map(\.field))
      names = names.filter { given.contains($0) }
      for cell in rows.joined() where !names.contains(cell.field) { names.append(cell.field) }
    }
    var lines: [[UInt8]] =
      source.csv.header ? [line(names.map { Self.quoted(Array($0.utf8)) })] : []
    for row in rows {
      let cells = names.map { name -> [UInt8] in
        guard let cell = row.first(where: { $0.field == name }) else { return null }
        guard case .scalar(let text, let style) = cell.value.content else {
          return Self.quoted(Self.json(cell.value, .json))
        }
        if style == .plain, YAMLValue.isNull(text) { return null }
        return Self.quoted(Array(text.utf8))
      }
      lines.append(line(cells))
    }
    return lines.flatMap { $0 }
  }

  private var null: [UInt8] { Array((source.csv.null.first ?? "").utf8) }

  private func line(_ cells: [[UInt8]]) -> [UInt8] {
    Array(cells.joined(separator: [source.csv.delimiter])) + [0x0a]
  }

  private static func quoted(_ text: [UInt8]) -> [UInt8] {
    let quote = UInt8(ascii: "\"")
    return [quote] + text.flatMap { $0 == quote ? [quote, quote] : [$0] } + [quote]
  }
}
