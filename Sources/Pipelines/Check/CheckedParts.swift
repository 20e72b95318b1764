import SQL
import Wire

/// A source with its decoder and the expressions that its rows should meet.
package struct CheckedSource: Sendable {
  package let source: Source
  package let decoder: RowDecoder
  /// In the order of the contract.
  package let expectations: [CheckedExpectation]

  package var name: String { source.name }
}

package struct CheckedExpectation: Sendable {
  package let expectation: Expectation
  package let check: CheckedExpression
}

package struct CheckedModel: Sendable {
  package let model: Model
  /// The columns of its table or view, in order; declared, or inferred from its SELECT or seed.
  package let columns: [ModelColumn]
  /// Empty for a view that declares none.
  package let primaryKey: [String]
  /// nil for seeds.
  package let query: CheckedQuery?
  /// What its SELECT names, ascending.
  package let upstreams: [Upstream]
  /// Of a view: what makes it change though no row does, as in `consensus_date()`.
  package let changers: [String]
  /// By upstream, ascending: the keys that changed rows map to.
  package let maps: [CheckedUpstreamQuery]
  /// By upstream, ascending: the rows that one key needs.
  package let scopes: [CheckedUpstreamQuery]
  package internal(set) var tests: [CheckedTest] = []
  /// The SELECTs of custom tests, by name.
  package internal(set) var testQueries: [String: CheckedQuery] = [:]
  /// The rows of a seed, in the order of `columns`; nil for all others.
  package let seed: DecodedBatch?

  package var name: String { model.name }

  package init(
    model: Model, columns: [ModelColumn], primaryKey: [String], query: CheckedQuery?,
    upstreams: [Upstream], changers: [String], maps: [CheckedUpstreamQuery],
    scopes: [CheckedUpstreamQuery], tests: [CheckedTest] = [], seed: DecodedBatch?
  ) {
    self.model = model
    self.columns = columns
    self.primaryKey = primaryKey
    self.query = query
    self.upstreams = upstreams
    self.changers = changers
    self.maps = maps
    self.scopes = scopes
    self.tests = tests
    self.seed = seed
  }

  package func column(_ name: String) -> ModelColumn? { columns.first { $0.name == name } }
}

package struct CheckedUpstreamQuery: Sendable {
  package let upstream: Upstream
  package let query: CheckedQuery
}

/// A test of a model, with its values as stored and its reference resolved.
package struct CheckedTest: Sendable, Hashable {
  package let rule: Rule
  package let severity: ModelTest.Severity

  package enum Rule: Sendable, Hashable {
    case unique([String])
    case notNull([String])
    case acceptedValues(column: String, values: [StoredValue])
    /// Values of `column` are values of `target` in the table or view `model`.
    case references(column: String, model: String, target: String)
    /// The query of this name among the model's `testQueries` gives no row. Of one over
    /// `{{ changed }}` only rows of the model itself are followed.
    case custom(name: String, upstreams: [Upstream], ofChanged: Bool)
  }

  package var readsChanged: Bool {
    if case .custom(_, _, let ofChanged) = rule { ofChanged } else { false }
  }

  package init(_ rule: Rule, severity: ModelTest.Severity = .error) {
    self.rule = rule
    self.severity = severity
  }

  package static func references(column: String, model: String, target: String) -> CheckedTest {
    CheckedTest(.references(column: column, model: model, target: target))
  }
}

package struct CheckedProcedure: Sendable {
  package let procedure: Procedure
  package let query: CheckedQuery
  package let arguments: ArgumentDecoder
  package let upstreams: [Upstream]

  package var name: String { procedure.name }
}

package struct CheckedNamedQuery: Sendable {
  package let query: Query
  package let select: CheckedQuery
  package let arguments: ArgumentDecoder
  /// Names and types of the result, declared or inferred.
  package let columns: [ModelColumn]
  package let upstreams: [Upstream]

  package var name: String { query.name }
}

package struct CheckedMetric: Sendable {
  package let metric: Metric
  package let select: CheckedQuery
  package let upstreams: [Upstream]
  /// Whether the value may change while the tables do not.
  package let dependsOnTime: Bool

  package var name: String { metric.name }
}
