import Certification
import Foundation
import Pipelines
import Signing
import Storage
import Synchronization
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"
private let long = String(repeating: "y", count: 60_000)

private func prepared() throws -> Subnet {
  let subnet = try Subnet()
  try subnet.run(subnet.deploy(.shop()))
  try subnet.fund()
  return subnet
}

/// A package of a few kilobytes and one long text, whose model writes that text once a row.
func copies(_ rows: Int, certified: Bool = false) -> Package {
  let numbers = "n,k\n" + (0..<rows).map { "\($0),0\n" }.joined()
  let text = SQLScript(
    "select n.n as n, t.x as x from {{ ref('numbers') }} as n join {{ ref('texts') }} as t "
      + "on t.k = n.k", file: "copies.sql")
  return .shop(
    version: "2",
    models: [
      Model(
        name: "numbers", layer: .silver, kind: .seed, primaryKey: ["n"],
        columns: [ModelColumn(name: "n", type: .int), ModelColumn(name: "k", type: .int)],
        sql: nil),
      Model(
        name: "texts", layer: .silver, kind: .seed, primaryKey: ["k"],
        columns: [ModelColumn(name: "k", type: .int), ModelColumn(name: "x", type: .text)],
        sql: nil),
      Model(
        name: "copies", layer: .silver, kind: .full, primaryKey: ["n"],
        columns: [ModelColumn(name: "n", type: .int), ModelColumn(name: "x", type: .text)],
        sql: text, certified: certified),
    ],
    seeds: [
      Seed(model: "numbers", file: "seeds/n.csv", csv: Array(numbers.utf8)),
      Seed(model: "texts", file: "seeds/t.csv", csv: Array("k,x\n0,\(long)\n".utf8)),
    ])
}

@Suite struct `A deploy that writes many bytes` {
  /// 700 rows of 60,000 bytes cost more than what a step limit of 100,000 sets aside.
  @Test func `ends where its cycles do, before all of it is written`() throws {
    var receipts: [Receipt] = []
    for _ in 0..<2 {
      let subnet = try prepared()
      let root = subnet.root()
      let body = copies(700).canonicalBytes
      let receipt = try subnet.run(subnet.call("shop", .deploy, body: body, steps: 100_000))
      #expect(receipt.refusalCode == "OUT_OF_CYCLES")
      #expect(receipt.refusalText?.contains("declare a higher one") == true)
      let data = try #require(subnet.executor.pipelines["shop"]).data
      #expect((701..<1_401).contains(Int(data.rowsWritten)))
      #expect(subnet.root() == root)
      #expect(subnet.executor.totals.isConserved)
      receipts.append(receipt)
    }
    #expect(receipts[0] == receipts[1])
  }

  @Test func `is refused at the limit, whatever it pays`() throws {
    let subnet = try prepared()
    let data = try #require(subnet.executor.pipelines["shop"]).data
    data.bytesTakenMax = 1 << 20
    let (root, package) = (subnet.root(), copies(40))
    let receipt = try subnet.run(subnet.deploy(package))
    #expect(receipt.refusalCode == "BYTE_LIMIT")
    #expect(receipt.charged > 0)
    // 41 rows of seeds, and those of the model that a mebibyte holds.
    #expect((57...59).contains(Int(data.rowsWritten)))
    #expect(subnet.root() == root)
    #expect(subnet.executor.totals.isConserved)
    data.bytesTakenMax = ExecutionLimits.bytesTakenPerUpdate
    #expect(try subnet.run(subnet.deploy(package)).status == .applied)
    #expect(data.bytesTaken > 40 * 60_000)
  }

  @Test func `counts the entries of an index before it is made`() throws {
    let subnet = try prepared()
    let rows = (0..<100).map { "o\($0),\(String(repeating: "c", count: 900)),1.00,\n" }
    #expect(try subnet.run(subnet.ingest("orders", header + rows.joined())).tally.accepted == 100)
    let data = try #require(subnet.executor.pipelines["shop"]).data
    data.bytesTakenMax = 50_000
    let totals = Model(
      name: "totals", layer: .silver, kind: .incremental, primaryKey: ["customer"],
      refresh: Refresh(by: ["customer"]),
      sql: sql(
        "select customer, sum(amount) as total from {{ source('orders') }} group by customer"))
    let next = Package.shop(version: "2", models: [totals])
    let refused = try subnet.run(subnet.deploy(next))
    #expect(refused.refusalCode == "BYTE_LIMIT")
    // Nothing but the index was too much.
    #expect(data.rowsWritten == 0)
    #expect(data.tables["bronze_orders"]?.indexes == [])
    data.bytesTakenMax = 150_000
    #expect(try subnet.run(subnet.deploy(next)).status == .applied)
    #expect(data.tables["bronze_orders"]?.indexes == [["customer"]])
  }
}

