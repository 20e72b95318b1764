import Wire

extension World {
  /// The last checks, and the report.
  func conclude() -> RunReport {
    oracle.now = now
    if oracle.violations.isEmpty, !isOverBudget {
      for machine in machines { checkBounds(machine) }
    }
    if oracle.violations.isEmpty, !options.endsAtCalm {
      if !isOverBudget || scenario.expect.liveness != nil { checkLiveness() }
      if oracle.violations.isEmpty { checkSerially() }
    }
    let named = scenario.overBudget ? oracle.judgeEvidence() : oracle.accused.sorted()
    recordViolations()
    let broke = isOverBudget ? oracle.setAside { !$0.always } : []
    let known = oracle.violations.count
    if oracle.violations.isEmpty { checkExpectations(broke, named) }
    recording?.violated(oracle.violations[known...])
    if let violation = oracle.violations.first ?? RunReport.tolerated(broke) {
      for machine in machines where machine.id == violation.replica {
        picture.mark(machine.index, view(of: violation) ?? machine.view, .violation)
      }
    }
    statistics.simulated = now
    statistics.cycles = cycles?.tally
    closeAll()
    let report = RunReport(
      title: scenario.title, replicas: committee.size, seed: scenario.cluster.seed,
      planted: scenario.brokenRule?.rawValue, violations: oracle.violations, statistics: statistics,
      traceHash: trace.finish().hex, picture: picture.text,
      reached: reached.map(\.rawValue).sorted(),
      accused: named, guilty: oracle.guilty.sorted(), broke: broke, fired: fired,
      figures: figuresAtEnd, happenings: happenings.entries)
    recording?.conclude(showing: report.shown, isTolerated: report.passed)
    return report
  }

  /// That it names, or that of the height it names.
  private func view(of violation: Violation) -> View? {
    violation.view
      ?? numbers(after: "height", in: violation.text).lazy
      .compactMap { self.oracle.chain.view(at: Height($0)) }.first
  }

  /// Connections close before the disk that they are open on goes away.
  private func closeAll() {
    for machine in machines {
      machine.disk.crash(.nothing)
      machine.clearProcess()
    }
  }

  private func checkLiveness() {
    guard faultEngine.calmSince != nil else {
      oracle.report(.liveness, nil, nil, "nothing was planned any more before calm")
      return
    }
    let late = laggards
    guard !late.isEmpty else { return }
    let more = late.count > 6 ? "; and \(grouped(late.count - 6)) more" : ""
    oracle.report(
      .liveness, nil, nil,
      "\(faultEngine.livenessBound.text) after calm: \(late.prefix(6).joined(separator: "; "))"
        + more)
  }

  /// What a machine and its replica hold now, against its limits; of a Byzantine one only what
  /// others have for it.
  func checkBounds(_ machine: Machine) {
    guard machine.correct, let replica = machine.replica else {
      oracle.bounds(underWay: machine.bytesUnderWayMost, to: machine.index)
      return
    }
    let logs = machine.disk.files.filter { $0.path.hasSuffix("-wal") }
    let stores = Oracle.Stores(
      underWay: machine.bytesUnderWayMost, log: logs.map(\.size).max() ?? 0,
      executing: machine.executeQueue.count)
    oracle.bounds(
      replica.load, stores, floor: replica.finalizedView,
      highest: machines.map(\.view).max() ?? 0, on: machine.index)
  }

  private func checkExpectations(_ broke: [Violation], _ named: [ReplicaID]) {
    let wanted = isOverBudget ? scenario.expect.breaks : []
    if !wanted.isEmpty, !broke.contains(where: { wanted.contains($0.check) }) {
      let names = wanted.map(\.rawValue).joined(separator: ", ")
      oracle.report(.vacuity, nil, nil, "nothing of what the story breaks did: \(names)")
    }
    for mark in scenario.expect.reaches where !reached.contains(mark) {
      oracle.report(.vacuity, nil, nil, "never reached \(mark.rawValue)")
    }
    if scenario.expect.tells { checkRules() }
    if let span = scenario.expect.replies { checkReplies(within: span) }
    if let delays = scenario.expect.finality { checkFinality(within: delays) }
    if let most = scenario.expect.verifications { checkVerifications(most) }
    if let who = scenario.expect.evidence {
      let expected = machines.indices.filter { resolve(who, nil, 0)[$0] }.map { machines[$0].id }
      for id in expected where !named.contains(id) {
        oracle.report(.vacuity, nil, nil, "no evidence against \(id)")
      }
    }
  }

  /// Calls that are as they should be, sent to correct replicas.
  private func checkReplies(within span: Span) {
    let waiting = clients.flatMap(\.pending).filter { pending in
      pending.oddity == .none && !pending.replied && machines[pending.target].correct
        && now - pending.firstSentAt > span.number
    }
    if let longest = figures.replies.percentile(100), longest > span.number {
      oracle.report(
        .liveness, nil, nil,
        "a call waited \(longest / 1_000) ms for its reply, at most \(span.text) were expected")
    } else if !waiting.isEmpty {
      oracle.report(
        .liveness, nil, nil,
        "\(counted(waiting.count, "call")) waited for a reply for over \(span.text)")
    }
  }

  /// At the median of the blocks, in hundredths of the links' latency.
  private func checkFinality(within most: UInt64) {
    let delay = scenario.cluster.latency.number
    guard let half = figures.finality.percentile(50), half * 100 <= most * delay else {
      let taken = figures.finality.percentile(50).map { delaysText($0 * 100 / max(1, delay)) }
      oracle.report(
        .liveness, nil, nil,
        "half of the blocks took \(taken ?? "for ever") or longer to be final, at most "
          + "\(delaysText(most)) were expected")
      return
    }
  }

  /// Signatures cost more than all else: what others send may not make a replica check many.
  private func checkVerifications(_ most: UInt64) {
    for machine in machines where machine.correct {
      let (checked, views) = (machine.verifications?.number ?? 0, max(1, machine.view.number))
      guard checked / views >= most else { continue }
      oracle.report(
        .bounds, machine.index, nil,
        "checked \(checked) signatures in \(counted(views, "view")), where fewer than \(most) "
          + "a view were expected")
    }
  }

  /// Each fault begins, except after agreement broke; one about messages meets some, and a crash
  /// within a turn finds one.
  private func checkRules() {
    for (index, fault) in scenario.faults.enumerated() where fault.verb != .calm {
      if fired[index] == nil {
        if !isOverBudget { vacuous(index, "never began") }
      } else if !network.met.contains(index) {
        if fault.verb.isOfMessages { vacuous(index, "met no message") }
        if case .crash(_, _, let effects) = fault.verb, effects > 0 {
          vacuous(index, "came within no turn")
        }
      }
    }
  }

  private func vacuous(_ fault: Int, _ what: String) {
    oracle.report(.vacuity, nil, nil, "fault \(fault + 1) \(what): \(scenario.faults[fault].text)")
  }
}
