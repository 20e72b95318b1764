import Certification
import Metering
import Pipelines
import Signing
import Storage
import Wire

/// The connections of the thread that executes. An admission looks entries up there, since a pin
/// belongs for seconds to the query that runs on it.
private struct Files {
  let system: Engine
  let pipelines: [String: PipelineFile]

  func pipeline(_ view: PipelineView) throws(Refusal) -> Engine {
    guard let file = pipelines[view.name] else { throw Reader.unreadable }
    return file.engine
  }
}

extension Reader {
  /// Refuses what could not be applied if it were ordered now. What passes may still be refused by
  /// execution, which alone is final; what is refused here costs nobody anything.
  ///
  /// - Parameter now: the replica's own clock, or the newest block's time if that is later.
  /// - Throws: `EXPIRED`, `LIFETIME`, `ALREADY_EXECUTED`, `STEP_LIMIT`, `IDEMPOTENCY_KEY_MISSING`,
  ///   `IDEMPOTENCY_CONFLICT`, `UNSIGNED`, `PIPELINE_NAME`, `PIPELINE_NAMED`, `UNKNOWN_PIPELINE`,
  ///   `UNKNOWN_SOURCE`, `UNKNOWN_PROCEDURE`, `NOT_ALLOWED`, `NOT_OWNER`, `UNKNOWN_ROLE`, `FROZEN`,
  ///   `ARCHIVED`, `OVER_BUDGET`, `INSUFFICIENT_CYCLES`, `NOT_ADMINISTRATOR`, `PRICES_MALFORMED`,
  ///   `PRICES_VERSION`, `TOO_MANY_PRICES`, `ENGINE_MALFORMED`, `ENGINE_ACCEPTED`,
  ///   `TOO_MANY_ENGINES`.
  fileprivate func admit(
    _ verified: VerifiedCall, at now: Moment, _ files: Files
  ) throws(Refusal) {
    let call = verified.signed.call
    try admitTimes(call, now)
    guard call.stepLimit <= Limits.stepsPerBlockMax else {
      throw Refusal(
        "STEP_LIMIT",
        "the call declares \(call.stepLimit) steps; a block holds \(Limits.stepsPerBlockMax)")
    }
    guard !call.idempotencyKey.isEmpty else { throw IdempotencyEntry.missing }
    guard let view = newest else { return }
    try refuseKnown(verified.digest, files.system)
    switch call.method {
    case .transfer(_, let amount): try admitMove(verified, amount, view, files)
    case .topUp(let amount):
      _ = try pipeline(call.pipeline, in: view)
      try admitMove(verified, amount, view, files)
    case .deploy: try admitDeploy(verified, view, files)
    case .prices: try admitPrices(verified, view, files)
    case .engines: try admitEngine(verified, files)
    case .grant, .revoke: try admitRole(verified, view, files, at: now)
    case .ingest, .procedure, .release: try admitUpdate(verified, view, files, at: now)
    }
  }

  private func admitRole(
    _ verified: VerifiedCall, _ view: HeightView, _ files: Files, at now: Moment
  ) throws(Refusal) {
    let call = verified.signed.call
    let pipeline = try pipeline(call.pipeline, in: view)
    let engine = try files.pipeline(pipeline)
    guard call.sender == pipeline.owner else { throw PipelineFile.notOwner(call.pipeline) }
    if case .grant(let role, _) = call.method, let refusal = pipeline.package.unknownRole(role) {
      throw refusal
    }
    try refuseKnown(verified.digest, engine)
    var least = Usage()
    least.ingressBytes = UInt64(call.bodyBytes)
    let cost = try cost(of: verified, least, pipeline, engine)
    try admitCost(cost, pipeline, at: max(now, view.time))
  }

