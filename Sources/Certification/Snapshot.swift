import Signing
import Wire

/// Asks for the next part of a pipeline's snapshot: all that its file holds at a certified height,
/// for its owner alone.
package struct SnapshotRequest: ReadRequest {
  package static let domain = "quorate/snapshot/1"

  package let subnet: SubnetID
  package let pipeline: String
  /// Behind which to go on; nil begins at the highest certified height.
  package let place: SnapshotPlace?
  package let caller: PublicKey?
  package let expiry: Moment

  package init(
    subnet: SubnetID, pipeline: String, place: SnapshotPlace? = nil, caller: PublicKey? = nil,
    expiry: Moment = 0
  ) {
    self.subnet = subnet
    self.pipeline = pipeline
    self.place = place
    self.caller = caller
    self.expiry = expiry
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.text(pipeline)
    encoder.optional(place)
    encoder.optional(caller)
    encoder.value(expiry)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    subnet = try decoder.value()
    pipeline = try decoder.text(limit: Limits.nameBytesMax)
    place = try decoder.optional()
    caller = try decoder.optional()
    expiry = try decoder.value()
  }
}

/// Where a part of a snapshot ended. It names the state by its roots, so a pipeline that does not
/// change can be copied at whatever pace.
package struct SnapshotPlace: Hashable, Canonical {
  package let roots: FileRoots
  package let table: String
  /// The values of the table's key in the last row given.
  package let key: [Value]

  package init(roots: FileRoots, table: String, key: [Value]) {
    self.roots = roots
    self.table = table
    self.key = key
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(roots)
    encoder.text(table)
    encoder.list(key)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    roots = try decoder.value()
    table = try decoder.text(limit: Limits.nameBytesMax)
    key = try decoder.list(limit: AnswerLimits.keyColumnsMax)
  }
}

/// Rows of a snapshot, as one replica gives them. They prove nothing part by part: all of them
/// together come to the roots that the seal certifies, or they are not believed.
package struct SnapshotPart: Hashable, Canonical {
  /// With the first part alone.
  package let seal: SnapshotSeal?
  package let tables: [Table]
  /// nil when these are the last rows.
  package let next: SnapshotPlace?

  /// Rows of one table, ascending by its key.
  package struct Table: Hashable, Canonical {
    package let name: String
    package let rows: [Row]

    package init(name: String, rows: [Row]) {
      self.name = name
      self.rows = rows
    }
    package func encode(into encoder: inout Encoder) {
      encoder.text(name)
      encoder.list(rows)
    }
    package init(from decoder: inout Decoder) throws(Malformed) {
      name = try decoder.text(limit: Limits.nameBytesMax)
      rows = try decoder.list(limit: AnswerLimits.rowsMax)
    }
  }

  /// Every column as it is stored, the salt of personal columns last.
  package struct Row: Hashable, Canonical {
    package let values: [Value]

    package init(values: [Value]) { self.values = values }

    /// Bytes, as they count toward the end of a part.
    package var bytes: Int { values.reduce(2 * values.count) { $0 + $1.size } }

    package func encode(into encoder: inout Encoder) { encoder.list(values) }
    package init(from decoder: inout Decoder) throws(Malformed) {
      values = try decoder.list(limit: AnswerLimits.columnsMax + 1)
    }
  }

  package init(seal: SnapshotSeal?, tables: [Table], next: SnapshotPlace?) {
    self.seal = seal
    self.tables = tables
    self.next = next
  }

  package func encode(into encoder: inout Encoder) {
    encoder.optional(seal)
    encoder.list(tables)
    encoder.optional(next)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    seal = try decoder.optional()
    tables = try decoder.list(limit: AnswerLimits.snapshotTablesMax)
    next = try decoder.optional()
  }

  /// Bytes of its rows.
  package var bytes: Int {
    tables.reduce(0) { sum, table in table.rows.reduce(sum) { $0 + $1.bytes } }
  }

  /// - Throws: `CheckFault` where a correct replica would have ended the part before.
  package func checkSize() throws(CheckFault) {
    let rows = tables.reduce(0) { $0 + $1.rows.count }
    guard rows <= AnswerLimits.rowsMax, bytes <= AnswerLimits.snapshotPartBytesMax else {
      throw CheckFault(
        .request, "a part of \(rows) rows and \(bytes) bytes is larger than any may be")
    }
  }
}

/// What proves a snapshot: the roots of the pipeline's file under a state that a quorum signed.
package struct SnapshotSeal: Hashable, Canonical {
  package let pipeline: String
  package let roots: FileRoots
  /// The root over the tables, in the subnet's state.
  package let dataProof: TrieProof
  /// The root over the bookkeeping, in the subnet's state.
  package let ledgerProof: TrieProof
  package let certificate: StateCertificate

  package init(
    pipeline: String, roots: FileRoots, dataProof: TrieProof, ledgerProof: TrieProof,
    certificate: StateCertificate
  ) {
    self.pipeline = pipeline
    self.roots = roots
    self.dataProof = dataProof
    self.ledgerProof = ledgerProof
    self.certificate = certificate
  }

  package func encode(into encoder: inout Encoder) {
    encoder.text(pipeline)
    encoder.value(roots)
    encoder.value(dataProof)
    encoder.value(ledgerProof)
    encoder.value(certificate)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    pipeline = try decoder.text(limit: Limits.nameBytesMax)
    roots = try decoder.value()
    dataProof = try decoder.value()
    ledgerProof = try decoder.value()
    certificate = try decoder.value()
  }
}

extension ClientCheck {
  /// A quorum certified these roots of the pipeline that the seal names. Whether rows come to them
  /// is for whoever has the rows to see.
  package func check(_ seal: SnapshotSeal) throws(CheckFault) {
    try check(seal.certificate)
    let proofs = [seal.dataProof, seal.ledgerProof]
    for (component, proof) in zip(seal.roots.components(of: seal.pipeline), proofs) {
      do throws(ProofFlaw) {
        try ComponentTrie.check(
          component, proof, under: seal.certificate.statement.stateRoot)
      } catch {
        throw CheckFault(.proof, "the root of \(component.name): \(error)")
      }
    }
  }
}
