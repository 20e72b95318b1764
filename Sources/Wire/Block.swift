/// What a leader proposes. Its digest names the block.
package struct Header: Statement {
  package static let domain = "quorate/block/1"

  package let subnet: SubnetID
  package let epoch: Epoch
  package let view: View
  package let parentView: View
  package let parent: Digest
  /// The parent's height + 1.
  package let height: Height
  /// Block time: the only time that execution sees.
  package let time: Moment
  /// The digests of its calls, in the order of execution: strictly ascending.
  package let calls: [Digest]
  /// The highest state certificate that the proposer held; nil before the first.
  package let certified: StateCertificate?

  package init(
    subnet: SubnetID, epoch: Epoch, view: View, parentView: View, parent: Digest, height: Height,
    time: Moment, calls: [Digest], certified: StateCertificate?
  ) {
    self.subnet = subnet
    self.epoch = epoch
    self.view = view
    self.parentView = parentView
    self.parent = parent
    self.height = height
    self.time = time
    self.calls = calls
    self.certified = certified
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.value(epoch)
    encoder.value(view)
    encoder.value(parentView)
    encoder.value(parent)
    encoder.value(height)
    encoder.value(time)
    encoder.list(calls)
    encoder.optional(certified)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    subnet = try decoder.value()
    epoch = try decoder.value()
    view = try decoder.value()
    parentView = try decoder.value()
    parent = try decoder.value()
    height = try decoder.value()
    time = try decoder.value()
    calls = try decoder.list(limit: Limits.callsPerBlockMax)
    certified = try decoder.optional()
  }
}

/// A header with the bodies that it names, in its order.
package struct Block: Hashable, Canonical {
  package let header: Header
  package let calls: [SignedCall]

  package init(header: Header, calls: [SignedCall]) {
    self.header = header
    self.calls = calls
  }

  /// What it is taken to weigh, in bytes, wherever blocks are cut, charged for or kept by their
  /// size: those who answer and those who are answered count alike.
  package var weight: Int {
    let signatures = header.certified?.signatures.count ?? 0
    let bare = Limits.blockWeight + signatures * Limits.signatureWeight
    return max(header.calls.count, calls.count) * Limits.callWeight
      + calls.reduce(bare) { $0 + $1.body.count }
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(header)
    encoder.list(calls)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    header = try decoder.value()
    calls = try decoder.list(limit: Limits.callsPerBlockMax)
  }
}
