import Signing
import Wire

/// A rule that was seen broken.
package struct Violation: Sendable, Hashable {
  package let check: Check
  /// Microseconds since the start of the run.
  package let time: UInt64
  package let replica: ReplicaID?
  package let view: View?
  package let text: String
  /// Nobody may break it over the fault budget either.
  package var always = false
}

/// Watches what replicas make durable, send, finalize and execute, and restates the rules.
///
/// It shares no code with the core: votes, certificates and chains are judged here by the words of
/// the protocol, from what is seen outside of a replica.
///
/// - Safety: judges correct replicas only; what a Byzantine one does is no violation.
/// - Bound: three digests a height of one run; besides what `OracleLimits` names and what those
///   replicas have still to catch up with that are behind.
final class Oracle {
  /// One machine as the oracle knows it.
  struct Watched {
    let id: ReplicaID
    /// False for Byzantine actors: nothing binds them.
    var correct: Bool
    var ballots = BallotBook()
    /// Finalized up to here on its disk.
    var finalizedDurable: Height = 0
    /// Own votes whose sync was under way when the power went, or failed: kept by the disk, or not.
    var attempted: [Vote] = []
    /// The last height that it executed.
    var executed: Height = 0
    /// It said that no state of a height can reach a quorum: nothing above this is executed.
    var executesThrough: Height?
  }

  /// More tell nothing new.
  static let violationsMax = 256

  let committee: Committee
  /// nil where signatures are not looked at.
  let verifier: Verifier?
  var machines: [Watched]
  private(set) var violations: [Violation] = []
  var views = ViewBook()
  var chain: ChainBook
  var states: StateBook
  var calls = CallBook()
  /// All cycles there are: what genesis gave.
  var minted: UInt128 = 0
  /// Bytes that may be under way to one machine.
  var memoryMax = OracleLimits.underWayMax
  /// What was said of states below it was forgotten.
  private(set) var statesFloor: Height = 0
  /// What everybody was heard to say; kept over the fault budget only.
  var transcript = Transcript()
  /// Machines whose disks gave back what nobody wrote: they may vote as if they had never said what
  /// their logs no longer tell.
  private(set) var excused: Set<Int> = []
  /// Simulated microseconds; the world sets it before each event.
  var now: UInt64 = 0
  /// The latest that a clock ever stood of which `f` are not ahead; the world sets it.
  var clockLatest: Moment = 0
  /// Replicas that may be accused.
  var guilty: Set<ReplicaID> = []
  private(set) var accused: [ReplicaID] = []

  init(
    committee: Committee, verifier: Verifier?, machines: [(id: ReplicaID, correct: Bool)],
    genesisRoot: Digest
  ) {
    self.committee = committee
    self.verifier = verifier
    self.machines = machines.map { Watched(id: $0.id, correct: $0.correct) }
    chain = ChainBook(machines: machines.count)
    states = StateBook(machines: machines.count, genesisRoot: genesisRoot)
  }

  /// Forgets what no check can need any more.
  /// - Parameter gone: machines that will not come back.
  func forget(gone: [Bool]) {
    var (view, height): (UInt64, UInt64) = (.max, .max)
    for place in machines.indices where machines[place].correct && !gone[place] {
      machines[place].ballots.forget()
      view = min(view, machines[place].ballots.seenThrough.number)
      height = min(height, chain.told[place].number)
    }
    calls.forget(at: now)
    guard view != .max else { return }
    if view > OracleLimits.retained { views.forget(below: View(view - OracleLimits.retained)) }
    guard height > OracleLimits.retained else { return }
    statesFloor = max(statesFloor, Height(height - OracleLimits.retained))
    chain.forget(below: statesFloor)
    states.forget(below: statesFloor)
    for place in machines.indices { machines[place].ballots.forgetStates(below: statesFloor) }
  }

  /// Entries in all books, which must not grow with the length of a run.
  var entries: Int {
    machines.reduce(views.count + chain.count + states.count + calls.count) {
      $0 + $1.ballots.count
    }
  }

  /// `q = n − f`, restated.
  var quorum: Int { committee.members.count - (committee.members.count - 1) / 3 }

  /// What its disk tells is not to be trusted from now on: it is one of the faulty.
  func excuse(_ machine: Int) {
    excused.insert(machine)
    guilty.insert(machines[machine].id)
    goesAstray(machine)
  }

  /// What it said while it was excused may convict it still.
  func pardon(_ machine: Int) { excused.remove(machine) }

  /// Whether this check was seen broken.
  func broke(_ check: Check) -> Bool { violations.contains { $0.check == check } }

  /// Whether something was seen that nobody may break over the fault budget either.
  private(set) var brokeForGood = false

  /// Sets aside what may break over the fault budget.
  func setAside(_ tolerated: (Violation) -> Bool) -> [Violation] {
    let aside = violations.filter(tolerated)
    violations.removeAll(where: tolerated)
    return aside
  }

  /// - Parameter always: whether it binds over the fault budget too; nil: as its check does.
  func report(
    _ check: Check, _ machine: Int?, _ view: View?, _ text: String, always: Bool? = nil
  ) {
    let always = always ?? check.bindsOverBudget
    guard violations.count < Self.violationsMax || always && !brokeForGood else { return }
    brokeForGood = brokeForGood || always
    violations.append(
      Violation(
        check: check, time: now, replica: machine.map { machines[$0].id }, view: view, text: text,
        always: always))
  }

