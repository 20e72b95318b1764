import Wire

// Models and what is called by name.

extension ChangeCollector {
  mutating func compareModels(_ old: CheckedPackage, _ new: CheckedPackage) {
    let (added, dropped, _) = Self.compare(old.models.map(\.name), new.models.map(\.name))
    for name in dropped {
      add(.model, name, .dropped, breaking: true, old.model(name)?.loss("rows") ?? "")
    }
    let recomputed = new.recomputed(since: old)
    for model in new.models {
      if added.contains(model.name) {
        add(.model, model.name, .added, breaking: false, model.model.kind.rawValue)
        continue
      }
      guard let before = old.model(model.name) else { continue }
      let count = changes.count
      compare(before, model)
      let isTold = changes.count > count
      guard !isTold, recomputed.contains(model.name), model.model.isStored else { continue }
      let reasons = model.upstreams.filter { upstream in
        switch upstream {
        case .source(let name): old.source(name)?.source.shape != new.source(name)?.source.shape
        case .model(let name): recomputed.contains(name)
        }
      }
      add(
        .model, model.name, .recomputed, breaking: false,
        "reads \(reasons.map(\.name).joined(separator: ", "))")
    }
  }

  private mutating func compare(_ old: CheckedModel, _ new: CheckedModel) {
    let name = new.name
    note(.model, name, "kind", old.model.kind, new.model.kind, breaking: new.model.kind == .view) {
      $0.rawValue
    }
    note(.model, name, "layer", old.model.layer, new.model.layer, breaking: false) { $0.rawValue }
    note(.model, name, "primary_key", old.primaryKey, new.primaryKey, breaking: true) {
      "[\($0.joined(separator: ", "))]"
    }
    note(
      .model, name, "updated_at", old.model.updatedAt, new.model.updatedAt, breaking: true
    ) { $0 ?? "none, so the block's time" }
    compareRefresh(old, new)
    let (added, dropped, kept) = Self.compare(old.columns.map(\.name), new.columns.map(\.name))
    for column in added {
      let type = new.column(column)?.type.description ?? ""
      add(.column, "\(name).\(column)", .added, breaking: false, type)
    }
    for column in dropped {
      add(.column, "\(name).\(column)", .dropped, breaking: true, old.loss("values"))
    }
    for column in kept {
      guard let before = old.column(column), let after = new.column(column) else { continue }
      let full = "\(name).\(column)"
      note(.column, full, "type", before.type, after.type, breaking: true) { $0.description }
      note(
        .column, full, "nullable", before.nullable, after.nullable, breaking: after.nullable
      ) { "\($0)" }
      note(.column, full, "pii", before.pii, after.pii, breaking: true) { $0?.rawValue ?? "none" }
    }
    if old.query?.printed != new.query?.printed || old.seed != new.seed {
      add(
        .model, name, .changed, breaking: false,
        new.seed == nil ? "its SELECT" : "the rows of its file")
    }
    if old.model.certified, !new.model.certified {
      add(.model, name, .changed, breaking: true, "certified: its rows have no proofs any more")
    } else {
      note(
        .model, name, "certified", old.model.certified, new.model.certified, breaking: false
      ) { "\($0)" }
    }
    compareTests(old.model, new.model)
  }

  private mutating func compareRefresh(_ before: CheckedModel, _ after: CheckedModel) {
    let (name, old, new) = (after.name, before.model.refresh, after.model.refresh)
    note(.model, name, "refresh by", old?.by, new?.by, breaking: false) {
      $0.map { "[\($0.joined(separator: ", "))]" } ?? "none"
    }
    if !after.maps.isPrinted(as: before.maps) {
      add(.model, name, .changed, breaking: false, "refresh map")
    }
    if !after.scopes.isPrinted(as: before.scopes) {
      add(.model, name, .changed, breaking: false, "refresh scope")
    }
    guard let old, let new else { return }
    note(
      .model, name, "refresh_full_ratio", old.fullRatio, new.fullRatio, breaking: false
    ) { "\($0)" }
  }

