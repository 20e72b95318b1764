import Certification
import Wire

/// What the system file keeps of a height: its outcome, and what proofs of its receipts need.
struct StoredOutcome: Canonical, Hashable {
  let state: Digest
  let receipts: Digest
  let systemRoot: Digest
  /// The receipts' leaves by position; zero where a call was skipped.
  let leaves: [Digest]
  /// By position, so that a pipeline's file can be replayed alone.
  let routes: [RouteKind]
  let time: Moment

  init(
    state: Digest, receipts: Digest, systemRoot: Digest, leaves: [Digest], routes: [RouteKind],
    time: Moment
  ) {
    self.state = state
    self.receipts = receipts
    self.systemRoot = systemRoot
    self.leaves = leaves
    self.routes = routes
    self.time = time
  }

  /// - Throws: where the bytes are none of an outcome.
  static func read(_ bytes: [UInt8], of height: Height) throws(ExecutionFault) -> StoredOutcome {
    guard let stored = try? StoredOutcome(canonicalBytes: bytes) else {
      throw ExecutionFault(
        .damaged, "the outcome of height \(height) cannot be read. \(ExecutionFault.anew)")
    }
    return stored
  }

  /// A block without calls changes nothing and writes nothing.
  func carried(to block: BlockContext) -> StoredOutcome {
    StoredOutcome(
      state: state, receipts: ReceiptTree.root(of: []), systemRoot: systemRoot, leaves: [],
      routes: [], time: block.time)
  }

  func outcome(at height: Height) -> BlockOutcome {
    BlockOutcome(height: height, stateRoot: state, receiptsRoot: receipts)
  }

  func encode(into encoder: inout Encoder) {
    encoder.value(state)
    encoder.value(receipts)
    encoder.value(systemRoot)
    encoder.list(leaves)
    encoder.list(routes)
    encoder.value(time)
  }

  init(from decoder: inout Decoder) throws(Malformed) {
    state = try decoder.value()
    receipts = try decoder.value()
    systemRoot = try decoder.value()
    leaves = try decoder.list(limit: Limits.callsPerBlockMax)
    routes = try decoder.list(limit: Limits.callsPerBlockMax)
    time = try decoder.value()
  }
}
