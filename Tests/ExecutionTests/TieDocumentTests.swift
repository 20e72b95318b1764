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
    "sources/events.yaml",
    """
    source: events
    columns:
      - { name: id, type: text, required: true }
      - { name: facts, type: json, required: true }
    primary_key: [id]
    """
  ),
  (
    "models/silver/_silver.yaml",
    """
    models:
      - name: sizes
        kind: full
        primary_key: [id]
        columns: [ { name: id, type: text }, { name: x, type: int, nullable: true } ]
        sql: |
          select id, cast(json_extract(facts, '$.x') as integer) as x from {{ source('events') }}
    """
  ),
]

private func package() throws -> CheckedPackage {
  try PackageReader.readWithTests(
    PackageFiles(files.map { PackageFiles.File(path: $0.0, bytes: Array($0.1.utf8)) })
  ).checked
}

private func inFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("rehearsal-\(UUID().uuidString)").path
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}

@Suite struct `Made-up JSON` {
  @Test func `has a value at each path that is known`() {
    let documents = TieDocuments([
      "$.a", "$.b.c", "$.l[1]", "$.\"odd key\".z", "$.b", "$", "$.", "$[#-1]", "$.\"open", "a",
    ])
    #expect(
      documents.values(.numbers).first
        == .text("{\"a\":1,\"b\":{\"c\":1},\"l\":[1,1],\"odd key\":{\"z\":1}}"))
    #expect(
      documents.values(.texts).last
        == .text("{\"a\":\"x\",\"b\":{\"c\":3},\"l\":[\"x\",3],\"odd key\":{\"z\":\"x\"}}"))
    #expect(documents.values(.numbers).count == 3)
  }

  @Test func `is none where no path is known`() {
    #expect(TieDocuments(["$", "a", "$[9]"]).values(.texts).isEmpty)
  }

  @Test func `is looked into by a sound package, which holds`() throws {
    let result = try inFolder {
      try Rehearsal.runTies(of: try package(), directory: $0, vfs: nil)
    }
    #expect(result.failures.map(\.message) == [])
    let tally = try #require(result.ties)
    #expect(tally.selects == 1)
    #expect(tally.withRows == 1)
    #expect(tally.failing == [])
  }
}

@Suite struct `What a stored model gives on made-up rows` {
  private static let columns = [
    ModelColumn(name: "id", type: .text), ModelColumn(name: "x", type: .int, nullable: true),
  ]

  /// What is found of a SELECT of these columns that no checker has held against them.
  private func found(
    _ text: String, _ columns: [ModelColumn], _ leaves: TieDocuments.Leaves
  ) throws -> [String] {
    let events = TableShape(
      name: "bronze_events",
      columns: [ColumnShape(name: "id", type: .text), ColumnShape(name: "facts", type: .json)],
      keys: [["id"]])
    let query = try SQL.check(
      try parse(SQLText(file: "planted.sql", text: text)),
      catalog: SQL.Catalog([.init(kind: .source, name: "events", shape: events)]),
      profile: .model)
    var select = TiedSelect("the planted SELECT", SQLScript(text, file: "planted.sql"), query)
    select.stored = columns
    return try inFolder { folder in
      let rehearsal = try Rehearsal(
        UnitTest(ofPackage: "ties", at: 1_767_225_600_000), of: try package(), directory: folder,
        vfs: nil)
      #expect(try rehearsal.prepare())
      let documents = TieDocuments(["$.x"]).values(leaves)
      try rehearsal.fillWithTies([:], ["facts": documents])
      var comparison = TieComparison([select], likely: [:])
      return try comparison.holdStored(rehearsal).map(\.message)
    }
  }

  @Test func `fits its columns, or the first value that does not is told`() throws {
    let text = "select id, json_extract(facts, '$.x') as x from {{ source('events') }}"
    #expect(try found(text, Self.columns, .numbers) == [])
    #expect(
      try found(text, Self.columns, .texts) == [
        "the planted SELECT gives a text for x, which is int, on made-up rows; an update that "
          + "comes to such a row is refused (QD23): cast it, or declare another type"
      ])
    // Nobody stores what a view gives.
    #expect(try found(text, [], .texts) == [])
  }

  @Test func `is the same at any block time, or two that differ are told`() throws {
    let all = "select id, 1 as x from {{ source('events') }}"
    #expect(try found(all, Self.columns, .numbers) == [])
    let messages = try found(
      all + " where consensus_date() > 20050", Self.columns, .numbers)
    #expect(messages.count == 1)
    #expect(
      messages.first?.hasPrefix(
        "the planted SELECT gives other made-up rows at 2024-10-05T12:00:00.000Z than at "
          + "2026-01-01T00:00:00.000Z, and what is stored does not follow the time") == true,
      "\(messages)")
  }
}
