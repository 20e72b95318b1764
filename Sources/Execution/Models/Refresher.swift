import Certification
import Pipelines
import Signing
import Storage
import Wire

/// Brings the models of one update to what their upstreams hold now, in the order of dependency.
///
/// - Safety: a model whose changed keys cannot be told is computed whole, so the result is always
///   that of the full path; only differences are written.
struct Refresher {
  let models: [ModelPlan]
  let package: CheckedPackage
  let engine: Engine
  let data: DataStore
  let moved = MovedVersions()

  /// - Returns: what each model that was computed took.
  func run(_ budget: inout StepBudget) throws(Stop) -> [ModelWork] {
    var work: [ModelWork] = []
    for model in models where model.kind != .view && model.kind != .seed && hasChanged(model) {
      let before = used(budget)
      switch model.kind {
      case .view, .seed: continue
      case .full: try refreshWhole(model, &budget)
      case .incremental: try refreshKeys(model, &budget)
      case .snapshot:
        if model.checked.model.refresh == nil {
          try refreshWhole(model, &budget)
        } else {
          try refreshKeys(model, &budget)
        }
      }
      work.append(ModelWork(model: model.name, usage: used(budget).since(before)))
    }
    return work
  }

  /// What the update at hand has used until now, but for the hashes of the trie.
  private func used(_ budget: StepBudget) -> Usage {
    var usage = Usage()
    usage.steps = budget.used
    usage.functionBytes = engine.functions.bytes
    usage.rowsWritten = data.rowsWritten
    usage.rowBytesWritten = data.bytesWritten
    usage.indexEntriesWritten = data.indexEntries
    usage.hashes = data.rowHashes
    return usage
  }

  // MARK: What changed

  private func hasChanged(_ model: ModelPlan) -> Bool {
    model.checked.upstreams.contains { hasChanged($0) }
  }

  /// Whether the rows of an upstream may have changed in this update.
  func hasChanged(_ upstream: Upstream) -> Bool {
    if case .model(let name) = upstream, let model = package.model(name),
      model.model.kind == .view
    {
      return model.upstreams.contains { hasChanged($0) }
    }
    return !(data.tracked[upstream.table] ?? []).isEmpty
  }

  /// What is to be seen of rows that changed.
  enum Images {
    /// As they were and as they came to be, at every change.
    case all
    /// As they are after the update; nothing of those that went.
    case written
  }

  /// Rows of an upstream that changed; nil where they cannot be told.
  func changes(
    of upstream: Upstream, images: Images = .all, _ budget: inout StepBudget
  ) throws(Stop) -> [[Value]]? {
    if case .model(let name) = upstream, let view = package.model(name), view.model.kind == .view {
      return try changes(ofView: view, images, &budget)
    }
    let changes = data.tracked[upstream.table] ?? []
    switch images {
    case .all: return changes.flatMap { [$0.old?.values, $0.new?.values].compactMap { $0 } }
    case .written: return written(changes, upstream.table)
    }
  }

  /// The last image of each key, in the order of their changes.
  private func written(_ changes: [DataStore.RowChange], _ name: String) -> [[Value]] {
    guard let table = data.tables[name] else { return [] }
    var seen: Set<[Value]> = []
    let last = changes.reversed().filter { change in
      guard let row = change.new ?? change.old else { return false }
      return seen.insert(table.key(of: row.values)).inserted
    }
    return last.reversed().compactMap { $0.new?.values }
  }

