import Certification
import Metering
import Pipelines
import Signing
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

@Suite struct `An executor` {
  @Test func `begins at the root that genesis says`() throws {
    let subnet = try Subnet()
    #expect(subnet.executor.height == 0)
    #expect(
      try subnet.executor.outcome(at: 0)?.stateRoot == Executor.genesisRoot(of: subnet.genesis))
  }

  @Test func `refuses the files of another subnet`() throws {
    let subnet = try Subnet()
    let other = Genesis(
      name: "other", protocolVersion: 1, time: 0, members: subnet.genesis.members,
      administrators: [], accounts: [])
    #expect(throws: ExecutionFault.self) {
      try Executor(directory: subnet.path, vfs: nil, genesis: other)
    }
  }

  @Test func `writes nothing for an empty block and carries the root on`() throws {
    let subnet = try Subnet()
    let outcome = try subnet.execute([])
    #expect(outcome.height == 1)
    #expect(outcome.stateRoot == Executor.genesisRoot(of: subnet.genesis))
    #expect(subnet.executor.system.height == 0)
  }

  @Test func `moves cycles between people and takes the fee`() throws {
    let subnet = try Subnet()
    let before = try subnet.executor.system.balance(of: Subnet.stranger.publicKey)
    let receipt = try subnet.run(
      subnet.call("", .transfer(to: Subnet.stranger.publicKey, 5_000)))
    #expect(receipt.status == .applied)
    #expect(receipt.charged == 100_000_000)
    #expect(try subnet.executor.system.balance(of: Subnet.stranger.publicKey) == before + 5_000)
    #expect(subnet.executor.totals.isConserved)
    #expect(subnet.executor.totals.burned == 100_000_000)
  }

  @Test func `refuses to move more than there is`() throws {
    let subnet = try Subnet()
    let receipt = try subnet.run(
      subnet.call(
        "", .transfer(to: Subnet.owner.publicKey, 2_000_000_000_000), by: Subnet.stranger))
    guard case .refused(let refusal) = receipt.status else {
      Issue.record("applied")
      return
    }
    #expect(refusal.code == "INSUFFICIENT_CYCLES")
    #expect(receipt.charged == PriceTable.standard(replicas: 4).ingress(bytes: 0))
  }

  @Test func `deploys a package, and takes a batch into it`() throws {
    let subnet = try Subnet()
    let deployed = try subnet.run(subnet.deploy(.shop()))
    #expect(deployed.status == .applied)
    #expect(deployed.charged.number >= 500_000_000_000 * 4 / 13)
    try subnet.fund()
    let receipt = try subnet.run(
      subnet.ingest("orders", header + "a,anna,1.50,2026-01-01\nb,ben,2.00,\n"))
    #expect(receipt.status == .applied)
    #expect(receipt.tally.accepted == 2)
    #expect(receipt.usage.rowsWritten == 2)
    #expect(
      try subnet.rows("bronze_orders", columns: "id, customer, amount, day") == [
        "a|anna|150|20454", "b|ben|200|",
      ])
    #expect(subnet.executor.totals.isConserved)
  }

  @Test func `proves a receipt to the receipts root of its height`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let calls = (0..<5).map { subnet.ingest("orders", header + "x\($0),anna,1.00,\n") }
    let outcome = try subnet.execute(calls)
    for call in calls {
      let proof = try #require(try subnet.executor.receipt(of: call.call.digest))
      #expect(proof.root == outcome.receiptsRoot)
    }
    let receipt = try #require(try subnet.executor.receipt(of: calls[0].call.digest))
    #expect(receipt.count == 5)
  }

  @Test func `runs a call once, whatever blocks say`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let call = subnet.ingest("orders", header + "a,anna,1.00,\n")
    let first = try subnet.run(call)
    let root = try subnet.execute([]).stateRoot
    let again = try subnet.execute([call])
    #expect(again.stateRoot == root)
    #expect(try subnet.executor.receipt(of: call.call.digest)?.receipt == first)
  }

  @Test func `skips calls that are expired, or not alive yet`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let root = subnet.root()
    let expired = subnet.ingest("orders", header + "a,anna,1.00,\n")
    try subnet.execute([expired], after: 120_000)
    #expect(try subnet.executor.receipt(of: expired.call.digest) == nil)
    let future = subnet.call(
      "shop", .ingest(source: "orders", format: .csv), body: Array((header + "a,b,1,\n").utf8),
      lives: 3_600_000)
    try subnet.execute([future])
    #expect(try subnet.executor.receipt(of: future.call.digest) == nil)
    #expect(subnet.root() == root)
  }
}

@Suite struct `An idempotency key` {
  private func prepared() throws -> Subnet {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    return subnet
  }

