import ArgumentParser
import Execution
import Foundation
import Pipelines
import Simulator
import Wire

extension PipelineCommand {
  struct TestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "test",
      abstract: "Run the package's tests/*.yaml: in memory, without a cluster.",
      discussion: """
        The engine is the one that replicas run, with their rules, so the cycles of each update
        are what it would cost on 13 replicas at the first price table. After each step every
        model must be what its SELECT gives as a whole (incremental equals full), every table and
        view must give the same rows where all keys descend, and the tables must hold what was
        hashed. One test more than the package has runs its SELECTs on made-up rows full of ties,
        with numbers and with texts in JSON; what stored models give there must fit their columns,
        and be the same at any block time. Exit status 1 when a test fails.

          quorate pipeline test my-pipeline
          quorate pipeline test my-pipeline --only late --junit report.xml
        """)
    @Argument(help: "The package's folder.") var directory: String
    @Option(help: ArgumentHelp("Only tests whose name holds this.", valueName: "text"))
    var only: String?
    @Option(help: ArgumentHelp("Write a JUnit report too.", valueName: "file")) var junit: String?
    @Flag(help: "For programs.") var json = false

    func run() async throws {
      if let junit { try OutputKind.junit.check(junit) }
      let (package, all) = try readReporting()
      func isWanted(_ name: String) -> Bool { only.map(name.contains) ?? true }
      let tests = all.filter { isWanted($0.name) }
      guard !all.isEmpty else {
        throw Failure(
          "\(directory) has no tests; write tests/first.yaml, see 'quorate pipeline new'.")
      }
      guard !tests.isEmpty || isWanted(Rehearsal.tiesName) else {
        throw Failure(
          "No test of \(directory) is called so; it has "
            + (all.map(\.name) + [Rehearsal.tiesName]).joined(separator: ", ") + ".")
      }
      var runs: [TestRun] = []
      for (index, test) in tests.enumerated() {
        runs.append(
          try run(index) { vfs in
            try Rehearsal.run(test, of: package, directory: "test", vfs: vfs)
          })
      }
      if isWanted(Rehearsal.tiesName) {
        runs.append(
          try run(tests.count) { vfs in
            try Rehearsal.runTies(of: package, directory: "ties", vfs: vfs)
          })
      }
      try write(TestRun.junit(runs, of: package.package.name))
      let failed = runs.count { !$0.result.failures.isEmpty }
      if json {
        Terminal.say(try Terminal.json(runs.map(TestReport.init)))
      } else {
        Terminal.say(
          "\(counted(runs.count, "test")), \(grouped(failed)) failed"
            + (failed == 0 ? "" : "; '-' is what was expected, '+' what was found"))
      }
      if failed > 0 { throw ExitCode(1) }
    }

    /// Runs a test on a disk of its own, and tells what it came to.
    private func run(
      _ number: Int, _ rehearsal: (_ vfs: String) throws -> RehearsalResult
    ) throws -> TestRun {
      let started = ContinuousClock.now
      let disk = SimulatedDisk(seed: UInt64(number))
      let result = try rehearsal(disk.name)
      let run = TestRun(result: result, duration: ContinuousClock.now - started)
      withExtendedLifetime(disk) {}
      if !json { Terminal.say(run.text) }
      return run
    }

    /// A package that cannot be read is an error in the report too.
    private func readReporting() throws -> (checked: CheckedPackage, tests: [UnitTest]) {
      do { return try PackageFolder.readWithTests(directory) } catch {
        try write(TestRun.junit(refused: "\(error)", of: directory))
        throw error
      }
    }

    private func write(_ report: String) throws {
      if let junit { try OutputKind.junit.write(Array(report.utf8), to: junit) }
    }
  }
}

/// One test as it ran.
struct TestRun {
  let result: RehearsalResult
  let duration: Duration

