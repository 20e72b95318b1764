import CSQLite
import Pipelines
import SourceRules
import Storage
import Testing
import Wire

@testable import Execution

// Rules that no text of a pipeline meets: those of batches, of the engine, of our own source.

private let header = "id,customer,amount,day\n"

/// It went another way than to the end that was looked for.
private struct Unlike: Error { let what: String }

extension Rule {
  // MARK: Batches

  static let batches: [Rule] = [
    Rule(
      number: 23, gate: .ingest, what: "a text where the contract has a number",
      refused: { try noted(try run("select id FROM", rows: "a,x,'1',\n")) },
      accepted: { try noted(try run("select id FROM", rows: "a,'1',1,\n")) }),
    Rule(
      number: 24, gate: .ingest, what: "a text that is not in form NFC",
      refused: { try noted(try run("select id FROM", rows: "a,e\u{301},1.00,\n")) },
      accepted: { try noted(try run("select id FROM", rows: "a,\u{e9},1.00,\n")) }),
    Rule(
      number: 24, gate: .ingest, what: "a text that holds NUL",
      refused: { try told(try run("select id FROM", rows: "a,x\u{0}y,1.00,\n")) },
      accepted: { try noted(try run("select id FROM", rows: "a,x\u{1}y,1.00,\n")) }),
    Rule(
      number: 24, gate: .ingest, what: "bytes that are no UTF-8",
      refused: { try told(try sent([0xc3])) }, accepted: { try noted(try sent([0xc3, 0xa9])) }),
    Rule(
      number: 26, gate: .ingest, what: "a number in JSON with two spellings",
      refused: { try noted(try documented(#"{""a"":1.0}"#)) },
      accepted: { try noted(try documented(#"{""a"":1}"#)) }),
    Rule(
      number: 26, gate: .ingest, what: "a key that stands twice in JSON",
      refused: { try noted(try documented(#"{""a"":1,""a"":2}"#)) },
      accepted: { try noted(try documented(#"{""a"":1,""b"":2}"#)) }),
    Rule(
      number: 26, gate: .ingest, what: "a number in JSON that 64 bits do not hold",
      refused: { try noted(try documented(#"{""a"":[9223372036854775808]}"#)) },
      accepted: { try noted(try documented(#"{""a"":[9223372036854775807]}"#)) }),
    Rule(
      number: 44, gate: .ingest, what: "an event in the far future",
      refused: {
        try noted(try run("select id FROM", rows: "a,x,1.00,2099-01-01\n", source: dated))
      },
      accepted: {
        try noted(try run("select id FROM", rows: "a,x,1.00,2026-01-01\n", source: dated))
      }),
    Rule(
      number: 44, gate: .ingest, what: "an event in the far future that a procedure emits",
      refused: { try noted(try emitted("2099-01-01")) },
      accepted: { try noted(try emitted("2026-01-01")) }),
  ]

  private static var dated: Source {
    var source = Source.orders(
      eventTime: EventTime(column: "day", lateness: 0, futureMax: 7 * 86_400_000, late: .accept))
    source.columns[3].required = true
    return source
  }

  private static func documented(_ json: String) throws -> Receipt {
    var source = Source.orders()
    source.columns.append(SourceColumn(name: "doc", type: .json))
    return try run("select id FROM", rows: "a,x,1.00,,\"\(json)\"\n", source: source)
  }

  private static func sent(_ customer: [UInt8]) throws -> Receipt {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let body = Array("\(header)a,".utf8) + customer + Array(",1.00,\n".utf8)
    return try subnet.run(subnet.call("shop", .ingest(source: "orders", format: .csv), body: body))
  }

  private static func emitted(_ day: String) throws -> Receipt {
    let add = Procedure(
      name: "add",
      args: [
        .init(name: "day", type: .date),
        .init(name: "amount", type: .decimal(precision: 18, scale: 2)),
      ], emit: "orders",
      sql: sql("select 'a' as id, 'x' as customer, :amount as amount, :day as day"))
    let subnet = try Subnet()
    let deploy = try subnet.run(subnet.deploy(.shop(sources: [dated], procedures: [add])))
    if case .refused(let refusal) = deploy.status { throw refusal }
    try subnet.fund()
    let arguments = Array("{\"day\":\"\(day)\",\"amount\":\"1.00\"}".utf8)
    return try subnet.run(subnet.call("shop", .procedure("add"), body: arguments))
  }

  /// What a row was quarantined for; all of the batch is either accepted or quarantined.
  private static func noted(_ receipt: Receipt) throws {
    guard receipt.tally.quarantined > 0 else {
      guard receipt.tally.accepted > 0 else { throw Unlike(what: "\(receipt.status)") }
      return
    }
    throw Told(receipt.notes.map(\.message).joined(separator: "; "))
  }

  // MARK: The engine

  static let machine: [Rule] = [
    Rule(
      number: 9, gate: .engine, what: "two rows with one primary key",
      refused: { try told(try run("select customer as id, amount as x FROM")) },
      accepted: {
        try told(try run("select customer as id, sum(amount) as x FROM group by customer"))
      }),
    Rule(
      number: 22, gate: .engine, what: "a product that 64 bits do not hold",
      refused: {
        try told(try run("select id, amount * amount as x FROM", rows: "a,x,90000000000.00,\n"))
      },
      accepted: { try told(try run("select id, amount * amount as x FROM", rows: "a,x,9.00,\n")) }),
    Rule(
      number: 22, gate: .engine, what: "a text cast to integer that is no whole number",
      refused: { try told(try run("select id, cast(customer as integer) as x FROM")) },
      accepted: {
        try told(
          try run("select id, cast(customer as integer) as x FROM", rows: "a,-012,1.00,\n"))
      }),
    Rule(
      number: 28, gate: .engine, what: "an SQLite whose plans were never measured",
      refused: {
        do throws(StorageFault) { try Engine.refuseOld(3_039_004) } catch {
          throw Told(error.message)
        }
      },
      accepted: { try Engine.refuseOld(3_040_000) }),
    Rule(
      number: 37, gate: .engine, what: "a full disk as an outcome",
      refused: { try told(try stored(room: 0)) },
      accepted: { try told(try stored(room: 1_000_000)) }),
    Rule(
      number: 38, gate: .engine, what: "an end by the clock",
      refused: {
        if case .failed(let fault) = try ended(steps: 100_000, isInterrupted: true) {
          throw Told(fault.description)
        }
      },
      accepted: {
        // An end by the steps is one that all replicas reach.
        guard case .refused(let end) = try ended(steps: 10, isInterrupted: false),
          end.code == "STEP_LIMIT"
        else { throw Unlike(what: "no end by the steps") }
      }),
    Rule(
      number: 40, gate: .engine, what: "SQLite's own words in a receipt",
      refused: {
        let receipt = try run("select id, mul_div(amount, 1, 0) as x FROM")
        guard case .refused(let refusal) = receipt.status else { return }
        let theirs = ["SQL logic", "near \"", "mul_div", "divides"]
        guard !theirs.contains(where: refusal.message.contains) else { return }
        throw Told(refusal)
      },
      accepted: { try told(try run("select id, mul_div(amount, 1, 1) as x FROM")) }),
  ]

  /// A batch that takes more pages than the file has, on a disk with room for so many.
  private static func stored(room: Int64) throws -> Receipt {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let connection = try #require(subnet.executor.pipelines["shop"]).engine.connection
    let pages = try #require(try connection.integer("PRAGMA page_count"))
    try connection.pragma("max_page_count", "\(pages + room)")
    let rows = (0..<2_000).map { "o\($0),somebody with a name,1.00,\n" }.joined()
    do { return try subnet.run(subnet.ingest("orders", header + rows)) } catch {
      guard let fault = error as? ExecutionFault, fault.kind == .full else { throw error }
      throw Told(fault.description)
    }
  }

  /// What ends a statement that has so many steps; `isInterrupted`: from outside, as a clock would.
  private static func ended(steps: UInt64, isInterrupted: Bool) throws -> Stop? {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let rows = (0..<20).map { "o\($0),x,1.00,\n" }.joined()
    try subnet.run(subnet.ingest("orders", header + rows))
    defer { withExtendedLifetime(subnet) {} }
    let engine = try #require(subnet.executor.pipelines["shop"]).engine
    let statement = try engine.prepareUser("SELECT id FROM bronze_orders")
    var budget = StepBudget(limit: steps)
    do throws(Stop) {
      try engine.run(statement, &budget, "the sample") { _ in
        if isInterrupted { sqlite3_interrupt(engine.connection.handle) }
      }
    } catch { return error }
    return nil
  }

  // MARK: Our own source

  static let source: [Rule] = [
    Rule(
      number: 45, gate: .source, what: "a loop over a dictionary in the state machine",
      refused: { try keep(.hashOrder, "for name in tables.keys {") },
      accepted: { try keep(.hashOrder, "for name in tables.keys.sorted() {") }),
    Rule(
      number: 47, gate: .source, what: "a hook on one connection only",
      refused: { try keep(.hooks, "func watch() {") },
      accepted: {
        try keep(.hooks, "init() {")
        let steps = try stepsOfConnections()
        guard steps[0] > 0, steps.allSatisfy({ $0 == steps[0] }) else {
          throw Unlike(what: "the connections take \(steps) steps")
        }
      }),
  ]

  /// Holds a function that begins so against the lint of the project's Swift.
  private static func keep(_ rule: SourceRule, _ line: String) throws {
    let lines = [line, "  sqlite3_preupdate_hook(handle, note, nil)", "}"]
    if let fault = rule.faults(in: lines).first {
      throw Told(rule: fault.rule.rawValue, words: "\(fault)", hasPlaceAndFix: !fault.fix.isEmpty)
    }
  }

  /// Steps of one statement on the writer, on another writer and on a reader of the same file.
  private static func stepsOfConnections() throws -> [UInt64] {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    try subnet.run(subnet.ingest("orders", header + "a,x,1.00,\nb,y,2.00,\n"))
    let path = subnet.path + "/pipelines/shop.sqlite"
    let engines = try [
      try #require(subnet.executor.pipelines["shop"]).engine,
      Engine(path: path, access: .readWrite, vfs: nil, profile: .update),
      Engine(path: path, access: .readOnly, vfs: nil, profile: .query),
    ]
    defer { withExtendedLifetime(subnet) {} }
    return try engines.map { engine in
      let statement = try engine.prepareUser(
        "SELECT customer, sum(amount) FROM bronze_orders GROUP BY customer")
      var budget = StepBudget(limit: 100_000)
      try engine.run(statement, &budget, "the sample") { _ in }
      return budget.used
    }
  }
}
