import Certification
import Pipelines
import Storage
import Wire

// What must hold after each step of each test, whatever the test says.

extension Rehearsal {
  private var lastStep: String {
    result.steps.last.map { "after step \($0.number), \($0.label)" } ?? "after the deploy"
  }

  // MARK: Incremental equals full

  /// Every stored model is what it is when it is computed whole.
  func checkModels(after step: UnitTest.Step) throws(ExecutionFault) {
    guard let file = executor.pipelines[name], let deployed = file.deployed else { return }
    file.engine.functions.begin(time: time, randomness: .zero, call: .zero)
    let refresher = Refresher(
      models: deployed.models, package: deployed.checked, engine: file.engine, data: file.data)
    for model in deployed.models
    where model.table != nil && model.kind != .seed && !toldModels.contains(model.name) {
      var budget = StepBudget(limit: ExecutionLimits.stepsPerDeploy)
      let problem: String
      do throws(Stop) {
        let found = try refresher.compare(model, &budget)
        if found.isEqual {
          // A first batch may have been computed whole, so each key is computed by itself too.
          let byKey = try refresher.compareKeys(model, &budget)
          guard !byKey.isEqual else { continue }
          problem = "computed for one key at a time it has rows \(Self.text(byKey))"
        } else {
          problem = Self.text(found)
        }
      } catch {
        guard case .refused(let refusal) = error else {
          if case .failed(let fault) = error { throw fault }
          continue
        }
        problem = "computed whole it is refused, \(refusal)"
      }
      toldModels.insert(model.name)
      let advice =
        model.checked.model.refresh == nil
        ? "" : ". Look at refresh.by, refresh.map and refresh.scope of \(model.name)"
      fail(
        step.place,
        "\(lastStep): \(model.name) (\(model.kind.rawValue)) is not what its SELECT gives as a "
          + "whole: \(problem)\(advice)")
    }
  }

  private static func text(_ found: Refresher.Comparison) -> String {
    let counts = [
      (found.missing, "missing"), (found.extra, "too many"), (found.different, "different"),
    ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
    return "\(counts.joined(separator: ", ")), at \(found.keys.joined(separator: "; "))"
  }

  // MARK: Stored equals hashed

  /// The tables hold what was hashed: a replica that starts again comes to the same root. Told once
  /// a test.
  func checkStored(after step: UnitTest.Step) throws(ExecutionFault) {
    guard !toldStored, let file = executor.pipelines[name] else { return }
    let stored = try wrapped { () throws(StorageFault) in try file.data.storedRoot() }
    guard stored != file.roots.data else { return }
    toldStored = true
    fail(
      step.place,
      "\(lastStep): the tables hold other values than were hashed, so no replica could start again"
        + ". This is a fault of the engine, not of the package: report it with the package")
  }

  // MARK: Either order of keys

  /// The tables hold, and the views give, the same rows where all keys run the other way: nothing
  /// depends on the order in which SQLite reads rows. Told once a test, since what follows only
  /// repeats it.
  func checkOrder(after step: UnitTest.Step) throws(ExecutionFault) {
    guard !toldOrder, let receipt = result.steps.last?.receipt else { return }
    let codes = (Self.code(receipt.status), Self.code(mirroredStatus))
    guard codes.0 == codes.1 else {
      toldOrder = true
      return fail(
        step.place,
        "\(lastStep): \(codes.0) with ascending keys, \(codes.1) with descending ones\(Self.why)")
    }
    guard let file = executor.pipelines[name], let other = mirror.pipelines[name] else { return }
    guard file.roots.data != other.roots.data else {
      return try checkViews(after: step, file, other)
    }
    toldOrder = true
    for table in file.data.tables.keys.sorted() {
      let keys = try differingKeys(of: table, file, other)
      guard !keys.isEmpty else { continue }
      fail(
        step.place,
        "\(lastStep): \(table) holds other rows with descending keys than with ascending ones, at "
          + "\(keys.prefix(ExecutionLimits.differencesShownMax).joined(separator: "; "))"
          + Self.why)
    }
  }

  /// Tables that are equal may still be read in an order.
  private func checkViews(
    after step: UnitTest.Step, _ file: PipelineFile, _ other: PipelineFile
  ) throws(ExecutionFault) {
    for model in package.models where model.model.kind == .view {
      guard let select = model.query else { continue }
      func outcome(_ engine: Engine) throws(ExecutionFault) -> SelectOutcome {
        var budget = StepBudget(limit: ExecutionLimits.stepsPerDeploy)
        return try engine.outcome(of: select, "the view \(model.name)", at: time, &budget)
      }
      let difference = SelectOutcome.difference(
        ascending: try outcome(file.engine), descending: try outcome(other.engine), of: select)
      guard let difference else { continue }
      toldOrder = true
      fail(
        step.place, "\(lastStep): the view \(model.name) differs, \(difference)\(Self.why)")
    }
  }

  static let why =
    ": some SELECT depends on the order in which rows are read. Make its ORDER BY end in a unique "
    + "key, and aggregate what is not grouped by"

  private static func code(_ status: Receipt.Status) -> String {
    if case .refused(let refusal) = status { "refused (\(refusal.code))" } else { "applied" }
  }

  private func differingKeys(
    of table: String, _ file: PipelineFile, _ other: PipelineFile
  ) throws(ExecutionFault) -> [String] {
    guard let stored = file.data.tables[table], other.data.tables[table] != nil else {
      return ["the table itself"]
    }
    let schema = stored.schema
    func rows(_ file: PipelineFile) throws(ExecutionFault) -> KeyedRows {
      var rows = KeyedRows()
      do {
        let scan = try file.engine.connection.prepare("SELECT * FROM \(quoted(table))")
        while try scan.step() {
          let row = stored.row(of: scan)
          guard let key = try? schema.key(of: row.values) else { continue }
          rows.add(row, key: key)
        }
      } catch { throw ExecutionFault(error) }
      _ = rows.sort()
      return rows
    }
    return try rows(file).differences(from: try rows(other)).map { difference in
      switch difference {
      case .insert(let row), .delete(let row), .update(let row, _):
        schema.key.map { "\(schema.columns[$0].name) = \(row.values[$0].shown)" }
          .joined(separator: ", ")
      }
    }
  }
}
