import Wire

/// The roots that executing each height gave, and who was seen to differ from a certificate.
///
/// - Bound: two digests a height, since a replica that lost its disk executes all of them again;
///   everything else as far as `OracleLimits.retained` heights back.
struct StateBook {
  /// By height, from genesis.
  var roots: [Digest] = []
  var receipts: [Digest] = [.zero]
  private var certified = Recent<Height, StateStatement>()
  /// For each machine the outcomes that it told.
  private var outcomes: [Recent<Height, BlockOutcome>]
  /// For each machine the height from which its root is known to differ.
  private var diverged: [Height?]
  /// Machines whose files hold what nobody wrote, until they end their quarantine.
  fileprivate(set) var astray: Set<Int> = []

  init(machines: Int, genesisRoot: Digest) {
    roots = [genesisRoot]
    outcomes = [Recent<Height, BlockOutcome>](repeating: Recent(), count: machines)
    diverged = [Height?](repeating: nil, count: machines)
  }

  /// The highest height that was executed.
  var height: Height { Height(UInt64(roots.count - 1)) }
  var count: Int { outcomes.reduce(certified.count) { $0 + $1.count } }

  func certified(at height: Height) -> StateStatement? { certified[height] }
  func outcome(of machine: Int, at height: Height) -> BlockOutcome? { outcomes[machine][height] }
  func diverged(_ machine: Int) -> Height? { diverged[machine] }

  fileprivate mutating func certify(_ statement: StateStatement) {
    certified.set(statement.height, statement)
  }

  fileprivate mutating func note(_ outcome: BlockOutcome, of machine: Int) {
    outcomes[machine].set(outcome.height, outcome)
  }

  fileprivate mutating func diverges(_ machine: Int, at height: Height) {
    if diverged[machine] == nil { diverged[machine] = height }
  }

  fileprivate mutating func rejoins(_ machine: Int) {
    diverged[machine] = nil
    astray.remove(machine)
  }

  mutating func forget(below height: Height) {
    certified.forget(below: height)
    for machine in outcomes.indices { outcomes[machine].forget(below: height) }
  }
}

extension Oracle {
  /// Its disk is empty and keeps what is written to it from now on: what it said still binds it,
  /// and so does all that it does next.
  func beginsAnew(_ machine: Int) {
    pardon(machine)
    states.rejoins(machine)
  }

  /// Shares that were signed before the certificate came may still leave.
  static let sharesUnderWay: UInt64 = 8

  func executed(_ outcome: BlockOutcome, by machine: Int) {
    states.note(outcome, of: machine)
    guard machines[machine].correct, !states.astray.contains(machine) else { return }
    judgeOrder(outcome, machine)
    judgeStandstill(outcome, machine)
    let index = Int(outcome.height.number)
    if index < states.roots.count {
      if states.roots[index] != outcome.stateRoot || states.receipts[index] != outcome.receiptsRoot
      {
        report(
          .state, machine, nil,
          "executes height \(outcome.height) to \(outcome.stateRoot), others to "
            + "\(states.roots[index])")
      }
    } else if index == states.roots.count {
      states.roots.append(outcome.stateRoot)
      states.receipts.append(outcome.receiptsRoot)
    } else {
      report(.state, machine, nil, "executes height \(outcome.height) out of order")
    }
  }

  /// No state of a height can reach a quorum, says the machine: it executes what is under way.
  /// - Returns: true when it says so for the first time since it started.
  func splits(_ machine: Int) -> Bool {
    guard machines[machine].executesThrough == nil else { return false }
    machines[machine].executesThrough = machines[machine].executed.advanced(
      by: 2 * UInt64(OracleLimits.executionsMax))
    return true
  }

  private func judgeStandstill(_ outcome: BlockOutcome, _ machine: Int) {
    machines[machine].executed = outcome.height
    guard let last = machines[machine].executesThrough, outcome.height > last else { return }
    report(
      .state, machine, nil,
      "executes height \(outcome.height), though no state of a height far below can reach a quorum",
      always: true)
  }

  /// Its files may hold what nobody wrote: what it executes binds nobody until it ends its
  /// quarantine, or begins anew on an empty disk.
  func goesAstray(_ machine: Int) { states.astray.insert(machine) }

