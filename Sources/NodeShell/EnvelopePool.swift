import Replication
import Signing
import Wire

/// Verifies calls' envelopes off the core's thread, each once by whatever way it comes.
///
/// - Safety: only what `Verifier` has accepted goes on.
/// - Liveness: proposals have a thread of their own, so no backlog of calls delays a view; behind
///   more than one block's bodies the core, which takes one proposal a view, verifies by itself.
/// - Bound: `verifierBytesMax` bytes of calls wait. Over it calls of peers are dropped, which they
///   announce again, and calls of clients are refused.
final class EnvelopePool: Sendable {
  enum Job: Sendable {
    case peer([SignedCall], from: ReplicaID)
    case client(SignedCall, CheckedContinuation<Result<VerifiedCall, Refusal>?, Never>)
  }

  private struct Proposal: Sendable {
    let header: Header
    let inlined: [SignedCall]
    let vote: Vote
    let peer: ReplicaID
    let bytes: Int
  }

  private let jobs = Mailbox<Job>()
  private let proposals = Mailbox<Proposal>()
  private let recent = RecentCalls()
  private let verifier: Verifier
  private let subnet: SubnetID
  private let inbox: Mailbox<Input>
  private let counters: NodeCounters

  init(
    _ verifier: Verifier, subnet: SubnetID, inbox: Mailbox<Input>, counters: NodeCounters
  ) {
    self.verifier = verifier
    self.subnet = subnet
    self.inbox = inbox
    self.counters = counters
  }

  var waiting: Int { jobs.count }

  /// Calls of a peer, which go on to the core.
  func take(_ calls: [SignedCall], from peer: ReplicaID) { _ = post(.peer(calls, from: peer)) }

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
      if !post(.client(call, continuation)) { continuation.resume(returning: nil) }
    }
  }

  private func post(_ job: Job) -> Bool {
    guard jobs.weight < NodeLimits.verifierBytesMax else { return false }
    return jobs.post(job, weight: job.bytes) != nil
  }

  func close() {
    jobs.close()
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

  func run() {
    while let batch = jobs.take(limit: NodeLimits.verifierBatch) {
      // What one peer sent in several messages goes to the core as one input.
      var gathered: [ReplicaID: [SignedCall]] = [:]
      for job in batch {
        switch job {
        case .peer(let calls, let peer): gathered[peer, default: []] += calls
        case .client(let call, let answer): answer.resume(returning: verify(call))
        }
      }
      for (peer, calls) in gathered { verify(calls, from: peer) }
    }
  }

  private func verify(_ calls: [SignedCall], from peer: ReplicaID) {
    let verified = verified(calls)
    guard !verified.isEmpty else { return }
    inbox.post(
      .calls(verified, from: peer), weight: verified.reduce(0) { $0 + $1.signed.body.count })
  }

  /// Those that hold.
  private func verified(_ calls: [SignedCall]) -> [VerifiedCall] {
    calls.compactMap { try? verify($0).get() }
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

extension EnvelopePool.Job {
  fileprivate var bytes: Int {
    switch self {
    case .peer(let calls, _): calls.reduce(0) { $0 + $1.body.count + 256 }
    case .client(let call, _): call.body.count + 256
    }
  }
}
