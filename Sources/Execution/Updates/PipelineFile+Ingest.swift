import Certification
import Metering
import Pipelines
import Storage
import Wire

extension PipelineFile {
  /// What an update will run, once it is known to be one of the package's.
  struct Task {
    let plan: SourcePlan
    let procedure: ProcedurePlan?
    let grants: [Grant]
  }

  /// An ingest or a procedure, from its idempotency key to its receipt.
  func update(_ call: OrderedCall, in block: BlockContext) throws(Stop) -> Receipt {
    guard let deployed else {
      return try record(call, block, refused: Self.unknownPipeline(name))
    }
    guard !call.call.idempotencyKey.isEmpty else {
      return try record(call, block, refused: IdempotencyEntry.missing)
    }
    let task: Task
    switch deployed.task(for: call.call.method) {
    case .success(let found): task = found
    case .failure(let refusal): return try record(call, block, refused: refusal)
    }
    let found = try machine { () throws(StorageFault) in
      try ground(call.call.sender, task.grants).map { ground throws(StorageFault) in
        try self.allowance(ground, in: block)
      }
    }
    guard let allowance = found else {
      return try record(call, block, refused: Self.notAllowed(call.call, task.grants))
    }
    if let receipt = try answered(call, block, allowance) { return receipt }
    var most = Usage()
    most.ingressBytes = UInt64(call.body.count)
    most.steps = min(call.call.stepLimit, deployed.package.budget.stepsPerUpdate)
    if let refusal = unaffordable(prices.update(most), allowance, in: block) {
      return try record(call, block, refused: refusal)
    }
    return try attempt(call, task, block, allowance, stepLimit: most.steps)
  }

  /// What a call gets that cannot pay for its bytes, or that was made before; nil for a fresh one.
  func answered(
    _ call: OrderedCall, _ block: BlockContext, _ allowance: Allowance
  ) throws(Stop) -> Receipt? {
    let ingress = prices.ingress(bytes: UInt64(call.body.count))
    if let refusal = unaffordable(ingress, allowance, in: block) {
      return try record(call, block, refused: refusal)
    }
    let verdict = try machine { () throws(StorageFault) in
      try IdempotencyEntry.judge(call, on: ledger.connection)
    }
    switch verdict {
    case .conflict:
      let refusal = IdempotencyEntry.conflict(call.call)
      return try bill(call, block, .refused(refusal), ingress, allowance)
    case .replay(let entry): return try replay(call, block, entry, ingress, allowance)
    case .fresh: return nil
    }
  }

  static func unknownPipeline(_ name: String) -> Refusal {
    Refusal(
      "UNKNOWN_PIPELINE",
      "there is no pipeline \(name) on this subnet: check the name, or deploy it")
  }

  static func notAllowed(_ call: Call, _ grants: [Grant]) -> Refusal {
    var allow: String? = "its `allow:`"
    let what: String
    switch call.method {
    case .ingest(let source, _): what = "send rows to the source \(source)"
    case .procedure(let name): what = "call the procedure \(name)"
    case .release(let source):
      what = "release rows of the source \(source)"
      allow = nil
    default: what = "do \(call.method.label)"
    }
    return Refusal.notAllowed(
      call.sender, "\(what) of \(call.pipeline)", of: call.pipeline, grants, in: allow)
  }

  // MARK: Replays and refusals that cost their ingress

  func bill(
    _ call: OrderedCall, _ block: BlockContext, _ status: Receipt.Status, _ cost: Cycles,
    _ allowance: Allowance
  ) throws(Stop) -> Receipt {
    var usage = Usage()
    usage.ingressBytes = UInt64(call.body.count)
    let charged = account.charge(cost, by: call.call.method)
    try machine { () throws(StorageFault) in try allowance.enter(charged, in: ledger) }
    return try record(
      call, block, call.receipt(block, status, usage: usage, charged: charged))
  }

  /// The original receipt again, under this call's name.
  func replay(
    _ call: OrderedCall, _ block: BlockContext, _ entry: IdempotencyEntry, _ cost: Cycles,
    _ allowance: Allowance
  ) throws(Stop) -> Receipt {
    let original = try machine { () throws(StorageFault) in try ledger.receipt(of: entry.call) }
    var usage = Usage()
    usage.ingressBytes = UInt64(call.body.count)
    let charged = account.charge(cost, by: call.call.method)
    try machine { () throws(StorageFault) in try allowance.enter(charged, in: ledger) }
    let receipt = call.receipt(
      block, original?.status ?? .applied, tally: original?.tally ?? RowTally(),
      notes: original?.notes ?? [], usage: usage, charged: charged,
      replayOf: Receipt.Replay(call: entry.call, height: entry.height))
    return try record(call, block, receipt)
  }

