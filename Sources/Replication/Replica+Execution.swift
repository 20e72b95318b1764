import Consensus
import Signing
import Wire

/// Finalized heights on their way through execution.
///
/// - Bound: `ReplicaLimits.executionsInFlightMax` heights asked for and not answered.
struct ExecutionQueue: Sendable {
  struct Mark: Hashable, Sendable {
    let digest: Digest
    let time: Moment
    let view: View
  }

  /// The last height whose outcome came.
  private(set) var executed: Height
  /// The last height asked for.
  private(set) var asked: Height
  private var marks: [Height: Mark] = [:]

  init(executed: Height) {
    self.executed = executed
    asked = executed
  }

  mutating func note(_ height: Height, _ mark: Mark) {
    if height > executed { marks[height] = mark }
  }

  /// The next height to ask for, when there is room and it is finalized.
  mutating func next(upTo finalized: Height) -> Height? {
    guard asked < finalized,
      asked.above(executed) < UInt64(ReplicaLimits.executionsInFlightMax)
    else { return nil }
    asked = asked.next
    return asked
  }

  mutating func finish(_ height: Height) -> Mark? {
    precondition(height == executed.next && height <= asked, "outcome of \(height) out of order")
    executed = height
    return marks.removeValue(forKey: height)
  }
}

/// Executing, signing states, comparing them.
extension Replica {
  /// The next height of the chain is decided.
  mutating func finalized(_ block: Block, _ digest: Digest) {
    let header = block.header
    outbox.record(.finalized(height: header.height, block: digest))
    outbox.now(.notice(.finalized(header.height, header.view, header)))
    for call in header.calls { pool.order(call) }
    if !header.calls.isEmpty { lastCallHeight = header.height }
    if halt == .quarantined {
      if header.height.number > ReplicaLimits.statesRetained {
        states.forget(below: Height(header.height.number - ReplicaLimits.statesRetained))
      }
    } else {
      execution.note(
        header.height,
        ExecutionQueue.Mark(digest: digest, time: header.time, view: header.view))
    }
    assemblies.removeAll { $0.header.view <= header.view }
    if let certified = header.certified, certified.height >= states.lowestKept,
      states[certified.height]?.certificate == nil
    {
      // A quorum held it valid.
      learn(certified)
    }
    simplex.turn(busy: isBusy)
  }

  mutating func considerExecuting() {
    guard halt == nil else { return }
    while let height = execution.next(upTo: simplex.chain.delivered.header.height) {
      let effect = Effect.execute(height, simplex.chain.block(at: height))
      if broken(.executeBeforeSync) { outbox.now(effect) } else { outbox.voice(effect) }
    }
  }

  mutating func executed(_ outcome: BlockOutcome) {
    let mark = execution.finish(outcome.height)
    let height = outcome.height
    if height.number > ReplicaLimits.statesRetained {
      states.forget(below: Height(height.number - ReplicaLimits.statesRetained))
    }
    guard let mark, halt == nil else { return }
    let statement = StateStatement(
      subnet: committee.subnet, epoch: committee.epoch, height: height, block: mark.digest,
      stateRoot: outcome.stateRoot, receiptsRoot: outcome.receiptsRoot, time: mark.time)
    states.executed(statement, tick: repair.ticks)
    if states[height]?.certificate != nil {
      compare(height)
    } else {
      sign(statement, of: mark.view)
      tally(height, statement)
    }
  }

  /// One signature a height for ever; one that exists is sent again and not made anew.
  private mutating func sign(_ statement: StateStatement, of view: View) {
    let height = statement.height
    if let old = restored.stateShares.first(where: { $0.statement.height == height }) {
      if old.statement != statement {
        reached(.stateReplayDiffers)
        // Signed of files that were wrong: not said again, and nothing is signed in its place.
        if restored.quarantine?.isOver == true { return }
      }
      keep(old)
      return
    }
    guard height > stateSignedHighest else { return }
    // What a lost log held was of views that are abstained from, whatever height others claim.
    guard height > restored.abstainStatesThrough || view > simplex.abstainThrough else { return }
    let share = configuration.signer.share(statement, as: me, in: committee).value
    stateSignedHighest = height
    outbox.record(.stateShare(share))
    keep(share)
  }

  private mutating func keep(_ share: StateShare) {
    let height = share.statement.height
    states.update(height) { $0.own = share }
    _ = states.admit(share, verified: true)
    guard height > states.highestHeight else { return }
    let effect = Effect.send(.stateShare(share), to: .all)
    if broken(.shareBeforeSync) { outbox.now(effect) } else { outbox.voice(effect) }
  }

  // MARK: Shares and certificates

  private var gathersStates: Bool {
    !broken(.backpressureGatesCertificates)
      || simplex.chain.delivered.header.height.above(states.highestHeight)
        <= Limits.uncertifiedHeightsMax
  }

  mutating func receive(_ share: StateShare, from peer: ReplicaID) {
    let statement = share.statement
    let height = statement.height
    guard share.signer == peer, statement.subnet == committee.subnet,
      statement.epoch == committee.epoch
    else {
      misbehaved(peer, "sent a state share that is not its own, or of another subnet")
      return
    }
    stateSignedSeen[peer.index] = max(stateSignedSeen[peer.index], height)
    guard height >= states.lowestKept, gathersStates,
      height <= execution.executed.advanced(by: ReplicaLimits.statesAheadMax)
    else { return }
    if case .conflicting(let first) = states.admit(share, verified: false) {
      guard !simplex.accused.contains(peer) else { return }
      let evidence = Evidence.states(first, share)
      guard configuration.verifier.verify(evidence, in: committee) != nil else {
        misbehaved(peer, "sent two states of height \(height), one with a bad signature")
        return
      }
      reached(.stateConflict)
      if simplex.accept(evidence) { outbox.voice(.send(.evidence(evidence), to: .all)) }
      return
    }
    if !states.isCertified(height) { tally(height, statement) }
  }

