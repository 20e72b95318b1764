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
    engine.functions.begin(time: block.time, randomness: block.randomness, call: call.digest)
    var budget = StepBudget(limit: min(call.call.stepLimit, ExecutionLimits.stepsPerDeploy))
    let marks = (ledger.trie.mark, data.trie.mark)
    let before = (deployed, owner)
    data.begin(rowsLimit: ExecutionLimits.rowsPerDeploy)
    do {
      let usage = try inSavepoint { () throws(Stop) in
        try install(call, &budget)
        return deployUsage(call, budget, hashes: data.settle() + ledger.settle())
      }
      account.grow(data.growth)
      return try record(call, block, call.receipt(block, .applied, usage: usage))
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
      precondition((before.0 == nil) == (deployed == nil) && before.1 == owner, "undone in full")
      return try record(call, block, call.receipt(block, .refused(refusal), usage: usage))
    }
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

  private func install(_ call: OrderedCall, _ budget: inout StepBudget) throws(Stop) {
    guard let sender = call.call.sender else {
      throw .refused(Refusal("UNSIGNED", "a deploy is signed by its owner: sign it"))
    }
    if let owner, owner != sender {
      throw .refused(
        Refusal("NOT_OWNER", "only the owner of \(name) upgrades it: sign with its key"))
    }
    let checked = try Self.checked(call)
    let old = deployed?.checked
    try refuseDrops(checked.package)
    try dropViews()
    try buildTables(checked)
    try buildViews(checked)
    let digest = sha256(call.body)
    let next = try Deployment.link(checked, digest: digest, engine: engine, data: data)
    try machine { () throws(StorageFault) in
      try ledger.put(.value, Key.package, call.body)
      if owner == nil { try ledger.put(.value, Key.owner, sender.bytes) }
    }
    try next.recompute(since: old, engine: engine, data: data, &budget)
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

  /// A source's rows are never dropped without being asked for.
  private func refuseDrops(_ package: Package) throws(Stop) {
    guard let old = deployed?.package else { return }
    for source in old.sources {
      let isBare =
        try isEmpty(source.bronzeTable) ? try isEmpty(source.quarantineTable) : false
      guard let kept = package.source(source.name) else {
        guard isBare else {
          throw .refused(
            Refusal(
              "DROP_REFUSED",
              "the upgrade would drop the source \(source.name) and its rows: keep it in the "
                + "package"))
        }
        continue
      }
      guard !isBare else { continue }
      for column in source.columns where kept.column(column.name)?.type != column.type {
        throw .refused(
          Refusal(
            "DROP_REFUSED",
            "the upgrade would drop or retype the column \(source.name).\(column.name), which has "
              + "rows: keep it as it is"))
      }
      guard kept.primaryKey == source.primaryKey else {
        throw .refused(
          Refusal(
            "KEY_CHANGED",
            "the upgrade would change the primary key of \(source.name), which has rows: make a "
              + "new source"))
      }
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
  private func buildTables(_ package: CheckedPackage) throws(Stop) {
    let wanted = TablePlan.all(of: package)
    let names = Set(wanted.map(\.name))
    for name in data.tables.keys.sorted() where !names.contains(name) {
      guard let table = data.tables[name] else { continue }
      try machine { () throws(StorageFault) in try data.drop(table) }
    }
    for plan in wanted {
      guard let table = data.tables[plan.name] else {
        _ = try machine { () throws(StorageFault) in try data.create(plan) }
        continue
      }
      if table.schema.columns != plan.columns || table.schema.key != plan.key {
        try replace(table, by: plan)
      } else if table.indexes != plan.indexes {
        try machine { () throws(StorageFault) in
          try table.reindex(plan.indexes)
          try data.record(table)
        }
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
    try machine { () throws(StorageFault) in
      for upstream in package.staged {
        try engine.connection.execute(
          "DROP TABLE IF EXISTS \(quoted(ChangedTable.name(of: upstream)))")
        try ChangedTable.create(
          upstream, columns: package.columns(of: upstream).map(\.name), on: engine)
      }
    }
  }

  /// Rows of a source go over into the new table; a derived table is filled later.
  private func replace(_ table: StoredTable, by plan: TablePlan) throws(Stop) {
    let rows = plan.source == nil ? [] : try allRows(of: table)
    try machine { () throws(StorageFault) in try data.drop(table) }
    let fresh = try machine { () throws(StorageFault) in try data.create(plan) }
    let places = plan.columns.map { column in
      table.schema.columns.firstIndex { $0.name == column.name }
    }
    for row in rows {
      let values = places.map { place in place.map { row.values[$0] } ?? .null }
      let nonce = fresh.hasNonce ? row.nonce ?? fallbackNonce(row) : nil
      guard try data.insert(StoredRow(values: values, nonce: nonce), into: fresh) else {
        throw .refused(
          Refusal("SQL_CONSTRAINT", "two rows of \(plan.name) share one key after the upgrade"))
      }
    }
  }

  private func allRows(of table: StoredTable) throws(Stop) -> [StoredRow] {
    try machine { () throws(StorageFault) in
      let scan = try engine.connection.prepare("SELECT * FROM \(quoted(table.name))")
      var rows: [StoredRow] = []
      while try scan.step() { rows.append(table.row(of: scan)) }
      return rows
    }
  }

  /// For rows that came before their table had a personal column.
  private func fallbackNonce(_ row: StoredRow) -> Digest {
    var encoder = Encoder()
    encoder.byte(0x08)
    encoder.value(engine.functions.call)
    encoder.list(row.values)
    return sha256(encoder.bytes)
  }
}

extension DataStore {
  func create(_ plan: TablePlan) throws(StorageFault) -> StoredTable {
    try create(plan.name, columns: plan.columns, key: plan.key, indexes: plan.indexes)
  }
}
