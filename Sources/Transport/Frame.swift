import NIOCore
import Wire

/// What a message is, for counters and for what an overfull queue drops first.
package enum MessageKind: Int, CaseIterable, Sendable {
  case proposal, vote, certificate, calls, announcement, request, answer, state, recovery
  case evidence

  /// What the protocol asks for or resends by itself when it gets lost (rule R11).
  package var droppable: Bool {
    switch self {
    case .vote, .certificate, .calls, .announcement, .request, .answer, .state: true
    case .proposal, .recovery, .evidence: false
    }
  }
}

extension Message {
  package var kind: MessageKind {
    switch self {
    case .proposal: .proposal
    case .vote: .vote
    case .certificate: .certificate
    case .calls: .calls
    case .announce: .announcement
    case .callsWanted, .viewsWanted, .blockWanted, .blocksWanted, .stateWanted: .request
    case .views, .blocks: .answer
    case .stateShare, .stateCertificate: .state
    case .recoveryQuestion, .recoveryAnswer: .recovery
    case .evidence: .evidence
    }
  }
}

/// One message as it goes over a link: its length (u32, little-endian), then its canonical bytes.
/// Encoded once; the same bytes go to every peer.
package struct Frame: Sendable {
  let buffer: ByteBuffer
  package let kind: MessageKind

  package var count: Int { buffer.readableBytes }

  /// - Returns: nil for a message over the limit, which no peer would take.
  package init?(_ message: Message, limit: Int = Limits.messageBytesMax) {
    let bytes = message.canonicalBytes
    guard bytes.count <= limit else { return nil }
    kind = message.kind
    buffer = Frame.framed(bytes)
  }

  static func framed(_ bytes: [UInt8]) -> ByteBuffer {
    var buffer = ByteBufferAllocator().buffer(capacity: bytes.count + 4)
    buffer.writeInteger(UInt32(bytes.count), endianness: .little)
    buffer.writeBytes(bytes)
    return buffer
  }

  /// A frame without content: says that the sender lives.
  static let heartbeat = framed([])
}

/// Cuts what arrives on one connection into frames.
///
/// - Bound: a length is checked before a byte is kept for it, and memory grows with what came,
///   not with what was claimed.
struct FrameReader {
  /// Bytes of a frame's content that are accepted now.
  var limit: Int
  private var pending = ByteBuffer()

  init(limit: Int) { self.limit = limit }

  mutating func append(_ bytes: inout ByteBuffer) {
    if pending.readableBytes == 0 {
      pending = bytes
    } else {
      pending.writeBuffer(&bytes)
    }
  }

  /// - Returns: the content of the next whole frame; nil when more must arrive first.
  mutating func next() throws(Malformed) -> [UInt8]? {
    let start = pending.readerIndex
    guard let length = pending.getInteger(at: start, endianness: .little, as: UInt32.self) else {
      return nil
    }
    guard Int(length) <= limit else {
      throw Malformed("a frame of \(length) bytes is over the limit of \(limit)", at: 0)
    }
    guard let content = pending.getBytes(at: start + 4, length: Int(length)) else { return nil }
    pending.moveReaderIndex(forwardBy: 4 + Int(length))
    return content
  }

  /// Gives back the memory of what was read.
  mutating func compact() {
    if pending.readableBytes == 0 {
      pending = ByteBuffer()
    } else {
      pending.discardReadBytes()
    }
  }
}

/// The first frame in both directions of a connection.
struct Hello: Canonical, Equatable {
  let version: UInt32
  let subnet: SubnetID
  let from: ReplicaID
  let to: ReplicaID

  init(version: UInt32, subnet: SubnetID, from: ReplicaID, to: ReplicaID) {
    self.version = version
    self.subnet = subnet
    self.from = from
    self.to = to
  }

  func encode(into encoder: inout Encoder) {
    encoder.integer(version)
    encoder.value(subnet)
    encoder.value(from)
    encoder.value(to)
  }

  init(from decoder: inout Decoder) throws(Malformed) {
    version = try decoder.integer()
    subnet = try decoder.value()
    from = try decoder.value()
    to = try decoder.value()
  }

  /// Why this hello does not open a link; nil when it does.
  func objection(subnet: SubnetID, peer: ReplicaID, me: ReplicaID) -> String? {
    guard version == LinkLimits.protocolVersion else {
      return "it speaks protocol \(version), this replica \(LinkLimits.protocolVersion): "
        + "run the same release on both"
    }
    guard self.subnet == subnet else {
      return "it belongs to subnet \(self.subnet), this replica to \(subnet): "
        + "use one network.json"
    }
    guard from == peer else { return "it says it is \(from) but holds the certificate of \(peer)" }
    guard to == me else { return "it takes this replica for \(to), which is \(me)" }
    return nil
  }
}
