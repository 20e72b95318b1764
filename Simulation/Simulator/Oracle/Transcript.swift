import Signing
import Wire

/// What correct replicas heard and hold, signer by signer: two statements that no correct replica
/// makes both convict whoever signed them.
///
/// - Safety: only statements whose signature verifies count, so nobody innocent is convicted.
/// - Bound: one entry a signer, view and kind of vote; kept over the fault budget only.
struct Transcript {
  private struct Place: Hashable {
    let signer: ReplicaID
    let view: View
    let kind: Ballot.Kind
  }

  private var said: [Place: Ballot] = [:]
  private var states: [Height: [StateShare]] = [:]
  private var convicted: Set<ReplicaID> = []

  /// Ascending.
  var culprits: [ReplicaID] { convicted.sorted() }

  /// A statement that verified.
  mutating func note(_ ballot: Ballot, of signer: ReplicaID) {
    let place = Place(signer: signer, view: ballot.view, kind: ballot.kind)
    if let before = said[place] {
      if before != ballot { convicted.insert(signer) }
    } else {
      said[place] = ballot
    }
    let other: Ballot.Kind? =
      switch ballot.kind {
      case .notarize: nil
      case .nullify: .finalize
      case .finalize: .nullify
      }
    guard let other else { return }
    if said[Place(signer: signer, view: ballot.view, kind: other)] != nil {
      convicted.insert(signer)
    }
  }

  mutating func note(_ share: StateShare) {
    let height = share.statement.height
    let before = states[height]?.first { $0.signer == share.signer }
    if let before {
      if before.statement != share.statement { convicted.insert(share.signer) }
    } else {
      states[height, default: []].append(share)
    }
  }
}

extension Oracle {
  /// A correct replica heard this from a peer on the peer's own link.
  func heard(_ message: Message, from peer: ReplicaID) {
    switch message {
    case .proposal(_, _, let vote), .vote(let vote): if vote.signer == peer { hold(vote) }
    case .certificate(let certificate): hold(certificate)
    case .views(let certificates), .blocks(_, finalizations: let certificates):
      for certificate in certificates { hold(certificate) }
    case .stateShare(let share): if share.signer == peer { hold(share) }
    default: break
    }
  }

  private func hold(_ vote: Vote) {
    guard let key = committee.key(of: vote.signer), bound(vote.ballot),
      verifier?.verifies(vote.signature, of: vote.ballot, by: key) != false
    else { return }
    transcript.note(vote.ballot, of: vote.signer)
  }

  private func hold(_ certificate: Certificate) {
    guard bound(certificate.ballot) else { return }
    for (signer, signature) in zip(certificate.signers.ids, certificate.signatures) {
      guard let key = committee.key(of: signer),
        verifier?.verifies(signature, of: certificate.ballot, by: key) != false
      else { continue }
      transcript.note(certificate.ballot, of: signer)
    }
  }

  private func hold(_ share: StateShare) {
    guard let key = committee.key(of: share.signer),
      share.statement.subnet == committee.subnet, share.statement.epoch == committee.epoch,
      verifier?.verifies(share.signature, of: share.statement, by: key) != false
    else { return }
    transcript.note(share)
  }

  private func bound(_ ballot: Ballot) -> Bool {
    ballot.subnet == committee.subnet && ballot.epoch == committee.epoch
  }

  /// Over the budget safety may break; then the evidence names `f + 1` guilty, and nobody else.
  /// - Returns: everybody whom evidence names.
  func judgeEvidence() -> [ReplicaID] {
    let named = Set(transcript.culprits).union(accused).sorted()
    for culprit in named where !guilty.contains(culprit) {
      report(.evidence, nil, nil, "the evidence names \(culprit), which is correct")
    }
    let needed = committee.members.count - quorum + 1
    if violations.contains(where: { $0.check == .agreement }), named.count < needed {
      let names = named.map(\.description).joined(separator: ", ")
      report(
        .evidence, nil, nil,
        "agreement broke, and the evidence names only \(names.isEmpty ? "nobody" : names); at "
          + "least \(needed) are guilty")
    }
    return named
  }
}
