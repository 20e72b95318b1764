import Certification
import Metering
import Pipelines
import Signing
import Storage
import Wire

/// The file of one pipeline: its tables, its account, its receipts and its own height. It replays
/// alone: what a block does to it depends on the block and on this file, on where the system file
/// sent each call, and on the prices of the height.
///
/// - Safety: a block is one transaction, an update one savepoint in it; tables and tries move
///   together.
final class PipelineFile {
  let name: String
  let engine: Engine
  let ledger: Ledger
  let data: DataStore
  /// Those of the block that runs, or ran last.
  private(set) var prices: PriceTable
  /// The newest height that wrote to this file.
  private(set) var height: Height = 0
  private var sealed: Height = 0
  /// The roots as of `height`; nil before the first block.
  private(set) var committedRoots: FileRoots?
  var account = PipelineAccount()
  private var accountStored = PipelineAccount()
  var owner: PublicKey?
  var deployed: Deployment?
  var reach = UpdateReach()

  convenience init(
    name: String, path: String, vfs: String?, prices: PriceTable, retaining: UInt64,
    order: KeyOrder = .ascending
  ) throws(ExecutionFault) {
    let engine: Engine
    do { engine = try Engine(path: path, access: .create, vfs: vfs, profile: .update) } catch {
      throw ExecutionFault(error)
    }
    try self.init(
      name: name, engine: engine, prices: prices, retaining: retaining, order: order)
    guard committedRoots == nil || committedRoots == roots else {
      throw ExecutionFault(
        .damaged,
        "\(path) does not hold what was committed at height \(height): its rows come to another "
          + "root. \(ExecutionFault.anew)")
    }
  }

  /// Takes up what the engine's file holds.
  init(
    name: String, engine: Engine, prices: PriceTable, retaining: UInt64,
    order: KeyOrder = .ascending
  ) throws(ExecutionFault) {
    self.name = name
    self.prices = prices
    self.engine = engine
    do {
      ledger = try Ledger(on: engine.connection, retaining: retaining)
      data = DataStore(
        on: engine.connection, ledger: ledger, retaining: retaining, order: order)
    } catch { throw ExecutionFault(error) }
    try loadValues()
    do {
      try ledger.rebuild()
      try data.rebuild()
      height = try ledger.recorded(atOrBelow: Height(.max >> 1))?.0 ?? 0
      ledger.trie.seal(height)
      data.trie.seal(height)
      sealed = height
      committedRoots = try roots(atOrBelow: height)
    } catch { throw ExecutionFault(error) }
  }

  enum Key {
    static let account = Array("account".utf8)
    static let owner = Array("owner".utf8)
    static let package = Array("package".utf8)
  }

  /// Brings everything that memory keeps of the tables to what the file holds.
  func loadValues() throws(ExecutionFault) {
    let package = try wrapped { () throws(StorageFault) in try loadEntries() }
    deployed = try package.map { bytes throws(ExecutionFault) in
      try Deployment.restored(bytes, engine: engine, data: data)
    }
  }

  /// - Returns: the package's bytes.
  private func loadEntries() throws(StorageFault) -> [UInt8]? {
    engine.forgetStatements()
    try data.load()
    account = PipelineAccount()
    if let bytes = try ledger.get(.value, Key.account) {
      guard let stored = try? PipelineAccount(canonicalBytes: bytes) else {
        throw .unreadable("the account")
      }
      account = stored
    }
    accountStored = account
    owner = try ledger.get(.value, Key.owner).flatMap { PublicKey($0) }
    deployed = nil
    return try ledger.get(.value, Key.package)
  }

  // MARK: A block

  /// The component roots of this file: what was committed last, or is about to be.
  var roots: FileRoots { FileRoots(data: data.trie.root, ledger: ledger.trie.root) }

