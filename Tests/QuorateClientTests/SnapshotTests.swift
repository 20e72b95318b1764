import Certification
import GatewayFixture
import QuorateClient
import Signing
import Testing
import Wire

/// Keeps what it is given, and believes so many rows.
private struct Memory: SnapshotSink {
  let believed: Int
  private(set) var rows: [[Value]] = []
  private(set) var begun = 0

  init(believing believed: Int) { self.believed = believed }

  mutating func begin(_ seal: SnapshotSeal) {
    begun += 1
    rows = []
  }

  mutating func take(_ part: SnapshotPart) {
    for table in part.tables { rows += table.rows.map(\.values) }
  }

  mutating func finish() throws {
    guard rows.count == believed else { throw CheckFault(.proof, "\(rows.count) rows") }
  }
}

extension SnapshotPart {
  fileprivate func with(seal: SnapshotSeal? = nil, rows: [Table]? = nil) -> SnapshotPart {
    SnapshotPart(seal: seal ?? self.seal, tables: rows ?? tables, next: next)
  }
}

@Suite struct `A snapshot over HTTP` {
  static let roots = FileRoots(data: sha256([0xda]), ledger: sha256([0x1e]))

  static let lastRowMissing: @Sendable (SnapshotPart) throws(Refusal) -> SnapshotPart = { part in
    part.next == nil ? part.with(rows: []) : part
  }

  @Test func `comes whole, part by part, to its owner`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client(subnet.owner)
      let height = try await subnet.fill(5, by: client).proof.receipt.height
      var memory = Memory(believing: 5)
      let seal = try await client.snapshot(of: "shop", into: &memory)
      #expect(seal.certificate.height == height)
      #expect(memory.begun == 1)
      #expect(memory.rows.map { $0[0] } == (100..<105).map { .text("o\($0)") })
      await client.close()
    }
  }

  @Test func `is refused to anybody else, and of nothing`() async throws {
    try await SmallSubnet.serving { subnet in
      for (identity, pipeline, code) in [
        (nil, "shop", "NOT_OWNER"), (KeyPair.generate(), "shop", "NOT_OWNER"),
        (subnet.owner, "shoppe", "UNKNOWN_PIPELINE"),
      ] as [(KeyPair?, String, String)] {
        let client = try subnet.client(identity)
        let failed = await failure {
          var memory = Memory(believing: 0)
          _ = try await client.snapshot(of: pipeline, into: &memory)
        }
        #expect(failed?.code == code)
        await client.close()
      }
    }
  }

  @Test func `that does not come to its seal is asked of another replica`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client(subnet.owner)
      try await subnet.fill(3, by: client)
      for index in 0..<3 {
        subnet.replicas[index].fail { faults in
          faults.snapshot = Self.lastRowMissing
        }
      }
      var memory = Memory(believing: 3)
      _ = try await client.snapshot(of: "shop", into: &memory)
      #expect(memory.rows.count == 3)
      subnet.replicas[3].fail { faults in
        faults.snapshot = Self.lastRowMissing
      }
      let failed = await failure {
        var memory = Memory(believing: 3)
        _ = try await client.snapshot(of: "shop", into: &memory)
      }
      #expect(failed?.kind == .untrusted)
      await client.close()
    }
  }

  @Test(arguments: 0..<4)
  func `under a seal that does not hold is never begun`(index: Int) async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client(subnet.owner)
      try await subnet.fill(2, by: client)
      let other = SmallState(keys: (0..<4).map { _ in KeyPair.generate() }, owner: subnet.owner)
      let foreign = try #require(other.certificate(at: 1))
      for replica in subnet.replicas {
        replica.fail { faults in
          faults.snapshot = { part in
            guard let seal = part.seal else { return part }
            let wrong = SnapshotSeal(
              pipeline: index == 0 ? "bank" : seal.pipeline,
              roots: index == 1 ? Self.roots : seal.roots,
              dataProof: index == 2 ? seal.ledgerProof : seal.dataProof,
              ledgerProof: seal.ledgerProof,
              certificate: index == 3 ? foreign : seal.certificate)
            return part.with(seal: wrong)
          }
        }
      }
      var memory = Memory(believing: 2)
      do {
        _ = try await client.snapshot(of: "shop", into: &memory)
        Issue.record("a seal was believed")
      } catch let failed as ClientFailure {
        #expect(failed.kind == .untrusted)
      }
      #expect(memory.begun == 0)
      await client.close()
    }
  }

  @Test func `that is gone is begun anew elsewhere, three times at most`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client(subnet.owner)
      try await subnet.fill(2, by: client)
      let gone: @Sendable (SnapshotPart) throws(Refusal) -> SnapshotPart = {
        part throws(Refusal) in
        guard part.seal == nil else { return part }
        throw Refusal("HEIGHT_GONE", "shop has changed: begin again")
      }
      for index in 0..<2 { subnet.replicas[index].fail { $0.snapshot = gone } }
      var memory = Memory(believing: 2)
      _ = try await client.snapshot(of: "shop", into: &memory)
      #expect(memory.rows.count == 2)
      for replica in subnet.replicas { replica.fail { $0.snapshot = gone } }
      var again = Memory(believing: 2)
      do {
        _ = try await client.snapshot(of: "shop", into: &again)
        Issue.record("what is gone was given")
      } catch let failed as ClientFailure {
        #expect(failed.code == "HEIGHT_GONE")
        #expect(failed.why.contains("begin again"))
      }
      #expect(again.begun == 3)
      await client.close()
    }
  }

  @Test func `that is older than asked for is not begun`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client(subnet.owner)
      try await subnet.fill(2, by: client)
      subnet.ledger.idle(at: Moment(now().number - 600_000))
      var memory = Memory(believing: 2)
      do {
        _ = try await client.snapshot(of: "shop", into: &memory)
        Issue.record("an old state was taken")
      } catch let failed as ClientFailure {
        #expect(failed.kind == .stale)
      }
      #expect(memory.begun == 0)
      _ = try await client.snapshot(
        of: "shop", into: &memory, recency: .maxAge(.seconds(3_600)))
      #expect(memory.begun == 1)
      await client.close()
    }
  }
}