  @Test func `replays the original receipt, and changes no row`() throws {
    let subnet = try prepared()
    let body = header + "a,anna,1.00,\nb,ben,2.00,\n"
    let first = try subnet.run(subnet.ingest("orders", body, key: "batch"))
    let root = subnet.root()
    let again = try subnet.run(subnet.ingest("orders", body, key: "batch"))
    #expect(again.replayOf == Receipt.Replay(call: first.call, height: first.height))
    #expect(again.tally == first.tally)
    #expect(again.status == .applied)
    #expect(again.charged < first.charged)
    #expect(subnet.root() == root)
  }

  @Test func `refuses another payload under the same key`() throws {
    let subnet = try prepared()
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n", key: "batch"))
    let root = subnet.root()
    let receipt = try subnet.run(subnet.ingest("orders", header + "b,ben,1.00,\n", key: "batch"))
    #expect(receipt.refusalCode == "IDEMPOTENCY_CONFLICT")
    #expect(subnet.root() == root)
  }

  @Test func `is missed where there is none`() throws {
    let subnet = try prepared()
    let receipt = try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n", key: ""))
    #expect(receipt.refusalCode == "IDEMPOTENCY_KEY_MISSING")
    #expect(receipt.charged == 0)
  }

  @Test func `lets a refused call be tried again`() throws {
    let subnet = try prepared()
    let bad = try subnet.run(subnet.ingest("orders", header + "\"a,anna,1.00,\n", key: "batch"))
    #expect(bad.refusalCode != nil)
    let good = try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n", key: "batch"))
    #expect(good.status == .applied)
    #expect(good.replayOf == nil)
  }
}

@Suite struct `One key of two deploys in a block` {
  private let steps: UInt64 = 50_000_000

  /// A block of deploys under one key, in its order.
  private func deploy(
    _ bodies: [[UInt8]], on subnet: Subnet
  ) throws -> [(body: [UInt8], receipt: Receipt)] {
    let calls = bodies.map { subnet.call("shop", .deploy, body: $0, key: "once", steps: steps) }
    try subnet.execute(calls)
    let sorted = calls.sorted { $0.call.digest < $1.call.digest }
    return try sorted.map { call in
      (call.body, try #require(try subnet.executor.receipt(of: call.call.digest)).receipt)
    }
  }

  @Test func `runs one, and replays it, though nobody could pay for two`() throws {
    let body = Package.shop().canonicalBytes
    let prices = PriceTable.standard(replicas: 4)
    let funds = DeployPrice.most(bytes: body.count, steps: steps, prices, isNew: true)
    let subnet = try Subnet(funds: funds)
    let done = try deploy([body, body, body], on: subnet).map(\.receipt)
    #expect(done.allSatisfy { $0.status == .applied })
    #expect(done[0].replayOf == nil)
    for again in done.dropFirst() {
      #expect(again.replayOf == Receipt.Replay(call: done[0].call, height: done[0].height))
      #expect(again.charged == prices.ingress(bytes: UInt64(body.count)))
    }
    let left = try subnet.executor.system.balance(of: Subnet.owner.publicKey)
    #expect(left == funds.number - done.reduce(0) { $0 + $1.charged.number })
    #expect(subnet.executor.totals.isConserved)
  }

  @Test func `runs the first of two bodies, and refuses the other`() throws {
    let subnet = try Subnet()
    let bodies = ["1", "2"].map { Package.shop(version: $0).canonicalBytes }
    let done = try deploy(bodies, on: subnet)
    #expect(done[0].receipt.status == .applied)
    #expect(done[1].receipt.refusalCode == "IDEMPOTENCY_CONFLICT")
    #expect(subnet.executor.pipelines["shop"]?.deployed?.digest == sha256(done[0].body))
    #expect(subnet.executor.totals.isConserved)
  }

  @Test func `answers both with one refusal, and is free again in the next block`() throws {
    let subnet = try Subnet()
    let done = try deploy([[1, 2, 3], [1, 2, 3]], on: subnet).map(\.receipt)
    #expect(done.map(\.refusalCode) == ["PACKAGE_MALFORMED", "PACKAGE_MALFORMED"])
    #expect(done[1].replayOf?.call == done[0].call)
    #expect(done[1].charged < done[0].charged)
    let next = try deploy([Package.shop().canonicalBytes], on: subnet)[0].receipt
    #expect(next.status == .applied)
    #expect(next.replayOf == nil)
  }
}

@Suite struct `A call without effect that no pipeline pays` {
  private static let prices = PriceTable.standard(replicas: 4)
  private let body = [UInt8](repeating: 0x20, count: 100_000)

