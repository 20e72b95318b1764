import Certification
import GatewayFixture
import QuorateClient
import Signing
import Testing
import Wire

/// Every test first shows the untampered answer accepted.
@Suite struct `What was tampered with` {
  static let sql = QueryRequest.Question.sql("select id from orders")

  static func everywhere(_ subnet: SmallSubnet, _ change: @Sendable (inout Faults) -> Void) {
    for replica in subnet.replicas { replica.fail(change) }
  }

  static let answers: [(String, @Sendable (SignedAnswer) -> SignedAnswer)] = [
    (
      "a row more",
      { answer in
        SignedAnswer(
          content: answer.content.with(rows: answer.content.result.rows + [[.text("x")]]),
          replica: answer.replica, signature: answer.signature)
      }
    ),
    (
      "a row less",
      { answer in
        SignedAnswer(
          content: answer.content.with(rows: Array(answer.content.result.rows.dropLast())),
          replica: answer.replica, signature: answer.signature)
      }
    ),
    (
      "another height",
      { answer in
        SignedAnswer(
          content: answer.content.with(height: answer.content.height.next),
          replica: answer.replica, signature: answer.signature)
      }
    ),
    (
      "another signer",
      { answer in
        SignedAnswer(
          content: answer.content, replica: answer.replica == 0 ? 1 : 0,
          signature: answer.signature)
      }
    ),
    (
      "a flipped signature",
      { answer in
        let bytes = answer.signature.bytes
        let flipped = Signature([bytes[0] ^ 1] + bytes.dropFirst()) ?? answer.signature
        return SignedAnswer(content: answer.content, replica: answer.replica, signature: flipped)
      }
    ),
  ]

  @Test(arguments: answers.indices)
  func `in an answer is refused at trust replica and quorum`(index: Int) async throws {
    let tamper = Self.answers[index].1
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      try await subnet.fill(3, by: client)
      let good = try await client.ask(Self.sql, of: "shop")
      #expect(good.table.rows.count == 3)
      let agreed = try await client.agree(Self.sql, of: "shop")
      #expect(agreed.witnesses.count == 2)
      Self.everywhere(subnet) { $0.answer = tamper }
      let alone = await failure { _ = try await client.ask(Self.sql, of: "shop") }
      #expect(alone?.kind == .untrusted)
      let quorum = await failure { _ = try await client.agree(Self.sql, of: "shop") }
      #expect(quorum?.kind == .untrusted)
      await client.close()
    }
  }

  @Test func `by one replica is passed over, and at trust quorum it is named`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      try await subnet.fill(3, by: client)
      let liar = subnet.replicas[0]
      let keys = subnet.liar
      liar.fail { faults in
        faults.answer = { answer in
          SignedAnswer(answer.content.with(rows: []), as: answer.replica, by: keys)
        }
      }
      for _ in 0..<4 {
        let answer = try await client.agree(Self.sql, of: "shop")
        #expect(answer.table.rows.count == 3)
        #expect(!answer.witnesses.contains(0))
        #expect(answer.dissenters == [] || answer.dissenters == [0])
      }
      await client.close()
    }
  }

  static let rows: [(String, @Sendable (CertifiedRows) -> CertifiedRows)] = [
    ("a value", { $0.with(rows: $0.rows.map { row in row.with(amount: 999) }) }),
    ("a row less", { $0.with(rows: Array($0.rows.dropLast())) }),
    ("all rows gone", { $0.with(rows: []) }),
    ("a row twice", { $0.with(rows: $0.rows + [$0.rows[0]]) }),
    ("another pipeline root", { $0.with(pipelineRoot: sha256([9])) }),
    (
      "a certificate of another root",
      { $0.with(certificate: $0.certificate.with(root: sha256([9]))) }
    ),
    ("a certificate of too few", { $0.with(certificate: $0.certificate.cut) }),
    (
      "a proof cut short",
      { $0.with(proof: TrieProof(nodes: Array($0.rowsProof.nodes.dropLast()))) }
    ),
  ]

  @Test(arguments: rows.indices)
  func `in certified rows is refused`(index: Int) async throws {
    let tamper = Self.rows[index].1
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      try await subnet.fill(5, by: client)
      let selection = RowsRequest.Selection.range(from: [.text("o101")], to: [.text("o104")])
      let good = try await client.rows(selection, of: "orders", in: "shop")
      #expect(good.table.rows.map { $0[0] } == [.text("o101"), .text("o102"), .text("o103")])
      Self.everywhere(subnet) { $0.rows = tamper }
      let failed = await failure {
        _ = try await client.rows(selection, of: "orders", in: "shop")
      }
      #expect(failed?.kind == .untrusted, "\(Self.rows[index].0)")
      await client.close()
    }
  }

  @Test func `to hide a row that is there is refused, absence is proven`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      try await subnet.fill(3, by: client)
      let found = try await client.rows(.key([.text("o101")]), of: "orders", in: "shop")
      #expect(found.table.rows.count == 1)
      let absent = try await client.rows(.key([.text("zzz")]), of: "orders", in: "shop")
      #expect(absent.table.rows.isEmpty)
      Self.everywhere(subnet) { $0.rows = { $0.with(rows: []) } }
      let failed = await failure {
        _ = try await client.rows(.key([.text("o101")]), of: "orders", in: "shop")
      }
      #expect(failed?.kind == .untrusted)
      await client.close()
    }
  }

  static let receipts: [(String, @Sendable (CertifiedReceipt) -> CertifiedReceipt)] = [
    ("its path", { $0.with(path: [sha256([1])]) }),
    ("its place", { $0.with(count: 1) }),
    ("its certificate's root", { $0.with(certificate: $0.certificate.with(root: sha256([1]))) }),
    ("its signatures", { $0.with(certificate: $0.certificate.cut) }),
    ("its own rows", { $0.accepting(99) }),
  ]

  @Test(arguments: receipts.indices)
  func `in a receipt is not believed`(index: Int) async throws {
    let tamper = Self.receipts[index].1
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      let good = try await client.submit(subnet.orders("a,1,1\n", key: "good"))
      #expect(good.proof.receipt.tally.accepted == 1)
      Self.everywhere(subnet) { $0.receipt = tamper }
      var intention = subnet.orders("b,1,1\n", key: "tampered")
      intention.patience = .milliseconds(300)
      let failed = await failure { _ = try await client.submit(intention) }
      #expect(failed?.kind == .undecided, "\(Self.receipts[index].0)")
      Self.everywhere(subnet) { $0.receipt = { $0 } }
      let certified = try await client.submit(subnet.orders("b,1,1\n", key: "tampered"))
      #expect(certified.proof.receipt.status == .applied)
      await client.close()
    }
  }

  @Test func `in a state certificate is refused`() async throws {
    try await SmallSubnet.serving { subnet in
      let client = try subnet.client()
      #expect(try await client.certificate(at: 1).height == 1)
      Self.everywhere(subnet) { $0.certificate = { $0.with(root: sha256([3])) } }
      let failed = await failure { _ = try await client.certificate(at: 1) }
      #expect(failed?.kind == .untrusted)
      await client.close()
    }
  }
}

