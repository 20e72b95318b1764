import Certification
import Signing
import Testing
import Wire

@Suite struct `An answer` {
  private let fixture: Fixture
  init() throws { fixture = try Fixture(size: 7) }

  private func fault(_ answer: SignedAnswer, _ request: QueryRequest) -> CheckFault? {
    do throws(CheckFault) {
      _ = try fixture.check.check(answer, to: request)
      return nil
    } catch {
      return error
    }
  }

  @Test func `of one replica is taken with its signature, and not altered`() throws {
    let honest = fixture.signed(fixture.content(), by: 2)
    #expect(fault(honest, fixture.query) == nil)
    #expect(try SignedAnswer(canonicalBytes: honest.canonicalBytes) == honest)
    let other = fixture.content(6)
    #expect(
      fault(
        SignedAnswer(content: other, replica: 2, signature: honest.signature), fixture.query)?
        .check == .signature)
    let stolen = SignedAnswer(
      content: honest.content, replica: 3, signature: honest.signature)
    #expect(fault(stolen, fixture.query)?.check == .signature)
    let stranger = SignedAnswer(
      content: honest.content, replica: 7, signature: honest.signature)
    #expect(fault(stranger, fixture.query)?.check == .signature)
  }

  @Test func `is of the query that was asked`() {
    let honest = fixture.signed(fixture.content(), by: 2)
    #expect(fault(honest, fixture.query) == nil)
    func query(
      _ name: String, _ value: Value, caller: PublicKey? = nil, height: Height? = nil
    ) -> QueryRequest {
      QueryRequest(
        subnet: fixture.committee.subnet, pipeline: "bank", question: .named(name),
        arguments: [Argument(name: "bank", value: value)], height: height, trust: .quorum,
        caller: caller)
    }
    #expect(fault(honest, query("balances", .text("bank 1"), height: 12)) == nil)
    let others = [
      query("balance", .text("bank 1")), query("balances", .text("bank 2")),
      query("balances", .null), query("balances", .text("bank 1"), height: 13),
      query("balances", .text("bank 1"), caller: fixture.signers[0].publicKey),
    ]
    for other in others { #expect(fault(honest, other)?.check == .request) }
  }

  private func quorum(_ answers: [SignedAnswer]) -> Result<AnswerContent, CheckFault> {
    Result { () throws(CheckFault) in
      try fixture.check.check(quorum: answers, to: fixture.query)
    }
  }

  @Test func `of a quorum needs f + 1 equal ones of distinct replicas`() throws {
    let (right, wrong) = (fixture.content(), fixture.content(6))
    // 7 replicas, so 2 may lie and 3 must agree.
    let three = [0, 3, 6].map { fixture.signed(right, by: $0) }
    #expect(try quorum(three).get() == right)
    #expect(try quorum([fixture.signed(wrong, by: 1)] + three).get() == right)
    let twice = [three[0], three[0], three[1]]
    #expect(throws: CheckFault.self) { try quorum(twice).get() }
    let lies = [1, 2].map { fixture.signed(wrong, by: $0) }
    #expect(throws: CheckFault(.quorum, "2 of 3 equal answers, 2 different ones at all")) {
      try quorum(lies + three.prefix(2)).get()
    }
    #expect(throws: CheckFault.self) { try quorum([]).get() }
    let forged = SignedAnswer(content: right, replica: 4, signature: three[0].signature)
    #expect(throws: CheckFault.self) { try quorum([three[0], three[1], forged]).get() }
    // A forged answer in a replica's name does not keep its own from counting.
    let inName = SignedAnswer(content: wrong, replica: 6, signature: three[0].signature)
    #expect(try quorum([inName] + three).get() == right)
  }

  @Test func `may be told too old`() {
    let three = (0..<3).map { fixture.signed(fixture.content(), by: $0) }
    let late = Freshness(now: Moment(Fixture.time.number + 9_000), ageMax: .seconds(8))
    #expect(throws: CheckFault.self) {
      try fixture.check.check(quorum: three, to: fixture.query, late)
    }
    let soon = Freshness(now: Moment(Fixture.time.number + 7_000), ageMax: .seconds(8))
    #expect(throws: Never.self) {
      try fixture.check.check(quorum: three, to: fixture.query, soon)
    }
  }
}

@Suite struct `A certified receipt` {
  private let fixture: Fixture
  init() throws { fixture = try Fixture() }

  private func certified(_ position: Int, count: Int? = nil) -> CertifiedReceipt {
    let leaves = fixture.receipts.map(ReceiptTree.leaf)
    return CertifiedReceipt(
      proof: ReceiptProof(
        receipt: fixture.receipts[position], count: UInt32(count ?? leaves.count),
        path: ReceiptTree.path(of: position, in: leaves)),
      certificate: fixture.certificate)
  }

