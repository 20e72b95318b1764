import Certification
import Foundation
import Pipelines
import SQL
import Testing
import Wire

@testable import Execution

private let files = [
  ("pipeline.yaml", "quorate: 1\nname: shop\nversion: 1.0.0\n"),
  (
    "sources/sources.yaml",
    """
    - source: orders
      columns:
        - { name: id, type: text, required: true }
        - { name: customer, type: text, required: true }
      primary_key: [id]
    - source: tags
      columns:
        - { name: id, type: text, required: true }
        - { name: tag, type: text, required: true }
      primary_key: [id]
    """
  ),
  (
    "models/silver/tagged.sql",
    """
    select o.id, o.customer, t.tag
    from {{ source('orders') }} o join {{ source('tags') }} t on t.id = o.id
    """
  ),
  (
    "tests/t.yaml",
    """
    unit_tests:
      - name: t
        given:
          - ingest: orders
            rows: [ { id: a, customer: anna }, { id: b, customer: ben } ]
          - ingest: tags
            rows: [ { id: a, tag: red } ]
          - ingest: tags
            rows: [ { id: b, tag: red } ]
        expect: {}
    """
  ),
]

/// The package above with this map of tags to customers.
private func package(map: String) throws -> (checked: CheckedPackage, tests: [UnitTest]) {
  let models = """
    models:
      - name: tagged
        kind: incremental
        primary_key: [id]
        refresh: { by: [customer], map: { tags: "\(map)" } }
      - name: customers
        kind: view
        sql: "select id, customer from {{ source('orders') }}"
    """
  let all = files + [("models/silver/_silver.yaml", models)]
  return try PackageReader.readWithTests(
    PackageFiles(all.map { PackageFiles.File(path: $0.0, bytes: Array($0.1.utf8)) }))
}

private let rightMap =
  "select o.customer from {{ changed }} c join {{ source('orders') }} o on o.id = c.id"

private func inFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("rehearsal-\(UUID().uuidString)").path
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}

