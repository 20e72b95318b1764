import Wire

/// Members of one committee, a bit each.
///
/// - Bound: `Limits.membersMax` ids; others are never in it.
package struct MemberSet: Hashable, Sendable {
  private var bits: UInt128 = 0

  package init() {}

  package init(_ ids: some Sequence<ReplicaID>) {
    for id in ids { insert(id) }
  }

  package var count: Int { bits.nonzeroBitCount }
  package var isEmpty: Bool { bits == 0 }

  package func contains(_ id: ReplicaID) -> Bool {
    id.index < Limits.membersMax && bits & (1 << UInt128(id.index)) != 0
  }

  /// - Returns: false when it was there already.
  @discardableResult
  package mutating func insert(_ id: ReplicaID) -> Bool {
    precondition(id.index < Limits.membersMax, "\(id) is beyond \(Limits.membersMax) members")
    let bit: UInt128 = 1 << UInt128(id.index)
    defer { bits |= bit }
    return bits & bit == 0
  }

  package mutating func remove(_ id: ReplicaID) {
    guard id.index < Limits.membersMax else { return }
    bits &= ~(1 << UInt128(id.index))
  }

  package mutating func formUnion(_ other: MemberSet) { bits |= other.bits }

  /// Ascending.
  package var ids: [ReplicaID] {
    var out: [ReplicaID] = []
    out.reserveCapacity(count)
    var rest = bits
    while rest != 0 {
      out.append(ReplicaID(UInt16(rest.trailingZeroBitCount)))
      rest &= rest - 1
    }
    return out
  }
}
