import Wire

/// Groups of faults that meet around one view and a few replicas: drawn one by one they hardly ever
/// would. Whoever is spent on some is Byzantine or gone for good; all else ends at calm.
///
/// - Safety: a function of the story before it; within the same budget.
struct Encounters {
  enum Kind: CaseIterable {
    case unheard, leftBehind, goneLeader, lateQuorum, gap
    case twoFaces, lostLogs, misled, costs
    case diverged, deaf, crowd

    /// Those about the state; all but the first need SQL to matter.
    static let ofState: [Kind] = [.diverged, .deaf, .crowd]
    static let ofConsensus = allCases.filter { $0 != .deaf && $0 != .crowd }

    /// Whether there must be room in the budget.
    var spends: Bool {
      switch self {
      case .unheard, .leftBehind, .goneLeader, .lateQuorum, .gap, .deaf: false
      case .twoFaces, .lostLogs, .misled, .costs, .diverged, .crowd: true
      }
    }
  }

  var chance: RandomStream
  var scenario: Scenario
  /// Replicas on which nothing of the budget was spent yet.
  private(set) var sound: [ReplicaID]
  /// Replicas whose log is lost and that must vote again.
  private var mended: [ReplicaID] = []
  private var faults: [Fault] = []
  private let heights: Int

  /// - Parameter heights: about how many there will be until calm.
  init(_ scenario: Scenario, sound: [ReplicaID], heights: Int) {
    chance = RandomStream(seed: scenario.cluster.seed, label: "encounters")
    self.scenario = scenario
    self.sound = sound
    self.heights = heights
  }

  /// The story, seven times of ten with one to three encounters, one of which is about the state
  /// where SQL is executed.
  mutating func told() -> Scenario {
    guard scenario.cluster.faultsMax > 0, chance.happens(700_000) else { return scenario }
    if chance.happens(100_000) { scenario.cluster.execution = .sql }
    var isOfState = scenario.cluster.execution == .sql
    for _ in 0..<1 + chance.below(3) {
      let kinds = isOfState ? Kind.ofState : Kind.ofConsensus
      let isSpending = room > 0 && chance.happens(400_000)
      draw(chance.pick(kinds.filter { isSpending ? $0.spends : !$0.spends || room > 0 }))
      isOfState = false
    }
    scenario.faults = scenario.faults.dropLast() + faults + scenario.faults.suffix(1)
    expect()
    return scenario
  }

  private mutating func draw(_ kind: Kind) {
    switch kind {
    case .unheard: drawUnheard()
    case .leftBehind: drawLeftBehind()
    case .goneLeader: drawGoneLeader()
    case .lateQuorum: drawLateQuorum()
    case .gap: drawGap()
    case .twoFaces: drawTwoFaces()
    case .lostLogs: room > 1 && chance.happens(700_000) ? drawLostLogs() : drawLostLog()
    case .misled: drawMisled()
    case .costs: play(chance.happens(700_000) ? .floodProposals : .amplify, spend())
    case .diverged: drawDiverged()
    case .deaf: drawDeaf()
    case .crowd: drawCrowd()
    }
  }

  /// Who must vote again; and, where one actor alone is to blame for it, what others may have to
  /// check, or to send if nothing else makes bytes wait.
  private mutating func expect() {
    if !mended.isEmpty { scenario.expect.votesAgain = .replicas(mended.sorted()) }
    let size = UInt64(scenario.cluster.replicas)
    switch scenario.byzantine.map(\.actor) {
    case [.floodProposals]: scenario.expect.verifications = max(300, 20 * size)
    case [.amplify] where !scenario.faults.contains { $0.verb.makesBytesWait }:
      scenario.expect.memory = 1_000_000 * size
    default: break
    }
  }

  // MARK: Parts of an encounter

  var everyone: [ReplicaID] { (0..<UInt16(scenario.cluster.replicas)).map { ReplicaID($0) } }

  /// How many more may be faulty.
  private var room: Int {
    scenario.cluster.faultsMax - (scenario.cluster.replicas - sound.count)
  }

  mutating func spend() -> ReplicaID { sound.remove(at: chance.below(sound.count)) }

  mutating func mend(_ ids: [ReplicaID]) { mended += ids }

  mutating func play(
    _ actor: Scenario.Byzantine.Actor, _ id: ReplicaID, in view: View? = nil, to: [ReplicaID]? = nil
  ) {
    var byzantine = Scenario.Byzantine(actor, .replicas([id]))
    byzantine.views = view.map { $0.number...$0.number }
    byzantine.to = to.map { .replicas($0) }
    scenario.byzantine.append(byzantine)
  }

  /// Whoever may be faulty is gone for good from then on, so each of the others is needed.
  mutating func leave(_ at: When, sparing: [ReplicaID] = []) -> [ReplicaID] {
    let more = chance.pick(room, of: sound.filter { !sparing.contains($0) })
    sound.removeAll { more.contains($0) }
    let gone = everyone.filter { !sound.contains($0) }
    mended.removeAll { gone.contains($0) }
    add(at, crash(gone))
    return gone
  }

  /// - Parameter lasting: until calm, if nothing is said.
  mutating func add(_ at: When, _ verb: Fault.Verb, _ lasting: Fault.Lasting = .forever) {
    faults.append(Fault(at: at, verb, lasting))
  }

  mutating func crash(_ ids: [ReplicaID]) -> Fault.Verb {
    .crash(.replicas(ids), chance.pick(PowerLoss.allCases), effects: 0)
  }

  func filter(
    _ kind: MessageKind, _ view: View? = nil, from: [ReplicaID]? = nil, to: [ReplicaID]? = nil
  ) -> Fault.Filter {
    var filter = Fault.Filter()
    filter.kind = kind
    filter.view = view
    if let from { filter.from = .replicas(from) }
    if let to { filter.to = .replicas(to) }
    return filter
  }

  /// In the first two thirds of the run.
  mutating func number() -> UInt64 { chance.within(6...UInt64(max(8, heights * 2 / 3))) }

  mutating func view(ledBy leader: ReplicaID) -> View {
    let (first, count) = (number(), UInt64(scenario.cluster.replicas))
    return View(first + (UInt64(leader.number) + count - first % count) % count)
  }

  func leader(of view: View) -> ReplicaID {
    everyone[Int(view.number % UInt64(scenario.cluster.replicas))]
  }

  mutating func milliseconds(_ range: ClosedRange<UInt64>) -> Fault.Lasting {
    .span(.milliseconds(chance.within(range)))
  }

  /// As many leader timeouts.
  func timeouts(_ count: UInt64) -> Fault.Lasting {
    .span(Span(scenario.cluster.leaderTimeout.number * count))
  }
}

extension Fault.Verb {
  fileprivate var makesBytesWait: Bool {
    switch self {
    case .slow, .hold, .replay: true
    default: false
    }
  }
}

extension View {
  /// When this view's proposal is near, and none of its votes is under way.
  var eve: When { .view(View(number - 1), .proposed) }
}
