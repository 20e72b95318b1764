import Storage
import Wire

extension World {
  func startFaults() {
    for (index, fault) in scenario.faults.enumerated() {
      if case .time(let span) = fault.at {
        agenda.plan(.faultBegins(index), at: span.number)
      } else {
        faultEngine.waiting.append((index, .begins, fault.at))
      }
    }
    agenda.plan(.calm, at: faultEngine.calmLatest.number)
  }

  /// Something that faults and expectations may be anchored to.
  /// - Parameter machine: whose act it is; nil for what is no single replica's.
  func happened(_ event: When, on machine: Machine? = nil) {
    forbid(event, machine)
    if options.remembersHappenings { happenings.add(event, at: now) }
    guard !faultEngine.waiting.isEmpty else { return }
    let due = faultEngine.waiting.filter { matches($0.when, event) }
    guard !due.isEmpty else { return }
    faultEngine.waiting.removeAll { matches($0.when, event) }
    for entry in due {
      switch entry.phase {
      case .begins: begin(entry.fault)
      case .ends: end(entry.fault)
      }
    }
  }

  private func forbid(_ event: When, _ machine: Machine?) {
    guard let forbidden = scenario.expect.never.first(where: { matches($0, event) }),
      !oracle.broke(.never)
    else { return }
    oracle.report(
      .never, machine?.index, event.view, "\(forbidden.text): the story forbids it")
  }

  private func matches(_ awaited: When, _ event: When) -> Bool {
    if case .height(let wanted) = awaited, case .height(let seen) = event { return seen >= wanted }
    return awaited == event
  }

  func begin(_ index: Int) {
    guard faultEngine.calmSince == nil else { return }
    let fault = scenario.faults[index]
    trace.record(now, 8, index, 0)
    statistics.faults += 1
    fired[index] = now
    if fault.lasting == .ever, let who = fault.verb.spends { leave(who, fault.verb, index) }
    recording?.faultBegan(index, lanes(ofFault: index))
    apply(fault.verb, index)
    faultEngine.changedAt = now
    switch fault.lasting {
    case .forever, .ever: break
    case .span(let span): agenda.plan(.faultEnds(index), at: now + span.number)
    case .until(.time(let span)): agenda.plan(.faultEnds(index), at: max(now, span.number))
    case .until(let when): faultEngine.waiting.append((index, .ends, when))
    }
  }

  private func apply(_ verb: Fault.Verb, _ index: Int) {
    switch verb {
    case .cut(let from, let to): addRule(index, .cut, from, to)
    case .slow(let from, let to, let latency, let bytes):
      addRule(index, .slow(latency, bytesPerSecond: bytes), from, to)
    case .isolate(let who):
      let inside = resolve(who, nil, index)
      let outside = machines.indices.map { !inside[$0] }
      network.add(Network.Rule(fault: index, effect: .cut, from: inside, to: outside))
      network.add(Network.Rule(fault: index, effect: .cut, from: outside, to: inside))
    case .split(let groups): split(groups, index)
    case .drop(let filter): addRule(index, .drop(filter.ratePPM), filter)
    case .duplicate(let filter): addRule(index, .duplicate(filter.ratePPM), filter)
    case .hold(let filter): addRule(index, .hold(filter.ratePPM), filter)
    case .replay(let filter): replay(filter, index)
    case .calm: agenda.plan(.calm, at: now)
    case .pause, .crash, .wipe, .disk, .clock, .cpu, .sql: applyToMachines(verb, index)
    }
  }

  /// Nothing mends these any more: they are faulty, and those that are cut off need not follow.
  private func leave(_ who: Who, _ verb: Fault.Verb, _ index: Int) {
    let whom = resolve(who, nil, index)
    for machine in machines where whom[machine.index] {
      machine.spent = true
      machine.away = machine.away || verb.isOfMessages
    }
  }

  private func applyToMachines(_ verb: Fault.Verb, _ index: Int) {
    let whom = verb.named.first.map { resolve($0, nil, index) } ?? []
    let concerned = machines.filter { whom[$0.index] }
    faultEngine.atWork.append((index, concerned.map(\.index)))
    for machine in concerned {
      switch verb {
      case .pause: pause(machine)
      case .crash(_, let loss, let effects): order(machine, loss, effects, index)
      case .wipe:
        machine.spent = true
        machine.gone = scenario.faults[index].lasting == .forever
        crash(machine, .unsynced)
        machine.disk.wipe()
        oracle.wiped(machine.index)
        if machine.disk.strayWrites == 0 { oracle.beginsAnew(machine.index) }
      case .disk(_, let kind): suffer(kind, machine)
      case .clock: setClock(machine)
      case .cpu(_, let span): machine.turnSpan = span
      case .sql(_, let span): machine.executionSpan = span
      default: break
      }
    }
  }

