import Certification
import Metering
import Pipelines
import Signing
import Storage
import Synchronization
import Wire

/// Work on a copy of a pipeline that is thrown away: plans of deploys, checks of models.
///
/// - Safety: a copy is taken inside of the read transaction of a height, so equal heights give
///   equal answers; nothing of it comes back into the replica's files.
/// - Bound: one copy at a time, of at most `ExecutionLimits.copyBytesMax` with all that is written
///   to it, in memory, for as long as `workshopMillisecondsMax`.
struct Workshop {
  let reader: Reader
  let view: HeightView
  let request: QueryRequest
  /// Of a copy, and of what is written to it.
  var bytesMax = ExecutionLimits.copyBytesMax
  private let isOverTime: (() -> Bool)?

  init(reader: Reader, view: HeightView, request: QueryRequest) {
    self.reader = reader
    self.view = view
    self.request = request
    isOverTime = reader.brake(after: ExecutionLimits.workshopMillisecondsMax)
  }

  /// - Returns: nil for questions that are answered by queries.
  func answer() throws(Refusal) -> ResultTable? {
    switch request.question {
    case .named, .sql: return nil
    case .plan(let bytes): return try alone { () throws(Refusal) in try plan(bytes) }
    case .check: return try alone { () throws(Refusal) in try check() }
    case .lineage: return try lineage()
    }
  }

  private func alone(_ body: () throws(Refusal) -> ResultTable) throws(Refusal) -> ResultTable {
    guard reader.enterWorkshop() else {
      throw Refusal(
        "BUSY", "this replica is at another plan or check: ask again in a moment, or another one")
    }
    defer { reader.leaveWorkshop() }
    return try body()
  }

  /// A database in memory that ends at the limit, and statements that end at the clock.
  private func engine() throws(Stop) -> Engine {
    try machine { () throws(StorageFault) in
      let engine = try Engine(path: ":memory:", access: .create, vfs: nil, profile: .update)
      try engine.connection.pragma("max_page_count", "\(bytesMax / 4_096)")
      engine.meter.isOverTime = isOverTime
      return engine
    }
  }

  private func owned() throws(Refusal) -> PipelineView {
    let pipeline = try reader.pipeline(request.pipeline, in: view)
    guard let caller = request.caller, caller == pipeline.owner else {
      throw Refusal(
        "NOT_OWNER", "plans and checks are for the owner of \(pipeline.name): sign with its key")
    }
    return pipeline
  }

  /// A pipeline's file as it stands at the height.
  private func copy(of pipeline: PipelineView) throws(Refusal) -> PipelineFile {
    try reader.answering { () throws(Stop) -> PipelineFile? in
      let engine = try engine()
      let isCopied: Bool? = try pipeline.pin.with { source throws(Stop) in
        let bytes = try machine { () throws(StorageFault) in
          let pages = try source.connection.integer("PRAGMA page_count") ?? 0
          return pages * (try source.connection.integer("PRAGMA page_size") ?? 0)
        }
        guard bytes <= bytesMax else {
          throw .refused(
            Refusal(
              "TOO_LARGE",
              "\(pipeline.name) holds \(bytes) bytes, and a copy to work on may have "
                + "\(bytesMax): \(Self.instead)"))
        }
        try machine { () throws(StorageFault) in
          try engine.connection.copy(from: source.connection)
        }
        return true
      }
      guard isCopied == true else { return nil }
      do throws(ExecutionFault) {
        return try PipelineFile(
          name: pipeline.name, engine: engine, prices: view.prices, retaining: 1)
      } catch { throw .failed(error) }
    }
  }

  private func unpacked<R>(_ body: () throws(Stop) -> R) throws(Refusal) -> R {
    do { return try body() } catch {
      switch error {
      case .refused(let refusal): throw refusal
      case .failed(let fault): throw stopped(by: fault)
      }
    }
  }

  private static let instead =
    "deploy with a step limit instead; what fails leaves the old version running"

  /// Why work on a copy came to no end.
  private func stopped(by fault: ExecutionFault) -> Refusal {
    if fault.kind == .full {
      return Refusal(
        "TOO_LARGE",
        "a copy of \(request.pipeline) to work on may have \(bytesMax) bytes, with all that is "
          + "written to it: \(Self.instead)")
    }
    if isOverTime?() == true {
      let seconds = ExecutionLimits.workshopMillisecondsMax / 1_000
      return Refusal(
        "TIME_LIMIT",
        "a plan or a check of \(request.pipeline) takes longer than \(seconds) s: \(Self.instead)")
    }
    return Refusal("READ_FAILED", "this replica cannot plan or check now: ask another one")
  }

  // MARK: Plans