  // MARK: The savepoint

  /// Reserves, runs, and gives back what was not used.
  private func attempt(
    _ call: OrderedCall, _ task: Task, _ block: BlockContext, _ allowance: Allowance,
    stepLimit: UInt64
  ) throws(Stop) -> Receipt {
    engine.functions.begin(call, in: block)
    var budget = StepBudget(limit: stepLimit)
    let marks = (ledger.trie.mark, data.trie.mark)
    // Nothing else runs on this file, so all that the caller may burn is set aside for the update.
    let reservation = account.reserve(upTo: allowance.left, freezing(in: block))
    let most = reservation.amount
    data.begin(
      rowsLimit: deployed?.package.budget.rowsWrittenPerUpdate ?? 0,
      paid: paidBytes(call, most, allowance))
    var models: [ModelWork] = []
    defer { reach = UpdateReach(rowsGiven: budget.rows, models: models) }
    var rows = CountedRows()
    task.plan.expectations?.begin()
    let receipt: Receipt
    do {
      receipt = try inSavepoint { () throws(Stop) in
        let result = try perform(call, task, block, &budget, &rows)
        models = result.models
        try remember(call, block)
        let usage = used(call, budget, hashes: data.settle() + ledger.settle())
        let receipt = billed(call, block, .applied, result, usage)
        guard receipt.charged <= most else {
          throw .refused(Self.tooDear(receipt.charged, most, allowance, of: name))
        }
        return receipt
      }
      account.grow(data.growth)
    } catch {
      takeBack(marks)
      guard case .refused(let refusal) = error else {
        account.release(reservation)
        throw error
      }
      let refused = billed(
        call, block, .refused(refusal), UpdateResult(), used(call, budget, hashes: 0))
      let charged = account.settle(
        reservation, used: refused.charged, by: call.call.method, prices)
      try machine { () throws(StorageFault) in
        try allowance.enter(charged, in: ledger)
        try count(rows, of: task.plan, isApplied: false)
      }
      return try record(
        call, block,
        call.receipt(block, refused.status, usage: refused.usage, charged: charged))
    }
    let charged = account.settle(
      reservation, used: receipt.charged, by: call.call.method, models: models, prices)
    try machine { () throws(StorageFault) in
      try allowance.enter(charged, in: ledger)
      try count(rows, of: task.plan, isApplied: true)
    }
    return try record(
      call, block, receipt,
      forgetAt: block.time.advanced(by: deployed?.package.defaults.idempotencyRetention ?? 0))
  }

  private func paidBytes(
    _ call: OrderedCall, _ most: Cycles, _ allowance: Allowance
  ) -> DataStore.PaidBytes {
    let limit = prices.rowBytes(within: most)
    return DataStore.PaidBytes(limit: limit) { [name, prices] in
      var least = Usage()
      least.ingressBytes = UInt64(call.body.count)
      least.rowBytesWritten = limit.addingCapped(1)
      return Self.tooDear(prices.update(least), most, allowance, of: name)
    }
  }

  private static func tooDear(
    _ cost: Cycles, _ most: Cycles, _ allowance: Allowance, of name: String
  ) -> Refusal {
    guard most < allowance.left else { return allowance.exceeded(of: name, cost: cost) }
    return Refusal(
      "OUT_OF_CYCLES",
      "the update costs \(cost) cycles and \(name) has \(most) beyond what it keeps for its "
        + "storage: top it up, or send smaller batches")
  }

  /// What the body wrote is undone when it throws.
  func inSavepoint<R>(_ body: () throws(Stop) -> R) throws(Stop) -> R {
    try engine.inSavepoint("update_call", body)
  }

  private func takeBack(_ marks: (Int, Int)) {
    ledger.discard()
    data.discard()
    ledger.trie.undo(to: marks.0)
    data.trie.undo(to: marks.1)
  }

  private func used(_ call: OrderedCall, _ budget: StepBudget, hashes: UInt64) -> Usage {
    var usage = Usage()
    usage.ingressBytes = UInt64(call.body.count)
    usage.steps = budget.used
    usage.functionBytes = engine.functions.bytes
    usage.hashes = hashes
    // What was undone was not written.
    guard hashes > 0 else { return usage }
    usage.rowsWritten = data.rowsWritten
    usage.rowBytesWritten = data.bytesWritten
    usage.indexEntriesWritten = data.indexEntries
    return usage
  }

  private func billed(
    _ call: OrderedCall, _ block: BlockContext, _ status: Receipt.Status, _ result: UpdateResult,
    _ usage: Usage
  ) -> Receipt {
    var usage = usage
    let draft = call.receipt(
      block, status, tally: result.tally, notes: result.notes, usage: usage)
    usage.receiptBytes = UInt64(draft.canonicalBytes.count)
    return call.receipt(
      block, status, tally: result.tally, notes: result.notes, usage: usage,
      charged: prices.update(usage))
  }

