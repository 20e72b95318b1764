import Certification
import Pipelines
import Storage
import Wire

// Snapshots: every version that a row ever had, the current one without an end.

extension ModelPlan {
  /// `id = 'a', day = 3`, for messages.
  func shownKey(of values: [Value]) -> String {
    // Receipts are for everyone to read, so a personal column is named without its value.
    declaredKey.map { key in
      checked.column(key.name)?.pii == nil
        ? "\(key.name) = \(values[key.place].shown)" : key.name
    }.joined(separator: ", ")
  }

  /// Since when a row is as it is by `updated_at`; nil where that is not said.
  fileprivate func updatedAt(_ values: [Value]) -> Int64? {
    guard let name = checked.model.updatedAt,
      let place = checked.columns.firstIndex(where: { $0.name == name }),
      case .int(let time) = values[place]
    else { return nil }
    guard checked.columns[place].type == .date else { return time }
    let (product, overflow) = time.multipliedReportingOverflow(by: 86_400_000)
    return overflow ? (time < 0 ? .min : .max) : product
  }
}

/// Versions of one update that begin at another time than `updated_at` says, by model.
final class MovedVersions {
  private var counts: [(model: String, count: UInt32)] = []

  func add(_ model: String) {
    if let place = counts.firstIndex(where: { $0.model == model }) {
      counts[place].count += 1
    } else {
      counts.append((model, 1))
    }
  }

  func tell(_ notes: inout NoteTaker) {
    for (model, count) in counts {
      notes.add(
        "updated_at \(model)", count: count, row: 0,
        message:
          "versions begin at block time: updated_at is ahead of it, or not after the version "
          + "before; or at a row's last end: it came back with an earlier one")
    }
  }
}

extension Refresher {
  /// Ends versions that are no longer so and begins new ones.
  ///
  /// - Safety: no version begins after block time, ends before it began, or is written over. What
  ///   changes again within its first moment is one version, changed in place.
  func writeVersions(
    _ differences: [KeyedRows.Difference], _ table: StoredTable, _ model: ModelPlan
  ) throws(Stop) {
    let now = Int64(clamping: engine.functions.time.number)
    for difference in differences {
      switch difference {
      case .insert(let row):
        // It may come back with a time of before it went.
        let from = start(of: row, now, model)
        let end = try lastEnd(of: row, table, model)
        if end > from { moved.add(model.name) }
        try begin(row, from: max(from, end), table)
      case .update(let old, let new):
        let since = old.validFrom(model)
        let from = start(of: new, now, after: since, model)
        guard from > since else {
          let values = new.values + [.int(since), .null]
          try data.update(old, to: StoredRow(values: values, nonce: old.nonce), in: table)
          continue
        }
        try end(old, at: from, table, model)
        try begin(new, from: from, table)
      case .delete(let old):
        if old.validFrom(model) >= now {
          try data.delete(old, from: table)
        } else {
          try end(old, at: now, table, model)
        }
      }
    }
  }

  /// When a version begins: as `updated_at` says, unless that is ahead of block time, or not after
  /// the version that it ends; then at block time.
  private func start(
    of row: StoredRow, _ now: Int64, after since: Int64 = .min, _ model: ModelPlan
  ) -> Int64 {
    guard let time = model.updatedAt(row.values) else { return now }
    guard time <= now, time > since else {
      moved.add(model.name)
      return now
    }
    return time
  }

  private func end(
    _ row: StoredRow, at time: Int64, _ table: StoredTable, _ model: ModelPlan
  ) throws(Stop) {
    var ended = row
    ended.values[model.resultCount + 1] = .int(time)
    try data.update(row, to: ended, in: table)
  }

  private func begin(_ row: StoredRow, from: Int64, _ table: StoredTable) throws(Stop) {
    let version = StoredRow(values: row.values + [.int(from), .null], nonce: row.nonce)
    guard try data.insert(version, into: table) else {
      throw .failed(
        ExecutionFault(.damaged, "\(table.name) has a version that begins at \(from) already"))
    }
  }

  /// When the last version of a row ended; the least time where it never had one.
  private func lastEnd(
    of row: StoredRow, _ table: StoredTable, _ model: ModelPlan
  ) throws(Stop) -> Int64 {
    let filter = model.declaredKey.map { "\(quoted($0.name)) = ?" }.joined(separator: " AND ")
    return try machine { () throws(StorageFault) in
      let last = try data.connection.cached(
        "SELECT \(quoted(Model.validTo)) FROM \(quoted(table.name)) WHERE \(filter) "
          + "ORDER BY \(quoted(Model.validFrom)) DESC LIMIT 1")
      defer { last.reset() }
      for (index, key) in model.declaredKey.enumerated() {
        try last.bind(index + 1, value: row.values[key.place])
      }
      return try last.step() && !last.isNull(0) ? last.integer(0) : .min
    }
  }
}

extension StoredRow {
  fileprivate func validFrom(_ model: ModelPlan) -> Int64 {
    guard case .int(let time) = values[model.resultCount] else { return 0 }
    return time
  }
}
