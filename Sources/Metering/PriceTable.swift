/// Metering: what work costs in cycles, what an account can still pay, and that none is lost.
///
/// - Safety: all arithmetic is exact, in 128 bits where 64 could overflow; a sum that no account
///   could hold becomes the largest number of cycles, which none can pay.
import Wire

/// The prices of a subnet: a named table in replicated state.
///
/// Prices are written for 13 replicas; what is charged is scaled by `replicas / 13` once, on the
/// whole sum, and rounded up.
package struct PriceTable: Hashable, Canonical {
  package let name: String
  package private(set) var version: UInt32
  /// `n`: how many replicas do the work.
  package let replicas: UInt16

  /// 1: each message, and each byte of it.
  package private(set) var ingressMessage: Cycles
  package private(set) var ingressByte: Cycles
  /// 2: each update that runs.
  package private(set) var updateBase: Cycles
  /// 3: each VDBE step.
  package private(set) var step: Cycles
  /// 4: each byte that a costly function reads over its allowance.
  package private(set) var functionByte: Cycles
  /// 5: each row written, and each byte of it.
  package private(set) var row: Cycles
  package private(set) var rowByte: Cycles
  /// 6: each index entry written.
  package private(set) var indexEntry: Cycles
  /// 7: each hash of the state root.
  package private(set) var hash: Cycles
  /// 8: each byte of a receipt.
  package private(set) var receiptByte: Cycles
  /// 9: each GiB of logical bytes, each second.
  package private(set) var storageGiBSecond: Cycles
  /// 10: the first deploy of a pipeline, and each upgrade.
  package private(set) var deploy: Cycles
  package private(set) var upgrade: Cycles
  /// 12: each top-up or transfer; not scaled.
  package private(set) var transfer: Cycles

  /// The first table, with the design's prices.
  package static func standard(replicas: Int) -> PriceTable {
    precondition(replicas > 0 && replicas <= Limits.membersMax, "\(replicas) replicas")
    return PriceTable(replicas: UInt16(replicas))
  }

  private init(replicas: UInt16) {
    self.replicas = replicas
    name = "standard"
    version = 1
    ingressMessage = 1_200_000
    ingressByte = 2_000
    updateBase = 5_000_000
    step = 100
    functionByte = 4
    row = 20_000
    rowByte = 20
    indexEntry = 5_000
    hash = 1_000
    receiptByte = 1_000
    storageGiBSecond = 127_000
    deploy = 500_000_000_000
    upgrade = 1_000_000_000
    transfer = 100_000_000
  }

  /// Every price, by the key that a change names it with, in the order of the encoding.
  private static var fields: [(key: String, price: WritableKeyPath<PriceTable, Cycles>)] {
    [
      ("ingress-message", \.ingressMessage), ("ingress-byte", \.ingressByte),
      ("update-base", \.updateBase), ("step", \.step), ("function-byte", \.functionByte),
      ("row", \.row), ("row-byte", \.rowByte), ("index-entry", \.indexEntry),
      ("hash", \.hash), ("receipt-byte", \.receiptByte), ("storage", \.storageGiBSecond),
      ("deploy", \.deploy), ("upgrade", \.upgrade), ("transfer", \.transfer),
    ]
  }

  package static var keys: [String] { fields.map(\.key) }

  /// The next version, with some prices changed.
  /// - Parameter changes: prices at 13 replicas by key.
  /// - Returns: nil where a key names no price.
  package func changed(_ changes: [String: Cycles]) -> PriceTable? {
    guard changes.keys.allSatisfy(Self.keys.contains) else { return nil }
    var next = self
    next.version &+= 1
    for (key, price) in Self.fields {
      if let changed = changes[key] { next[keyPath: price] = changed }
    }
    return next
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.integer(version)
    encoder.integer(replicas)
    for (_, price) in Self.fields { encoder.value(self[keyPath: price]) }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.text(limit: Limits.nameBytesMax)
    version = try decoder.integer()
    replicas = try decoder.integer()
    guard replicas > 0 else { throw decoder.fault("prices for no replicas") }
    ingressMessage = try decoder.value()
    ingressByte = try decoder.value()
    updateBase = try decoder.value()
    step = try decoder.value()
    functionByte = try decoder.value()
    row = try decoder.value()
    rowByte = try decoder.value()
    indexEntry = try decoder.value()
    hash = try decoder.value()
    receiptByte = try decoder.value()
    storageGiBSecond = try decoder.value()
    deploy = try decoder.value()
    upgrade = try decoder.value()
    transfer = try decoder.value()
  }
}

extension PriceTable {
  /// Item 1 alone: what a replay or a refusal costs.
  package func ingress(bytes: UInt64) -> Cycles { scaled(ingressSum(bytes)) }

