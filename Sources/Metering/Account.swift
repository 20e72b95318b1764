import Wire

/// What an account holds.
///
/// - Safety: cycles leave the balance only into a reservation, and a reservation only back into
///   the balance or into what is burned.
package struct Account: Hashable, Canonical {
  package private(set) var balance: Cycles
  /// Held for updates that are running.
  package private(set) var reserved: Cycles
  /// Paid for work since the account came into being.
  package private(set) var burned: Cycles

  package init(balance: Cycles, reserved: Cycles = 0, burned: Cycles = 0) {
    self.balance = balance
    self.reserved = reserved
    self.burned = burned
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(balance)
    encoder.value(reserved)
    encoder.value(burned)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    balance = try decoder.value()
    reserved = try decoder.value()
    burned = try decoder.value()
  }

  /// Sets cycles aside for an update.
  /// - Returns: nil when the balance does not hold so much; the account is as it was then.
  package mutating func reserve(_ amount: Cycles) -> Reservation? {
    guard amount <= balance, let more = reserved.plus(amount) else { return nil }
    balance = Cycles(balance.number - amount.number)
    reserved = more
    return Reservation(amount: amount)
  }

  /// Ends a reservation: what was used is burned, the rest comes back.
  /// - Parameter used: at most the reservation is taken.
  /// - Returns: what was taken.
  @discardableResult
  package mutating func settle(_ reservation: consuming Reservation, used: Cycles) -> Cycles {
    let amount = reservation.amount
    precondition(amount <= reserved, "\(amount) to settle, \(reserved) reserved")
    let charged = min(used, amount)
    guard let back = balance.plus(Cycles(amount.number - charged.number)),
      let gone = burned.plus(charged)
    else { preconditionFailure("an account of more cycles than there are") }
    reserved = Cycles(reserved.number - amount.number)
    balance = back
    burned = gone
    return charged
  }

  /// Takes cycles for work that is done already: storage, or the ingress of a refusal.
  /// - Returns: what was taken, at most the balance.
  @discardableResult
  package mutating func charge(_ amount: Cycles) -> Cycles {
    let taken = min(amount, balance)
    guard let gone = burned.plus(taken) else {
      preconditionFailure("an account of more cycles than there are")
    }
    balance = Cycles(balance.number - taken.number)
    burned = gone
    return taken
  }

  /// Takes cycles that go to another account.
  /// - Returns: false when the balance does not hold so much; the account is as it was then.
  package mutating func withdraw(_ amount: Cycles) -> Bool {
    guard amount <= balance else { return false }
    balance = Cycles(balance.number - amount.number)
    return true
  }

  /// Takes in cycles that another account gave.
  /// - Returns: false when the account would hold more than can be counted.
  package mutating func deposit(_ amount: Cycles) -> Bool {
    guard let sum = balance.plus(amount) else { return false }
    balance = sum
    return true
  }
}

/// Cycles set aside for one update. It is settled once: the compiler sees to it.
package struct Reservation: ~Copyable, Sendable {
  package let amount: Cycles
  fileprivate init(amount: Cycles) { self.amount = amount }
}

extension Cycles {
  /// nil when the sum cannot be counted.
  package func plus(_ other: Cycles) -> Cycles? {
    let (sum, overflow) = number.addingReportingOverflow(other.number)
    return overflow ? nil : Cycles(sum)
  }
}
