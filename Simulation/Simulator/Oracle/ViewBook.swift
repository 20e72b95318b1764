import Wire

/// What quorums decided of each view, as far as any correct replica showed it.
struct ViewBook {
  struct Decided {
    var notarized: Digest?
    var nullified = false
    var finalized: Digest?
    /// Signers already judged, a certificate kind each.
    fileprivate var judged: [Signers?] = [nil, nil, nil]
  }

  private var decided: [View: Decided] = [:]
  private static let nothing = Decided()

  func of(_ view: View) -> Decided { decided[view] ?? Self.nothing }

  fileprivate func known(_ certificate: Certificate) -> Bool {
    let before = of(certificate.view)
    guard before.judged[Int(certificate.kind.rawValue)] == certificate.signers else {
      return false
    }
    switch certificate.kind {
    case .notarize: return before.notarized == certificate.ballot.block
    case .nullify: return before.nullified
    case .finalize: return before.finalized == certificate.ballot.block
    }
  }

  fileprivate mutating func write(_ certificate: Certificate) {
    var entry = of(certificate.view)
    entry.judged[Int(certificate.kind.rawValue)] = certificate.signers
    switch certificate.kind {
    case .notarize: entry.notarized = certificate.ballot.block
    case .nullify: entry.nullified = true
    case .finalize: entry.finalized = certificate.ballot.block
    }
    decided[certificate.view] = entry
  }
}

extension Oracle {
  /// A correct replica holds this certificate.
  func saw(_ certificate: Certificate, _ machine: Int) {
    guard !views.known(certificate) else { return }
    judge(certificate, machine)
    views.write(certificate)
  }

  private func judge(_ certificate: Certificate, _ machine: Int) {
    let view = certificate.view
    let before = views.of(view)
    judgeSigners(certificate, machine)
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
      judgeBodies(certificate, machine)
    }
  }

  /// `q` distinct members, each of which, if it is correct, cast this very ballot.
  private func judgeSigners(_ certificate: Certificate, _ machine: Int) {
    let signers = certificate.signers.ids
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
    for watched in machines where watched.correct && signers.contains(watched.id) {
      if !watched.ballots.holds(certificate.ballot) {
        report(
          .oneNotarization, machine, certificate.view,
          "shows a certificate of view \(certificate.view) with a vote that \(watched.id) "
            + "never cast")
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

  /// The bodies of a finalized block are durable at `f + 1` correct replicas at least.
  private func judgeBodies(_ certificate: Certificate, _ machine: Int) {
    guard let block = certificate.ballot.block else { return }
    let signers = certificate.signers.ids
    let holders = machines.filter {
      $0.correct && signers.contains($0.id) && $0.ballots.holds(certificate.ballot)
    }
    let byzantine = machines.filter { !$0.correct }.count
    let needed = committee.members.count - quorum + 1
    if holders.count + byzantine < needed {
      report(
        .durability, machine, certificate.view,
        "the bodies of finalized block \(block) are durable at \(holders.count) correct replicas")
    }
  }
}