@Suite struct `After each step of a test` {
  @Test func `each model is what it is when it is computed whole`() throws {
    let (checked, tests) = try package(map: rightMap)
    let result = try inFolder {
      try Rehearsal.run(try #require(tests.first), of: checked, directory: $0, vfs: nil)
    }
    #expect(result.failures.map(\.message) == [])
  }

  @Test func `a model whose refresh misses a key is named with it`() throws {
    // Takes a change of a's tag for one of nobody's.
    let (checked, tests) = try package(map: rightMap + " where c.id <> 'b'")
    let result = try inFolder {
      try Rehearsal.run(try #require(tests.first), of: checked, directory: $0, vfs: nil)
    }
    #expect(
      result.failures.map(\.message) == [
        "after step 3, ingest tags: tagged (incremental) is not what its SELECT gives as a whole: "
          + "1 missing, at id = 'b'. Look at refresh.by, refresh.map and refresh.scope of tagged"
      ])
    #expect(result.failures.first?.place.line == 8)
  }

  @Test func `tables of descending keys hold the same rows, or the first difference is named`()
    throws
  {
    let (checked, tests) = try package(map: rightMap)
    let result = try inFolder { folder in
      let rehearsal = try Rehearsal(
        try #require(tests.first), of: checked, directory: folder, vfs: nil)
      #expect(try rehearsal.prepare())
      try rehearsal.perform(1)
      try rehearsal.perform(2)
      #expect(rehearsal.result.failures.isEmpty)
      // A row that only one of the two runs comes to, as from a SELECT that follows key order.
      let file = try #require(rehearsal.mirror.pipelines["shop"])
      let table = try #require(file.data.tables["tagged"])
      let row = try #require(try table.row(key: [.text("a")]))
      var other = row
      other.values[2] = .text("blue")
      try file.data.update(row, to: other, in: table)
      _ = file.data.settle()
      try rehearsal.perform(3)
      return rehearsal.result
    }
    #expect(result.failures.count == 1)
    #expect(
      result.failures.first?.message.hasPrefix(
        "after step 3, ingest tags: tagged holds other rows with descending keys than with "
          + "ascending ones, at id = 'a': some SELECT depends on the order") == true,
      "\(result.failures)")
  }

  @Test func `views give the same rows too, or the first difference is named`() throws {
    let (checked, tests) = try package(map: rightMap)
    let result = try inFolder { folder in
      let rehearsal = try Rehearsal(
        try #require(tests.first), of: checked, directory: folder, vfs: nil)
      #expect(try rehearsal.prepare())
      try rehearsal.perform(1)
      try rehearsal.perform(2)
      #expect(rehearsal.result.failures.isEmpty)
      // Past the trie, so that the tables are equal by their roots.
      let file = try #require(rehearsal.mirror.pipelines["shop"])
      try file.engine.connection.execute(
        "UPDATE bronze_orders SET customer = 'zoe' WHERE id = 'a'")
      try rehearsal.perform(3)
      return rehearsal.result
    }
    #expect(
      result.failures.map(\.message) == [
        "after step 3, ingest tags: the view customers differs, its row 1 is id = 'a', "
          + "customer = 'anna' with ascending keys, and id = 'a', customer = 'zoe' with descending "
          + "ones" + Rehearsal.why
      ])
  }

  @Test func `the tables hold what was hashed, or it is told once`() throws {
    let (checked, tests) = try package(map: rightMap)
    let result = try inFolder { folder in
      let rehearsal = try Rehearsal(
        try #require(tests.first), of: checked, directory: folder, vfs: nil)
      #expect(try rehearsal.prepare())
      try rehearsal.perform(1)
      #expect(rehearsal.result.failures.isEmpty)
      // Past the trie, in a column that no SELECT reads.
      let file = try #require(rehearsal.executor.pipelines["shop"])
      try file.engine.connection.execute(
        "UPDATE bronze_orders SET _batch = 'other' WHERE id = 'a'")
      try rehearsal.perform(2)
      try rehearsal.perform(3)
      return rehearsal.result
    }
    #expect(
      result.failures.map(\.message) == [
        "after step 2, ingest tags: the tables hold other values than were hashed, so no replica "
          + "could start again. This is a fault of the engine, not of the package: report it with "
          + "the package"
      ])
  }
}

/// A SELECT that the checker lets pass since it believes that no two orders are one customer's.
private func planted(_ text: String) throws -> TiedSelect {
  let orders = TableShape(
    name: "bronze_orders",
    columns: [ColumnShape(name: "id", type: .text), ColumnShape(name: "customer", type: .text)],
    keys: [["customer"]])
  let select = try SQL.check(
    try parse(SQLText(file: "planted.sql", text: text)),
    catalog: SQL.Catalog([.init(kind: .source, name: "orders", shape: orders)]), profile: .model)
  return TiedSelect("the planted SELECT", SQLScript(text, file: "planted.sql"), select)
}

private func likelyTexts(_ package: CheckedPackage) -> [String: [Value]] {
  TiedSelect.likelyTexts(in: TiedSelect.all(of: package), of: package)
}

@Suite struct `On made-up rows full of ties` {
  private func ties(_ order: KeyOrder, _ selects: [TiedSelect]) throws
    -> [RehearsalResult.Failure]
  {
    let (checked, _) = try package(map: rightMap)
    let likely = likelyTexts(checked)
    return try inFolder { folder in
      let rehearsal = try Rehearsal(
        UnitTest(ofPackage: "ties", at: 1_767_225_600_000), of: checked, directory: folder,
        vfs: nil, mirrored: order)
      #expect(try rehearsal.prepare())
      try rehearsal.fillWithTies(likely)
      var comparison = TieComparison(selects, likely: likely)
      return try comparison.run(rehearsal)
    }
  }

