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

  /// All tables of a package, in one canonical order.
  static func all(of package: Package) -> [TablePlan] {
    var plans: [TablePlan] = []
    for source in package.sources {
      let columns = SourcePlan.bronzeColumns(of: source)
      plans.append(
        TablePlan(
          name: source.bronzeTable, columns: columns,
          key: source.primaryKey.compactMap { name in columns.firstIndex { $0.name == name } },
          indexes: [], source: source.name))
      plans.append(
        TablePlan(
          name: source.quarantineTable, columns: SourcePlan.quarantineColumns(of: source),
          key: SourcePlan.quarantineKey(of: source), indexes: [], source: source.name))
    }
    return plans
  }
}
