import Certification
import Metering
import Pipelines
import Signing
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"
private let day: UInt64 = 86_400_000
private let prices = PriceTable.standard(replicas: 4)
private let schedule = PriceSchedule(replicas: 4)
private let freezing = Freezing(prices: prices)

/// An account that stores so much and holds so many cycles.
private func account(gibibytes: Int64, _ balance: Cycles) -> PipelineAccount {
  var account = PipelineAccount()
  account.advance(to: 1, schedule)
  account.grow(gibibytes << 30)
  _ = account.deposit(balance, freezing)
  return account
}

@Suite struct `Storage over time` {
  @Test(arguments: [1_000_000_000_000, 900_000_000] as [Cycles])
  func `charged late comes to the same as charged at once`(balance: Cycles) {
    var often = account(gibibytes: 10, balance)
    var seldom = often
    for step in 1...2_000 { often.advance(to: Moment(UInt64(step) * 300_000), schedule) }
    seldom.advance(to: 600_000_000, schedule)
    #expect(often.cycles == seldom.cycles)
    #expect(often.burns == seldom.burns)
    #expect(often.isBalanced && seldom.isBalanced)
    #expect((often.unpaidSince == nil) == (seldom.unpaidSince == nil))
  }

  @Test func `costs what the price table says, for whole periods of block time`() {
    var account = account(gibibytes: 10, 1_000_000_000_000)
    account.advance(to: 599_999, schedule)
    #expect(account.cycles.burned == 0)
    account.advance(to: 6_000_000, schedule)
    let price = prices.storage(bytes: 10 << 30, seconds: 600)
    #expect(account.cycles.burned == Cycles(10 * price.number))
    #expect(account.burns == [BurnLine(kind: .storage, name: "", cycles: account.cycles.burned)])
  }

  @Test func `is archived after as long unpaid as the reserve is, until it is paid`() {
    var account = account(gibibytes: 10, 1_000_000)
    account.advance(to: Moment(day), schedule)
    #expect(account.cycles.balance == 0)
    #expect(account.condition(freezing, at: Moment(day)) == .frozen)
    let later = Moment(32 * day)
    account.advance(to: later, schedule)
    #expect(account.condition(freezing, at: later) == .archived)
    #expect(
      account.refusal(pipeline: "shop", cost: 0, freezing, at: later)?.code == "ARCHIVED")
    _ = account.deposit(10_000_000_000_000, freezing)
    #expect(account.condition(freezing, at: later) == .running)
  }

  @Test func `tells the burn of the day before from today's`() {
    var account = account(gibibytes: 10, 1_000_000_000_000_000)
    account.advance(to: Moment(3 * day - 1), schedule)
    account.advance(to: Moment(3 * day), schedule)
    _ = account.charge(500, by: .procedure("close"))
    account.advance(to: Moment(4 * day), schedule)
    let daily = prices.storage(bytes: 10 << 30, seconds: 600).number * 144
    #expect(account.burnedYesterday.number == daily + 500)
    #expect(account.burnedToday == 0)
  }

  @Test func `holds what a paid receipt takes until the receipt expires`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let body = header + "a,anna,1.00,\n"
    try subnet.run(subnet.ingest("orders", body, key: "one"))
    let before = subnet.executor.pipelines["shop"]?.account.storedBytes
    try subnet.run(subnet.ingest("orders", body, key: "one"))
    #expect(try #require(subnet.executor.pipelines["shop"]?.account.storedBytes) > before ?? 0)
    try subnet.execute([], after: 700_000)
    // A refused stranger brings the file a block, and adds nothing itself.
    try subnet.run(subnet.ingest("orders", body, by: Subnet.stranger))
    #expect(subnet.executor.pipelines["shop"]?.account.storedBytes == before)
  }

  /// Orders that are inserted and deleted, the newest by `seq` or by no version.
  private func changes(version: String?) -> Source {
    Source(
      name: "orders",
      columns: [
        SourceColumn(name: "id", type: .text, required: true),
        SourceColumn(name: "seq", type: .int, required: true),
        SourceColumn(name: "op", type: .text, required: true),
      ], primaryKey: ["id"], version: version, operation: ChangeOperation(column: "op"))
  }

  /// What rows and tombstones take, without the receipts of these batches.
  private func rowBytes(_ subnet: Subnet, _ receipts: [Receipt]) throws -> UInt64 {
    let all = try #require(subnet.executor.pipelines["shop"]).account.storedBytes
    return all - receipts.reduce(0) { $0 + Ledger.storedBytes(of: $1) }
  }

  @Test func `holds what is known of deleted rows until it is of no use`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(sources: [changes(version: "seq")])))
    try subnet.fund()
    func send(_ row: String) throws -> Receipt {
      try subnet.run(subnet.ingest("orders", "id,seq,op\n\(row)\n", key: row))
    }
    let key = Ingest.tombstonePrefix("orders") + Value.text("a").canonicalBytes
    let tombstone = UInt64(key.count + Value.int(3).canonicalBytes.count + 100)
    let empty = try rowBytes(subnet, [])

    var receipts = [try send("a,3,delete")]
    #expect(receipts[0].tally.duplicates == 1)
    #expect(receipts[0].usage.rowsWritten == 1)
    #expect(receipts[0].usage.rowBytesWritten == tombstone - 100)
    #expect(try rowBytes(subnet, receipts) == empty + tombstone)
    // A newer delete takes its place, and an older one adds nothing.
    receipts.append(try send("a,5,delete"))
    receipts.append(try send("a,4,delete"))
    #expect(receipts[2].usage.rowsWritten == 0)
    #expect(try rowBytes(subnet, receipts) == empty + tombstone)

    let ledger = try #require(subnet.executor.pipelines["shop"]).ledger
    receipts.append(try send("a,6,insert"))
    #expect(receipts[3].tally.accepted == 1)
    #expect(try ledger.count(.tombstone) == 0)
    receipts.append(try send("a,4,delete"))
    #expect(receipts[4].tally.duplicates == 1, "the row is newer")
    #expect(try subnet.rows("bronze_orders", columns: "seq") == ["6"])
    receipts.append(try send("a,7,delete"))
    #expect(try rowBytes(subnet, receipts) == empty + tombstone)

    let other = Package.shop(version: "2", sources: [changes(version: nil)])
    #expect(try subnet.run(subnet.deploy(other)).status == .applied)
    #expect(try ledger.count(.tombstone) == 0)
    #expect(try rowBytes(subnet, receipts) == empty)
  }

  @Test func `freezes a pipeline that nobody calls, and a top-up thaws it`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund("shop", 2_500_000_000)
    let name = String(repeating: "x", count: 900)
    let rows = (0..<1_000).map { "r\($0),\(name),1.00,\n" }.joined()
    #expect(try subnet.run(subnet.ingest("orders", header + rows)).status == .applied)
    func report() throws -> PipelineReport {
      try subnet.certify()
      return try subnet.executor.reader.report(of: "shop")
    }
    func send(_ id: String) throws -> String? {
      try subnet.run(subnet.ingest("orders", header + "\(id),anna,1.00,\n", steps: 1_000))
        .refusalCode
    }
    #expect(try send("a") == nil)
    let first = try report()
    #expect(first.condition == .running)
    let days = try #require(first.daysToFreeze(burning: first.storageDaily))
    try subnet.execute([], after: (days + 1) * day)
    #expect(try report().condition == .frozen)
    #expect(try send("b") == "FROZEN")
    try subnet.execute([], after: (first.balance.number / first.storageDaily.number) * day)
    try subnet.execute([], after: 31 * day)
    #expect(try report().condition == .archived)
    #expect(try send("b") == "ARCHIVED")
    #expect(try subnet.rows("bronze_orders").count == 1_001)
    try subnet.fund("shop", 2_500_000_000)
    #expect(try report().condition == .running)
    #expect(try send("b") == nil)
    #expect(subnet.executor.totals.isConserved)
  }
}

