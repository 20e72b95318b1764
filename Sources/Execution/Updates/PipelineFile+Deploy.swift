import Certification
import Metering
import Pipelines
import Signing
import Storage
import Wire

extension PipelineFile {
  /// Deploys or upgrades the package in a call's body. The receipt says what it used; the deployer
  /// pays in the system file.
  func deploy(_ call: OrderedCall, in block: BlockContext) throws(Stop) -> Receipt {
    engine.functions.begin(call, in: block)
    var budget = StepBudget(limit: min(call.call.stepLimit, ExecutionLimits.stepsPerDeploy))
    let marks = (ledger.trie.mark, data.trie.mark)
    let before = (deployed: deployed, owner: owner)
    data.begin(rowsLimit: ExecutionLimits.rowsPerDeploy, paid: paidBytes(call))
    var notes = NoteTaker()
    do {
      let usage = try inSavepoint { () throws(Stop) in
        try install(call, &budget, &notes)
        let usage = deployUsage(call, budget, hashes: data.settle() + ledger.settle())
        let ran = call.receipt(block, .applied, notes: notes.sorted, usage: usage)
        try refuseDearer(call, ran, isNew: before.owner == nil)
        return usage
      }
      account.grow(data.growth)
      if let package = deployed?.package { account.keepLines(of: package) }
      try machine { () throws(StorageFault) in
        try keepCounts(since: before.deployed?.package)
      }
      engine.forgetStatements()
      return try record(
        call, block, call.receipt(block, .applied, notes: notes.sorted, usage: usage))
    } catch {
      guard case .refused(let refusal) = error else { throw error }
      let usage = deployUsage(call, budget, hashes: 0)
      ledger.discard()
      data.discard()
      ledger.trie.undo(to: marks.0)
      data.trie.undo(to: marks.1)
      let kept = account
      do { try loadValues() } catch { throw .failed(error) }
      account = kept
      precondition(
        (before.deployed == nil) == (deployed == nil) && before.owner == owner, "undone in full")
      return try record(call, block, call.receipt(block, .refused(refusal), usage: usage))
    }
  }

  /// So much of what was set aside is left for rows when all else costs nothing.
  private func paidBytes(_ call: OrderedCall) -> DataStore.PaidBytes {
    let isNew = owner == nil
    let most = SystemFile.most(call, prices, isNew)
    let base = prices.deploy(Usage(), first: isNew)
    // Both are rounded up.
    let limit = prices.rowBytes(within: Cycles(most.above(base).addingCapped(1)))
    return DataStore.PaidBytes(limit: limit) {
      Refusal(
        "OUT_OF_CYCLES",
        "the deploy writes more than \(limit) bytes of rows, and by its step limit \(most) cycles "
          + "were set aside, which pay for no more: declare a higher one")
    }
  }

  /// The deployer pays from what was set aside, and no more.
  private func refuseDearer(
    _ call: OrderedCall, _ ran: Receipt, isNew: Bool
  ) throws(Stop) {
    let cost = SystemFile.price(of: ran, prices, isNew: isNew).cycles
    let most = SystemFile.most(call, prices, isNew)
    guard cost > most else { return }
    throw .refused(
      Refusal(
        "OUT_OF_CYCLES",
        "the deploy costs \(cost) cycles, and by its step limit \(most) were set aside: declare a "
          + "higher one"))
  }

  private func deployUsage(_ call: OrderedCall, _ budget: StepBudget, hashes: UInt64) -> Usage {
    var usage = Usage()
    usage.ingressBytes = UInt64(call.body.count)
    usage.steps = budget.used
    usage.functionBytes = engine.functions.bytes
    usage.hashes = hashes
    guard hashes > 0 else { return usage }
    usage.rowsWritten = data.rowsWritten
    usage.rowBytesWritten = data.bytesWritten
    usage.indexEntriesWritten = data.indexEntries
    return usage
  }

