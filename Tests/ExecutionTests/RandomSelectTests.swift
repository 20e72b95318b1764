import Foundation
import Pipelines
import SQL
import Testing

@testable import Execution

/// Statements of one run; 20,000 with `QUORATE_SELECTS=20000`.
private let statements =
  ProcessInfo.processInfo.environment["QUORATE_SELECTS"].flatMap { Int($0) } ?? 4_000

/// The tables of an example, as its models see them.
private func tables(of example: String) throws -> [SelectWriter.Table] {
  let home = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  let package = try PackageReader.read(
    directory: home.appending(path: "deploy/pipelines/\(example)").path)
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

@Suite struct `A random SELECT that the checker takes` {
  @Test(
    arguments: [
      "bank-reconciliation", "berka", "delivery-tracking", "feature-store", "master-data",
    ])
  func `gives equal rows and receipts whatever the layout`(example: String) throws {
    let tables = try tables(of: example)
    let catalog = SQL.Catalog(
      tables.map { table -> SQL.Catalog.Entry in
        let name = table.spoken.split(separator: "'")[1]
        return SQL.Catalog.Entry(
          kind: table.spoken.hasPrefix("{{ ref") ? .ref : .source, name: String(name),
          shape: table.shape)
      })
    let alike = try Layout.alike.map { try TwinDatabase($0, tables.map(\.shape)) }
    let reversed = try TwinDatabase(.reversed, tables.map(\.shape))
    var accepted = 0
    var withRows = 0
    var unseen = 0
    var anotherFirst = 0
    var refusals: [String: Int] = [:]
    var rules: [String: Int] = [:]
    for seed in 0..<statements / 5 {
      var writer = SelectWriter(
        seed: UInt64(seed) &+ UInt64(example.utf8.count) << 32, tables: tables)
      let text = writer.statement()
      guard let checked = check(text, catalog, &rules) else { continue }
      accepted += 1
      let first = alike[0].run(checked, stepsMax: 400_000)
      for twin in alike.dropFirst() {
        let other = twin.run(checked, stepsMax: 400_000)
        #expect(first.outcome == other.outcome, "\(twin.layout.name), seed \(seed): \(text)")
        #expect(first.receipt == other.receipt, "\(twin.layout.name), seed \(seed): \(text)")
      }
      refusals[first.outcome.refusal?.code ?? "", default: 0] += 1
      withRows += first.outcome.rows.isEmpty ? 0 : 1
      // Steps differ with the direction, so a budget may end only one of the two.
      let other = reversed.run(checked, stepsMax: 4_000_000)
      guard first.outcome.refusal?.code != "STEP_LIMIT" else { continue }
      switch (fails(first.outcome), fails(other.outcome)) {
      case (true, true):
        // Of several rows that fail the first ends the statement, and which that is hangs on the
        // direction.
        anotherFirst += first.outcome == other.outcome ? 0 : 1
        continue
      case (true, false) where text.contains(" limit "),
        (false, true) where text.contains(" limit "):
        unseen += 1
        continue
      default: break
      }
      #expect(first.outcome == other.outcome, "descending keys, seed \(seed): \(text)")
    }
    print(
      "\(example): \(statements / 5) statements, \(accepted) accepted, \(withRows) with rows,",
      "\(unseen) where only a row that LIMIT leaves out fails,",
      "\(anotherFirst) where another row fails first;",
      "refused in the run: \(refusals.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" });",
      "by the checker: \(rules.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })")
    #expect(accepted * 3 > statements / 5)
    #expect(withRows * 4 > accepted)
  }

  /// Whether a value ended the statement. On one side alone that may be at a row that LIMIT leaves
  /// out: once a sorter is full, SQLite no longer computes what cannot come out, so that it hangs
  /// on the order of rows whether such a row is computed. Replicas have one direction of keys and
  /// one SQLite.
  private func fails(_ outcome: TwinDatabase.Outcome) -> Bool {
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
