import Wire

/// Where the rows of one source went, as programs read it.
struct SourceRows: Encodable {
  let source: String
  /// By outcome: accepted, duplicate, dropped, quarantined, released, late, rejected.
  let rows: [String: UInt64]
  let expectations: [Line]

  struct Line: Encodable {
    let name: String
    let action: String
    let checked: UInt64
    let violated: UInt64
  }

  init(_ counts: SourceCounts) {
    source = counts.source
    rows = Dictionary(uniqueKeysWithValues: counts.outcomes.map { ($0.name, $0.rows) })
    expectations = counts.expectations.map {
      Line(name: $0.name, action: $0.action, checked: $0.checked, violated: $0.violated)
    }
  }

  /// A table of rows, and one of expectations; nil where there is no source.
  static func text(of all: [SourceCounts]) -> String? {
    guard let first = all.first else { return nil }
    let rows = Terminal.table(
      ["source"] + first.outcomes.map(\.name),
      all.map { counts in [counts.source] + counts.outcomes.map { grouped($0.rows) } })
    let lines = all.flatMap { counts in
      counts.expectations.map {
        [counts.source, $0.name, $0.action, grouped($0.checked), grouped($0.violated)]
      }
    }
    guard !lines.isEmpty else { return rows }
    return rows + "\n\n"
      + Terminal.table(["source", "expectation", "action", "checked", "violated"], lines)
  }
}
