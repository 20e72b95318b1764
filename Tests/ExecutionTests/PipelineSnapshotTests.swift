import Certification
import Foundation
import Pipelines
import Signing
import Storage
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

private let amounts = Model(
  name: "amounts", layer: .silver, kind: .full, primaryKey: ["id"],
  sql: sql("select id, amount from {{ source('orders') }}"))

/// A subnet whose certificates are signed, with one pipeline of some rows.
private func prepared(models: [Model] = [amounts], pii: Sensitivity? = nil) throws -> Subnet {
  let subnet = try Subnet()
  let receipt = try subnet.run(
    subnet.deploy(.shop(sources: [.orders(pii: pii)], models: models)))
  #expect(receipt.refusalText == nil)
  try subnet.fund()
  try subnet.run(
    subnet.ingest(
      "orders",
      header + "a,anna,1.50,2026-01-01\nb,ben,-2.00,\nc,carl,3.25,2026-02-03\nd,anna,1.00,\n"))
  try subnet.sign()
  return subnet
}

extension Subnet {
  fileprivate var check: ClientCheck { ClientCheck(committee: genesis.committee) }

  /// Certifies the newest height with the signatures of a quorum.
  fileprivate func sign() throws {
    let outcome = try #require(try executor.outcome(at: executor.height))
    let statement = StateStatement(
      subnet: genesis.subnet, epoch: 0, height: outcome.height, block: .zero,
      stateRoot: outcome.stateRoot, receiptsRoot: outcome.receiptsRoot, time: time)
    executor.reader.certify(
      StateCertificate(
        statement: statement, signers: Signers([0, 1, 2], of: 4),
        signatures: (10..<13).map { Signer.ed25519(Self.pair(UInt8($0))).sign(statement) }))
  }

  fileprivate func part(
    after place: SnapshotPlace? = nil, pipeline: String = "shop",
    by caller: KeyPair? = Subnet.owner
  ) throws(Refusal) -> SnapshotPart {
    try executor.reader.snapshot(
      SnapshotRequest(
        subnet: genesis.subnet, pipeline: pipeline, place: place, caller: caller?.publicKey))
  }

  /// 6 000 rows of 900 bytes.
  fileprivate func fillTwoParts() throws {
    let name = String(repeating: "x", count: 900)
    for batch in 0..<6 {
      let rows = (0..<1_000).map { "r\(batch)-\($0),\(name),1.00,\n" }.joined()
      #expect(try run(ingest("orders", header + rows)).refusalText == nil)
    }
    try sign()
  }

  /// Copies the pipeline to a file of its own.
  fileprivate func copy() throws -> Copy {
    var part = try part()
    let copy = Copy(seal: try #require(part.seal))
    let writer = try SnapshotWriter(path: copy.path, seal: copy.seal)
    try writer.add(part)
    while let next = part.next {
      part = try self.part(after: next)
      try writer.add(part)
    }
    try writer.finish()
    return copy
  }
}

/// A snapshot's file, gone with its last reference.
private final class Copy {
  let path = FileManager.default.temporaryDirectory
    .appendingPathComponent("snapshot-\(UUID().uuidString).sqlite").path
  let seal: SnapshotSeal

  init(seal: SnapshotSeal) { self.seal = seal }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// What is wrong with it; nil when it is right.
  func fault(by check: ClientCheck) throws -> CheckFault? {
    do throws(SnapshotFault) {
      _ = try SnapshotFile.check(path, by: check)
      return nil
    } catch {
      guard case .wrong(let fault) = error else { throw error }
      return fault
    }
  }

