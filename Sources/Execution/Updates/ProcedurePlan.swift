import Certification
import Pipelines
import Storage
import Wire

/// A procedure made ready: its SELECT gives the rows that its source takes.
final class ProcedurePlan {
  let checked: CheckedProcedure
  private let select: SelectText
  private var statement: PreparedStatement?

  init(_ checked: CheckedProcedure) {
    self.checked = checked
    select = SelectText(checked.query)
  }

  /// The rows that a call emits, held against the contract of the source.
  func emit(
    _ call: OrderedCall, engine: Engine, into plan: SourcePlan, _ budget: inout StepBudget
  ) throws(Stop) -> DecodedBatch {
    let values: [StoredValue]
    do { values = try checked.arguments.decode(call.body) } catch { throw .refused(error) }
    let statement = try prepared(engine)
    try machine { () throws(StorageFault) in
      for (argument, value) in zip(checked.arguments.arguments, values) {
        guard let place = statement.parameter(":\(argument.name)") else { continue }
        try statement.bind(place, value: value.value)
      }
    }
    var rows: [[StoredValue]] = []
    var size = 0
    let limit = ExecutionLimits.rowsPerModelMax
    let sizeLimit = ExecutionLimits.rowBytesPerModelMax
    try engine.run(statement, &budget, "the procedure \(checked.name)") { row throws(Stop) in
      guard rows.count < limit else {
        throw .refused(Refusal("ROW_LIMIT", "\(self.checked.name) gives more than \(limit) rows"))
      }
      rows.append(try self.values(row))
      size += rows[rows.count - 1].reduce(0) { $0 + $1.value.size }
      guard size <= sizeLimit else {
        throw .refused(
          Refusal(
            "ROW_LIMIT", "\(self.checked.name) gives more than \(sizeLimit >> 20) MiB of rows"))
      }
    }
    // SQL promises no order without ORDER BY, so the rows are put into one of their own.
    let ordered = rows.map { ($0, Self.encoded($0)) }
      .sorted { $0.1.lexicographicallyPrecedes($1.1) }.map(\.0)
    do { return try plan.decoder.admit(columns: select.columns, rows: ordered) } catch {
      throw .refused(error)
    }
  }

  private func prepared(_ engine: Engine) throws(Stop) -> PreparedStatement {
    if let statement { return statement }
    do {
      let made = try engine.prepareUser(select.whole)
      statement = made
      return made
    } catch { throw Stop(sql: error, in: "the procedure \(checked.name)") }
  }

  private func values(_ row: PreparedStatement) throws(Stop) -> [StoredValue] {
    var values: [StoredValue] = []
    for index in 0..<row.columnCount {
      switch row.type(index) {
      case .null: values.append(.null)
      case .integer: values.append(.integer(row.integer(index)))
      case .text: values.append(.text(row.text(index)))
      case .blob: values.append(.blob(row.bytes(index)))
      case .real:
        throw .refused(
          Refusal(
            "QD48",
            "\(checked.name) gives a floating-point number, which state does not hold: an integer "
              + "overflowed, or a text was taken for a number"))
      }
    }
    return values
  }

  private static func encoded(_ row: [StoredValue]) -> [UInt8] {
    var encoder = KeyEncoder(table: 0)
    for value in row {
      switch value {
      case .null: encoder.blob([])
      case .integer(let number): encoder.int(number)
      case .text(let text): encoder.text(text)
      case .blob(let bytes): encoder.blob(bytes)
      }
    }
    return encoder.bytes
  }
}
