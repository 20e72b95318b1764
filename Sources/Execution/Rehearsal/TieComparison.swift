import Certification
import Pipelines
import SQL
import Storage
import Wire

/// Holds SELECTs on one copy of some rows against the same on another.
///
/// - Bound: `ExecutionLimits.tiedArguments` runs of each on each, of
///   `ExecutionLimits.stepsPerTiedSelect` steps.
struct TieComparison {
  /// What is known of one SELECT.
  private struct Seen {
    var isTold = false
    var ran = false
    var gaveRows = false
    var isTooLong = false
    var refusal: Refusal?
  }

  private let selects: [TiedSelect]
  /// By column of text: what its arguments may be.
  private let likely: [String: [Value]]
  private var seen: [Seen]
  /// Keys that descend as a whole are gone through as ascending ones are, backwards.
  private var isAlike = true

  init(_ selects: [TiedSelect], likely: [String: [Value]]) {
    self.selects = selects
    self.likely = likely
    seen = selects.map { _ in Seen() }
  }

  var tally: TieTally {
    var tally = TieTally()
    tally.selects = selects.count
    for (select, seen) in zip(selects, seen) {
      if seen.gaveRows { tally.withRows += 1 }
      if seen.isTooLong { tally.tooLong.append(select.what) }
      guard !seen.ran, !seen.isTold, let refusal = seen.refusal else { continue }
      tally.failing.append("\(select.what): \(refusal)")
    }
    return tally
  }

  /// - Returns: for each SELECT that differs and was not told of before, where first.
  mutating func run(_ rehearsal: Rehearsal) throws(ExecutionFault) -> [RehearsalResult.Failure] {
    isAlike = rehearsal.mirrored == .descending
    guard let file = rehearsal.executor.pipelines[rehearsal.name],
      let other = rehearsal.mirror.pipelines[rehearsal.name]
    else { return [] }
    let copies = (try TiedCopy(file), try TiedCopy(other))
    var failures: [RehearsalResult.Failure] = []
    for place in selects.indices where !seen[place].isTold {
      let select = selects[place]
      for arguments in arguments(of: select) {
        let found = try difference(place, arguments, copies, at: rehearsal.time)
        guard let found else { continue }
        seen[place].isTold = true
        let given = arguments.map { ", \($0.name) = \($0.value.shown)" }.joined()
        failures.append(
          RehearsalResult.Failure(
            place: select.place,
            message: "\(select.what) differs on made-up rows full of ties\(given): \(found)"
              + Rehearsal.why))
        break
      }
    }
    return failures
  }

  /// - Returns: for each SELECT of a stored model that gives what its table should not hold, and
  ///   was not told of before, what that is.
  mutating func holdStored(
    _ rehearsal: Rehearsal
  ) throws(ExecutionFault) -> [RehearsalResult.Failure] {
    guard let file = rehearsal.executor.pipelines[rehearsal.name] else { return [] }
    var failures: [RehearsalResult.Failure] = []
    for place in selects.indices where !seen[place].isTold {
      let times = [rehearsal.time] + TieRows.otherTimes
      guard let fault = try selects[place].fault(on: file.engine, at: times) else { continue }
      seen[place].isTold = true
      failures.append(RehearsalResult.Failure(place: selects[place].place, message: fault))
    }
    return failures
  }

  private mutating func difference(
    _ place: Int, _ arguments: [(name: String, value: Value)], _ copies: (TiedCopy, TiedCopy),
    at time: Moment
  ) throws(ExecutionFault) -> String? {
    // One argument list that takes too long is enough; others only would too.
    guard !seen[place].isTooLong else { return nil }
    let select = selects[place]
    func outcome(_ copy: TiedCopy) throws(ExecutionFault) -> SelectOutcome {
      var budget = StepBudget(limit: ExecutionLimits.stepsPerTiedSelect)
      return try copy.engine(select.profile).outcome(
        of: select.select, select.what, arguments: arguments, at: time, &budget)
    }
    let (one, two) = (try outcome(copies.0), try outcome(copies.1))
    guard one.refusal?.code != "STEP_LIMIT", two.refusal?.code != "STEP_LIMIT" else {
      seen[place].isTooLong = true
      return nil
    }
    seen[place].gaveRows = seen[place].gaveRows || !one.rows.isEmpty
    seen[place].ran = seen[place].ran || one.refusal == nil
    seen[place].refusal = one.refusal ?? seen[place].refusal
    return SelectOutcome.difference(
      ascending: one, descending: two, of: select.select, alike: isAlike)
  }

  /// Values of the arguments' types, made up as those of rows are, so that they find some.
  private func arguments(of select: TiedSelect) -> [[(name: String, value: Value)]] {
    guard !select.arguments.isEmpty else { return [[]] }
    let columns = select.arguments.map {
      TableSchema.Column(name: $0.name, type: $0.type.proven, nullable: false, personal: false)
    }
    var ties = TieRows(table: select.what, columns: columns, keys: [])
    ties.count = ExecutionLimits.tiedArguments
    ties.likely = likely
    return ties.rows.map { row in zip(select.arguments, row).map { ($0.name, $1) } }
  }
}

/// The engines of one copy of the rows.
private struct TiedCopy {
  private let update: Engine
  private let query: Engine

  init(_ file: PipelineFile) throws(ExecutionFault) {
    update = file.engine
    do {
      query = try Engine(path: ":memory:", access: .create, vfs: nil, profile: .query)
      try query.connection.copy(from: file.engine.connection)
    } catch { throw ExecutionFault(error) }
  }

  func engine(_ profile: EngineProfile) -> Engine {
    switch profile {
    case .update: update
    case .query: query
    }
  }
}
