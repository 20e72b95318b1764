import Replication
import Signing
import Wire

extension World {
  func startClients() {
    guard let load = scenario.load else { return }
    let dry =
      load.ledger
      ? DryPipeline(
        replicas: committee.size, people: callers.map(\.publicKey),
        pace: load.rate / UInt64(max(1, load.clients))) : nil
    for index in 0..<min(load.clients + 1, callers.count) {
      clients.append(
        Client(
          index: index, signer: callers[index], seed: scenario.cluster.seed, misuse: load.misuse,
          dry: dry))
      planClient(index)
    }
  }

  private func planClient(_ index: Int) {
    guard let load = scenario.load else { return }
    let mean = 1_000_000 * UInt64(max(1, load.clients)) / max(1, load.rate)
    let wait = index == 0 ? 100_000 : mean / 2 + clients[index].chance.below(mean + 1)
    agenda.plan(.client(index), at: now + wait)
  }

  /// True when every pipeline is deployed and has cycles.
  private var pipelineReady: Bool { clients.first?.isSetUp ?? false }

  private func draining(_ client: Client) -> Bool {
    faultEngine.calmSince != nil && client.index > 0
  }

  /// One moment of a client's: settle what can be, repeat what waits, ask for more.
  func act(client index: Int) {
    settle(index)
    read(index)
    repeatLate(index)
    let idle = index == 0 && pipelineReady && clients[index].isFinished
    if !idle, !draining(clients[index]), clients[index].pending.count < Client.pendingMax {
      send(index)
    }
    if !draining(clients[index]), pipelineReady { misuse(index) }
    if !idle || !clients[index].pending.isEmpty { planClient(index) }
  }

  private func send(_ index: Int) {
    let time = genesis.time.advanced(by: now / 1_000)
    guard
      let (signed, transfers, oddity) = clients[index].compose(
        committee.subnet, now: time, ready: pipelineReady,
        isCalm: faultEngine.calmSince != nil, prices: cycles?.prices.newest.version ?? 1)
    else { return }
    let target = target(for: index)
    let pending = Client.Pending(
      signed: signed, digest: signed.call.digest, transfers: transfers, target: target,
      sentAt: now, firstSentAt: now, oddity: oddity)
    clients[index].pending.append(pending)
    statistics.callsSent += 1
    clients[index].mischief.remember(signed)
    oracle.submitted(pending.digest)
    submit(signed, to: target, index)
    if clients[index].chance.happens(100_000) {
      submit(signed, to: clients[index].chance.below(machines.count), index)
    }
  }

  /// A replica that accepts connections; where none does, any.
  private func target(for index: Int) -> Int {
    var target = clients[index].chance.below(machines.count)
    for _ in machines where machines[target].power == .down {
      target = clients[index].chance.below(machines.count)
    }
    return target
  }

  /// What a gateway does: verify the envelope, admit, hand it to the replica.
  private func submit(_ signed: SignedCall, to target: Int, _ index: Int) {
    let machine = machines[target]
    guard machine.power == .up, let ledger = machine.ledger else { return }
    do {
      let verified = try verifier.verify(signed, subnet: committee.subnet)
      trace.record(now, 11, target, fingerprint(verified.digest))
      if machine.correct { try ledger.admit(verified, at: moment(of: machine)) }
      hands(verified.digest, to: machine, index)
      recording?.begin(.called, target)
      take(.calls(permitted([verified], machine), from: nil), machine)
    } catch {
      refused(signed, index, error)
    }
  }

  private func misuse(_ index: Int) {
    guard let kind = clients[index].mischief.next() else { return }
    statistics.misused += 1
    switch kind {
    case .duplicate:
      guard let old = clients[index].mischief.old() else { return }
      for _ in 0..<3 {
        slip(old, to: clients[index].mischief.chance.below(machines.count), index)
      }
    case .elsewhere:
      guard let waiting = clients[index].pending.last?.signed else { return }
      for machine in machines { slip(waiting, to: machine.index, index) }
    default:
      let other = callers[(index + 1) % callers.count]
      let made = clients[index].mischief.make(
        kind, committee.subnet, index, signer: clients[index].signer, other: other,
        start: genesis.time, now: genesis.time.advanced(by: now / 1_000))
      guard let made else { return }
      slip(made, to: clients[index].mischief.chance.below(machines.count), index)
    }
  }