  /// Items 1 to 8 of an update. Of the largest usage that a call may have, it is what to reserve.
  package func update(_ usage: Usage) -> Cycles {
    scaled(added(ingressSum(usage.ingressBytes), workSum(usage)))
  }

  /// Items 3 to 8 alone: what a part of an update or a deploy costs.
  package func work(_ usage: Usage) -> Cycles {
    Cycles(scaled(workSum(usage)).above(scaled(UInt128(updateBase.number))))
  }

  /// Item 10: the base, plus items 2 to 8.
  /// - Parameter first: whether the pipeline comes into being.
  package func deploy(_ usage: Usage, first: Bool) -> Cycles {
    scaled(added(UInt128((first ? deploy : upgrade).number), workSum(usage)))
  }

  /// Item 9 for logical bytes held over a time.
  package func storage(bytes: UInt64, seconds: UInt64) -> Cycles {
    let gibibyte: UInt128 = 1 << 30
    // 2⁶⁴ bytes over a million years at this price stay below 2¹²⁷.
    let (held, overflow) = UInt128(bytes).multipliedReportingOverflow(by: UInt128(seconds))
    let (sum, overflowToo) = held.multipliedReportingOverflow(
      by: UInt128(storageGiBSecond.number) * UInt128(replicas))
    guard !overflow, !overflowToo else { return Cycles(.max) }
    return clamped(roundedUp(sum, gibibyte * 13))
  }

  /// The most bytes of rows whose price alone is no more than so many cycles.
  package func rowBytes(within cycles: Cycles) -> UInt64 {
    let price = UInt128(rowByte.number) * UInt128(replicas)
    guard price > 0 else { return .max }
    return UInt64(clamping: UInt128(cycles.number) * 13 / price)
  }

  private func ingressSum(_ bytes: UInt64) -> UInt128 {
    UInt128(ingressMessage.number) + times(ingressByte, bytes)
  }

  /// Items 2 to 8: at most seven products of two 64-bit numbers.
  private func workSum(_ usage: Usage) -> UInt128 {
    let parts = [
      times(step, usage.steps), times(functionByte, usage.functionBytes),
      times(row, usage.rowsWritten), times(rowByte, usage.rowBytesWritten),
      times(indexEntry, usage.indexEntriesWritten), times(hash, usage.hashes),
      times(receiptByte, usage.receiptBytes),
    ]
    return parts.reduce(UInt128(updateBase.number), added)
  }

  private func times(_ price: Cycles, _ count: UInt64) -> UInt128 {
    UInt128(price.number) * UInt128(count)
  }

  private func added(_ a: UInt128, _ b: UInt128) -> UInt128 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
  }

  private func scaled(_ sum: UInt128) -> Cycles {
    let (product, overflow) = sum.multipliedReportingOverflow(by: UInt128(replicas))
    return overflow ? Cycles(.max) : clamped(roundedUp(product, 13))
  }

  private func roundedUp(_ value: UInt128, _ divisor: UInt128) -> UInt128 {
    value / divisor + (value % divisor == 0 ? 0 : 1)
  }

  private func clamped(_ value: UInt128) -> Cycles {
    Cycles(UInt64(exactly: value) ?? .max)
  }
}

extension PriceTable {
  /// One price as people read it.
  package struct Line {
    package let key: String
    package let item: String
    package let unit: String
    /// At 13 replicas, as a change gives it.
    package let base: Cycles
    /// At this subnet's size.
    package let price: Cycles
  }

  /// In the order of the design.
  package var lines: [Line] {
    let names: [String: (item: String, unit: String)] = [
      "ingress-message": ("ingress", "message"), "ingress-byte": ("ingress", "byte"),
      "update-base": ("update base", "each"), "step": ("VDBE steps", "step"),
      "function-byte": ("function bytes", "byte"), "row": ("row written", "row"),
      "row-byte": ("row written", "byte"), "index-entry": ("index entry written", "entry"),
      "hash": ("state-root hashes", "hash"), "receipt-byte": ("receipt", "byte"),
      "storage": ("storage", "GiB second"), "deploy": ("deploy", "once"),
      "upgrade": ("upgrade", "each"), "transfer": ("top-up, transfer", "each"),
    ]
    let rows = Self.fields.map { key, price in
      let (item, unit) = names[key] ?? (key, "each")
      let base = self[keyPath: price]
      return Line(
        key: key, item: item, unit: unit, base: base,
        price: key == "transfer" ? base : scaled(UInt128(base.number)))
    }
    return rows + [Line(key: "", item: "query, snapshot", unit: "each", base: 0, price: 0)]
  }
}
