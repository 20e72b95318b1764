import Wire

/// What binds every finalized block whoever proposed it, restated: the bound `W`, its time, its
/// size.
extension Oracle {
  /// `W`.
  static let uncertifiedHeightsMax: UInt64 = 16
  /// Milliseconds that a validator's clock may differ from the proposer's.
  static let clockDrift: UInt64 = 500

  func judgeBounds(_ header: Header, _ machine: Int) {
    let certified = header.certified?.height.number ?? 0
    if !header.calls.isEmpty, header.height.number - certified > Self.uncertifiedHeightsMax {
      report(
        .bounds, machine, header.view,
        "finalizes calls at height \(header.height), though the block knows of no certified state "
          + "above height \(certified)")
    }
    guard let parent = header.height == 1 ? 0 : chain.time(at: Height(header.height.number - 1))
    else { return }
    if header.time <= parent {
      report(.bounds, machine, header.view, "finalizes a block that is not later than its parent")
    }
    if header.time.number > clockLatest.number + Self.clockDrift, header.time != parent.next {
      let ahead = grouped(header.time.number - clockLatest.number)
      report(
        .bounds, machine, header.view,
        "finalizes a block whose time is \(ahead) ms above every clock that \(quorum) replicas "
          + "can have had")
    }
  }

  /// What a block holds is bounded, whoever proposed it.
  func judgeSize(_ block: Block, _ machine: Int) {
    var steps: UInt64 = 0
    for call in block.calls where call.call.method.takesSteps {
      let (sum, over) = steps.addingReportingOverflow(call.call.stepLimit)
      steps = over ? .max : sum
    }
    let bytes = block.calls.reduce(UInt64(0)) { $0 + UInt64($1.body.count) }
    for (what, number, most) in [
      ("calls", UInt64(block.calls.count), UInt64(OracleLimits.blockCallsMax)),
      ("bytes of bodies", bytes, OracleLimits.blockBytesMax),
      ("declared steps", steps, OracleLimits.blockStepsMax),
    ] where number > most {
      report(
        .bounds, machine, block.header.view,
        "executes height \(block.header.height) of \(number) \(what), at most \(most) may be")
    }
  }

  /// A block is executed when its finalization is on the disk, not before.
  func judgeOrder(_ outcome: BlockOutcome, _ machine: Int) {
    guard machines[machine].correct, outcome.height > machines[machine].finalizedDurable else {
      return
    }
    report(
      .durability, machine, nil,
      "executes height \(outcome.height) before its finalization is on its disk")
  }
}

extension Method {
  /// Calls that run no SQL take nothing of a block's steps, whatever they declare.
  fileprivate var takesSteps: Bool {
    switch self {
    case .ingest, .procedure, .deploy, .release: true
    case .topUp, .transfer, .grant, .revoke, .prices, .engines: false
    }
  }
}
