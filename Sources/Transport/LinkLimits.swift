import NIOCore
import Wire

/// What bounds the links of one replica. The defaults are those of every real replica.
package struct LinkLimits: Sendable {
  /// The version of the frames and of the messages in them; both ends must name the same.
  package static let protocolVersion: UInt32 = 1

  /// Bytes of a frame's content.
  package var frameBytesMax = Limits.messageBytesMax
  /// Bytes of a frame's content before the other end has said who it is.
  package var helloBytesMax = 256
  /// TLS and hello must be through within this time.
  package var handshakeMax = TimeAmount.seconds(5)
  /// Accepted connections that may be in their handshake at once; more are closed unread.
  package var handshakesMax = 128

  /// An empty frame is sent when nothing else was for so long.
  package var heartbeat = TimeAmount.seconds(5)
  /// A connection on which nothing arrives for so long is closed.
  package var silenceMax = TimeAmount.seconds(20)

  /// The first wait before a peer is dialled again; doubled each time, up to the other. A link
  /// that stood as long as the other begins with the first again.
  package var redialFirst = TimeAmount.milliseconds(50)
  package var redialMax = TimeAmount.seconds(2)
  package var dialMax = TimeAmount.seconds(3)

  /// What may wait for one peer that reads slowly.
  package var outboxFramesMax = 8_192
  package var outboxBytesMax = 16 << 20
  /// How much is handed to TLS before the socket is asked whether it takes more.
  package var writeBytesMax = 256 << 10
  /// Frames up to this size are copied together into one TLS record and one system call.
  package var coalescedFrameBytesMax = 8 << 10

  /// What one peer may send a second on all its links, frames without content too; over it, nothing
  /// is read from it for a while.
  package var messagesPerSecondMax = 40_000
  package var bytesPerSecondMax = 64 << 20
  /// How many seconds' worth a peer may send at once after a calm.
  package var burstSeconds = 2

  package init() {}
}
