import Certification
import Pipelines
import SQL

/// A SELECT of a package that must give the same rows in whatever order SQLite reads.
struct TiedSelect {
  /// `the model slv_matches`.
  let what: String
  let place: Places.Place
  let select: CheckedQuery
  var arguments: [Pipelines.Argument] = []
  /// Behind which authorizer it runs.
  var profile = EngineProfile.update
  /// The columns in which a stored model keeps its rows; empty for all others.
  var stored: [ModelColumn] = []

  init(
    _ what: String, _ script: SQLScript?, _ select: CheckedQuery,
    arguments: [Pipelines.Argument] = [], profile: EngineProfile = .update
  ) {
    self.what = what
    place = Places.Place(
      file: script?.file ?? "", line: Int(script?.line ?? 1), column: Int(script?.column ?? 1))
    self.select = select
    self.arguments = arguments
    self.profile = profile
  }

  /// Those of its models, procedures, queries and metrics.
  static func all(of package: CheckedPackage) -> [TiedSelect] {
    var all: [TiedSelect] = []
    for model in package.models {
      guard let query = model.query else { continue }
      var select = TiedSelect("the model \(model.name)", model.model.sql, query)
      if model.model.isStored { select.stored = model.columns }
      all.append(select)
    }
    for procedure in package.procedures {
      all.append(
        TiedSelect(
          "the procedure \(procedure.name)", procedure.procedure.sql, procedure.query,
          arguments: procedure.procedure.args))
    }
    for query in package.queries {
      all.append(
        TiedSelect(
          "the query \(query.name)", query.query.sql, query.select, arguments: query.query.args,
          profile: .query))
    }
    for metric in package.metrics {
      all.append(
        TiedSelect("the metric \(metric.name)", metric.metric.sql, metric.select, profile: .query))
    }
    return all
  }

  /// By column of text: what statements compare columns of this name with, and what a contract
  /// accepts there. A filter on it would find nothing else.
  static func likelyTexts(
    in selects: [TiedSelect], of package: CheckedPackage
  ) -> [String: [Value]] {
    var found: [String: [Value]] = [:]
    func add(_ column: String, _ text: String) {
      if found[column]?.contains(.text(text)) != true {
        found[column, default: []].append(.text(text))
      }
    }
    for source in package.sources {
      for column in source.source.columns where column.type == .text {
        for text in column.acceptedValues { add(column.name, text) }
      }
    }
    for select in selects {
      for (column, text) in select.select.comparedTexts { add(column, text) }
    }
    return found
  }

  /// By column of JSON: where statements look into columns of this name, ascending.
  static func paths(in selects: [TiedSelect]) -> [String: [String]] {
    var found: [String: [String]] = [:]
    for (column, path) in selects.flatMap(\.select.extractedPaths) {
      found[column, default: []].append(path)
    }
    return found.mapValues { $0.sorted() }
  }
}

/// How much the run over made-up rows has seen.
package struct TieTally: Sendable {
  /// SELECTs of the package.
  package var selects = 0
  /// Those that gave a row at least once.
  package var withRows = 0
  /// Those that failed alike on both copies whatever their arguments, each with its refusal: what
  /// they would give was not compared.
  package var failing: [String] = []
  /// Those that took too many steps to be compared.
  package var tooLong: [String] = []
}
