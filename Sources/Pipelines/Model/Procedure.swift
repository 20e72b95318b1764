import Wire

/// A named update: its SELECT's rows are ingested into a source, under the same contract.
package struct Procedure: Hashable, Canonical {
  package var name: String
  package var description: String
  /// In the order of the package.
  package var args: [Argument]
  package var allow: [Grant]
  /// The source that takes the rows.
  package var emit: String
  package var sql: SQLScript

  package init(
    name: String, description: String = "", args: [Argument], allow: [Grant] = [], emit: String,
    sql: SQLScript
  ) {
    self.name = name
    self.description = description
    self.args = args
    self.allow = allow
    self.emit = emit
    self.sql = sql
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.text(description)
    encoder.list(args)
    encoder.list(allow)
    encoder.text(emit)
    encoder.value(sql)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.name()
    description = try decoder.prose()
    args = try decoder.list(limit: PackageLimits.argumentsMax)
    allow = try decoder.list(limit: PackageLimits.grantsMax)
    emit = try decoder.name()
    sql = try decoder.value()
  }
}

/// A named, typed argument, `:name` in the SQL. Values come as a batch would spell them.
package struct Argument: Hashable, Canonical {
  package var name: String
  package var type: ColumnType

  package init(name: String, type: ColumnType) {
    self.name = name
    self.type = type
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.value(type)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.name()
    type = try decoder.value()
  }
}

/// A named read.
package struct Query: Hashable, Canonical {
  package var name: String
  package var description: String
  package var args: [Argument]
  package var allow: [Grant]
  package var rowsMax: UInt32
  /// Names and types of the columns, which say how values are written; empty where the checker
  /// infers them.
  package var returns: [ModelColumn]
  package var sql: SQLScript

  package static let rowsStandard: UInt32 = 1_000

  package init(
    name: String, description: String = "", args: [Argument] = [], allow: [Grant] = [],
    rowsMax: UInt32 = Query.rowsStandard, returns: [ModelColumn] = [], sql: SQLScript
  ) {
    self.name = name
    self.description = description
    self.args = args
    self.allow = allow
    self.rowsMax = rowsMax
    self.returns = returns
    self.sql = sql
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.text(description)
    encoder.list(args)
    encoder.list(allow)
    encoder.integer(rowsMax)
    encoder.list(returns)
    encoder.value(sql)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.name()
    description = try decoder.prose()
    args = try decoder.list(limit: PackageLimits.argumentsMax)
    allow = try decoder.list(limit: PackageLimits.grantsMax)
    rowsMax = try decoder.integer()
    returns = try decoder.list(limit: PackageLimits.columnsMax)
    sql = try decoder.value()
  }
}

/// A number that operators watch, computed by a query of one row and one column.
package struct Metric: Hashable, Canonical {
  package var name: String
  package var description: String
  package var unit: String
  /// Whether `/metrics` shows it.
  package var prometheus: Bool
  package var sql: SQLScript

  package init(
    name: String, description: String = "", unit: String = "", prometheus: Bool = false,
    sql: SQLScript
  ) {
    self.name = name
    self.description = description
    self.unit = unit
    self.prometheus = prometheus
    self.sql = sql
  }
  package func encode(into encoder: inout Encoder) {
    encoder.text(name)
    encoder.text(description)
    encoder.text(unit)
    encoder.flag(prometheus)
    encoder.value(sql)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    name = try decoder.name()
    description = try decoder.prose()
    unit = try decoder.name()
    prometheus = try decoder.flag()
    sql = try decoder.value()
  }
}