  /// Executes its calls of a block, in order, as one transaction. Where none of them brings the
  /// pipeline into being, the file stays as it was.
  /// - Parameter isPaid: whether a top-up's cycles have left the sender's account.
  /// - Returns: a receipt for each call that ran; none for those that may not run (any more).
  func execute(
    _ calls: [OrderedCall], in block: BlockContext, isPaid: (OrderedCall) -> Bool
  ) throws(ExecutionFault) -> [Receipt] {
    precondition(block.height > height, "\(name) is at \(height) already")
    let marks = (ledger.trie.mark, data.trie.mark)
    prices = block.prices
    if !block.planted.contains(.storageUncharged) {
      account.advance(to: block.time, block.schedule)
    }
    do {
      let transaction = try WriteTransaction(engine.connection)
      var receipts: [Receipt] = []
      var left: UInt64 = 0
      for call in calls {
        guard let receipt = try run(call, in: block, isPaid: isPaid(call)) else {
          continue
        }
        receipts.append(receipt)
        if case .refused = receipt.status { left = max(left, data.bytesTaken) }
      }
      guard owner != nil else {
        transaction.rollback()
        try recover(to: marks)
        return receipts
      }
      try finish(block, calls: calls.count)
      try transaction.commit()
      height = block.height
      committedRoots = roots
      if left >= ExecutionLimits.bytesLeftInLogMax {
        // A log that stays long begins anew after the next barrier.
        try? engine.connection.trimLog(to: engine.connection.log.pages)
      }
      return receipts
    } catch {
      try recover(to: marks)
      if let fault = error as? StorageFault { throw ExecutionFault(fault) }
      if let fault = error as? ExecutionFault { throw fault }
      preconditionFailure("an error of no known kind: \(error)")
    }
  }

  /// The receipts that a height wrote for these calls; nil where the file is younger.
  func receipts(of calls: [OrderedCall], at height: Height) throws(StorageFault) -> [Receipt]? {
    guard try roots(atOrBelow: height) != nil else { return nil }
    var receipts: [Receipt] = []
    for call in calls {
      guard let receipt = try ledger.receipt(of: call.digest), receipt.height == height else {
        continue
      }
      receipts.append(receipt)
    }
    return receipts
  }

  /// Makes the height's roots readable; after the commit, for files untouched by the block too.
  func seal(_ height: Height) {
    guard height > sealed else { return }
    ledger.trie.seal(height)
    data.trie.seal(height)
    sealed = height
  }

  private func finish(_ block: BlockContext, calls: Int) throws(StorageFault) {
    account.grow(-Int64(clamping: try ledger.forget(before: block.time, calls: calls)))
    precondition(account.isBalanced, "\(name) burned what is entered nowhere")
    if account != accountStored {
      try ledger.put(.value, Key.account, account.canonicalBytes)
      accountStored = account
    }
    ledger.settle()
    try ledger.recordHeight(block.height, roots.canonicalBytes)
  }

  private func recover(to marks: (Int, Int)) throws(ExecutionFault) {
    ledger.discard()
    data.discard()
    ledger.trie.undo(to: marks.0)
    data.trie.undo(to: marks.1)
    try loadValues()
  }

  // MARK: Reading

  /// What this file came to at the newest height at or below `height`.
  func roots(atOrBelow height: Height) throws(StorageFault) -> FileRoots? {
    guard let (_, bytes) = try ledger.recorded(atOrBelow: height) else { return nil }
    return try? FileRoots(canonicalBytes: bytes)
  }

  var freezing: Freezing {
    Freezing(prices: prices, days: deployed?.package.freezingDays ?? Freezing.daysDefault)
  }

  /// What updates of a block leave in the account; nil only where that rule is broken.
  func freezing(in block: BlockContext) -> Freezing? {
    block.planted.contains(.frozenPipelineRuns) ? nil : freezing
  }

  /// Why an update that may cost so much is refused; nil when it may run.
  func unaffordable(
    _ cost: Cycles, _ allowance: Allowance, in block: BlockContext
  ) -> Refusal? {
    freezing(in: block).flatMap {
      account.refusal(pipeline: name, cost: cost, $0, at: block.time)
    } ?? allowance.refusal(of: name, cost: cost)
  }
}
