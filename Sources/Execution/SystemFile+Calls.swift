import Metering
import Storage
import Wire

/// Where a call of a block goes after the system file has seen it.
enum Route {
  /// Settled here, with a receipt.
  case settled(Receipt)
  /// Settled here as far as cycles go; the pipeline takes its side.
  case both(Receipt)
  /// For the pipeline alone.
  case pipeline
  /// A deploy whose price is set aside: the pipeline runs it, and the rest is given back.
  case deploy(reserved: Cycles)
  /// A deploy under the key of another one that runs in this block: unrun, and settled after it.
  case repeated(of: OrderedCall)
  /// May not run: executed before, expired, or not alive yet.
  case skipped
}

/// A route as it is kept for files that replay alone.
enum RouteKind: UInt8, Canonical, Hashable {
  case settled = 0
  case both = 1
  case pipeline = 2
  case deploy = 3
  case skipped = 4

  func encode(into encoder: inout Encoder) { encoder.byte(rawValue) }
  init(from decoder: inout Decoder) throws(Malformed) {
    guard let kind = RouteKind(rawValue: try decoder.byte()) else {
      throw decoder.fault("an unknown route")
    }
    self = kind
  }
}

extension Route {
  var kind: RouteKind {
    switch self {
    case .settled, .repeated: .settled
    case .both: .both
    case .pipeline: .pipeline
    case .deploy: .deploy
    case .skipped: .skipped
    }
  }
}

extension SystemFile {
  /// Looks at one call, in the order of the block, and does the system's side of it.
  func route(
    _ call: OrderedCall, _ block: BlockContext
  ) throws(StorageFault) -> Route {
    guard block.admits(call.call) else { return .skipped }
    if try ledger.hasExecuted(call.digest) { return .skipped }
    switch call.call.method {
    case .ingest, .procedure, .grant, .revoke, .release:
      guard !pipelines.contains(call.call.pipeline) else { return .pipeline }
      let refusal = PipelineFile.unknownPipeline(call.call.pipeline)
      return .settled(try record(call, block, .refused(refusal)))
    case .transfer(let key, let amount):
      return .settled(try move(call, amount, to: key, block))
    case .topUp(let amount): return Self.sides(try move(call, amount, to: nil, block))
    case .deploy: return try reserve(call, block)
    case .prices: return .settled(try changePrices(call, block))
    case .engines: return .settled(try acceptEngine(call, block))
    }
  }

  /// A top-up goes on to the pipeline when cycles have left the sender: only then is there a
  /// pipeline of that name.
  private static func sides(_ receipt: Receipt) -> Route {
    receipt.status == .applied && receipt.replayOf == nil ? .both(receipt) : .settled(receipt)
  }

  func record(
    _ call: OrderedCall, _ block: BlockContext, _ status: Receipt.Status, charged: Cycles = 0,
    replayOf: Receipt.Replay? = nil, usage: Usage = Usage()
  ) throws(StorageFault) -> Receipt {
    let receipt = call.receipt(
      block, status, usage: usage, charged: charged, replayOf: replayOf)
    let isFirst = status == .applied && replayOf == nil
    let kept = isFirst ? block.time.advanced(by: ExecutionLimits.systemRetention) : 0
    try ledger.put(receipt, forgetAt: max(kept, block.forgetAt(call.call)))
    return receipt
  }

  /// Answers a call that has no effect: refused, or by the receipt of an older one. Who signed it
  /// pays for its bytes, as far as the balance goes.
  func answer(
    _ call: OrderedCall, _ block: BlockContext, _ status: Receipt.Status,
    replayOf: Receipt.Replay? = nil
  ) throws(StorageFault) -> Receipt {
    guard let sender = call.call.sender else {
      return try record(call, block, status, replayOf: replayOf)
    }
    var usage = Usage()
    usage.ingressBytes = UInt64(call.body.count)
    let ingress = block.prices.ingress(bytes: usage.ingressBytes)
    let charged = min(ingress, Cycles(try balance(of: sender)))
    if charged > 0 {
      try debit(sender, charged.number)
      burn(charged.number)
    }
    return try record(call, block, status, charged: charged, replayOf: replayOf, usage: usage)
  }

