import Certification
import Gateway
import Metering
import Signing
import Wire

extension Node: GatewayBackend {
  package var subnet: SubnetID { configuration.network.subnet }
  package var networkDocument: [UInt8] { configuration.networkDocument }
  package func now() -> Moment { Clocks.wall }

  // MARK: Calls

  package func submit(_ call: SignedCall, patience: Span) async -> CallProgress {
    parts.counters.callsSubmitted.add(1)
    if let refusal = refusesCalls { return refused(refusal) }
    let verified: VerifiedCall
    switch await parts.envelopes.verified(call) {
    case nil: return refused(Self.overloaded)
    case .failure(let refusal): return refused(refusal)
    case .success(let call): verified = call
    }
    switch parts.tracker.follow(verified.digest) {
    case .full: return refused(Self.overloaded)
    case .known(let progress) where progress.isSettled || patience == 0:
      return await resolved(progress, of: verified.digest, until: 0)
    case .known: break
    case .new:
      guard parts.executions.post(.admit(verified)) != nil else {
        parts.tracker.settle(verified.digest, .refused(Self.stopping))
        return refused(Self.stopping)
      }
    }
    let isImpatient = patience == 0
    let progress = await parts.tracker.wait(
      for: verified.digest, until: deadline(isImpatient ? NodeLimits.admissionMax : patience),
      untilAdmitted: isImpatient)
    return await resolved(
      progress, of: verified.digest, until: isImpatient ? 0 : deadline(patience))
  }

  /// A call that another replica took in and that was executed since is no refusal: it has a
  /// receipt, or will have one once its height is certified.
  private func resolved(
    _ progress: CallProgress, of call: Digest, until end: UInt64
  ) async -> CallProgress {
    guard isExecutedMeanwhile(progress) else { return progress }
    if let receipt = await look(call) { return .done(receipt) }
    return await watch(call, until: end)
  }

  private func isExecutedMeanwhile(_ progress: CallProgress) -> Bool {
    if case .refused(let refusal) = progress { refusal.code == "ALREADY_EXECUTED" } else { false }
  }

  /// Waits for a call and looks for its receipt now and then: what was ordered before anybody here
  /// followed it is not told to the tracker.
  private func watch(_ call: Digest, until end: UInt64) async -> CallProgress {
    var pause = NodeLimits.lookAgainFirst
    while true {
      let (next, overflow) = Clocks.monotonic.addingReportingOverflow(pause.nanoseconds)
      let until = overflow ? end : min(end, next)
      let progress = await parts.tracker.wait(for: call, until: until)
      let isExecuted = isExecutedMeanwhile(progress)
      if progress.isSettled, !isExecuted { return progress }
      if let receipt = await look(call) { return .done(receipt) }
      guard Clocks.monotonic < end, !parts.board.now.isStopping, !Task.isCancelled else {
        return isExecuted ? .received : progress
      }
      // It did not wait: there is a refusal already, or no room for another waiter.
      if Clocks.monotonic < until { try? await Task.sleep(for: .microseconds(Int64(pause.number))) }
      pause = min(Span(pause.number * 2), NodeLimits.lookAgainMax)
    }
  }

  package func progress(of call: Digest, patience: Span) async -> CallProgress {
    let known = parts.tracker.progress(of: call)
    switch known {
    case .done, .received, .ordered: break
    case nil, .unknown, .refused:
      // Another replica may have taken it, or this one before its last start.
      if let receipt = await look(call) { return .done(receipt) }
    }
    if let known, known.isSettled { return known }
    guard patience > 0 else { return known ?? .unknown }
    return await watch(call, until: deadline(patience))
  }

  private func look(_ call: Digest) async -> CertifiedReceipt? {
    guard parts.executions.count < NodeLimits.lookupsMax else { return nil }
    return await withCheckedContinuation { continuation in
      if parts.executions.post(.look(call, continuation)) == nil {
        continuation.resume(returning: nil)
      }
    }
  }

  private func refused(_ refusal: Refusal) -> CallProgress {
    parts.counters.callsRefused.add(1)
    return .refused(refusal)
  }

