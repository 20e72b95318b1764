import Execution
import Journaling
import Replication
import Signing
import Wire

extension World {
  /// Starts or restarts the machine's process from what its disk holds.
  func start(_ machine: Machine) {
    machine.disk.powerOn()
    machine.power = .up
    machine.incarnation += 1
    trace.record(now, 4, machine.index, UInt64(machine.incarnation))
    recording?.begin(.started(again: machine.startedBefore), machine.index)
    do {
      let journal = try Journal(
        path: "\(machine.name)/consensus.sqlite", vfs: disk.name,
        firstStart: !machine.startedBefore,
        planted: planted,
        enforcesOwnVotes: machine.correct, pageBytes: 1_024)
      var restored = try endQuarantine(of: machine, journal, try journal.restore())
      if let adversary = machine.adversary {
        restored = adversary.remembers(restored, in: machine.view)
      }
      machine.journal = journal
      machine.ledger = try openLedger(machine)
      oracle.restored(restored, on: machine.index)
      oracle.restarted(machine.index, at: restored.finalizedHeight)
      machine.finalizedHeight = restored.finalizedHeight
      machine.replica = Replica(configuration(of: machine), restored: restored)
    } catch {
      diskFailed(machine, "cannot start: \(error)")
      return
    }
    if machine.startedBefore { picture.mark(machine.index, machine.view, .back) }
    machine.startedBefore = true
    var effects: [Effect] = []
    machine.replica?.start(at: moment(of: machine), effects: &effects)
    perform(effects, machine)
    if machine.power != .down { connect(machine) }
    if machine.adversary != nil { planActor(machine) }
  }

  /// What the real shell does at a start: the log of a machine in quarantine is executed anew,
  /// once, and its files are taken if they come to the certified state.
  private func endQuarantine(
    of machine: Machine, _ journal: Journal, _ restored: Restored
  ) throws -> Restored {
    guard scenario.cluster.execution == .sql, let quarantine = restored.quarantine,
      quarantine.rebuild == nil
    else { return restored }
    let (old, rebuilt) = (machine.name, "\(machine.name)/rebuilt")
    let strayWrites = machine.disk.strayWrites
    var outcomes: [BlockOutcome] = []
    let rebuild = StateRebuild(
      of: quarantine, genesis: genesis, vfs: disk.name, planted: planted)
    machine.disk.deleteAll("\(rebuilt)/")
    let result: StateRebuild.Result
    do {
      result = try rebuild.run(
        from: old, into: rebuilt, through: restored.finalizedHeight,
        block: { try journal.block(at: $0) },
        certificate: { try journal.stateCertificate(at: $0) },
        told: { outcome in
          let told = machine.adversary?.executed(outcome, in: machine.view) ?? outcome
          outcomes.append(told)
          return told
        })
    } catch {
      machine.disk.deleteAll("\(rebuilt)/")
      // On a disk that is sound nothing may fail.
      guard machine.disk.bytesMax != nil || machine.disk.syncFails else { throw error }
      recording?.add(.noticed("cannot rebuild its state: \(error)"), machine.index)
      return restored
    }
    try journal.append([.rebuilt(result.verdict)])
    let now = try journal.restore()
    guard now.quarantine?.isOver == true else {
      machine.disk.deleteAll("\(rebuilt)/")
      return now
    }
    let aside = "\(old)/quarantined-\(quarantine.certificate.height)"
    machine.disk.move("\(old)/system.sqlite", to: "\(aside)/system.sqlite")
    machine.disk.move("\(old)/pipelines/", to: "\(aside)/pipelines/")
    machine.disk.move("\(rebuilt)/", to: "\(old)/")
    oracle.leavesQuarantine(machine.index, with: outcomes, isSound: strayWrites == 0)
    judge(result.differences, of: machine)
    for difference in result.differences {
      recording?.add(.noticed("finds \(difference)"), machine.index)
      options.narrate?("\(self.now / 1_000) ms  \(machine.name) finds \(difference)")
    }
    return now
  }

  private func configuration(of machine: Machine) -> Configuration {
    var configuration = Configuration(
      committee: committee, me: machine.id, signer: signers[machine.id.index],
      verifier: machine.verifications.map { .counted($0) } ?? verifier, genesisRoot: genesisRoot,
      genesisTime: genesis.time, firstStart: !machine.startedBefore,
      executedHeight: machine.ledger?.height ?? 0,
      nonce: Digest(chance.bytes(32)) ?? .zero)
    configuration.delay = Span(scenario.cluster.leaderTimeout.number / 2)
    configuration.planted = planted
    return configuration
  }

  private var planted: Set<PlantedBug> { scenario.planted }

  private func openLedger(_ machine: Machine) throws -> Ledger {
    guard scenario.cluster.execution == .sql else {
      return .digests(DigestLedger(genesisRoot: genesisRoot))
    }
    return .sql(
      try Executor(directory: machine.name, vfs: disk.name, genesis: genesis, planted: planted))
  }

