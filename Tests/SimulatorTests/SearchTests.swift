import Foundation
import Testing
import Wire

@testable import Simulator

@Suite struct `A plan of random runs` {
  @Test func `gives each number a seed of its own and the sizes by turns`() {
    var plan = FuzzPlan()
    plan.seedBase = 100
    let tasks = FuzzPlan.sizes.indices.map { plan.task($0) }
    for (number, task) in tasks.enumerated() {
      #expect(
        task.source
          == .random(seed: 100 + UInt64(number), replicas: FuzzPlan.sizes[number], blocks: 200))
      #expect(task.broken == nil)
    }
  }

  @Test func `breaks a rule in one run of a thousand, by turns`() {
    var plan = FuzzPlan()
    let broken = (0..<5_000).compactMap { plan.task($0).broken }
    let bugs = FuzzPlan.mutants.map(\.rawValue)
    #expect(broken == (0..<5).map { bugs[$0 % bugs.count] })
    // A quorum of one is no smaller than it should be.
    plan.replicas = 1
    #expect((0..<5_000).allSatisfy { plan.task($0).broken == nil })
  }

  @Test(arguments: FuzzPlan.mutants, [2, 4, 13])
  func `breaks no rule that a short run can hide`(bug: PlantedBug, replicas: Int) throws {
    let task = SearchTask(
      number: 0, source: .random(seed: 3, replicas: replicas, blocks: 1), broken: bug.rawValue)
    #expect(try !task.perform().passed)
  }

  @Test func `over the budget lets more than f replicas collude in every run`() throws {
    var plan = FuzzPlan()
    plan.overBudget = true
    for number in [0, 4, FuzzPlan.mutantEvery - 1] {
      let task = plan.task(number)
      let scenario = try task.scenario()
      #expect(task.broken == nil)
      #expect(scenario.overBudget)
      #expect(scenario.spentBudget > scenario.cluster.faultsMax)
    }
  }

  @Test func `breaks the rule that is asked for in every run`() {
    var plan = FuzzPlan()
    plan.broken = "quorum-2f"
    #expect((998..<1_002).allSatisfy { plan.task($0).broken == "quorum-2f" })
    #expect(!plan.isMutant(999))
  }
}

@Suite struct `A task of a search` {
  @Test(arguments: [
    SearchTask(number: 1, source: .random(seed: .max, replicas: 4, blocks: 2)),
    SearchTask(number: 1, source: .collusion(seed: 7, replicas: 13, blocks: 9)),
    SearchTask(number: 2, source: .file("a b.yaml"), broken: "quorum-2f", folder: "x"),
    SearchTask(number: 4, source: .file("c.yaml"), faultless: true),
    SearchTask(number: 3, source: .twins(TwinsPlan(replicas: 4).sample(7, rounds: 2, seed: 1))),
  ])
  func `means the same in another process`(task: SearchTask) throws {
    let line = try JSONEncoder().encode(task)
    #expect(try JSONDecoder().decode(SearchTask.self, from: line) == task)
  }

  @Test func `gives the same summary twice`() throws {
    let task = SearchTask(number: 0, source: .random(seed: 9, replicas: 4, blocks: 20))
    #expect(try task.perform() == task.perform())
  }

  @Test func `that fails writes a file which fails in the same way`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "quorate-search-\(ProcessInfo.processInfo.processIdentifier)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let task = SearchTask(
      number: 0, source: .random(seed: 1, replicas: 4, blocks: 20), broken: "quorum-2f",
      folder: folder.path)
    let run = try task.perform()
    let check = try #require(run.check)
    let file = try #require(run.file)
    let report = Simulation.run(try ScenarioFile.read(file).broken())
    #expect(report.violations.first?.check.rawValue == check)
    #expect(report.traceHash == run.trace)
  }
}

@Suite struct `A tally of runs` {
  private func runs() throws -> [RunSummary] {
    try (0..<4).map { number in
      try SearchTask(
        number: number, source: .random(seed: UInt64(number), replicas: 4, blocks: 10),
        broken: number == 2 ? "quorum-2f" : nil
      ).perform()
    }
  }

  @Test func `is the same in whatever order the runs end`() throws {
    let runs = try runs()
    var (forward, backward) = (FuzzTally(FuzzPlan()), FuzzTally(FuzzPlan()))
    for run in runs { forward.add(run) }
    for run in runs.reversed() { backward.add(run) }
    #expect(forward.all == backward.all && forward.faults == backward.faults)
    #expect(forward.findings == backward.findings && forward.findings.map(\.number) == [2])
    #expect(forward.all.runs == 4 && forward.exitCode == 1)
  }

