import Certification
import Pipelines
import SQL
import Storage
import Wire

// The second run on rows full of ties: tests may hold none, and without ties no order shows.

extension Rehearsal {
  /// What the test is called that a package has beside its own.
  package static let tiesName = "made-up rows full of ties give the same in whatever order"

  private static let tiesTest = UnitTest(
    ofPackage: tiesName, at: Moment(UInt64(TieRows.day + 100) * 86_400_000))

  /// Fills every table that SELECTs read with rows full of ties, with ascending keys and with
  /// others, and holds each SELECT of the package on one against the same on the other. What stored
  /// models give is held to their columns too, at several block times. Where statements look into
  /// JSON, there are numbers at first, then texts.
  ///
  /// - Parameter directory: empty, and nobody else's.
  /// - Throws: the machine's failures alone.
  package static func runTies(
    of package: CheckedPackage, directory: String, vfs: String?
  ) throws(ExecutionFault) -> RehearsalResult {
    var result = RehearsalResult(test: tiesTest)
    let selects = TiedSelect.all(of: package)
    let likely = TiedSelect.likelyTexts(in: selects, of: package)
    let paths = TiedSelect.paths(in: selects)
    var comparison = TieComparison(selects, likely: likely)
    for (number, round) in rounds(isJSONRead: !paths.isEmpty).enumerated() {
      let rehearsal = try Rehearsal(
        tiesTest, of: package, directory: "\(directory)/\(number)", vfs: vfs,
        mirrored: round.order)
      guard try rehearsal.prepare() else { return rehearsal.result }
      try rehearsal.fillWithTies(
        likely, paths.mapValues { TieDocuments($0).values(round.leaves) })
      result.failures += try comparison.run(rehearsal)
      guard round.isNew else { continue }
      result.failures += try comparison.holdStored(rehearsal)
    }
    result.ties = comparison.tally
    return result
  }

  private struct Round {
    let order: KeyOrder
    let leaves: TieDocuments.Leaves
    /// Whether no round before it had its rows.
    let isNew: Bool
  }

  private static func rounds(isJSONRead: Bool) -> [Round] {
    var rounds = [
      Round(order: .descending, leaves: .numbers, isNew: true),
      Round(order: .lastDescending, leaves: .numbers, isNew: false),
    ]
    if isJSONRead {
      // A text where somebody counts on a number fails, and which row first depends on the order.
      rounds.append(Round(order: .lastDescending, leaves: .texts, isNew: true))
    }
    return rounds
  }

  // MARK: Rows

  /// Seeds keep their own rows.
  /// - Parameter likely: by column, as `TiedSelect.likelyTexts` gives them.
  /// - Parameter documents: by column of JSON, what stands there.
  func fillWithTies(
    _ likely: [String: [Value]], _ documents: [String: [Value]] = [:]
  ) throws(ExecutionFault) {
    for source in package.sources.map(\.source) {
      try fill(
        source.bronzeTable, keys: source.shape.keys, only: Self.accepted(source), likely, documents)
    }
    var rest = package.models.filter { $0.model.isStored && $0.model.kind != .seed }
    // What a model refers to comes first, so that its values are there.
    while let next = rest.first(where: { model in
      !model.references.contains { name in name != model.name && rest.contains { $0.name == name } }
    }) ?? rest.first {
      rest.removeAll { $0.name == next.name }
      try fill(next.name, keys: next.shape.keys, only: accepted(next), likely, documents)
    }
  }

  private func fill(
    _ name: String, keys: [[String]], only: [String: [Value]], _ likely: [String: [Value]],
    _ documents: [String: [Value]]
  ) throws(ExecutionFault) {
    guard let file = executor.pipelines[self.name], let other = mirror.pipelines[self.name],
      let table = file.data.tables[name]
    else { return }
    var ties = TieRows(table: name, columns: table.schema.columns, keys: keys)
    ties.only = only
    ties.likely = likely
    ties.documents = documents
    let rows = ties.rows
    do {
      try file.replaceRows(of: name, by: rows)
      try other.replaceRows(of: name, by: rows)
    } catch { throw ExecutionFault(error) }
  }

  private static func accepted(_ source: Source) -> [String: [Value]] {
    var only: [String: [Value]] = [:]
    for column in source.columns {
      let values = column.acceptedValues.compactMap { column.type.proven.value(from: $0) }
      if !values.isEmpty { only[column.name] = values }
    }
    return only
  }

  private func accepted(_ model: CheckedModel) throws(ExecutionFault) -> [String: [Value]] {
    var only: [String: [Value]] = [:]
    for test in model.tests {
      switch test.rule {
      case .acceptedValues(let column, let values): only[column] = values.map(\.value)
      case .references(let column, let other, let target):
        let storage = model.column(column)?.type.proven.storage
        let values = try values(of: target, in: other).filter { $0.storage == storage }
        if !values.isEmpty { only[column] = values }
      case .unique, .notNull, .custom: continue
      }
    }
    return only
  }

  /// A few values of a column; none where its view fails.
  private func values(of column: String, in table: String) throws(ExecutionFault) -> [Value] {
    guard let file = executor.pipelines[name] else { return [] }
    let sql =
      "SELECT DISTINCT \(quoted(column)) FROM \(quoted(table)) "
      + "WHERE \(quoted(column)) IS NOT NULL ORDER BY 1 LIMIT 6"
    do {
      let scan = try file.engine.connection.prepare(sql)
      var values: [Value] = []
      while try scan.step() { values.append(scan.value(0)) }
      return values
    } catch {
      guard error.kind == .environment else { return [] }
      throw ExecutionFault(error)
    }
  }
}

extension CheckedModel {
  /// Models that its tests refer to.
  fileprivate var references: [String] {
    tests.compactMap { test in
      if case .references(_, let model, _) = test.rule { model } else { nil }
    }
  }
}

extension PipelineFile {
  /// Past the trie and the bill: what is made up is never committed to.
  fileprivate func replaceRows(
    of name: String, by rows: [[Value]]
  ) throws(StorageFault) {
    guard let table = data.tables[name] else { return }
    let transaction = try WriteTransaction(engine.connection)
    try engine.connection.execute("DELETE FROM \(quoted(name))")
    let insert = try table.insert()
    for row in rows {
      for (place, value) in row.enumerated() { try insert.bind(place + 1, value: value) }
      if table.hasNonce { try insert.bind(row.count + 1, blob: Digest.zero.bytes) }
      try insert.run()
    }
    try transaction.commit()
  }
}
