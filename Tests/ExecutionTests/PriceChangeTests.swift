import Foundation
import Metering
import Pipelines
import Signing
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"
private let administrators = [Subnet.owner, Subnet.pair(3), Subnet.pair(4)]

/// A subnet of three administrators with a pipeline.
private func prepared() throws -> Subnet {
  let subnet = try Subnet(administrators: administrators.map(\.publicKey))
  try subnet.run(subnet.deploy(.shop(sources: [.orders()])))
  try subnet.fund()
  return subnet
}

extension Subnet {
  fileprivate var schedule: PriceSchedule { executor.system.schedule }

  fileprivate func propose(
    _ changes: [String: Cycles], by person: KeyPair?, key: String? = nil
  ) throws -> SignedCall {
    guard let table = schedule.newest.changed(changes) else { throw Missing(what: "a price") }
    return call("", .prices, body: table.canonicalBytes, key: key, by: person)
  }

  @discardableResult
  fileprivate func ingestOne(_ id: String) throws -> Receipt {
    try run(ingest("orders", header + "\(id),anna,1.00,\n"))
  }
}

@Suite struct `Prices` {
  @Test func `change once most administrators sent the same, from the next block on`() throws {
    let subnet = try prepared()
    let old = subnet.schedule.newest
    let first = try subnet.run(
      try subnet.propose(["update-base": 50_000_000], by: administrators[0]))
    #expect(first.status == .applied)
    #expect(first.charged == 0)
    // Another table does not count with it; a later one of the same administrator replaces it.
    try subnet.run(try subnet.propose(["update-base": 60_000_000], by: administrators[1]))
    let before = try subnet.ingestOne("a")
    #expect(before.charged == old.update(before.usage))
    try subnet.certify()
    let report = try subnet.executor.reader.prices()
    #expect(report.needed == 2)
    #expect(report.proposals.count == 2)
    #expect(report.table == old)
    let calls = [
      try subnet.propose(["update-base": 50_000_000], by: administrators[1]),
      subnet.ingest("orders", header + "b,anna,1.00,\n"),
    ]
    try subnet.execute(calls)
    let beside = try #require(try subnet.executor.receipt(of: calls[1].call.digest)).receipt
    #expect(beside.charged == old.update(beside.usage))
    let after = try subnet.ingestOne("c")
    #expect(after.charged == subnet.schedule.newest.update(after.usage))
    #expect(after.charged.number > before.charged.number + 13_000_000)
    try subnet.certify()
    #expect(try subnet.executor.reader.prices().table.version == 2)
    #expect(try subnet.executor.reader.prices().proposals.isEmpty)
    #expect(subnet.executor.totals.isConserved)
  }

  @Test(arguments: [1, 3])
  func `change once a block, whatever else is in it`(count: Int) throws {
    let subnet = try Subnet(administrators: administrators.prefix(count).map(\.publicKey))
    let second = try #require(subnet.schedule.newest.changed(["step": 200]))
    let third = try #require(second.changed(["step": 300]))
    var calls: [SignedCall] = []
    for person in administrators.prefix(count / 2 + 1) {
      for table in [second, third] {
        calls.append(subnet.call("", .prices, body: table.canonicalBytes, by: person))
      }
    }
    try subnet.execute(calls)
    #expect(subnet.schedule.changes.map(\.table) == [second])
    let receipts = try calls.compactMap { try subnet.executor.receipt(of: $0.call.digest)?.receipt }
    #expect(receipts.count == calls.count)
    #expect(receipts.count { $0.refusalCode == "PRICES_VERSION" } == count / 2 + 1)
    try subnet.run(subnet.call("", .transfer(to: Subnet.stranger.publicKey, 1)))
  }

