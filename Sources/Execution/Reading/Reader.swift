import Certification
import Metering
import Pipelines
import Signing
import Storage
import Synchronization
import Wire

/// Answers reads at certified heights, from any thread, without ever waiting for the executor.
///
/// - Safety: what is served was certified by a quorum: a height is readable when a state
///   certificate of it, or of one above it, is known.
/// - Bound: `ExecutionLimits.heightsReadable` heights; one read transaction for each of them that
///   changed a file.
package final class Reader: Sendable {
  let subnet: SubnetID
  let administrators: [PublicKey]
  let foundingEngines: [EngineFingerprint]
  private let directory: String
  private let vfs: String?
  private let state = Mutex(State())
  private let planted: Set<PlantedBug>

  private struct State: Sendable {
    var views: [HeightView] = []
    var certificates: [StateCertificate] = []
    var pools: [String: ReadPool] = [:]
    /// Milliseconds that only go up.
    var clock: (@Sendable () -> UInt64)?
    /// Whether a copy of a pipeline is being worked on.
    var isInWorkshop = false
    /// What snapshots copy, one an owner, the one asked for last at the end; until all readers let
    /// go.
    var held: [HeldPipeline] = []
    /// By pipeline: what its metrics came to last.
    var metrics: [String: KnownMetrics] = [:]
  }

  init(directory: String, vfs: String?, genesis: Genesis, planted: Set<PlantedBug>) {
    self.planted = planted
    self.directory = directory
    self.vfs = vfs
    administrators = SystemFile.administrators(of: genesis)
    foundingEngines = genesis.engines
    subnet = genesis.subnet
  }

  // MARK: What the executor tells

  func pool(_ file: String) -> ReadPool {
    state.withLock { state in
      if let known = state.pools[file] { return known }
      let pool = ReadPool(path: "\(directory)/\(file)", vfs: vfs)
      state.pools[file] = pool
      return pool
    }
  }

  func add(_ view: HeightView) {
    let dropped = state.withLock { state -> [HeightView] in
      state.views.append(view)
      let over = state.views.count - ExecutionLimits.heightsReadable
      guard over > 0 else { return [] }
      defer { state.views.removeFirst(over) }
      return Array(state.views.prefix(over))
    }
    // Pins go with the last view that holds them, here, outside of the lock.
    _ = dropped
  }

  /// Lets every read transaction go, so that the logs can start anew; also those of heights that
  /// only a read at work still knows.
  /// - Parameter waits: for queries that run; else theirs go when they end.
  func release(waits: Bool) {
    let (dropped, pools) = state.withLock { state in
      defer {
        state.views.removeAll()
        state.held.removeAll()
      }
      let pools = state.pools.keys.sorted().compactMap { state.pools[$0] }
      return ((state.views, state.held), pools)
    }
    for pool in pools { pool.dismiss() }
    if waits { for pool in pools { pool.release() } }
    // Pins go with what holds them last, here, outside of the lock.
    _ = dropped
  }

  /// Keeps a pipeline as it is, in the place of what was kept for its owner before. What is kept
  /// for other owners stays, but for one that is free.
  /// - Throws: `SNAPSHOTS_FULL` while others have all places.
  func hold(_ pipeline: HeldPipeline) throws(Refusal) {
    let (before, isHeld) = state.withLock { state -> ([HeldPipeline], Bool) in
      let (before, now) = (state.held, state.views.last?.time ?? 0)
      var others = before.filter { $0.view.owner != pipeline.view.owner }
      if others.count >= ExecutionLimits.snapshotsHeld,
        let free = others.firstIndex(where: { $0.isFree(at: now) })
      {
        others.remove(at: free)
      }
      guard others.count < ExecutionLimits.snapshotsHeld else { return (before, false) }
      state.held = others + [HeldPipeline(view: pipeline.view, roots: pipeline.roots, asked: now)]
      return (before, true)
    }
    // Pins go with what holds them last, here, outside of the lock.
    _ = before
    guard isHeld else {
      throw Refusal(
        "SNAPSHOTS_FULL",
        "this replica gives snapshots to \(ExecutionLimits.snapshotsHeld) other owners: ask "
          + "another one, or again in a minute")
    }
  }

  /// Another owner may have a pipeline's place: its last rows were given. Another copy of it goes
  /// on as long as nobody takes it.
  func letGo(_ pipeline: HeldPipeline) {
    state.withLock { state in
      for index in state.held.indices
      where state.held[index].view.name == pipeline.view.name
        && state.held[index].roots == pipeline.roots
      {
        state.held[index].asked = nil
      }
    }
  }

  /// A pipeline as it was with these roots; nil where nothing of that is kept.
  /// - Throws: `NOT_READY` while all pins are taken anew.
  func held(_ roots: FileRoots, of pipeline: String) throws(Refusal) -> HeldPipeline? {
    let (found, isEmpty) = state.withLock { state -> (HeldPipeline?, Bool) in
      let seen = state.views.last { $0.roots(of: pipeline) == roots }?.pipeline(pipeline)
      let held = state.held.last { $0.view.name == pipeline && $0.roots == roots }
      return (seen.map { HeldPipeline(view: $0, roots: roots) } ?? held, state.views.isEmpty)
    }
    guard found != nil || !isEmpty else {
      throw Refusal("NOT_READY", "no height can be read here yet: ask again in a second")
    }
    return found
  }

  /// Gives queries a clock to be braked by; without one, steps alone brake them.
  ///
  /// - Parameter clock: milliseconds that only go up.
  package func brake(by clock: @escaping @Sendable () -> UInt64) {
    state.withLock { $0.clock = clock }
  }

  /// Whether a query that begins now has run too long; nil without a clock.
  var brake: (() -> Bool)? { brake(after: ExecutionLimits.queryMillisecondsMax) }

  /// Whether work that begins now took longer than so many milliseconds; nil without a clock.
  func brake(after milliseconds: UInt64) -> (() -> Bool)? {
    guard let clock = state.withLock({ $0.clock }) else { return nil }
    let end = clock() + milliseconds
    return { clock() > end }
  }

  var newest: HeightView? { state.withLock { $0.views.last } }

  /// - Returns: false when somebody is in it.
  func enterWorkshop() -> Bool {
    state.withLock { state in
      defer { state.isInWorkshop = true }
      return !state.isInWorkshop
    }
  }

  func leaveWorkshop() { state.withLock { $0.isInWorkshop = false } }

  func knownMetrics(of pipeline: String) -> KnownMetrics {
    state.withLock { $0.metrics[pipeline] ?? KnownMetrics() }
  }

  /// Forgets those of pipelines that are not named.
  func keep(_ metrics: [(pipeline: String, known: KnownMetrics)]) {
    state.withLock { state in
      state.metrics = Dictionary(uniqueKeysWithValues: metrics.map { ($0.pipeline, $0.known) })
    }
  }

  // MARK: Certified heights

  /// From now on this height may be served, and those below it.
  package func certify(_ certificate: StateCertificate) {
    state.withLock { state in
      guard !state.certificates.contains(where: { $0.height == certificate.height }) else {
        return
      }
      state.certificates.append(certificate)
      state.certificates.sort { $0.height < $1.height }
      let over = state.certificates.count - Int(ExecutionLimits.heightsRetained)
      if over > 0 { state.certificates.removeFirst(over) }
    }
  }

  /// The heights that can be read now; nil while there is none.
  package var heights: ClosedRange<Height>? {
    state.withLock { state in
      guard let certified = state.certificates.last?.height, let first = state.views.first,
        first.height <= certified,
        let last = state.views.last(where: { $0.height <= certified })
      else { return nil }
      return first.height...last.height
    }
  }

  /// How many heights these are.
  var heightsServed: UInt64 {
    heights.map { $0.upperBound.number - $0.lowerBound.number + 1 } ?? 0
  }

  func certificate(at height: Height) -> StateCertificate? {
    state.withLock { state in state.certificates.first { $0.height == height } }
  }

  /// The view of a height, or of the highest that can be read.
  /// - Parameter proven: whether its own certificate is needed.
  func view(at height: Height?, proven: Bool) throws(Refusal) -> HeightView {
    let range = heights
    let found = state.withLock { state -> HeightView? in
      guard let range else { return nil }
      let isReadable = { (view: HeightView) in
        range.contains(view.height) && (height == nil || view.height == height)
          && (!proven || state.certificates.contains { $0.height == view.height })
      }
      let isStale = proven && planted.contains(.staleReads)
      return isStale ? state.views.first(where: isReadable) : state.views.last(where: isReadable)
    }
    if let found { return found }
    guard let range else {
      throw Refusal(
        "NOT_READY", "no height can be read here yet: ask again in a second, or another replica")
    }
    let asked = height.map { "height \($0)" } ?? "the height asked for"
    throw Refusal(
      "HEIGHT_GONE",
      "\(asked) cannot be read here: the heights \(range.lowerBound) to \(range.upperBound) can. "
        + "Ask for one of them")
  }

  // MARK: Answers

  package func catalog() throws(Refusal) -> Catalog {
    let view = try view(at: nil, proven: false)
    let pipelines = view.pipelines.map { pipeline in
      var entry = pipeline.catalog(at: view.time)
      entry.root = pipeline.trie.root(at: view.height) ?? .zero
      return entry
    }
    return Catalog(height: view.height, pipelines: pipelines)
  }

  /// The balance of a person's account at the newest height that can be read.
  package func balance(of owner: PublicKey) throws(Refusal) -> Cycles {
    let view = try view(at: nil, proven: false)
    return try answering { () throws(Stop) in
      try view.system.with { engine throws(Stop) in
        let bytes = try machine { () throws(StorageFault) in
          try engine.ledgerEntry(.account, owner.bytes)
        }
        return bytes.flatMap { try? Cycles(canonicalBytes: $0) } ?? 0
      }
    }
  }

  /// The balance of a pipeline at the newest height that can be read.
  package func balance(of pipeline: String) throws(Refusal) -> Cycles {
    let view = try view(at: nil, proven: false)
    return try self.pipeline(pipeline, in: view).account(at: view.time).cycles.balance
  }

  /// The price table in force at the newest height that can be read, and what administrators want
  /// in its place.
  package func prices() throws(Refusal) -> PriceReport {
    let view = try view(at: nil, proven: false)
    let proposals = try answering { () throws(Stop) in
      try view.system.with { engine throws(Stop) in
        try machine { () throws(StorageFault) in
          try self.proposals(.prices, engine).map {
            PriceReport.Proposal(administrator: $0.administrator, table: $0.proposal)
          }
        }
      }
    }
    return PriceReport(
      table: view.prices, proposals: proposals, needed: SystemFile.needed(of: administrators))
  }

  /// The engines that are accepted at the newest height that can be read, and those that
  /// administrators want accepted too.
  package func engines() throws(Refusal) -> EngineReport {
    let view = try view(at: nil, proven: false)
    return try answering { () throws(Stop) in
      try view.system.with { engine throws(Stop) in
        try machine { () throws(StorageFault) in
          EngineReport(
            accepted: try acceptedEngines(engine),
            proposals: try proposals(.engines, engine).map {
              EngineReport.Proposal(administrator: $0.administrator, engine: $0.proposal)
            }, needed: SystemFile.needed(of: administrators))
        }
      }
    }
  }

  func acceptedEngines(_ engine: Engine) throws(StorageFault) -> [EngineFingerprint] {
    foundingEngines
      + (try SystemFile.engines(stored: try engine.ledgerEntry(.value, SystemFile.Key.engines)))
  }

  /// What a pipeline holds, burns and lets in, at the newest height that can be read.
  package func report(of pipeline: String) throws(Refusal) -> PipelineReport {
    let view = try view(at: nil, proven: false)
    let found = try self.pipeline(pipeline, in: view)
    return try answering { () throws(Stop) in
      try found.pin.with { engine throws(Stop) in try found.report(at: view, engine) }
    }
  }

  func pipeline(_ name: String, in view: HeightView) throws(Refusal) -> PipelineView {
    guard let found = view.pipeline(name) else { throw PipelineFile.unknownPipeline(name) }
    return found
  }

  static let unreadable = Refusal(
    "READ_FAILED", "this replica cannot read its files now: ask another one")

  /// Turns what stops a read into a refusal; the machine's failure too, since a read may be asked
  /// of another replica.
  func answering<R>(_ body: () throws(Stop) -> R?) throws(Refusal) -> R {
    let result: R?
    do { result = try body() } catch {
      switch error {
      case .refused(let refusal): throw refusal
      case .failed: throw Self.unreadable
      }
    }
    guard let result else {
      throw Refusal(
        "HEIGHT_GONE", "the height asked for is not readable any more: ask for a newer one")
    }
    return result
  }
}
