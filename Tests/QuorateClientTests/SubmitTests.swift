import Certification
import GatewayFixture
import Glibc
import Signing
import Synchronization
import Testing
import Wire

@testable import QuorateClient

@Suite struct `A submission` {
  @Test(arguments: [false, true])
  func `returns a receipt that a quorum certified`(tls: Bool) async throws {
    try await SmallSubnet.serving(tls: tls) { subnet in
      let client = try subnet.client(subnet.owner, tls: tls)
      let certified = try await subnet.fill(3, by: client)
      #expect(certified.proof.receipt.tally.accepted == 3)
      #expect(certified.certificate.signers.count == subnet.ledger.committee.quorum)
      await client.close()
    }
  }

  /// A closing TLS connection is active until the replica, too, said so.
  @Test func `is not sent on a connection that ended with its last answer`() async throws {
    try await SmallSubnet.serving(size: 1, tls: true) { subnet in
      let client = try subnet.client(tls: true)
      let tooLarge = HTTPAsk(
        method: .POST, target: "/v1/pipelines/shop/sources/orders/batches",
        headers: [("Content-Type", "text/csv"), ("Idempotency-Key", "large")],
        body: [UInt8](repeating: 0x61, count: Limits.callBodyBytesMax + 1))
      for _ in 0..<8 {
        let refused = try await client.exchange(tooLarge, with: 0)
        #expect(refused.status == 413)
        #expect(!refused.keepsConnection)
        let next = try await client.exchange(HTTPAsk(method: .GET, target: "/healthz"), with: 0)
        #expect(next.status == 200)
        #expect(next.keepsConnection)
      }
      await client.close()
    }
  }

  @Test func `goes only to a replica that shows its pinned certificate`() async throws {
    try await SmallSubnet.serving(size: 1, tls: true) { subnet in
      let client = try subnet.client(tls: true)
      try await subnet.fill(1, by: client)
      let member = subnet.network.members[0]
      let other = try TransportIdentity.make(name: "other")
      let impostor = try Network(
        genesis: subnet.network.genesis,
        members: [
          .init(
            id: 0, key: member.key, host: member.host, peerPort: 1, httpPort: member.httpPort,
            certificate: other.certificatePEM, fingerprint: other.fingerprint)
        ])
      let wary = try Client(network: impostor, identity: nil)
      var intention = subnet.orders("z,1,1\n", key: "z")
      intention.patience = .milliseconds(300)
      let handedIn = subnet.replicas[0].handedIn.count
      let failed = await failure { _ = try await wary.submit(intention) }
      #expect(failed?.kind == .unreachable)
      #expect(subnet.replicas[0].handedIn.count == handedIn)
      await client.close()
      await wary.close()
    }
  }

  @Test func `passes over replicas that refuse, withhold or cannot be reached`() async throws {
    try await SmallSubnet.serving { subnet in
      subnet.replicas[0].fail { $0.refusal = Refusal("FORBIDDEN", "I do not want to") }
      subnet.replicas[1].fail { $0.withholds = true }
      let members = subnet.network.members.map { member in
        Network.Member(
          id: member.id, key: member.key, host: member.host, peerPort: 1,
          httpPort: member.id == 2 ? 1 : member.httpPort, certificate: member.certificate,
          fingerprint: member.fingerprint)
      }
      let network = try Network(genesis: subnet.network.genesis, members: members)
      let client = try Client(network: network, identity: nil, usesTLS: false)
      for round in 0..<4 {
        let certified = try await client.submit(subnet.orders("a,1,1\n", key: "k\(round)"))
        #expect(certified.proof.receipt.status == .applied)
      }
      await client.close()
    }
  }

  @Test func `is given up soon where nothing listens at any replica`() async throws {
    try await SmallSubnet.serving { subnet in
      let members = subnet.network.members.map { member in
        Network.Member(
          id: member.id, key: member.key, host: member.host, peerPort: 1, httpPort: 1,
          certificate: member.certificate, fingerprint: member.fingerprint)
      }
      let begin = systemClock()
      let told = Mutex(begin)
      // Each look at the clock takes a tenth of a second.
      let clock = { @Sendable in
        told.withLock { now in
          now = now.advanced(by: 100)
          return now
        }
      }
      let client = try Client(
        network: try Network(genesis: subnet.network.genesis, members: members), identity: nil,
        usesTLS: false, clock: clock)
      var intention = subnet.orders("a,1,1\n", key: "nobody")
      intention.patience = .seconds(600)
      intention.patienceRefused = .seconds(2)
      let failed = await failure { _ = try await client.submit(intention) }
      #expect(failed?.kind == .unreachable)
      #expect(failed?.nobodyListens == true)
      #expect(told.withLock { $0 }.above(begin) < 60_000)
      await client.close()
    }
  }

