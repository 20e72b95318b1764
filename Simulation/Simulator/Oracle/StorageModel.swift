import Wire

/// What storage must have taken, from the bytes that were stored: the price list's item 9 once
/// more, in a few lines that share nothing with the core's.
///
/// - Safety: between two charges the bytes are the same, and a charge covers each 600 s of block
///   time that ended since the one before, by the prices in force when it ended.
/// - Bound: one entry a pipeline.
struct StorageModel {
  private static let periodSeconds: UInt64 = 600

  /// Follows each block after its accounts.
  var prices: PriceBook
  private var known: [String: (account: FileAccount, paidTo: Moment)] = [:]

  init(replicas: Int, administrators: Int = 1) {
    prices = PriceBook(replicas: replicas, administrators: administrators)
  }

  /// All that storage took.
  var taken: UInt128 { known.values.reduce(0) { $0 + $1.account.taken } }

  /// - Returns: what is wrong with what a block of this time left, in words.
  mutating func follow(_ account: FileAccount, at time: Moment) -> String? {
    let name = account.pipeline
    guard let (before, paidTo) = known[name] else {
      known[name] = (account, time)
      return account.taken == 0 ? nil : "\(name) pays \(account.taken) before it stores anything"
    }
    let period = Self.periodSeconds * 1_000
    let ended = paidTo.number / period..<time.number / period
    let due = ended.reduce(UInt128(0)) { sum, number in
      let list = prices.list(endingAt: Moment((number + 1) * period))
      return sum + list.storage(before.bytes, seconds: Self.periodSeconds)
    }
    let isCharged = account.taken != before.taken
    if isCharged || ended.isEmpty || account.bytes != before.bytes {
      known[name] = (account, time)
    } else {
      // Nothing ran on the file: it is charged when it is touched.
      return nil
    }
    let paid = account.taken - before.taken
    guard paid != due, paid > due || account.balance > 0 else { return nil }
    return
      "\(name) pays \(paid) for \(counted(ended.count, "period")) of \(before.bytes) bytes, "
      + "\(due) are due"
  }
}
