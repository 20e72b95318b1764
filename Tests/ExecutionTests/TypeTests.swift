import Certification
import Pipelines
import SQL
import Testing
import Wire

@testable import Execution

private let events = Source(
  name: "events",
  columns: [
    SourceColumn(name: "id", type: .text, required: true), SourceColumn(name: "n", type: .int),
    SourceColumn(name: "facts", type: .json),
  ], primaryKey: ["id"])

/// The refusal in which the body ends; nil where it does not.
private func refused(_ body: () throws -> Void) throws -> Refusal? {
  do {
    try body()
    return nil
  } catch Stop.refused(let refusal) { return refusal }
}

@Suite struct `A table` {
  private static let kept: [(type: Certification.ColumnType, fits: Value)] = [
    (.text, .text("1")), (.int, .int(1)), (.decimal(scale: 2), .int(1)), (.date, .int(1)),
    (.timestamp, .int(1)), (.bool, .int(1)), (.uuid, .text("1")), (.bytes, .bytes([0x31])),
    (.json, .text("1")),
  ]

  @Test(arguments: kept.indices)
  func `keeps each value as it was hashed, or refuses it`(index: Int) throws {
    let (type, fits) = Self.kept[index]
    let subnet = try Subnet(running: .shop())
    let data = try #require(subnet.executor.pipelines["shop"]).data
    data.begin(rowsLimit: .max)
    let table = try data.create(
      "kept",
      columns: [
        .init(name: "id", type: .text, nullable: false, personal: false),
        .init(name: "x", type: type, nullable: true, personal: false),
      ], key: [0], indexes: [])
    let empty = StoredRow(values: [.text("a"), .null], nonce: nil)
    #expect(try data.insert(empty, into: table))
    for value in [Value.int(1), .text("1"), .bytes([0x31])] {
      let other = StoredRow(values: [.text("b"), value], nonce: nil)
      let changed = StoredRow(values: [.text("a"), value], nonce: nil)
      let inserting = try refused { _ = try data.insert(other, into: table) }
      let updating = try refused { try data.update(empty, to: changed, in: table) }
      #expect(inserting?.code == (value == fits ? nil : "QD23"))
      #expect(updating?.code == (value == fits ? nil : "QD23"))
    }
    _ = data.settle()
    #expect(try data.storedRoot() == data.trie.root)
    let kind = type.storage.lowercased()
    #expect(try subnet.rows("kept", columns: "typeof(x)") == [kind, kind])
  }

  @Test func `takes no cell of another kind out of a batch`() throws {
    let subnet = try Subnet(running: .shop())
    let file = try #require(subnet.executor.pipelines["shop"])
    let call = subnet.ingest("orders", "")
    let found = try #require(file.deployed).task(for: call.call.method)
    // Amounts are text in this contract, which is not the one of the table.
    var other = Source.orders()
    other.columns[2].type = .text
    let batch = try RowDecoder(source: other, defaults: Defaults()).decode(
      Array("id,customer,amount,day\na,anna,7,\n".utf8), format: .csv)
    #expect(batch.rowCount == 1)
    let ordered = OrderedCall(
      position: 0, digest: call.call.digest, call: call.call, body: call.body)
    let block = BlockContext(
      height: subnet.executor.height.next, time: subnet.time, randomness: .zero,
      schedule: subnet.executor.system.schedule)
    file.engine.functions.begin(ordered, in: block)
    file.data.begin(rowsLimit: .max)
    var ingest = Ingest(
      try found.get().plan, data: file.data, block: block, call: ordered,
      functions: file.engine.functions, watermarkHighest: nil)
    var budget = StepBudget(limit: 1_000_000)
    let refusal = try refused { try ingest.run(batch, engine: file.engine, &budget) }
    #expect(refusal?.code == "QD23")
    #expect(refusal?.message.hasPrefix("bronze_orders.amount was given a text") == true)
    #expect(try subnet.rows("bronze_orders").isEmpty)
    #expect(try file.data.storedRoot() == file.data.trie.root)
  }
}

/// A stored model whose SELECT gives what stands at `$.x` in the facts of one event, past what the
/// checker says of it.
private struct LooseModel {
  let subnet: Subnet
  let file: PipelineFile
  private let plan: ModelPlan
  private let refresher: Refresher

