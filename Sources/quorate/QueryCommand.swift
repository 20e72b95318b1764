import ArgumentParser
import Certification
import Foundation
import Pipelines
import QuorateClient
import Wire

struct QueryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query",
    abstract: "Ask a question; nothing is ordered, nobody pays, and the answer is checked.",
    discussion: """
      Trust: 'replica' is one replica's signed word; 'quorum' is f + 1 equal signed answers at one
      height; 'certified' is rows of a certified table with a proof up to the certificate.

        quorate query bank_reconciliation      # which queries it has, with their arguments
        quorate query bank_reconciliation auto_match_report --arg bank_id=B01 \\
          --arg from=2024-09-01 --arg to=2025-08-31 --trust quorum
        quorate query bank_reconciliation --sql 'select count(*) as n from slv_matches'
        quorate query bank_reconciliation fct_transaction_audit --trust certified --key K0000033
      """)
  @OptionGroup var location: ClusterLocation
  @OptionGroup var caller: Caller
  @OptionGroup var recency: RecencyOptions
  @Argument(help: "The pipeline.") var pipeline: String
  @Argument(
    help: "A named query; with --trust certified, a certified table. Without it they are listed.")
  var name: String?
  @Option(help: "A SELECT instead of a named query.") var sql: String?
  @Option(name: .customLong("arg"), help: "An argument, name=value; once for each.")
  var arguments: [String] = []
  @Option(help: "How the answer is proven.") var trust: TrustWord = .replica
  @Option(help: "certified: the row with this primary key; columns separated by commas.")
  var key: String?
  @Option(help: "certified: rows from this key on …") var from: String?
  @Option(help: "certified: … and below this one.") var to: String?
  @Option(help: "certified: rows whose key begins with these columns.") var prefix: String?
  @Option(help: "certified: at most so many rows.") var limit = 1_000
  @Option(help: "table, csv or json.") var format: AnswerFormat = .table
  @Option(help: "Save the answer with its proof; 'quorate verify FILE' checks it offline.")
  var save: String?
  @Flag(help: "The same as --format json.") var json = false

  func validate() throws {
    let isKeyed = key != nil || from != nil || to != nil || prefix != nil
    if trust == .certified {
      guard sql == nil, arguments.isEmpty, name != nil else {
        throw ValidationError(
          "--trust certified reads rows of one certified table: quorate query PIPELINE TABLE "
            + "--trust certified --key KEY")
      }
      guard [key != nil, from != nil || to != nil, prefix != nil].count(where: { $0 }) <= 1 else {
        throw ValidationError("Choose one of --key, --from/--to and --prefix.")
      }
    } else {
      guard !isKeyed else {
        throw ValidationError("--key, --from, --to and --prefix go with --trust certified.")
      }
      guard sql == nil || name == nil else {
        throw ValidationError("Name a query or give a SELECT with --sql, not both.")
      }
      guard sql != nil || name != nil || (arguments.isEmpty && save == nil) else {
        throw ValidationError("Name a query of the pipeline, or give a SELECT with --sql.")
      }
    }
  }

  func run() async throws {
    if let save { try OutputKind.savedAnswer.check(save) }
    let session = try Session(location, caller)
    guard sql != nil || name != nil else {
      let found = try await session.pipeline(pipeline)
      await session.client.close()
      return Terminal.say(
        json || format == .json
          ? try Terminal.json(QueryList(found)) : QueryList.text(of: found))
    }
    let answer: VerifiedAnswer
    do { answer = try await ask(session) } catch let failure as ClientFailure {
      throw Failure(
        await session.explained(failure) + (await meantTable(failure, session))
          + (await wholeCommand(failure, session)))
    }
    await session.client.close()
    if let save { try OutputKind.savedAnswer.write(answer.saved.file, to: save) }
    let report = AnswerReport(answer)
    let format = json ? .json : format
    guard format == .csv else { return Terminal.say(try report.text(format)) }
    Terminal.emit(try report.text(.csv))
    for remark in report.remarks { Terminal.warn(remark) }
  }

  /// What to do with a name that is a table's, where a query's was called for.
  private func meantTable(_ failure: ClientFailure, _ session: Session) async -> String {
    guard failure.code == "UNKNOWN_QUERY", let name,
      let table = try? await session.pipeline(pipeline).tables.first(where: { $0.name == name })
    else { return "" }
    let proof = table.isCertified ? ", or its rows with proofs: --trust certified" : ""
    return "\n\(name) is a table: --sql 'select * from \(name)'\(proof)"
  }

  /// The command with every argument, where one was missing or wrong.
  private func wholeCommand(_ failure: ClientFailure, _ session: Session) async -> String {
    guard failure.code == "ARGUMENTS", let name,
      let query = try? await session.pipeline(pipeline).queries.first(where: { $0.name == name })
    else { return "" }
    return "\nNext: \(query.command(of: pipeline))"
  }

  private func ask(_ session: Session) async throws -> VerifiedAnswer {
    let wanted = recency.wanted
    guard trust == .certified, let name else {
      let question: QueryRequest.Question =
        sql.map { .sql(Self.statement($0)) } ?? .named(name ?? "")
      let values = try await typed(session)
      return trust == .quorum
        ? try await session.client.agree(
          question, of: pipeline, arguments: values, recency: wanted)
        : try await session.client.ask(
          question, of: pipeline, arguments: values, recency: wanted)
    }
    let selection = try await selection(of: name, session)
    let answer = try await session.client.rows(
      selection, of: name, in: pipeline, limit: limit, recency: wanted)
    if case .rows(_, let found) = answer.saved { try check(selection, by: found.schema) }
    return answer
  }

  /// Arguments of a named query as texts, which it reads by their types, as a procedure does; those
  /// of a SELECT are read as what they are compared with.
  private func typed(_ session: Session) async throws -> [Certification.Argument] {
    guard !arguments.isEmpty else { return [] }
    if let name {
      let found = try await session.pipeline(pipeline)
      if let query = found.queries.first(where: { $0.name == name }) {
        try Self.check(arguments, against: query)
      }
    }
    return try arguments.map { text in
      let (argument, value) = try SubmitCommand.pair(text)
      return .init(name: argument, value: name == nil ? Self.plain(value) : .text(value))
    }
  }

  /// Without the semicolon that people end a statement with.
  static func statement(_ text: String) -> String {
    var end = text[...]
    while end.last?.isWhitespace == true { end.removeLast() }
    return end.last == ";" ? String(end.dropLast()) : text
  }

  /// A value that nobody declared. 007 is a text: as a number it would lose its zeros.
  static func plain(_ text: String) -> Value {
    guard let number = Int64(text), String(number) == text else { return .text(text) }
    return .int(number)
  }

  static func check(_ arguments: [String], against query: CatalogEntry) throws {
    let names = query.fields.map(\.name)
    for text in arguments {
      let name = try SubmitCommand.pair(text).name
      guard !names.contains(name) else { continue }
      let known = query.fields.map { "\($0.name): \($0.type)" }.joined(separator: ", ")
      let hint = Spelling.hint(name, among: names)
      throw Failure(
        "\(query.name) has no argument '\(name)'; it takes "
          + "\(known.isEmpty ? "none" : known)\(hint.isEmpty ? "." : hint)")
    }
  }

  private func selection(
    of table: String, _ session: Session
  ) async throws -> RowsRequest.Selection {
    let found = try await session.pipeline(pipeline)
    let certified = found.tables.filter(\.isCertified)
    guard let table = certified.first(where: { $0.name == table }) else {
      throw Failure(
        """
        '\(pipeline)' has no certified table '\(table)'; it has \
        \(certified.isEmpty ? "none" : certified.map(\.name).joined(separator: ", ")).
        """)
    }
    return try selection(
      of: table.name,
      key: table.key.map { column in
        let type = table.columns.first { $0.name == column }?.type ?? "text"
        return CatalogField(name: column, type: type)
      })
  }

  /// The rows that the options name, their values read by the types of the key's columns.
  func selection(
    of table: String, key columns: [CatalogField]
  ) throws -> RowsRequest.Selection {
    func values(_ text: String) throws -> [Value] {
      let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      guard parts.count <= columns.count else {
        throw Failure(
          "The key of '\(table)' is (\(columns.map(\.name).joined(separator: ", "))).")
      }
      return try zip(columns, parts).map { column, part in
        guard let value = ColumnType(name: column.type)?.value(from: part) else {
          throw Failure("'\(column.name)' is of type \(column.type); '\(part)' is none.")
        }
        return value
      }
    }
    if let key { return .key(try values(key)) }
    if from != nil || to != nil {
      return .range(from: try from.map(values), to: try to.map(values))
    }
    return .prefix(try prefix.map(values) ?? [])
  }

  /// The types that the key was read by are one replica's word, those of the schema are proven.
  /// - Throws: unless both make the same of what was typed.
  func check(_ selection: RowsRequest.Selection, by schema: TableSchema) throws {
    let key = schema.key.map { index in
      CatalogField(name: schema.columns[index].name, type: schema.columns[index].type.name)
    }
    guard (try? self.selection(of: schema.name, key: key)) == selection else {
      throw Failure(
        "Nothing is shown: other rows were asked for than those that you named. A replica's "
          + "catalog gives the key of '\(schema.name)' other types than its proven schema: "
          + key.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
          + ". Ask again: another replica is asked for the catalog.")
    }
  }
}

