import Pipelines
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"

private let feed = Source(
  name: "feed", columns: [SourceColumn(name: "id", type: .text, required: true)],
  primaryKey: ["id"])

private let add = Procedure(
  name: "add", args: [.init(name: "id", type: .text)], emit: "feed",
  sql: sql("select :id as id"))

@Suite struct `A source that goes` {
  @Test func `takes with it which calls wrote to it, and no others`() throws {
    let whole = Package.shop(sources: [.orders(), feed], procedures: [add])
    var without = Package.shop(version: "2")
    without.drops = ["feed"]
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(whole))
    try subnet.fund()
    func send(_ source: String, _ text: String) throws -> Receipt {
      try subnet.run(subnet.ingest(source, text, key: "same"))
    }
    func call() throws -> Receipt {
      try subnet.run(
        subnet.call("shop", .procedure("add"), body: Array(#"{"id":"b"}"#.utf8), key: "same"))
    }
    #expect(try send("orders", header + "a,anna,1.00,\n").tally.accepted == 1)
    #expect(try send("feed", "id\na\n").tally.accepted == 1)
    #expect(try call().tally.accepted == 1)
    #expect(try send("feed", "id\na\n").replayOf != nil)
    for version in ["3", "5"] {
      without.version = "2.\(version)"
      #expect(try subnet.run(subnet.deploy(without)).refusalText == nil)
      var again = whole
      again.version = version
      #expect(try subnet.run(subnet.deploy(again)).refusalText == nil)
      #expect(try subnet.rows("bronze_feed").isEmpty)
      let sent = try send("feed", "id\na\n")
      #expect(sent.replayOf == nil)
      #expect(sent.tally.accepted == 1)
      let called = try call()
      #expect(called.replayOf == nil)
      #expect(called.tally.accepted == 1)
      #expect(try subnet.rows("bronze_feed", columns: "id") == ["a", "b"])
      // From then on they answer, and over a restart.
      if version == "5" { try subnet.reopen() }
      #expect(try send("feed", "id\na\n").replayOf != nil)
      #expect(try call().replayOf != nil)
      #expect(try send("feed", "id\nother\n").refusalCode == "IDEMPOTENCY_CONFLICT")
      #expect(try send("orders", header + "a,anna,1.00,\n").replayOf != nil)
    }
  }
}