  func lines(_ sql: String) throws -> [String] {
    let connection = try Connection(path: path, access: .readOnly)
    return try withExtendedLifetime(connection) {
      let select = try connection.prepare(sql)
      var lines: [String] = []
      while try select.step() {
        lines.append(
          (0..<select.columnCount).map { select.isNull($0) ? "" : select.text($0) }
            .joined(separator: "|"))
      }
      return lines
    }
  }
}

@Suite struct `A pipeline's snapshot` {
  @Test(arguments: [nil, .direct] as [Sensitivity?])
  func `holds every row of its tables and is proven by the certificate`(
    pii: Sensitivity?
  ) throws {
    let subnet = try prepared(pii: pii)
    let copy = try subnet.copy()
    let checked = try SnapshotFile.check(copy.path, by: subnet.check)
    #expect(checked.seal.pipeline == "shop")
    #expect(checked.seal.certificate.height == subnet.executor.height)
    #expect(checked.seal.roots.data == subnet.root())
    for table in checked.tables {
      #expect(try copy.lines("SELECT * FROM \(table.name)") == subnet.rows(table.name))
    }
    let counts = Dictionary(uniqueKeysWithValues: checked.tables.map { ($0.name, $0.rows) })
    #expect(counts["bronze_orders"] == 4)
    #expect(counts["amounts"] == 4)
    #expect(checked.rows == 8)
    #expect(
      try copy.lines("SELECT hex(key) FROM ledger_rows ORDER BY part, key").count
        == checked.entries)
  }

  @Test func `is read part by part, and no row is left out or comes twice`() throws {
    let subnet = try prepared(models: [])
    try subnet.fillTwoParts()
    let first = try subnet.part()
    #expect(first.next != nil)
    #expect(first.canonicalBytes.count < 6 << 20)
    let copy = try subnet.copy()
    #expect(try copy.fault(by: subnet.check) == nil)
    #expect(try copy.lines("SELECT count(*) FROM bronze_orders") == ["6004"])
  }

  @Test func `is for the owner alone`() throws {
    let subnet = try prepared()
    let seal = try #require(try subnet.part().seal)
    let place = SnapshotPlace(
      roots: seal.roots, table: "ledger_rows", key: [.int(1), .bytes([])])
    for caller in [nil, Subnet.stranger] {
      for place in [nil, place] {
        let refused = #expect(throws: Refusal.self) { try subnet.part(after: place, by: caller) }
        #expect(refused?.code == "NOT_OWNER")
      }
    }
    let unknown = #expect(throws: Refusal.self) { try subnet.part(pipeline: "shoppe") }
    #expect(unknown?.code == "UNKNOWN_PIPELINE")
  }

  @Test func `goes on while updates come in, until all readers let go`() throws {
    let subnet = try prepared(models: [])
    try subnet.fillTwoParts()
    let first = try subnet.part()
    let place = try #require(first.next)
    let height = try #require(first.seal).certificate.height
    let behindLedger = SnapshotPlace(
      roots: place.roots, table: "ledger_rows", key: [.int(1_000), .bytes([])])
    for id in 0..<20 {
      try subnet.run(subnet.ingest("orders", header + "n\(id),nina,1.00,\n"))
    }
    try subnet.sign()
    #expect(subnet.executor.reader.heights?.contains(height) == false)
    let held = try subnet.part(after: behindLedger)
    let rows = try #require(first.tables.first { $0.name == "bronze_orders" }).rows
    #expect(held.tables.map(\.name) == ["bronze_orders"])
    #expect(held.tables.first?.rows.starts(with: rows) == true)
    #expect(held.seal == nil)
    #expect(held.next != nil)
    while subnet.executor.height.number % 100 != 1 { try subnet.execute([]) }
    try subnet.sign()
    let gone = #expect(throws: Refusal.self) { try subnet.part(after: place) }
    #expect(gone?.code == "HEIGHT_GONE")
    #expect(gone?.message.contains("begin again") == true)
  }

  @Test func `is kept for a second copy when the first had its last rows`() throws {
    let subnet = try prepared(models: [])
    try subnet.fillTwoParts()
    let place = try #require(try subnet.part().next)
    for id in 0..<20 {
      try subnet.run(subnet.ingest("orders", header + "n\(id),nina,1.00,\n"))
    }
    try subnet.sign()
    let last = try subnet.part(after: place)
    #expect(last.next == nil)
    #expect(try subnet.part(after: place) == last)
  }

