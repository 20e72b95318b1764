import Foundation
import Pipelines
import SQL
import Testing

@testable import Execution

/// Statements of one run; 20,000 with `QUORATE_SELECTS=20000`.
private let statements =
  ProcessInfo.processInfo.environment["QUORATE_SELECTS"].flatMap { Int($0) } ?? 4_000

/// What the statements are about: the tables of each example, and some with JSON.
private let subjects = [
  "bank-reconciliation", "berka", "delivery-tracking", "feature-store", "master-data", "documents",
]

/// Tables that statements read, as models see them.
private func tables(of subject: String) throws -> [SelectWriter.Table] {
  guard subject != "documents" else { return documents }
  let package = try PackageReader.read(directory: Folders.pipeline(subject))
  let checked = try CheckedPackage(package)
  func whole(_ shape: TableShape) -> TableShape {
    // One key is promised; the rows hold no other.
    let key = shape.keys.first.flatMap { $0.isEmpty ? nil : $0 }
    return TableShape(name: shape.name, columns: shape.columns, keys: [key].compactMap(\.self))
  }
  let sources = checked.sources.map { source in
    SelectWriter.Table(
      spoken: "{{ source('\(source.name)') }}", shape: whole(source.source.shape))
  }
  let models = checked.models.map { model in
    SelectWriter.Table(spoken: "{{ ref('\(model.name)') }}", shape: whole(model.shape))
  }
  return sources + models
}

private let documents = [
  SelectWriter.Table(
    spoken: "{{ source('orders') }}",
    shape: TableShape(
      name: "bronze_orders",
      columns: [
        ColumnShape(name: "id", type: .text), ColumnShape(name: "customer", type: .text),
        ColumnShape(name: "amount", type: .integer, nullable: true),
        ColumnShape(name: "details", type: .json),
      ], keys: [["id"]])),
  SelectWriter.Table(
    spoken: "{{ ref('events') }}",
    shape: TableShape(
      name: "events",
      columns: [
        ColumnShape(name: "id", type: .text), ColumnShape(name: "seq", type: .integer),
        ColumnShape(name: "day", type: .date), ColumnShape(name: "note", type: .text),
        ColumnShape(name: "payload", type: .json, nullable: true),
      ], keys: [["id", "seq"]])),
]

/// What the statements about one subject came to.
private struct Tally {
  var accepted = 0
  var withRows = 0
  /// Only a row that LIMIT leaves out fails.
  var unseen = 0
  /// Of several rows that fail the first ends the statement, and which that is hangs on the
  /// direction.
  var anotherFirst = 0
  /// Rows that LIMIT or EXISTS leave out are not gone through with costly functions.
  var otherWork = 0
  var refusals: [String: Int] = [:]
  var rules: [String: Int] = [:]
}