  @Test func `fails when a run with a rule broken passes`() throws {
    let run = try SearchTask(
      number: 999, source: .random(seed: 1, replicas: 4, blocks: 1)
    ).perform()
    var tally = FuzzTally(FuzzPlan())
    tally.add(run)
    #expect(tally.mutantsMissed == [run] && tally.findings.isEmpty)
    #expect(tally.all.runs == 0 && tally.exitCode == 3)
  }

  @Test func `counts a run that ended its process as the worst`() {
    let task = SearchTask(number: 5, source: .random(seed: 5, replicas: 4, blocks: 1))
    var tally = FuzzTally(FuzzPlan())
    tally.add(RunSummary(crashed: task, try? task.scenario(), "was ended by signal 9"))
    #expect(tally.exitCode == 1 && tally.findings.first?.seed == 5)
  }
}

@Suite struct `The gallery` {
  private static let sound = """
    quorate: 1
    title: A short story
    cluster: { replicas: 4, seed: 1 }
    faults:
      - { at: 300ms, crash: r1, for: 100ms }
      - { at: 1s, calm: all }
    expect: { reaches: [pool.bodies-asked], planted: quorum-2f }
    load: { clients: 1, rate: 10/s }
    """

  private func row(_ text: String) throws -> Gallery.Row {
    let path = FileManager.default.temporaryDirectory.appending(
      path: "quorate-gallery-\(UUID().uuidString).yaml")
    defer { try? FileManager.default.removeItem(at: path) }
    try Data(text.utf8).write(to: path)
    var gallery = Gallery([(path.path, try ScenarioFile.read(path.path))])
    for task in gallery.tasks { gallery.add(try task.perform()) }
    return try #require(gallery.rows.first)
  }

  @Test func `tells of a fault that never began`() throws {
    let late = Self.sound.replacing("at: 300ms", with: "at: view 90000 notarized")
      .replacing("reaches: [pool.bodies-asked], ", with: "")
    let complaints = try row(late).complaints
    #expect(complaints.contains { $0.contains("never began") && $0.contains("90000") })
  }

  @Test func `tells of a broken rule that is not caught`() throws {
    let other = Self.sound.replacing("planted: quorum-2f", with: "planted: timer-uncapped")
    let complaints = try row(other).complaints
    #expect(complaints.contains { $0.contains("timer-uncapped") })
  }

  @Test func `tells of a file that cannot fail`() throws {
    let lines = Self.sound.split(separator: "\n").filter { !$0.hasPrefix("expect") }
    #expect(
      try row(lines.joined(separator: "\n")).complaints.contains { $0.contains("cannot fail") })
  }

  @Test(arguments: [("restart.resumed", false), ("proposer.pressed", true)])
  func `tells of a file whose marks come without its faults`(mark: String, comes: Bool) throws {
    let row = try row(
      """
      quorate: 1
      title: Execution is slow, and one replica crashes
      cluster: { replicas: 4, seed: 1, sql: 200ms }
      load: { clients: 2, rate: 20/s }
      faults:
        - { at: 300ms, crash: r1, for: 100ms }
        - { at: 4s, calm: all }
      expect: { reaches: [\(mark)], liveness: 90s }
      """)
    #expect(row.shipped.passed && row.isVacuous == comes, "\(row.complaints)")
    #expect(row.complaints.contains { $0.hasPrefix("VACUOUS") } == comes)
    #expect(row.failure == (comes ? 3 : nil))
  }

  @Test(arguments: [false, true])
  func `tells of a broken rule that shows without the faults, unless it is said`(
    isSaid: Bool
  ) throws {
    // Votes leave before their sync in the first view, long before the crash.
    let text = Self.sound.replacing(
      "reaches: [pool.bodies-asked], planted: quorum-2f",
      with: "planted: vote-before-sync" + (isSaid ? ", planted-alone: true" : ""))
    let row = try row(text)
    #expect(row.shipped.passed && row.isCaught && row.isCaughtAlone)
    #expect(row.complaints.contains { $0.hasPrefix("CAUGHT ALONE") } == !isSaid)
    #expect(row.failure == (isSaid ? nil : 3))
  }

  @Test func `tells of a file that says its rule shows alone, and it does not`() throws {
    let row = try row(
      """
      quorate: 1
      title: A timer without bounds, for a second
      cluster: { replicas: 4, seed: 1 }
      load: { clients: 1, rate: 10/s }
      faults:
        - { at: 300ms, crash: r1, for: 100ms }
        - { at: 1s, calm: all }
      expect: { planted: timer-uncapped, planted-alone: true, liveness: 10s }
      """)
    #expect(!row.isCaughtAlone)
    #expect(row.complaints.contains { $0.hasPrefix("says planted-alone") })
  }

  @Test func `has a hole for each planted bug that no file catches`() {
    #expect(Gallery([]).holes == Catalog.plantedBugs)
    #expect(Gallery([]).exitCode == 3)
  }
}