@Suite struct `A report` {
  @Test func `tells burn by source, procedure and model, and leaves none out`() throws {
    let totals = Model(
      name: "totals", layer: .silver, kind: .incremental, primaryKey: ["customer"],
      columns: [
        ModelColumn(name: "customer", type: .text), ModelColumn(name: "orders", type: .int),
      ], refresh: Refresh(by: ["customer"]),
      sql: sql("select customer, count(*) as orders from {{ source('orders') }} group by customer"))
    let add = Procedure(
      name: "add",
      args: [
        .init(name: "id", type: .text),
        .init(name: "amount", type: .decimal(precision: 18, scale: 2)),
      ], emit: "orders", sql: sql("select :id as id, 'ben' as customer, :amount as amount"))
    let subnet = try Subnet()
    let deployed = try subnet.run(subnet.deploy(.shop(models: [totals], procedures: [add])))
    #expect(deployed.refusalText == nil)
    try subnet.fund()
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
    let arguments = Array("{\"id\":\"b\",\"amount\":\"1.00\"}".utf8)
    try subnet.run(subnet.call("shop", .procedure("add"), body: arguments))
    try subnet.certify()
    let report = try subnet.executor.reader.report(of: "shop")
    #expect(
      report.burns.map { "\($0.kind.label) \($0.name)" }
        == ["source orders", "procedure add", "model totals"])
    #expect(report.burns.reduce(0) { $0 + $1.cycles.number } == report.burned.number)
    #expect(report.burned == report.burnedToday)
    try subnet.run(subnet.deploy(.shop(version: "2", sources: [.orders()], models: [totals])))
    try subnet.certify()
    let after = try subnet.executor.reader.report(of: "shop")
    #expect(after.burned == report.burned)
    #expect(
      after.burns.map { "\($0.kind.label) \($0.name)" }
        == ["source orders", "model totals", "former "])
  }
}
