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

  @Test func `takes them too where the procedure went before it, or wrote elsewhere since`() throws
  {
    let whole = Package.shop(sources: [.orders(), feed], procedures: [add])
    var other = feed
    other.name = "other"
    var elsewhere = add
    elsewhere.emit = "other"
    let between = [
      Package.shop(sources: [.orders(), feed]),
      Package.shop(sources: [.orders(), feed, other], procedures: [elsewhere]),
    ]
    for (round, step) in between.enumerated() {
      let subnet = try Subnet()
      var version = 1
      func deploy(_ package: Package, drops: [String] = []) throws {
        var package = package
        version += 1
        package.version = "\(version)"
        package.drops = drops
        #expect(try subnet.run(subnet.deploy(package)).refusalText == nil)
      }
      func call(_ key: String) throws -> Receipt {
        try subnet.run(
          subnet.call("shop", .procedure("add"), body: Array(#"{"id":"b"}"#.utf8), key: key))
      }
      try deploy(whole)
      try subnet.fund()
      #expect(try call("same").tally.accepted == 1)
      try deploy(step)
      if round == 1 {
        #expect(try call("same").replayOf != nil, "what it wrote is there")
        #expect(try call("later").tally.accepted == 1)
      }
      var without = step
      without.sources.removeAll { $0.name == "feed" }
      try deploy(without, drops: ["feed"])
      if round == 1 { #expect(try call("later").replayOf != nil, "what it wrote is there") }
      try deploy(round == 1 ? step : whole)
      let again = try call("same")
      #expect(again.replayOf == nil)
      #expect(again.tally.accepted == (round == 1 ? 0 : 1))
      #expect(again.tally.duplicates == (round == 1 ? 1 : 0), "the later call wrote this row")
      #expect(try call("same").replayOf?.call == again.call)
    }
  }

  @Test func `lets its keys be made anew, for as long as the others are`() throws {
    let whole = Package.shop(sources: [.orders(), feed])
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(whole))
    try subnet.fund()
    func send() throws -> Receipt {
      try subnet.run(subnet.ingest("feed", "id\na\n", key: "same"))
    }
    let retention = whole.defaults.idempotencyRetention
    let first = try send()
    try subnet.execute([], after: retention / 2)
    var without = Package.shop(version: "2")
    without.drops = ["feed"]
    try subnet.run(subnet.deploy(without))
    var again = whole
    again.version = "3"
    try subnet.run(subnet.deploy(again))
    #expect(first.tally.accepted == 1)
    let second = try send()
    #expect(second.tally.accepted == 1)
    // The first entry's time has come, and not the second's.
    try subnet.execute([], after: retention / 2 + 60_000)
    #expect(try send().replayOf?.call == second.call)
  }

  @Test func `leaves no entry that could be misread for none`() throws {
    let subnet = try Subnet()
    try subnet.run(subnet.deploy(.shop(sources: [feed])))
    try subnet.fund()
    func send() throws -> Receipt {
      try subnet.run(subnet.ingest("feed", "id\na\n", key: "same"))
    }
    #expect(try send().tally.accepted == 1)
    let ledger = try #require(subnet.executor.pipelines["shop"]).ledger
    for entry in try ledger.all(.idempotency) {
      try ledger.put(.idempotency, entry.key, Array(entry.value.dropLast()))
    }
    let fault = #expect(throws: ExecutionFault.self) { try send() }
    #expect(fault?.kind == .damaged)
  }
}
