import Foundation
import Wire

extension CatalogEntry {
  /// Its name, its columns or arguments, and who may use it.
  var signature: String {
    let fields = fields.map { "\($0.name): \($0.type)" }.joined(separator: ", ")
    return "\(name)(\(fields))  for \(allow.isEmpty ? "owner" : allow.joined(separator: ", "))"
  }
}

/// What may be asked of a pipeline by its name.
struct QueryList: Encodable {
  struct Entry: Encodable {
    let name: String
    /// Types by names.
    let arguments: [String: String]
    let allow: [String]
    let about: String
  }

  let queries: [Entry]
  let metrics: [Entry]

  init(_ pipeline: CatalogPipeline) {
    queries = pipeline.queries.map { query in
      Entry(
        name: query.name,
        arguments: Dictionary(query.fields.map { ($0.name, $0.type) }) { first, _ in first },
        allow: query.allow, about: query.about)
    }
    metrics = pipeline.metrics.map {
      Entry(name: $0.name, arguments: [:], allow: $0.allow, about: $0.about)
    }
  }

  static func text(of pipeline: CatalogPipeline) -> String {
    var lines: [String] = []
    for (title, entries) in [("queries", pipeline.queries), ("metrics", pipeline.metrics)]
    where !entries.isEmpty {
      lines.append(title)
      lines += entries.map { "  \($0.signature)" + ($0.about.isEmpty ? "" : "  \($0.about)") }
    }
    if lines.isEmpty { lines.append("\(pipeline.name) has no query and no metric.") }
    if let query = pipeline.queries.first {
      lines.append("Ask one: \(query.command(of: pipeline.name))")
    }
    let tables = pipeline.tables.map(\.name).prefix(8).joined(separator: ", ")
    if !tables.isEmpty {
      lines.append(
        "Its owner and roles ask anything of its tables with --sql 'select …': \(tables)"
          + (pipeline.tables.count > 8 ? ", …" : ""))
    }
    return lines.joined(separator: "\n")
  }
}

extension CatalogEntry {
  /// The command that asks this query, with every argument.
  func command(of pipeline: String) -> String {
    "quorate query \(pipeline) \(name)" + fields.map { " --arg \($0.name)=VALUE" }.joined()
  }
}
