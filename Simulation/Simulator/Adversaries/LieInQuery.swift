import Certification
import Wire

/// Gives clients other rows and receipts than it has, beside proofs of the true ones.
struct LieInQuery: Adversary {
  let views: ClosedRange<UInt64>?
  var chance: RandomStream

  mutating func shows(_ rows: CertifiedRows, in view: View) -> CertifiedRows {
    guard views.covers(view) else { return rows }
    switch chance.below(4) {
    case 0: return rows.with(rows: [])
    case 1: return rows.with(rows: rows.rows.map(altered))
    case 2: return rows.with(rows: rows.rows, root: rows.certificate.statement.receiptsRoot)
    default: return rows.with(rows: rows.rows + rows.rows)
    }
  }

  private func altered(_ row: CertifiedRows.Row) -> CertifiedRows.Row {
    CertifiedRows.Row(
      cells: row.cells.map { cell in
        guard case .shown(.int(let number)) = cell else { return cell }
        return .shown(.int(number &+ 1_000_000))
      })
  }

  mutating func shows(_ certified: CertifiedReceipt, in view: View) -> CertifiedReceipt {
    guard views.covers(view) else { return certified }
    let own = certified.proof.receipt
    let refused = Receipt.Status.refused(Refusal("LIE", "it was refused"))
    let receipt = Receipt(
      call: own.call, height: own.height, position: own.position, time: own.time,
      pipeline: own.pipeline, status: own.status == .applied ? refused : .applied,
      replayOf: own.replayOf, tally: own.tally, notes: own.notes, usage: own.usage,
      charged: own.charged)
    let proof = ReceiptProof(
      receipt: receipt, count: certified.proof.count, path: certified.proof.path)
    return CertifiedReceipt(proof: proof, certificate: certified.certificate)
  }
}

extension CertifiedRows {
  /// The same answer with other rows, or of another pipeline root.
  fileprivate func with(rows: [Row], root: Digest? = nil) -> CertifiedRows {
    CertifiedRows(
      pipeline: pipeline, schema: schema, rows: rows, complete: complete,
      pipelineRoot: root ?? pipelineRoot, rowsProof: rowsProof, schemaProof: schemaProof,
      componentProof: componentProof, certificate: certificate)
  }
}
