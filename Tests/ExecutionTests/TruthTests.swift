import Pipelines
import Testing
import Wire

@testable import Execution

/// What a view over two orders gives: the letters of one customer hold a 4, those of the other not.
private func rows(_ select: String) throws -> [String] {
  let view = Model(
    name: "sample", layer: .silver, kind: .view, primaryKey: ["k"], sql: sql(select))
  let subnet = try Subnet()
  let deployed = try subnet.run(subnet.deploy(.shop(models: [view])))
  if case .refused(let refusal) = deployed.status { throw refusal }
  try subnet.fund()
  try subnet.run(
    subnet.ingest("orders", "id,customer,amount,day\na,anna,1.00,\nb,ben,2.00,\n"))
  return try subnet.rows("sample ORDER BY k")
}

@Suite struct `IS TRUE` {
  @Test(arguments: [
    ("length(customer) & 4", ["a|1|0|0|1", "b|0|1|1|0"]),
    ("nullif(length(customer), 3)", ["a|1|0|0|1", "b|0|1|0|1"]),
  ])
  func `is so of every number but 0, and never of NULL`(value: String, found: [String]) throws {
    let asked = ["is true", "is not true", "is false", "is not false"]
    let columns = asked.enumerated().map { "(\(value)) \($1) as x\($0)" }
    #expect(
      try rows("select id as k, \(columns.joined(separator: ", ")) from {{ source('orders') }}")
        == found)
  }

  /// SQLite would take the word for the column.
  @Test func `means the value, whatever a column is called`() throws {
    #expect(
      try rows(
        "select k from (select id as k, 1 as \"true\" from {{ source('orders') }} "
          + "where (length(customer) & 4) is true) s") == ["a"])
  }
}
