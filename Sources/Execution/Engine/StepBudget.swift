import Storage
import Wire

/// The steps that a call may use, and those it has.
///
/// - Safety: what is counted is SQLite's own exact count, and the bytes that functions go through,
///   so a budget ends at the same statement, and the same step, everywhere.
struct StepBudget {
  private(set) var limit: UInt64
  private(set) var used: UInt64 = 0
  /// Steps that metered bytes stand for: a long text takes no more steps than a short one.
  private var work: UInt64 = 0
  /// Rows that statements gave while it lasted.
  fileprivate(set) var rows: UInt64 = 0

  init(limit: UInt64) { self.limit = limit }

  var left: UInt64 { limit - min(limit, spent) }

  /// Steps that are used up.
  var spent: UInt64 { used.addingCapped(work) }

  /// Runs a part of the work, which ends once so many steps are spent in all.
  /// - Returns: nil where it ended by that.
  mutating func within<R>(
    _ share: UInt64, _ body: (inout StepBudget) throws(Stop) -> R
  ) throws(Stop) -> R? {
    guard share < limit else { return try body(&self) }
    var part = self
    part.limit = share
    defer { (used, work, rows) = (part.used, part.work, part.rows) }
    do { return try body(&part) } catch {
      guard case .refused = error, part.left == 0 else { throw error }
      return nil
    }
  }

  mutating func use(_ steps: UInt64, work more: UInt64) {
    used = min(limit, used.addingCapped(steps))
    work = work.addingCapped(more)
  }
}

extension UInt64 {
  func addingCapped(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }

  func multipliedCapped(_ other: UInt64) -> UInt64 {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? .max : product
  }
}

extension Engine {
  /// Runs a statement to its end within the budget, one body a row, and resets it.
  ///
  /// - Parameter what: names the statement in refusals: `the model slv_matches`.
  func run(
    _ statement: PreparedStatement, _ budget: inout StepBudget, _ what: @autoclosure () -> String,
    _ body: (PreparedStatement) throws(Stop) -> Void
  ) throws(Stop) {
    try read(statement, &budget, what()) { row throws(Stop) in
      try body(row)
      return true
    }
  }

  /// As `run`, until a body says that this was the last row.
  func read(
    _ statement: PreparedStatement, _ budget: inout StepBudget, _ what: @autoclosure () -> String,
    while body: (PreparedStatement) throws(Stop) -> Bool
  ) throws(Stop) {
    _ = statement.takeSteps()
    meter.allow(budget.left)
    defer {
      budget.use(statement.takeSteps(), work: meter.work)
      meter.allow(.max)
      statement.rewind()
    }
    do {
      while try statement.step() {
        budget.rows += 1
        meter.reached(statement.stepsSoFar)
        let goesOn: Bool
        do { goesOn = try body(statement) } catch { throw RowStop(stop: error) }
        guard goesOn else { break }
      }
    } catch let stop as RowStop {
      throw stop.stop
    } catch let fault as StorageFault {
      guard fault.kind == .interrupted else { throw Stop(sql: fault, in: what()) }
      guard profile == .update else { throw .refused(Self.tooLong(what())) }
      if statement.stepsSoFar + meter.work <= budget.left {
        throw .failed(
          ExecutionFault(
            .environment,
            "\(what()) was interrupted before its steps ran out: an update ends by its steps alone "
              + "(QD38)"))
      }
      throw Stop(sql: fault, in: what())
    } catch { preconditionFailure("an error of no known kind: \(error)") }
    guard statement.stepsSoFar + meter.work <= budget.left else {
      guard profile == .update else { throw .refused(Self.tooLong(what())) }
      throw Stop(
        sql: StorageFault(code: 9, extendedCode: 9, message: "", doing: ""), in: what())
    }
  }

  /// As `run`, for a statement of our own whose rows are written elsewhere as they come: the budget
  /// is looked at after each row, so no step of a write counts.
  func copy(
    _ statement: PreparedStatement, _ budget: inout StepBudget, _ what: @autoclosure () -> String,
    _ body: (PreparedStatement) throws(Stop) -> Void
  ) throws(Stop) {
    _ = statement.takeSteps()
    defer { statement.rewind() }
    var isRow = true
    while isRow {
      let before = meter.bytes
      isRow = try machine { () throws(StorageFault) in try statement.step() }
      if isRow { try body(statement) }
      let work = (meter.bytes - before) / ExecutionLimits.functionBytesPerStep
      budget.use(statement.takeSteps(), work: work)
      guard budget.left > 0 else {
        throw Stop(
          sql: StorageFault(code: 9, extendedCode: 9, message: "", doing: ""), in: what())
      }
    }
  }

  private static func tooLong(_ query: String) -> Refusal {
    Refusal(
      "STEP_LIMIT",
      "\(query) takes more steps, or more time, than a query may: ask for less, or let a model "
        + "keep what it computes")
  }
}

private struct RowStop: Error { let stop: Stop }
