import Signing
import Testing
import Wire

private func subnets() -> [Subnet] {
  [Subnet(size: 4, mock: false), Subnet(size: 13, mock: false), Subnet(size: 13, mock: true)]
}

@Suite struct `A verifier` {
  @Test(arguments: subnets())
  func `takes a member's vote, and no altered one`(_ subnet: Subnet) {
    let (verifier, committee) = (subnet.verifier, subnet.committee)
    let vote = subnet.vote(subnet.ballot, by: 2).value
    #expect(verifier.verify(vote, in: committee)?.value == vote)
    for index in [0, 31, 32, 63] {
      let bad = Vote(
        ballot: vote.ballot, signer: vote.signer, signature: vote.signature.flipped(at: index))
      #expect(verifier.verify(bad, in: committee) == nil)
    }
    for ballot in [subnet.nullify, subnet.finalize(1)] {
      let bad = Vote(ballot: ballot, signer: vote.signer, signature: vote.signature)
      #expect(verifier.verify(bad, in: committee) == nil)
    }
    for signer in [1, 4, 13, 60_000] as [UInt16] {
      let bad = Vote(
        ballot: vote.ballot, signer: ReplicaID(signer), signature: vote.signature)
      #expect(verifier.verify(bad, in: committee) == nil)
    }
  }

  @Test(arguments: [false, true])
  func `takes no vote of another subnet or epoch`(mock: Bool) {
    let subnet = Subnet(size: 4, mock: mock)
    let vote = subnet.vote(subnet.ballot, by: 0).value
    #expect(subnet.verifier.verify(vote, in: subnet.committee) != nil)
    let other = Subnet(size: 4, mock: mock, subnet: sha256([9]))
    let later = Subnet(size: 4, mock: mock, epoch: 3)
    #expect(subnet.verifier.verify(vote, in: other.committee) == nil)
    #expect(subnet.verifier.verify(vote, in: later.committee) == nil)
  }

  @Test(arguments: subnets())
  func `takes a certificate of a quorum, and no smaller one`(_ subnet: Subnet) {
    let (verifier, committee) = (subnet.verifier, subnet.committee)
    for count in committee.quorum...committee.size {
      let whole = subnet.certificate(subnet.ballot, count: count)
      #expect(verifier.verify(whole, in: committee)?.value == whole)
    }
    let less = subnet.certificate(subnet.ballot, count: committee.quorum - 1)
    #expect(verifier.verify(less, in: committee) == nil)
  }

