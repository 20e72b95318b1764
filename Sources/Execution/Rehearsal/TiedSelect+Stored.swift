import Certification
import Pipelines
import Wire

extension TiedSelect {
  /// What is wrong with the rows that a stored model would keep, in words for people: a value of
  /// another kind than its column's, or rows that another block time changes. nil for sound ones,
  /// and for a SELECT whose rows nobody stores.
  ///
  /// - Throws: the machine's failures alone.
  func fault(on engine: Engine, at times: [Moment]) throws(ExecutionFault) -> String? {
    guard !stored.isEmpty else { return nil }
    var first: (rows: [[Value]], time: Moment)?
    for time in times {
      var budget = StepBudget(limit: ExecutionLimits.stepsPerTiedSelect)
      let outcome = try engine.outcome(of: select, what, at: time, &budget)
      guard outcome.refusal == nil else { continue }
      if let column = mismatch(outcome.rows) { return column }
      guard let known = first else {
        first = (outcome.rows, time)
        continue
      }
      guard known.rows == outcome.rows else {
        return "\(what) gives other made-up rows at \(Self.shown(time)) than at "
          + "\(Self.shown(known.time)), and what is stored does not follow the time: leave "
          + "consensus_… out of it and of the views that it reads, and filter by time in a query"
      }
    }
    return nil
  }

  private func mismatch(_ rows: [[Value]]) -> String? {
    for row in rows {
      for (value, column) in zip(row, stored) where !column.type.proven.keeps(value) {
        return
          "\(what) gives \(value.kind) for \(column.name), which is \(column.type), on made-up "
          + "rows; an update that comes to such a row is refused (QD23): cast it, or declare "
          + "another type"
      }
    }
    return nil
  }

  private static func shown(_ time: Moment) -> String {
    Certification.ColumnType.timestamp.text(of: .int(Int64(clamping: time.number))) ?? ""
  }
}
