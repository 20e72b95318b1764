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

/// The indexes that refreshes and tests need, by table.
private struct IndexPlan {
  private var needed: [String: [[String]]] = [:]

  init(_ package: CheckedPackage) {
    for model in package.models {
      if model.model.kind == .snapshot {
        needed[model.name, default: []].append([Model.validTo])
      }
      if let refresh = model.model.refresh {
        needed[model.name, default: []].append(refresh.by)
        for upstream in model.upstreams
        where !model.scopes.contains(where: { $0.upstream == upstream }) {
          need(refresh.by, of: upstream, package)
        }
        for lookup in (model.maps + model.scopes).flatMap(\.query.lookups) {
          guard let upstream = package.upstream(table: lookup.table) else { continue }
          need(lookup.columns, of: upstream, package)
        }
      }
      for test in model.tests {
        switch test.rule {
        case .unique(let columns): needed[model.name, default: []].append(columns)
        case .references(let column, _, _): needed[model.name, default: []].append([column])
        case .notNull, .acceptedValues, .custom: continue
        }
      }
    }
  }

  /// Through views that pass columns on, to the table behind them.
  private mutating func need(_ names: [String], of upstream: Upstream, _ package: CheckedPackage) {
    guard package.has(names, in: upstream) else { return }
    if case .model(let name) = upstream, let model = package.model(name), !model.model.isStored {
      guard model.query?.isRowwise == true else { return }
      for deeper in model.upstreams { need(names, of: deeper, package) }
      return
    }
    needed[upstream.table, default: []].append(names)
  }

  /// Without those that the primary key serves, each once, in one order.
  func wanted(_ table: String, key: [String]) -> [[String]] {
    var result: [[String]] = []
    for columns in needed[table] ?? [] where !result.contains(columns) {
      if Array(key.prefix(columns.count)) != columns { result.append(columns) }
    }
    return result.sorted { $0.lexicographicallyPrecedes($1) }
  }
}
