import Certification
import Gateway
import Metering
import Signing
import Synchronization
import Wire

/// What one replica does wrong, on purpose.
package struct Faults: Sendable {
  package var refusal: Refusal?
  /// It admits calls and never says what became of them.
  package var withholds = false
  /// Its newest height is so far behind.
  package var lag: UInt64 = 0
  package var balance: Cycles = 77
  package var engines = [EngineFingerprint(source: "a build", options: sha256([1]), probe: .zero)]
  package var answer: @Sendable (SignedAnswer) -> SignedAnswer = { $0 }
  package var rows: @Sendable (CertifiedRows) -> CertifiedRows = { $0 }
  package var snapshot: @Sendable (SnapshotPart) throws(Refusal) -> SnapshotPart = { $0 }
  package var receipt: @Sendable (CertifiedReceipt) -> CertifiedReceipt = { $0 }
  package var status: @Sendable (ReplicaStatus) -> ReplicaStatus = { $0 }
  package var catalog: @Sendable (Catalog) -> Catalog = { $0 }
  /// It says nothing of any call until it may.
  package var ponders = false
  /// What it says of every call; nil for the truth.
  package var progress: CallProgress?
  package var certificate: @Sendable (StateCertificate) -> StateCertificate = { $0 }

  package init() {}
}

