import Consensus
import Wire

/// A story of one subnet: who takes part, what goes wrong, what must be true.
///
/// - Safety: a scenario and its seed determine a run wholly.
package struct Scenario: Sendable, Hashable {
  package var title: String
  package var story = ""
  package var see: String?
  package var cluster = Cluster()
  package var load: Load?
  package var faults: [Fault] = []
  package var byzantine: [Byzantine] = []
  /// Who hears whom in view 1, 2, … until calm; later all hear all.
  package var rounds: [Round] = []
  package var expect = Expectation()
  /// More than `f` replicas may be faulty; then safety may break.
  package var overBudget = false
  /// The rule that this run breaks on purpose; never part of a file.
  package var brokenRule: PlantedBug?

  package init(title: String) { self.title = title }

  var planted: Set<PlantedBug> { brokenRule.map { [$0] } ?? [] }

  /// Calm comes after this span, whatever the story says of it.
  package mutating func beCalm(after span: Span) {
    cluster.duration = span
    faults.removeAll { $0.verb == .calm }
  }

  /// This story without what goes wrong in it; what it expects stays.
  package var faultless: Scenario {
    var other = self
    other.faults.removeAll { $0.verb != .calm }
    other.byzantine = []
    other.rounds = []
    other.cluster.lossPPM = 0
    other.load?.misuse = []
    return other
  }
}

extension Scenario {
  package struct Cluster: Sendable, Hashable {
    package var replicas = 4
    package var latency = Span.milliseconds(20)
    package var jitter = Span.milliseconds(5)
    /// Measured round trips between sites; then `latency` and `jitter` tell of their median only.
    package private(set) var profile: NetworkProfile?
    /// Messages lost of a million.
    package var lossPPM: UInt64 = 0
    /// Two assumed message delays, `2Δ`.
    package var leaderTimeout = Span.milliseconds(500)
    package var seed: UInt64 = 0
    /// How long a sync of the disk takes.
    package var sync = Span.milliseconds(2)
    /// How long executing a block takes.
    package var sql = Span.milliseconds(3)
    package var signatures = Signatures.mock
    package var execution = Execution.sql
    /// How long at most; nil: until what is expected after the last fault was seen.
    package var duration: Span?

    package init() {}

    package var faultsMax: Int { (replicas - 1) / 3 }
    package var quorum: Int { replicas - faultsMax }

    /// Places the replicas on the sites of a profile.
    package mutating func stand(on profile: NetworkProfile) {
      self.profile = profile
      latency = profile.median
      jitter = NetworkProfile.jitter(of: latency)
    }
  }

  package enum Signatures: String, Sendable, Hashable, CaseIterable { case mock, ed25519 }

  /// What finalized blocks do to the state.
  package enum Execution: String, Sendable, Hashable, CaseIterable {
    /// The pipelines' SQL, in SQLite on the simulated disks.
    case sql
    /// Consensus alone: a chain of digests stands for the state, and a call is settled when it is
    /// in a finalized block.
    case digests
  }

  package struct Load: Sendable, Hashable {
    package var clients = 2
    package var pipeline = "bank-transfers"
    /// Calls a second of all clients together.
    package var rate: UInt64 = 10
    /// Clients also move cycles: a second pipeline runs dry and is topped up, callers go over their
    /// budgets, packages and prices change.
    package var ledger = false
    /// What the clients do beside that which no client should.
    package var misuse: [Misuse] = []

    package init() {}
  }

  package struct Byzantine: Sendable, Hashable {
    package var actor: Actor
    package var who: Who
    package var views: ClosedRange<UInt64>?
    package var to: Who?

    package init(_ actor: Actor, _ who: Who) {
      self.actor = actor
      self.who = who
    }
  }

  /// Two groups of one view, which may overlap: those of one group hear each other, and those of
  /// none nobody. Of a twin the first copy is in the first group, the second in the second.
  package struct Round: Sendable, Hashable {
    package var first: [ReplicaID]
    package var second: [ReplicaID]

    package init(first: [ReplicaID], second: [ReplicaID]) {
      self.first = first
      self.second = second
    }
  }

  package struct Expectation: Sendable, Hashable {
    package var never: [When] = []
    package var reaches: [Mark] = []
    /// Within this span after calm every correct leader finalizes again.
    package var liveness: Span?
    /// Within this span of its first sending each call of a client has its certified reply.
    package var replies: Span?
    /// At most so many hundredths of a message delay `δ` half of the blocks take to be final.
    package var finality: UInt64?
    /// Fewer signatures than this a correct replica checks for each view, on average.
    package var verifications: UInt64?
    /// Whatever befell them, these lead finalized views after calm.
    package var votesAgain: Who?
    package var evidence: Who?
    /// Bytes of messages that may be under way to one replica; nil: `memoryUsual`.
    package var memory: UInt64?
    static let memoryUsual: UInt64 = 64_000_000
    /// The rule which, broken on purpose, must make this scenario fail.
    package var planted: String?
    /// It fails then without its faults and actors too: the story says why it has them.
    package var plantedAlone = false
    /// The checks that may fail then; empty: any.
    package var breaks: [Check] = []

    package init() {}

    /// It says what must come of the story, so what the story tells must happen. A random run says
    /// nothing but that all ends well: who votes again and what others may cost is part of that.
    var tells: Bool {
      planted != nil || evidence != nil || replies != nil || finality != nil || !reaches.isEmpty
        || !never.isEmpty
    }
  }
}

