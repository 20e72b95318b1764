import SQL
import Wire

/// One difference between a package that runs and one that is to take its place.
package struct PackageChange: Sendable, Hashable {
  package let part: Part
  /// `orders`, or `orders.amount` for a part of it.
  package let name: String
  package let kind: Kind
  /// What relied on the old package may fail, read something else, or be refused.
  package let isBreaking: Bool
  package let detail: String

  package enum Part: String, Sendable, Hashable {
    case package
    case source
    case column
    case expectation
    case model
    case test
    case procedure
    case query
    case metric
  }

  package enum Kind: String, Sendable, Hashable {
    case added
    case dropped
    case changed
    case tightened
    case loosened
    /// Its text is what it was; what it reads is not.
    case recomputed
  }
}

/// Gathers the differences between two packages, in the order of a package's parts.
struct ChangeCollector {
  private(set) var changes: [PackageChange] = []

  mutating func add(
    _ part: PackageChange.Part, _ name: String, _ kind: PackageChange.Kind, breaking: Bool,
    _ detail: String = ""
  ) {
    changes.append(
      PackageChange(part: part, name: name, kind: kind, isBreaking: breaking, detail: detail))
  }

  /// Names that came, went and stayed, each group in its own order.
  static func compare(
    _ old: [String], _ new: [String]
  ) -> (added: [String], dropped: [String], kept: [String]) {
    (
      new.filter { !old.contains($0) }, old.filter { !new.contains($0) },
      new.filter { old.contains($0) }
    )
  }

  /// A difference of two values that are told by their words.
  mutating func note<T: Equatable>(
    _ part: PackageChange.Part, _ name: String, _ what: String, _ old: T, _ new: T,
    breaking: Bool, _ words: (T) -> String
  ) {
    guard old != new || !words(old).isSpelled(as: words(new)) else { return }
    add(part, name, .changed, breaking: breaking, "\(what): \(words(old)) → \(words(new))")
  }
}

extension CheckedPackage {
  /// What changes when this package takes the place of another; nil: of none.
  package func changes(since old: CheckedPackage?) -> [PackageChange] {
    var collector = ChangeCollector()
    guard let old else {
      for source in package.sources {
        collector.add(.source, source.name, .added, breaking: false)
      }
      for model in models {
        collector.add(.model, model.name, .added, breaking: false, model.model.kind.rawValue)
      }
      for procedure in package.procedures {
        collector.add(.procedure, procedure.name, .added, breaking: false)
      }
      for query in package.queries { collector.add(.query, query.name, .added, breaking: false) }
      for metric in package.metrics { collector.add(.metric, metric.name, .added, breaking: false) }
      return collector.changes
    }
    collector.comparePackages(old.package, package)
    collector.compareSources(old, self)
    collector.compareModels(old, self)
    collector.compareCalls(old, self)
    return collector.changes
  }

  /// The stored models whose rows are computed again when this package takes another's place, in
  /// the order of dependency: those whose own rows may be others, and what reads them.
  package func recomputed(since old: CheckedPackage?) -> [String] {
    var changed: [String] = []
    for model in models {
      let isSame = old?.model(model.name).map { model.givesTheRows(of: $0) } ?? false
      let readsChanged = model.upstreams.contains { upstream in
        switch upstream {
        case .source(let name): old?.source(name)?.source.shape != source(name)?.source.shape
        case .model(let name): changed.contains(name)
        }
      }
      if !isSame || readsChanged { changed.append(model.name) }
    }
    return changed
  }

  /// Tables and columns of another package that this one no longer has: `orders`, `orders.day`,
  /// and `orders._captured` where unknown fields were captured.
  /// Views hold no rows, so neither they nor their columns are among them.
  package func drops(from old: CheckedPackage) -> [String] {
    var names: [String] = []
    for source in old.package.sources {
      guard let kept = package.source(source.name) else {
        names.append(source.name)
        continue
      }
      let columns = kept.storedColumns.map(\.name)
      for column in source.storedColumns where !columns.contains(column.name) {
        names.append("\(source.name).\(column.name)")
      }
    }
    for model in old.models where model.model.isStored {
      guard let kept = self.model(model.name) else {
        names.append(model.name)
        continue
      }
      for column in model.columns where kept.column(column.name) == nil {
        names.append("\(model.name).\(column.name)")
      }
    }
    return names
  }
}

extension CheckedModel {
  /// Whether it gives the same rows as another from the same upstreams. Descriptions, places in
  /// files and tests make no difference. What a `map:` or a `scope:` says is taken on trust, so
  /// under another one the rows may be others.
  func givesTheRows(of other: CheckedModel) -> Bool {
    columns == other.columns && primaryKey == other.primaryKey && seed == other.seed
      && query?.printed == other.query?.printed && model.isStored == other.model.isStored
      && maps.isPrinted(as: other.maps) && scopes.isPrinted(as: other.scopes)
  }
}

extension [CheckedUpstreamQuery] {
  /// Whether these ask for the same of the same upstreams, with the values of variables.
  func isPrinted(as others: [CheckedUpstreamQuery]) -> Bool {
    map(\.upstream) == others.map(\.upstream)
      && map(\.query.printed) == others.map(\.query.printed)
  }
}

extension CheckedQuery {
  /// The bytes of its text: two spellings of one letter ask for different rows.
  var printed: [UInt8] { Array(print().utf8) }
}