  /// The receipt of a call whose key named one before; nil for a fresh one.
  func answered(_ call: OrderedCall, _ block: BlockContext) throws(StorageFault) -> Receipt? {
    switch try IdempotencyEntry.judge(call, on: ledger.connection) {
    case .conflict:
      return try answer(call, block, .refused(IdempotencyEntry.conflict(call.call)))
    case .replay(let entry):
      let original = try ledger.receipt(of: entry.call)
      return try answer(
        call, block, original?.status ?? .applied,
        replayOf: Receipt.Replay(call: entry.call, height: entry.height))
    case .fresh: return nil
    }
  }

  // MARK: Transfers

  /// - Parameter owner: nil moves to the pipeline that the call names.
  private func move(
    _ call: OrderedCall, _ amount: Cycles, to owner: PublicKey?, _ block: BlockContext
  ) throws(StorageFault) -> Receipt {
    guard let sender = call.call.sender else {
      return try answer(
        call, block, .refused(Refusal("UNSIGNED", "cycles move by signed calls only: sign it")))
    }
    guard !call.call.idempotencyKey.isEmpty else {
      return try answer(call, block, .refused(IdempotencyEntry.missing))
    }
    if let receipt = try answered(call, block) { return receipt }
    if owner == nil, !pipelines.contains(call.call.pipeline) {
      return try answer(
        call, block, .refused(PipelineFile.unknownPipeline(call.call.pipeline)))
    }
    let fee = block.prices.transfer
    let balance = Cycles(try self.balance(of: sender))
    guard let whole = amount.plus(fee), whole <= balance else {
      return try answer(call, block, .refused(Self.tooLittle(amount, fee, balance)))
    }
    try debit(sender, whole.number)
    burn(fee.number)
    if let owner { try credit(owner, amount.number) }
    try IdempotencyEntry.record(
      call, block, forgetAt: block.time.advanced(by: ExecutionLimits.systemRetention), in: ledger)
    return try record(call, block, .applied, charged: fee)
  }

  private static func tooLittle(_ amount: Cycles, _ fee: Cycles, _ balance: Cycles) -> Refusal {
    Refusal(
      "INSUFFICIENT_CYCLES",
      "\(amount) cycles and a fee of \(fee) are more than the balance of \(balance): move less, or "
        + "have the account filled up")
  }

  // MARK: Deploys

  private func reserve(
    _ call: OrderedCall, _ block: BlockContext
  ) throws(StorageFault) -> Route {
    guard let sender = call.call.sender else {
      return .settled(
        try answer(
          call, block, .refused(Refusal("UNSIGNED", "a deploy is signed by its owner: sign it"))))
    }
    guard PipelineName.isSound(call.call.pipeline) else {
      return .settled(try answer(call, block, .refused(PipelineName.refusal(call.call.pipeline))))
    }
    guard !call.call.idempotencyKey.isEmpty else {
      return .settled(try answer(call, block, .refused(IdempotencyEntry.missing)))
    }
    if let receipt = try answered(call, block) { return .settled(receipt) }
    let scope = IdempotencyEntry.scope(call)
    if let first = deploys[scope] { return .repeated(of: first) }
    let isNew = !pipelines.contains(call.call.pipeline)
    guard !isNew || pipelines.count < ExecutionLimits.pipelinesMax else {
      return .settled(
        try answer(
          call, block,
          .refused(
            Refusal("TOO_MANY_PIPELINES", "this subnet holds as many pipelines as it may"))))
    }
    let most = Self.most(call, block.prices, isNew)
    let balance = Cycles(try self.balance(of: sender))
    guard most <= balance else {
      return .settled(
        try answer(
          call, block,
          .refused(
            Refusal(
              "INSUFFICIENT_CYCLES",
              "a deploy with this step limit may cost \(most) cycles and the balance is "
                + "\(balance): declare a lower step limit, or have the account filled up"))))
    }
    try debit(sender, most.number)
    deploys[scope] = call
    return .deploy(reserved: most)
  }

