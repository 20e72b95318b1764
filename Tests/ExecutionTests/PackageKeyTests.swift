import Certification
import Pipelines
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

private let contract = """
  source: orders
  format: [csv]
  columns:
    - { name: id, type: text, required: true }
    - { name: customer, type: text, required: true }
    - { name: amount, type: "decimal(18,2)", required: true }
    - { name: day, type: date }
  primary_key: [id]
  """

private let select = """
  select customer, sum(amount) as total from {{ source('orders') }} group by customer
  """

/// A pipeline of orders and their totals, read from YAML.
/// - Parameters:
///   - manifest: further lines of `pipeline.yaml`.
///   - refresh: further keys of the model's `refresh:`, behind a comma.
///   - query: further keys of the query `listed`, behind a comma.
private func prepared(
  _ manifest: String = "", refresh: String = "", query: String = "",
  cycles: Cycles = 10_000_000_000_000
) throws -> Subnet {
  let models = """
    models:
      - name: totals
        kind: incremental
        primary_key: [customer]
        refresh: { by: [customer]\(refresh) }
    """
  let queries = """
    queries:
      - { name: listed, sql: "select id from {{ source('orders') }} order by id"\(query) }
    """
  let files = [
    ("pipeline.yaml", "quorate: 1\nname: shop\nversion: 1.0.0\n\(manifest)\n"),
    ("sources/orders.yaml", contract), ("models/silver/_silver.yaml", models),
    ("models/silver/totals.sql", select), ("queries/queries.yaml", queries),
  ]
  let package = try PackageReader.read(
    PackageFiles(files.map { PackageFiles.File(path: $0.0, bytes: Array($0.1.utf8)) }))
  let subnet = try Subnet()
  let receipt = try subnet.run(subnet.deploy(package))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund("shop", cycles)
  return subnet
}

/// One key of `pipeline.yaml` at one value, and how the same calls end under it.
private struct Setting: Sendable, CustomTestStringConvertible {
  let yaml: String
  /// What the refusal says; nil where the last call is applied.
  let refusal: (code: String, words: String)?
  let cycles: Cycles
  /// Gives the receipt of the last call.
  let calls: @Sendable (Subnet) throws -> Receipt

  var testDescription: String { yaml }

  init(
    _ yaml: String, _ refusal: (code: String, words: String)? = nil,
    cycles: Cycles = 10_000_000_000_000, calls: @escaping @Sendable (Subnet) throws -> Receipt
  ) {
    self.yaml = yaml
    self.refusal = refusal
    self.cycles = cycles
    self.calls = calls
  }

  static let all: [Setting] = [
    Setting("budget: { rows_written_per_update: 4 }", calls: sendsTwo),
    Setting(
      "budget: { rows_written_per_update: 3 }",
      ("ROW_LIMIT", "more than 3 rows: raise rows_written_per_update"), calls: sendsTwo),
    Setting("budget: { steps_per_update: 50000 }", calls: sendsMany),
    Setting(
      "budget: { steps_per_update: 1000 }", ("STEP_LIMIT", "the package's budget"),
      calls: sendsMany),
    Setting("defaults: { max_batch_rows: 2 }", calls: sendsTwo),
    Setting(
      "defaults: { max_batch_rows: 1 }", ("BATCH_ROWS", "more than 1 rows"), calls: sendsTwo),
    Setting("defaults: { max_batch_bytes: 64KiB }", calls: sendsMany),
    Setting(
      "defaults: { max_batch_bytes: 1KiB }", ("BATCH_BYTES", "at most 1024"), calls: sendsMany),
    Setting("defaults: { idempotency_retention: 10m }", calls: sendsAgain),
    Setting(
      "defaults: { idempotency_retention: 1d }",
      ("IDEMPOTENCY_CONFLICT", "named another payload before"), calls: sendsAgain),
    Setting("freezing_days: 1", cycles: 2_500_000_000, calls: storesMuch),
    Setting(
      "freezing_days: 3650", ("FROZEN", "3650 days of storage"), cycles: 2_500_000_000,
      calls: storesMuch),
  ]

  /// Two rows, and the totals of two customers.
  @Sendable private static func sendsTwo(_ subnet: Subnet) throws -> Receipt {
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\nb,ben,1.00,\n"))
  }

  @Sendable private static func sendsMany(_ subnet: Subnet) throws -> Receipt {
    let rows = (0..<200).map { "o\($0),c\($0 % 50),1.00,\n" }.joined()
    return try subnet.run(subnet.ingest("orders", header + rows))
  }

  /// Another batch with a known key, 13 minutes later. What has expired is forgotten by the block
  /// that next touches the pipeline.
  @Sendable private static func sendsAgain(_ subnet: Subnet) throws -> Receipt {
    func send(_ id: String, _ key: String) throws -> Receipt {
      try subnet.run(subnet.ingest("orders", header + "\(id),anna,1.00,\n", key: key))
    }
    #expect(try send("a", "once").status == .applied)
    try subnet.execute([], after: 500_000)
    #expect(try send("b", "touch-1").status == .applied)
    #expect(try send("c", "once").refusalCode == "IDEMPOTENCY_CONFLICT")
    #expect(try send("a", "once").replayOf != nil)
    try subnet.execute([], after: 300_000)
    #expect(try send("d", "touch-2").status == .applied)
    return try send("c", "once")
  }

