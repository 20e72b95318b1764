import Certification
import Foundation
import Pipelines
import Testing
import Wire

@testable import Execution

private let name = "bank_reconciliation"

/// Batches for the bank reconciliation, on a subnet of their own.
///
/// Of each batch that is applied, every model writes at most the rows of the keys that it touches.
final class BankRun {
  private let subnet: Subnet
  private(set) var tally = RowTally()
  private var refused = 0
  private var comparisons = 0
  /// By batch: its rows and the steps it took.
  private(set) var costs: [(rows: Int, steps: UInt64)] = []
  /// Over all batches and models: rows that were written, and that the touched keys had.
  private(set) var written: (rows: UInt64, touched: UInt64) = (0, 0)

  init() throws {
    subnet = try Subnet()
    let package = try PackageReader.read(directory: Folders.pipeline("bank-reconciliation"))
    let receipt = try subnet.run(subnet.deploy(package))
    if case .refused(let refusal) = receipt.status { throw refusal }
    try subnet.fund(name, 90_000_000_000_000)
  }

  func send(_ table: FeedTable, _ rows: ArraySlice<[String?]>) throws {
    let touched = try TouchedKeys(table, rows, in: file().data)
    let before = try touched.rows(by: refresher())
    let receipt = try subnet.run(
      subnet.ingest(table.source, table.text(of: rows), pipeline: name, steps: 50_000_000))
    if case .refused(let refusal) = receipt.status {
      if refusal.code == "STEP_LIMIT", rows.count > 1 {
        // What the refusal says to do: smaller batches.
        let middle = rows.startIndex + rows.count / 2
        try send(table, rows[..<middle])
        return try send(table, rows[middle...])
      }
      // A batch of which more than half is bad is refused whole.
      #expect(refusal.code == "EXPECTATION_FAILED", "\(refusal)")
      refused += 1
    } else {
      try expectWrites(before: before, after: touched.rows(by: refresher()))
    }
    costs.append((rows.count, receipt.usage.steps))
    tally.accepted += receipt.tally.accepted
    tally.quarantined += receipt.tally.quarantined
    tally.duplicates += receipt.tally.duplicates
    tally.late += receipt.tally.late
  }

  private func expectWrites(before: ModelKeys, after: ModelKeys) throws {
    for work in try file().reach.models {
      let touched = (before[work.model] ?? []).union(after[work.model] ?? [])
      let (rows, most) = (work.usage.rowsWritten, UInt64(touched.count))
      #expect(
        rows <= most, "batch \(costs.count): \(work.model) wrote \(rows), its keys have \(most)")
      written.rows += rows
      written.touched += most
    }
  }

  /// Nothing differs when each stored model is computed whole.
  func expectIncrementalEqualsFull() throws {
    let refresher = try refresher()
    for model in refresher.models where model.table != nil && model.kind != .seed {
      var budget = StepBudget(limit: .max)
      let found = try refresher.compare(model, &budget)
      #expect(found.isEqual, "\(model.name) differs at \(found.keys)")
    }
    comparisons += 1
  }

  func report() {
    let sent = costs.reduce(0) { $0 + $1.rows }
    let steps = costs.reduce(0) { $0 + $1.steps }
    print(
      "Bank feed: \(sent) rows in \(costs.count) batches, \(tally.accepted) accepted, "
        + "\(tally.late) late, \(tally.duplicates) duplicates, \(tally.quarantined) quarantined, "
        + "\(refused) batches refused; \(steps / UInt64(max(1, sent))) steps a row, "
        + "\(costs.last?.steps ?? 0) for the last batch of \(costs.last?.rows ?? 0); models wrote "
        + "\(written.rows) rows of \(written.touched) that their touched keys had; compared with "
        + "the full computation \(comparisons) times")
  }

  // MARK: What it holds

  private func file() throws -> PipelineFile { try #require(subnet.executor.pipelines[name]) }

  private func refresher() throws -> Refresher {
    let file = try file()
    let deployed = try #require(file.deployed)
    return Refresher(
      models: deployed.models, package: deployed.checked, engine: file.engine, data: file.data)
  }

  func models() throws -> [CheckedModel] {
    let deployed = try file().deployed
    return try #require(deployed).checked.models
  }

  /// Days since 1970 of block time.
  var today: Int64 { Int64(subnet.time.number) / Pipelines.Calendar.dayMilliseconds }

  func rows(_ table: String, _ columns: String) throws -> [String] {
    try subnet.rows(table, pipeline: name, columns: columns)
  }

  /// The declared columns of a model's table or view, sorted: salts of personal values differ from
  /// run to run.
  func contents(of model: CheckedModel) throws -> [String] {
    try file().engine.functions.begin(time: subnet.time, randomness: .zero, call: .zero)
    return try rows(model.name, model.columns.map(\.name).joined(separator: ", ")).sorted()
  }

  /// One line a row, as people read it.
  func answer(_ question: BankQuestion) throws -> [String] {
    try subnet.certify()
    let content = try subnet.executor.reader.query(
      QueryRequest(
        subnet: subnet.genesis.subnet, pipeline: name, question: .named(question.query),
        arguments: question.arguments, trust: .quorum, caller: Subnet.owner.publicKey))
    return content.result.texts.map { row in
      row.map { $0 ?? "" }.joined(separator: "|")
    }
  }
}

