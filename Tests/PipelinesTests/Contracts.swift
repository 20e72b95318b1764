import Pipelines
import Wire

/// Contracts that the tests decode against.
enum Contracts {
  static let payments = Source(
    name: "payments",
    columns: [
      SourceColumn(name: "id", type: .text, bytesMax: 8),
      SourceColumn(name: "amount", type: .decimal(precision: 6, scale: 2), required: true),
      SourceColumn(name: "day", from: "booked", type: .date),
      SourceColumn(name: "side", type: .text, acceptedValues: ["IN", "OUT"]),
    ], primaryKey: ["id"])

  static func one(
    _ type: ColumnType, parse: ParseRule = .standard,
    change: (inout SourceColumn) -> Void = { _ in }
  ) -> Source {
    var column = SourceColumn(name: "x", type: type, parse: parse)
    change(&column)
    return Source(name: "s", columns: [column], primaryKey: [])
  }

  static func decode(
    _ text: String, _ source: Source = payments, format: RowFormat = .csv,
    defaults: Defaults = Defaults()
  ) throws(Refusal) -> DecodedBatch {
    try RowDecoder(source: source, defaults: defaults).decode(Array(text.utf8), format: format)
  }

  /// One value of a column `x`, quoted in CSV so that any text may stand in it.
  static func value(_ text: String, _ source: Source) throws -> Result<StoredValue, Complaint> {
    let field =
      "\""
      + text.split(separator: "\"", omittingEmptySubsequences: false)
      .joined(separator: "\"\"") + "\""
    let batch = try decode("x\n\(field)\n", source)
    if let rejected = batch.rejected.first { return .failure(Complaint(text: rejected.errors)) }
    return .success(batch.value(row: 0, column: 0))
  }

  struct Complaint: Error, Hashable {
    let text: String
  }
}
