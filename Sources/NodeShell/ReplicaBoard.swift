import Gateway
import Logging
import Replication
import Synchronization
import Transport
import Wire

/// What a replica knows of itself, for people and clients: kept from notices and link events,
/// written to the log, sent to those who follow its events. Nothing in the protocol depends on it.
///
/// - Bound: what a peer can cause again and again is logged seldom, by who it is alone.
final class ReplicaBoard: Sendable {
  struct State: Sendable {
    var view: View = 1
    var leader: ReplicaID = 0
    /// Monotonic nanoseconds.
    var enteredAt: UInt64 = 0
    var finalized: Height = 0
    var executed: Height = 0
    /// The highest state certificate.
    var certificate: StateCertificate?
    var share: StateShare?
    var connected: Set<ReplicaID> = []
    /// A quorum has been in touch since the start.
    var hasMetQuorum = false
    /// Up to where blocks were being fetched when it was last told.
    var catchingUpTo: Height?
    var isRecovering = false
    var recoveryAnswers: (Int, Int) = (0, 0)
    var isQuarantined = false
    /// What became of a quarantine at the start, or what to do about one.
    var quarantineTold: [String] = []
    var split: Height?
    var accused: Set<ReplicaID> = []
    var isDiskFull = false
    var freeBytes: UInt64 = 0
    var executionTrouble: String?
    var isStopping = false
    /// Where the core stood not long ago; nil before its first turn.
    var standing: ReplicaStanding?

    var certified: Height { certificate?.height ?? 0 }
  }

  private let state: Mutex<State>
  private let committee: Committee
  private let me: ReplicaID
  private let logger: Logger
  private let quiet = QuietLog()
  private let counters: NodeCounters
  let events = EventStreams()

  init(_ committee: Committee, me: ReplicaID, logger: Logger, counters: NodeCounters) {
    self.committee = committee
    self.me = me
    self.logger = logger
    self.counters = counters
    var first = State()
    first.leader = committee.leader(of: 1)
    first.enteredAt = Clocks.monotonic
    first.hasMetQuorum = committee.quorum == 1
    state = Mutex(first)
  }

  var now: State { state.withLock { $0 } }

