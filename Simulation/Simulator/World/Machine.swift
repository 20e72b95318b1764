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
  /// Its disk had a fault that it need not outlive.
  var isBroken = false
  /// It is cut off for good, at least one way.
  var away = false
  /// It will not come back.
  var gone = false

  /// Signatures that its replica checked, over all starts; nil: nobody asks.
  var verifications: VerificationCount?
  var replica: Replica?
  var journal: Journal?
  var ledger: Ledger?

  /// An alarm that is armed.
  struct Ring {
    let alarm: Alarm
    /// What the planned ring must carry to be valid.
    var token: UInt64
    /// Microseconds by the machine's own pace.
    let elapsed: UInt64
  }

  private var alarms: [Ring] = []
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

  /// - Parameter elapsed: when it rings, in microseconds by the machine's own pace.
  func arm(_ alarm: Alarm, at elapsed: UInt64) -> Ring {
    disarm(alarm)
    tokens += 1
    let ring = Ring(alarm: alarm, token: tokens, elapsed: elapsed)
    alarms.append(ring)
    return ring
  }

  /// All that are armed, to be planned anew at another pace.
  func rearm() -> [Ring] {
    for place in alarms.indices {
      tokens += 1
      alarms[place].token = tokens
    }
    return alarms
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

/// A machine's own clocks, against the simulated one. The wall clock stamps blocks; the monotonic
/// one counts spans for alarms, as in the real shell. Both run from one quartz, which drifts; only
/// the wall clock is set, or sticks.
struct MachineClock {
  /// Milliseconds that it is ahead when nothing is wrong with it.
  private let ahead: Int64
  private var driftPPM: Int64 = 0
  private var stepMilliseconds: Int64 = 0
  private var stuckAt: UInt64?
  private var driftSince: UInt64 = 0
  /// What the monotonic clock had counted when its pace changed last.
  private var counted: (elapsed: UInt64, at: UInt64) = (0, 0)

  init(ahead: Int64 = 0) { self.ahead = ahead }

  /// Milliseconds by this clock when the simulated clock stands at `now` microseconds.
  func moment(_ start: Moment, _ now: UInt64) -> Moment {
    let time = stuckAt ?? now
    let drift = Int64(time - min(time, driftSince)) / 1_000 * driftPPM / 1_000_000
    let local = Int64(start.number) + Int64(time / 1_000) + drift + stepMilliseconds + ahead
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

  mutating func recover(at now: UInt64) {
    let elapsed = elapsed(now)
    self = MachineClock(ahead: ahead)
    counted = (elapsed, now)
  }

  /// Of a million microseconds so many are counted.
  private var pace: UInt64 { UInt64(max(0, 1_000_000 + driftPPM)) }

  /// Microseconds by the monotonic clock.
  func elapsed(_ now: UInt64) -> UInt64 {
    let span = now - min(now, counted.at)
    return counted.elapsed + (driftPPM == 0 ? span : span * pace / 1_000_000)
  }

  /// When the monotonic clock will have counted so much; nil when it stands still.
  func time(of elapsed: UInt64, _ now: UInt64) -> UInt64? {
    let span = elapsed - min(elapsed, self.elapsed(now))
    guard driftPPM != 0 else { return now + span }
    // Standing still, or due after more than thirty thousand years.
    guard pace > 0, span / pace < 1 << 40 else { return nil }
    return now + (span / pace * 1_000_000 + (span % pace * 1_000_000 + pace - 1) / pace)
  }
}
