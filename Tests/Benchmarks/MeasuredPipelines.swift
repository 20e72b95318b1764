import Pipelines
import Wire

/// The pipelines that are measured, and rows for them.
enum MeasuredPipelines {
  static let bareName = "bare"
  static let ledgerName = "ledger_book"
  static let sourceName = "entries"
  static let tableName = "ledger"
  static let queryName = "entry"
  static let ledgerRows = 1_000

  /// One source of three columns and nothing that follows from it.
  static let bare = Package(name: bareName, version: "1", sources: [source])

  /// The same source with a certified table of its rows and a query by key.
  static let ledger = Package(
    name: ledgerName, version: "1", sources: [source],
    models: [
      Model(
        name: tableName, layer: .silver, kind: .full, primaryKey: ["id"],
        sql: SQLScript(
          "select id, amount, note from {{ source('entries') }}", file: "ledger.sql"),
        certified: true)
    ],
    queries: [
      Query(
        name: queryName, args: [Argument(name: "id", type: .text)], allow: [.anyone],
        sql: SQLScript(
          "select id, amount, note from {{ ref('ledger') }} where id = :id order by id",
          file: "queries.yaml"))
    ])

  private static let source = Source(
    name: sourceName, formats: [.csv],
    columns: [
      SourceColumn(name: "id", type: .text, required: true),
      SourceColumn(name: "amount", type: .int, required: true),
      SourceColumn(name: "note", type: .text),
    ],
    primaryKey: ["id"])

  /// A batch of rows with ascending keys, as CSV.
  static func rows(_ numbers: Range<Int>) -> [UInt8] {
    var bytes = Array("id,amount,note\n".utf8)
    bytes.reserveCapacity(bytes.count + 44 * numbers.count)
    for number in numbers {
      bytes.append(contentsOf: rowKey(number).utf8)
      bytes.append(contentsOf: ",\(number &* 31 % 100_000),a note of some words\n".utf8)
    }
    return bytes
  }
}
