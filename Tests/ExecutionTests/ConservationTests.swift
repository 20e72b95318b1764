import Foundation
import Metering
import Pipelines
import Signing
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"
private let day: UInt64 = 86_400_000
private let callerDaily: Cycles = 500_000_000
private let publicDaily: Cycles = 150_000_000

/// A pipeline that owner, a role, the public and nobody call, with a budget for each.
private let package: Package = {
  let feed: [Grant] = [.role("feed")]
  let totals = Model(
    name: "totals", layer: .silver, kind: .incremental, primaryKey: ["customer"],
    columns: [
      ModelColumn(name: "customer", type: .text),
      ModelColumn(name: "total", type: .decimal(precision: 18, scale: 2)),
    ], refresh: Refresh(by: ["customer"]),
    sql: sql("select customer, sum(amount) as total from {{ source('orders') }} group by customer"))
  let add = Procedure(
    name: "add",
    args: [
      .init(name: "id", type: .text),
      .init(name: "amount", type: .decimal(precision: 18, scale: 2)),
    ], allow: [.anyone], emit: "orders",
    sql: sql("select :id as id, 'public' as customer, :amount as amount"))
  return .shop(
    sources: [
      .orders(
        expectations: [
          Expectation(name: "small", check: sql("amount < 100000"), onViolation: .fail)
        ], allow: feed)
    ], models: [totals], procedures: [add],
    budget: .daily(caller: callerDaily, everybody: publicDaily))
}()

/// Random calls on two executors, one of which is closed again and again and has little memory.
private final class Economy {
  let subnet: Subnet
  private let folder: String
  private(set) var other: Executor
  private var blocks: [(block: Block, digest: Digest)] = []
  private var dice = Dice(20_261)
  private var sent: [(body: String, key: String)] = []
  private(set) var codes: [String: Int] = [:]
  /// What callers burned, by day; nil for the public.
  private(set) var burned: [String: UInt64] = [:]