  func remember(_ call: OrderedCall, _ block: BlockContext) throws(Stop) {
    let retention = deployed?.package.defaults.idempotencyRetention ?? 0
    try machine { () throws(StorageFault) in
      try IdempotencyEntry.record(
        call, block, to: source(of: call.call.method),
        forgetAt: block.time.advanced(by: retention), in: ledger)
    }
  }

  /// The source that a method writes to; empty for none.
  private func source(of method: Method) -> String {
    switch method {
    case .ingest(let source, _), .release(let source): source
    case .procedure(let name): deployed?.package.procedure(name)?.emit ?? ""
    default: ""
    }
  }

  /// All layers of one update.
  private func perform(
    _ call: OrderedCall, _ task: Task, _ block: BlockContext, _ budget: inout StepBudget,
    _ rows: inout CountedRows
  ) throws(Stop) -> UpdateResult {
    data.tracking = deployed?.tracked ?? []
    var ingest = try begin(task.plan, call, block)
    if case .release = call.call.method {
      let selection: ReleaseSelection
      do { selection = try ReleaseSelection(canonicalBytes: call.body) } catch {
        throw .refused(
          Refusal("MALFORMED", "the body says not which rows to release: \(error)"))
      }
      try ingest.release(selection, .release, engine: engine, &budget)
      rows.released.append((task.plan.source, ingest.tally))
    } else {
      let batch = try self.batch(call, task, &budget)
      rows.arrived = UInt64(batch.rowCount + batch.rejected.count)
      try ingest.run(batch, engine: engine, &budget)
      rows.tally = ingest.tally
    }
    try end(ingest, block)
    var notes = ingest.notes
    ingest.tellUnseen(.release, in: &notes)
    if ingest.tally.accepted > 0,
      let models = try recheck(task.plan.source, call, block, &budget, &notes, &rows)
    {
      return UpdateResult(tally: ingest.tally, notes: notes.sorted, models: models)
    }
    let models = try refresh(&budget, &notes)
    return UpdateResult(tally: ingest.tally, notes: notes.sorted, models: models)
  }

  private func refresh(
    _ budget: inout StepBudget, _ notes: inout NoteTaker
  ) throws(Stop) -> [ModelWork] {
    try deployed?.refresh(engine: engine, data: data, &budget, &notes) ?? []
  }

  /// Lets in what waited for a source that took rows, and brings the models to it. What that meets
  /// is no fault of the batch: it takes back the rows that were let in, and no more. Three quarters
  /// of the steps may go into it, so that some are left for the batch alone.
  /// - Returns: what the models took; nil where nothing was let in, or all of it was taken back.
  private func recheck(
    _ source: Source, _ call: OrderedCall, _ block: BlockContext, _ budget: inout StepBudget,
    _ notes: inout NoteTaker, _ rows: inout CountedRows
  ) throws(Stop) -> [ModelWork]? {
    var sources = (deployed?.rechecking(source.name) ?? []).map(\.source.name)
    guard !sources.isEmpty else { return nil }
    let least = min(
      ExecutionLimits.recheckStepsLeast, (deployed?.package.budget.stepsPerUpdate ?? 0) / 2)
    let share = max(least, budget.limit / 2)
    let most = max(least + least / 2, budget.limit - budget.limit / 4)
    let mark = (data: data.mark, ledger: ledger.mark)
    let before = (notes: notes, released: rows.released)
    var models: [ModelWork]?
    var why = "it needs more steps than held rows may take"
    do {
      let isDone: Void? = try budget.within(most) { budget throws(Stop) in
        try engine.inSavepoint("rechecks") { () throws(Stop) in
          sources = try letIn(after: source, call, block, share, &budget, &notes, &rows)
          if !sources.isEmpty { models = try refresh(&budget, &notes) }
        }
      }
      if isDone != nil { return models }
    } catch {
      guard case .refused(let refusal) = error, budget.left > 0 else { throw error }
      why = refusal.description
    }
    data.undo(to: mark.data)
    ledger.undo(to: mark.ledger)
    (notes, rows.released) = before
    for name in sources { Self.tellRefused(name, why, in: &notes) }
    return nil
  }

  private static func tellRefused(_ source: String, _ why: String, in notes: inout NoteTaker) {
    notes.add("refused recheck \(source)", row: 0, message: "its rows stay held: \(why)")
  }

