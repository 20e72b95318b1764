import Certification
import Foundation
import Gateway
import GatewayFixture
import NodeShell
import Signing
import Testing
import Transport
import Wire

@Suite(.serialized) struct `Four real replicas` {
  @Test(.timeLimit(.minutes(3)))
  func `order a call, and each of them proves its receipt`() async throws {
    let cluster = try Cluster(size: 4)
    let nodes = try cluster.startAll()
    let call = cluster.transfer("first")
    let certified = try await nodes[0].apply(call)
    let receipt = try cluster.check.check(certified, of: call.call.digest)
    #expect(receipt.status == .applied)
    for node in nodes {
      let own = try await node.receipt(of: call)
      #expect(try cluster.check.check(own, of: call.call.digest) == receipt)
      #expect(await node.readable(from: receipt.height, patience: .seconds(60)) != nil)
      let certificate = try await node.certificate(at: receipt.height)
      #expect(certificate.statement == certified.certificate.statement)
    }
  }

  @Test(.timeLimit(.minutes(3)))
  func `answer a call that is sent again with its first receipt`() async throws {
    let cluster = try Cluster(size: 4)
    let nodes = try cluster.startAll()
    let call = cluster.transfer("once")
    async let first = nodes[0].apply(call)
    async let second = nodes[1].apply(call)
    let receipts = try await [first, second]
    #expect(receipts[0].proof.receipt == receipts[1].proof.receipt)
    let again = try await nodes[2].apply(call)
    #expect(again.proof.receipt == receipts[0].proof.receipt)
  }

  @Test(.timeLimit(.minutes(3)))
  func `refuse an envelope that was tampered with after taking the right one`() async throws {
    let cluster = try Cluster(size: 4)
    let nodes = try cluster.startAll()
    let right = cluster.transfer("right")
    _ = try await nodes[0].apply(right)
    let other = cluster.transfer("other")
    let forged = SignedCall(call: other.call, body: [], signature: right.signature)
    guard case .refused(let refusal) = await nodes[0].submit(forged, patience: 0) else {
      throw Unexpected("a wrong signature was taken")
    }
    #expect(refusal.code == "BAD_SIGNATURE")
    let padded = SignedCall(call: other.call, body: [1], signature: other.signature)
    guard case .refused(let mismatch) = await nodes[0].submit(padded, patience: 0) else {
      throw Unexpected("a wrong body was taken")
    }
    #expect(mismatch.code == "BODY_MISMATCH")
    _ = try await nodes[0].apply(other)
  }

  @Test(.timeLimit(.minutes(3)))
  func `go on without one, which catches up when it returns`() async throws {
    let cluster = try Cluster(size: 4)
    let nodes = try cluster.startAll()
    _ = try await nodes[0].apply(cluster.transfer("before"))
    cluster.stop(3)
    var last: (call: SignedCall, receipt: CertifiedReceipt)?
    for number in 0..<5 {
      let call = cluster.transfer("while away \(number)")
      last = (call, try await nodes[number % 3].apply(call))
    }
    let (call, receipt) = try #require(last)
    let back = try cluster.start(3)
    #expect(try await back.receipt(of: call).proof == receipt.proof)
    let height = receipt.proof.receipt.height
    #expect(await back.readable(from: height, patience: .seconds(60)) != nil)
    #expect(try await back.certificate(at: height).statement == receipt.certificate.statement)
    _ = try await back.apply(cluster.transfer("after"))
  }

  @Test(.timeLimit(.minutes(3)))
  func `stand still without a quorum, say who is missing, and go on with it`() async throws {
    let cluster = try Cluster(size: 4)
    let nodes = try cluster.startAll()
    _ = try await nodes[0].apply(cluster.transfer("before"))
    cluster.stop(2)
    cluster.stop(3)
    let call = cluster.transfer("without a quorum")
    let progress = await nodes[0].submit(call, patience: .seconds(3))
    guard case .received = progress else { throw Unexpected("\(progress)") }
    let awaiting = await nodes[0].status().awaiting
    #expect(awaiting.contains { $0.contains("r2, r3") && $0.contains("3 are needed") })
    try cluster.start(2)
    #expect(
      try cluster.check.check(try await nodes[0].receipt(of: call), of: call.call.digest).status
        == .applied)
  }

  @Test(.timeLimit(.minutes(3)))
  func `start again all at once from their files`() async throws {
    let cluster = try Cluster(size: 4)
    var nodes = try cluster.startAll()
    let call = cluster.transfer("before")
    let receipt = try await nodes[0].apply(call)
    for index in 0..<4 { cluster.stop(index) }
    nodes = try cluster.startAll()
    #expect(try await nodes[1].receipt(of: call).proof == receipt.proof)
    let later = try await nodes[2].apply(cluster.transfer("after"))
    #expect(later.proof.receipt.height > receipt.proof.receipt.height)
  }

  @Test(.timeLimit(.minutes(3)))
  func `take back one that lost its journal`() async throws {
    let cluster = try Cluster(size: 4)
    let nodes = try cluster.startAll()
    let receipt = try await nodes[0].apply(cluster.transfer("before"))
    cluster.stop(3)
    // The last connection of the stopped node may still be tidying its files away.
    let state = cluster.folder(of: 3).appending(path: "state")
    while FileManager.default.fileExists(atPath: state.path) {
      try? FileManager.default.removeItem(at: state)
    }
    let call = cluster.transfer("meanwhile")
    _ = try await nodes[0].apply(call)
    let back = try cluster.start(3)
    _ = try await back.receipt(of: call)
    #expect(cluster.log.contains("recovering a lost log"))
    let height = receipt.proof.receipt.height
    #expect(try await back.certificate(at: height).statement == receipt.certificate.statement)
    _ = try await nodes[1].apply(cluster.transfer("after"))
  }
}