  @Test(arguments: [
    "select id from {{ source('orders') }} order by customer limit 1",
    "select id, row_number() over (order by customer desc) as n from {{ source('orders') }}",
    "select customer, id from {{ source('orders') }} group by customer",
    "select id from {{ source('orders') }} order by customer || '!' , customer limit 20",
  ])
  func `a SELECT shows what it leaves to chance, which the package's own rows hide`(
    text: String
  ) throws {
    let select = try planted(text)
    let (checked, tests) = try package(map: rightMap)
    let likely = likelyTexts(checked)
    let own = try inFolder { folder in
      let rehearsal = try Rehearsal(
        try #require(tests.first), of: checked, directory: folder, vfs: nil)
      #expect(try rehearsal.prepare())
      for number in 1...3 { try rehearsal.perform(number) }
      #expect(rehearsal.result.failures.map(\.message) == [])
      var comparison = TieComparison([select], likely: likely)
      let failures = try comparison.run(rehearsal)
      #expect(comparison.tally.withRows == 1)
      return failures
    }
    #expect(own.map(\.message) == [])
    let found = try [KeyOrder.descending, .lastDescending].flatMap { try ties($0, [select]) }
    let first = try #require(found.first)
    #expect(first.message.hasPrefix("the planted SELECT differs on made-up rows full of ties: "))
    #expect(first.message.contains(" with ascending keys, and "))
    #expect(first.message.hasSuffix(Rehearsal.why))
    #expect(first.place.file == "planted.sql")
  }

  @Test func `an order that an index gives is seen where only the key behind it turns`() throws {
    // The package has an index on the customers of orders, which is read from either end.
    let select = try planted("select id from {{ source('orders') }} order by customer limit 1")
    #expect(try ties(.descending, [select]).isEmpty)
    #expect(try ties(.lastDescending, [select]).count == 1)
  }

  @Test func `a sound package holds, with each of its SELECTs`() throws {
    let (checked, _) = try package(map: rightMap)
    let result = try inFolder { try Rehearsal.runTies(of: checked, directory: $0, vfs: nil) }
    #expect(result.failures.map(\.message) == [])
    #expect(result.test.name == Rehearsal.tiesName)
    let tally = try #require(result.ties)
    #expect(tally.selects == 2)
    #expect(tally.withRows == 2)
    #expect(tally.failing == [])
    #expect(tally.tooLong == [])
  }

  @Test func `a SELECT that fails on both is told as one that nobody compared`() throws {
    let select = try planted(
      "select id, mul_exact(9223372036854775807, length(customer) + 2) as n "
        + "from {{ source('orders') }}")
    let (checked, _) = try package(map: rightMap)
    let likely = likelyTexts(checked)
    let tally = try inFolder { folder in
      let rehearsal = try Rehearsal(
        UnitTest(ofPackage: "ties", at: 1_767_225_600_000), of: checked, directory: folder,
        vfs: nil)
      #expect(try rehearsal.prepare())
      try rehearsal.fillWithTies(likely)
      var comparison = TieComparison([select], likely: likely)
      #expect(try comparison.run(rehearsal).isEmpty)
      return comparison.tally
    }
    #expect(tally.withRows == 0)
    #expect(tally.failing.map { $0.prefix(24) } == ["the planted SELECT: QD22"])
  }
}

@Suite struct `A table's made-up rows` {
  private func column(
    _ name: String, _ type: Certification.ColumnType, nullable: Bool = false
  ) -> TableSchema.Column {
    TableSchema.Column(name: name, type: type, nullable: nullable, personal: false)
  }

  @Test func `keep its keys, repeat all else, and are the same each time`() {
    let columns = [
      column("account", .text), column("seq", .int), column("day", .date),
      column("state", .text, nullable: true), column("kind", .text), column("other", .uuid),
    ]
    var ties = TieRows(
      table: "lines", columns: columns, keys: [["account", "seq"], ["other"], ["kind", "day"]])
    ties.only = ["kind": [.text("A"), .text("B")]]
    ties.likely = ["state": [.text("open"), .text("done")]]
    let rows = ties.rows
    #expect(rows.count == ExecutionLimits.tiedRows)
    #expect(rows == ties.rows)
    for key in [[0, 1], [5], [4, 2]] {
      #expect(Set(rows.map { row in key.map { row[$0] } }).count == rows.count)
    }
    #expect(Set(rows.map { $0[0] }).count <= 3)
    #expect(Set(rows.map { $0[4] }) == [.text("A"), .text("B")])
    let states = Set(rows.map { $0[3] })
    #expect(states.isSuperset(of: [.null, .text("open"), .text("done")]))
    #expect(states.count < rows.count / 2)
  }

  @Test func `are as few as its keys allow`() {
    var flags = TieRows(
      table: "flags", columns: [column("on", .bool), column("n", .int)], keys: [["on"]])
    flags.only = ["n": [.int(7)]]
    #expect(flags.rows.count == 2)
    #expect(flags.rows.allSatisfy { $0[1] == .int(7) })
    #expect(TieRows(table: "one", columns: [column("n", .int)], keys: [[]]).rows.count == 1)
  }
}