  @Test func `is kept again when it goes on after a barrier`() throws {
    let subnet = try prepared(models: [])
    try subnet.fillTwoParts()
    let place = try #require(try subnet.part().next)
    let behindLedger = SnapshotPlace(
      roots: place.roots, table: "ledger_rows", key: [.int(1_000), .bytes([])])
    while subnet.executor.height.number % 100 != 1 { try subnet.execute([]) }
    #expect(try subnet.part(after: behindLedger).next != nil)
    for id in 0..<20 {
      try subnet.run(subnet.ingest("orders", header + "n\(id),nina,1.00,\n"))
    }
    #expect(try subnet.part(after: place).next == nil)
  }

  @Test func `goes on for as long as nothing changes`() throws {
    let subnet = try prepared()
    let first = try subnet.part()
    let seal = try #require(first.seal)
    let place = SnapshotPlace(
      roots: seal.roots, table: "ledger_rows", key: [.int(1_000), .bytes([])])
    while subnet.executor.height.number < 210 { try subnet.execute([]) }
    let rest = try subnet.part(after: place)
    #expect(rest.tables == first.tables.filter { $0.name != "ledger_rows" })
    #expect(!rest.tables.isEmpty)
  }

  @Test func `of a pipeline that is archived is had all the same`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund("shop", 2_500_000_000)
    let name = String(repeating: "x", count: 900)
    let rows = (0..<1_000).map { "r\($0),\(name),1.00,\n" }.joined()
    #expect(try subnet.run(subnet.ingest("orders", header + rows)).refusalText == nil)
    func condition() throws -> PipelineReport.Condition? {
      try subnet.sign()
      return try subnet.executor.reader.catalog().pipelines.first?.condition
    }
    #expect(try condition() == .running)
    let report = try subnet.executor.reader.report(of: "shop")
    let day: UInt64 = 86_400_000
    let days = try #require(report.daysToFreeze(burning: report.storageDaily))
    try subnet.execute([], after: (days + 1) * day)
    #expect(try condition() == .frozen)
    #expect(try subnet.copy().fault(by: subnet.check) == nil)
    try subnet.execute([], after: (report.balance.number / report.storageDaily.number) * day)
    try subnet.execute([], after: 31 * day)
    #expect(try condition() == .archived)
    let copy = try subnet.copy()
    #expect(copy.seal.certificate.height == subnet.executor.height)
    #expect(try copy.fault(by: subnet.check) == nil)
    #expect(try copy.lines("SELECT count(*) FROM bronze_orders") == ["1000"])
  }
}

@Suite struct `A snapshot's file that was tampered with` {
  @Test(arguments: [
    "UPDATE bronze_orders SET amount = amount + 1 WHERE id = 'a'",
    "UPDATE bronze_orders SET id = 'z' WHERE id = 'b'",
    "UPDATE bronze_orders SET _nonce = zeroblob(32) WHERE id = 'a'",
    "UPDATE bronze_orders SET day = NULL WHERE id = 'a'",
    "DELETE FROM bronze_orders WHERE id = 'c'",
    "DELETE FROM amounts",
    "INSERT INTO amounts VALUES('eve', 1)",
    "INSERT INTO amounts SELECT id || '!', amount FROM amounts",
    "UPDATE ledger_rows SET value = zeroblob(3) WHERE part = 1",
    "UPDATE ledger_rows SET part = part + 4294967296 WHERE part = 1",
    "UPDATE ledger_rows SET part = part - 4294967296 WHERE part = 1",
    "DELETE FROM ledger_rows WHERE part = 8",
    "INSERT INTO ledger_rows VALUES(2, x'01', x'01')",
    "CREATE TABLE extra(a)",
    "CREATE INDEX extra ON amounts(amount)",
    "CREATE VIEW extra AS SELECT 1",
    "CREATE TRIGGER extra AFTER INSERT ON amounts BEGIN DELETE FROM amounts; END",
    "DROP TABLE amounts",
    "ALTER TABLE amounts ADD COLUMN more INTEGER",
    "ANALYZE",
    "DELETE FROM ledger_snapshot",
    "DROP TABLE ledger_snapshot",
    "INSERT INTO ledger_snapshot SELECT seal FROM ledger_snapshot",
    "UPDATE ledger_snapshot SET seal = x'00'",
  ])
  func `is refused`(statement: String) throws {
    let subnet = try prepared(pii: .direct)
    let copy = try subnet.copy()
    #expect(try copy.fault(by: subnet.check) == nil)
    let hand = try Connection(path: copy.path)
    try hand.execute(statement)
    #expect(try copy.fault(by: subnet.check) != nil)
  }

