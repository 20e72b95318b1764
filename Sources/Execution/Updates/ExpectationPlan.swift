import Certification
import Pipelines
import SQL
import Storage
import Wire

/// The expectations of one source, made ready: one statement over the cells of a row for those
/// that look at rows, one for each that looks at the batch as a whole.
final class ExpectationPlan {
  enum Verdict {
    case pass
    case drop
    case quarantine(String)
  }

  /// Expectations that one statement answers, a column each.
  private struct Check {
    let expectations: [Expectation]
    let statement: PreparedStatement
    /// The decoded row's column behind each parameter.
    let parameters: [(place: Int, column: Int)]
    /// The place of `quarantined_ppm()`, if it is asked for.
    let share: Int?
    /// Rows that were looked at since the batch began, or the batch itself.
    var checked: UInt64 = 0
    /// By expectation: how many of them broke it.
    var violated: [UInt64]

    mutating func restart() {
      checked = 0
      for index in violated.indices { violated[index] = 0 }
    }

    mutating func count(_ broken: [Int]) {
      checked += 1
      for index in broken { violated[index] += 1 }
    }

    func counted(_ name: String) -> (checked: UInt64, violated: UInt64)? {
      expectations.firstIndex { $0.name == name }.map { (checked, violated[$0]) }
    }
  }

  private let source: String
  private var ofRows: Check?
  private var ofBatch: Check?
  /// The expectation that refuses the batch.
  private var refusing: Expectation?

  private init(source: String) { self.source = source }

  /// - Returns: nil when the source expects nothing.
  static func make(_ source: CheckedSource, engine: Engine) throws(Stop) -> ExpectationPlan? {
    guard !source.expectations.isEmpty else { return nil }
    let plan = ExpectationPlan(source: source.name)
    let columns = source.source.storedColumns.map(\.name)
    let isOfBatch = { (checked: CheckedExpectation) in
      checked.check.usesQuarantinedPPM && checked.check.columns.isEmpty
    }
    plan.ofRows = try check(
      source.expectations.filter { !isOfBatch($0) }, columns, source.name, engine)
    plan.ofBatch = try check(
      source.expectations.filter(isOfBatch), columns, source.name, engine)
    return plan
  }

  private static func check(
    _ checked: [CheckedExpectation], _ columns: [String], _ source: String, _ engine: Engine
  ) throws(Stop) -> Check? {
    guard !checked.isEmpty else { return nil }
    let used = columns.indices.filter { index in
      checked.contains { $0.check.columns.contains(columns[index]) }
    }
    let expressions = checked.map { "(\($0.check.print(qualifier: "r")))" }
    let cells = used.map { ":c_\(columns[$0]) AS \(quoted(columns[$0]))" }
    var sql = "SELECT \(expressions.joined(separator: ", "))"
    if !cells.isEmpty { sql += " FROM (SELECT \(cells.joined(separator: ", "))) AS \"r\"" }
    let statement: PreparedStatement
    do { statement = try engine.prepareUser(sql) } catch {
      throw Stop(sql: error, in: "the expectations of \(source)")
    }
    let parameters = used.compactMap { index in
      statement.parameter(":c_\(columns[index])").map { (place: $0, column: index) }
    }
    return Check(
      expectations: checked.map(\.expectation), statement: statement, parameters: parameters,
      share: statement.parameter(":quarantined_ppm"),
      violated: [UInt64](repeating: 0, count: checked.count))
  }

  /// Begins an update: nothing is counted of it yet.
  func begin() {
    refusing = nil
    ofRows?.restart()
    ofBatch?.restart()
  }

  /// Adds what was counted since the update began; of one that was refused, what refused it.
  func add(to counts: inout SourceCounts, isApplied: Bool) {
    for place in counts.expectations.indices {
      let name = counts.expectations[place].name
      if isApplied {
        let (checked, violated) = ofRows?.counted(name) ?? ofBatch?.counted(name) ?? (0, 0)
        counts.expectations[place].checked += checked
        counts.expectations[place].violated += violated
      } else if name == refusing?.name {
        counts.expectations[place].checked += 1
        counts.expectations[place].violated += 1
      }
    }
  }