/// One thing that goes wrong, when, and how long.
package struct Fault: Sendable, Hashable {
  package var at: When
  package var verb: Verb
  package var lasting: Lasting

  package init(at: When, _ verb: Verb, _ lasting: Lasting = .forever) {
    self.at = at
    self.verb = verb
    self.lasting = lasting
  }

  package enum Lasting: Sendable, Hashable {
    case forever
    case span(Span)
    case until(When)
    /// Beyond calm.
    case ever
  }

  package enum Verb: Sendable, Hashable {
    /// Nothing passes from these to those; the other way is open.
    case cut(from: Who, to: Who)
    case isolate(Who)
    /// Groups that hear only themselves.
    case split([Who])
    case slow(from: Who, to: Who, latency: Span, bytesPerSecond: UInt64?)
    case drop(Filter)
    case duplicate(Filter)
    /// Kept back, and delivered when the fault ends.
    case hold(Filter)
    /// What was sent before is sent again.
    case replay(Filter)
    case pause(Who)
    /// Dies after so many more effects of its turn; comes back when the fault ends.
    case crash(Who, PowerLoss, effects: Int)
    /// Dies and loses its disk; comes back empty when the fault ends.
    case wipe(Who)
    case disk(Who, DiskFault)
    case clock(Who, ClockFault)
    /// Each turn of the process takes so long.
    case cpu(Who, Span)
    /// Executing a block takes so long.
    case sql(Who, Span)
    /// Everything that is not permanent ends here.
    case calm

    package static let names = [
      "cut", "isolate", "split", "slow", "drop", "duplicate", "hold", "replay", "pause", "crash",
      "wipe", "disk", "clock", "cpu", "sql", "calm",
    ]
  }

  package enum DiskFault: String, Sendable, Hashable, CaseIterable {
    case full, slow
    case failingSync = "failing-sync"
    case flippedBit = "flipped-bit"
    /// The next write lands at another place, and its own place keeps what it had.
    case misdirectedWrite = "misdirected-write"
    /// One transfer of each account has another amount, which SQLite cannot know for wrong.
    case alteredRows = "altered-rows"

    /// Those that random stories draw by themselves among what spends from the budget; altered rows
    /// matter only where SQL is executed and a restart follows.
    static let drawn: [DiskFault] = [.full, .failingSync, .flippedBit, .misdirectedWrite]
    /// Whether the machine must have caught up at the end.
    var isOutlived: Bool { self == .slow || self == .alteredRows }
  }

  package enum ClockFault: Sendable, Hashable {
    /// Parts of a million that the clock runs fast.
    case drift(Int64)
    /// Milliseconds at once, forward or back.
    case step(Int64)
    case stuck
  }

  /// Which messages a fault concerns.
  package struct Filter: Sendable, Hashable {
    package var kind: MessageKind?
    package var view: View?
    package var from = Who.all
    package var to = Who.all
    /// The chance, of a million, that the fault befalls a message that matches.
    package var ratePPM: UInt64 = 1_000_000
    package init() {}
  }
}

/// The kinds of messages that a filter names.
package enum MessageKind: String, Sendable, Hashable, CaseIterable {
  case proposal, notarize, nullify, finalize, vote
  case certificate, notarization, nullification, finalization
  case calls, announce, views, blocks, evidence
  case callsWanted = "calls-wanted"
  case viewsWanted = "views-wanted"
  case blockWanted = "block-wanted"
  case blocksWanted = "blocks-wanted"
  case stateShare = "state-share"
  case stateCertificate = "state-certificate"
  case stateWanted = "state-wanted"
  case recovery
}

/// What the oracle checks; also the name by which a scenario says what breaks.
package enum Check: String, Sendable, Hashable, CaseIterable {
  case agreement
  case oneNotarization = "one-notarization"
  case durability
  case state
  case exactlyOnce = "exactly-once"
  case reads
  case cycles
  case evidence
  case bounds
  case liveness
  case vacuity
  case never

  package var meaning: String {
    switch self {
    case .agreement: "no two correct replicas finalize different blocks at a height"
    case .oneNotarization: "one notarization a view; never finalized and nullified; own votes once"
    case .durability: "no vote leaves before the sync that covers it"
    case .state: "equal roots at equal heights, and the serial replay gives the same"
    case .exactlyOnce: "an acknowledged call is in the state once, a refused one never"
    case .reads: "certified reads verify, and hold what was acknowledged before them"
    case .cycles: "cycles are conserved"
    case .evidence: "evidence names only the guilty"
    case .bounds:
      "views, votes, blocks, states, the pool, queues, bytes under way and logs stay under their "
        + "limits"
    case .liveness: "after calm every correct leader finalizes again within the bound"
    case .vacuity: "what the story tells of happened: its marks, its faults, its evidence"
    case .never: "what the scenario forbids did not happen"
    }
  }

  /// 1 safety, 2 liveness, 3 vacuous.
  package var exitCode: Int32 {
    switch self {
    case .liveness: 2
    case .vacuity: 3
    default: 1
    }
  }
}