@Suite(.serialized) struct `A real replica` {
  @Test(.timeLimit(.minutes(1)))
  func `names the port that is in use`() throws {
    let cluster = try Cluster(size: 1)
    let port = cluster.network.members[0].peerPort
    let socket = try #require(listen(on: port))
    defer { close(socket) }
    let fault = #expect(throws: NodeFault.self) { try cluster.start(0) }
    #expect(fault?.description.contains("port \(port)") == true)
  }

  @Test(.timeLimit(.minutes(1)))
  func `does not run twice on one folder`() throws {
    let cluster = try Cluster(size: 1)
    try cluster.start(0)
    let fault = #expect(throws: NodeFault.self) {
      try Node(
        try NodeConfiguration.load(directory: cluster.folder(of: 0)), logger: cluster.log.logger)
    }
    #expect(fault?.description.contains("another process") == true)
  }

  @Test(.timeLimit(.minutes(2)))
  func `lives through random bytes on its port`() async throws {
    let cluster = try Cluster(size: 1)
    let node = try cluster.start(0)
    var random = SystemRandomNumberGenerator()
    for length in [1, 6, 300, 40_000] {
      let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
      send(bytes, to: cluster.network.members[0].peerPort)
    }
    _ = try await node.apply(cluster.transfer("after"))
    #expect(node.measured.refusedConnections >= 4)
  }

  @Test(.timeLimit(.minutes(2)))
  func `refuses a peer whose certificate is not pinned after taking one whose is`() async throws {
    let cluster = try Cluster(size: 4)
    let node = try cluster.start(0)
    let member = try NodeConfiguration.load(directory: cluster.folder(of: 1))
    var setup = LinkSetup(
      me: 1, subnet: cluster.network.subnet,
      members: cluster.network.members.map {
        LinkMember(
          id: $0.id, host: $0.host, port: Int($0.peerPort), certificatePEM: $0.certificate)
      },
      certificatePEM: member.certificatePEM, privateKeyPEM: member.privateKeyPEM,
      listenHost: "127.0.0.1", listenPort: Int(member.member.peerPort))
    let right = try Links(setup, events: { _ in }, arrivals: { _ in })
    try await eventually("a link") { right.statistics[0].isUp }
    right.stop()

    let forged = try TransportIdentity.make(name: "r1")
    setup.certificatePEM = forged.certificatePEM
    setup.privateKeyPEM = forged.privateKeyPEM
    setup.members[1] = LinkMember(
      id: 1, host: "127.0.0.1", port: setup.listenPort, certificatePEM: forged.certificatePEM)
    let before = node.measured.refusedConnections
    let wrong = try Links(setup, events: { _ in }, arrivals: { _ in })
    defer { wrong.stop() }
    try await eventually("a refusal") { node.measured.refusedConnections != before }
    #expect(!wrong.statistics[0].isUp)
    #expect(cluster.log.contains("not the one that network.json pins"))
  }

  @Test(.timeLimit(.minutes(2)))
  func `with a full disk takes no calls, says why, and follows the others`() async throws {
    let cluster = try Cluster(size: 4)
    let full = cluster.folder(of: 3).appending(path: "replica.json")
    let text = try String(contentsOf: full, encoding: .utf8)
    try text.replacingOccurrences(
      of: "\"diskReserveBytes\" : 0", with: "\"diskReserveBytes\" : \(UInt64(Int64.max))"
    ).write(to: full, atomically: true, encoding: .utf8)
    let nodes = try cluster.startAll()
    try await eventually("a full disk") {
      await nodes[3].readiness().reason == ReplicaStatus.Phase.diskFull.label
    }
    let refused = await nodes[3].submit(cluster.transfer("no room"), patience: 0)
    guard case .refused(let refusal) = refused else { throw Unexpected("\(refused)") }
    #expect(refusal.code == "DISK_FULL")
    let call = cluster.transfer("elsewhere")
    let receipt = try await nodes[0].apply(call)
    #expect(try await nodes[3].receipt(of: call).proof == receipt.proof)
    #expect(await nodes[3].readiness().isReady == false)
  }

  @Test(.timeLimit(.minutes(2)))
  func `tells its health, status, events and metrics`() async throws {
    let cluster = try Cluster(size: 1)
    let node = try cluster.start(0)
    let events = node.events()
    let receipt = try await node.apply(cluster.transfer("one"))
    #expect(await node.readiness().isReady)
    let status = await node.status()
    #expect(status.finalized >= receipt.proof.receipt.height)
    #expect(status.awaiting == [])
    for await event in events {
      if case .certified(receipt.proof.receipt.height, receipt.certificate.statement.stateRoot) =
        event
      {
        break
      }
    }
    let metrics = await node.metrics()
    #expect(metrics.contains("quorate_calls_submitted_total 1\n"))
    #expect(metrics.contains("quorate_journal_append_seconds_count"))
  }

  @Test(.timeLimit(.minutes(2)))
  func `stops whole, and wakes whoever still waits`() async throws {
    let cluster = try Cluster(size: 4)
    let node = try cluster.start(0)
    async let waiting = node.submit(cluster.transfer("never ordered"), patience: .seconds(50))
    async let height = node.readable(from: 9, patience: .seconds(50))
    try await eventually("two clients that wait") {
      await node.metrics().contains("quorate_queue{name=\"waiting-clients\"} 2")
    }
    await node.stopped()
    guard case .received = await waiting else { throw Unexpected("\(await waiting)") }
    _ = await height
    try await node.ended()
    guard case .refused(let refusal) = await node.submit(cluster.transfer("late"), patience: 0)
    else { throw Unexpected("a stopped replica takes calls") }
    #expect(refusal.code == "STOPPING")
  }
}
