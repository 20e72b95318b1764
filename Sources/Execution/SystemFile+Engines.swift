import CSQLite
import Signing
import Storage
import Wire

/// Which SQLite a replica may execute with (QD28): those of the genesis, and those that most
/// administrators accepted since.
extension SystemFile {
  func acceptEngine(
    _ call: OrderedCall, _ block: BlockContext
  ) throws(StorageFault) -> Receipt {
    let accepted = try acceptedEngines()
    return try decide(.engines, call, block) { () throws(Refusal) in
      try Self.proposedEngine(call.body, beside: accepted)
    } putInForce: { (engine: EngineFingerprint, proposers) throws(StorageFault) in
      var encoder = Encoder()
      encoder.list(Array(accepted.dropFirst(foundingEngines.count)) + [engine])
      try ledger.put(.value, Key.engines, encoder.bytes)
      try withdraw(.engines, of: proposers)
    }
  }

  func acceptedEngines() throws(StorageFault) -> [EngineFingerprint] {
    foundingEngines + (try Self.engines(stored: try ledger.get(.value, Key.engines)))
  }

  /// - Parameter stored: what the ledger holds of those that administrators accepted.
  static func engines(stored: [UInt8]?) throws(StorageFault) -> [EngineFingerprint] {
    guard let stored else { return [] }
    var decoder = Decoder(stored)
    guard let engines = try? decoder.list(EngineFingerprint.self, limit: Limits.enginesMax) else {
      throw StorageFault(
        code: SQLITE_CORRUPT, extendedCode: SQLITE_CORRUPT,
        message: "the accepted engines are not what was written", doing: "reading the system file")
    }
    return engines
  }

  /// The engine in a body, which is not accepted yet.
  static func proposedEngine(
    _ body: [UInt8], beside accepted: [EngineFingerprint]
  ) throws(Refusal) -> EngineFingerprint {
    guard let engine = try? EngineFingerprint(canonicalBytes: body) else {
      throw Refusal(
        "ENGINE_MALFORMED",
        "the body is no engine's fingerprint: take it from 'quorate replica engine'")
    }
    guard !accepted.contains(engine) else {
      throw Refusal(
        "ENGINE_ACCEPTED", "this engine is accepted already: start replicas with it")
    }
    guard accepted.count < Limits.enginesMax else {
      throw Refusal("TOO_MANY_ENGINES", "this subnet accepts as many engines as it may")
    }
    return engine
  }
}

extension Executor {
  /// Refuses an engine that the subnet did not accept up to the height of the system file.
  ///
  /// - Throws: `mismatch`, with this engine and those that are accepted.
  package func judge(_ engine: EngineFingerprint) throws(ExecutionFault) {
    try Self.judge(
      engine, by: try wrapped { () throws(StorageFault) in try system.acceptedEngines() })
  }

  /// The same, before the files of a folder are opened. Of files that cannot be read nothing is
  /// known, so they refuse no engine.
  package static func judge(
    _ engine: EngineFingerprint, for genesis: Genesis, in directory: String
  ) throws(ExecutionFault) {
    let accepted: [EngineFingerprint]
    do throws(StorageFault) {
      let file = try Connection(path: "\(directory)/system.sqlite", access: .readOnly)
      let entries = try withExtendedLifetime(file) { () throws(StorageFault) in
        try file.ledgerEntries(.value)
      }
      let stored = entries.first { $0.key == SystemFile.Key.engines }?.value
      accepted = genesis.engines + (try SystemFile.engines(stored: stored))
    } catch { return }
    try judge(engine, by: accepted)
  }

  private static func judge(
    _ engine: EngineFingerprint, by accepted: [EngineFingerprint]
  ) throws(ExecutionFault) {
    guard !accepted.contains(engine) else { return }
    let newest = accepted.suffix(ExecutionLimits.enginesShownMax)
    var known = newest.isEmpty ? "none" : newest.map(\.description).joined(separator: "; ")
    if newest.count < accepted.count { known += "; \(accepted.count - newest.count) older ones" }
    throw ExecutionFault(
      .mismatch,
      "QD28: this machine executes with \(engine); what the subnet accepts is: \(known). Another "
        + "engine may plan statements otherwise and count other steps, and this replica would "
        + "fall out of step. Install the libsqlite3 that is accepted. To change to this one, have "
        + "most administrators accept what 'quorate replica engine' prints here ('quorate cluster "
        + "accept-engine HEX --as operator'), run this replica with its old libsqlite3 until it "
        + "has executed that, and then with this one")
  }
}
