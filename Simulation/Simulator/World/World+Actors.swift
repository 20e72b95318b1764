import Wire

extension World {
  func actorContext(_ machine: Machine) -> ActorContext {
    ActorContext(
      committee: committee, me: machine.id, signer: signers[machine.id.index], view: machine.view)
  }

  func planActor(_ machine: Machine) {
    guard let pace = machine.adversary?.pace else { return }
    agenda.plan(.actor(machine: machine.index), at: now + pace.number)
  }

  /// What an actor sends of itself.
  func actor(_ machine: Machine) {
    guard machine.power == .up else { return }
    var context = actorContext(machine)
    for (message, recipients) in machine.adversary?.idle(&context) ?? [] {
      emit(message, to: recipients, from: machine)
    }
    planActor(machine)
  }
}
