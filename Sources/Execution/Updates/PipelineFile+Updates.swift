import Certification
import Pipelines
import Storage
import Wire

/// What one update came to before it is billed.
struct UpdateResult {
  var tally = RowTally()
  var notes: [Note] = []
  /// In the order in which models were computed.
  var models: [ModelWork] = []
}

/// How far the update came that ran last in this process, applied or not: what no
/// receipt tells, for tests.
struct UpdateReach {
  /// Rows that its statements gave until it ended.
  var rowsGiven: UInt64 = 0
  /// Of an applied one: what each model took that was computed.
  var models: [ModelWork] = []
}

extension PipelineFile {
  /// Runs one call: in a savepoint of its own, billed whether it is applied or not.
  /// - Returns: nil when the call may not run: executed before, expired, or not alive yet.
  func run(
    _ call: OrderedCall, in block: BlockContext, isPaid: Bool
  ) throws(ExecutionFault) -> Receipt? {
    try bridged { () throws(Stop) in
      guard block.admits(call.call) else { return nil }
      let isKnown = try machine { () throws(StorageFault) in
        try ledger.hasExecuted(call.digest)
      }
      guard !isKnown else { return nil }
      switch call.call.method {
      case .topUp(let amount): return try creditTopUp(call, amount, block, isPaid)
      case .transfer, .prices, .engines: return nil
      case .deploy: return try deploy(call, in: block)
      case .grant(let role, let key):
        return try changeRole(call, RoleGrant(role: role, key: key), isGrant: true, block)
      case .revoke(let role, let key):
        return try changeRole(call, RoleGrant(role: role, key: key), isGrant: false, block)
      case .ingest, .procedure, .release: return try update(call, in: block)
      }
    }
  }

  // MARK: Cycles and grounds

  /// The pipeline's side of a top-up, which the sender has paid.
  private func creditTopUp(
    _ call: OrderedCall, _ amount: Cycles, _ block: BlockContext, _ isPaid: Bool
  ) throws(Stop) -> Receipt? {
    guard isPaid else { return nil }
    try machine { () throws(StorageFault) in
      guard try !ledger.contains(.credit, call.digest.bytes) else { return }
      // What is minted is counted in 64 bits, and cycles only move: no account can hold more.
      let isCounted = account.deposit(amount, freezing)
      precondition(isCounted, "\(amount) more cycles in \(name) than were minted")
      try ledger.put(
        .credit, call.digest.bytes, amount.canonicalBytes, forgetAt: block.forgetAt(call.call))
      ledger.settle()
    }
    return nil
  }

  /// Why the caller may call; nil when no grant covers it. The owner is always covered.
  func ground(_ sender: PublicKey?, _ grants: [Grant]) throws(StorageFault) -> CallerGround? {
    try CallerGround.of(sender, owner: owner, grants) { role, key throws(StorageFault) in
      try ledger.contains(.role, RoleGrant(role: role, key: key).entry)
    }
  }

  func allowance(
    _ ground: CallerGround, in block: BlockContext
  ) throws(StorageFault) -> Allowance {
    var budget = deployed?.package.budget ?? Budget()
    if block.planted.contains(.callerBudgetIgnored) {
      (budget.callerDaily, budget.publicDaily) = (Cycles(.max), Cycles(.max))
    }
    return try Allowance(ground, of: budget, at: block.time) { key throws(StorageFault) in
      try ledger.get(.spending, key)
    }
  }

  // MARK: Receipts

  /// Keeps the receipt until the call cannot come back.
  func record(
    _ call: OrderedCall, _ block: BlockContext, _ receipt: Receipt, forgetAt: Moment? = nil
  ) throws(Stop) -> Receipt {
    account.grow(Int64(clamping: Ledger.storedBytes(of: receipt)))
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

/// Runs statements of our own that make tables and indexes as a package wants them. What SQLite
/// says of the statement itself follows from the schema alone, which is one on all replicas, and is
/// a refusal: a fault would end them all.
func altering<R>(
  _ table: String, _ body: () throws(StorageFault) -> R
) throws(Stop) -> R {
  do { return try body() } catch {
    guard error.kind == .statement else { throw Stop(machine: error) }
    throw .refused(
      Refusal(
        "TABLE_REFUSED",
        "the table \(table) cannot be made as the package wants it, beside those that are there: "
          + "give its source or model another name, or let it have fewer columns and indexes"))
  }
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
