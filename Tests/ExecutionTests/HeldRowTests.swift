import Certification
import Pipelines
import Testing
import Wire

@testable import Execution

private let shops = Source(
  name: "shops", columns: [SourceColumn(name: "shop", type: .text, required: true)],
  primaryKey: ["shop"])

private func known(_ check: String = "exists_in(shops, customer)") -> Pipelines.Expectation {
  Pipelines.Expectation(name: "known", check: sql(check), onViolation: .quarantine)
}

/// Orders that wait until their customer is a shop.
private func orders(_ expectations: [Pipelines.Expectation] = [known()]) -> Source {
  var source = Source.orders(expectations: expectations)
  source.recheck = ["shops"]
  return source
}

private let header = "id,customer,amount,day\n"

private func prepared(_ package: Package) throws -> Subnet {
  let subnet = try Subnet()
  let receipt = try subnet.run(subnet.deploy(package))
  if case .refused(let refusal) = receipt.status { throw refusal }
  try subnet.fund()
  return subnet
}

private func release(_ subnet: Subnet, _ source: String = "orders") throws -> Receipt {
  try subnet.run(
    subnet.call(
      "shop", .release(source: source), body: ReleaseSelection().canonicalBytes))
}

@Suite struct `Held rows` {
  /// 80 rows of 60,000 bytes each; 4 MiB hold 69 of them.
  @Test func `are read up to so many bytes, and each byte is metered`() throws {
    let subnet = try prepared(.shop(sources: [orders(), shops]))
    let long = String(repeating: "a", count: 60_000)
    for batch in 0..<5 {
      let rows = (0..<16).map { "\(10 + 16 * batch + $0),\(long),1.00,\n" }.joined()
      #expect(try subnet.run(subnet.ingest("orders", header + rows)).tally.quarantined == 16)
    }
    let recheck = try subnet.run(subnet.ingest("shops", "shop\nnew\n"))
    #expect(recheck.status == .applied)
    let unseen = try #require(recheck.notes.first { $0.name == "unseen orders" })
    #expect(unseen.message.hasPrefix("or more, held beyond the 69 oldest"))
    let read = 69 * UInt64(60_000 - ExecutionLimits.functionBytesFree)
    #expect(recheck.usage.functionBytes >= read * ExecutionLimits.functionBytesPerHeldByte)

    let all = try release(subnet)
    #expect(all.tally.quarantined == 69)
    #expect(all.notes.first { $0.name == "unseen orders" }?.count == 11)
    #expect(all.usage.functionBytes >= read * ExecutionLimits.functionBytesPerHeldByte)
    let few = try subnet.run(
      subnet.call(
        "shop", .release(source: "orders"), body: ReleaseSelection().canonicalBytes,
        steps: 100_000))
    #expect(few.refusalCode == "STEP_LIMIT", "bytes use up the steps of a call")
  }

  /// No value that the contract takes is longer than what is kept.
  @Test func `are kept up to so many bytes a field, and then never released`() throws {
    let subnet = try prepared(.shop(sources: [.orders()]))
    func row(_ id: String, _ bytes: Int) -> String {
      "\(id),\(String(repeating: "a", count: bytes)),1.00,\n"
    }
    let sent = try subnet.run(
      subnet.ingest("orders", header + row("a", 200_000) + row("b", 131_074)))
    #expect(sent.tally.quarantined == 2)
    #expect(
      try subnet.rows("quarantine_orders", columns: "id, length(customer)")
        == ["a|131074", "b|131074"])
    let errors = try subnet.rows("quarantine_orders", columns: "_errors")
    #expect(errors[0].hasPrefix("[cut] customer had 200000 bytes; customer: "))
    #expect(errors[1].hasPrefix("customer: "))

    var wider = Package.shop(version: "2")
    wider.defaults.stringBytesMax = 1 << 20
    #expect(try subnet.run(subnet.deploy(wider)).refusalText == nil)
    let receipt = try release(subnet)
    #expect(receipt.tally.accepted == 1)
    #expect(receipt.tally.quarantined == 1)
    #expect(try subnet.rows("bronze_orders", columns: "id") == ["b"])
  }

  @Test func `are kept without captured fields that are too long`() throws {
    let subnet = try prepared(.shop(sources: [.orders()]))
    let extra = String(repeating: "a", count: 200_000)
    let row = #"{"id":"a","customer":"anna","amount":"1.00","extra":"\#(extra)"}"#
    let sent = try subnet.run(subnet.ingest("orders", row + "\n", format: .ndjson))
    #expect(sent.tally.quarantined == 1)
    #expect(try subnet.rows("quarantine_orders", columns: "_captured") == [""])
    let errors = try subnet.rows("quarantine_orders", columns: "_errors")
    #expect(errors.first?.hasPrefix("[cut] _captured had 200012 bytes; ") == true)
    #expect(try release(subnet).tally.quarantined == 1)
    #expect(try subnet.rows("bronze_orders").isEmpty)
  }
}
