import Certification
import Pipelines
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

private let contract = Source.orders(onDuplicate: .upsertIfNewer, version: "day")

/// Orders that change, by a day that grows.
private func source() -> Source {
  var source = contract
  source.columns[3].required = true
  return source
}

private func history(
  updatedAt: String? = nil, by: [String]? = ["id"]
) -> Model {
  Model(
    name: "history", layer: .silver, kind: .snapshot, primaryKey: ["id"],
    refresh: by.map { Refresh(by: $0) },
    sql: sql("select id, customer, amount, day from {{ source('orders') }} where amount > 0"),
    updatedAt: updatedAt)
}

private func prepared(_ model: Model, _ more: [Model] = []) throws -> Subnet {
  let subnet = try Subnet()
  let receipt = try subnet.run(
    subnet.deploy(.shop(sources: [source()], models: [model] + more)))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  return subnet
}

private func ingest(_ subnet: Subnet, _ rows: String...) throws {
  let receipt = try subnet.run(
    subnet.ingest("orders", header + rows.map { $0 + "\n" }.joined()))
  if case .refused(let refusal) = receipt.status { throw refusal }
}

/// `id|customer|from|to`, times in seconds since the first version.
private func versions(_ subnet: Subnet) throws -> [String] {
  let zero = try subnet.rows("history", columns: "min(valid_from)").first ?? "0"
  return try subnet.rows(
    "history ORDER BY id, valid_from",
    columns: "id, customer, (valid_from - \(zero)) / 1000, (valid_to - \(zero)) / 1000")
}