  static func most(_ call: OrderedCall, _ prices: PriceTable, _ isNew: Bool) -> Cycles {
    DeployPrice.most(
      bytes: call.body.count, steps: call.call.stepLimit, prices, isNew: isNew)
  }

  /// What a deploy that ran has used, its receipt included, and what that costs.
  static func price(
    of ran: Receipt, _ prices: PriceTable, isNew: Bool
  ) -> (usage: Usage, cycles: Cycles) {
    var usage = ran.usage
    usage.receiptBytes = UInt64(ran.canonicalBytes.count)
    return (
      usage, ran.status == .applied ? prices.deploy(usage, first: isNew) : prices.update(usage)
    )
  }

  /// Settles a deploy that the pipeline has run: the deployer pays what it used.
  func settle(
    _ call: OrderedCall, reserved: Cycles, ran: Receipt, _ block: BlockContext
  ) throws(StorageFault) -> Receipt {
    guard let sender = call.call.sender else { preconditionFailure("an unsigned deploy ran") }
    let isNew = !pipelines.contains(call.call.pipeline)
    let isApplied = ran.status == .applied
    let (usage, price) = Self.price(of: ran, block.prices, isNew: isNew)
    let charged = min(price, reserved)
    burn(charged.number)
    if !block.planted.contains(.refundForgotten) {
      try credit(sender, reserved.number - charged.number)
    }
    if isApplied {
      if isNew { try register(call.call.pipeline, block) }
      try IdempotencyEntry.record(
        call, block, forgetAt: block.time.advanced(by: ExecutionLimits.systemRetention),
        in: ledger)
    }
    return try record(call, block, ran.status, charged: charged, usage: usage)
  }

  /// Settles a deploy under the key of another one that is settled by now: by that one's receipt,
  /// or as a conflict, as if it had come in the next block. A refusal is repeated, too.
  /// - Returns: nil when the other one may not run.
  func settle(
    _ call: OrderedCall, after first: OrderedCall, _ block: BlockContext
  ) throws(StorageFault) -> Receipt? {
    guard let original = try ledger.receipt(of: first.digest) else { return nil }
    guard call.payload == first.payload else {
      return try answer(call, block, .refused(IdempotencyEntry.conflict(call.call)))
    }
    return try answer(
      call, block, original.status,
      replayOf: Receipt.Replay(call: first.digest, height: original.height))
  }
}

package enum DeployPrice {
  /// What a deploy may cost: its base, and the steps that it may use with room for its writes.
  package static func most(
    bytes: Int, steps: UInt64, _ prices: PriceTable, isNew: Bool
  ) -> Cycles {
    var usage = Usage()
    usage.ingressBytes = UInt64(bytes)
    usage.steps = min(steps, ExecutionLimits.stepsPerDeploy)
    usage.rowBytesWritten = UInt64(bytes)
    usage.rowsWritten = ExecutionLimits.rowsReservedPerDeploy
    usage.hashes = 40 * ExecutionLimits.rowsReservedPerDeploy
    usage.receiptBytes = UInt64(Limits.receiptBytesMax)
    return prices.deploy(usage, first: isNew)
  }
}

/// What a pipeline may be called: its name is a file's name too.
enum PipelineName {
  static func isSound(_ name: String) -> Bool {
    guard let first = name.utf8.first, name.utf8.count <= Limits.nameBytesMax else { return false }
    return (0x61...0x7a).contains(first)
      && name.utf8.allSatisfy {
        (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f
      }
  }

  static func refusal(_ name: String) -> Refusal {
    Refusal(
      "PIPELINE_NAME",
      "\(name.cut(to: Limits.nameBytesMax)) is no name for a pipeline: use lower-case letters, "
        + "digits and underscores, a letter first, at most \(Limits.nameBytesMax)")
  }
}
