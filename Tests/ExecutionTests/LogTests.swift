import Certification
import Dispatch
import Foundation
import Storage
import Synchronization
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"
private let limit = ExecutionLimits.logPagesBetweenBarriers
/// More than one block of these tests leaves in a log.
private let pagesOfBlock = 300
/// 9,000,000 bytes take 2,200 pages, so each is over the limit; with these a block and its rows.
private let pagesOfFill = 2_400

private func prepared() throws -> Subnet {
  let subnet = try Subnet()
  try subnet.run(subnet.deploy(.shop()))
  try subnet.fund()
  try subnet.certify()
  return subnet
}

extension Subnet {
  /// 600,000 bytes, so 146 pages at least, in a block of their own, which is then certified.
  fileprivate func writeMuch() throws {
    let place = executor.height.number
    let text = String(repeating: "x", count: 60_000)
    let rows = (0..<10).map { "o\(place)-\($0),\(text),1.00,\n" }
    let receipt = try run(ingest("orders", header + rows.joined()))
    #expect(receipt.status == .applied)
    #expect(receipt.tally.accepted == 10)
    try certify()
  }

  fileprivate var shop: Connection? { executor.pipelines["shop"]?.engine.connection }
  fileprivate var logPages: Int { shop?.log.pages ?? 0 }

  /// The most that the log ever held, unless it was cut.
  fileprivate func logBytes() throws -> Int {
    let found = try FileManager.default.attributesOfItem(
      atPath: path + "/pipelines/shop.sqlite-wal")
    return try #require(found[.size] as? Int)
  }

  /// Somebody else's connection, which may write `pagesOfFill` to the shop's log.
  fileprivate func filler() throws -> Connection {
    let filler = try Connection(path: path + "/pipelines/shop.sqlite", access: .readWrite)
    try filler.pragma("wal_autocheckpoint", "0")
    try filler.pragma("synchronous", "OFF")
    try filler.execute("CREATE TABLE filler(a); INSERT INTO filler VALUES(NULL)")
    return filler
  }

  /// A block that comes after much was written to its log.
  fileprivate func runMuch(_ filler: Connection) throws {
    try filler.execute("UPDATE filler SET a = randomblob(9000000)")
    let place = executor.height.number
    let receipt = try run(ingest("orders", header + "f\(place),anna,1.00,\n"))
    #expect(receipt.tally.accepted == 1)
  }

  /// A read transaction of somebody else's.
  fileprivate func outsider() throws -> Connection {
    let other = try Connection(path: path + "/pipelines/shop.sqlite", access: .readOnly)
    try other.execute("BEGIN")
    _ = try other.integer("SELECT count(*) FROM sqlite_schema")
    return other
  }
}

private final class Flag: Sendable { let isUp = Atomic(false) }

@Suite struct `The log of a pipeline` {
  /// A frame of the log is a page and 24 bytes (https://sqlite.org/fileformat.html#walformat).
  private func bytes(of pages: Int) -> Int { pages * (4_096 + 24) }

  @Test func `begins anew long before the hundredth block where much is written`() throws {
    let subnet = try prepared()
    for _ in 0..<30 { try subnet.writeMuch() }
    let pages = try #require(try subnet.shop?.integer("PRAGMA page_count"))
    #expect(pages > 2 * limit)
    #expect(try subnet.logBytes() < bytes(of: limit + pagesOfBlock))
  }

  /// As where several blocks lie in the executor's mailbox before a certificate.
  @Test func `begins anew where certificates come late, and reads go on`() throws {
    let subnet = try prepared()
    let (reader, filler) = (subnet.executor.reader, try subnet.filler())
    var (readable, gap, longest) = (0, 0, 0)
    for _ in 0..<24 {
      try subnet.runMuch(filler)
      #expect(subnet.logPages > limit)
      try subnet.certify(Height(subnet.executor.height.number - 3))
      if (try? reader.catalog()) != nil {
        readable += 1
        gap = 0
      } else {
        gap += 1
      }
      longest = max(longest, gap)
    }
    #expect(readable >= 12)
    // So there were barriers.
    #expect(longest == 3)
    #expect(try subnet.logBytes() < bytes(of: 8 * pagesOfFill))
  }

