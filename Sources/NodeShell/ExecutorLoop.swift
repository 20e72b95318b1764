import Certification
import Execution
import Journaling
import Replication
import Signing
import Wire

/// The one thread that executes blocks, admits clients' calls and reads receipts.
///
/// - Safety: a height is served and its receipts are given out only once it is executed here and
///   certified with the roots that it has here. Where they differ the core is told.
/// - Liveness: a full disk is waited for, every other failure ends the replica.
/// - Bound: certificates that came ahead of execution: `certificatesAheadMax`.
struct ExecutorLoop {
  enum Job: Sendable {
    /// nil stands for the block of this height in the journal.
    case execute(Height, Block?)
    case certified(StateCertificate)
    case admit(VerifiedCall)
    /// What became of a call that this replica does not follow.
    case look(Digest, CheckedContinuation<CallOutcome?, Never>)
  }

  typealias CallOutcome = CertifiedReceipt

  private static let certificatesAheadMax = 4_096
  private static let fullDiskWait = Span.seconds(1)

  private let executor: Executor
  private let jobs: Mailbox<Job>
  private let reader: JournalReader
  private let inbox: Mailbox<Input>
  private let tracker: CallTracker
  private let heights: HeightWaiters
  private let board: ReplicaBoard
  private let counters: NodeCounters
  private let isStopping: @Sendable () -> Bool
  private var ahead: [Height: StateCertificate] = [:]
  private var admitted: [VerifiedCall] = []

  init(
    _ executor: Executor, jobs: Mailbox<Job>, reader: JournalReader, inbox: Mailbox<Input>,
    tracker: CallTracker, heights: HeightWaiters, board: ReplicaBoard, counters: NodeCounters,
    isStopping: @escaping @Sendable () -> Bool
  ) {
    self.executor = executor
    self.jobs = jobs
    self.reader = reader
    self.inbox = inbox
    self.tracker = tracker
    self.heights = heights
    self.board = board
    self.counters = counters
    self.isStopping = isStopping
  }

  /// Runs until its mailbox is closed and empty.
  mutating func run() throws(NodeFault) {
    turns: while let batch = jobs.take(limit: NodeLimits.executorBatch) {
      for (place, job) in batch.enumerated() {
        switch job {
        case .execute(let height, let block):
          handIn()
          try execute(height, block)
        case .certified(let certificate): try certified(certificate)
        case .admit(let call): try admit(call)
        case .look(let digest, let answer): answer.resume(returning: try outcome(of: digest))
        }
        if isStopping() {
          release(batch[(place + 1)...])
          break turns
        }
      }
      handIn()
    }
    // Only makes the next start quicker: what is lost is executed again.
    _ = try? executor.checkpoint()
  }

  /// Hands what was admitted to the core as one input, so that it is spread as one message.
  private mutating func handIn() {
    guard !admitted.isEmpty else { return }
    let bytes = admitted.reduce(0) { $0 + $1.signed.body.count }
    inbox.post(.calls(admitted, from: nil), weight: bytes)
    for call in admitted { tracker.admitted(call.digest) }
    admitted.removeAll(keepingCapacity: true)
  }

  /// Nobody is left waiting by a replica that stops.
  private func release(_ jobs: ArraySlice<Job>) {
    for case .look(_, let answer) in jobs { answer.resume(returning: nil) }
  }

  // MARK: Blocks

  private mutating func execute(_ height: Height, _ given: Block?) throws(NodeFault) {
    var found = given
    if found == nil { found = try journalled(height) }
    guard let block = found else {
      throw NodeFault(
        "the journal holds no block of height \(height), which is finalized: the journal is "
          + "damaged. Remove this replica's state folder; it then fetches everything again")
    }
    let digest = block.header.digest
    let start = Clocks.monotonic
    while true {
      do throws(ExecutionFault) {
        let outcome = try outcome(of: block, digest)
        counters.executeNanoseconds.record(Clocks.monotonic - start)
        board.update {
          $0.executed = max($0.executed, height)
          $0.executionTrouble = nil
        }
        // Of what comes from the journal the core may hold no certificate. One that cannot be read
        // compares nothing: the next one does, since states build on one another.
        if given == nil, let known = try? reader.stateCertificate(at: height) {
          _ = agrees(outcome, with: known)
        }
        inbox.post(.executed(outcome))
        break
      } catch {
        guard error.kind == .full, !isStopping() else {
          if isStopping() { return }
          throw NodeFault("height \(height) could not be executed: \(error)")
        }
        waitForSpace(height, error)
      }
    }
    // After a restart nobody told the tracker of this block's order.
    tracker.ordered(block.header.calls, at: height)
    if let certificate = ahead.removeValue(forKey: height) { try serve(certificate) }
  }

