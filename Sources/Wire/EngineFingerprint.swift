/// Which SQLite a machine executes with. Machines of one fingerprint plan statements alike, give
/// equal rows and count equal steps.
package struct EngineFingerprint: Canonical, Hashable, CustomStringConvertible {
  /// The check-in that was built (https://sqlite.org/c3ref/libversion.html).
  package let source: String
  /// SHA-256 of its compile options, sorted.
  package let options: Digest
  /// SHA-256 of what it answered to a written corpus of statements, rows and steps.
  package let probe: Digest

  package init(source: String, options: Digest, probe: Digest) {
    self.source = source
    self.options = options
    self.probe = probe
  }

  /// - Parameter hex: canonical bytes, as `hex` gives them.
  package init?(hex: String) {
    guard let bytes = [UInt8](hex: hex), let engine = try? EngineFingerprint(canonicalBytes: bytes)
    else { return nil }
    self = engine
  }

  package var hex: String { canonicalBytes.hex }

  package var description: String {
    "SQLite \(source) (options \(options.short), probe \(probe.short))"
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(source)
    encoder.value(options)
    encoder.value(probe)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    source = try decoder.text(limit: Limits.engineSourceBytesMax)
    // It is shown on terminals.
    guard source.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else {
      throw decoder.fault("the source of an engine is printable ASCII")
    }
    options = try decoder.value()
    probe = try decoder.value()
  }
}

/// The engines that a subnet accepts, and those that administrators want accepted too.
package struct EngineReport: Canonical, Hashable {
  /// An engine for which an administrator called.
  package struct Proposal: Canonical, Hashable {
    package let administrator: PublicKey
    package let engine: EngineFingerprint

    package init(administrator: PublicKey, engine: EngineFingerprint) {
      self.administrator = administrator
      self.engine = engine
    }

    package func encode(into encoder: inout Encoder) {
      encoder.value(administrator)
      encoder.value(engine)
    }

    package init(from decoder: inout Decoder) throws(Malformed) {
      administrator = try decoder.value()
      engine = try decoder.value()
    }
  }

  /// Those of the genesis first, then as they were accepted.
  package let accepted: [EngineFingerprint]
  /// Ascending by administrator.
  package let proposals: [Proposal]
  /// So many administrators must call for one engine.
  package let needed: UInt16

  package init(accepted: [EngineFingerprint], proposals: [Proposal], needed: Int) {
    self.accepted = accepted
    self.proposals = proposals
    self.needed = UInt16(needed)
  }

  package func encode(into encoder: inout Encoder) {
    encoder.list(accepted)
    encoder.list(proposals)
    encoder.integer(needed)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    accepted = try decoder.list(limit: Limits.enginesMax)
    proposals = try decoder.list(limit: Limits.membersMax)
    needed = try decoder.integer()
  }
}
