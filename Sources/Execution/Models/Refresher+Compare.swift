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
    for difference in wanted.differences(from: known) {
      let row: StoredRow
      switch difference {
      case .insert(let new):
        comparison.missing += 1
        row = new
      case .delete(let old):
        comparison.extra += 1
        row = old
      case .update(let old, _):
        comparison.different += 1
        row = old
      }
      guard comparison.keys.count < ExecutionLimits.differencesShownMax else { continue }
      comparison.keys.append(model.shownKey(of: row.values))
    }
    return comparison
  }
}
