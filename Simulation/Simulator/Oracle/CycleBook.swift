import Consensus
import Pipelines
import Wire

/// Whose cycles went where, by the words of the design: what a caller may burn of a pipeline in a
/// day, when a pipeline is frozen, and what each call costs by the prices of its height.
///
/// - Safety: it judges blocks and receipts as replicas have them, and each pipeline's account must
///   be what they add up to.
/// - Bound: an entry a pipeline and caller; accounts as far as `OracleLimits.retained` heights
///   back.
struct CycleBook {
  private enum Condition { case running, frozen, paid }

  private struct Pipeline {
    let owner: PublicKey
    var package: Package
    var balance: Int128 = 0
    /// As of the last account that was seen.
    var bytes: UInt64 = 0
    var taken: UInt128 = 0
    /// At most so many came since.
    var bytesMore: UInt64 = 0
    /// On this day, by caller; nil is the public.
    var spent: [PublicKey?: UInt128] = [:]
    var condition = Condition.running
  }

  private static let dayMilliseconds: UInt64 = 86_400_000
  /// What one call adds to the storage at most, beside eight times its body: its receipt.
  private static let receiptBytesMost: UInt64 = 4_096

  private(set) var height: Height = 0
  private(set) var prices: PriceBook
  private(set) var tally = CycleTally()
  private(set) var marks: Set<Mark> = []
  private var pipelines: [String: Pipeline] = [:]
  private var day: UInt64 = 0
  private var accounts = Recent<Height, [FileAccount]>()
  /// The height of the accounts seen last.
  private var seenAt: Height = 0
  /// Whether the accounts before and after this block are known.
  private var isExact = false
  private var flaws: [String] = []

  init(replicas: Int, administrators: Int) {
    prices = PriceBook(replicas: replicas, administrators: administrators)
  }

  /// Takes in what the next block did.
  /// - Parameters:
  ///   - receipts: for each call the one receipt that there is of it by now.
  ///   - found: the accounts after it; nil when the replica that tells is past it.
  /// - Returns: what is wrong with it, in words.
  mutating func follow(_ block: Block, receipts: [Receipt?], _ found: [FileAccount]?) -> [String] {
    flaws = []
    let header = block.header
    begin(day: header.time.number / Self.dayMilliseconds)
    isExact = found != nil && header.height == seenAt.next
    // Storage is charged before the calls of a block run.
    if isExact, let found { charge(found) }
    let list = prices.list(at: header.height)
    for (place, signed) in block.calls.enumerated() {
      guard let receipt = receipts[place], receipt.height == header.height else { continue }
      judge(signed, receipt, list)
    }
    height = header.height
    if let found { compare(found) }
    return flaws
  }

  /// - Returns: how accounts differ from those that another replica had at that height.
  func difference(_ found: [FileAccount], at height: Height) -> String? {
    guard let known = accounts[height], known != found else { return nil }
    return "its accounts after height \(height) are \(found), others have \(known)"
  }

  /// A replica refused a call before it was ordered.
  mutating func refused(_ call: Call, _ code: String) {
    tally.turnedAway += 1
    note(code, call.pipeline)
  }

  mutating func forget(below height: Height) { accounts.forget(below: height) }

  private mutating func begin(day today: UInt64) {
    guard today != day else { return }
    day = today
    for name in pipelines.keys.sorted() { pipelines[name]?.spent = [:] }
  }

  private mutating func charge(_ found: [FileAccount]) {
    for account in found {
      guard let taken = pipelines[account.pipeline]?.taken else { continue }
      pipelines[account.pipeline]?.balance -= Int128(account.taken) - Int128(taken)
      pipelines[account.pipeline]?.taken = account.taken
    }
  }

  private mutating func compare(_ found: [FileAccount]) {
    charge(found)
    for account in found {
      guard let balance = pipelines[account.pipeline]?.balance else { continue }
      if balance != Int128(account.balance) {
        flaws.append(
          "\(account.pipeline) has \(account.balance) cycles; its top-ups less what receipts and "
            + "storage took are \(balance)")
      }
      pipelines[account.pipeline]?.bytes = account.bytes
      pipelines[account.pipeline]?.bytesMore = 0
    }
    accounts.set(height, found)
    seenAt = height
  }
}

// MARK: - Calls

