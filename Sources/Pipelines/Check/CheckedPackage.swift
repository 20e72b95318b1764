import Wire

/// A package that was found sound: what execution runs.
///
/// - Safety: a pure function of the package. Every replica checks the canonical bytes again at
///   deploy and comes to the same order, types and faults.
package struct CheckedPackage: Sendable {
  package let package: Package
  /// Ascending by name.
  package let sources: [CheckedSource]
  /// Every model after its upstreams; among equals ascending by name.
  package let models: [CheckedModel]
  /// Ascending by name, as are the following.
  package let procedures: [CheckedProcedure]
  package let queries: [CheckedNamedQuery]
  package let metrics: [CheckedMetric]
  /// What is allowed and may surprise, each with its place.
  package let findings: [PackageFault]
  /// What checking its SQL took, of `PackageLimits.checkStepsMax`.
  package let checkSteps: Int
  package var notes: [String] { findings.map(\.description) }

  /// - Throws: every mistake of the package, or one where its check takes too many steps. `places`
  ///   says where its parts stand in files; on a replica they are named without a line.
  package init(_ package: Package, places: Places = Places()) throws(PackageFaults) {
    var lint = Lint(package: package, places: places)
    lint.checkAll()
    guard lint.faults.isEmpty else { throw PackageFaults(lint.faults) }
    self.package = package
    sources = lint.sources
    models = lint.models
    procedures = lint.procedures
    queries = lint.queries
    metrics = lint.metrics
    findings = lint.notes
    checkSteps = lint.work.steps
    lint.checkIndexes(of: self)
    guard lint.faults.isEmpty else { throw PackageFaults(lint.faults) }
  }

  package func source(_ name: String) -> CheckedSource? { sources.first { $0.name == name } }
  package func model(_ name: String) -> CheckedModel? { models.first { $0.name == name } }
  package func procedure(_ name: String) -> CheckedProcedure? {
    procedures.first { $0.name == name }
  }
  package func query(_ name: String) -> CheckedNamedQuery? { queries.first { $0.name == name } }
  package func metric(_ name: String) -> CheckedMetric? { metrics.first { $0.name == name } }
}

/// What a SELECT reads: `{{ ref('name') }}` or `{{ source('name') }}`.
package enum Upstream: Sendable, Hashable, Comparable, CustomStringConvertible {
  case source(String)
  case model(String)

  package var name: String {
    switch self {
    case .source(let name), .model(let name): name
    }
  }

  /// Its table or view in SQLite.
  package var table: String {
    switch self {
    case .source(let name): "bronze_\(name)"
    case .model(let name): name
    }
  }

  package var description: String {
    switch self {
    case .source(let name): "source \(name)"
    case .model(let name): "model \(name)"
    }
  }

  private var rank: Int {
    switch self {
    case .source: 0
    case .model: 1
    }
  }
  package static func < (a: Self, b: Self) -> Bool { (a.rank, a.name) < (b.rank, b.name) }
}
