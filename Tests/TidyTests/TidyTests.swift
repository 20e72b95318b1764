import Foundation
import SourceRules
import Testing

@Suite struct `The source tree` {
  let tree = SourceTree.shared

  @Test func `is found`() {
    #expect(tree.swift.count > 50)
    #expect(tree.deterministic.count > 20)
  }

  @Test(arguments: SourceTree.shared.swift)
  func `has no line over 100 columns`(file: SourceTree.File) {
    let long = file.lines.enumerated().filter { $0.element.count > 100 }.map { $0.offset + 1 }
    #expect(long.isEmpty, "\(file.path): lines \(long)")
  }

  @Test(arguments: SourceTree.shared.swift)
  func `has no file over 800 lines`(file: SourceTree.File) {
    #expect(file.lines.count <= 801, "\(file.path) has \(file.lines.count) lines")
  }

  @Test(arguments: SourceTree.shared.swift)
  func `has no function over 70 lines`(file: SourceTree.File) {
    #expect(longFunctions(in: file.lines).isEmpty, "\(file.path)")
  }

  @Test(arguments: SourceTree.shared.swift)
  func `leaves nothing unfinished by its own words`(file: SourceTree.File) {
    guard !file.path.hasPrefix("Tests/TidyTests/") else { return }
    let words = ["FIXME", "TODO", "XXX", "fatalError(", "not implemented", "for now,"]
    for (number, line) in file.lines.enumerated() {
      for word in words where line.contains(word) {
        Issue.record("\(file.path):\(number + 1) says \(word)")
      }
    }
  }

  @Test(arguments: SourceTree.shared.deterministic)
  func `lets no chance, clock or task into the value modules`(file: SourceTree.File) {
    let banned: [Regex<Substring>] = [
      #/\.shuffled\(/#, #/\.randomElement\(/#, #/\.random\(in/#, #/SystemRandomNumberGenerator/#,
      #/\bDate\(\)/#, #/\bDate\.now/#, #/ContinuousClock/#, #/SuspendingClock/#,
      #/(?:=|^|\() *Task \{/#, #/Task\.detached/#, #/\bhashValue\b/#, #/\bUUID\(\)/#,
      #/import Dispatch/#, #/\bawait /#,
    ]
    for (number, line) in file.lines.enumerated() {
      let code = line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0]
      for call in banned where code.contains(call) {
        Issue.record("\(file.path):\(number + 1): \(line)")
      }
    }
  }

  @Test(arguments: SourceTree.shared.deterministic)
  func `iterates no dictionary in hash order`(file: SourceTree.File) {
    for fault in SourceRule.hashOrder.faults(in: file.lines) {
      Issue.record("\(file.path):\(fault)")
    }
  }

  @Test func `compares the texts of users by their bytes`() {
    let storage = tree.swift.filter { $0.path.hasPrefix("Sources/Storage/") }
    for file in tree.deterministic + storage {
      for fault in SourceRule.spelling.faults(in: file.lines) {
        Issue.record("\(file.path):\(fault)")
      }
    }
  }

  @Test func `gives a connection its hooks where it is opened`() {
    let ours = tree.swift.filter { !$0.path.hasPrefix("Tests/") }
    for file in ours {
      for fault in SourceRule.hooks.faults(in: file.lines) {
        Issue.record("\(file.path):\(fault)")
      }
    }
    let engine = ours.filter { $0.path == "Sources/Execution/Engine/Engine.swift" }
    #expect(engine.contains { $0.lines.contains { $0.contains("sqlite3_set_authorizer(") } })
  }

  @Test func `keeps Foundation out of the replica core`() {
    let core = ["Wire", "Metering", "Consensus", "Replication", "SQL", "Storage", "Execution"]
    for file in tree.swift
    where core.contains(where: { file.path.hasPrefix("Sources/\($0)/") })
      && file.lines.contains(where: { $0.hasSuffix("import Foundation") })
    {
      Issue.record("\(file.path) imports Foundation")
    }
  }

  @Test func `has a test target for each target, and a line of the README`() throws {
    let manifest = try tree.text("Package.swift")
    let readme = try tree.text("README.md")
    let names = manifest.matches(of: #/module\(\s*"([A-Za-z]+)"/#).map { String($0.output.1) }
    #expect(names.count >= 15)
    for name in names {
      #expect(manifest.contains("\"\(name)Tests\""), "no \(name)Tests")
      #expect(readme.contains("`\(name)`"), "the README does not name \(name)")
    }
  }

  @Test func `runs every scenario file by its name`() throws {
    let scenarios = try tree.names(in: "Simulation/Scenarios", suffix: ".yaml")
    #expect(scenarios.count >= 16)
    let runner = tree.swift.filter { $0.path.hasPrefix("Tests/ScenarioTests/") }
    #expect(runner.contains { $0.lines.contains { $0.contains("Simulation/Scenarios") } })
  }

  @Test func `holds only what belongs at the top level`() throws {
    let top = try tree.names(in: "")
    let belongs = ["Package.swift", "README.md", "Simulation", "Sources", "Tests", "deploy"]
    let extra = Set(top).subtracting(belongs).subtracting(["Package.resolved", "LICENSE"])
    #expect(extra.isEmpty, "\(extra.sorted())")
  }

  @Test func `names no path of a machine`() {
    let path = #/(^|[^.A-Za-z0-9_])\/(root|home|work|farm)\/[A-Za-z]/#
    for file in tree.swift where !file.path.hasPrefix("Tests/TidyTests/") {
      for (number, line) in file.lines.enumerated() where line.contains(path) {
        Issue.record("\(file.path):\(number + 1): \(line)")
      }
    }
  }
}

