import Certification
import Pipelines
import Wire

// What a model's SELECT gives is held to the types of its columns: nothing is made to fit.

extension ModelPlan {
  /// Refuses a value of another kind than its column's.
  func refuseMismatch(_ value: Value, for column: ModelColumn) throws(Stop) {
    guard !column.type.proven.keeps(value) else { return }
    let fix =
      switch column.type.storage {
      case .integer: "write cast(… as integer) in the SELECT, or declare another type"
      case .text: "write cast(… as text) in the SELECT, or declare another type"
      case .blob: "declare another type"
      }
    throw .refused(
      Refusal(
        "QD23",
        "\(name).\(column.name) is \(column.type), and the SELECT gives \(value.kind) for it: "
          + "\(fix). No value is made to fit"))
  }

  /// Refuses a value that its column's declared type does not have. What nobody declared is
  /// inferred, and promises nothing: a sum has more digits than what it adds up.
  func refuseOutOfRange(_ values: [Value]) throws(Stop) {
    for (value, column) in zip(values, checked.model.columns) {
      let isHeld =
        switch value {
        case .int(let number): column.type.holds(number)
        case .text(let text): column.type.holds(text)
        case .null, .bytes: true
        }
      guard isHeld else { throw outOfRange(value, of: column) }
    }
  }

  private func outOfRange(_ value: Value, of column: ModelColumn) -> Stop {
    let isPersonal = checked.column(column.name)?.pii != nil
    var shown = isPersonal ? "a personal value, which is not shown" : value.shown
    if case .decimal = column.type, !isPersonal {
      shown = column.type.proven.text(of: value) ?? shown
    }
    return .refused(
      Refusal(
        "OUT_OF_RANGE",
        "\(name).\(column.name) comes to \(shown), which is out of the range of \(column.type): "
          + "declare a type that has it, or leave such rows out in the SELECT"))
  }
}