/// How recent an answer must be.
struct RecencyOptions: ParsableArguments {
  @Option(help: "Of this height or above: what an update's receipt says.") var minHeight: UInt64?
  @Option(help: "At most so many seconds old; 60 unless said.") var maxAge: UInt64?
  @Flag(help: "At or above everything certified before the question.") var fresh = false

  func validate() throws {
    guard [minHeight != nil, maxAge != nil, fresh].count(where: { $0 }) <= 1 else {
      throw ValidationError("Choose one of --min-height, --max-age and --fresh.")
    }
  }

  var wanted: QuorateClient.Recency {
    if fresh { return .fresh }
    if let minHeight { return .minHeight(Height(minHeight)) }
    return maxAge.map { .maxAge(.seconds($0)) } ?? .usual
  }
}

extension Session {
  func pipeline(_ name: String) async throws -> CatalogPipeline {
    try await described(name).pipeline
  }

  /// What is deployed, or who is missing.
  func catalog() async throws -> Catalog {
    do { return try await client.catalog() } catch { throw Failure(await explained(error)) }
  }

  /// A pipeline, and the height at which one replica describes it.
  func described(_ name: String) async throws -> (pipeline: CatalogPipeline, height: Height) {
    let catalog = try await catalog()
    guard let found = catalog.pipelines.first(where: { $0.name == name }) else {
      let names = catalog.pipelines.map(\.name).joined(separator: ", ")
      throw Failure(
        "There is no pipeline '\(name)'; deployed are: \(names.isEmpty ? "none" : names).")
    }
    return (found, catalog.height)
  }
}

