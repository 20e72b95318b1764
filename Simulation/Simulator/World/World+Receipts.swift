import Signing
import Wire

extension World {
  /// What the call's replica can show of it now.
  func settlement(of pending: Client.Pending) -> Settlement? {
    let machine = machines[pending.target]
    guard machine.power == .up, let ledger = machine.ledger else { return nil }
    switch ledger {
    case .digests(let ledger): return ledger.holds(pending.digest) ? .ordered : nil
    }
  }

  func certified(_ certificate: StateCertificate, on machine: Machine) {}

  func read(_ index: Int) {}

  func checkSerially() {}
}