  private func install(
    _ call: OrderedCall, _ budget: inout StepBudget, _ notes: inout NoteTaker
  ) throws(Stop) {
    guard let sender = call.call.sender else {
      throw .refused(Refusal("UNSIGNED", "a deploy is signed by its owner: sign it"))
    }
    if let owner, owner != sender {
      throw .refused(
        Refusal("NOT_OWNER", "only the owner of \(name) upgrades it: sign with its key"))
    }
    let checked = try Self.checked(call)
    let old = deployed?.checked
    try refuseDrops(checked, &budget)
    try forgetProgress(checked.package, call)
    try dropViews()
    try buildTables(checked, &budget)
    try buildViews(checked)
    let digest = sha256(call.body)
    let next = try Deployment.link(checked, digest: digest, engine: engine, data: data)
    try machine { () throws(StorageFault) in
      try ledger.put(.value, Key.package, call.body)
      if owner == nil { try ledger.put(.value, Key.owner, sender.bytes) }
    }
    try next.recompute(since: old, engine: engine, data: data, &budget, &notes)
    deployed = next
    owner = sender
  }

  /// The package in a deploy's body, decoded and checked. A pure function of the call.
  static func checked(_ call: OrderedCall) throws(Stop) -> CheckedPackage {
    let package: Package
    do { package = try Package(canonicalBytes: call.body) } catch {
      throw .refused(
        Refusal("PACKAGE_MALFORMED", "the body is no package: \(error). Build it again"))
    }
    guard package.name == call.call.pipeline else {
      throw .refused(
        Refusal(
          "PACKAGE_NAME",
          "the package is called \(package.name), the call names \(call.call.pipeline)"))
    }
    do { return try CheckedPackage(package) } catch {
      let rule = error.list.first { !$0.rule.isEmpty }?.rule
      throw .refused(Refusal(rule ?? "PACKAGE_REFUSED", "the package is refused: \(error)"))
    }
  }

  // MARK: Tables

  /// Nothing that holds rows goes without being asked for.
  private func refuseDrops(
    _ next: CheckedPackage, _ budget: inout StepBudget
  ) throws(Stop) {
    guard let old = deployed?.checked else { return }
    // First: what is refused for good is not to be answered by naming what goes.
    for model in old.models where model.model.kind == .snapshot {
      guard let kept = next.model(model.name), try !isEmpty(model.name) else { continue }
      try refuseRewrites(of: model, as: kept)
    }
    var silent: [String] = []
    for name in next.drops(from: old) where !next.package.drops.contains(name) {
      let source = name.prefix { $0 != "." }
      if let known = old.package.source(String(source)), try isBare(known) { continue }
      silent.append(name)
    }
    let turned = silent.filter { next.package.source($0) != nil || next.model($0) != nil }
    guard turned.isEmpty else {
      let names = turned.joined(separator: ", ")
      throw .refused(
        Refusal(
          "DROP_REFUSED",
          "the upgrade would make a model of a source, or a source of a model, and lose what is in "
            + "there: \(names). Give the new one another name, or first deploy without it, with "
            + "drops: [\(names)] in pipeline.yaml"))
    }
    guard silent.isEmpty else {
      throw .refused(
        Refusal(
          "DROP_REFUSED",
          "the upgrade would drop \(silent.joined(separator: ", ")) and what is in there: keep it, "
            + "or say drops: [\(silent.joined(separator: ", "))] in pipeline.yaml"))
    }
    for source in old.package.sources {
      guard let kept = next.package.source(source.name), try !isBare(source) else { continue }
      try refuseRewrites(of: source, as: kept)
      try refuseMisreading(of: source, as: kept, &budget)
    }
  }

  /// How far a source came is forgotten with it, or where its event time, its key or its version is
  /// another one now: it was said of other rows. What it deleted is, too, where it no longer takes
  /// changes; and which calls wrote to it, where it goes: by the same key they are made anew.
  private func forgetProgress(_ next: Package, _ call: OrderedCall) throws(Stop) {
    for old in deployed?.package.sources ?? [] {
      let kept = next.source(old.name)
      if kept == nil {
        try data.putTombstone(IdempotencyEntry.goneKey(old.name), .bytes(call.digest.bytes))
      }
      try machine { () throws(StorageFault) in
        if kept?.eventTime?.column != old.eventTime?.column {
          try ledger.remove(.watermark, Array(old.name.utf8))
        }
        if kept == nil { try ledger.remove(.watermark, Self.acceptedKey(old.name)) }
      }
      guard old.operation != nil,
        kept?.operation == nil || kept?.version != old.version
          || kept?.primaryKey != old.primaryKey || kept?.tombstoneTypes != old.tombstoneTypes
      else { continue }
      let prefix = Ingest.tombstonePrefix(old.name)
      let all = try machine { () throws(StorageFault) in try ledger.all(.tombstone) }
      for entry in all where entry.key.starts(with: prefix) {
        try data.removeTombstone(entry.key)
      }
    }
  }

