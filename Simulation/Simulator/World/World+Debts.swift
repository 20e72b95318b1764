import Wire

/// Which calls must be answered, also long before calm.
extension World {
  /// Looks at whom faults hinder since the last of them began or ended.
  ///
  /// A call is owed its answer when a correct replica that nothing hinders took it, and then for
  /// the liveness bound of the story no fault began or ended, at most `f` replicas were hindered,
  /// and the chain's time, by which calls expire, did not pass its expiry. That is what calm gives,
  /// with the same bound. Hindered are Byzantine replicas, those that are down or have spent from
  /// the budget, those of a fault at work, and of a link that is cut, slow or loses messages one
  /// end. A link that loses messages by the cluster's `loss`, and scripted rounds, owe nothing.
  /// Without such a stretch a call may expire: the network was not synchronous for it, a crash took
  /// it along, or the clocks ran ahead of it.
  ///
  /// - Safety: such a stretch differs from calm by its load alone, which `Client.pendingMax` bounds
  ///   far below what one block holds.
  private func reckonDebts() {
    guard let since = faultEngine.changedAt else { return }
    faultEngine.changedAt = nil
    var hindered = machines.map { machine in
      !machine.correct || machine.spent || machine.gone || machine.power == .down
    }
    for (fault, concerned) in faultEngine.atWork {
      guard scenario.faults[fault].verb.hinders else { continue }
      for machine in concerned { hindered[machine] = true }
    }
    for rule in network.rules where rule.hinders {
      let ends = [rule.from, rule.to].map { end in machines.indices.filter { end[$0] } }
      for machine in ends[0].count < ends[1].count ? ends[0] : ends[1] { hindered[machine] = true }
    }
    let ids = Set(machines.filter { hindered[$0.index] }.map(\.id))
    let isScripted = !scenario.rounds.isEmpty && faultEngine.calmSince == nil
    let owes = ids.count <= committee.faultsMax && network.lossPPM == 0 && !isScripted
    faultEngine.hindered = hindered
    faultEngine.owesSince = owes ? since : nil
  }

  /// A client hands its call to a replica, which admits it.
  func hands(_ call: Digest, to machine: Machine, _ index: Int) {
    reckonDebts()
    guard let since = faultEngine.owesSince, !faultEngine.hindered[machine.index] else { return }
    for place in clients[index].pending.indices
    where clients[index].pending[place].digest == call
      && clients[index].pending[place].takenAt.map({ $0 < since }) ?? true
    {
      clients[index].pending[place].takenAt = now
    }
  }

  /// The pool of the replica that was asked is full: whoever sends so much is owed nothing yet.
  func isCrowdedOut(_ call: Digest) {
    for index in clients.indices {
      for place in clients[index].pending.indices
      where clients[index].pending[place].digest == call {
        clients[index].pending[place].takenAt = nil
      }
    }
  }

  /// Marks the calls whose answers are overdue by now.
  private func remindDebts(of index: Int) {
    reckonDebts()
    guard let since = faultEngine.owesSince else { return }
    for place in clients[index].pending.indices {
      let pending = clients[index].pending[place]
      guard let taken = pending.takenAt, taken >= since,
        now - taken > faultEngine.livenessBound.number,
        faultEngine.chainTime <= pending.signed.call.expiry
      else { continue }
      clients[index].pending[place].isOverdue = true
    }
  }

  /// A call is never executed in a block whose time is above its expiry.
  func giveUpExpired(_ index: Int) {
    remindDebts(of: index)
    let time = genesis.time.advanced(by: now / 1_000)
    let lost = clients[index].pending.filter { pending in
      time.above(pending.signed.call.expiry) > Client.expiredFor.milliseconds
    }
    guard !lost.isEmpty else { return }
    clients[index].pending.removeAll { pending in lost.contains { $0.digest == pending.digest } }
    statistics.callsExpired += UInt64(lost.count)
    faultEngine.mayBeOver = true
    for pending in lost where pending.isOverdue && pending.isHonest {
      oracle.report(
        .liveness, nil, nil,
        "\(pending.signed.call.method.label) \(pending.digest) of client \(index) expired without "
          + "a receipt, sent \(counted(pending.tries, "time")), though for "
          + "\(faultEngine.livenessBound.text) nothing kept it from being executed")
    }
  }
}

extension Fault.Verb {
  /// Whether whom it befalls may be of no use to clients meanwhile.
  fileprivate var hinders: Bool {
    switch self {
    case .pause, .crash, .wipe, .disk, .clock, .cpu, .sql: true
    case .cut, .isolate, .split, .slow, .drop, .duplicate, .hold, .replay, .calm: false
    }
  }
}

extension Network.Rule {
  fileprivate var hinders: Bool {
    switch effect {
    case .cut, .slow, .drop, .hold: true
    case .duplicate: false
    }
  }
}
