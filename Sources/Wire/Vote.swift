/// What replicas vote on. A statement binds subnet and epoch; the kind of vote is its variant.
package enum Ballot: Statement {
  package static let domain = "quorate/vote/1"

  case notarize(subnet: SubnetID, epoch: Epoch, view: View, parentView: View, block: Digest)
  case nullify(subnet: SubnetID, epoch: Epoch, view: View)
  case finalize(subnet: SubnetID, epoch: Epoch, view: View, parentView: View, block: Digest)

  package enum Kind: UInt8, Hashable, Sendable, Comparable, CaseIterable {
    case notarize = 0
    case nullify = 1
    case finalize = 2
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }

  package var kind: Kind {
    switch self {
    case .notarize: .notarize
    case .nullify: .nullify
    case .finalize: .finalize
    }
  }

  package var subnet: SubnetID {
    switch self {
    case .notarize(let subnet, _, _, _, _), .nullify(let subnet, _, _),
      .finalize(let subnet, _, _, _, _):
      subnet
    }
  }

  package var epoch: Epoch {
    switch self {
    case .notarize(_, let epoch, _, _, _), .nullify(_, let epoch, _),
      .finalize(_, let epoch, _, _, _):
      epoch
    }
  }

  package var view: View {
    switch self {
    case .notarize(_, _, let view, _, _), .nullify(_, _, let view), .finalize(_, _, let view, _, _):
      view
    }
  }

  /// nil for a nullify.
  package var block: Digest? {
    switch self {
    case .notarize(_, _, _, _, let block), .finalize(_, _, _, _, let block): block
    case .nullify: nil
    }
  }

  /// nil for a nullify.
  package var parentView: View? {
    switch self {
    case .notarize(_, _, _, let parent, _), .finalize(_, _, _, let parent, _): parent
    case .nullify: nil
    }
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.variant(Int(kind.rawValue))
    encoder.value(epoch)
    encoder.value(view)
    if let parentView, let block {
      encoder.value(parentView)
      encoder.value(block)
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    let subnet: SubnetID = try decoder.value()
    let kind = try decoder.variant(count: 3)
    let epoch: Epoch = try decoder.value()
    let view: View = try decoder.value()
    if kind == 1 {
      self = .nullify(subnet: subnet, epoch: epoch, view: view)
      return
    }
    let parentView: View = try decoder.value()
    let block: Digest = try decoder.value()
    self =
      kind == 0
      ? .notarize(subnet: subnet, epoch: epoch, view: view, parentView: parentView, block: block)
      : .finalize(subnet: subnet, epoch: epoch, view: view, parentView: parentView, block: block)
  }
}

/// A ballot with its signer and signature, as it travels. Not verified by itself.
package struct Vote: Hashable, Canonical {
  package let ballot: Ballot
  package let signer: ReplicaID
  package let signature: Signature

  package init(ballot: Ballot, signer: ReplicaID, signature: Signature) {
    self.ballot = ballot
    self.signer = signer
    self.signature = signature
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(ballot)
    encoder.value(signer)
    encoder.value(signature)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    ballot = try decoder.value()
    signer = try decoder.value()
    signature = try decoder.value()
  }
}

/// Who signed: one bit a member, least significant first, as many bytes as the members need.
package struct Signers: Hashable, Canonical {
  package private(set) var bits: [UInt8]

  /// - Precondition: `ids` are distinct.
  package init(_ ids: some Sequence<ReplicaID>, of size: Int) {
    bits = [UInt8](repeating: 0, count: (size + 7) / 8)
    for id in ids {
      precondition(id.index < size && !contains(id), "\(id) twice, or outside of \(size)")
      bits[id.index / 8] |= 1 << UInt8(id.index % 8)
    }
  }

  package func contains(_ id: ReplicaID) -> Bool {
    id.index / 8 < bits.count && bits[id.index / 8] & (1 << UInt8(id.index % 8)) != 0
  }

  package var count: Int { bits.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Ascending; may hold ids outside of the committee, which whoever verifies refuses.
  package var ids: [ReplicaID] {
    var out: [ReplicaID] = []
    out.reserveCapacity(count)
    for (place, byte) in bits.enumerated() {
      var rest = byte
      while rest != 0 {
        out.append(ReplicaID(UInt16(place * 8 + rest.trailingZeroBitCount)))
        rest &= rest - 1
      }
    }
    return out
  }

  package func encode(into encoder: inout Encoder) { encoder.blob(bits) }
  package init(from decoder: inout Decoder) throws(Malformed) {
    bits = try decoder.blob(limit: (Limits.membersMax + 7) / 8)
  }
}

/// Signatures of a quorum under one ballot: a notarization, nullification or finalization.
package struct Certificate: Hashable, Canonical {
  package let ballot: Ballot
  package let signers: Signers
  /// In the order of the signers.
  package let signatures: [Signature]

  package init(ballot: Ballot, signers: Signers, signatures: [Signature]) {
    self.ballot = ballot
    self.signers = signers
    self.signatures = signatures
  }

  package var view: View { ballot.view }
  package var kind: Ballot.Kind { ballot.kind }

  package func encode(into encoder: inout Encoder) {
    encoder.value(ballot)
    encoder.value(signers)
    encoder.list(signatures)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    ballot = try decoder.value()
    signers = try decoder.value()
    signatures = try decoder.list(limit: Limits.membersMax)
  }
}
