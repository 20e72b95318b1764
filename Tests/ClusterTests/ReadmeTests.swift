import Foundation
import GatewayFixture
import Testing

/// The commands in the shell blocks of one section of the README, each on a line of its own.
private func commands(below title: String) throws -> [String] {
  let text = try String(contentsOf: Program.home.appending(path: "README.md"), encoding: .utf8)
  let section = text.components(separatedBy: "\n## ").first { $0.hasPrefix(title) }
  let parts = try #require(section, "the README has no '\(title)'").components(
    separatedBy: "```\n")
  return parts.enumerated().filter { $0.offset % 2 == 1 }
    .flatMap { $0.element.replacing("\\\n", with: " ").split(separator: "\n").map(String.init) }
}

@Suite(.serialized, .enabled(if: Program.url != nil, "the program was not built"))
struct `The README` {
  /// What the commands of its first ten minutes begin with, and what they say.
  private static let steps: [(command: String, says: [String])] = [
    ("quorate cluster init", ["of 4 replicas", "3 signatures certify"]),
    ("quorate cluster up", ["4 replicas are up and have certified a state."]),
    ("quorate pipeline new", ["Next: quorate pipeline lint my-pipeline"]),
    ("quorate pipeline lint", ["my_pipeline 1.0.0 is sound", "1 test."]),
    ("quorate pipeline test", ["2 tests, 0 failed"]),
    ("quorate pipeline plan", ["This deploy of my_pipeline 1.0.0", "nothing is breaking."]),
    ("quorate pipeline deploy", ["signatures verified", "its account holds 5.00 T cycles"]),
    ("printf", []),
    ("quorate ingest", ["1 row in 1 batch, certified", "1 accepted"]),
    (query, ["1 row at height"]),
    (down, ["All 4 replicas are down and ", " is removed."]),
  ]
  private static let query = "quorate query"
  private static let down = "quorate cluster down"

  @Test(.timeLimit(.minutes(10)))
  func `leads to an answer in ten minutes, and past mistakes, and leaves nothing behind`()
    async throws
  {
    let lines = try commands(below: "In ten minutes")
    try #require(lines.count == Self.steps.count, "\(lines)")
    let user = try NewUser()
    var replicas: [String] = []
    for (line, step) in zip(lines, Self.steps) {
      try #require(line.hasPrefix(step.command), "\(line)")
      if step.command == Self.down {
        for mistake in Mistake.late { try user.makes(mistake) }
        replicas = try user.replicas()
      }
      let ended = try await followed(line, user)
      try #require(ended.status == 0, "\(line): \(ended)")
      for words in step.says { #expect(ended.output.contains(words), "\(line): \(ended)") }
    }
    #expect(replicas.count == 4)
    #expect(replicas.filter(user.owns) == [])
    #expect(!FileManager.default.fileExists(atPath: user.cluster.path))
  }

  /// One replica answers a query, and may lag a moment behind the row that was certified.
  private func followed(_ line: String, _ user: NewUser) async throws -> Program.Ended {
    var ended = try user.run(line)
    guard line.hasPrefix(Self.query) else { return ended }
    try await eventually("ada's row in: \(line)") {
      if ended.output.contains(#/ada +1\n/#) { return true }
      ended = try user.run(line)
      return false
    }
    return ended
  }
}
