import CSQLite
import Certification
import Consensus
import Replication
import Signing
import Wire

/// One subnet in one process: simulated clock, network and disks around the replicas' own code.
///
/// - Safety: the same scenario gives the same events in the same order in any process. There is
///   one thread, one agenda, and a random stream of its own for each purpose.
/// - Bound: ends at the scenario's calm plus its liveness bound at the latest.
final class World {
  enum Entry {
    case delivery(Delivery)
    case alarm(machine: Int, incarnation: Int, Alarm, token: UInt64)
    case synced(machine: Int, incarnation: Int)
    case executed(machine: Int, incarnation: Int)
    case link(machine: Int, incarnation: Int, peer: ReplicaID, up: Bool)
    case returns(machine: Int)
    case faultBegins(Int)
    case faultEnds(Int)
    case client(Int)
    case actor(machine: Int, incarnation: Int)
    /// A slow machine's next turn.
    case turn(machine: Int, incarnation: Int)
    case calm
  }

  let scenario: Scenario
  let options: RunOptions
  /// More than `f` replicas are faulty, by intent.
  let isOverBudget: Bool
  let genesis: Genesis
  let committee: Committee
  let signers: [Signer]
  let callers: [Signer]
  let verifier: Verifier
  let genesisRoot: Digest
  let disk: SimulatedDisk
  private(set) var machines: [Machine] = []
  var agenda = Agenda<Entry>()
  var network: Network
  let oracle: Oracle
  /// nil when nothing is executed.
  let serial: SerialReplay?
  /// nil where clients move no cycles.
  var cycles: CycleBook?
  let clientCheck: ClientCheck
  var trace = Trace()
  var picture = Picture()
  var statistics = RunStatistics()
  var now: UInt64 = 0
  let faultEngine: FaultEngine
  var clients: [Client] = []
  var reached: Set<Mark> = []
  /// nil: nobody asked for what happened, and nothing is kept.
  var recording: Recording?
  /// For each fault of the story when it began.
  var fired: [UInt64?]
  var figures = FigureBook()
  /// What happened first when, for whoever anchors faults; empty unless asked for.
  var happenings = HappeningLog()
  /// Chance for what is not anyone's own: nonces, crash points.
  var chance: RandomStream
  var decodeChance: RandomStream
  /// Room for the effects of a turn, kept from one to the next.
  private var spareEffects: [Effect] = []

  init(_ scenario: Scenario, _ options: RunOptions) {
    self.scenario = scenario
    self.options = options
    isOverBudget = scenario.overBudget && scenario.spentBudget > scenario.cluster.faultsMax
    fired = scenario.faults.map { _ in nil }
    let seed = scenario.cluster.seed
    quorate_sqlite3_test_prng_seed(Int32(truncatingIfNeeded: seed) | 1, nil)
    let setting = Setting(scenario)
    genesis = setting.genesis
    committee = setting.genesis.committee
    signers = setting.signers
    callers = setting.callers
    verifier = scenario.cluster.signatures == .mock ? .mock : .ed25519
    genesisRoot = setting.genesisRoot
    disk = SimulatedDisk(seed: seed)
    chance = RandomStream(seed: seed, label: "world")
    decodeChance = RandomStream(seed: seed, label: "decode")
    faultEngine = FaultEngine(scenario)
    let cast = faultEngine.cast(committee, seed)
    for member in cast {
      let machine = Machine(
        index: machines.count, id: member.id, name: member.name, disk: disk.machine(member.name))
      machine.adversary = member.adversary
      if scenario.expect.verifications != nil {
        machine.verifications = VerificationCount(verifier)
      }
      // The second copy of a twin is ahead by a little, or both would propose the same block.
      if machines.last?.id == member.id { machine.clock = MachineClock(ahead: 3) }
      machines.append(machine)
    }
    faultEngine.seat(cast.map(\.id))
    network = Network(members: machines.map(\.id), cluster: scenario.cluster)
    oracle = Oracle(
      committee: committee, verifier: verifier, machines: machines.map { ($0.id, $0.correct) },
      genesisRoot: genesisRoot)
    oracle.minted = genesis.accounts.reduce(0) { $0 + UInt128($1.balance.number) }
    oracle.memoryMax = Int(clamping: scenario.expect.memory ?? Scenario.Expectation.memoryUsual)
    serial =
      scenario.cluster.execution == .sql
      ? try? SerialReplay(disk: disk, genesis: genesis, planted: scenario.planted) : nil
    if scenario.load?.ledger == true, scenario.cluster.execution == .sql {
      cycles = CycleBook(
        replicas: committee.size, administrators: setting.genesis.administrators.count)
    }
    clientCheck = ClientCheck(committee: committee, verifier: verifier)
    oracle.guilty = Set(cast.filter { $0.adversary != nil }.map(\.id))
    picture.rows = machines.map(\.name)
  }

  /// Runs to the end of the story or to the first violation.
  func run() -> RunReport {
    startAll()
    return play()
  }

  func startAll() {
    for machine in machines { start(machine) }
    startClients()
    startFaults()
  }