  private func order(_ machine: Machine, _ loss: PowerLoss, _ effects: Int, _ index: Int) {
    if scenario.faults[index].lasting == .forever {
      machine.gone = true
      machine.spent = true
    }
    guard machine.power != .down else { return }
    if effects == 0 {
      crash(machine, loss)
    } else {
      machine.crashOrder = Machine.CrashOrder(effectsLeft: effects, loss: loss, fault: index)
    }
  }

  private func suffer(_ kind: Fault.DiskFault, _ machine: Machine) {
    if !kind.isOutlived { machine.isBroken = true }
    switch kind {
    case .full:
      machine.spent = true
      machine.disk.bytesMax = machine.disk.bytes
    case .failingSync:
      machine.spent = true
      machine.disk.syncFails = true
    case .flippedBit:
      machine.spent = true
      machine.disk.flipBit()
      oracle.excuse(machine.index)
    case .misdirectedWrite:
      machine.spent = true
      machine.disk.strayWrites += 1
      oracle.excuse(machine.index)
    case .alteredRows: alterRows(machine)
    case .slow: machine.slowDisk = true
    }
  }

  /// Behind the executor's back, by plain SQL: the next transfer to any account shows it.
  private func alterRows(_ machine: Machine) {
    machine.spent = true
    oracle.goesAstray(machine.index)
    let path = "\(machine.name)/pipelines/\(Bank.name).sqlite"
    guard let file = try? Connection(path: path, access: .readWrite, vfs: disk.name) else { return }
    try? file.execute(
      "UPDATE \(Bank.table) SET amount=amount+1 WHERE transfer_id IN "
        + "(SELECT min(transfer_id) FROM \(Bank.table) GROUP BY to_account)")
    noteAltered(of: machine, file)
  }

  func end(_ index: Int) {
    trace.record(now, 9, index, 0)
    recording?.faultEnded(index)
    let cutBefore = network.rules.contains { $0.fault == index }
    network.end(fault: index)
    let freed = faultEngine.held.filter { $0.fault == index }
    faultEngine.held.removeAll { $0.fault == index }
    for (_, delivery) in freed { dispatch(delivery) }
    let places = faultEngine.atWork.filter { $0.fault == index }.flatMap(\.machines)
    faultEngine.atWork.removeAll { $0.fault == index }
    for place in places { relieve(machines[place], index) }
    if cutBefore { for machine in machines where machine.power != .down { connect(machine) } }
    faultEngine.changedAt = now
  }

  /// One fault of a machine is over: what is wrong with it now is what those still at work do.
  private func relieve(_ machine: Machine, _ index: Int) {
    let left = faultEngine.atWork(on: machine.index)
    switch scenario.faults[index].verb {
    case .pause: if !left.contains(where: \.verb.pauses) { resume(machine) }
    case .crash, .wipe:
      if machine.crashOrder?.fault == index { machine.crashOrder = nil }
      restart(machine)
    case .disk:
      let kinds = left.compactMap(\.verb.diskFault)
      if !kinds.contains(.full) { machine.disk.bytesMax = nil }
      machine.disk.syncFails = kinds.contains(.failingSync)
      let strays = kinds.count { $0 == .misdirectedWrite }
      machine.disk.strayWrites = min(machine.disk.strayWrites, strays)
      machine.slowDisk = kinds.contains(.slow)
      restart(machine)
    case .clock: setClock(machine)
    case .cpu:
      let spans = left.compactMap { if case .cpu(_, let span) = $0.verb { span } else { nil } }
      if let span = spans.last { machine.turnSpan = span } else { quicken(machine) }
    case .sql:
      machine.executionSpan =
        left.compactMap { if case .sql(_, let span) = $0.verb { span } else { nil } }.last
    default: break
    }
  }

  /// Starts a machine that is down, unless a crash or a wipe that lasts still holds it down.
  private func restart(_ machine: Machine) {
    let left = faultEngine.atWork(on: machine.index)
    guard machine.power == .down, !machine.gone, !left.contains(where: \.verb.fells) else { return }
    start(machine)
    if machine.power == .up, left.contains(where: \.verb.pauses) { pause(machine) }
  }

  private func pause(_ machine: Machine) {
    if machine.power == .up { machine.power = .paused }
    recording?.add(.paused, machine.index)
  }

  /// Sets the clock as the faults at work on it have it.
  private func setClock(_ machine: Machine) {
    noteClocks()
    machine.clock.recover(at: now)
    for fault in faultEngine.atWork where fault.machines.contains(machine.index) {
      guard case .clock(_, let kind) = scenario.faults[fault.fault].verb else { continue }
      machine.clock.suffer(kind, at: fired[fault.fault] ?? now)
    }
    noteClocks()
    for ring in machine.rearm() { plan(ring, of: machine) }
  }

