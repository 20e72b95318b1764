/// Signing: digests, keys and signatures, and the one door from bytes that somebody sent to values
/// that can be believed.
///
/// - Safety: a `Verified` exists only after every signature in it was checked against the keys of
///   the committee given, under a statement that binds its subnet and epoch.
/// - Bound: the work is linear in the signatures, of which a value holds `Limits.membersMax` at
///   most; what is wrong by form is refused before any signature is checked.
import Synchronization
import Wire

/// What checks signatures of one scheme.
package enum Verifier: Sendable {
  case ed25519
  /// For simulations.
  case mock
  /// For simulations: any scheme, and how often it was asked.
  case counted(VerificationCount)

  package func verifies(
    _ signature: Signature, of statement: some Statement, by key: PublicKey
  ) -> Bool {
    verifies(signature, statement.signedBytes, key)
  }

  func verifies(_ signature: Signature, _ bytes: [UInt8], _ key: PublicKey) -> Bool {
    switch self {
    case .ed25519: ed25519Verifies(signature, bytes, key)
    case .mock: MockScheme.verifies(signature, bytes, key)
    case .counted(let count): count.verifies(signature, bytes, key)
    }
  }

  /// - Returns: nil when the subnet, epoch, signer or signature is wrong.
  package func verify(_ vote: Vote, in committee: Committee) -> Verified<Vote>? {
    guard committee.binds(vote.ballot), let key = committee.key(of: vote.signer),
      verifies(vote.signature, of: vote.ballot, by: key)
    else { return nil }
    return Verified(vote)
  }

  /// - Returns: nil when the subnet, epoch, signer or signature is wrong.
  package func verify(_ share: StateShare, in committee: Committee) -> Verified<StateShare>? {
    guard committee.binds(share.statement), let key = committee.key(of: share.signer),
      verifies(share.signature, of: share.statement, by: key)
    else { return nil }
    return Verified(share)
  }

  /// - Returns: nil when anything is wrong: see `CertificateFlaw`.
  package func verify(
    _ certificate: Certificate, in committee: Committee
  ) -> Verified<Certificate>? {
    let flaw = flaw(
      certificate.ballot, certificate.ballot.epoch, certificate.signers, certificate.signatures,
      in: committee)
    return flaw == nil ? Verified(certificate) : nil
  }

  /// - Returns: nil when anything is wrong: see `CertificateFlaw`.
  package func verify(
    _ certificate: StateCertificate, in committee: Committee
  ) -> Verified<StateCertificate>? {
    flaw(in: certificate, committee) == nil ? Verified(certificate) : nil
  }

  /// What is wrong with a state certificate, for whoever must say so; nil when it verifies.
  package func flaw(
    in certificate: StateCertificate, _ committee: Committee
  ) -> CertificateFlaw? {
    flaw(
      certificate.statement, certificate.statement.epoch, certificate.signers,
      certificate.signatures, in: committee)
  }

  private func flaw(
    _ statement: some Statement, _ epoch: Epoch, _ signers: Signers, _ signatures: [Signature],
    in committee: Committee
  ) -> CertificateFlaw? {
    guard statement.subnet == committee.subnet else { return .otherSubnet }
    guard epoch == committee.epoch else { return .otherEpoch(epoch) }
    guard signers.bits.count == (committee.size + 7) / 8,
      signers.ids.allSatisfy(committee.contains)
    else { return .signersOutside }
    guard signers.count >= committee.quorum else {
      return .tooFew(signers.count, quorum: committee.quorum)
    }
    guard signatures.count == signers.count else {
      return .countsDiffer(signers: signers.count, signatures: signatures.count)
    }
    let bytes = statement.signedBytes
    for (id, signature) in zip(signers.ids, signatures) {
      guard let key = committee.key(of: id), verifies(signature, bytes, key) else {
        return .badSignature(id)
      }
    }
    return nil
  }
}

/// A scheme that counts the signatures it checks: what peers make a replica spend.
package final class VerificationCount: Sendable {
  private let scheme: Verifier
  private let checked = Mutex<UInt64>(0)

  package init(_ scheme: Verifier) { self.scheme = scheme }

  package var number: UInt64 { checked.withLock { $0 } }

  func verifies(_ signature: Signature, _ bytes: [UInt8], _ key: PublicKey) -> Bool {
    checked.withLock { $0 += 1 }
    return scheme.verifies(signature, bytes, key)
  }
}

/// Checks many signatures under one statement, whose bytes are made once and only when needed.
package struct StatementCheck<Signed: Statement> {
  private let statement: Signed
  private let verifier: Verifier
  private let committee: Committee
  private lazy var bytes = statement.signedBytes

  /// - Precondition: the statement is of the committee's subnet and epoch.
  package init(_ statement: Signed, _ verifier: Verifier, _ committee: Committee) {
    self.statement = statement
    self.verifier = verifier
    self.committee = committee
  }

  /// Whether the member signed this very statement.
  package mutating func verifies(
    _ signature: Signature, of claimed: Signed, by signer: ReplicaID
  ) -> Bool {
    guard claimed == statement, let key = committee.key(of: signer) else { return false }
    return verifier.verifies(signature, bytes, key)
  }
}

/// The first thing wrong with a certificate, in the order of the checks.
package enum CertificateFlaw: Error, Hashable, Sendable, CustomStringConvertible {
  case otherSubnet
  case otherEpoch(Epoch)
  /// The bitmap is not as long as the committee needs, or names somebody outside of it.
  case signersOutside
  case tooFew(Int, quorum: Int)
  case countsDiffer(signers: Int, signatures: Int)
  case badSignature(ReplicaID)

  package var description: String {
    switch self {
    case .otherSubnet: "it is of another subnet"
    case .otherEpoch(let epoch): "it is of epoch \(epoch), which this committee did not serve"
    case .signersOutside: "it names signers outside of the committee"
    case .tooFew(let count, let quorum): "\(count) of \(quorum) signatures"
    case .countsDiffer(let signers, let signatures):
      "it names \(signers) signers and carries \(signatures) signatures"
    case .badSignature(let id): "the signature of \(id) does not verify"
    }
  }
}

extension Committee {
  func binds(_ ballot: Ballot) -> Bool { ballot.subnet == subnet && ballot.epoch == epoch }
  func binds(_ state: StateStatement) -> Bool { state.subnet == subnet && state.epoch == epoch }
}