/// The levels of trust, by the words that people write.
enum TrustWord: String, ExpressibleByArgument, CaseIterable {
  case replica, quorum, certified
}

/// Those of what is computed for the question alone, which has no proof.
enum WorkshopTrust: String, ExpressibleByArgument, CaseIterable {
  case replica, quorum

  var trust: Trust { self == .quorum ? .quorum : .replica }
}

enum AnswerFormat: String, ExpressibleByArgument, CaseIterable {
  case table, csv, json
}

extension SavedAnswer {
  /// A table's rows as people read them: null is a dot, and what is withheld is not null.
  func cells(of table: ResultTable) -> [[String]] {
    var cells = table.texts.map { $0.map { $0 ?? "·" } }
    guard case .rows(_, let found) = self else { return cells }
    for (row, proven) in found.rows.enumerated() {
      for (column, cell) in proven.cells.enumerated() where cell.value == nil {
        cells[row][column] = "(withheld)"
      }
    }
    return cells
  }
}

/// A checked answer as people and programs read it.
struct AnswerReport: Encodable {
  let columns: [String]
  /// nil for null, and for what is withheld.
  let rows: [[String?]]
  let complete: Bool
  let trust: String
  let height: UInt64
  let time: String
  let stateRoot: String
  let witnesses: [String]
  let dissenters: [String]
  /// For people.
  private let cells: [[String]]
  /// The key of the last row, where it can be typed; nil as well for rows without one.
  private let lastKey: String?
  /// Whether the rows are as many as were asked for.
  private let isFull: Bool