  /// A view that picks and renames columns of one upstream, row by row, has as changed rows the
  /// view of the upstream's changed rows.
  private func changes(
    ofView view: CheckedModel, _ images: Images, _ budget: inout StepBudget
  ) throws(Stop) -> [[Value]]? {
    guard let query = view.query, query.isRowwise, let upstream = view.upstreams.first,
      view.upstreams.count == 1, let rows = try changes(of: upstream, images: images, &budget)
    else { return nil }
    let columns = package.columns(of: upstream).map(\.name)
    let staged = try ChangedTable.stage(rows, columns: columns, of: upstream, engine)
    let text = SelectText(query).restricted([
      Restriction(table: upstream.table, kind: .replacement(staged.name))
    ])
    let statement: PreparedStatement
    do { statement = try engine.prepareUser(text) } catch {
      throw Stop(sql: error, in: "the view \(view.name)")
    }
    var result: [[Value]] = []
    try engine.run(statement, &budget, "the view \(view.name)") { row throws(Stop) in
      result.append((0..<row.columnCount).map { row.value($0) })
    }
    try staged.clear()
    return result
  }

  // MARK: By key

  private func refreshKeys(_ model: ModelPlan, _ budget: inout StepBudget) throws(Stop) {
    var keys: [[Value]] = []
    for upstream in model.checked.upstreams where hasChanged(upstream) {
      guard let found = try self.keys(of: model, from: upstream, &budget),
        !found.contains(where: { $0.contains(.null) })
      else { return try refreshWhole(model, &budget) }
      keys += found
    }
    keys = Self.distinct(keys)
    if try isMany(keys.count, model, &budget) { return try refreshWhole(model, &budget) }
    guard let table = model.table else { return }
    var wanted = KeyedRows()
    var known = KeyedRows()
    for key in keys {
      try compute(key, of: model, into: &wanted, &budget)
      try load(key, of: model, into: &known, &budget)
      // No other key has rows with these primary keys, so they need not wait for one another.
      guard model.keyIsInPrimaryKey else { continue }
      try write(&wanted, over: &known, table, model)
      (wanted, known) = (KeyedRows(), KeyedRows())
    }
    if !model.keyIsInPrimaryKey { try write(&wanted, over: &known, table, model) }
  }

  /// The keys of a model that the changed rows of an upstream map to; nil where nothing says so.
  private func keys(
    of model: ModelPlan, from upstream: Upstream, _ budget: inout StepBudget
  ) throws(Stop) -> [[Value]]? {
    guard let rows = try changes(of: upstream, &budget) else { return nil }
    let columns = package.columns(of: upstream).map(\.name)
    let own = model.keyNames.compactMap { name in columns.firstIndex(of: name) }
    if let map = model.checked.maps.first(where: { $0.upstream == upstream }) {
      let staged = try ChangedTable.stage(rows, columns: columns, of: upstream, engine)
      guard let statement = try model.map(map.upstream, engine) else { return nil }
      let places = model.keyNames.compactMap { name in
        map.query.columns.firstIndex { $0.name == name }
      }
      var keys: [[Value]] = []
      try engine.run(statement, &budget, "the refresh map of \(model.name)") { row throws(Stop) in
        keys.append(places.map { row.value($0) })
      }
      try staged.clear()
      // What is restricted by its own columns also changes the keys that these name.
      if model.isRestricted(upstream) { keys += rows.map { row in own.map { row[$0] } } }
      return keys
    }
    guard own.count == model.keyNames.count else { return nil }
    return rows.map { row in own.map { row[$0] } }
  }

  /// In one order everywhere.
  static func distinct(_ keys: [[Value]]) -> [[Value]] {
    var seen: Set<[Value]> = []
    let unique = keys.filter { seen.insert($0).inserted }
    return unique.map { ($0, encoded($0)) }
      .sorted { $0.1.lexicographicallyPrecedes($1.1) }.map(\.0)
  }

  private static func encoded(_ key: [Value]) -> [UInt8] {
    var encoder = KeyEncoder(table: 0)
    for value in key { _ = encoder.value(value) }
    return encoder.bytes
  }

