import CSQLite
import Storage
import Synchronization
import Wire

/// A read transaction that stays where a height ended. One query at a time.
///
/// - Safety: a connection is touched under its lock alone, so any thread may ask.
final class Pin: Sendable {
  private let guarded: Mutex<Held>
  private let pool: ReadPool

  /// The connection belongs to whoever holds the lock around it.
  private struct Held: ~Copyable, @unchecked Sendable {
    var engine: Engine?
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
      guard let engine = held.engine else { return }
      do throws(Stop) { outcome = .success(try body(engine)) } catch { outcome = .failure(error) }
    }
    return try outcome?.get()
  }

  /// Ends the read transaction and gives the connection back. Waits for a query that runs.
  func release() {
    let engine: Engine? = guarded.withLock { held in
      let engine = held.engine
      held.engine = nil
      return engine
    }
    if let engine { pool.giveBack(engine) }
  }
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
    return Pin(handed, pool: self)
  }

  fileprivate func giveBack(_ engine: Engine) {
    guard (try? engine.connection.cached("ROLLBACK").run()) != nil else { return }
    nonisolated(unsafe) let handed = engine
    idle.withLock { idle in
      if idle.engines.count < ExecutionLimits.readersMax { idle.engines.append(handed) }
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