  /// Looks again at what waits for a source, and at what waits for those that took rows by that,
  /// until a share of the steps is spent.
  /// - Returns: the sources that took rows.
  private func letIn(
    after source: Source, _ call: OrderedCall, _ block: BlockContext, _ share: UInt64,
    _ budget: inout StepBudget, _ notes: inout NoteTaker, _ rows: inout CountedRows
  ) throws(Stop) -> [String] {
    var waiting = deployed?.rechecking(source.name) ?? []
    var last: [Ingest] = []
    var sources: [String] = []
    while !waiting.isEmpty {
      let plan = waiting.removeFirst()
      var again = try begin(plan, call, block)
      let mark = (data: data.mark, ledger: ledger.mark)
      do {
        try engine.inSavepoint("recheck") { () throws(Stop) in
          try again.release(
            ReleaseSelection(), .recheck, share: share, engine: engine, &budget)
          try end(again, block)
        }
      } catch {
        guard case .refused(let refusal) = error, budget.left > 0 else { throw error }
        data.undo(to: mark.data)
        ledger.undo(to: mark.ledger)
        Self.tellRefused(plan.source.name, refusal.description, in: &notes)
        continue
      }
      rows.released.append((plan.source, again.tally))
      last.removeAll { $0.plan.source.name == plan.source.name }
      last.append(again)
      guard again.tally.accepted > 0 else { continue }
      notes.add(
        "recheck \(plan.source.name)", count: again.tally.accepted, row: 0,
        message: "rows that left its quarantine")
      if !sources.contains(plan.source.name) { sources.append(plan.source.name) }
      for next in deployed?.rechecking(plan.source.name) ?? []
      where !waiting.contains(where: { $0.source.name == next.source.name }) {
        waiting.append(next)
      }
    }
    for again in last { again.tellUnseen(.recheck, in: &notes) }
    return sources
  }

  private func batch(
    _ call: OrderedCall, _ task: Task, _ budget: inout StepBudget
  ) throws(Stop) -> DecodedBatch {
    if let procedure = task.procedure {
      return try procedure.emit(call, engine: engine, into: task.plan, &budget)
    }
    guard case .ingest(_, let format) = call.call.method else {
      preconditionFailure("\(call.call.method) takes no rows")
    }
    do { return try task.plan.decoder.decode(call.body, format: format) } catch {
      throw .refused(error)
    }
  }

  private func begin(
    _ plan: SourcePlan, _ call: OrderedCall, _ block: BlockContext
  ) throws(Stop) -> Ingest {
    Ingest(
      plan, data: data, block: block, call: call, functions: engine.functions,
      watermarkHighest: try watermark(Array(plan.source.name.utf8)))
  }

  /// Moves the watermark to the largest event time that was accepted, and keeps when a source last
  /// took a row where operators want to be told.
  private func end(_ ingest: Ingest, _ block: BlockContext) throws(Stop) {
    let source = ingest.plan.source
    if source.freshness != nil, ingest.tally.accepted > 0 {
      try machine { () throws(StorageFault) in
        try ledger.put(.watermark, Self.acceptedKey(source.name), block.time.canonicalBytes)
      }
    }
    guard let moved = ingest.eventHighest, moved > ingest.watermarkHighest ?? .min else { return }
    try machine { () throws(StorageFault) in
      var encoder = Encoder()
      encoder.integer(moved)
      try ledger.put(.watermark, Array(source.name.utf8), encoder.bytes)
    }
  }

  /// No name holds a zero byte, so this is no source's watermark.
  static func acceptedKey(_ source: String) -> [UInt8] { Array(source.utf8) + [0] }

  /// How far each source has come, ascending by name.
  func progress() throws(StorageFault) -> [SourceProgress] {
    var all: [SourceProgress] = []
    for source in (deployed?.checked.sources ?? []).map(\.source) {
      let highest = try ledger.get(.watermark, Array(source.name.utf8)).flatMap { bytes in
        var decoder = Decoder(bytes)
        return try? decoder.integer() as Int64
      }
      let accepted = try ledger.get(.watermark, Self.acceptedKey(source.name)).flatMap {
        try? Moment(canonicalBytes: $0)
      }
      all.append(
        SourceProgress(
          source: source.name, late: source.eventTime?.late.rawValue ?? "",
          eventHighest: highest, lateness: source.eventTime?.lateness ?? 0, acceptedAt: accepted,
          bound: source.freshness.map {
            .init(warnAfter: $0.warnAfter, errorAfter: $0.errorAfter)
          }))
    }
    return all
  }

  /// The largest event time accepted so far.
  private func watermark(_ source: [UInt8]) throws(Stop) -> Int64? {
    try machine { () throws(StorageFault) in
      guard let bytes = try ledger.get(.watermark, source) else { return nil }
      var decoder = Decoder(bytes)
      return try? decoder.integer()
    }
  }
}