  init(
    _ type: Pipelines.ColumnType, _ json: String, pii: Sensitivity? = nil, isDeclared: Bool = true
  ) throws {
    subnet = try Subnet(running: .shop(sources: [events]))
    let receipt = try subnet.run(
      subnet.ingest("events", "{\"id\":\"a\",\"facts\":{\"x\":\(json)}}\n", format: .ndjson))
    #expect(receipt.tally.accepted == 1)
    file = try #require(subnet.executor.pipelines["shop"])
    let package = try #require(file.deployed).checked
    file.data.begin(rowsLimit: .max)
    let table = try file.data.create(
      "loose",
      columns: [
        .init(name: "id", type: .text, nullable: false, personal: false),
        .init(name: "x", type: type.proven, nullable: true, personal: false),
      ], key: [0], indexes: [])
    let text = "select id, json_extract(facts, '$.x') as x from {{ source('events') }}"
    let query = try SQL.check(
      try parse(SQLText(file: "loose.sql", text: text)),
      catalog: SQL.Catalog([.init(kind: .source, name: "events", shape: events.shape)]),
      profile: .model)
    let columns = [
      ModelColumn(name: "id", type: .text),
      ModelColumn(name: "x", type: type, nullable: true, pii: pii),
    ]
    let model = CheckedModel(
      model: Model(
        name: "loose", layer: .silver, kind: .full, primaryKey: ["id"],
        columns: isDeclared ? columns : [], sql: sql(text)),
      columns: columns, primaryKey: ["id"], query: query, upstreams: [.source("events")],
      changers: [], maps: [], scopes: [], seed: nil)
    plan = ModelPlan(model, table: table, package: package)
    refresher = Refresher(models: [plan], package: package, engine: file.engine, data: file.data)
  }

  /// - Returns: why it was refused; nil when it was filled, with what was hashed.
  func fill() throws -> Refusal? {
    var budget = StepBudget(limit: 1_000_000)
    let refusal = try refused { try refresher.refreshWhole(plan, &budget) }
    _ = file.data.settle()
    #expect(try file.data.storedRoot() == file.data.trie.root)
    #expect(try subnet.rows("loose").count == (refusal == nil ? 1 : 0))
    return refusal
  }
}

