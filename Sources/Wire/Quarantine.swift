/// Why a replica quarantined itself, and what its log came to since.
package struct Quarantine: Hashable, Sendable {
  /// What it signed, or would have signed.
  package let share: StateShare
  package let certificate: StateCertificate
  /// nil until its state was rebuilt, which happens once a quarantine and engine.
  package var rebuild: Rebuild?

  package init(share: StateShare, certificate: StateCertificate, rebuild: Rebuild? = nil) {
    self.share = share
    self.certificate = certificate
    self.rebuild = rebuild
  }

  /// Its log came to the state of this very certificate.
  package var isOver: Bool {
    rebuild.map { $0.agrees && $0.certificate == certificate } ?? false
  }
}

/// What a replica's own log came to when it was executed anew, beside the certificate of that
/// height: the one that it was quarantined by, or the first that the log does not come to.
package struct Rebuild: Canonical, Hashable {
  package let certificate: StateCertificate
  package let stateRoot: Digest
  package let receiptsRoot: Digest
  /// What executed it.
  package let engine: EngineFingerprint

  package init(
    certificate: StateCertificate, stateRoot: Digest, receiptsRoot: Digest,
    engine: EngineFingerprint
  ) {
    self.certificate = certificate
    self.stateRoot = stateRoot
    self.receiptsRoot = receiptsRoot
    self.engine = engine
  }

  package var agrees: Bool {
    stateRoot == certificate.statement.stateRoot
      && receiptsRoot == certificate.statement.receiptsRoot
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(certificate)
    encoder.value(stateRoot)
    encoder.value(receiptsRoot)
    encoder.value(engine)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    certificate = try decoder.value()
    stateRoot = try decoder.value()
    receiptsRoot = try decoder.value()
    engine = try decoder.value()
  }
}