  /// These records are on disk now, all by one sync: what a vote rests on may stand beside it.
  func durable(_ records: [Record], on machine: Int) {
    guard machines[machine].correct else { return }
    var votes: [Vote] = []
    for record in records {
      switch record {
      case .vote(let vote): if cast(vote, machine, durable: true) { votes.append(vote) }
      case .block(let digest, let block):
        machines[machine].ballots.hold(digest, of: block.header.view)
      case .finalized(let height, _):
        machines[machine].finalizedDurable = max(machines[machine].finalizedDurable, height)
      default: break
      }
    }
    for record in records {
      switch record {
      case .certificate(let certificate): saw(certificate, machine)
      case .stateShare(let share): signed(share, machine)
      case .stateCertificate(let certificate): saw(certificate, machine)
      default: break
      }
    }
    for vote in votes { judgeGrounds(vote.ballot, machine) }
    for record in records {
      if case .certificate(let certificate) = record {
        machines[machine].ballots.note(certificate)
      }
    }
  }

  /// The power went while these records were written, or the sync of them failed; either way
  /// nobody hears whether they are there.
  func attempted(_ records: [Record], on machine: Int) {
    machines[machine].attempted = records.compactMap {
      if case .vote(let vote) = $0 { vote } else { nil }
    }
  }

  /// What a machine found on its disk when it came back.
  func restored(_ restored: Restored, on machine: Int) {
    guard machines[machine].correct else { return }
    machines[machine].finalizedDurable = restored.finalizedHeight
    // Votes of a finalized view are not restored; a certificate that holds one tells of it.
    let me = machines[machine].id
    let kept = machines[machine].attempted.filter { vote in
      restored.certificates.contains { $0.ballot == vote.ballot && $0.signers.contains(me) }
    }
    machines[machine].attempted = []
    for vote in kept + restored.votes { cast(vote, machine, durable: true) }
    for share in restored.stateShares { signed(share, machine) }
    for block in restored.blocks {
      machines[machine].ballots.hold(block.header.digest, of: block.header.view)
    }
    // A sync that nobody heard of any more may have kept certificates, with the votes in them.
    for certificate in restored.certificates { saw(certificate, machine) }
    for certificate in restored.certificates { machines[machine].ballots.note(certificate) }
  }

  /// The machine's disk is gone; what it said stays said.
  func wiped(_ machine: Int) { machines[machine].ballots.forgetDurable() }

  func sent(_ message: Message, by machine: Int) {
    guard machines[machine].correct else { return }
    switch message {
    case .proposal(_, _, let vote): voiced(vote, machine)
    case .vote(let vote): voiced(vote, machine)
    case .certificate(let certificate): saw(certificate, machine)
    case .views(let certificates): for certificate in certificates { saw(certificate, machine) }
    case .stateShare(let share): voiced(share, machine)
    case .stateCertificate(let certificate): saw(certificate, machine)
    default: break
    }
  }

  func accuse(_ evidence: Evidence, by machine: Int) {
    guard machines[machine].correct else { return }
    let culprit = evidence.culprit
    if !accused.contains(culprit) { accused.append(culprit) }
    if !guilty.contains(culprit) {
      report(.evidence, machine, nil, "accuses \(culprit), which is correct")
    }
    if !proves(evidence) {
      report(.evidence, machine, nil, "accuses \(culprit) by what proves nothing")
    }
  }

  /// Two statements of one signer, both signed by it, that no correct replica makes both.
  private func proves(_ evidence: Evidence) -> Bool {
    switch evidence {
    case .votes(let first, let second):
      let (one, other) = (first.ballot, second.ballot)
      guard first.signer == second.signer, one.subnet == committee.subnet,
        other.subnet == committee.subnet, one.epoch == other.epoch, one.view == other.view,
        isSigned(first.ballot, by: first.signer, first.signature),
        isSigned(second.ballot, by: second.signer, second.signature)
      else { return false }
      switch (one.kind, other.kind) {
      case (.notarize, .notarize), (.finalize, .finalize):
        return one.block != other.block || one.parentView != other.parentView
      case (.nullify, .finalize), (.finalize, .nullify): return true
      default: return false
      }
    case .states(let first, let second):
      return first.signer == second.signer && first.statement.subnet == committee.subnet
        && first.statement.height == second.statement.height
        && first.statement != second.statement
        && isSigned(first.statement, by: first.signer, first.signature)
        && isSigned(second.statement, by: second.signer, second.signature)
    }
  }

  private func isSigned(
    _ statement: some Statement, by signer: ReplicaID, _ signature: Signature
  ) -> Bool {
    guard let key = committee.members.first(where: { $0.id == signer })?.key else { return false }
    return verifier?.verifies(signature, of: statement, by: key) ?? true
  }
}

extension Check {
  /// Forks follow from more than `f` faulty replicas, and what follows from forks: two states, two
  /// receipts. What a correct replica says, keeps and adds up is its own doing at any time.
  fileprivate var bindsOverBudget: Bool {
    switch self {
    case .evidence, .durability, .cycles: true
    case .agreement, .oneNotarization, .state, .exactlyOnce, .reads, .bounds, .liveness, .vacuity,
      .never:
      false
    }
  }
}