@Suite struct `A random SELECT that the checker takes` {
  @Test(arguments: subjects)
  func `gives equal rows and receipts whatever the layout`(subject: String) throws {
    let tables = try tables(of: subject)
    let catalog = SQL.Catalog(
      tables.map { table -> SQL.Catalog.Entry in
        let name = table.spoken.split(separator: "'")[1]
        return SQL.Catalog.Entry(
          kind: table.spoken.hasPrefix("{{ ref") ? .ref : .source, name: String(name),
          shape: table.shape)
      })
    let alike = try Layout.alike.map { try TwinDatabase($0, tables.map(\.shape)) }
    let reversed = try Layout.reversed.map { try TwinDatabase($0, tables.map(\.shape)) }
    let count = statements / subjects.count
    var tally = Tally()
    for seed in 0..<count {
      var writer = SelectWriter(
        seed: UInt64(seed) &+ UInt64(subject.utf8.count) << 32, tables: tables)
      let text = writer.statement()
      guard let checked = check(text, catalog, &tally.rules) else { continue }
      tally.accepted += 1
      let first = try alike[0].run(checked, stepsMax: 400_000)
      for twin in alike.dropFirst() {
        let other = try twin.run(checked, stepsMax: 400_000)
        #expect(first.outcome == other.outcome, "\(twin.layout.name), seed \(seed): \(text)")
        #expect(first.receipt == other.receipt, "\(twin.layout.name), seed \(seed): \(text)")
      }
      tally.refusals[first.outcome.refusal?.code ?? "", default: 0] += 1
      tally.withRows += first.outcome.rows.isEmpty ? 0 : 1
      // Steps differ with the direction, so a budget may end only one of the two.
      guard first.outcome.refusal?.code != "STEP_LIMIT" else { continue }
      for twin in reversed {
        let other = try twin.run(checked, stepsMax: 4_000_000)
        compare(first, other, twin.layout, "seed \(seed): \(text)", &tally)
      }
    }
    print(
      "\(subject): \(count) statements, \(tally.accepted) accepted, \(tally.withRows) with rows,",
      "\(tally.unseen) where only a row that LIMIT leaves out fails,",
      "\(tally.anotherFirst) where another row fails first,",
      "\(tally.otherWork) where functions go through other rows;",
      "refused in the run: \(Self.list(tally.refusals));",
      "by the checker: \(Self.list(tally.rules))")
    #expect(tally.accepted * 3 > count)
    #expect(tally.withRows * 4 > tally.accepted)
    #expect((tally.unseen + tally.anotherFirst) * 100 <= tally.accepted)
    #expect(tally.otherWork * 100 <= tally.accepted)
  }

  private static func list(_ counts: [String: Int]) -> String {
    counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }

  /// Holds what keys of another direction give against what ascending ones do.
  private func compare(
    _ first: TwinDatabase.Answer, _ other: TwinDatabase.Answer, _ layout: Layout, _ text: String,
    _ tally: inout Tally
  ) {
    // Where a part of a key turns, SQLite may sort what it read in order before, and go through
    // rows in another way: only what it gives is the same.
    let isBackwards = layout.keys == .descending
    guard isBackwards || [first, other].allSatisfy({ $0.outcome.refusal == nil }) else { return }
    let (one, two) = (fails(first.outcome), fails(other.outcome))
    guard !one, !two else {
      if one, two {
        tally.anotherFirst += first.outcome == other.outcome ? 0 : 1
      } else if text.contains(" limit ") {
        tally.unseen += 1
      } else {
        Issue.record("fails with \(one ? "ascending" : "descending") keys alone, \(text)")
      }
      return
    }
    #expect(first.outcome == other.outcome, "\(layout.name), \(text)")
    guard isBackwards else { return }
    let isSame = first.receiptWithoutSteps == other.receiptWithoutSteps
    if !isSame, text.contains(" limit ") || text.contains("exists (") {
      tally.otherWork += 1
      return
    }
    #expect(isSame, "the receipt with \(layout.name), \(text)")
  }

  /// Whether a value ended the statement. On one side alone that may be at a row that LIMIT leaves
  /// out: once a sorter is full, SQLite no longer computes what cannot come out, so that it hangs
  /// on the order of rows whether such a row is computed. Replicas have one direction of keys and
  /// one SQLite.
  private func fails(_ outcome: SelectOutcome) -> Bool {
    ["SQL_ERROR", "QD22"].contains(outcome.refusal?.code)
  }

  private func check(
    _ text: String, _ catalog: SQL.Catalog, _ rules: inout [String: Int]
  ) -> CheckedQuery? {
    do {
      let query = try parse(SQLText(file: "random.sql", text: text))
      return try SQL.check(query, catalog: catalog, profile: .model)
    } catch let error as Diagnostic {
      rules[error.rule, default: 0] += 1
    } catch let errors as Diagnostics {
      rules[errors.list[0].rule, default: 0] += 1
    } catch { rules["\(error)", default: 0] += 1 }
    return nil
  }
}
