import Foundation
import FoundationXML
import Testing

@testable import quorate

/// What an XML document holds.
private final class Elements: NSObject, XMLParserDelegate {
  private(set) var counts: [String: Int] = [:]
  private(set) var attributes: [String: [String: String]] = [:]

  /// - Throws: when the file is not well formed.
  init(of file: URL) throws {
    super.init()
    let parser = XMLParser(data: try Data(contentsOf: file))
    parser.delegate = self
    guard parser.parse() else { throw parser.parserError ?? CocoaError(.fileReadCorruptFile) }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes found: [String: String]
  ) {
    counts[name, default: 0] += 1
    attributes[name] = found
  }
}

@Suite struct `A pipeline that was just made` {
  @Test func `passes its own tests, and a report tells of those that fail`() async throws {
    let home = FileManager.default.temporaryDirectory.appending(path: "made-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: home) }
    let folder = home.appending(path: "made")
    let report = home.appending(path: "report.xml")
    let template = PipelineTemplate(name: "made")
    try template.write(to: folder)
    let command = try PipelineCommand.TestCommand.parse([folder.path, "--junit", report.path])
    try await command.run()
    let good = try Elements(of: report)
    #expect((good.counts["testcase"] ?? 0) > 0)
    #expect(good.counts["failure"] == nil)
    #expect(good.attributes["testsuite"]?["failures"] == "0")
    #expect(good.attributes["testcase"]?["name"]?.contains("full of ties") == true)
    #expect(good.counts["system-out"] == 1)
    // What is expected now is not there: a quote, a bracket and an ampersand must not break it.
    let tests = folder.appending(path: "tests/entries.yaml")
    let text = try String(contentsOf: tests, encoding: .utf8)
    let other = text.replacing(
      "authors: [ { author: ada", with: "authors: [ { author: \"<a & 'b'>\"")
    #expect(other != text)
    try other.write(to: tests, atomically: true, encoding: .utf8)
    await #expect(throws: (any Error).self) { try await command.run() }
    let bad = try Elements(of: report)
    #expect((bad.counts["failure"] ?? 0) > 0)
    #expect(bad.counts["testcase"] == good.counts["testcase"])
    #expect(bad.attributes["testsuite"]?["failures"] != "0")
    try text.replacing("ingest: entries", with: "ingest: entires")
      .write(to: tests, atomically: true, encoding: .utf8)
    await #expect(throws: (any Error).self) { try await command.run() }
    let refused = try Elements(of: report)
    #expect(refused.counts["error"] == 1)
    #expect(refused.attributes["error"]?["message"]?.contains("entires") == true)
  }
}
