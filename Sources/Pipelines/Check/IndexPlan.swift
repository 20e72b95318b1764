import SQL

/// The indexes that refreshes and tests need, by table.
package struct IndexPlan {
  private var needed: [String: [[String]]] = [:]

  package init(_ package: CheckedPackage) {
    self.init(package, CheckWork(stepsMax: .max))
  }

  /// - Parameter work: what is charged for the columns that are looked for; once it is spent, the
  ///   plan is left incomplete.
  init(_ package: CheckedPackage, _ work: CheckWork) {
    for model in package.models {
      if model.model.kind == .snapshot {
        needed[model.name, default: []].append([Model.validTo])
      }
      if let refresh = model.model.refresh {
        needed[model.name, default: []].append(refresh.by)
        for upstream in model.upstreams
        where !model.scopes.contains(where: { $0.upstream == upstream }) {
          need(refresh.by, of: upstream, package, work)
        }
        for lookup in (model.maps + model.scopes).flatMap(\.query.lookups) {
          guard let upstream = package.upstream(table: lookup.table) else { continue }
          need(lookup.columns, of: upstream, package, work)
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
  private mutating func need(
    _ names: [String], of upstream: Upstream, _ package: CheckedPackage, _ work: CheckWork
  ) {
    guard !work.isSpent else { return }
    let width = package.columns(of: upstream).count
    work.charge(package.models.count + (4 + names.count) * width)
    guard package.has(names, in: upstream) else { return }
    if case .model(let name) = upstream, let model = package.model(name), !model.model.isStored {
      guard model.query?.isRowwise == true else { return }
      for deeper in model.upstreams { need(names, of: deeper, package, work) }
      return
    }
    needed[upstream.table, default: []].append(names)
  }

  /// Without those that the primary key serves, each once, in one order.
  package func wanted(_ table: String, key: [String]) -> [[String]] {
    var result: [[String]] = []
    var seen: Set<[String]> = []
    for columns in needed[table] ?? [] where seen.insert(columns).inserted {
      if Array(key.prefix(columns.count)) != columns { result.append(columns) }
    }
    return result.sorted { $0.lexicographicallyPrecedes($1) }
  }
}

extension CheckedPackage {
  /// The columns of an upstream, in order.
  package func columns(of upstream: Upstream) -> [ColumnShape] {
    switch upstream {
    case .source(let name): source(name)?.source.shape.columns ?? []
    case .model(let name): model(name)?.shape.columns ?? []
    }
  }

  /// The source or model whose rows this table or view holds.
  package func upstream(table: String) -> Upstream? {
    if model(table) != nil { return .model(table) }
    return sources.first { $0.source.bronzeTable == table }.map { .source($0.source.name) }
  }

  package func has(_ names: [String], in upstream: Upstream) -> Bool {
    let columns = columns(of: upstream)
    return names.allSatisfy { name in columns.contains { $0.name == name } }
  }
}
