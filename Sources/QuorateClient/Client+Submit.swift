import Certification
import NIOHTTP1
import Signing
import Synchronization
import Wire

/// An update that somebody wants: signed anew when it expires, always under its key.
package struct Intention: Sendable {
  package var pipeline: String
  package var method: Method
  package var body: [UInt8]
  /// Sending an intention twice under one key has one effect.
  package var key: String
  /// nil for the usual one.
  package var stepLimit: UInt64?
  /// How long to try.
  package var patience = ClientLimits.submissionPatience
  /// How long to go on while every replica's machine answers that nothing listens there.
  package var patienceRefused = ClientLimits.submissionPatience

  package init(
    pipeline: String, method: Method, body: [UInt8] = [], key: String, stepLimit: UInt64? = nil
  ) {
    self.pipeline = pipeline
    self.method = method
    self.body = body
    self.key = key
    self.stepLimit = stepLimit
  }
}

extension Client {
  /// Submits an update and returns its certified receipt, which says that it was applied.
  /// - Throws: `refused` with the certified receipt when it was refused for good; `rejected` when
  ///   `f + 1` replicas refuse it; `undecided` when no certificate came in time.
  package func submit(_ intention: Intention) async throws(ClientFailure) -> CertifiedReceipt {
    try admit(intention)
    let deadline = clock().advanced(by: intention.patience.milliseconds)
    let wasReceived = Mutex(false)
    var signed = sign(intention)
    var round = 0
    var refusedSince: Moment?
    while true {
      let failure: ClientFailure
      do throws(ClientFailure) {
        return try await offer(signed, until: deadline) { wasReceived.withLock { $0 = true } }
      } catch {
        failure = error
      }
      if failure.isSettled { throw failure.about(signed) }
      refusedSince = failure.nobodyListens ? refusedSince ?? clock() : nil
      let refused = refusedSince.map { clock().above($0) } ?? 0
      let isHopeless = failure.nobodyListens && refused >= intention.patienceRefused.milliseconds
      guard clock() < deadline, !isHopeless, !Task.isCancelled else {
        throw wasReceived.withLock { $0 } ? Self.undecided(signed) : failure.about(signed)
      }
      let pause = ClientLimits.pauses[min(round, ClientLimits.pauses.count - 1)]
      try? await Task.sleep(for: .microseconds(Int64(pause.number)))
      round += 1
      if clock() >= signed.call.expiry { signed = sign(intention) }
    }
  }

  /// Hands an update in without waiting for its certificate.
  /// - Returns: the id that `request` takes, once a replica has taken the call in.
  package func handIn(_ intention: Intention) async throws(ClientFailure) -> Digest {
    try admit(intention)
    let signed = sign(intention)
    let taken = try await consult(1, "the call was not handed in") {
      replica throws(ReplicaFault) in
      try await self.offer(signed, to: replica, patience: 0)
    } conclude: { answers, _ in
      answers.first
    }
    if let certified = taken.value, case .refused(let refusal) = certified.proof.receipt.status {
      throw .refused(refusal, certified)
    }
    return signed.call.digest
  }

  /// One round over the replicas.
  private func offer(
    _ signed: SignedCall, until deadline: Moment, onReceived: @escaping @Sendable () -> Void
  ) async throws(ClientFailure) -> CertifiedReceipt {
    let what = "the call was not handed in"
    let begin = clock()
    let hedge = submissionHedge
    let certified = try await consult(1, what, hedgeAfter: hedge) {
      replica throws(ReplicaFault) in
      let left = Span.milliseconds(deadline.above(self.clock()))
      let patience = min(hedge.advanced(by: ClientLimits.certificateMargin.number), left)
      do throws(ReplicaFault) {
        let found = try await self.offer(signed, to: replica, patience: patience)
        if found == nil { onReceived() }
        return found
      } catch {
        if error.mayHaveArrived { onReceived() }
        throw error
      }
    } conclude: { answers, isLast throws(ClientFailure) in
      if let certified = answers.compactMap(\.value).first { return certified }
      guard isLast || self.clock() >= deadline else { return nil }
      guard !answers.isEmpty else { return nil }
      throw Self.undecided(signed)
    }
    took(.milliseconds(clock().above(begin)))
    if case .refused(let refusal) = certified.proof.receipt.status {
      throw .refused(refusal, certified)
    }
    return certified
  }