/// One replica's side of a small state, as its gateway sees it.
package final class SmallReplica: GatewayBackend {
  package let id: ReplicaID
  package let ledger: SmallState
  private let faulty = Mutex(Faults())
  private let document = Mutex<[UInt8]>([])
  private let calls = Mutex<[SignedCall]>([])
  private let asked = Mutex(0)
  private let streams = Mutex<[AsyncStream<GatewayEvent>.Continuation]>([])

  package init(id: ReplicaID, ledger: SmallState) {
    self.id = id
    self.ledger = ledger
  }

  package func fail(_ change: @Sendable (inout Faults) -> Void) {
    faulty.withLock { change(&$0) }
  }
  private var faults: Faults { faulty.withLock { $0 } }
  /// How often somebody asked what became of a call.
  package var progressAsked: Int { asked.withLock { $0 } }
  /// What was handed in here, in order.
  package var handedIn: [SignedCall] { calls.withLock { $0 } }
  package func publish(_ bytes: [UInt8]) { document.withLock { $0 = bytes } }
  package func emit(_ event: GatewayEvent) {
    for stream in streams.withLock({ $0 }) { stream.yield(event) }
  }
  package var listeners: Int { streams.withLock { $0.count } }

  package var subnet: SubnetID { ledger.subnet }
  package var networkDocument: [UInt8] { document.withLock { $0 } }
  package func now() -> Moment { GatewayFixture.now() }

  package func submit(_ call: SignedCall, patience: Span) async -> CallProgress {
    calls.withLock { $0.append(call) }
    if let refusal = faults.refusal { return .refused(refusal) }
    do throws(Refusal) {
      let verified = try Verifier.ed25519.verify(call, subnet: subnet)
      try ledger.admit(call)
      if faults.withholds { return .received }
      let receipt = ledger.execute(verified)
      return patience == 0 ? .received : .done(faults.receipt(receipt))
    } catch {
      return .refused(error)
    }
  }

  package func progress(of call: Digest, patience: Span) async -> CallProgress {
    asked.withLock { $0 += 1 }
    // In a task of its own, as a call is waited for on, also once its client is gone.
    await Task { try? await eventually("it speaks") { !faults.ponders } }.value
    if let said = faults.progress { return said }
    guard let receipt = ledger.receipt(of: call) else {
      let isKnown = calls.withLock { $0.contains { $0.call.digest == call } }
      return isKnown ? .received : .unknown
    }
    return .done(faults.receipt(receipt))
  }

  private var heights: ClosedRange<Height> {
    let all = ledger.heights
    let newest = max(1, all.upperBound.above(Height(faults.lag)))
    return Height(max(1, newest > 16 ? newest - 16 : 1))...Height(newest)
  }

  package func readable(from height: Height, patience: Span) async -> ClosedRange<Height>? {
    heights
  }

  package func answer(_ request: QueryRequest) async throws(Refusal) -> SignedAnswer {
    let height = request.height ?? heights.upperBound
    guard let sealed = ledger.sealed(height) else { throw Refusal("HEIGHT_GONE", "no such height") }
    guard request.pipeline == SmallState.pipeline else {
      throw Refusal("UNKNOWN_PIPELINE", "there is no pipeline \(request.pipeline)")
    }
    let result = try select(request, sealed)
    let statement = sealed.certificate.statement
    let content = AnswerContent(
      subnet: subnet, epoch: 0, subject: request.subject, height: height, time: statement.time,
      stateRoot: statement.stateRoot, result: result)
    return faults.answer(ledger.sign(content, as: id))
  }

  /// One named query for everybody, one for the owner, and SQL that begins with `select id`.
  private func select(
    _ request: QueryRequest, _ sealed: SmallState.Sealed
  ) throws(Refusal) -> ResultTable {
    let columns = SmallState.schema.columns.map {
      ResultTable.Column(name: $0.name, type: $0.type)
    }
    switch request.question {
    case .named("all_orders"): return ResultTable(columns: columns, rows: sealed.rows)
    case .named("order"):
      guard let wanted = request.arguments.first(where: { $0.name == "id" }) else {
        throw Refusal("MISSING_ARGUMENT", "order needs the argument id: give it")
      }
      return ResultTable(columns: columns, rows: sealed.rows.filter { $0[0] == wanted.value })
    case .named("private_orders"):
      guard request.caller == ledger.owner.publicKey else {
        throw Refusal("FORBIDDEN", "private_orders is for the owner")
      }
      return ResultTable(columns: columns, rows: sealed.rows)
    case .named(let name): throw Refusal("UNKNOWN_QUERY", "shop has no query \(name)")
    case .sql(let text):
      guard text.hasPrefix("select id") else {
        throw Refusal("QD01", "only SELECT is answered: write a SELECT")
      }
      return ResultTable(columns: [columns[0]], rows: sealed.rows.map { [$0[0]] })
    default: throw Refusal("UNKNOWN_QUERY", "shop plans and checks nothing")
    }
  }

  package func rows(_ request: RowsRequest) async throws(Refusal) -> CertifiedRows {
    guard request.table == SmallState.table else {
      throw Refusal("UNKNOWN_TABLE", "shop has no table \(request.table)")
    }
    return faults.rows(try ledger.prove(request, at: request.height ?? heights.upperBound))
  }

  package func snapshot(_ request: SnapshotRequest) async throws(Refusal) -> SnapshotPart {
    guard request.pipeline == SmallState.pipeline else {
      throw Refusal("UNKNOWN_PIPELINE", "there is no pipeline \(request.pipeline)")
    }
    guard request.caller == ledger.owner.publicKey else {
      throw Refusal("NOT_OWNER", "a snapshot is for the owner")
    }
    return try faults.snapshot(try ledger.part(request, at: heights.upperBound))
  }

  package func catalog() async throws(Refusal) -> Catalog {
    let schema = SmallState.schema
    let fields = schema.columns.map { CatalogField(name: $0.name, type: $0.type.name) }
    func entry(_ name: String, _ allow: [String]) -> CatalogEntry {
      CatalogEntry(name: name, about: "", allow: allow, fields: fields)
    }
    let catalog = Catalog(
      height: heights.upperBound,
      pipelines: [
        CatalogPipeline(
          name: SmallState.pipeline, version: "1.0.0", about: "orders",
          owner: ledger.owner.publicKey, package: sha256([]), balance: 1_000, freezesBelow: 9,
          condition: .running, sources: [entry("orders", ["public"])],
          procedures: [entry("close", [])], queries: [entry("all_orders", ["public"])],
          tables: [
            CatalogTable(
              name: schema.name, layer: "bronze", isCertified: true, columns: fields,
              key: schema.key.map { schema.columns[$0].name })
          ])
      ])
    return faults.catalog(catalog)
  }

  package func report(of pipeline: String) async throws(Refusal) -> PipelineReport {
    guard pipeline == SmallState.pipeline else {
      throw Refusal("UNKNOWN_PIPELINE", "there is no pipeline \(pipeline)")
    }
    return PipelineReport(
      pipeline: pipeline, height: heights.upperBound, time: 0, condition: .running,
      balance: 1_000, reserved: 0, burned: 30, burnedToday: 20, burnedYesterday: 10,
      storedBytes: 5, storageDaily: 2, freezesBelow: 9,
      burns: [
        BurnLine(kind: .source, name: "orders", cycles: 29),
        BurnLine(kind: .storage, name: "", cycles: 1),
      ], grants: [RoleGrant(role: "clerk", key: ledger.owner.publicKey)], callerBudget: 100,
      publicBudget: 0, spending: [CallerSpending(caller: nil, cycles: 3)],
      counts: [SourceCounts(source: "orders")])
  }

  package func prices() async throws(Refusal) -> PriceReport {
    PriceReport(table: .standard(replicas: 4), proposals: [], needed: 1)
  }

  package func engines() async throws(Refusal) -> EngineReport {
    EngineReport(accepted: faults.engines, proposals: [], needed: 1)
  }

  package func balance(of owner: PublicKey) async throws(Refusal) -> Cycles {
    owner == ledger.owner.publicKey ? faults.balance : 0
  }

  package func status() async -> ReplicaStatus {
    let newest = heights.upperBound
    return faults.status(
      ReplicaStatus(
        subnet: subnet, replica: id, software: "test", clock: now(), epoch: 0, view: 7,
        finalized: newest, executed: newest, share: ledger.share(at: newest, by: id),
        certificate: ledger.certificate(at: newest), oldestReadable: heights.lowerBound,
        connected: [], poolCalls: 0, poolBytes: 0, phase: .serving, awaiting: []))
  }

  package func certificate(at height: Height) async throws(Refusal) -> StateCertificate {
    guard let certificate = ledger.certificate(at: height) else {
      throw Refusal("NO_CERTIFICATE", "height \(height) is not certified yet: wait for it")
    }
    return faults.certificate(certificate)
  }

  package func metrics() async -> String {
    "# TYPE quorate_height gauge\nquorate_height \(heights.upperBound)\n"
  }

  package func readiness() async -> Readiness {
    Readiness(
      isReady: faults.lag == 0, reason: faults.lag == 0 ? "in step" : "three heights behind")
  }

  package func events() -> AsyncStream<GatewayEvent> {
    AsyncStream { continuation in streams.withLock { $0.append(continuation) } }
  }
}
