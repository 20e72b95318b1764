import Gateway
import GatewayFixture
import Glibc
import Testing
import Wire

@Suite struct `A hostile client` {
  static let short: GatewayTimes = {
    var times = GatewayTimes()
    times.head = .milliseconds(300)
    times.body = .milliseconds(300)
    times.idle = .milliseconds(300)
    times.drain = .milliseconds(300)
    return times
  }()

  /// Sends a byte now and then until the other end is gone.
  /// - Returns: whether it went within five seconds.
  static func drips(_ beginning: String, port: Int) async throws -> Bool {
    try await blocking {
      let socket = try RawSocket(port: port, patience: 1)
      socket.write(Array(beginning.utf8))
      for _ in 0..<50 {
        guard socket.write([0x61]) else { return true }
        let read = socket.read { _ in true }
        if read.closed { return true }
        usleep(100_000)
      }
      return false
    }
  }

  @Test(arguments: [
    "GET /healthz HTTP/1.1\r\nX-Slow: ",
    "POST \(batchPath) HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nIdempotency-Key: s\r\n"
      + "Content-Length: 1000\r\n\r\n",
  ])
  func `that drips its request is dropped`(beginning: String) async throws {
    try await SmallSubnet.serving(size: 1, times: Self.short) { subnet in
      let wasDropped = try await Self.drips(beginning, port: subnet.ports[0])
      #expect(wasDropped)
      #expect(try await http("GET", "/healthz", port: subnet.ports[0]).status == 200)
    }
  }

  @Test func `that begins no TLS handshake is dropped`() async throws {
    try await SmallSubnet.serving(size: 1, tls: true, times: Self.short) { subnet in
      let port = subnet.ports[0]
      let closed = try await blocking { try RawSocket(port: port).read().closed }
      #expect(closed)
    }
  }

  @Test func `that says nothing, or comes back too late, is dropped`() async throws {
    try await SmallSubnet.serving(size: 1, times: Self.short) { subnet in
      let port = subnet.ports[0]
      let closed = try await blocking {
        let silent = try RawSocket(port: port)
        let wasClosed = silent.read().closed
        let idle = try RawSocket(port: port)
        idle.write(Array("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        return (wasClosed, idle.read().closed)
      }
      #expect(closed.0)
      #expect(closed.1)
    }
  }

  @Test func `that never reads its answer is dropped`() async throws {
    var times = GatewayTimes()
    times.write = .milliseconds(300)
    try await SmallSubnet.serving(size: 1, times: times) { subnet in
      let port = subnet.ports[0]
      subnet.replicas[0].publish([UInt8](repeating: 0x61, count: 24 << 20))
      let wasDropped = try await blocking {
        let socket = try RawSocket(port: port)
        socket.write(Array("GET /v1/network HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        for _ in 0..<100 {
          usleep(100_000)
          guard socket.write([0x20]) else { return true }
        }
        return false
      }
      #expect(wasDropped)
      let alive = try await http("GET", "/healthz", port: port)
      #expect(alive.status == 200)
    }
  }

  @Test(arguments: [
    "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "POST \(batchPath) HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
      + "Upgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
  ])
  func `that asks for another protocol is told so and dropped`(request: String) async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let port = subnet.ports[0]
      let read = try await blocking {
        let socket = try RawSocket(port: port)
        // A request before it is answered in peace.
        socket.write(Array("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        _ = socket.read { String(decoding: $0, as: UTF8.self).hasSuffix("ok\n") }
        socket.write(Array(request.utf8))
        return socket.read()
      }
      #expect(read.closed)
      let text = String(decoding: read.bytes, as: UTF8.self)
      #expect(text.hasPrefix("HTTP/1.1 501"), "\(text)")
      #expect(text.contains("NO_UPGRADE"))
      #expect(subnet.replicas[0].handedIn.isEmpty)
    }
  }

  /// Behind no other request, and behind one whose answer never ends.
  @Test(arguments: [
    ("", "Connection: upgrade\r\nUpgrade: x\r\n"),
    ("GET /v1/events", "Connection: upgrade\r\nUpgrade: x\r\n"),
    ("GET /v1/events", "no field\r\n"), ("GET /v1/events", ""),
  ])
  func `cannot send for ever while nobody reads`(before: String, fields: String) async throws {
    var times = GatewayTimes()
    times.idle = .seconds(3_600)
    try await SmallSubnet.serving(size: 1, times: times) { subnet in
      let replica = subnet.replicas[0]
      let port = subnet.ports[0]
      let socket = try await blocking { try RawSocket(port: port, patience: 2) }
      if !before.isEmpty {
        _ = try await blocking {
          socket.write(Array("\(before) HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
        }
        try await eventually("a listener") { replica.listeners > 0 }
      }
      let taken = try await blocking {
        let request = Array("GET /healthz HTTP/1.1\r\nHost: x\r\n\(fields)\r\n".utf8)
        let more = (0..<4_096).flatMap { _ in request }
        socket.write(request)
        return socket.takes(more, times: 512)
      }
      // What the kernel holds of both ends, and little beside: not all of 512 times 150 KiB.
      #expect(taken < 48 << 20, "\(taken) bytes")
      #expect(try await http("GET", "/healthz", port: port).status == 200)
    }
  }

  @Test func `may keep its connection for the next request`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let port = subnet.ports[0]
      let answers = try await blocking {
        let socket = try RawSocket(port: port)
        for _ in 0..<2 { socket.write(Array("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".utf8)) }
        let read = socket.read {
          String(decoding: $0, as: UTF8.self).split(separator: "200 OK").count >= 3
        }
        return String(decoding: read.bytes, as: UTF8.self)
      }
      #expect(answers.split(separator: "200 OK").count == 3)
    }
  }

  @Test func `that asks for calls and leaves has as many at work as others may`() async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let (port, replica) = (subnet.ports[0], subnet.replicas[0])
      let target = "/v1/requests/" + String(repeating: "0", count: 64)
      let most = GatewayLimits.callsPerAddressMax
      replica.fail { $0.ponders = true }
      defer { replica.fail { $0.ponders = false } }
      for number in 1...most {
        let socket = try RawSocket(port: port)
        socket.resetAtEnd()
        socket.write(Array("GET \(target) HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n\r\n".utf8))
        try await eventually("\(number) asked") { replica.progressAsked >= number }
      }
      try await eventually("the next is refused") {
        try await http("GET", target, port: port).status == 429
      }
      #expect(replica.progressAsked == most)
      replica.fail { $0.ponders = false }
      try await eventually("the next is answered") {
        try await http("GET", target, port: port).status == 200
      }
    }
  }

  @Test func `that sends a body without end is told so and dropped`() async throws {
    try await SmallSubnet.serving(size: 1, times: Self.short) { subnet in
      let port = subnet.ports[0]
      let reply = try await blocking {
        let socket = try RawSocket(port: port)
        socket.write(
          Array(
            ("POST \(batchPath) HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
              + "Idempotency-Key: e\r\nTransfer-Encoding: chunked\r\n\r\n").utf8))
        let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x61, count: 65_536) + [13, 10]
        var sent = 0
        while sent < 20_000, socket.write(chunk) { sent += 1 }
        return (String(decoding: socket.read().bytes.prefix(12), as: UTF8.self), sent)
      }
      #expect(reply.0 == "HTTP/1.1 413" || reply.0.isEmpty)
      #expect(reply.1 < 20_000)
      #expect(subnet.replicas[0].handedIn.isEmpty)
      #expect(try await http("GET", "/healthz", port: port).status == 200)
    }
  }

