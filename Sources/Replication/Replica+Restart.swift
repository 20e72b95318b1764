import Consensus
import Signing
import Wire

/// Asking where the others are, after the log was lost.
struct Recovery: Sendable {
  let question: RecoveryQuestion
  let signature: Signature
  /// One of each responder, ascending.
  var answers: [RecoveryAnswer] = []
}

/// Start, restart and lost logs (rule R9).
extension Replica {
  mutating func begin() {
    let lost = !restored.journalFound && !configuration.firstStart
    if lost, !broken(.lostLogVotesAtOnce) {
      reached(.restartLogLost)
      let question = RecoveryQuestion(
        subnet: committee.subnet, epoch: committee.epoch, asker: me, nonce: configuration.nonce)
      recovery = Recovery(question: question, signature: configuration.signer.sign(question))
      outbox.now(.arm(.repair, after: configuration.delay))
      askAll()
      return
    }
    if !restored.journalFound {
      // From its durability on, an empty journal is a lost one.
      outbox.record(.abstain(through: 0, statesThrough: 0))
    }
    resume()
  }

  /// Starts from what was restored.
  private mutating func resume() {
    stateSignedHighest = max(stateSignedHighest, restored.stateSignedHighest)
    if let certificate = restored.stateCertificate {
      states.note(certificate, upTo: certificate.height)
    }
    simplex.knownCertificate = states.highest
    if restored.journalFound, !configuration.firstStart { reached(.restartResumed) }
    if restored.quarantined, !broken(.quarantineForgotten) {
      halt = .quarantined
      reached(.stateQuarantineKept)
      if restored.quarantine?.rebuild != nil { reached(.stateRebuildDiffers) }
    } else if restored.quarantine?.isOver == true {
      reached(.stateQuarantineLeft)
    }
    // What was executed and not certified is asked for again: its outcome is to be signed.
    let open = restored.uncertifiedHeaders.first.map { Height($0.height.number - 1) }
    let settled = min(
      configuration.executedHeight, restored.finalizedHeight, open ?? restored.finalizedHeight)
    execution = ExecutionQueue(executed: settled)
    for header in restored.uncertifiedHeaders {
      note(header)
    }
    for block in restored.blocks where block.header.height == restored.finalizedHeight {
      note(block.header)
    }
    simplex.restore(restored)
    // They are held once, and for as long as they are needed there.
    (restored.blocks, restored.certificates, restored.votes) = ([], [], [])
    simplex.start()
    lastCallHeight = simplex.chain.delivered.header.height
    outbox.now(.arm(.repair, after: simplex.pace.delay))
  }

  private mutating func note(_ header: Header) {
    execution.note(
      header.height,
      ExecutionQueue.Mark(digest: header.digest, time: header.time, view: header.view))
  }

  // MARK: The lost log

  mutating func ask(_ peer: ReplicaID) {
    guard let recovery else { return }
    send(.recoveryQuestion(recovery.question, recovery.signature), to: peer)
  }

  mutating func askAll() {
    guard let recovery else { return }
    outbox.now(.notice(.recovering(answers: recovery.answers.count, needed: answersNeeded)))
    outbox.now(.send(.recoveryQuestion(recovery.question, recovery.signature), to: .all))
  }

  private var answersNeeded: Int {
    (broken(.lostLogTrustsFinalization) ? 1 : 2) * committee.faultsMax + 1
  }

  mutating func receive(
    _ question: RecoveryQuestion, _ signature: Signature, from peer: ReplicaID
  ) {
    guard question.asker == peer, mayAnswer(peer) else { return }
    guard configuration.verifier.verify(question, signature, in: committee) != nil else {
      misbehaved(peer, "asked to recover with a signature that does not verify")
      return
    }
    let view = simplex.view
    let answer = RecoveryAnswer(
      subnet: committee.subnet, epoch: committee.epoch, asker: peer, nonce: question.nonce,
      responder: me, view: view, certificate: simplex.leadingCertificate,
      stateSigned: stateSignedSeen[peer.index])
    let signed = configuration.signer.sign(answer)
    outbox.voice(.send(.recoveryAnswer(answer, signed), to: .one(peer)))
  }

  mutating func receive(
    _ answer: RecoveryAnswer, _ signature: Signature, from peer: ReplicaID
  ) {
    guard var recovery, answer.responder == peer, answer.asker == me,
      answer.nonce == recovery.question.nonce,
      !recovery.answers.contains(where: { $0.responder == peer })
    else { return }
    guard answer.leads, configuration.verifier.verify(answer, signature, in: committee) != nil
    else {
      misbehaved(peer, "answered a recovery with what does not hold")
      return
    }
    recovery.answers.append(answer)
    self.recovery = recovery
    guard recovery.answers.count >= answersNeeded else { return }
    recover(recovery.answers)
  }

  private mutating func recover(_ answers: [RecoveryAnswer]) {
    let highest =
      broken(.lostLogTrustsFinalization)
      ? finalizedHighest(of: answers) : answers.map(\.view).max() ?? 0
    let states = answers.map(\.stateSigned).max() ?? 0
    recovery = nil
    restored.abstainThrough = broken(.abstainsForEver) ? View(.max) : highest.next
    restored.abstainStatesThrough = states
    outbox.record(.abstain(through: highest.next, statesThrough: states))
    outbox.now(.notice(.recovered(abstainThrough: highest.next)))
    reached(.restartRecovered)
    resume()
    for answer in answers {
      if let certificate = answer.certificate {
        simplex.receive(certificate, from: answer.responder)
      }
    }
  }

  /// The view below the highest finalization, so that abstaining ends with the finalized one.
  private func finalizedHighest(of answers: [RecoveryAnswer]) -> View {
    let finalizations = answers.compactMap(\.certificate).filter { $0.kind == .finalize }
    return View((finalizations.map(\.view.number).max() ?? 1) - 1)
  }
}

extension RecoveryAnswer {
  /// Whether the certificate is what leads into the view.
  var leads: Bool {
    guard let certificate else { return view == 1 }
    return certificate.view.next == view && certificate.view < view
  }
}