  /// Hands in what should not be: a correct replica looks at it first, a Byzantine one passes it
  /// on to all others as it is.
  private func slip(_ signed: SignedCall, to target: Int, _ index: Int) {
    let machine = machines[target]
    guard machine.power == .up, let ledger = machine.ledger else { return }
    trace.record(now, 12, target, UInt64(signed.body.count))
    let verified = try? verifier.verify(signed, subnet: committee.subnet)
    guard machine.correct else {
      recording?.begin(.called, target)
      emit(.calls([signed]), to: .all, from: machine)
      if let verified { take(.calls(permitted([verified], machine), from: nil), machine) }
      return
    }
    do {
      guard let verified else { throw Refusal("MISUSE", "its envelope does not hold") }
      try ledger.admit(verified, at: moment(of: machine))
      recording?.begin(.called, target)
      take(.calls([verified], from: nil), machine)
    } catch {
      statistics.misuseRefused += 1
    }
  }

  /// A refusal before ordering binds nobody; a client drops what can never pass.
  private func refused(_ signed: SignedCall, _ index: Int, _ refusal: Refusal) {
    let digest = signed.call.digest
    let before = clients[index].pending.count
    // What was executed has a receipt, which the client still waits for.
    let isExecuted = refusal.code == "ALREADY_EXECUTED"
    clients[index].pending.removeAll { pending in
      pending.digest == digest
        && (pending.oddity == .expired || pending.oddity == .mayFail && !isExecuted)
    }
    if clients[index].pending.count < before { statistics.callsRefused += 1 }
    guard !isExecuted, cycles != nil else { return }
    cycles?.refused(signed.call, refusal.code)
    faultEngine.mayBeOver = true
    if refusal.code == "FROZEN" { clients[index].dealings?.sawFrozen = true }
  }

  private func repeatLate(_ index: Int) {
    var late: [SignedCall] = []
    for place in clients[index].pending.indices
    where now - clients[index].pending[place].sentAt > Client.patience {
      clients[index].pending[place].target = target(for: index)
      clients[index].pending[place].sentAt = now
      clients[index].pending[place].tries += 1
      late.append(clients[index].pending[place].signed)
    }
    giveUpExpired(index)
    for signed in late {
      guard let target = clients[index].pending.first(where: { $0.signed == signed })?.target
      else { continue }
      submit(signed, to: target, index)
    }
  }

  /// Asks each call's replica for its receipt, and verifies it as the client library does.
  private func settle(_ index: Int) {
    var waiting: [Client.Pending] = []
    for pending in clients[index].pending {
      guard let settlement = settlement(of: pending) else {
        waiting.append(pending)
        continue
      }
      note(settlement, of: pending, index)
      faultEngine.mayBeOver = true
    }
    clients[index].pending = waiting
  }

  private func note(_ settlement: Settlement, of pending: Client.Pending, _ index: Int) {
    var receipt: Receipt?
    switch settlement {
    case .ordered: statistics.callsApplied += 1
    case .certified(let certified):
      receipt = certified
      oracle.acknowledged(pending.digest, certified)
      if case .applied = certified.status {
        statistics.callsApplied += 1
        if pending.oddity == .none, let id = pending.transfers.first {
          clients[index].toRead.append((id, certified.height, 0))
        }
      } else {
        statistics.callsRefused += 1
        note(refused: pending, certified.status, index)
      }
    }
    clients[index].settled.append(
      Client.Settled(
        digest: pending.digest, receipt: receipt, transfers: pending.transfers,
        oddity: pending.oddity))
  }

  private func note(refused pending: Client.Pending, _ status: Receipt.Status, _ index: Int) {
    guard case .refused(let refusal) = status else { return }
    if refusal.code == "FROZEN" { clients[index].dealings?.sawFrozen = true }
    guard pending.oddity == .owed else { return }
    oracle.report(
      .liveness, nil, nil,
      "\(DryPipeline.name) has cycles for many calls, and \(pending.signed.call.method.label) of "
        + "its owner is refused: \(refusal)")
  }

  /// Calls that were sent and not settled, though everything is calm, and what was never shown.
  var unanswered: [String] {
    let frozen =
      clients.first?.isFinished == false
      ? ["nothing shows yet that a top-up thaws \(DryPipeline.name)"] : []
    return frozen
      + clients.flatMap { client in
        client.pending.filter { $0.oddity != .expired }.map { pending in
          "client \(client.index) waits for \(pending.signed.call.method.label) "
            + "\(pending.digest), sent \(counted(pending.tries, "time"))"
        }
      }
  }
}