  /// Whether the idempotency key names an earlier call, whose receipt then answers this one.
  /// - Throws: `IDEMPOTENCY_CONFLICT` where it named another payload.
  private func isRetry(_ verified: VerifiedCall, _ engine: Engine) throws(Refusal) -> Bool {
    let call = OrderedCall(verified)
    let verdict = try reading { () throws(StorageFault) in
      try IdempotencyEntry.judge(call, on: engine.connection)
    }
    switch verdict {
    case .fresh: return false
    case .replay: return true
    case .conflict: throw IdempotencyEntry.conflict(call.call)
    }
  }

  /// What a pipeline must be able to pay: for a retry its bytes alone.
  private func cost(
    of verified: VerifiedCall, _ most: Usage, _ pipeline: PipelineView, _ engine: Engine
  ) throws(Refusal) -> Cycles {
    let prices = pipeline.schedule.newest
    return try isRetry(verified, engine)
      ? prices.ingress(bytes: most.ingressBytes) : prices.update(most)
  }

  private func admitCost(
    _ cost: Cycles, _ pipeline: PipelineView, at now: Moment
  ) throws(Refusal) {
    if let refusal = pipeline.account(at: now).refusal(
      pipeline: pipeline.name, cost: cost, pipeline.freezing, at: now)
    {
      throw refusal
    }
  }

  private func admitTimes(_ call: Call, _ now: Moment) throws(Refusal) {
    guard now <= call.expiry else {
      throw Refusal(
        "EXPIRED",
        "the call expired at \(call.expiry), this replica's clock says \(now) (milliseconds since "
          + "1970): set the clock, or sign the call anew")
    }
    let most = Limits.callLifetimeMax.milliseconds
    guard call.expiry <= now.advanced(by: most) else {
      throw Refusal(
        "LIFETIME",
        "the call expires at \(call.expiry), more than \(most / 1_000) s after this replica's "
          + "clock (\(now)): let it expire sooner, or set the clock")
    }
  }

  private func refuseKnown(_ digest: Digest, _ engine: Engine) throws(Refusal) {
    if (try? engine.ledgerEntry(.receipt, digest.bytes)) != nil {
      throw Refusal("ALREADY_EXECUTED", "this call was executed: ask for its receipt")
    }
  }

  private func admitMove(
    _ verified: VerifiedCall, _ amount: Cycles, _ view: HeightView, _ files: Files
  ) throws(Refusal) {
    let balance = try balance(of: try signer(verified.signed.call), files)
    if try isRetry(verified, files.system) {
      return try admitBytes(verified.signed.call, balance, view)
    }
    guard let whole = amount.plus(view.prices.transfer), whole <= balance else {
      throw Refusal(
        "INSUFFICIENT_CYCLES",
        "\(amount) cycles and a fee of \(view.prices.transfer) are more than the balance "
          + "of \(balance)")
    }
  }

  /// A call that an older one's receipt answers must pay for its bytes. An administrator's is
  /// admitted without: its body is no larger than the proposal that was taken.
  private func admitBytes(
    _ call: Call, _ balance: Cycles, _ view: HeightView
  ) throws(Refusal) {
    let ingress = view.prices.ingress(bytes: UInt64(call.bodyBytes))
    guard ingress <= balance else {
      throw Refusal(
        "INSUFFICIENT_CYCLES",
        "the idempotency key named this call before; to be answered again it costs \(ingress) "
          + "cycles for its bytes, and the balance is \(balance): ask for the first call's "
          + "receipt, or have the account filled up")
    }
  }

  private func admitDeploy(
    _ verified: VerifiedCall, _ view: HeightView, _ files: Files
  ) throws(Refusal) {
    let call = verified.signed.call
    let sender = try signer(call)
    guard PipelineName.isSound(call.pipeline) else {
      throw PipelineName.refusal(call.pipeline)
    }
    let known = view.pipeline(call.pipeline)
    if let known, known.owner != sender {
      throw Refusal(
        "NOT_OWNER", "only the owner of \(call.pipeline) upgrades it: sign with its key")
    }
    let balance = try balance(of: sender, files)
    if try isRetry(verified, files.system) { return try admitBytes(call, balance, view) }
    let most = SystemFile.most(OrderedCall(verified), view.prices, known == nil)
    guard most <= balance else {
      throw Refusal(
        "INSUFFICIENT_CYCLES",
        "a deploy with this step limit may cost \(most) cycles and the balance is \(balance)")
    }
  }