  @Test(arguments: subnets())
  func `takes no altered certificate`(_ subnet: Subnet) throws {
    let (verifier, committee) = (subnet.verifier, subnet.committee)
    let whole = subnet.certificate(subnet.ballot, count: committee.quorum)
    #expect(verifier.verify(whole, in: committee) != nil)
    func refuses(_ signers: Signers, _ signatures: [Signature], _ ballot: Ballot) -> Bool {
      let bad = Certificate(ballot: ballot, signers: signers, signatures: signatures)
      return verifier.verify(bad, in: committee) == nil
    }
    for index in whole.signatures.indices {
      var signatures = whole.signatures
      signatures[index] = signatures[index].flipped(at: 5)
      #expect(refuses(whole.signers, signatures, whole.ballot))
    }
    var swapped = whole.signatures
    swapped.swapAt(0, 1)
    #expect(refuses(whole.signers, swapped, whole.ballot))
    #expect(refuses(whole.signers, whole.signatures, subnet.finalize(1)))
    #expect(refuses(whole.signers, Array(whole.signatures.dropLast()), whole.ballot))
    #expect(refuses(whole.signers, whole.signatures + [whole.signatures[0]], whole.ballot))
    // One member's signature twice, under two names.
    var twice = whole.signatures
    twice[1] = twice[0]
    #expect(refuses(whole.signers, twice, whole.ballot))
    let bits = whole.signers.bits
    #expect(refuses(try signers(bits + [0]), whole.signatures, whole.ballot))
    #expect(refuses(try signers(bits.dropLast()), whole.signatures, whole.ballot))
    #expect(refuses(try signers([]), [], whole.ballot))
    var beyond = bits
    beyond[beyond.count - 1] |= 0x80
    #expect(
      refuses(try signers(beyond), whole.signatures + [whole.signatures[0]], whole.ballot))
  }

  @Test func `says what is wrong with a state certificate`() throws {
    let subnet = Subnet(size: 13, mock: false)
    let statement = subnet.state(1)
    let shares = (0..<9).map { subnet.share(statement, by: $0) }
    let whole = try #require(
      Verified<StateCertificate>.assembled(from: shares, in: subnet.committee)?.value)
    func flaw(_ certificate: StateCertificate) -> CertificateFlaw? {
      subnet.verifier.flaw(in: certificate, subnet.committee)
    }
    #expect(flaw(whole) == nil)
    let ids = (0..<8).map { ReplicaID(UInt16($0)) }
    let less = StateCertificate(
      statement: statement, signers: Signers(ids, of: 13),
      signatures: Array(whole.signatures.prefix(8)))
    #expect(flaw(less) == .tooFew(8, quorum: 9))
    #expect(flaw(less)?.description == "8 of 9 signatures")
    var signatures = whole.signatures
    signatures[4] = signatures[4].flipped(at: 0)
    let bad = StateCertificate(
      statement: statement, signers: whole.signers, signatures: signatures)
    #expect(flaw(bad) == .badSignature(4))
    let other = StateCertificate(
      statement: subnet.state(2), signers: whole.signers, signatures: whole.signatures)
    #expect(flaw(other) == .badSignature(0))
    let elsewhere = Subnet(size: 13, mock: false, epoch: 7)
    #expect(elsewhere.verifier.flaw(in: whole, elsewhere.committee) == .otherEpoch(2))
  }

  @Test(arguments: subnets())
  func `finds the culprits among votes`(_ subnet: Subnet) {
    let good = (0..<3).map { subnet.vote(subnet.ballot, by: $0).value }
    let bad = Vote(ballot: subnet.ballot, signer: 3, signature: good[0].signature)
    let sifted = subnet.verifier.sift([good[0], bad, good[1], good[2]], in: subnet.committee)
    #expect(sifted.verified.map(\.value) == good)
    #expect(sifted.refused == [bad])
  }

  @Test(arguments: subnets())
  func `makes a certificate of a quorum of distinct equal votes only`(_ subnet: Subnet) throws {
    let (committee, quorum) = (subnet.committee, subnet.committee.quorum)
    let votes = (0..<quorum).map { subnet.vote(subnet.ballot, by: $0) }
    let made = try #require(
      Verified<Certificate>.assembled(from: votes.reversed(), in: committee)?.value)
    #expect(made == subnet.certificate(subnet.ballot, count: quorum))
    #expect(subnet.verifier.verify(made, in: committee) != nil)
    let twice = Array(votes.dropLast()) + [votes[0]]
    #expect(Verified<Certificate>.assembled(from: twice, in: committee) == nil)
    let mixed = Array(votes.dropLast()) + [subnet.vote(subnet.nullify, by: quorum - 1)]
    #expect(Verified<Certificate>.assembled(from: mixed, in: committee) == nil)
    #expect(Verified<Certificate>.assembled(from: [], in: committee) == nil)
  }

  @Test(arguments: [false, true])
  func `takes as evidence only what no correct member signs`(mock: Bool) {
    let subnet = Subnet(size: 4, mock: mock)
    func verifies(_ evidence: Evidence) -> Bool {
      subnet.verifier.verify(evidence, in: subnet.committee) != nil
    }
    func votes(_ a: Ballot, _ b: Ballot, by second: Int = 1) -> Bool {
      verifies(.votes(subnet.vote(a, by: 1).value, subnet.vote(b, by: second).value))
    }
    #expect(votes(subnet.finalize(1), subnet.finalize(2)))
    #expect(votes(subnet.nullify, subnet.finalize(1)))
    #expect(votes(subnet.finalize(1), subnet.nullify))
    // Notarize and nullify are cast by the best of replicas.
    #expect(!votes(subnet.ballot, subnet.nullify))
    #expect(!votes(subnet.finalize(1), subnet.finalize(1)))
    #expect(!votes(subnet.finalize(1), subnet.finalize(2), by: 2))
    let first = subnet.vote(subnet.finalize(1), by: 1).value
    let forged = Vote(ballot: subnet.finalize(2), signer: 1, signature: first.signature)
    #expect(!verifies(.votes(first, forged)))
    let (one, two) = (subnet.share(subnet.state(1), by: 1), subnet.share(subnet.state(2), by: 1))
    #expect(verifies(.states(one.value, two.value)))
    #expect(!verifies(.states(one.value, one.value)))
    #expect(!verifies(.states(one.value, subnet.share(subnet.state(2), by: 2).value)))
  }

  @Test(arguments: [false, true])
  func `takes recovery questions and answers from whom they name`(mock: Bool) {
    let subnet = Subnet(size: 4, mock: mock)
    let (verifier, committee) = (subnet.verifier, subnet.committee)
    let question = RecoveryQuestion(
      subnet: committee.subnet, epoch: committee.epoch, asker: 1, nonce: sha256([8]))
    let asked = subnet.signers[1].sign(question)
    #expect(verifier.verify(question, asked, in: committee) != nil)
    #expect(verifier.verify(question, subnet.signers[2].sign(question), in: committee) == nil)
    func answer(_ certificate: Certificate?) -> RecoveryAnswer {
      RecoveryAnswer(
        subnet: committee.subnet, epoch: committee.epoch, asker: 1, nonce: sha256([8]),
        responder: 2, view: 10, certificate: certificate, stateSigned: 3)
    }
    let good = answer(subnet.certificate(subnet.nullify, count: 3))
    #expect(verifier.verify(good, subnet.signers[2].sign(good), in: committee) != nil)
    #expect(verifier.verify(good, subnet.signers[3].sign(good), in: committee) == nil)
    let bad = answer(subnet.certificate(subnet.nullify, count: 2))
    #expect(verifier.verify(bad, subnet.signers[2].sign(bad), in: committee) == nil)
  }
}

