import Certification
import GatewayFixture
import QuorateClient
import Signing
import Synchronization
import Testing
import Wire

/// Keeps what it is given, has room for so many rows, and believes so many.
private struct Memory: SnapshotSink {
  let believed: Int
  let room: Int
  private(set) var rows: [[Value]] = []
  private(set) var begun = 0

  init(believing believed: Int, room: Int = .max) {
    self.believed = believed
    self.room = room
  }

  mutating func begin(_ seal: SnapshotSeal) {
    begun += 1
    rows = []
  }

  mutating func take(_ part: SnapshotPart) throws {
    for table in part.tables { rows += table.rows.map(\.values) }
    guard rows.count <= room else { throw SnapshotTooLarge("it gave \(rows.count) rows") }
  }

  mutating func finish() throws {
    guard rows.count == believed else { throw CheckFault(.proof, "\(rows.count) rows") }
  }

  mutating func discard() { rows = [] }
}

extension SnapshotPart {
  fileprivate func with(seal: SnapshotSeal? = nil, rows: [Table]? = nil) -> SnapshotPart {
    SnapshotPart(seal: seal ?? self.seal, tables: rows ?? tables, next: next)
  }

  /// The same rows so many times.
  fileprivate func times(_ count: Int) -> SnapshotPart {
    with(
      rows: tables.map { table in
        Table(name: table.name, rows: (0..<count).flatMap { _ in table.rows })
      })
  }
}

/// Which replicas were asked for a snapshot, in order.
private final class Asked: Sendable {
  private let order = Mutex<[Int]>([])

  var count: Int { order.withLock { $0.count } }

  /// How many others were asked before this replica was for the first time.
  func turn(of replica: Int) -> Int {
    order.withLock { order in
      if let known = order.firstIndex(of: replica) { return known }
      order.append(replica)
      return order.count - 1
    }
  }
}

/// How a replica does a snapshot wrong, and by which words of the client that shows.
struct SnapshotLie: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let code: String
  let words: String
  let lie: @Sendable (SnapshotPart) throws(Refusal) -> SnapshotPart

  init(
    _ description: String, code: String = "UNTRUSTED", words: String,
    _ lie: @escaping @Sendable (SnapshotPart) throws(Refusal) -> SnapshotPart
  ) {
    testDescription = description
    self.code = code
    self.words = words
    self.lie = lie
  }

  /// Of a pipeline of three rows, one a part.
  static let all = [
    SnapshotLie("no seal", words: "without its seal") {
      SnapshotPart(seal: nil, tables: $0.tables, next: $0.next)
    },
    SnapshotLie("no last row", words: "proof: 2 rows") {
      $0.next == nil ? $0.with(rows: []) : $0
    },
    SnapshotLie("a row twice", words: "proof: 4 rows") { $0.next == nil ? $0.times(2) : $0 },
    SnapshotLie("too many rows in a part", words: "a part of 100002 rows") {
      let half = $0.times(AnswerLimits.rowsMax / 2 + 1).tables
      return $0.with(rows: half + half)
    },
    SnapshotLie("too many bytes in a part", words: "larger than any may be") { part in
      let row = SnapshotPart.Row(values: [.bytes(Array(repeating: 0, count: 1 << 20))])
      return part.with(rows: [.init(name: "orders", rows: Array(repeating: row, count: 8))])
    },
    SnapshotLie("a next part of another state", words: "does not go on") { part in
      guard let next = part.next else { return part }
      let roots = FileRoots(data: next.roots.ledger, ledger: next.roots.data)
      return SnapshotPart(
        seal: part.seal, tables: part.tables,
        next: SnapshotPlace(roots: roots, table: next.table, key: next.key))
    },
    SnapshotLie("more rows than there is room for", code: "NO_ROOM", words: "it gave 20 rows") {
      $0.times(20)
    },
    SnapshotLie("no place for another snapshot", code: "SNAPSHOTS_FULL", words: "ask again") {
      _ throws(Refusal) in throw Refusal("SNAPSHOTS_FULL", "four are given: ask again")
    },
    SnapshotLie("nothing after the first part", code: "READ_FAILED", words: "cannot read") {
      part throws(Refusal) in
      guard part.seal == nil else { return part }
      throw Refusal("READ_FAILED", "this replica cannot read its files")
    },
  ]
}

@Suite struct `A snapshot over HTTP` {
  static let roots = FileRoots(data: sha256([0xda]), ledger: sha256([0x1e]))

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

  @Test(arguments: SnapshotLie.all)
  func `that three replicas do wrong comes from the fourth`(lie: SnapshotLie) async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client(subnet.owner)
      try await subnet.fill(3, by: client)
      let asked = Asked()
      for (index, replica) in subnet.replicas.enumerated() {
        replica.fail { faults in
          faults.snapshot = { part throws(Refusal) in
            guard asked.turn(of: index) < 3 else { return part }
            return try lie.lie(part)
          }
        }
      }
      var memory = Memory(believing: 3, room: 10)
      _ = try await client.snapshot(of: "shop", into: &memory)
      #expect(memory.rows.map { $0[0] } == (100..<103).map { .text("o\($0)") })
      #expect(asked.count == 4)
      await client.close()
    }
  }

  @Test(arguments: SnapshotLie.all)
  func `that all replicas do wrong fails, and nothing of it is kept`(
    lie: SnapshotLie
  ) async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client(subnet.owner)
      try await subnet.fill(3, by: client)
      for replica in subnet.replicas { replica.fail { $0.snapshot = lie.lie } }
      var memory = Memory(believing: 3, room: 10)
      do {
        _ = try await client.snapshot(of: "shop", into: &memory)
        Issue.record("a lie was believed")
      } catch let failed as ClientFailure {
        #expect(failed.code == lie.code)
        #expect(failed.why.contains(lie.words))
        for replica in ["r0", "r1", "r2", "r3"] { #expect(failed.why.contains(replica)) }
      }
      #expect(memory.rows.isEmpty)
      await client.close()
    }
  }

  @Test func `that each replica does wrong in its own way fails with what each did`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client(subnet.owner)
      try await subnet.fill(3, by: client)
      let lies = ["no last row", "more rows than there is room for", "no seal"].compactMap { name in
        SnapshotLie.all.first { $0.testDescription == name }
      }
      for (replica, lie) in zip(subnet.replicas, lies) { replica.fail { $0.snapshot = lie.lie } }
      subnet.replicas[3].fail { faults in
        faults.snapshot = { _ throws(Refusal) in throw Refusal("BEHIND", "the fourth is behind") }
      }
      let failed = await failure {
        var memory = Memory(believing: 3, room: 10)
        _ = try await client.snapshot(of: "shop", into: &memory)
      }
      let told = try #require(failed)
      #expect(told.why.contains("r0: its answer failed a check: proof: 2 rows"))
      #expect(told.why.contains("r1: it gave 20 rows"))
      #expect(told.why.contains("r2: its answer failed a check: a snapshot begins without"))
      #expect(told.why.contains("r3: the fourth is behind"))
      #expect(told.code == "NO_ROOM")
      #expect(told.next.contains("free some of the disk"))
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
