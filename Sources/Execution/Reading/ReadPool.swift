import CSQLite
import Storage
import Synchronization
import Wire

/// A read transaction that stays where a height ended. One query at a time.
///
/// - Safety: a connection is touched under its lock alone, so any thread may ask.
/// - Bound: once dismissed it lasts no longer than the query that runs.
final class Pin: Sendable {
  private let guarded: Mutex<Held>
  private let pool: ReadPool
  private let isDismissed = Atomic(false)

  /// The connection belongs to whoever holds the lock around it.
  private struct Held: ~Copyable, @unchecked Sendable {
    var engine: Engine?

    mutating func take() -> Engine? {
      defer { engine = nil }
      return engine
    }
  }

  fileprivate init(_ engine: sending Engine, pool: ReadPool) {
    guarded = Mutex(Held(engine: engine))
    self.pool = pool
  }

  deinit { release() }

  /// Runs a body on the connection.
  /// - Returns: nil when the pin was let go.
  func with<R>(_ body: (Engine) throws(Stop) -> sending R) throws(Stop) -> R? {
    var outcome: Result<R, Stop>?
    guarded.withLock { held in
      guard !isDismissed.load(ordering: .sequentiallyConsistent), let engine = held.engine else {
        return
      }
      do throws(Stop) { outcome = .success(try body(engine)) } catch { outcome = .failure(error) }
    }
    // Whoever dismissed it meanwhile left the rest to this query.
    if isDismissed.load(ordering: .sequentiallyConsistent) { release() }
    return try outcome?.get()
  }

  /// Ends the read transaction and gives the connection back. Waits for a query that runs.
  func release() {
    if let engine = guarded.withLock({ $0.take() }) { giveBack(engine) }
  }

  /// As `release`, but a query that runs is not waited for: with it the read transaction ends. No
  /// other begins.
  func dismiss() {
    isDismissed.store(true, ordering: .sequentiallyConsistent)
    if let engine = guarded.withLockIfAvailable({ $0.take() }) ?? nil { giveBack(engine) }
  }

  private func giveBack(_ engine: Engine) { pool.giveBack(engine, of: ObjectIdentifier(self)) }
}

/// Read-only connections to one file.
///
/// - Bound: keeps at most `ExecutionLimits.readersMax` idle connections.
final class ReadPool: Sendable {
  private let path: String
  private let vfs: String?
  private let idle = Mutex(Idle())

  private struct Idle: ~Copyable, @unchecked Sendable {
    var engines: [Engine] = []
    var given: [Given] = []
  }

  /// A pin that has a connection of this pool.
  private struct Given: @unchecked Sendable {
    let id: ObjectIdentifier
    /// Read outside of the lock alone: whoever holds it last gives the connection back under it.
    weak var pin: Pin?
  }

  init(path: String, vfs: String?) {
    self.path = path
    self.vfs = vfs
  }

  /// Begins a read transaction at what is committed now.
  func pin() throws(StorageFault) -> Pin {
    let engine: Engine
    if let known = idle.withLock({ $0.engines.popLast() }) {
      engine = known
    } else {
      engine = try Engine(path: path, access: .readOnly, vfs: vfs, profile: .query)
    }
    try engine.connection.cached("BEGIN").run()
    // A read transaction begins with its first read.
    try engine.connection.cached("SELECT 1 FROM sqlite_schema LIMIT 1").run()
    nonisolated(unsafe) let handed = engine
    let pin = Pin(handed, pool: self)
    let given = Given(id: ObjectIdentifier(pin), pin: pin)
    idle.withLock { $0.given.append(given) }
    return pin
  }

  private var pins: [Pin] {
    let given = idle.withLock { $0.given }
    return given.compactMap(\.pin)
  }

  /// Ends all read transactions, those of running queries with these.
  func dismiss() { for pin in pins { pin.dismiss() } }

  /// Ends all read transactions, and waits for queries that run.
  func release() { for pin in pins { pin.release() } }

  fileprivate func giveBack(_ engine: Engine, of pin: ObjectIdentifier) {
    let isEnded = (try? engine.connection.cached("ROLLBACK").run()) != nil
    nonisolated(unsafe) let handed = engine
    idle.withLock { idle in
      idle.given.removeAll { $0.id == pin }
      let hasRoom = idle.engines.count < ExecutionLimits.readersMax
      if isEnded, hasRoom { idle.engines.append(handed) }
    }
  }
}

extension Engine {
  /// An entry of the ledger, on a connection of its own.
  func ledgerEntry(_ part: Ledger.Part, _ key: [UInt8]) throws(StorageFault) -> [UInt8]? {
    try connection.ledgerEntry(part, key)
  }

  /// All entries of a part, ascending by key.
  func ledgerEntries(
    _ part: Ledger.Part
  ) throws(StorageFault) -> [(key: [UInt8], value: [UInt8])] {
    try connection.ledgerEntries(part)
  }
}
