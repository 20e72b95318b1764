import Certification
import Pipelines
import Testing
import Wire

@testable import Execution

private let header = "id,customer,amount,day\n"
/// é as one scalar, and as e with a mark behind it: equal to Swift, and of other bytes.
private let composed = "\u{e9}"
private let decomposed = "e\u{301}"

private func view(_ name: String, _ text: String, tests: [ModelTest] = []) -> Model {
  Model(name: name, layer: .silver, kind: .view, sql: sql(text), tests: tests)
}

@Suite struct `A text of a package` {
  /// Two tests whose statements differ in nothing else.
  @Test func `asks for its own bytes, whatever was asked before`() throws {
    func source(_ name: String) -> Source {
      Source(
        name: name, columns: [SourceColumn(name: "id", type: .text, required: true)],
        primaryKey: ["id"])
    }
    func test(_ changed: String, _ word: String) -> ModelTest {
      .custom(
        name: "no_pair",
        sql: sql(
          "select c.id from \(changed) c join {{ ref('b') }} b on b.id = c.id "
            + "where c.id = '\(word)'"))
    }
    let package = Package.shop(
      sources: [source("s1"), source("s2")],
      models: [
        view(
          "a", "select distinct id from {{ source('s1') }}",
          tests: [test("{{ changed }}", composed)]),
        view(
          "b", "select distinct id from {{ source('s2') }}",
          tests: [test("{{ ref('a') }}", decomposed)]),
      ])
    var roots: [Digest?] = []
    for isRestarted in [false, true] {
      let subnet = try Subnet(running: package)
      try subnet.run(subnet.ingest("s1", "id\n\(composed)\n"))
      if isRestarted { try subnet.reopen() }
      let receipt = try subnet.run(subnet.ingest("s2", "id\n\(composed)\n"))
      #expect(receipt.status == .applied, "restarted: \(isRestarted)")
      roots.append(subnet.root())
    }
    #expect(roots[0] == roots[1])
  }

  @Test(arguments: ["'\u{301}", "a'\u{301}, 'b", "''", "'"])
  func `stays within its quotes, whatever stands behind one inside`(text: String) throws {
    let inside = String(decoding: text.utf8.flatMap { $0 == 39 ? [39, 39] : [$0] }, as: UTF8.self)
    let noted = Model(
      name: "noted", layer: .silver, kind: .full, primaryKey: ["id"],
      sql: sql("select id, '\(inside)' as note from {{ source('orders') }}"))
    let listed = view(
      "listed", "select customer from {{ source('orders') }}",
      tests: [.acceptedValues(column: "customer", values: [text])])
    let subnet = try Subnet(running: .shop(models: [noted, listed]))
    let field = "\"\(text)\""
    let taken = try subnet.run(subnet.ingest("orders", header + "a,\(field),1.00,\n"))
    #expect(taken.refusalText == nil)
    #expect(try subnet.rows("noted", columns: "id, hex(note)") == ["a|\(Array(text.utf8).upper)"])
    let other = try subnet.run(subnet.ingest("orders", header + "b,ben,1.00,\n"))
    #expect(other.refusalCode == "TEST_FAILED")
  }

  @Test func `is no other one's group`() throws {
    func grouped(_ word: String) -> Package {
      .shop(models: [
        view(
          "groups",
          """
          select iif(customer = '\(composed)', 1, 0) as flag, count(*) as n
          from {{ source('orders') }} group by iif(customer = '\(word)', 1, 0)
          """)
      ])
    }
    _ = try CheckedPackage(grouped(composed))
    #expect(throws: PackageFaults.self) { try CheckedPackage(grouped(decomposed)) }
  }

  @Test func `makes its model anew where it is spelled otherwise`() throws {
    func package(_ version: String, _ word: String) -> Package {
      .shop(
        version: version,
        models: [
          Model(
            name: "chosen", layer: .silver, kind: .incremental, primaryKey: ["id"],
            refresh: Refresh(by: ["id"]),
            sql: sql("select id from {{ source('orders') }} where customer = '\(word)'"))
        ])
    }
    let subnet = try Subnet(running: package("1", decomposed))
    try subnet.run(subnet.ingest("orders", header + "a,\(composed),1.00,\n"))
    #expect(try subnet.rows("chosen") == [])
    let (old, new) = (package("1", decomposed), package("2", composed))
    let told = try CheckedPackage(new).changes(since: CheckedPackage(old))
    #expect(told.contains { $0.name == "chosen" && $0.detail == "its SELECT" })
    try subnet.run(subnet.deploy(new))
    #expect(try subnet.rows("chosen") == ["a"])
  }

  @Test func `is no word of another spelling`() {
    let operation = ChangeOperation(column: "op", inserts: [decomposed], deletes: [composed])
    #expect(operation.change(composed) == .delete)
    #expect(operation.change(decomposed) == .insert)
    #expect(StoredValue.text(composed) != .text(decomposed))
    #expect(Set([StoredValue.text(composed), .text(decomposed)]).count == 2)
  }
}

extension [UInt8] {
  /// As SQLite's `hex` writes it.
  fileprivate var upper: String {
    let digits = Array("0123456789ABCDEF".utf8)
    let all = flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return String(decoding: all, as: UTF8.self)
  }
}
