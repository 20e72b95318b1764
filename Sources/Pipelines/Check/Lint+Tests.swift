import SQL
import Wire

// What a package says must hold of its models.

extension Lint {
  mutating func checkTests(at place: Int) {
    let model = models[place]
    let part = "model:\(model.name)"
    var queries: [String: CheckedQuery] = [:]
    let custom = model.model.tests.compactMap { test in
      if case .custom(let name, _) = test.rule { name } else { nil }
    }
    for name in Self.twins(custom) { fault(part, "the test \(name) stands twice") }
    var tests: [CheckedTest] = []
    for test in model.model.tests {
      guard let rule = checked(test.rule, of: model, part, &queries) else { continue }
      refuseChangers(of: test, rule, queries, in: model.name)
      tests.append(CheckedTest(rule, severity: test.severity))
    }
    models[place].tests = tests
    models[place].testQueries = queries
  }

  private mutating func checked(
    _ rule: ModelTest.Rule, of model: CheckedModel, _ part: String,
    _ queries: inout [String: CheckedQuery]
  ) -> CheckedTest.Rule? {
    let names = model.columns.map(\.name)
    switch rule {
    case .unique(let columns):
      checkColumns(columns, among: names, "unique", part)
      if columns.isEmpty { fault(part, "unique: names no column") }
      return .unique(columns)
    case .notNull(let columns):
      checkColumns(columns, among: names, "not_null", part)
      return .notNull(columns)
    case .acceptedValues(let column, let values):
      checkColumns([column], among: names, "accepted_values", part)
      guard let type = model.column(column)?.type else { return nil }
      checkListed(values, part)
      return .acceptedValues(column: column, values: stored(values, type, part))
    case .references(let column, let other):
      checkColumns([column], among: names, "references", part)
      guard let target = target(of: column, in: other, part) else { return nil }
      if let own = model.column(column)?.type.sqlType,
        let their = models.first(where: { $0.name == other })?.column(target)?.type.sqlType,
        own.clashes(with: their) || own.family != their.family
      {
        fault(
          part,
          "references: \(column) is \(own), and \(other).\(target) is \(their), so equal values "
            + "are stored differently", fix: "cast one of them, so that both are of one type")
      }
      return .references(column: column, model: other, target: target)
    case .custom(let name, let sql):
      checkName(name, part)
      let upstreams = upstreams(of: sql)
      let ofChanged = Gate.readsChanged(sql, work)
      let changed = TableShape(name: "changed", columns: model.shape.columns, keys: [])
      guard let query = checked(sql, .test, catalog(for: nil, changed: changed)) else {
        return nil
      }
      guard ofChanged || upstreams.contains(.model(model.name)) else {
        fault(
          part, "the test \(name) does not read \(model.name)",
          fix: "select … from {{ ref('\(model.name)') }} where …")
        return nil
      }
      queries[name] = query
      return .custom(name: name, upstreams: upstreams, ofChanged: ofChanged)
    }
  }

  /// Listed values stand as they are in a statement of ours.
  private mutating func checkListed(_ values: [String], _ part: String) {
    if values.contains(where: { $0.utf8.contains(0) }) {
      fault(part, "accepted_values: a value holds a NUL, which no text may hold (QD24)")
    }
    let bytes = values.reduce(0) { $0 + $1.utf8.count }
    guard bytes > PackageLimits.testValuesBytesMax else { return }
    fault(
      part,
      "accepted_values: the values have \(bytes) bytes together; at most "
        + "\(PackageLimits.testValuesBytesMax) are allowed",
      fix: "keep them in a seed, and test with references:")
  }

  private mutating func stored(
    _ values: [String], _ type: ColumnType, _ part: String
  ) -> [StoredValue] {
    var stored: [StoredValue] = []
    for value in values {
      do {
        stored.append(try type.value(of: value))
      } catch {
        fault(part, "accepted_values: \(error.message)")
      }
    }
    return stored
  }

  /// The column that a reference means: the one key column, or the column of the same name.
  private mutating func target(
    of column: String, in other: String, _ part: String
  ) -> String? {
    guard let model = models.first(where: { $0.name == other }) else {
      fault(
        part,
        "references: there is no model \(other)"
          + Spelling.hint(other, among: models.map(\.name)))
      return nil
    }
    if model.primaryKey.count == 1 { return model.primaryKey[0] }
    guard model.column(column) != nil else {
      fault(
        part, "references: \(other) has neither a key of one column nor a column \(column)",
        fix: "primary_key: [column] on \(other)")
      return nil
    }
    return column
  }
}