  @Test func `refused with a certificate is final and says so`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      let failed = await failure {
        _ = try await client.submit(subnet.orders("no order\n", key: "bad"))
      }
      #expect(failed?.kind == .refused)
      #expect(failed?.code == "BAD_ROWS")
      #expect(failed?.receipt != nil)
      #expect(failed?.request?.count == 64)
      await client.close()
    }
  }

  @Test func `refused by f + 1 replicas alone ends, by f of them it does not`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      subnet.replicas[0].fail { $0.refusal = Refusal("FORBIDDEN", "no") }
      for round in 0..<4 {
        _ = try await client.submit(subnet.orders("a,1,1\n", key: "f\(round)"))
      }
      subnet.replicas[1].fail { $0.refusal = Refusal("FORBIDDEN", "no") }
      subnet.replicas[2].fail { $0.refusal = Refusal("FORBIDDEN", "no") }
      subnet.replicas[3].fail { $0.refusal = Refusal("FORBIDDEN", "no") }
      let failed = await failure {
        _ = try await client.submit(subnet.orders("a,1,1\n", key: "g"))
      }
      #expect(failed?.kind == .rejected)
      #expect(failed?.code == "FORBIDDEN")
      #expect(failed?.description.hasSuffix("no. 2 replicas say so [FORBIDDEN]") == true)
      #expect(failed?.receipt == nil)
      await client.close()
    }
  }

  @Test func `without a certificate in time is undecided, never lost`() async throws {
    try await SmallSubnet.serving { subnet in
      for replica in subnet.replicas { replica.fail { $0.withholds = true } }
      let client = try subnet.client()
      var intention = subnet.orders("a,1,1\n", key: "slow")
      intention.patience = .milliseconds(200)
      let failed = await failure { _ = try await client.submit(intention) }
      #expect(failed?.kind == .undecided)
      let id = try #require(failed?.request.flatMap { Digest(hex: $0) })
      guard case .received(let replica) = try await client.request(id) else {
        Issue.record("\(id) is not received")
        return
      }
      #expect(subnet.replicas[replica.index].handedIn.contains { $0.call.digest == id })
      for replica in subnet.replicas { replica.fail { $0.withholds = false } }
      let certified = try await client.submit(subnet.orders("a,1,1\n", key: "slow"))
      #expect(certified.proof.receipt.status == .applied)
      await client.close()
    }
  }

  @Test func `handed in without waiting has an id that leads to its receipt`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      let id = try await client.handIn(subnet.orders("a,1,1\n", key: "later"))
      guard case .done(let certified) = try await client.request(id) else {
        Issue.record("\(id) is not done")
        return
      }
      #expect(certified.proof.receipt.call == id)
      let failed = await failure {
        _ = try await client.handIn(
          Intention(pipeline: "shopp", method: .procedure("close"), key: "x"))
      }
      #expect(failed?.code == "UNKNOWN_PIPELINE")
      await client.close()
    }
  }

  @Test func `twice under one key is replayed, with another body it conflicts`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client(subnet.owner)
      let first = try await client.submit(subnet.orders("a,1,1\n", key: "one"))
      try await blocking { _ = usleep(2_000) }
      let second = try await client.submit(subnet.orders("a,1,1\n", key: "one"))
      #expect(second.proof.receipt.replayOf?.call == first.proof.receipt.call)
      let failed = await failure {
        _ = try await client.submit(subnet.orders("b,1,1\n", key: "one"))
      }
      #expect(failed?.code == "KEY_CONFLICT")
      await client.close()
    }
  }

  @Test(arguments: ["", String(repeating: "k", count: 129), "naïve"])
  func `with a key that no header carries is not sent`(key: String) async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let client = try subnet.client()
      let failed = await failure { _ = try await client.submit(subnet.orders("a,1,1\n", key: key)) }
      #expect(failed?.kind == .invalid)
      #expect(subnet.replicas[0].handedIn.isEmpty)
      await client.close()
    }
  }

  @Test func `of many batches keeps several in flight and reports each once`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client(subnet.owner)
      let batches = AsyncStream<Intention> { continuation in
        for batch in 0..<20 {
          continuation.yield(subnet.orders("r\(batch),1,1\n", key: "b\(batch)"))
        }
        continuation.finish()
      }
      let seen = Mutex<[Int]>([])
      try await client.ingest(batches, inFlight: 6) { batch, receipt in
        #expect(receipt.proof.receipt.status == .applied)
        seen.withLock { $0.append(batch) }
      }
      #expect(seen.withLock { $0.sorted() } == Array(0..<20))
      let answer = try await client.agree(.named("all_orders"), of: "shop")
      #expect(answer.table.rows.count == 20)
      await client.close()
    }
  }

  @Test func `of many batches stops at the first that fails`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let client = try subnet.client()
      let batches = AsyncStream<Intention> { continuation in
        for batch in 0..<20 {
          continuation.yield(
            subnet.orders(batch == 3 ? "no order\n" : "r\(batch),1,1\n", key: "b\(batch)"))
        }
        continuation.finish()
      }
      let failed = await failure { try await client.ingest(batches, inFlight: 2) { _, _ in } }
      #expect(failed?.kind == .refused)
      #expect(failed?.code == "BAD_ROWS")
      #expect(failed?.batch == 3)
      #expect(subnet.replicas[0].handedIn.count < 20)
      await client.close()
    }
  }
}