  func update(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

  // MARK: From the core

  func take(_ notice: Notice) {
    switch notice {
    case .entered(let view, let leader): entered(view, leader)
    case .finalized(let height, let view, let header): finalized(height, view, header)
    case .stateCertified(let certificate): certified(certificate)
    case .accused(let evidence): accused(evidence)
    case .misbehaved(let peer, let what): misbehaved(peer, what)
    case .quarantined(let share, let certificate): quarantined(share, certificate)
    case .split(let height, let shares): split(height, shares)
    case .catchingUp(let from, let to): catchingUp(from, to)
    case .recovering(let answers, let needed): recovering(answers, needed)
    case .recovered(let view): recovered(view)
    case .proposed, .voted, .certified, .expired, .crowdedOut, .reached: break
    }
  }

  private func entered(_ view: View, _ leader: ReplicaID) {
    let before = state.withLock { state in
      defer {
        state.view = view
        state.leader = leader
        state.enteredAt = Clocks.monotonic
      }
      return (view: state.view, leader: state.leader, since: state.enteredAt)
    }
    let lasted = Clocks.monotonic - min(before.since, Clocks.monotonic)
    if lasted > NodeLimits.slowView.nanoseconds, before.view < view {
      logSeldom(
        .notice, "slow view", key: "slow view \(before.leader)",
        ["view": "\(before.view)", "leader": "\(before.leader)", "ms": "\(lasted / 1_000_000)"])
    }
    if !events.isEmpty { events.send(.entered(view, leader: leader)) }
  }

  private func finalized(_ height: Height, _ view: View, _ header: Header) {
    counters.blocks.add(1)
    counters.callsOrdered.add(header.calls.count)
    if !header.calls.isEmpty { counters.blocksWithCalls.add(1) }
    state.withLock { state in
      state.finalized = max(state.finalized, height)
      if let to = state.catchingUpTo, height >= to { state.catchingUpTo = nil }
    }
    if !events.isEmpty { events.send(.finalized(height, view, calls: header.calls.count)) }
  }

  private func certified(_ certificate: StateCertificate) {
    state.withLock { state in
      if certificate.height > state.certified { state.certificate = certificate }
    }
    if !events.isEmpty {
      events.send(.certified(certificate.height, stateRoot: certificate.statement.stateRoot))
    }
  }

  private func accused(_ evidence: Evidence) {
    let culprit = evidence.culprit
    let what: String
    switch evidence {
    case .votes(let first, let second):
      what =
        "signed \(first.ballot.kind) and \(second.ballot.kind) in view "
        + "\(first.ballot.view) that exclude each other"
    case .states(let first, _):
      what = "signed two states of height \(first.statement.height)"
    }
    state.withLock { _ = $0.accused.insert(culprit) }
    log(.warning, "accused", ["peer": "\(culprit)", "why": "\(what)"])
    events.send(.accused(culprit, reason: what))
  }

  private func misbehaved(_ peer: ReplicaID, _ what: String) {
    counters.misbehaviour.add(1)
    // What it did may hold numbers that it chose.
    logSeldom(
      .warning, "misbehaved", key: "misbehaved \(peer)", ["peer": "\(peer)", "why": "\(what)"])
  }

  private func quarantined(_ share: StateShare, _ certificate: StateCertificate) {
    state.withLock {
      $0.isQuarantined = true
      $0.quarantineTold = [Self.restartAdvice]
    }
    log(
      .critical,
      "quarantined: this replica's state differs from the certified one; \(Self.restartAdvice)",
      [
        "height": "\(share.statement.height)", "mine": "\(share.statement.stateRoot)",
        "certified": "\(certificate.statement.stateRoot)",
      ])
    events.send(.quarantined(share.statement.height))
  }

  static let restartAdvice = "restart it to rebuild its state from its own log"

  private func split(_ height: Height, _ shares: [StateShare]) {
    state.withLock { $0.split = height }
    let roots = shares.map { "\($0.signer):\($0.statement.stateRoot)" }.joined(separator: ",")
    log(
      .critical, "split: no state of this height can reach a quorum",
      ["height": "\(height)", "roots": "\(roots)"])
  }

  private func catchingUp(_ from: Height, _ to: Height) {
    let isNew = state.withLock { state in
      defer { state.catchingUpTo = max(to, state.catchingUpTo ?? 0) }
      return state.catchingUpTo == nil
    }
    guard isNew else { return }
    logSeldom(
      .notice, "catching up", key: "catching up", ["from": "\(from)", "to": "\(to)"])
  }

  private func recovering(_ answers: Int, _ needed: Int) {
    state.withLock { state in
      state.isRecovering = true
      state.recoveryAnswers = (answers, needed)
    }
    logSeldom(
      .notice, "recovering a lost log", key: "recovering \(answers)",
      ["answers": "\(answers)", "needed": "\(needed)"])
  }

  private func recovered(_ view: View) {
    state.withLock { $0.isRecovering = false }
    log(.notice, "recovered", ["abstain-through": "\(view)"])
  }

  // MARK: From links

  func take(_ event: LinkEvent) {
    switch event {
    case .up(let peer):
      state.withLock { state in
        state.connected.insert(peer)
        if state.connected.count + 1 >= committee.quorum { state.hasMetQuorum = true }
      }
      logSeldom(.info, "peer up", key: "up \(peer)", ["peer": "\(peer)"])
    case .down(let peer, let why):
      state.withLock { _ = $0.connected.remove(peer) }
      logSeldom(
        .notice, "peer down", key: "down \(peer)", ["peer": "\(peer)", "why": "\(why)"])
    case .refused(let from, let why):
      logSeldom(
        .warning, "connection refused", key: "refused \(from)",
        ["from": "\(from)", "why": "\(why)"])
    case .flooding(let peer):
      logSeldom(
        .warning, "slowed down a peer that floods", key: "flood \(peer)", ["peer": "\(peer)"])
    }
  }

  // MARK: The log

  func log(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata = [:]) {
    logger.log(level: level, "\(message)", metadata: metadata)
  }

  /// Less and less often as long as the key repeats, with how many were left out.
  func logSeldom(
    _ level: Logger.Level, _ message: String, key: String, _ metadata: Logger.Metadata
  ) {
    guard let skipped = quiet.admits(key, now: Clocks.monotonic) else { return }
    var metadata = metadata
    if skipped > 0 { metadata["before"] = "\(skipped)" }
    log(level, message, metadata)
  }
}

extension ReplicaBoard {
  /// What keeps this replica, or all of them, from going on: who is missing, what is awaited.
  var awaiting: [String] {
    let state = now
    var sentences = state.standing?.awaiting ?? []
    sentences += state.quarantineTold
    if let height = state.split {
      sentences.append("administrators decide how height \(height) goes on")
    }
    for culprit in state.accused.sorted() {
      sentences.append("\(culprit) has signed statements that exclude each other: it is cut off")
    }
    if state.isDiskFull {
      sentences.append(
        "the disk has \(state.freeBytes >> 20) MiB left, under the reserve: no new calls are taken")
    }
    if let trouble = state.executionTrouble { sentences.append(trouble) }
    return sentences
  }
}

extension ReplicaBoard.State {
  /// What matters most.
  var phase: ReplicaStatus.Phase {
    if isStopping { return .stopping }
    if isQuarantined { return .quarantined }
    if split != nil { return .halted }
    if isRecovering { return .recovering }
    if isDiskFull || executionTrouble != nil { return .diskFull }
    let lag = max(certified, finalized).above(executed)
    let isBehind = standing?.phase == .catchingUp || lag > NodeLimits.readyLagMax
    return isBehind ? .catchingUp : .serving
  }
}
