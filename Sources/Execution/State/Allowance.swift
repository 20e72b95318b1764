import Metering
import Pipelines
import Signing
import Storage
import Wire

/// On what grounds a caller may call: it says whose budget the call counts against.
enum CallerGround: Hashable {
  case owner
  /// The key itself, or a role that it holds, is granted.
  case named(PublicKey)
  /// Nothing but `allow: [public]`, whether the call is signed or not: keys cost nothing.
  case anyone

  /// - Parameter holds: whether a key holds a role.
  /// - Returns: nil when no grant covers the caller.
  static func of<E: Error>(
    _ sender: PublicKey?, owner: PublicKey?, _ grants: [Grant],
    holds: (String, PublicKey) throws(E) -> Bool
  ) throws(E) -> CallerGround? {
    if let sender {
      if sender == owner { return .owner }
      for grant in grants {
        switch grant {
        case .anyone: continue
        case .key(let key): if key == sender { return .named(sender) }
        case .role(let role): if try holds(role, sender) { return .named(sender) }
        }
      }
    }
    return grants.contains(.anyone) ? .anyone : nil
  }
}

/// What a caller may still burn of a pipeline's cycles on one day of block time.
///
/// - Safety: no update takes more than what is left, so no caller burns more than its budget.
struct Allowance {
  let ground: CallerGround
  let budget: Cycles
  let spent: Cycles
  private let day: UInt64

  /// - Parameter entry: reads `Ledger.Part.spending`.
  init<E: Error>(
    _ ground: CallerGround, of budget: Budget, at now: Moment,
    entry: ([UInt8]) throws(E) -> [UInt8]?
  ) throws(E) {
    self.ground = ground
    day = now.number / PipelineAccount.dayMilliseconds
    switch ground {
    case .owner:
      self.budget = Cycles(.max)
      spent = 0
      return
    case .named: self.budget = budget.callerDaily
    case .anyone: self.budget = budget.publicDaily
    }
    spent =
      try entry(Self.key(ground, day)).flatMap { try? Cycles(canonicalBytes: $0) } ?? 0
  }

  var left: Cycles { Cycles(budget.above(spent)) }

  /// Days sort by time, callers within them by key; the public has no key.
  private static func key(_ ground: CallerGround, _ day: UInt64) -> [UInt8] {
    if case .named(let caller) = ground { return prefix(of: day) + caller.bytes }
    return prefix(of: day)
  }

  private static func prefix(of day: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: day >> (56 - 8 * $0)) }
  }

  /// Enters what a call burned. Forgotten when the day is over.
  func enter(_ charged: Cycles, in ledger: Ledger) throws(StorageFault) {
    guard ground != .owner, charged > 0 else { return }
    let sum = spent.plus(charged) ?? Cycles(.max)
    try ledger.put(
      .spending, Self.key(ground, day), sum.canonicalBytes,
      forgetAt: Moment((day + 1).multipliedCapped(PipelineAccount.dayMilliseconds)))
  }

  /// Why a call that may cost so much is refused; nil when the budget has room for it.
  func refusal(of pipeline: String, cost: Cycles) -> Refusal? {
    cost <= left ? nil : exceeded(of: pipeline, cost: cost)
  }

  func exceeded(of pipeline: String, cost: Cycles) -> Refusal {
    let (whose, key) =
      if case .named(let caller) = ground {
        ("the key \(caller)", "caller_budget")
      } else {
        ("the public, all callers without a role together,", "public_budget")
      }
    return Refusal(
      "OVER_BUDGET",
      "\(whose) may burn \(budget) cycles of \(pipeline) a day and has \(left) left until 00:00 "
        + "UTC; this call may cost \(cost): declare a lower step limit, send smaller batches, wait "
        + "for the next day, or ask the owner to raise \(key) in pipeline.yaml")
  }

  /// What callers burned on the day of a block time, from all entries of `Ledger.Part.spending`.
  static func spending(
    at now: Moment, _ entries: [(key: [UInt8], value: [UInt8])]
  ) -> [CallerSpending] {
    let today = prefix(of: now.number / PipelineAccount.dayMilliseconds)
    return entries.filter { $0.key.starts(with: today) }.compactMap { entry in
      guard let cycles = try? Cycles(canonicalBytes: entry.value) else { return nil }
      return CallerSpending(caller: PublicKey(entry.key.dropFirst(today.count)), cycles: cycles)
    }
  }
}