  /// After a restart, heights come again that the files are past.
  private func outcome(
    of block: Block, _ digest: Digest
  ) throws(ExecutionFault) -> BlockOutcome {
    if let known = try executor.outcome(at: block.header.height) { return known }
    return try executor.execute(block, digest: digest)
  }

  private func journalled(_ height: Height) throws(NodeFault) -> Block? {
    do throws(JournalFault) {
      return try reader.block(at: height)
    } catch {
      throw NodeFault("the block of height \(height) cannot be read: \(error)")
    }
  }

  private func waitForSpace(_ height: Height, _ fault: ExecutionFault) {
    let trouble = "height \(height) waits for room on the disk: \(fault)"
    board.update { $0.executionTrouble = trouble }
    board.logSeldom(
      .error, "execution waits for room on the disk", key: "full",
      ["height": "\(height)", "why": "\(fault)"])
    pause(Self.fullDiskWait)
  }

  // MARK: Certificates

  private mutating func certified(_ certificate: StateCertificate) throws(NodeFault) {
    guard certificate.height > executor.height else { return try serve(certificate) }
    if ahead.count >= Self.certificatesAheadMax, let farthest = ahead.keys.max() {
      ahead[farthest] = nil
    }
    ahead[certificate.height] = certificate
  }

  private func serve(_ certificate: StateCertificate) throws(NodeFault) {
    // Of a state that differs nothing is given out.
    guard let outcome = try outcome(at: certificate.height), agrees(outcome, with: certificate)
    else { return }
    executor.reader.certify(certificate)
    if let heights = executor.reader.heights { self.heights.reached(heights.upperBound) }
    for call in tracker.certified(certificate.height) {
      do throws(ExecutionFault) {
        if let proof = try executor.receipt(of: call) {
          settle(call, proof, certificate)
        } else {
          tracker.settle(call, .refused(Self.skipped(at: certificate.height)))
        }
      } catch {
        throw NodeFault("the receipts of height \(certificate.height) cannot be read: \(error)")
      }
    }
  }

  private func outcome(at height: Height) throws(NodeFault) -> BlockOutcome? {
    do throws(ExecutionFault) { return try executor.outcome(at: height) } catch {
      throw NodeFault("the outcome of height \(height) cannot be read: \(error)")
    }
  }

  /// Tells the core where they differ: then it quarantines this replica.
  private func agrees(_ outcome: BlockOutcome, with certificate: StateCertificate) -> Bool {
    if outcome.agrees(with: certificate.statement) { return true }
    inbox.post(.contradicted(outcome, by: certificate))
    return false
  }

  private static func skipped(at height: Height) -> Refusal {
    Refusal(
      "EXPIRED",
      "block \(height) holds the call, but its time is past the call's expiry, so it was not "
        + "executed and has no effect: sign it anew with a later expiry")
  }

  /// A call may have a receipt of an earlier height: then that height's certificate goes with it.
  private func settle(_ call: Digest, _ proof: ReceiptProof, _ certificate: StateCertificate) {
    if proof.receipt.height == certificate.height {
      tracker.settle(call, .done(CertifiedReceipt(proof: proof, certificate: certificate)))
    } else if let earlier = try? reader.stateCertificate(at: proof.receipt.height) {
      tracker.settle(call, .done(CertifiedReceipt(proof: proof, certificate: earlier)))
    }
  }

  // MARK: Calls of clients

  private mutating func admit(_ call: VerifiedCall) throws(NodeFault) {
    if let known = try outcome(of: call.digest) {
      return tracker.settle(call.digest, .done(known))
    }
    do throws(Refusal) {
      try executor.admit(call, at: Clocks.wall)
    } catch {
      counters.callsRefused.add(1)
      return tracker.settle(call.digest, .refused(error))
    }
    admitted.append(call)
  }

  private func outcome(of call: Digest) throws(NodeFault) -> CertifiedReceipt? {
    do throws(ExecutionFault) {
      guard let proof = try executor.receipt(of: call) else { return nil }
      let certificate = try? reader.stateCertificate(at: proof.receipt.height)
      return certificate.map { CertifiedReceipt(proof: proof, certificate: $0) }
    } catch {
      throw NodeFault("the receipt of \(call) cannot be read: \(error)")
    }
  }
}