/// By model: primary keys of rows.
private typealias ModelKeys = [String: Set<[Value]>]

/// The refresh keys that the rows of a batch belong to, by the keys' columns.
private struct TouchedKeys {
  private var keys: [[String]: Set<[Value]>] = [:]

  init(_ table: FeedTable, _ rows: ArraySlice<[String?]>, in data: DataStore) throws {
    let place = table.header.firstIndex(of: "transaction_id")
    for row in rows {
      guard let place, let id = row[place] else { continue }
      guard table.source == "financial_transactions" else {
        try add(line: id, in: data)
        continue
      }
      guard let bank = row[1], let customer = row[3], let reference = row[8] else { continue }
      let plain = reference.filter { $0 != " " && $0 != "-" }.uppercased()
      keys[["transaction_id"], default: []].insert([.text(id)])
      keys[["bank_id", "match_ref"], default: []].insert([.text(bank), .text(plain)])
      keys[["customer_id"], default: []].insert([.text(customer)])
    }
  }

  /// What is sent of a line's stages and audits belongs to its bank and reference alone.
  private mutating func add(line id: String, in data: DataStore) throws {
    let table = try #require(data.tables["slv_transactions"])
    guard let row = try table.row(key: [.text(id)]) else { return }
    let names = ["bank_id", "match_ref"]
    let key = names.compactMap { name in
      table.schema.columns.firstIndex { $0.name == name }.map { row.values[$0] }
    }
    keys[names, default: []].insert(key)
  }

  /// The rows that models have of these keys now.
  func rows(by refresher: Refresher) throws -> ModelKeys {
    var all: ModelKeys = [:]
    for model in refresher.models where model.table != nil && model.kind != .seed {
      var known = KeyedRows()
      var budget = StepBudget(limit: .max)
      for key in keys[model.keyNames] ?? [] {
        try refresher.load(key, of: model, into: &known, &budget)
      }
      all[model.name] = Set(
        known.rows.map { row in model.declaredKey.map { row.values[$0.place] } })
    }
    return all
  }
}

/// A named query of the package with its arguments.
struct BankQuestion: CustomStringConvertible {
  let query: String
  let arguments: [Certification.Argument]

  var description: String { line }

  /// As the Python file reads it: days are numbers.
  var line: String {
    let values = arguments.map { argument in
      switch argument.value {
      case .text(let text): Self.day(text).map { String($0) } ?? text
      case .null, .int, .bytes: ""
      }
    }
    return ([query] + values).joined(separator: "|")
  }

