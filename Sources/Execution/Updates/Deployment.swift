import Certification
import Pipelines
import Signing
import Storage
import Wire

/// A checked package made ready to run on the tables of its file.
final class Deployment {
  let checked: CheckedPackage
  let digest: Digest
  private var sources: [String: SourcePlan] = [:]
  private var procedures: [String: ProcedurePlan] = [:]
  private(set) var models: [ModelPlan] = []
  /// In the order of dependency; empty once restored from the file.
  private(set) var recomputations: [Recomputation] = []

  /// Tables whose changes models and tests need to see.
  private(set) var tracked: Set<String> = []

  var package: Package { checked.package }

  private init(_ checked: CheckedPackage, digest: Digest) {
    self.checked = checked
    self.digest = digest
  }

  /// Links a package to its tables and views, which are there.
  static func link(
    _ checked: CheckedPackage, digest: Digest, engine: Engine, data: DataStore
  ) throws(Stop) -> Deployment {
    let deployment = Deployment(checked, digest: digest)
    for source in checked.sources {
      guard let bronze = data.tables[source.source.bronzeTable],
        let quarantine = data.tables[source.source.quarantineTable]
      else {
        throw .failed(ExecutionFault(.damaged, "the tables of the source \(source.name) are gone"))
      }
      let plan = SourcePlan(
        source.source, decoder: source.decoder, bronze: bronze, quarantine: quarantine)
      plan.expectations = try ExpectationPlan.make(source, engine: engine)
      deployment.sources[source.name] = plan
    }
    for model in checked.models {
      let table = model.model.isStored ? data.tables[model.name] : nil
      guard !model.model.isStored || table != nil else {
        throw .failed(ExecutionFault(.damaged, "the table of the model \(model.name) is gone"))
      }
      deployment.models.append(ModelPlan(model, table: table, package: checked))
    }
    for procedure in checked.procedures {
      deployment.procedures[procedure.name] = ProcedurePlan(procedure)
    }
    deployment.tracked = tracked(of: checked)
    return deployment
  }

  /// What stored models read, through views too, and what has tests or is referred to.
  private static func tracked(of checked: CheckedPackage) -> Set<String> {
    var tables: Set<String> = []
    func follow(_ upstream: Upstream) {
      guard case .model(let name) = upstream, let model = checked.model(name) else {
        tables.insert(upstream.table)
        return
      }
      if model.model.isStored {
        tables.insert(name)
      } else {
        model.upstreams.forEach(follow)
      }
    }
    for model in checked.models {
      if model.model.isStored { model.upstreams.forEach(follow) }
      if !model.tests.isEmpty { follow(.model(model.name)) }
      for test in model.tests {
        switch test.rule {
        case .references(_, let other, _): follow(.model(other))
        case .custom(_, let upstreams, _): upstreams.forEach(follow)
        case .unique, .notNull, .acceptedValues: continue
        }
      }
    }
    return tables
  }

  /// What an ingest or a procedure call asks for.
  func task(for method: Method) -> Result<PipelineFile.Task, Refusal> {
    switch method {
    case .ingest(let name, _):
      guard let plan = sources[name] else {
        return .failure(Self.unknownSource(name, of: package))
      }
      return .success(PipelineFile.Task(plan: plan, procedure: nil, grants: plan.source.allow))
    case .procedure(let name):
      guard let procedure = procedures[name],
        let plan = sources[procedure.checked.procedure.emit]
      else { return .failure(Self.unknownProcedure(name, of: package)) }
      return .success(
        PipelineFile.Task(
          plan: plan, procedure: procedure, grants: procedure.checked.procedure.allow))
    case .release(let name):
      guard let plan = sources[name] else {
        return .failure(Self.unknownSource(name, of: package))
      }
      // A row that was held back is let in by the owner alone.
      return .success(PipelineFile.Task(plan: plan, procedure: nil, grants: []))
    default:
      return .failure(Refusal("UNKNOWN_METHOD", "\(method.label) takes no rows"))
    }
  }

  /// The sources whose quarantine is looked at again when this one changed, ascending.
  func rechecking(_ name: String) -> [SourcePlan] {
    package.sources.filter { $0.recheck.contains(name) }.compactMap { sources[$0.name] }
  }

  static func unknownSource(_ name: String, of package: Package) -> Refusal {
    Refusal(
      "UNKNOWN_SOURCE",
      "\(package.name) has no source \(name): it has \(listed(package.sources.map(\.name)))")
  }

  static func unknownProcedure(_ name: String, of package: Package) -> Refusal {
    Refusal(
      "UNKNOWN_PROCEDURE",
      "\(package.name) has no procedure \(name): it has \(listed(package.procedures.map(\.name)))")
  }

  /// Names as a refusal lists them.
  static func listed(_ names: [String]) -> String {
    names.isEmpty ? "none" : names.joined(separator: ", ")
  }

  // MARK: Models

  /// Brings every model to what its upstreams hold now, and runs the tests.
  /// - Returns: what each model took.
  func refresh(
    engine: Engine, data: DataStore, _ budget: inout StepBudget, _ notes: inout NoteTaker
  ) throws(Stop) -> [ModelWork] {
    guard !data.tracked.isEmpty else { return [] }
    let refresher = Refresher(models: models, package: checked, engine: engine, data: data)
    let work = try refresher.run(&budget)
    refresher.moved.tell(&notes)
    try ModelTests(refresher: refresher, isWhole: false).run(&budget, &notes)
    return work
  }

  /// Fills what is new or changed since an older package, and runs all tests on everything.
  func recompute(
    since old: CheckedPackage?, engine: Engine, data: DataStore, _ budget: inout StepBudget,
    _ notes: inout NoteTaker
  ) throws(Stop) {
    let refresher = Refresher(models: models, package: checked, engine: engine, data: data)
    let recomputed = checked.recomputed(since: old)
    for model in models
    where recomputed.contains(model.name) || data.fresh.contains(model.name) {
      let before = (budget.used, data.rowsWritten)
      if model.kind == .seed {
        try refresher.fillSeed(model)
      } else if model.table != nil {
        try refresher.refreshWhole(model, &budget)
      } else {
        continue
      }
      recomputations.append(
        Recomputation(
          model: model.name, steps: budget.used - before.0, rows: data.rowsWritten - before.1))
    }
    refresher.moved.tell(&notes)
    try ModelTests(refresher: refresher, isWhole: true).run(&budget, &notes)
  }

  /// What computing one model anew took when this package came to run.
  struct Recomputation {
    let model: String
    let steps: UInt64
    let rows: UInt64
  }

  /// The deployment of a package that is stored, on tables that are there.
  static func restored(
    _ bytes: [UInt8], engine: Engine, data: DataStore
  ) throws(ExecutionFault) -> Deployment {
    do {
      let package = try Package(canonicalBytes: bytes)
      return try link(
        try CheckedPackage(package), digest: sha256(bytes), engine: engine, data: data)
    } catch {
      throw ExecutionFault(.damaged, "the stored package cannot be run: \(error)")
    }
  }
}
