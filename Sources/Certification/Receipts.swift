import Signing
import Wire

/// A receipt with its path to the receipts root of its height.
package struct ReceiptProof: Hashable, Canonical {
  package let receipt: Receipt
  /// How many receipts the block has.
  package let count: UInt32
  /// Sibling hashes, from the leaf up.
  package let path: [Digest]

  package init(receipt: Receipt, count: UInt32, path: [Digest]) {
    self.receipt = receipt
    self.count = count
    self.path = path
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(receipt)
    encoder.integer(count)
    encoder.list(path)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    receipt = try decoder.value()
    count = try decoder.integer()
    path = try decoder.list(limit: AnswerLimits.receiptPathMax)
  }

  /// The receipts root that this proof leads to; nil when its shape is wrong.
  package var root: Digest? {
    ReceiptTree.root(
      of: ReceiptTree.leaf(receipt), at: Int(receipt.position), of: Int(count), path: path)
  }
}

/// What a client keeps of an update: its receipt, proven to a certificate of its height.
package struct CertifiedReceipt: Hashable, Canonical {
  package let proof: ReceiptProof
  package let certificate: StateCertificate

  package init(proof: ReceiptProof, certificate: StateCertificate) {
    self.proof = proof
    self.certificate = certificate
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(proof)
    encoder.value(certificate)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    proof = try decoder.value()
    certificate = try decoder.value()
  }
}

/// The Merkle tree over a block's receipts in the order of its calls: the shape of RFC 6962
/// (section 2.1), with hash prefixes of its own and the count bound into the root.
package enum ReceiptTree {
  package static func leaf(_ receipt: Receipt) -> Digest {
    sha256([0x10] + receipt.canonicalBytes)
  }

  private static func inner(_ left: Digest, _ right: Digest) -> Digest {
    hashed(0x11, [left, right])
  }

  private static func sealed(_ count: Int, _ top: Digest) -> Digest {
    var encoder = Encoder(capacity: 37)
    encoder.byte(0x12)
    encoder.integer(UInt32(count))
    encoder.value(top)
    return sha256(encoder.bytes)
  }

  /// The root over leaves in order; of none, too.
  package static func root(of leaves: [Digest]) -> Digest {
    sealed(leaves.count, top(of: leaves[...]))
  }

  /// The siblings of leaf `index`, from the leaf up.
  package static func path(of index: Int, in leaves: [Digest]) -> [Digest] {
    precondition(leaves.indices.contains(index), "leaf \(index) of \(leaves.count)")
    var path: [Digest] = []
    var rest = leaves[...]
    while rest.count > 1 {
      let middle = rest.startIndex + split(rest.count)
      if index < middle {
        path.append(top(of: rest[middle...]))
        rest = rest[..<middle]
      } else {
        path.append(top(of: rest[..<middle]))
        rest = rest[middle...]
      }
    }
    return path.reversed()
  }

  /// The root that a leaf and its siblings lead to.
  /// - Returns: nil when there is no such leaf, or the path has another length than its place has.
  package static func root(
    of leaf: Digest, at index: Int, of count: Int, path: [Digest]
  ) -> Digest? {
    guard index >= 0, index < count, count <= Limits.callsPerBlockMax else { return nil }
    // The turns from the root down to the leaf; the path is read from its end.
    var turns: [Bool] = []
    var (low, size) = (0, count)
    while size > 1 {
      let left = split(size)
      let goesRight = index >= low + left
      turns.append(goesRight)
      (low, size) = goesRight ? (low + left, size - left) : (low, left)
    }
    guard turns.count == path.count else { return nil }
    var node = leaf
    for (sibling, wentRight) in zip(path, turns.reversed()) {
      node = wentRight ? inner(sibling, node) : inner(node, sibling)
    }
    return sealed(count, node)
  }

  private static func top(of leaves: ArraySlice<Digest>) -> Digest {
    guard let first = leaves.first else { return .zero }
    guard leaves.count > 1 else { return first }
    let middle = leaves.startIndex + split(leaves.count)
    return inner(top(of: leaves[..<middle]), top(of: leaves[middle...]))
  }

  /// The largest power of two below `count`.
  private static func split(_ count: Int) -> Int {
    1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount)
  }
}

/// SHA-256 over a prefix byte and digests.
func hashed(_ prefix: UInt8, _ digests: [Digest]) -> Digest {
  let count = 1 + 32 * digests.count
  return withScratch(count) { base in
    base.storeBytes(of: prefix, as: UInt8.self)
    for (index, digest) in digests.enumerated() { digest.store(to: base + (1 + 32 * index)) }
    return sha256(UnsafeRawBufferPointer(start: base, count: count))
  }
}
