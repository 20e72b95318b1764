import Wire

/// What one replica cast, for ever, and what of it is durable now.
///
/// - Bound: what lies less than `OracleLimits.retained` views below its last finalized one.
struct BallotBook {
  struct Cast {
    var notarized: Digest?
    var nullified = false
    var finalized: Digest?
  }

  private var cast = Recent<View, Cast>()
  private var durable = Recent<View, Cast>()
  /// The highest view whose finalization this replica had journalled, as its disk knows it now.
  private(set) var finalizedThrough: View = 0
  /// What was cast up to this view was forgotten; the replica had seen it finalized.
  private(set) var forgottenThrough: View = 0
  /// The highest view that this replica ever saw finalized, as far as it matters.
  var seenThrough: View { max(finalizedThrough, forgottenThrough) }
  private var blocks: Set<Digest> = []
  private var blockViews: [(view: View, block: Digest)] = []
  private var stateSigned = Recent<Height, Digest>()
  private var stateDurable = Recent<Height, Bool>()

  /// Ballots, blocks and states that are kept.
  var count: Int {
    cast.count + durable.count + blockViews.count + stateSigned.count + stateDurable.count
  }

  func of(_ view: View) -> Cast { cast[view] ?? Cast() }

  mutating func write(_ ballot: Ballot, durable isDurable: Bool) {
    cast.update(ballot.view, from: Cast()) { Self.write(ballot, into: &$0) }
    if isDurable { durable.update(ballot.view, from: Cast()) { Self.write(ballot, into: &$0) } }
  }

  private static func write(_ ballot: Ballot, into cast: inout Cast) {
    switch ballot.kind {
    case .notarize: cast.notarized = ballot.block
    case .nullify: cast.nullified = true
    case .finalize: cast.finalized = ballot.block
    }
  }

  mutating func hold(_ block: Digest, of view: View) {
    if blocks.insert(block).inserted { blockViews.append((view, block)) }
  }

  func holds(_ block: Digest) -> Bool { blocks.contains(block) }

  mutating func note(_ certificate: Certificate) {
    guard certificate.kind == .finalize, certificate.view > finalizedThrough else { return }
    finalizedThrough = certificate.view
  }

  func holds(_ ballot: Ballot) -> Bool { Self.contains(cast[ballot.view], ballot) }
  func holdsDurably(_ ballot: Ballot) -> Bool { Self.contains(durable[ballot.view], ballot) }

  private static func contains(_ cast: Cast?, _ ballot: Ballot) -> Bool {
    guard let cast else { return false }
    switch ballot.kind {
    case .notarize: return cast.notarized == ballot.block
    case .nullify: return cast.nullified
    case .finalize: return cast.finalized == ballot.block
    }
  }

  /// - Returns: the state root that this replica signed at the height before, if another one.
  mutating func sign(_ root: Digest, at height: Height) -> Digest? {
    let before = stateSigned[height]
    stateSigned.set(height, root)
    stateDurable.set(height, true)
    return before == root ? nil : before
  }

  /// The state root that this replica signed at the height, durably or not.
  func signed(at height: Height) -> Digest? { stateSigned[height] }
  func signedDurably(_ height: Height) -> Bool { stateDurable[height] != nil }

  /// The disk is gone.
  mutating func forgetDurable() {
    durable.forgetAll()
    stateDurable.forgetAll()
    blocks = []
    blockViews = []
    finalizedThrough = 0
  }

  /// Forgets what is so far below the finalized that this replica never votes there again.
  mutating func forget() {
    let retained = finalizedThrough.above(View(OracleLimits.retained))
    guard retained > forgottenThrough.number + OracleLimits.forgetEvery else { return }
    forgottenThrough = View(retained)
    cast.forget(below: forgottenThrough)
    durable.forget(below: forgottenThrough)
    for entry in blockViews where entry.view < forgottenThrough { blocks.remove(entry.block) }
    blockViews.removeAll { $0.view < forgottenThrough }
  }

  mutating func forgetStates(below height: Height) {
    stateSigned.forget(below: height)
    stateDurable.forget(below: height)
  }
}

