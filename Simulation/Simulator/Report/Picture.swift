import Wire

/// What became of each view at each replica, as one picture: a row a replica, a column a view.
///
/// - Bound: as many cells as replicas times views; the text shows the last views only.
struct Picture {
  enum Mark: Int, Comparable {
    case absent, catchingUp, notarized, nullified, finalized, back, crash, violation

    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    var sign: Character {
      switch self {
      case .absent: "·"
      case .catchingUp: "~"
      case .notarized: "n"
      case .nullified: "x"
      case .finalized: "F"
      case .back: "^"
      case .crash: "!"
      case .violation: "✗"
      }
    }
  }

  static let columnsMax = 96
  static let viewsMax: UInt64 = 1 << 20
  static let legend =
    "F finalized  x nullified  n notarized only  ! crash  ^ back  ~ catching up  · absent  "
    + "✗ violation"

  var rows: [String] = []
  private var cells: [[Mark]] = []
  private var viewHighest: View = 0

  /// A view has begun, of which nothing is known yet.
  mutating func entered(_ view: View) { viewHighest = max(viewHighest, view) }

  /// The strongest mark of a cell stays.
  mutating func mark(_ row: Int, _ view: View, _ mark: Mark) {
    viewHighest = max(viewHighest, view)
    guard view.number <= Self.viewsMax else { return }
    while cells.count <= row { cells.append([]) }
    let column = Int(view.number)
    while cells[row].count <= column { cells[row].append(.absent) }
    cells[row][column] = max(cells[row][column], mark)
  }

  var text: String {
    let last = (cells.map(\.count).max() ?? 1) - 1
    guard last >= 1 else { return "no view was entered" }
    let first = max(1, last - Self.columnsMax + 1)
    let width = (rows.map(\.count).max() ?? 0) + 1
    var lines = [String(repeating: " ", count: width) + ruler(first, last)]
    if let cut = cut(first, last) { lines.insert(cut, at: 0) }
    for (row, name) in rows.enumerated() {
      var line = name + String(repeating: " ", count: width - name.count)
      for column in first...last {
        let marks = row < cells.count ? cells[row] : []
        line.append((column < marks.count ? marks[column] : .absent).sign)
      }
      lines.append(line)
    }
    lines.append(Self.legend)
    return lines.joined(separator: "\n")
  }

  /// What the picture leaves out; nil when it shows all.
  private func cut(_ first: Int, _ last: Int) -> String? {
    guard first > 1 else { return nil }
    return viewHighest.number > UInt64(last)
      ? "views \(first) to \(last) of \(viewHighest)"
      : "the last \(last - first + 1) of \(last) views"
  }

  /// The number of every tenth view, above its column; of the first one too where there is room.
  private func ruler(_ first: Int, _ last: Int) -> String {
    var line = ""
    var column = first
    while column <= last {
      let number = "\(column)"
      let touches = column == first && column + number.count >= (column / 10 + 1) * 10
      if column % 10 == 0 || column == first && !touches {
        line += number
        column += number.count
      } else {
        line += " "
        column += 1
      }
    }
    return line
  }
}
