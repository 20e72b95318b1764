import Wire

/// What storage must have taken, from the bytes that were stored: the price list's item 9 once
/// more, in a few lines that share nothing with the core's.
///
/// - Safety: between two charges the bytes are the same, and a charge covers each 600 s of block
///   time that ended since the one before.
/// - Bound: one entry a pipeline.
struct StorageModel {
  /// What a pipeline's file says after a block.
  struct Account: Hashable {
    let bytes: UInt64
    /// Taken for storage so far.
    let taken: UInt128
    let balance: UInt128
  }

  private static let periodSeconds: UInt64 = 600
  private static let perGiBSecond: UInt128 = 127_000

  let replicas: Int
  private var known: [String: (account: Account, paidTo: Moment)] = [:]

  init(replicas: Int) { self.replicas = replicas }

  /// All that storage took.
  var taken: UInt128 { known.values.reduce(0) { $0 + $1.account.taken } }

  /// - Returns: what is wrong with what a block of this time left, in words.
  mutating func follow(_ name: String, _ account: Account, at time: Moment) -> String? {
    guard let (before, paidTo) = known[name] else {
      known[name] = (account, time)
      return account.taken == 0 ? nil : "\(name) pays \(account.taken) before it stores anything"
    }
    let ended =
      time.number / (Self.periodSeconds * 1_000) - paidTo.number / (Self.periodSeconds * 1_000)
    let due = price(before.bytes) * UInt128(ended)
    let isCharged = account.taken != before.taken
    if isCharged || ended == 0 || account.bytes != before.bytes {
      known[name] = (account, time)
    } else {
      // Nothing ran on the file: it is charged when it is touched.
      return nil
    }
    let paid = account.taken - before.taken
    guard paid != due, paid > due || account.balance > 0 else { return nil }
    return "\(name) pays \(paid) for \(ended) periods of \(before.bytes) bytes, \(due) are due"
  }

  /// Of one period, rounded up.
  private func price(_ bytes: UInt64) -> UInt128 {
    let whole =
      UInt128(bytes) * UInt128(Self.periodSeconds) * Self.perGiBSecond * UInt128(replicas)
    let unit: UInt128 = 13 << 30
    return (whole + unit - 1) / unit
  }
}