  private func admitPrices(
    _ verified: VerifiedCall, _ view: HeightView, _ files: Files
  ) throws(Refusal) {
    _ = try Matter.prices.proposer(verified.signed.call, administrators)
    if try isRetry(verified, files.system) { return }
    _ = try SystemFile.proposed(verified.signed.body, view.schedule)
  }

  private func admitEngine(_ verified: VerifiedCall, _ files: Files) throws(Refusal) {
    _ = try Matter.engines.proposer(verified.signed.call, administrators)
    if try isRetry(verified, files.system) { return }
    let accepted = try reading { () throws(StorageFault) in try acceptedEngines(files.system) }
    _ = try SystemFile.proposedEngine(verified.signed.body, beside: accepted)
  }

  private func signer(_ call: Call) throws(Refusal) -> PublicKey {
    guard let sender = call.sender else {
      throw Refusal("UNSIGNED", "\(call.method.label) takes a signed call: sign it")
    }
    return sender
  }

  private func balance(of owner: PublicKey, _ files: Files) throws(Refusal) -> Cycles {
    let bytes = try reading { () throws(StorageFault) in
      try files.system.ledgerEntry(.account, owner.bytes)
    }
    return bytes.flatMap { try? Cycles(canonicalBytes: $0) } ?? 0
  }

  private func reading<R>(_ body: () throws(StorageFault) -> R) throws(Refusal) -> R {
    try answering { () throws(Stop) -> R? in .some(try machine(body)) }
  }

  private func admitUpdate(
    _ verified: VerifiedCall, _ view: HeightView, _ files: Files, at now: Moment
  ) throws(Refusal) {
    let call = verified.signed.call
    let pipeline = try pipeline(call.pipeline, in: view)
    let engine = try files.pipeline(pipeline)
    let time = max(now, view.time)
    let grants: [Grant]
    switch call.method {
    case .ingest(let name, _):
      guard let source = pipeline.package.source(name) else {
        throw Deployment.unknownSource(name, of: pipeline.package)
      }
      grants = source.allow
    case .procedure(let name):
      guard let procedure = pipeline.package.procedure(name) else {
        throw Deployment.unknownProcedure(name, of: pipeline.package)
      }
      grants = procedure.allow
    case .release(let name):
      guard pipeline.package.source(name) != nil else {
        throw Deployment.unknownSource(name, of: pipeline.package)
      }
      grants = []
    default: return
    }
    let allowance = try answering { () throws(Stop) -> Allowance?? in
      guard let ground = try pipeline.ground(call.sender, grants, engine) else {
        return .some(nil)
      }
      return try machine { () throws(StorageFault) in
        try Allowance(ground, of: pipeline.package.budget, at: time) {
          key throws(StorageFault) in try engine.ledgerEntry(.spending, key)
        }
      }
    }
    guard let allowance else { throw PipelineFile.notAllowed(call, grants) }
    try refuseKnown(verified.digest, engine)
    var most = Usage()
    most.ingressBytes = UInt64(call.bodyBytes)
    most.steps = min(call.stepLimit, pipeline.package.budget.stepsPerUpdate)
    let cost = try cost(of: verified, most, pipeline, engine)
    try admitCost(cost, pipeline, at: time)
    if let refusal = allowance.refusal(of: pipeline.name, cost: cost) { throw refusal }
  }
}

extension Executor {
  /// Refuses what could not be applied if it were ordered now; see `Reader.admit`. Waits for no
  /// query.
  package func admit(_ call: VerifiedCall, at now: Moment) throws(Refusal) {
    try reader.admit(call, at: now, Files(system: system.engine, pipelines: pipelines))
  }
}