  /// The power goes now; what is not synced fares as `loss` says.
  func crash(_ machine: Machine, _ loss: PowerLoss) {
    guard machine.power != .down else { return }
    if machine.inTurn {
      machine.crashOrder = Machine.CrashOrder(effectsLeft: 0, loss: loss)
      return
    }
    trace.record(now, 5, machine.index, UInt64(machine.incarnation))
    recording?.add(.crashed(loss), machine.index)
    statistics.crashes += 1
    picture.mark(machine.index, machine.view, .crash)
    finishHalf(machine)
    machine.power = .down
    machine.incarnation += 1
    machine.disk.crash(loss)
    // What was altered may be gone with the end of a log.
    if loss != .nothing { machine.alteredAmounts = [:] }
    machine.clearProcess()
    disconnect(machine)
  }

  /// What was being written when the power went may be on the disk not at all, in part, or whole.
  private func finishHalf(_ machine: Machine) {
    let operations = chance.below(24)
    let extent = chance.below(3)
    guard extent > 0 else { return }
    if extent == 1 { machine.disk.operationsUntilPowerLoss = operations }
    let records = machine.journalAtWork.flatMap(\.records)
    if !records.isEmpty {
      oracle.attempted(records, on: machine.index)
      try? machine.journal?.append(records)
    }
    if machine.executing, let next = machine.executeQueue.first {
      _ = try? outcome(of: next, machine)
    }
  }

  /// Begins a sync of everything that waits, unless one is under way.
  func sync(_ machine: Machine) {
    guard machine.journalAtWork.isEmpty, !machine.journalQueue.isEmpty else { return }
    machine.journalAtWork = machine.journalQueue
    machine.journalQueue = []
    let span = scenario.cluster.sync.number * (machine.slowDisk ? 40 : 1)
    agenda.plan(
      .synced(machine: machine.index, incarnation: machine.incarnation), at: now + span)
  }

  func synced(_ machine: Machine) {
    let work = machine.journalAtWork
    guard let ticket = work.last?.ticket else { return }
    let records = work.flatMap(\.records)
    do {
      try machine.journal?.append(records)
    } catch {
      // What a sync fails to make durable may be found on the disk all the same.
      oracle.attempted(records, on: machine.index)
      diskFailed(machine, "\(error)")
      return
    }
    machine.journalAtWork = []
    statistics.syncs += 1
    trace.record(now, 6, machine.index, ticket)
    recording?.synced(records, machine.index)
    oracle.durable(records, on: machine.index)
    take(.journaled(ticket), machine)
    if machine.power == .paused { sync(machine) }
  }

  /// Begins to execute the next block, unless one is under way.
  func execute(_ machine: Machine) {
    guard !machine.executing, !machine.executeQueue.isEmpty else { return }
    machine.executing = true
    let span =
      machine.executionSpan?.number ?? scenario.cluster.sql.number * (machine.slowDisk ? 10 : 1)
    agenda.plan(
      .executed(machine: machine.index, incarnation: machine.incarnation), at: now + span)
  }

  func executed(_ machine: Machine) {
    guard let next = machine.executeQueue.first else { return }
    do {
      let outcome = try outcome(of: next, machine)
      machine.executeQueue.removeFirst()
      machine.executing = false
      trace.record(now, 7, machine.index, fingerprint(outcome.stateRoot))
      let told = machine.adversary?.executed(outcome, in: machine.view) ?? outcome
      recording?.begin(.executed(told.height, DigestMark(told.stateRoot)), machine.index)
      oracle.executed(told, by: machine.index)
      judgeExecution(outcome.height, machine)
      contradict(told, next.block, machine)
      if machine.power == .down { return }
      take(.executed(told), machine)
      if machine.power == .paused { execute(machine) }
    } catch {
      diskFailed(machine, "\(error)")
    }
  }

  /// What the real shell does with a height that comes from the journal.
  private func contradict(_ told: BlockOutcome, _ block: Block?, _ machine: Machine) {
    guard block == nil, let known = try? machine.journal?.stateCertificate(at: told.height),
      !told.agrees(with: known.statement)
    else { return }
    take(.contradicted(told, by: known), machine)
  }

  private func outcome(
    of work: (height: Height, block: Block?), _ machine: Machine
  ) throws -> BlockOutcome {
    let block = try work.block ?? machine.journal?.block(at: work.height)
    guard let block, let ledger = machine.ledger else {
      throw SimulatedFault("there is no block of height \(work.height) in the journal")
    }
    if isSound(machine) { oracle.judgeSize(block, machine.index) }
    return try ledger.execute(block, digest: block.header.digest)
  }

  /// A replica whose disk fails stops; it is only wrong when nothing is wrong with the disk.
  func diskFailed(_ machine: Machine, _ what: String) {
    let isAltered =
      oracle.excused.contains(machine.index) || oracle.states.astray.contains(machine.index)
    let expected = isAltered || machine.disk.bytesMax != nil || machine.disk.syncFails
    if !expected {
      // A replica stops when it is shown two chains, which takes more than `f`.
      oracle.report(
        .durability, machine.index, nil, "its disk is sound, yet: \(what)",
        always: !oracle.broke(.agreement))
    }
    recording?.add(.noticed("stops: \(what)"), machine.index)
    machine.inTurn = false
    crash(machine, .nothing)
  }
}

/// Something that the simulator itself finds impossible.
struct SimulatedFault: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
