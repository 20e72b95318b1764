import Signing
import Wire

/// What quorums decided of each view, as far as any correct replica showed it.
///
/// - Bound: views from a little below the last one that every replica saw finalized.
struct ViewBook {
  struct Decided {
    var notarized: Digest?
    var nullified = false
    var finalized: Digest?
    /// Of each kind of certificate the signatures that were judged.
    fileprivate var judged = [Judged](repeating: Judged(), count: Ballot.Kind.allCases.count)
  }

  /// Signatures under one ballot that were found to be their signers' own.
  fileprivate struct Judged {
    var ballot: Ballot?
    var signatures: [Signature?] = []
  }

  private var decided = Recent<View, Decided>()
  /// Views below it were forgotten: nothing can be said of them any more.
  private(set) var floor: View = 0
  private static let nothing = Decided()

  var count: Int { decided.count }

  func of(_ view: View) -> Decided { decided[view] ?? Self.nothing }

  mutating func forget(below view: View) {
    floor = max(floor, view)
    decided.forget(below: view)
  }

  /// Whether every signature in it was judged under this very ballot.
  fileprivate func known(_ certificate: Certificate, _ signers: [ReplicaID]) -> Bool {
    guard let judged = decided[certificate.view]?.judged[Int(certificate.kind.rawValue)],
      judged.ballot == certificate.ballot, signers.count == certificate.signatures.count
    else { return false }
    for (place, signer) in signers.enumerated() {
      guard signer.index < judged.signatures.count,
        judged.signatures[signer.index] == certificate.signatures[place]
      else { return false }
    }
    return true
  }

  fileprivate mutating func write(
    _ certificate: Certificate, _ signers: [ReplicaID], of size: Int
  ) {
    decided.update(certificate.view, from: Decided()) { entry in
      switch certificate.kind {
      case .notarize: entry.notarized = certificate.ballot.block
      case .nullify: entry.nullified = true
      case .finalize: entry.finalized = certificate.ballot.block
      }
      let place = Int(certificate.kind.rawValue)
      if entry.judged[place].ballot != certificate.ballot {
        entry.judged[place] = Judged(
          ballot: certificate.ballot, signatures: [Signature?](repeating: nil, count: size))
      }
      for (signer, signature) in zip(signers, certificate.signatures) where signer.index < size {
        entry.judged[place].signatures[signer.index] = signature
      }
    }
  }
}

extension Oracle {
  /// A correct replica holds this certificate.
  func saw(_ certificate: Certificate, _ machine: Int) {
    guard certificate.view >= views.floor else { return }
    let signers = certificate.signers.ids
    guard signers.count < quorum || !views.known(certificate, signers) else { return }
    judge(certificate, signers, machine)
    views.write(certificate, signers, of: committee.members.count)
  }

  private func judge(_ certificate: Certificate, _ signers: [ReplicaID], _ machine: Int) {
    let view = certificate.view
    let before = views.of(view)
    judgeSigners(certificate, signers, machine)
    switch certificate.kind {
    case .notarize:
      if let other = before.notarized, other != certificate.ballot.block {
        report(.oneNotarization, machine, view, "view \(view) has two notarized blocks")
      }
    case .nullify:
      if before.finalized != nil {
        report(.oneNotarization, machine, view, "view \(view) is finalized, and nullified")
      }
    case .finalize:
      if let other = before.finalized, other != certificate.ballot.block {
        report(.agreement, machine, view, "view \(view) has two finalized blocks")
      }
      if before.nullified {
        report(.oneNotarization, machine, view, "view \(view) is nullified, and finalized")
      }
      if before.notarized != certificate.ballot.block {
        report(.oneNotarization, machine, view, "view \(view) finalized what was not notarized")
      }
      if before.finalized == nil { judgeBodies(certificate, machine) }
    }
  }

  /// `q` distinct members, each of which, if it is correct, cast this very ballot.
  private func judgeSigners(
    _ certificate: Certificate, _ signers: [ReplicaID], _ machine: Int
  ) {
    if signers.count < quorum || certificate.signatures.count != signers.count {
      report(
        .oneNotarization, machine, certificate.view,
        "takes \(signers.count) of \(committee.members.count) signers for a quorum in view "
          + "\(certificate.view)")
    }
    if certificate.ballot.subnet != committee.subnet || certificate.ballot.epoch != committee.epoch
    {
      report(
        .oneNotarization, machine, certificate.view,
        "takes a certificate of another subnet or epoch")
    }
    judgeSignatures(certificate, signers, machine)
    for place in machines.indices where machines[place].correct {
      let id = machines[place].id
      if signers.contains(id), !machines[place].ballots.holds(certificate.ballot) {
        report(
          .oneNotarization, machine, certificate.view,
          "shows a certificate of view \(certificate.view) with a vote that \(id) never cast",
          always: true)
      }
    }
  }

  private func judgeSignatures(
    _ certificate: Certificate, _ signers: [ReplicaID], _ machine: Int
  ) {
    guard let verifier else { return }
    for (signer, signature) in zip(signers, certificate.signatures) {
      guard let key = committee.key(of: signer),
        verifier.verifies(signature, of: certificate.ballot, by: key)
      else {
        report(
          .oneNotarization, machine, certificate.view,
          "takes a certificate of view \(certificate.view) that \(signer) did not sign")
        return
      }
    }
  }

  /// The bodies of a finalized block are durable at `f + 1` correct replicas at least when somebody
  /// first shows its finalization: `n − f` signed it, and at most `f` are Byzantine or lost a disk.
  private func judgeBodies(_ certificate: Certificate, _ machine: Int) {
    guard let block = certificate.ballot.block else { return }
    let holders = machines.indices.count { place in
      machines[place].correct && !excused.contains(place)
        && (machines[place].ballots.holds(block)
          || certificate.view <= machines[place].ballots.forgottenThrough)
    }
    if holders < committee.members.count - quorum + 1 {
      report(
        .durability, machine, certificate.view,
        "the bodies of finalized block \(block) are durable at \(holders) correct replicas",
        always: false)
    }
  }
}
