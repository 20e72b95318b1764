import Signing
import Wire

/// Rows that were proven.
package struct ProvenRows: Hashable, Sendable {
  package let schema: TableSchema
  package let rows: [CertifiedRows.Row]
  /// False when there are more behind the last row.
  package let complete: Bool
  package let height: Height
  package let time: Moment
  package let stateRoot: Digest

  /// The rows as a table; what is withheld reads as null.
  package var table: ResultTable {
    ResultTable(
      columns: schema.columns.map { .init(name: $0.name, type: $0.type) },
      rows: rows.map { row in row.cells.map { $0.value ?? .null } })
  }

  /// The key's values in the last row: where to go on when it is not complete.
  package var lastKey: [Value]? {
    rows.last.map { row in schema.key.map { row.cells[$0].value ?? .null } }
  }
}

extension ClientCheck {
  /// These are the rows asked for, all of them, as a quorum signed them.
  package func check(
    _ answer: CertifiedRows, to request: RowsRequest, _ freshness: Freshness = .any
  ) throws(CheckFault) -> ProvenRows {
    let statement = answer.certificate.statement
    guard request.subnet == committee.subnet, answer.pipeline == request.pipeline,
      answer.schema.name == request.table
    else { throw CheckFault(.request, "it is of another subnet, pipeline or table") }
    if let height = request.height, statement.height != height {
      throw CheckFault(.request, "it is of height \(statement.height), asked for \(height)")
    }
    guard answer.rows.count <= Int(request.limit) else {
      throw CheckFault(.request, "\(answer.rows.count) rows, asked for \(request.limit) at most")
    }
    // The limit and the rows' bytes alone cut an answer, and only behind a row.
    let isFull = !answer.rows.isEmpty && answer.rows.count == Int(request.limit)
    guard answer.complete || isFull || answer.isFullOfBytes else {
      throw CheckFault(
        .request,
        "it was cut after \(answer.rows.count) rows, asked for \(request.limit), and before they "
          + "pass \(AnswerLimits.resultBytesMax) bytes")
    }
    try check(answer.certificate)
    try named("the pipeline's root") { () throws(ProofFlaw) in
      try ComponentTrie.check(
        Component(name: answer.pipeline, root: answer.pipelineRoot), answer.componentProof,
        under: statement.stateRoot)
    }
    try checkSchema(answer)
    try checkRows(answer, request)
    try freshness.check(height: statement.height, time: statement.time)
    return ProvenRows(
      schema: answer.schema, rows: answer.rows, complete: answer.complete,
      height: statement.height, time: statement.time, stateRoot: statement.stateRoot)
  }

  private func checkSchema(_ answer: CertifiedRows) throws(CheckFault) {
    let key = TableSchema.catalogKey(of: answer.schema.name)
    try named("the table's schema") { () throws(ProofFlaw) in
      try answer.schemaProof.check(
        [ProofRow(key: key, row: answer.schema.digest)], of: KeyRange(key: key),
        coverage: .whole, under: answer.pipelineRoot)
    }
  }

  private func checkRows(
    _ answer: CertifiedRows, _ request: RowsRequest
  ) throws(CheckFault) {
    let range: KeyRange
    do throws(KeyFault) {
      range = try answer.schema.range(of: request.selection)
    } catch {
      throw CheckFault(.request, "\(error)")
    }
    let schemaDigest = answer.schema.digest
    var rows: [ProofRow] = []
    for row in answer.rows { rows.append(try proofRow(row, answer.schema, schemaDigest)) }
    let coverage = answer.complete ? Coverage.whole : .throughLast
    try named("the rows") { () throws(ProofFlaw) in
      try answer.rowsProof.check(rows, of: range, coverage: coverage, under: answer.pipelineRoot)
    }
  }

  /// The leaf that this row must be. Its key is computed here, from values that are shown; what is
  /// withheld is of columns that may be.
  private func proofRow(
    _ row: CertifiedRows.Row, _ schema: TableSchema, _ schemaDigest: Digest
  ) throws(CheckFault) -> ProofRow {
    guard row.cells.count == schema.columns.count else {
      throw CheckFault(.proof, "a row of \(row.cells.count) cells, not \(schema.columns.count)")
    }
    for (column, cell) in zip(schema.columns, row.cells) where !column.personal {
      guard cell.value != nil else {
        throw CheckFault(.proof, "\(column.name) is withheld, and it is no personal column")
      }
    }
    var key: [Value] = []
    for index in schema.key {
      guard let value = row.cells[index].value else {
        throw CheckFault(.proof, "the key column \(schema.columns[index].name) is withheld")
      }
      key.append(value)
    }
    do throws(KeyFault) {
      return ProofRow(
        key: try schema.keyBytes(key),
        row: RowHash.row(schema: schemaDigest, cells: row.cells.map(\.digest)))
    } catch {
      throw CheckFault(.proof, "\(error)")
    }
  }

  private func named(
    _ part: String, _ body: () throws(ProofFlaw) -> Void
  ) throws(CheckFault) {
    do throws(ProofFlaw) {
      try body()
    } catch {
      throw CheckFault(.proof, "\(part): \(error)")
    }
  }
}
