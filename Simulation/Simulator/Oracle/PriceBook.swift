import Wire

/// What work costs, by the design's table once more: prices at 13 replicas, scaled once on the
/// whole sum and rounded up.
struct PriceList: Hashable {
  /// In the order of a price table's bytes.
  enum Item: Int, CaseIterable {
    case message, byte, update, step, functionByte, row, rowByte, indexEntry, hash, receiptByte
    case storage, deploy, upgrade, transfer
  }

  private(set) var version: UInt32 = 1
  private let replicas: UInt128
  private var prices: [UInt128] = [
    1_200_000, 2_000, 5_000_000, 100, 4, 20_000, 20, 5_000, 1_000, 1_000, 127_000,
    500_000_000_000, 1_000_000_000, 100_000_000,
  ]

  init(replicas: Int) { self.replicas = UInt128(replicas) }

  /// - Parameter body: of a call for other prices.
  init?(body: [UInt8]) {
    var decoder = Decoder(body)
    guard (try? decoder.text(limit: Limits.nameBytesMax)) != nil,
      let version: UInt32 = try? decoder.integer(), let replicas: UInt16 = try? decoder.integer()
    else { return nil }
    var prices: [UInt128] = []
    for _ in Item.allCases {
      guard let price: UInt64 = try? decoder.integer() else { return nil }
      prices.append(UInt128(price))
    }
    self.version = version
    self.replicas = UInt128(replicas)
    self.prices = prices
  }

  subscript(_ item: Item) -> UInt128 { prices[item.rawValue] }

  func ingress(_ bytes: UInt64) -> UInt128 { scaled(entering(bytes)) }

  func update(_ usage: Usage) -> UInt128 { scaled(entering(usage.ingressBytes) + work(usage)) }

  func deploy(_ usage: Usage, isFirst: Bool) -> UInt128 {
    scaled(self[isFirst ? .deploy : .upgrade] + work(usage))
  }

  func storage(_ bytes: UInt64, seconds: UInt64) -> UInt128 {
    let unit: UInt128 = 13 << 30
    let whole = UInt128(bytes) * UInt128(seconds) * self[.storage] * replicas
    return (whole + unit - 1) / unit
  }

  /// Below so many cycles a pipeline is frozen.
  func threshold(_ bytes: UInt64, days: UInt32) -> UInt128 {
    storage(bytes, seconds: UInt64(days) * 86_400) + ingress(OracleLimits.callBytesMax)
  }

  private func entering(_ bytes: UInt64) -> UInt128 {
    self[.message] + self[.byte] * UInt128(bytes)
  }

  private func work(_ usage: Usage) -> UInt128 {
    let parts: [(Item, UInt64)] = [
      (.step, usage.steps), (.functionByte, usage.functionBytes), (.row, usage.rowsWritten),
      (.rowByte, usage.rowBytesWritten), (.indexEntry, usage.indexEntriesWritten),
      (.hash, usage.hashes), (.receiptByte, usage.receiptBytes),
    ]
    return parts.reduce(self[.update]) { $0 + self[$1.0] * UInt128($1.1) }
  }

  private func scaled(_ sum: UInt128) -> UInt128 { (sum * replicas + 12) / 13 }
}

/// Every price list that came into force, by what administrators sent.
///
/// - Safety: a list that more than half of them sent holds from the block after the last of these
///   calls on, and for storage of each period that ends later than that block.
/// - Bound: one list a change.
struct PriceBook {
  private let administrators: Int
  private var lists: [(height: Height, time: Moment, list: PriceList)]
  private var wanted: [PublicKey: [UInt8]] = [:]

  init(replicas: Int, administrators: Int) {
    self.administrators = administrators
    lists = [(0, 0, PriceList(replicas: replicas))]
  }

  var newest: PriceList { lists[lists.count - 1].list }
  var changes: Int { lists.count - 1 }

  /// By which the calls of a height pay.
  func list(at height: Height) -> PriceList {
    lists.last { $0.height < height }?.list ?? lists[0].list
  }

  /// By which storage is paid for a period that ends then.
  func list(endingAt time: Moment) -> PriceList {
    lists.last { $0.time < time }?.list ?? lists[0].list
  }

  mutating func follow(_ block: Block, _ receipts: [Receipt?]) {
    for (place, signed) in block.calls.enumerated() {
      guard let receipt = receipts[place], receipt.height == block.header.height else { continue }
      follow(signed, receipt)
    }
  }

  /// Takes in a call that was executed, for other prices or not.
  mutating func follow(_ signed: SignedCall, _ receipt: Receipt) {
    guard signed.call.method == .prices, receipt.status == .applied, receipt.replayOf == nil,
      let sender = signed.call.sender, let list = PriceList(body: signed.body)
    else { return }
    wanted[sender] = signed.body
    guard 2 * wanted.values.count(where: { $0 == signed.body }) > administrators else { return }
    lists.append((receipt.height, receipt.time, list))
    wanted = [:]
  }
}
