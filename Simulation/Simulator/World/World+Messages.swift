import Journaling
import Replication
import Signing
import Wire

extension World {
  /// What honest code wants to send; an actor may send something else instead.
  func send(_ message: Message, to recipients: Recipients, from machine: Machine) {
    oracle.sent(message, by: machine.index)
    if case .stateShare(let share) = message { oracle.voicedByDiverged(share, machine.index) }
    if machine.adversary == nil {
      emit(message, to: recipients, from: machine)
    } else {
      var context = actorContext(machine)
      let replaced = machine.adversary?.outgoing(message, to: recipients, &context) ?? []
      for (other, whom) in replaced { emit(other, to: whom, from: machine) }
    }
    tellActs(of: message, machine)
  }

  private func tellActs(of message: Message, _ machine: Machine) {
    switch message {
    case .proposal(let header, _, let vote):
      figures.proposed(header.view, at: now)
      happened(.view(header.view, .proposed))
      tellAct(of: vote, machine)
    case .vote(let vote): tellAct(of: vote, machine)
    default: break
    }
  }

  private func tellAct(of vote: Vote, _ machine: Machine) {
    guard vote.signer == machine.id else { return }
    happened(.act(machine.id, vote.ballot.kind, vote.ballot.view), on: machine)
  }

  func emit(_ message: Message, to recipients: Recipients, from machine: Machine) {
    let parcel = Parcel(
      message, from: machine, decodes: decodeChance.happens(options.decodesPPM))
    trace.record(now, 1, machine.index, parcel.fingerprint)
    parcel.sending = recording?.sent(message, to: recipients, machine.index)
    for target in machines where target.id != machine.id {
      if case .one(let id) = recipients, target.id != id { continue }
      guard reaches(machine, target, parcel.view) else { continue }
      let bent = machine.adversary == nil ? nil : bent(parcel, from: machine, to: target.id)
      let delivery = Delivery(
        parcel: bent ?? parcel, toMachine: target.index, incarnation: target.incarnation)
      faultEngine.sent(delivery)
      dispatch(delivery)
    }
  }

  /// The copies of a twin each speak with their own half.
  private func reaches(_ from: Machine, _ to: Machine, _ view: View?) -> Bool {
    guard from.power != .down else { return false }
    guard scenario.rounds.isEmpty else {
      return faultEngine.joined(from.index, to.index, in: view ?? max(1, from.view))
    }
    return faultEngine.meet(from, to)
  }

  func dispatch(_ delivery: Delivery) {
    statistics.sent += 1
    statistics.bytesSent += UInt64(delivery.parcel.bytes.count)
    let target = machines[delivery.toMachine]
    guard target.power != .down else { return }
    switch network.fate(of: delivery, at: now) {
    case .lost:
      statistics.lost += 1
      recording?.lost(delivery)
    case .held(let fault):
      faultEngine.held.append((fault, delivery))
      recording?.held(delivery, by: fault)
    case .arrives(let time, let again):
      plan(delivery, to: target, at: time)
      if let again { plan(delivery, to: target, at: again) }
    }
  }

  private func plan(_ delivery: Delivery, to target: Machine, at time: UInt64) {
    target.bytesUnderWay += delivery.parcel.bytes.count
    agenda.plan(.delivery(delivery), at: time)
  }

  func arrive(_ delivery: Delivery) {
    guard let machine = alive(delivery.toMachine, delivery.incarnation) else { return }
    machine.bytesUnderWay -= delivery.parcel.bytes.count
    statistics.deliveries += 1
    trace.record(now, 3, machine.index, delivery.parcel.fingerprint)
    recording?.arrived(delivery)
    let message: Message
    do throws(Malformed) {
      message = try delivery.parcel.open()
    } catch {
      guard machines[delivery.fromMachine].correct else {
        // The link breaks; the next one is there at once.
        statistics.malformed += 1
        return
      }
      oracle.report(
        .bounds, delivery.toMachine, delivery.view, "cannot decode a \(delivery.kind): \(error)")
      return
    }
    if machine.adversary != nil { overhear(message, from: delivery.sender, machine) }
    // Over the budget, what correct replicas heard is kept as evidence.
    if scenario.overBudget, machine.correct { oracle.heard(message, from: delivery.sender) }
    if case .calls(let calls) = message {
      let verified = delivery.parcel.verified(calls, by: verifier, subnet: committee.subnet)
      take(
        .calls(permitted(verified, machine), from: delivery.sender), machine,
        bytes: delivery.parcel.bytes.count)
    } else {
      take(
        .received(message, from: delivery.sender), machine, bytes: delivery.parcel.bytes.count)
    }
  }

  /// Answers a peer from the journal.
  func serve(_ request: JournalRequest, to peer: ReplicaID, from machine: Machine) {
    guard let journal = machine.journal else { return }
    do {
      switch request {
      case .blocks(let height, let count):
        let (blocks, finalizations) = try journal.blocks(from: height, count: Int(count))
        guard !blocks.isEmpty else { return }
        send(.blocks(blocks, finalizations: finalizations), to: .one(peer), from: machine)
      case .block(let digest):
        guard let block = try journal.block(digest) else { return }
        send(.blocks([block], finalizations: []), to: .one(peer), from: machine)
      case .stateCertificate(let height):
        guard let certificate = try journal.stateCertificate(at: height) else { return }
        send(.stateCertificate(certificate), to: .one(peer), from: machine)
      }
    } catch {
      diskFailed(machine, "\(error)")
    }
  }

  /// Tells a replica which peers it is connected to, after the time a connection takes.
  func connect(_ machine: Machine) {
    for peer in machines where peer.id != machine.id && peer.power != .down {
      guard !network.isCut(from: machine.index, to: peer.index),
        !network.isCut(from: peer.index, to: machine.index), reaches(machine, peer, View(.max))
      else { continue }
      planLink(machine, peer.id, up: true)
      planLink(peer, machine.id, up: true)
    }
  }

  func disconnect(_ machine: Machine) {
    for peer in machines where peer.id != machine.id && peer.power != .down {
      planLink(peer, machine.id, up: false)
    }
  }

  private func planLink(_ machine: Machine, _ peer: ReplicaID, up: Bool) {
    let way = committee.contains(peer) ? machines.first { $0.id == peer }?.index : nil
    let latency = way.map { network.latency(from: machine.index, to: $0) }
    agenda.plan(
      .link(machine: machine.index, incarnation: machine.incarnation, peer: peer, up: up),
      at: now + (latency ?? scenario.cluster.latency).number)
  }
}
