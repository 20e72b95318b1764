import Replication
import Wire

/// Processes that stand still, and those that are slow.
extension World {
  /// A slow machine takes its inputs one after the other, each for its time.
  func wait(_ input: Input, _ machine: Machine, _ bytes: Int) {
    guard let span = machine.turnSpan else { return }
    queue(input, machine, bytes)
    machine.busyUntil = max(now, machine.busyUntil) + span.number
    agenda.plan(
      .turn(machine: machine.index, incarnation: machine.incarnation), at: machine.busyUntil)
  }

  func turn(_ machine: Machine) {
    guard machine.power == .up, !machine.inbox.isEmpty else { return }
    let next = machine.inbox.removeFirst()
    machine.bytesUnderWay -= next.bytes
    step(next.input, machine)
  }

  /// What waits in the inbox counts among the bytes under way to the machine.
  func queue(_ input: Input, _ machine: Machine, _ bytes: Int) {
    machine.inbox.append((input, bytes))
    machine.bytesUnderWay += bytes
  }

  func resume(_ machine: Machine) {
    guard machine.power == .paused else { return }
    machine.power = .up
    recording?.begin(.resumed, machine.index)
    drain(machine)
  }

  /// The machine is as quick as the others again.
  func quicken(_ machine: Machine) {
    guard machine.turnSpan != nil else { return }
    machine.turnSpan = nil
    machine.busyUntil = 0
    if machine.power == .up { drain(machine) }
  }

  private func drain(_ machine: Machine) {
    let waiting = machine.inbox
    machine.inbox = []
    let incarnation = machine.incarnation
    for (input, bytes) in waiting where machine.incarnation == incarnation {
      machine.bytesUnderWay -= bytes
      take(input, machine, bytes: bytes)
    }
  }
}