  @Test func `are refused before ordering and after where nobody may change them so`() throws {
    let subnet = try prepared()
    let skipped = try #require(subnet.schedule.newest.changed([:])?.changed([:]))
    let cases: [(code: String, call: SignedCall)] = [
      ("NOT_ADMINISTRATOR", try subnet.propose(["step": 1], by: Subnet.stranger)),
      ("NOT_ADMINISTRATOR", try subnet.propose(["step": 1], by: nil)),
      ("PRICES_MALFORMED", subnet.call("", .prices, body: [1, 2, 3])),
      ("PIPELINE_NAMED", subnet.call("shop", .prices, body: [1, 2, 3])),
      (
        "PRICES_VERSION",
        subnet.call("", .prices, body: subnet.schedule.newest.canonicalBytes)
      ),
      ("PRICES_VERSION", subnet.call("", .prices, body: skipped.canonicalBytes)),
      (
        "PRICES_VERSION",
        subnet.call(
          "", .prices, body: PriceTable.standard(replicas: 13).changed([:])?.canonicalBytes ?? [])
      ),
    ]
    for (code, call) in cases {
      #expect(try subnet.admission(call)?.code == code)
      #expect(try subnet.run(call).refusalCode == code)
    }
    #expect(subnet.schedule == PriceSchedule(replicas: 4))
  }

  @Test func `change once under one idempotency key`() throws {
    let subnet = try Subnet()
    let table = try #require(subnet.schedule.newest.changed(["step": 101])).canonicalBytes
    let first = try subnet.run(subnet.call("", .prices, body: table, key: "p"))
    let retry = subnet.call("", .prices, body: table, key: "p")
    // The version follows no more, but the key was heard before.
    #expect(try subnet.admission(retry) == nil)
    let again = try subnet.run(retry)
    #expect(again.replayOf == Receipt.Replay(call: first.call, height: first.height))
    #expect(subnet.schedule.changes.count == 1)
  }

  @Test func `of storage hold for the time before the change`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    try subnet.ingestOne("a")
    let bytes = try #require(subnet.executor.pipelines["shop"]).account.storedBytes
    let before = try #require(subnet.executor.storage.first).taken
    // An hour by the old price, an hour by one a thousand times as high.
    let old = subnet.schedule.newest
    try subnet.execute([], after: 3_600_000)
    try subnet.run(try subnet.propose(["storage": 127_000_000], by: Subnet.owner))
    #expect(subnet.schedule.changes.count == 1)
    try subnet.execute([], after: 3_600_000)
    try subnet.certify()
    let seen = try subnet.executor.reader.report(of: "shop")
    try subnet.ingestOne("b")
    let taken = try #require(subnet.executor.storage.first).taken.above(before)
    let due = 6 * old.storage(bytes: bytes, seconds: 600).number
    let dear = 6 * subnet.schedule.newest.storage(bytes: bytes, seconds: 600).number
    #expect(dear > 10 * due)
    #expect(taken == due + dear)
    // What a reader is told of the meantime is what is charged then.
    #expect(seen.burns.first { $0.kind == .storage }?.cycles.above(before) == taken)
    #expect(subnet.executor.totals.isConserved)
  }

  @Test func `are those of their heights for a file that replays alone`() throws {
    let subnet = try prepared()
    for round in 0..<4 {
      let price = Cycles(UInt64(5_000_000 * (round + 2)))
      try subnet.execute([], after: 1_800_000)
      try subnet.execute(
        try administrators.prefix(2).map {
          try subnet.propose(["update-base": price, "storage": price], by: $0)
        })
      try subnet.ingestOne("r\(round)")
    }
    let folder = subnet.path + "-behind"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(
      atPath: folder + "/pipelines", withIntermediateDirectories: true)
    // The system file is at the newest height, the pipeline's is gone.
    for suffix in ["", "-wal"] {
      try FileManager.default.copyItem(
        atPath: "\(subnet.path)/system.sqlite\(suffix)", toPath: "\(folder)/system.sqlite\(suffix)")
    }
    let alone = try Executor(directory: folder, vfs: nil, genesis: subnet.genesis)
    #expect(alone.height == 0)
    for block in subnet.blocks {
      let outcome = try alone.execute(block, digest: block.header.digest)
      #expect(try outcome == subnet.executor.outcome(at: outcome.height))
    }
    #expect(
      alone.pipelines["shop"]?.committedRoots == subnet.executor.pipelines["shop"]?.committedRoots)
    // A restart knows them too.
    try subnet.reopen()
    #expect(subnet.schedule == alone.system.schedule)
    #expect(subnet.schedule.changes.count == 4)
    let receipt = try subnet.ingestOne("last")
    let expected = subnet.schedule.newest.update(receipt.usage)
    #expect(receipt.charged == expected)
  }
}
