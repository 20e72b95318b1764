import Certification
import Replication
import Signing
import Wire

/// A replica that does not keep the protocol. It runs the honest code with its own key, and bends
/// what leaves it, what it is told, or what it remembers.
protocol Adversary {
  /// What is sent instead of what the honest code wanted to send.
  mutating func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)]

  /// What it sends because it heard this; the honest code hears it too.
  mutating func heard(
    _ message: Message, from peer: ReplicaID, _ context: inout ActorContext
  ) -> [(Message, Recipients)]

  /// The bytes that leave for one peer instead of these.
  mutating func bytes(_ bytes: [UInt8], to peer: ReplicaID, in view: View) -> [UInt8]

  /// What the honest code is told that execution gave.
  func executed(_ outcome: BlockOutcome, in view: View) -> BlockOutcome

  /// Those of the calls that the honest code gets to see.
  func lets(_ calls: [VerifiedCall], in view: View) -> [VerifiedCall]

  /// What the honest code finds on its disk when it starts.
  func remembers(_ restored: Restored, in view: View) -> Restored

  /// What a client is given instead of these rows, or of this receipt.
  mutating func shows(_ rows: CertifiedRows, in view: View) -> CertifiedRows
  mutating func shows(_ receipt: CertifiedReceipt, in view: View) -> CertifiedReceipt

  /// What it sends of itself, every `pace`.
  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)]

  /// nil: it does nothing of itself.
  var pace: Span? { get }

  /// Whether it starts its process anew every `pace`.
  func restarts(in view: View) -> Bool
}

extension Adversary {
  mutating func outgoing(
    _ message: Message, to recipients: Recipients, _ context: inout ActorContext
  ) -> [(Message, Recipients)] {
    [(message, recipients)]
  }
  mutating func heard(
    _ message: Message, from peer: ReplicaID, _ context: inout ActorContext
  ) -> [(Message, Recipients)] { [] }
  mutating func bytes(_ bytes: [UInt8], to peer: ReplicaID, in view: View) -> [UInt8] { bytes }
  func executed(_ outcome: BlockOutcome, in view: View) -> BlockOutcome { outcome }
  func lets(_ calls: [VerifiedCall], in view: View) -> [VerifiedCall] { calls }
  func remembers(_ restored: Restored, in view: View) -> Restored { restored }
  mutating func shows(_ rows: CertifiedRows, in view: View) -> CertifiedRows { rows }
  mutating func shows(_ receipt: CertifiedReceipt, in view: View) -> CertifiedReceipt { receipt }
  mutating func idle(_ context: inout ActorContext) -> [(Message, Recipients)] { [] }
  var pace: Span? { nil }
  func restarts(in view: View) -> Bool { false }
}

/// What an actor knows: its own key and where it is.
struct ActorContext {
  let committee: Committee
  let me: ReplicaID
  let signer: Signer
  let view: View

  func vote(_ ballot: Ballot) -> Vote { vote(ballot, as: me) }

  /// A vote in anybody's name, under the own signature.
  func vote(_ ballot: Ballot, as name: ReplicaID) -> Vote {
    Vote(ballot: ballot, signer: name, signature: signer.sign(ballot))
  }

  func share(_ statement: StateStatement, as name: ReplicaID) -> StateShare {
    StateShare(statement: statement, signer: name, signature: signer.sign(statement))
  }

  func nullify(_ view: View) -> Ballot {
    .nullify(subnet: committee.subnet, epoch: committee.epoch, view: view)
  }

  func notarize(_ view: View, _ parent: View, _ block: Digest) -> Ballot {
    .notarize(
      subnet: committee.subnet, epoch: committee.epoch, view: view, parentView: parent,
      block: block)
  }

  func finalize(_ view: View, _ parent: View, _ block: Digest) -> Ballot {
    .finalize(
      subnet: committee.subnet, epoch: committee.epoch, view: view, parentView: parent,
      block: block)
  }

  /// A certificate of a whole quorum's names, every signature of which is the actor's own.
  func forged(_ ballot: Ballot) -> Certificate {
    let names = committee.members.prefix(committee.quorum).map(\.id)
    let signature = signer.sign(ballot)
    return Certificate(
      ballot: ballot, signers: Signers(names, of: committee.size),
      signatures: names.map { _ in signature })
  }
}

/// The two parts of the others that an actor plays against one another.
struct Sides {
  let first: [ReplicaID]
  let second: [ReplicaID]
  let inFirst: [Bool]
  /// Whom an actor concerns that treats all alike: the first part if one was named, or all.
  let targets: [ReplicaID]

  init(
    committee: Committee, me: ReplicaID, named: [ReplicaID]?, chance: inout RandomStream
  ) {
    let others = committee.members.map(\.id).filter { $0 != me }
    let chosen = named ?? chance.pick(others.count / 2, of: others)
    first = others.filter { chosen.contains($0) }
    second = others.filter { !chosen.contains($0) }
    inFirst = committee.members.map { chosen.contains($0.id) }
    targets = named == nil ? others : first
  }

  /// Everybody whom the actor concerns.
  var all: [Recipients] {
    targets.count == first.count + second.count ? [.all] : targets.map { .one($0) }
  }

  /// The recipients among one part.
  func among(_ part: [ReplicaID], _ recipients: Recipients) -> [Recipients] {
    switch recipients {
    case .all: part.map { .one($0) }
    case .one(let id): part.contains(id) ? [recipients] : []
    }
  }

  /// The message as it is for those whom the actor spares, and `bent` for the others.
  func bend(
    _ message: Message, _ recipients: Recipients, _ bent: [Message]
  ) -> [(Message, Recipients)] {
    if case .all = recipients, targets.count == first.count + second.count {
      return bent.map { ($0, .all) }
    }
    let spared = (first + second).filter { !targets.contains($0) }
    return among(spared, recipients).map { (message, $0) }
      + among(targets, recipients).flatMap { whom in bent.map { ($0, whom) } }
  }
}

extension ClosedRange<UInt64>? {
  /// No range means always.
  func covers(_ view: View?) -> Bool {
    guard let self else { return true }
    return view.map { self.contains($0.number) } ?? true
  }
}