  /// Whether so many keys are a share above which all rows are computed again.
  private func isMany(
    _ count: Int, _ model: ModelPlan, _ budget: inout StepBudget
  ) throws(Stop) -> Bool {
    guard count > ExecutionLimits.keysAlwaysOneByOne, let refresh = model.checked.model.refresh
    else { return false }
    let counting = try machine { () throws(StorageFault) in
      try engine.connection.cached("SELECT count(*) FROM \(quoted(model.name))")
    }
    var stored: Int64 = 0
    try engine.run(counting, &budget, "counting the rows of \(model.name)") { row throws(Stop) in
      stored = row.integer(0)
    }
    let (share, overflow) = stored.multipliedReportingOverflow(by: Int64(refresh.fullRatio))
    return !overflow && Int64(count) > share / 1_000_000
  }

  /// The rows that a key has when it is computed.
  func compute(
    _ key: [Value], of model: ModelPlan, into wanted: inout KeyedRows, _ budget: inout StepBudget
  ) throws(Stop) {
    guard let table = model.table else { return }
    let select = try model.keyed(engine)
    do throws(StorageFault) {
      for (name, value) in zip(model.keyNames, key) {
        guard let place = select.parameter(":\(name)") else { continue }
        try select.bind(place, value: value)
      }
    } catch { throw Stop(machine: error) }
    try engine.run(select, &budget, "the model \(model.name)") { row throws(Stop) in
      let values = try self.values(row, model)
      // What belongs to other keys was computed from a part of its sources.
      guard zip(model.by, key).allSatisfy({ values[$0] == $1 }) else { return }
      try self.add(values, to: &wanted, table, model)
    }
  }

  /// The rows of a key that are there.
  func load(
    _ key: [Value], of model: ModelPlan, into known: inout KeyedRows, _ budget: inout StepBudget
  ) throws(Stop) {
    guard let table = model.table else { return }
    let stored = try model.stored(engine)
    do throws(StorageFault) {
      for (index, value) in key.enumerated() { try stored.bind(index + 1, value: value) }
    } catch { throw Stop(machine: error) }
    try engine.run(stored, &budget, "the rows of \(model.name)") { row throws(Stop) in
      let row = table.row(of: row)
      known.add(row, key: try self.key(row.values, table, model))
    }
  }

  // MARK: Whole

  func refreshWhole(_ model: ModelPlan, _ budget: inout StepBudget) throws(Stop) {
    guard let table = model.table else { return }
    var (wanted, known) = try wholeAndStored(model, table, &budget)
    try write(&wanted, over: &known, table, model)
  }

  /// The rows that a model has when it is computed whole, and those that are there; both sorted.
  func wholeAndStored(
    _ model: ModelPlan, _ table: StoredTable, _ budget: inout StepBudget
  ) throws(Stop) -> (wanted: KeyedRows, known: KeyedRows) {
    var wanted = KeyedRows()
    try engine.run(try model.whole(engine), &budget, "the model \(model.name)") {
      row throws(Stop) in
      try self.add(try self.values(row, model), to: &wanted, table, model)
    }
    var known = KeyedRows()
    try engine.run(try model.scan(engine), &budget, "the rows of \(model.name)") {
      row throws(Stop) in
      let row = table.row(of: row)
      known.add(row, key: try self.key(row.values, table, model))
    }
    try sort(&wanted, model)
    _ = known.sort()
    return (wanted, known)
  }

  /// The rows of a seed come with the package.
  func fillSeed(_ model: ModelPlan) throws(Stop) {
    guard let table = model.table, let seed = model.checked.seed else { return }
    var wanted = KeyedRows()
    for row in 0..<seed.rowCount {
      try add(seed.row(row).map(\.value), to: &wanted, table, model)
    }
    var known = KeyedRows()
    let scan = try model.scan(engine)
    try machine { () throws(StorageFault) in
      defer { scan.reset() }
      while try scan.step() {
        let row = table.row(of: scan)
        guard let key = try? table.schema.key(of: row.values) else { continue }
        known.add(row, key: key)
      }
    }
    try write(&wanted, over: &known, table, model)
  }

  // MARK: Rows