  @Test(arguments: [
    "X: " + String(repeating: "a", count: GatewayLimits.headerFieldBytesMax + 1) + "\r\n",
    String(repeating: "X: y\r\n", count: GatewayLimits.headerFieldsMax + 1),
  ])
  func `with a header out of bounds is refused`(header: String) async throws {
    try await SmallSubnet.serving(size: 1) { subnet in
      let port = subnet.ports[0]
      let reply = try await blocking {
        let socket = try RawSocket(port: port)
        socket.write(Array("GET /healthz HTTP/1.1\r\nHost: x\r\n\(header)\r\n".utf8))
        return String(decoding: socket.read().bytes.prefix(12), as: UTF8.self)
      }
      #expect(reply != "HTTP/1.1 200")
      #expect(try await http("GET", "/healthz", port: port).status == 200)
    }
  }

  @Test(arguments: [false, true])
  func `with random bytes harms nobody`(tls: Bool) async throws {
    try await SmallSubnet.serving(size: 1, tls: tls) { subnet in
      let port = subnet.ports[0]
      var random = Chance(seed: 7)
      for round in 0..<60 {
        var bytes = (0..<400).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        if round % 3 == 1 { bytes = Array("POST /v1/calls HTTP/1.1\r\n".utf8) + bytes }
        if round % 3 == 2 {
          bytes =
            Array(
              "POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Type: \(MediaType.canonical)\r\n".utf8)
            + Array("Connection: close\r\nContent-Length: \(bytes.count)\r\n\r\n".utf8) + bytes
        }
        let sent = bytes
        try await blocking {
          let socket = try RawSocket(port: port, patience: 1)
          socket.write(sent)
          socket.finish()
          _ = socket.read()
        }
      }
      #expect(subnet.replicas[0].handedIn.isEmpty)
      guard !tls else { return }
      #expect(try await http("GET", "/healthz", port: port).status == 200)
    }
  }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Chance {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
}
