import Replication
import Wire

extension Simulation {
  /// Runs a scenario and keeps what happened.
  package static func record(
    _ scenario: Scenario, _ options: RunOptions = RunOptions()
  ) -> (report: RunReport, recording: Recording) {
    let world = World(scenario, options)
    let kept = Recording(
      scenario, committee: world.committee,
      lanes: world.machines.map { machine in
        Recording.Lane(
          name: machine.name, id: machine.id,
          actor: machine.correct ? nil : actor(of: machine.id, in: scenario))
      })
    world.recording = kept
    let report = world.run()
    return (report, world.recording ?? kept)
  }

  /// What the scenario says that a replica plays; drawn by chance, only that it is Byzantine.
  private static func actor(of id: ReplicaID, in scenario: Scenario) -> String {
    let own = scenario.byzantine.first { byzantine in
      if case .replicas(let ids) = byzantine.who { return ids.contains(id) }
      return scenario.byzantine.count == 1
    }
    return own?.actor.rawValue ?? "byzantine"
  }
}

extension Recording {
  /// A replica tells something.
  mutating func note(_ notice: Notice, _ lane: Int) {
    switch notice {
    case .entered(let view, let leader): add(.entered(view, leader: leader), lane)
    case .proposed(let view, let height, let digest):
      add(.proposed(view, height, DigestMark(digest)), lane)
    case .voted(let vote): add(.voted(RecordedEvent.Stand(vote.ballot)), lane)
    case .certified(let certificate):
      add(.certified(RecordedEvent.Stand(certificate.ballot), certificate.signers.ids), lane)
    case .finalized(let height, let view, let header):
      add(.finalized(height, view, DigestMark(header.digest)), lane)
    case .stateCertified(let certificate): add(.stateCertified(certificate.height), lane)
    case .accused(let evidence): add(.noticed("accuses \(evidence.culprit)"), lane)
    case .misbehaved(let peer, let what): add(.noticed("says that \(peer) \(what)"), lane)
    case .quarantined: add(.noticed("quarantines itself"), lane)
    case .split(let height, _): add(.noticed("sees a split at height \(height)"), lane)
    case .catchingUp(let from, let to):
      add(.noticed("catches up from height \(from) to \(to)"), lane)
    case .recovering(let answers, let needed):
      add(.noticed("recovers its lost log: \(answers) of \(needed) answers"), lane)
    case .recovered(let view): add(.noticed("recovered, abstains through view \(view)"), lane)
    case .expired: add(.noticed("lets a call expire"), lane)
    case .crowdedOut: add(.noticed("has no room for a call"), lane)
    case .reached(let mark): add(.noticed("reached \(mark.rawValue)"), lane)
    }
  }

  mutating func sent(_ message: Message, to recipients: Recipients, _ lane: Int) -> Int {
    var recipient: ReplicaID?
    if case .one(let id) = recipients { recipient = id }
    return add(.sent(Topic(message), to: recipient), lane)
  }

  mutating func lost(_ delivery: Delivery) {
    add(.lost(Topic(delivery.parcel.message), to: delivery.toMachine), delivery.fromMachine)
  }

  mutating func held(_ delivery: Delivery, by fault: Int) {
    add(
      .held(Topic(delivery.parcel.message), to: delivery.toMachine, fault: fault),
      delivery.fromMachine)
  }

  mutating func arrived(_ delivery: Delivery) {
    begin(
      .arrived(Topic(delivery.parcel.message), from: delivery.fromMachine), delivery.toMachine,
      cause: delivery.parcel.sending)
  }

  /// A sync made these records durable.
  mutating func synced(_ records: [Record], _ lane: Int) {
    let votes = records.compactMap { record in
      if case .vote(let vote) = record { return RecordedEvent.Stand(vote.ballot) }
      return nil
    }
    begin(.synced(votes, records: records.count), lane)
  }
}

extension World {
  /// The machines that a fault at work concerns.
  func lanes(ofFault index: Int) -> [Int] {
    let verb = scenario.faults[index].verb
    let named = verb.named.map { resolve($0, nil, index) }
    switch verb {
    case .calm: return []
    case .cut, .slow, .drop, .duplicate, .hold, .replay:
      // One end of a link is enough to show it: the smaller one.
      let sides = named.filter { $0.contains(true) && $0.contains(false) }
      let fewest = sides.min { $0.filter { $0 }.count < $1.filter { $0 }.count }
      return machines.indices.filter { fewest?[$0] ?? true }
    case .isolate, .split, .pause, .crash, .wipe, .disk, .clock, .cpu, .sql:
      return machines.indices.filter { lane in named.contains { $0[lane] } }
    }
  }
}

extension Topic {
  init(_ message: Message) {
    self.init(kind: MessageKind(message), view: message.view)
    switch message {
    case .proposal(let header, let inlined, _):
      height = header.height
      block = DigestMark(header.digest)
      count = inlined.count
    case .vote(let vote): block = vote.ballot.block.map { DigestMark($0) }
    case .certificate(let certificate):
      block = certificate.ballot.block.map { DigestMark($0) }
      count = certificate.signers.count
    case .calls(let calls): count = calls.count
    case .announce(let digests), .callsWanted(let digests): count = digests.count
    case .viewsWanted(let views):
      count = views.count
      view = views.first
    case .views(let certificates):
      count = certificates.count
      view = certificates.first?.view
    case .blockWanted(let digest): block = DigestMark(digest)
    case .blocksWanted(let from, _): height = from
    case .blocks(let blocks, _):
      count = blocks.count
      height = blocks.first?.header.height
    case .stateShare(let share): height = share.statement.height
    case .stateCertificate(let certificate): height = certificate.height
    case .stateWanted(let wanted): height = wanted
    case .recoveryQuestion, .recoveryAnswer, .evidence: break
    }
  }
}
