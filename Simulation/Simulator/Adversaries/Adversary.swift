import Replication
import Signing
import Wire

/// A replica that does not keep the protocol. It runs the honest code with its own key, and bends
/// what leaves it or what it is told.
protocol Adversary {
  /// What is sent instead of what the honest code wanted to send.
  mutating func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)]

  /// What the honest code is told that execution gave.
  func executed(_ outcome: BlockOutcome) -> BlockOutcome

  /// What it sends of itself, every `pace`.
  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)]

  /// nil: it does nothing of itself.
  var pace: Span? { get }
}

extension Adversary {
  mutating func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)] {
    [(message, recipients)]
  }
  func executed(_ outcome: BlockOutcome) -> BlockOutcome { outcome }
  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)] { [] }
  var pace: Span? { nil }
}

/// What an actor knows: its own key and where it is.
struct ActorContext {
  let committee: Committee
  let me: ReplicaID
  let signer: Signer
  let view: View

  func vote(_ ballot: Ballot) -> Vote {
    Vote(ballot: ballot, signer: me, signature: signer.sign(ballot))
  }
}

/// The two parts of the others that an actor plays against one another.
struct Sides {
  let first: [ReplicaID]
  let second: [ReplicaID]
  let inFirst: [Bool]

  init(
    committee: Committee, me: ReplicaID, named: [ReplicaID]?, chance: inout RandomStream
  ) {
    let others = committee.members.map(\.id).filter { $0 != me }
    let chosen = named ?? chance.pick(others.count / 2, of: others)
    first = others.filter { chosen.contains($0) }
    second = others.filter { !chosen.contains($0) }
    inFirst = committee.members.map { chosen.contains($0.id) }
  }

  /// The recipients among one part.
  func among(_ part: [ReplicaID], _ recipients: Recipients) -> [Recipients] {
    switch recipients {
    case .all: part.map { .one($0) }
    case .one(let id): part.contains(id) ? [recipients] : []
    }
  }
}

extension Scenario.Byzantine.Actor {
  func make(
    _ sides: Sides, _ views: ClosedRange<UInt64>?, _ chance: RandomStream
  ) -> any Adversary {
    switch self {
    case .twin: Twin()
    case .equivocate: Equivocate(sides: sides, views: views)
    case .withhold: Withhold(sides: sides, views: views)
    case .nullifyAndFinalize: NullifyAndFinalize(views: views)
    case .wrongState: WrongState()
    case .flood: Flood(chance: chance)
    case .wrongEpoch: WrongEpoch(views: views)
    }
  }

  package var meaning: String {
    switch self {
    case .twin: "two honest copies with one key, each heard by its own part of the others"
    case .equivocate: "as a leader proposes one block to some and another one to the rest"
    case .withhold: "keeps its proposals, bodies and certificates from some"
    case .nullifyAndFinalize: "votes to nullify what it votes to finalize, and the other way"
    case .wrongState: "signs another state root than execution gives"
    case .wrongEpoch: "signs each vote for another epoch too"
    case .flood: "sends votes of future views, endless requests and announcements of nothing"
    }
  }
}

extension ClosedRange<UInt64>? {
  /// No range means always.
  func covers(_ view: View?) -> Bool {
    guard let self else { return true }
    return view.map { self.contains($0.number) } ?? true
  }
}
