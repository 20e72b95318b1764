import Metering
import Pipelines
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

/// What comes of an ingest where one stored model is computed from the source.
private func sent(
  _ select: String, _ rows: String, steps: UInt64 = 5_000_000
) throws -> Receipt {
  let subnet = try Subnet()
  let model = Model(
    name: "sample", layer: .silver, kind: .full, primaryKey: ["k"],
    sql: sql(select + " from {{ source('orders') }}"))
  let deployed = try subnet.run(subnet.deploy(.shop(models: [model])))
  if case .refused(let refusal) = deployed.status { throw refusal }
  try subnet.fund()
  let receipt = try subnet.run(subnet.ingest("orders", header + rows, steps: steps))
  #expect(receipt.charged == subnet.executor.system.schedule.newest.update(receipt.usage))
  return receipt
}

private func used(_ select: String, _ rows: String) throws -> Usage {
  let receipt = try sent(select, rows)
  if case .refused(let refusal) = receipt.status { throw refusal }
  return receipt.usage
}

@Suite struct `The meter` {
  /// 10,000 bytes are read by each of these; a step says nothing of how many.
  @Test(arguments: [
    "replace(customer, 'zz', 'y')", "instr(customer, 'zz')", "customer like '%zz'",
    "customer glob '*zz'", "json_array_length(json_array(customer))",
    "cast(json_array(customer) ->> '$[9]' as text)", "json_type(json_object('k', customer), '$.j')",
    "(select count(*) from json_each(json_array(customer)))",
    "(select count(*) from json_tree(json_array(customer)))", "lower(customer)",
    "length(trim(customer, 'z'))", "hex(substr(customer, 3))", "customer || 'z'",
  ])
  func `counts the bytes that a function reads`(expression: String) throws {
    let long = "a,\(String(repeating: "a", count: 10_000)),1.00,\n"
    let short = "a,anna,1.00,\n"
    let select = "select id as k, \(expression) as x"
    let (dear, cheap) = (try used(select, long), try used(select, short))
    #expect(dear.functionBytes >= 9_900)
    #expect(cheap.functionBytes == 0)
    #expect(dear.steps == cheap.steps)
  }

  /// Each `hex` gives twice what it goes through: 128, 256, 512 and 1,024 bytes in the end.
  @Test func `counts what grows on its way`() throws {
    let digits = (0..<10).reduce("id") { inner, _ in "hex(\(inner))" }
    let grown = try used("select id as k, length(\(digits)) as x", "a,anna,1.00,\n")
    #expect(grown.functionBytes >= 64 + 192 + 448 + 960)
  }

  /// Its dashes do not count.
  @Test func `counts a namespace, however long it is`() throws {
    let name = "replace(customer, 'a', '-') || '6ba7b8109dad11d180b400c04fd430c8'"
    let long = "a,\(String(repeating: "a", count: 10_000)),1.00,\n"
    let plain = try used("select id as k, \(name) as x", long)
    let hashed = try used("select id as k, uuid5(\(name), id) as x", long)
    #expect(hashed.functionBytes >= plain.functionBytes + 9_900)
  }

  @Test func `counts the label of a random number`() throws {
    let draws = Source(
      name: "draws",
      columns: [
        SourceColumn(name: "id", type: .text, required: true),
        SourceColumn(name: "number", type: .int),
      ], primaryKey: ["id"])
    let draw = Procedure(
      name: "draw", args: [.init(name: "label", type: .text)], emit: "draws",
      sql: sql("select 'a' as id, consensus_random(:label) as number"))
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(sources: [draws], procedures: [draw])))
    try subnet.fund()
    let arguments = Array("{\"label\":\"\(String(repeating: "a", count: 10_000))\"}".utf8)
    let receipt = try subnet.run(subnet.call("shop", .procedure("draw"), body: arguments))
    #expect(receipt.status == .applied)
    #expect(receipt.usage.functionBytes >= 9_900)
  }

  /// A call may use 20,000 steps, and 400 times 10,000 bytes stand for 160,000.
  @Test func `stops what goes through more bytes than the steps pay for`() throws {
    let select = """
      with recursive n(i) as (select 1 union all select i + 1 from n where i < 400)
      select id as k, (select sum(length(customer) + i) from n) as x
      """
    let long = "a,\(String(repeating: "a", count: 10_000)),1.00,\n"
    #expect(try sent(select, "a,anna,1.00,\n", steps: 20_000).status == .applied)
    let stopped = try sent(select, long, steps: 20_000)
    #expect(stopped.refusalCode == "STEP_LIMIT")
    #expect(stopped.usage.steps < 20_000)
    #expect(stopped.usage.functionBytes > 0)
    #expect(try sent(select, long).status == .applied)
  }

  /// Nobody could be sent it.
  @Test func `refuses a value over a mebibyte`() throws {
    let row = "a,\(String(repeating: "a", count: 60_000)),1.00,\n"
    let long = repeatElement("customer", count: 18).joined(separator: " || ")
    #expect(try sent("select id as k, \(long) as x", row).refusalCode == "SQL_TOO_BIG")
  }

  /// A text that is JSON stays JSON on its way through the meter, and a number a number.
  @Test(arguments: [
    ("json_array(json_array(1), json_object('k', 'v'))", #"[[1],{"k":"v"}]"#),
    ("json_array(1, 'a', null)", #"[1,"a",null]"#),
    ("json_array(json_array(7, 8) -> '$[1]', json_array(7, 8) ->> '$[1]')", "[8,8]"),
    ("json_array(json_array('a') -> '$[0]' -> '$', 'b' || 'c')", #"["a","bc"]"#),
    ("json_array('a') ->> '$[0]' || 'b'", "ab"),
  ])
  func `leaves JSON as it is`(expression: String, result: String) throws {
    let subnet = try Subnet()
    let view = Model(
      name: "sample", layer: .silver, kind: .view, primaryKey: ["k"],
      sql: sql("select id as k, cast(\(expression) as text) as x from {{ source('orders') }}"))
    try subnet.run(subnet.deploy(.shop(models: [view])))
    try subnet.fund()
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
    #expect(try subnet.rows("sample") == ["a|\(result)"])
  }

  @Test func `counts the rows that are counted`() throws {
    let rows = (0..<1_000).map { "r\($0),anna,1.00,\n" }.joined()
    #expect(try used("select 'all' as k, count(*) as n", rows).steps >= 2_000)
  }

  @Test func `stops a replica whose cycles do not add up`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop()))
    try subnet.fund()
    let file = try #require(subnet.executor.pipelines["shop"])
    let freezing = file.freezing
    let isDeposited = file.account.deposit(5, freezing)
    #expect(isDeposited)
    #expect {
      try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,\n"))
    } throws: {
      "\($0)".contains("do not add up")
    }
  }
}