  private static func day(_ text: String) -> Int64? {
    guard case .int(let day)? = Pipelines.ColumnType.date.proven.value(from: text) else {
      return nil
    }
    return day
  }
}

/// The days of a generated feed, and what is asked about them.
enum BankDays {
  private static let date = Pipelines.ColumnType.date
  /// Two and a half months later: a year before block time lies in the midst of the feed.
  private static let shift: Int64 = 80
  /// The first day of a feed, 2024-09-01, with the shift.
  private static let first: Int64 = 19_967 + shift

  /// Lines with value dates and due dates so much later; what is no date stays.
  static func moved(_ rows: [[String?]]) -> [[String?]] {
    rows.map { row in
      var row = row
      for place in [6, 7] {
        guard let text = row[place], case .int(let day)? = date.proven.value(from: text) else {
          continue
        }
        row[place] = date.text(of: .integer(day + shift))
      }
      return row
    }
  }

  static func questions(banks: [String]) -> [BankQuestion] {
    var all = ["match_summary", "exceptions_by_reason", "auto_match_rate"].map {
      BankQuestion(query: $0, arguments: [])
    }
    for (number, bank) in banks.enumerated() {
      // Twenty days: a large feed has more matches of a bank than the query gives at once.
      let from = first + Int64(10 * number)
      all.append(
        BankQuestion(
          query: "auto_match_report",
          arguments: [
            .init(name: "bank_id", value: .text(bank)), .init(name: "from", value: day(from)),
            .init(name: "to", value: day(from + 19)),
          ]))
    }
    // The first leaves out what comes later, the second what is over a year old, the third nothing.
    for number in [first + 40, first + 400, first + 200] {
      all.append(
        BankQuestion(
          query: "top_3_transactions", arguments: [.init(name: "as_of", value: day(number))]))
    }
    return all
  }

  /// A day as an argument spells it.
  private static func day(_ number: Int64) -> Value {
    .text(date.text(of: .integer(number)) ?? "")
  }
}

/// Tests/Independent/bank_reconciliation.py and its folder.
struct BankInPython {
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("bank-\(UUID().uuidString)")

  init() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  func remove() { try? FileManager.default.removeItem(at: folder) }

  private static let inputs = [
    (
      "transactions", "bronze_financial_transactions",
      "transaction_id, bank_id, side, customer_id, amount, currency, value_date, due_date, "
        + "reference, description"
    ),
    ("institutions", "bronze_financial_institutions", "bank_id, name, country, address"),
    ("lifecycle", "bronze_lifecycle_associations", "transaction_id, seq, stage, at"),
    ("audit", "bronze_audit_logs", "audit_id, transaction_id, actor, action, at"),
  ]

  /// - Returns: false where there is no Python, and nobody said that there is.
  func run(on bank: BankRun, _ questions: [BankQuestion]) throws -> Bool {
    for (file, table, columns) in Self.inputs {
      try write(try bank.rows(table, columns), to: file)
    }
    try write(["\(bank.today)"], to: "today")
    try write(questions.map(\.line), to: "questions")
    let python = Process()
    python.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    python.arguments = [
      "python3", "\(Folders.root)/Tests/Independent/bank_reconciliation.py", folder.path,
    ]
    try python.run()
    python.waitUntilExit()
    if python.terminationStatus == 127,
      ProcessInfo.processInfo.environment["QUORATE_PYTHON"] == nil
    {
      print("There is no python3 here; the bank's tables are not compared with plain Python.")
      return false
    }
    #expect(python.terminationStatus == 0)
    return python.terminationStatus == 0
  }

  private func write(_ lines: [String], to file: String) throws {
    let text = lines.map { $0 + "\n" }.joined()
    try Data(text.utf8).write(to: folder.appendingPathComponent("\(file).txt"))
  }

  func lines(_ file: String) throws -> [String] {
    let text = try String(
      contentsOf: folder.appendingPathComponent("\(file).txt"), encoding: .utf8)
    return text.split(separator: "\n").map(String.init)
  }
}
