import Replication
import Signing
import Wire

/// Replica cores joined in memory: no sockets, no disk, no execution, no bodies on the way.
/// What is left is ordering: proposals, votes, certificates, state shares.
///
/// A round delivers what the round before sent, and takes a simulated millisecond. Records are
/// durable and blocks executed at once, so all time measured is that of the cores.
struct CoreSubnet {
  /// What happened since the start.
  struct Counts {
    var rounds = 0
    var deliveries = 0
    /// Votes and state shares, those beside proposals among them.
    var votes = 0
    var blocks = 0
    var calls = 0

    static func - (a: Counts, b: Counts) -> Counts {
      Counts(
        rounds: a.rounds - b.rounds, deliveries: a.deliveries - b.deliveries,
        votes: a.votes - b.votes, blocks: a.blocks - b.blocks, calls: a.calls - b.calls)
    }
  }

  private struct Delivery {
    let message: Message
    let from: ReplicaID
    let to: Int
  }

  let committee: Committee
  private(set) var counts = Counts()
  private var replicas: [Replica] = []
  private var queue: [Delivery] = []
  private var next: [Delivery] = []
  private var alarms: [[(alarm: Alarm, at: UInt64)]]
  private var prepared: [VerifiedCall] = []
  private var made: UInt64 = 0
  private var given = 0
  /// Microseconds.
  private var now: UInt64 = 0
  private static let start: UInt64 = 1_700_000_000_000
  private static let round: UInt64 = 1_000

  init(size: Int, real: Bool) {
    let pairs = (0..<size).map { _ in KeyPair.generate() }
    committee = Committee(subnet: sha256([9]), epoch: 0, keys: pairs.map(\.publicKey))
    alarms = Array(repeating: [], count: size)
    for (index, pair) in pairs.enumerated() {
      let configuration = Configuration(
        committee: committee, me: ReplicaID(UInt16(index)),
        signer: real ? .ed25519(pair) : .mock(pair.publicKey), verifier: real ? .ed25519 : .mock,
        genesisRoot: sha256([1]), genesisTime: Moment(Self.start), firstStart: true,
        executedHeight: 0, nonce: sha256([UInt8(truncatingIfNeeded: index)]))
      replicas.append(Replica(configuration, restored: Restored()))
    }
    for index in replicas.indices {
      var effects: [Effect] = []
      replicas[index].start(at: moment, effects: &effects)
      perform(effects, index)
    }
    for index in replicas.indices {
      for other in replicas.indices where other != index {
        step(index, .connected(ReplicaID(UInt16(other))))
      }
    }
  }

  private var moment: Moment { Moment(Self.start + now / 1_000) }

  /// Calls given and not ordered yet.
  var backlog: Int { given - counts.calls }

  /// Makes calls ready to be given; not part of what is measured.
  mutating func prepare(_ count: Int) throws {
    while prepared.count < count {
      made += 1
      let call = Call(
        subnet: committee.subnet, pipeline: "p", method: .procedure("f"), bodyDigest: sha256([]),
        bodyBytes: 0, idempotencyKey: "\(made)", sender: nil,
        expiry: moment.advanced(by: Limits.callLifetimeMax.milliseconds / 2), stepLimit: 1_000)
      let signed = SignedCall(call: call, body: [], signature: nil)
      prepared.append(try Verifier.mock.verify(signed, subnet: committee.subnet))
    }
  }

  var preparedCount: Int { prepared.count }

  /// Hands calls to every replica, as one's own client would and as the others' bodies come.
  mutating func give(_ count: Int) {
    let batch = Array(prepared.suffix(count))
    prepared.removeLast(batch.count)
    let first = counts.rounds % replicas.count
    for index in replicas.indices {
      step(index, .calls(batch, from: index == first ? nil : ReplicaID(UInt16(first))))
    }
    given += batch.count
  }

  /// Delivers everything sent in the last round and rings what is due.
  mutating func round() {
    counts.rounds += 1
    now += Self.round
    swap(&queue, &next)
    if queue.isEmpty, let due = alarms.joined().map(\.at).min() { now = max(now, due) }
    for delivery in queue {
      counts.deliveries += 1
      switch delivery.message {
      case .vote, .stateShare, .proposal: counts.votes += 1
      default: break
      }
      step(delivery.to, .received(delivery.message, from: delivery.from))
    }
    queue.removeAll(keepingCapacity: true)
    for index in replicas.indices { ring(index) }
  }

  private mutating func ring(_ index: Int) {
    let due = alarms[index].filter { $0.at <= now }
    guard !due.isEmpty else { return }
    alarms[index].removeAll { $0.at <= now }
    for alarm in due { step(index, .alarmRang(alarm.alarm)) }
  }

  private mutating func step(_ index: Int, _ input: Input) {
    var effects: [Effect] = []
    replicas[index].step(input, at: moment, effects: &effects)
    perform(effects, index)
  }

  private mutating func perform(_ effects: [Effect], _ index: Int) {
    var answers: [Input] = []
    for effect in effects {
      switch effect {
      case .journal(let ticket, _): answers.append(.journaled(ticket))
      case .send(let message, let recipients): send(message, recipients, index)
      case .arm(let alarm, let span):
        alarms[index].removeAll { $0.alarm == alarm }
        alarms[index].append((alarm, now + span.number))
      case .disarm(let alarm): alarms[index].removeAll { $0.alarm == alarm }
      case .execute(let height, _):
        let root = sha256(height.canonicalBytes)
        answers.append(
          .executed(BlockOutcome(height: height, stateRoot: root, receiptsRoot: root)))
      case .serve: break
      case .notice(let notice): if index == 0 { note(notice) }
      }
    }
    for answer in answers { step(index, answer) }
  }

  private mutating func send(_ message: Message, _ recipients: Recipients, _ index: Int) {
    // Every replica was given the bodies already.
    if case .calls = message { return }
    let me = ReplicaID(UInt16(index))
    switch recipients {
    case .one(let id): next.append(Delivery(message: message, from: me, to: id.index))
    case .all:
      for other in replicas.indices where other != index {
        next.append(Delivery(message: message, from: me, to: other))
      }
    }
  }

  private mutating func note(_ notice: Notice) {
    guard case .finalized(_, _, let header) = notice else { return }
    counts.blocks += 1
    counts.calls += header.calls.count
  }
}