  private var refusesCalls: Refusal? {
    let state = parts.board.now
    if state.isStopping { return Self.stopping }
    if state.isDiskFull {
      return Refusal(
        "DISK_FULL",
        "this replica's disk is full, so it takes no new calls: submit to another replica")
    }
    if state.isQuarantined { return Self.quarantined }
    return state.standing?.admitsCalls == false ? Self.overloaded : nil
  }

  private func deadline(_ patience: Span) -> UInt64 {
    let (sum, overflow) = Clocks.monotonic.addingReportingOverflow(patience.nanoseconds)
    return overflow ? .max : sum
  }

  // MARK: Reads

  package func readable(from height: Height, patience: Span) async -> ClosedRange<Height>? {
    let end = deadline(patience)
    await parts.heights.wait(for: height, until: end)
    // While all pins are taken anew, the one height that is pinned waits for its certificate.
    while parts.reader.heights == nil, Clocks.monotonic < end, !parts.board.now.isStopping {
      try? await Task.sleep(for: .microseconds(Int64(NodeLimits.unreadableWait.number)))
    }
    return parts.reader.heights
  }

  package func answer(_ request: QueryRequest) async throws(Refusal) -> SignedAnswer {
    parts.counters.queries.add(1)
    let (reader, me, signer) = (parts.reader, parts.me, parts.signer)
    return try await read {
      do throws(Refusal) {
        return .success(SignedAnswer(try reader.query(request), as: me, by: signer))
      } catch {
        return .failure(error)
      }
    }
  }

  package func rows(_ request: RowsRequest) async throws(Refusal) -> CertifiedRows {
    parts.counters.rowReads.add(1)
    let reader = parts.reader
    return try await read {
      do throws(Refusal) { return .success(try reader.rows(request)) } catch {
        return .failure(error)
      }
    }
  }

  package func snapshot(_ request: SnapshotRequest) async throws(Refusal) -> SnapshotPart {
    let reader = parts.reader
    return try await read {
      do throws(Refusal) { return .success(try reader.snapshot(request)) } catch {
        return .failure(error)
      }
    }
  }

  package func catalog() async throws(Refusal) -> Catalog {
    let reader = parts.reader
    return try await read {
      do throws(Refusal) { return .success(try reader.catalog()) } catch {
        return .failure(error)
      }
    }
  }

  package func report(of pipeline: String) async throws(Refusal) -> PipelineReport {
    let reader = parts.reader
    return try await read {
      do throws(Refusal) { return .success(try reader.report(of: pipeline)) } catch {
        return .failure(error)
      }
    }
  }

  package func balance(of owner: PublicKey) async throws(Refusal) -> Cycles {
    let reader = parts.reader
    return try await read {
      do throws(Refusal) { return .success(try reader.balance(of: owner)) } catch {
        return .failure(error)
      }
    }
  }

  package func prices() async throws(Refusal) -> PriceReport {
    let reader = parts.reader
    return try await read {
      do throws(Refusal) { return .success(try reader.prices()) } catch { return .failure(error) }
    }
  }

  package func engines() async throws(Refusal) -> EngineReport {
    let reader = parts.reader
    return try await read {
      do throws(Refusal) { return .success(try reader.engines()) } catch { return .failure(error) }
    }
  }

  package func certificate(at height: Height) async throws(Refusal) -> StateCertificate {
    let reader = parts.journalReader
    return try await read {
      guard let certificate = try? reader.stateCertificate(at: height) else {
        return .failure(
          Refusal(
            "NO_CERTIFICATE",
            "this replica holds no state certificate of height \(height): see /v1/status for the "
              + "highest one, or ask another replica"))
      }
      return .success(certificate)
    }
  }

  private func read<Value: Sendable>(
    _ body: @escaping @Sendable () -> Result<Value, Refusal>
  ) async throws(Refusal) -> Value {
    let state = parts.board.now
    if state.isQuarantined { throw Self.quarantined }
    if state.isStopping { throw Self.stopping }
    var result = try await worked(body)
    // While all pins are taken anew, the one height that is pinned waits for its certificate.
    for _ in 0..<NodeLimits.unreadableWaits {
      guard case .failure(let refusal) = result, refusal.code == "NOT_READY" else { break }
      try? await Task.sleep(for: .microseconds(Int64(NodeLimits.unreadableWait.number)))
      result = try await worked(body)
    }
    return try result.get()
  }

