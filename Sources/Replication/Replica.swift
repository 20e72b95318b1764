/// One replica as a value: inputs in, effects out.
///
/// - Safety: what depends on a record leaves only when the journal says that it is durable; beneath
///   are the voting rules of `Consensus`.
/// - Liveness: what is missing is asked for again every `Δ`, of different members.
/// - Bound: pool, assemblies, states, views and blocks each have a limit of their own.
import Consensus
import Signing
import Wire

package struct Replica: Sendable {
  let configuration: Configuration
  let committee: Committee
  let me: ReplicaID
  var simplex: Simplex
  var outbox: Outbox
  var pool: CallPool
  var assemblies: [Assembly] = []
  var states = StateBook()
  var execution: ExecutionQueue
  var repair: RepairBook
  var recovery: Recovery?
  var connected = MemberSet()
  var restored: Restored
  /// The highest height of which an own state share exists or may exist.
  var stateSignedHighest: Height = 0
  /// The highest height that each member was seen to sign a state of.
  var stateSignedSeen: [Height]
  var halt: Halt?
  /// The last finalized height whose block holds calls.
  var lastCallHeight: Height = 0
  /// Calls of clients taken in this step and not yet spread.
  var unspread: [Digest] = []
  var announceDue = false
  /// The view whose idle wait ended, and the one whose idle alarm was armed.
  var idleEnded: View = 0
  var idleArmed: View = 0
  var now: Moment = 0

  /// Why this replica executes nothing any more.
  enum Halt: Hashable, Sendable { case quarantined, split(Height) }

  package init(_ configuration: Configuration, restored: Restored) {
    self.configuration = configuration
    self.restored = restored
    committee = configuration.committee
    me = configuration.me
    simplex = Simplex(
      committee: configuration.committee, me: configuration.me, signer: configuration.signer,
      verifier: configuration.verifier, delay: configuration.delay, idle: configuration.idle,
      genesisTime: configuration.genesisTime, planted: configuration.planted)
    outbox = Outbox(holdsVoices: !configuration.planted.contains(.voteBeforeSync))
    pool = CallPool(committee: configuration.committee)
    repair = RepairBook(
      size: configuration.committee.size,
      isUnlimited: configuration.planted.contains(.repairUnlimited))
    stateSignedSeen = [Height](repeating: 0, count: configuration.committee.size)
    execution = ExecutionQueue(executed: 0)
  }

  func broken(_ bug: PlantedBug) -> Bool {
    !configuration.planted.isEmpty && configuration.planted.contains(bug)
  }

  /// Begins: to be called once, before any step.
  package mutating func start(at now: Moment, effects: inout [Effect]) {
    self.now = now
    simplex.now = now
    begin()
    finish(&effects)
  }

  package mutating func step(_ input: Input, at now: Moment, effects: inout [Effect]) {
    self.now = now
    simplex.now = now
    switch input {
    case .received(let message, let peer):
      if committee.contains(peer), peer != me { receive(message, from: peer) }
    case .calls(let calls, let origin): take(calls, from: origin)
    case .proposed(let header, let inlined, let vote, let peer):
      guard committee.contains(peer), peer != me, recovery == nil, repair.bears(peer) else { break }
      receive(proposal: header, vote, from: peer) { $0.fill(inlined) }
    case .alarmRang(let alarm): wake(alarm)
    case .journaled(let ticket):
      for digest in outbox.release(ticket) { simplex.durable(digest) }
    case .executed(let outcome): executed(outcome)
    case .contradicted(let outcome, let certificate): contradicted(outcome, by: certificate)
    case .connected(let peer): connect(peer)
    case .disconnected(let peer): connected.remove(peer)
    }
    finish(&effects)
  }

  /// Does what the input led to, until nothing more follows, and closes the step.
  private mutating func finish(_ effects: inout [Effect]) {
    repeat {
      performActs()
      if recovery == nil {
        considerProposing()
        considerExecuting()
      }
    } while !simplex.acts.isEmpty
    spread()
    outbox.close(into: &effects)
  }

  private mutating func wake(_ alarm: Alarm) {
    switch alarm {
    case .repair: tick()
    case .leader(let view): if recovery == nil { simplex.ring(.leader, view) }
    case .progress(let view): if recovery == nil { simplex.ring(.progress, view) }
    case .idle(let view):
      guard recovery == nil else { return }
      idleEnded = max(idleEnded, view)
      simplex.ring(.idle, view)
    }
  }

  private mutating func connect(_ peer: ReplicaID) {
    guard committee.contains(peer), peer != me else { return }
    connected.insert(peer)
    if recovery != nil {
      ask(peer)
    } else {
      simplex.resend(to: peer)
    }
  }

  private mutating func receive(_ message: Message, from peer: ReplicaID) {
    guard repair.bears(peer) else { return }
    if recovery != nil {
      if case .recoveryAnswer(let answer, let signature) = message {
        receive(answer, signature, from: peer)
      } else if broken(.recoveringMembersAnswer),
        case .recoveryQuestion(let question, let signature) = message
      {
        receive(question, signature, from: peer)
      }
      return
    }
    switch message {
    case .proposal(let header, let inlined, let vote):
      receive(proposal: header, vote, from: peer) { $0.fill(inlined, from: peer) }
    case .vote(let vote): simplex.receive(vote, from: peer)
    case .certificate(let certificate): simplex.receive(certificate, from: peer)
    case .calls(let calls): receive(calls, from: peer)
    case .announce(let digests): receive(announced: digests, from: peer)
    case .callsWanted(let digests): answer(callsWanted: digests, to: peer)
    case .viewsWanted(let views): answer(viewsWanted: views, to: peer)
    case .views(let certificates):
      for certificate in certificates.prefix(Limits.certificatesPerMessageMax) {
        guard simplex.receive(certificate, from: peer) else { break }
      }
    case .blockWanted(let digest): answer(blockWanted: digest, to: peer)
    case .blocksWanted(let from, let count): answer(blocksWanted: from, count, to: peer)
    case .blocks(let blocks, let finalizations):
      receive(blocks, finalizations, from: peer)
    case .stateShare(let share): receive(share, from: peer)
    case .stateCertificate(let certificate): receive(certificate, from: peer)
    case .stateWanted(let height): answer(stateWanted: height, to: peer)
    case .recoveryQuestion(let question, let signature):
      receive(question, signature, from: peer)
    case .recoveryAnswer: break
    case .evidence(let evidence): receive(evidence, from: peer)
    }
  }

  private mutating func receive(_ evidence: Evidence, from peer: ReplicaID) {
    guard committee.contains(evidence.culprit), !simplex.accused.contains(evidence.culprit) else {
      return
    }
    guard
      configuration.verifier.verify(evidence, in: committee) != nil
        || broken(.evidenceUnverified)
    else {
      reached(.evidenceRefused)
      misbehaved(peer, "sent evidence that does not hold")
      return
    }
    simplex.accept(evidence)
  }

  // MARK: What the voting rules want done

  private mutating func performActs() {
    while !simplex.acts.isEmpty {
      var acts: [Act] = []
      swap(&acts, &simplex.acts)
      for act in acts { perform(act) }
    }
  }

  private mutating func perform(_ act: Act) {
    switch act {
    case .record(let record): outbox.record(record)
    case .say(let message, let peer):
      outbox.voice(.send(message, to: peer.map { .one($0) } ?? .all))
    case .arm(let alarm, let view, let span): outbox.now(.arm(alarm.of(view), after: span))
    case .disarm(let alarm, let view): outbox.now(.disarm(alarm.of(view)))
    case .entered(let view, let leader):
      repair.viewEntered = repair.ticks
      announceDue = true
      outbox.now(.notice(.entered(view, leader: leader)))
    case .voted(let vote): outbox.now(.notice(.voted(vote)))
    case .certified(let certificate): outbox.now(.notice(.certified(certificate)))
    case .want(let digest, let view): want(digest, view)
    case .finalized(let block, let digest): finalized(block, digest)
    case .behind(let peer, let view): hint(peer, view)
    case .ahead(let peer): askAhead(peer)
    case .accused(let evidence): outbox.now(.notice(.accused(evidence)))
    case .misbehaved(let peer, let what): misbehaved(peer, what)
    case .reached(let mark): outbox.now(.notice(.reached(mark)))
    }
  }

  mutating func misbehaved(_ peer: ReplicaID, _ what: String) {
    guard repair.mayTell(of: peer) else { return }
    outbox.now(.notice(.misbehaved(peer, what)))
  }

  mutating func reached(_ mark: Mark) { outbox.now(.notice(.reached(mark))) }

  /// Sends what depends on nothing durable: requests, bodies, blocks.
  mutating func send(_ message: Message, to peer: ReplicaID) {
    outbox.now(.send(message, to: .one(peer)))
  }
}

extension ViewAlarm {
  func of(_ view: View) -> Alarm {
    switch self {
    case .leader: .leader(view)
    case .progress: .progress(view)
    case .idle: .idle(view)
    }
  }
}
