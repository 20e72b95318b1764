import Signing
import Storage
import Wire

/// What a subnet's administrators decide on. Each has one proposal on a matter, the last one, and
/// what more than half of them propose alike holds.
enum Matter {
  case prices
  case engines

  /// Where the ledger keeps what an administrator proposes.
  func proposalKey(_ administrator: PublicKey) -> [UInt8] {
    Array("\(name)/".utf8) + administrator.bytes
  }

  private var name: String {
    switch self {
    case .prices: "prices"
    case .engines: "engines"
    }
  }

  private var verb: String {
    switch self {
    case .prices: "changed"
    case .engines: "accepted"
    }
  }

  /// Who proposes by a call.
  func proposer(
    _ call: Call, _ administrators: [PublicKey]
  ) throws(Refusal) -> PublicKey {
    guard let sender = call.sender, administrators.contains(sender) else {
      throw Refusal(
        "NOT_ADMINISTRATOR",
        "\(name) are \(verb) by the subnet's administrators: sign with the key of one")
    }
    guard call.pipeline.isEmpty else {
      throw Refusal(
        "PIPELINE_NAMED",
        "\(name) are the subnet's and no pipeline's: leave \(call.pipeline) out")
    }
    guard !call.idempotencyKey.isEmpty else { throw IdempotencyEntry.missing }
    return sender
  }
}

extension SystemFile {
  /// Each once, ascending.
  static func administrators(of genesis: Genesis) -> [PublicKey] {
    Set(genesis.administrators).sorted()
  }

  /// More than half.
  static func needed(of administrators: [PublicKey]) -> Int { administrators.count / 2 + 1 }

  /// Takes an administrator's proposal, and puts it in force once enough of them made it.
  ///
  /// - Parameter read: what the call's body proposes.
  /// - Parameter putInForce: is given who proposed it, and withdraws what is settled by it.
  func decide<Proposal: Canonical>(
    _ matter: Matter, _ call: OrderedCall, _ block: BlockContext,
    read: () throws(Refusal) -> Proposal,
    putInForce: (Proposal, [PublicKey]) throws(StorageFault) -> Void
  ) throws(StorageFault) -> Receipt {
    let sender: PublicKey
    do throws(Refusal) { sender = try matter.proposer(call.call, administrators) } catch {
      return try answer(call, block, .refused(error))
    }
    if let receipt = try answered(call, block) { return receipt }
    let proposal: Proposal
    do throws(Refusal) { proposal = try read() } catch {
      return try answer(call, block, .refused(error))
    }
    let bytes = proposal.canonicalBytes
    try ledger.put(.value, matter.proposalKey(sender), bytes)
    var alike: [PublicKey] = []
    for administrator in administrators
    where try ledger.get(.value, matter.proposalKey(administrator)) == bytes {
      alike.append(administrator)
    }
    if alike.count >= Self.needed(of: administrators) { try putInForce(proposal, alike) }
    try IdempotencyEntry.record(
      call, block, forgetAt: block.time.advanced(by: ExecutionLimits.systemRetention), in: ledger)
    return try record(call, block, .applied)
  }

  func withdraw(_ matter: Matter, of administrators: [PublicKey]) throws(StorageFault) {
    for administrator in administrators {
      let key = matter.proposalKey(administrator)
      if try ledger.contains(.value, key) { try ledger.remove(.value, key) }
    }
  }
}

extension Reader {
  /// What administrators propose on a matter, ascending by them.
  func proposals<Proposal: Canonical>(
    _ matter: Matter, _ engine: Engine
  ) throws(StorageFault) -> [(administrator: PublicKey, proposal: Proposal)] {
    var found: [(administrator: PublicKey, proposal: Proposal)] = []
    for administrator in administrators {
      guard let bytes = try engine.ledgerEntry(.value, matter.proposalKey(administrator)),
        let proposal = try? Proposal(canonicalBytes: bytes)
      else { continue }
      found.append((administrator, proposal))
    }
    return found
  }
}
