import Certification
import QuorateClient
import Signing
import Wire

/// A saved answer that was checked, as people and programs read it: what was asked, and what the
/// answer to it is.
struct VerifyReport: Encodable {
  let verified = "true"
  let claim: String
  let subnet: String
  let pipeline: String
  let height: String
  let time: String
  /// nil for a receipt, which names its call.
  let asked: AskedReport?
  let columns: [String]?
  /// nil for null, and for what is withheld.
  let rows: [[String?]]?
  /// Of rows: false where the limit cut them.
  let complete: Bool?
  let receipt: ReceiptReport?
  /// For people.
  private let cells: [[String]]
  private let network: String

  private enum CodingKeys: CodingKey {
    case verified, claim, subnet, pipeline, height, time, asked, columns, rows, complete, receipt
  }

  /// - Parameter checked: what `saved` was found to say.
  init(_ saved: SavedAnswer, _ checked: CheckedAnswer, _ network: Network) {
    claim = checked.claim
    subnet = network.subnet.hex
    pipeline = checked.pipeline
    height = "\(checked.height)"
    time = ColumnType.timestamp.text(of: .int(Int64(clamping: checked.time.number))) ?? ""
    columns = checked.table?.columns.map(\.name)
    rows = checked.table?.texts
    cells = checked.table.map(saved.cells) ?? []
    switch saved {
    case .answers(let request, _):
      (asked, complete, receipt) = (AskedReport(request), nil, nil)
    case .rows(let request, let found):
      asked = AskedReport(request, found.schema)
      (complete, receipt) = (found.complete, nil)
    case .receipt(let certified):
      (asked, complete, receipt) = (nil, nil, ReceiptReport(certified))
    }
    self.network = "\(network.name) (\(network.subnet.short))"
  }

  var text: String {
    var lines = [
      "Verified: \(claim).",
      "Subnet \(network), pipeline \(pipeline), height \(height), \(time).".inOneLine,
    ]
    if let asked { lines.append("Asked for: \(asked.text)") }
    if let columns {
      if !cells.isEmpty {
        lines.append(Terminal.table(columns, cells))
      } else if asked?.table != nil {
        lines.append("No rows: their absence is what is proven.")
      } else {
        lines.append("The answer has no rows.")
      }
    }
    if let receipt {
      let refusal = receipt.refusal.map { ": \($0.inset)" } ?? "."
      lines.append("The update \(receipt.request) was \(receipt.status)\(refusal)")
      if let rows = receipt.rows { lines.append("  rows: \(rows)") }
      lines += receipt.notes.map { "  \($0.inOneLine)" }
    }
    return lines.joined(separator: "\n")
  }
}

/// What was asked, by the request that the proof answers.
struct AskedReport: Encodable {
  /// A named query, a SELECT, the digest of the package whose deploy was planned, or `check` and
  /// `lineage`: one of them, or a table.
  var query: String?
  var sql: String?
  var plan: String?
  var workshop: String?
  var arguments: [Argument]?
  /// The public key that asked; roles mask columns. nil for nobody's.
  var caller: String?
  /// A certified table, and the values of its key: one row's, the bounds, or those that keys begin
  /// with; without any, every row.
  var table: String?
  var key: [String]?
  var from: [String]?
  var to: [String]?
  var prefix: [String]?
  /// In a sentence.
  let text: String

  private enum CodingKeys: CodingKey {
    case query, sql, plan, workshop, arguments, caller, table, key, from, to, prefix
  }

  struct Argument: Encodable {
    let name: String
    /// nil for null.
    let value: String?
  }

  init(_ request: QueryRequest) {
    var words: String
    switch request.question {
    case .named(let name):
      query = name
      words = "the query \(Self.plain(name))"
    case .sql(let text):
      sql = text
      words = "the SELECT \(text.debugDescription.inOneLine)"
    case .plan(let package):
      plan = sha256(package).hex
      words = "the plan of a deploy of the package \(sha256(package).hex)"
    case .check:
      workshop = "check"
      words = "the check of its models"
    case .lineage:
      workshop = "lineage"
      words = "the lineage of its columns"
    }
    arguments = request.arguments.map {
      Argument(name: $0.name, value: ColumnType.undeclared.text(of: $0.value))
    }
    caller = request.caller?.hex
    if !request.arguments.isEmpty {
      let pairs = request.arguments.map { "\(Self.plain($0.name)) = \(Self.shown($0.value))" }
      words += ", with \(pairs.joined(separator: ", "))"
    }
    if let caller { words += ", as \(caller)" }
    text = words
  }

  /// - Parameter schema: the proven one.
  init(_ request: RowsRequest, _ schema: TableSchema) {
    let columns = schema.key.map { schema.columns[$0] }
    func texts(_ values: [Value]) -> [String] {
      zip(columns, values).map { $0.type.text(of: $1) ?? "" }
    }
    func words(_ values: [Value]) -> String {
      let pairs = zip(columns, values).map { column, value in
        "\(Self.plain(column.name)) = \(Self.shown(value, as: column.type))"
      }
      return pairs.joined(separator: ", ")
    }
    let name = Self.plain(request.table)
    table = request.table
    switch request.selection {
    case .key(let values):
      key = texts(values)
      text = "the row of \(name) with \(words(values))"
    case .range(let lower, let upper):
      from = lower.map(texts)
      to = upper.map(texts)
      text =
        "the rows of \(name)" + (lower.map { " from \(words($0)) on" } ?? "")
        + (upper.map { " below \(words($0))" } ?? "")
    case .prefix(let values):
      prefix = texts(values)
      text = "the rows of \(name)" + (values.isEmpty ? "" : " whose key begins \(words(values))")
    }
  }

  /// A name, in quotes unless it is of letters, digits and underscores.
  private static func plain(_ name: String) -> String {
    name.wholeMatch(of: #/[A-Za-z0-9_]+/#) == nil ? name.debugDescription.inOneLine : name
  }

  /// A value that cannot be taken for what stands beside it.
  private static func shown(_ value: Value, as type: ColumnType = .undeclared) -> String {
    switch value {
    case .null: "null"
    case .int: type.text(of: value) ?? ""
    case .text(let text): text.debugDescription.inOneLine
    case .bytes(let bytes): "x'\(bytes.hex)'"
    }
  }
}
