import Certification
import GatewayFixture
import QuorateClient
import Signing
import Testing
import Wire

@Suite struct `An answer` {
  static let orders = QueryRequest.Question.named("all_orders")

  @Test func `older than asked for is refused, an unbounded one is given`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      try await subnet.fill(2, by: client)
      #expect(try await client.ask(Self.orders, of: "shop").table.rows.count == 2)
      subnet.ledger.idle(at: Moment(now().number - 600_000))
      for trust in [Trust.replica, .quorum] {
        let failed = await failure {
          if trust == .replica {
            _ = try await client.ask(Self.orders, of: "shop")
          } else {
            _ = try await client.agree(Self.orders, of: "shop")
          }
        }
        #expect(failed?.kind == .stale)
      }
      let rows = await failure {
        _ = try await client.rows(.prefix([]), of: "orders", in: "shop")
      }
      #expect(rows?.kind == .stale)
      let old = try await client.ask(Self.orders, of: "shop", recency: .maxAge(.seconds(3_600)))
      #expect(old.table.rows.count == 2)
      await client.close()
    }
  }

  @Test func `at or above an update's height shows its effect`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      let height = try await subnet.fill(2, by: client).proof.receipt.height
      for index in 0..<3 { subnet.replicas[index].fail { $0.lag = 1 } }
      for _ in 0..<4 {
        let answer = try await client.ask(
          Self.orders, of: "shop", recency: .minHeight(height))
        #expect(answer.height >= height)
        #expect(answer.table.rows.count == 2)
      }
      subnet.replicas[3].fail { $0.lag = 1 }
      let failed = await failure {
        _ = try await client.ask(Self.orders, of: "shop", recency: .minHeight(height))
      }
      #expect(failed?.code == "BEHIND")
      await client.close()
    }
  }

  @Test func `that is fresh is at the highest height that q replicas signed`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      let height = try await subnet.fill(2, by: client).proof.receipt.height
      subnet.replicas[1].fail { $0.lag = 1 }
      let answer = try await client.ask(Self.orders, of: "shop", recency: .fresh)
      #expect(answer.height >= height)
      let far = subnet.ledger.share(at: height, by: 0, claiming: 1_000)
      subnet.replicas[0].fail { faults in
        faults.status = { status in
          var status = status
          status.share = far
          return status
        }
      }
      let despite = try await client.ask(Self.orders, of: "shop", recency: .fresh)
      #expect(despite.height >= height)
      for index in 0..<2 {
        subnet.replicas[index].fail { faults in
          faults.status = { status in
            var status = status
            status.share = nil
            return status
          }
        }
      }
      let failed = await failure {
        _ = try await client.ask(Self.orders, of: "shop", recency: .fresh)
      }
      #expect(failed?.code == "NO_QUORUM")
      await client.close()
    }
  }

  @Test func `of a quorum comes with two of four silent, not with three`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      try await subnet.fill(2, by: client)
      for index in 0..<2 {
        subnet.replicas[index].fail { faults in
          faults.answer = { SignedAnswer(content: $0.content, replica: 9, signature: $0.signature) }
        }
      }
      let answer = try await client.agree(Self.orders, of: "shop")
      #expect(answer.witnesses == [2, 3])
      subnet.replicas[2].fail { faults in
        faults.answer = { SignedAnswer(content: $0.content, replica: 9, signature: $0.signature) }
      }
      let failed = await failure { _ = try await client.agree(Self.orders, of: "shop") }
      #expect(failed?.kind == .untrusted)
      await client.close()
    }
  }

  @Test func `and an update come soon although a replica is silent`() async throws {
    try await SmallSubnet.serving { subnet in
      let silent = try SilentPort()
      let members = subnet.network.members.map { member in
        Network.Member(
          id: member.id, key: member.key, host: member.host, peerPort: 1,
          httpPort: member.id == 0 ? UInt16(silent.port) : member.httpPort,
          certificate: member.certificate, fingerprint: member.fingerprint)
      }
      let network = try Network(genesis: subnet.network.genesis, members: members)
      let client = try Client(network: network, identity: nil, usesTLS: false)
      let start = ContinuousClock.now
      try await subnet.fill(2, by: client)
      for _ in 0..<2 {
        #expect(try await client.agree(Self.orders, of: "shop").table.rows.count == 2)
        #expect(try await client.ask(Self.orders, of: "shop").table.rows.count == 2)
      }
      #expect(ContinuousClock.now - start < .seconds(20))
      await client.close()
    }
  }

  @Test func `at a height that is gone names the heights there are`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      let failed = await failure {
        _ = try await client.agree(Self.orders, of: "shop", height: 900)
      }
      #expect(failed?.code == "HEIGHT_GONE")
      await client.close()
    }
  }

  @Test func `for the owner comes to the owner alone`() async throws {
    try await SmallSubnet.serving { subnet in
      let mine = QueryRequest.Question.named("private_orders")
      let owner = try subnet.client(subnet.owner)
      try await subnet.fill(2, by: owner)
      #expect(try await owner.agree(mine, of: "shop").table.rows.count == 2)
      let stranger = try subnet.client(KeyPair.generate())
      let failed = await failure { _ = try await stranger.agree(mine, of: "shop") }
      #expect(failed?.kind == .rejected)
      #expect(failed?.code == "FORBIDDEN")
      await owner.close()
      await stranger.close()
    }
  }

  @Test func `saved is verified offline, changed in any byte it is not`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      let receipt = try await subnet.fill(3, by: client)
      let saved = [
        try await client.ask(Self.orders, of: "shop").saved,
        try await client.agree(Self.orders, of: "shop").saved,
        try await client.rows(.prefix([]), of: "orders", in: "shop").saved,
        .receipt(receipt),
      ]
      let check = ClientCheck(committee: subnet.network.committee)
      for answer in saved {
        let again = try SavedAnswer(file: answer.file)
        _ = try again.checked(by: check)
        var believed = 0
        for offset in stride(from: 0, to: answer.canonicalBytes.count, by: 7) {
          guard let changed = flipped(answer, at: offset) else { continue }
          guard let seen = try? changed.checked(by: check) else { continue }
          // What may differ is the request, or a weaker claim; never what is shown.
          let original = try again.checked(by: check)
          if seen.table != original.table || seen.receipt != original.receipt
            || seen.height != original.height || seen.time != original.time
          {
            believed += 1
          }
        }
        #expect(believed == 0)
      }
      await client.close()
    }
  }

  @Test func `through the public face is plain values`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try Client(
        networkFile: subnet.network.json, seed: subnet.owner.seed, usesTLS: false)
      let outcome = try await client.ingest(
        pipeline: "shop", source: "orders", rows: Array("a,1,150\n".utf8), format: .csv, key: "p")
      #expect(outcome.rowsAccepted == 1)
      let closed = try await client.submit(
        pipeline: "shop", procedure: "close", arguments: Array("{}".utf8), key: "c")
      #expect(!closed.replayed)
      let answer = try await client.query(
        pipeline: "shop", named: "order", arguments: [("id", .text("a"))],
        minHeight: outcome.height)
      #expect(answer.rows == [["a", "1970-01-02", "1.50"]])
      #expect(throws: ClientFailure.self) {
        _ = try Client(networkFile: Array("{}".utf8), seed: nil)
      }
      await client.close()
    }
  }
}

