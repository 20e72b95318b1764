import Replication
import Signing
import Wire

/// Verifies calls' envelopes off the core's thread.
///
/// - Safety: only what `Verifier` has accepted goes on.
/// - Bound: `verifierBytesMax` bytes of calls wait. Over it calls of peers are dropped, which they
///   announce again, and calls of clients are refused.
final class EnvelopePool: Sendable {
  enum Job: Sendable {
    case peer([SignedCall], from: ReplicaID)
    case client(SignedCall, CheckedContinuation<Result<VerifiedCall, Refusal>?, Never>)
  }

  private let jobs = Mailbox<Job>()
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

  func close() { jobs.close() }

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
    var verified: [VerifiedCall] = []
    verified.reserveCapacity(calls.count)
    var bytes = 0
    for call in calls {
      do throws(Refusal) {
        verified.append(try verifier.verify(call, subnet: subnet))
        bytes += call.body.count
      } catch {
        counters.envelopesWrong.add(1)
      }
    }
    counters.envelopesVerified.add(verified.count)
    guard !verified.isEmpty else { return }
    inbox.post(.calls(verified, from: peer), weight: bytes)
  }

  private func verify(_ call: SignedCall) -> Result<VerifiedCall, Refusal> {
    counters.envelopesVerified.add(1)
    do throws(Refusal) {
      return .success(try verifier.verify(call, subnet: subnet))
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
