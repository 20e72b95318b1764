import SQL

/// Where the columns of a package's tables come from, as its parsed SELECTs say it.
package struct ColumnLineage: Sendable, Hashable {
  /// In SQLite: a model's name, `bronze_orders` for a source.
  package let table: String
  package let column: String
  /// As a contract spells it.
  package let type: String
  /// One column that takes part in its values; nil where none does: sources, seeds, constants.
  package let from: Lineage?

  package init(table: String, column: String, type: String, from: Lineage?) {
    self.table = table
    self.column = column
    self.type = type
    self.from = from
  }
}

extension CheckedPackage {
  /// One entry for each column and each column that it comes from directly: sources first, then
  /// models after what they read.
  package var lineage: [ColumnLineage] {
    var edges: [ColumnLineage] = []
    for source in package.sources {
      for column in source.storedColumns {
        edges.append(
          ColumnLineage(
            table: source.bronzeTable, column: column.name, type: column.type.description,
            from: nil))
      }
    }
    for model in models {
      for (index, column) in model.columns.enumerated() {
        let all = model.query?.columns
        let origins = all.flatMap { index < $0.count ? $0[index].lineage : nil } ?? []
        let type = column.type.description
        guard !origins.isEmpty else {
          edges.append(
            ColumnLineage(table: model.name, column: column.name, type: type, from: nil))
          continue
        }
        for origin in origins {
          edges.append(
            ColumnLineage(table: model.name, column: column.name, type: type, from: origin))
        }
      }
    }
    return edges
  }
}
