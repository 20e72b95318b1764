import Certification
import Pipelines
import SQL
import Storage
import Wire

/// Checks the tests of the models that an update touched, on the rows that it changed.
///
/// - Safety: a test that holds before an update and on every row that it wrote holds after it;
///   where changed rows cannot be told, the whole is looked at. What took a row away from others is
///   looked at by references, and by custom tests of whole tables.
struct ModelTests {
  let refresher: Refresher
  /// Looks at everything, whatever changed: after a deploy.
  let isWhole: Bool

  private var engine: Engine { refresher.engine }
  private var package: CheckedPackage { refresher.package }

  /// - Throws: `TEST_FAILED` for a test of severity error; one of severity warn is noted.
  func run(_ budget: inout StepBudget, _ notes: inout NoteTaker) throws(Stop) {
    for model in package.models {
      for test in model.tests {
        do { try check(test.rule, of: model, &budget) } catch {
          guard case .refused(let finding) = error, finding.code == Self.code else { throw error }
          guard test.severity == .warn else {
            throw .refused(
              Refusal(
                Self.code,
                "\(finding.message): nothing was taken; correct what was sent, or the test"))
          }
          notes.add("\(model.name).\(test.rule.label)", row: 0, message: finding.message)
        }
      }
    }
  }

  private static let code = "TEST_FAILED"

  private func check(
    _ rule: CheckedTest.Rule, of model: CheckedModel, _ budget: inout StepBudget
  ) throws(Stop) {
    let me = Upstream.model(model.name)
    switch rule {
    case .unique(let columns):
      // A table is held to its primary key by itself.
      guard hasChanged(me), columns != model.primaryKey || !model.model.isStored else { return }
      try unique(columns, model, &budget)
    case .notNull(let columns):
      for column in columns {
        try none(
          model, "not_null(\(column))", where: "\(quoted(column)) IS NULL",
          changedValue: column, &budget
        ) { $0 == .null }
      }
    case .acceptedValues(let column, let values):
      let accepted = Set(values.map(\.value))
      let list = values.map { $0.value.literal }.joined(separator: ", ")
      try none(
        model, "accepted_values(\(column))",
        where: "\(quoted(column)) IS NOT NULL AND \(quoted(column)) NOT IN (\(list))",
        changedValue: column, &budget
      ) { $0 != .null && !accepted.contains($0) }
    case .references(let column, let other, let target):
      guard hasChanged(me) || hasChanged(.model(other)) else { return }
      try references(column, other, target, model, &budget)
    case .custom(let name, let upstreams, let ofChanged):
      guard let query = model.testQueries[name] else { return }
      if ofChanged {
        if hasChanged(me) { try customOfChanged(name, query, model, &budget) }
      } else if upstreams.contains(where: hasChanged) {
        let statement = try engine.cachedUser(SelectText(query).whole, "the test \(name)")
        try noRows(of: statement, name, model, &budget)
      }
    }
  }

  /// A custom test of `{{ changed }}`: the rows of the model that the update wrote, as they are
  /// after it; all of its rows where they cannot be told.
  private func customOfChanged(
    _ name: String, _ query: CheckedQuery, _ model: CheckedModel, _ budget: inout StepBudget
  ) throws(Stop) {
    let me = Upstream.model(model.name)
    let rows = isWhole ? nil : try refresher.changes(of: me, images: .written, &budget)
    func statement(over table: String) throws(Stop) -> PreparedStatement {
      let text = SelectText(query).restricted([
        Restriction(table: "changed", kind: .replacement(table))
      ])
      return try engine.cachedUser(text, "the test \(name)")
    }
    guard let rows else {
      return try noRows(of: try statement(over: model.name), name, model, &budget)
    }
    let columns = package.columns(of: me).map(\.name)
    let staged = try ChangedTable.stage(rows, columns: columns, of: me, engine)
    try noRows(of: try statement(over: staged.name), name, model, &budget)
    try staged.clear()
  }

  /// The SELECT of a custom test gives no row. Rows are counted, not shown: which of them comes
  /// first is nobody's to say.
  private func noRows(
    of statement: PreparedStatement, _ name: String, _ model: CheckedModel,
    _ budget: inout StepBudget
  ) throws(Stop) {
    var rows: UInt64 = 0
    try engine.run(statement, &budget, "the test \(name) of \(model.name)") { _ in rows += 1 }
    guard rows > 0 else { return }
    throw .refused(
      Refusal(
        Self.code,
        "the test \(name) of \(model.name) finds \(rows) rows that should not be there"))
  }

  private func hasChanged(_ upstream: Upstream) -> Bool {
    isWhole || refresher.hasChanged(upstream)
  }

  /// An example comes with it unless the column is personal: receipts are for everyone to read.
  private func failed(
    _ model: CheckedModel, _ test: String, _ column: String, _ value: Value
  ) -> Stop {
    let isPersonal = model.column(column)?.pii != nil
    let example = isPersonal ? "" : ", for example \(value.shown)"
    return .refused(
      Refusal(
        Self.code, "the test \(test) of \(model.name) does not hold\(example)"))
  }

  /// The new rows of a stored model; nil where they cannot be told.
  private func newRows(_ model: CheckedModel) -> [[Value]]? {
    guard !isWhole, model.model.isStored else { return nil }
    return (refresher.data.tracked[model.name] ?? []).compactMap { $0.new?.values }
  }

