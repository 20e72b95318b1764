import Wire

/// When a pipeline stops taking updates so that its rows can be kept.
package struct Freezing: Hashable, Sendable {
  package let prices: PriceTable
  /// For so many days of idle burn the balance must last.
  package let days: UInt32

  package static let daysDefault: UInt32 = 30
  /// Storage is charged once in so much block time.
  package static let storagePeriod = Span.seconds(600)

  package init(prices: PriceTable, days: UInt32 = daysDefault) {
    self.prices = prices
    self.days = days
  }

  /// Below this the pipeline is frozen: its idle burn, and the ingress of one refusal.
  /// - Parameter bytes: logical bytes that the pipeline holds.
  package func threshold(logicalBytes bytes: UInt64) -> Cycles {
    let idle = prices.storage(bytes: bytes, seconds: UInt64(days) * 86_400)
    let ingress = prices.ingress(bytes: UInt64(Limits.callBodyBytesMax))
    return idle.plus(ingress) ?? Cycles(.max)
  }

  /// Whether a call that may cost so much would leave too little.
  package func freezes(balance: Cycles, cost: Cycles, logicalBytes bytes: UInt64) -> Bool {
    guard let needed = threshold(logicalBytes: bytes).plus(cost) else { return true }
    return balance < needed
  }

  /// A pipeline whose storage is unpaid since then is archived from the moment returned on.
  package func archives(unpaidSince: Moment) -> Moment {
    unpaidSince.advanced(by: UInt64(days) * 86_400_000)
  }

  /// What whoever calls a frozen pipeline is told.
  /// - Parameter isArchived: whether its storage went unpaid for long, too.
  package func refusal(
    pipeline: String, balance: Cycles, cost: Cycles, logicalBytes bytes: UInt64,
    isArchived: Bool = false
  ) -> Refusal {
    let threshold = threshold(logicalBytes: bytes)
    let needed = threshold.plus(cost) ?? Cycles(.max)
    // What is kept once more, since what lacks alone would be gone with the next call.
    let ample = (needed.plus(threshold) ?? needed).above(balance)
    let how: String
    if isArchived {
      how =
        "archived: its storage has not been paid for \(days) days, its rows are kept as they are"
    } else if balance < threshold {
      how = "frozen: it takes no updates below what keeps it"
    } else {
      how = "frozen for this call: cheaper ones go on"
    }
    let missing = Cycles(needed.above(balance))
    return Refusal(
      isArchived ? "ARCHIVED" : "FROZEN",
      "\(pipeline) is \(how). Its balance is \(balance.grouped) cycles; it keeps "
        + "\(threshold.grouped), which is \(days) days of storage and the ingress of one call, and "
        + "this call reserves \(cost.grouped), the most that it may cost: \(missing.grouped) are "
        + "missing. Queries go on. Top it up, here with as much again as it keeps: "
        + "quorate cycles top-up \(pipeline) \(ample)")
  }

  /// Whole days until the threshold is reached by storage alone; nil when nothing is stored.
  package func daysLeft(balance: Cycles, logicalBytes bytes: UInt64) -> UInt64? {
    let daily = prices.storage(bytes: bytes, seconds: 86_400)
    guard daily > 0 else { return nil }
    return balance.above(threshold(logicalBytes: bytes)) / daily.number
  }

  /// How often storage falls due between two block times: each full period counted from 1970.
  package static func storagePeriods(after last: Moment, to now: Moment) -> UInt64 {
    let period = storagePeriod.milliseconds
    guard now > last else { return 0 }
    return now.number / period - last.number / period
  }
}

/// All cycles of a subnet: an invariant at every height.
package struct CycleTotals: Hashable, Sendable {
  package var minted: UInt128 = 0
  package var balances: UInt128 = 0
  package var reserved: UInt128 = 0
  package var burned: UInt128 = 0

  package init() {}

  package mutating func mint(_ amount: Cycles) { minted += UInt128(amount.number) }

  package mutating func count(_ account: Account) {
    balances += UInt128(account.balance.number)
    reserved += UInt128(account.reserved.number)
    burned += UInt128(account.burned.number)
  }

  /// `minted = balances + reserved + burned`.
  package var isConserved: Bool { minted == balances + reserved + burned }
}

extension CycleTotals: CustomStringConvertible {
  package var description: String {
    "minted \(minted) = balances \(balances) + reserved \(reserved) + burned \(burned)"
  }
}

extension Cycles {
  /// In groups of three digits: `1,234,567`.
  fileprivate var grouped: String {
    var out = ""
    for (place, digit) in String(number).reversed().enumerated() {
      if place > 0, place % 3 == 0 { out.append(",") }
      out.append(digit)
    }
    return String(out.reversed())
  }
}