  func play() -> RunReport {
    var milestone = options.milestone == nil ? UInt64.max : Self.milestoneEvery
    var boundsDue = OracleLimits.boundsEveryMicroseconds
    while goesOn, let next = agenda.next() {
      if next.time > faultEngine.deadline { break }
      now = next.time
      oracle.now = now
      recording?.now = now
      disk.milliseconds = genesis.time.number + now / 1_000
      statistics.events += 1
      occur(next.entry)
      recordViolations()
      if now >= milestone { milestone = passMilestone() }
      if now >= boundsDue {
        for machine in machines { checkBounds(machine) }
        boundsDue = now + OracleLimits.boundsEveryMicroseconds
      }
      if faultEngine.calmSince != nil, options.endsAtCalm || isOver() { break }
    }
    return conclude()
  }

  /// What the oracle found since the last look, with what the run does after it behind it.
  func recordViolations() {
    guard let known = recording?.violations.count, oracle.violations.count > known else { return }
    recording?.violated(oracle.violations[known...])
  }

  /// To the first violation; over the budget, until agreement broke and replicas know by whom.
  private var goesOn: Bool {
    oracle.violations.isEmpty
      || isOverBudget && !oracle.brokeForGood
        && !(oracle.broke(.agreement) && oracle.accused.count > committee.faultsMax)
  }

  private func occur(_ entry: Entry) {
    switch entry {
    case .delivery(let delivery): arrive(delivery)
    case .alarm(let index, let incarnation, let alarm, let token):
      guard let machine = alive(index, incarnation), machine.rings(alarm, token) else { return }
      trace.record(now, 2, index, token)
      recording?.begin(.alarmRang(alarm), index)
      take(.alarmRang(alarm), machine)
    case .synced(let index, let incarnation):
      if let machine = alive(index, incarnation) { synced(machine) }
    case .executed(let index, let incarnation):
      if let machine = alive(index, incarnation) { executed(machine) }
    case .link(let index, let incarnation, let peer, let up):
      guard let machine = alive(index, incarnation) else { return }
      recording?.begin(.linked(peer, up: up), index)
      take(up ? .connected(peer) : .disconnected(peer), machine)
    case .returns(let index):
      if machines[index].power == .down, !machines[index].gone { start(machines[index]) }
    case .faultBegins(let fault): begin(fault)
    case .faultEnds(let fault): end(fault)
    case .client(let index): act(client: index)
    case .actor(let index, let incarnation):
      if let machine = alive(index, incarnation) { actor(machine) }
    case .turn(let index, let incarnation):
      if let machine = alive(index, incarnation) { turn(machine) }
    case .calm: calm()
    }
  }

  /// The machine, if the process that something was planned for still lives.
  func alive(_ index: Int, _ incarnation: Int) -> Machine? {
    let machine = machines[index]
    return machine.incarnation == incarnation && machine.power != .down ? machine : nil
  }

  /// One turn of a replica: an input, then its effects in order.
  /// - Parameter bytes: of the message that it came in.
  func take(_ input: Input, _ machine: Machine, bytes: Int = 0) {
    guard machine.power != .paused else {
      queue(input, machine, bytes)
      return
    }
    if machine.turnSpan != nil {
      wait(input, machine, bytes)
    } else {
      step(input, machine)
    }
  }

  func step(_ input: Input, _ machine: Machine) {
    var effects = spareEffects
    spareEffects = []
    machine.replica?.step(input, at: moment(of: machine), effects: &effects)
    perform(effects, machine)
    effects.removeAll(keepingCapacity: true)
    spareEffects = effects
  }

  func moment(of machine: Machine) -> Moment { machine.clock.moment(genesis.time, now) }

  func perform(_ effects: [Effect], _ machine: Machine) {
    let incarnation = machine.incarnation
    machine.inTurn = true
    for effect in effects {
      perform(effect, machine)
      if var order = machine.crashOrder {
        if order.effectsLeft <= 0 {
          machine.inTurn = false
          if let fault = order.fault { network.meets(fault: fault) }
          crash(machine, order.loss)
          return
        }
        order.effectsLeft -= 1
        machine.crashOrder = order
      }
    }
    precondition(machine.incarnation == incarnation, "a machine crashed within its own turn")
    machine.inTurn = false
    sync(machine)
    execute(machine)
  }

  private func perform(_ effect: Effect, _ machine: Machine) {
    switch effect {
    case .journal(let ticket, let records): machine.journalQueue.append((ticket, records))
    case .send(let message, let recipients): send(message, to: recipients, from: machine)
    case .arm(let alarm, let span):
      plan(machine.arm(alarm, at: machine.clock.elapsed(now) + span.number), of: machine)
    case .disarm(let alarm): machine.disarm(alarm)
    case .execute(let height, let block): machine.executeQueue.append((height, block))
    case .serve(let request, let peer): serve(request, to: peer, from: machine)
    case .notice(let notice): note(notice, machine)
    }
  }

  /// Alarms ring by the machine's own pace, never while its clock stands still.
  func plan(_ ring: Machine.Ring, of machine: Machine) {
    guard let time = machine.clock.time(of: ring.elapsed, now) else { return }
    agenda.plan(
      .alarm(
        machine: machine.index, incarnation: machine.incarnation, ring.alarm, token: ring.token),
      at: time)
  }
}
