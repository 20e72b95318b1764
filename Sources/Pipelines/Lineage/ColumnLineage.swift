import SQL

/// Where the columns of a package's tables, and of what reads them, come from, as its parsed
/// SELECTs say it.
package struct ColumnLineage: Sendable, Hashable {
  package enum Kind: String, Sendable {
    case source
    case model
    case procedure
    case query
    case metric

    /// Whether others may read it.
    var isTable: Bool { self == .source || self == .model }
  }

  /// How a column comes in.
  package enum Influence: String, Sendable {
    /// Its values take part, as arguments, as results, or as what a CASE chooses by; a mark `pii:`
    /// goes on.
    case direct
    /// It only decides of which rows, and in which order, the values are made: in OVER, in FILTER,
    /// in the conditions of inner SELECTs. What decides which rows there are at all (WHERE, JOIN,
    /// GROUP BY, HAVING) is no column's own, and is not told.
    case indirect
  }

  package let kind: Kind
  /// In SQLite: a model's name, `bronze_orders` for a source; the name of any other part.
  package let table: String
  package let column: String
  /// As a contract spells it.
  package let type: String
  /// One column that takes part in its values, or `*` where rows are counted and no value of
  /// theirs is shown; nil where none does: sources, seeds, constants.
  package let from: Lineage?
  package let influence: Influence
  /// The table that takes a procedure's rows; nil of all others.
  package let into: String?

  package init(
    kind: Kind, table: String, column: String, type: String, from: Lineage?,
    influence: Influence = .direct, into: String? = nil
  ) {
    self.kind = kind
    self.table = table
    self.column = column
    self.type = type
    self.from = from
    self.influence = influence
    self.into = into
  }
}

extension CheckedPackage {
  /// One entry for each column and each column of a table that it comes from, the direct ones
  /// first: sources first, then models after what they read, then procedures, queries and metrics.
  package var lineage: [ColumnLineage] {
    var edges: [ColumnLineage] = []
    for source in package.sources {
      for column in source.storedColumns {
        edges.append(
          ColumnLineage(
            kind: .source, table: source.bronzeTable, column: column.name,
            type: column.type.description, from: nil))
      }
    }
    for model in models {
      edges += Self.edges(
        .model, model.name, model.columns.map { ($0.name, $0.type.description) }, model.query,
        model.upstreams)
    }
    for checked in procedures {
      let target = package.source(checked.procedure.emit)
      let columns = checked.query.columns.map {
        ($0.name, target?.column($0.name)?.type.description ?? $0.type.description)
      }
      edges += Self.edges(
        .procedure, checked.name, columns, checked.query, checked.upstreams,
        into: target?.bronzeTable)
    }
    for query in queries {
      edges += Self.edges(
        .query, query.name, query.columns.map { ($0.name, $0.type.description) }, query.select,
        query.upstreams)
    }
    for metric in metrics {
      let columns = metric.select.columns.map {
        ($0.name, ColumnType($0.type)?.description ?? $0.type.description)
      }
      edges += Self.edges(.metric, metric.name, columns, metric.select, metric.upstreams)
    }
    return edges
  }

  private static func edges(
    _ kind: ColumnLineage.Kind, _ name: String, _ columns: [(name: String, type: String)],
    _ query: CheckedQuery?, _ upstreams: [Upstream], into: String? = nil
  ) -> [ColumnLineage] {
    let results = query?.columns ?? []
    let origins = columns.indices.map { $0 < results.count ? results[$0].lineage : [] }
    let isOfRows = origins.allSatisfy(\.isEmpty)
    let rows = isOfRows ? upstreams.map { Lineage(table: $0.table, column: "*") } : []
    return columns.indices.flatMap { index -> [ColumnLineage] in
      let direct = origins[index].isEmpty ? rows : origins[index]
      let indirect = index < results.count ? results[index].indirect : []
      let shown = Set(direct)
      func entry(_ from: Lineage?, _ influence: ColumnLineage.Influence) -> ColumnLineage {
        ColumnLineage(
          kind: kind, table: name, column: columns[index].name, type: columns[index].type,
          from: from, influence: influence, into: into)
      }
      let all =
        direct.map { entry($0, .direct) }
        + indirect.filter { !shown.contains($0) }.map { entry($0, .indirect) }
      return all.isEmpty ? [entry(nil, .direct)] : all
    }
  }
}
