/// What a run holds in memory at some simulated time: the disks grow with the log, which is never
/// pruned; nothing else should.
package struct Milestone: Sendable, Hashable {
  package let minutes: UInt64
  package let heights: UInt64
  /// Bytes of the files on all simulated disks.
  package let diskBytes: Int
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
    options.milestone?(
      Milestone(
        minutes: now / 60_000_000, heights: statistics.heightHighest.number,
        diskBytes: disks.reduce(0) { $0 + disk.machine($1).bytes },
        oracleEntries: oracle.entries, planned: agenda.count))
    return (now / Self.milestoneEvery + 1) * Self.milestoneEvery
  }
}