  private func isBare(_ source: Source) throws(Stop) -> Bool {
    try isEmpty(source.bronzeTable) ? try isEmpty(source.quarantineTable) : false
  }

  /// What would make other values of a source's rows, or rows without a value.
  private func refuseRewrites(of old: Source, as new: Source) throws(Stop) {
    for column in old.columns {
      guard let kept = new.column(column.name), kept.type != column.type else { continue }
      throw .refused(
        Refusal(
          "RETYPE_REFUSED",
          "the upgrade would make \(kept.type) of \(old.name).\(column.name), which is "
            + "\(column.type) and has rows: keep its type, and add a column of another name"))
    }
    guard new.primaryKey == old.primaryKey else {
      throw .refused(
        Refusal(
          "KEY_CHANGED",
          "the upgrade would change the primary key of \(old.name), which has rows: make a new "
            + "source"))
    }
    for column in new.columns where column.required && column.defaultText == nil {
      if let before = old.column(column.name) {
        guard !before.required, try holdsNull(column.name, of: old) else { continue }
      } else if try isEmpty(old.bronzeTable) {
        continue
      }
      throw .refused(
        Refusal(
          "NULLS_REFUSED",
          "\(old.name).\(column.name) would be required, and rows that are there have no value: "
            + "give it a default:, or leave required: out"))
    }
  }

  /// What would make a release read held rows as something else than they were sent as.
  private func refuseMisreading(
    of old: Source, as new: Source, _ budget: inout StepBudget
  ) throws(Stop) {
    if old.operation != nil, new.operation == nil, try holds(old, where: "") {
      throw .refused(
        Refusal(
          "OP_CHANGED",
          "the upgrade would take op: from \(old.name), whose quarantine holds rows: a release "
            + "would insert what they may delete. Keep op:, or make a new source"))
    }
    // Changes are never released, whatever they are read as.
    for column in old.columns where new.operation == nil {
      guard let kept = new.column(column.name), !kept.field.isSpelled(as: column.field) else {
        continue
      }
      // What a column could not read as it was spelled is kept under its field's name.
      let apart = " AND \(quoted(column.name)) IS NOT NULL AND \(Source.captureColumn) IS NOT NULL"
      guard try holds(old, where: apart) else { continue }
      throw .refused(
        Refusal(
          "FROM_CHANGED",
          "the upgrade would read \(old.name).\(column.name) from \(kept.field), and its "
            + "quarantine holds rows that have it from \(column.field): release them first, keep "
            + "from:, or add a column of another name"))
    }
    for column in old.columns where new.operation == nil {
      guard let kept = new.column(column.name), kept.parse != column.parse,
        try holds(old, where: column, readsOtherwiseAs: kept, &budget)
      else { continue }
      throw .refused(
        Refusal(
          "PARSE_CHANGED",
          "the upgrade would read \(old.name).\(column.name) as \(kept.parse.rawValue), and its "
            + "quarantine holds rows that have it as \(column.parse.rawValue): release them first, "
            + "keep parse:, or add a column of another name"))
    }
  }

  /// Whether quarantine has a row that nobody released yet, of which a column reads another value
  /// than it did. Where it read none, another spelling may be what mends it.
  private func holds(
    _ source: Source, where column: SourceColumn, readsOtherwiseAs kept: SourceColumn,
    _ budget: inout StepBudget
  ) throws(Stop) -> Bool {
    let texts = try machine { () throws(StorageFault) in
      try engine.connection.prepare(
        "SELECT \(quoted(column.name)) FROM \(quoted(source.quarantineTable)) "
          + "WHERE _released_by IS NULL AND \(quoted(column.name)) IS NOT NULL")
    }
    var isMisread = false
    try engine.read(texts, &budget, "the quarantine of \(source.name)") { row throws(Stop) in
      let text = row.text(0)
      engine.functions.meter(heldBytes: text.utf8.count)
      if let before = column.value(kept: text), let after = kept.value(kept: text) {
        isMisread = before != after
      }
      return !isMisread
    }
    return isMisread
  }

