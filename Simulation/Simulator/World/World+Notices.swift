import Replication
import Wire

extension World {
  /// A replica tells something; nothing in the protocol depends on it.
  func note(_ notice: Notice, _ machine: Machine) {
    recording?.note(notice, machine.index)
    if let narrate = options.narrate, let words = words(notice) {
      narrate("\(now / 1_000) ms  \(machine.name) \(words)")
    }
    switch notice {
    case .entered(let view, _):
      machine.view = view
      if machine.correct {
        statistics.viewHighest = max(statistics.viewHighest, view)
        picture.entered(view)
      }
      checkViews(machine)
    case .certified(let certificate): noteCertificate(certificate, machine)
    case .finalized(let height, let view, let header):
      noteFinalized(height, view, header, machine)
    case .stateCertified(let certificate):
      machine.certifiedHeight = max(machine.certifiedHeight, certificate.height)
      oracle.knows(certificate.statement, machine.index)
      certified(certificate, on: machine)
      measure(certified: certificate.height, on: machine)
      faultEngine.mayBeOver = true
    case .accused(let evidence): oracle.accuse(evidence, by: machine.index)
    case .misbehaved(let peer, let what): noteMisbehaviour(peer, what, machine)
    case .quarantined(let share, _):
      if isSound(machine) {
        oracle.report(
          .state, machine.index, nil,
          "finds its own state of height \(share.statement.height) differing from the certificate")
      }
    case .split(let height, _):
      if oracle.splits(machine.index) {
        oracle.report(.state, machine.index, nil, "no root of height \(height) can reach a quorum")
      }
    case .catchingUp: picture.mark(machine.index, machine.view, .catchingUp)
    case .recovering, .recovered: picture.mark(machine.index, machine.view, .catchingUp)
    case .reached(let mark): reached.insert(mark)
    case .crowdedOut(let call): isCrowdedOut(call)
    case .proposed, .voted, .expired: break
    }
  }

  private func words(_ notice: Notice) -> String? {
    switch notice {
    case .entered(let view, let leader): "enters view \(view) of \(leader)"
    case .proposed(let view, let height, _): "proposes height \(height) in view \(view)"
    case .voted(let vote): "\(When.verb(vote.ballot.kind)) \(vote.ballot.view)"
    case .certified(let certificate):
      "holds the \(MessageKind(.certificate(certificate)).rawValue) of \(certificate.view)"
    case .finalized(let height, let view, _): "finalizes height \(height), view \(view)"
    case .stateCertified(let certificate): "holds the state certificate of \(certificate.height)"
    case .accused(let evidence): "accuses \(evidence.culprit)"
    case .misbehaved(let peer, let what): "says that \(peer) \(what)"
    case .quarantined: "quarantines itself"
    case .split(let height, _): "sees a split at height \(height)"
    case .catchingUp(let from, let to): "catches up from \(from) to \(to)"
    case .recovering(let answers, let needed): "recovers: \(answers) of \(needed) answers"
    case .recovered(let view): "recovered, abstains through \(view)"
    case .reached(let mark): "reached \(mark.rawValue)"
    case .expired, .crowdedOut: nil
    }
  }

  private func noteCertificate(_ certificate: Certificate, _ machine: Machine) {
    let view = certificate.view
    switch certificate.kind {
    case .notarize:
      picture.mark(machine.index, view, .notarized)
      happened(.view(view, .notarized))
    case .nullify:
      picture.mark(machine.index, view, .nullified)
      happened(.view(view, .nullified))
    case .finalize:
      picture.mark(machine.index, view, .finalized)
      happened(.view(view, .finalized))
    }
  }

  private func noteFinalized(
    _ height: Height, _ view: View, _ header: Header, _ machine: Machine
  ) {
    noteClocks()
    oracle.finalized(height, view, header, by: machine.index)
    machine.finalizedHeight = max(machine.finalizedHeight, height)
    picture.mark(machine.index, view, .finalized)
    if machine.correct {
      statistics.heightHighest = max(statistics.heightHighest, height)
      statistics.viewFinalized = max(statistics.viewFinalized, view)
      faultEngine.finalized(view, leader: committee.leader(of: view))
      measure(finalized: view, header)
      faultEngine.chainTime = max(faultEngine.chainTime, header.time)
      happened(.height(height))
      if height.number % OracleLimits.forgetEvery == 0 { forget() }
    }
    if height.number % OracleLimits.boundsEvery == 0 { checkBounds(machine) }
  }

  /// Rule R13: what is held of views does not grow with what others say of them.
  private func checkViews(_ machine: Machine) {
    guard machine.correct, let replica = machine.replica else { return }
    let count = replica.viewsHeld.count
    let most = oracle.viewsMost(at: machine.view, replica.finalizedView)
    guard count > most else { return }
    oracle.report(
      .bounds, machine.index, machine.view,
      "holds votes of \(count) views, of which it may hold \(most)")
  }

  /// How late it may be by the clocks of correct replicas, `f` of which may be ahead.
  func noteClocks() {
    let clocks = machines.filter(\.correct).map { moment(of: $0) }.sorted(by: >)
    let place = min(committee.faultsMax, clocks.count - 1)
    if place >= 0 { oracle.clockLatest = max(oracle.clockLatest, clocks[place]) }
  }

  private func noteMisbehaviour(_ peer: ReplicaID, _ what: String, _ machine: Machine) {
    statistics.misbehaviours += 1
    if machine.correct, !oracle.guilty.contains(peer) {
      // Where there are two chains, what stands on the one offends the other.
      oracle.report(
        .evidence, machine.index, nil, "says that \(peer), which is correct, \(what)",
        always: !oracle.broke(.agreement) && !oracle.broke(.oneNotarization))
    }
  }
}