extension SmallSubnet {
  /// The signer of replica 0, for what a liar signs.
  var liar: Signer { ledger.signer(of: 0) }
}

extension AnswerContent {
  func with(rows: [[Value]]) -> AnswerContent {
    AnswerContent(
      subnet: subnet, epoch: epoch, subject: subject, height: height, time: time,
      stateRoot: stateRoot, result: ResultTable(columns: result.columns, rows: rows))
  }
  func with(height: Height) -> AnswerContent {
    AnswerContent(
      subnet: subnet, epoch: epoch, subject: subject, height: height, time: time,
      stateRoot: stateRoot, result: result)
  }
}

extension CertifiedRows.Row {
  func with(amount: Int64) -> CertifiedRows.Row {
    CertifiedRows.Row(cells: Array(cells.dropLast()) + [.shown(.int(amount))])
  }
}

extension CertifiedRows {
  func with(
    rows: [Row]? = nil, pipelineRoot root: Digest? = nil, proof: TrieProof? = nil,
    certificate other: StateCertificate? = nil
  ) -> CertifiedRows {
    CertifiedRows(
      pipeline: pipeline, schema: schema, rows: rows ?? self.rows, complete: complete,
      pipelineRoot: root ?? pipelineRoot, rowsProof: proof ?? rowsProof,
      schemaProof: schemaProof, componentProof: componentProof, certificate: other ?? certificate)
  }
}

extension StateCertificate {
  func with(root: Digest) -> StateCertificate {
    StateCertificate(
      statement: StateStatement(
        subnet: statement.subnet, epoch: statement.epoch, height: statement.height,
        block: statement.block, stateRoot: root, receiptsRoot: root, time: statement.time),
      signers: signers, signatures: signatures)
  }
  /// One signer and signature less.
  var cut: StateCertificate {
    StateCertificate(
      statement: statement, signers: Signers(signers.ids.dropLast(), of: 4),
      signatures: Array(signatures.dropLast()))
  }
}

extension CertifiedReceipt {
  func with(
    path: [Digest]? = nil, count: UInt32? = nil, certificate other: StateCertificate? = nil
  ) -> CertifiedReceipt {
    CertifiedReceipt(
      proof: ReceiptProof(
        receipt: proof.receipt, count: count ?? proof.count, path: path ?? proof.path),
      certificate: other ?? certificate)
  }
  /// The receipt claims other rows.
  func accepting(_ rows: UInt32) -> CertifiedReceipt {
    let old = proof.receipt
    var tally = old.tally
    tally.accepted = rows
    let receipt = Receipt(
      call: old.call, height: old.height, position: old.position, time: old.time,
      pipeline: old.pipeline, status: old.status, replayOf: old.replayOf, tally: tally,
      notes: old.notes, usage: old.usage, charged: old.charged)
    return CertifiedReceipt(
      proof: ReceiptProof(receipt: receipt, count: proof.count, path: proof.path),
      certificate: certificate)
  }
}