  /// - Parameter arrives: whether the row comes in now: then it is counted, and may refuse the
  ///   whole batch; else it is held back.
  func judge(
    _ batch: DecodedBatch, _ row: Int, _ number: UInt32, arrives: Bool, _ engine: Engine,
    _ budget: inout StepBudget, _ notes: inout NoteTaker
  ) throws(Stop) -> Verdict {
    guard let check = ofRows else { return .pass }
    try bind(check, batch, row, engine)
    var verdict = Verdict.pass
    let broken = try broken(check, engine, &budget)
    if arrives { ofRows?.count(broken) }
    for index in broken {
      let expectation = check.expectations[index]
      notes.add(
        expectation.name, row: number,
        message: "\(expectation.onViolation.rawValue): \(expectation.check.text)")
      switch expectation.onViolation {
      case .warn: continue
      case .drop: if case .pass = verdict { verdict = .drop }
      case .quarantine:
        if case .pass = verdict { verdict = .quarantine("expectation \(expectation.name)") }
      case .fail where arrives: throw failed(expectation, row: number)
      case .fail: verdict = .quarantine("expectation \(expectation.name)")
      }
    }
    return verdict
  }

  /// After the last row: what is expected of the batch as a whole.
  func judgeBatch(
    _ engine: Engine, _ budget: inout StepBudget, _ notes: inout NoteTaker
  ) throws(Stop) {
    guard let check = ofBatch else { return }
    try bindShare(check, engine)
    let broken = try broken(check, engine, &budget)
    ofBatch?.count(broken)
    for index in broken {
      let expectation = check.expectations[index]
      guard expectation.onViolation == .warn else {
        throw failed(expectation, row: nil, found: found(engine, notes))
      }
      notes.add(expectation.name, row: 0, message: expectation.check.text)
    }
  }

  /// How many rows of the batch were quarantined, and what was counted of them.
  ///
  /// - Bound: `foundBytesMax` of reasons.
  private func found(_ engine: Engine, _ notes: NoteTaker) -> String {
    let (bad, all) = (engine.functions.rowsQuarantined, engine.functions.rowsInBatch)
    let reasons = notes.sorted.map { "\($0.name) \($0.count)×" }.joined(separator: ", ")
    let shown = reasons.cut(to: Self.foundBytesMax)
    return ": \(bad) of \(all) rows were quarantined, \(share(engine)) ppm"
      + (shown.isEmpty ? "" : " (\(shown)\(shown == reasons ? "" : " …"))")
  }

  private static let foundBytesMax = 512

  private func failed(_ expectation: Expectation, row: UInt32?, found: String = "") -> Stop {
    refusing = expectation
    let place = row.map { "row \($0)" } ?? "the batch"
    let check = expectation.check.text.cut(to: 256)
    return .refused(
      Refusal(
        "EXPECTATION_FAILED",
        "\(place) does not meet \(expectation.name): \(check)\(found). No row of the batch was "
          + "taken"))
  }

  /// Quarantined rows of the batch, in millionths.
  private func share(_ engine: Engine) -> Int64 {
    let (bad, all) = (engine.functions.rowsQuarantined, engine.functions.rowsInBatch)
    return all == 0 ? 0 : 1_000_000 * bad / all
  }

  private func bindShare(_ check: Check, _ engine: Engine) throws(Stop) {
    guard let place = check.share else { return }
    let share = share(engine)
    try machine { () throws(StorageFault) in try check.statement.bind(place, share) }
  }

  private func bind(
    _ check: Check, _ batch: DecodedBatch, _ row: Int, _ engine: Engine
  ) throws(Stop) {
    try bindShare(check, engine)
    try machine { () throws(StorageFault) in
      for (place, column) in check.parameters {
        let cell = batch.cell(row: row, column: column)
        switch cell {
        case .null: try check.statement.bindNull(place)
        case .integer(let value): try check.statement.bind(place, value)
        case .text: try check.statement.bind(place, utf8: Array(batch.bytes(of: cell)))
        case .blob: try check.statement.bind(place, blob: Array(batch.bytes(of: cell)))
        }
      }
    }
  }

  /// Which expectations do not hold; as with a CHECK constraint, null holds.
  private func broken(
    _ check: Check, _ engine: Engine, _ budget: inout StepBudget
  ) throws(Stop) -> [Int] {
    var broken: [Int] = []
    try engine.run(check.statement, &budget, "the expectations of \(source)") {
      row throws(Stop) in
      for index in check.expectations.indices where !row.isNull(index) && row.integer(index) == 0 {
        broken.append(index)
      }
    }
    return broken
  }
}