  /// Runs a call, which must cost its sender so much.
  private func run(
    _ call: SignedCall, on subnet: Subnet, costs: Cycles, _ comment: Comment
  ) throws -> Receipt {
    let sender = call.call.sender ?? Subnet.stranger.publicKey
    let (before, burned) = (
      try subnet.executor.system.balance(of: sender), subnet.executor.totals.burned
    )
    let receipt = try subnet.run(call)
    #expect(receipt.charged == costs, comment)
    #expect(try subnet.executor.system.balance(of: sender) == before - costs.number, comment)
    #expect(subnet.executor.totals.burned == burned + UInt128(costs.number), comment)
    #expect(subnet.executor.totals.isConserved, comment)
    return receipt
  }

  @Test func `costs its bytes when it is refused, if it is signed`() throws {
    let subnet = try Subnet()
    let owner = Subnet.owner.publicKey
    let calls: [(code: String, call: SignedCall)] = [
      ("INSUFFICIENT_CYCLES", subnet.call("", .transfer(to: owner, Cycles(.max)), body: body)),
      ("UNKNOWN_PIPELINE", subnet.call("nowhere", .topUp(1), body: body)),
      ("IDEMPOTENCY_KEY_MISSING", subnet.call("", .transfer(to: owner, 1), body: body, key: "")),
      ("PIPELINE_NAME", subnet.call("No Name", .deploy, body: body)),
      ("IDEMPOTENCY_KEY_MISSING", subnet.call("shop", .deploy, body: body, key: "")),
      ("PRICES_MALFORMED", subnet.call("", .prices, body: body)),
      ("NOT_ADMINISTRATOR", subnet.call("", .engines, body: body, by: Subnet.stranger)),
    ]
    let ingress = Self.prices.ingress(bytes: 100_000)
    for (code, call) in calls {
      let receipt = try run(call, on: subnet, costs: ingress, "\(code)")
      #expect(receipt.refusalCode == code)
      #expect(receipt.usage.ingressBytes == 100_000)
    }
    let unsigned = subnet.call("shop", .deploy, body: body, by: nil)
    #expect(try run(unsigned, on: subnet, costs: 0, "unsigned").refusalCode == "UNSIGNED")
  }

  @Test func `costs its bytes when its key answers it, or named another payload`() throws {
    let subnet = try Subnet()
    let package = Package.shop().canonicalBytes
    let other = Package.shop(version: "2").canonicalBytes
    func deploy(_ body: [UInt8]) -> SignedCall {
      subnet.call("shop", .deploy, body: body, key: "once", steps: 50_000_000)
    }
    func transfer(_ body: [UInt8]) -> SignedCall {
      subnet.call("", .transfer(to: Subnet.stranger.publicKey, 5), body: body, key: "once")
    }
    let first = [try subnet.run(deploy(package)), try subnet.run(transfer([]))]
    #expect(first.allSatisfy { $0.status == .applied })
    for (call, original) in [(deploy(package), first[0]), (transfer([]), first[1])] {
      let costs = Self.prices.ingress(bytes: UInt64(call.body.count))
      #expect(try subnet.admission(call) == nil)
      let receipt = try run(call, on: subnet, costs: costs, "replay")
      #expect(receipt.replayOf?.call == original.call)
      #expect(receipt.status == .applied)
    }
    for call in [deploy(other), transfer([1])] {
      let costs = Self.prices.ingress(bytes: UInt64(call.body.count))
      let receipt = try run(call, on: subnet, costs: costs, "conflict")
      #expect(receipt.refusalCode == "IDEMPOTENCY_CONFLICT")
    }
  }

  /// A call whose bytes an account cannot pay is not ordered, and takes what there is where it was.
  @Test func `takes no more than there is, and makes no account`() throws {
    let subnet = try Subnet()
    let fee = Self.prices.transfer.number
    let all = try subnet.executor.system.balance(of: Subnet.stranger.publicKey)
    func empty() -> SignedCall {
      let amount = Cycles(all - fee - 1_000)
      return subnet.call(
        "", .transfer(to: Subnet.owner.publicKey, amount), key: "all", by: Subnet.stranger)
    }
    #expect(try subnet.run(empty()).status == .applied)
    let again = empty()
    let refusal = try #require(try subnet.admission(again))
    #expect(refusal.code == "INSUFFICIENT_CYCLES")
    #expect(refusal.message.contains("for its bytes"))
    #expect(try run(again, on: subnet, costs: 1_000, "the rest").replayOf != nil)
    #expect(try run(empty(), on: subnet, costs: 0, "nothing").replayOf != nil)
    let nobody = Subnet.pair(9)
    let accounts = try subnet.executor.system.ledger.count(.account)
    let poor = subnet.call("", .transfer(to: nobody.publicKey, 1), by: nobody)
    #expect(try run(poor, on: subnet, costs: 0, "none").refusalCode == "INSUFFICIENT_CYCLES")
    #expect(try subnet.executor.system.ledger.count(.account) == accounts)
  }
}

@Suite struct `A ledger` {
  @Test func `forgets what is overdue, however full blocks are`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let file = try #require(subnet.executor.pipelines["shop"])
    let ledgers = [subnet.executor.system.ledger, file.ledger]
    for round in 0..<3 {
      try subnet.execute([], after: 91 * 86_400_000)
      let calls = (0..<150).flatMap { number in
        [
          subnet.ingest("orders", header + "r\(round)n\(number),anna,1.00,\n"),
          subnet.call("", .transfer(to: Subnet.stranger.publicKey, 1)),
        ]
      }
      try subnet.execute(calls)
      // A receipt and a key of each call of this block; those of the blocks before are gone.
      for ledger in ledgers {
        #expect(
          try ledger.connection.integer("SELECT count(*) FROM ledger_forget") == 300,
          "round \(round)")
        #expect(try ledger.count(.receipt) == 150)
        #expect(try ledger.count(.idempotency) == 150)
      }
    }
    #expect(subnet.executor.totals.isConserved)
  }
}