/// The names and lengths of functions over 70 lines. A function ends at the first line that is
/// its own indentation and a closing brace, which holds because the format is checked.
func longFunctions(in lines: [String]) -> [String] {
  let declaration =
    #/^ *((@[A-Za-z]+(\(.*\))?|[a-z]+(\([a-z]+\))?) )*(func|init|deinit)\b[^.]*/#
  var found: [String] = []
  for (start, line) in lines.enumerated()
  where line.prefixMatch(of: declaration) != nil && !line.hasSuffix("}") {
    let indent = line.prefix { $0 == " " }
    guard let end = lines[start...].firstIndex(where: { $0 == indent + "}" }) else { continue }
    // A header over several lines ends with the line that opens the body.
    let header = lines[start...].prefix { !$0.hasSuffix("{") }.count
    if end - start - header > 70 { found.append("\(line): \(end - start - header) lines") }
  }
  return found
}

@Suite struct `The function counter` {
  @Test func `finds a long function and passes a short one`() {
    let long = ["  func a() {"] + Array(repeating: "    b()", count: 71) + ["  }"]
    #expect(longFunctions(in: long).count == 1)
    #expect(longFunctions(in: ["  func a() {", "    b()", "  }"]).isEmpty)
  }
}

@Suite struct `The lint of hash order` {
  @Test func `QD45 finds a loop over a dictionary or a set, and passes a sorted one`() {
    let hashed = [
      "  var tables: [String: Int] = [:]", "  for name in tables.keys {", "  }",
      "  let names: Set<String> = []", "  for name in names { use(name) }",
      "  let list = names.map(\\.count)",
    ]
    #expect(hashOrdered(in: hashed) == [2, 5, 6])
    let sorted = [
      "  var tables: [String: Int] = [:]", "  for name in tables.keys.sorted() {", "  }",
      "  let names: Set<String> = []", "  for name in names.sorted() { use(name) }",
      "  let list = names.map(\\.count).sorted()", "  if names.contains(name) { use(name) }",
    ]
    #expect(hashOrdered(in: sorted) == [])
  }

  @Test func `QD45 forgets a name at the end of its scope`() {
    let lines = [
      "func a() {", "  let calls: Set<Int> = []", "  use(calls)", "}", "func b(calls: [Int]) {",
      "  for call in calls { use(call) }", "}",
    ]
    #expect(hashOrdered(in: lines) == [])
  }
}

@Suite struct `The lint of spelling` {
  @Test func `QD24 finds texts that are held for equal, and passes those compared by bytes`() {
    let alike = [
      "  if old.query?.print() != new.query?.print() {",
      "  if a.sql.text == b.sql.text {",
      "  guard old.defaultText != new.defaultText else {",
      "  put(text.replacing(\"'\", with: \"''\"))",
      "  text.split(separator: \"'\")",
      "  var cache: [String: PreparedStatement] = [:]",
    ]
    #expect(spelledAlike(in: alike) == [1, 2, 3, 4, 5, 6])
    let apart = [
      "  if old.query?.printed != new.query?.printed {",
      "  if a.sql.text.isSpelled(as: b.sql.text) {",
      "  if column.defaultText == nil {",
      "  var cache: [StatementText: PreparedStatement] = [:]",
      "  if type == .text { return }",
      "  // a.sql.text == b.sql.text",
    ]
    #expect(spelledAlike(in: apart) == [])
  }
}

@Suite struct `The lint of hooks` {
  @Test func `QD47 finds one that is given later, and passes those of an initializer`() {
    let later = [
      "  func watch() {", "    if isOpen {", "      sqlite3_preupdate_hook(handle, note, nil)",
      "    }",
      "  }",
    ]
    #expect(strayHooks(in: later) == [3])
    let first = [
      "  let handle: OpaquePointer", "", "  init(", "    path: String", "  ) throws {",
      "    sqlite3_set_authorizer(", "      handle, judge, nil)", "  }", "", "  deinit {",
      "    sqlite3_set_authorizer(handle, nil, nil)", "  }",
    ]
    #expect(strayHooks(in: first) == [])
  }
}