  /// No row meets a condition: looked for among new rows, or in all of a view.
  private func none(
    _ model: CheckedModel, _ test: String, where condition: String, changedValue column: String,
    _ budget: inout StepBudget, _ isBad: (Value) -> Bool
  ) throws(Stop) {
    guard hasChanged(.model(model.name)) else { return }
    if let rows = newRows(model) {
      guard let place = model.columns.firstIndex(where: { $0.name == column }) else { return }
      if let bad = rows.map({ $0[place] }).first(where: isBad) {
        throw failed(model, test, column, bad)
      }
      return
    }
    try nothing(
      "SELECT \(quoted(column)) FROM \(quoted(model.name)) WHERE \(condition)", [], model, test,
      of: column, &budget)
  }

  private func unique(
    _ columns: [String], _ model: CheckedModel, _ budget: inout StepBudget
  ) throws(Stop) {
    let test = "unique(\(columns.joined(separator: ", ")))"
    let list = columns.map { quoted($0) }.joined(separator: ", ")
    // As SQL has it, one unknown value is no duplicate of another.
    let known = columns.map { "\(quoted($0)) IS NOT NULL" }.joined(separator: " AND ")
    guard let rows = newRows(model) else {
      return try nothing(
        "SELECT \(list) FROM \(quoted(model.name)) WHERE \(known) GROUP BY \(list) "
          + "HAVING count(*) > 1", [], model, test, of: columns[0], &budget)
    }
    let places = columns.compactMap { name in model.columns.firstIndex { $0.name == name } }
    let filter = columns.map { "\(quoted($0)) = ?" }.joined(separator: " AND ")
    for key in Refresher.distinct(rows.map { row in places.map { row[$0] } })
    where !key.contains(.null) {
      try nothing(
        "SELECT \(list) FROM \(quoted(model.name)) WHERE \(filter) GROUP BY \(list) "
          + "HAVING count(*) > 1", key, model, test, of: columns[0], &budget)
    }
  }

  /// Values are there: those of new rows, and those whose target went away.
  private func references(
    _ column: String, _ other: String, _ target: String, _ model: CheckedModel,
    _ budget: inout StepBudget
  ) throws(Stop) {
    let test = "references(\(column), \(other))"
    let missing =
      "NOT EXISTS (SELECT 1 FROM \(quoted(other)) o "
      + "WHERE o.\(quoted(target)) = m.\(quoted(column)))"
    let whole =
      "SELECT \(quoted(column)) FROM \(quoted(model.name)) m WHERE \(quoted(column)) IS NOT NULL "
      + "AND \(missing)"
    guard let mine = newRows(model), let gone = try targetsGone(other, target, &budget),
      let place = model.columns.firstIndex(where: { $0.name == column })
    else { return try nothing(whole, [], model, test, of: column, &budget) }
    for key in Refresher.distinct(mine.map { [$0[place]] }) where key != [.null] {
      try nothing(
        "SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM \(quoted(other)) WHERE \(quoted(target)) = ?1)",
        key, model, test, of: column, &budget)
    }
    for key in Refresher.distinct(gone.map { [$0] }) where key != [.null] {
      try nothing(
        "SELECT \(quoted(column)) FROM \(quoted(model.name)) m WHERE \(quoted(column)) = ? "
          + "AND \(missing)", key, model, test, of: column, &budget)
    }
  }

  /// Values of a column that changed rows of a model had; nil where they cannot be told.
  private func targetsGone(
    _ model: String, _ column: String, _ budget: inout StepBudget
  ) throws(Stop) -> [Value]? {
    let upstream = Upstream.model(model)
    guard hasChanged(upstream) else { return [] }
    let names = package.columns(of: upstream).map(\.name)
    guard let place = names.firstIndex(of: column),
      let rows = try refresher.changes(of: upstream, &budget)
    else { return nil }
    return rows.map { $0[place] }
  }

  /// The statement gives no row.
  private func nothing(
    _ sql: String, _ values: [Value], _ model: CheckedModel, _ test: String, of column: String,
    _ budget: inout StepBudget
  ) throws(Stop) {
    let statement = try machine { () throws(StorageFault) in
      let statement = try engine.connection.cached("\(sql) ORDER BY 1 LIMIT 1")
      for (index, value) in values.enumerated() { try statement.bind(index + 1, value: value) }
      return statement
    }
    var found: Value?
    try engine.run(statement, &budget, "the test \(test) of \(model.name)") { row throws(Stop) in
      found = row.value(0)
    }
    if let found { throw failed(model, test, column, found) }
  }
}

extension Value {
  /// As SQL writes it.
  var literal: String {
    switch self {
    case .null: "NULL"
    case .int(let number): String(number)
    case .text(let text): SQL.literal(text)
    case .bytes(let bytes): "x'\(bytes.hex)'"
    }
  }
}

extension CheckedTest.Rule {
  /// As receipts name it: a custom test by its own name, others by what they say.
  var label: String {
    switch self {
    case .unique(let columns): "unique(\(columns.joined(separator: ", ")))"
    case .notNull(let columns): "not_null(\(columns.joined(separator: ", ")))"
    case .acceptedValues(let column, _): "accepted_values(\(column))"
    case .references(let column, let other, _): "references(\(column), \(other))"
    case .custom(let name, _, _): name
    }
  }
}
