/// Deterministic, metered execution of finalized blocks on SQLite: accounts, pipelines, receipts.
///
/// - Safety: the outcome of a block is a pure function of genesis and the blocks up to it. What
///   only this machine knows (clock, disk, memory) ends in an `ExecutionFault`, never in a receipt.
/// - Safety: each file is whole by itself and knows its own height, so a crash between two files'
///   commits is healed by executing the same block again.
import Certification
import Glibc
import Metering
import Signing
import Storage
import Wire

/// Executes blocks. Belongs to one thread at a time.
package final class Executor {
  package let genesis: Genesis
  package let subnet: SubnetID
  let system: SystemFile
  private(set) var pipelines: [String: PipelineFile] = [:]
  private let directory: String
  private let vfs: String?
  /// Every file is at least here.
  package private(set) var height: Height
  var latest: StoredOutcome
  /// Block time up to which every file is durable.
  private var barrier: Moment
  package let reader: Reader
  /// Rules broken on purpose; empty in every real replica.
  private let planted: Set<PlantedBug>
  private let order: KeyOrder
  /// Whether this machine's disk has more room than what else writes to it needs. Where it has
  /// not, a block ends in a fault of the kind `full`, before and while it is written.
  package var hasRoom: (@Sendable () -> Bool)? {
    didSet {
      for name in pipelines.keys.sorted() { pipelines[name]?.data.hasRoom = hasRoom }
    }
  }

  /// Opens a replica's files, or makes them from genesis.
  ///
  /// - Parameter directory: made when it is not there.
  /// - Parameter vfs: the name of a registered SQLite VFS, whose names are then not looked for in
  ///   the real file system; nil for the system's.
  /// - Parameter planted: rules to break, for simulations.
  package convenience init(
    directory: String, vfs: String?, genesis: Genesis, planted: Set<PlantedBug> = []
  ) throws(ExecutionFault) {
    try self.init(
      directory: directory, vfs: vfs, genesis: genesis, planted: planted, order: .ascending)
  }

  /// - Parameter order: of the keys of pipelines' tables; never a replica's to choose.
  init(
    directory: String, vfs: String?, genesis: Genesis, planted: Set<PlantedBug> = [],
    order: KeyOrder
  ) throws(ExecutionFault) {
    self.order = order
    guard genesis.isSound else {
      throw ExecutionFault(.mismatch, "the genesis document names no committee")
    }
    self.genesis = genesis
    self.directory = directory
    self.vfs = vfs
    self.planted = planted
    subnet = genesis.subnet
    if vfs == nil { try Self.makeFolders(directory) }
    barrier = genesis.time
    system = try SystemFile(
      path: "\(directory)/system.sqlite", vfs: vfs, genesis: genesis,
      retaining: ExecutionLimits.heightsRetained)
    height = system.height
    latest = StoredOutcome(
      state: Self.genesisRoot(of: genesis), receipts: ReceiptTree.root(of: []),
      systemRoot: SystemFile.genesisRoot(of: genesis), leaves: [], routes: [],
      time: genesis.time)
    reader = Reader(directory: directory, vfs: vfs, genesis: genesis, planted: planted)
    if planted.contains(.dedupeLostAtRestart) { system.ledger.blindThrough = height }
    try openKnown()
    if let stored = try storedOutcome(at: height) { latest = stored }
    try check()
    publish()
  }

  /// Files that stand at one height come to the state that was stored of it.
  private func check() throws(ExecutionFault) {
    guard isLevel else { return }
    let state = ComponentTrie(try components(at: height)).root
    let receipts = ReceiptTree.root(of: latest.leaves)
    guard state == latest.state, receipts == latest.receipts else {
      throw ExecutionFault(
        .damaged,
        "the files in \(directory) come to the state \(state) and the receipts \(receipts) at "
          + "height \(height), where \(latest.state) and \(latest.receipts) were stored. "
          + ExecutionFault.anew)
    }
  }

  private static func makeFolders(_ directory: String) throws(ExecutionFault) {
    var path = directory.hasPrefix("/") ? "" : "."
    for part in "\(directory)/pipelines".split(separator: "/") {
      path += "/\(part)"
      guard mkdir(path, 0o700) != 0, errno != EEXIST else { continue }
      throw ExecutionFault(
        .environment, "cannot make the folder \(path): \(String(cString: strerror(errno)))")
    }
  }

  /// The state root of height 0.
  package static func genesisRoot(of genesis: Genesis) -> Digest {
    ComponentTrie([Component(name: Component.system, root: SystemFile.genesisRoot(of: genesis))])
      .root
  }

  /// Opens the files of pipelines that the system file knows of. A file that lost its newest
  /// commits to a power cut takes this executor back to its height, to replay alone; one that lost
  /// all of them, back before its first deploy.
  private func openKnown() throws(ExecutionFault) {
    let touched = try wrapped { () throws(StorageFault) in try system.touched() }
    for (name, last) in touched {
      let file = try open(name)
      guard file.height < last else { continue }
      let from = try wrapped { () throws(StorageFault) in
        file.height > 0 ? file.height : try system.heightBefore(name)
      }
      height = min(height, from)
    }
  }

  private func path(of name: String) -> String { "\(directory)/pipelines/\(name).sqlite" }

  private func open(_ name: String) throws(ExecutionFault) -> PipelineFile {
    if let known = pipelines[name] { return known }
    let file = try PipelineFile(
      name: name, path: path(of: name), vfs: vfs, prices: system.schedule.newest,
      retaining: ExecutionLimits.heightsRetained, order: order)
    if planted.contains(.dedupeLostAtRestart) { file.ledger.blindThrough = file.height }
    file.data.hasRoom = hasRoom
    pipelines[name] = file
    return file
  }

  // MARK: A block

  /// Executes the next block. A file that is past it already keeps what it has.
  ///
  /// - Precondition: the envelopes of the block's calls are verified, and its header names their
  ///   digests: what is finalized was voted for, and what was voted for was checked.
  /// - Parameter digest: names the block.
  package func execute(
    _ block: Block, digest: Digest
  ) throws(ExecutionFault) -> BlockOutcome {
    let header = block.header
    guard header.height == height.next, block.calls.count == header.calls.count else {
      throw ExecutionFault(
        .mismatch, "block \(header.height) does not follow height \(height)")
    }
    if header.time > barrier.advanced(by: ExecutionLimits.spanBetweenBarriers.milliseconds) {
      // Before the block: it forgets receipts that a file with a lost tail would ask for.
      try keepBarrier(at: header.time)
    }
    let context = BlockContext(
      height: header.height, time: header.time, randomness: digest, schedule: system.schedule,
      planted: planted)
    let calls = block.calls.enumerated().map { index, signed in
      OrderedCall(
        position: UInt32(index), digest: header.calls[index], call: signed.call,
        body: signed.body)
    }
    if calls.isEmpty {
      latest = latest.carried(to: context)
    } else {
      do throws(ExecutionFault) { latest = try run(calls, context) } catch {
        if error.kind == .full { trimLogs() }
        throw error
      }
    }
    try conclude(context)
    return latest.outcome(at: height)
  }

  private func run(
    _ calls: [OrderedCall], _ context: BlockContext
  ) throws(ExecutionFault) -> StoredOutcome {
    guard hasRoom?() != false else { throw .noRoom }
    return system.height >= context.height
      ? try replay(calls, context) : try perform(calls, context)
  }

  /// Gives back what the block that found no room has written: others need it, the journal first.
  private func trimLogs() {
    for connection in connections {
      // The log itself tells how long it is, but where its pages do not fit into the file.
      let counted = try? connection.checkpoint(.passive).pagesInLog
      let pages = counted ?? connection.log.pages
      guard pages > 0 || counted == 0 else { continue }
      try? connection.trimLog(to: pages)
    }
  }

  private func conclude(_ context: BlockContext) throws(ExecutionFault) {
    height = context.height
    system.seal(height)
    for name in pipelines.keys.sorted() { pipelines[name]?.seal(height) }
    if isLevel, planted.isEmpty, !totals.isConserved {
      throw ExecutionFault(
        .damaged,
        "the cycles of height \(height) do not add up: \(totals). This replica's files are not "
          + "what it wrote. \(ExecutionFault.anew)")
    }
    if height.number % ExecutionLimits.heightsBetweenBarriers == 0 || isLogLong {
      try keepBarrier(at: context.time)
    } else {
      publish()
    }
  }

  /// Whether a log has grown so much that a barrier is due. Barriers come no faster than
  /// certificates: else nothing would ever be readable.
  private var isLogLong: Bool {
    let added = connections.map(\.log.added).max() ?? 0
    guard added >= ExecutionLimits.logPagesBetweenBarriers else { return false }
    return reader.heightsServed >= ExecutionLimits.heightsServedBetweenBarriers
      || added >= ExecutionLimits.logPagesAddedMax
  }

  /// Makes all files durable, lets their logs begin anew as soon as no reader holds them, and shows
  /// the height executed last, also when the disk has no room.
  private func keepBarrier(at time: Moment) throws(ExecutionFault) {
    defer { publish() }
    // One that began anew since the last barrier was hindered by nobody yet.
    let waits = connections.contains { connection in
      let log = connection.log
      return log.added > 0 && log.added < log.pages && log.pages >= ExecutionLimits.logPagesHeldMax
    }
    try checkpoint(waits: waits)
    barrier = time
  }

  /// Those that write: the system file's, then those of pipelines, ascending by name.
  var connections: [Connection] {
    let files = pipelines.keys.sorted().compactMap { pipelines[$0] }
    return [system.engine.connection] + files.map(\.engine.connection)
  }

  private func perform(
    _ calls: [OrderedCall], _ context: BlockContext
  ) throws(ExecutionFault) -> StoredOutcome {
    let mark = system.ledger.trie.mark
    do {
      let transaction = try system.begin()
      var routes: [Route] = []
      for call in calls { routes.append(try system.route(call, context)) }
      let kinds = routes.map(\.kind)
      let receipts = try runPipelines(calls, kinds, context)
      var leaves = [Digest](repeating: .zero, count: calls.count)
      for (index, route) in routes.enumerated() {
        let receipt: Receipt?
        switch route {
        case .settled(let done), .both(let done): receipt = done
        case .pipeline: receipt = receipts[index]
        case .deploy(let reserved):
          receipt = try settle(calls[index], reserved, receipts[index], context)
        case .repeated(let first):
          receipt = try system.settle(calls[index], after: first, context)
        case .skipped: receipt = nil
        }
        if let receipt { leaves[index] = ReceiptTree.leaf(receipt) }
      }
      try system.finish(context, calls: calls.count)
      let outcome = try compose(leaves, kinds, context, systemRoot: system.ledger.trie.root)
      try system.ledger.recordHeight(context.height, outcome.canonicalBytes)
      try transaction.commit()
      system.committed(context.height)
      return outcome
    } catch {
      try wrapped { () throws(StorageFault) in try system.recover(to: mark) }
      if let fault = error as? StorageFault { throw ExecutionFault(fault) }
      if let fault = error as? ExecutionFault { throw fault }
      preconditionFailure("an error of no known kind: \(error)")
    }
  }

  private func settle(
    _ call: OrderedCall, _ reserved: Cycles, _ ran: Receipt?, _ context: BlockContext
  ) throws(StorageFault) -> Receipt? {
    guard let ran else {
      if let sender = call.call.sender { try system.credit(sender, reserved.number) }
      return nil
    }
    return try system.settle(call, reserved: reserved, ran: ran, context)
  }

  /// Executes a block that the system file has behind it already, for files that have not.
  private func replay(
    _ calls: [OrderedCall], _ context: BlockContext
  ) throws(ExecutionFault) -> StoredOutcome {
    guard let stored = try storedOutcome(at: context.height), stored.routes.count == calls.count
    else {
      throw ExecutionFault(.damaged, "the system file has no outcome of height \(height.next)")
    }
    _ = try runPipelines(calls, stored.routes, context)
    let again = try compose(
      stored.leaves, stored.routes, context, systemRoot: stored.systemRoot)
    guard again.state == stored.state else {
      throw ExecutionFault(
        .damaged,
        "height \(context.height) replays to the root \(again.state), it was \(stored.state)")
    }
    return stored
  }

  /// - Returns: the pipelines' receipts by position.
  private func runPipelines(
    _ calls: [OrderedCall], _ kinds: [RouteKind], _ context: BlockContext
  ) throws(ExecutionFault) -> [Receipt?] {
    var receipts = [Receipt?](repeating: nil, count: calls.count)
    var work: [String: [OrderedCall]] = [:]
    for (call, kind) in zip(calls, kinds) {
      switch kind {
      case .both, .pipeline, .deploy: work[call.call.pipeline, default: []].append(call)
      case .settled, .skipped: break
      }
    }
    for name in work.keys.sorted() {
      for receipt in try run(work[name] ?? [], kinds, in: name, context) {
        receipts[Int(receipt.position)] = receipt
      }
    }
    return receipts
  }

  /// - Returns: the receipts of the calls that ran in a pipeline's file.
  private func run(
    _ calls: [OrderedCall], _ kinds: [RouteKind], in name: String, _ context: BlockContext
  ) throws(ExecutionFault) -> [Receipt] {
    func execute(on file: PipelineFile) throws(ExecutionFault) -> [Receipt] {
      try file.execute(calls, in: context) { kinds[Int($0.position)] == .both }
    }
    let receipts: [Receipt]
    do {
      let file = try open(name)
      if file.height >= context.height {
        let kept = try wrapped { () throws(StorageFault) in
          try file.receipts(of: calls, at: context.height)
        }
        // Deploys that were refused before the file came into being run on one that nobody keeps.
        guard let kept else { return try execute(on: try aside(name)) }
        receipts = kept
      } else {
        receipts = try execute(on: file)
      }
      if file.owner != nil {
        if system.height < context.height {
          // Also of a file that is past this height already: a restart must find it.
          try wrapped { () throws(StorageFault) in try system.touch(name, context.height) }
        }
        return receipts
      }
    }
    // Every deploy was refused: nothing of the attempt stays but the system file's receipts.
    pipelines[name] = nil
    if !system.pipelines.contains(name) { Connection.remove(path: path(of: name), vfs: vfs) }
    return receipts
  }

  private func aside(_ name: String) throws(ExecutionFault) -> PipelineFile {
    try PipelineFile(
      name: name, path: ":memory:", vfs: nil, prices: system.schedule.newest, retaining: 1,
      order: order)
  }

  private func compose(
    _ leaves: [Digest], _ routes: [RouteKind], _ context: BlockContext, systemRoot: Digest
  ) throws(ExecutionFault) -> StoredOutcome {
    StoredOutcome(
      state: ComponentTrie(try components(at: context.height, systemRoot: systemRoot)).root,
      receipts: ReceiptTree.root(of: leaves), systemRoot: systemRoot, leaves: leaves,
      routes: routes, time: context.time)
  }

  /// The roots of all files at a height at or above their own, the system file's as memory has it.
  func components(at height: Height) throws(ExecutionFault) -> [Component] {
    try components(at: height, systemRoot: system.ledger.trie.root)
  }

  /// The roots of all files at a height, ascending by name.
  func components(
    at height: Height, systemRoot: Digest
  ) throws(ExecutionFault) -> [Component] {
    var all = [Component(name: Component.system, root: systemRoot)]
    for name in pipelines.keys.sorted() {
      guard let file = pipelines[name] else { continue }
      let roots =
        file.height <= height
        ? file.committedRoots
        : try wrapped { () throws(StorageFault) in try file.roots(atOrBelow: height) }
      if let roots { all += roots.components(of: name) }
    }
    return all
  }
}
