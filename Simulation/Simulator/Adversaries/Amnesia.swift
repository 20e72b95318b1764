import Wire

/// Starts its process anew again and again, each time without the votes and state shares that it
/// cast, and so votes a second time where it voted before.
struct Amnesia: Adversary {
  let views: ClosedRange<UInt64>?
  var pace: Span? { .milliseconds(700) }

  func restarts(in view: View) -> Bool { views.covers(view) }

  func remembers(_ restored: Restored, in view: View) -> Restored {
    guard views.covers(view) else { return restored }
    var forgetful = restored
    forgetful.votes = []
    forgetful.stateShares = []
    forgetful.stateSignedHighest = 0
    forgetful.abstainThrough = 0
    forgetful.abstainStatesThrough = 0
    // It finds itself where it voted already, and hears anew what was decided there.
    forgetful.certificates.removeAll { $0.kind != .finalize }
    return forgetful
  }
}