  @Test func `keeps no block waiting for a query before it was hindered once`() throws {
    let subnet = try prepared()
    let filler = try subnet.filler()
    for _ in 0..<2 { try subnet.runMuch(filler) }
    // So long may no log be that is held; but nobody has hindered a barrier yet.
    #expect(subnet.logPages >= ExecutionLimits.logPagesHeldMax)
    #expect(subnet.shop?.log.added == subnet.logPages)
    let pin = try #require(subnet.executor.reader.newest?.pipeline("shop")?.pin)
    let (began, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let (goOn, isOver) = (DispatchSemaphore(value: 0), Flag())
    Thread.detachNewThread {
      _ = try? pin.with { _ throws(Stop) in
        began.signal()
        // Ends by itself, so that a barrier that waits for it fails the test and no more.
        _ = goOn.wait(timeout: .now() + 20)
        isOver.isUp.store(true, ordering: .sequentiallyConsistent)
      }
      ended.signal()
    }
    began.wait()
    defer {
      goOn.signal()
      ended.wait()
    }
    // The barrier before this block is due by time alone.
    try subnet.execute([], after: 301_000)
    #expect(subnet.executor.reader.newest?.height == subnet.executor.height)
    let hasWaited = isOver.isUp.load(ordering: .sequentiallyConsistent)
    #expect(!hasWaited)
  }

  @Test func `begins anew while queries run without a pause`() throws {
    let subnet = try prepared()
    let (reader, end) = (subnet.executor.reader, Flag())
    let (answered, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let long = QueryRequest(
      subnet: subnet.genesis.subnet, pipeline: "shop",
      question: .sql(
        """
        with recursive n(x) as (select 1 union all select x + 1 from n where x < 200000)
        select count(*) as c from n
        """), caller: Subnet.owner.publicKey)
    for _ in 0..<2 {
      Thread.detachNewThread {
        while !end.isUp.load(ordering: .relaxed) {
          if (try? reader.query(long)) != nil { answered.signal() }
        }
        ended.signal()
      }
    }
    do {
      defer {
        end.isUp.store(true, ordering: .relaxed)
        for _ in 0..<2 { ended.wait() }
      }
      #expect(answered.wait(timeout: .now() + 60) == .success)
      for _ in 0..<40 { try subnet.writeMuch() }
    }
    let pages = try #require(try subnet.shop?.integer("PRAGMA page_count"))
    let most = ExecutionLimits.logPagesHeldMax + 2 * pagesOfBlock
    #expect(pages > most)
    #expect(try subnet.logBytes() < bytes(of: most))
  }

  @Test func `is tried seldom while somebody else reads, and begins anew after that`() throws {
    let subnet = try prepared()
    let other = try subnet.outsider()
    var barriers = 0
    while subnet.logPages < limit + limit / 2 {
      try subnet.writeMuch()
      // All that was readable before is let go at a barrier.
      let heights = try #require(subnet.executor.reader.heights)
      if heights.lowerBound == heights.upperBound { barriers += 1 }
    }
    #expect(barriers == 1)
    let held = try subnet.logBytes()
    try other.execute("COMMIT")
    for _ in 0..<14 { try subnet.writeMuch() }
    #expect(subnet.logPages < limit)
    #expect(try subnet.logBytes() < held)
  }

  @Test func `is synced once, not before each block, while somebody else reads`() throws {
    let subnet = try prepared()
    let other = try subnet.outsider()
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
    try subnet.execute([], after: 301_000)
    for _ in 0..<3 { try subnet.execute([]) }
    try subnet.certify()
    let height = subnet.executor.height
    #expect(subnet.executor.reader.heights == Height(height.number - 4)...height)
    #expect(try subnet.executor.checkpoint() == nil)
    try other.execute("COMMIT")
    #expect(try subnet.executor.checkpoint() == height)
  }

  @Test func `is held by no height that nobody can ask for any more`() throws {
    let subnet = try prepared()
    // As a read at work would know it.
    let view = try #require(subnet.executor.reader.newest)
    for place in 0..<ExecutionLimits.heightsReadable {
      try subnet.run(subnet.ingest("orders", header + "o\(place),anna,1.00,\n"))
    }
    #expect(try subnet.executor.checkpoint() == subnet.executor.height)
    let pin = try #require(view.pipeline("shop")?.pin)
    #expect(try pin.with { _ throws(Stop) in true } == nil)
  }

  @Test func `is let go by a query that a barrier did not wait for`() throws {
    let subnet = try prepared()
    let pin = try #require(subnet.executor.reader.newest?.pipeline("shop")?.pin)
    let (began, goOn, ended) = (
      DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)
    )
    Thread.detachNewThread {
      _ = try? pin.with { _ throws(Stop) in
        began.signal()
        goOn.wait()
      }
      ended.signal()
    }
    began.wait()
    do {
      defer {
        goOn.signal()
        ended.wait()
      }
      try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
      #expect(try subnet.executor.checkpoint(waits: false) == nil)
    }
    // All others went at the barrier, so the query's own was the last.
    #expect(try subnet.shop?.checkpoint(.passive).isComplete == true)
  }
}
