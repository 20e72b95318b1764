import Gateway
import GatewayFixture
import Glibc
import Logging
import ServiceLifecycle
import Signing
import Testing
import Wire

@Suite struct `The gateway's bounds` {
  @Test func `admit so many bytes of bodies as they come, and give them back`() throws {
    let admission = Admission()
    let share = GatewayLimits.bodyBytesPerAddressMax
    var all: [Admitted] = []
    for number in 0..<GatewayLimits.bodyBytesInFlightMax / share {
      // A request of which nothing has come takes nothing.
      let idle = try admission.enter(.call, from: "\(number)")
      let sending = try admission.enter(.call, from: "\(number)")
      try sending.receive(share - 1)
      try sending.receive(1)
      let problem = #expect(throws: Problem.self) { try idle.receive(1) }
      #expect(problem?.status == 429)
      #expect(problem?.closesConnection == true)
      all += [idle, sending]
    }
    let late = try admission.enter(.read, from: "late")
    let problem = #expect(throws: Problem.self) { try late.receive(1) }
    #expect(problem?.status == 503)
    all.removeLast()
    try late.receive(share)
  }

  @Test func `admit so many requests, and reads beside calls`() throws {
    let admission = Admission()
    for (kind, share) in [
      (Admission.Kind.read, GatewayLimits.readsPerAddressMax),
      (.call, GatewayLimits.callsPerAddressMax),
    ] {
      var all: [Admitted] = []
      for number in 0..<GatewayLimits.requestsMax / share {
        for _ in 0..<share { all.append(try admission.enter(kind, from: "\(number)")) }
        let problem = #expect(throws: Problem.self) {
          try admission.enter(kind, from: "\(number)")
        }
        #expect(problem?.status == 429)
        #expect(problem?.retryAfter != nil)
      }
      let problem = #expect(throws: Problem.self) { try admission.enter(kind, from: "late") }
      #expect(problem?.status == 503)
      #expect(problem?.retryAfter != nil)
      _ = try admission.enter(kind == .read ? .call : .read, from: "late")
      #expect(admission.requests == all.count)
      all.removeAll()
      #expect(admission.requests == 0)
    }
  }

  @Test func `admit so many connections of one address`() {
    let admission = Admission()
    let all = (0..<GatewayLimits.connectionsPerAddressMax).map { _ in admission.connect("a") }
    #expect(all.allSatisfy { $0 != nil })
    #expect(admission.connect("a") == nil)
    #expect(admission.connect("b") != nil)
    withExtendedLifetime(all) {}
  }

  @Test func `admit so many followers of events`() throws {
    let admission = Admission()
    let share = GatewayLimits.eventStreamsPerAddressMax
    var all: [Permit] = []
    for number in 0..<GatewayLimits.eventStreamsMax / share {
      for _ in 0..<share { all.append(try admission.openEvents(from: "\(number)")) }
      let problem = #expect(throws: Problem.self) { try admission.openEvents(from: "\(number)") }
      #expect(problem?.status == 429)
    }
    let problem = #expect(throws: Problem.self) { try admission.openEvents(from: "late") }
    #expect(problem?.status == 503)
    all.removeLast()
    _ = try admission.openEvents(from: "late")
  }
}

@Suite struct `A gateway told to stop` {
  @Test func `stops although clients follow its events and keep connections`() async throws {
    let keys = [KeyPair.generate()]
    let replica = SmallReplica(id: 0, ledger: SmallState(keys: keys, owner: keys[0]))
    var logger = Logger(label: "stop")
    logger.logLevel = .critical
    let (ports, listening) = AsyncStream<Int>.makeStream()
    let gateway = Gateway(
      backend: replica, configuration: .init(host: "127.0.0.1", port: 0, tls: nil),
      logger: logger
    ) { listening.yield($0) }
    let group = ServiceGroup(configuration: .init(services: [gateway], logger: logger))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      var port = 0
      for await found in ports {
        port = found
        break
      }
      let open = port
      let kept = try await blocking {
        let socket = try RawSocket(port: open)
        socket.write(Array("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        _ = socket.read { String(decoding: $0, as: UTF8.self).hasSuffix("ok\n") }
        return socket
      }
      async let follower = blocking {
        let socket = try RawSocket(port: open)
        socket.write(Array("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        return socket.read().closed
      }
      try await eventually("a listener") { replica.listeners > 0 }
      await group.triggerGracefulShutdown()
      #expect(try await follower)
      let isClosed = try await blocking { kept.read().closed }
      #expect(isClosed)
      try await tasks.waitForAll()
    }
  }

  @Test func `outlives connections that come in at that moment`() async throws {
    for _ in 0..<30 {
      let port = try await SmallSubnet.serving(size: 1) { $0.ports[0] }
      // The gateway stops in the first of these, or has stopped.
      for _ in 0..<4 { _ = try? await blocking { try RawSocket(port: port, patience: 1) } }
      let racing = try await SmallSubnet.serving(size: 1) { subnet in
        let ports = subnet.ports
        return Task {
          for _ in 0..<20 { _ = try? await blocking { try RawSocket(port: ports[0], patience: 1) } }
        }
      }
      await racing.value
    }
  }

  @Test func `says that its port is taken`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      var logger = Logger(label: "taken")
      logger.logLevel = .critical
      let second = Gateway(
        backend: subnet.replicas[0],
        configuration: .init(host: "127.0.0.1", port: subnet.ports[0], tls: nil), logger: logger)
      await #expect(throws: (any Error).self) { try await second.run() }
      let first = try await http("GET", "/healthz", port: subnet.ports[0])
      #expect(first.status == 200)
    }
  }
}
