import Pipelines
import Storage
import Wire

/// What one update does to the counts of its sources.
struct CountedRows {
  /// Of its batch, once that is read; none of a release.
  var arrived: UInt64 = 0
  /// Where they went.
  var tally = RowTally()
  /// What left quarantines.
  var released: [(source: Source, tally: RowTally)] = []
}

/// Counts of rows and of broken expectations, an entry a source, replicated as balances are.
///
/// - Safety: counted once by update, after its bill, so that nobody pays for it and no receipt
///   differs by it. A replayed call, and one that is refused before it runs, counts nothing.
extension PipelineFile {
  /// Beside the account, where no change leads that a call pays for.
  static func countsKey(_ source: String) -> [UInt8] { Array("counts/\(source)".utf8) }

  /// Adds what an update came to. Of one that was refused, its rows and the expectation that
  /// refused it are counted, and nothing else: the rest never happened.
  func count(
    _ rows: CountedRows, of plan: SourcePlan, isApplied: Bool
  ) throws(StorageFault) {
    try alterCounts(of: plan.source) { counts in
      if isApplied { counts.add(rows.tally) } else { counts.rejected += rows.arrived }
      plan.expectations?.add(to: &counts, isApplied: isApplied)
    }
    guard isApplied else { return }
    for (source, tally) in rows.released {
      try alterCounts(of: source) { $0.add(released: tally) }
    }
  }

  private func alterCounts(
    of source: Source, _ change: (inout SourceCounts) -> Void
  ) throws(StorageFault) {
    let key = Self.countsKey(source.name)
    let before = SourceCounts(of: source, stored: try ledger.get(.value, key))
    var counts = before
    change(&counts)
    if counts != before { try ledger.put(.value, key, counts.canonicalBytes) }
  }

  /// After an upgrade: what an older package had and this one has no more goes, with its counts.
  func keepCounts(since old: Package?) throws(StorageFault) {
    for source in old?.sources ?? [] {
      let key = Self.countsKey(source.name)
      guard let stored = try ledger.get(.value, key) else { continue }
      guard let kept = deployed?.package.source(source.name) else {
        try ledger.remove(.value, key)
        continue
      }
      try ledger.put(.value, key, SourceCounts(of: kept, stored: stored).canonicalBytes)
    }
  }
}

extension SourceCounts {
  /// What is stored of a source, with a line for each expectation that it has now. One that does
  /// something else with rows now counts anew.
  init(of source: Source, stored: [UInt8]?) {
    let known = stored.flatMap { try? SourceCounts(canonicalBytes: $0) }
    self = known ?? SourceCounts(source: source.name)
    expectations = source.expectations.map { expectation in
      let action = expectation.onViolation.rawValue
      return known?.expectations.first { $0.name == expectation.name && $0.action == action }
        ?? ExpectationCount(name: expectation.name, action: action)
    }
  }

  /// Rows that came in.
  fileprivate mutating func add(_ tally: RowTally) {
    accepted += UInt64(tally.accepted)
    quarantined += UInt64(tally.quarantined)
    dropped += UInt64(tally.dropped)
    duplicates += UInt64(tally.duplicates)
    late += UInt64(tally.late)
  }

  /// Rows that left the quarantine; those that stay in it were counted as they came in.
  fileprivate mutating func add(released tally: RowTally) {
    accepted += UInt64(tally.accepted)
    duplicates += UInt64(tally.duplicates)
    released += UInt64(tally.accepted) + UInt64(tally.duplicates)
  }
}
