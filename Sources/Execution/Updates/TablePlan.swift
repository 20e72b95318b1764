import Certification
import Pipelines
import Wire

/// A table that a package wants.
struct TablePlan: Hashable {
  let name: String
  let columns: [TableSchema.Column]
  let key: [Int]
  let indexes: [[String]]
  /// The source whose rows it keeps; nil where it is derived and may be computed again.
  let source: String?
  /// Whether its rows cannot be computed again.
  var keepsRows: Bool

  /// All tables of a package, in one canonical order.
  static func all(of package: CheckedPackage) -> [TablePlan] {
    let indexes = IndexPlan(package)
    var plans: [TablePlan] = []
    for source in package.package.sources {
      let columns = SourcePlan.bronzeColumns(of: source)
      let key = places(source.primaryKey, in: columns)
      plans.append(
        TablePlan(
          name: source.bronzeTable, columns: columns, key: key,
          indexes: indexes.wanted(source.bronzeTable, key: source.primaryKey),
          source: source.name, keepsRows: true))
      plans.append(
        TablePlan(
          name: source.quarantineTable, columns: SourcePlan.quarantineColumns(of: source),
          key: SourcePlan.quarantineKey(of: source),
          indexes: source.recheck.isEmpty ? [] : [["_released_by"]], source: source.name,
          keepsRows: true))
    }
    let stored = package.models.filter(\.model.isStored).sorted { $0.name < $1.name }
    for model in stored {
      let columns = model.columns.map { column in
        TableSchema.Column(
          name: column.name, type: column.type.proven,
          nullable: column.nullable && !model.primaryKey.contains(column.name),
          personal: column.pii != nil)
      }
      plans.append(
        TablePlan(
          name: model.name, columns: columns, key: places(model.primaryKey, in: columns),
          indexes: indexes.wanted(model.name, key: model.primaryKey), source: nil,
          keepsRows: model.model.kind == .snapshot))
    }
    return plans
  }

  private static func places(_ names: [String], in columns: [TableSchema.Column]) -> [Int] {
    names.compactMap { name in columns.firstIndex { $0.name == name } }
  }
}
