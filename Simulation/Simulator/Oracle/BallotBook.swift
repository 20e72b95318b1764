import Wire

/// What one replica cast, for ever, and what of it is durable now.
struct BallotBook {
  struct Cast {
    var notarized: Digest?
    var nullified = false
    var finalized: Digest?
  }

  private(set) var cast: [View: Cast] = [:]
  private var durable: [View: Cast] = [:]
  /// The highest view whose finalization this replica had journalled.
  private(set) var finalizedThrough: View = 0
  var blocks: Set<Digest> = []
  var stateSigned: [Height: Digest] = [:]
  var stateDurable: Set<Height> = []

  mutating func write(_ ballot: Ballot, durable isDurable: Bool) {
    write(ballot, into: &cast[ballot.view, default: Cast()])
    if isDurable { write(ballot, into: &durable[ballot.view, default: Cast()]) }
  }

  private func write(_ ballot: Ballot, into cast: inout Cast) {
    switch ballot.kind {
    case .notarize: cast.notarized = ballot.block
    case .nullify: cast.nullified = true
    case .finalize: cast.finalized = ballot.block
    }
  }

  mutating func note(_ certificate: Certificate) {
    if certificate.kind == .finalize { finalizedThrough = max(finalizedThrough, certificate.view) }
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

  mutating func forgetDurable() {
    durable = [:]
    stateDurable = []
    blocks = []
    finalizedThrough = 0
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
    let view = ballot.view
    let before = machines[machine].ballots.cast[view] ?? BallotBook.Cast()
    if view <= machines[machine].ballots.finalizedThrough {
      report(.oneNotarization, machine, view, "votes in view \(view), which it saw finalized")
    }
    switch ballot.kind {
    case .notarize:
      if before.notarized != nil {
        report(.oneNotarization, machine, view, "notarizes two blocks in view \(view)")
      }
      if before.nullified {
        report(.oneNotarization, machine, view, "notarizes in view \(view) after nullifying it")
      }
    case .nullify:
      if before.finalized != nil {
        report(.oneNotarization, machine, view, "nullifies view \(view) after finalizing it")
      }
    case .finalize:
      if before.nullified {
        report(.oneNotarization, machine, view, "finalizes view \(view) after nullifying it")
      }
      if before.finalized != nil {
        report(.oneNotarization, machine, view, "finalizes two blocks in view \(view)")
      }
    }
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
    guard let block = ballot.block else { return }
    if views.of(ballot.view).notarized != block {
      report(
        .oneNotarization, machine, ballot.view,
        "finalizes in view \(ballot.view) what no quorum notarized")
    }
    if !machines[machine].ballots.blocks.contains(block) {
      report(
        .durability, machine, ballot.view,
        "finalizes a block of view \(ballot.view) that is not on its disk")
    }
  }

  /// A vote leaves a machine.
  func voiced(_ vote: Vote, _ machine: Int) {
    guard vote.signer == machines[machine].id else { return }
    let book = machines[machine].ballots
    if !book.holdsDurably(vote.ballot) {
      let word = When.verb(vote.ballot.kind)
      report(
        .durability, machine, vote.ballot.view,
        "\(word) view \(vote.ballot.view) aloud before it is on its disk")
      cast(vote, machine, durable: false)
    }
  }
}
