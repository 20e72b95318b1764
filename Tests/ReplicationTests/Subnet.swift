import Consensus
import Replication
import Signing
import Wire

/// SplitMix64: the only chance in these tests.
struct Chance {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }

  mutating func below(_ bound: UInt64) -> UInt64 { next() % max(1, bound) }
  mutating func chance(_ percent: UInt64) -> Bool { below(100) < percent }
}

/// What happens at one instant of a test's subnet.
enum Happening {
  case deliver(Message, from: ReplicaID, to: Int, life: Int)
  case alarm(Alarm, Int, token: Int, life: Int)
  case journaled(Ticket, Int, life: Int)
  case executed(Height, Int, life: Int)
  case restart(Int, wiped: Bool)
  case call(UInt64)
  case heal
}

/// Events by time, then by order of planning.
struct Agenda {
  private var heap: [(at: UInt64, order: UInt64, what: Happening)] = []
  private var planned: UInt64 = 0

  var isEmpty: Bool { heap.isEmpty }

  mutating func plan(_ what: Happening, at time: UInt64) {
    heap.append((time, planned, what))
    planned += 1
    var child = heap.count - 1
    while child > 0, before(child, (child - 1) / 2) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func next() -> (at: UInt64, what: Happening)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      var parent = 0
      while true {
        var least = parent
        for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
          if before(child, least) { least = child }
        }
        if least == parent { break }
        heap.swapAt(parent, least)
        parent = least
      }
    }
    return (first.at, first.what)
  }

  private func before(_ a: Int, _ b: Int) -> Bool {
    (heap[a].at, heap[a].order) < (heap[b].at, heap[b].order)
  }
}

/// One machine: a replica, its disk and its files.
struct Machine {
  let id: ReplicaID
  var replica: Replica?
  var life = 0
  var startedBefore = false
  var alarms: [Alarm: Int] = [:]
  /// Records by the time they are durable.
  var disk: [Record] = []
  var unsynced: [(ticket: Ticket, records: [Record])] = []
  var durableBallots: Set<Ballot> = []
  var chain: [Height: Block] = [:]
  var finalizations: [Digest: Certificate] = [:]
  var stateCertificates: [Height: StateCertificate] = [:]
  var blocksHeld: [Digest: Block] = [:]
  /// Roots by height, as the files keep them.
  var roots: [Digest] = []
  var syncedUntil: UInt64 = 0
  var executedUntil: UInt64 = 0
  var group = 0
  var isByzantine = false
  var view: View = 0
}

/// What goes wrong in a test's subnet.
struct Faults {
  var delay: ClosedRange<UInt64> = 5_000...30_000
  var loss: UInt64 = 0
  var duplication: UInt64 = 0
  /// Faults happen until then; afterwards all is calm.
  var calmAt: UInt64 = 0
  /// Crashes in a million deliveries.
  var crashes: UInt64 = 0
  /// Splits in a million deliveries.
  var splits: UInt64 = 0
  var wrongState: [Int] = []
  var equivocators: [Int] = []
  var dead: [Int] = []
  var planted: Set<PlantedBug> = []
}

/// A whole subnet in one queue of events, with the claims of `consensus.md` checked as it goes.
struct Subnet {
  let committee: Committee
  var machines: [Machine]
  var agenda = Agenda()
  var now: UInt64 = 0
  var chance: Chance
  var faults: Faults
  var deliveries = 0
  var violations: [String] = []
  var notarized: [View: Digest] = [:]
  var finalizedViews: Set<View> = []
  var nullifiedViews: Set<View> = []
  var chain: [Height: Digest] = [:]
  var finalizedHighest: Height = 0
  var certified: [Height: StateCertificate] = [:]
  var ordered: [Digest: Height] = [:]
  var callTimes: [Digest: UInt64] = [:]
  var latencies: [UInt64] = []
  var notices: [String: Int] = [:]
  var accused: Set<ReplicaID> = []
  let genesisRoot = sha256([1])
  let startMoment: UInt64 = 1_700_000_000_000

  init(_ size: Int, seed: UInt64, faults: Faults = Faults(), twin: Int? = nil) {
    let keys = (0..<size).compactMap { PublicKey(sha256([UInt8($0), 7]).bytes) }
    committee = Committee(subnet: sha256([9]), epoch: 0, keys: keys)
    chance = Chance(seed)
    self.faults = faults
    machines = (0..<size).map { Machine(id: ReplicaID(UInt16($0))) }
    for index in faults.equivocators + faults.wrongState { machines[index].isByzantine = true }
    if let twin {
      machines[twin].isByzantine = true
      var copy = Machine(id: machines[twin].id)
      copy.isByzantine = true
      machines.append(copy)
    }
    for index in machines.indices where !faults.dead.contains(index) { boot(index) }
    if faults.calmAt > 0 { agenda.plan(.heal, at: faults.calmAt) }
  }

