import CSQLite
import Metering
import Signing
import Storage
import Wire

/// The file of a subnet that no pipeline owns: people's accounts, cycles minted and burned, the
/// names of pipelines, the prices, the accepted engines, and the outcome of every height.
///
/// - Safety: what a call moves is taken here first; a pipeline's file takes its side of what was
///   taken and never reckons it anew.
/// - Safety: opens only where its rows come to the root that was stored with the newest outcome.
final class SystemFile {
  let engine: Engine
  let ledger: Ledger
  private(set) var height: Height = 0
  private var sealed: Height = 0
  /// Cycles burned by fees of this file.
  private(set) var burned: UInt64 = 0
  private(set) var minted: UInt64 = 0
  /// The sum of people's balances.
  private(set) var peopleTotal: UInt64 = 0
  private(set) var pipelines: Set<String> = []
  let administrators: [PublicKey]
  /// The engines that the genesis accepts.
  let foundingEngines: [EngineFingerprint]
  /// The prices of all heights.
  var schedule: PriceSchedule
  /// Deploys of the block that the pipelines run, by the scopes of their keys.
  var deploys: [[UInt8]: OrderedCall] = [:]

  init(path: String, vfs: String?, genesis: Genesis, retaining: UInt64) throws(ExecutionFault) {
    administrators = Self.administrators(of: genesis)
    foundingEngines = genesis.engines
    schedule = PriceSchedule(replicas: genesis.members.count)
    do {
      engine = try Engine(path: path, access: .create, vfs: vfs, profile: .update)
      ledger = try Ledger(on: engine.connection, retaining: retaining)
      try engine.connection.execute(
        "CREATE TABLE IF NOT EXISTS ledger_touched(pipeline TEXT PRIMARY KEY, "
          + "height INTEGER NOT NULL) STRICT, WITHOUT ROWID")
      if try ledger.get(.value, Key.genesis) == nil { try Self.found(genesis, in: ledger) }
      try ledger.rebuild()
    } catch { throw ExecutionFault(error) }
    try check(path, genesis)
    try wrapped { () throws(StorageFault) in try loadValues() }
    seal(exactly: height)
  }

  /// Holds the rows against the root that was stored with them, before anything is made of them.
  private func check(_ path: String, _ genesis: Genesis) throws(ExecutionFault) {
    let (recorded, document) = try wrapped { () throws(StorageFault) in
      (try ledger.recorded(atOrBelow: Height(.max >> 1)), try ledger.get(.value, Key.genesis))
    }
    var root: Digest?
    if let (newest, bytes) = recorded {
      height = newest
      root = try StoredOutcome.read(bytes, of: newest).systemRoot
    }
    guard root == nil || root == ledger.trie.root else { throw damaged(path) }
    guard document == genesis.canonicalBytes else {
      throw ExecutionFault(
        .mismatch, "\(path) belongs to another subnet: its genesis document differs")
    }
    guard root != nil || ledger.trie.root == Self.genesisRoot(of: genesis) else {
      throw damaged(path)
    }
  }

  private func damaged(_ path: String) -> ExecutionFault {
    ExecutionFault(
      .damaged,
      "\(path) does not hold what was committed at height \(height): its rows come to another "
        + "root. \(ExecutionFault.anew)")
  }

  enum Key {
    static let genesis = Array("genesis".utf8)
    static let minted = Array("minted".utf8)
    static let burned = Array("burned".utf8)
    static let prices = Array("prices".utf8)
    static let engines = Array("engines".utf8)
  }

  /// Writes height 0.
  private static func found(_ genesis: Genesis, in ledger: Ledger) throws(StorageFault) {
    let transaction = try WriteTransaction(ledger.connection)
    for (key, value) in entries(of: genesis) { try ledger.put(key.part, key.key, value) }
    try transaction.commit()
    ledger.discard()
  }

  private struct EntryKey {
    let part: Ledger.Part
    let key: [UInt8]
  }

  private static func entries(of genesis: Genesis) -> [(key: EntryKey, value: [UInt8])] {
    var entries: [(key: EntryKey, value: [UInt8])] = [
      (EntryKey(part: .value, key: Key.genesis), genesis.canonicalBytes)
    ]
    var minted: UInt64 = 0
    for account in genesis.accounts {
      let sum = minted.addingReportingOverflow(account.balance.number)
      let amount = sum.overflow ? UInt64.max - minted : account.balance.number
      minted += amount
      entries.append(
        (EntryKey(part: .account, key: account.owner.bytes), Cycles(amount).canonicalBytes))
    }
    entries.append((EntryKey(part: .value, key: Key.minted), Cycles(minted).canonicalBytes))
    entries.append((EntryKey(part: .value, key: Key.burned), Cycles(0).canonicalBytes))
    return entries
  }

  /// The root of this file at height 0.
  static func genesisRoot(of genesis: Genesis) -> Digest {
    var changes = ChangeList()
    for (key, value) in entries(of: genesis) {
      changes.put(Ledger.trieKey(key.part.rawValue, key.key), sha256(value))
    }
    let trie = Ledger.newTrie(retaining: 1)
    trie.apply(changes.sorted())
    return trie.root
  }

