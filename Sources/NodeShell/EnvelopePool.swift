import Replication
import Signing
import Synchronization
import Wire

/// Verifies calls' envelopes off the core's thread, each once by whatever way it comes.
///
/// - Safety: only what `Verifier` has accepted goes on.
/// - Liveness: proposals, clients and peers have a thread each, so no backlog of one delays the
///   others; behind more than one block's bodies the core, which takes one proposal a view,
///   verifies by itself. A peer has a share of what may wait; correct ones send only what holds,
///   so one that does not is not listened to for a while.
/// - Bound: `verifierBytesMax` bytes of clients' calls wait, and as many of peers'. Over it calls
///   of peers are dropped, which they announce again, and calls of clients are refused.
final class EnvelopePool: Sendable {
  private struct Delivered: Sendable {
    let calls: [SignedCall]
    let peer: ReplicaID
    let bytes: Int
  }

  private struct Asked: Sendable {
    let call: SignedCall
    let answer: CheckedContinuation<Result<VerifiedCall, Refusal>?, Never>
  }

  /// What waits of a peer, and until when it is not listened to.
  private struct Standing {
    var bytes = 0
    var mutedUntil: ContinuousClock.Instant?
  }

  private struct Proposal: Sendable {
    let header: Header
    let inlined: [SignedCall]
    let vote: Vote
    let peer: ReplicaID
    let bytes: Int
  }

  private let delivered = Mailbox<Delivered>()
  private let asked = Mailbox<Asked>()
  private let proposals = Mailbox<Proposal>()
  private let standings = Mutex<[ReplicaID: Standing]>([:])
  private let recent = RecentCalls()
  private let verifier: Verifier
  private let subnet: SubnetID
  private let peerBytesMax: Int
  private let inbox: Mailbox<Input>
  private let counters: NodeCounters

  init(
    _ verifier: Verifier, committee: Committee, inbox: Mailbox<Input>, counters: NodeCounters
  ) {
    self.verifier = verifier
    subnet = committee.subnet
    peerBytesMax = NodeLimits.verifierBytesMax / max(1, committee.size - 1)
    self.inbox = inbox
    self.counters = counters
  }

  var waiting: Int { delivered.count + asked.count }

  /// Calls of a peer, which go on to the core; dropped over its share, but for one message.
  func take(_ calls: [SignedCall], from peer: ReplicaID) {
    let bytes = calls.reduce(0) { $0 + $1.body.count + 256 }
    let isTaken = standings.withLock { standings in
      let standing = standings[peer, default: Standing()]
      if let end = standing.mutedUntil, end > .now { return false }
      guard standing.bytes == 0 || standing.bytes + bytes <= peerBytesMax else { return false }
      standings[peer] = Standing(bytes: standing.bytes + bytes)
      return true
    }
    if isTaken { delivered.post(Delivered(calls: calls, peer: peer, bytes: bytes)) }
  }

  /// A proposal with bodies beside its header.
  /// - Returns: false when it is more than a leader may send, or too much waits.
  func take(
    _ header: Header, _ inlined: [SignedCall], _ vote: Vote, from peer: ReplicaID, bytes: Int
  ) -> Bool {
    guard inlined.count <= Limits.callsPerBlockMax, proposals.weight < Limits.inlineBytesMax
    else { return false }
    let proposal = Proposal(
      header: header, inlined: inlined, vote: vote, peer: peer, bytes: bytes)
    return proposals.post(proposal, weight: bytes) != nil
  }

  /// A client's call.
  /// - Returns: nil when too much waits already.
  func verified(_ call: SignedCall) async -> Result<VerifiedCall, Refusal>? {
    await withCheckedContinuation { continuation in
      guard asked.weight < NodeLimits.verifierBytesMax,
        asked.post(Asked(call: call, answer: continuation), weight: call.body.count + 256) != nil
      else { return continuation.resume(returning: nil) }
    }
  }

  func close() {
    delivered.close()
    asked.close()
    proposals.close()
  }

  func runProposals() {
    while let batch = proposals.take(limit: 1) {
      for proposal in batch {
        // What the header does not name is not worth a signature's time.
        let named = proposal.inlined.filter {
          proposal.header.calls.place(of: $0.call.digest) != nil
        }
        var held: [VerifiedCall] = []
        for call in named {
          // A leader that sends one call which does not hold is given no more time.
          guard case .success(let verified) = verify(call) else { break }
          held.append(verified)
        }
        inbox.post(
          .proposed(proposal.header, inlined: held, proposal.vote, from: proposal.peer),
          weight: proposal.bytes)
      }
    }
  }

  /// Clients' calls, in the order of arrival.
  func runClients() {
    while let batch = asked.take(limit: NodeLimits.verifierBatch) {
      for ask in batch { ask.answer.resume(returning: verify(ask.call)) }
    }
  }

  func runPeers() {
    while let batch = delivered.take(limit: NodeLimits.verifierBatch) {
      // What one peer sent in several messages goes to the core as one input.
      var gathered: [ReplicaID: [SignedCall]] = [:]
      for message in batch { gathered[message.peer, default: []] += message.calls }
      for (peer, calls) in gathered { verify(calls, from: peer) }
      standings.withLock { standings in
        for message in batch { standings[message.peer]?.bytes -= message.bytes }
      }
    }
  }

  /// Up to the first that does not hold.
  private func verify(_ calls: [SignedCall], from peer: ReplicaID) {
    var verified: [VerifiedCall] = []
    for call in calls {
      guard case .success(let holds) = verify(call) else {
        standings.withLock { $0[peer]?.mutedUntil = .now + NodeLimits.peerMutedFor }
        break
      }
      verified.append(holds)
    }
    guard !verified.isEmpty else { return }
    inbox.post(
      .calls(verified, from: peer), weight: verified.reduce(0) { $0 + $1.signed.body.count })
  }

  private func verify(_ call: SignedCall) -> Result<VerifiedCall, Refusal> {
    if let known = recent[call.call.digest], known.signed == call { return .success(known) }
    do throws(Refusal) {
      let verified = try verifier.verify(call, subnet: subnet)
      counters.envelopesVerified.add(1)
      recent.remember(verified)
      return .success(verified)
    } catch {
      counters.envelopesWrong.add(1)
      return .failure(error)
    }
  }
}
