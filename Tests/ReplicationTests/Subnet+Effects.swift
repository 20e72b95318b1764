import Consensus
import Replication
import Signing
import Wire

extension Subnet {
  mutating func perform(_ effects: [Effect], _ index: Int) {
    let life = machines[index].life
    for effect in effects {
      switch effect {
      case .journal(let ticket, let records):
        machines[index].unsynced.append((ticket, records))
        let at = max(machines[index].syncedUntil, now + 100 + chance.below(3_000))
        machines[index].syncedUntil = at
        agenda.plan(.journaled(ticket, index, life: life), at: at)
      case .send(let message, let recipients): send(message, recipients, index)
      case .arm(let alarm, let span):
        let token = Int(truncatingIfNeeded: chance.next() >> 2)
        machines[index].alarms[alarm] = token
        agenda.plan(.alarm(alarm, index, token: token, life: life), at: now + span.number)
      case .disarm(let alarm): machines[index].alarms[alarm] = nil
      case .execute(let height, _):
        let at = max(machines[index].executedUntil, now) + 100 + chance.below(2_000)
        machines[index].executedUntil = at
        agenda.plan(.executed(height, index, life: life), at: at)
      case .serve(let request, let peer): serve(request, peer, index)
      case .notice(let notice): note(notice, index)
      }
    }
  }

  private mutating func send(_ message: Message, _ recipients: Recipients, _ index: Int) {
    let machine = machines[index]
    if !machine.isByzantine {
      checkDurable(message, machine)
    }
    for other in machines.indices where machines[other].id != machine.id {
      if case .one(let id) = recipients, machines[other].id != id { continue }
      guard machines[other].group == machine.group else { continue }
      let isTwisted = faults.equivocators.contains(index)
      transmit(
        isTwisted ? twisted(message, other, index) : message, from: machine.id, to: other)
    }
  }

  private mutating func transmit(_ message: Message, from sender: ReplicaID, to other: Int) {
    let isNoisy = now < faults.calmAt
    if isNoisy, chance.chance(faults.loss) { return }
    let copies = isNoisy && chance.chance(faults.duplication) ? 2 : 1
    for _ in 0..<copies {
      let span =
        faults.delay.lowerBound
        + chance.below(faults.delay.upperBound - faults.delay.lowerBound + 1)
      agenda.plan(
        .deliver(message, from: sender, to: other, life: machines[other].life), at: now + span)
    }
  }

  /// Durability before voice.
  private mutating func checkDurable(_ message: Message, _ machine: Machine) {
    let vote: Vote
    switch message {
    case .vote(let sent): vote = sent
    case .proposal(_, _, let sent): vote = sent
    default: return
    }
    if !machine.durableBallots.contains(vote.ballot) {
      violations.append("\(machine.id) sent a vote of view \(vote.ballot.view) before its sync")
    }
  }

  /// An equivocating leader tells every second member of another block, and nullifies beside.
  private func twisted(_ message: Message, _ other: Int, _ index: Int) -> Message {
    guard other % 2 == 0 else { return message }
    let signer = Signer.mock(committee.members[index].key)
    switch message {
    case .proposal(let header, let inlined, _):
      let twin = Header(
        subnet: header.subnet, epoch: header.epoch, view: header.view,
        parentView: header.parentView, parent: header.parent, height: header.height,
        time: header.time.next, calls: header.calls, certified: header.certified)
      let ballot = Ballot.notarize(
        subnet: header.subnet, epoch: header.epoch, view: header.view,
        parentView: header.parentView, block: twin.digest)
      return .proposal(
        header: twin, inlined: inlined,
        vote: signer.vote(ballot, as: ReplicaID(UInt16(index)), in: committee).value)
    case .vote(let vote) where vote.ballot.kind == .finalize:
      let ballot = Ballot.nullify(
        subnet: vote.ballot.subnet, epoch: vote.ballot.epoch, view: vote.ballot.view)
      return .vote(signer.vote(ballot, as: ReplicaID(UInt16(index)), in: committee).value)
    default: return message
    }
  }

  // MARK: The disk

  mutating func sync(_ index: Int, through ticket: Ticket) {
    while let first = machines[index].unsynced.first, first.ticket <= ticket {
      machines[index].unsynced.removeFirst()
      for record in first.records { keep(record, index) }
    }
  }

  private mutating func keep(_ record: Record, _ index: Int) {
    machines[index].disk.append(record)
    machines[index].startedBefore = true
    switch record {
    case .vote(let vote): machines[index].durableBallots.insert(vote.ballot)
    case .block(let digest, let block): machines[index].blocksHeld[digest] = block
    case .finalized(let height, let digest):
      guard let block = machines[index].blocksHeld[digest] else {
        violations.append("\(machines[index].id) finalized \(height) without its block")
        return
      }
      machines[index].chain[height] = block
    case .certificate(let certificate):
      if certificate.kind == .finalize, let block = certificate.ballot.block {
        machines[index].finalizations[block] = certificate
      }
    case .stateCertificate(let certificate):
      machines[index].stateCertificates[certificate.height] = certificate
    default: break
    }
  }