  /// It ends its quarantine with what its log came to: that must be what the others have, and so
  /// must all that it executes and signs from now on.
  ///
  /// - Parameter isSound: false while the disk is one that may alter the new files too.
  func leavesQuarantine(_ machine: Int, with outcomes: [BlockOutcome], isSound: Bool = true) {
    for outcome in outcomes {
      states.note(outcome, of: machine)
      let index = Int(outcome.height.number)
      guard index < states.roots.count else { continue }
      if states.roots[index] != outcome.stateRoot || states.receipts[index] != outcome.receiptsRoot
      {
        report(
          .state, machine, nil,
          "ends its quarantine with \(outcome.stateRoot) at height \(outcome.height), others have "
            + "\(states.roots[index])")
      }
    }
    states.rejoins(machine)
    if !isSound { goesAstray(machine) }
  }

  func saw(_ certificate: StateCertificate, _ machine: Int) {
    let statement = certificate.statement
    let height = statement.height
    if let known = states.certified(at: height) {
      if known != statement {
        report(.state, machine, nil, "shows a second state certificate of height \(height)")
      }
      return
    }
    judgeShares(certificate, machine)
    let index = Int(clamping: height.number)
    if index < states.roots.count,
      states.roots[index] != statement.stateRoot
        || states.receipts[index] != statement.receiptsRoot
    {
      report(.state, machine, nil, "certified root of height \(height) is not the executed one")
    }
    if statement.block != chain.digest(at: height)
      || chain.time(at: height).map({ $0 != statement.time }) ?? false
    {
      report(.state, machine, nil, "the state certificate of height \(height) names another block")
    }
    guard height >= statesFloor else { return }
    states.certify(statement)
  }

  /// `q` distinct members, each of which, if it is correct, signed this very root.
  private func judgeShares(_ certificate: StateCertificate, _ machine: Int) {
    let statement = certificate.statement
    let height = statement.height
    let signers = certificate.signers.ids
    if signers.count < quorum || certificate.signatures.count != signers.count {
      report(.state, machine, nil, "takes \(signers.count) shares for a state certificate")
    }
    if statement.subnet != committee.subnet || statement.epoch != committee.epoch {
      report(.state, machine, nil, "takes a state certificate of another subnet or epoch")
    }
    for (signer, signature) in zip(signers, certificate.signatures) {
      guard let verifier else { break }
      guard let key = committee.key(of: signer),
        verifier.verifies(signature, of: statement, by: key)
      else {
        report(
          .state, machine, nil,
          "takes a state certificate of height \(height) that \(signer) did not sign")
        return
      }
    }
    guard height >= statesFloor else { return }
    for place in machines.indices where machines[place].correct {
      let id = machines[place].id
      if signers.contains(id), machines[place].ballots.signed(at: height) != statement.stateRoot {
        report(
          .state, machine, nil,
          "shows a state certificate of height \(height) with a share that \(id) never signed")
      }
    }
  }

  /// The machine knows the certificate and its own root; when they differ it must fall silent.
  func knows(_ statement: StateStatement, _ machine: Int) {
    guard let own = states.outcome(of: machine, at: statement.height) else { return }
    if own.stateRoot != statement.stateRoot { states.diverges(machine, at: statement.height) }
  }

  /// One state share a height for ever.
  func signed(_ share: StateShare, _ machine: Int) {
    let height = share.statement.height
    if machines[machine].ballots.sign(share.statement.stateRoot, at: height) != nil {
      report(.state, machine, nil, "signs two states of height \(height)")
    }
  }

  func voiced(_ share: StateShare, _ machine: Int) {
    guard share.signer == machines[machine].id else { return }
    if !machines[machine].ballots.signedDurably(share.statement.height),
      share.statement.height >= statesFloor
    {
      report(
        .durability, machine, nil,
        "signs the state of height \(share.statement.height) aloud before it is on its disk")
    }
  }

  /// A replica that runs honest code on a wrong state is told by the certificate, and stops.
  func voicedByDiverged(_ share: StateShare, _ machine: Int) {
    guard let since = states.diverged(machine),
      share.statement.height > since.advanced(by: Self.sharesUnderWay)
    else { return }
    report(
      .state, machine, nil,
      "signs the state of height \(share.statement.height), though its state differs since "
        + "height \(since)")
  }
}
