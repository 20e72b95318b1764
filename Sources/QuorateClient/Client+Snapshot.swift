import Certification
import Wire

/// There is no room for what nothing vouches for yet: the disk is too small, or the replica gives
/// more than there is.
package struct SnapshotTooLarge: Error {
  package let reason: String
  package init(_ reason: String) { self.reason = reason }
}

/// Takes a pipeline's snapshot in, part by part. A `CheckFault` that it throws is the replica's
/// fault, and as after `SnapshotTooLarge` another one is asked; any other error ends the snapshot.
package protocol SnapshotSink {
  /// A snapshot begins, or begins anew: what was taken in before does not count.
  mutating func begin(_ seal: SnapshotSeal) throws
  mutating func take(_ part: SnapshotPart) throws
  /// That was all of it.
  /// - Throws: `CheckFault` unless the rows come to the roots of the seal.
  mutating func finish() throws
  /// Nothing more comes of this replica: what was taken in is to be removed.
  mutating func discard()
}

extension Client {
  /// Fetches all that a pipeline's file holds at one certified height, from one replica after
  /// another until `sink` believes what it was given, or all have failed.
  /// - Returns: the seal, whose certificate and proofs hold.
  /// - Throws: `ClientFailure`, or what `sink` throws.
  package func snapshot(
    of pipeline: String, into sink: inout some SnapshotSink, recency: Recency = .usual
  ) async throws -> SnapshotSeal {
    let freshness = try await freshness(recency)
    var blame = Blame()
    var gone = 0
    for replica in candidates() {
      do {
        return try await copy(pipeline, from: replica, into: &sink, freshness)
      } catch let fault as ReplicaFault {
        sink.discard()
        blame.add(replica, fault)
        switch fault {
        case .untrusted: penalize(replica)
        case .refused(let refusal, _, _) where refusal.code == "HEIGHT_GONE": gone += 1
        case .refused, .stale, .transport, .tooLarge: break
        }
        if let failure = settled(blame, fault) { throw failure }
      }
      if gone == max(ClientLimits.snapshotTries, committee.faultsMax + 1) { break }
    }
    throw blame.failureOfAll("there is no snapshot of \(pipeline)")
  }

  private func copy(
    _ pipeline: String, from replica: ReplicaID, into sink: inout some SnapshotSink,
    _ freshness: Freshness
  ) async throws -> SnapshotSeal {
    var part = try await part(of: pipeline, after: nil, from: replica, freshness)
    guard let seal = part.seal else {
      throw ReplicaFault.untrusted("a snapshot begins without its seal")
    }
    _ = try checked { () throws(CheckFault) in
      guard seal.pipeline == pipeline else {
        throw CheckFault(.request, "it is of another pipeline, \(seal.pipeline)")
      }
      try check.check(seal)
      let statement = seal.certificate.statement
      try freshness.check(height: statement.height, time: statement.time)
    }
    try blaming { try sink.begin(seal) }
    for _ in 1...AnswerLimits.snapshotPartsMax {
      try blaming { try sink.take(part) }
      guard let next = part.next else {
        try blaming { try sink.finish() }
        return seal
      }
      guard next.roots == seal.roots, !part.tables.isEmpty else {
        throw ReplicaFault.untrusted("a part of the snapshot does not go on from the one before")
      }
      part = try await self.part(of: pipeline, after: next, from: replica, freshness)
    }
    throw ReplicaFault.untrusted("it gives over \(AnswerLimits.snapshotPartsMax) parts")
  }

  private func part(
    of pipeline: String, after place: SnapshotPlace?, from replica: ReplicaID,
    _ freshness: Freshness
  ) async throws(ReplicaFault) -> SnapshotPart {
    let request = SnapshotRequest(
      subnet: subnet, pipeline: pipeline, place: place, caller: signer?.publicKey,
      expiry: readExpiry)
    let read = SignedRead(request, by: signer)
    let ask = ask("/v1/snapshots", read.canonicalBytes, above: freshness.heightMin)
    let part = try value(SnapshotPart.self, of: try await exchange(ask, with: replica))
    try checked { () throws(CheckFault) in try part.checkSize() }
    return part
  }

  /// What does not pass a check is the replica's fault.
  private func blaming(_ body: () throws -> Void) throws {
    do { try body() } catch let fault as CheckFault {
      throw ReplicaFault.untrusted(fault.description)
    } catch let fault as SnapshotTooLarge {
      throw ReplicaFault.tooLarge(fault.reason)
    }
  }
}
