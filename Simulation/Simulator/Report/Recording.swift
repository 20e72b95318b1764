import Consensus
import Replication
import Wire

/// The first four bytes of a block's or a root's digest: enough to tell the few of one picture
/// apart.
package struct DigestMark: Sendable, Hashable, CustomStringConvertible {
  private let number: UInt32

  init(_ digest: Digest) {
    number = digest.bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  package var description: String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}

/// What a message is about, as far as a picture tells it.
package struct Topic: Sendable, Hashable {
  package let kind: MessageKind
  package var view: View?
  package var height: Height?
  package var block: DigestMark?
  /// Calls, digests, certificates or blocks in it.
  package var count = 0
}

/// One thing that happened in a run.
package struct RecordedEvent: Sendable, Hashable {
  /// Its place among all events of the run, from 0 on.
  package let id: Int
  /// Microseconds since the start.
  package let time: UInt64
  /// The machine's index; `Recording.world` for what is no single machine's.
  package let lane: Int
  package let act: Act
  /// The event that brought this one about, beside the order of its lane: the sending of what
  /// arrives, the input of the turn in which a replica did it.
  package let cause: Int?

  package enum Act: Sendable, Hashable {
    /// nil: to all others.
    case sent(Topic, to: ReplicaID?)
    case lost(Topic, to: Int)
    case held(Topic, to: Int, fault: Int)
    case arrived(Topic, from: Int)
    case alarmRang(Alarm)
    /// These own votes are durable now, among so many records.
    case synced([Stand], records: Int)
    case executed(Height, DigestMark)
    case called
    case linked(ReplicaID, up: Bool)
    case entered(View, leader: ReplicaID)
    case proposed(View, Height, DigestMark)
    case voted(Stand)
    case certified(Stand, [ReplicaID])
    case finalized(Height, View, DigestMark)
    case stateCertified(Height)
    case noticed(String)
    case started(again: Bool)
    case crashed(PowerLoss)
    case paused
    case resumed
    /// A Byzantine actor does something of itself.
    case acted
    case faultBegan(Int)
    case faultEnded(Int)
    case calm
    /// The number of the violation.
    case violated(Int)
  }

  /// What a vote or a certificate says.
  package struct Stand: Sendable, Hashable {
    package let kind: Ballot.Kind
    package let view: View
    package var block: DigestMark?

    init(kind: Ballot.Kind, view: View, block: DigestMark?) {
      self.kind = kind
      self.view = view
      self.block = block
    }

    package init(_ ballot: Ballot) {
      self.init(
        kind: ballot.kind, view: ballot.view, block: ballot.block.map { DigestMark($0) })
    }
  }
}

/// Everything that happened in one run, with what brought it about.
///
/// - Safety: recording changes nothing: the run's trace is the same with it and without.
/// - Bound: the latest `eventsMax` events are kept; `dropped` counts the earlier ones.
package struct Recording: Sendable {
  package static let world = -1
  package static let eventsMax = 1 << 19

  /// A machine as pictures name it.
  package struct Lane: Sendable, Hashable {
    package let name: String
    package let id: ReplicaID
    /// What a Byzantine one plays; nil for an honest one.
    package let actor: String?
  }

  package let scenario: Scenario
  package let lanes: [Lane]
  package let committee: Committee
  package private(set) var events: [RecordedEvent] = []
  /// How many events came before the first that is kept.
  package private(set) var dropped = 0
  /// All that broke, in the order in which it did.
  package private(set) var violations: [Violation] = []
  /// The event of the violation that pictures show; nil when nothing broke.
  package private(set) var flag: RecordedEvent?
  /// Of what was found, nothing but what may break over the fault budget.
  package private(set) var isTolerated = false
  /// The lanes that a fault concerns, by its number in the scenario; empty before it begins.
  package internal(set) var faultLanes: [[Int]]
  /// Simulated microseconds; the world sets it before each event.
  var now: UInt64 = 0
  /// The input of each lane's present turn.
  private var turns: [Int?]
  private var openFaults: [Int] = []
  private let limit: Int

  init(
    _ scenario: Scenario, committee: Committee, lanes: [Lane], limit: Int = Recording.eventsMax
  ) {
    self.scenario = scenario
    self.committee = committee
    self.lanes = lanes
    self.limit = limit
    turns = [Int?](repeating: nil, count: lanes.count)
    faultLanes = [[Int]](repeating: [], count: scenario.faults.count)
  }

  /// How many events there were, kept or not.
  package var count: Int { dropped + events.count }

  /// The event of that id; nil when it is not kept.
  package subscript(_ id: Int?) -> RecordedEvent? {
    guard let id, id >= dropped, id < count else { return nil }
    return events[id - dropped]
  }

  /// What a machine does in its present turn, or the world outside of any.
  @discardableResult
  mutating func add(_ act: RecordedEvent.Act, _ lane: Int) -> Int {
    append(act, lane, cause: lane == Self.world ? nil : turns[lane])
  }

  /// What begins a turn of a machine.
  mutating func begin(_ act: RecordedEvent.Act, _ lane: Int, cause: Int? = nil) {
    turns[lane] = append(act, lane, cause: cause)
  }

  mutating func faultBegan(_ fault: Int, _ lanes: [Int]) {
    faultLanes[fault] = lanes
    openFaults.append(fault)
    add(.faultBegan(fault), Self.world)
  }

  /// Does nothing when the fault is not at work, or when not even calm ends it.
  mutating func faultEnded(_ fault: Int) {
    guard openFaults.contains(fault), !scenario.faults[fault].isForGood else { return }
    openFaults.removeAll { $0 == fault }
    add(.faultEnded(fault), Self.world)
  }

  /// These were found now, each after what its replica did last.
  mutating func violated(_ found: ArraySlice<Violation>) {
    for violation in found {
      violations.append(violation)
      let lane = lanes.firstIndex { $0.id == violation.replica } ?? Self.world
      now = max(now, violation.time)
      add(.violated(violations.count - 1), lane)
    }
  }

  /// The run is over.
  /// - Parameters:
  ///   - shown: what pictures show and explain of what was found.
  ///   - isTolerated: it may break, and the run passed.
  mutating func conclude(showing shown: Violation?, isTolerated: Bool) {
    self.isTolerated = isTolerated && shown != nil
    guard let number = violations.firstIndex(where: { $0 == shown }) else { return }
    flag = events.first { $0.act == .violated(number) }
  }

  private mutating func append(_ act: RecordedEvent.Act, _ lane: Int, cause: Int?) -> Int {
    if events.count >= limit {
      let surplus = max(1, limit / 4)
      events.removeFirst(surplus)
      dropped += surplus
    }
    let id = count
    events.append(RecordedEvent(id: id, time: now, lane: lane, act: act, cause: cause))
    return id
  }
}

extension Fault {
  /// A process that never comes back.
  var isForGood: Bool {
    switch verb {
    case .crash, .wipe: lasting == .forever
    default: false
    }
  }
}