  @Test func `is refused with its tables swapped for others of the same rows`() throws {
    let subnet = try prepared()
    let copy = try subnet.copy()
    let hand = try Connection(path: copy.path)
    try hand.execute(
      """
      CREATE TABLE aside AS SELECT * FROM amounts;
      DROP TABLE amounts;
      CREATE TABLE amounts(id, amount);
      INSERT INTO amounts SELECT * FROM aside;
      DROP TABLE aside;
      """)
    #expect(try copy.fault(by: subnet.check)?.check == .proof)
  }

  @Test func `is none when its bytes are cut, turned or something else`() throws {
    let subnet = try prepared()
    let copy = try subnet.copy()
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: copy.path)))
    for wrong in [Array(bytes.prefix(bytes.count / 2)), Array("hello".utf8), []] {
      try Data(wrong).write(to: URL(fileURLWithPath: copy.path))
      #expect(try copy.fault(by: subnet.check) != nil)
    }
    // A byte within a row: what is stored of `anna`.
    var turned = bytes
    let place = try #require(bytes.firstRange(of: Array("anna".utf8)))
    turned[place.lowerBound] ^= 1
    try Data(turned).write(to: URL(fileURLWithPath: copy.path))
    #expect(try copy.fault(by: subnet.check) != nil)
    try Data(bytes).write(to: URL(fileURLWithPath: copy.path))
    #expect(try copy.fault(by: subnet.check) == nil)
  }

  @Test func `is refused with the seal of another subnet, or of another height`() throws {
    let subnet = try prepared()
    let before = try subnet.copy()
    try subnet.run(subnet.ingest("orders", header + "e,eve,1.00,\n"))
    try subnet.sign()
    let copy = try subnet.copy()
    func reseal(_ seal: SnapshotSeal) throws {
      let hand = try Connection(path: copy.path)
      try withExtendedLifetime(hand) {
        let update = try hand.prepare("UPDATE ledger_snapshot SET seal = ?")
        try update.bind(1, blob: seal.canonicalBytes)
        try update.run()
      }
    }
    try reseal(before.seal)
    #expect(try copy.fault(by: subnet.check)?.check == .proof)
    let other = try Subnet(administrators: [Subnet.stranger.publicKey])
    try other.run(other.deploy(.shop(models: [amounts])))
    try other.sign()
    let foreign = try #require(try other.part().seal)
    #expect(other.genesis.subnet != subnet.genesis.subnet)
    try reseal(foreign)
    #expect(try copy.fault(by: subnet.check)?.check == .certificate)
    try reseal(copy.seal)
    #expect(try copy.fault(by: subnet.check) == nil)
    #expect(try copy.fault(by: other.check)?.check == .certificate)
  }
}

extension SnapshotWriter {
  /// What is wrong with a part; nil when it is taken.
  fileprivate func fault(adding tables: [SnapshotPart.Table]) throws -> CheckFault? {
    do throws(SnapshotFault) {
      try add(SnapshotPart(seal: nil, tables: tables, next: nil))
      return nil
    } catch {
      guard case .wrong(let fault) = error else { throw error }
      return fault
    }
  }
}