  /// A row after a megabyte of rows, of which a day costs three million cycles.
  @Sendable private static func storesMuch(_ subnet: Subnet) throws -> Receipt {
    let name = String(repeating: "x", count: 900)
    let rows = (0..<1_000).map { "r\($0),\(name),1.00,\n" }.joined()
    #expect(try subnet.run(subnet.ingest("orders", header + rows)).status == .applied)
    return try subnet.run(subnet.ingest("orders", header + "last,anna,1.00,\n", steps: 10_000))
  }
}

@Suite struct `A key of a package` {
  @Test(arguments: Setting.all)
  fileprivate func `bounds the calls as its value says`(setting: Setting) throws {
    let subnet = try prepared(setting.yaml, cycles: setting.cycles)
    let receipt = try setting.calls(subnet)
    #expect(receipt.refusalCode == setting.refusal?.code)
    #expect(receipt.replayOf == nil)
    let words = receipt.refusalText ?? ""
    if let refusal = setting.refusal { #expect(words.contains(refusal.words), "\(words)") }
    #expect(subnet.executor.totals.isConserved)
  }

  @Test func `for steps ends an update at that step`() throws {
    let subnet = try prepared("budget: { steps_per_update: 1000 }")
    let rows = (0..<200).map { "o\($0),c\($0 % 50),1.00,\n" }.joined()
    let receipt = try subnet.run(subnet.ingest("orders", header + rows))
    #expect(receipt.usage.steps == 1_000)
    #expect(try subnet.rows("bronze_orders").isEmpty)
  }

  @Test(arguments: [(4, 0), (5, 1)])
  func `for texts quarantines those with more bytes`(bytesMax: Int, accepted: Int) throws {
    let subnet = try prepared("defaults: { max_string_bytes: \(bytesMax) }")
    let receipt = try subnet.run(subnet.ingest("orders", header + "a,naïve,1.00,\nb,zoë,1.00,\n"))
    // ï and ë have two bytes each, so the names have six and four.
    #expect(Int(receipt.tally.accepted) == 1)
    #expect(Int(receipt.tally.quarantined) == 1)
    #expect(receipt.notes.map(\.message) == ["6 bytes; at most \(bytesMax) are allowed"])
    let five = try subnet.run(subnet.ingest("orders", header + "c,annie,1.00,\n"))
    #expect(Int(five.tally.accepted) == accepted)
  }

  @Test(arguments: [(2, "TOO_MANY_ROWS"), (3, nil)] as [(Int, String?)])
  func `for rows of a query refuses a part of an answer`(rowsMax: Int, code: String?) throws {
    let subnet = try prepared(query: ", max_rows: \(rowsMax)")
    try subnet.run(
      subnet.ingest("orders", header + "a,anna,1.00,\nb,ben,1.00,\nc,carl,1.00,\n"))
    try subnet.certify()
    let request = QueryRequest(
      subnet: subnet.genesis.subnet, pipeline: "shop", question: .named("listed"), arguments: [],
      height: nil, trust: .replica, caller: Subnet.owner.publicKey)
    do throws(Refusal) {
      let answer = try subnet.executor.reader.query(request)
      #expect(code == nil)
      #expect(answer.result.texts == [["a"], ["b"], ["c"]])
    } catch {
      #expect(error.code == code)
      #expect(error.message.contains("more than \(rowsMax) rows"))
    }
  }
}

@Suite struct `The key refresh_full_ratio` {
  /// What an update takes that changes the totals of 300 customers, where there are so many more.
  private func usage(_ ratio: Int, others: Int) throws -> (usage: Usage, totals: [String]) {
    let subnet = try prepared(refresh: ", refresh_full_ratio: \(ratio)")
    func send(_ prefix: String, _ customers: Int) throws -> Receipt {
      let rows = (0..<customers).map { "\(prefix)\($0),c\($0),1.00,\n" }.joined()
      return try subnet.run(subnet.ingest("orders", header + rows))
    }
    #expect(try send("first", 300 + others).status == .applied)
    let receipt = try send("then", 300)
    #expect(receipt.status == .applied)
    return (receipt.usage, try subnet.rows("totals"))
  }

  /// 300 keys are 23 % of 1,300 rows and 13 % of 2,300: the standard lies between.
  @Test func `says from what share of changed keys on all rows are computed`() throws {
    let standard = Int(Refresh.fullRatioStandard)
    for (others, sameAs, unlike) in [(1_000, 0, 1_000_000), (2_000, 1_000_000, 0)] {
      let found = try usage(standard, others: others)
      let same = try usage(sameAs, others: others)
      let other = try usage(unlike, others: others)
      #expect(found.usage == same.usage)
      #expect(found.usage.steps != other.usage.steps)
      #expect(found.totals == same.totals && found.totals == other.totals)
      #expect(found.totals.count == 300 + others)
    }
  }

  /// By key an update takes two steps for each row that is there, to count it; else it computes,
  /// reads and compares each of them.
  @Test func `leaves the rest of the rows alone below it`() throws {
    func growth(_ ratio: Int) throws -> UInt64 {
      let (few, many) = (try usage(ratio, others: 0), try usage(ratio, others: 1_000))
      return many.usage.steps - few.usage.steps
    }
    #expect(try growth(1_000_000) < 4_000)
    #expect(try growth(0) > 8_000)
  }
}