  /// Everything that is not permanent ends here.
  func calm() {
    guard faultEngine.calmSince == nil else { return }
    trace.record(now, 10, 0, 0)
    recording?.add(.calm, Recording.world)
    let view = machines.map(\.view).max() ?? 0
    let height = machines.filter(\.correct).map(\.finalizedHeight).max() ?? 0
    faultEngine.beCalm(at: now, view: view, height: height)
    let lasting = scenario.faults.indices.filter { scenario.faults[$0].lasting == .ever }
    for index in scenario.faults.indices where !lasting.contains(index) { end(index) }
    network.endAll(besides: lasting)
    for machine in machines { restart(machine) }
    for machine in machines where machine.power != .down { connect(machine) }
    faultEngine.changedAt = now
    faultEngine.mayBeOver = true
  }

  /// True when every correct leader finalized since calm and every correct replica has followed.
  func isOver() -> Bool {
    guard faultEngine.mayBeOver else { return false }
    faultEngine.mayBeOver = false
    return laggards.isEmpty
  }

  /// Who has not done what it must after calm.
  var laggards: [String] {
    var out: [String] = []
    let again = scenario.expect.votesAgain.map { resolve($0, nil, 0) }
    for machine in machines
    where machine.correct && (!machine.spent || again?[machine.index] == true) {
      if machine.power == .down { out.append("\(machine.name) is down") }
      if !faultEngine.leadersSinceCalm.contains(machine.id) {
        out.append("\(machine.name) led no finalized view")
      }
    }
    for machine in machines
    where machine.correct && !machine.gone && !machine.away && machine.power == .up {
      if machine.certifiedHeight <= faultEngine.calmHeight, !machine.isBroken {
        out.append("\(machine.name) has no state certificate above \(faultEngine.calmHeight)")
      }
    }
    return out + unanswered
  }

  private func split(_ groups: [Who], _ index: Int) {
    for group in groups {
      let inside = resolve(group, nil, index)
      let outside = machines.indices.map { !inside[$0] }
      network.add(Network.Rule(fault: index, effect: .cut, from: inside, to: outside))
    }
  }

  /// Whoever kept what was sent says it again on a connection of his own: it reaches also who has
  /// started anew since.
  private func replay(_ filter: Fault.Filter, _ index: Int) {
    let from = resolve(filter.from, filter.to, index)
    let to = resolve(filter.to, filter.from, index)
    var chance = RandomStream(seed: scenario.cluster.seed, label: "replay \(index)")
    for delivery in faultEngine.archive.deliveries
    where from[delivery.fromMachine] && to[delivery.toMachine]
      && (filter.kind.map { $0.includes(delivery.kind) } ?? true)
      && (filter.view == nil || filter.view == delivery.view)
      && machines[delivery.toMachine].power != .down
    {
      network.meets(fault: index)
      guard chance.befalls(filter.ratePPM) else { continue }
      dispatch(
        Delivery(
          parcel: delivery.parcel, toMachine: delivery.toMachine,
          incarnation: machines[delivery.toMachine].incarnation))
    }
  }

  private func addRule(
    _ index: Int, _ effect: Network.Rule.Effect, _ from: Who, _ to: Who
  ) {
    network.add(
      Network.Rule(
        fault: index, effect: effect, from: resolve(from, to, index),
        to: resolve(to, from, index)))
  }

  private func addRule(_ index: Int, _ effect: Network.Rule.Effect, _ filter: Fault.Filter) {
    var rule = Network.Rule(
      fault: index, effect: effect, from: resolve(filter.from, filter.to, index),
      to: resolve(filter.to, filter.from, index))
    rule.kind = filter.kind
    rule.view = filter.view
    network.add(rule)
  }

  /// For each machine whether `who` means it; `other` is the other side of the same fault.
  func resolve(_ who: Who, _ other: Who?, _ index: Int) -> [Bool] {
    let all = committee.members.map(\.id)
    var chance = RandomStream(seed: scenario.cluster.seed, label: "who \(index)")
    let ids: [ReplicaID]
    switch who {
    case .all: ids = all
    case .replicas(let named): ids = named
    case .leader: ids = [committee.leader(of: machines.map(\.view).max() ?? 1)]
    case .leaderOf(let view): ids = [committee.leader(of: view)]
    case .one: ids = chance.pick(1, of: all)
    case .f: ids = chance.pick(committee.faultsMax, of: all)
    case .quorum: ids = chance.pick(committee.quorum, of: all)
    case .rest:
      let others = other.map { $0 == .rest ? [] : resolve($0, nil, index) } ?? []
      return machines.indices.map { !(others.isEmpty ? false : others[$0]) }
    }
    return machines.map { ids.contains($0.id) }
  }
}
