/// What a replica says of itself. Only `share` and `certificate` prove anything.
package struct ReplicaStatus: Hashable, Canonical {
  package var subnet: SubnetID
  package var replica: ReplicaID
  package var software: String
  /// The replica's own clock when it answered.
  package var clock: Moment
  package var epoch: Epoch
  package var view: View
  package var finalized: Height
  package var executed: Height
  /// Its newest own signature under a state.
  package var share: StateShare?
  /// The highest state certificate that it holds.
  package var certificate: StateCertificate?
  /// The heights at which it answers queries; nil while it serves none.
  package var oldestReadable: Height?
  package var connected: [ReplicaID]
  package var poolCalls: UInt32
  package var poolBytes: UInt64
  package var phase: Phase
  /// What it waits for, who is missing and why, as sentences. Empty when all is well.
  package var awaiting: [String]

  package enum Phase: UInt8, Hashable, Sendable {
    case serving, catchingUp, recovering, quarantined, halted, diskFull, stopping
    package var label: String {
      switch self {
      case .serving: "serving"
      case .catchingUp: "catching up"
      case .recovering: "recovering a lost log"
      case .quarantined: "quarantined: its state differs from the certified one"
      case .halted: "halted: no state reaches a quorum"
      case .diskFull: "refusing updates: its disk is full"
      case .stopping: "stopping"
      }
    }
  }

  package init(
    subnet: SubnetID, replica: ReplicaID, software: String, clock: Moment, epoch: Epoch,
    view: View, finalized: Height, executed: Height, share: StateShare?,
    certificate: StateCertificate?, oldestReadable: Height?, connected: [ReplicaID],
    poolCalls: UInt32, poolBytes: UInt64, phase: Phase, awaiting: [String]
  ) {
    self.subnet = subnet
    self.replica = replica
    self.software = software
    self.clock = clock
    self.epoch = epoch
    self.view = view
    self.finalized = finalized
    self.executed = executed
    self.share = share
    self.certificate = certificate
    self.oldestReadable = oldestReadable
    self.connected = connected
    self.poolCalls = poolCalls
    self.poolBytes = poolBytes
    self.phase = phase
    self.awaiting = awaiting
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.value(replica)
    encoder.text(software)
    encoder.value(clock)
    encoder.value(epoch)
    encoder.value(view)
    encoder.value(finalized)
    encoder.value(executed)
    encoder.optional(share)
    encoder.optional(certificate)
    encoder.optional(oldestReadable)
    encoder.list(connected)
    encoder.integer(poolCalls)
    encoder.integer(poolBytes)
    encoder.byte(phase.rawValue)
    encoder.length(awaiting.count)
    for sentence in awaiting { encoder.text(sentence) }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    subnet = try decoder.value()
    replica = try decoder.value()
    software = try decoder.text(limit: Limits.nameBytesMax)
    clock = try decoder.value()
    epoch = try decoder.value()
    view = try decoder.value()
    finalized = try decoder.value()
    executed = try decoder.value()
    share = try decoder.optional()
    certificate = try decoder.optional()
    oldestReadable = try decoder.optional()
    connected = try decoder.list(limit: Limits.membersMax)
    poolCalls = try decoder.integer()
    poolBytes = try decoder.integer()
    guard let phase = Phase(rawValue: try decoder.byte()) else {
      throw decoder.fault("an unknown phase")
    }
    self.phase = phase
    awaiting = []
    for _ in 0..<(try decoder.length(limit: Limits.membersMax)) {
      awaiting.append(try decoder.text(limit: Limits.textBytesMax))
    }
  }
}
