import Replication
import Wire

/// Says its proposals, votes and certificates three views late, and once more three views later.
struct Outdated: Adversary {
  static let viewsLate: UInt64 = 3
  static let keptMax = 256

  let sides: Sides
  let views: ClosedRange<UInt64>?
  private var kept: [(due: View, message: Message, recipients: Recipients, again: Bool)] = []
  var pace: Span? { .milliseconds(120) }

  init(sides: Sides, views: ClosedRange<UInt64>?) {
    self.sides = sides
    self.views = views
  }

  mutating func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)] {
    switch message {
    case .proposal, .vote, .certificate, .views, .stateShare, .stateCertificate: break
    default: return [(message, recipients)]
    }
    guard views.covers(message.view ?? context.view) else { return [(message, recipients)] }
    let late = sides.among(sides.targets, recipients)
    for whom in late {
      if kept.count >= Self.keptMax { kept.removeFirst() }
      kept.append((context.view.advanced(by: Self.viewsLate), message, whom, true))
    }
    return sides.bend(message, recipients, [])
  }

  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)] {
    let due = kept.filter { $0.due <= context.view }
    kept.removeAll { $0.due <= context.view }
    for entry in due where entry.again && kept.count < Self.keptMax {
      kept.append(
        (
          context.view.advanced(by: Self.viewsLate), entry.message, entry.recipients, false
        ))
    }
    return due.map { ($0.message, $0.recipients) }
  }
}