@Suite struct `Batches of one file` {
  @Test(arguments: [("", 8), ("accept", 8), ("quarantine", 1), ("reject", 1)])
  func `go one by one where late rows are held back`(late: String, inFlight: Int) {
    let progress = SourceProgress(
      source: "costs", late: late, eventHighest: nil, lateness: 0, acceptedAt: nil, bound: nil)
    #expect(progress.inFlightUsual == inFlight)
  }

  private static func catalog(late: String) -> @Sendable (Catalog) -> Catalog {
    { catalog in
      var catalog = catalog
      catalog.pipelines[0].progress = [
        SourceProgress(
          source: "orders", late: late, eventHighest: nil, lateness: 0, acceptedAt: nil, bound: nil)
      ]
      return catalog
    }
  }

  @Test func `go one by one although a replica says that late rows are accepted`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      for replica in subnet.replicas {
        replica.fail { $0.catalog = Self.catalog(late: replica.id == 0 ? "accept" : "quarantine") }
      }
      // Each call begins with another replica.
      for _ in 0..<4 {
        #expect(try await client.batchesInFlight(of: "orders", in: "shop") == 1)
      }
      for replica in subnet.replicas { replica.fail { $0.catalog = Self.catalog(late: "accept") } }
      #expect(try await client.batchesInFlight(of: "orders", in: "shop") == 8)
      #expect(try await client.batchesInFlight(of: "others", in: "shop") == 1)
      await client.close()
    }
  }
}

@Suite struct `What became of a call` {
  @Test func `is the word of the replica that is named`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      #expect(try await client.request(sha256([1])) == .unknown)
      subnet.replicas[2].fail { $0.progress = .ordered(9) }
      #expect(try await client.request(sha256([1])) == .ordered(9, by: 2))
      subnet.replicas[2].fail { $0.progress = .received }
      #expect(try await client.request(sha256([1])) == .received(by: 2))
      await client.close()
    }
  }

  @Test(arguments: [1, 2])
  func `is unknown by the word of a quorum alone`(down: Int) async throws {
    try await SmallSubnet.serving { subnet in
      let members = subnet.network.members.map { member in
        Network.Member(
          id: member.id, key: member.key, host: member.host, peerPort: 1,
          httpPort: member.id.index < down ? 1 : member.httpPort,
          certificate: member.certificate, fingerprint: member.fingerprint)
      }
      let network = try Network(genesis: subnet.network.genesis, members: members)
      let client = try Client(network: network, identity: nil, usesTLS: false)
      var found: RequestProgress?
      let failed = await failure { found = try await client.request(sha256([1])) }
      #expect(found == (down == 1 ? .unknown : nil))
      #expect(failed?.kind == (down == 1 ? nil : .unreachable))
      #expect(failed == nil || failed?.what.hasPrefix("fewer than 3 replicas say") == true)
      await client.close()
    }
  }

  @Test func `is not told by a reply about something else`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let client = try subnet.client()
      func progress(_ reply: HTTPReply) -> RequestProgress? {
        try? client.progress(of: sha256([1]), in: reply, of: 0)
      }
      let refusal = Refusal("TOO_MANY_READS", "slow down").canonicalBytes
      #expect(
        progress(
          HTTPReply(status: 429, headers: ["Content-Type": MediaType.refusal], body: refusal))
          == nil)
      #expect(progress(HTTPReply(status: 200, headers: [:], body: [])) == nil)
      #expect(
        progress(HTTPReply(status: 200, headers: [EnvelopeField.progress: "unknown"], body: []))
          == .unknown)
      await client.close()
    }
  }
}