  private func worked<Value: Sendable>(
    _ body: @escaping @Sendable () -> Value
  ) async throws(Refusal) -> Value {
    switch await parts.queries.run(for: ClientAddress.current, body) {
    case .done(let value): return value
    case .shareFull: throw Self.tooMuch
    case .full: throw Self.overloaded
    case .closed: throw Self.stopping
    }
  }

  private static let overloaded = Refusal(
    "OVERLOADED", "this replica has more to do than it may take on: ask another one, or later")
  private static let tooMuch = Refusal(
    "TOO_MUCH_AT_ONCE",
    "\(NodeLimits.queriesPerClientMax) reads of one address wait already: wait for their answers, "
      + "or ask another replica")
  private static let stopping = Refusal("STOPPING", "this replica stops: ask another one")
  private static let quarantined = Refusal(
    "QUARANTINED",
    "this replica's state differs from the certified one, so it answers nothing: ask another one")

  // MARK: About this replica

  package func status() async -> ReplicaStatus {
    let state = parts.board.now
    return ReplicaStatus(
      subnet: subnet, replica: parts.me, software: Self.software, clock: now(),
      epoch: parts.committee.epoch, view: state.view, finalized: state.finalized,
      executed: state.executed, share: state.share, certificate: state.certificate,
      oldestReadable: parts.reader.heights?.lowerBound, connected: state.connected.sorted(),
      poolCalls: UInt32(clamping: state.standing?.poolCalls ?? 0),
      poolBytes: UInt64(clamping: state.standing?.poolBytes ?? 0), phase: state.phase,
      awaiting: parts.board.awaiting)
  }

  /// What runs here.
  package static let software = "quorate 0.1.0"

  package func readiness() async -> Readiness {
    let state = parts.board.now
    guard state.phase == .serving else {
      return Readiness(isReady: false, reason: state.phase.label)
    }
    guard state.hasMetQuorum else {
      return Readiness(
        isReady: false,
        reason: "\(state.connected.count + 1) of \(parts.committee.size) replicas are in touch, "
          + "\(parts.committee.quorum) are needed")
    }
    return Readiness(
      isReady: true, reason: "height \(state.executed) executed, \(state.certified) certified")
  }

  package func events() -> AsyncStream<GatewayEvent> { parts.board.events.follow() }

  /// The replica's own numbers, then those of its pipelines; the latter are left out while this
  /// replica reads nothing.
  package func metrics() async -> String {
    let reader = parts.reader
    let found = try? await read { .success(reader.metrics()) }
    return measured.prometheus + (found?.prometheus(at: now()) ?? "")
  }

  /// One look at all counters and gauges.
  package var measured: NodeMetrics {
    let state = parts.board.now
    let counters = parts.counters
    return NodeMetrics(
      replica: parts.me, view: state.view, finalized: state.finalized, executed: state.executed,
      certified: state.certified, peersUp: state.connected.count, peers: links.statistics,
      refusedConnections: links.refused, freeBytes: state.freeBytes,
      residentBytes: Machine.residentBytes,
      uptimeSeconds: (Clocks.monotonic - parts.startedAt) / 1_000_000_000,
      poolCalls: UInt32(clamping: state.standing?.poolCalls ?? 0),
      poolBytes: UInt64(clamping: state.standing?.poolBytes ?? 0), queues: queues,
      counts: counters.named,
      timings: [
        (
          "journal_append_seconds", "One append with its fsync.",
          counters.appendNanoseconds.snapshot
        ),
        ("execute_seconds", "Executing one block.", counters.executeNanoseconds.snapshot),
      ])
  }

  private var queues: [(name: String, count: Int)] {
    [
      ("core", parts.inbox.count), ("envelopes", parts.envelopes.waiting),
      ("executor", parts.executions.count), ("followed-calls", parts.tracker.count),
      ("peer-server", servingCount), ("queries", parts.queries.waiting),
      ("waiting-clients", parts.tracker.waiting + parts.heights.count),
    ]
  }
}
