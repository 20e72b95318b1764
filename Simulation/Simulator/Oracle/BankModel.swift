import Wire

/// The simulated bank in a few lines: which rows must be there after the calls that were ordered,
/// and which calls may have had an effect. Knows nothing of SQL, tries or receipts' making.
///
/// - Safety: a call has one effect or none, never before it is alive or after its expiry.
/// - Bound: a row a transfer, as the pipeline itself; digests of calls until they are expired.
struct BankModel {
  struct Transfer: Hashable {
    let to: String
    let amount: Int64
    /// The height at which it came to be there.
    let height: Height
  }

  struct Balance: Hashable {
    var received: Int64 = 0
    var transfers: Int64 = 0
  }

  private(set) var transfers: [String: Transfer] = [:]
  private(set) var balances: [String: Balance] = [:]
  /// All that receipts say was taken.
  private(set) var charged: UInt128 = 0
  private var executed = Recent<Moment, [Digest]>()
  private var known: Set<Digest> = []
  private var oldest: Moment = 0

  /// Takes in what a block did.
  /// - Parameter receipts: for each call the one receipt that exists of it by now.
  /// - Returns: what is wrong with it, in words.
  mutating func apply(_ block: Block, receipts: [Receipt?]) -> [String] {
    var flaws: [String] = []
    let (height, time) = (block.header.height, block.header.time)
    for (place, signed) in block.calls.enumerated() {
      let (call, name) = (signed.call, block.header.calls[place])
      let receipt = receipts[place].flatMap { $0.height == height ? $0 : nil }
      if let flaw = judge(call, name, receipt, height, time) { flaws.append(flaw) }
      guard let receipt else { continue }
      remember(name, until: call.expiry)
      charged += UInt128(receipt.charged.number)
      guard receipt.status == .applied, receipt.replayOf == nil, call.pipeline == Bank.name else {
        continue
      }
      let accepted = insert(rows(of: call, signed.body), at: height)
      if case .ingest = call.method, accepted != Int(receipt.tally.accepted) {
        flaws.append(
          "the receipt of \(name) accepts \(counted(receipt.tally.accepted, "row")), there are "
            + "\(accepted)")
      }
    }
    forget(before: time)
    return flaws
  }

  private func judge(
    _ call: Call, _ name: Digest, _ receipt: Receipt?, _ height: Height, _ time: Moment
  ) -> String? {
    let isAlive =
      time <= call.expiry
      && call.expiry.above(time) <= OracleLimits.callLifetime
    let isKnown = known.contains(name)
    if receipt != nil, isKnown { return "call \(name) is executed a second time at \(height)" }
    if receipt != nil, time > call.expiry {
      return "call \(name) is executed at \(height), after its expiry"
    }
    if receipt != nil, !isAlive {
      return "call \(name) is executed at \(height), though it lives longer than any may"
    }
    if receipt == nil, isAlive, !isKnown {
      return "call \(name) is ordered at \(height) and has no receipt"
    }
    return nil
  }

  private mutating func remember(_ call: Digest, until expiry: Moment) {
    known.insert(call)
    executed.update(expiry, from: []) { $0.append(call) }
  }

  private mutating func forget(before time: Moment) {
    guard time.above(oldest) > OracleLimits.callLifetime else { return }
    oldest = time
    for calls in executed.forgetting(below: time) { known.subtract(calls) }
  }

  private mutating func insert(
    _ rows: [(id: String, to: String, amount: Int64)], at height: Height
  ) -> Int {
    var count = 0
    for row in rows where row.amount > 0 && transfers[row.id] == nil {
      transfers[row.id] = Transfer(to: row.to, amount: row.amount, height: height)
      balances[row.to, default: Balance()].received += row.amount
      balances[row.to, default: Balance()].transfers += 1
      count += 1
    }
    return count
  }

  /// The rows that a body asks for: a JSON object a line.
  private func rows(
    of call: Call, _ body: [UInt8]
  ) -> [(id: String, to: String, amount: Int64)] {
    switch call.method {
    case .ingest, .procedure: break
    default: return []
    }
    return body.split(separator: UInt8(ascii: "\n")).compactMap { bytes in
      let line = String(decoding: bytes, as: UTF8.self)
      guard let id = field("transfer_id", of: line), let to = field("to_account", of: line),
        let amount = field("amount", of: line).flatMap({ Int64($0) })
      else { return nil }
      return (id, to, amount)
    }
  }

  /// What follows `"name":` up to the next comma or brace, without quotes.
  private func field(_ name: String, of line: String) -> String? {
    let key = "\"\(name)\":"
    var rest = line[...]
    while !rest.isEmpty, !rest.hasPrefix(key) { rest = rest.dropFirst() }
    guard !rest.isEmpty else { return nil }
    let value = rest.dropFirst(key.count).prefix { $0 != "," && $0 != "}" }
    return String(value.drop { $0 == "\"" || $0 == " " }.prefix { $0 != "\"" })
  }
}
