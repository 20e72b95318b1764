import Certification
import Metering
import Storage
import Wire

extension Executor {
  /// The outcome of a height up to this executor's own; nil above it.
  package func outcome(at height: Height) throws(ExecutionFault) -> BlockOutcome? {
    guard height <= self.height else { return nil }
    if height == self.height { return latest.outcome(at: height) }
    guard let (at, stored) = try stored(atOrBelow: height) else {
      return BlockOutcome(
        height: height, stateRoot: Self.genesisRoot(of: genesis),
        receiptsRoot: ReceiptTree.root(of: []))
    }
    return BlockOutcome(
      height: height, stateRoot: stored.state,
      receiptsRoot: at == height ? stored.receipts : ReceiptTree.root(of: []))
  }

  /// A call's receipt with its path to the receipts root of its height; nil while there is none.
  package func receipt(of call: Digest) throws(ExecutionFault) -> ReceiptProof? {
    guard let receipt = try find(call), receipt.height <= height,
      let stored = try storedOutcome(at: receipt.height),
      stored.leaves.indices.contains(Int(receipt.position)),
      stored.leaves[Int(receipt.position)] == ReceiptTree.leaf(receipt)
    else { return nil }
    return ReceiptProof(
      receipt: receipt, count: UInt32(stored.leaves.count),
      path: ReceiptTree.path(of: Int(receipt.position), in: stored.leaves))
  }

  private func find(_ call: Digest) throws(ExecutionFault) -> Receipt? {
    try wrapped { () throws(StorageFault) in
      if let receipt = try system.ledger.receipt(of: call) { return receipt }
      for name in pipelines.keys.sorted() {
        if let receipt = try pipelines[name]?.ledger.receipt(of: call) { return receipt }
      }
      return nil
    }
  }

  func storedOutcome(at height: Height) throws(ExecutionFault) -> StoredOutcome? {
    guard let (at, stored) = try stored(atOrBelow: height), at == height else { return nil }
    return stored
  }

  func stored(
    atOrBelow height: Height
  ) throws(ExecutionFault) -> (Height, StoredOutcome)? {
    let found = try wrapped { () throws(StorageFault) in
      try system.ledger.recorded(atOrBelow: height)
    }
    guard let (at, bytes) = found else { return nil }
    return (at, try StoredOutcome.read(bytes, of: at))
  }

  /// True when no file is past this executor's height.
  package var isLevel: Bool {
    system.height <= height
      && pipelines.keys.sorted().allSatisfy {
        pipelines[$0].map { $0.height <= height } ?? true
      }
  }

  /// All cycles of the subnet.
  package var totals: CycleTotals {
    var totals = CycleTotals()
    totals.mint(Cycles(system.minted))
    totals.count(
      Account(balance: Cycles(system.peopleTotal), burned: Cycles(system.burned)))
    for name in pipelines.keys.sorted() {
      if let account = pipelines[name]?.account { totals.count(account.cycles) }
    }
    return totals
  }

  /// For each pipeline the bytes it stores, what it has, and what storage took of it so far.
  package var storage: [(pipeline: String, bytes: UInt64, balance: Cycles, taken: Cycles)] {
    pipelines.keys.sorted().compactMap { name in
      (pipelines[name]?.account).map { account in
        let taken = account.burns.first { $0.kind == .storage }?.cycles ?? 0
        return (name, account.storedBytes, account.cycles.balance, taken)
      }
    }
  }

  /// Moves every write-ahead log into its file, with fsync; what a reader holds back stays in its
  /// log, which is synced. So all that is committed is durable when this returns.
  /// Reads wait for the next height, since every read transaction is let go.
  /// - Parameter waits: for queries that run; else their read transactions end with them.
  /// - Returns: the height that is in every file now; nil when a reader held one back.
  @discardableResult
  package func checkpoint(waits: Bool = true) throws(ExecutionFault) -> Height? {
    reader.release(waits: waits)
    return try wrapped { () throws(StorageFault) in
      var isComplete = true
      for connection in connections {
        if try connection.checkpoint(.passive).isComplete { continue }
        isComplete = false
        try connection.syncLog()
      }
      return isComplete ? height : nil
    }
  }
}
