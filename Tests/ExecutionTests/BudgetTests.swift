import Metering
import Pipelines
import Signing
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"
private let day: UInt64 = 86_400_000

/// Rows that no other batch has.
private func rows(_ prefix: String, _ count: Int = 1) -> String {
  header + (0..<count).map { "\(prefix)-\($0),anna,1.00,\n" }.joined()
}

private func prepared(_ budget: Budget, allow: [Grant]) throws -> Subnet {
  let subnet = try Subnet()
  try subnet.run(subnet.deploy(.shop(sources: [.orders(allow: allow)], budget: budget)))
  try subnet.fund()
  return subnet
}

extension Subnet {
  fileprivate var balance: UInt64 {
    executor.pipelines["shop"]?.account.cycles.balance.number ?? 0
  }
}

@Suite struct `A caller's budget` {
  private static let feed: [Grant] = [.key(Subnet.stranger.publicKey)]

  @Test func `is all that one caller burns in a day, whatever its batches hold`() throws {
    let subnet = try prepared(.daily(caller: 40_000_000), allow: Self.feed)
    let before = subnet.balance
    var codes: [String?] = []
    for number in 0..<40 {
      let batch = rows("a\(number)", number % 4 == 0 ? 400 : 1)
      let receipt = try subnet.run(
        subnet.ingest("orders", batch, by: Subnet.stranger, steps: 20_000))
      codes.append(receipt.refusalCode)
      #expect(before - subnet.balance <= 40_000_000)
    }
    #expect(codes.first == .some(nil))
    #expect(codes.last == "OVER_BUDGET")
    #expect(before - subnet.balance > 30_000_000)
  }

  @Test func `stops an update that costs more than is left, at what is left`() throws {
    let batch = rows("a", 2_000)
    var least = Usage()
    least.ingressBytes = UInt64(batch.utf8.count)
    least.steps = 20_000
    let budget = PriceTable.standard(replicas: 4).update(least).advanced(by: 1_000_000)
    let subnet = try prepared(.daily(caller: budget), allow: Self.feed)
    let before = subnet.balance
    let receipt = try subnet.run(
      subnet.ingest("orders", batch, by: Subnet.stranger, steps: 20_000))
    #expect(receipt.refusalCode == "OVER_BUDGET")
    #expect(receipt.charged > 20_000_000)
    #expect(receipt.charged <= budget)
    #expect(before - subnet.balance == receipt.charged.number)
    #expect(try subnet.rows("bronze_orders").isEmpty)
  }

  @Test func `is refused before ordering when it cannot pass, and costs nothing after`() throws {
    let subnet = try prepared(.daily(caller: 3_000_000), allow: Self.feed)
    let call = subnet.ingest("orders", rows("a"), by: Subnet.stranger)
    let refusal = try #require(try subnet.admission(call))
    #expect(refusal.code == "OVER_BUDGET")
    #expect(refusal.message.contains("raise caller_budget in pipeline.yaml"))
    let before = subnet.balance
    let receipt = try subnet.run(call)
    #expect(receipt.refusalCode == "OVER_BUDGET")
    #expect(receipt.charged == 0)
    #expect(subnet.balance == before)
  }

  @Test func `lets a retry through to its first receipt when little is left`() throws {
    let subnet = try prepared(.daily(caller: 40_000_000), allow: Self.feed)
    func sent(_ key: String, _ text: String) -> SignedCall {
      subnet.ingest("orders", text, key: key, by: Subnet.stranger, steps: 20_000)
    }
    let first = try subnet.run(sent("first", rows("a")))
    #expect(first.status == .applied)
    var number = 0
    var refused: Refusal?
    while refused == nil {
      try subnet.run(sent("n\(number)", rows("n\(number)")))
      number += 1
      refused = try subnet.admission(sent("n\(number)", rows("n\(number)")))
    }
    #expect(refused?.code == "OVER_BUDGET")
    #expect(try subnet.admission(sent("first", rows("b")))?.code == "IDEMPOTENCY_CONFLICT")
    let again = sent("first", rows("a"))
    #expect(try subnet.admission(again) == nil)
    let receipt = try subnet.run(again)
    #expect(receipt.status == .applied)
    #expect(receipt.replayOf == Receipt.Replay(call: first.call, height: first.height))
  }

  @Test func `or a balance lets a retry of a transfer through`() throws {
    let subnet = try Subnet()
    let rest: Cycles = 999_800_000_000
    func sent() -> SignedCall {
      subnet.call(
        "", .transfer(to: Subnet.owner.publicKey, rest), key: "once", by: Subnet.stranger)
    }
    let first = try subnet.run(sent())
    #expect(first.status == .applied)
    let again = sent()
    #expect(try subnet.admission(again) == nil)
    let receipt = try subnet.run(again)
    #expect(receipt.replayOf == Receipt.Replay(call: first.call, height: first.height))
  }

  @Test func `begins anew with the day of block time`() throws {
    let subnet = try prepared(.daily(caller: 6_000_000), allow: Self.feed)
    func send(_ name: String) throws -> Receipt {
      try subnet.run(subnet.ingest("orders", rows(name), by: Subnet.stranger, steps: 1_000))
    }
    var sent = 0
    while try send("a\(sent)").status == .applied { sent += 1 }
    #expect(sent > 0)
    try subnet.execute([], after: day)
    #expect(try send("later").status == .applied)
    // Of the day that is over nothing is kept.
    try subnet.execute([], after: day)
    try subnet.run(subnet.ingest("orders", rows("last"), steps: 1_000))
    #expect(try subnet.executor.pipelines["shop"]?.ledger.count(.spending) == 0)
  }

  @Test func `does not bind the owner, whose cycles they are`() throws {
    let subnet = try prepared(.daily(caller: 1), allow: Self.feed)
    #expect(try subnet.run(subnet.ingest("orders", rows("a"))).status == .applied)
  }

  @Test func `counts replays and refused batches too`() throws {
    let subnet = try prepared(.daily(caller: 1_000_000_000), allow: Self.feed)
    let before = subnet.balance
    for text in [rows("a"), rows("a"), header + "\"broken"] {
      try subnet.run(subnet.ingest("orders", text, key: "k", by: Subnet.stranger))
    }
    try subnet.certify()
    let report = try subnet.executor.reader.report(of: "shop")
    #expect(
      report.spending == [
        CallerSpending(
          caller: Subnet.stranger.publicKey, cycles: Cycles(before - subnet.balance))
      ])
  }
}

@Suite struct `The public's budget` {
  @Test func `is one for all, whatever keys they make`() throws {
    let subnet = try prepared(.daily(everybody: 20_000_000), allow: [.anyone])
    let before = subnet.balance
    var codes: [String?] = []
    for number in 0..<30 {
      let key = KeyPair(seed: Array(repeating: UInt8(100 + number), count: 32))
      let receipt = try subnet.run(
        subnet.ingest(
          "orders", rows("p\(number)"), by: number % 2 == 0 ? nil : key, steps: 1_000))
      codes.append(receipt.refusalCode)
    }
    #expect(codes.last == "OVER_BUDGET")
    #expect(before - subnet.balance <= 20_000_000)
    try subnet.certify()
    #expect(try subnet.executor.reader.report(of: "shop").spending.map(\.caller) == [nil])
  }

  @Test func `must be said where anybody may burn cycles`() throws {
    let subnet = try Subnet()
    let receipt = try subnet.run(
      subnet.deploy(
        .shop(sources: [.orders(allow: [.anyone])], budget: .daily(everybody: 0))))
    #expect(receipt.refusalText?.contains("public_budget") == true)
  }
}
