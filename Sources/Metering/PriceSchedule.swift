import Wire

/// Every price table that was ever in force on a subnet, and the blocks that brought them.
///
/// - Safety: what a block costs depends on its height and on what earlier blocks brought, so a file
///   that replays old blocks alone comes to the old bills.
package struct PriceSchedule: Canonical, Hashable {
  /// A table in force from the block after the one that brought it.
  package struct Change: Canonical, Hashable {
    package let height: Height
    /// Block time of that height: storage up to it is charged by the table before.
    package let time: Moment
    package let table: PriceTable

    package init(height: Height, time: Moment, table: PriceTable) {
      self.height = height
      self.time = time
      self.table = table
    }

    package func encode(into encoder: inout Encoder) {
      encoder.value(height)
      encoder.value(time)
      encoder.value(table)
    }

    package init(from decoder: inout Decoder) throws(Malformed) {
      height = try decoder.value()
      time = try decoder.value()
      table = try decoder.value()
    }
  }

  /// More changes than this are refused.
  package static let changesMax = 10_000

  private let first: PriceTable
  /// Ascending by height.
  package private(set) var changes: [Change] = []

  /// A subnet that never changed its prices.
  package init(replicas: Int) { first = .standard(replicas: replicas) }

  package var newest: PriceTable { changes.last?.table ?? first }

  /// The table by which the calls of a block pay.
  package func table(at height: Height) -> PriceTable {
    changes.last { $0.height < height }?.table ?? first
  }

  /// The tables by which storage is charged between two block times, in order, each up to a time.
  package func spans(after start: Moment, to end: Moment) -> [(end: Moment, table: PriceTable)] {
    var spans: [(end: Moment, table: PriceTable)] = []
    var table = first
    for change in changes where change.time < end {
      if change.time > start { spans.append((change.time, table)) }
      table = change.table
    }
    return spans + [(end, table)]
  }

  /// - Precondition: the change is above all others.
  package mutating func add(_ change: Change) {
    precondition(change.height > changes.last?.height ?? 0, "a change at \(change.height)")
    changes.append(change)
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(first)
    encoder.list(changes)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    first = try decoder.value()
    changes = try decoder.list(limit: Self.changesMax)
  }
}

/// The price table in force, and what administrators want in its place.
package struct PriceReport: Canonical, Hashable {
  /// A table for which an administrator called.
  package struct Proposal: Canonical, Hashable {
    package let administrator: PublicKey
    package let table: PriceTable

    package init(administrator: PublicKey, table: PriceTable) {
      self.administrator = administrator
      self.table = table
    }

    package func encode(into encoder: inout Encoder) {
      encoder.value(administrator)
      encoder.value(table)
    }

    package init(from decoder: inout Decoder) throws(Malformed) {
      administrator = try decoder.value()
      table = try decoder.value()
    }
  }

  package let table: PriceTable
  /// Ascending by administrator.
  package let proposals: [Proposal]
  /// So many administrators must call for one table.
  package let needed: UInt16

  package init(table: PriceTable, proposals: [Proposal], needed: Int) {
    self.table = table
    self.proposals = proposals
    self.needed = UInt16(needed)
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(table)
    encoder.list(proposals)
    encoder.integer(needed)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    table = try decoder.value()
    proposals = try decoder.list(limit: Limits.membersMax)
    needed = try decoder.integer()
  }
}