@Suite struct `A report` {
  @Test func `is what a replica says of a pipeline`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      let report = try await client.report(of: "shop")
      #expect(report.burns.map(\.name) == ["orders", ""])
      #expect(report.grants.map(\.role) == ["clerk"])
      #expect(report.daysToFreeze(burning: report.storageDaily) == 495)
      let failed = await failure { _ = try await client.report(of: "none") }
      #expect(failed?.code == "UNKNOWN_PIPELINE")
      await client.close()
    }
  }
}

@Suite struct `A balance` {
  @Test func `is what f + 1 replicas say`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      let owner = subnet.owner.publicKey
      #expect(try await client.balance(of: owner) == 77)
      subnet.replicas[0].fail { $0.balance = 1_000_000 }
      for _ in 0..<4 { #expect(try await client.balance(of: owner) == 77) }
      subnet.replicas[1].fail { $0.balance = 5 }
      subnet.replicas[2].fail { $0.balance = 6 }
      let failed = await failure { _ = try await client.balance(of: owner) }
      #expect(failed?.code == "DISAGREEMENT")
      await client.close()
    }
  }
}

private func build(_ source: String) -> EngineFingerprint {
  EngineFingerprint(source: source, options: .zero, probe: .zero)
}

@Suite struct `The engines accepted` {
  @Test func `are those that f + 1 replicas say`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      subnet.replicas[0].fail { $0.engines = [build("planted")] }
      for _ in 0..<4 {
        #expect(try await client.engines().accepted.map(\.source) == ["a build"])
      }
      subnet.replicas[1].fail { $0.engines = [] }
      subnet.replicas[2].fail { $0.engines = [build("older")] }
      let failed = await failure { _ = try await client.engines() }
      #expect(failed?.code == "DISAGREEMENT")
      await client.close()
    }
  }
}

@Suite struct `Every replica's status` {
  @Test func `comes with what is proven of it, and with who does not answer`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      try await subnet.fill(1, by: client)
      let forged = sha256([7])
      subnet.replicas[1].fail { faults in
        faults.status = { status in
          var status = status
          status.certificate = status.certificate?.with(root: forged)
          return status
        }
      }
      subnet.replicas[2].fail { faults in
        faults.status = { status in
          var status = status
          status.replica = 0
          return status
        }
      }
      let all = await client.statuses()
      #expect(all.map(\.0) == [0, 1, 2, 3])
      let first = try all[0].1.get()
      #expect(first.certificate?.height == 2)
      #expect(first.share?.signer == 0)
      #expect(try all[1].1.get().certificate == nil)
      #expect(throws: ClientFailure.self) { try all[2].1.get() }
      #expect(try await client.catalog().pipelines.map(\.name) == ["shop"])
      await client.close()
    }
  }
}
