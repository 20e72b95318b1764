import Certification
import Foundation
import Pipelines
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
}