  private func plan(_ bytes: [UInt8]) throws(Refusal) -> ResultTable {
    guard let caller = request.caller else {
      throw Refusal("UNSIGNED", "a plan is for the owner: sign it with the owner's key")
    }
    let known = view.pipeline(request.pipeline)
    if let known {
      _ = try owned()
      if known.digest == sha256(bytes) { return PlanTable.unchanged(known.name) }
    }
    guard known != nil || PipelineName.isSound(request.pipeline) else {
      throw PipelineName.refusal(request.pipeline)
    }
    if known == nil { try refusePoor(caller) }
    let file: PipelineFile
    if let known { file = try copy(of: known) } else { file = try empty() }
    let call = rehearsed(bytes, caller)
    let next = try unpacked { () throws(Stop) in try PipelineFile.checked(call) }
    let changes = next.changes(since: known?.checked)
    let block = BlockContext(
      height: max(view.height, file.height).next, time: view.time, randomness: view.stateRoot,
      schedule: view.schedule)
    let receipts: [Receipt]
    do { receipts = try file.execute([call], in: block, isPaid: { _ in false }) } catch {
      throw stopped(by: error)
    }
    guard let ran = receipts.first else {
      throw Refusal("READ_FAILED", "the plan did not run: ask another replica")
    }
    let cost = SystemFile.price(of: ran, view.prices, isNew: known == nil)
    var table = PlanTable()
    for change in changes { table.add(change) }
    if ran.status == .applied, let deployed = file.deployed {
      for done in deployed.recomputations {
        var usage = Usage()
        usage.steps = done.steps
        usage.rowsWritten = done.rows
        table.addRecomputation(done, view.prices.work(usage))
      }
      for violation in try violations(of: changes, next, file) { table.add(violation) }
    }
    table.addTotal(ran, cost, isNew: known == nil)
    return table.result
  }

  /// Keys cost nothing, and neither do plans: one for a pipeline that is not there yet is for those
  /// who could pay the least that it costs.
  private func refusePoor(_ caller: PublicKey) throws(Refusal) {
    let least = view.prices.deploy(Usage(), first: true)
    let balance = try reader.answering { () throws(Stop) in
      try view.system.with { engine throws(Stop) in
        let bytes = try machine { () throws(StorageFault) in
          try engine.ledgerEntry(.account, caller.bytes)
        }
        return bytes.flatMap { try? Cycles(canonicalBytes: $0) } ?? 0
      }
    }
    guard balance < least else { return }
    throw Refusal(
      "INSUFFICIENT_CYCLES",
      "a first deploy costs \(least) cycles at least and the balance is \(balance): have the "
        + "account filled up, then ask for a plan")
  }

  private func empty() throws(Refusal) -> PipelineFile {
    try unpacked { () throws(Stop) in
      let engine = try engine()
      do throws(ExecutionFault) {
        return try PipelineFile(
          name: request.pipeline, engine: engine, prices: view.prices, retaining: 1)
      } catch { throw .failed(error) }
    }
  }

  /// The call that a deploy would be.
  private func rehearsed(_ bytes: [UInt8], _ caller: PublicKey) -> OrderedCall {
    let call = Call(
      subnet: reader.subnet, pipeline: request.pipeline, method: .deploy,
      bodyDigest: sha256(bytes), bodyBytes: UInt32(clamping: bytes.count), idempotencyKey: "plan",
      sender: caller, expiry: view.time.advanced(by: 60_000),
      stepLimit: ExecutionLimits.stepsPerDeploy)
    return OrderedCall(position: 0, digest: call.digest, call: call, body: bytes)
  }

  /// How many rows that are there do not meet an expectation that is new or tightened. They stay:
  /// expectations are held against what comes in.
  private func violations(
    of changes: [PackageChange], _ package: CheckedPackage, _ file: PipelineFile
  ) throws(Refusal) -> [(name: String, rows: Int64)] {
    var found: [(name: String, rows: Int64)] = []
    for source in package.sources {
      for checked in source.expectations where !checked.check.columns.isEmpty {
        let name = "\(source.name).\(checked.expectation.name)"
        let isNew = changes.contains {
          $0.part == .expectation && $0.name == name
            && ($0.kind == .tightened || $0.kind == .changed)
        }
        guard isNew, !checked.check.usesQuarantinedPPM else { continue }
        let sql =
          "SELECT count(*) FROM \(quoted(source.source.bronzeTable)) AS \"r\" WHERE NOT "
          + "(\(checked.check.print(qualifier: "r")))"
        let rows = try unpacked { () throws(Stop) in
          var rows: Int64 = 0
          let statement = try file.engine.cachedUser(sql, "the expectation \(name)")
          var budget = StepBudget(limit: ExecutionLimits.stepsPerDeploy)
          try file.engine.run(statement, &budget, name) { row in rows = row.integer(0) }
          return rows
        }
        if rows > 0 { found.append((name, rows)) }
      }
    }
    return found
  }

  // MARK: Checks