  /// Whether quarantine has rows that nobody released yet, of which something more is so.
  private func holds(_ source: Source, where more: String) throws(Stop) -> Bool {
    try machine { () throws(StorageFault) in
      try engine.connection.integer(
        "SELECT 1 FROM \(quoted(source.quarantineTable)) "
          + "WHERE _released_by IS NULL\(more) LIMIT 1") != nil
    }
  }

  /// The versions of a snapshot were never anywhere else.
  private func refuseRewrites(
    of old: CheckedModel, as new: CheckedModel
  ) throws(Stop) {
    var why: String?
    if new.primaryKey != old.primaryKey { why = "its key is another" }
    for column in new.columns {
      guard let before = old.column(column.name) else {
        if !column.nullable { why = "\(column.name) is new and not nullable" }
        continue
      }
      if before.type != column.type { why = "\(column.name) is \(column.type)" }
      if before.nullable, !column.nullable { why = "\(column.name) is no longer nullable" }
    }
    if new.model.kind != .snapshot { why = "it is of kind \(new.model.kind.rawValue)" }
    guard let why else { return }
    throw .refused(
      Refusal(
        "SNAPSHOT_CHANGED",
        "the upgrade would lose the history of \(old.name), which cannot be computed again: "
          + "\(why). Keep it as it is, and make a snapshot of another name"))
  }

  private func holdsNull(_ column: String, of source: Source) throws(Stop) -> Bool {
    try machine { () throws(StorageFault) in
      try engine.connection.integer(
        "SELECT 1 FROM \(quoted(source.bronzeTable)) WHERE \(quoted(column)) IS NULL LIMIT 1")
        != nil
    }
  }

  private func isEmpty(_ table: String) throws(Stop) -> Bool {
    guard data.tables[table] != nil else { return true }
    return try machine { () throws(StorageFault) in
      try engine.connection.integer("SELECT 1 FROM \(quoted(table)) LIMIT 1") == nil
    }
  }

  /// Makes the tables that the package wants of those that are there. A table that stays keeps its
  /// rows; one of a source that gains columns is written again with them.
  private func buildTables(
    _ package: CheckedPackage, _ budget: inout StepBudget
  ) throws(Stop) {
    let wanted = TablePlan.all(of: package)
    let names = Set(wanted.map(\.name))
    for name in data.tables.keys.sorted() where !names.contains(name) {
      guard let table = data.tables[name] else { continue }
      try machine { () throws(StorageFault) in try data.drop(table) }
    }
    for plan in wanted {
      guard let table = data.tables[plan.name] else {
        _ = try data.create(plan)
        continue
      }
      if table.schema.columns != plan.columns || table.schema.key != plan.key
        || beginsHistory(plan)
      {
        try replace(table, by: plan, package, &budget)
      } else if table.indexes != plan.indexes {
        try data.reindex(table, plan.indexes)
      }
    }
  }

  private func dropViews() throws(Stop) {
    guard let deployed else { return }
    try machine { () throws(StorageFault) in
      for model in deployed.checked.models.reversed() where model.model.kind == .view {
        try engine.connection.execute("DROP VIEW \(quoted(model.name))")
      }
    }
  }

  /// Views in the order of dependency, and the tables that changed rows are staged in.
  private func buildViews(_ package: CheckedPackage) throws(Stop) {
    for model in package.models where model.model.kind == .view {
      guard let query = model.query else { continue }
      let columns = model.columns.map { quoted($0.name) }.joined(separator: ", ")
      let text = SelectText(query).whole
      // Prepared first as what it is, behind the authorizer.
      do {
        _ = try engine.prepareUser(text)
        try engine.connection.execute(
          "CREATE VIEW \(quoted(model.name))(\(columns)) AS \(text)")
      } catch { throw Stop(sql: error, in: "the view \(model.name)") }
    }
    for upstream in package.staged {
      try altering(ChangedTable.name(of: upstream)) { () throws(StorageFault) in
        try ChangedTable.create(upstream, of: package, on: engine)
      }
    }
  }