  var seconds: Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
  }

  var text: String {
    let verdict = result.failures.isEmpty ? "ok    " : "FAILED"
    var lines = ["\(verdict) \(result.test.name)"]
    for line in result.steps.map(Self.text) + notes { lines.append("         " + line) }
    for failure in result.failures {
      lines.append("  \(Self.place(failure)):")
      lines += failure.message.split(separator: "\n", omittingEmptySubsequences: false)
        .map { "    \($0)" }
    }
    return lines.joined(separator: "\n")
  }

  /// What made-up rows showed, and what they could not.
  var notes: [String] {
    guard let ties = result.ties else { return [] }
    return ["\(counted(ties.selects, "SELECT")), \(grouped(ties.withRows)) with rows"]
      + ties.tooLong.map { "not compared, since it takes too many steps: \($0)" }
      + ties.failing.map { "not compared, since it fails in whatever order: \($0)" }
  }

  private static func place(_ failure: RehearsalResult.Failure) -> String {
    "\(failure.place.file):\(failure.place.line):\(failure.place.column)"
  }

  private static func text(_ step: RehearsalResult.Step) -> String {
    let receipt = step.receipt
    var parts = ["\(step.number) \(step.label):"]
    if receipt.replayOf != nil { parts.append("replayed,") }
    if case .refused(let refusal) = receipt.status { parts.append("refused \(refusal.code),") }
    let tally = receipt.tally
    let rows = [
      (tally.accepted, "accepted"), (tally.quarantined, "quarantined"),
      (tally.dropped, "dropped"), (tally.duplicates, "duplicates"), (tally.late, "late"),
    ].filter { $0.0 > 0 }.map { "\(grouped($0.0)) \($0.1)," }
    parts += rows
    parts.append("\(cyclesText(receipt.charged.number)) cycles")
    return parts.joined(separator: " ")
  }

  // MARK: JUnit

  /// The XML that build servers read.
  static func junit(_ runs: [TestRun], of package: String) -> String {
    let failed = runs.count { !$0.result.failures.isEmpty }
    let total = fixed(runs.reduce(0) { $0 + $1.seconds }, 3)
    let head = "tests=\"\(runs.count)\" failures=\"\(failed)\" errors=\"0\" time=\"\(total)\""
    var lines = [
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites \(head)>",
      "  <testsuite name=\"\(escaped(package))\" \(head)>",
    ]
    for run in runs { lines += run.junitCase(package) }
    return (lines + ["  </testsuite>", "</testsuites>", ""]).joined(separator: "\n")
  }

  /// - Parameter words: why no test could run.
  static func junit(refused words: String, of package: String) -> String {
    let head = "tests=\"1\" failures=\"0\" errors=\"1\" time=\"0\""
    let name = escaped(package)
    let first = escaped(String(words.prefix { $0 != "\n" }))
    return """
      <?xml version="1.0" encoding="UTF-8"?>
      <testsuites \(head)>
        <testsuite name="\(name)" \(head)>
          <testcase classname="\(name)" name="the package is sound" time="0">
            <error message="\(first)">\(escaped(words))</error>
          </testcase>
        </testsuite>
      </testsuites>

      """
  }

  private func junitCase(_ package: String) -> [String] {
    let test = result.test
    let head =
      "    <testcase classname=\"\(Self.escaped(package))\" name=\"\(Self.escaped(test.name))\" "
      + "file=\"\(Self.escaped(test.place.file))\" line=\"\(test.place.line)\" "
      + "time=\"\(fixed(seconds, 3))\""
    guard !result.failures.isEmpty || !notes.isEmpty else { return [head + "/>"] }
    let failures = result.failures.map { failure in
      let first = failure.message.prefix { $0 != "\n" }
      return "      <failure message=\"\(Self.escaped(String(first)))\">"
        + Self.escaped("\(Self.place(failure))\n\(failure.message)") + "</failure>"
    }
    let said = notes.isEmpty ? "" : Self.escaped(notes.joined(separator: "\n"))
    let output = said.isEmpty ? [] : ["      <system-out>\(said)</system-out>"]
    return [head + ">"] + failures + output + ["    </testcase>"]
  }

  private static func escaped(_ text: String) -> String {
    var out = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      case "\n", "\t": out.unicodeScalars.append(character)
      // XML 1.0 has no way to write other control characters.
      case _ where character.value < 0x20: out += "\u{FFFD}"
      default: out.unicodeScalars.append(character)
      }
    }
    return out
  }
}

/// One test for programs.
private struct TestReport: Encodable {
  let name: String
  let passed: Bool
  let failures: [String]
  /// What was not compared, and how much was.
  let notes: [String]
  let steps: [Step]

  struct Step: Encodable {
    let step: Int
    let label: String
    let status: String
    let cycles: UInt64
    let vdbeSteps: UInt64
  }

  init(_ run: TestRun) {
    name = run.result.test.name
    passed = run.result.failures.isEmpty
    failures = run.result.failures.map {
      "\($0.place.file):\($0.place.line):\($0.place.column): \($0.message)"
    }
    notes = run.notes
    steps = run.result.steps.map { step in
      var status = "applied"
      if case .refused(let refusal) = step.receipt.status { status = refusal.code }
      return Step(
        step: step.number, label: step.label, status: status,
        cycles: step.receipt.charged.number, vdbeSteps: step.receipt.usage.steps)
    }
  }
}
