/// The type of a column or an expression, as contracts name it.
package enum SQLType: Sendable, Hashable, CustomStringConvertible {
  case text
  case integer
  /// Stored as an integer scaled by 10^scale.
  case decimal(precision: Int, scale: Int)
  /// Stored as the number of days since 1970-01-01.
  case date
  /// Stored as milliseconds since 1970-01-01T00:00:00Z.
  case timestamp
  case bool
  case uuid
  case bytes
  case json
  /// Only ever inferred, and refused wherever replicas must agree.
  case real
  /// The type of a NULL literal.
  case null
  /// A value out of JSON, whose type only the row knows.
  case unknown

  package var description: String {
    switch self {
    case .text: "text"
    case .integer: "int"
    case .decimal(let precision, let scale): "decimal(\(precision),\(scale))"
    case .date: "date"
    case .timestamp: "timestamp"
    case .bool: "bool"
    case .uuid: "uuid"
    case .bytes: "bytes"
    case .json: "json"
    case .real: "real"
    case .null: "null"
    case .unknown: "unknown"
    }
  }

  /// What SQLite stores for a type: two values compare by value only inside one family.
  package enum Family: Sendable, Hashable { case integer, text, blob, real, none }

  package var family: Family {
    switch self {
    case .integer, .decimal, .date, .timestamp, .bool: .integer
    case .text, .uuid, .json: .text
    case .bytes: .blob
    case .real: .real
    case .null, .unknown: .none
    }
  }
}

package struct ColumnShape: Sendable, Hashable {
  package let name: String
  package let type: SQLType
  package let nullable: Bool
  package let pii: Bool

  package init(name: String, type: SQLType, nullable: Bool = false, pii: Bool = false) {
    self.name = name
    self.type = type
    self.nullable = nullable
    self.pii = pii
  }
}

/// A table or view of the pipeline as SQLite knows it.
package struct TableShape: Sendable, Hashable {
  /// The physical name.
  package let name: String
  package let columns: [ColumnShape]
  /// Unique keys by column name, the primary key first; an empty key says at most one row.
  package let keys: [[String]]
  /// Columns that SQLite knows beside these, withheld from whoever wrote the statement.
  package let hidden: [String]

  package init(
    name: String, columns: [ColumnShape], keys: [[String]], hidden: [String] = []
  ) {
    self.name = name
    self.columns = columns
    self.keys = keys
    self.hidden = hidden
  }
}

extension SQLType {
  /// Equal values of both are the same value, so that one determines the other.
  func isComparable(with other: SQLType) -> Bool {
    family == other.family && family != .none && family != .real
  }
}

/// The tables that a statement may name, and the ones that exist but that it may not read.
package struct Catalog: Sendable {
  package enum Kind: Sendable, Hashable { case ref, source }

  package struct Entry: Sendable {
    package let kind: Kind
    /// The name inside of `ref('…')` or `source('…')`.
    package let name: String
    package let shape: TableShape
    /// Why this statement may not read it, as in "gold never reads bronze"; nil when it may.
    package let hiddenBecause: String?

    package init(kind: Kind, name: String, shape: TableShape, hiddenBecause: String? = nil) {
      self.kind = kind
      self.name = name
      self.shape = shape
      self.hiddenBecause = hiddenBecause
    }
  }

  package let entries: [Entry]
  /// What `{{ changed }}` stands for; nil where there is no such thing.
  package let changed: TableShape?
  /// Models of the pipeline that are not among the entries, for advice alone.
  let others: [String]

  package init(_ entries: [Entry], changed: TableShape? = nil, others: [String] = []) {
    self.entries = entries
    self.changed = changed
    self.others = others
  }

  func entry(_ kind: Kind, _ name: String) -> Entry? {
    entries.first { $0.kind == kind && $0.name == name }
  }

  /// By the name of a model first, then of a source, then by physical name.
  func entry(plain name: String) -> Entry? {
    entries.first { $0.kind == .ref && $0.name.names(name) }
      ?? entries.first { $0.kind == .source && $0.name.names(name) }
      ?? entries.first { $0.shape.name.names(name) }
  }

  /// True when SQLite would take the name for a table of the catalog.
  func owns(_ name: String) -> Bool {
    entries.contains { $0.shape.name.names(name) } || changed?.name.names(name) == true
  }
}

/// Who runs a statement, and so what it may say.
package enum Profile: Sendable, Hashable {
  /// The SELECT of a model or a metric.
  case model
  /// The SELECT of a procedure.
  case procedure
  /// A named query; quorum reads may ask it.
  case query
  /// A query typed by a person: plain table names, REAL free (then only a single replica answers).
  case adhoc
  /// One boolean expression over the columns of one source.
  case expectation
  /// A SELECT of a test.
  case test

  var allowsReal: Bool { self == .adhoc }
  var allowsPlainNames: Bool { self == .adhoc }
  var allowsFormatting: Bool { self == .adhoc || self == .query }
}
