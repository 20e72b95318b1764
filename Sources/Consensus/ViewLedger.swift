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

  var proposal: Proposal?
  var notarizes = VoteTally()
  var nullifies = VoteTally()
  var finalizes = VoteTally()
  package internal(set) var notarization: Certificate?
  package internal(set) var nullification: Certificate?
  package internal(set) var finalization: Certificate?
  var ownNotarize: Vote?
  var ownNullify: Vote?
  var ownFinalize: Vote?
  var leaderEquivocated = false

  func certificate(_ kind: Ballot.Kind) -> Certificate? {
    switch kind {
    case .notarize: notarization
    case .nullify: nullification
    case .finalize: finalization
    }
  }

  /// Finalization first: it says most.
  var certificates: [Certificate] {
    [finalization, notarization, nullification].compactMap(\.self)
  }

  var ownVotes: [Vote] { [ownNotarize, ownNullify, ownFinalize].compactMap(\.self) }

  func own(_ kind: Ballot.Kind) -> Vote? {
    switch kind {
    case .notarize: ownNotarize
    case .nullify: ownNullify
    case .finalize: ownFinalize
    }
  }

  mutating func cast(_ vote: Vote) {
    switch vote.ballot.kind {
    case .notarize: ownNotarize = vote
    case .nullify: ownNullify = vote
    case .finalize: ownFinalize = vote
    }
  }

  mutating func store(_ certificate: Certificate) {
    switch certificate.kind {
    case .notarize: notarization = certificate
    case .nullify: nullification = certificate
    case .finalize: finalization = certificate
    }
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
