import Wire

/// The directed links between machines, and what is wrong with them.
///
/// Messages of a link may overtake one another by its jitter: what a new connection after a broken
/// one does too.
///
/// - Safety: each link draws from its own stream, and each fault on each link from one of its own:
///   a fault shifts nothing but the messages that it befalls.
struct Network {
  enum Fate {
    case lost
    /// Kept until the fault of this number ends.
    case held(Int)
    /// When it arrives, and when its copy does, if there is one.
    case arrives(UInt64, again: UInt64?)
  }

  /// A fault at work on the links between two groups of machines.
  struct Rule {
    /// A chance is of a million.
    enum Effect {
      case cut
      case slow(Span, bytesPerSecond: UInt64?)
      case drop(UInt64)
      case duplicate(UInt64)
      case hold(UInt64)
    }

    let fault: Int
    let effect: Effect
    let from: [Bool]
    let to: [Bool]
    var kind: MessageKind?
    var view: View?

    func concerns(_ delivery: Delivery) -> Bool {
      from[delivery.fromMachine] && to[delivery.toMachine]
        && (kind.map { $0.includes(delivery.kind) } ?? true)
        && (view == nil || view == delivery.view)
    }
  }

  private struct FaultLink: Hashable { let fault, link: Int }

  let machines: Int
  /// For each directed link, one way.
  private let latencies: [(latency: UInt64, jitter: UInt64)]
  var lossPPM: UInt64
  private var chances: [RandomStream]
  private let seed: UInt64
  /// Of a fault on a link, from the first message on that it may befall.
  private var faultChances: [FaultLink: RandomStream] = [:]
  /// When a link with bounded bandwidth is free again.
  private var busyUntil: [UInt64]
  private(set) var rules: [Rule] = []
  /// Faults whose rules concerned a message, and crashes in a turn that came.
  private(set) var met: Set<Int> = []

  /// - Parameter members: which member each machine is; copies of one stand on one site.
  init(members: [ReplicaID], cluster: Scenario.Cluster) {
    let machines = members.count
    self.machines = machines
    latencies = members.flatMap { from in
      members.map { to in
        guard let profile = cluster.profile else {
          return (cluster.latency.number, min(cluster.jitter.number, cluster.latency.number))
        }
        let way = Span(profile.roundTrip(from, to).number / 2)
        return (way.number, min(NetworkProfile.jitter(of: way).number, way.number))
      }
    }
    lossPPM = cluster.lossPPM
    seed = cluster.seed
    chances = (0..<machines * machines).map {
      RandomStream(seed: cluster.seed, label: "link \($0 / machines) \($0 % machines)")
    }
    busyUntil = [UInt64](repeating: 0, count: machines * machines)
  }

  mutating func add(_ rule: Rule) { rules.append(rule) }

  /// A fault without a rule of its own found a message, or a turn to crash in.
  mutating func meets(fault: Int) { met.insert(fault) }

  mutating func end(fault: Int) { rules.removeAll { $0.fault == fault } }

  /// - Parameter lasting: faults whose rules stay.
  mutating func endAll(besides lasting: [Int]) {
    rules.removeAll { !lasting.contains($0.fault) }
    lossPPM = 0
  }

  /// One way between two machines when nothing is wrong, without jitter.
  func latency(from: Int, to: Int) -> Span { Span(latencies[from * machines + to].latency) }

  func isCut(from: Int, to: Int) -> Bool {
    rules.contains { rule in
      if case .cut = rule.effect { return rule.from[from] && rule.to[to] }
      return false
    }
  }

  mutating func fate(of delivery: Delivery, at now: UInt64) -> Fate {
    let link = delivery.fromMachine * machines + delivery.toMachine
    let (latency, jitter) = latencies[link]
    var delay = latency - jitter + chances[link].below(2 * jitter + 1)
    var isDoubled = false
    if chances[link].happens(lossPPM) { return .lost }
    for rule in rules where rule.concerns(delivery) {
      met.insert(rule.fault)
      switch rule.effect {
      case .cut: return .lost
      case .hold(let ppm):
        if befalls(ppm, rule, link) { return .held(rule.fault) }
      case .drop(let ppm): if befalls(ppm, rule, link) { return .lost }
      case .duplicate(let ppm): if befalls(ppm, rule, link) { isDoubled = true }
      case .slow(let extra, let bytesPerSecond):
        delay += extra.number
        if let bytesPerSecond {
          let start = max(now, busyUntil[link])
          busyUntil[link] =
            start + UInt64(delivery.parcel.bytes.count) * 1_000_000 / max(1, bytesPerSecond)
          delay += busyUntil[link] - now
        }
      }
    }
    return .arrives(now + delay, again: isDoubled ? now + 3 * delay : nil)
  }

  private mutating func befalls(_ ppm: UInt64, _ rule: Rule, _ link: Int) -> Bool {
    guard ppm < 1_000_000 else { return true }
    let place = FaultLink(fault: rule.fault, link: link)
    var chance =
      faultChances[place]
      ?? RandomStream(
        seed: seed, label: "fault \(rule.fault) link \(link / machines) \(link % machines)")
    defer { faultChances[place] = chance }
    return chance.befalls(ppm)
  }
}

extension MessageKind {
  init(_ message: Message) {
    switch message {
    case .proposal: self = .proposal
    case .vote(let vote):
      switch vote.ballot.kind {
      case .notarize: self = .notarize
      case .nullify: self = .nullify
      case .finalize: self = .finalize
      }
    case .certificate(let certificate):
      switch certificate.kind {
      case .notarize: self = .notarization
      case .nullify: self = .nullification
      case .finalize: self = .finalization
      }
    case .calls: self = .calls
    case .announce: self = .announce
    case .callsWanted: self = .callsWanted
    case .viewsWanted: self = .viewsWanted
    case .views: self = .views
    case .blockWanted: self = .blockWanted
    case .blocksWanted: self = .blocksWanted
    case .blocks: self = .blocks
    case .stateShare: self = .stateShare
    case .stateCertificate: self = .stateCertificate
    case .stateWanted: self = .stateWanted
    case .recoveryQuestion, .recoveryAnswer: self = .recovery
    case .evidence: self = .evidence
    }
  }

  /// `vote` and `certificate` stand for their three kinds.
  func includes(_ other: MessageKind) -> Bool {
    switch self {
    case .vote: [.notarize, .nullify, .finalize].contains(other)
    case .certificate: [.notarization, .nullification, .finalization].contains(other)
    default: self == other
    }
  }
}

extension Message {
  /// The view that a message is about, for filters.
  var view: View? {
    switch self {
    case .proposal(let header, _, _): header.view
    case .vote(let vote): vote.ballot.view
    case .certificate(let certificate): certificate.view
    default: nil
    }
  }
}
