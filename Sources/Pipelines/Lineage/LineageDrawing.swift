import SQL

/// The lineage of a package as people look at it: lines of text, or a drawing.
///
/// - Bound: grows with the columns and edges of one package.
package struct LineageDrawing: Sendable {
  private let tables: [Table]

  private struct Table: Sendable {
    let name: String
    /// In the order of the table.
    var columns: [(name: String, type: String, from: [Lineage])]
    /// How many tables stand before it on the longest way from the sources.
    var depth = 0
  }

  /// - Precondition: tables come after those that they read.
  package init(_ edges: [ColumnLineage]) {
    var tables: [Table] = []
    for edge in edges {
      if tables.last?.name != edge.table {
        tables.append(Table(name: edge.table, columns: []))
      }
      let last = tables.count - 1
      if tables[last].columns.last?.name != edge.column {
        tables[last].columns.append((edge.column, edge.type, []))
      }
      guard let from = edge.from else { continue }
      tables[last].columns[tables[last].columns.count - 1].from.append(from)
      let before = tables.first { $0.name == from.table }?.depth ?? 0
      tables[last].depth = max(tables[last].depth, before + 1)
    }
    self.tables = tables
  }

  /// A block a table, a line a column: `  total  int  ← bronze_orders.amount`.
  package var text: String {
    var lines: [String] = []
    for table in tables {
      if !lines.isEmpty { lines.append("") }
      lines.append(table.name)
      let width = table.columns.map(\.name.count).max() ?? 0
      let typeWidth = table.columns.map(\.type.count).max() ?? 0
      for column in table.columns {
        let name = padded(column.name, width)
        guard !column.from.isEmpty else {
          lines.append("  \(name)  \(column.type)")
          continue
        }
        let from = column.from.map { "\($0.table).\($0.column)" }.joined(separator: ", ")
        lines.append("  \(name)  \(padded(column.type, typeWidth))  ← \(from)")
      }
    }
    return lines.joined(separator: "\n")
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  // MARK: SVG

  private static let line = 18
  private static let head = 26
  private static let gapAcross = 110
  private static let gapDown = 22
  private static let letter = 7

  private struct Box {
    let table: Table
    let left: Int
    let top: Int
    let width: Int

    var height: Int { LineageDrawing.head + table.columns.count * LineageDrawing.line + 6 }

    func middle(of column: String) -> Int {
      let place = table.columns.firstIndex { $0.name == column } ?? 0
      return top + LineageDrawing.head + place * LineageDrawing.line + LineageDrawing.line / 2
    }
  }

  /// A drawing that any browser shows: tables from left to right, a curve for each edge.
  package var svg: String {
    let boxes = layout()
    let width = (boxes.map { $0.left + $0.width }.max() ?? 0) + 20
    let height = (boxes.map { $0.top + $0.height }.max() ?? 0) + 20
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(width)\" height=\"\(height)\" "
        + "viewBox=\"0 0 \(width) \(height)\" font-family=\"monospace\" font-size=\"12\">",
      "<style>",
      "  .box { fill: #fff; stroke: #667; } .head { fill: #e8ecf4; stroke: #667; }",
      "  .name { font-weight: bold; fill: #223; } .type { fill: #889; }",
      "  .edge { fill: none; stroke: #4a7ab5; stroke-width: 1.2; opacity: .55; }",
      "  .edge:hover { stroke: #c33; stroke-width: 2.5; opacity: 1; }",
      "</style>",
      "<rect width=\"\(width)\" height=\"\(height)\" fill=\"#fafbfc\"/>",
    ]
    for box in boxes { lines += edges(into: box, boxes) }
    for box in boxes { lines += drawn(box) }
    return (lines + ["</svg>", ""]).joined(separator: "\n")
  }

  private func layout() -> [Box] {
    var boxes: [Box] = []
    var left = 20
    for depth in 0...(tables.map(\.depth).max() ?? 0) {
      let column = tables.filter { $0.depth == depth }
      let width = column.map(self.width).max() ?? 0
      var top = 20
      for table in column {
        let box = Box(table: table, left: left, top: top, width: width)
        boxes.append(box)
        top += box.height + Self.gapDown
      }
      left += width + Self.gapAcross
    }
    return boxes
  }

  private func width(_ table: Table) -> Int {
    let widest = table.columns.map { $0.name.count + $0.type.count + 3 }.max() ?? 0
    return max(widest, table.name.count + 2) * Self.letter + 16
  }

  private func edges(into box: Box, _ boxes: [Box]) -> [String] {
    box.table.columns.flatMap { column in
      column.from.compactMap { from -> String? in
        guard let source = boxes.first(where: { $0.table.name == from.table }) else { return nil }
        let (x1, y1) = (source.left + source.width, source.middle(of: from.column))
        let (x2, y2) = (box.left, box.middle(of: column.name))
        let bend = max(40, (x2 - x1) / 2)
        let title = "\(from.table).\(from.column) → \(box.table.name).\(column.name)"
        return "<path class=\"edge\" d=\"M\(x1),\(y1) C\(x1 + bend),\(y1) \(x2 - bend),\(y2) "
          + "\(x2),\(y2)\"><title>\(title)</title></path>"
      }
    }
  }

  private func drawn(_ box: Box) -> [String] {
    let frame = "x=\"\(box.left)\" y=\"\(box.top)\" width=\"\(box.width)\""
    var lines = [
      "<rect class=\"box\" \(frame) height=\"\(box.height)\" rx=\"4\"/>",
      "<rect class=\"head\" \(frame) height=\"\(Self.head - 4)\" rx=\"4\"/>",
      "<text class=\"name\" x=\"\(box.left + 8)\" y=\"\(box.top + 15)\">\(box.table.name)</text>",
    ]
    for column in box.table.columns {
      let y = box.middle(of: column.name) + 4
      lines.append("<text x=\"\(box.left + 8)\" y=\"\(y)\">\(column.name)</text>")
      lines.append(
        "<text class=\"type\" x=\"\(box.left + box.width - 8)\" y=\"\(y)\" "
          + "text-anchor=\"end\">\(column.type)</text>")
    }
    return lines
  }
}
