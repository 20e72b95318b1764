import Glibc
import NIOPosix

/// An answer as it came over the wire.
package struct RawReply: Sendable {
  package var status: Int
  package var headers: [String: String]
  package var body: String
  package var bytes: [UInt8]
}

package struct RawFault: Error {
  package let what: String
  package init(what: String) { self.what = what }
}

/// A TCP connection that sends exactly what it is told to: for requests that no library would make.
package final class RawSocket: Sendable {
  private let descriptor: Int32

  package init(port: Int, patience seconds: Int = 10) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var time = timeval(tv_sec: seconds, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port).bigEndian)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw RawFault(what: "no connection to port \(port)") }
  }

  deinit { close(descriptor) }

  /// The end of this connection will be a reset.
  package func resetAtEnd() {
    var at = Glibc.linger(l_onoff: 1, l_linger: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &at, socklen_t(MemoryLayout<Glibc.linger>.size))
  }

  /// Says that nothing more comes.
  package func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// - Returns: false once the other end is gone.
  @discardableResult
  package func write(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      // What does not go in time is not sent; the other end may be there all the same.
      guard count > 0 else { return errno == EAGAIN }
      rest = rest.dropFirst(count)
    }
    return true
  }

  /// Sends these bytes again and again.
  /// - Returns: how many bytes went, until the other end was gone or took none any more.
  package func takes(_ bytes: [UInt8], times: Int) -> Int {
    var taken = 0
    for _ in 0..<times {
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes {
          send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count > 0 else { return taken }
        taken += count
        rest = rest.dropFirst(count)
      }
    }
    return taken
  }

  /// Reads until `isEnough`, the end, or the timeout.
  /// - Returns: the bytes, and whether the other end closed.
  package func read(
    until isEnough: ([UInt8]) -> Bool = { _ in false }
  ) -> (bytes: [UInt8], closed: Bool) {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while !isEnough(all) {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { return (all, count == 0 || errno == ECONNRESET) }
      all.append(contentsOf: buffer[0..<count])
    }
    return (all, false)
  }
}

/// A port whose owner takes connections and never says a word, as a stopped process does.
package final class SilentPort: Sendable {
  private let descriptor: Int32
  package let port: Int

  package init() throws {
    let opened = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    descriptor = opened
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(opened, $0, size) | listen(opened, 16) | getsockname(opened, $0, &size)
      }
    }
    guard status == 0 else { throw RawFault(what: "no silent port") }
    port = Int(UInt16(bigEndian: address.sin_port))
  }

  deinit { close(descriptor) }
}

/// One request over a connection of its own.
package func http(
  _ method: String, _ target: String, port: Int, headers: [(String, String)] = [],
  body: [UInt8] = []
) async throws -> RawReply {
  try await blocking {
    let socket = try RawSocket(port: port)
    var head = "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    if !body.isEmpty || method == "POST" { head += "Content-Length: \(body.count)\r\n" }
    socket.write(Array((head + "\r\n").utf8) + body)
    return try parse(socket.read().bytes)
  }
}

package func parse(_ bytes: [UInt8]) throws -> RawReply {
  let end = Array("\r\n\r\n".utf8)
  guard let split = bytes.indices.first(where: { bytes[$0...].starts(with: end) }) else {
    throw RawFault(what: "no answer: \(String(decoding: bytes.prefix(200), as: UTF8.self))")
  }
  let lines = String(decoding: bytes[..<split], as: UTF8.self).split(separator: "\r\n")
  guard let first = lines.first, let status = Int(first.split(separator: " ")[1]) else {
    throw RawFault(what: "no status line")
  }
  var headers: [String: String] = [:]
  for line in lines.dropFirst() {
    guard let colon = line.firstIndex(of: ":") else { continue }
    let value = line[line.index(after: colon)...].drop { $0 == " " }
    headers[line[..<colon].lowercased()] = String(value)
  }
  let body = Array(bytes[(split + 4)...])
  return RawReply(
    status: status, headers: headers, body: String(decoding: body, as: UTF8.self), bytes: body)
}