@Suite struct `A call` {
  private let subnet = sha256([0x5b])
  private let body = Array("a,b\n1,2\n".utf8)

  private func call(sender: PublicKey?, body: [UInt8], subnet: SubnetID? = nil) -> Call {
    Call(
      subnet: subnet ?? self.subnet, pipeline: "p", method: .procedure("close"),
      bodyDigest: sha256(body), bodyBytes: UInt32(body.count), idempotencyKey: "k",
      sender: sender, expiry: 5, stepLimit: 9)
  }

  private func code(_ signed: SignedCall) -> String? {
    do throws(Refusal) {
      _ = try Verifier.ed25519.verify(signed, subnet: subnet)
      return nil
    } catch {
      return error.code
    }
  }

  @Test func `is taken with its sender's signature and its own body`() throws {
    let pair = KeyPair.generate()
    let signer = Signer.ed25519(pair)
    let call = call(sender: pair.publicKey, body: body)
    let good = signer.sign(call, body: body)
    #expect(code(good) == nil)
    #expect(try Verifier.ed25519.verify(good, subnet: subnet).digest == call.digest)
    let signature = try #require(good.signature)
    #expect(
      code(SignedCall(call: call, body: body, signature: signature.flipped(at: 40)))
        == "BAD_SIGNATURE")
    #expect(code(SignedCall(call: call, body: body, signature: nil)) == "UNSIGNED")
    #expect(code(SignedCall(call: call, body: body + [0], signature: signature)) == "BODY_MISMATCH")
    var other = body
    other[0] ^= 1
    #expect(code(SignedCall(call: call, body: other, signature: signature)) == "BODY_MISMATCH")
    let later = Call(
      subnet: subnet, pipeline: "p", method: .procedure("close"), bodyDigest: sha256(body),
      bodyBytes: UInt32(body.count), idempotencyKey: "k", sender: pair.publicKey, expiry: 6,
      stepLimit: 9)
    #expect(code(SignedCall(call: later, body: body, signature: signature)) == "BAD_SIGNATURE")
    let elsewhere = self.call(sender: pair.publicKey, body: body, subnet: sha256([1]))
    #expect(code(signer.sign(elsewhere, body: body)) == "WRONG_SUBNET")
  }

  @Test(arguments: [Method.topUp(1), .transfer(to: KeyPair.generate().publicKey, 1)])
  func `brings no body where its method has none`(method: Method) {
    for (body, expected) in [([], nil), (body, "BODY_NOT_EMPTY")] as [([UInt8], String?)] {
      let call = Call(
        subnet: subnet, pipeline: "p", method: method, bodyDigest: sha256(body),
        bodyBytes: UInt32(body.count), idempotencyKey: "k", sender: nil, expiry: 5, stepLimit: 9)
      #expect(code(SignedCall(call: call, body: body, signature: nil)) == expected)
      #expect(call.stepsClaimed == 0)
    }
  }

  @Test func `is taken unsigned when it names no sender`() {
    let call = call(sender: nil, body: body)
    #expect(code(SignedCall(call: call, body: body, signature: nil)) == nil)
    let signature = Signer.ed25519(.generate()).sign(call)
    #expect(code(SignedCall(call: call, body: body, signature: signature)) == "BAD_SIGNATURE")
  }
}
