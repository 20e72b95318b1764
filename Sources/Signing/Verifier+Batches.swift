import Wire

extension Verifier {
  /// Tells the votes that verify from those that do not, whose signers are to be cut off.
  package func sift(_ votes: [Vote], in committee: Committee) -> Sifted<Vote> {
    var sifted = Sifted<Vote>()
    for vote in votes {
      if let verified = verify(vote, in: committee) {
        sifted.verified.append(verified)
      } else {
        sifted.refused.append(vote)
      }
    }
    return sifted
  }

  /// Tells the state shares that verify from those that do not.
  package func sift(_ shares: [StateShare], in committee: Committee) -> Sifted<StateShare> {
    var sifted = Sifted<StateShare>()
    for share in shares {
      if let verified = verify(share, in: committee) {
        sifted.verified.append(verified)
      } else {
        sifted.refused.append(share)
      }
    }
    return sifted
  }

  /// Checks that evidence holds: both statements are the culprit's, and no correct member makes
  /// both. Statements are compared, never signature bytes.
  package func verify(_ evidence: Evidence, in committee: Committee) -> Verified<Evidence>? {
    switch evidence {
    case .votes(let first, let second):
      guard first.signer == second.signer, conflict(first.ballot, second.ballot),
        verify(first, in: committee) != nil, verify(second, in: committee) != nil
      else { return nil }
    case .states(let first, let second):
      guard first.signer == second.signer, first.statement != second.statement,
        first.statement.height == second.statement.height,
        verify(first, in: committee) != nil, verify(second, in: committee) != nil
      else { return nil }
    }
    return Verified(evidence)
  }
}

/// Whether no correct member casts both: two different ballots of one view and kind, or a nullify
/// and a finalize of one view. (Notarize and nullify may both be cast, in this order.)
package func conflict(_ first: Ballot, _ second: Ballot) -> Bool {
  guard first.subnet == second.subnet, first.epoch == second.epoch, first.view == second.view
  else { return false }
  if first.kind == second.kind { return first != second }
  return (first.kind == .nullify && second.kind == .finalize)
    || (first.kind == .finalize && second.kind == .nullify)
}

extension Verified<Certificate> {
  /// The certificate that these votes make.
  /// - Returns: nil unless a quorum of distinct members voted for one and the same ballot.
  package static func assembled(
    from votes: [Verified<Vote>], in committee: Committee
  ) -> Verified<Certificate>? {
    let sorted = votes.map(\.value).sorted { $0.signer < $1.signer }
    guard let ballot = sorted.first?.ballot, committee.binds(ballot),
      sorted.count >= committee.quorum, sorted.allSatisfy({ $0.ballot == ballot }),
      distinct(sorted.map(\.signer), in: committee)
    else { return nil }
    return Verified(
      Certificate(
        ballot: ballot, signers: Signers(sorted.map(\.signer), of: committee.size),
        signatures: sorted.map(\.signature)))
  }
}

extension Verified<StateCertificate> {
  /// The state certificate that these shares make.
  /// - Returns: nil unless a quorum of distinct members signed one and the same statement.
  package static func assembled(
    from shares: [Verified<StateShare>], in committee: Committee
  ) -> Verified<StateCertificate>? {
    let sorted = shares.map(\.value).sorted { $0.signer < $1.signer }
    guard let statement = sorted.first?.statement, committee.binds(statement),
      sorted.count >= committee.quorum, sorted.allSatisfy({ $0.statement == statement }),
      distinct(sorted.map(\.signer), in: committee)
    else { return nil }
    return Verified(
      StateCertificate(
        statement: statement, signers: Signers(sorted.map(\.signer), of: committee.size),
        signatures: sorted.map(\.signature)))
  }
}

/// Whether sorted ids are distinct members.
private func distinct(_ ids: [ReplicaID], in committee: Committee) -> Bool {
  ids.allSatisfy(committee.contains) && zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 }
}
