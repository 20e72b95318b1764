import Wire

extension Scenario.Byzantine {
  /// What a replica can be that does not keep the protocol.
  package enum Actor: String, Sendable, Hashable, CaseIterable {
    case twin, equivocate, withhold, flood, amnesia, outdated, impersonate, mutate, censor, collude
    case amplify, stuff
    case floodProposals = "flood-proposals"
    case voteAhead = "vote-ahead"
    case nullifyAndFinalize = "nullify-and-finalize"
    case wrongState = "wrong-state"
    case wrongEpoch = "wrong-epoch"
    case lieInSync = "lie-in-sync"
    case lieInQuery = "lie-in-query"
  }
}

extension Scenario.Byzantine.Actor {
  func make(
    _ sides: Sides, _ views: ClosedRange<UInt64>?, _ chance: RandomStream
  ) -> any Adversary {
    switch self {
    case .twin, .collude: Twin()
    case .equivocate: Equivocate(sides: sides, views: views)
    case .floodProposals: FloodProposals(sides: sides, views: views, chance: chance)
    case .withhold: Withhold(sides: sides, views: views)
    case .nullifyAndFinalize: NullifyAndFinalize(sides: sides, views: views)
    case .wrongState: WrongState(sides: sides, views: views)
    case .flood: Flood(sides: sides, views: views, chance: chance)
    case .voteAhead: VoteAhead(sides: sides, views: views, chance: chance)
    case .amplify: Amplify(sides: sides, views: views, chance: chance)
    case .stuff: Stuff(sides: sides, views: views, chance: chance)
    case .wrongEpoch: WrongEpoch(sides: sides, views: views)
    case .amnesia: Amnesia(views: views)
    case .outdated: Outdated(sides: sides, views: views)
    case .impersonate: Impersonate(sides: sides, views: views, chance: chance)
    case .mutate: Mutate(sides: sides, views: views, chance: chance)
    case .lieInSync: LieInSync(sides: sides, views: views, chance: chance)
    case .censor: Censor(views: views, chance: chance)
    case .lieInQuery: LieInQuery(views: views, chance: chance)
    }
  }

  package var meaning: String {
    switch self {
    case .twin: "two honest copies with one key, each heard by its own part of the others"
    case .collude: "twins that stand together: all first copies side with `to`, the others not"
    case .equivocate: "as a leader proposes one block to some and another one to the rest"
    case .floodProposals: "signs hundreds of different blocks of each view that it leads"
    case .withhold: "keeps its proposals, bodies and certificates from some"
    case .nullifyAndFinalize: "votes to nullify what it votes to finalize, and the other way"
    case .wrongState: "signs another state root than execution gives"
    case .wrongEpoch: "signs each vote for another epoch or another subnet too"
    case .flood: "sends votes of future views, endless requests, announcements of nothing, junk"
    case .voteAhead: "votes in views far ahead, in each but once, so that nothing convicts it"
    case .amplify: "asks for whole chains of blocks, many times at once"
    case .stuff: "sends calls that nobody pays for, each of which claims a whole block"
    case .amnesia: "starts anew again and again, without any vote that it cast"
    case .outdated: "says everything three views late, and says it again"
    case .impersonate: "speaks in the names of others, under its own signature"
    case .mutate: "flips bits of what it sends"
    case .lieInSync: "answers those who catch up or recover with what is not so"
    case .censor: "keeps the calls of some clients out of every block that needs it"
    case .lieInQuery: "gives clients other rows and receipts than it has"
    }
  }

  /// Whether random runs draw it among all others: not what needs more than `f`, nor what takes up
  /// a whole run, which is drawn as an encounter.
  var isDrawn: Bool { self != .collude && self != .floodProposals }

  /// Whether it can be bound to some views: copies live as long as the run.
  var takesViews: Bool {
    switch self {
    case .twin, .collude: false
    default: true
    }
  }

  /// Whether it can treat some of the others differently.
  var takesTargets: Bool {
    switch self {
    case .amnesia, .censor, .lieInQuery: false
    default: true
    }
  }
}