@Suite struct `The writer of a snapshot` {
  private let subnet: Subnet
  private let part: SnapshotPart
  private let copy: Copy
  private let writer: SnapshotWriter

  init() throws {
    subnet = try prepared()
    part = try subnet.part()
    copy = Copy(seal: try #require(part.seal))
    writer = try SnapshotWriter(path: copy.path, seal: copy.seal)
  }

  private func rows(_ table: String) throws -> [SnapshotPart.Row] {
    try #require(part.tables.first { $0.name == table }).rows
  }

  @Test(
    arguments: [
      ("nothing", [.int(1)], "which the bookkeeping does not name"),
      ("amounts", [.int(1)], "a row of 1 values"),
      ("amounts", [.text("x"), .text("eve")], "does not fit together"),
      ("amounts", [.text("a"), .int(150)], "does not fit together"),
    ] as [(String, [Value], String)])
  func `takes no row that does not fit`(table: String, values: [Value], words: String) throws {
    #expect(try writer.fault(adding: part.tables) == nil)
    let row = SnapshotPart.Row(values: values)
    let fault = try writer.fault(adding: [.init(name: table, rows: [row])])
    #expect(fault?.reason.contains(words) == true)
  }

  @Test func `makes no table before the bookkeeping came to its root`() throws {
    let entries = SnapshotPart.Table(
      name: "ledger_rows", rows: try rows("ledger_rows").dropLast())
    let amounts = SnapshotPart.Table(name: "amounts", rows: try rows("amounts"))
    #expect(try writer.fault(adding: [entries]) == nil)
    #expect(writer.storedBytes == nil)
    #expect(try writer.fault(adding: [amounts])?.reason.contains("not what was certified") == true)
    #expect(try copy.lines("SELECT name FROM sqlite_schema WHERE name = 'amounts'").isEmpty)
  }

  @Test func `knows what the pipeline stores once the bookkeeping came to its root`() throws {
    #expect(try writer.fault(adding: part.tables) == nil)
    let stored = try #require(subnet.executor.pipelines["shop"]).account.storedBytes
    #expect(writer.storedBytes == stored)
    #expect(try copy.lines("SELECT name FROM sqlite_schema WHERE name = 'amounts'") == ["amounts"])
  }

  @Test func `takes bookkeeping in its order, once, and none behind its end`() throws {
    let entries = try rows("ledger_rows")
    for wrong in [
      entries.reversed(), entries + entries.suffix(1),
      [.init(values: [.int(1), .int(2), .int(3)])],
    ] {
      let copy = Copy(seal: copy.seal)
      let writer = try SnapshotWriter(path: copy.path, seal: copy.seal)
      let fault = try writer.fault(adding: [.init(name: "ledger_rows", rows: wrong)])
      #expect(fault?.reason.contains("none, or out of order") == true)
    }
    #expect(try writer.fault(adding: part.tables) == nil)
    let more = SnapshotPart.Row(values: [.int(12), .bytes([1]), .bytes([1])])
    let fault = try writer.fault(adding: [.init(name: "ledger_rows", rows: [more])])
    #expect(fault?.reason.contains("more bookkeeping") == true)
  }

  @Test func `takes no more rows than the pipeline stores, and as much again`() throws {
    let stored = try #require(subnet.executor.pipelines["shop"]).account.storedBytes
    #expect(try writer.fault(adding: part.tables) == nil)
    // 100 for a row, 8 for the number, 6 for the text.
    let most = 2 * stored / 114
    var fault: CheckFault?
    var taken: UInt64 = 0
    while fault == nil, taken <= most {
      let row = SnapshotPart.Row(values: [.text("x\(10_000 + taken)"), .int(1)])
      fault = try writer.fault(adding: [.init(name: "amounts", rows: [row])])
      taken += 1
    }
    #expect(fault?.reason.contains("more rows than") == true)
    #expect(taken > 1)
  }
}
