/// Names a subnet: the digest of its genesis document.
package typealias SubnetID = Digest

/// One replica as the others know it.
package struct Member: Hashable, Canonical {
  package let id: ReplicaID
  package let key: PublicKey

  package init(id: ReplicaID, key: PublicKey) {
    self.id = id
    self.key = key
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(id)
    encoder.value(key)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    id = try decoder.value()
    key = try decoder.value()
  }
}

/// The members of one subnet in one epoch, and the arithmetic of their quorums.
///
/// - Safety: two quorums share at least `faultsMax + 1` members, so one that is correct.
package struct Committee: Hashable, Canonical {
  package let subnet: SubnetID
  package let epoch: Epoch
  /// Sorted by id, ids are 0 ..< n.
  package let members: [Member]

  /// - Precondition: 1 to `Limits.membersMax` members, ids 0 ..< n in order, keys distinct.
  package init(subnet: SubnetID, epoch: Epoch, keys: [PublicKey]) {
    precondition(!keys.isEmpty && keys.count <= Limits.membersMax, "\(keys.count) members")
    precondition(Set(keys).count == keys.count, "two members share one key")
    self.subnet = subnet
    self.epoch = epoch
    members = keys.enumerated().map { Member(id: ReplicaID(UInt16($0.offset)), key: $0.element) }
    precondition(2 * quorum - size >= faultsMax + 1, "quorums of \(size) do not overlap enough")
  }

  package var size: Int { members.count }
  /// `f = ⌊(n−1)/3⌋`: how many may be Byzantine.
  package var faultsMax: Int { (size - 1) / 3 }
  /// `q = n − f`: how many votes make a certificate.
  package var quorum: Int { size - faultsMax }

  package func leader(of view: View) -> ReplicaID {
    members[Int(view.number % UInt64(size))].id
  }

  package func contains(_ id: ReplicaID) -> Bool { id.index < size }

  package func key(of id: ReplicaID) -> PublicKey? {
    contains(id) ? members[id.index].key : nil
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.value(epoch)
    encoder.list(members)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    let subnet: SubnetID = try decoder.value()
    let epoch: Epoch = try decoder.value()
    let members: [Member] = try decoder.list(limit: Limits.membersMax)
    guard !members.isEmpty, members.enumerated().allSatisfy({ $0.element.id.index == $0.offset }),
      Set(members.map(\.key)).count == members.count
    else { throw decoder.fault("members are not 0 ..< n in order with distinct keys") }
    self.init(subnet: subnet, epoch: epoch, keys: members.map(\.key))
  }
}
