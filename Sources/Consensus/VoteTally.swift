import Signing
import Wire

/// Gathers the votes of one kind in one view until a quorum stands behind one ballot.
///
/// - Safety: a signer counts once, by its first vote; signatures are checked before a certificate
///   is made of them, and only then (rule R13).
/// - Bound: one vote and at most one ballot for each member of the committee.
package struct VoteTally: Sendable {
  /// What became of a vote.
  package enum Admission: Hashable, Sendable {
    case counted
    /// The signer said the same before.
    case repeated
    /// The signer said something else before, and that is what counts.
    case conflicting(with: Vote)
  }

  /// Who stands behind one ballot.
  private struct Subject: Sendable {
    let ballot: Ballot
    var signers = MemberSet()
    var repeats = 0
  }

  package private(set) var votes: [Vote] = []
  private var voters = MemberSet()
  private var verified = MemberSet()
  private var subjects: [Subject] = []
  private var spoiled = false

  package init() {}

  package func holds(_ id: ReplicaID) -> Bool { voters.contains(id) }

  package func vote(of id: ReplicaID) -> Vote? {
    voters.contains(id) ? votes.first { $0.signer == id } : nil
  }

  /// Everybody whose first vote is here.
  package var signers: MemberSet { voters }

  package mutating func admit(
    _ vote: Vote, verified isVerified: Bool, planted: Set<PlantedBug> = []
  ) -> Admission {
    if voters.contains(vote.signer) {
      guard let first = self.vote(of: vote.signer), first.ballot != vote.ballot else {
        return repeated(vote, planted: planted)
      }
      return .conflicting(with: first)
    }
    votes.append(vote)
    voters.insert(vote.signer)
    if isVerified { verified.insert(vote.signer) }
    if let place = subjects.firstIndex(where: { $0.ballot == vote.ballot }) {
      subjects[place].signers.insert(vote.signer)
    } else {
      var subject = Subject(ballot: vote.ballot)
      subject.signers.insert(vote.signer)
      subjects.append(subject)
    }
    return .counted
  }

  private mutating func repeated(_ vote: Vote, planted: Set<PlantedBug>) -> Admission {
    guard !planted.isEmpty else { return .repeated }
    if planted.contains(.duplicateVoteBlocksQuorum) { spoiled = true }
    if planted.contains(.duplicateSignerCounted),
      let place = subjects.firstIndex(where: { $0.ballot == vote.ballot })
    {
      subjects[place].repeats += 1
      return .counted
    }
    return .repeated
  }

  /// What a count came to: a certificate once enough signatures hold, and whose do not.
  package struct Count: Sendable {
    package var certificate: Certificate?
    package var culprits: [ReplicaID] = []
  }

  /// Makes a certificate for `ballot` once `threshold` signatures under it verify. Nothing is
  /// verified before they could be enough; signers of bad ones are named and no longer counted.
  package mutating func count(
    _ ballot: Ballot, threshold: Int, of size: Int, verifies: (Vote) -> Bool
  ) -> Count {
    guard !spoiled, let place = subjects.firstIndex(where: { $0.ballot == ballot }),
      subjects[place].signers.count + subjects[place].repeats >= threshold
    else { return Count() }
    var count = Count()
    for vote in votes where subjects[place].signers.contains(vote.signer) {
      guard !verified.contains(vote.signer) else { continue }
      if verifies(vote) {
        verified.insert(vote.signer)
      } else {
        count.culprits.append(vote.signer)
      }
    }
    for culprit in count.culprits { discard(culprit) }
    guard let subject = subjects.first(where: { $0.ballot == ballot }),
      subject.signers.count + subject.repeats >= threshold
    else { return count }
    let standing = votes.filter { subject.signers.contains($0.signer) }
      .sorted { $0.signer < $1.signer }
    count.certificate = Certificate(
      ballot: ballot, signers: Signers(standing.map(\.signer), of: size),
      signatures: standing.map(\.signature))
    return count
  }

  private mutating func discard(_ id: ReplicaID) {
    precondition(!verified.contains(id), "a vote of \(id) that verified is thrown out")
    votes.removeAll { $0.signer == id }
    voters.remove(id)
    for place in subjects.indices { subjects[place].signers.remove(id) }
  }
}