  private enum CodingKeys: CodingKey {
    case columns, rows, complete, trust, height, time, stateRoot, witnesses, dissenters
  }

  init(_ answer: VerifiedAnswer) {
    columns = answer.table.columns.map(\.name)
    rows = answer.table.texts
    cells = answer.saved.cells(of: answer.table)
    lastKey = Self.lastKey(answer)
    isFull =
      if case .rows(let request, let found) = answer.saved {
        found.rows.count == Int(request.limit)
      } else {
        false
      }
    complete = answer.complete
    trust = answer.trust.name
    height = answer.height.number
    time = ColumnType.timestamp.text(of: .int(Int64(clamping: answer.time.number))) ?? ""
    stateRoot = answer.stateRoot.hex
    witnesses = answer.witnesses.map(\.description)
    dissenters = answer.dissenters.map(\.description)
  }

  func text(_ format: AnswerFormat) throws -> String {
    switch format {
    case .json: return try Terminal.json(self)
    case .csv:
      let lines = [columns] + rows.map { $0.map { $0 ?? "" } }
      return lines.map { $0.map(Self.quoted).joined(separator: ",") }.joined(separator: "\n")
    case .table:
      let body =
        rows.isEmpty
        ? "no rows (\(columns.map(\.inOneLine).joined(separator: ", ")))"
        : Terminal.table(columns, cells)
      return body + "\n" + footnote
    }
  }

  /// What a reader of the rows alone would miss.
  var remarks: [String] {
    var remarks: [String] = []
    if !complete {
      let (most, bytes) = (AnswerLimits.certifiedRowsMax, AnswerLimits.resultBytesMax)
      let cut = isFull ? "by --limit" : "since one answer has \(grouped(bytes)) bytes of rows"
      let larger = isFull ? "a larger --limit, \(grouped(most)) at most, or " : ""
      remarks.append(
        "CUT after \(counted(rows.count, "row")) \(cut). For the rest: \(larger)from the last row "
          + "on: --from=\(lastKey ?? "KEY")")
    }
    if !dissenters.isEmpty {
      remarks.append("WARNING: \(dissenters.joined(separator: ", ")) signed another answer.")
    }
    return remarks
  }

  /// nil where a shell or the options would read it as something else.
  private static func lastKey(_ answer: VerifiedAnswer) -> String? {
    guard case .rows(_, let found) = answer.saved, let last = found.rows.last else { return nil }
    let schema = found.schema
    let texts = schema.key.map { index in
      last.cells[index].value.flatMap { schema.columns[index].type.text(of: $0) } ?? ""
    }
    let isPlain = texts.allSatisfy { $0.wholeMatch(of: #/[A-Za-z0-9_.:-]+/#) != nil }
    return isPlain ? texts.joined(separator: ",") : nil
  }

  private var footnote: String {
    let basis =
      switch trust {
      case "certified": "proven to \(witnesses.count) signatures"
      case "quorum": "\(witnesses.joined(separator: ", ")) agree"
      default: "by \(witnesses.joined(separator: ", "))'s word"
      }
    var text = "\(counted(rows.count, "row")) at height \(height) (\(time)), \(basis)"
    if !complete { text += "; complete up to the last row" }
    return ([text] + remarks).joined(separator: "\n")
  }

  /// A field of CSV (RFC 4180), by its bytes: a line's end or a sign that combines with a comma
  /// makes one character of two.
  private static func quoted(_ cell: String) -> String {
    let quote = UInt8(ascii: "\"")
    let special = [quote, UInt8(ascii: ","), UInt8(ascii: "\r"), UInt8(ascii: "\n")]
    guard cell.utf8.contains(where: special.contains) else { return cell }
    let doubled = cell.utf8.flatMap { $0 == quote ? [quote, quote] : [$0] }
    return String(decoding: [quote] + doubled + [quote], as: UTF8.self)
  }
}