@Suite struct `A snapshot` {
  @Test(arguments: [["id"], nil])
  func `keeps every version of a row with its time`(by: [String]?) throws {
    let subnet = try prepared(history(by: by))
    try ingest(subnet, "a,anna,1.00,2026-01-01", "b,ben,1.00,2026-01-01")
    try ingest(subnet, "a,anton,1.00,2026-01-02")
    try ingest(subnet, "a,anton,1.00,2026-01-03", "c,carl,1.00,2026-01-01")
    #expect(
      try versions(subnet) == [
        "a|anna|0|1", "a|anton|1|2", "a|anton|2|", "b|ben|0|", "c|carl|2|",
      ])
  }

  @Test func `ends what is gone, and begins it again when it comes back`() throws {
    let subnet = try prepared(history())
    try ingest(subnet, "a,anna,1.00,2026-01-01")
    try ingest(subnet, "a,anna,-1.00,2026-01-02")
    #expect(try versions(subnet) == ["a|anna|0|1"])
    try ingest(subnet, "a,anna,5.00,2026-01-03")
    #expect(try versions(subnet) == ["a|anna|0|1", "a|anna|2|"])
  }

  @Test func `takes its times from a column`() throws {
    let subnet = try prepared(history(updatedAt: "day"))
    try subnet.execute([], after: 10 * 86_400_000)
    try ingest(subnet, "a,anna,1.00,2026-01-01")
    try ingest(subnet, "a,anton,1.00,2026-01-05")
    #expect(
      try subnet.rows(
        "history ORDER BY valid_from",
        columns: "customer, valid_from / 86400000, valid_to / 86400000")
        == ["anna|20454|20458", "anton|20458|"])
  }

  @Test func `begins no version before the last one ended`() throws {
    let subnet = try prepared(history(updatedAt: "day"))
    try ingest(subnet, "a,anna,1.00,2025-12-01")
    try ingest(subnet, "a,anna,-1.00,2025-12-02")
    try ingest(subnet, "a,alma,5.00,2025-12-03")
    let rows = try subnet.rows("history ORDER BY valid_from", columns: "valid_from, valid_to")
      .map { $0.split(separator: "|", omittingEmptySubsequences: false) }
    #expect(rows.count == 2)
    #expect(rows[0][1] == rows[1][0], "it went at block time, after the day it came back with")
  }

  /// On 11 January: orders that are newer by a number, so that their days may go back.
  private func numbered() throws -> Subnet {
    var orders = source()
    orders.columns.append(SourceColumn(name: "seen", type: .int, required: true))
    orders.version = "seen"
    let subnet = try Subnet()
    let receipt = try subnet.run(
      subnet.deploy(.shop(sources: [orders], models: [history(updatedAt: "day")])))
    if case .refused(let refusal) = receipt.status { throw refusal }
    try subnet.fund()
    try subnet.execute([], after: 10 * 86_400_000)
    return subnet
  }

  /// - Returns: how many versions began at another time than they said.
  private func moved(_ subnet: Subnet, _ row: String) throws -> UInt32 {
    let receipt = try subnet.run(
      subnet.ingest("orders", "id,customer,amount,day,seen\n\(row)\n"))
    #expect(receipt.tally.accepted == 1)
    return receipt.notes.first { $0.name == "updated_at history" }?.count ?? 0
  }

  @Test(arguments: ["2026-01-04", "2026-01-05"])
  func `writes over no version that began later than the new one says`(day: String) throws {
    let subnet = try numbered()
    #expect(try moved(subnet, "a,anna,1.00,2026-01-05,1") == 0)
    #expect(try moved(subnet, "a,anton,1.00,\(day),2") == 1)
    #expect(try moved(subnet, "a,alma,1.00,\(day),3") == 1)
    #expect(
      try subnet.rows(
        "history ORDER BY valid_from",
        columns: "customer, valid_from / 86400000, valid_to / 86400000")
        == ["anna|20458|20464", "anton|20464|20464", "alma|20464|"])
  }

  @Test func `tells of a row that comes back with a time of before it went`() throws {
    let subnet = try numbered()
    #expect(try moved(subnet, "a,anna,1.00,2026-01-05,1") == 0)
    #expect(try moved(subnet, "a,anna,-1.00,2026-01-06,2") == 0)
    #expect(try moved(subnet, "a,alma,5.00,2026-01-07,3") == 1)
    #expect(try moved(subnet, "b,ben,5.00,2026-01-07,1") == 0)
    #expect(
      try subnet.rows(
        "history ORDER BY id, valid_from",
        columns: "customer, valid_from / 86400000, valid_to / 86400000")
        == ["anna|20458|20464", "alma|20464|", "ben|20460|"])
  }

  @Test func `begins no version ahead of block time, so that a delete ends it`() throws {
    let subnet = try numbered()
    #expect(try moved(subnet, "a,anna,1.00,2026-02-01,1") == 1)
    #expect(try moved(subnet, "a,anna,-1.00,2026-02-02,2") == 0)
    #expect(
      try subnet.rows(
        "history", columns: "customer, valid_from / 86400000, (valid_to - valid_from) / 1000")
        == ["anna|20464|1"])
    // It comes back on the same day of the source, and later by block time.
    #expect(try moved(subnet, "a,anna,1.00,2026-02-01,3") == 1)
    #expect(try subnet.rows("history").count == 2)
  }

  @Test func `answers what was so at a time`() throws {
    let view = Model(
      name: "at_day_three", layer: .silver, kind: .view,
      sql: sql(
        "select id, customer from {{ ref('history') }} where valid_from <= 20456 * 86400000 "
          + "and (valid_to is null or valid_to > 20456 * 86400000)"))
    let subnet = try prepared(history(updatedAt: "day"), [view])
    try subnet.execute([], after: 10 * 86_400_000)
    try ingest(subnet, "a,anna,1.00,2026-01-01", "b,ben,1.00,2026-01-04")
    try ingest(subnet, "a,anton,1.00,2026-01-05")
    #expect(try subnet.rows("at_day_three") == ["a|anna"])
  }

  @Test func `changes in place within one moment`() throws {
    let subnet = try prepared(history())
    try subnet.execute([
      subnet.ingest("orders", header + "a,anna,1.00,2026-01-01\n"),
      subnet.ingest("orders", header + "b,ben,1.00,2026-01-02\n"),
    ])
    try subnet.execute([
      subnet.ingest("orders", header + "a,anton,1.00,2026-01-02\n"),
      subnet.ingest("orders", header + "a,alma,1.00,2026-01-03\n"),
    ])
    let rows = try subnet.rows("history WHERE id = 'a' ORDER BY valid_from", columns: "valid_to")
    // The two changes came in one block: the second replaces the first, or is older than it.
    #expect(rows.count == 2)
    #expect(rows.last == "")
  }

  @Test func `keeps its versions over an upgrade and a restart`() throws {
    let subnet = try prepared(history())
    try ingest(subnet, "a,anna,1.00,2026-01-01")
    try ingest(subnet, "a,anton,1.00,2026-01-02")
    var wider = history()
    wider.sql = sql(
      "select id, customer, amount, day, nullif(customer, 'x') as note "
        + "from {{ source('orders') }} where amount > 0")
    let receipt = try subnet.run(
      subnet.deploy(.shop(version: "2", sources: [source()], models: [wider])))
    #expect(receipt.status == .applied, "\(receipt.status)")
    try subnet.reopen()
    #expect(
      try subnet.rows("history ORDER BY valid_from", columns: "customer, note")
        == ["anna|", "anton|", "anton|anton"])
  }

  @Test func `is not changed so that its history is lost`() throws {
    let subnet = try prepared(history())
    try ingest(subnet, "a,anna,1.00,2026-01-01")
    var keyed = history(by: nil)
    keyed.primaryKey = ["id", "day"]
    var full = history(by: nil)
    full.kind = .full
    var view = full
    view.kind = .view
    for (model, why) in [
      (keyed, "its key is another"), (full, "it is of kind full"), (view, "it is of kind view"),
    ] {
      var next = Package.shop(version: "2", sources: [source()], models: [model])
      for drops in [[], ["history.valid_from", "history.valid_to"]] {
        // A column that the package has yet is not named.
        guard model.kind != .snapshot || drops.isEmpty else { continue }
        next.drops = drops
        let receipt = try subnet.run(subnet.deploy(next))
        #expect(receipt.refusalCode == "SNAPSHOT_CHANGED")
        #expect(receipt.refusalText?.contains(why) == true, "\(receipt.status)")
      }
    }
    #expect(try subnet.rows("history").count == 1)
  }

  @Test func `loses a column of its history only where drops: names it`() throws {
    let copies = Model(
      name: "copies", layer: .silver, kind: .full, primaryKey: ["id"],
      sql: sql("select id, amount from {{ source('orders') }}"))
    let subnet = try prepared(history(), [copies])
    try ingest(subnet, "a,anna,1.00,2026-01-01")
    try ingest(subnet, "a,anton,1.00,2026-01-02")
    let root = subnet.root()
    var narrow = history()
    narrow.sql = sql("select id, customer, day from {{ source('orders') }} where amount > 0")
    var next = Package.shop(version: "2", sources: [source()], models: [narrow, copies])
    let refused = try subnet.run(subnet.deploy(next))
    #expect(refused.refusalCode == "DROP_REFUSED")
    #expect(refused.refusalText?.contains("say drops: [history.amount] in pipeline.yaml") == true)
    #expect(subnet.root() == root)
    next.drops = ["history.amount"]
    let taken = try subnet.run(subnet.deploy(next))
    #expect(taken.status == .applied, "\(taken.status)")
    #expect(taken.usage.rowsWritten == 2, "its two versions, and nothing else")
    #expect(try versions(subnet) == ["a|anna|0|1", "a|anton|1|"])
    #expect(try subnet.rows("copies") == ["a|100"])
    let table = try #require(subnet.executor.pipelines["shop"]?.data.tables["history"])
    #expect(
      table.schema.columns.map(\.name) == ["id", "customer", "day", "valid_from", "valid_to"])
  }

  @Test func `goes as a whole only where drops: names it`() throws {
    let subnet = try prepared(history())
    try ingest(subnet, "a,anna,1.00,2026-01-01")
    var next = Package.shop(version: "2", sources: [source()])
    #expect(try subnet.run(subnet.deploy(next)).refusalCode == "DROP_REFUSED")
    #expect(try subnet.rows("history").count == 1)
    next.drops = ["history"]
    #expect(try subnet.run(subnet.deploy(next)).status == .applied)
    #expect(subnet.executor.pipelines["shop"]?.data.tables["history"] == nil)
  }

  @Test func `is checked by its current versions`() throws {
    let subnet = try prepared(history())
    try ingest(subnet, "a,anna,1.00,2026-01-01")
    try ingest(subnet, "a,anton,1.00,2026-01-02")
    try subnet.certify()
    let rows = try subnet.executor.reader.query(
      QueryRequest(
        subnet: subnet.genesis.subnet, pipeline: "shop", question: .check,
        caller: Subnet.owner.publicKey, expiry: 1)
    ).result.rows
    #expect(rows[0][2...5] == [.int(1), .int(0), .int(0), .int(0)])
  }

  @Test(arguments: [
    ("select id, customer, day as valid_from from {{ source('orders') }}", nil as String?),
    ("select id, customer from {{ source('orders') }}", "day"),
    ("select id, customer from {{ source('orders') }}", "customer"),
  ])
  func `that cannot be kept is refused`(text: String, updatedAt: String?) throws {
    var model = history(updatedAt: updatedAt)
    model.sql = sql(text)
    #expect(throws: PackageFaults.self) {
      try CheckedPackage(.shop(sources: [source()], models: [model]))
    }
  }
}