  // MARK: Running

  mutating func run(until end: UInt64, stop: (Subnet) -> Bool = { _ in false }) {
    while let (at, what) = agenda.next() {
      now = at
      happen(what)
      if now > end || !violations.isEmpty || stop(self) { return }
    }
  }

  mutating func submit(_ count: Int, every gap: UInt64, from start: UInt64 = 0) {
    for number in 0..<count {
      agenda.plan(.call(UInt64(number)), at: start + UInt64(number) * gap)
    }
  }

  private mutating func happen(_ what: Happening) {
    switch what {
    case .deliver(let message, let sender, let index, let life):
      guard machines[index].life == life else { return }
      deliveries += 1
      step(index, .received(message, from: sender))
      mischief()
    case .alarm(let alarm, let index, let token, let life):
      guard machines[index].life == life, machines[index].alarms[alarm] == token else { return }
      machines[index].alarms[alarm] = nil
      step(index, .alarmRang(alarm))
    case .journaled(let ticket, let index, let life):
      guard machines[index].life == life else { return }
      sync(index, through: ticket)
      step(index, .journaled(ticket))
    case .executed(let height, let index, let life):
      guard machines[index].life == life else { return }
      execute(index, height)
    case .restart(let index, let wiped):
      if machines[index].replica == nil { boot(index, wiped: wiped) }
    case .call(let number): call(number)
    case .heal: heal()
    }
  }

  private var isCalm: Bool { now >= faults.calmAt }

  private mutating func mischief() {
    guard !isCalm else { return }
    if faults.crashes > 0, chance.below(1_000_000) < faults.crashes {
      let all = chance.chance(10)
      let victim = Int(chance.below(UInt64(machines.count)))
      for index in machines.indices where all || index == victim { crash(index) }
    }
    if faults.splits > 0, chance.below(1_000_000) < faults.splits {
      let heals = chance.chance(40)
      for index in machines.indices {
        machines[index].group = heals ? 0 : Int(chance.below(2))
      }
      reconnect()
    }
  }

  private mutating func heal() {
    for index in machines.indices { machines[index].group = 0 }
    reconnect()
  }

  mutating func reconnect() {
    for index in machines.indices where machines[index].replica != nil {
      for other in machines.indices
      where machines[other].id != machines[index].id && machines[other].replica != nil
        && machines[other].group == machines[index].group
      {
        step(index, .connected(machines[other].id))
      }
    }
  }

  mutating func crash(_ index: Int, for span: UInt64? = nil, wiped: Bool = false) {
    guard machines[index].replica != nil else { return }
    machines[index].replica = nil
    machines[index].life += 1
    machines[index].alarms = [:]
    machines[index].unsynced = []
    machines[index].syncedUntil = now
    machines[index].executedUntil = now
    // The files may be behind the journal, as a power loss leaves them.
    let keep = machines[index].roots.count - Int(chance.below(3))
    machines[index].roots = Array(machines[index].roots.prefix(max(0, keep)))
    let pause = span ?? (20_000 + chance.below(2_000_000))
    agenda.plan(.restart(index, wiped: wiped), at: now + pause)
  }

  mutating func boot(_ index: Int, wiped: Bool = false) {
    if wiped {
      machines[index].disk = []
      machines[index].durableBallots = []
      machines[index].chain = [:]
      machines[index].finalizations = [:]
      machines[index].stateCertificates = [:]
      machines[index].blocksHeld = [:]
    }
    let machine = machines[index]
    var configuration = Configuration(
      committee: committee, me: machine.id,
      signer: .mock(committee.members[machine.id.index].key), verifier: .mock,
      genesisRoot: genesisRoot, genesisTime: Moment(startMoment),
      firstStart: !machine.startedBefore && !wiped,
      executedHeight: Height(UInt64(machine.roots.count)), nonce: sha256([UInt8(now & 255)]))
    configuration.planted = faults.planted
    if !machine.disk.isEmpty { machines[index].startedBefore = true }
    machines[index].replica = Replica(configuration, restored: restored(machine))
    var effects: [Effect] = []
    let moment = moment
    machines[index].replica?.start(at: moment, effects: &effects)
    perform(effects, index)
    for other in machines.indices
    where machines[other].id != machine.id && machines[other].replica != nil {
      step(other, .connected(machine.id))
      step(index, .connected(machines[other].id))
    }
  }

  var moment: Moment { Moment(startMoment + now / 1_000) }

  mutating func step(_ index: Int, _ input: Input) {
    guard machines[index].replica != nil else { return }
    var effects: [Effect] = []
    let moment = moment
    machines[index].replica?.step(input, at: moment, effects: &effects)
    perform(effects, index)
  }
}