extension CycleBook {
  private mutating func judge(_ signed: SignedCall, _ receipt: Receipt, _ list: PriceList) {
    let call = signed.call
    let isApplied = receipt.status == .applied && receipt.replayOf == nil
    let bytes = entrance(call, list)
    tally.count(receipt)
    switch call.method {
    case .transfer:
      expect(isApplied ? list[.transfer] : bytes, of: call, receipt)
      if isApplied { tally.transfers += 1 }
    case .topUp(let amount):
      expect(isApplied ? list[.transfer] : bytes, of: call, receipt)
      if isApplied { deposit(amount, call.pipeline) }
    case .prices:
      expect(isApplied ? 0 : bytes, of: call, receipt)
      prices.follow(signed, receipt)
      if prices.changes > tally.priceChanges { marks.insert(.pricesChanged) }
      tally.priceChanges = prices.changes
    case .engines: expect(isApplied ? 0 : bytes, of: call, receipt)
    case .deploy:
      if isApplied {
        install(signed, receipt, list)
      } else if receipt.usage.receiptBytes == 0 {
        // It did not run.
        expect(bytes, of: call, receipt)
      }
    case .ingest, .procedure: update(call, receipt, list)
    case .grant, .revoke, .release:
      pipelines[call.pipeline]?.balance -= Int128(receipt.charged.number)
    }
    pipelines[call.pipeline]?.bytesMore += Self.receiptBytesMost + 8 * UInt64(call.bodyBytes)
  }

  /// What a call without effect costs who signed it, where no pipeline pays. Everybody in a
  /// simulation has more than that.
  private func entrance(_ call: Call, _ list: PriceList) -> UInt128 {
    call.sender == nil ? 0 : list.ingress(UInt64(call.bodyBytes))
  }

  private mutating func expect(_ price: UInt128, of call: Call, _ receipt: Receipt) {
    guard price != UInt128(receipt.charged.number) else { return }
    flaws.append(
      "a \(call.method.label) was charged \(receipt.charged) cycles, by the prices in force it "
        + "costs \(price)")
  }

  private mutating func deposit(_ amount: Cycles, _ name: String) {
    tally.topUps += 1
    pipelines[name]?.balance += Int128(amount.number)
    if pipelines[name]?.condition == .frozen { pipelines[name]?.condition = .paid }
  }

  private mutating func install(_ signed: SignedCall, _ receipt: Receipt, _ list: PriceList) {
    let name = signed.call.pipeline
    guard let owner = signed.call.sender, let package = try? Package(canonicalBytes: signed.body)
    else {
      flaws.append("a deploy of \(name) without a package or an owner was applied")
      return
    }
    let isFirst = pipelines[name] == nil
    expect(list.deploy(receipt.usage, isFirst: isFirst), of: signed.call, receipt)
    if isFirst {
      pipelines[name] = Pipeline(owner: owner, package: package)
    } else {
      pipelines[name]?.package = package
      tally.upgrades += 1
    }
  }

  /// An ingest or a procedure, which the pipeline pays.
  private mutating func update(_ call: Call, _ receipt: Receipt, _ list: PriceList) {
    let charged = UInt128(receipt.charged.number)
    guard let pipeline = pipelines[call.pipeline] else {
      expect(0, of: call, receipt)
      return
    }
    let code = receipt.code
    let isAnswered = receipt.replayOf != nil || code == "IDEMPOTENCY_CONFLICT"
    var most = Usage()
    most.ingressBytes = UInt64(call.bodyBytes)
    most.steps = min(call.stepLimit, pipeline.package.budget.stepsPerUpdate)
    let ingress = list.ingress(UInt64(call.bodyBytes))
    let needed = isAnswered ? ingress : list.update(most)
    if isAnswered {
      expect(ingress, of: call, receipt)
    } else if code == nil || charged > list.update(receipt.usage) {
      expect(list.update(receipt.usage), of: call, receipt)
    }
    if charged > 0 {
      judgeBalance(call, pipeline, needs: max(needed, charged), list)
      judgeBudget(call, pipeline, needs: max(needed, charged))
      spend(charged, call)
    } else if let code {
      judgeRefusal(code, call, pipeline, needs: needed, list)
    }
    if let code { note(code, call.pipeline) } else if !isAnswered { ran(call.pipeline) }
  }

  /// A frozen pipeline runs nothing and pays nothing. Within a block bytes come and do not go, so
  /// those before it tell the least that the pipeline keeps.
  private mutating func judgeBalance(
    _ call: Call, _ pipeline: Pipeline, needs cost: UInt128, _ list: PriceList
  ) {
    let least = list.threshold(isExact ? pipeline.bytes : 0, days: pipeline.package.freezingDays)
    guard pipeline.balance < Int128(least + cost) else { return }
    flaws.append(
      "\(call.pipeline) is frozen and pays for \(call.method.label): of \(pipeline.balance) cycles "
        + "it keeps \(least), and the call may cost \(cost)")
  }

  private mutating func judgeBudget(_ call: Call, _ pipeline: Pipeline, needs cost: UInt128) {
    guard let (caller, budget) = budget(of: call, pipeline) else { return }
    let spent = pipeline.spent[caller] ?? 0
    guard spent + cost > budget else { return }
    let who = caller.map { "the key \($0)" } ?? "the public"
    flaws.append(
      "\(who) burned \(spent) cycles of \(call.pipeline) today and may burn \(budget), yet a call "
        + "runs that may cost \(cost)")
  }

