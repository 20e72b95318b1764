/// What a subnet starts from. The digest of its canonical bytes is the subnet's id.
package struct Genesis: Hashable, Canonical {
  package let name: String
  package let protocolVersion: UInt32
  /// Block time of height 0.
  package let time: Moment
  /// The members' keys in the order of their ids.
  package let members: [PublicKey]
  package let administrators: [PublicKey]
  /// Cycles minted at the start, ascending by key.
  package let accounts: [Account]
  /// The engines that replicas may execute with. Administrators accept others later.
  package let engines: [EngineFingerprint]

  package struct Account: Hashable, Canonical {
    package let owner: PublicKey
    package let balance: Cycles
    package init(owner: PublicKey, balance: Cycles) {
      self.owner = owner
      self.balance = balance
    }
    package func encode(into encoder: inout Encoder) {
      encoder.value(owner)
      encoder.value(balance)
    }
    package init(from decoder: inout Decoder) throws(Malformed) {
      owner = try decoder.value()
      balance = try decoder.value()
    }
  }

  package init(
    name: String, protocolVersion: UInt32, time: Moment, members: [PublicKey],
    administrators: [PublicKey], accounts: [Account], engines: [EngineFingerprint] = []
  ) {
    self.name = name
    self.protocolVersion = protocolVersion
    self.time = time
    self.members = members
    self.administrators = administrators
    self.accounts = accounts.sorted { $0.owner < $1.owner }
    self.engines = engines
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.integer(protocolVersion)
    encoder.value(time)
    encoder.list(members)
    encoder.list(administrators)
    encoder.list(accounts)
    encoder.list(engines)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.text(limit: Limits.nameBytesMax)
    protocolVersion = try decoder.integer()
    time = try decoder.value()
    members = try decoder.list(limit: Limits.membersMax)
    administrators = try decoder.list(limit: Limits.membersMax)
    accounts = try decoder.list(limit: Limits.digestsPerMessageMax)
    engines = try decoder.list(limit: Limits.enginesMax)
  }
}