@Suite struct `A batch that writes many bytes` {
  @Test func `is refused at the limit, and one that writes less is taken`() throws {
    let subnet = try prepared()
    let data = try #require(subnet.executor.pipelines["shop"]).data
    data.bytesTakenMax = 100_000
    let root = subnet.root()
    let rows = (0..<10).map { "o\($0),\(long),1.00,\n" }
    let receipt = try subnet.run(subnet.ingest("orders", header + rows.joined()))
    #expect(receipt.refusalCode == "BYTE_LIMIT")
    #expect(receipt.refusalText?.contains("send smaller batches") == true)
    #expect(data.rowsWritten == 2)
    #expect(subnet.root() == root)
    #expect(subnet.executor.totals.isConserved)
    let small = try subnet.run(subnet.ingest("orders", header + rows[0]))
    #expect(small.tally.accepted == 1)
  }

  @Test func `ends where the account does`() throws {
    let subnet = try Subnet()
    let numbers = Model(
      name: "numbers", layer: .silver, kind: .seed, primaryKey: ["n"],
      columns: [ModelColumn(name: "n", type: .int), ModelColumn(name: "k", type: .text)], sql: nil)
    let echo = Model(
      name: "echo", layer: .silver, kind: .full, primaryKey: ["n"],
      columns: [ModelColumn(name: "n", type: .int), ModelColumn(name: "x", type: .text)],
      sql: sql(
        "select n.n as n, o.customer as x from {{ ref('numbers') }} as n "
          + "join {{ source('orders') }} as o on o.id = n.k"))
    let csv = "n,k\n" + (0..<2_000).map { "\($0),a\n" }.joined()
    let package = Package.shop(
      models: [numbers, echo],
      seeds: [Seed(model: "numbers", file: "seeds/n.csv", csv: Array(csv.utf8))])
    #expect(try subnet.run(subnet.deploy(package)).refusalText == nil)
    let file = try #require(subnet.executor.pipelines["shop"])
    let reserve = file.freezing.threshold(logicalBytes: file.account.storedBytes)
    // So much pays for 975 rows of 10,000 bytes at most.
    try subnet.fund("shop", Cycles(reserve.number + 60_000_000))
    let body = header + "a,\(long.prefix(10_000)),1.00,\n"
    let receipt = try subnet.run(subnet.ingest("orders", body, steps: 200_000))
    #expect(receipt.refusalCode == "OUT_OF_CYCLES")
    #expect((1..<1_000).contains(file.data.rowsWritten))
    #expect(file.account.cycles.balance >= reserve)
    #expect(subnet.executor.totals.isConserved)
  }
}

@Suite struct `A call that wrote much and is undone` {
  private func logBytes(_ subnet: Subnet) throws -> Int {
    let found = try FileManager.default.attributesOfItem(
      atPath: subnet.path + "/pipelines/shop.sqlite-wal")
    return try #require(found[.size] as? Int)
  }

  @Test func `leaves no long log behind where it is refused`() throws {
    let subnet = try prepared()
    let body = copies(700).canonicalBytes
    let receipt = try subnet.run(subnet.call("shop", .deploy, body: body, steps: 100_000))
    #expect(receipt.refusalCode == "OUT_OF_CYCLES")
    #expect(try logBytes(subnet) < 1 << 20)
    let root = subnet.root()
    #expect(try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n")).status == .applied)
    #expect(subnet.root() != root)
    try subnet.reopen()
    #expect(try subnet.rows("bronze_orders").count == 1)
  }