@Suite struct `A pipeline's account` {
  @Test func `is never burned below what its storage needs`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    let file = try #require(subnet.executor.pipelines["shop"])
    func reserve() -> Cycles { file.freezing.threshold(logicalBytes: file.account.storedBytes) }
    try subnet.fund("shop", Cycles(reserve().number + 60_000_000))
    let rows = (0..<5_000).map { "o\($0),anna,1.00,\n" }.joined()
    let receipt = try subnet.run(
      subnet.ingest("orders", "id,customer,amount,day\n" + rows, steps: 1_000))
    #expect(receipt.refusalCode == "OUT_OF_CYCLES")
    #expect(receipt.charged > 0)
    #expect(file.account.cycles.balance >= reserve())
  }

  @Test func `freezes below its threshold and takes updates again when topped up`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    let body = header + "a,anna,1.00,\n"
    let frozen = try subnet.run(subnet.ingest("orders", body, key: "one"))
    #expect(frozen.refusalCode == "FROZEN")
    #expect(frozen.charged == 0)
    try subnet.fund()
    let receipt = try subnet.run(subnet.ingest("orders", body, key: "one"))
    #expect(receipt.status == .applied)
    #expect(subnet.executor.totals.isConserved)
  }

  @Test func `has room for all cycles that were ever minted`() throws {
    let subnet = try Subnet(funds: Cycles(.max))
    #expect(subnet.executor.totals.minted == UInt128(UInt64.max))
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund("shop", 1_000_000)
    let owner = Subnet.owner.publicKey
    let fee = PriceTable.standard(replicas: 4).transfer.number
    let rest = Cycles(try subnet.executor.system.balance(of: owner) - fee)
    #expect(try subnet.run(subnet.call("shop", .topUp(rest))).status == .applied)
    #expect(try subnet.executor.system.balance(of: owner) == 0)
    let file = try #require(subnet.executor.pipelines["shop"])
    #expect(file.account.cycles.balance.number == rest.number + 1_000_000)
    #expect(try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n")).status == .applied)
    #expect(subnet.executor.totals.isConserved)
  }

  @Test func `is spared by strangers`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let before = subnet.executor.pipelines["shop"]?.account.cycles.balance
    let receipt = try subnet.run(
      subnet.ingest("orders", header + "a,anna,1.00,\n", by: Subnet.stranger))
    #expect(receipt.refusalCode == "NOT_ALLOWED")
    #expect(subnet.executor.pipelines["shop"]?.account.cycles.balance == before)
  }

  @Test func `lets in who was granted the role, until it is revoked`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(sources: [.orders(allow: [.role("feed")])])))
    try subnet.fund()
    let stranger = Subnet.stranger.publicKey
    #expect(
      try subnet.run(subnet.call("shop", .grant(role: "feed", to: stranger), by: Subnet.stranger))
        .refusalCode == "NOT_OWNER")
    try subnet.run(subnet.call("shop", .grant(role: "feed", to: stranger)))
    let taken = try subnet.run(
      subnet.ingest("orders", header + "a,anna,1.00,\n", by: Subnet.stranger))
    #expect(taken.status == .applied)
    try subnet.run(subnet.call("shop", .revoke(role: "feed", from: stranger)))
    let refused = try subnet.run(
      subnet.ingest("orders", header + "b,anna,1.00,\n", by: Subnet.stranger))
    #expect(refused.refusalCode == "NOT_ALLOWED")
  }
}

extension Receipt {
  var refusalCode: String? {
    if case .refused(let refusal) = status { refusal.code } else { nil }
  }
}
