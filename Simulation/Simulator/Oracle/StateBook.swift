import Wire

/// The roots that executing each height gave, and who was seen to differ from a certificate.
struct StateBook {
  /// By height, from genesis.
  var roots: [Digest] = []
  var receipts: [Digest] = [.zero]
  var certified: [Height: StateStatement] = [:]
  /// For each machine the outcomes that it told.
  var outcomes: [Int: [Height: BlockOutcome]] = [:]
  /// For each machine the height from which its root is known to differ.
  var diverged: [Int: Height] = [:]
}

extension Oracle {
  /// Shares that were signed before the certificate came may still leave.
  static let sharesUnderWay: UInt64 = 8

  func executed(_ outcome: BlockOutcome, by machine: Int) {
    states.outcomes[machine, default: [:]][outcome.height] = outcome
    guard machines[machine].correct else { return }
    let index = Int(outcome.height.number)
    if index < states.roots.count {
      if states.roots[index] != outcome.stateRoot || states.receipts[index] != outcome.receiptsRoot
      {
        report(
          .state, machine, nil,
          "executes height \(outcome.height) to \(outcome.stateRoot), others to "
            + "\(states.roots[index])")
      }
    } else if index == states.roots.count {
      states.roots.append(outcome.stateRoot)
      states.receipts.append(outcome.receiptsRoot)
    } else {
      report(.state, machine, nil, "executes height \(outcome.height) out of order")
    }
  }

  func saw(_ certificate: StateCertificate, _ machine: Int) {
    let statement = certificate.statement
    let height = statement.height
    if let known = states.certified[height] {
      if known != statement {
        report(.state, machine, nil, "shows a second state certificate of height \(height)")
      }
      return
    }
    let signers = certificate.signers.ids
    if signers.count < quorum || certificate.signatures.count != signers.count {
      report(.state, machine, nil, "takes \(signers.count) shares for a state certificate")
    }
    let index = Int(clamping: height.number)
    if index < states.roots.count, states.roots[index] != statement.stateRoot {
      report(.state, machine, nil, "certified root of height \(height) is not the executed one")
    }
    if statement.block != chain.digest(at: height) {
      report(.state, machine, nil, "the state certificate of height \(height) names another block")
    }
    states.certified[height] = statement
  }

  /// The machine knows the certificate and its own root; when they differ it must fall silent.
  func knows(_ statement: StateStatement, _ machine: Int) {
    guard let own = states.outcomes[machine]?[statement.height] else { return }
    if own.stateRoot != statement.stateRoot, states.diverged[machine] == nil {
      states.diverged[machine] = statement.height
    }
  }

  /// One state share a height for ever.
  func signed(_ share: StateShare, _ machine: Int) {
    let height = share.statement.height
    let root = share.statement.stateRoot
    if let before = machines[machine].ballots.stateSigned[height], before != root {
      report(.state, machine, nil, "signs two states of height \(height)")
    }
    machines[machine].ballots.stateSigned[height] = root
    machines[machine].ballots.stateDurable.insert(height)
  }

  func voiced(_ share: StateShare, _ machine: Int) {
    guard share.signer == machines[machine].id else { return }
    if !machines[machine].ballots.stateDurable.contains(share.statement.height) {
      report(
        .durability, machine, nil,
        "signs the state of height \(share.statement.height) aloud before it is on its disk")
    }
  }

  /// A replica that runs honest code on a wrong state is told by the certificate, and stops.
  func voicedByDiverged(_ share: StateShare, _ machine: Int) {
    guard let since = states.diverged[machine],
      share.statement.height > since.advanced(by: Self.sharesUnderWay)
    else { return }
    report(
      .state, machine, nil,
      "signs the state of height \(share.statement.height), though its state differs since "
        + "height \(since)")
  }
}
