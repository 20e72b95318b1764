import Wire

/// What meets in each encounter.
extension Encounters {
  /// No vote of a view is heard for a while; voters may die as they vote, and `f` be gone for good.
  mutating func drawUnheard() {
    let view = View(number())
    let span = timeouts(chance.within(4...8))
    let deaf = chance.pick(scenario.cluster.replicas / 2, of: everyone)
    add(view.eve, .drop(filter(.proposal, view, to: deaf)), span)
    add(view.eve, .drop(filter(.vote, view)), span)
    let gone = chance.happens(600_000) ? leave(view.eve) : []
    guard chance.happens(600_000) else { return }
    for id in everyone where !gone.contains(id) {
      add(.act(id, .nullify, view), crash([id]), milliseconds(50...400))
    }
  }

  /// One is cut off while others notarize views and finalize none; it returns when it is needed.
  mutating func drawLeftBehind() {
    let late = chance.pick(sound)
    let view = view(ledBy: late)
    let first = When.view(View(view.number - 3), .proposed)
    let gone = leave(.view(view, .nullified), sparing: [late])
    add(first, .isolate(.replicas([late])), .until(.view(view, .nullified)))
    add(first, .drop(filter(.finalize, from: gone)))
    add(first, .drop(filter(.finalize, to: gone)))
  }

  /// A leader dies as its view is notarized, and one that is needed never saw that block.
  mutating func drawGoneLeader() {
    let spent = everyone.filter { !sound.contains($0) }
    let isSound = spent.count < scenario.cluster.faultsMax
    let leader = isSound ? spend() : chance.pick(spent)
    let view = view(ledBy: leader)
    let late = chance.pick(sound)
    if isSound, chance.happens(700_000) {
      play(.equivocate, leader, in: view, to: everyone.filter { $0 != leader && $0 != late })
    } else {
      add(view.eve, .drop(filter(.proposal, view, to: [late])))
    }
    _ = leave(.view(view, .notarized), sparing: [late])
  }

  /// Votes of a view come as the voters give it up: it is notarized and nullified, and one that is
  /// needed knows the nullification only.
  mutating func drawLateQuorum() {
    let late = chance.pick(sound)
    var view = View(number())
    while leader(of: view) == late || leader(of: view.next) == late { view = view.next }
    let others = everyone.filter { $0 != late && $0 != leader(of: view.next) }
    let end = Fault.Lasting.until(.view(view.next, .notarized))
    add(view.eve, .drop(filter(.proposal, view, to: [late])), end)
    add(view.eve, .drop(filter(.notarize, view, to: [late])), end)
    add(view.eve, .drop(filter(.notarization, view)), end)
    add(view.eve, .drop(filter(.views)), end)
    for id in others {
      add(view.eve, .hold(filter(.notarize, view, to: [id])), .until(.act(id, .nullify, view)))
    }
    let gone = leave(.view(view.next, .notarized), sparing: [late])
    add(view.eve, .drop(filter(.finalize, view.next, from: gone)))
  }

  /// Nothing is finalized for some views, one leader's are nullified, and one replica that missed
  /// them is told only what led into the present view.
  mutating func drawGap() {
    let (pair, view, count) = (chance.pick(2, of: everyone), View(number()), chance.within(10...20))
    let isFirst = chance.happens(500_000)
    let (mute, late) = isFirst ? (pair[0], pair[1]) : (pair[1], pair[0])
    let (at, span) = (When.view(view, .proposed), timeouts(count))
    add(at, .hold(filter(.finalize)), span)
    add(at, .drop(filter(.proposal, from: [mute])), span)
    add(at, .isolate(.replicas([late])), timeouts(chance.within(count / 3...count / 2)))
    add(at, .drop(filter(.views, to: [late])), span)
  }

  /// A leader has two blocks for its view, and a voter dies as it votes for one.
  mutating func drawTwoFaces() {
    let leader = spend()
    let view = view(ledBy: leader)
    let voter = chance.pick(sound)
    play(.equivocate, leader, in: view, to: everyone.filter { $0 != leader })
    add(view.eve, .hold(filter(.notarize, view)), timeouts(chance.within(2...4)))
    add(.act(voter, .notarize, view), crash([voter]), milliseconds(50...200))
  }

  /// One nullifies a view, loses its disk, is back in that view, and may die there again.
  mutating func drawLostLog() {
    let victim = spend()
    let first = View(number())
    let view = leader(of: first) == victim ? first.next : first
    let witness = chance.pick(sound)
    mend([victim])
    add(
      view.eve, .drop(filter(.proposal, view, to: [victim])), .until(.act(victim, .nullify, view)))
    add(view.eve, .hold(filter(.vote, view)), timeouts(chance.within(4...8)))
    add(.act(victim, .nullify, view), .wipe(.replicas([victim])), milliseconds(20...100))
    guard chance.happens(750_000) else { return }
    add(.act(witness, .nullify, view), crash([victim]), milliseconds(20...100))
  }

  /// Two lose their disks at once.
  mutating func drawLostLogs() {
    let victims = [spend(), spend()].sorted()
    mend(victims)
    add(.view(View(number()), .notarized), .wipe(.replicas(victims)), milliseconds(50...600))
  }

  /// One has to catch up again and again, and is told what is not so.
  mutating func drawMisled() {
    play(.lieInSync, spend())
    let (late, first) = (chance.pick(sound), number() / 2)
    for height in stride(from: first, through: first + 30, by: 10) {
      add(
        .height(Height(height)), .isolate(.replicas([late])), .until(.height(Height(height + 7))))
    }
  }

  /// A replica comes to another state and is restarted in its quarantine.
  mutating func drawDiverged() {
    let (victim, first) = (spend(), number())
    if scenario.cluster.execution == .sql, chance.happens(500_000) {
      add(.height(Height(first)), .disk(.replicas([victim]), .alteredRows))
    } else {
      play(.wrongState, victim)
    }
    for height in [first + 10, first + 20] {
      add(.height(Height(height)), crash([victim]), milliseconds(50...400))
    }
  }

  /// One does not hear what is ordered, and nobody else remembers it but from the state.
  mutating func drawDeaf() {
    let (deaf, first) = (chance.pick(sound), number() / 2)
    let span = Fault.Lasting.span(.seconds(chance.within(6...12)))
    scenario.load?.clients = 3
    scenario.load?.rate = chance.within(20...40)
    add(.height(Height(first)), .drop(filter(.proposal, to: [deaf])), span)
    add(.height(Height(first)), .drop(filter(.blocks, to: [deaf])), span)
    let then = Height(first + chance.within(6...12))
    add(.height(then), crash(everyone.filter { $0 != deaf }), milliseconds(100...300))
  }

  /// Clients call often, also what they should not, and one replica passes all of it on.
  mutating func drawCrowd() {
    play(.lieInQuery, spend())
    scenario.load?.clients = 3
    scenario.load?.rate = chance.within(20...40)
    scenario.load?.misuse = Misuse.allCases
  }
}