  /// Whether a table of rows that were computed becomes that of a snapshot, where they are no
  /// versions: it is filled anew.
  private func beginsHistory(_ plan: TablePlan) -> Bool {
    plan.source == nil && plan.keepsRows
      && deployed?.checked.model(plan.name)?.model.kind != .snapshot
  }

  /// Rows of a source and versions of a snapshot go over into the new table, with the default of
  /// what they lack; a derived table is filled later.
  ///
  /// - Bound: one row is held in memory, and what is read is metered.
  private func replace(
    _ table: StoredTable, by plan: TablePlan, _ package: CheckedPackage,
    _ budget: inout StepBudget
  ) throws(Stop) {
    // SQLite renames a table with functions of ours, which no call asked for.
    let metered = engine.meter.bytes
    let keepsRows = plan.keepsRows && !beginsHistory(plan)
    try machine { () throws(StorageFault) in
      if keepsRows { try data.setAside(table) } else { try data.drop(table) }
    }
    let fresh = try data.create(plan)
    engine.meter.bytes = metered
    guard keepsRows else { return }
    let places = plan.columns.map { column in
      table.schema.columns.firstIndex { $0.name == column.name }
    }
    var defaults: [(value: Value, isRequired: Bool)] = []
    for column in plan.columns {
      let isBronze = plan.name == plan.source.map { "bronze_\($0)" }
      defaults.append(
        try package.defaultValue(of: column.name, in: isBronze ? plan.source : nil))
    }
    let rows = try machine { () throws(StorageFault) in
      try engine.connection.prepare("SELECT * FROM \(StoredTable.asideName)")
    }
    try engine.copy(rows, &budget, "the rows of \(plan.name)") { row throws(Stop) in
      let row = table.row(of: row)
      for cell in row.values.indices { engine.functions.meter(bytes: row.values[cell].size) }
      data.forget(row, of: table)
      let values = plan.columns.indices.map { index in
        guard let place = places[index] else { return defaults[index].value }
        let kept = row.values[place]
        return kept == .null && defaults[index].isRequired ? defaults[index].value : kept
      }
      let nonce = fresh.hasNonce ? row.nonce ?? fallbackNonce(row) : nil
      guard try data.insert(StoredRow(values: values, nonce: nonce), into: fresh) else {
        throw .refused(
          Refusal("SQL_CONSTRAINT", "two rows of \(plan.name) share one key after the upgrade"))
      }
    }
    try machine { () throws(StorageFault) in try data.dropAside() }
  }

  /// For rows that came before their table had a personal column.
  private func fallbackNonce(_ row: StoredRow) -> Digest {
    var encoder = Encoder()
    encoder.byte(0x08)
    encoder.value(engine.functions.seed)
    encoder.list(row.values)
    return sha256(encoder.bytes)
  }
}

extension Source {
  /// The types of what a tombstone is made of: the key and the version.
  fileprivate var tombstoneTypes: [Pipelines.ColumnType?] {
    (primaryKey + [version ?? ""]).map { column($0)?.type }
  }
}

extension CheckedPackage {
  /// What a row gets that has no value of a column: that came before a column that is new, or
  /// that is null where a value is required now.
  fileprivate func defaultValue(
    of column: String, in name: String?
  ) throws(Stop) -> (value: Value, isRequired: Bool) {
    guard let name, let source = source(name)?.source, let column = source.column(column) else {
      return (.null, false)
    }
    do {
      guard let value = try column.defaultValue() else { return (.null, false) }
      return (value.value, column.required)
    } catch { throw .refused(error) }
  }
}

extension DataStore {
  func create(_ plan: TablePlan) throws(Stop) -> StoredTable {
    try create(plan.name, columns: plan.columns, key: plan.key, indexes: plan.indexes)
  }
}
