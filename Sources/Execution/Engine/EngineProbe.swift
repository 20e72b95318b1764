import CSQLite
import Pipelines
import Signing
import Storage
import Wire

/// A written corpus of statements over small tables, by whose answers engines are told apart.
///
/// - Safety: rows and steps stand for the plans, since a plan that costs no other steps and gives
///   no other rows is none that replicas could disagree on.
enum EngineProbe {
  /// What an engine answered to one statement.
  struct Answer: Equatable {
    let sql: String
    /// Types and values, row by row.
    var rows: [UInt8] = []
    /// The code of what ended it early; SQLite's words differ by version.
    var fault = ""
    var steps: UInt64 = 0
  }

  /// What this machine's engine answers in its update profile.
  static func answers(to statements: [String]) throws(ExecutionFault) -> [Answer] {
    let engine: Engine
    do throws(StorageFault) {
      engine = try Engine(path: ":memory:", access: .create, vfs: nil, profile: .update)
      for statement in ground { try engine.connection.execute(statement) }
    } catch { throw ExecutionFault(error) }
    var all: [Answer] = []
    for statement in statements { all.append(try answer(to: statement, of: engine)) }
    return all
  }

  private static func answer(
    to sql: String, of engine: Engine
  ) throws(ExecutionFault) -> Answer {
    var answer = Answer(sql: sql)
    var rows = Encoder()
    var budget = StepBudget(limit: ExecutionLimits.stepsPerMetric)
    do throws(Stop) {
      let statement = try engine.cachedUser(sql, "the probe")
      try engine.run(statement, &budget, "the probe") { row throws(Stop) in
        for index in 0..<row.columnCount { append(row, index, to: &rows) }
      }
    } catch {
      switch error {
      case .refused(let refusal): answer.fault = refusal.code
      case .failed(let fault): throw fault
      }
    }
    answer.rows = rows.bytes
    answer.steps = budget.used
    return answer
  }

  private static func append(
    _ row: PreparedStatement, _ index: Int, to rows: inout Encoder
  ) {
    switch row.type(index) {
    case .null: rows.variant(0)
    case .integer:
      rows.variant(1)
      rows.integer(row.integer(index))
    case .real:
      rows.variant(2)
      rows.integer(row.real(index).bitPattern)
    case .text:
      rows.variant(3)
      rows.blob(row.bytes(index))
    case .blob:
      rows.variant(4)
      rows.blob(row.bytes(index))
    }
  }

  /// Whether texts are in form NFC by the Unicode tables of this machine, which are not SQLite's:
  /// where replicas differ in that, one quarantines a row that another takes.
  static func answers(toForms texts: [String]) -> [Answer] {
    texts.map { Answer(sql: $0, rows: [Normalization.isComposed($0) ? 1 : 0]) }
  }

  static func digest(of answers: [Answer]) -> Digest {
    var encoder = Encoder()
    for answer in answers {
      encoder.text(answer.sql)
      encoder.blob(answer.rows)
      encoder.text(answer.fault)
      encoder.integer(answer.steps)
    }
    return sha256(encoder.bytes)
  }
}

extension EngineFingerprint {
  /// That of this machine, computed once a process.
  package static func own() throws(ExecutionFault) -> EngineFingerprint { try known.get() }

  private static let known = Result { () throws(ExecutionFault) in try computed() }

  static func computed() throws(ExecutionFault) -> EngineFingerprint {
    var options = Encoder()
    try wrapped { () throws(StorageFault) in
      let connection = try Connection(path: ":memory:")
      try withExtendedLifetime(connection) { () throws(StorageFault) in
        let listed = try connection.prepare(
          "SELECT compile_options FROM pragma_compile_options ORDER BY 1")
        while try listed.step() { options.text(listed.text(0)) }
      }
    }
    let answers =
      try EngineProbe.answers(to: EngineProbe.answered + EngineProbe.failing)
      + EngineProbe.answers(toForms: EngineProbe.forms)
    return EngineFingerprint(
      source: String(cString: sqlite3_sourceid()).cut(to: Limits.engineSourceBytesMax),
      options: sha256(options.bytes), probe: EngineProbe.digest(of: answers))
  }
}
