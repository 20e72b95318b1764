import Journaling
import Replication
import Signing
import Wire

/// One simulated computer: a replica's value, its journal and files on a disk that may fail, and
/// what it is waiting for.
final class Machine {
  enum Power { case up, paused, down }

  let index: Int
  let id: ReplicaID
  let name: String
  let disk: MachineDisk
  /// nil for an honest replica.
  var adversary: (any Adversary)?
  var power = Power.down
  /// Counts starts of the process: what was planned for an earlier one is void.
  var incarnation = 0
  /// False until the very first start of the subnet's life is over.
  var startedBefore = false
  /// Its disk failed or was lost, or it is away: it spends from the fault budget, whatever becomes
  /// of it later.
  var spent = false
  /// It is cut off for good, at least one way.
  var away = false
  /// It will not come back.
  var gone = false

  /// Signatures that its replica checked, over all starts; nil: nobody asks.
  var verifications: VerificationCount?
  var replica: Replica?
  var journal: Journal?
  var ledger: Ledger?

  private var alarms: [(alarm: Alarm, token: UInt64)] = []
  private var tokens: UInt64 = 0
  /// Waiting for the next sync, and being synced.
  var journalQueue: [(ticket: Ticket, records: [Record])] = []
  var journalAtWork: [(ticket: Ticket, records: [Record])] = []
  var executeQueue: [(height: Height, block: Block?)] = []
  var executing = false
  /// What arrives during a pause or a long turn, with the bytes that it came in.
  var inbox: [(input: Input, bytes: Int)] = []
  var clock = MachineClock()
  var crashOrder: CrashOrder?
  var inTurn = false
  /// Of messages on their way, and of those that wait in the inbox.
  var bytesUnderWay = 0 { didSet { bytesUnderWayMost = max(bytesUnderWayMost, bytesUnderWay) } }
  var bytesUnderWayMost = 0
  var slowDisk = false
  /// The amounts that were written behind its executor's back, by transfer, until it rebuilds.
  var alteredAmounts: [String: Int64] = [:]
  /// How long each turn takes; nil: no time at all.
  var turnSpan: Span?
  /// Until when the turns that came take.
  var busyUntil: UInt64 = 0
  /// How long executing a block takes, when that is not what it takes elsewhere.
  var executionSpan: Span?
  /// Where it is, for pictures and for people who say `leader`.
  var view: View = 0
  var finalizedHeight: Height = 0
  var certifiedHeight: Height = 0
  /// Heights whose certificates its reader was given, ascending: the highest few.
  var certifiedHere: [Height] = []

  /// A crash that comes after so many more effects.
  struct CrashOrder {
    var effectsLeft: Int
    let loss: PowerLoss
    /// The fault that orders it.
    var fault: Int?
  }

  init(index: Int, id: ReplicaID, name: String, disk: MachineDisk) {
    self.index = index
    self.id = id
    self.name = name
    self.disk = disk
  }

  var correct: Bool { adversary == nil }

  /// - Returns: what the planned ring must carry to be valid.
  func arm(_ alarm: Alarm) -> UInt64 {
    disarm(alarm)
    tokens += 1
    alarms.append((alarm, tokens))
    return tokens
  }

  func disarm(_ alarm: Alarm) { alarms.removeAll { $0.alarm == alarm } }

  /// - Returns: false when the alarm was disarmed or armed again since.
  func rings(_ alarm: Alarm, _ token: UInt64) -> Bool {
    guard let place = alarms.firstIndex(where: { $0.token == token && $0.alarm == alarm }) else {
      return false
    }
    alarms.remove(at: place)
    return true
  }

  /// The process is gone; its files stay as its disk leaves them.
  func clearProcess() {
    replica = nil
    journal = nil
    ledger = nil
    alarms = []
    journalQueue = []
    journalAtWork = []
    executeQueue = []
    executing = false
    inbox = []
    certifiedHere = []
    busyUntil = 0
    crashOrder = nil
    bytesUnderWay = 0
  }
}

/// A machine's own clock, against the simulated one.
struct MachineClock {
  private var driftPPM: Int64 = 0
  private var stepMilliseconds: Int64 = 0
  private var stuckAt: UInt64?
  private var driftSince: UInt64 = 0

  /// Milliseconds by this clock when the simulated clock stands at `now` microseconds.
  func moment(_ start: Moment, _ now: UInt64) -> Moment {
    let time = stuckAt ?? now
    let drift = Int64(time - min(time, driftSince)) / 1_000 * driftPPM / 1_000_000
    let local = Int64(start.number) + Int64(time / 1_000) + drift + stepMilliseconds
    return Moment(UInt64(max(0, local)))
  }

  mutating func suffer(_ fault: Fault.ClockFault, at now: UInt64) {
    switch fault {
    case .drift(let ppm):
      driftPPM = ppm
      driftSince = now
    case .step(let milliseconds): stepMilliseconds = milliseconds
    case .stuck: stuckAt = now
    }
  }

  mutating func recover() { self = MachineClock() }
}
