import Certification
import Pipelines
import SQL
import Storage
import Wire

/// A model made ready: its table, its statements, and what it reads.
final class ModelPlan {
  let checked: CheckedModel
  /// nil for views.
  let table: StoredTable?
  let select: SelectText?
  /// Places of the refresh key in the model's columns.
  let by: [Int]
  /// What the statement for one key is restricted by; nil where only the whole will do.
  let restrictions: [Restriction]
  private var wholeStatement: PreparedStatement?
  private var keyedStatement: PreparedStatement?
  private var storedStatement: PreparedStatement?
  private var scanStatement: PreparedStatement?
  private var currentStatement: PreparedStatement?
  private var mapStatements: [Upstream: PreparedStatement] = [:]

  init(_ checked: CheckedModel, table: StoredTable?, package: CheckedPackage) {
    self.checked = checked
    self.table = table
    select = checked.query.map { SelectText($0) }
    let names = checked.columns.map(\.name)
    by = checked.model.refresh?.by.compactMap { name in names.firstIndex(of: name) } ?? []
    restrictions = Self.restrictions(of: checked, in: package)
  }

  /// How many columns the SELECT gives; a snapshot has two more.
  var resultCount: Int { checked.query?.columns.count ?? checked.columns.count }
  var isVersioned: Bool { kind == .snapshot }

  /// The declared key with its places; of a snapshot without `valid_from`.
  var declaredKey: [(name: String, place: Int)] {
    checked.primaryKey.compactMap { name in
      guard !isVersioned || name != Model.validFrom,
        let place = checked.columns.firstIndex(where: { $0.name == name })
      else { return nil }
      return (name, place)
    }
  }

  var name: String { checked.name }
  var kind: Model.Kind { checked.model.kind }
  var keyNames: [String] { checked.model.refresh?.by ?? [] }

  /// Rows of different refresh keys have different primary keys.
  var keyIsInPrimaryKey: Bool {
    let names = declaredKey.map(\.name)
    return keyNames.allSatisfy(names.contains)
  }

  /// Only the rows with the key in their own columns are read of this upstream.
  func isRestricted(_ upstream: Upstream) -> Bool {
    restrictions.contains { restriction in
      if case .columns = restriction.kind { restriction.table == upstream.table } else { false }
    }
  }

  /// Upstreams that have the key's columns are read by key; those with a scope, through it.
  private static func restrictions(
    of model: CheckedModel, in package: CheckedPackage
  ) -> [Restriction] {
    guard let refresh = model.model.refresh else { return [] }
    var all: [Restriction] = []
    for upstream in model.upstreams {
      if let scope = model.scopes.first(where: { $0.upstream == upstream }) {
        all.append(Restriction(table: upstream.table, kind: .scope(scope.query)))
      } else if package.has(refresh.by, in: upstream) {
        all.append(Restriction(table: upstream.table, kind: .columns(refresh.by)))
      }
    }
    return all
  }

  // MARK: Statements

  func whole(_ engine: Engine) throws(Stop) -> PreparedStatement {
    if let wholeStatement { return wholeStatement }
    let made = try prepared(engine, select?.whole ?? "")
    wholeStatement = made
    return made
  }

  func keyed(_ engine: Engine) throws(Stop) -> PreparedStatement {
    if let keyedStatement { return keyedStatement }
    let made = try prepared(engine, select?.restricted(restrictions) ?? "")
    keyedStatement = made
    return made
  }

  private func prepared(_ engine: Engine, _ text: String) throws(Stop) -> PreparedStatement {
    do { return try engine.prepareUser(text) } catch {
      throw Stop(sql: error, in: "the model \(name)")
    }
  }

  /// The stored rows of one refresh key.
  func stored(_ engine: Engine) throws(Stop) -> PreparedStatement {
    if let storedStatement { return storedStatement }
    let current = isVersioned ? " AND \(quoted(Model.validTo)) IS NULL" : ""
    let filter = keyNames.map { "\(quoted($0)) = ?" }.joined(separator: " AND ") + current
    let made = try machine { () throws(StorageFault) in
      try engine.connection.prepare(
        "SELECT * FROM \(quoted(name)) WHERE \(filter) ORDER BY \(keyOrder)")
    }
    storedStatement = made
    return made
  }

  /// All stored rows in the order of the primary key; of a snapshot the current versions.
  func scan(_ engine: Engine) throws(Stop) -> PreparedStatement {
    if let scanStatement { return scanStatement }
    let current = isVersioned ? " WHERE \(quoted(Model.validTo)) IS NULL" : ""
    let made = try machine { () throws(StorageFault) in
      try engine.connection.prepare(
        "SELECT * FROM \(quoted(name))\(current) ORDER BY \(keyOrder)")
    }
    scanStatement = made
    return made
  }

  /// Whether a snapshot has a current version with this primary key.
  func current(_ engine: Engine) throws(StorageFault) -> PreparedStatement {
    if let currentStatement { return currentStatement }
    let filter = declaredKey.map { "\(quoted($0.name)) = ?" }.joined(separator: " AND ")
    let made = try engine.connection.prepare(
      "SELECT 1 FROM \(quoted(name)) WHERE \(filter) AND \(quoted(Model.validTo)) IS NULL")
    currentStatement = made
    return made
  }

  private var keyOrder: String {
    checked.primaryKey.map { quoted($0) }.joined(separator: ", ")
  }

  func map(_ upstream: Upstream, _ engine: Engine) throws(Stop) -> PreparedStatement? {
    if let known = mapStatements[upstream] { return known }
    guard let map = checked.maps.first(where: { $0.upstream == upstream }) else { return nil }
    let made = try prepared(
      engine,
      SelectText(map.query).restricted([
        Restriction(table: "changed", kind: .replacement(ChangedTable.name(of: upstream)))
      ]))
    mapStatements[upstream] = made
    return made
  }
}

extension CheckedPackage {
  /// Upstreams whose changed rows some statement reads, ascending.
  var staged: [Upstream] {
    var found: Set<Upstream> = []
    for model in models {
      for map in model.maps { found.insert(map.upstream) }
      if model.query?.isRowwise == true { found.formUnion(model.upstreams) }
      if model.tests.contains(where: \.readsChanged) { found.insert(.model(model.name)) }
    }
    return found.sorted()
  }

  /// Whether changed rows of an upstream are ever staged: those of a table, and of a view that
  /// gives them row by row. Of another view all rows may have changed.
  func tellsChanges(of upstream: Upstream) -> Bool {
    guard case .model(let name) = upstream, let view = model(name), view.model.kind == .view
    else { return true }
    guard let query = view.query, query.isRowwise, view.upstreams.count == 1 else { return false }
    return tellsChanges(of: view.upstreams[0])
  }
}
