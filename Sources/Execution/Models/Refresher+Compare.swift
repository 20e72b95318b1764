import Certification
import Storage
import Wire

extension Refresher {
  /// How a stored model differs from what it is when it is computed whole.
  struct Comparison {
    var rows = 0
    var missing = 0
    var extra = 0
    var different = 0
    var steps: UInt64 = 0
    /// Keys of rows that differ, `ExecutionLimits.differencesShownMax` at most.
    var keys: [String] = []

    var isEqual: Bool { missing + extra + different == 0 }
  }

  /// Computes a model whole and writes nothing.
  func compare(_ model: ModelPlan, _ budget: inout StepBudget) throws(Stop) -> Comparison {
    var comparison = Comparison()
    guard let table = model.table else { return comparison }
    let before = budget.used
    let (wanted, known) = try wholeAndStored(model, table, &budget)
    comparison.rows = known.count
    comparison.steps = budget.used - before
    comparison.add(wanted.differences(from: known), of: model)
    return comparison
  }

  /// Computes the keys that a model has rows of, one after the other, and writes nothing.
  ///
  /// - Bound: `ExecutionLimits.keysComparedMax` keys, in their order.
  func compareKeys(_ model: ModelPlan, _ budget: inout StepBudget) throws(Stop) -> Comparison {
    var comparison = Comparison()
    guard model.table != nil, !model.by.isEmpty else { return comparison }
    var rows: [[Value]] = []
    try engine.run(try model.scan(engine), &budget, "the rows of \(model.name)") {
      row throws(Stop) in
      rows.append(model.by.map { row.value($0) })
    }
    let keys = Self.distinct(rows.filter { !$0.contains(.null) })
    for key in keys.prefix(ExecutionLimits.keysComparedMax) {
      var wanted = KeyedRows()
      var known = KeyedRows()
      try compute(key, of: model, into: &wanted, &budget)
      try load(key, of: model, into: &known, &budget)
      try sort(&wanted, model)
      _ = known.sort()
      comparison.rows += known.count
      comparison.add(wanted.differences(from: known), of: model)
    }
    return comparison
  }
}

extension Refresher.Comparison {
  fileprivate mutating func add(_ differences: [KeyedRows.Difference], of model: ModelPlan) {
    for difference in differences {
      let row: StoredRow
      switch difference {
      case .insert(let new):
        missing += 1
        row = new
      case .delete(let old):
        extra += 1
        row = old
      case .update(let old, _):
        different += 1
        row = old
      }
      guard keys.count < ExecutionLimits.differencesShownMax else { continue }
      keys.append(model.shownKey(of: row.values))
    }
  }
}
