import Wire

/// What must hold of a model at the end of every update.
package struct ModelTest: Hashable, Canonical, CustomStringConvertible {
  package var rule: Rule
  package var severity: Severity

  package enum Rule: Hashable, Sendable {
    case unique([String])
    case notNull([String])
    /// Values are spelled as a batch would spell them.
    case acceptedValues(column: String, values: [String])
    /// Every value that is not null is the primary key of a row of `model`.
    case references(column: String, model: String)
    /// A SELECT of the rows that should not be there.
    case custom(name: String, sql: SQLScript)
  }

  /// What becomes of an update after which a test does not hold.
  package enum Severity: String, CanonicalCase {
    /// It is refused.
    case error
    /// Its receipt notes it.
    case warn

    package static let allCases: [Severity] = [.error, .warn]
  }

  package init(_ rule: Rule, severity: Severity = .error) {
    self.rule = rule
    self.severity = severity
  }

  package static func unique(_ columns: [String]) -> ModelTest { ModelTest(.unique(columns)) }
  package static func notNull(_ columns: [String]) -> ModelTest { ModelTest(.notNull(columns)) }
  package static func acceptedValues(column: String, values: [String]) -> ModelTest {
    ModelTest(.acceptedValues(column: column, values: values))
  }
  package static func references(column: String, model: String) -> ModelTest {
    ModelTest(.references(column: column, model: model))
  }
  package static func custom(name: String, sql: SQLScript) -> ModelTest {
    ModelTest(.custom(name: name, sql: sql))
  }

  package var description: String {
    switch rule {
    case .unique(let columns): "unique(\(columns.joined(separator: ", ")))"
    case .notNull(let columns): "not_null(\(columns.joined(separator: ", ")))"
    case .acceptedValues(let column, _): "accepted_values(\(column))"
    case .references(let column, let model): "references(\(column), \(model))"
    case .custom(let name, _): name
    }
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(severity)
    switch rule {
    case .unique(let columns):
      encoder.variant(0)
      encoder.texts(columns)
    case .notNull(let columns):
      encoder.variant(1)
      encoder.texts(columns)
    case .acceptedValues(let column, let values):
      encoder.variant(2)
      encoder.text(column)
      encoder.texts(values)
    case .references(let column, let model):
      encoder.variant(3)
      encoder.text(column)
      encoder.text(model)
    case .custom(let name, let sql):
      encoder.variant(4)
      encoder.text(name)
      encoder.value(sql)
    }
  }

  package init(from decoder: inout Decoder) throws(Malformed) {
    severity = try decoder.value()
    switch try decoder.variant(count: 5) {
    case 0: rule = .unique(try decoder.names(limit: PackageLimits.columnsMax))
    case 1: rule = .notNull(try decoder.names(limit: PackageLimits.columnsMax))
    case 2:
      rule = .acceptedValues(
        column: try decoder.name(),
        values: try decoder.texts(
          limit: PackageLimits.listedValuesMax, bytes: PackageLimits.textBytesMax))
    case 3: rule = .references(column: try decoder.name(), model: try decoder.name())
    default: rule = .custom(name: try decoder.name(), sql: try decoder.value())
    }
  }
}
