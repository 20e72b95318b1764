/// What is deployed on a subnet, as one replica sees it at one height. Unproven: for finding one's
/// way, not for decisions.
package struct Catalog: Hashable, Canonical {
  package var height: Height
  /// Sorted by name.
  package var pipelines: [CatalogPipeline]

  package init(height: Height, pipelines: [CatalogPipeline]) {
    self.height = height
    self.pipelines = pipelines
  }
  package func encode(into encoder: inout Encoder) {
    encoder.value(height)
    encoder.list(pipelines)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    height = try decoder.value()
    pipelines = try decoder.list(limit: Limits.digestsPerMessageMax)
  }
}

package struct CatalogPipeline: Hashable, Canonical {
  package var name: String
  package var version: String
  package var about: String
  package var owner: PublicKey
  /// Names the package's canonical bytes.
  package var package: Digest
  package var balance: Cycles
  /// Below this balance updates are refused.
  package var freezesBelow: Cycles
  package var condition: PipelineReport.Condition
  /// The root of its tables: unchanged by what changes no row.
  package var root: Digest
  package var sources: [CatalogEntry]
  package var procedures: [CatalogEntry]
  package var queries: [CatalogEntry]
  package var tables: [CatalogTable]
  /// How far each source has come, ascending by name.
  package var progress: [SourceProgress]
  /// Numbers that operators watch, each with one field: its unit, or `number`.
  package var metrics: [CatalogEntry]

  package init(
    name: String, version: String, about: String, owner: PublicKey, package: Digest,
    balance: Cycles, freezesBelow: Cycles, condition: PipelineReport.Condition,
    root: Digest = .zero,
    sources: [CatalogEntry], procedures: [CatalogEntry], queries: [CatalogEntry],
    tables: [CatalogTable], progress: [SourceProgress] = [], metrics: [CatalogEntry] = []
  ) {
    self.name = name
    self.version = version
    self.about = about
    self.owner = owner
    self.package = package
    self.balance = balance
    self.freezesBelow = freezesBelow
    self.condition = condition
    self.root = root
    self.sources = sources
    self.procedures = procedures
    self.queries = queries
    self.tables = tables
    self.progress = progress
    self.metrics = metrics
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.text(version)
    encoder.text(about)
    encoder.value(owner)
    encoder.value(package)
    encoder.value(balance)
    encoder.value(freezesBelow)
    encoder.byte(condition.rawValue)
    encoder.value(root)
    encoder.list(sources)
    encoder.list(procedures)
    encoder.list(queries)
    encoder.list(tables)
    encoder.list(progress)
    encoder.list(metrics)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.text(limit: Limits.nameBytesMax)
    version = try decoder.text(limit: Limits.nameBytesMax)
    about = try decoder.text(limit: Limits.textBytesMax)
    owner = try decoder.value()
    package = try decoder.value()
    balance = try decoder.value()
    freezesBelow = try decoder.value()
    guard let condition = PipelineReport.Condition(rawValue: try decoder.byte()) else {
      throw decoder.fault("an unknown condition")
    }
    self.condition = condition
    root = try decoder.value()
    sources = try decoder.list(limit: Limits.digestsPerMessageMax)
    procedures = try decoder.list(limit: Limits.digestsPerMessageMax)
    queries = try decoder.list(limit: Limits.digestsPerMessageMax)
    tables = try decoder.list(limit: Limits.digestsPerMessageMax)
    progress = try decoder.list(limit: Limits.digestsPerMessageMax)
    metrics = try decoder.list(limit: Limits.digestsPerMessageMax)
  }
}

/// A source, procedure or query: its name, who may use it, its columns or arguments.
package struct CatalogEntry: Hashable, Canonical {
  package var name: String
  package var about: String
  /// `public`, `role:operations`, a key; empty for the owner alone.
  package var allow: [String]
  package var fields: [CatalogField]

  package init(name: String, about: String, allow: [String], fields: [CatalogField]) {
    self.name = name
    self.about = about
    self.allow = allow
    self.fields = fields
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.text(about)
    encoder.length(allow.count)
    for who in allow { encoder.text(who) }
    encoder.list(fields)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.text(limit: Limits.nameBytesMax)
    about = try decoder.text(limit: Limits.textBytesMax)
    allow = []
    for _ in 0..<(try decoder.length(limit: Limits.membersMax)) {
      allow.append(try decoder.text(limit: Limits.idempotencyKeyBytesMax))
    }
    fields = try decoder.list(limit: Limits.digestsPerMessageMax)
  }
}

/// A column or an argument with its type as the package writes it: `decimal(18,2)`.
package struct CatalogField: Hashable, Canonical {
  package var name: String
  package var type: String

  package init(name: String, type: String) {
    self.name = name
    self.type = type
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.text(type)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.text(limit: Limits.nameBytesMax)
    type = try decoder.text(limit: Limits.nameBytesMax)
  }
}

package struct CatalogTable: Hashable, Canonical {
  package var name: String
  /// `bronze`, `silver`, `gold`.
  package var layer: String
  /// Whether its rows come with proofs.
  package var isCertified: Bool
  package var columns: [CatalogField]
  /// Names of the primary key's columns, in its order.
  package var key: [String]

  package init(
    name: String, layer: String, isCertified: Bool, columns: [CatalogField], key: [String]
  ) {
    self.name = name
    self.layer = layer
    self.isCertified = isCertified
    self.columns = columns
    self.key = key
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.text(layer)
    encoder.flag(isCertified)
    encoder.list(columns)
    encoder.length(key.count)
    for column in key { encoder.text(column) }
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.text(limit: Limits.nameBytesMax)
    layer = try decoder.text(limit: Limits.nameBytesMax)
    isCertified = try decoder.flag()
    columns = try decoder.list(limit: Limits.digestsPerMessageMax)
    key = []
    for _ in 0..<(try decoder.length(limit: Limits.membersMax)) {
      key.append(try decoder.text(limit: Limits.nameBytesMax))
    }
  }
}
