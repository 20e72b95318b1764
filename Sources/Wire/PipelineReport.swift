/// What a pipeline holds, burns and lets in, as one replica sees it at one height. Unproven, as the
/// catalog is: for finding one's way, not for decisions.
package struct PipelineReport: Hashable, Canonical {
  package var pipeline: String
  package var height: Height
  /// Block time of the height; storage is charged up to here.
  package var time: Moment
  package var condition: Condition
  package var balance: Cycles
  package var reserved: Cycles
  /// Since the pipeline came into being; the sum of `burns`.
  package var burned: Cycles
  /// On the days of block time (UTC) of this height, and on the one before.
  package var burnedToday: Cycles
  package var burnedYesterday: Cycles
  /// Logical bytes, and what a day of them costs.
  package var storedBytes: UInt64
  package var storageDaily: Cycles
  /// Below this balance updates are refused.
  package var freezesBelow: Cycles
  /// Ascending by kind and name.
  package var burns: [BurnLine]
  /// Ascending by role and key.
  package var grants: [RoleGrant]
  /// Cycles a day for each named caller, and for all others together.
  package var callerBudget: Cycles
  package var publicBudget: Cycles
  /// What callers have burned of their budgets today, ascending by key.
  package var spending: [CallerSpending]
  /// What became of the rows of each source, ascending by source.
  package var counts: [SourceCounts]

  package enum Condition: UInt8, Hashable, Sendable {
    case running, frozen, archived
    package var label: String {
      switch self {
      case .running: "running"
      case .frozen: "frozen"
      case .archived: "archived"
      }
    }
  }

  package init(
    pipeline: String, height: Height, time: Moment, condition: Condition, balance: Cycles,
    reserved: Cycles, burned: Cycles, burnedToday: Cycles, burnedYesterday: Cycles,
    storedBytes: UInt64, storageDaily: Cycles, freezesBelow: Cycles, burns: [BurnLine],
    grants: [RoleGrant], callerBudget: Cycles, publicBudget: Cycles, spending: [CallerSpending],
    counts: [SourceCounts] = []
  ) {
    self.pipeline = pipeline
    self.height = height
    self.time = time
    self.condition = condition
    self.balance = balance
    self.reserved = reserved
    self.burned = burned
    self.burnedToday = burnedToday
    self.burnedYesterday = burnedYesterday
    self.storedBytes = storedBytes
    self.storageDaily = storageDaily
    self.freezesBelow = freezesBelow
    self.burns = burns
    self.grants = grants
    self.callerBudget = callerBudget
    self.publicBudget = publicBudget
    self.spending = spending
    self.counts = counts
  }

  /// Whole days until the pipeline freezes when it burns so much a day; nil when it never does.
  package func daysToFreeze(burning daily: Cycles) -> UInt64? {
    daily > 0 ? balance.above(freezesBelow) / daily.number : nil
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(pipeline)
    encoder.value(height)
    encoder.value(time)
    encoder.byte(condition.rawValue)
    for cycles in [balance, reserved, burned, burnedToday, burnedYesterday] {
      encoder.value(cycles)
    }
    encoder.integer(storedBytes)
    encoder.value(storageDaily)
    encoder.value(freezesBelow)
    encoder.list(burns)
    encoder.list(grants)
    encoder.value(callerBudget)
    encoder.value(publicBudget)
    encoder.list(spending)
    encoder.list(counts)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    pipeline = try decoder.text(limit: Limits.nameBytesMax)
    height = try decoder.value()
    time = try decoder.value()
    guard let condition = Condition(rawValue: try decoder.byte()) else {
      throw decoder.fault("an unknown condition")
    }
    self.condition = condition
    balance = try decoder.value()
    reserved = try decoder.value()
    burned = try decoder.value()
    burnedToday = try decoder.value()
    burnedYesterday = try decoder.value()
    storedBytes = try decoder.integer()
    storageDaily = try decoder.value()
    freezesBelow = try decoder.value()
    burns = try decoder.list(limit: Limits.digestsPerMessageMax)
    grants = try decoder.list(limit: Limits.digestsPerMessageMax)
    callerBudget = try decoder.value()
    publicBudget = try decoder.value()
    spending = try decoder.list(limit: Limits.digestsPerMessageMax)
    counts = try decoder.list(limit: Limits.digestsPerMessageMax)
  }
}

/// Cycles that one thing of a pipeline has burned since the pipeline came into being.
package struct BurnLine: Hashable, Canonical {
  package var kind: Kind
  /// Of the source, procedure or model; empty for the other kinds.
  package var name: String
  package var cycles: Cycles

  /// What a model burns is told apart from the source or procedure whose update computed it.
  package enum Kind: UInt8, Hashable, Comparable, Sendable {
    case source, procedure, model, storage, roles
    /// What an upgrade took out of the package.
    case former

    package static func < (a: Kind, b: Kind) -> Bool { a.rawValue < b.rawValue }
    package var label: String {
      switch self {
      case .source: "source"
      case .procedure: "procedure"
      case .model: "model"
      case .storage: "storage"
      case .roles: "roles"
      case .former: "former"
      }
    }
  }

  package init(kind: Kind, name: String, cycles: Cycles) {
    self.kind = kind
    self.name = name
    self.cycles = cycles
  }

  package func encode(into encoder: inout Encoder) {
    encoder.byte(kind.rawValue)
    encoder.text(name)
    encoder.value(cycles)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    guard let kind = Kind(rawValue: try decoder.byte()) else {
      throw decoder.fault("an unknown kind of burn")
    }
    self.kind = kind
    name = try decoder.text(limit: Limits.nameBytesMax)
    cycles = try decoder.value()
  }
}

/// A role that a key holds.
package struct RoleGrant: Hashable, Canonical {
  package var role: String
  package var key: PublicKey

  package init(role: String, key: PublicKey) {
    self.role = role
    self.key = key
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(role)
    encoder.value(key)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    role = try decoder.text(limit: Limits.nameBytesMax)
    key = try decoder.value()
  }
}

/// What one caller has burned of a pipeline's cycles on one day.
package struct CallerSpending: Hashable, Canonical {
  /// nil for all whom nothing but `allow: [public]` lets in.
  package var caller: PublicKey?
  package var cycles: Cycles

  package init(caller: PublicKey?, cycles: Cycles) {
    self.caller = caller
    self.cycles = cycles
  }
  package func encode(into encoder: inout Encoder) {
    encoder.optional(caller)
    encoder.value(cycles)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    caller = try decoder.optional()
    cycles = try decoder.value()
  }
}
