import Certification
import Pipelines
import Storage
import Wire

/// What one update came to before it is billed.
struct UpdateResult {
  var tally = RowTally()
  var notes: [Note] = []
}

extension PipelineFile {
  /// Runs one call: in a savepoint of its own, billed whether it is applied or not.
  /// - Returns: nil when the call may not run: executed before, expired, or not alive yet.
  func run(
    _ call: OrderedCall, in block: BlockContext, senderSide: Receipt?
  ) throws(ExecutionFault) -> Receipt? {
    try bridged { () throws(Stop) in
      guard block.admits(call.call) else { return nil }
      let isKnown = try machine { () throws(StorageFault) in
        try ledger.hasExecuted(call.digest)
      }
      guard !isKnown else { return nil }
      switch call.call.method {
      case .topUp(let amount): return try creditTopUp(call, amount, block, senderSide)
      case .transfer: return nil
      case .deploy: return try deploy(call, in: block)
      case .grant(let role, let key): return try changeRole(call, role, key, true, block)
      case .revoke(let role, let key): return try changeRole(call, role, key, false, block)
      case .ingest, .procedure, .release: return try update(call, in: block)
      }
    }
  }

  // MARK: Cycles and roles

  /// The pipeline's side of a top-up: the sender's side is in the system file's receipt.
  private func creditTopUp(
    _ call: OrderedCall, _ amount: Cycles, _ block: BlockContext, _ senderSide: Receipt?
  ) throws(Stop) -> Receipt? {
    guard let senderSide, senderSide.status == .applied, senderSide.replayOf == nil else {
      return nil
    }
    try machine { () throws(StorageFault) in
      guard try !ledger.contains(.credit, call.digest.bytes) else { return }
      _ = account.cycles.deposit(amount)
      try ledger.put(
        .credit, call.digest.bytes, amount.canonicalBytes, forgetAt: block.forgetAt(call.call))
      ledger.settle()
    }
    return nil
  }

  private func changeRole(
    _ call: OrderedCall, _ role: String, _ key: PublicKey, _ isGrant: Bool, _ block: BlockContext
  ) throws(Stop) -> Receipt {
    guard let owner, call.call.sender == owner else {
      return try record(
        call, block,
        refused: Refusal(
          "NOT_OWNER", "only the owner of \(name) grants and revokes roles: sign with its key"))
    }
    guard !call.call.idempotencyKey.isEmpty else {
      return try record(call, block, refused: IdempotencyEntry.missing)
    }
    var usage = Usage()
    usage.ingressBytes = UInt64(call.body.count)
    let cost = prices.update(usage)
    if let refusal = frozen(cost: cost) { return try record(call, block, refused: refusal) }
    try machine { () throws(StorageFault) in
      let entry = Array(role.utf8) + [0] + key.bytes
      if isGrant {
        try ledger.put(.role, entry, [1])
      } else {
        try ledger.remove(.role, entry)
      }
    }
    let charged = account.cycles.charge(cost)
    return try record(
      call, block, call.receipt(block, .applied, usage: usage, charged: charged))
  }

  /// Whether one of the grants covers the caller; the owner is always covered.
  func isAllowed(_ sender: PublicKey?, _ grants: [Grant]) throws(StorageFault) -> Bool {
    if let sender, sender == owner { return true }
    for grant in grants {
      switch grant {
      case .anyone: return true
      case .key(let key): if key == sender { return true }
      case .role(let role):
        guard let sender else { continue }
        if try ledger.contains(.role, Array(role.utf8) + [0] + sender.bytes) { return true }
      }
    }
    return false
  }

  // MARK: Receipts

  /// Keeps the receipt until the call cannot come back.
  func record(
    _ call: OrderedCall, _ block: BlockContext, _ receipt: Receipt, forgetAt: Moment? = nil
  ) throws(Stop) -> Receipt {
    try machine { () throws(StorageFault) in
      try ledger.put(receipt, forgetAt: max(forgetAt ?? 0, block.forgetAt(call.call)))
      ledger.settle()
    }
    return receipt
  }

  /// A refusal that costs nobody anything.
  func record(
    _ call: OrderedCall, _ block: BlockContext, refused: Refusal
  ) throws(Stop) -> Receipt {
    try record(call, block, call.receipt(block, .refused(refused)))
  }
}

/// Runs a body whose storage faults are the machine's, never the update's.
func machine<R>(_ body: () throws(StorageFault) -> R) throws(Stop) -> R {
  do { return try body() } catch { throw Stop(machine: error) }
}

/// Lets the machine's failures through; by here every refusal has become a receipt.
func bridged<R>(_ body: () throws(Stop) -> R) throws(ExecutionFault) -> R {
  do { return try body() } catch {
    switch error {
    case .failed(let fault): throw fault
    case .refused(let refusal): preconditionFailure("a refusal without a receipt: \(refusal)")
    }
  }
}
