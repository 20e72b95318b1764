import Wire

/// A pipeline as it is deployed: contracts, models, procedures and queries, as plain values.
///
/// - Safety: equal packages have equal canonical bytes; every list that has no order of its own is
///   sorted by name, so the order of files on a disk does not show.
/// - Bound: every list and text has a limit in `PackageLimits`, checked when bytes are decoded.
package struct Package: Hashable, Canonical {
  /// The version of this encoding, `quorate: 1` in the manifest.
  package static let format: UInt32 = 1
  /// The one set of rules and functions that replicas know.
  package static let rules = "qsql-1"

  package var name: String
  package var version: String
  package var description: String
  /// `engine: { rules: … }`
  package var rules: String
  /// Ascending by name.
  package var vars: [Variable]
  package var defaults: Defaults
  package var budget: Budget
  /// Days of idle burn below which the pipeline freezes.
  package var freezingDays: UInt32
  /// Ascending by name, as are all lists below.
  package var sources: [Source]
  package var models: [Model]
  package var procedures: [Procedure]
  package var queries: [Query]
  package var seeds: [Seed]
  package var metrics: [Metric]
  /// What an upgrade to this package may take away: `orders`, `orders.day`. Nothing else that has
  /// rows goes silently.
  package var drops: [String]

  package init(
    name: String, version: String, description: String = "", rules: String = Package.rules,
    vars: [Variable] = [], defaults: Defaults = Defaults(), budget: Budget = Budget(),
    freezingDays: UInt32 = 30, sources: [Source] = [], models: [Model] = [],
    procedures: [Procedure] = [], queries: [Query] = [], seeds: [Seed] = [],
    metrics: [Metric] = [], drops: [String] = []
  ) {
    self.name = name
    self.version = version
    self.description = description
    self.rules = rules
    self.vars = vars.sorted { $0.name < $1.name }
    self.defaults = defaults
    self.budget = budget
    self.freezingDays = freezingDays
    self.sources = sources.sorted { $0.name < $1.name }
    self.models = models.sorted { $0.name < $1.name }
    self.procedures = procedures.sorted { $0.name < $1.name }
    self.queries = queries.sorted { $0.name < $1.name }
    self.seeds = seeds.sorted { $0.model < $1.model }
    self.metrics = metrics.sorted { $0.name < $1.name }
    self.drops = drops.sorted()
  }

  package func source(_ name: String) -> Source? { sources.first { $0.name == name } }
  package func model(_ name: String) -> Model? { models.first { $0.name == name } }
  package func procedure(_ name: String) -> Procedure? { procedures.first { $0.name == name } }
  package func query(_ name: String) -> Query? { queries.first { $0.name == name } }
  /// Every role that an `allow:` names, ascending.
  package var roles: [String] {
    let grants =
      sources.flatMap(\.allow) + procedures.flatMap(\.allow) + queries.flatMap(\.allow)
    let named = grants.compactMap { grant in
      if case .role(let role) = grant { role } else { nil }
    }
    return Set(named).sorted()
  }

  package func seed(of model: String) -> Seed? { seeds.first { $0.model == model } }

  package func encode(into encoder: inout Encoder) {
    encoder.integer(Self.format)
    encoder.text(name)
    encoder.text(version)
    encoder.text(description)
    encoder.text(rules)
    encoder.list(vars)
    encoder.value(defaults)
    encoder.value(budget)
    encoder.integer(freezingDays)
    encoder.list(sources)
    encoder.list(models)
    encoder.list(procedures)
    encoder.list(queries)
    encoder.list(seeds)
    encoder.list(metrics)
    encoder.texts(drops)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    let format: UInt32 = try decoder.integer()
    guard format == Self.format else {
      throw decoder.fault("a package of format \(format); this version reads \(Self.format)")
    }
    name = try decoder.name()
    version = try decoder.name()
    description = try decoder.prose()
    rules = try decoder.name()
    vars = try decoder.list(limit: PackageLimits.variablesMax)
    defaults = try decoder.value()
    budget = try decoder.value()
    freezingDays = try decoder.integer()
    sources = try decoder.list(limit: PackageLimits.sourcesMax)
    models = try decoder.list(limit: PackageLimits.modelsMax)
    procedures = try decoder.list(limit: PackageLimits.proceduresMax)
    queries = try decoder.list(limit: PackageLimits.queriesMax)
    seeds = try decoder.list(limit: PackageLimits.modelsMax)
    metrics = try decoder.list(limit: PackageLimits.metricsMax)
    drops = try decoder.texts(
      limit: PackageLimits.dropsMax, bytes: 2 * Limits.nameBytesMax + 1)
    guard Self.ascends(vars.map(\.name)), Self.ascends(sources.map(\.name)),
      Self.ascends(models.map(\.name)), Self.ascends(procedures.map(\.name)),
      Self.ascends(queries.map(\.name)), Self.ascends(seeds.map(\.model)),
      Self.ascends(metrics.map(\.name)), Self.ascends(drops)
    else { throw decoder.fault("the names of a package do not ascend") }
  }

  private static func ascends(_ names: [String]) -> Bool {
    zip(names, names.dropFirst()).allSatisfy { $0 < $1 }
  }
}