  /// With a log that begins anew in this very block, and with one that goes on.
  @Test(arguments: [false, true])
  func `leaves no long log behind where the disk has no room, and is run later`(
    isFresh: Bool
  ) throws {
    let subnet = try prepared()
    if isFresh { _ = try subnet.executor.checkpoint() }
    let call = subnet.deploy(copies(500))
    let looks = Mutex(0)
    // There is room when the block begins, and for 16 MiB more.
    subnet.executor.hasRoom = {
      looks.withLock { count in
        count += 1
        return count <= 5
      }
    }
    let (block, digest) = subnet.block([call])
    let root = subnet.root()
    for _ in 0..<2 {
      let fault = #expect(throws: ExecutionFault.self) {
        try subnet.executor.execute(block, digest: digest)
      }
      #expect(fault?.kind == .full)
      #expect(try logBytes(subnet) < 1 << 20)
    }
    // The sixth look was inside of the block, the seventh before it.
    #expect(looks.withLock { $0 } == 7)
    #expect(try subnet.executor.receipt(of: call.call.digest) == nil)
    #expect(subnet.root() == root)
    subnet.executor.hasRoom = { true }
    _ = try subnet.executor.execute(block, digest: digest)
    #expect(try subnet.executor.receipt(of: call.call.digest)?.receipt.status == .applied)
    #expect(try subnet.rows("copies", columns: "n").count == 500)
    #expect(subnet.executor.totals.isConserved)
  }
}

@Suite struct `A plan that goes too far` {
  private func workshop(
    _ package: Package, on subnet: Subnet, by person: KeyPair = Subnet.owner
  ) throws -> Workshop {
    let reader = subnet.executor.reader
    return Workshop(
      reader: reader, view: try reader.view(at: nil, proven: false),
      request: QueryRequest(
        subnet: subnet.genesis.subnet, pipeline: package.name,
        question: .plan(package.canonicalBytes), caller: person.publicKey, expiry: 1))
  }

  @Test(arguments: [false, true])
  func `takes no more memory than a copy may have`(isThere: Bool) throws {
    let subnet = isThere ? try prepared() : try Subnet()
    try subnet.execute([])
    try subnet.certify()
    var workshop = try workshop(copies(150), on: subnet)
    workshop.bytesMax = 4 << 20
    let refused = #expect(throws: Refusal.self) { _ = try workshop.answer() }
    #expect(refused?.code == "TOO_LARGE")
    #expect(refused?.message.contains("deploy with a step limit instead") == true)
    workshop.bytesMax = 32 << 20
    let total = try #require(try workshop.answer()?.rows.last)
    #expect(total[2] == .text(isThere ? "upgrade" : "deploy"))
  }

  @Test func `is told that it would be refused at the limit of a deploy`() throws {
    let subnet = try prepared()
    try subnet.certify()
    // Of two models, since one may not come to so much at once.
    var package = copies(Int(ExecutionLimits.bytesTakenPerUpdate) / long.utf8.count / 2 + 10)
    var more = try #require(package.models.first { $0.name == "copies" })
    more.name = "more_copies"
    package.models.append(more)
    package.models.sort { $0.name < $1.name }
    let total = try #require(try workshop(package, on: subnet).answer()?.rows.last)
    #expect(total[2] == .text("refused"))
    guard case .text(let detail) = total[7] else {
      Issue.record("no reason is given")
      return
    }
    #expect(detail.contains("BYTE_LIMIT"))
  }

  @Test func `is stopped by the clock`() throws {
    let subnet = try Subnet()
    try subnet.execute([])
    try subnet.certify()
    var package = copies(300)
    let place = try #require(package.models.firstIndex { $0.name == "copies" })
    package.models[place] = Model(
      name: "copies", layer: .silver, kind: .full, primaryKey: ["k"],
      sql: sql(
        "select a.k as k, count(*) as c from {{ ref('numbers') }} as a "
          + "join {{ ref('numbers') }} as b on b.k = a.k group by a.k"))
    #expect(try workshop(package, on: subnet).answer() != nil)
    let clock = Mutex(UInt64(0))
    subnet.executor.reader.brake {
      clock.withLock { now in
        now += 25_000
        return now
      }
    }
    let refused = #expect(throws: Refusal.self) { _ = try workshop(package, on: subnet).answer() }
    #expect(refused?.code == "TIME_LIMIT")
    // It left the workshop, and nobody is in it.
    subnet.executor.reader.brake { 0 }
    #expect(try workshop(package, on: subnet).answer() != nil)
  }

  @Test func `is not for those who could not pay the least of it`() throws {
    let subnet = try Subnet()
    try subnet.execute([])
    try subnet.certify()
    let nobody = Subnet.pair(77)
    let refused = #expect(throws: Refusal.self) {
      _ = try workshop(.shop(), on: subnet, by: nobody).answer()
    }
    #expect(refused?.code == "INSUFFICIENT_CYCLES")
    #expect(try workshop(.shop(), on: subnet, by: Subnet.stranger).answer() != nil)
  }
}
