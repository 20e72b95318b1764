import Certification
import Pipelines
import Signing
import Storage
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

/// A subnet with a pipeline that took two batches of one row, and the receipt of the second.
private func prepared(pii: Sensitivity? = nil) throws -> (subnet: Subnet, last: Receipt) {
  let subnet = try Subnet()
  let receipt = try subnet.run(subnet.deploy(.shop(sources: [.orders(pii: pii)])))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
  let last = try subnet.run(subnet.ingest("orders", header + "b,ben,2.00,\n"))
  #expect(last.tally.accepted == 1)
  return (subnet, last)
}

/// Changes the pipeline's file behind the executor's back.
private func alter(_ subnet: Subnet, _ sql: String) throws {
  let file = try Connection(path: "\(subnet.path)/pipelines/shop.sqlite", access: .readWrite)
  try file.execute(sql)
}

extension Subnet {
  /// Unsigned: who reads it back from a journal has verified it.
  fileprivate func certificate(at height: Height, root: Digest? = nil) throws -> StateCertificate {
    let outcome = try #require(try executor.outcome(at: height))
    return StateCertificate(
      statement: StateStatement(
        subnet: genesis.subnet, epoch: 0, height: height, block: .zero,
        stateRoot: root ?? outcome.stateRoot, receiptsRoot: outcome.receiptsRoot, time: time),
      signers: Signers([0, 1, 2], of: 4), signatures: [])
  }

  fileprivate func rebuild(
    by certificate: StateCertificate, from old: String? = nil, planted: Set<PlantedBug> = [],
    certified: [Height: StateCertificate] = [:], lacking: Height? = nil,
    told: (BlockOutcome) -> BlockOutcome = { $0 }
  ) throws -> StateRebuild.Result {
    let signature = Signer.ed25519(Self.pair(10)).sign(certificate.statement)
    let quarantine = Quarantine(
      share: StateShare(statement: certificate.statement, signer: 0, signature: signature),
      certificate: certificate)
    return try StateRebuild(of: quarantine, genesis: genesis, planted: planted).run(
      from: old ?? path, into: "\(path)/rebuilt", through: executor.height,
      block: { height in
        height == lacking ? nil : blocks.first { $0.header.height == height }
      }, certificate: { certified[$0] }, told: told)
  }
}

@Suite struct `A state rebuilt from the log` {
  @Test func `names the row that was altered, both values and what wrote it`() throws {
    let (subnet, last) = try prepared()
    try alter(subnet, "UPDATE bronze_orders SET amount=999 WHERE id='b'")
    let result = try subnet.rebuild(by: subnet.certificate(at: subnet.executor.height))
    #expect(result.verdict.agrees)
    #expect(result.differences.count == 1)
    let difference = try #require(result.differences.first)
    #expect(difference.file == "shop" && difference.table == "bronze_orders")
    #expect(difference.key == "id = 'b'")
    #expect(
      difference.kind == .changed([.init(column: "amount", held: "999", rebuilt: "200")]))
    #expect(difference.writer?.hasPrefix("written at height \(last.height) by batch '") == true)
    #expect(
      difference.description.contains("amount was 999 in the files, is 200 by the log"))
    let again = try Executor(
      directory: "\(subnet.path)/rebuilt", vfs: nil, genesis: subnet.genesis)
    #expect(try again.outcome(at: last.height)?.stateRoot == result.verdict.stateRoot)
  }

  @Test func `names rows that are lacking and rows that are too many`() throws {
    for (change, kind) in [
      ("DELETE FROM bronze_orders WHERE id='a'", StateDifference.Kind.missing),
      ("UPDATE bronze_orders SET id='A' WHERE id='a'", .added),
    ] {
      let (subnet, _) = try prepared()
      try alter(subnet, change)
      let result = try subnet.rebuild(by: subnet.certificate(at: subnet.executor.height))
      #expect(result.verdict.agrees)
      #expect(result.differences.map(\.kind) == [kind], "\(change)")
    }
  }

  @Test func `tells nobody what personal columns hold`() throws {
    let (subnet, _) = try prepared(pii: .direct)
    try alter(subnet, "UPDATE bronze_orders SET customer='eve' WHERE id='b'")
    let result = try subnet.rebuild(by: subnet.certificate(at: subnet.executor.height))
    #expect(
      result.differences.map(\.kind) == [
        .changed([.init(column: "customer", held: "(personal)", rebuilt: "(personal)")])
      ])
  }

  @Test func `tells nobody what the bookkeeping holds`() throws {
    let (subnet, _) = try prepared()
    try alter(subnet, "UPDATE ledger_rows SET value=x'abcdef'")
    let result = try subnet.rebuild(by: subnet.certificate(at: subnet.executor.height))
    #expect(result.differences.count == 1)
    let difference = try #require(result.differences.first)
    #expect(difference.place == "shop.bookkeeping" && !difference.key.contains("x'"))
    #expect(
      difference.kind
        == .changed([.init(column: "value", held: "(not shown)", rebuilt: "(not shown)")]))
  }

  @Test func `of files that differ in nothing finds nothing`() throws {
    let (subnet, _) = try prepared()
    let result = try subnet.rebuild(by: subnet.certificate(at: subnet.executor.height))
    #expect(result.verdict.agrees && result.differences.isEmpty)
  }

  @Test func `needs no old files that can be read`() throws {
    let (subnet, _) = try prepared()
    let result = try subnet.rebuild(
      by: subnet.certificate(at: subnet.executor.height), from: "\(subnet.path)/none")
    #expect(result.verdict.agrees)
    guard case .unread? = result.differences.first?.kind else {
      Issue.record("\(result.differences)")
      return
    }
  }

  @Test func `is none where a certificate says otherwise, of whatever height`() throws {
    let (subnet, _) = try prepared()
    let height = subnet.executor.height
    let own = try #require(try subnet.executor.outcome(at: height)).stateRoot
    let other = try subnet.certificate(at: height, root: .zero)
    let result = try subnet.rebuild(by: other)
    #expect(!result.verdict.agrees && result.differences.isEmpty)
    #expect(result.verdict.certificate == other && result.verdict.stateRoot == own)
    let (second, _) = try prepared()
    let early = try second.certificate(at: 2, root: .zero)
    let stopped = try second.rebuild(
      by: second.certificate(at: second.executor.height), certified: [2: early])
    #expect(!stopped.verdict.agrees && stopped.verdict.certificate == early)
    let (third, _) = try prepared()
    let believed = try third.rebuild(
      by: third.certificate(at: third.executor.height, root: .zero),
      planted: [.rebuildUnverified])
    #expect(believed.verdict.agrees)
  }

  @Test func `is not known while the log lacks a block`() throws {
    let (subnet, _) = try prepared()
    let certificate = try subnet.certificate(at: subnet.executor.height)
    #expect(throws: ExecutionFault.self) {
      try subnet.rebuild(by: certificate, lacking: 2)
    }
  }

  @Test(arguments: ["system.sqlite", "pipelines/shop.sqlite"])
  func `is none while its files do not hold what it wrote`(file: String) throws {
    let (subnet, _) = try prepared()
    let last = subnet.executor.height
    let change = "DELETE FROM ledger_rows WHERE part=\(Ledger.Part.receipt.rawValue)"
    #expect(throws: ExecutionFault.self) {
      try subnet.rebuild(by: subnet.certificate(at: last)) { outcome in
        guard outcome.height == last else { return outcome }
        do {
          try Connection(path: "\(subnet.path)/rebuilt/\(file)", access: .readWrite)
            .execute(change)
        } catch { Issue.record("\(error)") }
        return outcome
      }
    }
  }
}