extension Oracle {
  /// A vote was made: judged once, against everything that its signer ever cast.
  /// - Returns: true when it is a new one.
  @discardableResult
  func cast(_ vote: Vote, _ machine: Int, durable: Bool) -> Bool {
    let ballot = vote.ballot
    if vote.signer != machines[machine].id {
      report(.oneNotarization, machine, ballot.view, "keeps as its own a vote of \(vote.signer)")
    }
    let isNew = !machines[machine].ballots.holds(ballot)
    if isNew { judge(ballot, machine) }
    machines[machine].ballots.write(ballot, durable: durable)
    return isNew
  }

  private func judge(_ ballot: Ballot, _ machine: Int) {
    guard !excused.contains(machine) else { return }
    let view = ballot.view
    let before = machines[machine].ballots.of(view)
    if view <= machines[machine].ballots.seenThrough {
      reportOwn(machine, view, "votes in view \(view), which it saw finalized")
    }
    switch ballot.kind {
    case .notarize:
      if before.notarized != nil {
        reportOwn(machine, view, "notarizes two blocks in view \(view)")
      }
      if before.nullified {
        reportOwn(machine, view, "notarizes in view \(view) after nullifying it")
      }
    case .nullify:
      if before.finalized != nil {
        reportOwn(machine, view, "nullifies view \(view) after finalizing it")
      }
    case .finalize:
      if before.nullified {
        reportOwn(machine, view, "finalizes view \(view) after nullifying it")
      }
      if before.finalized != nil {
        reportOwn(machine, view, "finalizes two blocks in view \(view)")
      }
    }
  }

  /// What a correct replica said binds it whoever else is faulty.
  private func reportOwn(_ machine: Int, _ view: View, _ text: String) {
    report(.oneNotarization, machine, view, text, always: true)
  }

  /// What a vote rests on: known to someone by now, or the vote was wrong.
  func judgeGrounds(_ ballot: Ballot, _ machine: Int) {
    switch ballot.kind {
    case .notarize: judgeParent(ballot, machine)
    case .nullify: break
    case .finalize: judgeFinalize(ballot, machine)
    }
  }

  /// Every ancestor of a notarized block is notarized and every skipped view nullified.
  private func judgeParent(_ ballot: Ballot, _ machine: Int) {
    guard let parent = ballot.parentView, parent < ballot.view else {
      report(.agreement, machine, ballot.view, "votes for a block that is its own ancestor")
      return
    }
    guard parent >= views.floor else { return }
    if parent > 0, views.of(parent).notarized == nil, views.of(parent).finalized == nil {
      report(
        .agreement, machine, ballot.view,
        "notarizes in view \(ballot.view) on view \(parent), which nobody notarized")
    }
    var skipped = parent.next
    while skipped < ballot.view {
      if !views.of(skipped).nullified {
        report(
          .agreement, machine, ballot.view,
          "notarizes in view \(ballot.view) past view \(skipped), which nobody nullified")
        return
      }
      skipped = skipped.next
    }
  }

  private func judgeFinalize(_ ballot: Ballot, _ machine: Int) {
    guard let block = ballot.block, ballot.view >= views.floor else { return }
    if views.of(ballot.view).notarized != block {
      report(
        .oneNotarization, machine, ballot.view,
        "finalizes in view \(ballot.view) what no quorum notarized")
    }
    if !machines[machine].ballots.holds(block) {
      report(
        .durability, machine, ballot.view,
        "finalizes a block of view \(ballot.view) that is not on its disk")
    }
  }

  /// A vote leaves a machine.
  func voiced(_ vote: Vote, _ machine: Int) {
    guard vote.signer == machines[machine].id else { return }
    if !machines[machine].ballots.holdsDurably(vote.ballot),
      vote.ballot.view > machines[machine].ballots.forgottenThrough
    {
      let word = When.verb(vote.ballot.kind)
      report(
        .durability, machine, vote.ballot.view,
        "\(word) view \(vote.ballot.view) aloud before it is on its disk")
      cast(vote, machine, durable: false)
    }
  }
}
