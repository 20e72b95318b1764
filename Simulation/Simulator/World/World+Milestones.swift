import CSQLite

/// What a run holds in memory at some simulated time: the disks grow with the log, which is never
/// pruned, and the tries with the rows; nothing else should once the caches are full.
package struct Milestone: Sendable, Hashable {
  package let minutes: UInt64
  package let heights: UInt64
  /// Bytes of memory that the files on all simulated disks take, logs at their longest.
  package let diskBytes: Int
  /// Bytes that SQLite holds in this process: page caches most of all, which have a bound.
  package let databaseBytes: Int
  /// Bytes that the tries of all replicas and of the serial replay take.
  package let trieBytes: Int
  /// Entries in the oracle's books.
  package let oracleEntries: Int
  /// Events that are planned.
  package let planned: Int
}

extension World {
  static let milestoneEvery: UInt64 = 600_000_000

  /// - Returns: the simulated time of the next one.
  func passMilestone() -> UInt64 {
    let disks = Set(machines.map(\.name) + [SerialReplay.machine]).sorted()
    let executors = machines.map(\.ledger?.executor) + [serial?.executor]
    options.milestone?(
      Milestone(
        minutes: now / 60_000_000, heights: statistics.heightHighest.number,
        diskBytes: disks.reduce(0) { $0 + disk.machine($1).memoryBytes },
        databaseBytes: Int(sqlite3_memory_used()),
        trieBytes: executors.reduce(0) { $0 + ($1?.trieBytes ?? 0) },
        oracleEntries: oracle.entries, planned: agenda.count))
    return (now / Self.milestoneEvery + 1) * Self.milestoneEvery
  }
}