  init() throws {
    subnet = try Subnet()
    folder =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("economy-\(UUID().uuidString)").path
    other = try Executor(directory: folder, vfs: nil, genesis: subnet.genesis)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// Executes a block on both and holds them to the same outcome and to conserved cycles.
  func step(_ calls: [SignedCall], after milliseconds: UInt64) throws {
    let (block, digest) = subnet.block(calls, after: milliseconds)
    blocks.append((block, digest))
    let one = try subnet.executor.execute(block, digest: digest)
    let two = try other.execute(block, digest: digest)
    try #require(one == two, "height \(one.height)")
    try #require(subnet.executor.totals.isConserved, "\(subnet.executor.totals)")
    try #require(subnet.executor.totals == other.totals)
    for call in calls {
      guard let receipt = try subnet.executor.receipt(of: call.call.digest)?.receipt else {
        codes["SKIPPED", default: 0] += 1
        continue
      }
      try #require(receipt == (try other.receipt(of: call.call.digest)?.receipt))
      count(call.call, receipt, at: block.header.time)
    }
  }

  private func count(_ call: Call, _ receipt: Receipt, at time: Moment) {
    let outcome = receipt.replayOf == nil ? "APPLIED" : "REPLAYED"
    codes[receipt.refusalCode ?? outcome, default: 0] += 1
    switch call.method {
    case .ingest, .procedure:
      guard call.sender != Subnet.owner.publicKey else { return }
      let isPublic = call.method == .procedure("add")
      let who = isPublic ? "public" : call.sender?.hex ?? ""
      burned["\(time.number / day) \(who)", default: 0] += receipt.charged.number
    default: return
    }
  }

  /// Closes one of the two and opens it with another cache. Empty blocks leave nothing behind, so
  /// it executes those at the end again, as a replica does from its journal.
  func reopen() throws {
    other = try Executor(directory: folder, vfs: nil, genesis: subnet.genesis)
    try other.pipelines["shop"]?.engine.connection.pragma("cache_size", "-16")
    for (block, digest) in blocks where block.header.height > other.height {
      _ = try other.execute(block, digest: digest)
    }
  }

  func call() -> SignedCall {
    switch dice.roll(100) {
    case 0..<45: ingest(by: dice.chance(50) ? Subnet.owner : Subnet.stranger)
    case 45..<60:
      subnet.call(
        "shop", .procedure("add"),
        body: Array("{\"id\":\"p\(dice.roll(4_000))\",\"amount\":\"1.00\"}".utf8),
        by: dice.chance(50) ? nil : Subnet.stranger, steps: 5_000)
    case 60..<68: replay()
    case 68..<72: ingest(by: nil)
    case 72..<82: transfer()
    case 82..<92: topUp()
    case 92..<96:
      subnet.call(
        "shop", .grant(role: dice.chance(80) ? "feed" : "fed", to: Subnet.stranger.publicKey))
    case 96..<97:
      subnet.call("shop", .revoke(role: "feed", from: Subnet.stranger.publicKey))
    default:
      subnet.call("shop", .deploy, body: dice.chance(50) ? [1, 2, 3] : package.canonicalBytes)
    }
  }

  private func ingest(by person: KeyPair?) -> SignedCall {
    let count = dice.pick([1, 1, 3, 10, 60])
    var body = header
    for _ in 0..<count {
      let amount = dice.chance(1) ? "5000.00" : "\(dice.roll(900)).50"
      body += "o\(dice.roll(100_000)),c\(dice.roll(20)),\(amount),\n"
    }
    if dice.chance(3) { body += "\"broken" }
    let key = "key-\(sent.count)"
    if person != nil { sent.append((body, key)) }
    return subnet.ingest(
      "orders", body, key: key, by: person, steps: dice.pick([50, 20_000, 20_000, 400_000]))
  }

  private func replay() -> SignedCall {
    guard !sent.isEmpty else { return ingest(by: Subnet.owner) }
    let earlier = dice.pick(sent)
    return subnet.ingest(
      "orders", dice.chance(80) ? earlier.body : header, key: earlier.key,
      by: dice.chance(50) ? Subnet.owner : Subnet.stranger)
  }

  private func transfer() -> SignedCall {
    let amount = Cycles(UInt64(dice.roll(2_000)) * 1_000_000_000)
    return dice.chance(50)
      ? subnet.call("", .transfer(to: Subnet.stranger.publicKey, amount))
      : subnet.call("", .transfer(to: Subnet.owner.publicKey, amount), by: Subnet.stranger)
  }

  private func topUp() -> SignedCall {
    let amount = Cycles(UInt64(dice.roll(20)) * 1_000_000)
    return subnet.call(
      dice.chance(95) ? "shop" : "nowhere/../shop", .topUp(amount),
      by: dice.chance(60) ? Subnet.owner : Subnet.stranger)
  }

  /// Whether the pipeline takes no update of usual size now.
  var isFrozen: Bool {
    guard let file = subnet.executor.pipelines["shop"] else { return false }
    var usual = Usage()
    usual.steps = 20_000
    let cost = file.prices.update(usual)
    return file.account.refusal(pipeline: "shop", cost: cost, file.freezing, at: subnet.time) != nil
  }

  func chance(_ percent: Int) -> Bool { dice.chance(percent) }
}

@Suite struct `All cycles` {
  @Test func `are conserved and equal on two executors over 10,000 random calls`() throws {
    let economy = try Economy()
    let subnet = economy.subnet
    try economy.step([subnet.deploy(package)], after: 1_000)
    try economy.step([subnet.call("shop", .topUp(2_000_000_000))], after: 1_000)
    let grant = Wire.Method.grant(role: "feed", to: Subnet.stranger.publicKey)
    try economy.step([subnet.call("shop", grant)], after: 1_000)
    var (freezes, thaws, wasFrozen) = (0, 0, false)
    for round in 0..<400 {
      try economy.step((0..<25).map { _ in economy.call() }, after: 5_000)
      if economy.chance(5) { try economy.step([], after: day / 2) }
      if round % 20 == 19 { try economy.reopen() }
      let isFrozen = economy.isFrozen
      if isFrozen, !wasFrozen { freezes += 1 }
      if !isFrozen, wasFrozen { thaws += 1 }
      wasFrozen = isFrozen
      // A pipeline that stays frozen tests nothing more.
      if isFrozen, economy.chance(20) {
        try economy.step([subnet.call("shop", .topUp(1_500_000_000))], after: 1_000)
      }
    }
    for (who, cycles) in economy.burned.sorted(by: { $0.key < $1.key }) {
      let budget = who.hasSuffix("public") ? publicDaily : callerDaily
      #expect(cycles <= budget.number, "\(who)")
    }
    for code in [
      "APPLIED", "REPLAYED", "FROZEN", "OVER_BUDGET", "NOT_ALLOWED", "STEP_LIMIT",
      "INSUFFICIENT_CYCLES", "IDEMPOTENCY_CONFLICT", "UNKNOWN_ROLE", "UNKNOWN_PIPELINE",
      "NOT_GRANTED", "EXPECTATION_FAILED",
    ] { #expect(economy.codes[code, default: 0] > 0, "\(code)") }
    #expect(freezes > 0 && thaws > 0)
    print(
      "conserved:", economy.subnet.executor.totals, "frozen \(freezes)×, thawed \(thaws)×,",
      economy.codes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        .joined(separator: ", "))
  }
}
