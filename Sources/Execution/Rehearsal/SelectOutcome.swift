import Certification
import SQL
import Storage
import Wire

/// What a SELECT gives on one copy of some rows.
struct SelectOutcome: Equatable {
  /// In the order of the statement, or of their bytes where it has no total one.
  var rows: [[Value]] = []
  /// nil when it ran to its end.
  var refusal: Refusal?

  /// What tells two copies apart that hold the same rows, in words for people; nil when nothing
  /// does. Where both fail, another row may fail first on the other: that is no difference.
  ///
  /// - Parameter alike: whether SQLite goes through both in the same way, but for the direction. If
  ///   not, one may leave out a row that fails on the other.
  static func difference(
    ascending: SelectOutcome, descending: SelectOutcome, of select: CheckedQuery, alike: Bool = true
  ) -> String? {
    switch (ascending.refusal, descending.refusal) {
    case (_?, _?): return nil
    case (_?, nil) where !alike, (nil, _?) where !alike: return nil
    case (let refusal?, nil):
      return "it is refused with ascending keys (\(refusal)) and runs with descending ones"
    case (nil, let refusal?):
      return "it is refused with descending keys (\(refusal)) and runs with ascending ones"
    case (nil, nil):
      let (one, other) = (ascending.rows, descending.rows)
      guard one != other else { return nil }
      let number = zip(one, other).prefix { $0 == $1 }.count
      func shown(_ rows: [[Value]]) -> String {
        guard number < rows.count else { return "no row" }
        return zip(select.columns, rows[number]).map { "\($0.name) = \($1.shown)" }
          .joined(separator: ", ")
      }
      return "its row \(number + 1) is \(shown(one)) with ascending keys, and \(shown(other)) with "
        + "descending ones"
    }
  }
}

extension Engine {
  /// Runs a SELECT to its end, or to what ends it.
  /// - Throws: the machine's failures alone.
  func outcome(
    of select: CheckedQuery, _ what: String, arguments: [(name: String, value: Value)] = [],
    at time: Moment, _ budget: inout StepBudget
  ) throws(ExecutionFault) -> SelectOutcome {
    functions.begin(time: time, randomness: .zero, call: .zero)
    var rows: [[Value]] = []
    do throws(Stop) {
      let statement = try cachedUser(select.print(), what)
      try machine { () throws(StorageFault) in
        statement.reset()
        for (name, value) in arguments {
          guard let place = statement.parameter(":\(name)") else { continue }
          try statement.bind(place, value: value)
        }
      }
      try run(statement, &budget, what) { row throws(Stop) in
        var values: [Value] = []
        for column in 0..<row.columnCount {
          guard row.type(column) != .real else {
            throw .refused(Refusal("QD48", "\(what) gives a floating-point number"))
          }
          values.append(row.value(column))
        }
        rows.append(values)
      }
    } catch {
      switch error {
      case .refused(let refusal): return SelectOutcome(refusal: refusal)
      case .failed(let fault): throw fault
      }
    }
    return SelectOutcome(rows: select.isTotallyOrdered ? rows : Asked.ordered(rows))
  }
}