/// A literal of a package: what `{{ var('name') }}` stands for.
package enum Literal: Hashable, Canonical {
  case integer(Int64)
  case text(String)

  package func encode(into encoder: inout Encoder) {
    switch self {
    case .integer(let value):
      encoder.variant(0)
      encoder.integer(value)
    case .text(let value):
      encoder.variant(1)
      encoder.text(value)
    }
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    self =
      try decoder.variant(count: 2) == 0
      ? .integer(try decoder.integer()) : .text(try decoder.prose())
  }
}

package struct Variable: Hashable, Canonical {
  package var name: String
  package var value: Literal

  package init(name: String, value: Literal) {
    self.name = name
    self.value = value
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.value(value)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.name()
    value = try decoder.value()
  }
}

/// Limits on batches, and how long a receipt answers a replay.
package struct Defaults: Hashable, Canonical {
  /// Milliseconds of block time.
  package var idempotencyRetention: UInt64 = 90 * 86_400_000
  package var batchRowsMax: UInt32 = 10_000
  package var batchBytesMax: UInt32 = 1 << 20
  /// Bytes of one text, bytes or json value.
  package var stringBytesMax: UInt32 = 64 << 10

  package init() {}

  package func encode(into encoder: inout Encoder) {
    encoder.integer(idempotencyRetention)
    encoder.integer(batchRowsMax)
    encoder.integer(batchBytesMax)
    encoder.integer(stringBytesMax)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    idempotencyRetention = try decoder.integer()
    batchRowsMax = try decoder.integer()
    batchBytesMax = try decoder.integer()
    stringBytesMax = try decoder.integer()
  }
}

/// What one update may use at most, and what callers may burn of the pipeline's cycles on one day
/// of block time (UTC). The owner has no such bound.
package struct Budget: Hashable, Canonical {
  package var stepsPerUpdate: UInt64 = 50_000_000
  package var rowsWrittenPerUpdate: UInt64 = 100_000
  /// `caller_budget`: each caller whose key or role is granted.
  package var callerDaily: Cycles = 1_000_000_000_000
  /// `public_budget`: all together who are let in by `allow: [public]` alone; 0 lets none in.
  package var publicDaily: Cycles = 0

  package init() {}

  package func encode(into encoder: inout Encoder) {
    encoder.integer(stepsPerUpdate)
    encoder.integer(rowsWrittenPerUpdate)
    encoder.value(callerDaily)
    encoder.value(publicDaily)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    stepsPerUpdate = try decoder.integer()
    rowsWrittenPerUpdate = try decoder.integer()
    callerDaily = try decoder.value()
    publicDaily = try decoder.value()
  }
}

/// Who may call. An empty list of grants means the owner alone; the owner always may.
package enum Grant: Hashable, Canonical, CustomStringConvertible {
  case anyone
  case role(String)
  case key(PublicKey)

  package var description: String {
    switch self {
    case .anyone: "public"
    case .role(let name): "role:\(name)"
    case .key(let key): "key:\(key.hex)"
    }
  }

  package func encode(into encoder: inout Encoder) {
    switch self {
    case .anyone: encoder.variant(0)
    case .role(let name):
      encoder.variant(1)
      encoder.text(name)
    case .key(let key):
      encoder.variant(2)
      encoder.value(key)
    }
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    switch try decoder.variant(count: 3) {
    case 0: self = .anyone
    case 1: self = .role(try decoder.name())
    default: self = .key(try decoder.value())
    }
  }
}

/// SQL as its author wrote it, tokens and all, and where it begins. Replicas parse it again.
package struct SQLScript: Hashable, Canonical {
  package var text: String
  /// Within the package's folder: `models/gold/x.sql`, or the YAML file for inline SQL.
  package var file: String
  /// The line and column of its first character, from 1.
  package var line: UInt32
  package var column: UInt32

  package init(_ text: String, file: String, line: UInt32 = 1, column: UInt32 = 1) {
    self.text = text
    self.file = file
    self.line = line
    self.column = column
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(text)
    encoder.text(file)
    encoder.integer(line)
    encoder.integer(column)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    text = try decoder.text(limit: PackageLimits.sqlBytesMax)
    file = try decoder.text(limit: PackageLimits.pathBytesMax)
    line = try decoder.integer()
    column = try decoder.integer()
  }
}
