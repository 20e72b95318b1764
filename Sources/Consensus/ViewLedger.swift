import Wire

/// What one replica knows of one view.
///
/// - Safety: an own vote, once here, stays; that is what forbids the second one.
/// - Bound: three tallies, three certificates and the first proposal.
package struct ViewLedger: Sendable {
  package struct Proposal: Sendable {
    package let digest: Digest
    package let header: Header
  }

  // Arrays of at most one, or three: a ledger is read often and should be small.
  private var proposals: [Proposal] = []
  var notarizes = VoteTally()
  var nullifies = VoteTally()
  var finalizes = VoteTally()
  private var held: [Certificate] = []
  private(set) var ownVotes: [Vote] = []
  var leaderEquivocated = false

  var proposal: Proposal? {
    get { proposals.first }
    set { proposals = newValue.map { [$0] } ?? [] }
  }

  package var notarization: Certificate? { certificate(.notarize) }
  package var nullification: Certificate? { certificate(.nullify) }
  package var finalization: Certificate? { certificate(.finalize) }
  var ownNotarize: Vote? { own(.notarize) }
  var ownNullify: Vote? { own(.nullify) }
  var ownFinalize: Vote? { own(.finalize) }

  func certificate(_ kind: Ballot.Kind) -> Certificate? { held.first { $0.kind == kind } }

  var voteCount: Int { notarizes.votes.count + nullifies.votes.count + finalizes.votes.count }

  func holds(_ kind: Ballot.Kind) -> Bool { held.contains { $0.kind == kind } }

  /// Finalization first: it says most.
  var certificates: [Certificate] {
    [finalization, notarization, nullification].compactMap(\.self)
  }

  func own(_ kind: Ballot.Kind) -> Vote? { ownVotes.last { $0.ballot.kind == kind } }

  mutating func cast(_ vote: Vote) {
    ownVotes.append(vote)
    ownVotes.sort { $0.ballot.kind < $1.ballot.kind }
  }

  mutating func store(_ certificate: Certificate) {
    guard !holds(certificate.kind) else { return }
    held.append(certificate)
  }

  /// What one more vote led to.
  struct Taken {
    var opposite: Vote?
    var admission: VoteTally.Admission
    var count = VoteTally.Count()
  }

  /// Admits a vote and, unless its kind of certificate is there already, counts.
  mutating func take(
    _ vote: Vote, verified: Bool, threshold: Int, of size: Int, planted: Set<PlantedBug>,
    verifies: (Vote) -> Bool
  ) -> Taken {
    var taken = Taken(
      opposite: opposite(to: vote),
      admission: admit(vote, verified: verified, planted: planted))
    guard case .counted = taken.admission, !holds(vote.ballot.kind) else { return taken }
    taken.count = count(vote.ballot, threshold: threshold, of: size, verifies: verifies)
    return taken
  }

  /// A vote of the same signer that no correct replica casts beside `vote`, other than one of the
  /// same kind: a nullify and a finalize exclude each other.
  func opposite(to vote: Vote) -> Vote? {
    switch vote.ballot.kind {
    case .notarize: nil
    case .nullify: finalizes.vote(of: vote.signer)
    case .finalize: nullifies.vote(of: vote.signer)
    }
  }

  /// Votes of the certificate's signers that no correct replica casts beside it.
  func votes(against certificate: Certificate) -> [Vote] {
    let (same, opposite) =
      switch certificate.kind {
      case .notarize: (notarizes.votes, [Vote]())
      case .nullify: ([], finalizes.votes)
      case .finalize: (finalizes.votes, nullifies.votes)
      }
    return (same + opposite).filter {
      $0.ballot != certificate.ballot && certificate.signers.contains($0.signer)
    }
  }

  mutating func admit(
    _ vote: Vote, verified: Bool, planted: Set<PlantedBug>
  ) -> VoteTally.Admission {
    switch vote.ballot.kind {
    case .notarize: notarizes.admit(vote, verified: verified, planted: planted)
    case .nullify: nullifies.admit(vote, verified: verified, planted: planted)
    case .finalize: finalizes.admit(vote, verified: verified, planted: planted)
    }
  }

  mutating func count(
    _ ballot: Ballot, threshold: Int, of size: Int, verifies: (Vote) -> Bool
  ) -> VoteTally.Count {
    switch ballot.kind {
    case .notarize: notarizes.count(ballot, threshold: threshold, of: size, verifies: verifies)
    case .nullify: nullifies.count(ballot, threshold: threshold, of: size, verifies: verifies)
    case .finalize: finalizes.count(ballot, threshold: threshold, of: size, verifies: verifies)
    }
  }
}
