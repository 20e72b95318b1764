import Certification
import Signing
import Testing
import Wire

/// A subnet with one pipeline of one table, certified at one height.
struct Fixture {
  let signers: [Signer]
  let committee: Committee
  let schema: TableSchema
  let rows: [[Value]]
  let trie: StateTrie
  let components: ComponentTrie
  let receipts: [Receipt]
  let certificate: StateCertificate
  var check: ClientCheck { ClientCheck(committee: committee) }

  static let height: Height = 12
  static let time: Moment = 1_700_000_000_000
  static let nonce = sha256([0x4e])

  /// - Parameter padding: bytes by which each row is longer.
  init(size: Int = 4, rows count: Int = 40, padding: Int = 0) throws {
    let pairs = (0..<size).compactMap { KeyPair(seed: sha256([0x66, UInt8($0)]).bytes) }
    signers = pairs.map { .ed25519($0) }
    committee = Committee(subnet: sha256([0x5b]), epoch: 0, keys: pairs.map(\.publicKey))
    schema = TableSchema(
      name: "gold_balance", id: 3,
      columns: [
        .init(name: "bank", type: .text, nullable: false, personal: false),
        .init(name: "day", type: .date, nullable: false, personal: false),
        .init(name: "holder", type: .text, nullable: true, personal: true),
        .init(name: "amount", type: .decimal(scale: 2), nullable: true, personal: false),
      ], key: [0, 1])
    rows = (0..<count).map { Self.row($0, padding) }
    trie = StateTrie()
    var hasher = RowHasher(schema: schema)
    var changes = [
      TrieChange(key: TableSchema.catalogKey(of: schema.name), row: schema.digest)
    ]
    for row in rows {
      changes.append(
        TrieChange(key: try schema.key(of: row), row: hasher.hash(row, nonce: Self.nonce)))
    }
    trie.apply(changes.sorted { $0.key.lexicographicallyPrecedes($1.key) })
    let root = trie.seal(Self.height)
    components = ComponentTrie([
      Component(name: Component.system, root: sha256([1])), Component(name: "bank", root: root),
      Component(name: "berka", root: sha256([2])),
    ])
    receipts = (0..<5).map { Self.receipt($0) }
    certificate = Self.certified(
      StateStatement(
        subnet: committee.subnet, epoch: 0, height: Self.height, block: sha256([3]),
        stateRoot: components.root,
        receiptsRoot: ReceiptTree.root(of: receipts.map(ReceiptTree.leaf)), time: Self.time),
      signers, count: committee.quorum)
  }

  private static func row(_ number: Int, _ padding: Int) -> [Value] {
    let holder = "holder \(number)" + String(repeating: "y", count: padding)
    let amount = Value.int(Int64(number) * 100 - 1_000)
    return [
      .text("bank \(number / 10)"), .int(Int64(number % 10)), .text(holder),
      number % 7 == 0 ? Value.null : amount,
    ]
  }

  static func receipt(_ position: UInt32) -> Receipt {
    Receipt(
      call: sha256([0xca, UInt8(position)]), height: height, position: position, time: time,
      pipeline: "bank", status: .applied, replayOf: nil, tally: RowTally(), notes: [],
      usage: Usage(), charged: 5)
  }

  static func certified(
    _ statement: StateStatement, _ signers: [Signer], count: Int
  ) -> StateCertificate {
    StateCertificate(
      statement: statement,
      signers: Signers((0..<count).map { ReplicaID(UInt16($0)) }, of: signers.count),
      signatures: signers.prefix(count).map { $0.sign(statement) })
  }

  // MARK: Rows

  func request(_ selection: RowsRequest.Selection, limit: UInt32 = 1_000) -> RowsRequest {
    RowsRequest(
      subnet: committee.subnet, pipeline: "bank", table: schema.name, selection: selection,
      limit: limit)
  }

  /// What an honest replica answers.
  func answer(_ request: RowsRequest, masked: Bool = false) throws -> CertifiedRows {
    let range = try schema.range(of: request.selection)
    var proven: ProvenRange?
    if case .key = request.selection {
      proven = trie.prove(key: range.lower, at: Self.height)
    } else {
      proven = trie.prove(range, limit: Int(request.limit), at: Self.height)
    }
    let found = try #require(proven)
    let hasher = RowHasher(schema: schema)
    let shown = try rows.filter { found.keys.contains(try schema.key(of: $0)) }
    return CertifiedRows(
      pipeline: "bank", schema: schema,
      rows: shown.map { hasher.row($0, nonce: Self.nonce, masked: masked) },
      complete: found.complete, pipelineRoot: trie.root, rowsProof: found.proof,
      schemaProof: try #require(
        trie.prove(key: TableSchema.catalogKey(of: schema.name), at: Self.height)
      ).proof, componentProof: components.proof(of: "bank"), certificate: certificate)
  }

  /// The check that fails; nil when the rows are taken.
  func fault(_ answer: CertifiedRows, _ request: RowsRequest) -> CheckFault? {
    do throws(CheckFault) {
      _ = try check.check(answer, to: request)
      return nil
    } catch {
      return error
    }
  }

  // MARK: Answers

  var query: QueryRequest {
    QueryRequest(
      subnet: committee.subnet, pipeline: "bank", question: .named("balances"),
      arguments: [Argument(name: "bank", value: .text("bank 1"))], trust: .quorum)
  }

  func content(_ amount: Int64 = 5, height: Height = height) -> AnswerContent {
    AnswerContent(
      subnet: committee.subnet, epoch: 0, subject: query.subject, height: height,
      time: Self.time, stateRoot: components.root,
      result: ResultTable(
        columns: [.init(name: "amount", type: .decimal(scale: 2))], rows: [[.int(amount)]]))
  }

  func signed(_ content: AnswerContent, by index: Int) -> SignedAnswer {
    SignedAnswer(content, as: ReplicaID(UInt16(index)), by: signers[index])
  }
}

/// Copies with one part put in place of another.
extension CertifiedRows {
  func with(
    pipeline: String? = nil, schema: TableSchema? = nil, rows: [Row]? = nil,
    complete: Bool? = nil, pipelineRoot: Digest? = nil, rowsProof: TrieProof? = nil,
    schemaProof: TrieProof? = nil, componentProof: TrieProof? = nil,
    certificate: StateCertificate? = nil
  ) -> CertifiedRows {
    CertifiedRows(
      pipeline: pipeline ?? self.pipeline, schema: schema ?? self.schema,
      rows: rows ?? self.rows, complete: complete ?? self.complete,
      pipelineRoot: pipelineRoot ?? self.pipelineRoot, rowsProof: rowsProof ?? self.rowsProof,
      schemaProof: schemaProof ?? self.schemaProof,
      componentProof: componentProof ?? self.componentProof,
      certificate: certificate ?? self.certificate)
  }
}
