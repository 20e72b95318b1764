import Consensus
import Replication
import Transport
import Wire

/// What the loop asks of the replica behind it.
protocol SteppedCore {
  /// Where it stands, for people.
  associatedtype Standing
  mutating func start(at now: Moment, effects: inout [Effect])
  mutating func step(_ input: Input, at now: Moment, effects: inout [Effect])
  var standing: Standing { get }
}

extension Replica: SteppedCore {
  var standing: ReplicaStanding { status }
}

/// What performs effects. Called on the core's thread only; nothing here may block but `append`.
protocol Hands {
  associatedtype Standing
  /// Durable when it returns.
  func append(_ records: [Record]) throws(NodeFault)
  func send(_ frames: [(frame: Frame, to: Destination)])
  func execute(_ height: Height, _ block: Block?)
  func serve(_ request: JournalRequest, to peer: ReplicaID)
  func notice(_ notice: Notice)
  /// A message had more bytes than a frame may.
  func overlong(_ message: Message)
  /// A turn has ended.
  func turned()
  /// Where the core stands; every `standingTick` while there are turns.
  func look(_ standing: Standing)
}

/// The one thread on which a replica's core lives.
///
/// A turn takes what came, steps the core through it, and performs the effects: all that is to be
/// journalled in a turn is one append, so one fsync, whatever came together.
///
/// - Safety: `.journaled` is fed only after the append has returned, and a failed append ends the
///   loop, so nothing leaves that counts on what is not durable.
/// - Liveness: alarms ring between turns, and a turn takes at most `turnInputsMax` inputs.
struct CoreLoop<Core: SteppedCore, Actor: Hands> where Core.Standing == Actor.Standing {
  private var core: Core
  private let inbox: Mailbox<Input>
  private let hands: Actor
  private let counters: NodeCounters
  private var alarms = AlarmQueue<Alarm>()
  private var effects: [Effect] = []
  /// Monotonic nanoseconds.
  private var nextLook: UInt64 = 0

  init(_ core: Core, inbox: Mailbox<Input>, hands: Actor, counters: NodeCounters) {
    self.core = core
    self.inbox = inbox
    self.hands = hands
    self.counters = counters
  }

  /// Runs until the inbox is closed and empty.
  /// - Throws: when the journal failed.
  mutating func run() throws(NodeFault) {
    core.start(at: Clocks.wall, effects: &effects)
    try perform()
    endTurn()
    while let inputs = inbox.take(limit: NodeLimits.turnInputsMax, until: alarms.next) {
      let now = Clocks.wall
      for input in inputs { core.step(input, at: now, effects: &effects) }
      try perform()
      for alarm in alarms.due(at: Clocks.monotonic) {
        core.step(.alarmRang(alarm), at: now, effects: &effects)
      }
      try perform()
      counters.turns.add(1)
      counters.inputs.add(inputs.count)
      endTurn()
    }
  }

  private mutating func endTurn() {
    hands.turned()
    let now = Clocks.monotonic
    guard now >= nextLook else { return }
    nextLook = now + NodeLimits.standingTick.nanoseconds
    hands.look(core.standing)
  }

  private mutating func perform() throws(NodeFault) {
    while !effects.isEmpty {
      let round = effects
      effects.removeAll(keepingCapacity: effects.capacity <= 4_096)
      var frames: [(frame: Frame, to: Destination)] = []
      var records: [Record] = []
      var ticket: Ticket?
      for effect in round {
        switch effect {
        case .journal(let next, let more):
          records += more
          ticket = max(ticket ?? next, next)
        case .send(let message, let recipients):
          if let frame = Frame(message) {
            frames.append((frame, Destination(recipients)))
          } else {
            hands.overlong(message)
          }
        case .arm(let alarm, let span):
          alarms.arm(alarm, at: Clocks.monotonic + span.nanoseconds)
        case .disarm(let alarm): alarms.disarm(alarm)
        case .execute(let height, let block): hands.execute(height, block)
        case .serve(let request, let peer): hands.serve(request, to: peer)
        case .notice(let notice): hands.notice(notice)
        }
      }
      // What need not be durable travels while the disk works.
      hands.send(frames)
      guard let ticket else { continue }
      try append(records)
      core.step(.journaled(ticket), at: Clocks.wall, effects: &effects)
    }
  }

  private func append(_ records: [Record]) throws(NodeFault) {
    guard !records.isEmpty else { return }
    let start = Clocks.monotonic
    try hands.append(records)
    counters.appendNanoseconds.record(Clocks.monotonic - start)
    counters.appends.add(1)
    counters.records.add(records.count)
  }
}

extension Destination {
  init(_ recipients: Recipients) {
    switch recipients {
    case .all: self = .all
    case .one(let id): self = .one(id)
    }
  }
}
