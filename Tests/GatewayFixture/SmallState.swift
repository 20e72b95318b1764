import Certification
import Glibc
import Signing
import Synchronization
import Wire

/// A small replicated state in memory: one pipeline with one certified table, real receipts, a real
/// trie, real certificates. It stands for what a whole subnet has agreed on, so that the HTTP side
/// and the client can be tested against answers that verify.
package final class SmallState: Sendable {
  package static let pipeline = "shop"
  package static let table = "orders"
  package static let schema = TableSchema(
    name: table, id: 1,
    columns: [
      .init(name: "id", type: .text, nullable: false, personal: false),
      .init(name: "day", type: .date, nullable: false, personal: false),
      .init(name: "amount", type: .decimal(scale: 2), nullable: false, personal: false),
    ], key: [0])

  struct Sealed: Sendable {
    var rows: [[Value]]
    var root: Digest
    var components: ComponentTrie
    var certificate: StateCertificate
    var receipts: [Receipt]
  }

  private struct State: Sendable {
    var rows: [[Value]] = []
    var sealed: [Sealed] = []
    var byCall: [Digest: (height: Int, position: Int)] = [:]
    var byKey: [String: (body: Digest, receipt: Receipt)] = [:]
    var frozen = false
  }

  private let keys: [KeyPair]
  package let genesis: Genesis
  package let owner: KeyPair
  private let trie = StateTrie(retaining: 64)
  private let state = Mutex(State())

  package init(keys: [KeyPair], owner: KeyPair) {
    self.keys = keys
    self.owner = owner
    genesis = Genesis(
      name: "small", protocolVersion: 1, time: 1, members: keys.map(\.publicKey),
      administrators: [owner.publicKey], accounts: [])
    let schema = Self.schema
    trie.apply([
      TrieChange(key: TableSchema.catalogKey(of: schema.name), row: schema.digest)
    ])
    state.withLock { seal([], at: now(), &$0) }
  }

  package var committee: Committee { genesis.committee }
  package var subnet: SubnetID { genesis.subnet }

  package func freeze(_ frozen: Bool) { state.withLock { $0.frozen = frozen } }

  package var heights: ClosedRange<Height> {
    state.withLock { Height(1)...Height(UInt64($0.sealed.count)) }
  }

  package func certificate(at height: Height) -> StateCertificate? {
    sealed(height)?.certificate
  }

  func sealed(_ height: Height) -> Sealed? {
    state.withLock { state in
      let index = Int(height.number) - 1
      return state.sealed.indices.contains(index) ? state.sealed[index] : nil
    }
  }

  /// Seals a height without calls, as an idle subnet does; its block time is `time`.
  package func idle(at time: Moment? = nil) {
    state.withLock { seal([], at: time ?? now(), &$0) }
  }

  package func receipt(of call: Digest) -> CertifiedReceipt? {
    state.withLock { state in
      guard let place = state.byCall[call] else { return nil }
      let sealed = state.sealed[place.height]
      let leaves = sealed.receipts.map(ReceiptTree.leaf)
      let proof = ReceiptProof(
        receipt: sealed.receipts[place.position], count: UInt32(leaves.count),
        path: ReceiptTree.path(of: place.position, in: leaves))
      return CertifiedReceipt(proof: proof, certificate: sealed.certificate)
    }
  }

  /// Executes a call in a block of its own, beside a neighbour so that its path is not empty.
  package func execute(_ call: VerifiedCall) -> CertifiedReceipt {
    let digest = call.digest
    if let known = receipt(of: digest) { return known }
    state.withLock { state in
      let height = Height(UInt64(state.sealed.count + 1))
      let time = now()
      let receipt = outcome(of: call.signed, digest, height, time, &state)
      let neighbour = Receipt(
        call: sha256(digest.bytes), height: height, position: 0, time: time, pipeline: "other",
        status: .applied, replayOf: nil, tally: RowTally(), notes: [], usage: Usage(),
        charged: 0)
      state.byCall[digest] = (state.sealed.count, 1)
      seal([neighbour, receipt], at: time, &state)
    }
    guard let done = receipt(of: digest) else { preconditionFailure("no receipt") }
    return done
  }

  /// What a replica says before it orders a call.
  package func admit(_ call: SignedCall) throws(Refusal) {
    guard call.call.pipeline == Self.pipeline else {
      throw Refusal("UNKNOWN_PIPELINE", "there is no pipeline \(call.call.pipeline)")
    }
    switch call.call.method {
    case .ingest(let source, _) where source != Self.table:
      throw Refusal("UNKNOWN_SOURCE", "shop has no source \(source)")
    case .procedure(let name) where name != "close":
      throw Refusal("UNKNOWN_PROCEDURE", "shop has no procedure \(name)")
    case .procedure where call.call.sender != owner.publicKey:
      throw Refusal("FORBIDDEN", "close is for the owner")
    default: break
    }
    try state.withLock { state throws(Refusal) in
      if state.frozen { throw Refusal("FROZEN", "the pipeline has 5 cycles, below 9: top it up") }
      let scope = "\(call.call.method.label)/\(call.call.idempotencyKey)"
      guard let first = state.byKey[scope] else { return }
      guard first.body == call.call.bodyDigest else {
        throw Refusal("KEY_CONFLICT", "the key named another payload: choose a new key")
      }
    }
  }

  private func outcome(
    of signed: SignedCall, _ digest: Digest, _ height: Height, _ time: Moment,
    _ state: inout State
  ) -> Receipt {
    let call = signed.call
    let scope = "\(call.method.label)/\(call.idempotencyKey)"
    func receipt(
      _ status: Receipt.Status, _ tally: RowTally = RowTally(), _ replay: Receipt.Replay? = nil
    ) -> Receipt {
      Receipt(
        call: digest, height: height, position: 1, time: time, pipeline: call.pipeline,
        status: status, replayOf: replay, tally: tally, notes: [], usage: Usage(),
        charged: Cycles(1_000))
    }
    if let first = state.byKey[scope] {
      let replay = Receipt.Replay(call: first.receipt.call, height: first.receipt.height)
      return receipt(first.receipt.status, first.receipt.tally, replay)
    }
    let made: Receipt
    if case .ingest = call.method {
      made = ingest(signed.body, receipt, &state)
    } else {
      made = receipt(.applied)
    }
    state.byKey[scope] = (call.bodyDigest, made)
    return made
  }

  /// `id,day number,amount in minor units` a line; a bad line refuses the batch.
  private func ingest(
    _ body: [UInt8], _ receipt: (Receipt.Status, RowTally, Receipt.Replay?) -> Receipt,
    _ state: inout State
  ) -> Receipt {
    var hasher = RowHasher(schema: Self.schema)
    var rows: [[Value]] = []
    for line in String(decoding: body, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: ",")
      guard parts.count == 3, let day = Int64(parts[1]), let amount = Int64(parts[2]) else {
        let refusal = Refusal("BAD_ROWS", "the line \(line.prefix(40)) is no order: mend it")
        return receipt(.refused(refusal), RowTally(), nil)
      }
      rows.append([.text(String(parts[0])), .int(day), .int(amount)])
    }
    for row in rows {
      guard let key = try? Self.schema.key(of: row) else { continue }
      trie.apply([TrieChange(key: key, row: hasher.hash(row))])
      state.rows.removeAll { $0[0] == row[0] }
      state.rows.append(row)
    }
    state.rows.sort { "\($0[0])" < "\($1[0])" }
    var tally = RowTally()
    tally.accepted = UInt32(rows.count)
    return receipt(.applied, tally, nil)
  }

  private func seal(_ receipts: [Receipt], at time: Moment, _ state: inout State) {
    let height = Height(UInt64(state.sealed.count + 1))
    let root = trie.seal(height)
    let components = ComponentTrie(
      [
        Component(name: Component.system, root: sha256([1]))
      ] + Self.roots(root).components(of: Self.pipeline))
    let statement = StateStatement(
      subnet: subnet, epoch: 0, height: height, block: sha256([UInt8(height.number & 0xff)]),
      stateRoot: components.root,
      receiptsRoot: ReceiptTree.root(of: receipts.map(ReceiptTree.leaf)),
      time: time)
    let certificate = certify(statement)
    state.sealed.append(
      Sealed(
        rows: state.rows, root: root, components: components, certificate: certificate,
        receipts: receipts))
  }

  private static func roots(_ data: Digest) -> FileRoots {
    FileRoots(data: data, ledger: sha256([2]))
  }

  /// A snapshot, one row a part.
  func part(_ request: SnapshotRequest, at height: Height) throws(Refusal) -> SnapshotPart {
    guard let sealed = sealed(height) else { throw Refusal("HEIGHT_GONE", "no such height") }
    let roots = Self.roots(sealed.root)
    guard request.place == nil || request.place?.roots == roots else {
      throw Refusal("HEIGHT_GONE", "shop has changed: begin again")
    }
    let begin = request.place.map { place in
      (sealed.rows.firstIndex { [$0[0]] == place.key } ?? -1) + 1
    }
    let rows = sealed.rows.dropFirst(begin ?? 0)
    let tables = rows.prefix(1).map {
      SnapshotPart.Table(name: Self.table, rows: [SnapshotPart.Row(values: $0)])
    }
    let next = rows.prefix(1).first.map {
      SnapshotPlace(roots: roots, table: Self.table, key: [$0[0]])
    }
    let seal = SnapshotSeal(
      pipeline: Self.pipeline, roots: roots, dataProof: sealed.components.proof(of: Self.pipeline),
      ledgerProof: sealed.components.proof(of: roots.components(of: Self.pipeline)[1].name),
      certificate: sealed.certificate)
    return SnapshotPart(
      seal: begin == nil ? seal : nil, tables: tables, next: rows.count > 1 ? next : nil)
  }

  /// Signs a statement by the first quorum of members.
  package func certify(_ statement: StateStatement) -> StateCertificate {
    let ids = (0..<committee.quorum).map { ReplicaID(UInt16($0)) }
    return StateCertificate(
      statement: statement, signers: Signers(ids, of: committee.size),
      signatures: ids.map { Signer.ed25519(keys[$0.index]).sign(statement) })
  }

  /// - Parameter claimed: another height, for a liar's share.
  package func share(
    at height: Height, by replica: ReplicaID, claiming claimed: Height? = nil
  ) -> StateShare? {
    guard let honest = sealed(height)?.certificate.statement else { return nil }
    let statement = StateStatement(
      subnet: honest.subnet, epoch: honest.epoch, height: claimed ?? honest.height,
      block: honest.block, stateRoot: honest.stateRoot, receiptsRoot: honest.receiptsRoot,
      time: honest.time)
    return StateShare(
      statement: statement, signer: replica,
      signature: Signer.ed25519(keys[replica.index]).sign(statement))
  }

  package func signer(of replica: ReplicaID) -> Signer { .ed25519(keys[replica.index]) }

  func sign(_ content: AnswerContent, as replica: ReplicaID) -> SignedAnswer {
    SignedAnswer(content, as: replica, by: .ed25519(keys[replica.index]))
  }

  /// Rows of a selection with their proof.
  func prove(_ request: RowsRequest, at height: Height) throws(Refusal) -> CertifiedRows {
    guard let sealed = sealed(height) else { throw Refusal("HEIGHT_GONE", "no such height") }
    let range: KeyRange
    do throws(KeyFault) {
      range = try Self.schema.range(of: request.selection)
    } catch {
      throw Refusal("BAD_KEY", "\(error)")
    }
    let catalogKey = TableSchema.catalogKey(of: Self.table)
    guard let proven = trie.prove(range, limit: Int(request.limit), at: height),
      let schemaProven = trie.prove(key: catalogKey, at: height)
    else { throw Refusal("HEIGHT_GONE", "height \(height) cannot be proven any more") }
    let rows = proven.keys.compactMap { key in
      sealed.rows.first { (try? Self.schema.key(of: $0)) == key }
    }
    let hasher = RowHasher(schema: Self.schema)
    return CertifiedRows(
      pipeline: Self.pipeline, schema: Self.schema,
      rows: rows.map { hasher.row($0, masked: false) }, complete: proven.complete,
      pipelineRoot: sealed.root,
      rowsProof: proven.proof, schemaProof: schemaProven.proof,
      componentProof: sealed.components.proof(of: Self.pipeline),
      certificate: sealed.certificate)
  }
}

/// The system's clock: milliseconds since 1970.
package func now() -> Moment {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Moment(UInt64(time.tv_sec) * 1_000 + UInt64(time.tv_nsec) / 1_000_000)
}
