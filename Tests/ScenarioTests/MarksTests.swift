import Testing

@testable import Simulator

/// The list of marks against what the scenario files must reach; that they reach it is what the
/// gallery runs.
@Suite struct `The marks` {
  /// What no scenario reaches, and where it is reached instead.
  static let elsewhere = [
    "pool.full": "HostileTests fills a pool",
    "repair.block-refused": "HostileTests sends a range with a signature that does not hold",
    "voter.notarize.refused": "no story has a leader yet whose blocks can never be valid",
    "state.replay-differs": "a disk would have to lose rows without SQLite noticing",
    "voter.nullify.refused-after-finalize": "an alarm of a view that is left is void already",
  ]

  private func required() throws -> Set<String> {
    var required: Set<String> = []
    for file in `The scenario gallery`.files {
      let scenario = try ScenarioFile.read("\(`The scenario gallery`.folder)/\(file)")
      required.formUnion(scenario.expect.reaches.map(\.rawValue))
    }
    return required
  }

  @Test func `are each reached by a scenario that must reach it`() throws {
    let required = try required()
    let open = Catalog.marks.map(\.name)
      .filter { !required.contains($0) && Self.elsewhere[$0] == nil }
    #expect(open.isEmpty, "no scenario must reach \(open.joined(separator: ", "))")
  }

  @Test func `that are excused are marks, and no scenario reaches them`() throws {
    let required = try required()
    let names = Catalog.marks.map(\.name)
    for name in Self.elsewhere.keys.sorted() {
      #expect(names.contains(name) && !required.contains(name), "\(name)")
    }
  }

  @Test func `have a meaning each, of their own`() {
    let meanings = Catalog.marks.map(\.meaning)
    #expect(Set(meanings).count == meanings.count)
    #expect(meanings.allSatisfy { $0.count > 10 })
  }

  @Test func `and bugs are asked for by their names`() throws {
    for name in Catalog.plantedBugs {
      var scenario = Scenario(title: "any")
      try scenario.plant(name)
      #expect(scenario.brokenRule?.rawValue == name)
    }
  }
}
