import Metering
import Signing
import Storage
import Wire

/// Prices change as the subnet does: its administrators send the next table, and once more than
/// half of them sent the same it is in force, from the next block on.
extension SystemFile {
  func changePrices(
    _ call: OrderedCall, _ block: BlockContext
  ) throws(StorageFault) -> Receipt {
    try decide(.prices, call, block) { () throws(Refusal) in
      // Of two that follow one another in a block the second would hold from the same height.
      guard schedule == block.schedule else { throw Self.outOfTurn(schedule.newest) }
      return try Self.proposed(call.body, schedule)
    } putInForce: { (table: PriceTable, _) throws(StorageFault) in
      schedule.add(PriceSchedule.Change(height: block.height, time: block.time, table: table))
      try ledger.put(.value, Key.prices, schedule.canonicalBytes)
      // What others proposed follows no more.
      try withdraw(.prices, of: administrators)
    }
  }

  /// The table in a body, which follows the one in force.
  static func proposed(
    _ body: [UInt8], _ schedule: PriceSchedule
  ) throws(Refusal) -> PriceTable {
    guard let table = try? PriceTable(canonicalBytes: body) else {
      throw Refusal("PRICES_MALFORMED", "the body is no price table: build it again")
    }
    let newest = schedule.newest
    guard table.name == newest.name, table.replicas == newest.replicas,
      newest.version < .max, table.version == newest.version + 1
    else { throw outOfTurn(newest) }
    guard schedule.changes.count < PriceSchedule.changesMax else {
      throw Refusal("TOO_MANY_PRICES", "this subnet changed its prices as often as it may")
    }
    return table
  }

  private static func outOfTurn(_ newest: PriceTable) -> Refusal {
    Refusal(
      "PRICES_VERSION",
      "what follows is \(newest.name) \(newest.version &+ 1) for \(newest.replicas) replicas, and "
        + "not before the next block: begin with the table in force, 'quorate cycles prices'")
  }
}