@Suite struct `A model's column` {
  @Test(arguments: [
    (Pipelines.ColumnType.int, "\"5\"", "a text"), (.int, "\"x\"", "a text"),
    (.decimal(precision: 18, scale: 2), "\"5\"", "a text"), (.date, "\"2026-01-31\"", "a text"),
    (.timestamp, "\"5\"", "a text"), (.bool, "\"1\"", "a text"), (.text, "5", "a number"),
    (.uuid, "5", "a number"), (.json, "5", "a number"), (.bytes, "5", "a number"),
    (.bytes, "\"5\"", "a text"),
  ])
  func `takes no value of another kind`(
    type: Pipelines.ColumnType, json: String, kind: String
  ) throws {
    let refusal = try LooseModel(type, json).fill()
    #expect(refusal?.code == "QD23")
    #expect(
      refusal?.message.hasPrefix("loose.x is \(type), and the SELECT gives \(kind) for it") == true,
      "\(String(describing: refusal))")
  }

  @Test(arguments: [
    (Pipelines.ColumnType.int, "9223372036854775807", true), (.text, "\"5\"", true),
    (.decimal(precision: 5, scale: 2), "99999", true),
    (.decimal(precision: 5, scale: 2), "-99999", true),
    (.decimal(precision: 5, scale: 2), "100000", false),
    (.decimal(precision: 5, scale: 2), "-100000", false),
    (.decimal(precision: 18, scale: 0), "999999999999999999", true),
    (.decimal(precision: 18, scale: 0), "1000000000000000000", false),
    (.bool, "0", true), (.bool, "1", true), (.bool, "2", false), (.bool, "-1", false),
    (.date, "-719162", true), (.date, "-719163", false), (.date, "2932896", true),
    (.date, "2932897", false), (.timestamp, "-62135596800000", true),
    (.timestamp, "-62135596800001", false), (.timestamp, "253402300799999", true),
    (.timestamp, "253402300800000", false),
    (.uuid, "\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"", true),
    (.uuid, "\"6BA7B810-9DAD-11D1-80B4-00C04FD430C8\"", false), (.uuid, "\"x\"", false),
  ])
  func `holds the values of its declared type, and no others`(
    type: Pipelines.ColumnType, json: String, holds: Bool
  ) throws {
    let refusal = try LooseModel(type, json).fill()
    #expect(refusal?.code == (holds ? nil : "OUT_OF_RANGE"))
    // What nobody declared promises nothing.
    #expect(try LooseModel(type, json, isDeclared: false).fill() == nil)
  }

  @Test func `that is personal is refused without its value`() throws {
    let refusal = try #require(try LooseModel(.bool, "777777", pii: .direct).fill())
    #expect(refusal.code == "OUT_OF_RANGE")
    #expect(refusal.message.hasPrefix("loose.x comes to a personal value, which is not shown"))
    #expect(!refusal.message.contains("777777"))
  }

  @Test func `of too few digits refuses the update that goes over them`() throws {
    let totals = Model(
      name: "totals", layer: .silver, kind: .incremental, primaryKey: ["customer"],
      columns: [
        ModelColumn(name: "customer", type: .text),
        ModelColumn(name: "total", type: .decimal(precision: 5, scale: 2)),
      ], refresh: Refresh(by: ["customer"]),
      sql: sql(
        "select customer, sum(amount) as total from {{ source('orders') }} group by customer"))
    let subnet = try Subnet(running: .shop(models: [totals]))
    let header = "id,customer,amount,day\n"
    #expect(try subnet.run(subnet.ingest("orders", header + "a,anna,999.99,\n")).status == .applied)
    let root = subnet.root()
    let receipt = try subnet.run(subnet.ingest("orders", header + "b,anna,0.01,\n"))
    guard case .refused(let refusal) = receipt.status else {
      Issue.record("it was taken")
      return
    }
    #expect(refusal.code == "OUT_OF_RANGE")
    #expect(
      refusal.message.hasPrefix(
        "totals.total comes to 1000.00, which is out of the range of decimal(5,2)"))
    #expect(receipt.charged > 0)
    #expect(subnet.root() == root)
    try subnet.reopen()
    #expect(subnet.root() == root)
    #expect(try subnet.rows("totals") == ["anna|99999"])
  }
}

@Suite struct `A package whose SELECT gives values of two kinds` {
  private func package(_ expression: String, _ type: Pipelines.ColumnType) -> Package {
    let model = Model(
      name: "mixed", layer: .silver, kind: .full, primaryKey: ["id"],
      columns: [
        ModelColumn(name: "id", type: .text), ModelColumn(name: "x", type: type, nullable: true),
      ], sql: sql("select id, \(expression) as x from {{ source('events') }}"))
    return .shop(sources: [events], models: [model])
  }

  private let row = "{\"id\":\"a\",\"n\":5,\"facts\":{\"x\":\"5\"}}\n"

  /// By the checker, or by the update that comes to such a value; either way replicas start again.
  @Test(arguments: [
    ("coalesce(n, 'none')", Pipelines.ColumnType.text),
    ("case when n > 3 then n else 'few' end", .text), ("json_extract(facts, '$.x')", .int),
  ])
  func `is refused`(expression: String, type: Pipelines.ColumnType) throws {
    let subnet = try Subnet()
    var code = try subnet.run(subnet.deploy(package(expression, type))).refusalCode
    if code == nil {
      try subnet.fund()
      code = try subnet.run(subnet.ingest("events", row, format: .ndjson)).refusalCode
    }
    #expect(["QD23", "PACKAGE_REFUSED"].contains(code))
    let root = subnet.root()
    try subnet.reopen()
    #expect(subnet.root() == root)
  }

  @Test(arguments: [
    ("coalesce(cast(n as text), 'none')", Pipelines.ColumnType.text),
    ("case when n > 3 then cast(n as text) else 'few' end", .text),
    ("cast(json_extract(facts, '$.x') as integer)", .int),
  ])
  func `is stored as it is hashed where it casts them`(
    expression: String, type: Pipelines.ColumnType
  ) throws {
    let subnet = try Subnet(running: package(expression, type))
    #expect(
      try subnet.run(subnet.ingest("events", row, format: .ndjson)).status == .applied)
    #expect(try subnet.rows("mixed") == ["a|5"])
    let root = subnet.root()
    try subnet.reopen()
    #expect(subnet.root() == root)
  }
}