  private mutating func compareTests(_ old: Model, _ new: Model) {
    for test in new.tests where !old.tests.contains(where: { $0.isSame(as: test) }) {
      let before = old.tests.first { $0.description == test.description }
      let isLooser = before?.rule == test.rule && test.severity == .warn
      add(
        .test, "\(new.name).\(test)", isLooser ? .loosened : .tightened,
        breaking: test.severity == .error,
        before == nil ? "new, severity \(test.severity.rawValue)" : "changed")
    }
    for test in old.tests where !new.tests.contains(where: { $0.description == test.description }) {
      add(.test, "\(new.name).\(test)", .loosened, breaking: false, "gone")
    }
  }

  // MARK: - Procedures, queries, metrics

  mutating func compareCalls(_ old: CheckedPackage, _ new: CheckedPackage) {
    compareProcedures(old.package, new.package)
    compareQueries(old, new)
    let (added, dropped, kept) = Self.compare(
      old.package.metrics.map(\.name), new.package.metrics.map(\.name))
    for name in added { add(.metric, name, .added, breaking: false) }
    for name in dropped { add(.metric, name, .dropped, breaking: true) }
    for name in kept {
      guard let before = old.metric(name)?.metric, let after = new.metric(name)?.metric else {
        continue
      }
      // Both stand in what `/metrics` shows.
      note(.metric, name, "unit", before.unit, after.unit, breaking: true) {
        $0.isEmpty ? "none" : $0
      }
      note(
        .metric, name, "expose", before.prometheus, after.prometheus, breaking: !after.prometheus
      ) { $0 ? "prometheus" : "none" }
      if !before.sql.text.isSpelled(as: after.sql.text) {
        add(.metric, name, .changed, breaking: false, "its SELECT")
      }
    }
  }

  private mutating func compareProcedures(_ old: Package, _ new: Package) {
    let (added, dropped, kept) = Self.compare(
      old.procedures.map(\.name), new.procedures.map(\.name))
    for name in added { add(.procedure, name, .added, breaking: false) }
    for name in dropped { add(.procedure, name, .dropped, breaking: true) }
    for name in kept {
      guard let before = old.procedure(name), let after = new.procedure(name) else { continue }
      note(.procedure, name, "args", before.args, after.args, breaking: true, Self.spelled)
      note(.procedure, name, "emit", before.emit, after.emit, breaking: false) { $0 }
      compareGrants(.procedure, name, before.allow, after.allow)
      if !before.sql.text.isSpelled(as: after.sql.text) {
        add(.procedure, name, .changed, breaking: false, "its SELECT")
      }
    }
  }

  private mutating func compareQueries(_ old: CheckedPackage, _ new: CheckedPackage) {
    let (added, dropped, kept) = Self.compare(
      old.queries.map(\.name), new.queries.map(\.name))
    for name in added { add(.query, name, .added, breaking: false) }
    for name in dropped { add(.query, name, .dropped, breaking: true) }
    for name in kept {
      guard let before = old.query(name), let after = new.query(name) else { continue }
      note(
        .query, name, "args", before.query.args, after.query.args, breaking: true, Self.spelled)
      note(.query, name, "returns", before.columns, after.columns, breaking: true) {
        $0.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
      }
      note(
        .query, name, "max_rows", before.query.rowsMax, after.query.rowsMax,
        breaking: after.query.rowsMax < before.query.rowsMax
      ) { "\($0)" }
      compareGrants(.query, name, before.query.allow, after.query.allow)
      if before.select.printed != after.select.printed {
        add(.query, name, .changed, breaking: false, "its SELECT")
      }
    }
  }

  private static func spelled(_ arguments: [Argument]) -> String {
    arguments.isEmpty
      ? "none" : arguments.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
  }
}

extension CheckedModel {
  /// What becomes of its rows or values when they go.
  fileprivate func loss(_ what: String) -> String {
    switch model.kind {
    case .view: "a view: no data goes"
    case .snapshot: "its \(what) go, and those of past versions cannot be computed again"
    case .full, .incremental, .seed: "its \(what) go; they can be computed again"
    }
  }
}

extension ModelTest {
  /// Wherever it stands in a file.
  fileprivate func isSame(as other: ModelTest) -> Bool {
    guard severity == other.severity else { return false }
    if case .custom(let name, let sql) = rule, case .custom(name, let text) = other.rule {
      return sql.text.isSpelled(as: text.text)
    }
    return rule == other.rule
  }
}
