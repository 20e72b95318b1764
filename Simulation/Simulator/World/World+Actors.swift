import Certification
import Replication
import Signing
import Wire

/// What Byzantine actors do beside what the honest code under them does.
extension World {
  func actorContext(_ machine: Machine) -> ActorContext {
    ActorContext(
      committee: committee, me: machine.id, signer: signers[machine.id.index], view: machine.view)
  }

  func planActor(_ machine: Machine) {
    guard let pace = machine.adversary?.pace else { return }
    agenda.plan(
      .actor(machine: machine.index, incarnation: machine.incarnation), at: now + pace.number)
  }

  /// What an actor sends of itself, or that it starts anew.
  func actor(_ machine: Machine) {
    guard machine.power == .up else {
      planActor(machine)
      return
    }
    if machine.adversary?.restarts(in: machine.view) == true {
      crash(machine, .nothing)
      start(machine)
      return
    }
    var context = actorContext(machine)
    recording?.begin(.acted, machine.index)
    let said = machine.adversary?.idle(&context) ?? []
    for (message, recipients) in said { emit(message, to: recipients, from: machine) }
    planActor(machine)
  }

  /// An actor hears a message before the honest code under it does.
  func overhear(_ message: Message, from peer: ReplicaID, _ machine: Machine) {
    guard machine.power == .up else { return }
    var context = actorContext(machine)
    let said = machine.adversary?.heard(message, from: peer, &context) ?? []
    for (other, recipients) in said { emit(other, to: recipients, from: machine) }
  }

  /// What an actor puts on one link instead of what it sends to all; nil: the same.
  func bent(_ parcel: Parcel, from machine: Machine, to peer: ReplicaID) -> Parcel? {
    guard let bytes = machine.adversary?.bytes(parcel.bytes, to: peer, in: machine.view),
      bytes != parcel.bytes
    else { return nil }
    return Parcel(parcel, bent: bytes)
  }

  /// The calls that the machine's code gets to see.
  func permitted(_ calls: [VerifiedCall], _ machine: Machine) -> [VerifiedCall] {
    machine.adversary?.lets(calls, in: machine.view) ?? calls
  }
}