  func restored(_ machine: Machine) -> Restored {
    var out = Restored()
    out.journalFound = !machine.disk.isEmpty
    var tip: Block?
    while let next = machine.chain[out.finalizedHeight.next] {
      out.finalizedHeight = out.finalizedHeight.next
      tip = next
    }
    out.stateCertificate = machine.stateCertificates.values.max { $0.height < $1.height }
    let floor = tip?.header.view ?? 0
    var height: Height = 1
    while height <= out.finalizedHeight {
      if machine.stateCertificates[height] == nil, let header = machine.chain[height]?.header {
        out.uncertifiedHeaders.append(header)
      }
      height = height.next
    }
    var blocks: [Block] = tip.map { [$0] } ?? []
    for record in machine.disk {
      switch record {
      case .vote(let vote): if vote.ballot.view > floor { out.votes.append(vote) }
      case .certificate(let certificate):
        if certificate.view >= floor { out.certificates.append(certificate) }
      case .block(_, let block): if block.header.view > floor { blocks.append(block) }
      case .finalized, .stateCertificate: break
      case .stateShare(let share):
        out.stateShares.append(share)
        out.stateSignedHighest = max(out.stateSignedHighest, share.statement.height)
      case .abstain(let through, let states):
        out.abstainThrough = max(out.abstainThrough, through)
        out.abstainStatesThrough = max(out.abstainStatesThrough, states)
      case .evidence(let evidence): out.evidence.append(evidence)
      case .quarantine(let share, let certificate):
        out.quarantine = Quarantine(share: share, certificate: certificate)
      case .rebuilt(let rebuild): out.quarantine?.rebuild = rebuild
      }
    }
    out.blocks = blocks
    return out
  }

  mutating func execute(_ index: Int, _ height: Height) {
    let place = Int(height.number) - 1
    if place >= machines[index].roots.count {
      guard let block = machines[index].chain[height] else {
        violations.append("\(machines[index].id) executes \(height) before it is durable")
        return
      }
      precondition(place == machines[index].roots.count, "\(height) out of order")
      let last = machines[index].roots.last ?? genesisRoot
      var root = sha256(last.bytes + block.header.digest.bytes)
      if faults.wrongState.contains(index), height > 5 {
        root = sha256(root.bytes + [UInt8(index)])
      }
      machines[index].roots.append(root)
    }
    let root = machines[index].roots[place]
    step(
      index,
      .executed(
        BlockOutcome(height: height, stateRoot: root, receiptsRoot: sha256(root.bytes))))
  }

  private mutating func serve(_ request: JournalRequest, _ peer: ReplicaID, _ index: Int) {
    let machine = machines[index]
    let answer: Message?
    switch request {
    case .blocks(let from, let count):
      var blocks: [Block] = []
      var height = from
      while blocks.count < Int(count), let block = machine.chain[height] {
        blocks.append(block)
        height = height.next
      }
      let certificates = blocks.compactMap { machine.finalizations[$0.header.digest] }
      answer = .blocks(blocks, finalizations: certificates)
    case .block(let digest):
      answer = machine.blocksHeld[digest].map { .blocks([$0], finalizations: []) }
    case .stateCertificate(let height):
      answer = machine.stateCertificates[height].map { .stateCertificate($0) }
    }
    if let answer { send(answer, .one(peer), index) }
  }

  mutating func call(_ number: UInt64) {
    let body: [UInt8] = Array("row \(number)".utf8)
    let call = Call(
      subnet: committee.subnet, pipeline: "p", method: .procedure("f"), bodyDigest: sha256(body),
      bodyBytes: UInt32(body.count), idempotencyKey: "\(number)", sender: nil,
      expiry: Moment(moment.number + 500_000), stepLimit: 1_000)
    let signed = SignedCall(call: call, body: body, signature: nil)
    guard let verified = try? Verifier.mock.verify(signed, subnet: committee.subnet) else {
      violations.append("a call does not verify")
      return
    }
    callTimes[verified.digest] = now
    let live = machines.indices.filter { machines[$0].replica != nil && !machines[$0].isByzantine }
    guard !live.isEmpty else { return }
    step(live[Int(chance.below(UInt64(live.count)))], .calls([verified], from: nil))
  }

  // MARK: The claims

  private mutating func note(_ notice: Notice, _ index: Int) {
    let isHonest = !machines[index].isByzantine
    switch notice {
    case .reached(let mark): notices[mark.rawValue, default: 0] += 1
    case .entered(let view, _): machines[index].view = view
    case .misbehaved(let who, let what):
      if !machines[who.index].isByzantine, isHonest {
        violations.append("\(machines[index].id) says that correct \(who) \(what)")
      }
    case .accused(let evidence):
      accused.insert(evidence.culprit)
      if !machines[evidence.culprit.index].isByzantine {
        violations.append("correct \(evidence.culprit) is accused: \(evidence)")
      }
    case .certified(let certificate): claim(certificate)
    case .finalized(let height, _, let header):
      if isHonest { claim(height, header) }
    case .stateCertified(let certificate):
      let old = certified.updateValue(certificate, forKey: certificate.height)
      if let old, old.statement != certificate.statement {
        violations.append("two states are certified at \(certificate.height)")
      }
    case .quarantined: notices["quarantined \(index)", default: 0] += 1
    case .split: notices["split", default: 0] += 1
    default: break
    }
  }

  private mutating func claim(_ certificate: Certificate) {
    let view = certificate.view
    switch certificate.kind {
    case .notarize:
      let block = certificate.ballot.block
      if let other = notarized[view], other != block {
        violations.append("two blocks are notarized in view \(view)")
      }
      notarized[view] = block
    case .nullify: nullifiedViews.insert(view)
    case .finalize: finalizedViews.insert(view)
    }
    if nullifiedViews.contains(view), finalizedViews.contains(view) {
      violations.append("view \(view) is finalized and nullified")
    }
  }

  private mutating func claim(_ height: Height, _ header: Header) {
    let digest = header.digest
    if let other = chain[height], other != digest {
      violations.append("two blocks are finalized at \(height)")
    }
    if chain[height] == nil {
      chain[height] = digest
      finalizedHighest = max(finalizedHighest, height)
      for call in header.calls {
        if ordered[call] != nil { notices["ordered-twice", default: 0] += 1 }
        ordered[call] = height
        if let sent = callTimes[call] { latencies.append(now - sent) }
      }
    }
  }
}