  /// Brings everything that memory keeps of the ledger to what it holds.
  private func loadValues() throws(StorageFault) {
    minted = try number(Key.minted)
    burned = try number(Key.burned)
    peopleTotal = 0
    for (_, value) in try ledger.all(.account) {
      peopleTotal += ((try? Cycles(canonicalBytes: value)) ?? 0).number
    }
    pipelines = Set(try ledger.all(.pipeline).map { String(decoding: $0.key, as: UTF8.self) })
    schedule = PriceSchedule(replicas: Int(schedule.newest.replicas))
    guard let bytes = try ledger.get(.value, Key.prices) else { return }
    guard let stored = try? PriceSchedule(canonicalBytes: bytes) else {
      throw StorageFault(
        code: SQLITE_CORRUPT, extendedCode: SQLITE_CORRUPT,
        message: "the price tables are not what was written", doing: "reading the system file")
    }
    schedule = stored
  }

  private func number(_ key: [UInt8]) throws(StorageFault) -> UInt64 {
    guard let bytes = try ledger.get(.value, key) else { return 0 }
    return ((try? Cycles(canonicalBytes: bytes)) ?? 0).number
  }

  func balance(of owner: PublicKey) throws(StorageFault) -> UInt64 {
    guard let bytes = try ledger.get(.account, owner.bytes) else { return 0 }
    return ((try? Cycles(canonicalBytes: bytes)) ?? 0).number
  }

  // MARK: Cycles

  private func setBalance(_ owner: PublicKey, _ balance: UInt64) throws(StorageFault) {
    try ledger.put(.account, owner.bytes, Cycles(balance).canonicalBytes)
  }

  /// - Precondition: the account holds the amount.
  func debit(_ owner: PublicKey, _ amount: UInt64) throws(StorageFault) {
    let before = try balance(of: owner)
    precondition(before >= amount, "\(amount) cycles taken of \(before)")
    try setBalance(owner, before - amount)
    peopleTotal -= amount
  }

  func credit(_ owner: PublicKey, _ amount: UInt64) throws(StorageFault) {
    try setBalance(owner, try balance(of: owner) + amount)
    peopleTotal += amount
  }

  func burn(_ amount: UInt64) { burned += amount }

  func register(_ pipeline: String, _ block: BlockContext) throws(StorageFault) {
    pipelines.insert(pipeline)
    try ledger.put(.pipeline, Array(pipeline.utf8), block.height.canonicalBytes)
  }

  /// The newest height with an outcome before a pipeline's first deploy.
  func heightBefore(_ pipeline: String) throws(StorageFault) -> Height {
    guard let bytes = try ledger.get(.pipeline, Array(pipeline.utf8)),
      let first = try? Height(canonicalBytes: bytes), first > 0
    else { return 0 }
    return try ledger.recorded(atOrBelow: Height(first.number - 1))?.0 ?? 0
  }

  // MARK: A block

  /// Everything written between is undone when this throws; call `recover` then.
  func begin() throws(StorageFault) -> WriteTransaction {
    deploys = [:]
    return try WriteTransaction(engine.connection)
  }

  /// Writes the totals and the outcome; the transaction commits after it.
  func finish(_ block: BlockContext, calls: Int) throws(StorageFault) {
    try ledger.forget(before: block.time, calls: calls)
    if burned != (try number(Key.burned)) {
      try ledger.put(.value, Key.burned, Cycles(burned).canonicalBytes)
    }
    ledger.settle()
  }

  func committed(_ height: Height) { self.height = height }

  /// Makes the height's root readable, unless this file is past it.
  func seal(_ height: Height) { if height > sealed { seal(exactly: height) } }

  private func seal(exactly height: Height) {
    ledger.trie.seal(height)
    sealed = height
  }

  // MARK: What other files hold

  /// Notes that a block wrote to a pipeline's file.
  func touch(_ pipeline: String, _ height: Height) throws(StorageFault) {
    let insert = try engine.connection.cached("INSERT OR REPLACE INTO ledger_touched VALUES(?,?)")
    try insert.bind(1, pipeline)
    try insert.bind(2, Int64(clamping: height.number))
    try insert.run()
  }

  /// The newest height that wrote to each pipeline's file, ascending by name.
  func touched() throws(StorageFault) -> [(name: String, height: Height)] {
    let select = try engine.connection.cached(
      "SELECT pipeline, height FROM ledger_touched ORDER BY pipeline")
    var all: [(name: String, height: Height)] = []
    while try select.step() {
      all.append((select.text(0), Height(UInt64(clamping: select.integer(1)))))
    }
    select.reset()
    return all
  }

  /// Brings memory back to what the file holds, after a block that failed half-way.
  func recover(to mark: Int) throws(StorageFault) {
    ledger.discard()
    ledger.trie.undo(to: mark)
    try loadValues()
  }
}

/// Runs a body whose storage faults are the machine's.
func wrapped<R>(_ body: () throws(StorageFault) -> R) throws(ExecutionFault) -> R {
  do { return try body() } catch { throw ExecutionFault(error) }
}