  /// Makes the certificate once a quorum agrees, and notices when none can any more.
  private mutating func tally(_ height: Height, _ statement: StateStatement) {
    guard gathersStates else { return }
    let (verifier, committee) = (configuration.verifier, committee)
    let quorum =
      broken(.stateQuorum2f) ? max(1, 2 * committee.faultsMax) : committee.quorum
    var support = states.support(height, statement)
    if support.own >= quorum {
      var check = StatementCheck(statement, verifier, committee)
      let culprits = states.verify(height, only: statement) {
        check.verifies($0.signature, of: $0.statement, by: $0.signer)
      }
      blame(culprits)
      support = states.support(height, statement)
      guard support.own >= quorum, let entry = states[height] else { return }
      let shares = entry.shares.filter { $0.statement == statement }
        .sorted { $0.signer < $1.signer }
      learn(
        StateCertificate(
          statement: statement, signers: Signers(shares.map(\.signer), of: committee.size),
          signatures: shares.map(\.signature)))
      return
    }
    guard support.most + committee.size - support.all < committee.quorum, halt == nil else {
      return
    }
    let culprits = states.verify(height, only: nil) { verifier.verify($0, in: committee) != nil }
    blame(culprits)
    support = states.support(height, statement)
    if support.most + committee.size - support.all < committee.quorum { splits(height) }
  }

  private mutating func blame(_ culprits: [ReplicaID]) {
    for culprit in culprits {
      misbehaved(culprit, "signed a state with a signature that does not verify")
    }
  }

  /// No root can reach a quorum: execution stops, empty blocks go on.
  private mutating func splits(_ height: Height) {
    if !broken(.splitGoesOn) { halt = .split(height) }
    reached(.stateSplit)
    simplex.turn(busy: isBusy)
    let shares = states[height]?.shares ?? []
    outbox.now(.notice(.split(height, shares.sorted { $0.signer < $1.signer })))
  }

  mutating func receive(_ certificate: StateCertificate, from peer: ReplicaID) {
    guard certificate.height >= states.lowestKept, gathersStates,
      !states.isCertified(certificate.height),
      certificate.height <= simplex.chain.delivered.header.height
    else { return }
    guard configuration.verifier.verify(certificate, in: committee) != nil else {
      misbehaved(peer, "sent a state certificate that does not verify")
      return
    }
    learn(certificate)
  }

  /// A state certificate that holds.
  mutating func learn(_ certificate: StateCertificate) {
    states.note(
      certificate, upTo: execution.executed.advanced(by: ReplicaLimits.certificatesAheadMax))
    for id in certificate.signers.ids where committee.contains(id) {
      stateSignedSeen[id.index] = max(stateSignedSeen[id.index], certificate.height)
    }
    simplex.knownCertificate = states.highest
    outbox.record(.stateCertificate(certificate))
    outbox.voice(.notice(.stateCertified(certificate)))
    compare(certificate.height)
  }

  /// A root that differs from the certificate's is this replica's fault, and it falls silent.
  private mutating func compare(_ height: Height) {
    guard !broken(.stateRootUnchecked), halt != .quarantined, let entry = states[height],
      let statement = entry.statement, let certificate = entry.certificate,
      statement != certificate.statement
    else { return }
    quarantine(
      entry.own ?? configuration.signer.share(statement, as: me, in: committee).value, certificate)
  }

  /// The same of a height whose certificate lies in the journal alone: of heights that were
  /// certified before this start nothing is kept in memory.
  mutating func contradicted(_ outcome: BlockOutcome, by certificate: StateCertificate) {
    guard !broken(.stateRootUnchecked), !(broken(.quarantineForgotten) && restored.quarantined),
      halt != .quarantined
    else { return }
    let theirs = certificate.statement
    let own = StateStatement(
      subnet: theirs.subnet, epoch: theirs.epoch, height: theirs.height, block: theirs.block,
      stateRoot: outcome.stateRoot, receiptsRoot: outcome.receiptsRoot, time: theirs.time)
    guard own != theirs else { return }
    quarantine(configuration.signer.share(own, as: me, in: committee).value, certificate)
  }

  private mutating func quarantine(_ share: StateShare, _ certificate: StateCertificate) {
    halt = .quarantined
    reached(.stateQuarantined)
    outbox.record(.quarantine(share, certificate))
    outbox.now(.notice(.quarantined(share, certificate)))
  }

  mutating func answer(stateWanted height: Height, to peer: ReplicaID) {
    guard mayAnswer(peer) else { return }
    if let certificate = states[height]?.certificate {
      outbox.voice(.send(.stateCertificate(certificate), to: .one(peer)))
      return
    }
    if let own = states[height]?.own, halt != .quarantined {
      outbox.voice(.send(.stateShare(own), to: .one(peer)))
    }
    // After a restart certificates lie in the journal alone.
    if height <= states.highestHeight {
      outbox.now(.serve(.stateCertificate(height), to: peer))
    }
  }
}
