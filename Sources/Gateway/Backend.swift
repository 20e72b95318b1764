import Certification
import Metering
import Wire

/// What the gateway asks of the replica behind it. The gateway knows HTTP, the backend knows the
/// replica; neither knows the other's trade.
///
/// - Safety: a backend verifies every call's envelope itself before it admits it, so the gateway
///   is not trusted with signatures of calls.
/// - Bound: every wait ends within the time given.
package protocol GatewayBackend: Sendable {
  var subnet: SubnetID { get }
  /// The bytes of network.json: public, and the trust root of a client that has nothing yet.
  var networkDocument: [UInt8] { get }
  /// The replica's own clock.
  func now() -> Moment

  /// Verifies and admits the call and hands it to the replica, then waits up to `patience` for
  /// `done`. Returns at once with `received` when `patience` is zero. A call that is already known
  /// is waited for like a new one.
  func submit(_ call: SignedCall, patience: Span) async -> CallProgress
  /// What is known of a call, by its digest. Waits up to `patience` for `done`.
  func progress(of call: Digest, patience: Span) async -> CallProgress

  /// Waits up to `patience` until this height is certified and can be read.
  /// - Returns: the heights that can be read when the wait ended; nil when there is none.
  func readable(from height: Height, patience: Span) async -> ClosedRange<Height>?
  /// Answers by this replica's word: at the request's height, or at the highest certified one.
  func answer(_ request: QueryRequest) async throws(Refusal) -> SignedAnswer
  /// Rows of a certified table with their proof and the certificate of their height.
  func rows(_ request: RowsRequest) async throws(Refusal) -> CertifiedRows
  /// A part of all that a pipeline's file holds at a certified height, for its owner.
  func snapshot(_ request: SnapshotRequest) async throws(Refusal) -> SnapshotPart

  func catalog() async throws(Refusal) -> Catalog
  /// What a pipeline holds, burns and lets in, at the highest height that can be read.
  func report(of pipeline: String) async throws(Refusal) -> PipelineReport
  /// Cycles in a person's account, at the highest height that can be read.
  func balance(of owner: PublicKey) async throws(Refusal) -> Cycles
  /// The prices in force and those proposed, at the highest height that can be read.
  func prices() async throws(Refusal) -> PriceReport
  /// The engines accepted and those proposed, at the highest height that can be read.
  func engines() async throws(Refusal) -> EngineReport
  func status() async -> ReplicaStatus
  func certificate(at height: Height) async throws(Refusal) -> StateCertificate
  /// Prometheus text, version 0.0.4.
  func metrics() async -> String
  /// Tied to lag: not ready while far behind, recovering, quarantined or stopping.
  func readiness() async -> Readiness
  /// What happens from now on. A subscriber that does not keep up loses the oldest.
  func events() -> AsyncStream<GatewayEvent>
}

/// How far a call has come, as one replica knows it.
package enum CallProgress: Sendable {
  case unknown
  /// In the pool; no block holds it yet.
  case received
  /// In a finalized block; its state is not certified yet.
  case ordered(Height)
  /// Executed and certified: applied, or refused for good. The receipt says which.
  case done(CertifiedReceipt)
  /// Refused by this replica alone, before ordering. Not final: another replica may admit it.
  case refused(Refusal)
}

package struct Readiness: Sendable, Equatable {
  package var isReady: Bool
  /// Why not, or how far: one sentence.
  package var reason: String

  package init(isReady: Bool, reason: String) {
    self.isReady = isReady
    self.reason = reason
  }
}

/// One line of the event stream.
package enum GatewayEvent: Sendable, Equatable {
  case entered(View, leader: ReplicaID)
  case finalized(Height, View, calls: Int)
  case certified(Height, stateRoot: Digest)
  case accused(ReplicaID, reason: String)
  case quarantined(Height)
}
