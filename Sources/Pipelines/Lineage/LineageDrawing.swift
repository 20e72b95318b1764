import SQL

/// The lineage of a package as people look at it: lines of text, or a drawing.
///
/// - Bound: grows with the columns and edges of one package.
package struct LineageDrawing: Sendable {
  private let nodes: [Node]

  private struct Column: Sendable {
    let name: String
    let type: String
    var from: [Lineage] = []
    /// What only decides of which rows, and in which order, its values are made.
    var by: [Lineage] = []

    /// `orders.amount by orders.day`.
    var origins: String {
      func listed(_ names: [Lineage]) -> String {
        names.map { "\($0.table).\($0.column)" }.joined(separator: ", ")
      }
      return [listed(from), by.isEmpty ? "" : "by \(listed(by))"].filter { !$0.isEmpty }
        .joined(separator: " ")
    }
  }

  private struct Node: Sendable {
    let kind: ColumnLineage.Kind
    let name: String
    /// The table that takes its rows.
    let into: String?
    /// In the order of the table.
    var columns: [Column]
    /// How many tables stand before it on the longest way from the sources.
    var depth = 0

    /// Tables are known by their names.
    var label: String { kind.isTable ? "" : kind.rawValue }
  }

  /// - Precondition: tables come after those that they read, and before all that is no table.
  package init(_ edges: [ColumnLineage]) {
    var nodes: [Node] = []
    for edge in edges {
      if nodes.last?.name != edge.table || nodes.last?.kind != edge.kind {
        nodes.append(Node(kind: edge.kind, name: edge.table, into: edge.into, columns: []))
        // What it fills stands left of it.
        if edge.into != nil { nodes[nodes.count - 1].depth = 1 }
      }
      let last = nodes.count - 1
      if nodes[last].columns.last?.name != edge.column {
        nodes[last].columns.append(Column(name: edge.column, type: edge.type))
      }
      guard let from = edge.from else { continue }
      let column = nodes[last].columns.count - 1
      switch edge.influence {
      case .direct: nodes[last].columns[column].from.append(from)
      case .indirect: nodes[last].columns[column].by.append(from)
      }
      let before = nodes.first { $0.kind.isTable && $0.name == from.table }?.depth ?? 0
      nodes[last].depth = max(nodes[last].depth, before + 1)
    }
    self.nodes = nodes
  }

  /// A block a table, query, procedure or metric, a line a column:
  /// `  total  int  ← bronze_orders.amount by bronze_orders.day`.
  package var text: String {
    var lines: [String] = []
    for node in nodes {
      if !lines.isEmpty { lines.append("") }
      let head = node.label.isEmpty ? node.name : "\(node.label) \(node.name)"
      lines.append(head + (node.into.map { " → \($0)" } ?? ""))
      let width = node.columns.map(\.name.count).max() ?? 0
      let typeWidth = node.columns.map(\.type.count).max() ?? 0
      for column in node.columns {
        let name = padded(column.name, width)
        let origins = column.origins
        guard !origins.isEmpty else {
          lines.append("  \(name)  \(column.type)")
          continue
        }
        lines.append("  \(name)  \(padded(column.type, typeWidth))  ← \(origins)")
      }
    }
    return lines.joined(separator: "\n")
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  // MARK: SVG

  /// What the drawing is fitted into, a window of 1,400 with its scroll bar: gaps shrink first,
  /// then everything.
  private static let page = 1_380
  private static let edge = 20
  private static let line = 18
  private static let head = 26
  private static let gapAcross = 40...110
  private static let gapDown = 22

  private struct Box {
    let node: Node
    let left: Int
    let top: Int
    let width: Int

    var right: Int { left + width }
    var height: Int { LineageDrawing.head + node.columns.count * LineageDrawing.line + 6 }

    /// Of a column's line; of the head for what is no column: the rows as a whole.
    func middle(of column: String) -> Int {
      guard let place = node.columns.firstIndex(where: { $0.name == column }) else {
        return top + LineageDrawing.head / 2
      }
      return top + LineageDrawing.head + place * LineageDrawing.line + LineageDrawing.line / 2
    }
  }

  /// A drawing that any browser shows: tables from left to right, and what reads them behind them;
  /// a curve for each edge, dotted where a column only decides of which rows and in which order,
  /// dashed from a procedure back to the source that takes its rows.
  package var svg: String {
    let boxes = layout()
    let width = (boxes.map(\.right).max() ?? 0) + Self.edge
    let height = (boxes.map { $0.top + $0.height }.max() ?? 0) + Self.edge
    let shown = min(width, Self.page)
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(shown)\" "
        + "height=\"\(height * shown / width)\" viewBox=\"0 0 \(width) \(height)\" "
        + "font-family=\"monospace\" font-size=\"12\">",
      "<style>",
      "  .box { fill: #fff; stroke: #667; } .head { stroke: #667; } text { fill: #223; }",
      "  .source { fill: #e3f1e6; } .model { fill: #e8ecf4; } .procedure { fill: #f4e4ef; }",
      "  .query { fill: #f7eeda; } .metric { fill: #e0f0f2; }",
      "  .name { font-weight: bold; } .type { fill: #556; }",
      "  .edge, .by, .into { fill: none; stroke: #4a7ab5; stroke-width: 1.2; opacity: .55; }",
      "  .by { stroke-dasharray: 1 3; }",
      "  .into { stroke: #a3407f; stroke-dasharray: 5 3; }",
      "  .edge:hover, .by:hover, .into:hover { stroke: #c33; stroke-width: 2.5; opacity: 1; }",
      "</style>",
      "<rect width=\"\(width)\" height=\"\(height)\" fill=\"#fafbfc\"/>",
    ]
    for box in boxes { lines += edges(into: box, boxes) + emission(of: box, boxes) }
    for box in boxes { lines += drawn(box) }
    return (lines + ["</svg>", ""]).joined(separator: "\n")
  }

  private func layout() -> [Box] {
    let columns = (0...(nodes.map(\.depth).max() ?? 0)).map { depth in
      nodes.filter { $0.depth == depth }
    }
    let widths = columns.map { $0.map(width).max() ?? 0 }
    let free = Self.page - 2 * Self.edge - widths.reduce(0, +)
    let gap = min(
      Self.gapAcross.upperBound, max(Self.gapAcross.lowerBound, free / max(1, columns.count - 1)))
    var boxes: [Box] = []
    var left = Self.edge
    for (column, width) in zip(columns, widths) {
      var top = Self.edge
      for node in column {
        let box = Box(node: node, left: left, top: top, width: width)
        boxes.append(box)
        top += box.height + Self.gapDown
      }
      left += width + gap
    }
    return boxes
  }

  private func width(_ node: Node) -> Int {
    let widest = node.columns.map { $0.name.count + $0.type.count }.max() ?? 0
    // A letter of 12 points takes 7.2.
    return (max(widest, node.name.count + node.label.count) + 3) * 73 / 10 + 16
  }

  private func edges(into box: Box, _ boxes: [Box]) -> [String] {
    box.node.columns.flatMap { column in
      curves("edge", column.from, into: column, of: box, boxes)
        + curves("by", column.by, into: column, of: box, boxes)
    }
  }

  private func curves(
    _ style: String, _ origins: [Lineage], into column: Column, of box: Box, _ boxes: [Box]
  ) -> [String] {
    origins.compactMap { from in
      guard let source = Self.table(from.table, boxes) else { return nil }
      return Self.curve(
        style, source.right, source.middle(of: from.column), box.left, box.middle(of: column.name),
        "\(from.table).\(from.column) → \(box.node.name).\(column.name)")
    }
  }

  private func emission(of box: Box, _ boxes: [Box]) -> [String] {
    guard let into = box.node.into, let target = Self.table(into, boxes) else { return [] }
    return box.node.columns.map { column in
      // Beside the edge that may lead the other way.
      Self.curve(
        "into", target.right, target.middle(of: column.name) + 4, box.left,
        box.middle(of: column.name) + 4,
        "\(box.node.name).\(column.name) → \(into).\(column.name)")
    }
  }

  private static func table(_ name: String, _ boxes: [Box]) -> Box? {
    boxes.first { $0.node.kind.isTable && $0.node.name == name }
  }

  private static func curve(
    _ style: String, _ x1: Int, _ y1: Int, _ x2: Int, _ y2: Int, _ title: String
  ) -> String {
    let bend = max(30, (x2 - x1) / 2)
    return "<path class=\"\(style)\" d=\"M\(x1),\(y1) C\(x1 + bend),\(y1) \(x2 - bend),\(y2) "
      + "\(x2),\(y2)\"><title>\(escaped(title))</title></path>"
  }

  private func drawn(_ box: Box) -> [String] {
    let node = box.node
    let frame = "x=\"\(box.left)\" y=\"\(box.top)\" width=\"\(box.width)\""
    let about = "\(node.kind.rawValue) \(node.name)" + (node.into.map { " → \($0)" } ?? "")
    var lines = [
      "<g><title>\(Self.escaped(about))</title>",
      "<rect class=\"box\" \(frame) height=\"\(box.height)\" rx=\"4\"/>",
      "<rect class=\"head \(node.kind.rawValue)\" \(frame) height=\"\(Self.head - 4)\" rx=\"4\"/>",
      Self.word("name", box.left + 8, box.top + 15, node.name),
    ]
    if !node.label.isEmpty {
      lines.append(Self.word("type", box.right - 8, box.top + 15, node.label, isEnd: true))
    }
    for column in node.columns {
      let y = box.middle(of: column.name) + 4
      lines.append(Self.word("column", box.left + 8, y, column.name))
      lines.append(Self.word("type", box.right - 8, y, column.type, isEnd: true))
    }
    return lines + ["</g>"]
  }

  private static func word(
    _ style: String, _ x: Int, _ y: Int, _ text: String, isEnd: Bool = false
  ) -> String {
    "<text class=\"\(style)\" x=\"\(x)\" y=\"\(y)\"\(isEnd ? " text-anchor=\"end\"" : "")>"
      + "\(escaped(text))</text>"
  }

  /// Results may have names that mean something in XML.
  private static func escaped(_ text: String) -> String {
    // By scalars: with a mark behind it, a sign is another character, and the same to XML.
    text.unicodeScalars.map { scalar in
      switch scalar {
      case "&": "&amp;"
      case "<": "&lt;"
      default: String(scalar)
      }
    }.joined()
  }
}