  private func values(_ row: PreparedStatement, _ model: ModelPlan) throws(Stop) -> [Value] {
    var values: [Value] = []
    values.reserveCapacity(row.columnCount)
    for (index, column) in model.checked.columns.prefix(model.resultCount).enumerated() {
      let type = row.type(index)
      guard type != .real else {
        throw .refused(
          Refusal(
            "QD48",
            "\(model.name).\(column.name) comes out as a floating-point number, which state does "
              + "not hold: an integer overflowed, or a text was taken for a number"))
      }
      guard column.nullable || type != .null else {
        throw .refused(
          Refusal(
            "SQL_CONSTRAINT",
            "\(model.name).\(column.name) is null and may not be: coalesce() it, or declare the "
              + "column with nullable: true"))
      }
      let value = try Self.bounded(row.value(index), "\(model.name).\(column.name)")
      try model.refuseMismatch(value, for: column)
      values.append(value)
    }
    return values
  }

  /// SQLite holds rows of several values, and so longer ones than anybody could be sent.
  private static func bounded(_ value: Value, _ column: String) throws(Stop) -> Value {
    guard value.size <= ExecutionLimits.valueBytesMax else {
      throw .refused(
        Refusal(
          "SQL_TOO_BIG",
          "\(column) comes to a value over \(ExecutionLimits.valueBytesMax) bytes: cut it"))
    }
    return value
  }

  private func key(
    _ values: [Value], _ table: StoredTable, _ model: ModelPlan
  ) throws(Stop) -> [UInt8] {
    if model.isVersioned { return Self.encoded(model.declaredKey.map { values[$0.place] }) }
    do { return try table.schema.key(of: values) } catch {
      throw .refused(Refusal("KEY", "a row of \(table.name): \(error)"))
    }
  }

  private func add(
    _ values: [Value], to rows: inout KeyedRows, _ table: StoredTable, _ model: ModelPlan
  ) throws(Stop) {
    try model.refuseOutOfRange(values)
    let key = try key(values, table, model)
    let nonce = table.hasNonce ? Self.nonce(engine.functions.seed, key: key) : nil
    rows.add(StoredRow(values: values, nonce: nonce), key: key)
    guard rows.count <= ExecutionLimits.rowsPerModelMax else {
      throw .refused(
        Refusal(
          "ROW_LIMIT",
          "\(model.name) comes to more than \(ExecutionLimits.rowsPerModelMax) rows at once"))
    }
    guard rows.size <= ExecutionLimits.rowBytesPerModelMax else {
      throw .refused(
        Refusal(
          "ROW_LIMIT",
          "\(model.name) comes to more than \(ExecutionLimits.rowBytesPerModelMax >> 20) MiB at "
            + "once: make it incremental, or keep less in a row"))
    }
  }

  /// As of a batch's row, by the primary key in place of a number.
  static func nonce(_ seed: Digest, key: [UInt8]) -> Digest {
    var encoder = Encoder(capacity: 96)
    encoder.byte(0x07)
    encoder.value(seed)
    encoder.blob(key)
    return sha256(encoder.bytes)
  }

  /// Sorts, and refuses two rows with one primary key.
  func sort(_ wanted: inout KeyedRows, _ model: ModelPlan) throws(Stop) {
    if let twice = wanted.sort() { throw Self.twoRows(wanted.rows[twice], model) }
  }

  private static func twoRows(_ row: StoredRow, _ model: ModelPlan) -> Stop {
    .refused(
      Refusal(
        "QD09",
        "\(model.name) gives two rows with one primary key (\(model.shownKey(of: row.values))): "
          + "group by it, or declare another key"))
  }

