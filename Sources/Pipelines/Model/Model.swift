import Wire

/// One table or view that the engine derives.
package struct Model: Hashable, Canonical {
  package var name: String
  package var description: String
  package var layer: Layer
  package var kind: Kind
  /// Empty for views; of a seed: its first column unless declared.
  package var primaryKey: [String]
  /// As declared; empty where the checker infers them from the query or the seed.
  package var columns: [ModelColumn]
  package var refresh: Refresh?
  /// nil for seeds.
  package var sql: SQLScript?
  package var tests: [ModelTest]
  /// Rows of this table get Merkle proofs to clients.
  package var certified: Bool
  /// Of a snapshot: the column that says since when a row is as it is; nil: block time does.
  package var updatedAt: String?

  /// How far from the sources a model is. A model reads its own layer or the one below.
  package enum Layer: String, CanonicalCase, Comparable {
    case bronze
    case silver
    case gold

    package static let allCases: [Layer] = [.bronze, .silver, .gold]
    package static func < (a: Layer, b: Layer) -> Bool { a.rank < b.rank }
    private var rank: Int { self == .bronze ? 0 : self == .silver ? 1 : 2 }
  }

  package enum Kind: String, CanonicalCase {
    /// Never stored.
    case view
    /// Computed whole after every update that changes an upstream; differences are written.
    case full
    /// Computed for the keys that an update touches.
    case incremental
    /// The rows of a CSV file of the package.
    case seed
    /// Every version that the rows of its SELECT ever had, with `valid_from` and `valid_to`
    /// (a slowly changing dimension of type 2). Its history cannot be computed again.
    case snapshot

    package static let allCases: [Kind] = [.view, .full, .incremental, .seed, .snapshot]
  }

  package init(
    name: String, description: String = "", layer: Layer, kind: Kind, primaryKey: [String] = [],
    columns: [ModelColumn] = [], refresh: Refresh? = nil, sql: SQLScript?,
    tests: [ModelTest] = [], certified: Bool = false, updatedAt: String? = nil
  ) {
    self.name = name
    self.description = description
    self.layer = layer
    self.kind = kind
    self.primaryKey = primaryKey
    self.columns = columns
    self.refresh = refresh
    self.sql = sql
    self.tests = tests
    self.certified = certified
    self.updatedAt = updatedAt
  }

  /// The columns that the engine adds to a snapshot: since when a version is the current one, and
  /// until when; null while it is.
  package static let validFrom = "valid_from"
  package static let validTo = "valid_to"

  /// Whether the engine keeps a table for it.
  package var isStored: Bool { kind != .view }

  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.text(description)
    encoder.value(layer)
    encoder.value(kind)
    encoder.texts(primaryKey)
    encoder.list(columns)
    encoder.optional(refresh)
    encoder.optional(sql)
    encoder.list(tests)
    encoder.flag(certified)
    encoder.optionalText(updatedAt)
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.name()
    description = try decoder.prose()
    layer = try decoder.value()
    kind = try decoder.value()
    primaryKey = try decoder.names(limit: PackageLimits.keyColumnsMax)
    columns = try decoder.list(limit: PackageLimits.columnsMax)
    refresh = try decoder.optional()
    sql = try decoder.optional()
    tests = try decoder.list(limit: PackageLimits.testsMax)
    certified = try decoder.flag()
    updatedAt = try decoder.optionalText(limit: Limits.nameBytesMax)
  }
}

/// One column of a stored model, a view, or the rows that a query returns.
package struct ModelColumn: Hashable, Canonical {
  package var name: String
  package var type: ColumnType
  package var nullable: Bool
  package var pii: Sensitivity?

  package init(name: String, type: ColumnType, nullable: Bool = false, pii: Sensitivity? = nil) {
    self.name = name
    self.type = type
    self.nullable = nullable
    self.pii = pii
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.value(type)
    encoder.flag(nullable)
    encoder.optional(pii)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.name()
    type = try decoder.value()
    nullable = try decoder.flag()
    pii = try decoder.optional()
  }
}

/// How an incremental model finds and computes the keys that an update touches.
package struct Refresh: Hashable, Canonical {
  /// Columns of the model's output; a value of all of them is a key.
  package var by: [String]
  /// For an upstream without the key columns: the keys that its changed rows, `{{ changed }}`,
  /// map to. Ascending by upstream.
  package var map: [UpstreamQuery]
  /// For an upstream without the key columns: the rows of it that one key needs, with the key
  /// columns as arguments. Without it the upstream is read whole. Ascending by upstream.
  package var scope: [UpstreamQuery]
  /// Above this share of changed keys, in parts per million of the stored keys, all rows are
  /// computed again.
  package var fullRatio: UInt32

  package static let fullRatioStandard: UInt32 = 200_000

  package init(
    by: [String], map: [UpstreamQuery] = [], scope: [UpstreamQuery] = [],
    fullRatio: UInt32 = Refresh.fullRatioStandard
  ) {
    self.by = by
    self.map = map.sorted { $0.upstream < $1.upstream }
    self.scope = scope.sorted { $0.upstream < $1.upstream }
    self.fullRatio = fullRatio
  }
  package func encode(into encoder: inout Encoder) {
    encoder.texts(by)
    encoder.list(map)
    encoder.list(scope)
    encoder.integer(fullRatio)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    by = try decoder.names(limit: PackageLimits.keyColumnsMax)
    map = try decoder.list(limit: PackageLimits.refreshMapsMax)
    scope = try decoder.list(limit: PackageLimits.refreshMapsMax)
    fullRatio = try decoder.integer()
  }
}

/// A SELECT that belongs to one upstream of a model: a model's or a source's name.
package struct UpstreamQuery: Hashable, Canonical {
  package var upstream: String
  package var sql: SQLScript

  package init(upstream: String, sql: SQLScript) {
    self.upstream = upstream
    self.sql = sql
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(upstream)
    encoder.value(sql)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    upstream = try decoder.name()
    sql = try decoder.value()
  }
}

/// The rows of a seed model: a CSV file with a header line, comma-separated.
package struct Seed: Hashable, Canonical {
  /// The model's name.
  package var model: String
  package var file: String
  package var csv: [UInt8]

  package init(model: String, file: String, csv: [UInt8]) {
    self.model = model
    self.file = file
    self.csv = csv
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(model)
    encoder.text(file)
    encoder.blob(csv)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    model = try decoder.name()
    file = try decoder.text(limit: PackageLimits.pathBytesMax)
    csv = try decoder.blob(limit: PackageLimits.seedBytesMax)
  }
}
