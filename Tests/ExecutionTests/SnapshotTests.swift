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

  @Test func `answers what was so at a time`() throws {
    let view = Model(
      name: "at_day_three", layer: .silver, kind: .view,
      sql: sql(
        "select id, customer from {{ ref('history') }} where valid_from <= 20456 * 86400000 "
          + "and (valid_to is null or valid_to > 20456 * 86400000)"))
    let subnet = try prepared(history(updatedAt: "day"), [view])
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
    var full = history()
    full.kind = .full
    full.refresh = nil
    for model in [keyed, full] {
      let receipt = try subnet.run(
        subnet.deploy(.shop(version: "2", sources: [source()], models: [model])))
      #expect(receipt.refusalCode == (model.kind == .full ? "DROP_REFUSED" : "SNAPSHOT_CHANGED"))
    }
    #expect(try subnet.rows("history").count == 1)
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