  /// Nobody is refused who could be served: what was topped up counts at once.
  private mutating func judgeRefusal(
    _ code: String, _ call: Call, _ pipeline: Pipeline, needs cost: UInt128, _ list: PriceList
  ) {
    switch code {
    case "FROZEN", "ARCHIVED":
      let most = list.threshold(
        pipeline.bytes + pipeline.bytesMore, days: pipeline.package.freezingDays)
      guard isExact, pipeline.balance >= Int128(most + cost) else { return }
      flaws.append(
        "\(call.pipeline) refuses \(call.method.label) as \(code): it has \(pipeline.balance) "
          + "cycles, and \(most) and \(cost) for the call are enough")
    case "OVER_BUDGET":
      guard let (caller, budget) = budget(of: call, pipeline) else { return }
      let spent = pipeline.spent[caller] ?? 0
      guard spent + cost <= budget else { return }
      flaws.append(
        "\(call.pipeline) refuses \(call.method.label) as \(code): \(spent) of \(budget) cycles "
          + "are spent, and the call costs at most \(cost)")
    default: break
    }
  }

  /// What the caller may burn in a day, and with whom it shares that; nil without a bound, or where
  /// roles decide.
  private func budget(of call: Call, _ pipeline: Pipeline) -> (PublicKey?, UInt128)? {
    let package = pipeline.package
    let allow: [Grant] =
      switch call.method {
      case .ingest(let source, _): package.source(source)?.allow ?? []
      case .procedure(let name): package.procedure(name)?.allow ?? []
      default: []
      }
    let isByRole = allow.contains { if case .role = $0 { true } else { false } }
    guard call.sender != pipeline.owner, !isByRole else { return nil }
    if let sender = call.sender, allow.contains(.key(sender)) {
      return (sender, UInt128(package.budget.callerDaily.number))
    }
    return (nil, UInt128(package.budget.publicDaily.number))
  }

  private mutating func spend(_ charged: UInt128, _ call: Call) {
    guard let pipeline = pipelines[call.pipeline] else { return }
    pipelines[call.pipeline]?.balance -= Int128(charged)
    guard let (caller, _) = budget(of: call, pipeline) else { return }
    pipelines[call.pipeline]?.spent[caller, default: 0] += charged
  }

  // MARK: What became of it

  private mutating func note(_ code: String, _ name: String) {
    switch code {
    case "FROZEN", "ARCHIVED":
      marks.insert(.pipelineFrozen)
      if pipelines[name]?.condition == .running { tally.freezes += 1 }
      pipelines[name]?.condition = .frozen
    case "OVER_BUDGET":
      tally.overBudget += 1
      marks.insert(.callerOverBudget)
    default: break
    }
  }

  private mutating func ran(_ name: String) {
    if pipelines[name]?.condition == .paid {
      tally.thaws += 1
      marks.insert(.pipelineThawed)
    }
    pipelines[name]?.condition = .running
  }
}

/// What became of the calls of a run whose clients move cycles.
package struct CycleTally: Sendable, Hashable {
  /// With a receipt, and those of them that were applied, refused, or answered by an older one.
  package var calls = 0
  package var applied = 0
  package var refused = 0
  package var replayed = 0
  /// Refused by a replica before they were ordered.
  package var turnedAway = 0
  package var transfers = 0
  package var topUps = 0
  package var upgrades = 0
  package var priceChanges = 0
  /// Calls over the budget of who sent them.
  package var overBudget = 0
  /// How often a pipeline froze, and took updates again after a top-up.
  package var freezes = 0
  package var thaws = 0

  package init() {}

  fileprivate mutating func count(_ receipt: Receipt) {
    calls += 1
    if receipt.replayOf != nil {
      replayed += 1
    } else if receipt.status == .applied {
      applied += 1
    } else {
      refused += 1
    }
  }

  package var text: String {
    "cycles: \(counted(calls, "call")) judged: \(applied) applied ("
      + "\(counted(transfers, "transfer")), \(counted(topUps, "top-up")), "
      + "\(counted(upgrades, "upgrade"))), \(refused) refused, \(replayed) replayed; "
      + "\(turnedAway) turned away before; \(overBudget) over budget; "
      + "frozen \(counted(freezes, "time")), thawed \(counted(thaws, "time")); "
      + counted(priceChanges, "price change")
  }
}

extension Receipt {
  /// nil when it was applied.
  fileprivate var code: String? {
    guard case .refused(let refusal) = status else { return nil }
    return refusal.code
  }
}