  private func check() throws(Refusal) -> ResultTable {
    let file = try copy(of: try owned())
    guard let deployed = file.deployed else {
      throw Refusal("READ_FAILED", "the copy holds no package: ask another replica")
    }
    let refresher = Refresher(
      models: deployed.models, package: deployed.checked, engine: file.engine, data: file.data)
    file.engine.functions.begin(time: view.time, randomness: view.stateRoot, call: .zero)
    var rows: [[Value]] = []
    for model in deployed.models where model.table != nil && model.kind != .seed {
      let found = try unpacked { () throws(Stop) in
        var budget = StepBudget(limit: ExecutionLimits.stepsPerDeploy)
        return try refresher.compare(model, &budget)
      }
      rows.append([
        .text(model.name), .text(model.kind.rawValue), .int(Int64(found.rows)),
        .int(Int64(found.missing)), .int(Int64(found.extra)), .int(Int64(found.different)),
        .int(Int64(clamping: found.steps)), found.keys.first.map { .text($0) } ?? .null,
      ])
    }
    let names = ["rows", "missing", "extra", "different", "steps"]
    return ResultTable(
      columns: [.init(name: "model", type: .text), .init(name: "kind", type: .text)]
        + names.map { .init(name: $0, type: .int) } + [.init(name: "example", type: .text)],
      rows: rows)
  }

  // MARK: Lineage

  /// For the owner, and whoever holds any role.
  private func lineage() throws(Refusal) -> ResultTable {
    let pipeline = try reader.pipeline(request.pipeline, in: view)
    let isAllowed = try reader.answering { () throws(Stop) in
      try pipeline.pin.with { engine throws(Stop) in
        try pipeline.isAllowed(request.caller, pipeline.roles, engine)
      }
    }
    guard isAllowed else {
      throw Refusal.notAllowed(
        request.caller, "see the lineage of \(pipeline.name)", of: pipeline.name, pipeline.roles,
        in: Grant.anyAllow)
    }
    let columns = [
      "table", "column", "type", "from_table", "from_column", "kind", "into", "influence",
    ]
    return ResultTable(
      columns: columns.map { .init(name: $0, type: .text) },
      rows: pipeline.checked.lineage.map { edge in
        [
          .text(edge.table), .text(edge.column), .text(edge.type),
          edge.from.map { .text($0.table) } ?? .null, edge.from.map { .text($0.column) } ?? .null,
          .text(edge.kind.rawValue), edge.into.map { .text($0) } ?? .null,
          .text(edge.influence.rawValue),
        ]
      })
  }
}

/// What a plan says, line by line.
private struct PlanTable {
  private var rows: [[Value]] = []

  static let columns: [ResultTable.Column] = [
    .init(name: "part", type: .text), .init(name: "name", type: .text),
    .init(name: "change", type: .text), .init(name: "breaking", type: .bool),
    .init(name: "rows", type: .int), .init(name: "steps", type: .int),
    .init(name: "cycles", type: .int), .init(name: "detail", type: .text),
  ]

  var result: ResultTable { ResultTable(columns: Self.columns, rows: rows) }

  /// Of a package that runs already, to the byte.
  static func unchanged(_ pipeline: String) -> ResultTable {
    let total: [Value] = [
      .text("total"), .text(pipeline), .text("unchanged"), .int(0), .int(0), .int(0), .int(0),
      .text(""),
    ]
    return ResultTable(columns: columns, rows: [total])
  }

  mutating func add(_ change: PackageChange) {
    rows.append([
      .text(change.part.rawValue), .text(change.name), .text(change.kind.rawValue),
      .int(change.isBreaking ? 1 : 0), .null, .null, .null, .text(change.detail),
    ])
  }

  mutating func addRecomputation(_ done: Deployment.Recomputation, _ cycles: Cycles) {
    rows.append([
      .text("work"), .text(done.model), .text("computed"), .int(0),
      .int(Int64(clamping: done.rows)), .int(Int64(clamping: done.steps)),
      .int(Int64(clamping: cycles.number)), .text("rows that differ are written"),
    ])
  }

  mutating func add(_ violation: (name: String, rows: Int64)) {
    rows.append([
      .text("work"), .text(violation.name), .text("violated"), .int(0), .int(violation.rows),
      .null, .null, .text("rows that are there and do not meet it; they stay"),
    ])
  }

  mutating func addTotal(_ ran: Receipt, _ cost: (usage: Usage, cycles: Cycles), isNew: Bool) {
    var change = isNew ? "deploy" : "upgrade"
    var detail = ran.notes.map { "\($0.name): \($0.message)" }.joined(separator: "; ")
    if case .refused(let refusal) = ran.status {
      change = "refused"
      detail = refusal.description
    }
    rows.append([
      .text("total"), .text(ran.pipeline), .text(change), .int(0),
      .int(Int64(clamping: cost.usage.rowsWritten)), .int(Int64(clamping: cost.usage.steps)),
      .int(Int64(clamping: cost.cycles.number)), .text(detail.cut(to: Limits.textBytesMax)),
    ])
  }
}