  private static func undecided(_ signed: SignedCall) -> ClientFailure {
    ClientFailure(
      .undecided, "UNDECIDED", what: "the call was handed in, its outcome is not known",
      why: "no certificate came in time",
      next: "Look with `quorate request \(signed.call.digest.hex)`, or send it again under the "
        + "same key: it takes effect once"
    ).about(signed)
  }

  private func admit(_ intention: Intention) throws(ClientFailure) {
    let key = intention.key.utf8
    guard !key.isEmpty, key.count <= Limits.idempotencyKeyBytesMax,
      key.allSatisfy({ 0x20...0x7e ~= $0 })
    else {
      throw ClientFailure(
        .invalid, "BAD_KEY", what: "the call cannot be sent",
        why: "its idempotency key has \(key.count) bytes, or other than printable ASCII",
        next: "Choose a key of 1 to \(Limits.idempotencyKeyBytesMax) printable ASCII characters")
    }
    guard intention.body.count <= Limits.callBodyBytesMax else {
      throw ClientFailure(
        .invalid, "BODY_TOO_LARGE", what: "the call cannot be sent",
        why: "its body has \(intention.body.count) bytes, at most \(Limits.callBodyBytesMax) fit",
        next: "Send fewer rows a batch")
    }
  }

  package func sign(_ intention: Intention) -> SignedCall {
    let body = intention.body
    let call = Call(
      subnet: subnet, pipeline: intention.pipeline, method: intention.method,
      bodyDigest: sha256(body), bodyBytes: UInt32(clamping: body.count),
      idempotencyKey: intention.key, sender: signer?.publicKey,
      expiry: clock().advanced(by: Limits.callLifetimeUsual.milliseconds),
      stepLimit: intention.stepLimit ?? Limits.stepLimitUsual(bodyBytes: body.count))
    return signer?.sign(call, body: body) ?? SignedCall(call: call, body: body, signature: nil)
  }

  /// Hands a signed call to one replica and waits there for its certificate.
  /// - Returns: nil while it is under way.
  func offer(
    _ signed: SignedCall, to replica: ReplicaID, patience: Span
  ) async throws(ReplicaFault) -> CertifiedReceipt? {
    let seconds = max(1, patience.milliseconds / 1_000)
    let preference = patience == 0 ? "respond-async" : "wait=\(seconds)"
    let reply = try await exchange(
      HTTPAsk(
        method: .POST, target: "/v1/calls",
        headers: [
          ("Content-Type", MediaType.canonical), ("Accept", MediaType.canonical),
          ("Prefer", preference),
        ],
        body: signed.canonicalBytes,
        timeout: patience.advanced(by: ClientLimits.exchangeMargin.number)), with: replica)
    if reply.status == 202 { return nil }
    let certified = try value(CertifiedReceipt.self, of: reply)
    _ = try checked { () throws(CheckFault) in
      try check.check(certified, of: signed.call.digest)
    }
    return certified
  }
}

extension ClientFailure {
  /// With the id of the call that it is about.
  fileprivate func about(_ signed: SignedCall) -> ClientFailure {
    var failure = self
    failure.request = signed.call.digest.hex
    return failure
  }
}

extension ReplicaFault {
  /// Whether the replica may have the call although it did not say so.
  fileprivate var mayHaveArrived: Bool {
    switch self {
    case .transport(let fault): !fault.wasNeverSent
    case .untrusted: true
    case .refused, .stale, .tooLarge: false
    }
  }
}
