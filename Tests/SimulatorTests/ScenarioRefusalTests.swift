import Testing
import Wire

@testable import Simulator

/// What a file asks for that cannot be, or that would be ignored: told with its place and with what
/// to write, never run.
@Suite struct `A scenario file is refused` {
  private func faults(_ text: String) -> [ScenarioFault] {
    do {
      _ = try ScenarioFile.parse(text, path: "a.yaml")
      return []
    } catch {
      return error.faults
    }
  }

  private func tells(_ text: String, line: Int, _ words: String) -> Bool {
    faults(text).contains { $0.line == line && $0.column > 1 && $0.message.contains(words) }
  }

  @Test(arguments: [
    ("faults: [{ at: 2s, split: [[r0, r1], [r2, r3]], for: 3s }]", false),
    ("faults: [{ at: 2s, wipe: r1, for: 3s }]", false),
    ("faults: [{ at: 2s, wipe: [r1, r2], for: 3s }]", true),
    ("byzantine: [{ collude: [r0, r1] }]", true),
  ])
  func `where safety may break though no more than f are faulty`(faults: String, isFine: Bool) {
    let text = "quorate: 1\ntitle: A\ncluster: { replicas: 4 }\nover-budget: true\n\(faults)\n"
    #expect(self.faults(text).isEmpty == isFine, "\(self.faults(text))")
    if !isFine { #expect(tells(text, line: 4, "is for more than f = 1 faulty replicas")) }
  }

  // MARK: Numbers

  @Test(arguments: [
    ("replicas: 0", "takes 1 to 40"), ("replicas: 41", "takes 1 to 40"),
    ("replicas: -4", "write a whole number"),
    ("leader-timeout: 0ms", "write 1ms or more"),
    ("leader-timeout: 0.001ms", "write 1ms or more"),
    ("leader-timeout: 999us", "write 1ms or more"),
    ("latency: 20ms ± 30ms", "a jitter of 20ms at most"),
    ("latency: 4294967295h ± 4294967295h", "write 1000h at most"),
    ("duration: 1000.001h", "write 1000h at most"),
    ("sync: 18446744073709551615us", "write 1000h at most"),
    ("sql: 18446744073709551616us", "is no span"), ("sql: -1s", "is no span"),
    ("sql: nans", "is no span"), ("seed: 0x10000000000000000", "is no seed"),
    ("seed: -1", "is no seed"), ("loss: 100.5%", "is over 100%"), ("loss: inf%", "is no share"),
  ])
  func `for a number of its cluster`(entry: String, says: String) {
    let replicas = entry.hasPrefix("replicas") ? "" : "replicas: 4\n  "
    let text = "quorate: 1\ntitle: A\ncluster:\n  \(replicas)\(entry)\n"
    #expect(tells(text, line: replicas.isEmpty ? 4 : 5, says), "\(faults(text))")
  }

  @Test(arguments: [
    ("clients: 18446744073709551615", "1 to 7"), ("clients: 9223372036854775807", "1 to 7"),
    ("clients: 8", "1 to 7"), ("clients: 0", "1 to 7"), ("rate: 0/s", "1/s to 10000/s"),
    ("rate: 10001/s", "1/s to 10000/s"),
  ])
  func `for a number of its load`(entry: String, says: String) {
    let text = "quorate: 1\ntitle: A\ncluster: { replicas: 4 }\nload: { \(entry) }\n"
    #expect(tells(text, line: 4, says), "\(faults(text))")
  }

  @Test(arguments: [
    ("view 0 finalized", "write 1 or more"), ("r1 nullifies 0", "write 1 or more"),
    ("height 0", "write height 1 or more"), ("r40 nullifies 8", "is beyond r39"),
    ("view 18446744073709551616 finalized", "write a whole number"),
    ("1001h", "write 1000h at most"),
  ])
  func `for a moment that never comes`(moment: String, says: String) {
    let at = story("at: \(moment), pause: r1")
    #expect(tells(at, line: 5, says), "\(faults(at))")
    let until = story("at: 1s, pause: r1, until: \(moment)")
    #expect(tells(until, line: 5, says), "\(faults(until))")
  }

  @Test(arguments: ["calm: all", "crash: r1, for: 1s"])
  func `for a fault that would begin at calm`(fault: String) {
    let text = story("at: calm, \(fault)")
    #expect(tells(text, line: 5, "no fault begins at calm"), "\(faults(text))")
    #expect(faults(story("at: 1s, pause: r1, until: calm")).isEmpty)
  }

  @Test(arguments: ["calm", "2s"])
  func `for forbidding what comes in every run`(moment: String) {
    let text = "quorate: 1\ntitle: A\ncluster: { replicas: 4 }\nexpect: { never: [\(moment)] }\n"
    #expect(tells(text, line: 4, "comes in every run"), "\(faults(text))")
  }

  @Test(arguments: [
    ("clock: { of: r1, drift: 9223372036854775807ppm }", "write -1000000ppm to 1000000ppm"),
    ("clock: { of: r1, drift: -1000001ppm }", "write -1000000ppm to 1000000ppm"),
    ("clock: { of: r1, drift: 9223372036854775808ppm }", "is no number of ppm"),
    ("clock: { of: r1, step: 9000000000000000000ms }", "write -3600000000ms to 3600000000ms"),
    ("clock: { of: r1, step: -9000000000000000000ms }", "write -3600000000ms to 3600000000ms"),
    ("cpu: { of: r1, takes: 2h }", "write 3600s at most"),
    ("slow: { from: r1, bandwidth: 0B/s }", "write cut instead"),
    ("drop: { rate: 0% }", "write more"), ("drop: { view: 0 }", "write 1 or more"),
    ("pause: leader of 0", "write 1 or more"), ("pause: [r0..r65535]", "is beyond r39"),
    ("crash: { of: r1, effects: -1 }", "write a whole number"),
  ])
  func `for a number of a fault`(fault: String, says: String) {
    let text = story("at: 1s, \(fault)")
    #expect(tells(text, line: 5, says), "\(faults(text))")
  }

  @Test func `for no number at its limits, and such a run ends`() throws {
    let text = """
      quorate: 1
      title: Far
      cluster: { replicas: 4, latency: 1000h ± 1000h, leader-timeout: 1000h, duration: 1s }
      load: { clients: 7, rate: 10/s }
      faults:
        - { at: 0s, duplicate: { rate: 100% } }
        - { at: 0s, slow: { latency: 1000h, bandwidth: 1B/s } }
        - { at: 0s, clock: { of: r0, drift: 1000000ppm } }
        - { at: 0s, clock: { of: r1, drift: -1000000ppm } }
        - { at: 0s, clock: { of: r2, step: 3600000000ms } }
        - { at: 0s, clock: { of: r3, step: -3600000000ms } }
        - { at: 0s, cpu: { of: r0, takes: 3600s }, for: 1000h }
        - { at: view 18446744073709551615 finalized, pause: r1, until: height 18446744073709551615 }
      """
    var scenario = try ScenarioFile.parse(text, path: "far.yaml")
    #expect(try ScenarioFile.parse(scenario.text, path: "again.yaml") == scenario)
    scenario.cluster.seed = .max
    #expect(Simulation.run(scenario).violations.first?.check == .liveness)
  }

  // MARK: What would be ignored

  @Test(arguments: [
    ("disk: { is: full }", "disk lacks 'of'"), ("crash: { effects: 3 }", "crash lacks 'of'"),
    ("cpu: { takes: 1s }", "cpu lacks 'of'"), ("sql: { takes: 1s }", "sql lacks 'of'"),
    ("clock: { step: 1ms }", "clock lacks 'of'"),
    ("clock: { of: r1, stuck: false }", "write stuck: true"),
    ("clock: { of: r1 }", "one of drift, step and stuck"),
    ("clock: { of: r1, drift: 1ppm, step: 1ms }", "one of drift, step and stuck"),
    ("isolate: r1, disk: keep", "take it away"), ("calm: r1", "write calm: all"),
    ("calm: all, for: 3s", "take 'for' and 'until' away"),
  ])
  func `for a key that says nothing`(fault: String, says: String) {
    let text = story("at: 1s, \(fault)")
    #expect(tells(text, line: 5, says), "\(faults(text))")
  }

  @Test(arguments: [
    ("isolate: rest", "name the replicas"), ("isolate: all", "name fewer"),
    ("isolate: [r0..r3]", "name fewer"), ("isolate: []", "names nobody"),
    ("cut: { from: r1, to: r1 }", "name another replica"), ("cut: { to: rest }", "no rest is left"),
    ("cut: { from: rest, to: rest }", "no rest is left"),
    ("split: [[r0..r3]]", "write two or more"), ("split: r1", "write two or more"),
    ("split: [[r0, r1], [r1..r3]]", "in one group only"),
    ("split: [[r0], [r1, r2]]", "r3 would still be heard"),
    ("split: [r0, rest]", "name the replicas"), ("split: [leader, [r0..r3]]", "one by one"),
  ])
  func `for links that there are none of`(fault: String, says: String) {
    let text = story("at: 1s, \(fault), for: 1s")
    #expect(tells(text, line: 5, says), "\(faults(text))")
  }

  @Test(arguments: [
    (["{ twin: r1, flood: r2 }"], "write twin and flood as two entries"),
    (["{ twin: r1 }", "{ flood: r1 }"], "r1 plays twin already"),
    (["{ mutate: [r1, r2] }", "{ wrong-state: [r2, r3] }"], "r2 plays mutate already"),
    (["{ twin: r1 }", "{ flood: leader }"], "r1 plays twin already"),
    (["{ twin: [r0..r3] }", "{ flood: one }"], "plays twin already"),
    (["{ twin: r1, to: rest }"], "name the replicas"), (["{ flood: [] }"], "names nobody"),
  ])
  func `for an actor that would not play`(entries: [String], says: String) {
    let text = cast(entries)
    #expect(tells(text, line: 4 + entries.count, says), "\(faults(text))")
  }

  @Test func `for no actors of a replica each`() {
    #expect(faults(cast(["{ twin: r1 }", "{ flood: [r0, r2] }", "{ mutate: r3 }"])).isEmpty)
  }

  @Test(arguments: [1, 2, 40])
  func `for no random run, whatever its size`(replicas: Int) throws {
    for seed in UInt64(0)..<100 {
      let scenario = Scenario.random(seed: seed, replicas: replicas, duration: .seconds(5))
      #expect(try ScenarioFile.parse(scenario.text, path: "seed \(seed)") == scenario)
    }
  }

  // MARK: What execution ignores

  @Test(arguments: [
    ("load: { ledger: true }", "moves no cycles"),
    ("load: { misuse: [duplicate, expired] }", "no expired call"),
    ("load: { misuse: far-future }", "no far-future call"),
    ("load: { misuse: [oversize] }", "no oversize call"),
    ("byzantine: [{ lie-in-query: r1 }]", "nobody reads"),
    ("faults: [{ at: 1s, disk: { of: r1, is: altered-rows } }]", "no rows to alter"),
  ])
  func `for what a chain of digests would ignore`(entry: String, says: String) {
    let load = entry.hasPrefix("load") ? "" : "load: { clients: 1 }\n"
    for (execution, isRefused) in [("digests", true), ("sql", false)] {
      let text =
        "quorate: 1\ntitle: A\ncluster: { replicas: 4, execution: \(execution) }\n\(entry)\n\(load)"
      #expect(tells(text, line: 4, says) == isRefused, "\(faults(text))")
      #expect(faults(text).isEmpty != isRefused)
    }
  }

  @Test func `for rows to alter that nobody writes`() {
    let text = story("at: 1s, disk: { of: r1, is: altered-rows }")
    #expect(tells(text, line: 5, "without 'load'"), "\(faults(text))")
    #expect(faults(text + "load: { clients: 1 }\n").isEmpty)
  }

  @Test func `for nothing of a story that has lost what a chain of digests would ignore`() {
    var scenario = Scenario(title: "A")
    scenario.cluster.execution = .digests
    var load = Scenario.Load()
    load.ledger = true
    load.misuse = Misuse.allCases
    scenario.load = load
    scenario.byzantine = [
      Scenario.Byzantine(.lieInQuery, .replicas([1])), Scenario.Byzantine(.flood, .replicas([1])),
    ]
    let (rows, full) = (Fault.DiskFault.alteredRows, Fault.DiskFault.full)
    scenario.faults = [rows, full].map { Fault(at: .time(0), .disk(.replicas([1]), $0)) }
    #expect(scenario.flaws.count == 6, "\(scenario.flaws)")
    scenario.dropIgnored()
    #expect(scenario.flaws.isEmpty)
    #expect(scenario.load?.misuse == [.duplicate, .elsewhere, .malformed, .foreign])
    #expect(scenario.byzantine.map(\.actor) == [.flood])
    #expect(scenario.faults.map(\.verb) == [.disk(.replicas([1]), .full)])
  }

  // MARK: Expectations

  @Test(arguments: [
    ("finality: 3.2", "write 3.2 δ"), ("finality: 3.δ", "write 3.2 δ"),
    ("finality: -1 δ", "write 3.2 δ"), ("finality: 3.125 δ", "write 3.2 δ"),
    ("finality: 0.0 δ", "final at once"), ("finality: 1000 δ", "less than 1000 δ"),
    ("planted-alone: 1", "true"),
  ])
  func `for an expectation that says nothing`(entry: String, says: String) {
    let text =
      "quorate: 1\ntitle: A\ncluster: { replicas: 4 }\nexpect: { planted: quorum-2f, \(entry) }\n"
    #expect(tells(text, line: 4, says), "\(faults(text))")
  }

  @Test func `for planted-alone without planted, and finality on links without latency`() {
    let text = "quorate: 1\ntitle: A\ncluster: { replicas: 4, latency: 0ms ± 0ms }\nexpect: "
    #expect(
      faults(text + "{ planted-alone: true }\n").contains { $0.message.contains("'planted'") })
    #expect(
      faults(text + "{ finality: 3.2 δ }\n").contains { $0.message.contains("none here") })
  }

  @Test(arguments: ["3.2 δ", "3 δ", "0.05 δ", "12.34 δ"])
  func `for no number of delays that is written as it is read`(delays: String) throws {
    let text =
      "quorate: 1\ntitle: A\ncluster: { replicas: 4 }\n"
      + "expect: { finality: \(delays), planted: quorum-2f, planted-alone: true }\n"
    let scenario = try ScenarioFile.parse(text, path: "a.yaml")
    #expect(scenario.text.contains("  finality: \(delays)\n  planted: quorum-2f\n  planted-alone"))
    #expect(try ScenarioFile.parse(scenario.text, path: "again.yaml") == scenario)
  }

  /// One fault, on line 5.
  private func story(_ fault: String) -> String {
    "quorate: 1\ntitle: A\ncluster: { replicas: 4 }\nfaults:\n  - { \(fault) }\n"
  }

  /// Actors from line 5 on.
  private func cast(_ entries: [String]) -> String {
    let list = entries.map { "  - \($0)\n" }.joined()
    return "quorate: 1\ntitle: A\ncluster: { replicas: 4 }\nbyzantine:\n\(list)over-budget: true\n"
  }
}
