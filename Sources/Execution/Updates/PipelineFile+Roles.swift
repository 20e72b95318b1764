import Pipelines
import Signing
import Storage
import Wire

extension RoleGrant {
  /// The key of its entry in `Ledger.Part.role`.
  var entry: [UInt8] { Array(role.utf8) + [0] + key.bytes }

  /// - Returns: nil for bytes that are no such key.
  init?(entry: [UInt8]) {
    guard let end = entry.firstIndex(of: 0), let key = PublicKey(entry[(end + 1)...]) else {
      return nil
    }
    self.init(role: String(decoding: entry[..<end], as: UTF8.self), key: key)
  }
}

extension PipelineFile {
  /// Gives a role to a key, or takes it back. The owner's alone; the pipeline pays as for an
  /// update.
  func changeRole(
    _ call: OrderedCall, _ grant: RoleGrant, isGrant: Bool, _ block: BlockContext
  ) throws(Stop) -> Receipt {
    guard let owner, call.call.sender == owner else {
      return try record(call, block, refused: Self.notOwner(name))
    }
    guard !call.call.idempotencyKey.isEmpty else {
      return try record(call, block, refused: IdempotencyEntry.missing)
    }
    let allowance = try machine { () throws(StorageFault) in
      try self.allowance(.owner, in: block)
    }
    if let receipt = try answered(call, block, allowance) { return receipt }
    if let refusal = try refusal(of: grant, isGrant: isGrant) {
      let ingress = prices.ingress(bytes: UInt64(call.body.count))
      return try bill(call, block, .refused(refusal), ingress, allowance)
    }
    var usage = Usage()
    usage.ingressBytes = UInt64(call.body.count)
    usage.receiptBytes = UInt64(
      call.receipt(block, .applied, usage: usage).canonicalBytes.count)
    let cost = prices.update(usage)
    if let refusal = unaffordable(cost, allowance, in: block) {
      return try record(call, block, refused: refusal)
    }
    try machine { () throws(StorageFault) in
      if isGrant {
        try ledger.put(.role, grant.entry, [1])
      } else {
        try ledger.remove(.role, grant.entry)
      }
    }
    try remember(call, block)
    let charged = account.charge(cost, by: call.call.method)
    return try record(
      call, block, call.receipt(block, .applied, usage: usage, charged: charged),
      forgetAt: block.time.advanced(by: deployed?.package.defaults.idempotencyRetention ?? 0))
  }

  static func notOwner(_ name: String) -> Refusal {
    Refusal(
      "NOT_OWNER",
      "only the owner of \(name) grants and revokes roles: sign with its key, as "
        + "`quorate pipeline show \(name)` names it")
  }

  /// Why a role cannot be given or taken; nil when it can.
  private func refusal(of grant: RoleGrant, isGrant: Bool) throws(Stop) -> Refusal? {
    let (isHeld, count) = try machine { () throws(StorageFault) in
      (try ledger.contains(.role, grant.entry), try ledger.count(.role))
    }
    guard isGrant else {
      guard !isHeld else { return nil }
      return Refusal(
        "NOT_GRANTED",
        "the key \(grant.key.hex) does not hold the role \(grant.role) of \(name), so nothing is "
          + "taken from it: `quorate pipeline show \(name)` lists who holds what")
    }
    if let package = deployed?.package, let refusal = package.unknownRole(grant.role) {
      return refusal
    }
    guard isHeld || count < ExecutionLimits.grantsMax else {
      return Refusal(
        "TOO_MANY_GRANTS",
        "\(name) has \(count) grants, which is as many as a pipeline may have: revoke some, or let "
          + "one key call for several people")
    }
    return nil
  }
}

extension Package {
  /// Why a role cannot be granted; nil when the package names it.
  func unknownRole(_ role: String) -> Refusal? {
    guard !roles.contains(role) else { return nil }
    return Refusal(
      "UNKNOWN_ROLE",
      "\(name) has no role \(role.cut(to: Limits.nameBytesMax)): a role is what stands as "
        + "role:NAME in an allow: of its package, which has \(Deployment.listed(roles))"
        + Spelling.hint(role, among: roles))
  }
}

extension Grant {
  /// Where a role may be named that is to allow what any role allows.
  static let anyAllow = "the `allow:` of a source, procedure or query"
}

extension Refusal {
  /// Why a caller may not do something, who may, and how it comes to be one of them.
  ///
  /// - Parameter allow: where the package says who may; nil for what is the owner's alone.
  static func notAllowed(
    _ caller: PublicKey?, _ what: String, of pipeline: String, _ grants: [Grant],
    in allow: String? = "its `allow:`"
  ) -> Refusal {
    let roles = grants.compactMap { if case .role(let role) = $0 { role } else { nil } }
    let key = caller?.hex ?? "KEY"
    var words = "\(caller.map { "the key \($0)" } ?? "an unsigned call") may not \(what): "
    if let only = roles.first {
      let listed = roles.prefix(8).joined(separator: ", ") + (roles.count > 8 ? ", …" : "")
      words += "its owner may, and who holds a role that allows it (\(listed)). Its owner gives it "
      words += "by: quorate pipeline grant \(pipeline) \(roles.count == 1 ? only : "ROLE") \(key)"
    } else if let allow {
      words += "\(pipeline) has no role that allows it, so its owner may"
      words += grants.isEmpty ? " alone" : ", and the keys that the package names"
      words +=
        ". To make a role, the owner writes [role:NAME] into \(allow), deploys it, and gives "
      words += "it by: quorate pipeline grant \(pipeline) NAME \(key)"
    } else {
      words += "only its owner may: sign with the owner's key"
    }
    return Refusal("NOT_ALLOWED", words)
  }
}
