import Replication
import Wire

/// Asks for whole chains of finalized blocks, many times at once, and says nothing wrong: small
/// questions whose answers are large.
struct Amplify: Adversary {
  static let questionsAtOnce = 64

  let sides: Sides
  let views: ClosedRange<UInt64>?
  var chance: RandomStream
  var pace: Span? { .milliseconds(200) }

  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)] {
    guard views.covers(context.view) else { return [] }
    let whom = sides.all
    return (0..<Self.questionsAtOnce).flatMap { _ in
      let from = Height(1 + chance.below(max(1, context.view.number / 2)))
      let question = Message.blocksWanted(from: from, count: .max)
      return whom.map { (question, $0) }
    }
  }
}
