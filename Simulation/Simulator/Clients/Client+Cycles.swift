import Wire

/// What a client that moves cycles knows and remembers.
struct Dealings {
  /// What the owner of the dry pipeline still has to show once all is calm: that a top-up large
  /// enough makes it take updates again.
  enum Thaw { case due, paid, asked }

  let dry: DryPipeline
  fileprivate var edition = 1
  fileprivate var budget = DryPipeline.unitsFirst
  fileprivate var last: (key: String, lines: String)?
  fileprivate(set) var thaw = Thaw.due
  /// The dry pipeline was frozen when this client called it last.
  var sawFrozen = false

  init(_ dry: DryPipeline) { self.dry = dry }
}

extension Client {
  /// A call, the bank's rows that it asks for, and whether anything is odd with it.
  typealias Wish = (signed: SignedCall, transfers: [String], oddity: Oddity)

  /// Of a million calls of a client that moves cycles, so many do.
  static let dealingsPPM: UInt64 = 800_000
  /// In so many of a million moments the owner does something.
  static let tendingPPM: UInt64 = 150_000
  static let proposalsPPM: UInt64 = 30_000
  /// In calls: what thaws the dry pipeline whatever it stores and whoever still calls it.
  static let thawingUnits: UInt64 = 1_000

  /// True when this client has nothing more to show.
  var isFinished: Bool {
    guard let dealings else { return true }
    return dealings.thaw == .asked && !pending.contains { $0.oddity == .owed }
  }

  /// What comes after the bank is set up.
  func setUpDry(
    _ dry: DryPipeline, _ subnet: SubnetID, _ now: Moment, isDeployed: Bool
  ) -> SignedCall {
    guard !isDeployed else {
      let first = dry.reserve.advanced(by: dry.units(DryPipeline.unitsFirst).number)
      return topUpDry(first, subnet, now, "top-up")
    }
    return deployDry(dry, 1, DryPipeline.unitsFirst, subnet, now, "deploy")
  }

  /// The owner of both pipelines: calls the dry one, raises its budgets, and changes prices with
  /// other administrators.
  mutating func tend(
    _ dry: DryPipeline, _ subnet: SubnetID, _ now: Moment, _ id: String, isCalm: Bool,
    prices: UInt32
  ) -> Wish? {
    if isCalm { return thaw(dry, subnet, now, id).map { ($0, [], .owed) } }
    guard chance.happens(Self.tendingPPM) else { return nil }
    switch chance.below(10) {
    case 0...2:
      let budget = (dealings?.budget ?? 0) + chance.below(1 + dry.pace)
      let edition = (dealings?.edition ?? 1) + 1
      dealings?.budget = budget
      dealings?.edition = edition
      return (deployDry(dry, edition, budget, subnet, now, id), [], .mayFail)
    case 3, 4: return proposal(dry, subnet, now, id, after: prices).map { ($0, [], .mayFail) }
    default: return (drip(lines(id, 1), subnet, now, id), [], .mayFail)
    }
  }

  /// Of all others: calls that cost somebody cycles, or should not.
  mutating func deal(
    _ dry: DryPipeline, _ subnet: SubnetID, _ now: Moment, _ id: String, prices: UInt32
  ) -> SignedCall? {
    if index < DryPipeline.administrators, chance.happens(Self.proposalsPPM) {
      return proposal(dry, subnet, now, id, after: prices)
    }
    switch chance.below(20) {
    case 0, 1:
      guard dealings?.sawFrozen == true else { fallthrough }
      dealings?.sawFrozen = false
      return topUpDry(dry.units(1 + chance.below(6)), subnet, now, id)
    case 2, 3: return give(Cycles(1 + chance.below(1_000_000_000)), to: dry, subnet, now, id)
    // More than anybody has.
    case 4: return give(Cycles(2_000_000_000_000_000), to: dry, subnet, now, id)
    case 5: return drip("{\"drop_id\":", subnet, now, id)
    case 6: return drip(lines(id, 1), subnet, now, id, steps: 10)
    case 7: return drip(lines(id, 1, amount: 5_000), subnet, now, id)
    case 8, 9:
      // An idempotency key once more: for the same rows, or for others.
      let last = dealings?.last
      let isSame = chance.happens(500_000)
      return drip(
        isSame ? last?.lines ?? lines(id, 1) : lines(id, 1), subnet, now, last?.key ?? id)
    default:
      let fresh = lines(id, 1 + chance.below(3))
      dealings?.last = (id, fresh)
      return drip(fresh, subnet, now, id)
    }
  }

  private mutating func thaw(
    _ dry: DryPipeline, _ subnet: SubnetID, _ now: Moment, _ id: String
  ) -> SignedCall? {
    guard !pending.contains(where: { $0.oddity == .owed }) else { return nil }
    switch dealings?.thaw {
    case .due:
      dealings?.thaw = .paid
      return topUpDry(dry.units(Self.thawingUnits), subnet, now, id)
    case .paid:
      dealings?.thaw = .asked
      return drip(lines(id, 1), subnet, now, id)
    case .asked, nil: return nil
    }
  }

  private func lines(_ id: String, _ count: Int, amount: Int = 5) -> String {
    (0..<count).map { "{\"drop_id\":\"\(id)-\($0)\",\"amount\":\(amount)}\n" }.joined()
  }

  private func drip(
    _ lines: String, _ subnet: SubnetID, _ now: Moment, _ key: String,
    steps: UInt64 = DryPipeline.stepLimit
  ) -> SignedCall {
    sign(
      subnet, now, .ingest(source: DryPipeline.source, format: .ndjson), Array(lines.utf8), key,
      pipeline: DryPipeline.name, steps: steps)
  }

  private func topUpDry(
    _ amount: Cycles, _ subnet: SubnetID, _ now: Moment, _ id: String
  ) -> SignedCall {
    sign(subnet, now, .topUp(amount), [], id, pipeline: DryPipeline.name)
  }

  private func deployDry(
    _ dry: DryPipeline, _ edition: Int, _ budget: UInt64, _ subnet: SubnetID, _ now: Moment,
    _ id: String
  ) -> SignedCall {
    sign(
      subnet, now, .deploy, dry.package(edition, budget: budget).canonicalBytes, id,
      pipeline: DryPipeline.name, steps: 5_000_000)
  }

  private mutating func give(
    _ amount: Cycles, to dry: DryPipeline, _ subnet: SubnetID, _ now: Moment, _ id: String
  ) -> SignedCall {
    sign(subnet, now, .transfer(to: chance.pick(dry.people), amount), [], id, pipeline: "")
  }

  private func proposal(
    _ dry: DryPipeline, _ subnet: SubnetID, _ now: Moment, _ id: String, after version: UInt32
  ) -> SignedCall? {
    dry.prices(version + 1).map { sign(subnet, now, .prices, $0.canonicalBytes, id, pipeline: "") }
  }
}
