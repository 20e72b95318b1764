import Metering
import Signing
import Storage
import Wire

/// Prices change as the subnet does: its administrators send the next table, and once more than
/// half of them sent the same it is in force, from the next block on.
extension SystemFile {
  /// What an administrator called for last; gone with the table that came into force.
  static func proposalKey(_ administrator: PublicKey) -> [UInt8] {
    Self.proposals + administrator.bytes
  }
  static let proposals = Array("prices/".utf8)

  func changePrices(
    _ call: OrderedCall, _ block: BlockContext
  ) throws(StorageFault) -> Receipt {
    let sender: PublicKey
    do throws(Refusal) { sender = try Self.proposer(call.call, administrators) } catch {
      return try record(call, block, .refused(error))
    }
    if let receipt = try answered(call, block) { return receipt }
    let table: PriceTable
    do throws(Refusal) {
      // Of two that follow one another in a block the second would hold from the same height.
      guard schedule == block.schedule else { throw Self.outOfTurn(schedule.newest) }
      table = try Self.proposed(call.body, schedule)
    } catch { return try record(call, block, .refused(error)) }
    try ledger.put(.value, Self.proposalKey(sender), table.canonicalBytes)
    var same = 0
    for administrator in administrators
    where try ledger.get(.value, Self.proposalKey(administrator)) == table.canonicalBytes {
      same += 1
    }
    if same >= Self.needed(of: administrators) { try putInForce(table, block) }
    try IdempotencyEntry.record(
      call, block, forgetAt: block.time.advanced(by: ExecutionLimits.systemRetention), in: ledger)
    return try record(call, block, .applied)
  }

  private func putInForce(_ table: PriceTable, _ block: BlockContext) throws(StorageFault) {
    schedule.add(PriceSchedule.Change(height: block.height, time: block.time, table: table))
    try ledger.put(.value, Key.prices, schedule.canonicalBytes)
    for administrator in administrators {
      let key = Self.proposalKey(administrator)
      if try ledger.contains(.value, key) { try ledger.remove(.value, key) }
    }
  }

  /// Each once, ascending.
  static func administrators(of genesis: Genesis) -> [PublicKey] {
    Set(genesis.administrators).sorted()
  }

  /// More than half.
  static func needed(of administrators: [PublicKey]) -> Int { administrators.count / 2 + 1 }

  /// Who calls for other prices.
  static func proposer(
    _ call: Call, _ administrators: [PublicKey]
  ) throws(Refusal) -> PublicKey {
    guard let sender = call.sender, administrators.contains(sender) else {
      throw Refusal(
        "NOT_ADMINISTRATOR",
        "prices are changed by the subnet's administrators: sign with the key of one")
    }
    guard call.pipeline.isEmpty else {
      throw Refusal(
        "PIPELINE_NAMED", "prices are the subnet's and no pipeline's: leave \(call.pipeline) out")
    }
    guard !call.idempotencyKey.isEmpty else { throw IdempotencyEntry.missing }
    return sender
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
