import Metering
import Pipelines
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

/// What an ingest uses where one stored model is computed from the source.
private func used(_ select: String, _ rows: String) throws -> Usage {
  let subnet = try Subnet()
  let model = Model(
    name: "sample", layer: .silver, kind: .full, primaryKey: ["k"],
    sql: sql(select + " from {{ source('orders') }}"))
  let deployed = try subnet.run(subnet.deploy(.shop(models: [model])))
  if case .refused(let refusal) = deployed.status { throw refusal }
  try subnet.fund()
  let receipt = try subnet.run(subnet.ingest("orders", header + rows))
  if case .refused(let refusal) = receipt.status { throw refusal }
  #expect(receipt.charged == subnet.executor.system.schedule.newest.update(receipt.usage))
  return receipt.usage
}

@Suite struct `The meter` {
  /// 10,000 bytes are read by each of these; a step says nothing of how many.
  @Test(arguments: [
    "replace(customer, 'zz', 'y')", "instr(customer, 'zz')", "customer like '%zz'",
    "customer glob '*zz'", "json_array_length(json_array(customer))",
    "cast(json_array(customer) ->> '$[9]' as text)", "json_type(json_object('k', customer), '$.j')",
    "(select count(*) from json_each(json_array(customer)))",
    "(select count(*) from json_tree(json_array(customer)))",
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