  /// Writes what differs. Rows that are there and not in `known` stay; where one of them has the
  /// primary key of a wanted row, the update is refused as when all rows are computed.
  private func write(
    _ wanted: inout KeyedRows, over known: inout KeyedRows, _ table: StoredTable, _ model: ModelPlan
  ) throws(Stop) {
    _ = known.sort()
    let twice = wanted.sort().map { wanted.rows[$0] }
    let differences = wanted.differences(from: known)
    if twice != nil || model.isVersioned, !model.keyIsInPrimaryKey {
      for case .insert(let row) in differences {
        // Of the keys that stand twice the first is told.
        if let twice, try !precedes(row, twice, table, model) { break }
        if try isTaken(row, table, model) { throw Self.twoRows(row, model) }
      }
    }
    if let twice { throw Self.twoRows(twice, model) }
    guard !model.isVersioned else { return try writeVersions(differences, table, model) }
    for difference in differences {
      switch difference {
      case .insert(let row):
        guard try data.insert(row, into: table) else { throw Self.twoRows(row, model) }
      case .delete(let row): try data.delete(row, from: table)
      case .update(let old, var new):
        new.nonce = old.nonce
        try data.update(old, to: new, in: table)
      }
    }
  }

  private func precedes(
    _ a: StoredRow, _ b: StoredRow, _ table: StoredTable, _ model: ModelPlan
  ) throws(Stop) -> Bool {
    try key(a.values, table, model).lexicographicallyPrecedes(key(b.values, table, model))
  }

  /// Whether a row is there, of a snapshot a current version, with the primary key of this one.
  private func isTaken(
    _ row: StoredRow, _ table: StoredTable, _ model: ModelPlan
  ) throws(Stop) -> Bool {
    try machine { () throws(StorageFault) in
      guard model.isVersioned else { return try table.row(key: table.key(of: row.values)) != nil }
      let current = try model.current(engine)
      for (index, key) in model.declaredKey.enumerated() {
        try current.bind(index + 1, value: row.values[key.place])
      }
      defer { current.reset() }
      return try current.step()
    }
  }
}

extension Value {
  /// For messages; short.
  var shown: String {
    switch self {
    case .null: "null"
    case .int(let number): String(number)
    case .text(let text): "'\(text.cut(to: 64))'"
    case .bytes(let bytes): "x'\(Array(bytes.prefix(32)).hex)'"
    }
  }
}

/// Changed rows of an upstream where SQL can read them.
struct ChangedTable {
  let name: String
  private let engine: Engine

  static func name(of upstream: Upstream) -> String { "changed_\(upstream.table)" }

  /// Makes the table that a package's refresh maps, views and tests need.
  ///
  /// SQLite reads what stands beside a column by the column's affinity, so staged columns take
  /// those of the upstream's: CREATE TABLE … AS declares them
  /// (https://sqlite.org/lang_createtable.html#create_table_as_select_statements).
  static func create(
    _ upstream: Upstream, of package: CheckedPackage, on engine: Engine
  ) throws(StorageFault) {
    let name = quoted(name(of: upstream))
    let columns = package.columns(of: upstream).map { quoted($0.name) }
    try engine.connection.execute("DROP TABLE IF EXISTS \(name)")
    guard package.tellsChanges(of: upstream) else {
      let list = columns.map { "\($0) ANY" }.joined(separator: ", ")
      return try engine.connection.execute("CREATE TABLE \(name)(\(list)) STRICT")
    }
    try engine.connection.execute(
      "CREATE TABLE \(name) AS SELECT \(columns.joined(separator: ", ")) "
        + "FROM \(quoted(upstream.table)) WHERE 0")
  }

  static func stage(
    _ rows: [[Value]], columns: [String], of upstream: Upstream, _ engine: Engine
  ) throws(Stop) -> ChangedTable {
    let table = ChangedTable(name: name(of: upstream), engine: engine)
    try machine { () throws(StorageFault) in
      let marks = columns.map { _ in "?" }.joined(separator: ",")
      let insert = try engine.connection.cached(
        "INSERT INTO \(quoted(table.name)) VALUES(\(marks))")
      for row in rows {
        for index in columns.indices { try insert.bind(index + 1, value: row[index]) }
        try insert.run()
      }
    }
    return table
  }

  func clear() throws(Stop) {
    try machine { () throws(StorageFault) in
      try engine.connection.cached("DELETE FROM \(quoted(name))").run()
    }
  }
}
