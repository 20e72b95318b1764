import Replication
import Wire

/// Keeps its proposals, bodies and certificates from some of the others.
struct Withhold: Adversary {
  let sides: Sides
  let views: ClosedRange<UInt64>?

  mutating func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)] {
    switch message {
    case .proposal, .calls, .certificate, .blocks, .views, .stateCertificate:
      guard views.covers(message.view ?? context.view) else { return [(message, recipients)] }
      return sides.among(sides.first, recipients).map { (message, $0) }
    default: return [(message, recipients)]
    }
  }
}
