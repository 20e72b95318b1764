import Certification
import NIOHTTP1
import Signing
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
    var attempt = Submission(signed: sign(intention), deadline: deadline(intention.patience))
    for round in 0... {
      for replica in candidates() {
        if let receipt = try await attempt.offer(to: replica, by: self) { return receipt }
        guard clock() < attempt.deadline, !Task.isCancelled else { throw attempt.undecided() }
      }
      let pause = ClientLimits.pauses[min(round, ClientLimits.pauses.count - 1)]
      try? await Task.sleep(for: .microseconds(Int64(pause.number)))
      if clock() >= attempt.signed.call.expiry { attempt.signed = sign(intention) }
    }
    throw attempt.undecided()
  }

  private func deadline(_ patience: Span) -> Moment {
    clock().advanced(by: patience.milliseconds)
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

  /// Hands a signed call to one replica and waits for the certificate there.
  /// - Returns: nil while it is under way.
  func offer(
    _ signed: SignedCall, to replica: ReplicaID, patience: Span
  ) async throws(ReplicaFault) -> CertifiedReceipt? {
    let seconds = max(1, patience.milliseconds / 1_000)
    let reply = try await exchange(
      HTTPAsk(
        method: .POST, target: "/v1/calls",
        headers: [
          ("Content-Type", MediaType.canonical), ("Accept", MediaType.canonical),
          ("Prefer", "wait=\(seconds)"),
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

/// One intention on its way through the replicas.
struct Submission {
  var signed: SignedCall
  let deadline: Moment
  private var blame = Blame()
  private var wasReceived = false

  init(signed: SignedCall, deadline: Moment) {
    self.signed = signed
    self.deadline = deadline
  }

  /// - Returns: the receipt once it is certified; nil to go on with the next replica.
  mutating func offer(
    to replica: ReplicaID, by client: Client
  ) async throws(ClientFailure) -> CertifiedReceipt? {
    let certified: CertifiedReceipt?
    do throws(ReplicaFault) {
      certified = try await client.offer(
        signed, to: replica, patience: ClientLimits.certificatePatience)
    } catch {
      try note(error, of: replica, client)
      return nil
    }
    guard let certified else {
      wasReceived = true
      return nil
    }
    if case .refused(let refusal) = certified.proof.receipt.status {
      throw .refused(refusal, certified)
    }
    return certified
  }

  private mutating func note(
    _ fault: ReplicaFault, of replica: ReplicaID, _ client: Client
  ) throws(ClientFailure) {
    blame.add(replica, fault)
    switch fault {
    case .transport(let transport): if !transport.wasNeverSent { wasReceived = true }
    case .untrusted:
      client.penalize(replica)
      wasReceived = true
    case .stale: break
    case .refused(let refusal, let status, _):
      let passes = [409, 429, 503].contains(status) || refusal.code == "EXPIRED"
      guard !passes, blame.count(refusing: refusal.code) > client.committee.faultsMax else {
        return
      }
      throw rejected(refusal, count: blame.count(refusing: refusal.code))
    }
  }

  private func rejected(_ refusal: Refusal, count: Int) -> ClientFailure {
    var failure = ClientFailure(
      .rejected, refusal.code, what: "the call was not accepted",
      why: refusal.message,
      next: "(\(count) replicas say so; without a certificate it is final only after its expiry)")
    failure.request = signed.call.digest.hex
    return failure
  }

  func undecided() -> ClientFailure {
    var failure: ClientFailure
    if wasReceived {
      failure = ClientFailure(
        .undecided, "UNDECIDED", what: "the call was handed in, its outcome is not known",
        why: "no certificate came in time",
        next: "Look with `quorate request \(signed.call.digest.hex)`, or send it again under the "
          + "same key: it takes effect once")
    } else {
      failure = blame.failure("the call was not handed in")
    }
    failure.request = signed.call.digest.hex
    return failure
  }
}
