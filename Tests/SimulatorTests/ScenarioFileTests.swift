import Testing
import Wire

@testable import Simulator

@Suite struct `A scenario file` {
  private let story = """
    quorate: 1
    title: A replica that nullified a view never finalizes it
    story: >
      r4 is cut off and nullifies view 8.
    see: https://github.com/ava-labs/Simplex/issues/280
    cluster:
      replicas: 13
      latency: 20ms ± 5ms
      leader-timeout: 1s
      seed: 0x5eed
    load: { clients: 3, pipeline: bank-transfers, rate: 40/s }
    byzantine:
      - { equivocate: r3, views: 3..9, to: [r0..r2] }
    faults:
      - { at: view 7 finalized, isolate: r4, until: r4 nullifies 8 }
      - { at: view 8 proposed, hold: { kind: finalize, view: 8, from: [r5..r12] }, for: 3s }
      - { at: r4 nullifies 8, crash: r4, for: 500ms, disk: torn-tail }
      - { at: 20s, calm: all }
    expect:
      never: r4 finalizes 8
      reaches: [voter.finalize.refused-after-nullify]
      liveness: 5s
    """

  @Test func `is read as it is written`() throws {
    let scenario = try ScenarioFile.parse(story, path: "a.yaml")
    #expect(scenario.cluster.replicas == 13)
    #expect(scenario.cluster.latency == .milliseconds(20))
    #expect(scenario.cluster.jitter == .milliseconds(5))
    #expect(scenario.cluster.seed == 0x5eed)
    #expect(scenario.load?.rate == 40)
    #expect(scenario.byzantine.first?.views == 3...9)
    #expect(scenario.faults.count == 4)
    #expect(scenario.faults[0].at == .view(7, .finalized))
    #expect(scenario.faults[0].lasting == .until(.act(4, .nullify, 8)))
    guard case .hold(let filter) = scenario.faults[1].verb else {
      Issue.record("not a hold")
      return
    }
    #expect(filter.kind == .finalize && filter.view == 8)
    #expect(filter.from == .replicas((5...12).map { ReplicaID($0) }))
    #expect(scenario.faults[2].verb == .crash(.replicas([4]), .tornTail, effects: 0))
    #expect(scenario.expect.never == [.act(4, .finalize, 8)])
    #expect(scenario.expect.liveness == .seconds(5))
  }

  @Test func `is written as it is read`() throws {
    let scenario = try ScenarioFile.parse(story, path: "a.yaml")
    let again = try ScenarioFile.parse(scenario.text, path: "b.yaml")
    #expect(again == scenario)
  }

  @Test(arguments: [("12.5%", 125_000), ("0.1%", 1_000), ("0.0001%", 1), ("100%", 1_000_000)])
  func `keeps the share of the messages that a fault befalls`(text: String, ppm: UInt64) throws {
    for verb in ["drop", "duplicate", "hold", "replay"] {
      let fault = "\(verb): { kind: finalize, rate: \(text) }"
      let entry = "hold: { kind: finalize, view: 8, from: [r5..r12] }"
      let scenario = try ScenarioFile.parse(
        story.replacing(entry, with: fault), path: "a.yaml")
      var filter = Fault.Filter()
      filter.kind = .finalize
      filter.ratePPM = ppm
      let verbs: [Fault.Verb] = [
        .drop(filter), .duplicate(filter), .hold(filter), .replay(filter),
      ]
      #expect(verbs.contains(scenario.faults[1].verb))
      #expect(scenario.text.contains("rate: \(text)") == (ppm < 1_000_000))
      #expect(try ScenarioFile.parse(scenario.text, path: "b.yaml") == scenario)
    }
  }

  @Test func `says whether its clients move cycles`() throws {
    #expect(try ScenarioFile.parse(story, path: "a.yaml").load?.ledger == false)
    let moving = story.replacing("rate: 40/s", with: "rate: 40/s, ledger: true")
    let scenario = try ScenarioFile.parse(moving, path: "a.yaml")
    #expect(scenario.load?.ledger == true)
    #expect(try ScenarioFile.parse(scenario.text, path: "b.yaml") == scenario)
  }

  @Test(arguments: [
    ("replicas: 13", "replcas: 13", 7, "replicas"),
    ("isolate: r4", "isolte: r4", 15, "isolate"),
    ("at: view 8 proposed", "at: view 8 propsed", 16, "proposed"),
    ("kind: finalize", "kind: finalise", 16, "finalize"),
    ("disk: torn-tail", "disk: torn-tale", 17, "torn-tail"),
    ("equivocate: r3", "equivocat: r3", 13, "equivocate"),
    ("r4 nullifies 8, crash", "r4 nullify 8, crash", 17, "nullifies"),
    ("liveness: 5s", "livenes: 5s", 22, "liveness"),
    (
      "refused-after-nullify", "refused-after-nulify", 21, "voter.finalize.refused-after-nullify"
    ),
  ])
  func `tells a mistake with its line and what was meant`(
    right: String, wrong: String, line: Int, meant: String
  ) throws {
    _ = try ScenarioFile.parse(story, path: "a.yaml")
    let broken = story.replacing(right, with: wrong)
    #expect(broken != story)
    do {
      _ = try ScenarioFile.parse(broken, path: "a.yaml")
      Issue.record("accepted: \(wrong)")
    } catch {
      #expect(
        error.faults.contains { $0.line == line && $0.suggestion == meant }, "\(error)")
    }
  }

  @Test(arguments: [
    ("isolate: r4", "isolate: r44"), ("never: r4", "evidence: r13\n  never: r4"),
    ("for: 3s", "for: 3 s"), ("quorate: 1", "quorate: 2"),
    ("title: A", "title: [A"), ("40/s", "40"), ("seed: 0x5eed", "seed: pea"),
    ("until: r4 nullifies 8", "until: r4 nullifies 8, for: 3s"),
    ("replicas: 13", "replicas: 13\n  replicas: 7"),
    ("  - { equivocate: r3, views: 3..9, to: [r0..r2] }", "  - { twin: [r0..r4] }"),
  ])
  func `with a mistake gives no scenario`(right: String, wrong: String) {
    let broken = story.replacing(right, with: wrong)
    #expect(broken != story)
    #expect(throws: ScenarioFaults.self) { try ScenarioFile.parse(broken, path: "a.yaml") }
  }

  @Test func `may spend more than f only when it says so`() throws {
    let broken = story.replacing(
      "equivocate: r3, views: 3..9, to: [r0..r2]", with: "twin: [r0..r4]")
    #expect(throws: ScenarioFaults.self) { try ScenarioFile.parse(broken, path: "a.yaml") }
    let open = broken + "\nover-budget: true\n"
    #expect(try ScenarioFile.parse(open, path: "a.yaml").overBudget)
    var alone = Scenario(title: "Alone")
    alone.cluster.replicas = 1
    alone.faults = [Fault(at: .time(0), .wipe(.replicas([0])))]
    #expect(alone.flaws.first?.hasPrefix("1 replica is Byzantine or lost for good") == true)
  }
}
