import Pipelines
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day,seen\n"

private let totals = Model(
  name: "totals", layer: .silver, kind: .incremental, primaryKey: ["customer"],
  refresh: Refresh(by: ["customer"]),
  sql: sql(
    "select customer, sum(amount) as total from {{ source('orders') }} group by customer"))

/// Newest wins by `seen`; with `op`, rows also go.
private func orders(takesChanges: Bool = false) -> Source {
  var source = Source.orders(onDuplicate: .upsertIfNewer, version: "seen")
  source.columns.append(SourceColumn(name: "seen", type: .int, required: true))
  guard takesChanges else { return source }
  source.columns.append(SourceColumn(name: "op", type: .text, required: true))
  source.operation = ChangeOperation(column: "op")
  return source
}

private func prepared(_ source: Source) throws -> Subnet {
  let subnet = try Subnet()
  let receipt = try subnet.run(subnet.deploy(.shop(sources: [source], models: [totals])))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  return subnet
}

private let orderings = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]

@Suite struct `Rows of one key and one version` {
  private static let rows = ["a,anna,1.00,,5\n", "a,bert,7.00,,5\n", "a,bert,3.00,,5\n"]

  @Test(arguments: orderings, [true, false])
  func `end the same in whatever order they come`(ordering: [Int], isOneBatch: Bool) throws {
    let subnet = try prepared(orders())
    let rows = ordering.map { Self.rows[$0] }
    for batch in isOneBatch ? [rows.joined()] : rows {
      try subnet.run(subnet.ingest("orders", header + batch))
    }
    #expect(try subnet.rows("totals") == Self.last)
    let again = try subnet.run(subnet.ingest("orders", header + rows.joined()))
    #expect(again.tally.duplicates == 3)
    #expect(again.tally.accepted == 0)
    let older = try subnet.run(subnet.ingest("orders", header + "a,zoe,9.00,,4\n"))
    #expect(older.tally.duplicates == 1)
  }

  /// What the first ordering comes to.
  private static var last: [String] {
    get throws {
      let subnet = try prepared(orders())
      for row in rows { try subnet.run(subnet.ingest("orders", header + row)) }
      let totals = try subnet.rows("totals")
      #expect(totals.count == 1)
      #expect(totals != ["anna|100"], "anna comes before bert by her bytes")
      return totals
    }
  }

  @Test func `are counted by what becomes of them`() throws {
    let subnet = try prepared(orders())
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,,5\n"))
    let later = try subnet.run(subnet.ingest("orders", header + "a,bert,1.00,,5\n"))
    #expect(later.tally.accepted == 1)
    #expect(later.tally.duplicates == 0)
    let earlier = try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,,5\n"))
    #expect(earlier.tally.accepted == 0)
    #expect(earlier.tally.duplicates == 1)
    #expect(try subnet.rows("bronze_orders", columns: "customer") == ["bert"])
  }

  @Test(arguments: orderings)
  func `go where one of them says so`(ordering: [Int]) throws {
    let subnet = try prepared(orders(takesChanges: true))
    let rows = ["a,anna,1.00,,5,insert\n", "a,bert,1.00,,5,update\n", "a,,,,5,delete\n"]
    for place in ordering {
      try subnet.run(subnet.ingest("orders", "id,customer,amount,day,seen,op\n" + rows[place]))
    }
    #expect(try subnet.rows("bronze_orders").isEmpty)
    #expect(try subnet.rows("totals").isEmpty)
  }

  @Test func `are one where the word of the change alone is another`() throws {
    let subnet = try prepared(orders(takesChanges: true))
    let header = "id,customer,amount,day,seen,op\n"
    try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,,5,insert\n"))
    let again = try subnet.run(subnet.ingest("orders", header + "a,anna,1.00,,5,update\n"))
    #expect(again.tally.duplicates == 1)
    let other = try subnet.run(subnet.ingest("orders", header + "a,bert,1.00,,5,insert\n"))
    #expect(other.tally.accepted == 1)
  }
}