  private func fault(_ receipt: CertifiedReceipt, _ call: Digest? = nil) -> CheckFault? {
    do throws(CheckFault) {
      _ = try fixture.check.check(receipt, of: call)
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: 0..<5)
  func `is taken in its place and no other`(position: Int) throws {
    let honest = certified(position)
    #expect(fault(honest, honest.proof.receipt.call) == nil)
    #expect(try CertifiedReceipt(canonicalBytes: honest.canonicalBytes) == honest)
    #expect(fault(honest, sha256([0]))?.check == .request)
    for other in 0..<5 where other != position {
      let moved = CertifiedReceipt(
        proof: ReceiptProof(
          receipt: Fixture.receipt(UInt32(other)), count: 5, path: honest.proof.path),
        certificate: fixture.certificate)
      #expect(fault(moved)?.check == .proof)
    }
  }

  @Test func `is refused when altered`() {
    let honest = certified(2)
    #expect(fault(honest) == nil)
    func with(_ receipt: Receipt, _ count: UInt32, _ path: [Digest]) -> CertifiedReceipt {
      CertifiedReceipt(
        proof: ReceiptProof(receipt: receipt, count: count, path: path),
        certificate: fixture.certificate)
    }
    let (receipt, path) = (honest.proof.receipt, honest.proof.path)
    let richer = Receipt(
      call: receipt.call, height: receipt.height, position: 2, time: receipt.time,
      pipeline: "bank", status: .applied, replayOf: nil, tally: RowTally(), notes: [],
      usage: Usage(), charged: 4)
    #expect(fault(with(richer, 5, path))?.check == .proof)
    for count in [0, 2, 3, 4, 6, 8, .max] as [UInt32] {
      #expect(fault(with(receipt, count, path))?.check == .proof)
    }
    #expect(fault(with(receipt, 5, Array(path.dropLast())))?.check == .proof)
    #expect(fault(with(receipt, 5, path + [sha256([1])]))?.check == .proof)
    #expect(fault(with(receipt, 5, path.reversed()))?.check == .proof)
    let less = Fixture.certified(
      fixture.certificate.statement, fixture.signers, count: fixture.committee.quorum - 1)
    #expect(
      fault(CertifiedReceipt(proof: honest.proof, certificate: less))?.check == .certificate)
  }

  @Test(arguments: 1...17)
  func `has a path in a block of any size`(count: Int) {
    let leaves = (0..<count).map { sha256([UInt8($0)]) }
    let root = ReceiptTree.root(of: leaves)
    for index in leaves.indices {
      let path = ReceiptTree.path(of: index, in: leaves)
      #expect(ReceiptTree.root(of: leaves[index], at: index, of: count, path: path) == root)
      #expect(ReceiptTree.root(of: sha256([99]), at: index, of: count, path: path) != root)
    }
    #expect(root != ReceiptTree.root(of: leaves.dropLast()))
  }
}

@Suite struct `A signed read` {
  private let pair = KeyPair.generate()
  private let subnet = sha256([0x5b])

  private func code(_ read: SignedRead<QueryRequest>, now: Moment = 1_000) -> String? {
    do throws(Refusal) {
      _ = try read.checked(by: .ed25519, subnet: subnet, now: now)
      return nil
    } catch {
      return error.code
    }
  }

  private func request(caller: PublicKey?, expiry: Moment) -> QueryRequest {
    QueryRequest(
      subnet: subnet, pipeline: "bank", question: .sql("select 1"), caller: caller,
      expiry: expiry)
  }

  @Test func `is its caller's until it expires`() throws {
    let read = SignedRead(
      request(caller: pair.publicKey, expiry: 2_000), by: .ed25519(pair))
    #expect(code(read) == nil)
    #expect(code(read, now: 2_000) == nil)
    #expect(code(read, now: 2_001) == "EXPIRED")
    let far = SignedRead(
      request(caller: pair.publicKey, expiry: Moment(.max)), by: .ed25519(pair))
    #expect(code(far) == "EXPIRED")
    #expect(code(SignedRead(request: read.request, signature: nil)) == "UNSIGNED")
    let other = Signer.ed25519(.generate()).sign(read.request)
    #expect(code(SignedRead(request: read.request, signature: other)) == "BAD_SIGNATURE")
    #expect(
      try SignedRead<QueryRequest>(canonicalBytes: read.canonicalBytes) == read)
  }

  @Test func `needs no signature without a caller`() {
    let open = request(caller: nil, expiry: 0)
    #expect(code(SignedRead(open, by: nil)) == nil)
    let signature = Signer.ed25519(pair).sign(open)
    #expect(code(SignedRead(request: open, signature: signature)) == "BAD_SIGNATURE")
  }
}
